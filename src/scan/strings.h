/*
 * What the files of the strings scanner share: a string, where it is counted,
 * and what a worker and the scanner hold.
 *
 *   strings_bits.c   where text is in a window
 *   strings_runs.c   the strings there: ASCII and UTF-8
 *   strings_utf16.c  the same for UTF-16LE
 *   strings_scripts.c  what of that is text that has no ASCII
 *   strings_edges.c  strings that go on in the next window
 *   strings_hash.c   what makes two strings the same
 *   strings_keys.c   lines of private keys, by what is around them
 *   strings_count.c  what is kept of a string: by text, prefix and shape
 *   strings_led.c    shapes of keys with their length before them
 *   strings_shape.c  a text with its numbers folded
 *   strings_spill.c  all of them, in a file
 *   strings.c        the scanner
 */
#ifndef MF_SCAN_STRINGS_H
#define MF_SCAN_STRINGS_H

#include <pthread.h>

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "scan/scanner.h"
#include "scan/sketch.h"
#include "scan/text_bits.h"

enum {
	MF_STRING_LEAST = 6,   /* characters, unless asked otherwise */
	MF_STRING_HEAD = 1024, /* bytes that are looked at, and shown */
	MF_STRING_SLACK = 64,  /* readable behind a head */
	MF_STRING_FORM = 256,  /* bytes that its shape is made of */
	MF_STRING_TEXT = 192,  /* bytes that are kept of one that is counted */
	MF_SHAPE_TEXT = 96,    /* of a shape, and of its example */
	MF_PREFIX_TEXT = 64,
	MF_WIDE_SEED = 4,      /* characters of ASCII that tell UTF-16 */
	MF_STRING_SETS = 2048, /* of eight texts */
	MF_SHAPE_SETS = 512,
	MF_PREFIX_SETS = 1024,
	MF_KNOWN_FORMS = 512,
	MF_STRING_BATCH = 128, /* strings that are counted at once */
	MF_STRING_PART =
		MF_TEXT_PART * 64, /* bytes that are looked at at once */
};

enum mf_string_encoding {
	MF_STRING_ASCII,
	MF_STRING_UTF8,
	MF_STRING_UTF16,
	MF_STRING_ENCODINGS,
};

/** What is known of an item besides its amounts: mf_sketch_item.flags. */
enum mf_string_flags {
	MF_STRING_KEY = 1 << 0,	    /* it is key material */
	MF_STRING_VARIED = 1 << 1,  /* of a shape, a prefix: of several texts */
	MF_STRING_NOT_LED = 1 << 2, /* not each begins with its length */
	MF_STRING_STRIPPED = 1 << 3, /* what stood beside it was taken off */
};

#define MF_FORM_NONE UINT32_MAX

/** A whole string, where it was found. */
struct mf_string {
	uint64_t address, size;
	const uint8_t *head; /* its first bytes, at most MF_STRING_HEAD */
	uint64_t hash;	     /* of all its bytes, and its encoding */
	uint64_t folded;     /* of a short one: with all its digits alike */
	enum mf_string_encoding encoding;
	bool digits; /* it has some */
	bool key;
	bool joined; /* of several windows */
};

struct mf_string_total {
	uint64_t count, bytes;
};

/** Texts that are alike but for which digits they have are of one shape, and
 * begin with the same. */
struct mf_known_form {
	uint64_t folded; /* the hash of such a text; 0: none */
	/* the hashes of what it is counted as, and their places among the items,
	 * if they are there yet */
	uint64_t shape, prefix;
	uint32_t shape_item, prefix_item; /* or MF_FORM_NONE: it has none */
	uint32_t prefix_size;
};

/** What a worker counts. */
struct mf_string_counts {
	struct mf_string_total totals[MF_STRING_ENCODINGS];
	struct mf_sketch texts, shapes, prefixes;
	struct mf_known_form known[MF_KNOWN_FORMS];
};

/** What all of them counted. */
struct mf_string_sums {
	struct mf_string_total totals[MF_STRING_ENCODINGS];
	struct mf_sketch_sum texts, shapes, prefixes;
};

struct mf_string_edges;
struct mf_string_spill;
struct mf_strings_worker;

struct mf_strings {
	uint32_t least; /* characters of a string */
	bool all, redact;
	mf_text_masks_make make_masks;
	const struct mf_text_steps *steps;
	struct mf_string_sums sums;
	struct mf_map keys;   /* of all workers; the lower halves */
	pthread_mutex_t lock; /* of what follows */
	struct mf_string_edges *edges;
	/* counts what spans windows, whichever thread saw the last of it */
	struct mf_strings_worker *joiner;
	struct mf_string_spill *spill; /* NULL unless all are wanted */
	struct mf_error *error;	       /* of the spill */
};

/** Lines of what may be a private key, one right behind the other. */
enum {
	MF_KEY_LINES = 128,
};

struct mf_key_chain {
	enum {
		MF_CHAIN_NONE,
		MF_CHAIN_OPEN,
		MF_CHAIN_KEY
	} state;
	bool ended;   /* one that was open turned out to be a key's */
	uint64_t end; /* of the last line */
	uint32_t count;
	uint64_t lines[MF_KEY_LINES]; /* their hashes, while it is open */
};

struct mf_strings_worker {
	struct mf_strings *scanner;
	struct mf_string_counts counts;
	struct mf_key_chain chain, wide_chain; /* the latter of UTF-16 */
	struct mf_map keys;	  /* hashes of lines of private keys */
	struct mf_buffer spilled; /* of this window */
	struct mf_buffer joined;  /* of several */
	struct mf_string batch[MF_STRING_BATCH]; /* found, and not counted */
	size_t batched;
	/* Of the window, a bit a byte; a part more than it has. */
	uint64_t *text; /* characters that are shown */
	uint64_t *runs; /* so are those behind it: a string may begin there */
	/* four UTF-16 characters of ASCII begin there; or, behind a zero, what
	 * may be others */
	uint64_t *wide;
	struct mf_text_bits bits; /* of a part of the window */
	struct mf_text_list list; /* of a block of it */
	/* of each part of it: some text there is other than ASCII */
	bool high[MF_SCAN_WINDOW / MF_STRING_PART + 1];
};

/* ---- a string -------------------------------------------------------------- */

/**
 * The hash of COUNT bytes that could be of a longer string: those of two parts
 * make that of both.
 */
uint64_t mf_string_roll(uint64_t before, const uint8_t *bytes, uint64_t count);
/** MULTIPLIER to the power of COUNT: what BEFORE is multiplied with. */
uint64_t mf_string_roll_join(uint64_t before, uint64_t after, uint64_t count);

/**
 * The hash of a whole string. ROLLED is used only where it is longer than
 * MF_STRING_HEAD; HEAD has slack.
 */
uint64_t mf_string_hash(const struct mf_string *string, uint64_t rolled);

/**
 * Whether STRING is short: its shape is of all its bytes as they are. Then both
 * its hashes are made at once.
 */
static inline bool mf_string_is_short(const struct mf_string *string)
{
	return string->size <= MF_STRING_FORM &&
	       string->encoding != MF_STRING_UTF16;
}
void mf_string_hash_short(struct mf_string *string);

/** Hashes STRING, all of whose bytes are behind its head. */
static inline void mf_string_hash_whole(struct mf_string *string)
{
	if (mf_string_is_short(string))
		mf_string_hash_short(string);
	else
		string->hash = mf_string_hash(
			string,
			string->size > MF_STRING_HEAD
				? mf_string_roll(0, string->head, string->size)
				: 0);
}

/** The same of other bytes, eight of which are readable behind them. */
uint64_t mf_string_hash_bytes(const uint8_t *bytes, uint64_t count,
			      uint64_t seed);

/**
 * The hash of COUNT bytes in which all digits are alike; false: there are none.
 * 16 are readable behind them.
 */
bool mf_string_hash_folded(const uint8_t *bytes, size_t count, uint64_t *ret);

/** Its first bytes as UTF-8, at most SIZE; returns how many. */
size_t mf_string_utf8(const struct mf_string *string, uint8_t *ret,
		      size_t size);

/* ---- windows to strings ------------------------------------------------------ */

/** What of a window is looked at: one piece. */
struct mf_string_piece {
	struct mf_strings_worker *worker;
	const struct mf_scan_window *window;
	uint32_t start, end;
	bool begins, ends;
};

/** Fills text, runs, wide and high; says whether there may be UTF-16. */
bool mf_strings_read_bits(struct mf_strings_worker *worker,
			  const struct mf_scan_window *window);

void mf_strings_window(void *worker, const struct mf_scan_window *window);
/** All strings of a window were found. */
void mf_strings_window_done(struct mf_strings_worker *worker);

/** UTF-16LE in it. */
void mf_strings_wide(const struct mf_string_piece *piece);

static inline uint32_t mf_wide_unit(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8;
}

/**
 * The UTF-16LE in one script at BYTES, of SIZE: bytes and characters of it. 0: that
 * may as well be something else.
 */
uint32_t mf_string_script(const uint8_t *bytes, uint32_t size,
			  uint32_t *characters);
/** Whether the first four characters there, of two bytes each, can be of one. */
bool mf_string_may_begin_script(const uint8_t *bytes);
/** Whether UNIT may be of a text of *SCRIPT; 0: none yet. */
bool mf_string_fits_script(uint32_t unit, unsigned *script);
/** Whether so many units may be of such a text. */
bool mf_string_may_be_script(const uint8_t *bytes, uint32_t units);

/** Where the next string that is found is to be put. */
static inline struct mf_string *
mf_strings_next(struct mf_strings_worker *worker)
{
	return &worker->batch[worker->batched];
}

/** The last that was put there is to be counted, or kept, at once. */
void mf_strings_take(struct mf_strings_worker *worker);

/** Counts the string that was put there, whose characters are enough. */
static inline void mf_strings_found(struct mf_strings_worker *worker)
{
	const struct mf_string *string = mf_strings_next(worker);

	worker->batched++;
	/* the head of one that was joined does not last */
	if (worker->batched == MF_STRING_BATCH || string->joined ||
	    worker->scanner->spill)
		mf_strings_take(worker);
}

/* ---- ends that are open ------------------------------------------------------ */

/** Which strings can be joined: the same, and side by side. */
enum mf_edge_kind {
	MF_EDGE_TEXT,
	MF_EDGE_WIDE, /* UTF-16 from even addresses, then odd ones */
	MF_EDGE_WIDE_ODD,
};

/** A string that touches an end of its window, and may go on there. */
struct mf_string_edge {
	enum mf_edge_kind kind;
	uint64_t start, end; /* of its whole characters */
	uint64_t characters, rolled;
	/* what is left of a character that the end cuts: before start, and
	 * behind end */
	uint8_t lead_size, tail_size;
	uint8_t lead[4], tail[4];
	bool open_before, open_behind;
	bool high; /* it has other than ASCII */
	bool key;
	/* UTF-16: it has enough ASCII in a row; so much at its ends */
	bool seeded;
	uint8_t plain_before, plain_behind;
	/* UTF-16: nothing is known of what is there that it would go on with */
	bool alone_before, alone_behind;
	uint32_t head_size;
	uint8_t head[MF_STRING_HEAD + MF_STRING_SLACK];
};

struct mf_string_edges *mf_string_edges_create(void);
void mf_string_edges_destroy(struct mf_string_edges *edges);

/** Joins EDGE to what is there; the joiner counts what is whole then. */
void mf_string_edges_add(struct mf_strings_worker *worker,
			 const struct mf_string_edge *edge);
/** Nothing more comes: all that is there is whole. */
void mf_string_edges_flush(struct mf_strings *strings);

/** Characters of valid text in SIZE bytes: exactly one. */
bool mf_string_is_character(const uint8_t *bytes, size_t size);
/** The same in UTF-16LE; and whether that is ASCII. */
bool mf_string_is_wide_character(const uint8_t *bytes, size_t size);
bool mf_string_is_wide_plain(const uint8_t *bytes, size_t size);

/* ---- lines of keys ------------------------------------------------------------ */

void mf_key_chain_begin(struct mf_strings_worker *worker,
			const struct mf_string_piece *piece);
/** Says whether STRING, which was found next in its piece, is of a key. */
bool mf_key_chain_add(struct mf_strings_worker *worker,
		      const struct mf_string_piece *piece,
		      const struct mf_string *string);
/** Says whether what CHAIN has at START in PIECE, and is cut, is of a key. */
bool mf_key_chain_goes_on(const struct mf_key_chain *chain,
			  const struct mf_string_piece *piece, uint32_t start);
/** STRING is the line before a key, which is not of it. */
bool mf_key_begins(const struct mf_string *string);
/** HASH is a line of a key, wherever it is found. */
void mf_key_line_note(struct mf_strings_worker *worker, uint64_t hash);

/* ---- counting ------------------------------------------------------------------- */

void mf_string_counts_init(struct mf_string_counts *counts);
void mf_string_counts_deinit(struct mf_string_counts *counts);
/** At most MF_STRING_BATCH of them. */
void mf_string_counts_add(struct mf_string_counts *counts,
			  const struct mf_string *strings, size_t count);
void mf_string_sums_init(struct mf_string_sums *sums);
void mf_string_sums_deinit(struct mf_string_sums *sums);
void mf_string_sums_add(struct mf_string_sums *sums,
			const struct mf_string_counts *counts);
void mf_string_sums_finish(struct mf_string_sums *sums);

/**
 * Redis keeps short keys with one byte before them, their length times eight,
 * which often is a letter. Where all of several items of SUM begin so and go on
 * alike, they become one without it. EXAMPLE: where in its room an item has an
 * example, or 0.
 */
void mf_string_sum_unlead(struct mf_sketch_sum *sum, size_t example);
/**
 * The same where very many different bytes stand BEFORE a text or behind it: up
 * to three of them are taken off.
 */
void mf_string_sum_strip(struct mf_sketch_sum *sum, size_t example,
			 bool before);

/**
 * TEXT with its numbers folded, at most SIZE bytes: marks of one byte stand for
 * what was folded. 0: there is nothing to fold.
 */
size_t mf_shape_make(const uint8_t *text, size_t count, uint8_t *ret,
		     size_t size);
/** The name of a mark ("<number>"), or NULL when BYTE is none. */
const char *mf_shape_mark(uint8_t byte);

/* ---- all of them ----------------------------------------------------------------- */

/** One that was written down. */
struct mf_spilled {
	uint64_t address, size;
	uint32_t hash; /* the lower half */
	uint16_t kept; /* bytes of text, UTF-8 */
	uint8_t encoding;
	bool key;
};

struct mf_error *mf_string_spill_create(struct mf_string_spill **ret);
void mf_string_spill_destroy(struct mf_string_spill *spill);
void mf_string_spill_add(struct mf_buffer *buffer,
			 const struct mf_string *string);
/** Takes what a window has, and empties BUFFER; the scanner's lock is held. */
struct mf_error *mf_string_spill_take(struct mf_string_spill *spill,
				      struct mf_buffer *buffer);
/** By address. TEXT ends with a zero, and is valid during the call. */
typedef void (*mf_spill_visitor)(const struct mf_spilled *spilled, char *text,
				 void *data);
struct mf_error *mf_string_spill_each(struct mf_string_spill *spill,
				      mf_spill_visitor visit, void *data);

/** The ops' write. */
void mf_strings_write(const void *scanner, const struct mf_scan *scan,
		      struct mf_report *report);

#endif
