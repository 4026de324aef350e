/*
 * Memory in huge pages that were reserved (hugetlbfs): it is in RAM, but the
 * kernel does not count it in RSS.
 */
#include "heap/glibc_trim.h"

bool mf_glibc_is_hugetlb(const struct mf_mapping *mapping)
{
	return mapping->vm_flags & MF_VM_HUGETLB ||
	       (mapping->inode && mf_mapping_has_no_file(mapping));
}

/* What malloc asked for ends before the kernel's page does. */
uint64_t mf_glibc_claim_end(const struct mf_glibc *glibc, uint64_t end)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(glibc->target, end - 1);
	uint64_t huge = glibc->parameters.hp_pagesize;

	if (!mapping || !mf_glibc_is_hugetlb(mapping))
		return end;
	if (huge == UINT64_MAX || !huge || huge & (huge - 1) ||
	    end > UINT64_MAX - huge)
		return mapping->end;
	return MF_MIN(mapping->end, (end + huge - 1) & -huge);
}

static uint64_t of_segment(struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment)
{
	uint64_t at = segment->memory_start, sum = 0;
	uint64_t end = at + segment->page_count * (uint64_t)glibc->page_size;

	while (at < end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(glibc->target, at);
		uint64_t next = mapping ? MF_MIN(mapping->end, end) : end;

		if (mapping && mf_glibc_is_hugetlb(mapping))
			sum += mf_glibc_residence(glibc, segment, at, next)
				       .resident;
		at = next;
	}
	return sum;
}

static uint64_t of_chunk(struct mf_glibc *glibc,
			 const struct mf_glibc_mapped *mapped)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(glibc->target, mapped->base);

	return mapping && mf_glibc_is_hugetlb(mapping) ? mapped->resident : 0;
}

uint64_t mf_glibc_hugetlb_resident(struct mf_glibc *glibc)
{
	uint64_t sum = 0;

	mf_vec_foreach(segment, &glibc->segments)
		sum += of_segment(glibc, segment);
	mf_vec_foreach(mapped, &glibc->mapped)
		sum += of_chunk(glibc, mapped);
	return sum;
}
