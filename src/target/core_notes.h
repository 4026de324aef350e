/*
 * The notes of our own in an ELF core: what a core lacks. Owner
 * "memforensics"; unknown types and keys are passed over, so that more may be
 * added.
 *
 *   PROCESS    records "KEY VALUE" that each end in a NUL, the first being
 *              "format 1"; the rest is what is known of the process, how it
 *              was held, and what could not be had ("missing-what X", then
 *              "missing-why Y"). Numbers are decimal.
 *   MAPPINGS   the lines of /proc/PID/smaps
 *   THREADS    a record "TID STATE CPU_MS REGISTERS_KNOWN IN_CALL CALL PC SP
 *              COMM" for each thread, ended by a NUL; PC and SP in hexadecimal
 *   WAITS      a record "TID CHANNEL" for each thread that waited in the kernel,
 *              ended by a NUL: where, as /proc/PID/wchan names it
 *   KERNEL     a record "WORD HOLDER" for each word that the kernel kept for the
 *              process, ended by a NUL; WORD in hexadecimal
 *   RESIDENCY  LEB128 numbers: the page size, and then of each run of pages
 *              that are alike and not absent: pages since the end of the last
 *              run (or since address 0), pages, MF_PAGE_*
 *
 * Both directions stand here. What is read is hostile: a false return means
 * that the rest of the note is not usable; what came before it was given.
 */
#ifndef MF_TARGET_CORE_NOTES_H
#define MF_TARGET_CORE_NOTES_H

#include "base/buffer.h"
#include "base/pool.h"
#include "target/maps.h"
#include "target/target.h"

#define MF_NOTE_OWNER "memforensics"

/* Far from the types of others: some readers do not look at the owner. */
enum mf_note_type {
	MF_NOTE_PROCESS = 0x4d460001,
	MF_NOTE_MAPPINGS = 0x4d460002,
	MF_NOTE_THREADS = 0x4d460003,
	MF_NOTE_RESIDENCY = 0x4d460004,
	MF_NOTE_KERNEL = 0x4d460005,
	MF_NOTE_WAITS = 0x4d460006,
};

enum {
	MF_NOTE_FORMAT = 1,
	MF_NOTE_MAPPINGS_MAX = 1 << 20,
	MF_NOTE_THREADS_MAX = 1 << 20,
	MF_NOTE_KERNEL_MAX = 1 << 20,
};

struct mf_core_process {
	const char *tool;	    /* the version that wrote it */
	struct mf_target_info info; /* all but kind and abilities */
	struct mf_impact impact;    /* of writing it */
	const struct mf_partial *partials;
	size_t partial_count;
	uint64_t taken_s; /* seconds since 1970 */
	bool has_files;	  /* bytes of file-backed pages are in the core */
};

/** Adds a whole note: header, owner, SIZE bytes, padding. */
void mf_core_add_note(struct mf_buffer *to, const char *owner, uint32_t type,
		      const void *bytes, size_t size);

/* Each put adds the bytes of a note; each get reads them again. */

void mf_core_put_process(struct mf_buffer *to,
			 const struct mf_core_process *process);
/** Texts are copied to POOL; what is not said is as mf_target_create has it. */
bool mf_core_get_process(const void *bytes, size_t size, struct mf_pool *pool,
			 struct mf_core_process *ret);

void mf_core_put_mapping(struct mf_buffer *to,
			 const struct mf_mapping *mapping);
/** Appends to RET, in address order; never overlapping. */
bool mf_core_get_mappings(const void *bytes, size_t size,
			  struct mf_mappings *ret);

void mf_core_put_thread(struct mf_buffer *to, const struct mf_thread *thread);

typedef void mf_core_thread_visit(void *context,
				  const struct mf_thread *thread);
/** Threads without general registers and tp: NT_PRSTATUS has them, if known. */
bool mf_core_get_threads(const void *bytes, size_t size,
			 mf_core_thread_visit *visit, void *context);

/** Adds nothing when it is not known that THREAD waits. */
void mf_core_put_wait(struct mf_buffer *to, const struct mf_thread *thread);

/** CHANNEL is in the note, and shorter than MF_WAIT_CHANNEL. */
typedef void mf_core_wait_visit(void *context, pid_t tid, const char *channel);
bool mf_core_get_waits(const void *bytes, size_t size,
		       mf_core_wait_visit *visit, void *context);

void mf_core_put_kernel_word(struct mf_buffer *to, const char *holder,
			     uint64_t word);

/** HOLDER is in the note. */
typedef void mf_core_kernel_visit(void *context, const char *holder,
				  uint64_t word);
bool mf_core_get_kernel_words(const void *bytes, size_t size,
			      mf_core_kernel_visit *visit, void *context);

/** Runs that are put, in address order. */
struct mf_core_runs {
	struct mf_buffer *to;
	uint64_t page_size;
	uint64_t start, end; /* of the run that may still grow */
	uint64_t put;	     /* the end of what is in TO */
	uint8_t flags;
};

void mf_core_put_runs(struct mf_core_runs *runs, struct mf_buffer *to,
		      uint64_t page_size);
/** An mf_run_visit; CONTEXT is the struct mf_core_runs. */
void mf_core_put_run(void *context, uint64_t start, uint64_t end,
		     uint8_t flags);
/** The last run is put. */
void mf_core_end_runs(struct mf_core_runs *runs);

/** Visits the runs, ascending; *PAGE_SIZE is a power of two. */
bool mf_core_get_runs(const void *bytes, size_t size, uint64_t *page_size,
		      mf_run_visit *visit, void *context);

#endif
