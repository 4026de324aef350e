/*
 * Where the bytes of ranges are. Of long ranges the kernel counts the pages: a
 * program may have terabytes that it never touched.
 */
#include "heap/residence.h"

#include <string.h>

#include "heap/recognise.h"

static uint8_t flags_at(struct mf_residence *residence, uint64_t address)
{
	if (address < residence->start || address >= residence->end) {
		struct mf_error *error;

		residence->start = mf_align_down(address, residence->page_size);
		residence->end = residence->start +
				 MF_RESIDENCE_WINDOW * residence->page_size;
		error = mf_target_residency(residence->target, residence->start,
					    MF_RESIDENCE_WINDOW,
					    residence->flags);
		if (error)
			memset(residence->flags, 0, sizeof(residence->flags));
		mf_error_destroy(error);
	}
	return residence
		->flags[(address - residence->start) / residence->page_size];
}

static struct mf_whereabouts find_pages(struct mf_residence *residence,
					uint64_t start, uint64_t end)
{
	struct mf_page_counts counts = { 0 };
	struct mf_whereabouts where = { 0, 0, 0 };
	mf_auto_error struct mf_error *error =
		mf_target_count_pages(residence->target, start, end, &counts);

	if (!error) {
		where.resident = counts.present * residence->page_size;
		where.swapped = MF_MIN(counts.swapped * residence->page_size,
				       end - start - where.resident);
	}
	where.absent = end - start - where.resident - where.swapped;
	return where;
}

struct mf_whereabouts mf_residence_find(struct mf_residence *residence,
					uint64_t start, uint64_t end)
{
	struct mf_whereabouts where = { 0, 0, 0 };

	if (end - start > MF_RESIDENCE_WINDOW * residence->page_size &&
	    (start | end) % residence->page_size == 0)
		return find_pages(residence, start, end);
	while (start < end) {
		uint64_t next = mf_align_down(start, residence->page_size) +
				residence->page_size;
		uint64_t bytes = MF_MIN(next, end) - start;
		uint8_t flags = flags_at(residence, start);

		if (flags & MF_PAGE_PRESENT)
			where.resident += bytes;
		else if (flags & MF_PAGE_SWAPPED)
			where.swapped += bytes;
		else
			where.absent += bytes;
		start += bytes;
	}
	return where;
}

void mf_residence_add_free(struct mf_residence *residence,
			   struct mf_arena_figures *figures, uint64_t start,
			   uint64_t size)
{
	struct mf_whereabouts where =
		mf_residence_find(residence, start, start + size);

	figures->free.count++;
	figures->free.bytes += size;
	figures->free.resident += where.resident;
	figures->free.swapped += where.swapped;
	figures->free.already_returned += where.absent;
	figures->unused.bytes += size;
	figures->unused.resident += where.resident;
	figures->unused.swapped += where.swapped;
	figures->unused.absent += where.absent;
	figures->largest_free = MF_MAX(figures->largest_free, size);
}
