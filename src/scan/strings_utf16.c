/*
 * UTF-16LE in a window. Four characters of ASCII in a row say that it is that;
 * what is before and behind them belongs to it as long as it is characters, by
 * pairs of surrogates too, and does not look like ASCII read in pairs. Where
 * there are none, a text that stands alone, between a zero and a control
 * character, is judged by its script.
 */
#include "base/bits.h"
#include "scan/strings.h"

enum {
	PAIRS = 4, /* so many pairs of ASCII are not characters */
	NEAR = 3,  /* of so many at an end, one is ASCII */
	HIGH = 0xd800,
	LOW = 0xdc00,
	PRIVATE = 0xe000,
	AFTER_PRIVATE = 0xf900,
	NOT_CHARACTERS = 0xfff0,
	ORDER_MARK = 0xfeff,
	SPACE = 0x20,
};

static bool is_plain_byte(uint32_t byte)
{
	return byte == '\t' || (byte >= ' ' && byte < 0x7f);
}

static bool is_plain(const uint8_t *bytes)
{
	return !bytes[1] && is_plain_byte(bytes[0]);
}

static bool is_pair(const uint8_t *bytes)
{
	return is_plain_byte(bytes[0]) && is_plain_byte(bytes[1]);
}

static bool is_high(uint32_t unit)
{
	return unit >= HIGH && unit < LOW;
}

static bool is_low(uint32_t unit)
{
	return unit >= LOW && unit < PRIVATE;
}

/* Bytes of the character at BYTES, of which SIZE are there; 0: none. */
static uint32_t character(const uint8_t *bytes, uint32_t size)
{
	uint32_t unit;

	if (size < 2)
		return 0;
	unit = mf_wide_unit(bytes);
	if (unit < 0x80)
		return is_plain_byte(unit) ? 2 : 0;
	if (is_high(unit))
		return size >= 4 && is_low(mf_wide_unit(bytes + 2)) ? 4 : 0;
	if (unit < 0xa0 || (unit >= LOW && unit < AFTER_PRIVATE) ||
	    unit >= NOT_CHARACTERS || unit == ORDER_MARK)
		return 0;
	return 2;
}

/* The same of that before END. */
static uint32_t character_before(const uint8_t *end, uint32_t size)
{
	if (size >= 4 && is_low(mf_wide_unit(end - 2)))
		return is_high(mf_wide_unit(end - 4)) ? 4 : 0;
	return size >= 2 ? character(end - 2, 2) : 0;
}

bool mf_string_is_wide_plain(const uint8_t *bytes, size_t size)
{
	return size == 2 && is_plain(bytes);
}

bool mf_string_is_wide_character(const uint8_t *bytes, size_t size)
{
	return size && size <= 4 && character(bytes, (uint32_t)size) == size;
}

/* Offsets in a window. */
struct reach {
	uint32_t start, end;
	uint32_t characters;
	unsigned script; /* of what is not Latin in it; 0: nothing */
};

/* What has letters of two scripts beside Latin is something else, mostly short
 * ASCII with zeros between. */
static bool is_same_script(const uint8_t *bytes, uint32_t length,
			   struct reach *reach)
{
	return length > 2 ||
	       mf_string_fits_script(mf_wide_unit(bytes), &reach->script);
}

/* Adds to REACH what comes behind it. */
static void reach_on(const uint8_t *bytes, uint32_t limit, struct reach *reach)
{
	uint32_t length, pairs = 0;

	while ((length = character(bytes + reach->end, limit - reach->end)) &&
	       is_same_script(bytes + reach->end, length, reach)) {
		pairs = is_pair(bytes + reach->end) ? pairs + 1 : 0;
		if (pairs == PAIRS) {
			reach->end -= (PAIRS - 1) * 2;
			reach->characters -= PAIRS - 1;
			return;
		}
		reach->end += length;
		reach->characters++;
	}
}

/* Adds to REACH what comes before it. */
static void reach_back(const uint8_t *bytes, uint32_t limit,
		       struct reach *reach)
{
	uint32_t length, pairs = 0;

	while ((length = character_before(bytes + reach->start,
					  reach->start - limit)) &&
	       is_same_script(bytes + reach->start - length, length, reach)) {
		pairs = is_pair(bytes + reach->start - 2) ? pairs + 1 : 0;
		if (pairs == PAIRS) {
			reach->start += (PAIRS - 1) * 2;
			reach->characters -= PAIRS - 1;
			return;
		}
		reach->start -= length;
		reach->characters++;
	}
}

static void found(const struct mf_string_piece *piece,
		  const struct reach *reach)
{
	struct mf_string *string = mf_strings_next(piece->worker);

	if (reach->characters <
	    MF_MAX(piece->worker->scanner->least, (uint32_t)MF_WIDE_SEED))
		return;
	*string = (struct mf_string){
		.address = piece->window->address + reach->start,
		.size = reach->end - reach->start,
		.head = piece->window->bytes + reach->start,
		.encoding = MF_STRING_UTF16,
	};
	mf_string_hash_whole(string);
	string->key = mf_key_chain_add(piece->worker, piece, string);
	mf_strings_found(piece->worker);
}

/* ---- ends that are open --------------------------------------------------- */

/* How many characters of REACH are ASCII, at its start or at its end; SEED of
 * them are enough. */
static uint8_t plain_at(const uint8_t *bytes, const struct reach *reach,
			bool at_end)
{
	uint32_t most =
		MF_MIN((reach->end - reach->start) / 2, (uint32_t)MF_WIDE_SEED);
	uint8_t count = 0;

	while (count < most &&
	       is_plain(bytes + (at_end ? reach->end - 2 - count * 2
					: reach->start + count * 2)))
		count++;
	return count;
}

static bool is_seeded(const uint8_t *bytes, const struct reach *reach)
{
	uint32_t plain = 0;

	for (uint32_t at = reach->start; at < reach->end; at += 2) {
		plain = is_plain(bytes + at) ? plain + 1 : 0;
		if (plain == MF_WIDE_SEED)
			return true;
	}
	return false;
}

/* ---- text that has no ASCII ------------------------------------------------- */

/* Says whether a text could begin at START; at an open end it could. */
static bool is_alone_before(const struct mf_string_piece *piece, uint32_t start)
{
	return start - piece->start < 2 ||
	       !mf_wide_unit(piece->window->bytes + start - 2);
}

static bool is_alone_behind(const struct mf_string_piece *piece, uint32_t end)
{
	return piece->end - end < 2 ||
	       mf_wide_unit(piece->window->bytes + end) < SPACE;
}

/* Says whether the first (or last) characters of REACH may belong to a longer
 * text: one is ASCII, or they are of a script. */
static bool is_text_near(const uint8_t *bytes, const struct reach *reach,
			 bool at_end)
{
	uint32_t count =
		MF_MIN((reach->end - reach->start) / 2, (uint32_t)NEAR);

	for (uint32_t i = 0; i < count; i++)
		if (is_plain(bytes + (at_end ? reach->end - 2 - i * 2
					     : reach->start + i * 2)))
			return true;
	return mf_string_may_be_script(
		bytes + (at_end ? reach->end - (size_t)2 * count
				: reach->start),
		count);
}

/* An end of a piece: of characters at even or odd addresses. */
struct open_end {
	struct reach reach;
	uint32_t cut; /* bytes of a character that the end cuts */
	bool odd;
};

static bool open_behind(const struct mf_string_piece *piece, bool odd,
			struct open_end *ret)
{
	const uint8_t *bytes = piece->window->bytes;
	uint32_t end = piece->end;

	if (piece->ends)
		return false;
	end -= ((piece->window->address + end) & 1) != odd;
	if (end - piece->start >= 2 && is_high(mf_wide_unit(bytes + end - 2)))
		end -= 2;
	*ret = (struct open_end){ { end, end, 0, 0 }, piece->end - end, odd };
	reach_back(bytes, piece->start, &ret->reach);
	if (ret->reach.start == end)
		return ret->cut == 1;
	return is_text_near(bytes, &ret->reach, true);
}

static bool open_before(const struct mf_string_piece *piece, bool odd,
			struct open_end *ret)
{
	const uint8_t *bytes = piece->window->bytes;
	uint32_t start = piece->start;

	if (piece->begins)
		return false;
	start += ((piece->window->address + start) & 1) != odd;
	if (piece->end - start >= 2 && is_low(mf_wide_unit(bytes + start)))
		start += 2;
	*ret = (struct open_end){ { start, start, 0, 0 },
				  start - piece->start,
				  odd };
	reach_on(bytes, piece->end, &ret->reach);
	if (ret->reach.end == start)
		return ret->cut == 1;
	return is_text_near(bytes, &ret->reach, false);
}

static void fill_edge(const struct mf_string_piece *piece,
		      const struct open_end *end, struct mf_string_edge *edge)
{
	const uint8_t *bytes = piece->window->bytes;
	uint32_t size = end->reach.end - end->reach.start;

	edge->kind = end->odd ? MF_EDGE_WIDE_ODD : MF_EDGE_WIDE;
	edge->start = piece->window->address + end->reach.start;
	edge->end = piece->window->address + end->reach.end;
	edge->characters = end->reach.characters;
	edge->seeded = is_seeded(bytes, &end->reach);
	edge->plain_before = plain_at(bytes, &end->reach, false);
	edge->plain_behind = plain_at(bytes, &end->reach, true);
	edge->alone_before = is_alone_before(piece, end->reach.start);
	edge->alone_behind = is_alone_behind(piece, end->reach.end);
	edge->rolled = mf_string_roll(0, bytes + end->reach.start, size);
	edge->head_size = MF_MIN(size, (uint32_t)MF_STRING_HEAD);
	memcpy(edge->head, bytes + end->reach.start, edge->head_size);
}

/* END is what BEFORE and BEHIND, or the one that is there, are of. */
static void add_edge(const struct mf_string_piece *piece,
		     const struct open_end *end, const struct open_end *before,
		     const struct open_end *behind)
{
	const uint8_t *bytes = piece->window->bytes;
	struct mf_string_edge edge = {
		.open_before = before,
		.open_behind = behind,
		.key = behind && !before ? mf_key_chain_goes_on(
						   &piece->worker->wide_chain,
						   piece, end->reach.start)
					 : piece->worker->wide_chain.ended,
	};

	fill_edge(piece, end, &edge);
	if (before) {
		edge.lead_size = (uint8_t)before->cut;
		memcpy(edge.lead, bytes + piece->start, before->cut);
	}
	if (behind) {
		edge.tail_size = (uint8_t)behind->cut;
		memcpy(edge.tail, bytes + piece->end - behind->cut,
		       behind->cut);
	}
	mf_string_edges_add(piece->worker, &edge);
}

/* What touches open ends, at even or odd addresses. */
struct open_ends {
	struct open_end before, behind;
	bool is_before, is_behind;
	bool is_one; /* both are the same string */
};

/* INNER becomes what is left between them. */
static struct open_ends find_ends(const struct mf_string_piece *piece, bool odd,
				  struct reach *inner)
{
	struct open_ends ends;

	ends.is_before = open_before(piece, odd, &ends.before);
	ends.is_behind = open_behind(piece, odd, &ends.behind);
	ends.is_one = ends.is_before && ends.is_behind &&
		      ends.before.reach.end >= ends.behind.reach.end;
	if (ends.is_one)
		inner->start = inner->end;
	else if (ends.is_before)
		inner->start = MF_MAX(inner->start, ends.before.reach.end);
	if (ends.is_behind && !ends.is_one)
		inner->end = MF_MIN(inner->end, ends.behind.reach.start);
	inner->start = MF_MIN(inner->start, inner->end);
	return ends;
}

/* When what is between them is known. */
static void add_ends(const struct mf_string_piece *piece,
		     const struct open_ends *ends)
{
	if (ends->is_one) {
		add_edge(piece, &ends->before, &ends->before, &ends->behind);
		return;
	}
	if (ends->is_behind)
		add_edge(piece, &ends->behind, NULL, &ends->behind);
	if (ends->is_before)
		add_edge(piece, &ends->before, &ends->before, NULL);
}

/* ---- a piece ---------------------------------------------------------------- */

/* Where a text may be, from AT on; or END. */
static uint32_t next_seed(const uint64_t *wide, uint32_t at, uint32_t end)
{
	return mf_bits_next(wide, at, end, 0);
}

/* Of a text in INNER that has four characters of ASCII at REACH. */
static void reach_around(const uint8_t *bytes, const struct reach *inner,
			 struct reach *reach)
{
	reach_on(bytes, inner->end, reach);
	reach_back(bytes, inner->start, reach);
}

/* The same of one that begins there, and has none; false: it is no text. */
static bool reach_script(const struct mf_string_piece *piece,
			 const struct reach *inner, struct reach *reach)
{
	reach->end +=
		mf_string_script(piece->window->bytes + reach->start,
				 inner->end - reach->start, &reach->characters);
	return reach->end > reach->start &&
	       is_alone_before(piece, reach->start) &&
	       is_alone_behind(piece, reach->end);
}

static bool is_plain_seed(const uint8_t *bytes)
{
	if (bytes[1] | bytes[3] | bytes[5] | bytes[7])
		return false;
	for (unsigned i = 0; i < MF_WIDE_SEED; i++)
		if (!is_plain(bytes + (size_t)i * 2))
			return false;
	return true;
}

static void take_between(const struct mf_string_piece *piece,
			 struct reach inner)
{
	const uint8_t *bytes = piece->window->bytes;
	uint32_t at = inner.start;

	while ((at = next_seed(piece->worker->wide, at, inner.end)) <
	       inner.end) {
		struct reach reach = { at, at, 0, 0 };

		if (is_plain_seed(bytes + at)) {
			reach_around(bytes, &inner, &reach);
		} else if (!mf_string_may_begin_script(bytes + at) ||
			   !reach_script(piece, &inner, &reach)) {
			at++;
			continue;
		}
		found(piece, &reach);
		inner.start = reach.end;
		at = MF_MAX(reach.end, at + 1);
	}
}

void mf_strings_wide(const struct mf_string_piece *piece)
{
	struct reach inner = { piece->start, piece->end, 0, 0 };
	struct open_ends ends[2];

	if (piece->begins && piece->ends) {
		take_between(piece, inner);
		return;
	}
	for (unsigned odd = 0; odd < 2; odd++)
		ends[odd] = find_ends(piece, odd, &inner);
	if (!piece->begins)
		piece->worker->wide_chain.end =
			piece->window->address + inner.start;
	take_between(piece, inner);
	for (unsigned odd = 0; odd < 2; odd++)
		add_ends(piece, &ends[odd]);
}
