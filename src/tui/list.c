/*
 * Cursor, filter and order over rows that stay where they are. Of more rows than
 * an index may have, a filter keeps the first, and an order the foremost.
 */
#include "tui/list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"

enum {
	ASK_EVERY = 1 << 12, /* rows between two looks at is_cancelled */
	TEXT_KEY = 64,	     /* bytes of a text that an order looks at */
};

void mf_list_init(struct mf_list *list, const struct mf_list_source *source,
		  void *data)
{
	*list = (struct mf_list){ .source = source, .data = data };
}

void mf_list_deinit(struct mf_list *list)
{
	free(list->filter);
	free(list->index);
	list->filter = NULL;
	list->index = NULL;
}

uint64_t mf_list_count(const struct mf_list *list)
{
	return list->index ? list->index_count
			   : list->source->count(list->data);
}

uint64_t mf_list_row(const struct mf_list *list, uint64_t position)
{
	if (!list->index)
		return position;
	return position < list->index_count ? list->index[position] : 0;
}

uint64_t mf_list_position(const struct mf_list *list, uint64_t row)
{
	uint64_t best = 0;

	if (!list->index)
		return row;
	for (uint64_t i = 0; i < list->index_count; i++) {
		if (list->index[i] == row)
			return i;
		if (!list->sorted && list->index[i] < row)
			best = i;
	}
	return best;
}

/* ---- moving ----------------------------------------------------------------- */

void mf_list_settle(struct mf_list *list, unsigned height)
{
	uint64_t count = mf_list_count(list);

	list->height = height ? height : 1;
	if (list->cursor >= count)
		list->cursor = count ? count - 1 : 0;
	if (list->top > list->cursor)
		list->top = list->cursor;
	if (list->cursor - list->top >= list->height)
		list->top = list->cursor - list->height + 1;
	if (list->top && count - list->top < list->height)
		list->top = count > list->height ? count - list->height : 0;
}

void mf_list_go(struct mf_list *list, uint64_t position)
{
	list->cursor = position;
	mf_list_settle(list, list->height);
}

void mf_list_move(struct mf_list *list, int64_t by)
{
	uint64_t count = mf_list_count(list);
	uint64_t back = by < 0 ? -(uint64_t)by : 0;

	if (by < 0)
		mf_list_go(list, list->cursor > back ? list->cursor - back : 0);
	else if (count)
		mf_list_go(list, (uint64_t)by < count - 1 - list->cursor
					 ? list->cursor + (uint64_t)by
					 : count - 1);
}

void mf_list_page(struct mf_list *list, bool down)
{
	uint64_t count = mf_list_count(list);
	uint64_t page = list->height > 1 ? list->height - 1 : 1;
	uint64_t lowest = count > list->height ? count - list->height : 0;

	/* what is on the screen moves with the cursor, also where the cursor
	 * would stay in sight */
	if (down)
		list->top = MF_MIN(list->top + page, lowest);
	else
		list->top = list->top > page ? list->top - page : 0;
	mf_list_move(list, down ? (int64_t)page : -(int64_t)page);
}

/* ---- text ---------------------------------------------------------------------- */

bool mf_list_matches(const char *text, const char *wanted)
{
	for (const char *at = wanted; *at; at++)
		if (isupper((unsigned char)*at))
			return strstr(text, wanted) != NULL;
	return strcasestr(text, wanted) != NULL;
}

static bool row_matches(const struct mf_list *list, uint64_t row,
			const char *wanted, struct mf_buffer *text)
{
	mf_buffer_clear(text);
	list->source->text(list->data, row, text);
	return mf_list_matches(mf_buffer_text(text), wanted);
}

static bool is_cancelled(const struct mf_list *list, uint64_t done,
			 uint64_t total)
{
	return list->source->is_cancelled && done % ASK_EVERY == 0 &&
	       list->source->is_cancelled(list->data, done, total);
}

bool mf_list_find(struct mf_list *list, const char *text, bool forward)
{
	uint64_t count = mf_list_count(list);
	MF_AUTO_BUFFER(shown);

	for (uint64_t i = 1; i <= count; i++) {
		uint64_t step = forward ? i : count - i;
		uint64_t position = (list->cursor + step) % count;

		if (is_cancelled(list, i, count))
			return false;
		if (row_matches(list, mf_list_row(list, position), text,
				&shown)) {
			mf_list_go(list, position);
			return true;
		}
	}
	return false;
}

/* ---- an index ------------------------------------------------------------------- */

/* What a row is sorted by. */
struct key {
	uint64_t number; /* a number, or the first bytes of a text */
	char *text;	 /* of texts, or NULL */
	uint32_t row;
};

struct indexing {
	const struct mf_list *list;
	const char *filter; /* NULL: none */
	bool sorted, descending;
	unsigned column;
	MF_VEC(struct key) keys; /* a heap, the hindmost first, once full */
	bool is_heap;
	bool anew; /* rows that the list has an index of may be gone */
	uint64_t left_out;
};

static int compare_keys(const struct key *left, const struct key *right)
{
	int order =
		(left->number > right->number) - (left->number < right->number);

	if (!order && left->text && right->text)
		order = strcasecmp(left->text, right->text);
	return order;
}

/* Rows that are equal keep the order that they come in. */
static int compare_ascending(const void *a, const void *b)
{
	const struct key *left = a, *right = b;
	int order = compare_keys(left, right);

	return order ? order
		     : (left->row > right->row) - (left->row < right->row);
}

static int compare_descending(const void *a, const void *b)
{
	const struct key *left = a, *right = b;
	int order = compare_keys(left, right);

	return order ? -order
		     : (left->row > right->row) - (left->row < right->row);
}

static int compare(const struct indexing *indexing, const struct key *a,
		   const struct key *b)
{
	return indexing->descending ? compare_descending(a, b)
				    : compare_ascending(a, b);
}

/* The item at AT goes down until none below it comes later in the order. */
static void sift_down(struct indexing *indexing, size_t at)
{
	struct key *keys = indexing->keys.items;
	size_t count = indexing->keys.count;

	for (;;) {
		size_t last = at, child = 2 * at + 1;
		struct key moved;

		for (size_t i = child; i < count && i < child + 2; i++)
			if (compare(indexing, &keys[i], &keys[last]) > 0)
				last = i;
		if (last == at)
			return;
		moved = keys[at];
		keys[at] = keys[last];
		keys[last] = moved;
		at = last;
	}
}

static void make_heap(struct indexing *indexing)
{
	for (size_t i = indexing->keys.count / 2; i-- > 0;)
		sift_down(indexing, i);
	indexing->is_heap = true;
}

/* There is no room for KEY unless one that comes later gives way. */
static void replace(struct indexing *indexing, struct key key)
{
	indexing->left_out++;
	if (!indexing->is_heap)
		make_heap(indexing);
	if (compare(indexing, &key, &indexing->keys.items[0]) >= 0) {
		free(key.text);
		return;
	}
	free(indexing->keys.items[0].text);
	indexing->keys.items[0] = key;
	sift_down(indexing, 0);
}

static struct key key_of(const struct indexing *indexing, uint64_t row,
			 struct mf_buffer *text)
{
	const struct mf_list *list = indexing->list;
	struct key key = { .row = (uint32_t)row };

	if (!indexing->sorted)
		return key;
	mf_buffer_clear(text);
	if (!list->source->key(list->data, row, indexing->column, &key.number,
			       text)) {
		key.number = 0;
		key.text = mf_strndup(mf_buffer_text(text),
				      MF_MIN(text->size, (size_t)TEXT_KEY));
	}
	return key;
}

static void take_row(struct indexing *indexing, uint64_t row,
		     struct mf_buffer *text)
{
	if (indexing->filter &&
	    !row_matches(indexing->list, row, indexing->filter, text))
		return;
	if (indexing->keys.count < MF_LIST_MOST)
		mf_vec_push(&indexing->keys, key_of(indexing, row, text));
	else if (indexing->sorted)
		replace(indexing, key_of(indexing, row, text));
	else
		indexing->left_out++;
}

/* False: it was cancelled. */
static bool take_rows(struct indexing *indexing)
{
	const struct mf_list *list = indexing->list;
	uint64_t count = list->source->count(list->data);
	MF_AUTO_BUFFER(text);

	for (uint64_t row = 0; row < count && row < UINT32_MAX; row++) {
		if (is_cancelled(list, row, count))
			return false;
		take_row(indexing, row, &text);
	}
	if (count > UINT32_MAX)
		indexing->left_out += count - UINT32_MAX;
	return true;
}

static void indexing_deinit(struct indexing *indexing)
{
	mf_vec_foreach(key, &indexing->keys)
		free(key->text);
	mf_vec_deinit(&indexing->keys);
}

static void put_in_place(struct mf_list *list, struct indexing *indexing)
{
	if (indexing->sorted)
		mf_vec_sort(&indexing->keys, indexing->descending
						     ? compare_descending
						     : compare_ascending);
	free(list->index);
	list->index = mf_new_array(indexing->keys.count + 1, uint32_t);
	list->index_count = indexing->keys.count;
	list->left_out = indexing->left_out;
	for (size_t i = 0; i < indexing->keys.count; i++)
		list->index[i] = indexing->keys.items[i].row;
}

static void drop_index(struct mf_list *list)
{
	free(list->index);
	list->index = NULL;
	list->left_out = 0;
}

/* The list as INDEXING says; the cursor stays on its row, if that is shown. */
static bool make_index(struct mf_list *list, struct indexing *indexing)
{
	uint64_t row = mf_list_row(list, list->cursor);

	indexing->list = list;
	if (indexing->anew)
		drop_index(list);
	if (!indexing->filter && !indexing->sorted) {
		drop_index(list);
	} else if (take_rows(indexing)) {
		put_in_place(list, indexing);
	} else {
		indexing_deinit(indexing);
		return false;
	}
	indexing_deinit(indexing);
	list->sorted = indexing->sorted;
	list->descending = indexing->descending;
	list->column = indexing->column;
	mf_list_go(list, mf_list_position(list, row));
	return true;
}

static struct indexing as_it_is(const struct mf_list *list)
{
	return (struct indexing){
		.filter = list->filter,
		.sorted = list->sorted,
		.descending = list->descending,
		.column = list->column,
	};
}

bool mf_list_filter(struct mf_list *list, const char *filter)
{
	struct indexing indexing = as_it_is(list);
	char *copy = filter && *filter ? mf_strdup(filter) : NULL;

	indexing.filter = copy;
	if (!make_index(list, &indexing)) {
		free(copy);
		return false;
	}
	free(list->filter);
	list->filter = copy;
	return true;
}

bool mf_list_sort(struct mf_list *list, unsigned column, bool descending)
{
	struct indexing indexing = as_it_is(list);

	indexing.sorted = true;
	indexing.column = column;
	indexing.descending = descending;
	return make_index(list, &indexing);
}

void mf_list_note_order(struct mf_list *list, unsigned column, bool descending)
{
	drop_index(list);
	list->sorted = true;
	list->column = column;
	list->descending = descending;
	if (list->filter)
		mf_list_renew(list);
	mf_list_go(list, 0);
}

void mf_list_reset(struct mf_list *list)
{
	list->cursor = mf_list_row(list, list->cursor);
	drop_index(list);
	free(list->filter);
	list->filter = NULL;
	list->sorted = list->descending = false;
}

bool mf_list_renew(struct mf_list *list)
{
	struct indexing indexing = as_it_is(list);

	indexing.anew = true;
	if (make_index(list, &indexing))
		return true;
	mf_list_reset(list);
	return false;
}
