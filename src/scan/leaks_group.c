/*
 * Leaks that are alike, as groups; with a look before, those that both have.
 */
#include <string.h>

#include "base/map.h"
#include "scan/leaks.h"

/* ---- the look before -------------------------------------------------------- */

static int compare_before(const void *key, const void *item)
{
	const struct mf_leak *leak = key;
	const struct mf_leak_before *before = item;

	return (leak->address > before->address) -
	       (leak->address < before->address);
}

/* The same memory, and nobody has written to it since. */
static bool was_leaked(const struct mf_leaks *leaks, const struct mf_leak *leak)
{
	const struct mf_leaks_past *past = leaks->options.past;
	const struct mf_leak_before *before =
		past->leaks.count
			? bsearch(leak, past->leaks.items, past->leaks.count,
				  sizeof(*past->leaks.items), compare_before)
			: NULL;

	return before && before->size == leak->size &&
	       (!before->digest || !leak->digest ||
		before->digest == leak->digest);
}

static void take_out(struct mf_leaks *leaks, const struct mf_leak *leak,
		     struct mf_amount *into)
{
	struct mf_amount *kind = leak->is_mapping ? &leaks->totals.mappings
						  : &leaks->totals.chunks;

	kind->count--;
	kind->bytes -= leak->size;
	leaks->totals.leaked.count--;
	leaks->totals.leaked.bytes -= leak->size;
	into->count++;
	into->bytes += leak->size;
}

static void choose(struct mf_leaks *leaks)
{
	mf_vec_foreach(leak, &leaks->leaks) {
		bool is_small = leak->size < leaks->options.min_size;

		leak->is_fresh = leaks->options.past && !is_small &&
				 !was_leaked(leaks, leak);
		leak->is_told = !is_small && !leak->is_fresh;
		if (leak->is_told)
			continue;
		take_out(leaks, leak,
			 leak->is_fresh ? &leaks->totals.fresh : &leaks->small);
	}
}

/* ---- groups ---------------------------------------------------------------- */

static bool is_alike(const struct mf_leak *left, const struct mf_leak *right)
{
	return left->size == right->size && left->type == right->type &&
	       left->content == right->content &&
	       left->is_root == right->is_root &&
	       left->is_mapping == right->is_mapping &&
	       left->is_fresh == right->is_fresh &&
	       left->doubts == right->doubts;
}

static uint64_t key_of(const struct mf_leak *leak)
{
	uint64_t bits = (uint64_t)leak->doubts << 8 | leak->content << 4 |
			leak->is_root << 2 | leak->is_mapping << 1 |
			leak->is_fresh;

	return mf_hash64(mf_hash64(leak->size ^ mf_hash64(bits)) ^
			 (uintptr_t)leak->type);
}

/* Its group, by the first of those alike. */
static struct mf_leak_group *group_of(struct mf_leaks *leaks,
				      struct mf_map *known, uint32_t index)
{
	const struct mf_leak *leak = &leaks->leaks.items[index];
	uint64_t key = key_of(leak);
	const uint64_t *at;

	for (; (at = mf_map_get(known, key)); key++) {
		struct mf_leak_group *group = &leaks->groups.items[*at];

		if (is_alike(&leaks->leaks.items[group->first], leak))
			return group;
	}
	mf_map_set(known, key, leaks->groups.count);
	mf_vec_push(&leaks->groups, (struct mf_leak_group){ .first = index });
	return &leaks->groups.items[leaks->groups.count - 1];
}

static void add_to_group(struct mf_leaks *leaks, struct mf_map *known,
			 uint32_t index)
{
	const struct mf_leak *leak = &leaks->leaks.items[index];
	struct mf_leak_group *group = group_of(leaks, known, index);

	group->count++;
	group->bytes += leak->size;
	group->held += leak->held;
	group->held_count += leak->held_count;
	group->is_shared |= leak->is_shared;
	if (leaks->options.all || group->leaks.count < MF_LEAKS_ADDRESSES)
		mf_vec_push(&group->leaks, index);
}

static int by_bytes(const void *a, const void *b)
{
	const struct mf_leak_group *left = a, *right = b;
	uint64_t more = left->bytes + left->held;
	uint64_t less = right->bytes + right->held;

	if (more != less)
		return more > less ? -1 : 1;
	return (left->first > right->first) - (left->first < right->first);
}

static void read_first(struct mf_leaks *leaks, struct mf_leak_group *group)
{
	uint8_t head[MF_LEAKS_HEAD];
	size_t size =
		mf_leak_read(leaks, &leaks->leaks.items[group->first], head);

	group->head_size = (uint8_t)MF_MIN(size, sizeof(group->head));
	memcpy(group->head, head, group->head_size);
}

void mf_leaks_group(struct mf_leaks *leaks)
{
	struct mf_map known = { 0 };

	choose(leaks);
	for (size_t i = 0; i < leaks->leaks.count; i++)
		if (leaks->leaks.items[i].is_told ||
		    leaks->leaks.items[i].is_fresh)
			add_to_group(leaks, &known, (uint32_t)i);
	mf_map_deinit(&known);
	mf_vec_sort(&leaks->groups, by_bytes);
	for (size_t i = 0; i < leaks->groups.count && i < MF_LEAKS_DESCRIBED;
	     i++)
		read_first(leaks, &leaks->groups.items[i]);
}
