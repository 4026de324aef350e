/*
 * Compares what was read of a forged glibc with what was forged, to the byte,
 * arena by arena; what malloc_trim would return is worked out here anew, page
 * by page, from the records of the forge.
 */
#ifndef MF_TESTS_FORGE_GLIBC_EXPECT_H
#define MF_TESTS_FORGE_GLIBC_EXPECT_H

#include "forge_glibc.h"

enum {
	FORGE_FREE_HEADER = 48, /* stays when a free chunk's pages go */
	FORGE_TOP_STAYS = 33,	/* MINSIZE, and one byte */
};

static inline bool forge_is_trimmed(const struct forge_record *record)
{
	return record->state == FORGE_SMALL ||
	       record->state == FORGE_UNSORTED || record->state == FORGE_FAST;
}

static inline uint64_t forge_pages_between(const struct forge *forge,
					   uint64_t start, uint64_t end)
{
	uint64_t pages = 0;

	for (uint64_t at = forge_round_up(start, forge->page);
	     at + forge->page <= end; at += forge->page)
		pages += forge_is_resident(forge, at);
	return pages;
}

/*
 * The pages that malloc_trim(0) returns of ARENA. Fast chunks merge with free
 * ones and with the top; TOP_UNIT: the break moves by multiples of it; 0: it is
 * not at the end of the top.
 */
static inline uint64_t forge_trimmable(const struct forge *forge,
				       unsigned arena, uint64_t top_unit)
{
	uint64_t start = 0, end = 0, pages = 0;

	for (size_t i = 0; i < forge->records.count; i++) {
		const struct forge_record *record = &forge->records.items[i];
		uint64_t extra;

		if (record->arena != arena)
			continue;
		if (forge_is_trimmed(record) && record->address == end) {
			end += record->size;
			continue;
		}
		if (record->state == FORGE_IS_TOP) {
			if (record->address != end)
				start = record->address;
			end = record->address + record->size;
			extra = end - start < FORGE_TOP_STAYS
					? 0
					: end - start - FORGE_TOP_STAYS;
			if (!arena && top_unit)
				pages += forge_pages_between(
					forge,
					end - extra / top_unit * top_unit, end);
			start = end = 0;
			continue;
		}
		pages += forge_pages_between(forge, start + FORGE_FREE_HEADER,
					     end);
		start = record->address;
		end = forge_is_trimmed(record) ? start + record->size : 0;
		start = end ? start : 0;
	}
	return pages +
	       forge_pages_between(forge, start + FORGE_FREE_HEADER, end);
}

/* Bytes in RAM of ARENA's chunks in bins. */
static inline uint64_t forge_free_resident(const struct forge *forge,
					   unsigned arena)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < forge->records.count; i++) {
		const struct forge_record *record = &forge->records.items[i];
		uint64_t at = record->address, end = at + record->size, next;

		if (record->arena != arena || (record->state != FORGE_SMALL &&
					       record->state != FORGE_UNSORTED))
			continue;
		for (; at < end; at = next) {
			next = MF_MIN(forge_round_up(at + 1, forge->page), end);
			bytes += forge_is_resident(forge, at) ? next - at : 0;
		}
	}
	return bytes;
}

static inline void expect_amount(const struct mf_amount *got,
				 const struct mf_amount *wanted)
{
	assert_int_equal(got->count, wanted->count);
	assert_int_equal(got->bytes, wanted->bytes);
}

static inline void expect_bins(const struct mf_arena *arena,
			       const struct forge_truth *truth)
{
	struct mf_amount sums[] = {
		[MF_BIN_FAST] = { 0 },
		[MF_BIN_UNSORTED] = { 0 },
		[MF_BIN_SMALL] = { 0 },
		[MF_BIN_LARGE] = { 0 },
	};

	for (size_t i = 0; i < arena->bin_count; i++) {
		sums[arena->bins[i].kind].count += arena->bins[i].amount.count;
		sums[arena->bins[i].kind].bytes += arena->bins[i].amount.bytes;
	}
	expect_amount(&sums[MF_BIN_FAST], &truth->fastbin);
	expect_amount(&sums[MF_BIN_UNSORTED], &truth->unsorted);
	expect_amount(&sums[MF_BIN_SMALL], &truth->small);
	expect_amount(&sums[MF_BIN_LARGE], &truth->large);
}

static inline void expect_sum(const struct mf_arena_figures *figures)
{
	assert_int_equal(figures->in_use.bytes + figures->tcache.bytes +
				 figures->fastbin.bytes + figures->free.bytes +
				 figures->top.bytes + figures->overhead,
			 figures->system);
	assert_int_equal(figures->unread, 0);
}

static inline void expect_trim(const struct mf_arena *arena, uint32_t page,
			       uint64_t pages)
{
	uint64_t listed = 0;

	for (size_t i = 0; i < arena->trim_range_count; i++)
		listed +=
			arena->trim_ranges[i].end - arena->trim_ranges[i].start;
	assert_int_equal(arena->figures.trimmable_pages, pages);
	assert_int_equal(arena->figures.trimmable_bytes, pages * page);
	assert_int_equal(listed, pages * page);
}

/** Every figure of ARENA, which is number INDEX of the forge. */
static inline void expect_arena(const struct forge *forge,
				const struct mf_arena *arena, unsigned index,
				uint64_t top_unit)
{
	const struct forge_truth *truth = &forge->truth[index];
	const struct mf_arena_figures *figures = &arena->figures;

	assert_int_equal(arena->corrupt_count, 0);
	assert_false(arena->in_flight);
	assert_int_equal(arena->consistency, MF_EXACT);
	assert_int_equal(arena->main, index == 0);
	assert_int_equal(figures->system, truth->system);
	assert_int_equal(figures->max_system, truth->most);
	expect_amount(&figures->in_use, &truth->in_use);
	expect_amount(&figures->tcache, &truth->tcache);
	expect_amount(&figures->fastbin, &truth->fastbin);
	expect_amount(&figures->top, &truth->top);
	assert_int_equal(figures->free.count, truth->free.count);
	assert_int_equal(figures->free.bytes, truth->free.bytes);
	assert_int_equal(figures->free.resident,
			 forge_free_resident(forge, index));
	assert_int_equal(figures->free.already_returned,
			 truth->free.bytes - figures->free.resident);
	assert_int_equal(figures->overhead, truth->overhead);
	expect_sum(figures);
	expect_bins(arena, truth);
	expect_trim(arena, forge->page,
		    forge_trimmable(forge, index, top_unit));
	if (index)
		assert_int_equal(arena->heap_count, truth->heaps);
}

/* The forged libc.so.6 has no ELF header: nothing else may be missing. */
static inline void expect_no_partial(const struct forge *forge)
{
	size_t count;
	const struct mf_partial *partials =
		mf_target_partials(forge->target, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(partials[i].what, "symbols") != 0)
			fail_msg("%s: %s", partials[i].what, partials[i].why);
}

/** The parameter NAME of GLIBC; UINT64_MAX: it has none. */
static inline uint64_t forge_parameter(const struct mf_allocator *glibc,
				       const char *name)
{
	for (size_t i = 0; i < glibc->parameter_count; i++)
		if (strcmp(glibc->parameters[i].name, name) == 0)
			return glibc->parameters[i].value;
	return UINT64_MAX;
}

/** One glibc, and all of it as it was forged. */
static inline void expect_forged(const struct forge *forge,
				 const struct mf_allocator *glibc,
				 uint64_t top_unit)
{
	unsigned found = 0;

	expect_no_partial(forge);
	assert_non_null(glibc);
	assert_string_equal(glibc->layout, "inferred");
	assert_int_equal(glibc->arena_count, forge->arenas);
	for (size_t i = 0; i < glibc->arena_count; i++)
		for (unsigned j = 0; j < forge->arenas; j++)
			if (glibc->arenas[i].address ==
			    forge->truth[j].address) {
				expect_arena(forge, &glibc->arenas[i], j,
					     top_unit);
				found++;
			}
	assert_int_equal(found, forge->arenas);
	expect_amount(&glibc->mmapped, &forge->mmapped);
	assert_int_equal(glibc->mmapped_resident, forge->mmapped.bytes);
	assert_int_equal(forge_parameter(glibc, "tcache_count"),
			 forge->generation->par.tcache_count == FORGE_NONE
				 ? UINT64_MAX
				 : forge->generation->tcache_count);
}

#endif
