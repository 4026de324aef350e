/*
 * Where text runs in a window: bit masks say where bytes may be text, runs that
 * are long enough are looked at byte by byte only where they have other than
 * ASCII. A run never goes beyond its piece.
 */
#include "base/bits.h"
#include "base/escape.h"
#include "scan/strings.h"

enum {
	WORD = 64,
	PART = MF_STRING_PART / WORD,
	LONGEST = 4,
};

/* ---- bits of a window ------------------------------------------------------ */

static uint64_t ahead(uint64_t word, uint64_t next, unsigned count)
{
	return word >> count | next << (WORD - count);
}

/* Bytes of the character at BYTES; 0: it is none that is shown. */
static size_t character(const uint8_t *bytes, size_t size)
{
	size_t length;

	if (*bytes < 0x80)
		return *bytes == '\t' || (*bytes >= ' ' && *bytes < 0x7f);
	length = mf_utf8_length((const char *)bytes, size);
	return length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0 ? 0 : length;
}

bool mf_string_is_character(const uint8_t *bytes, size_t size)
{
	return size && character(bytes, size) == size;
}

/* Those of DOUBTFUL, of the 64 at BYTES, where no character begins. */
static uint64_t wrong_of(uint64_t doubtful, const uint8_t *bytes)
{
	uint64_t wrong = 0;

	for (; doubtful; doubtful &= doubtful - 1) {
		unsigned at = (unsigned)__builtin_ctzll(doubtful);

		if (!character(bytes + at, LONGEST))
			wrong |= UINT64_C(1) << at;
	}
	return wrong;
}

/* Of one word: bytes of characters, and which of these begin one. */
struct text {
	uint64_t all, starts;
	uint64_t carry; /* bytes of the next word that belong to it */
};

/* NEXT follows; BYTES are the word's, with slack. */
static inline struct text text_of(const struct mf_text_masks *masks,
				  uint64_t next, const uint8_t *bytes)
{
	uint64_t follows = ahead(masks->follows, next, 1);
	uint64_t of2 = masks->leads2, of3 = masks->leads3, of4 = masks->leads4;
	uint64_t wrong;

	if (!(of2 | of3 | of4))
		return (struct text){ masks->plain, masks->plain, 0 };
	of2 &= follows;
	follows &= ahead(masks->follows, next, 2);
	of3 &= follows;
	of4 &= follows & ahead(masks->follows, next, 3);
	wrong = (of2 | of3 | of4) & masks->choosy;
	if (wrong)
		wrong = wrong_of(wrong, bytes);
	of4 &= ~wrong;
	of3 = (of3 & ~wrong) | of4;
	of2 = (of2 & ~wrong) | of3;
	return (struct text){
		masks->plain | of2 | of2 << 1 | of3 << 2 | of4 << 3,
		masks->plain | of2,
		of2 >> 63 | of3 >> 62 | of4 >> 61,
	};
}

static size_t words_of(const struct mf_scan_window *window)
{
	return (window->size + WORD - 1) / WORD;
}

/* Where at least so many bytes of TEXT begin that may be text; NEXT is behind. */
static uint64_t runs_of(uint64_t text, uint64_t next, uint32_t least)
{
	if (least >= 2) {
		text &= ahead(text, next, 1);
		next &= next >> 1;
	}
	if (least >= 4) {
		text &= ahead(text, next, 2);
		next &= next >> 2;
	}
	if (least >= 6)
		text &= ahead(text, next, 2);
	return text;
}

/* Words of which those behind must be known, too. */
struct bits {
	uint64_t carry;
	uint64_t text;	/* of the word before */
	uint64_t one;	/* the same: characters of UTF-16 that are ASCII, */
	uint64_t two;	/* and of the one before that: two in a row */
	uint64_t seeds; /* where a text may begin, of all words */
	/* characters of UTF-16 that are zero: of the word before, of the one
	 * before that, and there one among two */
	uint64_t zero, last_zero, zeros;
	uint64_t start; /* of that one: a zero is before it */
	uint64_t even;	/* even addresses */
};

/*
 * Of word AT - 2, where a zero is followed by four characters that are none and
 * are not all two letters of ASCII; ZERO is of word AT.
 */
__attribute__((always_inline)) static inline uint64_t
find_starts(const struct mf_strings_worker *worker, struct bits *bits,
	    size_t at, uint64_t zero)
{
	const uint64_t *runs = worker->runs + at;
	uint64_t zeros = bits->zero | ahead(bits->zero, zero, 2);
	uint64_t of4 = bits->zeros | ahead(bits->zeros, zeros, 4);
	uint64_t starts = bits->start & ~of4 & bits->even;

	bits->start = bits->zero << 2 | bits->last_zero >> (WORD - 2);
	bits->last_zero = bits->zero;
	bits->zero = zero;
	bits->zeros = zeros;
	if (at < 2)
		return 0;
	if (worker->scanner->least >= MF_WIDE_SEED)
		starts &= ~(runs[-2] & ahead(runs[-2], runs[-1], 2));
	return starts;
}

/* TEXT, ONE and ZERO are those of word AT. */
__attribute__((always_inline)) static inline void
put_bits(struct mf_strings_worker *worker, struct bits *bits, size_t at,
	 uint64_t text, uint64_t one, uint64_t zero)
{
	uint64_t two = bits->one & ahead(bits->one, one, 2);
	uint64_t four = bits->two & ahead(bits->two, two, 4);

	if (at >= 1)
		worker->runs[at - 1] =
			runs_of(bits->text, text, worker->scanner->least);
	four |= find_starts(worker, bits, at, zero);
	if (at >= 2)
		worker->wide[at - 2] = four;
	bits->seeds |= four;
	bits->text = text;
	bits->one = one;
	bits->two = two;
}

/* Words [FIRST, FIRST + COUNT) of the window; the worker's masks have one more.
 */
static void put_masks(struct mf_strings_worker *worker, struct bits *state,
		      const struct mf_scan_window *window, size_t first,
		      size_t count)
{
	const struct mf_text_masks *masks = worker->masks;
	const uint8_t *bytes = window->bytes + first * WORD;
	struct bits bits = *state;
	uint64_t high = 0;

	for (size_t i = 0; i < count; i++, bytes += WORD) {
		const struct mf_text_masks *next = &masks[i + 1];
		struct text text = text_of(&masks[i], next->follows, bytes);
		uint64_t behind = ahead(masks[i].zero, next->zero, 1);

		text.all |= bits.carry;
		bits.carry = text.carry;
		worker->starts[first + i] = text.starts;
		worker->text[first + i] = text.all;
		high |= text.all ^ masks[i].plain;
		put_bits(worker, &bits, first + i, text.all,
			 masks[i].plain & behind, masks[i].zero & behind);
	}
	worker->high[first / PART] = high;
	*state = bits;
}

/* Fills starts, text, runs and wide; says whether there may be UTF-16. */
static bool read_bits(struct mf_strings_worker *worker,
		      const struct mf_scan_window *window)
{
	size_t words = words_of(window);
	struct mf_text_masks *masks = worker->masks;
	struct bits bits = {
		.even = UINT64_C(0x5555555555555555) << (window->address & 1),
	};

	for (size_t at = 0; at < words; at += PART) {
		size_t count = MF_MIN((size_t)PART, words - at);
		size_t made = MF_MIN(count + 1, words - at);

		worker->scanner->make_masks(window->bytes + at * WORD, made,
					    masks);
		if (made == count)
			masks[count] = (struct mf_text_masks){ 0 };
		put_masks(worker, &bits, window, at, count);
	}
	worker->starts[words] = worker->text[words] = 0;
	put_bits(worker, &bits, words, 0, 0, UINT64_MAX);
	put_bits(worker, &bits, words + 1, 0, 0, UINT64_MAX);
	worker->wide[words] = 0;
	return bits.seeds;
}

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

/* Bits of BITS that are set in [START, END). */
static uint32_t count_set(const uint64_t *bits, uint32_t start, uint32_t end)
{
	uint32_t count = 0;

	while (start < end) {
		uint32_t next = MF_MIN(end, (start / WORD + 1) * WORD);
		uint64_t word = bits[start / WORD] >> start % WORD;

		word <<= WORD - (next - start);
		count += (uint32_t)__builtin_popcountll(word);
		start = next;
	}
	return count;
}

/* What of [START, END) is text without a break from its start. */
static struct span span_at(const struct mf_string_piece *piece, uint32_t start,
			   uint32_t end)
{
	const struct mf_strings_worker *worker = piece->worker;
	struct span span = { .start = start, .end = end };

	if (start < end && !is_high(worker, start, end)) {
		span.characters = end - start;
		return span;
	}
	span.end = start;
	/* the rest of a character that began before */
	if (start >= end || !is_set(worker->starts, start))
		return span;
	span.end = next_clear(worker->text, start, end);
	/* one that the end cuts */
	if (is_set(worker->text, span.end) && !is_set(worker->starts, span.end))
		while (!is_set(worker->starts, --span.end))
			;
	span.characters = count_set(worker->starts, start, span.end);
	span.high = span.characters < span.end - start;
	return span;
}

static void found(const struct mf_string_piece *piece, const struct span *span)
{
	const uint8_t *bytes = piece->window->bytes + span->start;
	struct mf_string string = {
		.address = piece->window->address + span->start,
		.size = span->end - span->start,
		.head = bytes,
		.encoding = span->high ? MF_STRING_UTF8 : MF_STRING_ASCII,
	};

	if (span->characters < piece->worker->scanner->least)
		return;
	string.hash = mf_string_hash(
		&string, string.size > MF_STRING_HEAD
				 ? mf_string_roll(0, bytes, string.size)
				 : 0);
	string.key = mf_key_chain_add(piece->worker, piece, &string);
	mf_strings_found(piece->worker, &string);
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

static void take_runs(const struct mf_string_piece *piece, uint32_t at,
		      uint32_t end)
{
	const struct mf_strings_worker *worker = piece->worker;

	while ((at = next_set(worker->runs, at, end)) < end) {
		uint32_t stop = next_clear(worker->text, at, end);

		if (stop - at >= worker->scanner->least)
			take_run(piece, at, stop);
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
	uint32_t seed = 0;

	if (!read_bits(own, window))
		seed = UINT32_MAX;
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *piece = &window->pieces[i];
		const struct mf_string_piece part = {
			own,	    window,	   piece->start,
			piece->end, piece->begins, piece->ends,
		};

		mf_key_chain_begin(own, &part);
		if (part.begins && part.ends)
			take_runs(&part, part.start, part.end);
		else
			take_open(&part);
		if (may_be_wide(&part, &seed))
			mf_strings_wide(&part);
	}
	mf_strings_window_done(own);
}
