/*
 * Where text is in a window: bit masks say which bytes may be of it, and where
 * enough of them follow each other.
 */
#include "base/escape.h"
#include "scan/strings.h"

enum {
	WORD = 64,
	PART = MF_TEXT_PART,
	LONGEST = 4,
};

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

static size_t words_of(const struct mf_scan_window *window)
{
	return (window->size + WORD - 1) / WORD;
}

/* The last word of a part, which tells of what the next begins with. */
struct last_word {
	uint64_t leads2, leads3, leads4, null;
};

/* Which bytes of COUNT words, and one more, are of characters; says whether some
 * may be other than ASCII. */
static bool find_characters(struct mf_strings_worker *worker,
			    const struct last_word *last, const uint8_t *bytes,
			    size_t count)
{
	struct mf_text_bits *bits = &worker->bits;
	struct mf_text_masks *masks = &bits->masks;

	worker->scanner->steps->join(bits);
	for (size_t i = 0; i <= count; i++) {
		size_t at = MF_TEXT_FIRST + i;
		uint64_t wrong = masks->choosy[at];

		if (!wrong)
			continue;
		wrong = ~wrong_of(wrong, bytes + i * WORD);
		masks->leads2[at] &= wrong;
		masks->leads3[at] &= wrong;
		masks->leads4[at] &= wrong;
	}
	masks->leads2[MF_TEXT_FIRST - 1] = last->leads2;
	masks->leads3[MF_TEXT_FIRST - 1] = last->leads3;
	masks->leads4[MF_TEXT_FIRST - 1] = last->leads4;
	return worker->scanner->steps->spread(bits);
}

/* Behind the last of COUNT words: no text, and no UTF-16 goes on there. */
static void put_end(struct mf_text_bits *bits, size_t count)
{
	bits->text[MF_TEXT_FIRST + count] = 0;
	bits->one[MF_TEXT_FIRST + count] = 0;
	bits->null[MF_TEXT_FIRST + count] = UINT64_MAX;
}

/* What the next part is to know of COUNT words of this, with HIGH bytes or not.
 */
static struct last_word last_of(const struct mf_text_bits *bits, size_t count,
				bool high)
{
	size_t at = MF_TEXT_FIRST + count - 1;
	struct last_word last = { .null = bits->null[at] };

	if (high) {
		last.leads2 = bits->masks.leads2[at];
		last.leads3 = bits->masks.leads3[at];
		last.leads4 = bits->masks.leads4[at];
	}
	return last;
}

/* Words [FIRST, FIRST + COUNT) of the window, of which HIGH says whether some
 * have other than ASCII; says whether there may be UTF-16. */
static bool put_part(struct mf_strings_worker *worker, struct last_word *last,
		     const struct mf_scan_window *window, size_t first,
		     size_t count, bool high)
{
	const struct mf_text_steps *steps = worker->scanner->steps;
	struct mf_text_bits *bits = &worker->bits;

	worker->high[first / PART] =
		high && find_characters(worker, last,
					window->bytes + first * WORD, count);
	if (!high)
		memcpy(bits->text, bits->masks.plain, sizeof(bits->text));
	steps->widen(bits);
	if (first + count == words_of(window))
		put_end(bits, count);
	bits->null[MF_TEXT_FIRST - 1] = last->null;
	*last = last_of(bits, count, high);
	memcpy(worker->text + first, bits->text + MF_TEXT_FIRST,
	       count * sizeof(*worker->text));
	return steps->begin(bits, worker->runs + first, worker->wide + first);
}

/* Of one word that is behind all others nothing is known. */
static void clear_word(struct mf_text_masks *masks, size_t at)
{
	masks->plain[at] = masks->zero[at] = masks->follows[at] = 0;
	masks->leads2[at] = masks->leads3[at] = masks->leads4[at] = 0;
	masks->choosy[at] = 0;
}

bool mf_strings_read_bits(struct mf_strings_worker *worker,
			  const struct mf_scan_window *window)
{
	size_t words = words_of(window);
	struct mf_text_masks *masks = &worker->bits.masks;
	struct last_word last = { 0 };
	bool seeds = false;

	worker->bits.least = worker->scanner->least;
	worker->bits.even = UINT64_C(0x5555555555555555)
			    << (window->address & 1);
	for (size_t at = 0; at < words; at += PART) {
		size_t count = MF_MIN((size_t)PART, words - at);
		size_t made = MF_MIN(count + MF_TEXT_BEHIND, words - at);
		bool high = worker->scanner->make_masks(
			window->bytes + at * WORD, made, masks);

		for (size_t i = made; i < count + MF_TEXT_BEHIND; i++)
			clear_word(masks, MF_TEXT_FIRST + i);
		seeds |= put_part(worker, &last, window, at, count, high);
	}
	worker->text[words] = 0;
	worker->runs[words] = 0;
	worker->wide[words] = 0;
	return seeds;
}
