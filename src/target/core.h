/*
 * What a core file is inside its room: what its program headers and notes say,
 * sorted and checked, and the bytes where they say they are. Nothing of a core
 * is believed: whoever wrote it may have been killed in the middle, or lie.
 */
#ifndef MF_TARGET_CORE_H
#define MF_TARGET_CORE_H

#include <elf.h>

#include "base/map.h"
#include "target/core_file.h"
#include "target/target.h"

/** One PT_LOAD; in mf_core.segments ascending and without overlap. */
struct mf_core_segment {
	uint64_t start, end; /* whole pages of memory */
	uint64_t offset;     /* in the file, of the byte at start */
	uint64_t held;	     /* bytes from start on that the file has */
	uint64_t promised;   /* bytes that the file should have */
	unsigned flags;	     /* PF_* */
	bool filled;	     /* no holes: writing it brought all pages in */
	bool empty;	     /* taken for zeros without reading all of it */
};

/** A mapping of a file, by NT_FILE; ascending and without overlap. */
struct mf_core_name {
	uint64_t start, end, offset;
	const char *path;  /* less " (deleted)" */
	uint64_t identity; /* equal for equal paths, from 1 on */
	bool deleted;
};

/** What the kernel told the program at its start (NT_AUXV); 0: not said. */
struct mf_core_auxv {
	uint64_t programs, base, entry, random, execfn, vdso, page_size;
	uint64_t first[4]; /* its first two entries as they stand */
	bool first_known;
};

enum mf_core_writer {
	MF_CORE_BY_KERNEL,
	MF_CORE_BY_GDB, /* or another that writes it with sections (BFD) */
};

/** How it is known which pages were in RAM. */
enum mf_core_residency {
	MF_CORE_PAGES_HOLES, /* the others are holes of the file */
	MF_CORE_PAGES_ZEROS, /* guessed: those that are not all zeros */
	MF_CORE_PAGES_NOTED, /* our own note says */
};

/** What tells whether a file is the one that is mapped: its first bytes. */
struct mf_elf_head {
	Elf64_Ehdr header;
	Elf64_Phdr programs[64];
	size_t program_count;
	uint8_t build_id[MF_BUILD_ID_MAX];
	size_t build_id_size; /* 0: none */
};

/** A file that the process had mapped. */
struct mf_core_object {
	const char *path; /* as the process names it */
	uint64_t inode;	  /* by our own note; 0: not known */
	uint32_t dev_major, dev_minor;
	uint64_t start,
		end; /* where its first byte is mapped; equal: nowhere */
	bool looked; /* for a file that agrees */
	bool head_looked;
	const char *refusal; /* NULL: some file of this machine agrees */
	int fd;		     /* -1: not open now */
	uint64_t size;
	struct mf_elf_head *head; /* NULL: not in the core, or no ELF */
};

struct mf_core_run {
	uint64_t start;
	uint32_t pages;
	uint8_t flags;
};

/** A word that the kernel kept for the process, by our own note. */
struct mf_core_word {
	const char *holder;
	uint64_t value;
};

struct mf_core_places;

struct mf_core {
	struct mf_core_file *file;
	uint64_t size; /* bytes of the file */
	Elf64_Ehdr header;
	enum mf_core_writer writer;
	enum mf_core_residency residency;
	MF_VEC(struct mf_core_segment) segments;
	MF_VEC(struct mf_core_segment) notes; /* PT_NOTEs: offset and held */
	uint64_t missing;    /* bytes that were promised and are not there */
	uint64_t senseless;  /* PT_LOADs that say nothing that can be */
	struct mf_pool pool; /* texts */
	MF_VEC(struct mf_core_name) names;
	struct mf_core_auxv auxv;
	bool noted_mappings, noted_residency; /* by our own notes */
	uint64_t noted_s;		      /* when, by them; 0: not known */
	MF_VEC(struct mf_core_run) runs;      /* of our own note, ascending */
	uint64_t runs_page_size;
	MF_VEC(struct mf_core_word) words;
	struct mf_map blocks; /* 64 pages each, a bit a page: what residency
				 was found to be; key: address / size */
	MF_VEC(struct mf_core_object) objects;
	struct mf_map object_of_path; /* by hash */
	unsigned open_files;
	uint8_t *window;	       /* for looking at many pages */
	struct mf_core_places *places; /* core_extra.c; NULL: none noted */
};

static inline struct mf_core *mf_core_of(const struct mf_target *target)
{
	return target->own;
}

/* core_headers.c */

/**
 * Reads the ELF header and the program headers: segments as they stand in the
 * file, and where the notes are. Errors: no core, or one of another machine.
 */
struct mf_error *mf_core_read_headers(struct mf_core *core, const char *path)
	MF_MUST_CHECK;

/** Sorts and cuts the segments; what is not whole pages is none. */
void mf_core_settle_segments(struct mf_core *core, uint64_t page_size);

/** The first segment that ends after ADDRESS; segments.count: none. */
size_t mf_core_segment_after(const struct mf_core *core, uint64_t address);

/** Bytes that the core itself has; false when not all are there. */
bool mf_core_read_held(struct mf_core *core, uint64_t address, void *bytes,
		       size_t size);

/* core_records.c */

/** Reads the notes: threads, names, what the process is. */
void mf_core_read_records(struct mf_target *target);

/* core_extra.c; see extra.h */

/** A note of "CORE" or "LINUX": its SIZE bytes are at OFFSET of the file. */
void mf_core_note_place(struct mf_core *core, uint32_t type, uint64_t offset,
			uint64_t size);
/** Takes NULL. */
void mf_core_places_destroy(struct mf_core_places *places);
bool mf_core_thread_extra(struct mf_target *target, pid_t tid,
			  struct mf_thread_extra *ret);
void mf_core_process_extra(struct mf_target *target,
			   struct mf_process_extra *ret);

/* core_own.c */

/** A note of our own, of TYPE. */
void mf_core_take_own(struct mf_target *target, uint32_t type,
		      const void *bytes, size_t size);

/* core_arguments.c */

/** Sets the arguments of the program, where they are found. */
void mf_core_read_arguments(struct mf_target *target);

/* core_mappings.c */

/** Fills target->mappings from segments and names, unless our own note has. */
void mf_core_join_mappings(struct mf_target *target);

/* core_residency.c */

struct mf_error *mf_core_runs(struct mf_target *target, uint64_t start,
			      uint64_t end, mf_run_visit *visit, void *context);

/** Chooses how residency is known. */
void mf_core_choose_residency(struct mf_target *target);

/* core_objects.c */

/** The file of PATH, noted when it is first asked for. */
struct mf_core_object *mf_core_object(struct mf_core *core, const char *path);

/** What is mapped of its first bytes, NULL: it is no ELF object, or that is not
 * in the core. */
const struct mf_elf_head *mf_core_object_head(struct mf_core *core,
					      struct mf_core_object *object);

/** Looks for files that agree; notes which there are none of. */
void mf_core_find_files(struct mf_target *target);

/** Bytes of the file of MAPPING that agrees: how many; 0: there is none. */
size_t mf_core_read_object(struct mf_target *target,
			   const struct mf_mapping *mapping, uint64_t offset,
			   void *bytes, size_t size);
struct mf_error *mf_core_open_object(struct mf_target *target,
				     const struct mf_mapping *mapping,
				     int *ret);
void mf_core_close_objects(struct mf_core *core);

/* core_pages.c */

struct mf_error *mf_core_read_pages(struct mf_target *target, uint64_t start,
				    size_t count, void *bytes, uint8_t *flags);

/** core_own.c: those that our own note has. */
void mf_core_kernel_words(struct mf_target *target,
			  void (*visit)(const char *holder, uint64_t value,
					void *data),
			  void *data);

#endif
