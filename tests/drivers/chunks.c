/*
 * A test's way to the chunks of a process's heaps, each by itself:
 *
 *   chunks PID               every chunk, a line each: address size kind arena
 *   chunks PID HELD FREED    compares with what the process says: two files of
 *                            64-bit words, HELD of pairs (a pointer that it
 *                            holds, and its size), FREED of pointers that it has
 *                            freed; zeros are none
 *
 * Each disagreement is a line; the last one counts. Exit 1 if there is any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "memforensics/session.h"

#include "base/error.h"
#include "base/vec.h"

enum {
	HEADER = 16, /* of a chunk, before what malloc returns */
	SHARED = 8,  /* of its bytes lie in the next chunk's header */
	SHOWN = 5,   /* disagreements of a kind */
};

struct entry {
	struct mf_chunk chunk;
	bool held;
};

struct chunks {
	MF_VEC(struct entry) all;
};

struct word {
	uint64_t value;
};

struct words {
	uint64_t *items;
	size_t count;
};

static int fail(struct mf_error *error)
{
	fprintf(stderr, "chunks: %s\n", error->what);
	mf_error_destroy(error);
	return 2;
}

static bool keep(const struct mf_chunk *chunk, void *data)
{
	struct chunks *chunks = data;

	mf_vec_push(&chunks->all, (struct entry){ .chunk = *chunk });
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return (left->chunk.address > right->chunk.address) -
	       (left->chunk.address < right->chunk.address);
}

static int by_place(const void *key, const void *element)
{
	uint64_t address = ((const struct word *)key)->value;
	const struct entry *entry = element;

	if (address < entry->chunk.address)
		return -1;
	return address >= entry->chunk.address + entry->chunk.size;
}

/* The chunk that ADDRESS lies in, or NULL. */
static struct entry *find(const struct chunks *chunks, uint64_t address)
{
	const struct word key = { address };

	if (!chunks->all.count)
		return NULL;
	return bsearch(&key, chunks->all.items, chunks->all.count,
		       sizeof(*chunks->all.items), by_place);
}

static bool is_in_use(const struct entry *entry)
{
	return entry->chunk.kind == MF_KIND_IN_USE ||
	       entry->chunk.kind == MF_KIND_MMAPPED;
}

static bool read_words(const char *path, struct words *ret)
{
	FILE *file = fopen(path, "re");
	size_t room = 0, got;

	*ret = (struct words){ NULL, 0 };
	if (!file) {
		perror(path);
		return false;
	}
	do {
		room = room ? room * 2 : 4096;
		ret->items = mf_realloc(ret->items, room, sizeof(*ret->items));
		got = fread(ret->items + ret->count, sizeof(*ret->items),
			    room - ret->count, file);
		ret->count += got;
	} while (ret->count == room);
	fclose(file);
	return true;
}

static const char *kind_of(const struct entry *entry)
{
	return entry ? mf_heap_chunk_kind_name(entry->chunk.kind) : "nothing";
}

/* How many pointers that are held are no chunks in use of their size. */
static size_t check_held(const struct chunks *chunks, const struct words *held)
{
	size_t wrong = 0;

	for (size_t i = 0; i + 1 < held->count; i += 2) {
		uint64_t pointer = held->items[i], size = held->items[i + 1];
		struct entry *entry;
		uint64_t usable;

		if (!pointer)
			continue;
		entry = find(chunks, pointer - HEADER);
		if (entry)
			entry->held = true;
		usable = !entry ? 0 : entry->chunk.size - HEADER;
		if (entry && entry->chunk.kind == MF_KIND_IN_USE)
			usable += SHARED;
		if (entry && is_in_use(entry) && usable >= size &&
		    entry->chunk.address == pointer - HEADER)
			continue;
		if (wrong++ < SHOWN)
			printf("held 0x%" PRIx64 " of %" PRIu64
			       " bytes is %s\n",
			       pointer, size, kind_of(entry));
	}
	return wrong;
}

/* How many that were freed are in chunks in use that nobody holds. */
static size_t check_freed(const struct chunks *chunks,
			  const struct words *freed)
{
	size_t wrong = 0;

	for (size_t i = 0; i < freed->count; i++) {
		const struct entry *entry =
			freed->items[i] ? find(chunks, freed->items[i]) : NULL;

		if (!entry || entry->held || !is_in_use(entry))
			continue;
		if (wrong++ < SHOWN)
			printf("freed 0x%" PRIx64 " is %s: 0x%" PRIx64
			       " of %" PRIu64 " bytes\n",
			       freed->items[i], kind_of(entry),
			       entry->chunk.address, entry->chunk.size);
	}
	return wrong;
}

static size_t count_words(const struct words *words, size_t step)
{
	size_t count = 0;

	for (size_t i = 0; i < words->count; i += step)
		count += words->items[i] != 0;
	return count;
}

static int compare(struct chunks *chunks, const char *held_path,
		   const char *freed_path)
{
	size_t wrong, others = 0;
	struct words held, freed;

	if (!read_words(held_path, &held) || !read_words(freed_path, &freed))
		return 2;
	wrong = check_held(chunks, &held);
	wrong += check_freed(chunks, &freed);
	mf_vec_foreach(entry, &chunks->all)
		others += is_in_use(entry) && !entry->held;
	printf("held %zu freed %zu others %zu wrong %zu\n",
	       count_words(&held, 2), count_words(&freed, 1), others, wrong);
	free(held.items);
	free(freed.items);
	return wrong != 0;
}

static int list(struct chunks *chunks)
{
	mf_vec_foreach(entry, &chunks->all) {
		printf("0x%" PRIx64 " %" PRIu64 " %s ", entry->chunk.address,
		       entry->chunk.size, kind_of(entry));
		if (entry->chunk.arena == MF_NO_ARENA)
			printf("-\n");
		else
			printf("%u\n", entry->chunk.arena);
	}
	return 0;
}

static struct mf_error *collect(const char *target, struct chunks *chunks)
{
	const struct mf_session_options options = {
		.target.stop = MF_STOP_BRIEF,
		.target.max_pause_ns = UINT64_C(60000000000),
		.heap.no_symbols = true,
	};
	struct mf_session *session;
	struct mf_heap *heap = NULL;
	struct mf_error *error;

	MF_TRY(mf_session_open(target, &options, &session));
	error = mf_session_heap(session, &heap);
	if (!error && heap)
		mf_heap_each_chunk(heap, 0, UINT64_MAX, keep, chunks);
	mf_session_close(session);
	mf_vec_sort(&chunks->all, by_address);
	return error;
}

int main(int argc, char **argv)
{
	struct chunks chunks = { .all = { NULL, 0, 0 } };
	struct mf_error *error;
	int status;

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "chunks PID [HELD FREED]\n");
		return 64;
	}
	error = collect(argv[1], &chunks);
	if (error)
		return fail(error);
	status = argc == 4 ? compare(&chunks, argv[2], argv[3]) : list(&chunks);
	mf_vec_deinit(&chunks.all);
	return status;
}
