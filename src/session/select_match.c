/*
 * What region expressions mean in one view: pieces of regions, put in order and
 * grouped by whose they are.
 */
#include "session/select_match.h"

#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "session/select.h"

/* ---- pieces ---------------------------------------------------------------- */

static void add_piece(struct mf_matcher *matcher, size_t region, uint64_t start,
		      uint64_t end)
{
	mf_vec_push(&matcher->pieces, (struct mf_piece){ start, end, region });
}

static void add_region(struct mf_matcher *matcher, size_t i)
{
	add_piece(matcher, i, matcher->regions[i].start,
		  matcher->regions[i].end);
}

/* The first region that ends behind ADDRESS. */
static size_t region_after(const struct mf_matcher *matcher, uint64_t address)
{
	return mf_range_after(matcher->regions, matcher->count, address);
}

/* Bytes of [START, END) that are mapped. */
static uint64_t add_range(struct mf_matcher *matcher, uint64_t start,
			  uint64_t end)
{
	uint64_t mapped = 0;

	for (size_t i = region_after(matcher, start);
	     i < matcher->count && matcher->regions[i].start < end; i++) {
		uint64_t from = MF_MAX(start, matcher->regions[i].start);
		uint64_t to = MF_MIN(end, matcher->regions[i].end);

		add_piece(matcher, i, from, to);
		mapped += to - from;
	}
	return mapped;
}

/* ---- terms ----------------------------------------------------------------- */

static void match_address(struct mf_matcher *matcher,
			  const struct mf_term *term)
{
	size_t i = region_after(matcher, term->start);
	const struct mf_mapping *mapping;

	if (i == matcher->count || matcher->regions[i].start > term->start)
		return;
	mapping = matcher->regions[i].mapping;
	add_range(matcher, mapping->start, mapping->end);
}

static void match_range(struct mf_matcher *matcher, const struct mf_term *term)
{
	uint64_t mapped = add_range(matcher, term->start, term->end);
	uint64_t missing = term->end - term->start - mapped;

	if (mapped && missing)
		mf_target_note_partial(matcher->view->target, "regions",
				       "%llu bytes of %s are not mapped",
				       (unsigned long long)missing, term->text);
}

static void match_arena(struct mf_matcher *matcher, const struct mf_term *term)
{
	mf_vec_foreach(heap, &matcher->heaps)
		if (heap->arena == term->number)
			add_range(matcher, heap->start, heap->end);
}

static bool is_stack(const struct mf_region *region)
{
	return region->class == MF_CLASS_STACK ||
	       region->class == MF_CLASS_THREAD_STACK;
}

/* The mapping that a thread's stack pointer leads to, where nobody named it. */
static void match_stack_pointer(struct mf_matcher *matcher, pid_t tid)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(matcher->view->target, &count);

	for (size_t i = 0; i < count; i++) {
		size_t at = region_after(matcher, threads[i].sp);

		if (threads[i].tid == tid && threads[i].sp &&
		    at < matcher->count &&
		    matcher->regions[at].start <= threads[i].sp)
			add_region(matcher, at);
	}
}

static void match_stack_of(struct mf_matcher *matcher,
			   const struct mf_term *term)
{
	pid_t tid = (pid_t)term->number;
	bool is_main = mf_target_info(matcher->view->target)->pid == tid;
	size_t before = matcher->pieces.count;
	char owner[32];

	snprintf(owner, sizeof(owner), "tid %d", (int)tid);
	for (size_t i = 0; i < matcher->count; i++) {
		const struct mf_region *region = &matcher->regions[i];

		if (is_stack(region) &&
		    (!strcmp(region->owner, owner) ||
		     (is_main && region->class == MF_CLASS_STACK)))
			add_region(matcher, i);
	}
	if (matcher->pieces.count == before)
		match_stack_pointer(matcher, tid);
}

/* ---- regions, one by one --------------------------------------------------- */

/* Space that was set aside and never given bytes. */
static bool is_empty(const struct mf_region *region)
{
	const struct mf_mapping *mapping = region->mapping;
	const unsigned any = MF_PERM_READ | MF_PERM_WRITE | MF_PERM_EXEC;

	switch (region->class) {
	case MF_CLASS_VVAR:
	case MF_CLASS_VSYSCALL:
	case MF_CLASS_DEVICE:
		return true;
	default:
		return !(mapping->perms & any) &&
		       !(region->usage_known && region->usage.rss);
	}
}

bool mf_is_allocated(const struct mf_region *region)
{
	switch (region->class) {
	case MF_CLASS_HEAP:
	case MF_CLASS_ARENA:
	case MF_CLASS_MMAP_CHUNK:
	case MF_CLASS_JEMALLOC:
	case MF_CLASS_TCMALLOC:
	case MF_CLASS_MIMALLOC:
	case MF_CLASS_MUSL_HEAP:
	case MF_CLASS_GO_HEAP:
	case MF_CLASS_JAVA_HEAP:
	case MF_CLASS_JAVA_METASPACE:
	case MF_CLASS_PYTHON_ARENA:
	case MF_CLASS_V8_HEAP:
		return true;
	default:
		return false;
	}
}

static bool is_wanted(const struct mf_region *region,
		      const struct mf_term *term)
{
	switch (term->kind) {
	case MF_TERM_HEAP:
		return region->class == MF_CLASS_HEAP;
	case MF_TERM_STACKS:
		return is_stack(region);
	case MF_TERM_CLASS:
		return region->class == term->class;
	case MF_TERM_LABEL:
		return strstr(region->label, term->label) ||
		       strstr(region->mapping->path, term->label);
	case MF_TERM_SUSPICIOUS:
		return region->suspicions != 0;
	case MF_TERM_ALLOCATED:
		return mf_is_allocated(region) && !is_empty(region);
	default:
		return !is_empty(region);
	}
}

static void match_term(struct mf_matcher *matcher, const struct mf_term *term)
{
	switch (term->kind) {
	case MF_TERM_ADDRESS:
		match_address(matcher, term);
		return;
	case MF_TERM_RANGE:
		match_range(matcher, term);
		return;
	case MF_TERM_ARENA:
		match_arena(matcher, term);
		return;
	case MF_TERM_STACK_OF:
		match_stack_of(matcher, term);
		return;
	default:
		for (size_t i = 0; i < matcher->count; i++)
			if (is_wanted(&matcher->regions[i], term))
				add_region(matcher, i);
	}
}

/* ---- in order -------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
	const struct mf_piece *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

/* Pieces of one region that touch become one. */
static void join_pieces(struct mf_matcher *matcher)
{
	size_t count = 0;

	mf_vec_sort(&matcher->pieces, by_start);
	mf_vec_foreach(piece, &matcher->pieces) {
		struct mf_piece *last =
			count ? &matcher->pieces.items[count - 1] : NULL;

		if (last && last->region == piece->region &&
		    piece->start <= last->end)
			last->end = MF_MAX(last->end, piece->end);
		else
			matcher->pieces.items[count++] = *piece;
	}
	matcher->pieces.count = count;
}

static int by_heap_start(const void *left, const void *right)
{
	const struct mf_matched_heap *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void add_heaps(struct mf_matcher *matcher, size_t allocator,
		      const struct mf_arena *arena)
{
	for (size_t i = 0; i < arena->heap_count; i++)
		mf_vec_push(&matcher->heaps,
			    (struct mf_matched_heap){
				    arena->heaps[i].start,
				    arena->heaps[i].start +
					    arena->heaps[i].committed,
				    allocator, arena->index });
}

static bool has_glibc(const struct mf_matcher *matcher)
{
	mf_heap_foreach_allocator(allocator, matcher->view->heap)
		if (!strcmp(allocator->name, "glibc"))
			return true;
	return false;
}

/* As the heap room calls what it has found, also where it walks no heaps. */
static bool arena_of_region(const struct mf_region *region, unsigned *arena)
{
	static const char begin[] = "arena ", after[] = " heap ";
	char *end;

	*arena = 0;
	if (region->class == MF_CLASS_HEAP)
		return true;
	if (region->class != MF_CLASS_ARENA)
		return false;
	if (strncmp(region->label, begin, strlen(begin)) != 0)
		return strcmp(region->label, "main arena") == 0;
	*arena = (unsigned)strtoul(region->label + strlen(begin), &end, 10);
	return strncmp(end, after, strlen(after)) == 0;
}

static void list_labelled_heaps(struct mf_matcher *matcher)
{
	unsigned arena;

	for (size_t i = 0; i < matcher->count; i++) {
		const struct mf_region *region = &matcher->regions[i];

		if (arena_of_region(region, &arena))
			mf_vec_push(&matcher->heaps,
				    (struct mf_matched_heap){ region->start,
							      region->end, 0,
							      arena });
	}
}

static void list_heaps(struct mf_matcher *matcher)
{
	size_t count;
	const struct mf_allocator *allocators =
		mf_heap_allocators(matcher->view->heap, &count);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < allocators[i].arena_count; j++)
			add_heaps(matcher, i, &allocators[i].arenas[j]);
	if (!matcher->heaps.count && has_glibc(matcher))
		list_labelled_heaps(matcher);
	mf_vec_sort(&matcher->heaps, by_heap_start);
}

/* ---- all of it ------------------------------------------------------------- */

static void matcher_deinit(struct mf_matcher *matcher)
{
	mf_vec_deinit(&matcher->pieces);
	mf_vec_deinit(&matcher->heaps);
	mf_vec_deinit(&matcher->groups);
}

struct mf_error *mf_select_resolve(const struct mf_select *select,
				   const struct mf_view *view,
				   struct mf_selection *ret)
{
	mf_cleanup(matcher_deinit) struct mf_matcher matcher = {
		.view = view,
	};

	matcher.regions = mf_space_regions(view->space, &matcher.count);
	list_heaps(&matcher);
	for (size_t i = 0; i < select->terms.count; i++) {
		const struct mf_term *term = &select->terms.items[i];
		size_t before = matcher.pieces.count;

		match_term(&matcher, term);
		if (matcher.pieces.count == before && !term->optional)
			return mf_select_refuse_empty(&matcher, term);
	}
	join_pieces(&matcher);
	mf_select_group(&matcher, ret);
	return NULL;
}
