/*
 * Finds every copy of glibc's malloc in a process: by libc's symbols, and by
 * structure alone. The structure is the arena ring, which leads back to where
 * it began, around an array of 127 list heads that point to themselves or to
 * chunks that point back; malloc_par is known by its values.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "heap/glibc.h"
#include "heap/recognise.h"

enum {
	SCAN_BYTES = 1 << 20,
	BAD_BINS_MAX = 3, /* stopped in the middle of an unlink */
	BINS_BYTES = 16 * MF_GLIBC_BINS + 16,
	PARAMETERS_SCORE_MIN = 7,
	ARENA_TEST_OFFSET = 24,
	ARENA_TEST = 8, /* its value on 64-bit, unless tuned */
	VERSION_TEXT = 128,
};

static const uint64_t scan_limit = (uint64_t)256 << 20;
static const uint64_t user_end = UINT64_C(1) << 47;

/* What a scan of a module's writable data looks for. */
struct scan {
	struct mf_heap_context *context;
	const struct mf_module *module;
	/* Called on each aligned word; true ends the scan. */
	bool (*look)(struct scan *scan, uint64_t address, uint64_t word);
	struct mf_glibc *glibc;
	uint64_t main_arena; /* found */
	const struct mf_glibc_layout *layout;
	int best_score;
};

/* ---- scanning a module's writable data ----------------------------------- */

static bool scan_piece(struct scan *scan, uint64_t start, size_t size,
		       const uint8_t *bytes)
{
	for (size_t at = 0; at + 8 <= size; at += 8)
		if (scan->look(scan, start + at, mf_load(uint64_t, bytes + at)))
			return true;
	return false;
}

static bool scan_segment(struct scan *scan, const struct mf_segment *segment)
{
	struct mf_target *target = scan->context->target;
	uint32_t page = mf_target_info(target)->page_size;
	mf_auto_free uint8_t *bytes = mf_calloc(SCAN_BYTES, 1);
	uint64_t end = MF_MIN(segment->end, segment->start + scan_limit);

	for (uint64_t at = segment->start; at < end; at += SCAN_BYTES) {
		size_t pages = MF_MIN(end - at, (uint64_t)SCAN_BYTES) / page;
		struct mf_error *error =
			mf_target_read_pages(target, at, pages, bytes, NULL);

		if (error) {
			mf_error_destroy(error);
			return false;
		}
		if (scan_piece(scan, at, pages * page, bytes))
			return true;
	}
	return false;
}

static bool scan_module(struct scan *scan)
{
	for (size_t i = 0; i < scan->module->segment_count; i++) {
		const struct mf_segment *segment = &scan->module->segments[i];

		if (segment->kind != MF_SEGMENT_DATA &&
		    segment->kind != MF_SEGMENT_BSS)
			continue;
		if (scan_segment(scan, segment))
			return true;
	}
	return false;
}

/* ---- main_arena by structure ----------------------------------------------- */

/* Whether the ring of NEXT fields, beginning at MAIN, comes back to it. */
static bool ring_closes(struct mf_target *target, uint64_t main_arena,
			const struct mf_glibc_layout *layout)
{
	uint64_t arena = main_arena, first = 0;

	for (unsigned i = 0; i < MF_GLIBC_ARENAS_MAX; i++) {
		if (!mf_target_read_u64(target, arena + layout->next, &arena))
			return false;
		if (arena == main_arena)
			return true;
		/* Into a ring from outside of it: that never comes back. */
		if (arena == first || arena & 15 || arena >= user_end)
			return false;
		first = first ? first : arena;
	}
	return false;
}

/* A list head, seen as a chunk: fd at 16, bk at 24. */
static bool bin_is_whole(struct mf_target *target, uint64_t head, uint64_t fd,
			 uint64_t bk)
{
	uint64_t back, forth;

	if (fd == head && bk == head)
		return true;
	return mf_target_read_u64(target, fd + 24, &back) && back == head &&
	       mf_target_read_u64(target, bk + 16, &forth) && forth == head;
}

/* As main_arena's initialiser leaves it until the first malloc (to 2.41). */
static bool is_pristine(struct mf_target *target, uint64_t main_arena,
			const struct mf_glibc_layout *row)
{
	uint64_t attached, system;

	return mf_target_read_u64(target, main_arena + row->attached_threads,
				  &attached) &&
	       mf_target_read_u64(target, main_arena + row->system_mem,
				  &system) &&
	       attached == 1 && system == 0;
}

/* 127 list heads, or none yet. */
static bool has_bins(struct mf_target *target, uint64_t main_arena,
		     const struct mf_glibc_layout *row)
{
	uint64_t bins = main_arena + row->bins;
	uint8_t bytes[BINS_BYTES];
	unsigned bad = 0, zero = 0;

	if (!mf_target_try_read(target, bins, bytes, sizeof(bytes)))
		return false;
	for (unsigned i = 0; i < MF_GLIBC_BINS; i++) {
		uint64_t fd = mf_load(uint64_t, bytes + 16 * (size_t)i);
		uint64_t bk = mf_load(uint64_t, bytes + 16 * (size_t)i + 8);

		if (!fd && !bk)
			zero++;
		else if (!bin_is_whole(target, bins + 16 * (uint64_t)i - 16, fd,
				       bk) &&
			 ++bad > BAD_BINS_MAX)
			return false;
	}
	if (zero == MF_GLIBC_BINS)
		return is_pristine(target, main_arena, row);
	return !zero;
}

/* 2.17-2.22 have no attached_threads: system_mem stands in its place. */
static const struct mf_glibc_layout *
choose_layout(struct mf_target *target, uint64_t main_arena,
	      const struct mf_glibc_layout *row)
{
	uint32_t page = mf_target_info(target)->page_size;
	size_t count;
	const struct mf_glibc_layout *all = mf_glibc_layouts(&count);
	uint64_t value;

	if (row != &all[2])
		return row;
	if (mf_target_read_u64(target, main_arena + row->attached_threads,
			       &value) &&
	    value >= page && value % 16 == 0)
		return &all[3];
	return row;
}

static bool may_be_next(uint64_t address, uint64_t word, uint64_t main_arena)
{
	uint64_t low = word & 0xfff;

	(void)address;
	if (word == main_arena)
		return true;
	/* An arena behind its heap_info, at the start of a heap. */
	return (low == 0x20 || low == 0x30) && word > 0x10000 &&
	       word < user_end;
}

/* An arena of another's ring lies behind the heap_info of its first heap. */
static bool is_in_heap(struct mf_target *target, uint64_t arena)
{
	uint64_t low = arena & 0xfff, owner;

	return (low == 0x20 || low == 0x30) &&
	       mf_target_read_u64(target, arena - low, &owner) &&
	       owner == arena;
}

static bool look_for_arena(struct scan *scan, uint64_t address, uint64_t word)
{
	struct mf_target *target = scan->context->target;
	size_t count;
	const struct mf_glibc_layout *rows = mf_glibc_layouts(&count);

	for (size_t i = 0; i < 3; i++) {
		uint64_t main_arena = address - rows[i].next;

		if (address < rows[i].next ||
		    !may_be_next(address, word, main_arena))
			continue;
		if (is_in_heap(target, main_arena) ||
		    !has_bins(target, main_arena, &rows[i]) ||
		    !ring_closes(target, main_arena, &rows[i]))
			continue;
		scan->main_arena = main_arena;
		scan->layout = choose_layout(target, main_arena, &rows[i]);
		return true;
	}
	return false;
}

/* ---- malloc_par by its values --------------------------------------------------- */

static uint64_t field64(const uint8_t *bytes, uint32_t offset)
{
	return mf_load(uint64_t, bytes + offset);
}

static uint32_t field32(const uint8_t *bytes, uint32_t offset)
{
	return mf_load(uint32_t, bytes + offset);
}

static bool is_anonymous_memory(struct mf_target *target, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, address);

	return mapping && mapping->inode == 0;
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

static int score_mmaps(struct mf_target *target, const uint8_t *bytes,
		       const struct mf_glibc_parameters_layout *row)
{
	uint32_t n = field32(bytes, row->n_mmaps);
	uint64_t memory = field64(bytes, row->mmapped_mem);
	uint32_t page = mf_target_info(target)->page_size;
	int score = 0;

	if (field32(bytes, row->n_mmaps_max) == 65536)
		score += 2;
	if (n <= field32(bytes, row->max_n_mmaps) && memory % page == 0 &&
	    memory <= field64(bytes, row->max_mmapped_mem))
		score += 2;
	return score;
}

static int score_parameters(const struct scan *scan, const uint8_t *bytes,
			    const struct mf_glibc_parameters_layout *row)
{
	struct mf_target *target = scan->context->target;
	uint64_t base = field64(bytes, row->sbrk_base);
	int score = score_thresholds(bytes) + score_mmaps(target, bytes, row);

	if (base ? is_anonymous_memory(target, base) : !scan->glibc->used)
		score += base ? 3 : 1;
	if (row->tcache_bins != MF_GLIBC_ABSENT) {
		uint64_t bins = field64(bytes, row->tcache_bins);
		uint64_t count = field64(bytes, row->tcache_count);

		if (bins <= MF_GLIBC_TCACHE_BINS_MAX && count < 65536)
			score += 1;
	}
	return score;
}

static bool look_for_parameters(struct scan *scan, uint64_t address,
				uint64_t word)
{
	struct mf_glibc *glibc = scan->glibc;
	uint8_t bytes[160] = { 0 };
	size_t count;
	const struct mf_glibc_parameters_layout *rows;

	if (word != ARENA_TEST)
		return false;
	address -= ARENA_TEST_OFFSET;
	rows = mf_glibc_parameters_layouts(glibc->layout, &count);
	if (!mf_target_try_read(scan->context->target, address, bytes, 144))
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
	struct scan scan = {
		.context = glibc->context,
		.module = glibc->module,
		.look = look_for_parameters,
		.glibc = glibc,
		.best_score = PARAMETERS_SCORE_MIN - 1,
	};

	scan_module(&scan);
	mf_debug("heap", "malloc_par at 0x%llx, score %d",
		 (unsigned long long)glibc->parameters_address,
		 scan.best_score);
}

/* ---- by symbols -------------------------------------------------------------------- */

struct symbols {
	uint64_t main_arena, parameters;
};

static const char *const symbol_names[] = { "main_arena", "mp_" };

/* Only objects that define malloc_trim or mallinfo may hold a ptmalloc; their
 * separate debug files are worth opening. */
static bool exports_glibc_malloc(struct mf_image *image,
				 const struct mf_module *module)
{
	static const char *const names[] = { "malloc_trim", "mallopt",
					     "gnu_get_libc_version",
					     "__libc_freeres" };
	uint64_t found[MF_ARRAY_SIZE(names)];

	return mf_image_find_symbols(image, module, names, MF_ARRAY_SIZE(names),
				     MF_SYMBOLS_EXPORTED, found) >= 3;
}

static struct symbols find_symbols(struct mf_heap_context *context,
				   const struct mf_module *module)
{
	uint64_t found[2] = { 0, 0 };

	if (context->options->no_symbols)
		return (struct symbols){ 0 };
	if (exports_glibc_malloc(context->image, module))
		mf_image_find_symbols(context->image, module, symbol_names, 2,
				      MF_SYMBOLS_DEBUG, found);
	return (struct symbols){ found[0], found[1] };
}

/* Debug information comes with the target, and may say anything. */
static bool is_possible(const struct mf_glibc_layout *layout)
{
	const uint32_t fields[][2] = {
		{ layout->fastbins, MF_GLIBC_FASTBINS * 8 },
		{ layout->bins, MF_GLIBC_BINS * 16 },
		{ layout->top, 8 },
		{ layout->last_remainder, 8 },
		{ layout->next, 8 },
		{ layout->next_free, 8 },
		{ layout->attached_threads, 8 },
		{ layout->system_mem, 8 },
		{ layout->max_system_mem, 8 },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(fields); i++)
		if (fields[i][0] != MF_GLIBC_ABSENT &&
		    (fields[i][0] > layout->size ||
		     fields[i][1] > layout->size - fields[i][0]))
			return false;
	return layout->bins != MF_GLIBC_ABSENT &&
	       layout->top != MF_GLIBC_ABSENT &&
	       layout->next != MF_GLIBC_ABSENT &&
	       layout->system_mem != MF_GLIBC_ABSENT;
}

/* malloc_state as DWARF has it, compared with the table. */
static void read_dwarf_layout(struct mf_glibc *glibc)
{
	struct mf_member members[] = {
		{ .name = "fastbinsY" },
		{ .name = "top" },
		{ .name = "last_remainder" },
		{ .name = "bins" },
		{ .name = "next" },
		{ .name = "next_free" },
		{ .name = "attached_threads" },
		{ .name = "system_mem" },
		{ .name = "max_system_mem" },
	};
	uint32_t *const fields[] = {
		&glibc->dwarf_layout.fastbins,
		&glibc->dwarf_layout.top,
		&glibc->dwarf_layout.last_remainder,
		&glibc->dwarf_layout.bins,
		&glibc->dwarf_layout.next,
		&glibc->dwarf_layout.next_free,
		&glibc->dwarf_layout.attached_threads,
		&glibc->dwarf_layout.system_mem,
		&glibc->dwarf_layout.max_system_mem,
	};
	uint64_t size;

	if (!mf_image_struct_layout(glibc->context->image, glibc->module,
				    "main_arena", "malloc_state", members,
				    MF_ARRAY_SIZE(members), &size))
		return;
	glibc->dwarf_layout.versions = "dwarf";
	glibc->dwarf_layout.size = (uint32_t)size;
	for (size_t i = 0; i < MF_ARRAY_SIZE(members); i++)
		*fields[i] = members[i].offset < 0
				     ? MF_GLIBC_ABSENT
				     : (uint32_t)members[i].offset;
	if (size > UINT32_MAX || !is_possible(&glibc->dwarf_layout))
		glibc->dwarf_layout.versions = NULL;
}

static bool layouts_agree(const struct mf_glibc_layout *a,
			  const struct mf_glibc_layout *b)
{
	return a->fastbins == b->fastbins && a->top == b->top &&
	       a->bins == b->bins && a->next == b->next &&
	       a->attached_threads == b->attached_threads &&
	       a->system_mem == b->system_mem && a->size == b->size;
}

/* ---- the instance ---------------------------------------------------------------------- */

static void read_version(struct mf_glibc *glibc,
			 struct mf_allocator_instance *instance)
{
	char text[VERSION_TEXT] = "";
	char *at, *end;
	unsigned long major, minor;

	if (!mf_image_find_bytes(glibc->context->image, glibc->module,
				 "GNU C Library (", 15, text, sizeof(text) - 1))
		return;
	at = strstr(text, "release version ");
	if (!at)
		return;
	major = strtoul(at + 16, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major != 2 || !minor || minor > 99)
		return;
	glibc->version = (unsigned)(major * 100 + minor);
	instance->info.version =
		mf_pool_printf(glibc->context->pool, "%lu.%lu", major, minor);
}

/* DWARF wins over the table where it differs: a distribution may have patched
 * its glibc. */
static const char *settle_layout(struct mf_glibc *glibc)
{
	if (glibc->context->options->no_symbols)
		return "inferred";
	read_dwarf_layout(glibc);
	if (!glibc->dwarf_layout.versions)
		return "table";
	if (!layouts_agree(&glibc->dwarf_layout, glibc->layout))
		mf_target_note_partial(glibc->target, "glibc layout",
				       "debug information of %s differs from "
				       "glibc %s as known; it is believed",
				       glibc->module->path,
				       glibc->layout->versions);
	else
		return "dwarf";
	glibc->layout = &glibc->dwarf_layout;
	return "dwarf";
}

static void settle_parameters(struct mf_glibc *glibc, uint64_t by_symbol)
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
	if (!glibc->parameters_layout) {
		size_t count;

		glibc->parameters_layout =
			mf_glibc_parameters_layouts(glibc->layout, &count);
		if (count > 1 && glibc->version && glibc->version < 235)
			glibc->parameters_layout++;
	}
}

static const char *describe_find(const struct symbols *symbols,
				 uint64_t by_structure)
{
	if (symbols->main_arena && by_structure)
		return "main_arena by symbol and by its ring, which agree";
	if (symbols->main_arena)
		return "main_arena by symbol";
	return "the arena ring closes on 127 list heads";
}

static bool is_used(struct mf_glibc *glibc)
{
	uint64_t system = 0;

	mf_target_read_u64(glibc->target,
			   glibc->main_arena + glibc->layout->system_mem,
			   &system);
	return system != 0;
}

static void add_instance(struct scan *scan, const struct symbols *symbols,
			 bool first)
{
	struct mf_allocator_instance *instance = mf_heap_add_instance(
		scan->context, &mf_glibc_ops, scan->module);
	struct mf_glibc *glibc = mf_new(struct mf_glibc);

	instance->state = glibc;
	instance->info.supported = true;
	glibc->context = scan->context;
	glibc->target = scan->context->target;
	glibc->module = scan->module;
	glibc->page_size = mf_target_info(glibc->target)->page_size;
	glibc->layout = scan->layout;
	glibc->main_arena = scan->main_arena;
	glibc->used = is_used(glibc);
	mf_instance_ask_malloc(scan->context, instance);
	if (!first)
		instance->owner = mf_pool_printf(
			scan->context->pool, "glibc in %s", scan->module->name);
	glibc->owner = instance->owner;
	instance->info.why = describe_find(symbols, scan->main_arena);
	read_version(glibc, instance);
	instance->info.layout = settle_layout(glibc);
	settle_parameters(glibc, symbols->parameters);
	if (!scan->context->options->no_symbols || !glibc->version)
		mf_debug("heap", "%s: main_arena 0x%llx, layout %s",
			 scan->module->path,
			 (unsigned long long)glibc->main_arena,
			 glibc->layout->versions);
	glibc->tls_slot_count = mf_image_tls_slots(
		scan->context->image, scan->module, &glibc->tls_slots);
}

/* The symbol decides where both are there; they are compared. */
static void compare_ways(struct scan *scan, const struct symbols *symbols)
{
	size_t count;

	if (!symbols->main_arena || symbols->main_arena == scan->main_arena)
		return;
	if (scan->main_arena)
		mf_target_note_partial(
			scan->context->target, "glibc main arena",
			"main_arena is at 0x%llx by symbol and at 0x%llx by "
			"structure; the symbol is believed",
			(unsigned long long)symbols->main_arena,
			(unsigned long long)scan->main_arena);
	scan->main_arena = symbols->main_arena;
	if (!scan->layout)
		scan->layout = &mf_glibc_layouts(&count)[1];
}

struct mf_error *mf_glibc_probe(struct mf_heap_context *context)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(context->image, &count);
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		struct scan scan = {
			.context = context,
			.module = &modules[i],
			.look = look_for_arena,
		};
		struct symbols symbols = find_symbols(context, &modules[i]);

		scan_module(&scan);
		compare_ways(&scan, &symbols);
		if (!scan.main_arena)
			continue;
		add_instance(&scan, &symbols, first);
		first = false;
	}
	return NULL;
}
