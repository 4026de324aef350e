/*
 * Content classes: what a block of memory looks like, told by its words.
 */
#ifndef MF_SCAN_CONTENT_H
#define MF_SCAN_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/vec.h"
#include "scan/pointers.h"
#include "scan/scanner.h"

enum mf_content {
	MF_CONTENT_ZERO,
	MF_CONTENT_TEXT,
	MF_CONTENT_POINTERS,
	MF_CONTENT_INTEGERS,
	MF_CONTENT_FLOATS,
	MF_CONTENT_COMPRESSED, /* or encrypted: no byte is likelier */
	MF_CONTENT_MIXED,
	MF_CONTENT_JAVA, /* headers of Java's objects, and references */
	MF_CONTENTS,
};

/** What a block of text is, if it is any of these. */
enum mf_content_text {
	MF_TEXT_OTHER,
	MF_TEXT_HTTP,
	MF_TEXT_JSON,
	MF_TEXT_MARKUP,
	MF_TEXT_LOG,
	MF_TEXT_SQL,
	MF_TEXT_HEX,
	MF_TEXT_BASE64,
	MF_TEXT_WIDE,
	MF_TEXTS,
};

enum {
	MF_CONTENT_WORDS = 64, /* of a block */
	MF_CONTENT_BLOCK = 512,
	MF_CONTENT_ZEROS = 16, /* one of so many words may be no zero */
};

/**
 * What each word of a block looks like; every word is in one mask at most. A
 * look that was not needed to tell the class was not taken: all are of a block
 * that is mixed, and pointers of one of pointers.
 */
struct mf_content_masks {
	uint64_t zero, text, pointer, integer, real;
};

/** Where addresses lie, for mf_content_judge. */
struct mf_content_clusters {
	/* (int64_t)(word - start) < below: it may be an address */
	uint64_t start[MF_POINTER_CLUSTERS];
	int64_t below[MF_POINTER_CLUSTERS];
	/* the same of all of them, and what lies between */
	uint64_t first;
	int64_t reach;
};

void mf_content_clusters_init(struct mf_content_clusters *clusters,
			      const struct mf_pointer_index *index);

/**
 * The class of those words of BLOCK, which may stand anywhere, that are in USED
 * (a bit each, the first the lowest; one at least).
 */
typedef enum mf_content
mf_content_judge(const uint8_t *block, uint64_t used,
		 const struct mf_content_clusters *clusters,
		 struct mf_content_masks *masks);

/** For any processor. */
mf_content_judge mf_content_judge_portable;

enum {
	MF_CONTENT_JUDGES = 3,
};

struct mf_content_kernel {
	mf_content_judge *judge;
};

/** Those that this processor can do, the best first; returns how many. */
size_t mf_content_judges(struct mf_content_kernel ret[MF_CONTENT_JUDGES]);
/** NULL: not this processor. */
mf_content_judge *mf_content_judge_avx512(void);
mf_content_judge *mf_content_judge_avx2(void);

/** Of words most of which look like nothing: COMPRESSED, TEXT or MIXED. */
enum mf_content mf_content_judge_others(const uint8_t *block, uint64_t used);

/** How references look in the Java heap: half - start < span. */
struct mf_content_java {
	uint32_t start, span; /* span 0: they cannot be told */
};

/** Whether such a region, or group of them, has Java's objects. */
bool mf_content_is_java_heap(enum mf_class class, const char *label);
void mf_content_java_init(struct mf_content_java *java,
			  const struct mf_space *space);
/** Whether those words of BLOCK, of the Java heap, are mostly of objects. */
bool mf_content_is_java(const uint8_t *block, uint64_t used,
			const struct mf_content_java *java);

/** Of those words of BLOCK, which is text, that are in USED; *PRINTED: their
 * bytes that are not 0. */
enum mf_content_text mf_content_text_of(const uint8_t *block, uint64_t used,
					unsigned *printed);

/** "HTTP headers", ...; NULL: of MF_TEXT_OTHER. */
const char *mf_content_text_name(enum mf_content_text text);

enum {
	MF_CONTENT_TARGETS = 4, /* that a group's pointers are told by */
};

/** Bytes of pointers into what has that name, about: the most frequent ones. */
struct mf_content_target {
	uint32_t name; /* index + 1; 0: none */
	uint64_t weight;
};

/** What one group is made of. */
struct mf_content_tally {
	uint64_t bytes[MF_CONTENTS];
	/* words of mixed blocks that look like the first five classes */
	uint64_t mixed[MF_CONTENT_COMPRESSED];
	struct mf_content_target targets[MF_CONTENT_TARGETS];
	/* of some blocks of text: bytes that are not 0, by what they are */
	uint64_t texts[MF_TEXTS];
};

struct mf_content_scanner {
	struct mf_pointer_index index;
	struct mf_content_clusters clusters;
	struct mf_content_java java;
	bool *is_java; /* of each group: it is of the Java heap */
	mf_content_judge *judge;
	struct mf_pool pool;
	MF_VEC(const char *) names; /* of what pointers lead into */
	uint32_t *name_of;	    /* of each region: index + 1 */
	struct mf_content_tally *tallies;
	size_t group_count;
};

/** One line for people: "71% text, mostly JSON; 18% pointers into arena 3";
 * free() it. */
char *mf_content_describe(const struct mf_content_scanner *scanner,
			  const struct mf_content_tally *tally);

struct mf_table;

/** A line each, the largest first; of SHAPE the title, top, empty and show. */
void mf_content_write_groups(const struct mf_content_scanner *scanner,
			     const struct mf_scan *scan,
			     struct mf_report *report,
			     const struct mf_table *shape);
/** Lines that the first ROWS of them take where there are so many COLUMNS. */
size_t mf_content_group_lines(const struct mf_content_scanner *scanner,
			      const struct mf_scan *scan, size_t rows,
			      size_t columns);

void mf_content_write(const void *scanner, const struct mf_scan *scan,
		      struct mf_report *report);

#endif
