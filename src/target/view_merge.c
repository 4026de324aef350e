/*
 * The figures of a mapping that was copied and of which the process told just
 * before: which of the two says the truth of the moment of the stop. Of what
 * fork copied, the copy does, but for how many share it and what is locked.
 */
#include "base/compiler.h"
#include "target/view.h"

static bool is_same(const struct mf_mapping *a, const struct mf_mapping *b)
{
	if ((a->perms ^ b->perms) & MF_PERM_SHARED || a->inode != b->inode ||
	    a->dev_major != b->dev_major || a->dev_minor != b->dev_minor)
		return false;
	/* both wrap around alike */
	return !a->inode || a->offset - a->start == b->offset - b->start;
}

static uint64_t in_proportion(uint64_t figure, uint64_t part, uint64_t whole)
{
	unsigned __int128 product = (unsigned __int128)figure * part;

	if (!whole)
		return 0;
	product /= whole;
	return product > UINT64_MAX ? UINT64_MAX : (uint64_t)product;
}

/*
 * Fork copies the page tables of what has ever had an anonymous page, and
 * nothing of the rest (Linux 6.18 mm/memory.c, vma_needs_copy).
 */
static enum mf_route route_of(const struct mf_mapping *before,
			      const struct mf_mapping *copy)
{
	if (copy->vm_flags & MF_VM_WIPEONFORK)
		return MF_ROUTE_PROCESS;
	if (copy->perms & MF_PERM_SHARED)
		return MF_ROUTE_SHARED;
	if (copy->vm_flags & MF_VM_HUGETLB)
		return MF_ROUTE_RESERVED;
	/* the copy's own end of its system call brings a file's pages in */
	if (copy->usage.anon || (before && before->usage.anon))
		return MF_ROUTE_COPY;
	if (before ? before->usage.rss : copy->inode)
		return MF_ROUTE_SHARED;
	return MF_ROUTE_COPY;
}

/*
 * Each page of the copy has one more owner than it had, until the process
 * writes to it.
 */
static void fill_shares(const struct mf_mapping *before,
			struct mf_mapping *copy)
{
	struct mf_usage *usage = &copy->usage;

	if (before && before->usage.rss)
		usage->pss = in_proportion(before->usage.pss, usage->rss,
					   before->usage.rss);
	else if (usage->pss < usage->rss / 2)
		usage->pss *= 2;
	else
		usage->pss = usage->rss;
	usage->locked = copy->vm_flags & MF_VM_LOCKED ? usage->pss : 0;
}

enum mf_route mf_view_merge_mapping(const struct mf_mapping *before,
				    struct mf_mapping *copy)
{
	enum mf_route route;

	if (before && !is_same(before, copy))
		before = NULL;
	route = route_of(before, copy);
	if (before)
		copy->vm_flags |= before->vm_flags & MF_VM_LOCKED;
	if (route == MF_ROUTE_COPY || route == MF_ROUTE_RESERVED) {
		if (copy->usage_known)
			fill_shares(before, copy);
		return route;
	}
	copy->usage_known = before && before->start == copy->start &&
			    before->end == copy->end && before->usage_known;
	if (copy->usage_known)
		copy->usage = before->usage;
	return route;
}

void mf_view_estimate(const struct mf_mapping *before,
		      const struct mf_page_counts *pages, uint32_t page_size,
		      struct mf_mapping *mapping)
{
	struct mf_usage *usage = &mapping->usage;
	uint64_t own = pages->present - MF_MIN(pages->file, pages->present);

	*usage = (struct mf_usage){
		.rss = pages->present * page_size,
		.anon = own * page_size,
		.swap = pages->swapped * page_size,
		.lacks = MF_FIGURES_ALL &
			 ~(unsigned)(MF_FIGURE_RSS | MF_FIGURE_ANON |
				     MF_FIGURE_SWAP),
	};
	mapping->usage_known = true;
	if (!before || !is_same(before, mapping) || !before->usage.rss)
		return;
	usage->pss =
		in_proportion(before->usage.pss, usage->rss, before->usage.rss);
	usage->dirty = in_proportion(before->usage.dirty, usage->rss,
				     before->usage.rss);
	usage->locked = mapping->vm_flags & MF_VM_LOCKED ? usage->pss : 0;
	usage->lacks = before->usage.lacks |
		       (unsigned)(MF_FIGURE_LAZYFREE | MF_FIGURE_THP);
}

/* ---- the whole process ------------------------------------------------------ */

struct sum {
	uint64_t size, rss, anon, swap;
};

static struct sum sum_of(const struct mf_mappings *mappings)
{
	struct sum sum = { 0 };

	for (size_t i = 0; i < mappings->count; i++) {
		const struct mf_mapping *mapping = &mappings->items[i];

		sum.size += mapping->end - mapping->start;
		sum.rss += mapping->usage.rss;
		sum.anon += mapping->usage.anon;
		sum.swap += mapping->usage.swap;
	}
	return sum;
}

/* Sums of a hostile listing may wrap around: so does this, and back. */
static void shift(uint64_t *figure, uint64_t before, uint64_t after)
{
	uint64_t grown = after - before;

	if (grown >> 63 && *figure < -grown)
		*figure = 0;
	else
		*figure += grown;
}

void mf_view_merge_status(const struct mf_mappings *before,
			  const struct mf_mappings *after,
			  struct mf_status *status)
{
	const struct sum old = sum_of(before), new = sum_of(after);

	shift(&status->vm_size, old.size, new.size);
	shift(&status->vm_rss, old.rss, new.rss);
	shift(&status->rss_anon, old.anon, new.anon);
	shift(&status->rss_file, old.rss - old.anon, new.rss - new.anon);
	shift(&status->vm_swap, old.swap, new.swap);
}
