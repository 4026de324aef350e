/*
 * What the compiler is told about our functions and data: attributes under
 * one set of names, and the few macros that every room uses.
 */
#ifndef MF_BASE_COMPILER_H
#define MF_BASE_COMPILER_H

#include <stddef.h>

#define MF_MUST_CHECK	   __attribute__((warn_unused_result))
#define MF_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define MF_NORETURN	   __attribute__((noreturn))
#define MF_UNUSED	   __attribute__((unused))
#define MF_LIKELY(x)	   __builtin_expect(!!(x), 1)
#define MF_UNLIKELY(x)	   __builtin_expect(!!(x), 0)

#define MF_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MF_MIN(a, b)                           \
	({                                     \
		__typeof__(a) mf_a_ = (a);     \
		__typeof__(b) mf_b_ = (b);     \
		mf_a_ < mf_b_ ? mf_a_ : mf_b_; \
	})
#define MF_MAX(a, b)                           \
	({                                     \
		__typeof__(a) mf_a_ = (a);     \
		__typeof__(b) mf_b_ = (b);     \
		mf_a_ > mf_b_ ? mf_a_ : mf_b_; \
	})

/** Runs FUNCTION on the address of the variable when it leaves its scope. */
#define mf_cleanup(function) __attribute__((cleanup(function)))

#endif
