/*
 * Compares two reports: rows of the same key are one change. A list that does
 * not name everything (strings) says nothing of what it lacks.
 */
#include "analysis/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/units.h"

/** A table whose rows are told apart by their texts alone. */
struct row_table {
	enum mf_change_kind kind;
	const char *array, *key, *more_key; /* MORE_KEY: in brackets; or NULL */
	const char *count;		    /* NULL: it has none */
	/* object and number: how many keys the list does not name; or NULL */
	const char *unseen_in, *unseen;
};

static const struct row_table row_tables[] = {
	{ MF_CHANGE_CLASS, "totals", "class", NULL, "regions", NULL, NULL },
	{ MF_CHANGE_TYPE, "objects", "type", NULL, "count", NULL, NULL },
	{ MF_CHANGE_TASK, "tasks", "future", "state", "count", NULL, NULL },
	{ MF_CHANGE_SHAPE, "string_shapes", "shape", NULL, "count",
	  "strings_total", "shapes_unseen" },
	{ MF_CHANGE_STRING, "strings", "text", NULL, "count", "strings_total",
	  "texts_unseen" },
	{ MF_CHANGE_SIGNATURE, "signatures", "name", NULL, "count", NULL,
	  NULL },
	{ MF_CHANGE_CONTENT, "content", "class", NULL, NULL, NULL, NULL },
};

const char *mf_change_kind_name(enum mf_change_kind kind)
{
	static const char *const names[MF_CHANGE_KINDS] = {
		[MF_CHANGE_CLASS] = "class",
		[MF_CHANGE_REGION] = "region",
		[MF_CHANGE_ARENA] = "arena",
		[MF_CHANGE_SIZE_CLASS] = "size-class",
		[MF_CHANGE_TYPE] = "type",
		[MF_CHANGE_TASK] = "task",
		[MF_CHANGE_SHAPE] = "string-shape",
		[MF_CHANGE_STRING] = "string",
		[MF_CHANGE_SIGNATURE] = "signature",
		[MF_CHANGE_CONTENT] = "content",
	};

	return names[kind];
}

/* ---- entries --------------------------------------------------------------- */

static struct mf_diff_entry *entry_of(struct mf_diff *diff,
				      enum mf_change_kind kind, const char *key)
{
	uint64_t hash = mf_hash_text(key, mf_hash64((uint64_t)kind + 1));
	struct mf_diff_entry *entry;
	const uint64_t *known;

	/* another key may have that hash, and the next */
	while ((known = mf_map_get(&diff->index, hash))) {
		entry = &diff->entries.items[*known];
		if (entry->change.kind == kind &&
		    strcmp(entry->change.key, key) == 0)
			return entry;
		hash++;
	}
	mf_map_set(&diff->index, hash, diff->entries.count);
	entry = mf_vec_add(&diff->entries);
	entry->change.kind = kind;
	entry->change.key = mf_pool_strdup(&diff->pool, key);
	return entry;
}

static void add_to(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

static void add_to_change(struct mf_change *change, enum mf_side side,
			  uint64_t bytes, const uint64_t *count)
{
	add_to(side == MF_BEFORE ? &change->before : &change->after, bytes);
	if (!count)
		return;
	change->counted = true;
	add_to(side == MF_BEFORE ? &change->before_count : &change->after_count,
	       *count);
}

struct mf_diff_entry *mf_diff_add(struct mf_diff *diff,
				  enum mf_change_kind kind, const char *key,
				  enum mf_side side, uint64_t bytes,
				  const uint64_t *count)
{
	struct mf_diff_entry *entry = entry_of(diff, kind, key);

	entry->seen[side] = true;
	add_to_change(&entry->change, side, bytes, count);
	add_to_change(&diff->totals[kind], side, bytes, count);
	return entry;
}

/* ---- tables of rows -------------------------------------------------------- */

/* Bytes of a row: of classes, those that both reports know. */
static bool bytes_of(const struct mf_diff *diff, const struct row_table *table,
		     const struct mf_node *row, uint64_t *ret)
{
	if (table->kind != MF_CHANGE_CLASS)
		return mf_node_number(row, "bytes", ret);
	return mf_node_number(row, diff->by_rss ? "rss" : "size", ret);
}

static void add_row(struct mf_diff *diff, const struct row_table *table,
		    const struct mf_node *row, enum mf_side side)
{
	const char *key = mf_node_text(row, table->key), *more = NULL;
	uint64_t bytes, count;
	bool counted =
		table->count && mf_node_number(row, table->count, &count);
	struct mf_diff_entry *entry;
	uint64_t error = 0;
	MF_AUTO_BUFFER(text);

	if (!key || !bytes_of(diff, table, row, &bytes))
		return;
	if (table->more_key)
		more = mf_node_text(row, table->more_key);
	mf_buffer_puts(&text, key);
	if (more)
		mf_buffer_printf(&text, " (%s)", more);
	entry = mf_diff_add(diff, table->kind, mf_buffer_text(&text), side,
			    bytes, counted ? &count : NULL);
	/* a frugal count of texts says how far it may be off */
	if (mf_node_number(row, "error_bytes", &error))
		add_to(&entry->error, error);
}

static void add_rows(struct mf_diff *diff, const struct row_table *table,
		     const struct mf_node *root, enum mf_side side)
{
	size_t count = mf_node_rows(root, table->array);

	for (size_t i = 0; i < count; i++)
		add_row(diff, table, mf_node_row(root, table->array, i), side);
}

/* What a key that the list does not name may have at most. */
static uint64_t least_named(const struct row_table *table,
			    const struct mf_node *root)
{
	size_t count = mf_node_rows(root, table->array);
	uint64_t unseen = 0, least = UINT64_MAX, bytes;

	if (!table->unseen || !count ||
	    !mf_node_number(mf_node_member(root, table->unseen_in),
			    table->unseen, &unseen) ||
	    !unseen)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (mf_node_number(mf_node_row(root, table->array, i), "bytes",
				   &bytes))
			least = MF_MIN(least, bytes);
	return least;
}

static uint64_t size_of_change(const struct mf_change *change)
{
	return change->after > change->before ? change->after - change->before
					      : change->before - change->after;
}

/* A key that one list is too short for did not grow from nothing, and what two
 * counts are off by is no growth. */
static void drop_doubtful(struct mf_diff *diff, const struct row_table *table,
			  const struct mf_node *const *roots)
{
	const uint64_t most[MF_SIDES] = {
		least_named(table, roots[MF_BEFORE]),
		least_named(table, roots[MF_AFTER]),
	};

	diff->cut[table->kind] = most[MF_BEFORE] || most[MF_AFTER];
	mf_vec_foreach(entry, &diff->entries) {
		struct mf_change *change = &entry->change;

		if (change->kind != table->kind)
			continue;
		for (unsigned side = 0; side < MF_SIDES; side++)
			if (!entry->seen[side])
				add_to(&entry->error, most[side]);
		if (entry->error && size_of_change(change) <= entry->error) {
			change->before = change->after;
			change->before_count = change->after_count;
		}
	}
}

/* Another command's table may have the same name. */
static bool has_rows(const struct mf_node *root, const struct row_table *table)
{
	const struct mf_node *row = mf_node_row(root, table->array, 0);

	return mf_node_has_table(root, table->array) &&
	       (!row || mf_node_text(row, table->key));
}

static void compare_rows(struct mf_diff *diff,
			 const struct mf_node *const *roots)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(row_tables); i++) {
		const struct row_table *table = &row_tables[i];

		if (!has_rows(roots[MF_BEFORE], table) ||
		    !has_rows(roots[MF_AFTER], table))
			continue;
		diff->compared[table->kind] = true;
		add_rows(diff, table, roots[MF_BEFORE], MF_BEFORE);
		add_rows(diff, table, roots[MF_AFTER], MF_AFTER);
		drop_doubtful(diff, table, roots);
	}
}

/* ---- in order -------------------------------------------------------------- */

static int compare_signed(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int64_t delta_of(const struct mf_change *change)
{
	return (int64_t)(change->after - change->before);
}

/* What grew, the most first; then what shrank, the most first, too. */
static int compare_growth(int64_t a, int64_t b)
{
	if ((a < 0) != (b < 0))
		return a < 0 ? 1 : -1;
	return a < 0 ? compare_signed(a, b) : compare_signed(b, a);
}

static int by_growth(const void *left, const void *right)
{
	const struct mf_change *a = left, *b = right;
	int order = compare_signed(a->kind, b->kind);

	if (!order)
		order = compare_growth(delta_of(a), delta_of(b));
	return order ? order : strcmp(a->key, b->key);
}

static void sort_changes(struct mf_diff *diff)
{
	mf_vec_foreach(entry, &diff->entries) {
		const struct mf_change *change = &entry->change;

		if (change->before != change->after ||
		    change->before_count != change->after_count)
			mf_vec_push(&diff->changes, *change);
	}
	mf_vec_sort(&diff->changes, by_growth);
}

/* ---- the verdict ----------------------------------------------------------- */

/* What grew most, or SHRANK; NULL: nothing did. */
static const struct mf_change *first_of(const struct mf_diff *diff,
					enum mf_change_kind kind, bool shrank)
{
	for (size_t i = 0; i < diff->changes.count; i++) {
		const struct mf_change *change = &diff->changes.items[i];
		int64_t delta = delta_of(change);

		if (change->kind == kind && (shrank ? delta < 0 : delta > 0))
			return change;
	}
	return NULL;
}

static bool add_cause(const struct mf_diff *diff, enum mf_change_kind kind,
		      const char *what, struct mf_buffer *text)
{
	bool shrank = diff->sum[MF_AFTER] < diff->sum[MF_BEFORE];
	const struct mf_change *change = first_of(diff, kind, shrank);
	char size[MF_UNIT_TEXT];

	if (!change)
		return false;
	mf_format_size(size, size_of_change(change));
	mf_buffer_printf(text, "%s%s %s %c%s", text->size ? "; " : "", what,
			 change->key, shrank ? '-' : '+', size);
	return true;
}

static void add_sum(const struct mf_diff *diff, struct mf_buffer *text)
{
	const uint64_t *sum = diff->sum;
	char sizes[3][MF_UNIT_TEXT];
	uint64_t least, most;

	least = MF_MIN(sum[MF_BEFORE], sum[MF_AFTER]);
	most = MF_MAX(sum[MF_BEFORE], sum[MF_AFTER]);
	mf_format_size(sizes[0], most - least);
	mf_format_size(sizes[1], sum[MF_BEFORE]);
	mf_format_size(sizes[2], sum[MF_AFTER]);
	if (least == most)
		mf_buffer_printf(text, "%s is the same, %s", diff->measure,
				 sizes[1]);
	else
		mf_buffer_printf(text, "%s %s by %s, from %s to %s",
				 diff->measure,
				 sum[MF_AFTER] == most ? "grew" : "shrank",
				 sizes[0], sizes[1], sizes[2]);
}

static void make_verdict(struct mf_diff *diff)
{
	bool typed = false;
	MF_AUTO_BUFFER(text);

	if (diff->measure)
		add_sum(diff, &text);
	if (diff->parts == MF_CHANGE_CONTENT)
		add_cause(diff, diff->parts, "most of it", &text);
	else
		add_cause(diff, MF_CHANGE_CLASS, "most of it class", &text);
	typed |= add_cause(diff, MF_CHANGE_TYPE, "type", &text);
	typed |= add_cause(diff, MF_CHANGE_TASK, "tasks of", &text);
	if (!typed)
		add_cause(diff, MF_CHANGE_SIZE_CLASS, "chunks of", &text);
	if (!text.size)
		mf_buffer_puts(&text, "what both reports have is the same");
	diff->verdict = mf_pool_strdup(&diff->pool, mf_buffer_text(&text));
}

/* ---- all of it ------------------------------------------------------------- */

/* Of a saved listing nothing but sizes may be known. */
static void choose_measure(struct mf_diff *diff,
			   const struct mf_node *const *roots)
{
	diff->by_rss = true;
	for (unsigned side = 0; side < MF_SIDES; side++) {
		const struct mf_node *row =
			mf_node_row(roots[side], "totals", 0);
		uint64_t rss;

		if (row && !mf_node_number(row, "rss", &rss))
			diff->by_rss = false;
	}
}

/* RSS; or else the sum of what both have, the first of these. */
static void sum_memory(struct mf_diff *diff, const struct mf_node *const *roots)
{
	static const struct {
		enum mf_change_kind parts;
		const char *measure;
	} sums[] = {
		{ MF_CHANGE_CLASS, "what is mapped" },
		{ MF_CHANGE_SIZE_CLASS, "what is in use" },
		{ MF_CHANGE_CONTENT, "what was scanned" },
	};

	if (diff->by_rss &&
	    mf_node_number(roots[MF_BEFORE], "rss_total",
			   &diff->sum[MF_BEFORE]) &&
	    mf_node_number(roots[MF_AFTER], "rss_total",
			   &diff->sum[MF_AFTER])) {
		diff->measure = "RSS";
		return;
	}
	for (size_t i = 0; i < MF_ARRAY_SIZE(sums); i++)
		if (diff->compared[sums[i].parts]) {
			const struct mf_change *sum =
				&diff->totals[sums[i].parts];

			diff->parts = sums[i].parts;
			diff->measure = sums[i].measure;
			diff->sum[MF_BEFORE] = sum->before;
			diff->sum[MF_AFTER] = sum->after;
			return;
		}
}

static bool has_any(const struct mf_diff *diff)
{
	for (unsigned i = 0; i < MF_CHANGE_KINDS; i++)
		if (diff->compared[i])
			return true;
	return false;
}

struct mf_error *mf_diff_create(const struct mf_document *before,
				const struct mf_document *after,
				struct mf_diff **ret)
{
	const struct mf_node *const roots[MF_SIDES] = {
		mf_document_root(before),
		mf_document_root(after),
	};
	struct mf_diff *diff = mf_new(struct mf_diff);

	choose_measure(diff, roots);
	compare_rows(diff, roots);
	mf_diff_arenas(diff, roots);
	mf_diff_sizes(diff, roots);
	mf_diff_regions(diff, roots);
	if (!has_any(diff)) {
		mf_diff_destroy(diff);
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_FAILED,
						     "cannot compare the "
						     "reports"),
				     "they have no table in common"),
			"two reports of the same command, such as attach");
	}
	sum_memory(diff, roots);
	sort_changes(diff);
	make_verdict(diff);
	*ret = diff;
	return NULL;
}

void mf_diff_destroy(struct mf_diff *diff)
{
	if (!diff)
		return;
	mf_vec_deinit(&diff->entries);
	mf_vec_deinit(&diff->changes);
	mf_map_deinit(&diff->index);
	mf_pool_deinit(&diff->pool);
	free(diff);
}

const struct mf_change *mf_diff_changes(const struct mf_diff *diff,
					size_t *count)
{
	*count = diff->changes.count;
	return diff->changes.items;
}

bool mf_diff_compared(const struct mf_diff *diff, enum mf_change_kind kind)
{
	return diff->compared[kind];
}

const struct mf_change *mf_diff_total(const struct mf_diff *diff,
				      enum mf_change_kind kind)
{
	return &diff->totals[kind];
}

const char *mf_diff_verdict(const struct mf_diff *diff)
{
	return diff->verdict;
}
