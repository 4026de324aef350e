/*
 * malloc_trim's rules (glibc malloc/malloc.c, mtrim and systrim; arena.c,
 * heap_trim): whole pages inside free chunks, less the page of a chunk's own
 * header; and the end of the main arena's top. Only pages that are present
 * count, and only those that the kernel lets go.
 */
#include "heap/glibc_trim.h"

enum {
	FREE_HEADER = 48, /* sizeof(struct malloc_chunk) */
	CONSOLIDATION_THRESHOLD = 65536,
};

/* ---- residency ----------------------------------------------------------- */

static uint8_t page_flags(const struct mf_glibc *glibc,
			  const struct mf_glibc_segment *segment,
			  uint64_t address)
{
	uint64_t page = (address - segment->memory_start) / glibc->page_size;

	return page < segment->page_count ? segment->pages[page] : 0;
}

static bool is_resident(uint8_t flags)
{
	return (flags & (MF_PAGE_PRESENT | MF_PAGE_ZERO)) == MF_PAGE_PRESENT;
}

struct mf_glibc_residence
mf_glibc_residence(const struct mf_glibc *glibc,
		   const struct mf_glibc_segment *segment, uint64_t start,
		   uint64_t end)
{
	struct mf_glibc_residence sum = { 0, 0, 0 };

	while (start < end) {
		uint64_t next = MF_MIN(mf_glibc_page_down(glibc, start) +
					       glibc->page_size,
				       end);
		uint8_t flags = page_flags(glibc, segment, start);

		if (is_resident(flags))
			sum.resident += next - start;
		else if (flags & MF_PAGE_SWAPPED)
			sum.swapped += next - start;
		else
			sum.absent += next - start;
		start = next;
	}
	return sum;
}

static uint64_t resident(const struct mf_glibc *glibc,
			 const struct mf_glibc_segment *segment, uint64_t start,
			 uint64_t end)
{
	return mf_glibc_residence(glibc, segment, start, end).resident;
}

/* ---- what is handed to the kernel ------------------------------------------ */

/* madvise ends at the first mapping that is locked or of huge pages; what lies
 * before it is gone by then. */
static void find_refusal(const struct mf_glibc *glibc,
			 struct mf_glibc_release *release)
{
	uint64_t at = release->start;

	while (at < release->end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(glibc->target, at);
		bool huge;

		if (!mapping)
			break;
		huge = mf_glibc_is_hugetlb(mapping);
		if (huge || mapping->vm_flags & MF_VM_LOCKED) {
			release->huge = huge;
			release->stop = at;
			return;
		}
		at = mapping->end;
	}
	release->stop = release->end;
}

static struct mf_glibc_release whole_pages(const struct mf_glibc *glibc,
					   const struct mf_glibc_run *run)
{
	struct mf_glibc_release release = {
		.start = mf_glibc_page_up(glibc, run->start + FREE_HEADER),
		.end = mf_glibc_page_down(glibc, run->end),
	};

	if (mf_glibc_run_is_empty(run) || release.start >= release.end)
		release.end = release.start;
	return release;
}

uint64_t mf_glibc_trim_wish(const struct mf_glibc *glibc,
			    const struct mf_glibc_run *run)
{
	struct mf_glibc_release release = whole_pages(glibc, run);

	return release.end - release.start;
}

struct mf_glibc_release mf_glibc_release_run(const struct mf_glibc *glibc,
					     const struct mf_glibc_run *run)
{
	struct mf_glibc_release release = whole_pages(glibc, run);

	find_refusal(glibc, &release);
	return release;
}

/* systrim asks whether the break still ends at the top. Without libc's word
 * on it: whether the memory does. */
static bool top_ends_at_break(const struct mf_glibc *glibc, uint64_t end)
{
	const struct mf_mapping *mapping;

	if (end != glibc->brk)
		return false;
	if (glibc->libc_brk)
		return end == glibc->libc_brk;
	mapping = mf_target_mapping_at(glibc->target, end - 1);
	return mapping && mapping->end == mf_glibc_page_up(glibc, end);
}

static uint64_t release_unit(const struct mf_glibc *glibc)
{
	uint64_t huge = glibc->parameters.thp_pagesize;

	return huge != UINT64_MAX && huge > glibc->page_size ? huge
							     : glibc->page_size;
}

/* The last whole UNITs of TOP, less PAD bytes and what a top needs. */
static struct mf_glibc_release end_of_top(const struct mf_glibc *glibc,
					  const struct mf_glibc_run *top,
					  uint64_t unit, uint64_t pad)
{
	uint64_t size = top->end - top->start,
		 end = mf_glibc_page_down(glibc, top->end);
	uint64_t extra, start;

	if (size <= MF_GLIBC_CHUNK_MIN + 1 ||
	    size - MF_GLIBC_CHUNK_MIN - 1 <= pad)
		return (struct mf_glibc_release){ end, end, end, false };
	extra = size - MF_GLIBC_CHUNK_MIN - 1 - pad;
	extra -= extra % unit;
	start = mf_glibc_page_up(glibc, top->end - extra);
	start = MF_MIN(start, end);
	return (struct mf_glibc_release){
		.start = start,
		.stop = end,
		.end = end,
	};
}

/* The break shrinks over locked memory too. */
struct mf_glibc_release mf_glibc_release_top(const struct mf_glibc *glibc,
					     const struct mf_glibc_run *top)
{
	if (!top_ends_at_break(glibc, top->end))
		return (struct mf_glibc_release){ top->end, top->end, top->end,
						  false };
	return end_of_top(glibc, top, release_unit(glibc), 0);
}

/* free looks at the top when it made a large chunk. */
struct mf_glibc_release mf_glibc_release_heap(const struct mf_glibc *glibc,
					      const struct mf_glibc_run *top)
{
	const struct mf_glibc_parameters *parameters = &glibc->parameters;
	uint64_t size = top->end - top->start;
	struct mf_glibc_release release = { top->end, top->end, top->end,
					    false };

	if (size < CONSOLIDATION_THRESHOLD ||
	    size < parameters->trim_threshold ||
	    parameters->top_pad == UINT64_MAX)
		return release;
	release = end_of_top(glibc, top, glibc->page_size, parameters->top_pad);
	find_refusal(glibc, &release);
	return release;
}

/* ---- what becomes of it ---------------------------------------------------- */

/* Ranges ascend; one that touches the last makes it longer. */
static void add_range(struct mf_glibc_ranges *ranges, uint64_t start,
		      uint64_t end)
{
	struct mf_trim_range *last =
		ranges->items.count
			? &ranges->items.items[ranges->items.count - 1]
			: NULL;

	if (last && last->end == start) {
		last->end = end;
	} else if (ranges->room) {
		ranges->room--;
		mf_vec_push(&ranges->items,
			    (struct mf_trim_range){ start, end });
	} else {
		ranges->cut = true;
	}
}

void mf_glibc_list_released(const struct mf_glibc *glibc,
			    const struct mf_glibc_segment *segment,
			    const struct mf_glibc_release *release,
			    struct mf_glibc_ranges *ranges)
{
	uint64_t page = glibc->page_size;

	for (uint64_t at = release->start; at < release->stop; at += page)
		if (is_resident(page_flags(glibc, segment, at)))
			add_range(ranges, at, at + page);
}

void mf_glibc_add_retained(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *run,
			   const struct mf_glibc_release *release,
			   struct mf_retained *retained)
{
	uint64_t refused =
		resident(glibc, segment, release->stop, release->end);
	uint64_t header = resident(
		glibc, segment, mf_glibc_page_up(glibc, run->start),
		MF_MIN(release->start, mf_glibc_page_down(glibc, run->end)));
	uint64_t stays = resident(glibc, segment, run->start, run->end) -
			 mf_glibc_released(glibc, segment, release);

	*(release->huge ? &retained->hugetlb : &retained->locked) += refused;
	retained->headers += header;
	retained->pinned += stays - refused - header;
}
