/*
 * malloc_trim's rules (glibc malloc/malloc.c, mtrim and systrim): whole pages
 * inside free chunks, less the page of a chunk's own header; and the end of the
 * main arena's top. Only pages that are present count.
 */
#include "heap/glibc_trim.h"

enum {
	FREE_HEADER = 48, /* sizeof(struct malloc_chunk) */
};

static uint64_t page_down(const struct mf_glibc *glibc, uint64_t address)
{
	return address / glibc->page_size * glibc->page_size;
}

static uint64_t page_up(const struct mf_glibc *glibc, uint64_t address)
{
	return page_down(glibc, address + glibc->page_size - 1);
}

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
		uint64_t next =
			MF_MIN(page_down(glibc, start) + glibc->page_size, end);
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

static uint64_t count_resident(const struct mf_glibc *glibc,
			       const struct mf_glibc_segment *segment,
			       uint64_t start, uint64_t end)
{
	return mf_glibc_residence(glibc, segment, start, end).resident /
	       glibc->page_size;
}

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

static void list_resident(const struct mf_glibc *glibc,
			  const struct mf_glibc_segment *segment,
			  uint64_t start, uint64_t end,
			  struct mf_glibc_ranges *ranges)
{
	for (; ranges && start < end; start += glibc->page_size)
		if (is_resident(page_flags(glibc, segment, start)))
			add_range(ranges, start, start + glibc->page_size);
}

/* The whole pages that mtrim hands to madvise. */
static struct mf_glibc_run whole_pages(const struct mf_glibc *glibc,
				       const struct mf_glibc_run *run)
{
	struct mf_glibc_run pages = {
		page_up(glibc, run->start + FREE_HEADER),
		page_down(glibc, run->end),
	};

	if (run->start == run->end || pages.start >= pages.end)
		pages.end = pages.start;
	return pages;
}

/* madvise ends at locked memory, and at huge page mappings of other sizes:
 * where, from START on. */
static uint64_t end_of_release(const struct mf_glibc *glibc, uint64_t start,
			       uint64_t end)
{
	while (start < end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(glibc->target, start);

		if (!mapping)
			return end;
		if (mapping->vm_flags & (MF_VM_LOCKED | MF_VM_HUGETLB))
			return start;
		start = mapping->end;
	}
	return end;
}

uint64_t mf_glibc_trim_run(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *run,
			   struct mf_glibc_ranges *ranges)
{
	struct mf_glibc_run pages = whole_pages(glibc, run);
	uint64_t end = end_of_release(glibc, pages.start, pages.end);

	list_resident(glibc, segment, pages.start, end, ranges);
	return count_resident(glibc, segment, pages.start, end);
}

/* systrim asks whether the break still ends at the top. */
static bool top_ends_at_break(const struct mf_glibc *glibc, uint64_t end)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(glibc->target, end - 1);

	return end == glibc->brk && mapping &&
	       mapping->end == page_up(glibc, end);
}

static uint64_t release_unit(const struct mf_glibc *glibc)
{
	uint64_t huge = glibc->parameters.thp_pagesize;

	return huge != UINT64_MAX && huge > glibc->page_size ? huge
							     : glibc->page_size;
}

uint64_t mf_glibc_trim_top(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *top,
			   struct mf_glibc_ranges *ranges)
{
	uint64_t size = top->end - top->start;
	uint64_t extra, start, end = page_down(glibc, top->end);

	if (size <= MF_GLIBC_CHUNK_MIN + 1 ||
	    !top_ends_at_break(glibc, top->end))
		return 0;
	extra = size - MF_GLIBC_CHUNK_MIN - 1;
	extra -= extra % release_unit(glibc);
	start = page_up(glibc, top->end - extra);
	list_resident(glibc, segment, start, end, ranges);
	return count_resident(glibc, segment, start, end);
}

uint64_t mf_glibc_trim_gain(const struct mf_glibc *glibc,
			    const struct mf_glibc_segment *segment,
			    const struct mf_glibc_run *before,
			    const struct mf_glibc_run *after, bool after_is_top)
{
	struct mf_glibc_run all = { before->start, after->end };
	struct mf_glibc_run head = whole_pages(glibc, before);
	struct mf_glibc_run tail = whole_pages(glibc, after);
	struct mf_glibc_run pages = whole_pages(glibc, &all);

	if (after_is_top)
		return mf_glibc_trim_top(glibc, segment, &all, NULL) -
		       MF_MIN(mf_glibc_trim_top(glibc, segment, &all, NULL),
			      mf_glibc_trim_top(glibc, segment, after, NULL) +
				      mf_glibc_trim_run(glibc, segment, before,
							NULL));
	if (head.start != head.end)
		pages.start = head.end;
	if (tail.start != tail.end)
		pages.end = tail.start;
	return pages.start < pages.end
		       ? count_resident(glibc, segment, pages.start, pages.end)
		       : 0;
}
