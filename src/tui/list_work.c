/*
 * What looks at all rows of a list: filter, order and search, in small steps. Of
 * more rows than an index may have, a filter keeps the first, and an order the
 * foremost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/vec.h"
#include "tui/list.h"

enum {
	TEXT_KEY = 64, /* bytes of a text that an order looks at */
	TEXTS = 256,   /* that are remembered, because many rows have them */
	BLOCK = 512,   /* keys that are sorted at once */
	ROW_KEYS = 8,  /* keys that are moved in the time of a row */
};

/* What a row is sorted by. */
struct key {
	uint64_t number;
	const char *text; /* the pool's; NULL: the number */
	uint32_t row;
};

/* What is to be shown. */
struct shape {
	char *filter; /* NULL: all */
	bool sorted, given, descending;
	unsigned column;
	bool places; /* cursor and top are to be so; else: */
	uint64_t cursor,
		top; /* the cursor stays on its row, if that is shown */
};

enum phase {
	TAKING,	 /* rows, one after the other */
	HEAPING, /* there are more than have room */
	SORTING, /* blocks of keys */
	MERGING,
	FINDING,
};

struct mf_list_work {
	enum phase phase;
	struct shape shape;
	uint64_t count; /* of rows */
	uint64_t next;	/* row, or step of a search */
	struct mf_buffer text;
	char lent[TEXT_KEY + 1];

	MF_VEC(struct key) keys; /* a heap, the hindmost first, once full */
	bool is_heap;
	uint64_t left_out;
	struct mf_pool pool;
	const char *texts[TEXTS];
	size_t at; /* keys before it are done; of a heap, those from it on */
	struct key *merged;
	size_t width; /* of the runs that are merged */
	size_t left, left_end, right, right_end;

	char *wanted;
	bool forward;
	uint64_t from; /* position */
};

/* ---- its life ------------------------------------------------------------------- */

static struct mf_list_work *create(const struct mf_list *list, enum phase phase)
{
	struct mf_list_work *work = mf_new(struct mf_list_work);

	work->phase = phase;
	work->count = list->source->count(list->data);
	return work;
}

static void destroy(struct mf_list_work *work)
{
	if (!work)
		return;
	free(work->shape.filter);
	free(work->wanted);
	free(work->merged);
	mf_buffer_deinit(&work->text);
	mf_vec_deinit(&work->keys);
	mf_pool_deinit(&work->pool);
	free(work);
}

bool mf_list_stop(struct mf_list *list)
{
	bool any = list->work != NULL;

	destroy(list->work);
	list->work = NULL;
	return any;
}

const char *mf_list_progress(const struct mf_list *list, uint64_t *done,
			     uint64_t *total)
{
	const struct mf_list_work *work = list->work;

	if (!work)
		return NULL;
	*done = work->next;
	*total = work->count;
	if (work->phase == FINDING)
		return "searching";
	return work->shape.sorted && !work->shape.given ? "sorting"
							: "filtering";
}

/* ---- the order of keys ------------------------------------------------------------ */

static int compare_keys(const struct key *left, const struct key *right)
{
	int order =
		(left->number > right->number) - (left->number < right->number);

	if (!order && left->text && right->text && left->text != right->text)
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

static int compare(const struct mf_list_work *work, const struct key *a,
		   const struct key *b)
{
	return work->shape.descending ? compare_descending(a, b)
				      : compare_ascending(a, b);
}

/* The item at AT goes down until none below it comes later in the order. */
static void sift_down(struct mf_list_work *work, size_t at)
{
	struct key *keys = work->keys.items;
	size_t count = work->keys.count;

	for (;;) {
		size_t last = at, child = 2 * at + 1;
		struct key moved;

		for (size_t i = child; i < count && i < child + 2; i++)
			if (compare(work, &keys[i], &keys[last]) > 0)
				last = i;
		if (last == at)
			return;
		moved = keys[at];
		keys[at] = keys[last];
		keys[last] = moved;
		at = last;
	}
}

/* ---- taking rows -------------------------------------------------------------------- */

static bool is_ordered(const struct shape *shape)
{
	return shape->sorted && !shape->given;
}

static bool row_matches(const struct mf_list *list, uint64_t row,
			const char *wanted)
{
	struct mf_buffer *text = &list->work->text;

	mf_buffer_clear(text);
	list->source->text(list->data, row, text);
	return mf_list_matches(mf_buffer_text(text), wanted);
}

/* Many rows have few texts: one that was there a while ago is taken again. */
static const char *keep_text(struct mf_list_work *work, const char *text)
{
	const char **slot = &work->texts[mf_hash_text(text, 0) % TEXTS];

	if (!*slot || strcmp(*slot, text) != 0)
		*slot = mf_pool_strdup(&work->pool, text);
	return *slot;
}

/* Its text is only lent. */
static struct key key_of(const struct mf_list *list, uint64_t row)
{
	struct mf_list_work *work = list->work;
	struct key key = { .row = (uint32_t)row };

	if (!is_ordered(&work->shape))
		return key;
	mf_buffer_clear(&work->text);
	if (list->source->key(list->data, row, work->shape.column, &key.number,
			      &work->text))
		return key;
	snprintf(work->lent, sizeof(work->lent), "%s",
		 mf_buffer_text(&work->text));
	key.number = 0;
	key.text = work->lent;
	return key;
}

static struct key kept(struct mf_list_work *work, struct key key)
{
	if (key.text)
		key.text = keep_text(work, key.text);
	return key;
}

/* There is no room for KEY unless one that comes later gives way. */
static void replace(struct mf_list_work *work, struct key key)
{
	work->left_out++;
	if (compare(work, &key, &work->keys.items[0]) >= 0)
		return;
	work->keys.items[0] = kept(work, key);
	sift_down(work, 0);
}

static void take_row(struct mf_list *list)
{
	struct mf_list_work *work = list->work;
	bool is_full = work->keys.count >= MF_LIST_MOST;

	if (is_full && is_ordered(&work->shape) && !work->is_heap) {
		work->phase = HEAPING;
		work->at = work->keys.count / 2;
		return;
	}
	if (work->shape.filter &&
	    !row_matches(list, work->next, work->shape.filter)) {
		work->next++;
		return;
	}
	if (!is_full)
		mf_vec_push(&work->keys, kept(work, key_of(list, work->next)));
	else if (is_ordered(&work->shape))
		replace(work, key_of(list, work->next));
	else
		work->left_out++;
	work->next++;
}

static void add_to_heap(struct mf_list_work *work)
{
	if (work->at) {
		sift_down(work, --work->at);
		return;
	}
	work->is_heap = true;
	work->phase = TAKING;
}

/* ---- sorting ---------------------------------------------------------------------- */

static void sort_block(struct mf_list_work *work)
{
	size_t left = work->keys.count - work->at;

	qsort(work->keys.items + work->at, MF_MIN(left, (size_t)BLOCK),
	      sizeof(struct key),
	      work->shape.descending ? compare_descending : compare_ascending);
	work->at += MF_MIN(left, (size_t)BLOCK);
}

static void begin_runs(struct mf_list_work *work)
{
	size_t count = work->keys.count;

	work->left = work->at;
	work->left_end = work->right = MF_MIN(work->left + work->width, count);
	work->right_end = MF_MIN(work->right + work->width, count);
}

static void begin_merging(struct mf_list_work *work, size_t width)
{
	work->phase = MERGING;
	work->width = width;
	work->at = 0;
	if (!work->merged)
		work->merged = mf_new_array(work->keys.count + 1, struct key);
	begin_runs(work);
}

static void merge_key(struct mf_list_work *work)
{
	const struct key *keys = work->keys.items;
	bool is_left;

	if (work->left == work->left_end && work->right == work->right_end)
		begin_runs(work);
	is_left = work->left < work->left_end &&
		  (work->right == work->right_end ||
		   compare(work, &keys[work->left], &keys[work->right]) < 0);
	work->merged[work->at++] = keys[is_left ? work->left++ : work->right++];
}

/* Keys are in runs of twice the width now. */
static void end_merging(struct mf_list_work *work)
{
	struct key *keys = work->keys.items;

	work->keys.items = work->merged;
	work->merged = keys;
	begin_merging(work, work->width * 2);
}

/* ---- being done --------------------------------------------------------------------- */

static void put_index(struct mf_list *list)
{
	const struct mf_list_work *work = list->work;

	list->index = mf_new_array(work->keys.count + 1, uint32_t);
	list->index_count = work->keys.count;
	list->left_out = work->left_out;
	for (size_t i = 0; i < work->keys.count; i++)
		list->index[i] = work->keys.items[i].row;
}

static void drop_index(struct mf_list *list)
{
	free(list->index);
	list->index = NULL;
	list->left_out = 0;
}

/* The list is as SHAPE says, whose filter is the list's now. */
static void put_in_place(struct mf_list *list, struct shape *shape)
{
	uint64_t row = mf_list_row(list, list->cursor);

	drop_index(list);
	if (list->work)
		put_index(list);
	free(list->filter);
	list->filter = shape->filter;
	shape->filter = NULL;
	list->sorted = shape->sorted;
	list->given = shape->given;
	list->descending = shape->descending;
	list->column = shape->column;
	if (shape->places)
		list->top = shape->top;
	mf_list_go(list,
		   shape->places ? shape->cursor : mf_list_position(list, row));
}

static enum mf_list_news end_work(struct mf_list *list)
{
	put_in_place(list, &list->work->shape);
	mf_list_stop(list);
	return MF_LIST_DONE;
}

/* ---- steps -------------------------------------------------------------------------- */

static enum mf_list_news find_step(struct mf_list *list)
{
	struct mf_list_work *work = list->work;
	uint64_t count = mf_list_count(list), step, position;

	if (work->next >= count) {
		mf_list_stop(list);
		return MF_LIST_NOT_FOUND;
	}
	work->next++;
	step = work->forward ? work->next : count - work->next;
	position = (work->from + step) % count;
	if (!row_matches(list, mf_list_row(list, position), work->wanted))
		return MF_LIST_BUSY;
	mf_list_stop(list);
	mf_list_go(list, position);
	return MF_LIST_DONE;
}

static enum mf_list_news take_step(struct mf_list *list)
{
	struct mf_list_work *work = list->work;

	if (work->next < work->count && work->next < UINT32_MAX) {
		take_row(list);
		return MF_LIST_BUSY;
	}
	work->left_out += work->count - work->next;
	if (!is_ordered(&work->shape))
		return end_work(list);
	work->phase = SORTING;
	work->at = 0;
	return MF_LIST_BUSY;
}

static enum mf_list_news merge_step(struct mf_list *list)
{
	struct mf_list_work *work = list->work;
	size_t count = work->keys.count;

	if (work->width >= count)
		return end_work(list);
	for (unsigned i = 0; i < ROW_KEYS && work->at < count; i++)
		merge_key(work);
	if (work->at == count)
		end_merging(work);
	return MF_LIST_BUSY;
}

static enum mf_list_news work_step(struct mf_list *list, unsigned *rows)
{
	struct mf_list_work *work = list->work;

	switch (work->phase) {
	case TAKING:
		return take_step(list);
	case HEAPING:
		add_to_heap(work);
		return MF_LIST_BUSY;
	case SORTING:
		*rows -= MF_MIN(*rows, (unsigned)BLOCK / ROW_KEYS);
		if (work->at == work->keys.count)
			begin_merging(work, BLOCK);
		else
			sort_block(work);
		return MF_LIST_BUSY;
	case MERGING:
		return merge_step(list);
	default:
		return find_step(list);
	}
}

enum mf_list_news mf_list_work(struct mf_list *list, unsigned rows)
{
	enum mf_list_news news = MF_LIST_BUSY;

	if (!list->work)
		return MF_LIST_IDLE;
	/* nobody said that rows have changed */
	if (list->work->count != list->source->count(list->data))
		mf_list_renew(list);
	if (!list->work)
		return MF_LIST_DONE;
	while (news == MF_LIST_BUSY && rows) {
		rows--;
		news = work_step(list, &rows);
	}
	return news;
}

/* ---- beginning ------------------------------------------------------------------------ */

/* As it is, or is going to be. */
static struct shape shape_of(const struct mf_list *list)
{
	const struct mf_list_work *work = list->work;
	struct shape shape = {
		.filter = list->filter,
		.sorted = list->sorted,
		.given = list->given,
		.descending = list->descending,
		.column = list->column,
	};

	if (work && work->phase != FINDING)
		shape = work->shape;
	if (shape.filter)
		shape.filter = mf_strdup(shape.filter);
	return shape;
}

static void begin(struct mf_list *list, struct shape *shape)
{
	mf_list_stop(list);
	if (!shape->filter && !is_ordered(shape)) {
		put_in_place(list, shape);
		return;
	}
	list->work = create(list, TAKING);
	list->work->shape = *shape;
}

void mf_list_filter(struct mf_list *list, const char *filter)
{
	struct shape shape = shape_of(list);

	free(shape.filter);
	shape.filter = filter && *filter ? mf_strdup(filter) : NULL;
	begin(list, &shape);
}

static void set_order(struct mf_list *list, unsigned column, bool descending,
		      bool given)
{
	struct shape shape = shape_of(list);

	shape.sorted = true;
	shape.given = given;
	shape.column = column;
	shape.descending = descending;
	shape.places = true;
	shape.cursor = shape.top = 0;
	begin(list, &shape);
}

void mf_list_sort(struct mf_list *list, unsigned column, bool descending)
{
	set_order(list, column, descending, false);
}

void mf_list_reset(struct mf_list *list)
{
	struct shape shape = { .column = list->column };

	mf_list_stop(list);
	put_in_place(list, &shape);
}

void mf_list_renew(struct mf_list *list)
{
	struct shape shape = shape_of(list);

	/* its rows may be gone */
	if (list->index)
		list->cursor = mf_list_row(list, list->cursor);
	drop_index(list);
	if (shape.filter || is_ordered(&shape)) {
		free(list->filter);
		list->filter = NULL;
		list->sorted = list->given = false;
	}
	begin(list, &shape);
}

void mf_list_note_order(struct mf_list *list, unsigned column, bool descending)
{
	set_order(list, column, descending, true);
	/* they come anew */
	mf_list_renew(list);
}

void mf_list_find(struct mf_list *list, const char *text, bool forward)
{
	mf_list_stop(list);
	list->work = create(list, FINDING);
	list->work->wanted = mf_strdup(text);
	list->work->forward = forward;
	list->work->from = list->cursor;
}

void mf_list_then_go(struct mf_list *list, uint64_t cursor, uint64_t top)
{
	if (list->work) {
		list->work->shape.places = true;
		list->work->shape.cursor = cursor;
		list->work->shape.top = top;
		return;
	}
	list->top = top;
	list->cursor = cursor;
}
