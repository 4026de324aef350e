/*
 * What Rust code says of itself. With symbols, a type is named in those of its
 * functions. Without any there is still where each panic would be said to come
 * from (core::panic::Location: file, line, column), which stays in every
 * program; an async function tells of its own body that way, twice: it panics
 * when it is resumed after its end, or after a panic.
 */
#include "scan/rust_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"

enum {
	PATH_MAX_BYTES = 512,
	LINE_MAX_NUMBER = 1 << 22,
	COLUMN_MAX = 1 << 16,
	PLACES_MAX = 256,
};

/* ---- names ------------------------------------------------------------------ */

/* An arrow of a function type is no bracket. */
static int nesting_of(const char *at, const char *from)
{
	if (*at == '>' && at > from && at[-1] == '-')
		return 0;
	if (*at && strchr("<([{", *at))
		return 1;
	return *at && strchr(">)]}", *at) ? -1 : 0;
}

/* Bytes of TEXT up to the comma or bracket that ends it. */
static size_t argument_size(const char *text)
{
	const char *at = text;
	int nesting = 0;

	for (; *at; at++) {
		int step = nesting_of(at, text);

		if (nesting == 0 && (*at == ',' || step < 0))
			break;
		nesting += step;
	}
	return (size_t)(at - text);
}

/* Until Rust 1.69 an async function's type was wrapped in one of the library's,
 * which says nothing. */
static void unwrap(char *name)
{
	static const char wrapper[] =
		"core::future::from_generator::GenFuture<";
	char *at;

	while ((at = strstr(name, wrapper))) {
		const char *inner = at + strlen(wrapper);
		size_t size = argument_size(inner);
		const char *rest = inner + size;

		if (*rest)
			rest++;
		memmove(at, inner, size);
		memmove(at + size, rest, strlen(rest) + 1);
	}
}

char *mf_rust_argument(const char *name, const char *before)
{
	const char *from = strstr(name, before);
	size_t size;
	char *argument;

	if (!from)
		return NULL;
	from += strlen(before);
	size = argument_size(from);
	if (!size)
		return NULL;
	argument = mf_strndup(from, size);
	unwrap(argument);
	return argument;
}

/* ---- places ------------------------------------------------------------------ */

/** core::panic::Location, as it lies in memory. */
struct location {
	uint64_t file, length;
	uint32_t line, column;
};

struct place {
	char *path;
	uint32_t line, column;
	unsigned depth;
	unsigned times; /* that it was referred to, there */
	uint64_t address;
};

struct places {
	struct mf_target *target;
	MF_VEC(struct place) items;
};

static void forget(struct places *places)
{
	mf_vec_foreach(place, &places->items)
		free(place->path);
	mf_vec_deinit(&places->items);
}

static bool is_path(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return size > 3 && memcmp(text + size - 3, ".rs", 3) == 0;
}

/* Since Rust 1.89 the text ends with a NUL, which is counted. */
static char *read_path(struct mf_target *target, const struct location *at)
{
	char text[PATH_MAX_BYTES];
	size_t size = (size_t)at->length;

	if (at->length < 4 || at->length >= sizeof(text) ||
	    !mf_target_try_read(target, at->file, text, size))
		return NULL;
	if (!text[size - 1])
		size--;
	return is_path(text, size) ? mf_strndup(text, size) : NULL;
}

static bool note_again(struct places *places,
		       const struct mf_reference *reference)
{
	mf_vec_foreach(place, &places->items) {
		if (place->address != reference->target)
			continue;
		if (place->depth == reference->depth)
			place->times++;
		return true;
	}
	return false;
}

static bool note_place(const struct mf_reference *reference, void *data)
{
	struct places *places = data;
	struct location at;
	char *path;

	if (reference->call)
		return true;
	if (reference->target % sizeof(uint64_t) ||
	    places->items.count >= PLACES_MAX || note_again(places, reference))
		return false;
	if (!mf_target_try_read(places->target, reference->target, &at,
				sizeof(at)) ||
	    !at.line || at.line > LINE_MAX_NUMBER || !at.column ||
	    at.column > COLUMN_MAX)
		return false;
	path = read_path(places->target, &at);
	if (path)
		mf_vec_push(&places->items,
			    (struct place){ path, at.line, at.column,
					    reference->depth, 1,
					    reference->target });
	return false;
}

/* ---- whose code it is ---------------------------------------------------------- */

/** The lower, the more likely the code that somebody wrote for this program. */
enum strangeness {
	OF_THE_PROGRAM,
	OF_A_CRATE,
	OF_A_RUNTIME,
	OF_THE_STANDARD, /* or of Tokio's part of every task */
};

static enum strangeness strangeness(const char *path)
{
	static const struct {
		const char *part;
		enum strangeness strangeness;
	} parts[] = {
		{ "library/core/", OF_THE_STANDARD },
		{ "library/alloc/", OF_THE_STANDARD },
		{ "library/std/", OF_THE_STANDARD },
		{ "/rustc/", OF_THE_STANDARD },
		{ "/src/runtime/task/", OF_THE_STANDARD },
		{ "/tokio-", OF_A_RUNTIME },
		{ "/tokio/src/", OF_A_RUNTIME },
		{ "/futures-", OF_A_RUNTIME },
		{ "/tracing-", OF_A_RUNTIME },
		{ "/pin-project", OF_A_RUNTIME },
		{ "/parking_lot", OF_A_RUNTIME },
		{ "/registry/", OF_A_CRATE },
		{ "/vendor/", OF_A_CRATE },
		{ "/git/checkouts/", OF_A_CRATE },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(parts); i++)
		if (strstr(path, parts[i].part))
			return parts[i].strangeness;
	return OF_THE_PROGRAM;
}

/* A crate's code counts as two calls further away than the program's own: its
 * generic functions are part of those that use them. */
static unsigned distance(const struct place *place)
{
	return place->depth + 2 * strangeness(place->path);
}

static bool is_nearer(const struct place *place, const struct place *than)
{
	if (distance(place) != distance(than))
		return distance(place) < distance(than);
	if ((place->times > 1) != (than->times > 1))
		return place->times > 1;
	return place->line < than->line;
}

static const struct place *nearest(const struct places *places,
				   unsigned strangest)
{
	const struct place *best = NULL;

	for (size_t i = 0; i < places->items.count; i++) {
		const struct place *place = &places->items.items[i];

		if (strangeness(place->path) <= strangest &&
		    (!best || is_nearer(place, best)))
			best = place;
	}
	return best;
}

/* From a crate's name on: where it was kept means nothing elsewhere. */
static const char *shortened(const char *path)
{
	static const char registry[] = "/registry/", index[] = "src/";
	const char *at = strstr(path, registry), *end;

	if (!at)
		return path;
	at += strlen(registry);
	if (strncmp(at, index, strlen(index)) != 0)
		return at;
	end = strchr(at + strlen(index), '/');
	return end ? end + 1 : path;
}

char *mf_rust_source(struct mf_follower *follower, struct mf_target *target,
		     const uint64_t *starts, size_t count, unsigned depth)
{
	struct places places = { .target = target };
	const struct place *best;
	char *text = NULL;

	mf_follow(follower, starts, count, depth, note_place, &places);
	best = nearest(&places, OF_A_CRATE);
	if (!best)
		best = nearest(&places, OF_A_RUNTIME);
	if (best)
		text = mf_asprintf("%s:%u:%u", shortened(best->path),
				   best->line, best->column);
	forget(&places);
	return text;
}

bool mf_rust_panics_in(struct mf_follower *follower, struct mf_target *target,
		       const uint64_t *starts, size_t count, unsigned depth,
		       const char *text)
{
	struct places places = { .target = target };
	bool found = false;

	mf_follow(follower, starts, count, depth, note_place, &places);
	mf_vec_foreach(place, &places.items)
		found |= strstr(place->path, text) != NULL;
	forget(&places);
	return found;
}
