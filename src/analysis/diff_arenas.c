/*
 * Arenas of two reports. In one address space an arena is its address: glibc
 * puts a new one before the others, so that their numbers change. Elsewhere it
 * is its number.
 */
#include <stdio.h>
#include <string.h>

#include "analysis/diff.h"

enum {
	KEY = 128,
	ALLOCATORS_MOST = 64, /* that are looked at */
};

/* What an arena is told of by. */
static const struct figure {
	const char *name;
	const char *members[4]; /* {bytes} each, summed */
} figures[] = {
	{ "in use", { "in_use" } },
	{ "free", { "free", "fastbin", "top" } },
	{ "cached by threads", { "tcache" } },
};

struct arenas {
	const struct mf_node *allocators[MF_SIDES];
	struct mf_map rows[MF_SIDES]; /* of arenas, by their address */
	const char *name; /* of the allocator, with its number if it is one of
			     several */
};

static uint64_t bytes_of(const struct mf_node *node, const char *key)
{
	uint64_t bytes = 0;

	mf_node_number(mf_node_member(node, key), "bytes", &bytes);
	return bytes;
}

static void add_figures(struct mf_diff *diff, const struct mf_node *arena,
			const char *name, enum mf_side side)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(figures); i++) {
		const struct figure *figure = &figures[i];
		uint64_t bytes = 0, count;
		char key[2 * KEY];
		bool counted;

		for (size_t j = 0; figure->members[j]; j++)
			bytes += bytes_of(arena, figure->members[j]);
		counted = mf_node_number(
			mf_node_member(arena, figure->members[0]), "count",
			&count);
		snprintf(key, sizeof(key), "%s, %s", name, figure->name);
		mf_diff_add(diff, MF_CHANGE_ARENA, key, side, bytes,
			    counted && !figure->members[1] ? &count : NULL);
	}
}

/* ---- which is which ---------------------------------------------------------- */

/* Some allocators' arenas are only numbered. */
static bool has_address(const struct mf_node *arena, uint64_t *ret)
{
	return mf_node_number(arena, "address", ret) && *ret;
}

static void index_arenas(struct arenas *arenas, enum mf_side side)
{
	const struct mf_node *allocator = arenas->allocators[side];
	size_t count = mf_node_rows(allocator, "arenas");
	uint64_t address;

	for (size_t i = 0; i < count; i++)
		if (has_address(mf_node_row(allocator, "arenas", i), &address))
			mf_map_set(&arenas->rows[side], address, i);
}

static const struct mf_node *arena_at(const struct arenas *arenas,
				      enum mf_side side, uint64_t address)
{
	const uint64_t *row = mf_map_get(&arenas->rows[side], address);

	return row ? mf_node_row(arenas->allocators[side], "arenas", *row)
		   : NULL;
}

/* Not one arena is where it was: this is another process. */
static bool are_moved(const struct arenas *arenas)
{
	const struct mf_node *after = arenas->allocators[MF_AFTER];
	size_t count = mf_node_rows(after, "arenas");
	uint64_t address;

	for (size_t i = 0; i < count; i++)
		if (has_address(mf_node_row(after, "arenas", i), &address) &&
		    arena_at(arenas, MF_BEFORE, address))
			return false;
	return true;
}

/* By the number that it has now, or had when it was last seen. */
static void name_arena(const struct arenas *arenas, bool moved,
		       const struct mf_node *arena, enum mf_side side,
		       char name[KEY])
{
	const struct mf_node *now = NULL;
	bool is_gone = false;
	uint64_t address, index = 0;

	if (side == MF_BEFORE && !moved && has_address(arena, &address)) {
		now = arena_at(arenas, MF_AFTER, address);
		is_gone = !now;
	}
	mf_node_number(now ? now : arena, "index", &index);
	snprintf(name, KEY, "%s arena %llu%s", arenas->name,
		 (unsigned long long)index, is_gone ? " (gone)" : "");
}

/* ---- sizes ---------------------------------------------------------------------- */

/* The bounds of a row are the sizes that occurred. Those of its class are the
 * same in all reports: there are four classes from one power of two to the
 * next. */
static void name_sizes(char key[KEY], uint64_t min, uint64_t max)
{
	uint64_t step = 16, low, high;

	while (step < (uint64_t)1 << 60 && min / step >= 8)
		step *= 2;
	low = min - min % step;
	high = low + step - 16;
	if (high <= low || max > high)
		snprintf(key, KEY, "%llu", (unsigned long long)min);
	else
		snprintf(key, KEY, "%llu-%llu", (unsigned long long)low,
			 (unsigned long long)high);
}

static void add_sizes(struct mf_diff *diff, const struct mf_node *arena,
		      enum mf_side side)
{
	size_t rows = mf_node_rows(arena, "histogram");

	for (size_t i = 0; i < rows; i++) {
		const struct mf_node *row = mf_node_row(arena, "histogram", i);
		const struct mf_node *in_use = mf_node_member(row, "in_use");
		uint64_t min, max, count = 0, bytes = 0;
		char key[KEY];

		if (!mf_node_number(row, "min", &min) ||
		    !mf_node_number(row, "max", &max))
			continue;
		mf_node_number(in_use, "count", &count);
		mf_node_number(in_use, "bytes", &bytes);
		name_sizes(key, min, max);
		mf_diff_add(diff, MF_CHANGE_SIZE_CLASS, key, side, bytes,
			    &count);
	}
}

static void add_size(struct mf_diff *diff, const struct mf_node *row,
		     enum mf_side side)
{
	uint64_t size, bytes, count;
	char key[KEY];

	if (!mf_node_number(row, "size", &size) ||
	    !mf_node_number(row, "in_use_bytes", &bytes) ||
	    !mf_node_number(row, "in_use_count", &count))
		return;
	snprintf(key, sizeof(key), "%llu", (unsigned long long)size);
	mf_diff_add(diff, MF_CHANGE_SIZE_CLASS, key, side, bytes, &count);
}

/* ---- allocators ------------------------------------------------------------------ */

static void add_side(struct mf_diff *diff, const struct arenas *arenas,
		     bool moved, enum mf_side side)
{
	const struct mf_node *allocator = arenas->allocators[side];
	const struct mf_node *mmapped = mf_node_member(allocator, "mmapped");
	size_t count = mf_node_rows(allocator, "arenas");
	uint64_t bytes, chunks;
	char name[KEY];

	for (size_t i = 0; i < count; i++) {
		const struct mf_node *arena =
			mf_node_row(allocator, "arenas", i);

		name_arena(arenas, moved, arena, side, name);
		add_figures(diff, arena, name, side);
		add_sizes(diff, arena, side);
	}
	if (mf_node_number(mmapped, "bytes", &bytes) &&
	    mf_node_number(mmapped, "count", &chunks)) {
		snprintf(name, sizeof(name), "%s, mmapped", arenas->name);
		mf_diff_add(diff, MF_CHANGE_ARENA, name, side, bytes, &chunks);
	}
	if (!count && mf_node_number(allocator, "claimed_resident", &bytes)) {
		snprintf(name, sizeof(name), "%s, resident", arenas->name);
		mf_diff_add(diff, MF_CHANGE_ARENA, name, side, bytes, NULL);
	}
}

/* The NUMBERth of that name, from 0. */
static const struct mf_node *find_allocator(const struct mf_node *root,
					    const char *name, size_t number)
{
	size_t count = mf_node_rows(root, "allocators");

	count = MF_MIN(count, (size_t)ALLOCATORS_MOST);
	for (size_t i = 0; i < count; i++) {
		const struct mf_node *allocator =
			mf_node_row(root, "allocators", i);
		const char *other = mf_node_text(allocator, "name");

		if (other && !strcmp(other, name) && !number--)
			return allocator;
	}
	return NULL;
}

static size_t number_of(const struct mf_node *root, const char *name,
			size_t before)
{
	size_t number = 0;

	for (size_t i = 0; i < before; i++) {
		const char *other = mf_node_text(
			mf_node_row(root, "allocators", i), "name");

		number += other && !strcmp(other, name);
	}
	return number;
}

static void arenas_deinit(struct arenas *arenas)
{
	mf_map_deinit(&arenas->rows[MF_BEFORE]);
	mf_map_deinit(&arenas->rows[MF_AFTER]);
}

/* That which is row I of SIDE, with its like on the other side. */
static void compare_allocator(struct mf_diff *diff,
			      const struct mf_node *const *roots,
			      enum mf_side side, size_t i)
{
	const struct mf_node *row = mf_node_row(roots[side], "allocators", i);
	const char *name = mf_node_text(row, "name");
	mf_cleanup(arenas_deinit) struct arenas arenas = { .name = name };
	size_t number;
	char text[KEY];
	bool moved;

	if (!name)
		return;
	number = number_of(roots[side], name, i);
	arenas.allocators[side] = row;
	arenas.allocators[!side] = find_allocator(roots[!side], name, number);
	/* a pair was seen from the other side */
	if (side == MF_AFTER && arenas.allocators[MF_BEFORE])
		return;
	snprintf(text, sizeof(text), number ? "%.40s (%zu)" : "%.40s", name,
		 number + 1);
	arenas.name = text;
	index_arenas(&arenas, MF_BEFORE);
	index_arenas(&arenas, MF_AFTER);
	moved = are_moved(&arenas);
	for (unsigned each = 0; each < MF_SIDES; each++)
		if (arenas.allocators[each])
			add_side(diff, &arenas, moved, (enum mf_side)each);
}

void mf_diff_sizes(struct mf_diff *diff, const struct mf_node *const *roots)
{
	if (diff->compared[MF_CHANGE_SIZE_CLASS] ||
	    !mf_node_has_table(roots[MF_BEFORE], "sizes") ||
	    !mf_node_has_table(roots[MF_AFTER], "sizes"))
		return;
	diff->compared[MF_CHANGE_SIZE_CLASS] = true;
	for (unsigned side = 0; side < MF_SIDES; side++) {
		size_t count = mf_node_rows(roots[side], "sizes");

		for (size_t i = 0; i < count; i++)
			add_size(diff, mf_node_row(roots[side], "sizes", i),
				 (enum mf_side)side);
	}
}

void mf_diff_arenas(struct mf_diff *diff, const struct mf_node *const *roots)
{
	if (!mf_node_has_table(roots[MF_BEFORE], "allocators") ||
	    !mf_node_has_table(roots[MF_AFTER], "allocators"))
		return;
	diff->compared[MF_CHANGE_ARENA] = true;
	diff->compared[MF_CHANGE_SIZE_CLASS] = true;
	for (unsigned side = 0; side < MF_SIDES; side++) {
		size_t count = mf_node_rows(roots[side], "allocators");

		count = MF_MIN(count, (size_t)ALLOCATORS_MOST);
		for (size_t i = 0; i < count; i++)
			compare_allocator(diff, roots, (enum mf_side)side, i);
	}
}
