/*
 * Takes out of a copy of memory what no chunk in use holds: bytes of chunks
 * that are free, cached or the top. What a heap is walked by stays: headers,
 * and the links of glibc's and of CPython's lists.
 */
#include <string.h>

#include "heap/glibc.h"

enum {
	LINKS = 16,	    /* fd, bk; a tcache's next and key */
	PYTHON_LINK = 8,    /* of a pool's list */
	SIZE_LINKS = 16,    /* fd_nextsize, bk_nextsize of large bins */
	LARGE_LEAST = 1024, /* chunks that have those, or may get them */
	NEXT_PREV_SIZE = 8, /* of the next chunk, is ours while we are in use */
};

struct blank {
	uint64_t address, end;
	uint8_t *bytes;
	uint64_t blanked;
};

static void blank_bytes(struct blank *blank, uint64_t start, uint64_t end)
{
	start = MF_MAX(start, blank->address);
	end = MF_MIN(end, blank->end);
	if (start >= end)
		return;
	memset(blank->bytes + (start - blank->address), 0, end - start);
	blank->blanked += end - start;
}

/* To malloc, what lies in a tcache or a fast bin is in use. */
static void blank_glibc(struct blank *blank, const struct mf_chunk *chunk)
{
	uint64_t start = chunk->address + MF_GLIBC_CHUNK_HEADER;
	uint64_t end = chunk->address + chunk->size;

	if (chunk->kind != MF_KIND_TOP)
		start += LINKS;
	if (chunk->kind != MF_KIND_TOP && chunk->size >= LARGE_LEAST)
		start += SIZE_LINKS;
	if (chunk->kind == MF_KIND_TCACHE || chunk->kind == MF_KIND_FASTBIN)
		end += NEXT_PREV_SIZE;
	blank_bytes(blank, start, end);
}

static bool blank_chunk(const struct mf_chunk *chunk, void *data)
{
	struct blank *blank = data;

	switch (chunk->kind) {
	case MF_KIND_TCACHE:
	case MF_KIND_FASTBIN:
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
	case MF_KIND_TOP:
		break;
	default:
		return true;
	}
	if (strcmp(chunk->allocator->name, "glibc") == 0)
		blank_glibc(blank, chunk);
	else if (strcmp(chunk->allocator->name, "cpython") == 0)
		blank_bytes(blank, chunk->address + PYTHON_LINK,
			    chunk->address + chunk->size);
	else
		blank_bytes(blank, chunk->address,
			    chunk->address + chunk->size);
	return true;
}

/* The linter does not see that BYTES are written to. */
uint64_t mf_heap_blank_unused(const struct mf_heap *heap, uint64_t address,
			      uint8_t *bytes, /* NOLINT */
			      size_t size)
{
	struct blank blank = { address, address + size, bytes, 0 };

	if (size && blank.end > address)
		mf_heap_each_chunk(
			heap,
			address - MF_MIN(address, (uint64_t)NEXT_PREV_SIZE),
			blank.end, blank_chunk, &blank);
	return blank.blanked;
}
