/*
 * glibc's malloc_par, mp_: where it is, known by the values that it must have,
 * and what it says.
 */
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "heap/glibc_find.h"

enum {
	SCORE_MIN = 7,
	ARENA_TEST_OFFSET = 24,
	ARENA_TEST = 8, /* its value on 64-bit, unless tuned */
	ARENA_TEST_MAX = 65536,
	LARGEST = 144, /* bytes of any malloc_par */
	ROOM = 160,
};

/* ---- where it is --------------------------------------------------------- */

static uint64_t field64(const uint8_t *bytes, uint32_t offset)
{
	return mf_load(uint64_t, bytes + offset);
}

static uint32_t field32(const uint8_t *bytes, uint32_t offset)
{
	return mf_load(uint32_t, bytes + offset);
}

/* The break's own memory is the best proof. */
static int score_base(const struct mf_glibc_scan *scan, uint64_t base)
{
	const struct mf_mapping *mapping;

	if (!base)
		return !scan->glibc->used;
	mapping = mf_target_mapping_at(scan->context->target, base);
	if (!mapping || !mf_mapping_has_no_file(mapping))
		return 0;
	return strcmp(mapping->path, "[heap]") == 0 ? 5 : 3;
}

static int score_thresholds(const uint8_t *bytes)
{
	uint64_t trim = field64(bytes, 0), pad = field64(bytes, 8);
	uint64_t mmap_threshold = field64(bytes, 16);
	int score = 0;

	if (mmap_threshold >= (uint64_t)128 * MF_KIB &&
	    mmap_threshold <= (uint64_t)32 * MF_MIB)
		score += 1;
	if (trim == (uint64_t)128 * MF_KIB || trim == 2 * mmap_threshold)
		score += 2;
	if (pad == (uint64_t)128 * MF_KIB)
		score += 1;
	return score;
}

/* mmapped_mem is a sum of pages, but 2.43 and later lose 16 bytes of it
 * whenever a chunk is resized. */
static int score_mmaps(const uint8_t *bytes,
		       const struct mf_glibc_parameters_layout *row)
{
	uint64_t memory = field64(bytes, row->mmapped_mem);
	int score = 0;

	if (field32(bytes, row->n_mmaps_max) == 65536)
		score += 2;
	if (field32(bytes, row->n_mmaps) <= field32(bytes, row->max_n_mmaps) &&
	    memory % MF_GRANULE == 0 &&
	    memory <= field64(bytes, row->max_mmapped_mem))
		score += 2;
	return score;
}

/* There is one at least, also where the cache is turned off. */
static bool has_tcache_bins(const uint8_t *bytes,
			    const struct mf_glibc_parameters_layout *row)
{
	uint64_t bins = field64(bytes, row->tcache_bins);

	return bins && bins <= MF_GLIBC_TCACHE_BINS_MAX &&
	       field64(bytes, row->tcache_count) <= UINT16_MAX;
}

static int score_parameters(const struct mf_glibc_scan *scan,
			    const uint8_t *bytes,
			    const struct mf_glibc_parameters_layout *row)
{
	int score = score_thresholds(bytes) + score_mmaps(bytes, row) +
		    score_base(scan, field64(bytes, row->sbrk_base));

	if (row->tcache_bins != MF_GLIBC_ABSENT)
		score += has_tcache_bins(bytes, row) ? 1 : -2;
	return score;
}

static bool look_for_parameters(struct mf_glibc_scan *scan, uint64_t address,
				uint64_t word)
{
	struct mf_glibc *glibc = scan->glibc;
	uint8_t bytes[ROOM] = { 0 };
	size_t count;
	const struct mf_glibc_parameters_layout *rows;

	if (scan->any_arena_test ? !word || word > ARENA_TEST_MAX
				 : word != ARENA_TEST)
		return false;
	address -= ARENA_TEST_OFFSET;
	rows = mf_glibc_parameters_layouts(glibc->layout, &count);
	if (!mf_target_try_read(scan->context->target, address, bytes, LARGEST))
		return false;
	for (size_t i = 0; i < count; i++) {
		int score = score_parameters(scan, bytes, &rows[i]);

		if (score <= scan->best_score)
			continue;
		scan->best_score = score;
		glibc->parameters_address = address;
		glibc->parameters_layout = &rows[i];
	}
	return false;
}

static void find_parameters(struct mf_glibc *glibc)
{
	struct mf_glibc_scan scan = {
		.context = glibc->context,
		.module = glibc->module,
		.look = look_for_parameters,
		.glibc = glibc,
		.best_score = SCORE_MIN - 1,
	};

	mf_glibc_scan_module(&scan);
	if (!glibc->parameters_address) {
		scan.any_arena_test = true;
		mf_glibc_scan_module(&scan);
	}
	mf_debug("heap", "malloc_par at 0x%llx, score %d",
		 (unsigned long long)glibc->parameters_address,
		 scan.best_score);
}

/* Which generation, where only a symbol says that it is one. */
static void choose_layout(struct mf_glibc *glibc)
{
	size_t count;
	const struct mf_glibc_parameters_layout *rows =
		mf_glibc_parameters_layouts(glibc->layout, &count);

	glibc->parameters_layout = rows;
	for (size_t i = 0; i < count; i++)
		if (glibc->version >= rows[i].first &&
		    glibc->version <= rows[i].last)
			glibc->parameters_layout = &rows[i];
}

void mf_glibc_settle_parameters(struct mf_glibc *glibc, uint64_t by_symbol)
{
	find_parameters(glibc);
	if (!by_symbol || by_symbol == glibc->parameters_address)
		return;
	if (glibc->parameters_address)
		mf_target_note_partial(
			glibc->target, "glibc parameters",
			"mp_ is at 0x%llx by symbol and at 0x%llx by "
			"structure; the symbol is believed",
			(unsigned long long)by_symbol,
			(unsigned long long)glibc->parameters_address);
	glibc->parameters_address = by_symbol;
	if (!glibc->parameters_layout)
		choose_layout(glibc);
}

/* ---- what it says -------------------------------------------------------- */

static uint64_t wide(const uint8_t *bytes, uint32_t offset)
{
	return offset == MF_GLIBC_ABSENT ? UINT64_MAX
					 : mf_load(uint64_t, bytes + offset);
}

void mf_glibc_read_parameters(struct mf_glibc *glibc)
{
	const struct mf_glibc_parameters_layout *row = glibc->parameters_layout;
	struct mf_glibc_parameters *to = &glibc->parameters;
	uint8_t bytes[ROOM] = { 0 };

	memset(to, 0xff, sizeof(*to));
	if (!row || !glibc->parameters_address ||
	    !mf_target_try_read(glibc->target, glibc->parameters_address, bytes,
				row->size))
		return;
	*to = (struct mf_glibc_parameters){
		.trim_threshold = wide(bytes, 0),
		.top_pad = wide(bytes, 8),
		.mmap_threshold = wide(bytes, 16),
		.arena_test = wide(bytes, 24),
		.arena_max = wide(bytes, 32),
		.thp_pagesize = wide(bytes, row->thp_pagesize),
		.hp_pagesize = wide(bytes, row->hp_pagesize),
		.n_mmaps = mf_load(uint32_t, bytes + row->n_mmaps),
		.n_mmaps_max = mf_load(uint32_t, bytes + row->n_mmaps_max),
		.max_n_mmaps = mf_load(uint32_t, bytes + row->max_n_mmaps),
		.no_dyn_threshold =
			mf_load(uint32_t, bytes + row->no_dyn_threshold),
		.mmapped_mem = wide(bytes, row->mmapped_mem),
		.max_mmapped_mem = wide(bytes, row->max_mmapped_mem),
		.sbrk_base = wide(bytes, row->sbrk_base),
		.tcache_bins = wide(bytes, row->tcache_bins),
		.tcache_max_bytes = wide(bytes, row->tcache_max_bytes),
		.tcache_count = wide(bytes, row->tcache_count),
	};
}
