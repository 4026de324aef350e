/*
 * The cursor over rows that stay where they are, and which of them a screen
 * shows.
 */
#include "tui/list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void mf_list_init(struct mf_list *list, const struct mf_list_source *source,
		  void *data)
{
	*list = (struct mf_list){ .source = source, .data = data };
}

void mf_list_deinit(struct mf_list *list)
{
	mf_list_stop(list);
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

static void clamp(struct mf_list *list)
{
	uint64_t count = mf_list_count(list);

	if (list->cursor >= count)
		list->cursor = count ? count - 1 : 0;
	if (list->top > list->cursor)
		list->top = list->cursor;
	/* not known before anything was drawn */
	if (!list->height)
		return;
	if (list->cursor - list->top >= list->height)
		list->top = list->cursor - list->height + 1;
	if (list->top && count - list->top < list->height)
		list->top = count > list->height ? count - list->height : 0;
}

void mf_list_settle(struct mf_list *list, unsigned height)
{
	unsigned before = list->height;

	list->height = height ? height : 1;
	/* what a smaller screen had pushed out above the cursor comes back */
	if (before && before < list->height &&
	    list->cursor - list->top == before - 1)
		list->top -= MF_MIN(list->top, (uint64_t)list->height - before);
	clamp(list);
}

void mf_list_go(struct mf_list *list, uint64_t position)
{
	list->cursor = position;
	clamp(list);
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
