/*
 * How much a walk of glibc's heaps will read, told before it: by the shapes of
 * mappings and the first words of heaps, which may change at any moment.
 */
#include "heap/glibc.h"

enum {
	PLACES_MAX = 65536,
};

/* The first words of heap_info (glibc malloc/arena.c). */
struct head {
	uint64_t arena, previous, size, mprotect_size;
};

static bool is_heap(const struct mf_glibc *glibc, uint64_t address,
		    uint64_t heap_max, struct head *head)
{
	return mf_target_try_read(glibc->target, address, head,
				  sizeof(*head)) &&
	       head->arena && head->arena % MF_GRANULE == 0 &&
	       head->previous % heap_max == 0 && head->size &&
	       head->size <= head->mprotect_size &&
	       head->mprotect_size <= heap_max &&
	       head->size % glibc->page_size == 0 &&
	       head->mprotect_size % glibc->page_size == 0;
}

/* Of MAPPING's pages, those of its heaps, which begin at multiples. */
static uint64_t heap_bytes(const struct mf_glibc *glibc,
			   const struct mf_mapping *mapping, uint64_t heap_max,
			   unsigned *places)
{
	uint64_t at = (mapping->start + heap_max - 1) & ~(heap_max - 1);
	uint64_t sum = 0;
	struct head head;

	for (; at < mapping->end && at >= mapping->start &&
	       ++*places < PLACES_MAX;
	     at += heap_max)
		if (is_heap(glibc, at, heap_max, &head))
			sum += MF_MIN(head.size, mapping->end - at);
	return sum;
}

uint64_t mf_glibc_foresee(const struct mf_glibc *glibc)
{
	const unsigned wanted = MF_PERM_READ | MF_PERM_WRITE;
	uint64_t heap_max =
		glibc->heap_max ? glibc->heap_max : (uint64_t)64 << 20;
	uint64_t sum = 0;
	unsigned places = 0;
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(glibc->target, &count);

	/* copies of libc in one process share the break */
	if (glibc->first_copy && glibc->first_copy != glibc)
		return 0;
	for (size_t i = 0; i < count; i++) {
		const struct mf_mapping *mapping = &mappings[i];
		uint64_t bytes = mapping->end - mapping->start;

		if ((mapping->perms & (wanted | MF_PERM_SHARED)) != wanted ||
		    !mf_mapping_has_no_file(mapping))
			continue;
		if (strcmp(mapping->path, "[heap]") != 0)
			bytes = heap_bytes(glibc, mapping, heap_max, &places);
		/* what was never written to is not read */
		sum += mapping->usage_known ? MF_MIN(bytes, mapping->usage.anon)
					    : bytes;
	}
	return sum;
}
