/*
 * The door of the target room: bytes, mappings, threads, registers and
 * residency of a process, whatever it is: live, a copy of it that stands still,
 * a core file, a saved listing of its mappings, or (unit tests) byte arrays.
 *
 * Addresses are uint64_t, ranges half-open, sizes bytes.
 */
#ifndef MEMFORENSICS_TARGET_H
#define MEMFORENSICS_TARGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/error.h"

struct mf_target;

enum mf_target_kind {
	MF_TARGET_LIVE,
	MF_TARGET_SNAPSHOT, /* live, and read through a copy of it */
	MF_TARGET_CORE,
	MF_TARGET_LISTING, /* a saved maps, smaps or pmap output */
	MF_TARGET_FORGED,  /* byte arrays of a unit test */
};

/** What a target can give; a bit set. */
enum mf_target_ability {
	MF_CAN_MAPPINGS = 1 << 0,
	MF_CAN_USAGE = 1 << 1, /* resident bytes of each mapping (smaps) */
	MF_CAN_READ = 1 << 2,
	MF_CAN_THREADS = 1 << 3,   /* thread ids and names */
	MF_CAN_STOP = 1 << 4,	   /* threads can be held, registers read */
	MF_CAN_RESIDENCY = 1 << 5, /* page by page */
	MF_CAN_FILES = 1 << 6,	   /* the files behind the mappings */
};

/** How a live target is held while it is read (CONTRACT.md, --stop). */
enum mf_stop {
	MF_STOP_AUTO,
	MF_STOP_NONE,
	MF_STOP_BRIEF,
	MF_STOP_SNAPSHOT,
};

struct mf_target_options {
	enum mf_stop stop;
	uint64_t max_pause_ns;
	const char *symfs; /* NULL, or the root below which files are sought */
	bool read_swapped; /* touch swapped pages too (brings them in) */
	bool extended_registers; /* a hold reads these too: for a core */
	bool wait_channels;  /* of threads: where in the kernel each waits */
	const char *no_copy; /* NULL, or why no copy of it is to be made */
	/** Asked before it is held, and before each read: true, and that fails
	 * (see mf_target_refuse_cancelled). NULL: nobody can. */
	bool (*is_cancelled)(void);
};

/* ---- what it is ---------------------------------------------------- */

/** Limits of the process; UINT64_MAX: none, or not known. */
struct mf_limits {
	uint64_t cgroup_memory_max; /* the lowest up the tree, bytes */
	uint64_t cgroup_memory_current;
	uint64_t cgroup_file; /* page cache charged to the cgroup, bytes */
	uint64_t cgroup_slab;
	uint64_t address_space;	   /* RLIMIT_AS, bytes */
	uint64_t stack;		   /* RLIMIT_STACK, bytes */
	uint64_t max_map_count;	   /* vm.max_map_count, mappings */
	uint64_t memory_available; /* MemAvailable, bytes */
	double cpu_quota;	   /* CPUs by cgroup quota; 0: none */
	unsigned cpus;		   /* CPUs that glibc sees */
};

/** Figures of /proc/PID/status, bytes; kernel's own rounding. */
struct mf_status {
	uint64_t vm_size, vm_rss, rss_anon, rss_file, rss_shmem, vm_swap,
		vm_lck, vm_pin, vm_pte;
};

struct mf_target_info {
	enum mf_target_kind kind;
	unsigned abilities; /* MF_CAN_* */
	pid_t pid, nspid;   /* 0: not known */
	const char *exe;    /* path, "" when not known */
	const char *comm;
	const char *const *cmdline; /* NULL-terminated */
	const char *root;   /* the folder that is its own /; NULL: none here */
	const char *origin; /* of a core: who wrote it, "" if it does not say */
	uint64_t taken_s;   /* of a core, and of a copy that is kept: when,
			       since 1970; 0: not known */
	unsigned thread_count;
	const char *arch; /* "x86_64" */
	uint32_t page_size;
	uint64_t user_end; /* past the addresses that a program has unasked */
	bool tls_above;	   /* a program's own TLS lies above the thread
			      pointer, not below it */
	uint64_t age_ms;   /* since it started; 0: not known */
	struct mf_limits limits;
	struct mf_status status; /* a figure that is not known is 0 */
};

/* ---- opening ------------------------------------------------------- */

/**
 * Opens process PID without stopping it. A process whose maps can be read but
 * not its memory opens with fewer abilities and a partial note. Errors: no such
 * process, zombie, kernel thread, 32-bit, no permission: each with why and
 * hint.
 */
struct mf_error *mf_target_open_live(pid_t pid,
				     const struct mf_target_options *options,
				     struct mf_target **ret) MF_MUST_CHECK;

/**
 * Opens a saved /proc/PID/maps, smaps, pmap -x or pmap -X listing. A file that
 * holds several listings (a `pmap` total line ends one) gives the one numbered
 * INDEX, from 0.
 */
struct mf_error *mf_target_open_listing(const char *path, unsigned index,
					struct mf_target **ret) MF_MUST_CHECK;

/**
 * Opens an ELF core: the kernel's, gdb's, or our own. One that is cut off or
 * that lies gives what it holds, with partial notes. Errors: no core, or one of
 * another machine or of a 32-bit process, each with why.
 */
struct mf_error *mf_target_open_core(const char *path,
				     const struct mf_target_options *options,
				     struct mf_target **ret) MF_MUST_CHECK;

/** Releases, detaches and closes. Takes NULL. */
void mf_target_close(struct mf_target *target);

const struct mf_target_info *mf_target_info(const struct mf_target *target);

static inline bool mf_target_can(const struct mf_target *target,
				 unsigned abilities)
{
	return (mf_target_info(target)->abilities & abilities) == abilities;
}

/* ---- mappings ------------------------------------------------------ */

enum mf_perm {
	MF_PERM_READ = 1,
	MF_PERM_WRITE = 2,
	MF_PERM_EXEC = 4,
	MF_PERM_SHARED = 8,
};

/** The VmFlags of smaps that matter here. */
enum mf_vm_flag {
	MF_VM_IO = 1 << 0,
	MF_VM_PFNMAP = 1 << 1,
	MF_VM_HUGETLB = 1 << 2,
	MF_VM_LOCKED = 1 << 3,
	MF_VM_GROWSDOWN = 1 << 4,
	MF_VM_DONTFORK = 1 << 5,
	MF_VM_DONTDUMP = 1 << 6,
	MF_VM_HUGEPAGE = 1 << 7,
	MF_VM_NORESERVE = 1 << 8,
	MF_VM_UFFD = 1 << 9,
	MF_VM_WIPEONFORK = 1 << 10,
};

/** The figures of struct mf_usage; a bit set. */
enum mf_figure {
	MF_FIGURE_RSS = 1 << 0,
	MF_FIGURE_PSS = 1 << 1,
	MF_FIGURE_ANON = 1 << 2,
	MF_FIGURE_DIRTY = 1 << 3,
	MF_FIGURE_SWAP = 1 << 4,
	MF_FIGURE_LAZYFREE = 1 << 5,
	MF_FIGURE_THP = 1 << 6,
	MF_FIGURE_LOCKED = 1 << 7,
	MF_FIGURES_ALL = (1 << 8) - 1,
};

/** Bytes, as smaps counts them. */
struct mf_usage {
	uint64_t rss, pss, anon, dirty, swap, lazyfree, thp, locked;
	unsigned lacks; /* MF_FIGURE_*: they are 0, and not known */
};

/** Adds PART; SUM begins with nothing but lacks = MF_FIGURES_ALL, and goes on
 * lacking what no part of it has. */
void mf_usage_add(struct mf_usage *sum, const struct mf_usage *part);

struct mf_mapping {
	uint64_t start, end;
	uint64_t offset, inode;
	uint32_t dev_major, dev_minor;
	unsigned perms;	   /* MF_PERM_* */
	unsigned vm_flags; /* MF_VM_*, 0 when not known */
	bool deleted;	   /* its file was unlinked */
	bool usage_known;
	const char *path; /* as the kernel names it, less " (deleted)"; "" */
	struct mf_usage usage;
};

/** No file gives its bytes; pages of hugetlbfs only look as if one did. */
static inline bool mf_mapping_has_no_file(const struct mf_mapping *mapping)
{
	return !mapping->inode || strcmp(mapping->path, "/anon_hugepage") == 0;
}

/** Reads the mappings (and their usage) anew; pointers given before die. */
struct mf_error *mf_target_refresh(struct mf_target *target) MF_MUST_CHECK;

/** In address order, never overlapping; valid until the next refresh. */
const struct mf_mapping *mf_target_mappings(const struct mf_target *target,
					    size_t *count);

/** The mapping that holds ADDRESS, or NULL. */
const struct mf_mapping *mf_target_mapping_at(const struct mf_target *target,
					      uint64_t address);

/**
 * Opens the file behind MAPPING: /proc/PID/map_files, then below the target's
 * root, then --symfs. Never this machine's file of the same name unless device
 * and inode agree. *ret is a descriptor to close.
 */
struct mf_error *mf_target_open_file(struct mf_target *target,
				     const struct mf_mapping *mapping, int *ret)
	MF_MUST_CHECK;

/* ---- threads ------------------------------------------------------- */

enum {
	MF_SYSCALL_ARGUMENTS = 6,
	MF_WAIT_CHANNEL = 40, /* bytes; longer names are cut */
};

struct mf_thread {
	pid_t tid;
	char comm[16];
	char state; /* of /proc: R S D T t Z X; 0: not known */
	bool registers_known;
	bool in_syscall;  /* pc, sp and this also without a stop, if blocked */
	bool cpu_unknown; /* a core does not say, or only of all threads */
	uint64_t cpu_ms;  /* user and system time */
	uint64_t pc, sp;
	uint64_t tp;	 /* thread pointer: fs_base, TPIDR_EL0; 0 unknown */
	int64_t syscall; /* the number of the call that it is in, if in_syscall */
	uint64_t general[32]; /* architecture's order (arch_*.c) */
	/* of a running process, as it was just before the stop; of the call
	 * that it was in */
	bool arguments_known;
	uint64_t arguments[MF_SYSCALL_ARGUMENTS];
	/* where in the kernel it waited, if options.wait_channels; or "" */
	char wait_channel[MF_WAIT_CHANNEL];
};

/** Ascending tid; the first hold, or else the first call, reads them. */
const struct mf_thread *mf_target_threads(struct mf_target *target,
					  size_t *count);

/**
 * The name of mf_thread.general[INDEX] of this machine's processor; NULL when
 * there is none, or it holds no pointer.
 */
const char *mf_target_register_name(size_t index);

/** The name of system call NUMBER, as this machine's processor counts them;
 * NULL: there is none, or it is newer than this program. */
const char *mf_target_syscall_name(int64_t number);

/**
 * What THREAD gave the system call that it is in. Bit I of what is returned:
 * ret[I] is known; 0 of a thread that is in none.
 */
unsigned mf_target_syscall_arguments(const struct mf_thread *thread,
				     uint64_t ret[MF_SYSCALL_ARGUMENTS]);

/**
 * Before it is held: such words will be asked for, so that those of the moment
 * of a copy are kept. Of many descriptors they take their time.
 */
void mf_target_want_kernel_words(struct mf_target *target);

/**
 * Shows VISIT each word that the kernel keeps for the process and that may be
 * an address, as far as it tells: heads of robust lists, data of epoll, values
 * of timers, buffers of io_uring. HOLDER, such as "epoll", lives as long as the
 * target. Of a process that lives, or was copied, or of a core of our own; else
 * there are none.
 */
void mf_target_each_kernel_word(struct mf_target *target,
				void (*visit)(const char *holder,
					      uint64_t value, void *data),
				void *data);

/* ---- holding it still ---------------------------------------------- */

/** What was done to the target, and for how long. */
struct mf_impact {
	enum mf_stop stop; /* as taken, never AUTO */
	const char *why;   /* why that one was taken */
	bool racy;	   /* read while it ran, or the pause ran out */
	bool pause_ran_out;
	unsigned stops;
	double pause_ms, longest_pause_ms;
	uint64_t bytes_read;
	uint64_t pages_faulted_in;
	double elapsed_ms; /* since it was opened, until it was kept */
};

/**
 * Foretells that BYTES will be read under the next holds, as far as anybody
 * can: what a pause would be is judged by it. Else it is all anonymous memory
 * that can be written to.
 */
void mf_target_expect(struct mf_target *target, uint64_t bytes);
/**
 * And BYTES more, until the next mf_target_expect: others, or the same again.
 * Where they are worked on while they are read, more bytes that take as long.
 */
void mf_target_expect_more(struct mf_target *target, uint64_t bytes);

/**
 * Stops every thread (unless the options say none, or the target is no live
 * process), reads registers, and refreshes mappings. A watchdog outside this
 * process releases the target when max_pause is over, or when we die. Calls
 * nest; the outermost pair counts.
 */
struct mf_error *mf_target_hold(struct mf_target *target) MF_MUST_CHECK;

/** Lets it run again; harmless when it is not held. */
void mf_target_release(struct mf_target *target);

/**
 * Ends the copy that a hold has made, if there is one: what is read from then
 * on is the running process. Before anything that may take long, such as
 * printing, because as long as it lives the target pays a page for each page
 * that it writes to. A hold makes a new one; close ends it too.
 */
void mf_target_drop_copy(struct mf_target *target);

/**
 * True when the copy that the last hold made was killed before it was dropped:
 * what was read through it may be wrong.
 */
bool mf_target_lost_copy(struct mf_target *target);

/**
 * KEEP: the copy that a hold has made, if there is one, stays. Dropping it does
 * nothing, a hold finds it as it is (nothing is stopped), and mappings are of
 * its moment. No thread of ours is left, so that the caller may fork and read it
 * in the child, too. Else: it is a copy as any other, and dropped.
 */
void mf_target_keep_copy(struct mf_target *target, bool keep);
/** It is kept, and was not killed. */
bool mf_target_keeps_copy(struct mf_target *target);

/**
 * Why memory is too short for a copy to be kept longer; NULL: it may be. Asked
 * now and then, because a process that writes to all of its memory makes it
 * grow to that size.
 */
const char *mf_target_refuse_copy(struct mf_target *target);

/** The process has ended, or began another program; a copy of it, if it is
 * kept, has not. */
bool mf_target_has_ended(struct mf_target *target);

/** An error once somebody has had enough: nothing is read of it, nor is it held,
 * as long as that is so. What was made of it since may lack anything. */
struct mf_error *mf_target_refuse_cancelled(const struct mf_target *target)
	MF_MUST_CHECK;

/** False once the watchdog has released a target that we think we hold. */
bool mf_target_is_still(struct mf_target *target);

/** Of max_pause, what is left to a target that is held; UINT64_MAX: all. */
uint64_t mf_target_pause_left_ns(const struct mf_target *target);

void mf_target_get_impact(const struct mf_target *target,
			  struct mf_impact *ret);

/**
 * What one hold found of itself. A target that was held again, because the
 * first time caught it at a bad moment, is told of as it was in one of them:
 * rewinding drops the partial notes made since the mark, and what the holds
 * since were like. That they were is not forgotten (stops, pauses).
 */
struct mf_target_mark {
	size_t partials;
	enum mf_stop stop;
	const char *why;
	bool racy, pause_ran_out, held;
};

void mf_target_mark(const struct mf_target *target, struct mf_target_mark *ret);
void mf_target_rewind(struct mf_target *target,
		      const struct mf_target_mark *mark);

/* ---- bytes --------------------------------------------------------- */

/** One byte a page, of mf_target_read_pages and mf_target_residency. */
enum mf_page {
	MF_PAGE_PRESENT = 1 << 0,    /* in RAM and counted in RSS */
	MF_PAGE_SWAPPED = 1 << 1,    /* in swap: its bytes are not known */
	MF_PAGE_ZERO = 1 << 2,	     /* the shared zero page: not in RSS */
	MF_PAGE_HUGE = 1 << 3,	     /* part of a huge page */
	MF_PAGE_FILE = 1 << 4,	     /* page cache or shared memory */
	MF_PAGE_UNREADABLE = 1 << 5, /* no mapping, device, or a fault */
};

/**
 * Residency of COUNT pages from START (a page's address) without touching them:
 * PAGEMAP_SCAN, else /proc/PID/pagemap. Bytes of FLAGS: MF_PAGE_*; 0: absent.
 */
struct mf_error *mf_target_residency(struct mf_target *target, uint64_t start,
				     size_t count, uint8_t *flags)
	MF_MUST_CHECK;

/** Sums over a range, from the same source. Pages. */
struct mf_page_counts {
	uint64_t present, swapped, zero, huge, file;
};

struct mf_error *mf_target_count_pages(struct mf_target *target, uint64_t start,
				       uint64_t end, struct mf_page_counts *ret)
	MF_MUST_CHECK;

/** The first page from START on that is present or in swap; else END. */
struct mf_error *mf_target_find_page(struct mf_target *target, uint64_t start,
				     uint64_t end, uint64_t *ret) MF_MUST_CHECK;

/**
 * Reads COUNT whole pages from START in one go, the fast path of every walker.
 * Only present pages are touched: absent anonymous pages read as zeros, absent
 * file pages come from the file, swapped and unreadable ones are zeros with
 * their flag set. FLAGS (COUNT bytes, may be NULL) gets MF_PAGE_*. Fails only
 * when the process is gone.
 */
struct mf_error *mf_target_read_pages(struct mf_target *target, uint64_t start,
				      size_t count, void *bytes, uint8_t *flags)
	MF_MUST_CHECK;

/** The same, where mf_target_residency has filled FLAGS already. */
struct mf_error *mf_target_read_resident(struct mf_target *target,
					 uint64_t start, size_t count,
					 void *bytes, uint8_t *flags)
	MF_MUST_CHECK;

/**
 * Begins what mf_target_read_pages does, and lets the caller work on other bytes
 * meanwhile, as far as this kind of target can: BYTES and FLAGS are not to be
 * touched until it is finished. MF_PAGES_AHEAD of them at once, at most; the
 * target stays open, and held if it is, and may otherwise be read as usual.
 */
struct mf_error *mf_target_begin_pages(struct mf_target *target, uint64_t start,
				       size_t count, void *bytes,
				       uint8_t *flags) MF_MUST_CHECK;

enum {
	MF_PAGES_AHEAD = 4,
};

/** Finishes what was begun first. */
struct mf_error *mf_target_finish_pages(struct mf_target *target) MF_MUST_CHECK;

/** Ends all that was begun: nobody wants it any more. */
void mf_target_drop_pages(struct mf_target *target);

/**
 * From now on several threads may read TARGET, each with LOCK held: it is let go
 * while bytes are copied, and nothing else. NULL: one thread again.
 */
void mf_target_share(struct mf_target *target, pthread_mutex_t *lock);

/**
 * Reads SIZE bytes at ADDRESS through a small page cache, for structures and
 * lists. Fails when any byte of it is not known (no mapping, swapped).
 */
struct mf_error *mf_target_read(struct mf_target *target, uint64_t address,
				void *bytes, size_t size) MF_MUST_CHECK;

/** The same for those who can do without: false instead of an error. */
bool mf_target_try_read(struct mf_target *target, uint64_t address, void *bytes,
			size_t size);
bool mf_target_read_u64(struct mf_target *target, uint64_t address,
			uint64_t *ret);
bool mf_target_read_u32(struct mf_target *target, uint64_t address,
			uint32_t *ret);

/** Reading brings swapped pages in: what is resident changes by it. */
bool mf_target_reads_swapped(const struct mf_target *target);

/** Forgets cached pages, so that the next read sees a running process anew. */
void mf_target_forget(struct mf_target *target);

/* ---- core files ------------------------------------------------------ */

/** [start, end) */
struct mf_address_range {
	uint64_t start, end;
};

/** Changes BYTES, which stand at ADDRESS, before they are written. */
typedef void mf_bytes_edit(void *context, uint64_t address, uint8_t *bytes,
			   size_t size);

struct mf_core_options {
	const char *path; /* for messages */
	/* only these pages, all of them, those of files too; NULL: whatever is
	 * usual. Ascending, never overlapping */
	const struct mf_address_range *ranges;
	size_t range_count;
	uint64_t max_size; /* more bytes are an error; 0: as many as it takes */
	mf_bytes_edit *edit; /* NULL: as they are */
	bool full;     /* pages of files too, and what asks not to be dumped */
	bool compress; /* as a .zst file that is read in place */
	/** Asked now and then; true: give up. NULL: never. */
	bool (*is_cancelled)(void *context);
	void *context;
};

struct mf_core_written {
	uint64_t size;	 /* bytes of the core, holes included, unpacked */
	size_t segments; /* PT_LOADs */
	size_t threads;
};

/**
 * Writes the target, as it is held, to FD, an empty file, as an ELF core: its
 * resident pages, its threads, and what a core lacks in notes of our own
 * (src/target/core_notes.h). Threads have their extended registers when
 * options.extended_registers was set. Errors: the disk has not room enough or
 * fails, the process is gone, is_cancelled.
 */
struct mf_error *mf_target_write_core(struct mf_target *target, int fd,
				      const struct mf_core_options *options,
				      struct mf_core_written *ret)
	MF_MUST_CHECK;

/* ---- build-ids ------------------------------------------------------- */

enum {
	MF_BUILD_ID_MAX = 64,
};

/**
 * Where in SIZE bytes of NOTES of an ELF object its first GNU build-id is, of
 * *LENGTH bytes, MF_BUILD_ID_MAX at most; 0: there is none.
 */
size_t mf_build_id_find(const uint8_t *notes, size_t size, size_t *length);

/* ---- plain files ----------------------------------------------------- */

struct mf_raw_options {
	const char *path; /* for messages */
	uint64_t offset;  /* of the first byte in the file */
	bool is_stream;	  /* no file: what has no bytes is written as zeros */
	/* more bytes are an error, holes (of a file) not counted; 0: as many
	 * as it takes */
	uint64_t max_size;
	mf_bytes_edit *edit; /* NULL: as they are */
	/** Asked now and then; true: give up. NULL: never. */
	bool (*is_cancelled)(void *context);
	void *context;
};

/** Bytes of one range, START and END of which are the caller's. */
struct mf_raw_range {
	uint64_t start, end;
	uint64_t file_offset; /* options.offset not counted */
	uint64_t present;     /* of pages that are in RAM */
	uint64_t written;     /* of pages that are no zeros */
	uint64_t swapped;     /* in swap, and not read: zeros */
	uint64_t unread;      /* not there, or not readable: zeros */
};

/**
 * Writes the bytes of RANGES, one behind the other, to FD, as the target is
 * held: what gdb's `dump memory` gives. Pages without bytes are holes. What
 * could not be read is noted as partial. Errors: no room on the disk, over
 * max_size, the process is gone, is_cancelled.
 */
struct mf_error *mf_target_write_raw(struct mf_target *target, int fd,
				     const struct mf_raw_options *options,
				     struct mf_raw_range *ranges, size_t count)
	MF_MUST_CHECK;

/* ---- what could not be had ------------------------------------------ */

struct mf_partial {
	const char *what, *why;
};

/** Notes that WHAT could not be read, and why; equal notes are kept once. */
void mf_target_note_partial(struct mf_target *target, const char *what,
			    const char *format, ...) MF_PRINTF(3, 4);
const struct mf_partial *mf_target_partials(const struct mf_target *target,
					    size_t *count);

/* ---- forged targets (unit tests, fuzzers) ---------------------------- */

/** An empty forged target: 4096-byte pages, all abilities, no threads. */
struct mf_target *mf_target_create_forged(void);

/** Before any mapping is added: not as on x86-64. */
void mf_target_forge_page_size(struct mf_target *target, uint32_t page_size);
void mf_target_forge_user_end(struct mf_target *target, uint64_t user_end);

/**
 * Adds a mapping whose bytes are BYTES (not copied; NULL: absent pages). PAGES
 * holds its MF_PAGE_* flags, one byte a page; NULL: all present.
 */
void mf_target_forge_mapping(struct mf_target *target,
			     const struct mf_mapping *mapping,
			     const void *bytes, const uint8_t *pages);
void mf_target_forge_thread(struct mf_target *target,
			    const struct mf_thread *thread);

#endif
