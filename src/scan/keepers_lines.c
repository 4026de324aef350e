/*
 * The tree of dominators as a few lines. What one line holds is told of by
 * type, or by size where no type is known: a million entries of a table are a
 * line; and what retains much by itself is a line of its own.
 */
#include <stdlib.h>

#include "base/search.h"
#include "scan/keepers.h"

enum {
	EXACT = 1024,	/* larger chunks are told of by powers of two */
	CHILDREN = 6,	/* lines that one holds; the rest is one more */
	OPEN_MOST = 64, /* lines of a level that are opened */
	ALONE = 50,	/* parts of what is in use: a line of its own */
	TAG_SHIFT = 38, /* in a key: what the rest of it is */
	ABOVE_SHIFT = 40,
	BITS = 64,
};

void mf_kept_lines_deinit(struct mf_kept_lines *lines)
{
	mf_vec_deinit(&lines->list);
}

struct maker {
	const struct mf_keepers *keepers;
	struct mf_kept_lines *lines;
	uint64_t total;	     /* bytes in use */
	uint32_t *line_of;   /* of each number, or MF_NO_LINE */
	struct mf_map known; /* line above and key: line */
};

/* ---- keepers ---------------------------------------------------------------- */

static uint32_t add_line(struct maker *maker, const struct mf_kept_line *line)
{
	mf_vec_push(&maker->lines->list, *line);
	return (uint32_t)maker->lines->list.count - 1;
}

static uint32_t number_of(const struct maker *maker, size_t keeper)
{
	return maker->keepers->tree.numbers[maker->keepers->nodes + keeper];
}

/* A module's line, and the root's, is what none of their parts has alone. */
static bool is_sum(enum mf_keeper_kind kind)
{
	return kind == MF_KEEPER_ROOT || kind == MF_KEEPER_MODULE;
}

static void add_keeper(struct maker *maker, size_t index)
{
	const struct mf_keepers *keepers = maker->keepers;
	const struct mf_keeper *keeper = &keepers->list.items[index];
	const struct mf_keeper *above = &keepers->list.items[keeper->above];
	uint32_t number = number_of(maker, index);
	bool is_part = index && above->kind == MF_KEEPER_THREAD;

	maker->line_of[number] = add_line(
		maker, &(struct mf_kept_line){
			       .kind = is_sum(keeper->kind) ? MF_LINE_SHARED
							    : MF_LINE_KEEPER,
			       .above = is_part ? maker->line_of[number_of(
							  maker, keeper->above)]
						: MF_NO_LINE,
			       .level = is_part,
			       .number = number,
			       .retained = keepers->bytes[number],
			       .chunks = keepers->chunks[number],
		       });
}

/* What a part of it has alone is in that part's line. */
static void take_parts(struct maker *maker)
{
	const struct mf_keepers *keepers = maker->keepers;

	for (size_t i = 1; i < keepers->list.count; i++) {
		uint32_t above = keepers->list.items[i].above;
		uint32_t number = number_of(maker, i);
		struct mf_kept_line *line;

		if (!is_sum(keepers->list.items[above].kind))
			continue;
		line = &maker->lines->list
				.items[maker->line_of[number_of(maker, above)]];
		line->retained -= keepers->bytes[number];
		line->chunks -= keepers->chunks[number];
	}
}

/* A keeper comes after what it is a part of. */
static void add_keepers(struct maker *maker)
{
	for (size_t i = 0; i < maker->keepers->list.count; i++)
		add_keeper(maker, i);
	take_parts(maker);
}

/* ---- what is alike ------------------------------------------------------------- */

/* What NUMBER, that is a node, is told of as; returns what it is known by. */
static uint64_t liken(const struct maker *maker, uint32_t number,
		      bool can_be_alone, struct mf_kept_line *ret)
{
	const struct mf_keepers *keepers = maker->keepers;
	uint64_t size = mf_keepers_size(keepers, number);
	unsigned power;

	ret->number = number;
	if (can_be_alone && keepers->bytes[number] >= maker->total / ALONE) {
		ret->kind = MF_LINE_NODE;
		return number;
	}
	if (keepers->type_of && keepers->type_of[number]) {
		ret->kind = MF_LINE_TYPE;
		ret->type = keepers->type_of[number] - 1;
		return UINT64_C(1) << TAG_SHIFT | ret->type;
	}
	ret->kind = MF_LINE_SIZE;
	ret->least = ret->most = size;
	if (size <= EXACT)
		return UINT64_C(2) << TAG_SHIFT | size;
	power = BITS - 1 - (unsigned)__builtin_clzll(size);
	ret->least = UINT64_C(1) << power;
	ret->most = ret->least * 2 - 1;
	return UINT64_C(3) << TAG_SHIFT | power;
}

static struct mf_kept_line *line_for(struct maker *maker, uint32_t number,
				     struct mf_kept_line *like,
				     bool can_be_alone)
{
	uint64_t key = liken(maker, number, can_be_alone, like);
	const uint64_t *known;
	uint32_t index;

	key |= (uint64_t)(like->above + 1) << ABOVE_SHIFT;
	known = mf_map_get(&maker->known, key);
	if (known)
		return &maker->lines->list.items[*known];
	index = add_line(maker, like);
	mf_map_set(&maker->known, key, index);
	return &maker->lines->list.items[index];
}

static void count_in(const struct mf_keepers *keepers,
		     struct mf_kept_line *line, uint32_t number)
{
	line->count++;
	line->bytes += mf_keepers_size(keepers, number);
	line->retained += keepers->bytes[number];
	line->chunks += keepers->chunks[number];
}

/* Nodes that the open lines of the level above hold. */
static void fill_level(struct maker *maker, uint32_t level)
{
	const struct mf_keepers *keepers = maker->keepers;

	for (uint32_t i = 1; i < keepers->tree.count; i++) {
		uint32_t above = maker->line_of[keepers->tree.parents[i]];
		struct mf_kept_line like = { .above = above, .level = level };
		struct mf_kept_line *line;

		if (above == MF_NO_LINE || mf_keeper_of(keepers, i))
			continue;
		line = &maker->lines->list.items[above];
		if (!line->open || line->level + 1 != level)
			continue;
		line = line_for(maker, i, &like, true);
		count_in(keepers, line, i);
		maker->line_of[i] = (uint32_t)(line - maker->lines->list.items);
	}
}

/* ---- which are opened ---------------------------------------------------------- */

struct rank {
	uint32_t line, above;
	uint64_t retained;
};

struct ranks {
	MF_VEC(struct rank) list;
};

static int by_retained(const void *a, const void *b)
{
	const struct rank *left = a, *right = b;

	if (left->retained != right->retained)
		return left->retained < right->retained ? 1 : -1;
	return (left->line > right->line) - (left->line < right->line);
}

static void rank_level(const struct maker *maker, uint32_t level,
		       struct ranks *ret)
{
	const struct mf_kept_lines *lines = maker->lines;

	for (uint32_t i = 0; i < lines->list.count; i++)
		if (lines->list.items[i].level == level)
			mf_vec_push(&ret->list,
				    (struct rank){
					    i,
					    lines->list.items[i].above,
					    lines->list.items[i].retained,
				    });
	mf_vec_sort(&ret->list, by_retained);
}

/* False: nothing is left to be opened. */
static bool open_level(struct maker *maker, uint32_t level, unsigned part)
{
	struct ranks ranks = { 0 };
	size_t opened = 0;

	rank_level(maker, level, &ranks);
	mf_vec_foreach(rank, &ranks.list) {
		if (opened == OPEN_MOST ||
		    rank->retained < maker->total / part || !rank->retained)
			break;
		maker->lines->list.items[rank->line].open = true;
		opened++;
	}
	mf_vec_deinit(&ranks.list);
	return opened != 0;
}

/* ---- in order ------------------------------------------------------------------ */

static int by_above(const void *a, const void *b)
{
	const struct rank *left = a, *right = b;

	if (left->above != right->above)
		return left->above < right->above ? -1 : 1;
	return by_retained(a, b);
}

/* Where the lines that ABOVE holds begin. */
static size_t first_below(const struct ranks *ranks, uint32_t above)
{
	return mf_count_leading(ranks->list.items, ranks->list.count, rank,
				rank->above < above);
}

struct sorter {
	const struct mf_kept_lines *from;
	struct ranks ranks;
	struct mf_kept_lines sorted;
	/* of each level: where in the ranks, and whose lines they are */
	struct {
		size_t at;
		uint32_t above, told_as;
		unsigned taken;
	} levels[MF_REFS_DEPTH_MAX + 3];
};

static void begin_level(struct sorter *sorter, unsigned level, uint32_t above,
			uint32_t told_as)
{
	sorter->levels[level].at = first_below(&sorter->ranks, above);
	sorter->levels[level].above = above;
	sorter->levels[level].told_as = told_as;
	sorter->levels[level].taken = 0;
}

/* All that follow are one line. */
static void add_rest(struct sorter *sorter, unsigned level)
{
	struct mf_kept_line rest = {
		.kind = MF_LINE_REST,
		.above = sorter->levels[level].told_as,
		.level = level,
	};

	for (size_t i = sorter->levels[level].at; i < sorter->ranks.list.count;
	     i++) {
		const struct rank *rank = &sorter->ranks.list.items[i];
		const struct mf_kept_line *line =
			&sorter->from->list.items[rank->line];

		if (rank->above != sorter->levels[level].above)
			break;
		rest.count += line->count;
		rest.bytes += line->bytes;
		rest.retained += line->retained;
		rest.chunks += line->chunks;
	}
	mf_vec_push(&sorter->sorted.list, rest);
}

/* The next line of LEVEL goes to the sorted ones; false: there is none. */
static bool take_line(struct sorter *sorter, unsigned level)
{
	size_t at = sorter->levels[level].at;
	const struct rank *rank;
	struct mf_kept_line line;

	if (at == sorter->ranks.list.count)
		return false;
	rank = &sorter->ranks.list.items[at];
	if (rank->above != sorter->levels[level].above || !rank->retained)
		return false;
	if (level && sorter->levels[level].taken == CHILDREN) {
		add_rest(sorter, level);
		return false;
	}
	sorter->levels[level].at++;
	sorter->levels[level].taken++;
	line = sorter->from->list.items[rank->line];
	line.above = sorter->levels[level].told_as;
	mf_vec_push(&sorter->sorted.list, line);
	begin_level(sorter, level + 1, rank->line,
		    (uint32_t)sorter->sorted.list.count - 1);
	return true;
}

static void sort_lines(struct mf_kept_lines *lines)
{
	struct sorter sorter = { .from = lines };
	unsigned level = 0;

	for (uint32_t i = 0; i < lines->list.count; i++)
		mf_vec_push(&sorter.ranks.list,
			    (struct rank){ i, lines->list.items[i].above,
					   lines->list.items[i].retained });
	mf_vec_sort(&sorter.ranks.list, by_above);
	begin_level(&sorter, 0, MF_NO_LINE, MF_NO_LINE);
	for (;;) {
		if (take_line(&sorter, level))
			level++;
		else if (!level--)
			break;
	}
	mf_vec_deinit(&sorter.ranks.list);
	mf_kept_lines_deinit(lines);
	*lines = sorter.sorted;
}

/* ---- all together ----------------------------------------------------------- */

static void maker_init(struct maker *maker, const struct mf_keepers *keepers,
		       struct mf_kept_lines *lines)
{
	*lines = (struct mf_kept_lines){ 0 };
	*maker = (struct maker){
		.keepers = keepers,
		.lines = lines,
		.total = keepers->in_use_bytes,
		.line_of =
			mf_new_array((size_t)keepers->tree.count + 1, uint32_t),
	};
	memset(maker->line_of, UINT8_MAX,
	       keepers->tree.count * sizeof(*maker->line_of));
}

static void maker_deinit(struct maker *maker)
{
	mf_map_deinit(&maker->known);
	free(maker->line_of);
}

void mf_kept_lines_make(const struct mf_keepers *keepers, unsigned levels,
			unsigned part, struct mf_kept_lines *ret)
{
	struct maker maker;

	maker_init(&maker, keepers, ret);
	levels = MF_MIN(levels, (unsigned)MF_REFS_DEPTH_MAX);
	if (keepers->tree.count)
		add_keepers(&maker);
	for (uint32_t level = 0;
	     level < levels && open_level(&maker, level, part); level++)
		fill_level(&maker, level + 1);
	maker_deinit(&maker);
	sort_lines(ret);
}

void mf_kept_lines_sum(const struct mf_keepers *keepers, const uint64_t *chosen,
		       struct mf_kept_lines *ret)
{
	struct maker maker;

	maker_init(&maker, keepers, ret);
	for (uint32_t i = 1; i < keepers->tree.count; i++) {
		struct mf_kept_line like = { .above = MF_NO_LINE };
		struct mf_kept_line *line;

		if (!(chosen[i / BITS] >> i % BITS & 1) ||
		    mf_keeper_of(keepers, i))
			continue;
		line = line_for(&maker, i, &like, false);
		line->count++;
		line->bytes += mf_keepers_size(keepers, i);
		line->retained = line->bytes;
	}
	maker_deinit(&maker);
	sort_lines(ret);
}
