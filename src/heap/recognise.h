/*
 * What the recognisers of allocators share: evidence in loaded objects, who
 * owns malloc, words of a module's data, and cached reads of scattered
 * structures. Private to the heap room.
 */
#ifndef MF_HEAP_RECOGNISE_H
#define MF_HEAP_RECOGNISE_H

#include "base/map.h"
#include "base/memory.h"
#include "base/vec.h"
#include "heap/allocator.h"

/* ---- evidence in loaded objects --------------------------------------- */

/** What tells an allocator's object from any other; NULL: no such evidence. */
struct mf_signature {
	const char *const *symbols;  /* exported: any of these */
	const char *const *sections; /* of its file: any of these */
	const char *text;	     /* in its read-only bytes ... */
	uint64_t text_bss; /* ... sought only when its bss has these bytes */
};

/**
 * One phrase of what in MODULE matches ("exports mallctl"), in the heap's pool;
 * NULL when nothing does.
 */
const char *mf_signature_match(struct mf_heap_context *context,
			       const struct mf_module *module,
			       const struct mf_signature *signature);

/**
 * The first object in link order that defines malloc, or NULL: a call of malloc
 * from anywhere goes there.
 */
const struct mf_module *mf_malloc_owner(struct mf_heap_context *context);

/**
 * The next dotted version ("5.3.0") in TEXT, in the heap's pool, or "": digits,
 * dots and digits, at least one dot.
 */
const char *mf_version_in(struct mf_heap_context *context, const char *text,
			  size_t size);

/**
 * Adds the instances of OPS: those that its probe finds, or else one for every
 * module that matches. Each of these says by what it was recognised and that it
 * is not walked; the second and later of a kind have their module's name in
 * their owner.
 */
struct mf_error *mf_recognise(struct mf_heap_context *context,
			      const struct mf_allocator_ops *ops) MF_MUST_CHECK;

/** Sets owns_malloc of INSTANCE when malloc is that of its module. */
void mf_instance_ask_malloc(struct mf_heap_context *context,
			    struct mf_allocator_instance *instance);

/** Appends a phrase to what INSTANCE says of itself. */
void mf_instance_explain(struct mf_heap_context *context,
			 struct mf_allocator_instance *instance,
			 const char *format, ...) MF_PRINTF(3, 4);

/** Gives INSTANCE COUNT parameters (copied; names stay the caller's). */
void mf_instance_parameters(struct mf_heap_context *context,
			    struct mf_allocator_instance *instance,
			    const struct mf_parameter *parameters,
			    size_t count);

/** Claims for INSTANCE what CLAIM says; its owner is filled in. */
void mf_instance_claim(struct mf_heap_context *context,
		       const struct mf_allocator_instance *instance,
		       struct mf_claim claim);

/* ---- ranges ------------------------------------------------------------ */

struct mf_range {
	uint64_t start, end;
};

static inline bool mf_range_has(struct mf_range range, uint64_t address)
{
	return range.start <= address && address < range.end;
}

static inline uint64_t mf_range_size(struct mf_range range)
{
	return range.end - range.start;
}

static inline uint64_t mf_align_down(uint64_t value, uint64_t alignment)
{
	return value & ~(alignment - 1);
}

/** The writable part of a load that is not made read-only: data and bss. */
struct mf_range mf_module_data(const struct mf_module *module);

/** Bytes of the module's bss. */
uint64_t mf_module_bss_size(const struct mf_module *module);

/** The mapping of ADDRESS when it is private anonymous memory, read-write. */
const struct mf_mapping *mf_anon_at(struct mf_target *target, uint64_t address);

static inline bool mf_mapping_is_anon(const struct mf_mapping *mapping)
{
	return !mapping->inode && !(mapping->perms & MF_PERM_SHARED) &&
	       (!mapping->path[0] || !strncmp(mapping->path, "[anon", 5) ||
		!strcmp(mapping->path, "[heap]"));
}

/**
 * The contiguous run of anonymous mappings around ADDRESS, PROT_NONE ones
 * included ([heap] ends it); an empty range when there is none.
 */
struct mf_range mf_anon_run(struct mf_target *target, uint64_t address);

/* ---- reading ----------------------------------------------------------- */

/**
 * Gives every present page of a range, in order and in windows, as words.
 * VISIT returns false to end; so does the function then.
 */
struct mf_words {
	uint64_t address;
	const uint64_t *words;
	size_t count;
};

bool mf_scan_words(struct mf_target *target, struct mf_range range,
		   bool (*visit)(void *data, const struct mf_words *words),
		   void *data);

/**
 * Scattered structures of which many share a neighbourhood: reads through
 * windows of 64 KiB, of which a fixed number is kept.
 */
struct mf_reader;

struct mf_reader *mf_reader_create(struct mf_target *target);
void mf_reader_destroy(struct mf_reader *reader);

/** False when any byte is not known (no mapping, swapped). */
bool mf_reader_read(struct mf_reader *reader, uint64_t address, void *bytes,
		    size_t size);
bool mf_reader_u64(struct mf_reader *reader, uint64_t address, uint64_t *ret);

#endif
