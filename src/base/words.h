/*
 * Words that people type: which of those that there are was meant.
 */
#ifndef MF_BASE_WORDS_H
#define MF_BASE_WORDS_H

#include <stddef.h>

/** A word of COUNT that was probably meant by WORD, or NULL. */
const char *mf_did_you_mean(const char *word, const char *const *words,
			    size_t count);

#endif
