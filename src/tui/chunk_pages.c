/*
 * Makes runs of chunks: each begins and ends at a chosen chunk, so that walking
 * from one to the other finds all of its rows. A run ends early where what is
 * not chosen, or nothing, lies between: no row costs more than one short walk.
 */
#include "tui/chunk_pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	ASK_EVERY = 1 << 16, /* chunks */
	CACHED_PAGES = 8,
	PAGES_MOST = 1 << 20,
	WALK_BY_ADDRESS = 1 << 13, /* chunks from a run's first to its last */
	WALK_BY_SIZE = 1 << 16,
	WALK_GROWS = 8,
	GAP = 1 << 26, /* bytes: others' heaps may lie in there */
	STREAMS_LEAST = 1 << 10,
};

struct page {
	uint64_t start,
		end;	/* addresses: of its first chunk, behind its last's */
	uint64_t size;	/* of all its chunks; 0: by address */
	uint64_t first; /* row */
	const struct mf_allocator *allocator;
	uint32_t count;
	uint32_t turn; /* pages were begun in this order */
};

struct cached {
	const struct page *page; /* NULL: none */
	struct mf_chunk *chunks; /* MF_CHUNK_PAGE_ROWS */
	uint64_t used;
};

struct mf_chunk_pages {
	const struct mf_heap *heap;
	struct mf_chunk_wish wish;
	MF_VEC(struct page) pages;
	struct mf_amount amount;
	struct cached cache[CACHED_PAGES];
	uint64_t clock;
};

/* ---- which are meant ---------------------------------------------------------- */

static bool is_wanted(const struct mf_chunk_wish *wish,
		      const struct mf_chunk *chunk)
{
	if (wish->allocator && !mf_chunk_is_of(chunk, wish->allocator))
		return false;
	if (wish->one_arena && chunk->arena != wish->arena)
		return false;
	if (wish->kinds && !(wish->kinds & 1U << chunk->kind))
		return false;
	return chunk->size >= wish->min_size &&
	       (!wish->max_size || chunk->size <= wish->max_size);
}

/* ---- making pages --------------------------------------------------------------- */

/* Chunks of one size; by address, all of them. */
struct stream {
	uint64_t size;
	uint32_t page;	/* the one that grows, plus 1; 0: it is unused */
	uint64_t began; /* seen chunks, when that page was begun */
};

struct making {
	struct mf_chunk_pages *pages;
	struct stream *streams; /* open addressing; by address, one */
	size_t capacity, used;
	uint64_t seen, walk;
	bool (*is_cancelled)(void *data);
	void *data;
	bool cancelled, full;
};

static size_t place_of(const struct making *making, uint64_t size)
{
	size_t at = (size_t)(size / 16 * UINT64_C(0x9e3779b97f4a7c15) >> 20) &
		    (making->capacity - 1);

	while (making->streams[at].page && making->streams[at].size != size)
		at = (at + 1) & (making->capacity - 1);
	return at;
}

static void grow_streams(struct making *making)
{
	struct stream *old = making->streams;
	size_t count = making->capacity;

	making->capacity = count ? count * 2 : STREAMS_LEAST;
	making->streams = mf_calloc(making->capacity, sizeof(*making->streams));
	for (size_t i = 0; i < count; i++)
		if (old[i].page)
			making->streams[place_of(making, old[i].size)] = old[i];
	free(old);
}

static struct stream *stream_of(struct making *making, uint64_t size)
{
	struct stream *stream;

	if (making->used * 2 >= making->capacity)
		grow_streams(making);
	stream = &making->streams[place_of(making, size)];
	if (!stream->page) {
		stream->size = size;
		making->used++;
	}
	return stream;
}

static struct page *begin_page(struct making *making, struct stream *stream,
			       const struct mf_chunk *chunk)
{
	struct mf_chunk_pages *pages = making->pages;

	if (pages->pages.count >= PAGES_MOST) {
		making->full = true;
		return NULL;
	}
	mf_vec_push(&pages->pages, (struct page){
					   .start = chunk->address,
					   .size = stream->size,
					   .allocator = chunk->allocator,
					   .turn = (uint32_t)pages->pages.count,
				   });
	stream->page = (uint32_t)pages->pages.count;
	stream->began = making->seen;
	return &pages->pages.items[stream->page - 1];
}

static bool is_over(const struct making *making, const struct stream *stream,
		    const struct page *page, const struct mf_chunk *chunk)
{
	return page->count == MF_CHUNK_PAGE_ROWS ||
	       making->seen - stream->began > making->walk ||
	       chunk->address - page->end > GAP ||
	       chunk->allocator != page->allocator ||
	       chunk->address < page->end;
}

static bool add_chunk(struct making *making, const struct mf_chunk *chunk)
{
	struct mf_chunk_pages *pages = making->pages;
	struct stream *stream =
		stream_of(making, pages->wish.by_size ? chunk->size : 0);
	struct page *page =
		stream->page ? &pages->pages.items[stream->page - 1] : NULL;

	if (!page || is_over(making, stream, page, chunk))
		page = begin_page(making, stream, chunk);
	if (!page)
		return false;
	page->end = chunk->address + chunk->size;
	page->count++;
	pages->amount.count++;
	pages->amount.bytes += chunk->size;
	return true;
}

static bool see(const struct mf_chunk *chunk, void *data)
{
	struct making *making = data;

	making->seen++;
	if (making->is_cancelled && making->seen % ASK_EVERY == 0 &&
	    making->is_cancelled(making->data)) {
		making->cancelled = true;
		return false;
	}
	return !is_wanted(&making->pages->wish, chunk) ||
	       add_chunk(making, chunk);
}

static int by_size(const void *a, const void *b)
{
	const struct page *left = a, *right = b;

	if (left->size != right->size)
		return left->size < right->size ? 1 : -1;
	return (left->turn > right->turn) - (left->turn < right->turn);
}

static void number_pages(struct mf_chunk_pages *pages)
{
	uint64_t row = 0;

	if (pages->wish.by_size)
		mf_vec_sort(&pages->pages, by_size);
	mf_vec_foreach(page, &pages->pages) {
		page->first = row;
		row += page->count;
	}
}

static void make_pages(struct making *making)
{
	struct mf_chunk_pages *pages = making->pages;
	const struct mf_chunk_wish *wish = &pages->wish;

	making->seen = 0;
	making->full = false;
	pages->pages.count = 0;
	pages->amount = (struct mf_amount){ 0 };
	mf_heap_each_chunk(pages->heap, wish->start,
			   wish->end ? wish->end : UINT64_MAX, see, making);
	free(making->streams);
	making->streams = NULL;
	making->capacity = making->used = 0;
}

struct mf_chunk_pages *mf_chunk_pages_create(const struct mf_heap *heap,
					     const struct mf_chunk_wish *wish,
					     bool (*is_cancelled)(void *data),
					     void *data)
{
	struct mf_chunk_pages *pages = mf_new(struct mf_chunk_pages);
	struct making making = {
		.pages = pages,
		.is_cancelled = is_cancelled,
		.data = data,
		.walk = wish->by_size ? WALK_BY_SIZE : WALK_BY_ADDRESS,
	};

	pages->heap = heap;
	pages->wish = *wish;
	do {
		make_pages(&making);
		making.walk *= WALK_GROWS;
	} while (making.full && !making.cancelled && making.walk < making.seen);
	if (making.full || making.cancelled) {
		mf_chunk_pages_destroy(pages);
		return NULL;
	}
	number_pages(pages);
	return pages;
}

void mf_chunk_pages_destroy(struct mf_chunk_pages *pages)
{
	if (!pages)
		return;
	for (size_t i = 0; i < CACHED_PAGES; i++)
		free(pages->cache[i].chunks);
	mf_vec_deinit(&pages->pages);
	free(pages);
}

struct mf_amount mf_chunk_pages_amount(const struct mf_chunk_pages *pages)
{
	return pages->amount;
}

/* ---- rows -------------------------------------------------------------------------- */

static const struct page *page_of(const struct mf_chunk_pages *pages,
				  uint64_t number)
{
	size_t begun = mf_count_leading(pages->pages.items, pages->pages.count,
					page, page->first <= number);

	return &pages->pages.items[begun ? begun - 1 : 0];
}

struct filling {
	const struct mf_chunk_wish *wish;
	const struct page *page;
	struct mf_chunk *chunks;
	size_t count;
};

static bool fill(const struct mf_chunk *chunk, void *data)
{
	struct filling *filling = data;
	const struct page *page = filling->page;

	if (chunk->address >= page->start && chunk->address < page->end &&
	    chunk->allocator == page->allocator &&
	    (!page->size || chunk->size == page->size) &&
	    is_wanted(filling->wish, chunk))
		filling->chunks[filling->count++] = *chunk;
	return filling->count < page->count;
}

static struct cached *least_used(struct mf_chunk_pages *pages)
{
	struct cached *found = &pages->cache[0];

	for (size_t i = 1; i < CACHED_PAGES; i++)
		if (pages->cache[i].used < found->used)
			found = &pages->cache[i];
	return found;
}

static struct cached *load(struct mf_chunk_pages *pages,
			   const struct page *page)
{
	struct cached *cached = least_used(pages);
	struct filling filling = { .wish = &pages->wish, .page = page };

	if (!cached->chunks)
		cached->chunks =
			mf_new_array(MF_CHUNK_PAGE_ROWS, struct mf_chunk);
	memset(cached->chunks, 0, MF_CHUNK_PAGE_ROWS * sizeof(*cached->chunks));
	filling.chunks = cached->chunks;
	mf_heap_each_chunk(pages->heap, page->start, page->end, fill, &filling);
	cached->page = page;
	return cached;
}

void mf_chunk_pages_get(struct mf_chunk_pages *pages, uint64_t number,
			struct mf_chunk *ret)
{
	const struct page *page = page_of(pages, number);
	struct cached *cached = NULL;

	for (size_t i = 0; i < CACHED_PAGES && !cached; i++)
		if (pages->cache[i].page == page)
			cached = &pages->cache[i];
	if (!cached)
		cached = load(pages, page);
	cached->used = ++pages->clock;
	*ret = cached->chunks[number - page->first];
}
