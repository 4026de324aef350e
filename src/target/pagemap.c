/*
 * Which pages are there, asked without touching any: the PAGEMAP_SCAN ioctl
 * (Linux 6.7), else /proc/PID/pagemap, 8 bytes a page
 * (Documentation/admin-guide/mm/pagemap.rst).
 *
 * Zero page: the scan names it (PAGE_IS_PFNZERO). The pagemap shows page
 * frame numbers only to the privileged: then a page is the zero page when its
 * number is that of a page we read but never wrote. Without numbers, a page
 * that is present counts as present, so the zero page is counted too: an
 * upper bound. Huge pages are told by the scan only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/live.h"

/* linux/fs.h of 6.7; older headers have none of it. */
struct scan_argument {
	uint64_t size, flags, start, end, walk_end, vec, vec_length, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask,
		return_mask;
};

struct scan_region {
	uint64_t start, end, categories;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_argument)

enum {
	IS_FILE = 1 << 2,
	IS_PRESENT = 1 << 3,
	IS_SWAPPED = 1 << 4,
	IS_PFNZERO = 1 << 5,
	IS_HUGE = 1 << 6,
	IS_GUARD = 1 << 8, /* Linux 6.15 */
	SCAN_BASE = IS_FILE | IS_PRESENT | IS_SWAPPED | IS_PFNZERO | IS_HUGE,
	SCAN_REGIONS = 512,
	PAGE_LEAST = 4096,
	ENTRIES = 4096,
};

static const uint64_t entry_present = UINT64_C(1) << 63;
static const uint64_t entry_swapped = UINT64_C(1) << 62;
static const uint64_t entry_file = UINT64_C(1) << 61;
static const uint64_t entry_guard = UINT64_C(1) << 58;
static const uint64_t entry_pfn = (UINT64_C(1) << 55) - 1;

static uint8_t flags_of_categories(uint64_t categories)
{
	uint8_t flags = 0;

	if (categories & IS_GUARD)
		return MF_PAGE_UNREADABLE;
	if (categories & IS_PFNZERO)
		return MF_PAGE_ZERO;
	if (categories & IS_PRESENT)
		flags |= MF_PAGE_PRESENT;
	else if (categories & IS_SWAPPED)
		flags |= MF_PAGE_SWAPPED;
	if (categories & IS_FILE)
		flags |= MF_PAGE_FILE;
	if (categories & IS_HUGE)
		flags |= MF_PAGE_HUGE;
	return flags;
}

static int scan_once(struct mf_live *live, int pagemap,
		     struct scan_argument *argument)
{
	int got = ioctl(pagemap, SCAN_IOCTL, argument);

	if (got >= 0 || errno != EINVAL || live->scan_mask == SCAN_BASE)
		return got;
	/* a kernel that does not know of guard pages */
	live->scan_mask = SCAN_BASE;
	argument->return_mask = SCAN_BASE;
	argument->category_anyof_mask = IS_PRESENT | IS_SWAPPED;
	return ioctl(pagemap, SCAN_IOCTL, argument);
}

/* 0, or errno of the first failure. */
static int scan_runs(struct mf_live *live, int pagemap,
		     const struct mf_range *range, mf_run_visit *visit,
		     void *context)
{
	struct scan_region regions[SCAN_REGIONS];
	uint64_t pages = (range->end - range->start) / PAGE_LEAST + 1;
	/* room that both sides have to make ready */
	uint64_t room = MF_MIN(pages, (uint64_t)SCAN_REGIONS);
	struct scan_argument argument = {
		.size = sizeof(argument),
		.vec = (uintptr_t)regions,
		.vec_length = room,
		.end = range->end,
	};
	uint64_t start = range->start;
	int got;

	memset(regions, 0, argument.vec_length * sizeof(regions[0]));
	if (!live->scan_mask)
		live->scan_mask = SCAN_BASE | IS_GUARD;
	while (start < range->end) {
		argument.start = start;
		argument.return_mask = live->scan_mask;
		argument.category_anyof_mask =
			live->scan_mask & (IS_PRESENT | IS_SWAPPED | IS_GUARD);
		got = scan_once(live, pagemap, &argument);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		for (int i = 0; i < got; i++)
			visit(context, regions[i].start, regions[i].end,
			      flags_of_categories(regions[i].categories));
		if (argument.walk_end <= start)
			break;
		start = argument.walk_end;
	}
	return 0;
}

/* The page frame of the shared zero page, as our own pagemap shows it. */
static uint64_t find_zero_pfn(size_t page_size)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	void *mapped = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile const char *page = mapped;

	if (fd >= 0 && mapped != MAP_FAILED) {
		(void)*page;
		if (pread(fd, &entry, sizeof(entry),
			  (off_t)((uintptr_t)page / page_size *
				  sizeof(entry))) != sizeof(entry))
			entry = 0;
	}
	if (mapped != MAP_FAILED)
		munmap(mapped, page_size);
	if (fd >= 0)
		close(fd);
	return entry & entry_present ? entry & entry_pfn : 0;
}

static uint8_t flags_of_entry(const struct mf_live *live, uint64_t entry)
{
	uint8_t flags = entry & entry_file ? MF_PAGE_FILE : 0;

	if (entry & entry_guard)
		return MF_PAGE_UNREADABLE;
	if (entry & entry_present) {
		if (live->zero_pfn && (entry & entry_pfn) == live->zero_pfn)
			return MF_PAGE_ZERO;
		return flags | MF_PAGE_PRESENT;
	}
	return entry & entry_swapped ? flags | MF_PAGE_SWAPPED : 0;
}

struct pending_run {
	uint64_t start, end;
	uint8_t flags;
	mf_run_visit *visit;
	void *context;
};

static void add_to_run(struct pending_run *run, uint64_t address, uint64_t size,
		       uint8_t flags)
{
	if (flags == run->flags && address == run->end) {
		run->end += size;
		return;
	}
	if (run->flags)
		run->visit(run->context, run->start, run->end, run->flags);
	run->start = address;
	run->end = address + size;
	run->flags = flags;
}

static int pagemap_runs(struct mf_target *target, int pagemap,
			const struct mf_range *range, struct pending_run *run)
{
	struct mf_live *live = mf_live_of(target);
	uint64_t entries[ENTRIES], page_size = target->info.page_size;
	uint64_t start = range->start, end = range->end;

	run->start = run->end = start;
	while (start < end) {
		size_t wanted =
			MF_MIN((end - start) / page_size, (uint64_t)ENTRIES);
		ssize_t got =
			pread(pagemap, entries, wanted * sizeof(*entries),
			      (off_t)(start / page_size * sizeof(*entries)));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		got /= (ssize_t)sizeof(*entries);
		if (!got)
			break;
		for (ssize_t i = 0; i < got; i++, start += page_size)
			add_to_run(run, start, page_size,
				   flags_of_entry(live, entries[i]));
	}
	add_to_run(run, UINT64_MAX, 0, 0);
	return 0;
}

int mf_pagemap_scan(struct mf_target *target, int pagemap,
		    const struct mf_range *range, mf_run_visit *visit,
		    void *context)
{
	struct pending_run run = { .visit = visit, .context = context };
	struct mf_live *live = mf_live_of(target);
	int number;

	if (!live->no_scan) {
		number = scan_runs(live, pagemap, range, visit, context);
		if (number != ENOTTY && number != EINVAL)
			return number;
		live->no_scan = true;
	}
	if (!live->zero_pfn)
		live->zero_pfn = find_zero_pfn(target->info.page_size);
	return pagemap_runs(target, pagemap, range, &run);
}

struct mf_error *mf_pagemap_runs(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context)
{
	const struct mf_range range = { start, end };
	struct mf_live *live = mf_live_of(target);
	int number;

	if (live->pagemap < 0)
		return mf_error_create(MF_ERROR_PERMISSION,
				       "cannot read the pages of process %d",
				       (int)live->pid);
	number = live->copy.pid ? mf_view_runs(target, &range, visit, context)
				: mf_pagemap_scan(target, live->pagemap, &range,
						  visit, context);
	if (!number)
		return NULL;
	if (number == ESRCH)
		return mf_live_gone(target);
	return mf_error_from_errno(number,
				   "cannot read the pagemap of "
				   "process %d",
				   (int)live->pid);
}
