/*
 * Strings that go on in the next window. Windows come in no order, so each end
 * waits here for the one that it meets; what has none in the end is whole as it
 * is. Windows of one moment are near each other: few wait at the same time, and
 * when they are too many, the lowest have no one to wait for.
 */
#include <stdlib.h>

#include "base/vec.h"
#include "scan/strings.h"

enum {
	MOST = 1024, /* that wait; the lowest half goes then */
	GLUE = 8,
};

/* Those that wait, and where they do: each looks through all of these. */
struct mf_string_edges {
	size_t count;
	uint64_t before[MOST + 1], behind[MOST + 1]; /* meeting points */
	struct mf_string_edge *waiting[MOST + 1];
};

struct mf_string_edges *mf_string_edges_create(void)
{
	return mf_new(struct mf_string_edges);
}

void mf_string_edges_destroy(struct mf_string_edges *edges)
{
	if (!edges)
		return;
	for (size_t i = 0; i < edges->count; i++)
		free(edges->waiting[i]);
	free(edges);
}

/* ---- what is whole ---------------------------------------------------------- */

/* UTF-16 that nothing else tells of; as far as its head is, it all is. */
static bool is_script(const struct mf_string_edge *edge)
{
	uint32_t characters;

	return edge->alone_before && edge->alone_behind &&
	       mf_string_script(edge->head, edge->head_size, &characters) ==
		       edge->head_size;
}

static void count_edge(struct mf_strings_worker *worker,
		       const struct mf_string_edge *edge)
{
	struct mf_string *string = mf_strings_next(worker);

	if (edge->characters < worker->scanner->least ||
	    (edge->kind != MF_EDGE_TEXT && !edge->seeded && !is_script(edge)))
		return;
	*string = (struct mf_string){
		.address = edge->start,
		.size = edge->end - edge->start,
		.head = edge->head,
		.encoding = edge->kind != MF_EDGE_TEXT ? MF_STRING_UTF16
			    : edge->high	       ? MF_STRING_UTF8
						       : MF_STRING_ASCII,
		.joined = true,
	};
	if (mf_string_is_short(string))
		mf_string_hash_short(string);
	else
		string->hash = mf_string_hash(string, edge->rolled);
	string->key = edge->key && !mf_key_begins(string);
	if (string->key)
		mf_key_line_note(worker, string->hash);
	mf_strings_found(worker);
}

/* ---- joining ------------------------------------------------------------------- */

static void append_head(struct mf_string_edge *edge, const uint8_t *bytes,
			uint32_t size)
{
	uint32_t room = MF_STRING_HEAD - edge->head_size;

	size = MF_MIN(size, room);
	memcpy(edge->head + edge->head_size, bytes, size);
	edge->head_size += size;
}

/* The character that both have a part of; false: they do not fit. */
static bool glue(const struct mf_string_edge *left,
		 const struct mf_string_edge *right, uint8_t *ret, size_t *size)
{
	memcpy(ret, left->tail, left->tail_size);
	memcpy(ret + left->tail_size, right->lead, right->lead_size);
	*size = (size_t)left->tail_size + right->lead_size;
	if (!*size)
		return true;
	return left->kind == MF_EDGE_TEXT
		       ? mf_string_is_character(ret, *size)
		       : mf_string_is_wide_character(ret, *size);
}

/* What of the ASCII that tells UTF-16 is on both sides of MIDDLE. */
static void join_plain(struct mf_string_edge *left,
		       const struct mf_string_edge *right,
		       const uint8_t *middle, size_t size)
{
	bool all_left = left->plain_before == left->characters;
	bool all_right = right->plain_behind == right->characters;
	bool plain = !size || mf_string_is_wide_plain(middle, size);
	unsigned between = size > 0;

	left->seeded |= right->seeded;
	if (!plain) {
		left->plain_behind = right->plain_behind;
		return;
	}
	between += left->plain_behind + right->plain_before;
	left->seeded |= between >= MF_WIDE_SEED;
	/* where there are more than that, it is seeded already */
	if (all_left)
		left->plain_before = (uint8_t)MF_MIN(between, 255u);
	left->plain_behind = all_right ? (uint8_t)MF_MIN(between, 255u)
				       : right->plain_behind;
}

/* What RIGHT begins with may be the rest of LEFT's last character and more, that
 * nothing belongs to. */
static void complete(struct mf_string_edge *left,
		     const struct mf_string_edge *right)
{
	uint8_t middle[GLUE];
	size_t size = left->tail_size;

	if (left->kind != MF_EDGE_TEXT || !size)
		return;
	memcpy(middle, left->tail, size);
	for (size_t i = 0; i < right->lead_size; i++) {
		middle[size++] = right->lead[i];
		if (!mf_string_is_character(middle, size))
			continue;
		append_head(left, middle, (uint32_t)size);
		left->rolled = mf_string_roll(left->rolled, middle, size);
		left->characters++;
		left->end += size;
		left->high = true;
		return;
	}
}

/* Makes LEFT both of them. */
static bool join(struct mf_string_edge *left,
		 const struct mf_string_edge *right)
{
	uint8_t middle[GLUE];
	size_t size;

	if (!glue(left, right, middle, &size)) {
		complete(left, right);
		return false;
	}
	/* a head that is full has all of the string's first bytes */
	append_head(left, middle, (uint32_t)size);
	append_head(left, right->head, right->head_size);
	join_plain(left, right, middle, size);
	left->rolled = mf_string_roll(left->rolled, middle, size);
	left->rolled = mf_string_roll_join(left->rolled, right->rolled,
					   right->end - right->start);
	left->characters += right->characters + (size > 0);
	left->high |= right->high || (size && left->kind == MF_EDGE_TEXT);
	left->key |= right->key;
	left->end = right->end;
	left->open_behind = right->open_behind;
	left->alone_behind = right->alone_behind;
	left->tail_size = right->tail_size;
	memcpy(left->tail, right->tail, sizeof(left->tail));
	return true;
}

/* ---- waiting ---------------------------------------------------------------------- */

enum {
	KIND_BITS = 2,
};

/* Strings of KIND meet at ADDRESS; few others have the same point. */
static uint64_t point(enum mf_edge_kind kind, uint64_t address)
{
	return address << KIND_BITS | (kind + 1);
}

static bool meet(const struct mf_string_edge *left,
		 const struct mf_string_edge *right)
{
	return left->kind == right->kind && left->open_behind &&
	       right->open_before &&
	       left->end + left->tail_size == right->start - right->lead_size;
}

/* Where EDGE may meet one that ends before it; 0: nowhere. */
static uint64_t point_before(const struct mf_string_edge *edge)
{
	return edge->open_before
		       ? point(edge->kind, edge->start - edge->lead_size)
		       : 0;
}

/* Where it may meet one that begins behind it. */
static uint64_t point_behind(const struct mf_string_edge *edge)
{
	return edge->open_behind
		       ? point(edge->kind, edge->end + edge->tail_size)
		       : 0;
}

static void keep(struct mf_string_edges *edges, struct mf_string_edge *edge)
{
	size_t at = edges->count++;

	edges->before[at] = point_before(edge);
	edges->behind[at] = point_behind(edge);
	edges->waiting[at] = edge;
}

static struct mf_string_edge *take_out(struct mf_string_edges *edges, size_t at)
{
	struct mf_string_edge *edge = edges->waiting[at];

	edges->count--;
	edges->before[at] = edges->before[edges->count];
	edges->behind[at] = edges->behind[edges->count];
	edges->waiting[at] = edges->waiting[edges->count];
	return edge;
}

/* Takes out one that EDGE meets before it. */
static struct mf_string_edge *find_before(struct mf_string_edges *edges,
					  const struct mf_string_edge *edge)
{
	uint64_t wanted = point_before(edge);

	for (size_t i = 0; wanted && i < edges->count; i++)
		if (edges->behind[i] == wanted && meet(edges->waiting[i], edge))
			return take_out(edges, i);
	return NULL;
}

/* The same behind it. */
static struct mf_string_edge *find_behind(struct mf_string_edges *edges,
					  const struct mf_string_edge *edge)
{
	uint64_t wanted = point_behind(edge);

	for (size_t i = 0; wanted && i < edges->count; i++)
		if (edges->before[i] == wanted && meet(edge, edges->waiting[i]))
			return take_out(edges, i);
	return NULL;
}

static int compare_starts(const void *a, const void *b)
{
	const struct mf_string_edge *const *left = a, *const *right = b;

	return ((*left)->start > (*right)->start) -
	       ((*left)->start < (*right)->start);
}

/* Counts the lowest that wait, so that only MOST are left. */
static void let_go(struct mf_strings_worker *worker,
		   struct mf_string_edges *edges, size_t most)
{
	struct mf_string_edge *all[MOST + 1];
	size_t count = edges->count, gone = count - most;

	memcpy(all, edges->waiting, count * sizeof(void *));
	qsort(all, count, sizeof(void *), compare_starts);
	for (size_t i = 0; i < gone; i++) {
		count_edge(worker, all[i]);
		free(all[i]);
	}
	edges->count = 0;
	for (size_t i = gone; i < count; i++)
		keep(edges, all[i]);
}

/* EDGE, with all that it meets; or two that do not fit become whole. */
static void settle(struct mf_strings_worker *worker,
		   struct mf_string_edges *edges, struct mf_string_edge *edge)
{
	struct mf_string_edge *other;

	other = find_before(edges, edge);
	if (other) {
		if (join(other, edge)) {
			free(edge);
			edge = other;
		} else {
			other->open_behind = false;
			other->tail_size = 0;
			edge->open_before = false;
			edge->lead_size = 0;
			settle(worker, edges, other);
		}
	}
	other = find_behind(edges, edge);
	if (other) {
		if (join(edge, other)) {
			free(other);
		} else {
			edge->open_behind = false;
			edge->tail_size = 0;
			other->open_before = false;
			other->lead_size = 0;
			settle(worker, edges, other);
		}
	}
	if (edge->open_before || edge->open_behind) {
		keep(edges, edge);
		return;
	}
	count_edge(worker, edge);
	free(edge);
}

void mf_string_edges_add(struct mf_strings_worker *worker,
			 const struct mf_string_edge *edge)
{
	struct mf_strings *scanner = worker->scanner;
	struct mf_string_edges *edges = scanner->edges;
	struct mf_string_edge *own;

	if (!edge->open_before && !edge->open_behind) {
		count_edge(worker, edge);
		return;
	}
	own = mf_new(struct mf_string_edge);
	*own = *edge;
	pthread_mutex_lock(&scanner->lock);
	settle(scanner->joiner, edges, own);
	if (edges->count > MOST)
		let_go(scanner->joiner, edges, MOST / 2);
	pthread_mutex_unlock(&scanner->lock);
}

void mf_string_edges_flush(struct mf_strings *strings)
{
	let_go(strings->joiner, strings->edges, 0);
}
