/*
 * What patterns are once they are compiled: bytes with a mask, a regular
 * expression, ranges that words may point into, or a file of YARA rules. All
 * of it is read-only while windows are scanned, but for YARA's scanner, which
 * takes one window at a time.
 */
#ifndef MF_SCAN_PATTERNS_H
#define MF_SCAN_PATTERNS_H

#include "scan/scanner.h"

enum {
	MF_PATTERN_LONGEST = 4096,   /* bytes of one */
	MF_PATTERN_OVERLAP = 4096,   /* of windows, for regular expressions */
	MF_PATTERN_MOST_GAVE_UP = 4, /* of a window: the rest is skipped */
	MF_PATTERN_WORST = 256, /* times in all: it is looked for no more */
	MF_PATTERN_GIVE_UP_STEP = 4096, /* bytes that are skipped each time */
};

/* ---- bytes: patterns_bytes.c -------------------------------------------------- */

struct mf_needle {
	uint8_t value[MF_PATTERN_LONGEST], mask[MF_PATTERN_LONGEST];
	size_t size;
	/* two bytes that are given in full and are seldom; equal: one is */
	size_t anchors[2];
	bool anchored; /* else none is given in full */
	bool masked;
};

struct mf_error *mf_needle_from_text(const char *text, struct mf_needle *ret)
	MF_MUST_CHECK;
/** "de ad ?? e?": blanks are as one likes. */
struct mf_error *mf_needle_from_hex(const char *text, struct mf_needle *ret)
	MF_MUST_CHECK;

/**
 * The first place from FROM at which all of it stands below SIZE, or SIZE.
 * MF_SCAN_SLACK bytes behind SIZE are readable.
 */
size_t mf_needle_find(const struct mf_needle *needle, const uint8_t *bytes,
		      size_t from, size_t size);

/* ---- regular expressions: patterns_regex.c ------------------------------------- */

struct mf_regex;
struct mf_regex_worker;

struct mf_error *mf_regex_compile(const char *text, struct mf_regex **ret)
	MF_MUST_CHECK;
void mf_regex_destroy(struct mf_regex *regex);
struct mf_regex_worker *mf_regex_worker_create(const struct mf_regex *regex);
void mf_regex_worker_destroy(struct mf_regex_worker *worker);

enum mf_regex_is {
	MF_REGEX_NONE,
	MF_REGEX_MATCH,
	MF_REGEX_GAVE_UP, /* at its limits of time or memory */
};

/** In which SIZE bytes are looked at; a match begins before TO. */
struct mf_regex_text {
	const uint8_t *bytes;
	size_t size, to;
};

/**
 * The first match from FROM, of one byte or more. When it gives up, START is
 * where.
 */
enum mf_regex_is mf_regex_find(struct mf_regex_worker *worker,
			       const struct mf_regex_text *text, size_t from,
			       size_t *start, size_t *end);

/* ---- YARA rules: patterns_yara.c ------------------------------------------------- */

struct mf_yara;

/** Shows a string that matched, SIZE bytes at ADDRESS. */
typedef void (*mf_yara_visitor)(const char *rule, const char *string,
				uint64_t address, uint64_t size, void *data);

/** Errors: usage, with line; unsupported, where this build has no libyara. */
struct mf_error *mf_yara_compile(const char *path, struct mf_yara **ret)
	MF_MUST_CHECK;
void mf_yara_destroy(struct mf_yara *yara);
/** Any thread; BYTES are those at ADDRESS. */
void mf_yara_scan(struct mf_yara *yara, const uint8_t *bytes, size_t size,
		  uint64_t address);
/** Judges the rules, and shows those that hold; NULL string: it has none. */
void mf_yara_finish(struct mf_yara *yara, mf_yara_visitor visit, void *data);
/** Strings of which more matched than libyara counts, or what failed; "". */
const char *mf_yara_trouble(const struct mf_yara *yara);

#endif
