/*
 * The door of the scan room: what the bytes of a process are. One pass streams
 * the chosen ranges through every scanner that was asked for: content classes,
 * strings, typed objects, tasks, signatures, patterns.
 */
#ifndef MEMFORENSICS_SCAN_H
#define MEMFORENSICS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/heap.h"
#include "memforensics/image.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

struct mf_scan;
struct mf_report;

/* ---- types, by the first word of an object ------------------------------ */

struct mf_types;

/** What a word says that points at a vtable. */
struct mf_type {
	const char *name; /* "ns::Class<int>", or "vtable at libx.so+0x1230" */
	const char *language;		/* "c++", "rust", "c"; "": not known */
	const char *evidence;		/* "rtti", "symbol", "address" */
	const struct mf_module *module; /* that the vtable lies in */
	/* where such a word stands in an object of that type: 0, or further in
	 * for those of its bases */
	int64_t offset;
};

/**
 * The vtables of all modules, by their type information, with symbols or
 * without any; best before the target is held: nothing that is read changes.
 */
struct mf_error *mf_types_create(struct mf_target *target,
				 struct mf_image *image, struct mf_types **ret)
	MF_MUST_CHECK;
void mf_types_destroy(struct mf_types *types);

/** WORD is that of a vtable; *ret is valid as long as TYPES. One thread. */
bool mf_types_at(struct mf_types *types, uint64_t word, struct mf_type *ret);

/**
 * The task of Tokio that is at ADDRESS: "task of FUTURE, STATE"; its type has no
 * word of its own. Reads the target; *ret is valid as long as TYPES. One thread.
 */
bool mf_types_task_at(struct mf_types *types, uint64_t address,
		      struct mf_type *ret);

/** TYPE is meant by NAME, as in type:NAME: its name, or a glob of it. */
bool mf_type_matches(const struct mf_type *type, const char *name);

/* ---- the pass ------------------------------------------------------------- */

/* ---- secrets in what is shown ------------------------------------------------ */

enum mf_secret_kind {
	MF_SECRET_PRIVATE_KEY, /* PEM, DER, or DER in base64 */
	MF_SECRET_ACCESS_KEY,  /* of a cloud, of an API */
	MF_SECRET_TOKEN,
	MF_SECRET_JWT,
	MF_SECRET_PASSWORD,	 /* the value of what is called so */
	MF_SECRET_AUTHORIZATION, /* the value of such a header */
	MF_SECRET_EMAIL,
	MF_SECRET_CARD, /* by its check digit */
	MF_SECRET_KINDS,
};

/** What is to be masked of one: SIZE bytes at START. */
struct mf_secret {
	enum mf_secret_kind kind;
	size_t start, size;
};

/** What is masked; a bit set. */
enum mf_mask {
	MF_MASK_KEYS = 0,     /* key material: always */
	MF_MASK_ALL = 1 << 0, /* all that looks like a secret: --redact */
	MF_MASK_CUT = 1 << 1, /* the text goes on behind its end */
};

/** "private key", "token", ... */
const char *mf_secret_name(enum mf_secret_kind kind);

/**
 * The first secret in TEXT (any bytes) at or behind FROM, of those that HOW
 * says; false: there is none.
 */
bool mf_secret_find(const char *text, size_t size, size_t from, unsigned how,
		    struct mf_secret *ret);

/**
 * Puts an asterisk in the place of each byte of a secret, and returns how many
 * secrets there were. For every text of a target that is shown.
 */
size_t mf_secret_mask(char *text, size_t size, unsigned how);

/** The same for what of TEXT is UTF-16LE, from even or odd places on. */
size_t mf_secret_mask_wide(char *text, size_t size, unsigned how);

/** What is looked for; a bit set. */
enum mf_scan_for {
	MF_SCAN_CONTENT = 1 << 0,
	MF_SCAN_STRINGS = 1 << 1,
	MF_SCAN_OBJECTS = 1 << 2,    /* C++ objects, Rust trait objects */
	MF_SCAN_TASKS = 1 << 3,	     /* Tokio's */
	MF_SCAN_SIGNATURES = 1 << 4, /* file formats, protocols, keys */
	MF_SCAN_MATCHES = 1 << 5,    /* of patterns that were given */
	MF_SCAN_ALL = (1 << 6) - 1,
};

/** [start, end), whole pages or not; ranges of one group are told of as one. */
struct mf_scan_range {
	uint64_t start, end;
	uint32_t group; /* index into the groups */
};

/** What the ranges of one group are: an arena, a region. */
struct mf_scan_group {
	const char *label; /* kept by the caller as long as the scan */
	enum mf_class class;
	uint64_t start; /* of its first range */
};

enum mf_find_kind {
	MF_FIND_TEXT,
	MF_FIND_HEX, /* "de ad ?? e?" */
	MF_FIND_REGEX,
	MF_FIND_POINTER, /* words that point into ranges of the input */
	MF_FIND_YARA,	 /* the path of a file of rules */
};

enum {
	MF_SCAN_PATTERNS = 64, /* at once, at most */
};

/** As it was given; kept by the caller as long as the scan. */
struct mf_scan_pattern {
	enum mf_find_kind kind;
	const char *text;
};

/** What words are looked for that point to, by one pattern of that kind. */
struct mf_scan_pointed {
	uint64_t start, end;
	uint32_t pattern; /* index into the options' */
};

struct mf_scan_options {
	unsigned wanted;  /* MF_SCAN_* */
	bool free_too;	  /* bytes of chunks that are not in use, too */
	bool redact;	  /* mask all that looks like a secret */
	unsigned threads; /* 0: as many as there are CPUs, at most 2 */
	/* strings: characters of one, at least; 0: 6 */
	uint32_t least_characters;
	bool all_strings; /* each where it is, not counted by text; all matches */
	bool retained; /* of objects: what they keep alive; reads all pointers */
	const struct mf_scan_pattern *patterns; /* of MF_SCAN_MATCHES */
	size_t pattern_count;			/* at most MF_SCAN_PATTERNS */
};

/** What is scanned; heap NULL: every byte of a range counts. */
struct mf_scan_input {
	struct mf_target *target;
	struct mf_image *image;		    /* NULL: no symbols */
	struct mf_space *space;		    /* settled */
	struct mf_heap *heap;		    /* finished */
	const struct mf_scan_range *ranges; /* ascending, never overlapping */
	size_t range_count;
	const struct mf_scan_group *groups;
	size_t group_count;
	const struct mf_scan_pointed *pointed; /* of each pattern ascending */
	size_t pointed_count;
};

/**
 * In parts, so that a target is held no longer than it is read:
 *   mf_scan_create  all that needs no stop: symbols, patterns compiled
 *   mf_scan_read    while the target stands still and its models are built
 *   mf_scan_finish  after the release, before what is partial is told of
 */
struct mf_error *mf_scan_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_scan_options *options,
				struct mf_scan **ret) MF_MUST_CHECK;
struct mf_error *mf_scan_read(struct mf_scan *scan,
			      const struct mf_scan_input *input) MF_MUST_CHECK;
void mf_scan_finish(struct mf_scan *scan);
void mf_scan_destroy(struct mf_scan *scan);

/** Bytes that were scanned: present, and (unless free_too) in use. */
uint64_t mf_scan_bytes(const struct mf_scan *scan);

/** CONTRACT.md, scan: all of it, as data and as text. */
void mf_scan_write(const struct mf_scan *scan, struct mf_report *report);

/**
 * Only the lines of content, one a group, the largest first: `groups`. In text
 * ROWS of them (0: none) under TITLE.
 */
void mf_scan_write_groups(const struct mf_scan *scan, struct mf_report *report,
			  const char *title, size_t rows);
/** Lines that ROWS of them take, of so many COLUMNS. */
size_t mf_scan_group_lines(const struct mf_scan *scan, size_t rows,
			   size_t columns);

/** Groups of which something was scanned. */
size_t mf_scan_groups_seen(const struct mf_scan *scan);

/* ---- samples ---------------------------------------------------------------- */

/** Of BYTES of the ranges, spread over each group; OF: bytes of all of them. */
struct mf_scan_sample {
	struct mf_scan_range *ranges;
	size_t count;
	uint64_t bytes, of;
};

/** Ranges of about MOST bytes in place of INPUT's; all, if that is enough. */
void mf_scan_sample_take(const struct mf_scan_input *input, uint64_t most,
			 struct mf_scan_sample *ret);
void mf_scan_sample_deinit(struct mf_scan_sample *sample);

/* ---- what an address is, and who points at it ---------------------------- */

enum mf_spot_kind {
	MF_SPOT_ADDRESS, /* a number */
	MF_SPOT_RANGE,	 /* START-END, START+LENGTH */
	MF_SPOT_SYMBOL,	 /* NAME, or MODULE:NAME */
	MF_SPOT_ARENA,	 /* arena:N, the state of that arena */
	MF_SPOT_TYPE,	 /* type:NAME, all objects of that type */
};

/** Something that is asked about. */
struct mf_spot {
	const char *text; /* as it was given; kept by the caller */
	const char *name; /* of the symbol or type, in TEXT */
	enum mf_spot_kind kind;
	unsigned arena;
	uint64_t start, end; /* once located; of an address, it alone */
};

/** Reads TEXT, before anything is known of a target. Errors: usage. */
struct mf_error *mf_spot_parse(const char *text, struct mf_spot *ret)
	MF_MUST_CHECK;

/**
 * Before the target is held: where a symbol is, and what else of its module has
 * to be read by then. Errors: there is no such symbol.
 */
struct mf_error *mf_spot_find_symbol(struct mf_spot *spot,
				     struct mf_image *image) MF_MUST_CHECK;

/** Once the heap (or NULL) is finished: where an arena is. */
struct mf_error *mf_spot_find_arena(struct mf_spot *spot,
				    const struct mf_heap *heap) MF_MUST_CHECK;

/** Who knows the frames of threads. */
struct mf_frame_namer {
	/** The function that keeps ADDRESS in its frame on the stack of thread
	 * TID, and which frame that is, the innermost being 0; or NULL. */
	const char *(*name)(void *context, int tid, uint64_t address,
			    unsigned *frame);
	void *context;
};

struct mf_refs;

struct mf_refs_options {
	const char *type; /* who points at objects of that type; or NULL */
	unsigned depth;	  /* steps of a path from a root; 0, 1: no paths */
	bool tagged;	  /* words whose high 16 bits are something else, too */
	bool free_too;	  /* words in chunks that are not in use, too */
	bool exact;	  /* only words that point to a beginning */
	unsigned threads; /* as in mf_scan_options */
};

enum {
	MF_REFS_DEPTH_MAX = 64,
};

/** Before the target is held: types. */
struct mf_error *mf_refs_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_refs_options *options,
				struct mf_refs **ret) MF_MUST_CHECK;

/**
 * While the target stands still: who points into INPUT's ranges (which may be
 * none, when a type was asked for). A range of one byte is what holds it: a
 * chunk, a variable, or the byte alone. Begins from nothing when it is called
 * again. INPUT's space and heap have to live until it is written.
 */
struct mf_error *mf_refs_read(struct mf_refs *refs,
			      const struct mf_scan_input *input) MF_MUST_CHECK;
void mf_refs_destroy(struct mf_refs *refs);

/** When it was read: whoever names frames of stacks, as long as it is used. */
void mf_refs_name_frames(struct mf_refs *refs,
			 const struct mf_frame_namer *namer);

/** `targets`, `references`, `by_region`, `levels`, `paths`, `totals`. */
void mf_refs_write(const struct mf_refs *refs, struct mf_report *report);

/* ---- what nothing reaches -------------------------------------------------- */

struct mf_leaks;

/** What one look has found, for a later one to compare with. */
struct mf_leaks_past;

struct mf_leaks_options {
	bool tagged; /* words with other high 16 bits keep alive, too */
	bool all;    /* every address, not only the first of each group */
	/* smaller chunks are not told of */
	uint64_t min_size;
	/* globs of types that are not told of, nor what hangs on these */
	const char *const *excluded;
	size_t excluded_count;
	const struct mf_leaks_past *past; /* NULL: there was no look before */
	unsigned threads;		  /* as in mf_scan_options */
};

/** Figures of one look. */
struct mf_leaks_totals {
	struct mf_amount leaked;	   /* chunks and mappings */
	struct mf_amount chunks, mappings; /* of these */
	struct mf_amount reachable;
	struct mf_amount
		fresh; /* with a past: not leaked then, not in leaked */
};

/** Before the target is held: types. */
struct mf_error *mf_leaks_create(struct mf_target *target,
				 struct mf_image *image,
				 const struct mf_leaks_options *options,
				 struct mf_leaks **ret) MF_MUST_CHECK;

/**
 * While the target stands still: finds all that nothing reaches, but what lies
 * in INPUT's ranges and what hangs on that. Begins from nothing when it is
 * called again. INPUT's space and heap have to live until it is written.
 */
struct mf_error *mf_leaks_read(struct mf_leaks *leaks,
			       const struct mf_scan_input *input) MF_MUST_CHECK;
void mf_leaks_destroy(struct mf_leaks *leaks);

void mf_leaks_get_totals(const struct mf_leaks *leaks,
			 struct mf_leaks_totals *ret);

/** Leaked now, and how their bytes look; needs neither LEAKS nor its input. */
struct mf_leaks_past *mf_leaks_remember(const struct mf_leaks *leaks);
void mf_leaks_past_destroy(struct mf_leaks_past *past);

/**
 * `leaked`, `reachable`, `groups`, ...; with a past, SECONDS ago, what is in
 * both, and `new` with its rate.
 */
void mf_leaks_write(const struct mf_leaks *leaks, struct mf_report *report,
		    double seconds);
/* ---- who keeps how much alive --------------------------------------------- */

struct mf_keepers;

struct mf_keepers_options {
	const char *type; /* what objects of that type retain; or NULL */
	unsigned depth;	  /* levels of the tree told of; 0: some */
	bool tagged;	  /* words whose high 16 bits are something else, too */
	unsigned threads; /* as in mf_scan_options */
	uint64_t limit;	  /* bytes of a tree; 0: MF_KEEPERS_LIMIT */
};

/** Of our own memory; 12 million chunks with 30 million pointers. */
#define MF_KEEPERS_LIMIT (UINT64_C(576) << 20)

/** Before the target is held: types. */
struct mf_error *mf_keepers_create(struct mf_target *target,
				   struct mf_image *image,
				   const struct mf_keepers_options *options,
				   struct mf_keepers **ret) MF_MUST_CHECK;

/**
 * While the target stands still: all pointers. What INPUT's ranges (there may
 * be none) lie in is asked about. Begins from nothing when it is called again.
 * INPUT's space and heap have to live until it is written.
 */
struct mf_error *mf_keepers_read(struct mf_keepers *keepers,
				 const struct mf_scan_input *input)
	MF_MUST_CHECK;

/**
 * After the release: the tree of dominators. One that would take more memory
 * than the limit is not made; that is a partial note.
 */
void mf_keepers_finish(struct mf_keepers *keepers);
void mf_keepers_destroy(struct mf_keepers *keepers);

/** `totals`, `asked`, `keepers`, `tree`, `types`. */
void mf_keepers_write(const struct mf_keepers *keepers,
		      struct mf_report *report);

struct mf_explain;

struct mf_explain_options {
	bool no_refs;	  /* do not look for who points there */
	bool redact;	  /* mask all that looks like a secret */
	unsigned threads; /* as in mf_scan_options */
};

enum {
	MF_EXPLAIN_MAX = 64, /* places at once */
};

/** Before the target is held: types. */
struct mf_error *mf_explain_create(struct mf_target *target,
				   struct mf_image *image,
				   const struct mf_explain_options *options,
				   struct mf_explain **ret) MF_MUST_CHECK;

/**
 * While the target stands still: what is at the COUNT located SPOTS, at most
 * MF_EXPLAIN_MAX. INPUT's ranges do not matter. Begins from nothing when it is
 * called again; INPUT's space and heap have to live until it is written.
 */
struct mf_error *mf_explain_read(struct mf_explain *explain,
				 const struct mf_scan_input *input,
				 const struct mf_spot *spots, size_t count)
	MF_MUST_CHECK;
void mf_explain_destroy(struct mf_explain *explain);

/** As mf_refs_name_frames. */
void mf_explain_name_frames(struct mf_explain *explain,
			    const struct mf_frame_namer *namer);

/** `addresses`. */
void mf_explain_write(const struct mf_explain *explain,
		      struct mf_report *report);

#endif
