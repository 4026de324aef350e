/*
 * Knows what a pause is made of. To stop and let go costs a time for each
 * thread. A copy costs page tables: entries of the pages of mappings that have
 * anonymous ones (mm/memory.c, vma_needs_copy), an entry for each huge page,
 * the tables themselves where pages are sparse, and each mapping. Reading costs
 * the bytes that will be read, and the kernel's look at each page for smaps.
 */
#include "target/predict.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* nanoseconds; those that no rate is measured for, where a page table's
	 * entry takes USUAL_PAGE_NS */
	COST_NS = 250000,	/* to make a thread act, and a task */
	COST_THREAD_NS = 25000, /* to stop it, read it, let it go */
	COST_MAPPING_NS = 8000, /* its part of smaps */
	USUAL_PAGE_NS = 50,
	COPY_MAPPING_NS = 350,
	COPY_TABLE_NS = 1200,
	COPY_HUGE_NS = 1500, /* a table lies ready for when it is split */
	COPY_PINNED_NS = 1000,
	TABLE_BYTES = 2 << 20, /* that one table maps; as huge as a page is */
	CONTENDERS_MAX = 6,    /* a processor */
	WALK = 2, /* heaps are walked while they are read: as long again */
};

/* Bytes of more than the heaps; far beyond any process. */
#define MORE_MAX (UINT64_C(1) << 50)

struct work {
	uint64_t threads, mappings;
	uint64_t resident;	      /* pages, all of which smaps looks at */
	uint64_t pages, tables, huge; /* that a copy takes */
	uint64_t writable;	      /* bytes; what may be a heap */
};

static uint64_t count_threads(const struct mf_live *live)
{
	struct stat status;

	if (fstatat(live->proc, "task", &status, 0) != 0 || status.st_nlink < 3)
		return 1;
	return status.st_nlink - 2;
}

static uint64_t small_bytes(const struct mf_usage *usage)
{
	return usage->rss > usage->thp ? usage->rss - usage->thp : 0;
}

static void add_copied(const struct mf_mapping *mapping, uint64_t page_size,
		       struct work *work)
{
	const struct mf_usage *usage = &mapping->usage;
	uint64_t pages = (small_bytes(usage) + usage->swap) / page_size;
	uint64_t span = mapping->end - mapping->start;

	work->huge += usage->thp / TABLE_BYTES;
	work->pages += pages;
	work->tables += MF_MIN(pages, span / TABLE_BYTES + 1);
}

static void add_mapping(const struct mf_mapping *mapping, uint64_t page_size,
			struct work *work)
{
	const struct mf_usage *usage = &mapping->usage;

	if (!mapping->usage_known)
		return;
	work->resident +=
		small_bytes(usage) / page_size + usage->thp / TABLE_BYTES;
	if (mapping->perms & MF_PERM_WRITE)
		work->writable += usage->anon;
	if (mapping->perms & MF_PERM_SHARED ||
	    mapping->vm_flags & MF_VM_DONTFORK || !(usage->anon || usage->swap))
		return;
	add_copied(mapping, page_size, work);
}

static void add_up(const struct mf_target *target, struct work *ret)
{
	const struct mf_status *status = &target->info.status;
	uint64_t page_size = target->info.page_size;
	struct work work = { .mappings = target->mappings.count };

	work.threads = count_threads(mf_live_of(target));
	for (size_t i = 0; i < target->mappings.count; i++)
		add_mapping(&target->mappings.items[i], page_size, &work);
	if (!mf_target_can(target, MF_CAN_USAGE)) {
		work.resident = status->vm_rss / page_size;
		work.pages = status->rss_anon / page_size;
		work.writable = status->rss_anon;
	}
	*ret = work;
}

uint64_t mf_predict_pages(const struct mf_target *target)
{
	struct work work;

	add_up(target, &work);
	return work.pages;
}

static uint64_t predict_copy(const struct mf_target *target,
			     const struct mf_rates *rates,
			     const struct work *work)
{
	uint64_t pinned = target->info.status.vm_pin / target->info.page_size;
	uint64_t others = work->mappings * COPY_MAPPING_NS +
			  work->tables * COPY_TABLE_NS +
			  work->huge * COPY_HUGE_NS;

	/* pages that a device writes to are copied, not shared */
	return COST_NS + work->threads * COST_THREAD_NS +
	       work->pages * rates->fork_page_ns +
	       others / USUAL_PAGE_NS * rates->fork_page_ns +
	       pinned * COPY_PINNED_NS;
}

/*
 * How much longer work of some length takes because others want the processors,
 * too: those that are left when the target is held. One that comes new is
 * preferred to them for a while.
 */
static double contention(const struct mf_target *target)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN), others = 0;
	char text[128];
	const char *at;

	if (processors < 1 || mf_proc_read_text(AT_FDCWD, "/proc/loadavg", text,
						sizeof(text)) <= 0)
		return 1;
	/* "0.20 0.18 0.12 3/300 4711": we are one of the three */
	at = strchr(text, '/');
	while (at && at > text && at[-1] != ' ')
		at--;
	if (at)
		others = strtol(at, NULL, 10) - 1;
	for (size_t i = 0; i < target->threads.count; i++)
		others -= target->threads.items[i].state == 'R';
	others = MF_MIN(others, processors * CONTENDERS_MAX);
	others = MF_MAX(others, 0L);
	return 1 + (double)others / (double)processors / 3;
}

static uint64_t predict_brief(const struct mf_target *target,
			      const struct mf_rates *rates,
			      const struct work *work)
{
	uint64_t pages = MF_MIN(work->writable, target->expected) /
			 target->info.page_size;
	uint64_t more = MF_MIN(target->expected_more, MORE_MAX) /
			target->info.page_size;
	uint64_t work_ns = work->mappings * COST_MAPPING_NS +
			   work->resident * rates->fork_page_ns +
			   (pages * WALK + more) * rates->read_page_ns;

	return work->threads * COST_THREAD_NS +
	       (uint64_t)((double)work_ns * contention(target));
}

void mf_predict_pause(const struct mf_target *target,
		      const struct mf_rates *rates, struct mf_prediction *ret)
{
	struct work work;

	add_up(target, &work);
	ret->copy_ns = predict_copy(target, rates, &work);
	ret->brief_ns = predict_brief(target, rates, &work);
}
