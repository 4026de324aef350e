/*
 * The strings in a window, by its bits: runs that are long enough are looked at
 * byte by byte only where they have other than ASCII. A run never goes beyond
 * its piece.
 */
#include "base/bits.h"
#include "scan/strings.h"
#include "scan/strings_digits.h"

enum {
	WORD = 64,
	LONGEST = 4,
};

/* The first bit of BITS that is set, from AT on, or END. */
static uint32_t next_set(const uint64_t *bits, uint32_t at, uint32_t end)
{
	return mf_bits_next(bits, at, end, 0);
}

static uint32_t next_clear(const uint64_t *bits, uint32_t at, uint32_t end)
{
	return mf_bits_next(bits, at, end, ~UINT64_C(0));
}

/* Where the run of set bits begins that ends at END. */
static uint32_t run_before(const uint64_t *bits, uint32_t start, uint32_t end)
{
	while (end > start && bits[(end - 1) / WORD] >> (end - 1) % WORD & 1)
		end--;
	return end;
}

/* ---- spans ------------------------------------------------------------------ */

struct span {
	uint32_t start, end;
	uint32_t characters;
	bool high;
};

/* Long ones are asked of each byte. */
static bool is_high(const struct mf_strings_worker *worker, uint32_t start,
		    uint32_t end)
{
	return worker->high[start / MF_STRING_PART] ||
	       worker->high[(end - 1) / MF_STRING_PART] ||
	       end - start > MF_STRING_PART;
}

static bool is_set(const uint64_t *bits, uint32_t at)
{
	return bits[at / WORD] >> at % WORD & 1;
}

/* Whether BYTE, which is of a character, begins it. */
static bool is_first(uint8_t byte)
{
	return (byte & 0xc0) != 0x80;
}

/* Eight behind COUNT bytes are readable. */
static uint32_t count_first(const uint8_t *bytes, uint32_t count)
{
	uint32_t others = 0;

	for (uint32_t i = 0; i < count; i += 8) {
		uint64_t eight = mf_few_bytes(bytes + i, count - i);
		uint64_t follow = eight & ~eight << 1 & MF_EACH_BYTE(0x80);

		others += (uint32_t)((follow >> 7) * MF_EACH_BYTE(1) >> 56);
	}
	return count - others;
}

/* What of [START, END) is text without a break from its start. */
static struct span span_at(const struct mf_string_piece *piece, uint32_t start,
			   uint32_t end)
{
	const struct mf_strings_worker *worker = piece->worker;
	const uint8_t *bytes = piece->window->bytes;
	struct span span = { .start = start, .end = end };

	if (start < end && !is_high(worker, start, end)) {
		span.characters = end - start;
		return span;
	}
	span.end = start;
	/* the rest of a character that began before */
	if (start >= end || !is_set(worker->text, start) ||
	    !is_first(bytes[start]))
		return span;
	span.end = next_clear(worker->text, start, end);
	/* one that the end cuts */
	if (is_set(worker->text, span.end) && !is_first(bytes[span.end]))
		while (!is_first(bytes[--span.end]))
			;
	span.characters = count_first(bytes + start, span.end - start);
	span.high = span.characters < span.end - start;
	return span;
}

/* Nearly all strings are neither in a key, nor before one. */
static bool is_key(const struct mf_string_piece *piece,
		   const struct mf_string *string)
{
	struct mf_key_chain *chain = &piece->worker->chain;

	if (chain->state != MF_CHAIN_NONE ||
	    string->head[string->size - 1] == '-')
		return mf_key_chain_add(piece->worker, piece, string);
	return false;
}

static void found(const struct mf_string_piece *piece, const struct span *span)
{
	const uint8_t *bytes = piece->window->bytes + span->start;
	struct mf_string *string = mf_strings_next(piece->worker);

	if (span->characters < piece->worker->scanner->least)
		return;
	*string = (struct mf_string){
		.address = piece->window->address + span->start,
		.size = span->end - span->start,
		.head = bytes,
		.encoding = span->high ? MF_STRING_UTF8 : MF_STRING_ASCII,
	};
	mf_string_hash_whole(string);
	string->key = is_key(piece, string);
	mf_strings_found(piece->worker);
}

/* All strings in a run of bytes that may be text. */
static void take_run(const struct mf_string_piece *piece, uint32_t start,
		     uint32_t end)
{
	while (start < end) {
		struct span span = span_at(piece, start, end);

		found(piece, &span);
		start = MF_MAX(span.end, start + 1);
	}
}

/* ---- ends that are open ------------------------------------------------------- */

/* The run at the one end of a piece, or at both. */
struct edge_run {
	uint32_t start, end; /* of what may be text */
	uint32_t lead, tail; /* bytes of cut characters before and behind it */
	bool before, behind;
};

static void copy_edge(const struct mf_string_piece *piece,
		      const struct span *span, struct mf_string_edge *edge)
{
	const uint8_t *bytes = piece->window->bytes + span->start;
	uint32_t size = span->end - span->start;

	edge->kind = MF_EDGE_TEXT;
	edge->start = piece->window->address + span->start;
	edge->end = piece->window->address + span->end;
	edge->characters = span->characters;
	edge->high = span->high;
	edge->rolled = mf_string_roll(0, bytes, size);
	edge->head_size = MF_MIN(size, (uint32_t)MF_STRING_HEAD);
	memcpy(edge->head, bytes, edge->head_size);
}

/* The part of RUN at the end that is open; what comes before it there are
 * strings of their own. */
static struct span edge_span(const struct mf_string_piece *piece,
			     const struct edge_run *run)
{
	struct span span = span_at(piece, run->start, run->end);

	if (run->before)
		return span;
	while (span.end < run->end) {
		found(piece, &span);
		span = span_at(piece, MF_MAX(span.end, span.start + 1),
			       run->end);
	}
	return span;
}

/* Tells of RUN; *rest is what of it is behind the string at its start. */
static void add_edge(const struct mf_string_piece *piece,
		     const struct edge_run *run, bool key,
		     struct edge_run *rest)
{
	const uint8_t *bytes = piece->window->bytes;
	struct mf_string_edge edge = { .open_before = run->before, .key = key };
	struct span span = edge_span(piece, run);

	copy_edge(piece, &span, &edge);
	edge.open_behind = run->behind && span.end == run->end;
	if (run->before) {
		edge.lead_size = (uint8_t)run->lead;
		memcpy(edge.lead, bytes + piece->start, run->lead);
	}
	if (edge.open_behind) {
		edge.tail_size = (uint8_t)run->tail;
		memcpy(edge.tail, bytes + run->end, run->tail);
	}
	span.end = MF_MIN(span.end + 1, run->end);
	*rest = (struct edge_run){
		.start = span.end,
		.end = run->end,
		.tail = run->tail,
		.behind = run->behind && !edge.open_behind,
	};
	mf_string_edges_add(piece->worker, &edge);
}

static bool is_empty(const struct edge_run *run)
{
	return run->start >= run->end && !run->lead && !run->tail;
}

/* All strings in RUN: that which touches the end, and those that do not. */
static void take_edge(const struct mf_string_piece *piece,
		      const struct edge_run *run, bool key)
{
	struct edge_run rest;

	if (is_empty(run))
		return;
	add_edge(piece, run, key, &rest);
	if (rest.behind)
		add_edge(piece, &rest, key, &rest);
	else if (rest.start < rest.end)
		take_run(piece, rest.start, rest.end);
}

/* Bytes at the end of PIECE of a character that goes on behind it. */
static uint32_t cut_tail(const struct mf_string_piece *piece)
{
	const uint8_t *end = piece->window->bytes + piece->end;
	uint32_t size =
		MF_MIN(piece->end - piece->start, (uint32_t)LONGEST - 1);

	for (uint32_t i = 1; i <= size; i++) {
		uint8_t byte = end[-(int)i];

		if (byte < 0x80)
			return 0;
		if (byte >= 0xc2)
			return byte < 0xf5 && (byte >= 0xf0   ? 4u
					       : byte >= 0xe0 ? 3u
							      : 2u) > i
				       ? i
				       : 0;
	}
	return 0;
}

/* Bytes at the start of PIECE of a character that began before it. */
static uint32_t cut_lead(const struct mf_string_piece *piece)
{
	const uint8_t *bytes = piece->window->bytes;
	uint32_t at = piece->start;

	while (at < piece->end && at - piece->start < LONGEST - 1 &&
	       (bytes[at] & 0xc0) == 0x80)
		at++;
	return at - piece->start;
}

static struct edge_run run_behind(const struct mf_string_piece *piece)
{
	struct edge_run run = { .end = piece->end };

	if (piece->ends) {
		run.start = run.end;
		return run;
	}
	run.behind = true;
	run.tail = cut_tail(piece);
	run.end -= run.tail;
	run.start = run_before(piece->worker->text, piece->start, run.end);
	return run;
}

static struct edge_run run_ahead(const struct mf_string_piece *piece)
{
	struct edge_run run = { .start = piece->start, .before = true };

	run.lead = cut_lead(piece);
	run.start += run.lead;
	run.end = next_clear(piece->worker->text, run.start, piece->end);
	return run;
}

/* What of [START, STOP) is text; all of it may be, and nothing behind it. */
static void take_whole(const struct mf_string_piece *piece, uint32_t start,
		       uint32_t stop)
{
	const uint8_t *bytes = piece->window->bytes + start;
	struct span span = { start, stop, stop - start, false };

	if (is_high(piece->worker, start, stop)) {
		if (!is_first(*bytes) || is_set(piece->worker->text, stop)) {
			take_run(piece, start, stop);
			return;
		}
		span.characters = count_first(bytes, stop - start);
		span.high = span.characters < stop - start;
	}
	found(piece, &span);
}

static void take_runs(const struct mf_string_piece *piece, uint32_t at,
		      uint32_t end)
{
	const struct mf_strings_worker *worker = piece->worker;

	while ((at = next_set(worker->runs, at, end)) < end) {
		uint32_t stop = next_clear(worker->text, at, end);

		if (stop - at >= worker->scanner->least)
			take_whole(piece, at, stop);
		at = stop;
	}
}

/* A piece of which at least one end is open. */
static void take_open(const struct mf_string_piece *piece)
{
	struct mf_strings_worker *worker = piece->worker;
	struct edge_run behind = run_behind(piece), before = { 0 };
	uint32_t at = piece->start;

	if (!piece->begins) {
		before = run_ahead(piece);
		at = before.end;
		if (behind.behind && at >= behind.end) {
			before.behind = true;
			before.tail = behind.tail;
			before.end = MF_MAX(behind.end, before.start);
			take_edge(piece, &before, false);
			return;
		}
		worker->chain.end = piece->window->address + at;
	}
	take_runs(piece, at, behind.start);
	if (behind.behind)
		take_edge(piece, &behind,
			  mf_key_chain_goes_on(&worker->chain, piece,
					       behind.start));
	if (before.before)
		take_edge(piece, &before, worker->chain.ended);
}

/* ---- all of a window --------------------------------------------------------- */

/* The runs of a window, one after the other. */
struct runs {
	struct mf_strings_worker *worker;
	uint32_t word, words; /* the next to be listed, of so many */
	uint32_t behind;      /* of a run there is more than its bits say */
	uint32_t at;	      /* the first that is not behind us, of the list */
	uint64_t carry;
};

static void runs_begin(struct runs *runs, struct mf_strings_worker *worker,
		       const struct mf_scan_window *window)
{
	uint32_t least = worker->scanner->least;

	*runs = (struct runs){
		.worker = worker,
		/* one behind the last ends all runs */
		.words = (window->size + WORD - 1) / WORD + 1,
		.behind = (uint32_t)mf_text_asked(least) - 1,
	};
	worker->list.start_count = worker->list.end_count = 0;
}

/* Lists the next runs; false: there are no more. */
static bool list_more(struct runs *runs)
{
	struct mf_strings_worker *worker = runs->worker;
	struct mf_text_list *list = &worker->list;

	for (; runs->at == list->end_count && runs->word < runs->words;
	     runs->at = 0) {
		uint32_t count = MF_MIN((uint32_t)MF_TEXT_BLOCK,
					runs->words - runs->word);

		/* that which is open is the first of the next ones */
		list->starts[0] = list->starts[list->end_count];
		list->start_count = (uint32_t)runs->carry;
		list->end_count = 0;
		worker->scanner->steps->list(worker->runs + runs->word, count,
					     runs->word * WORD, &runs->carry,
					     list);
		runs->word += count;
	}
	return runs->at < list->end_count;
}

/* Takes what of the runs is in PIECE, and leaves those that end behind it. */
static void take_listed(struct runs *runs, const struct mf_string_piece *piece)
{
	const struct mf_text_list *list = &runs->worker->list;
	uint32_t least = runs->worker->scanner->least;

	while (runs->at < list->end_count || list_more(runs)) {
		uint32_t start = list->starts[runs->at];
		uint32_t stop = list->ends[runs->at] + runs->behind;
		uint32_t end = MF_MIN(stop, piece->end);

		if (start >= piece->end)
			return;
		start = MF_MAX(start, piece->start);
		if (end >= start + least)
			take_whole(piece, start, end);
		if (stop > piece->end)
			return;
		runs->at++;
	}
}

/* Whether PIECE may have UTF-16: *SEED is the first place, from a piece before
 * it on, where some may begin. */
static bool may_be_wide(const struct mf_string_piece *piece, uint32_t *seed)
{
	if (*seed < piece->start)
		*seed = next_set(piece->worker->wide, piece->start,
				 piece->window->size);
	return *seed < piece->end || !piece->begins || !piece->ends;
}

void mf_strings_window(void *worker, const struct mf_scan_window *window)
{
	struct mf_strings_worker *own = worker;
	struct runs runs;
	uint32_t seed = 0;

	if (!mf_strings_read_bits(own, window))
		seed = UINT32_MAX;
	runs_begin(&runs, own, window);
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *piece = &window->pieces[i];
		const struct mf_string_piece part = {
			own,	    window,	   piece->start,
			piece->end, piece->begins, piece->ends,
		};

		mf_key_chain_begin(own, &part);
		if (part.begins && part.ends)
			take_listed(&runs, &part);
		else
			take_open(&part);
		if (may_be_wide(&part, &seed))
			mf_strings_wide(&part);
	}
	mf_strings_window_done(own);
}
