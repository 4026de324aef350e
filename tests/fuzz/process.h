/*
 * A process in a file: what the fuzzers read, and tests/fuzz/capture writes.
 * Its mappings, the words of memory that are not zero, which pages are there,
 * its threads, and what its loaded objects say of themselves.
 *
 * The file is an array of 64-bit words: records, each of a first word (kind,
 * small, index, count), an address, and COUNT words more. Later records win
 * over earlier ones. Nothing in it is refused: what makes no sense is left out.
 */
#ifndef MF_FUZZ_PROCESS_H
#define MF_FUZZ_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/image.h"
#include "memforensics/target.h"

/** What a record is; ADDRESS is its second word, then the words after it. */
enum process_kind {
	PROCESS_MAPPING = 1, /* start: end, offset, inode, perms and vm_flags,
				path; small: it has bytes */
	PROCESS_WORDS,	     /* address: words that stand there */
	PROCESS_PAGES,	     /* first page: how many; small: MF_PAGE_* */
	PROCESS_THREAD,	     /* thread pointer: tid, pc, sp, system call + 1 */
	PROCESS_MODULE,	     /* start: end, bias, (start, end, kind) of SMALL
				segments, path; index: it is the program */
	PROCESS_SYMBOL,	     /* address: hash of its name, size */
	PROCESS_SECTION,     /* (none): hash of its name */
	PROCESS_TEXT,	 /* (none): bytes of the file, as a search saw them */
	PROCESS_SLOT,	 /* address: of a TLS offset in the GOT */
	PROCESS_TLS,	 /* bytes of the TLS block */
	PROCESS_LAYOUT,	 /* size: hash of the struct's name, offsets */
	PROCESS_OPTIONS, /* PROCESS_NO_SYMBOLS...; small: log2 of pages */
	PROCESS_KINDS,
};

/* From PROCESS_SYMBOL to PROCESS_LAYOUT the index is that of the module. */

enum process_option {
	PROCESS_NO_SYMBOLS = 1,
	PROCESS_CSV = 2,
	PROCESS_NO_WALK = 4,
	PROCESS_RUNS = 8, /* it is not held */
};

struct process_record {
	uint8_t kind, small;
	uint16_t index;
	uint32_t count;
	uint64_t address;
};

enum {
	PROCESS_RECORD_WORDS = 2,
};

_Static_assert(sizeof(struct process_record) == 8 * PROCESS_RECORD_WORDS,
	       "a record's head is two words");

/** The words behind RECORD. */
static inline const uint64_t *process_words(const struct process_record *record)
{
	return (const uint64_t *)(const void *)(record + 1);
}

/**
 * The record at word *AT of the COUNT WORDS, its count cut to what is there;
 * *AT moves behind it. NULL: no more.
 */
const struct process_record *process_next(const uint64_t *words, size_t count,
					  size_t *at,
					  struct process_record *head);

/** FNV-1a. */
static inline uint64_t process_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

struct mf_target_ops;

struct process {
	struct mf_target *target;
	struct mf_image *image;
	unsigned options; /* PROCESS_* */
	struct mf_target_ops *ops;
};

/** Opens the process that BYTES describe; one at a time. */
void process_open(struct process *process, const uint8_t *bytes, size_t size);
void process_close(struct process *process);

/** libFuzzer's: DATA changed, at most MAX bytes; its new size. */
size_t process_mutate(uint8_t *data, size_t size, size_t max, unsigned seed);

/** libFuzzer's: DATA with a record of OTHER behind it; its new size. */
size_t process_cross(uint8_t *data, size_t size, size_t max,
		     const uint64_t *other, size_t other_count, unsigned seed);

/* ---- forged_image.c ------------------------------------------------------- */

/** An image that says what records say; the words must outlive it. */
struct mf_image *forged_image_create(const uint64_t *words, size_t count);

#endif
