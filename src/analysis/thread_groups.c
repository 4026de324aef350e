/*
 * Threads by name: those whose names differ in nothing but numbers are one
 * group. Where all of them have the same number it stays in the group's name.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/threads.h"
#include "base/map.h"

enum {
	NAME = sizeof(((struct mf_thread *)NULL)->comm),
	RUNS = NAME / 2, /* of digits, in a name */
	STATES = 128,
};

/* A name cut into what is between its numbers. */
struct shape {
	char key[NAME]; /* each number is one '\1' */
	char numbers[RUNS][NAME];
	size_t count;
};

static void make_shape(const char *name, struct shape *ret)
{
	size_t at = 0, used = 0;

	memset(ret, 0, sizeof(*ret));
	while (at + 1 < NAME && name[at]) {
		size_t length = 0;

		while (at + length + 1 < NAME &&
		       isdigit((unsigned char)name[at + length]))
			length++;
		if (!length || ret->count == RUNS) {
			ret->key[used++] = name[at++];
			continue;
		}
		ret->key[used++] = '\1';
		memcpy(ret->numbers[ret->count++], name + at, length);
		at += length;
	}
}

/* A group while it is made. */
struct draft {
	struct shape shape;
	bool varies[RUNS];
	unsigned states[STATES];
	MF_VEC(unsigned) arenas;
	struct mf_thread_group group;
};

struct drafts {
	struct draft *items;
	size_t count, capacity;
};

static size_t find_or_add(struct drafts *drafts, struct mf_map *index_of_key,
			  const struct shape *shape)
{
	uint64_t hash = mf_hash_text(shape->key, 0);
	const uint64_t *known;

	/* two keys of one hash: the next number is as good */
	while ((known = mf_map_get(index_of_key, hash))) {
		assert(drafts->items);
		if (strcmp(drafts->items[*known].shape.key, shape->key) == 0)
			return *known;
		hash++;
	}
	mf_map_set(index_of_key, hash, drafts->count);
	mf_vec_add(drafts)->shape = *shape;
	return drafts->count - 1;
}

static void add_stack(struct mf_thread_group *group,
		      const struct mf_stack_bounds *stack)
{
	group->stacks++;
	group->stack_size += stack->end - stack->start;
	group->stack_rss += stack->usage.rss;
	group->stack_huge += stack->usage.thp;
	group->stack_swap += stack->usage.swap;
}

static void add_thread(struct draft *draft, const struct shape *shape,
		       const struct mf_thread_facts *facts)
{
	struct mf_thread_group *group = &draft->group;

	for (size_t i = 0; i < shape->count; i++)
		draft->varies[i] |=
			strcmp(shape->numbers[i], draft->shape.numbers[i]) != 0;
	group->count++;
	draft->states[(unsigned char)facts->thread.state % STATES]++;
	group->cpu_known |= !facts->thread.cpu_unknown;
	if (!facts->thread.cpu_unknown)
		group->cpu_ms += facts->thread.cpu_ms;
	if (facts->has_stack)
		add_stack(group, &facts->stack);
	if (facts->allocator)
		mf_vec_push(&draft->arenas, facts->arena);
	group->tcache.count += facts->tcache.count;
	group->tcache.bytes += facts->tcache.bytes;
}

/* ---- as texts --------------------------------------------------------------- */

static void name_group(const struct draft *draft, struct mf_buffer *text)
{
	size_t number = 0;

	for (const char *at = draft->shape.key; *at; at++) {
		if (*at != '\1' || number == draft->shape.count) {
			mf_buffer_putc(text, *at);
			continue;
		}
		mf_buffer_puts(text, draft->varies[number]
					     ? "<number>"
					     : draft->shape.numbers[number]);
		number++;
	}
}

static void name_states(const struct draft *draft, struct mf_buffer *text)
{
	unsigned left[STATES];

	memcpy(left, draft->states, sizeof(left));
	for (;;) {
		size_t most = 0;

		for (size_t i = 1; i < STATES; i++)
			if (left[i] > left[most])
				most = i;
		if (!left[most])
			return;
		mf_buffer_printf(text, "%s%u %s", text->size ? ", " : "",
				 left[most], mf_thread_state_word((char)most));
		left[most] = 0;
	}
}

static int by_number(const void *left, const void *right)
{
	const unsigned *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static size_t name_arenas(struct draft *draft, struct mf_buffer *text)
{
	size_t distinct = 0, count = draft->arenas.count;
	const unsigned *arenas = draft->arenas.items;

	mf_vec_sort(&draft->arenas, by_number);
	for (size_t i = 0; i < count;) {
		unsigned first = arenas[i], last = first;

		while (i < count && arenas[i] - last <= 1) {
			distinct += i == 0 || arenas[i] != arenas[i - 1];
			last = arenas[i++];
		}
		mf_buffer_printf(text, "%s%u", text->size ? ", " : "", first);
		if (last > first)
			mf_buffer_printf(text, "-%u", last);
	}
	return distinct;
}

static void settle(struct mf_thread_census *census, struct draft *draft)
{
	struct mf_thread_group *group = &draft->group;
	MF_AUTO_BUFFER(name);
	MF_AUTO_BUFFER(states);
	MF_AUTO_BUFFER(arenas);

	name_group(draft, &name);
	name_states(draft, &states);
	group->arena_count = name_arenas(draft, &arenas);
	group->name = mf_pool_strdup(&census->pool, mf_buffer_text(&name));
	group->states = mf_pool_strdup(&census->pool, mf_buffer_text(&states));
	group->arenas = mf_pool_strdup(&census->pool, mf_buffer_text(&arenas));
	mf_vec_deinit(&draft->arenas);
}

/* ---- order ------------------------------------------------------------------ */

/* A group's place among the drafts, while they are sorted. */
struct place {
	const struct mf_thread_group *group;
	size_t draft;
};

static int by_count(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->group->count != b->group->count)
		return a->group->count < b->group->count ? 1 : -1;
	if (a->group->stack_rss != b->group->stack_rss)
		return a->group->stack_rss < b->group->stack_rss ? 1 : -1;
	return (a->draft > b->draft) - (a->draft < b->draft);
}

static void publish(struct mf_thread_census *census,
		    const struct drafts *drafts)
{
	size_t count = drafts->count;
	mf_auto_free struct place *places =
		mf_new_array(count + 1, struct place);
	mf_auto_free size_t *group_of = mf_new_array(count + 1, size_t);

	for (size_t i = 0; i < count; i++)
		places[i] = (struct place){ &drafts->items[i].group, i };
	qsort(places, count, sizeof(*places), by_count);
	for (size_t i = 0; i < count; i++) {
		group_of[places[i].draft] = i;
		mf_vec_push(&census->groups, *places[i].group);
	}
	mf_vec_foreach(facts, &census->threads)
		facts->group = group_of[facts->group];
}

void mf_thread_census_group(struct mf_thread_census *census)
{
	struct drafts drafts = { 0 };
	struct mf_map index_of_key = { 0 };

	mf_vec_foreach(facts, &census->threads) {
		struct shape shape;

		make_shape(facts->thread.comm, &shape);
		facts->group = find_or_add(&drafts, &index_of_key, &shape);
		add_thread(&drafts.items[facts->group], &shape, facts);
	}
	for (size_t i = 0; i < drafts.count; i++)
		settle(census, &drafts.items[i]);
	publish(census, &drafts);
	mf_map_deinit(&index_of_key);
	mf_vec_deinit(&drafts);
}
