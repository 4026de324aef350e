/*
 * The door of the image room: which ELF objects are loaded, and what their
 * symbols, sections and debug information say. All of it is read from the
 * target's own files (never this machine's of the same name), before the
 * target is stopped.
 */
#ifndef MEMFORENSICS_IMAGE_H
#define MEMFORENSICS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/target.h"

struct mf_image;

struct mf_image_options {
	bool debuginfod;   /* ask debuginfod servers (off unless asked) */
	bool no_debuginfo; /* only what the loaded files themselves hold */
	const char *symfs; /* NULL, or the root below which debug files are
			      sought first */
};

/** What a byte of a loaded object is, by its program headers. */
enum mf_segment_kind {
	MF_SEGMENT_TEXT,
	MF_SEGMENT_RODATA, /* read-only, or read-only after relocation */
	MF_SEGMENT_DATA,
	MF_SEGMENT_BSS, /* pages past the file's; those of both are data */
};

struct mf_segment {
	uint64_t start, end; /* run-time, whole pages, never overlapping */
	enum mf_segment_kind kind;
};

/** One load of one object (the same file loaded twice is two modules). */
struct mf_module {
	const char *path;    /* as mapped; "[vdso]" */
	const char *name;    /* last component of the path */
	uint64_t start, end; /* of the whole load, gaps included */
	uint64_t bias;	     /* run-time minus link-time address */
	const struct mf_segment *segments; /* in address order */
	size_t segment_count;
	const uint8_t *build_id; /* NULL: none */
	size_t build_id_size;
	bool deleted;	  /* its file was unlinked or replaced */
	bool from_memory; /* read from the target's memory, not a file */
	bool main;	  /* the executable */
	unsigned index;	  /* in mf_image_modules */
};

/**
 * Finds the modules of TARGET from its mappings. Modules that cannot be opened
 * are left out with a partial note. Symbols are read when first asked for.
 */
struct mf_error *mf_image_create(struct mf_target *target,
				 const struct mf_image_options *options,
				 struct mf_image **ret) MF_MUST_CHECK;
void mf_image_destroy(struct mf_image *image);

/** In address order. */
const struct mf_module *mf_image_modules(const struct mf_image *image,
					 size_t *count);

/** The module whose load holds ADDRESS (its gaps too), or NULL. */
const struct mf_module *mf_image_module_at(const struct mf_image *image,
					   uint64_t address);

/* ---- symbols -------------------------------------------------------- */

/** Where a symbol may be looked for; deeper costs more. */
enum mf_symbol_depth {
	MF_SYMBOLS_EXPORTED, /* .dynsym */
	MF_SYMBOLS_FILE,     /* and .symtab, .gnu_debugdata of the file */
	MF_SYMBOLS_DEBUG,    /* and separate debug files, by build-id */
};

/**
 * Run-time address and size of the symbol NAME *defined* in MODULE (undefined
 * and weak-undefined ones do not count).
 */
bool mf_image_find_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *name,
			  enum mf_symbol_depth depth, uint64_t *address,
			  uint64_t *size);

/**
 * Looks for many names at once: FOUND[i] becomes the run-time address of
 * NAMES[i], or 0. One pass over the table; returns how many were found.
 */
size_t mf_image_find_symbols(struct mf_image *image,
			     const struct mf_module *module,
			     const char *const *names, size_t count,
			     enum mf_symbol_depth depth, uint64_t *found);

/** NAME: raw, as in the table, valid as long as the image. */
typedef void (*mf_symbol_visitor)(const char *name, uint64_t address,
				  uint64_t size, void *data);

/**
 * Shows each symbol defined in MODULE whose raw name begins with PREFIX, table
 * by table: one that stands in several is shown several times.
 */
void mf_image_each_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *prefix,
			  enum mf_symbol_depth depth, mf_symbol_visitor visit,
			  void *data);

struct mf_symbol {
	const char *name;     /* demangled (C++, Rust); the image's */
	const char *raw_name; /* as in the table */
	const struct mf_module *module;
	uint64_t address, size; /* of the symbol */
	uint64_t offset;	/* of the asked address inside it */
};

/**
 * The symbol that holds ADDRESS. Only one whose size covers it (or of unknown
 * size with no other between) counts: the nearest export is a lie.
 */
bool mf_image_symbol_at(struct mf_image *image, uint64_t address,
			struct mf_symbol *ret);

/** A place in a program's source. */
struct mf_line {
	const char *file; /* as the compiler was told; the image's */
	unsigned line;
};

/**
 * The line of the code at ADDRESS, or the declaration of the variable that
 * begins there; false where debug information does not say it.
 */
bool mf_image_line_at(struct mf_image *image, uint64_t address,
		      struct mf_line *ret);

/** A function that the compiler put into another's code. */
struct mf_inlined {
	const char *name;    /* demangled; NULL: not known. The image's */
	struct mf_line call; /* where it was called; line 0: not known */
};

/**
 * The inlined functions that the code at ADDRESS belongs to, innermost first;
 * at most ROOM. Returns how many; none where debug information says nothing.
 */
size_t mf_image_inlined_at(struct mf_image *image, uint64_t address,
			   struct mf_inlined *ret, size_t room);

/** NAME demangled (Itanium C++, Rust legacy and v0), or a copy; free() it. */
char *mf_demangle(const char *name);

/* ---- sections, strings, TLS ------------------------------------------ */

/** The file has a section NAME (survives strip). */
bool mf_image_has_section(struct mf_image *image,
			  const struct mf_module *module, const char *name);

/**
 * The first place of PATTERN (SIZE bytes) in the module's read-only file bytes;
 * copies up to ROOM bytes from there to CONTEXT (NULL: none wanted).
 */
bool mf_image_find_bytes(struct mf_image *image, const struct mf_module *module,
			 const void *pattern, size_t size, char *context,
			 size_t room);

/**
 * Run-time addresses of the module's GOT slots that hold an offset from the
 * thread pointer (R_X86_64_TPOFF64, R_AARCH64_TLS_TPREL64). *ret: array to
 * free().
 */
size_t mf_image_tls_slots(struct mf_image *image,
			  const struct mf_module *module, uint64_t **ret);

/**
 * Bytes of the TLS block that MODULE's program headers ask for, rounded up to
 * its alignment; 0: none. The executable's block is next to the thread pointer.
 */
uint64_t mf_image_tls_size(struct mf_image *image,
			   const struct mf_module *module);

/* ---- bytes, for who unwinds stacks --------------------------------------- */

/**
 * Bytes that MODULE's file (of one in memory: the target) holds at run-time
 * ADDRESS, as they were loaded; false when not all are there.
 */
bool mf_image_read(const struct mf_image *image, const struct mf_module *module,
		   uint64_t address, void *bytes, size_t size);

/** Where the module's program headers say that .eh_frame_hdr is. */
bool mf_image_unwind_header(const struct mf_image *image,
			    const struct mf_module *module, uint64_t *address,
			    uint64_t *size);

/** A section, unpacked. */
struct mf_section {
	const uint8_t *bytes; /* the image's */
	size_t size;
	uint64_t address; /* run-time, when it is loaded */
};

/** Section NAME of the module's file, or else of its separate debug file. */
bool mf_image_section(struct mf_image *image, const struct mf_module *module,
		      const char *name, struct mf_section *ret);

/**
 * A descriptor of the module's file (DEBUG: of its separate debug file), to
 * close; one in memory is copied. -1: there is none.
 */
int mf_image_open(struct mf_image *image, const struct mf_module *module,
		  bool debug);

/* ---- layouts from debug information ----------------------------------- */

/** One member asked for, by C name; SIZE 0 and OFFSET -1 when it is absent. */
struct mf_member {
	const char *name;
	int64_t offset; /* bytes from the struct's start */
	uint64_t size;
};

/**
 * Size of `struct NAME` and offsets of its members, from the DWARF of the
 * compilation unit that defines the symbol NEAR (a function or variable of the
 * module). Members of members are named with dots. False when there is no debug information for it.
 */
bool mf_image_struct_layout(struct mf_image *image,
			    const struct mf_module *module, const char *near,
			    const char *name, struct mf_member *members,
			    size_t count, uint64_t *size);

#endif
