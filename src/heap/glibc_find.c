/*
 * Finds every copy of glibc's malloc in a process. Its structure is the arena
 * ring, which leads back to where it began, around an array of 127 list heads
 * that point to themselves or to chunks that point back. libc may be loaded
 * more than once (dlmopen), its malloc be linked into a program, and
 * libc_malloc_debug holds another: each load has its own.
 */
#include "heap/glibc_find.h"

#include <string.h>

#include "base/log.h"
#include "heap/recognise.h"

enum {
	SCAN_BYTES = 1 << 20,
	BAD_BINS_MAX = 3,   /* stopped in the middle of an unlink */
	BIN_LOOKS = 4,	    /* at one that changes meanwhile */
	SCANS = 8,	    /* of a process that changes meanwhile */
	STATIC_MODULES = 2, /* the program and the vdso */
	BINS_BYTES = 16 * MF_GLIBC_BINS + 16,
	HEAP_ALIGNMENT = 0x1000, /* of any heap, whatever pages are */
	LOWEST_HEAP = 0x10000,
	DISTINCT_LAYOUTS = 3, /* the last one differs by values only */
};

static const uint64_t scan_limit = (uint64_t)256 << 20;

/* ---- scanning a module's writable data ----------------------------------- */

static bool scan_piece(struct mf_glibc_scan *scan, uint64_t start, size_t size,
		       const uint8_t *bytes)
{
	for (size_t at = 0; at + 8 <= size; at += 8)
		if (scan->look(scan, start + at, mf_load(uint64_t, bytes + at)))
			return true;
	return false;
}

static bool scan_segment(struct mf_glibc_scan *scan,
			 const struct mf_segment *segment)
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

bool mf_glibc_scan_module(struct mf_glibc_scan *scan)
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
		if (arena == first || arena & 15 ||
		    arena >= mf_target_info(target)->user_end)
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

/* A list of a process that runs may have changed between its head and its
 * chunks: both are read again, at once. */
static bool bin_is_whole_now(struct mf_target *target, uint64_t head)
{
	for (unsigned i = 0; i < BIN_LOOKS; i++) {
		uint64_t fd, bk;

		if (mf_target_is_still(target))
			return false;
		mf_target_forget(target);
		if (mf_target_read_u64(target, head + 16, &fd) &&
		    mf_target_read_u64(target, head + 24, &bk) &&
		    bin_is_whole(target, head, fd, bk))
			return true;
	}
	return false;
}

/* As main_arena's initialiser leaves it until the first malloc (to 2.41). Its
 * own thread is counted from 2.23 on; without that all must be zero. */
static bool is_unused(struct mf_target *target, uint64_t main_arena,
		      const struct mf_glibc_layout *row)
{
	uint8_t bytes[MF_GLIBC_STATE_MAX];
	uint64_t attached;

	if (row->size > sizeof(bytes) ||
	    !mf_target_try_read(target, main_arena, bytes, row->size))
		return false;
	attached = mf_load(uint64_t, bytes + row->attached_threads);
	memset(bytes + row->next, 0, sizeof(uint64_t));
	memset(bytes + row->attached_threads, 0, sizeof(uint64_t));
	for (uint32_t i = 0; i < row->size; i++)
		if (bytes[i])
			return false;
	return attached <= 1;
}

enum bins {
	NO_BINS,
	UNUSED_BINS,
	BINS,
};

/* 127 list heads, or none yet. */
static enum bins look_at_bins(struct mf_target *target, uint64_t main_arena,
			      const struct mf_glibc_layout *row)
{
	uint64_t bins = main_arena + row->bins;
	uint8_t bytes[BINS_BYTES];
	unsigned bad = 0, zero = 0;

	if (!mf_target_try_read(target, bins, bytes, sizeof(bytes)))
		return NO_BINS;
	for (unsigned i = 0; i < MF_GLIBC_BINS; i++) {
		uint64_t fd = mf_load(uint64_t, bytes + 16 * (size_t)i);
		uint64_t bk = mf_load(uint64_t, bytes + 16 * (size_t)i + 8);

		if (!fd && !bk)
			zero++;
		else if (!bin_is_whole(target, bins + 16 * (uint64_t)i - 16, fd,
				       bk) &&
			 !bin_is_whole_now(target,
					   bins + 16 * (uint64_t)i - 16) &&
			 ++bad > BAD_BINS_MAX)
			return NO_BINS;
	}
	if (!zero)
		return BINS;
	return zero == MF_GLIBC_BINS && is_unused(target, main_arena, row)
		       ? UNUSED_BINS
		       : NO_BINS;
}

/*
 * 2.17-2.22 have no attached_threads: system_mem stands in its place (unless a
 * distribution brought the field in). More threads than the process has are
 * none.
 */
static const struct mf_glibc_layout *
choose_layout(struct mf_target *target, uint64_t main_arena,
	      const struct mf_glibc_layout *row)
{
	const struct mf_target_info *info = mf_target_info(target);
	size_t count;
	const struct mf_glibc_layout *all = mf_glibc_layouts(&count);
	uint64_t value, system = 0;

	if (row != &all[2] ||
	    !mf_target_read_u64(target, main_arena + row->attached_threads,
				&value))
		return row;
	/* Its first thread may have ended, but not before it allocated. */
	mf_target_read_u64(target, main_arena + row->system_mem, &system);
	if (!value && !system)
		return &all[3];
	return value >= info->page_size && value % MF_GRANULE == 0 &&
			       value > info->thread_count
		       ? &all[3]
		       : row;
}

static bool may_be_next(const struct mf_glibc_scan *scan, uint64_t word,
			uint64_t main_arena)
{
	uint64_t low = word & (HEAP_ALIGNMENT - 1);

	if (word == main_arena)
		return true;
	/* An arena behind its heap_info, at the start of a heap. */
	return (low == 0x20 || low == 0x30) && word > LOWEST_HEAP &&
	       word < mf_target_info(scan->context->target)->user_end;
}

/* An arena of another's ring lies behind the heap_info of its first heap. */
static bool is_in_heap(struct mf_target *target, uint64_t arena)
{
	uint64_t low = arena & (HEAP_ALIGNMENT - 1), owner;

	return (low == 0x20 || low == 0x30) &&
	       mf_target_read_u64(target, arena - low, &owner) &&
	       owner == arena;
}

/* An arena at MAIN ends the scan, unless it may as well be zeroed data. */
static bool take_arena(struct mf_glibc_scan *scan, uint64_t main_arena,
		       const struct mf_glibc_layout *row)
{
	struct mf_target *target = scan->context->target;
	enum bins bins;

	/* Far cheaper to look at, and as rare. */
	if (!ring_closes(target, main_arena, row))
		return false;
	bins = look_at_bins(target, main_arena, row);
	if (bins == NO_BINS)
		return false;
	row = choose_layout(target, main_arena, row);
	if (bins == BINS) {
		scan->main_arena = main_arena;
		scan->layout = row;
	} else if (!scan->unused_arena) {
		scan->unused_arena = main_arena;
		scan->unused_layout = row;
	}
	return bins == BINS;
}

static bool look_for_arena(struct mf_glibc_scan *scan, uint64_t address,
			   uint64_t word)
{
	size_t count;
	const struct mf_glibc_layout *rows = mf_glibc_layouts(&count);

	for (size_t i = 0; i < DISTINCT_LAYOUTS; i++) {
		uint64_t main_arena = address - rows[i].next;

		if (address < rows[i].next ||
		    !may_be_next(scan, word, main_arena) ||
		    is_in_heap(scan->context->target, main_arena))
			continue;
		if (take_arena(scan, main_arena, &rows[i]))
			return true;
	}
	return false;
}

/* ---- the instances ------------------------------------------------------- */

/* One copy, before it is told of. */
struct found {
	const struct mf_module *module;
	struct mf_glibc_symbols symbols;
	uint64_t main_arena;
	bool by_structure;
	const struct mf_glibc_layout *layout;
	bool used; /* has ever allocated anything */
	unsigned version;
};

struct found_list {
	struct found *items;
	size_t count, capacity;
};

static const char *describe_find(const struct found *found)
{
	if (found->symbols.main_arena && found->by_structure)
		return "main_arena by symbol and by its ring, which agree";
	if (found->symbols.main_arena)
		return "main_arena by symbol";
	return "the arena ring closes on 127 list heads";
}

static bool is_used(struct mf_target *target, const struct found *found)
{
	uint64_t system = 0;

	mf_target_read_u64(
		target, found->main_arena + found->layout->system_mem, &system);
	return system != 0;
}

/* The layout whose ring closes there; the commonest where none does. */
static const struct mf_glibc_layout *layout_at(struct mf_target *target,
					       uint64_t main_arena)
{
	size_t count;
	const struct mf_glibc_layout *rows = mf_glibc_layouts(&count);

	for (size_t i = 0; i < DISTINCT_LAYOUTS; i++)
		if (ring_closes(target, main_arena, &rows[i]))
			return choose_layout(target, main_arena, &rows[i]);
	return &rows[1];
}

/* The symbol decides where both are there; they are compared. */
static void compare_ways(struct mf_target *target, struct found *found)
{
	uint64_t by_symbol = found->symbols.main_arena;

	if (!by_symbol || by_symbol == found->main_arena)
		return;
	if (found->main_arena)
		mf_target_note_partial(
			target, "glibc main arena",
			"main_arena is at 0x%llx by symbol and at 0x%llx by "
			"structure; the symbol is believed",
			(unsigned long long)by_symbol,
			(unsigned long long)found->main_arena);
	found->main_arena = by_symbol;
	found->by_structure = false;
	found->layout = layout_at(target, by_symbol);
}

/* A libc, or a program that has one inside. */
static bool has_malloc(struct mf_heap_context *context,
		       const struct mf_module *module)
{
	uint64_t address, size;
	size_t count;

	mf_image_modules(context->image, &count);
	return mf_image_find_symbol(context->image, module, "malloc_info",
				    MF_SYMBOLS_EXPORTED, &address, &size) ||
	       (module->main && count <= STATIC_MODULES);
}

/* A process that runs is seen at several moments, its lists at one and its
 * mappings at another; one that allocates all the time needs another look. */
static void scan_for_arena(struct mf_glibc_scan *scan)
{
	struct mf_target *target = scan->context->target;

	for (unsigned i = 0; i < SCANS; i++) {
		mf_auto_error struct mf_error *error = NULL;

		if (mf_glibc_scan_module(scan))
			return;
		if (scan->unused_arena || mf_target_is_still(target) ||
		    !has_malloc(scan->context, scan->module))
			break;
		error = mf_target_refresh(target);
		if (error)
			break;
	}
	scan->main_arena = scan->unused_arena;
	scan->layout = scan->unused_layout;
}

static bool look_into(struct mf_heap_context *context,
		      const struct mf_module *module, struct found *ret)
{
	struct mf_glibc_scan scan = {
		.context = context,
		.module = module,
		.look = look_for_arena,
	};

	scan_for_arena(&scan);
	*ret = (struct found){
		.module = module,
		.symbols = mf_glibc_find_symbols(context, module,
						 scan.main_arena != 0),
		.main_arena = scan.main_arena,
		.by_structure = scan.main_arena != 0,
		.layout = scan.layout,
	};
	compare_ways(context->target, ret);
	if (!ret->main_arena)
		return false;
	ret->used = is_used(context->target, ret);
	ret->version = mf_glibc_read_banner(context, module);
	return true;
}

/* libc_malloc_debug has no text of its own, and works with its own libc only. */
static void share_versions(struct found_list *list)
{
	mf_vec_foreach(one, list) {
		if (one->version ||
		    strncmp(one->module->name, "libc_malloc_debug", 17) != 0)
			continue;
		mf_vec_foreach(other, list)
			if (other->layout == one->layout && other->version)
				one->version = other->version;
	}
}

/*
 * Whose malloc the process's is: that of the first module in its order. A
 * libc_malloc_debug that checks nothing passes all on to libc's; a static
 * program without symbols has no other.
 */
static const struct found *find_owner(struct mf_heap_context *context,
				      struct found_list *list)
{
	const struct mf_module *owner = mf_malloc_owner(context);
	bool is_ours = !owner;

	mf_vec_foreach(one, list) {
		if (owner ? owner == one->module && one->used
			  : one->module->main && one->used)
			return one;
		is_ours |= owner == one->module;
	}
	mf_vec_foreach(one, list)
		if (is_ours && one->used)
			return one;
	mf_vec_foreach(one, list)
		if (owner == one->module)
			return one;
	return NULL;
}

/* Unique among the copies: claims tell them apart by it. */
static const char *owner_name(struct mf_heap_context *context,
			      struct found_list *list,
			      const struct found *found)
{
	unsigned alike = 0;

	mf_vec_foreach(one, list)
		alike += strcmp(one->module->name, found->module->name) == 0;
	if (alike == 1)
		return mf_pool_printf(context->pool, "glibc in %s",
				      found->module->name);
	return mf_pool_printf(context->pool, "glibc in %s at 0x%llx",
			      found->module->name,
			      (unsigned long long)found->module->start);
}

/* A newer glibc than is known may have the newest layout that is. */
static bool is_of(unsigned version, const struct mf_glibc_layout *layout)
{
	size_t count;
	unsigned newest = mf_glibc_layouts(&count)[0].last;

	return version >= layout->first &&
	       (version <= layout->last || layout->last == newest);
}

/* A text that the structure contradicts is only shown. */
static void settle_version(struct mf_glibc *glibc, const struct found *found,
			   struct mf_allocator_instance *instance)
{
	if (!found->version)
		return;
	instance->info.version =
		mf_pool_printf(glibc->context->pool, "%u.%u",
			       found->version / 100, found->version % 100);
	if (is_of(found->version, glibc->layout)) {
		glibc->version = found->version;
		return;
	}
	mf_target_note_partial(
		glibc->target, "glibc version",
		"%s says that it is %s, but its arenas are those "
		"of %s, which is believed",
		glibc->module->path, instance->info.version,
		glibc->layout->versions);
}

/* A program without libc.so has no table of slots: its own block is looked
 * through. */
static void settle_tls(struct mf_glibc *glibc)
{
	struct mf_image *image = glibc->context->image;

	glibc->tls_slot_count =
		mf_image_tls_slots(image, glibc->module, &glibc->tls_slots);
	if (!glibc->tls_slot_count && glibc->module->main)
		glibc->tls_block = mf_image_tls_size(image, glibc->module);
}

static struct mf_glibc *add_instance(struct mf_heap_context *context,
				     const struct found *found,
				     const char *owner, bool owns_malloc)
{
	struct mf_allocator_instance *instance =
		mf_heap_add_instance(context, &mf_glibc_ops, found->module);
	struct mf_glibc *glibc = mf_new(struct mf_glibc);

	instance->state = glibc;
	instance->owner = owner;
	instance->info.supported = true;
	instance->info.owns_malloc = owns_malloc;
	instance->info.why = describe_find(found);
	glibc->context = context;
	glibc->target = context->target;
	glibc->module = found->module;
	glibc->owner = owner;
	glibc->page_size = mf_target_info(glibc->target)->page_size;
	glibc->user_end = mf_target_info(glibc->target)->user_end;
	glibc->layout = found->layout;
	glibc->main_arena = found->main_arena;
	glibc->used = found->used;
	settle_version(glibc, found, instance);
	instance->info.layout = mf_glibc_settle_layout(glibc);
	mf_glibc_settle_parameters(glibc, found->symbols.parameters);
	settle_tls(glibc);
	mf_glibc_find_break(glibc);
	mf_debug("heap", "%s: main_arena 0x%llx, layout %s",
		 found->module->path, (unsigned long long)glibc->main_arena,
		 glibc->layout->versions);
	return glibc;
}

/* The plain name is that of the one that matters. */
static void add_instances(struct mf_heap_context *context,
			  struct found_list *list)
{
	const struct found *owner = find_owner(context, list), *first = owner;
	struct mf_glibc *previous = NULL, *head = NULL;

	mf_vec_foreach(one, list)
		if (!first && one->used)
			first = one;
	if (!first)
		first = &list->items[0];
	mf_vec_foreach(one, list) {
		struct mf_glibc *glibc = add_instance(
			context, one,
			one == first ? "glibc" : owner_name(context, list, one),
			one == owner);

		head = head ? head : glibc;
		glibc->first_copy = head;
		if (previous)
			previous->next_copy = glibc;
		previous = glibc;
	}
}

struct mf_error *mf_glibc_probe(struct mf_heap_context *context)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(context->image, &count);
	struct found_list list = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct found found;

		if (look_into(context, &modules[i], &found))
			mf_vec_push(&list, found);
	}
	share_versions(&list);
	if (list.count)
		add_instances(context, &list);
	mf_vec_deinit(&list);
	return NULL;
}
