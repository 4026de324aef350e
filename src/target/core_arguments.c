/*
 * What a program was started with. A core's own note has the first 80 letters
 * of it; all of it is where the kernel put it, on the first stack: the number
 * of arguments, pointers to them, pointers to the environment, and then the
 * auxiliary vector, which the core has in a note, too, so that it can be found.
 * A program that shows a title of its own writes it over the texts: that is what
 * /proc shows then, and what is given here.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "target/core.h"

enum {
	BELOW = 8192, /* the vector is so near below AT_RANDOM's bytes */
	POINTERS_MAX = 1 << 16,
	ARGUMENTS_MAX = 4096,
	BYTES_MAX = 1 << 20, /* of all arguments */
	PART = 4096,
};

/* The last words that were read: they are asked for one below the other. */
struct words {
	struct mf_core *core;
	uint64_t start; /* of a part; 0: none */
	uint64_t items[PART / sizeof(uint64_t)];
};

static bool word_at(struct words *words, uint64_t address, uint64_t *ret)
{
	uint64_t start = address & -(uint64_t)PART;

	if (address % sizeof(*ret))
		return false;
	if (!words->start || words->start != start) {
		words->start = 0;
		if (!mf_core_read_held(words->core, start, words->items, PART))
			return false;
		words->start = start;
	}
	*ret = words->items[(address - start) / sizeof(*ret)];
	return true;
}

/* Where the vector is, by its first two entries; 0: nowhere. */
static uint64_t find_vector(struct words *words)
{
	const struct mf_core_auxv *auxv = &words->core->auxv;
	uint64_t top = auxv->random & -(uint64_t)sizeof(uint64_t);

	if (top < 2 * BELOW || !auxv->first_known)
		return 0;
	for (uint64_t at = top; at > top - BELOW; at -= sizeof(uint64_t)) {
		bool same = true;
		uint64_t word;

		for (size_t i = 0; same && i < MF_ARRAY_SIZE(auxv->first); i++)
			same = word_at(words, at + i * sizeof(word), &word) &&
			       word == auxv->first[i];
		if (same)
			return at;
	}
	return 0;
}

/* Steps down over pointers to the zero below them. */
static bool skip_pointers(struct words *words, uint64_t *at)
{
	uint64_t word;

	for (unsigned i = 0; i < POINTERS_MAX; i++) {
		if (!word_at(words, *at, &word))
			return false;
		if (!word)
			return true;
		*at -= sizeof(word);
	}
	return false;
}

/** Pointers to arguments, and to the first of the environment's texts. */
struct arguments {
	uint64_t first;
	size_t count;
	uint64_t environment; /* 0: there is none */
};

static bool find_arguments(struct words *words, struct arguments *ret)
{
	uint64_t at = find_vector(words), word;

	if (!at || !word_at(words, at -= sizeof(word), &word) || word)
		return false;
	at -= sizeof(word);
	if (!skip_pointers(words, &at) ||
	    !word_at(words, at + sizeof(word), &ret->environment))
		return false;
	for (size_t i = 0; i < POINTERS_MAX; i++) {
		at -= sizeof(word);
		if (!word_at(words, at, &word))
			return false;
		if (word == i) {
			ret->first = at + sizeof(word);
			ret->count = i;
			return i > 0;
		}
	}
	return false;
}

/* The texts as the kernel shows them: from the first argument's to the first of
 * the environment's. */
static bool read_shown(struct words *words, const struct arguments *arguments,
		       struct mf_buffer *to)
{
	char part[PART];
	uint64_t at, end = arguments->environment;

	if (!word_at(words, arguments->first, &at) || at >= end ||
	    end - at > BYTES_MAX)
		return false;
	while (at < end) {
		size_t size = MF_MIN(PART - at % PART, end - at);

		if (!mf_core_read_held(words->core, at, part, size))
			return false;
		mf_buffer_add(to, part, size);
		at += size;
	}
	if (to->text[to->size - 1])
		mf_buffer_putc(to, '\0');
	return true;
}

/* Adds the text at ADDRESS, at most ROOM bytes with its end; false: too long,
 * or not in the core. */
static bool add_text(struct mf_core *core, uint64_t address, size_t room,
		     struct mf_buffer *to)
{
	char part[PART];

	while (room) {
		size_t size = MF_MIN(PART - address % PART, (uint64_t)room);
		const char *end;

		if (!mf_core_read_held(core, address, part, size))
			return false;
		end = memchr(part, '\0', size);
		if (end) {
			mf_buffer_add(to, part, (size_t)(end - part) + 1);
			return true;
		}
		mf_buffer_add(to, part, size);
		address += size;
		room -= size;
	}
	return false;
}

static bool read_texts(struct words *words, const struct arguments *arguments,
		       struct mf_buffer *to)
{
	uint64_t address;

	for (size_t i = 0; i < arguments->count; i++)
		if (!word_at(words, arguments->first + i * sizeof(address),
			     &address) ||
		    !add_text(words->core, address, BYTES_MAX - to->size, to))
			return false;
	return true;
}

/* Texts that each end in a NUL, as a list. */
static const char *const *list_of(struct mf_pool *pool,
				  const struct mf_buffer *texts)
{
	char *at = mf_pool_alloc(pool, texts->size), *end = at + texts->size;
	const char **list;
	size_t count = 0;

	memcpy(at, texts->text, texts->size);
	for (const char *byte = at; byte < end; byte++)
		count += !*byte;
	count = MF_MIN(count, (size_t)ARGUMENTS_MAX);
	list = mf_pool_alloc(pool, (count + 1) * sizeof(*list));
	for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
		list[i] = at;
	return list;
}

void mf_core_read_arguments(struct mf_target *target)
{
	struct words words = { .core = mf_core_of(target) };
	struct arguments arguments;
	MF_AUTO_BUFFER(texts);

	if (!find_arguments(&words, &arguments))
		return;
	if (!read_shown(&words, &arguments, &texts)) {
		mf_buffer_clear(&texts);
		if (!read_texts(&words, &arguments, &texts))
			return;
	}
	target->info.cmdline = list_of(&target->pool, &texts);
}
