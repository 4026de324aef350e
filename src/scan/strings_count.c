/*
 * What is kept of strings: totals that are exact, and sketches of those that
 * hold most, by text, by shape and by what they begin with.
 */
#include "scan/strings.h"
#include "scan/strings_digits.h"

enum {
	WORTH = 256, /* bytes of a text that is kept when seen once */
	LEAST_PREFIX = 4,
	WORD = 8,
	MANY = MF_STRING_VARIED | MF_STRING_NOT_LED,
};

void mf_string_counts_init(struct mf_string_counts *counts)
{
	*counts = (struct mf_string_counts){ 0 };
	mf_sketch_init(&counts->texts, MF_STRING_SETS, MF_STRING_TEXT, WORTH);
	mf_sketch_init(&counts->shapes, MF_SHAPE_SETS, 2 * MF_SHAPE_TEXT, 0);
	mf_sketch_init(&counts->prefixes, MF_PREFIX_SETS, MF_PREFIX_TEXT, 0);
}

void mf_string_counts_deinit(struct mf_string_counts *counts)
{
	mf_sketch_deinit(&counts->texts);
	mf_sketch_deinit(&counts->shapes);
	mf_sketch_deinit(&counts->prefixes);
}

/* What was seen once only and cost others their place is not worth the copy. */
static bool wants_text(const struct mf_sketch_item *item)
{
	return !item->kept &&
	       (!item->doubt || item->count > 1 || item->size >= WORTH);
}

/* Copies the first COUNT bytes of TEXT to RET, and zeros up to ROOM. */
static void fill(uint8_t *ret, size_t room, const uint8_t *text, size_t count)
{
	count = MF_MIN(count, room);
	memcpy(ret, text, count);
	memset(ret + count, 0, room - count);
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static void count_text(struct mf_string_counts *counts,
		       const struct mf_string *string)
{
	struct mf_sketch_item *item = mf_sketch_add(
		&counts->texts,
		&(struct mf_sighting){ string->hash, string->address,
				       string->size });

	if (!item)
		return;
	if (string->key)
		item->flags |= MF_STRING_KEY;
	if (item->kept)
		return;
	uint8_t *text = mf_sketch_text(&counts->texts, item);

	item->tag = (uint8_t)string->encoding;
	item->kept = (uint16_t)mf_string_utf8(string, text, MF_STRING_TEXT);
	memset(text + item->kept, 0, MF_STRING_TEXT - item->kept);
}

/* Its text as UTF-8; may be cut. */
struct utf8 {
	const uint8_t *bytes;
	size_t count;
};

/* An item of several texts: STRING is one more. */
static void note_varied(struct mf_sketch_item *item,
			const struct mf_string *string, const struct utf8 *text)
{
	uint32_t same = (uint32_t)string->hash;

	if ((item->flags & MANY) == MANY)
		return;
	if (item->count == 1)
		item->place = same;
	else if (item->place != same)
		item->flags |= MF_STRING_VARIED;
	if (text->bytes[0] != (uint8_t)((string->size - 1) << 3) ||
	    string->size > 32)
		item->flags |= MF_STRING_NOT_LED;
}

/* A number that begins with 0x is one of another kind. */
static bool may_be_prefixed(const struct utf8 *text)
{
	for (size_t i = 1; i < text->count; i++)
		if ((text->bytes[i] | 0x20) == 'x' &&
		    is_digit(text->bytes[i - 1]))
			return true;
	return false;
}

/* A string whose forms are not known, and what they are. */
struct unknown {
	const struct mf_string *string;
	struct utf8 text;
	struct mf_known_form form;
	bool has_shape, may_be_kept;
};

static void find_shape(const struct mf_string_counts *counts,
		       struct unknown *unknown)
{
	const struct utf8 *text = &unknown->text;
	uint8_t shape[MF_SHAPE_TEXT + WORD];
	size_t size =
		mf_shape_make(text->bytes, text->count, shape, MF_SHAPE_TEXT);

	if (!size)
		return;
	memset(shape + size, 0, WORD);
	unknown->has_shape = true;
	unknown->form.shape = mf_string_hash_bytes(shape, size, size);
	mf_sketch_expect(&counts->shapes, unknown->form.shape);
}

/* Keeps the text of a shape: most of what is seen once needs none. */
static void keep_shape(struct mf_string_counts *counts,
		       struct mf_sketch_item *item, const struct utf8 *text)
{
	uint8_t *room = mf_sketch_text(&counts->shapes, item);

	item->kept = (uint16_t)mf_shape_make(text->bytes, text->count, room,
					     MF_SHAPE_TEXT);
	memset(room + item->kept, 0, MF_SHAPE_TEXT - (size_t)item->kept);
	fill(room + MF_SHAPE_TEXT, MF_SHAPE_TEXT, text->bytes, text->count);
}

static void count_shape(struct mf_string_counts *counts,
			struct unknown *unknown)
{
	const struct mf_string *string = unknown->string;
	struct mf_sketch_item *item = mf_sketch_add(
		&counts->shapes,
		&(struct mf_sighting){ unknown->form.shape, string->address,
				       string->size });

	unknown->form.shape_item = (uint32_t)(item - counts->shapes.items);
	if (wants_text(item))
		keep_shape(counts, item, &unknown->text);
	note_varied(item, string, &unknown->text);
}

/* How many of the first eight bytes come before the first digit; 0: too few. */
static size_t before_digit(uint64_t first, size_t count)
{
	uint64_t digits = mf_digits_of(first);
	size_t at = digits ? (size_t)__builtin_ctzll(digits) / 8 : WORD;

	return at < LEAST_PREFIX || at >= count ? 0 : at;
}

/* How many of COUNT bytes are the same in both; eight behind are readable. */
static uint16_t common(const uint8_t *a, const uint8_t *b, size_t count)
{
	for (size_t at = 0; at < count; at += WORD) {
		uint64_t other =
			mf_eight_bytes(a + at) ^ mf_eight_bytes(b + at);

		if (other)
			return (uint16_t)MF_MIN(
				at + (size_t)__builtin_ctzll(other) / 8, count);
	}
	return (uint16_t)count;
}

/* ITEM, which was there, has what TEXT has in common with it. */
static void note_common(const struct mf_string_counts *counts,
			struct mf_sketch_item *item, const struct utf8 *text)
{
	item->kept =
		common(mf_sketch_text(&counts->prefixes, item), text->bytes,
		       MF_MIN((size_t)item->kept, text->count));
}

static void find_prefix(const struct mf_string_counts *counts,
			struct unknown *unknown)
{
	const struct utf8 *text = &unknown->text;
	uint64_t first = mf_eight_bytes(text->bytes);
	size_t size = before_digit(first, text->count);

	unknown->form.prefix_size = (uint32_t)size;
	if (!size)
		return;
	first = htole64(mf_few_bytes(text->bytes, size));
	unknown->form.prefix =
		mf_string_hash_bytes((const uint8_t *)&first, WORD, size);
	mf_sketch_expect(&counts->prefixes, unknown->form.prefix);
}

static void count_prefix(struct mf_string_counts *counts,
			 struct unknown *unknown)
{
	const struct mf_string *string = unknown->string;
	const struct utf8 *text = &unknown->text;
	struct mf_sketch_item *item = mf_sketch_add(
		&counts->prefixes,
		&(struct mf_sighting){ unknown->form.prefix, string->address,
				       string->size });

	unknown->form.prefix_item = (uint32_t)(item - counts->prefixes.items);
	note_varied(item, string, text);
	if (item->count > 1) {
		note_common(counts, item, text);
		return;
	}
	item->kept = (uint16_t)MF_MIN(text->count, (size_t)MF_PREFIX_TEXT);
	fill(mf_sketch_text(&counts->prefixes, item), MF_PREFIX_TEXT,
	     text->bytes, text->count);
}

/* The item at PLACE, if it still is that of HASH, and has a text. */
static struct mf_sketch_item *known_item(const struct mf_sketch *sketch,
					 uint32_t place, uint64_t hash)
{
	struct mf_sketch_item *item = &sketch->items[place];

	return item->hash == hash && item->kept ? item : NULL;
}

/* Counts a text whose forms are KNOWN; false: what they were is gone. */
static inline bool count_known(struct mf_string_counts *counts,
			       const struct mf_known_form *known,
			       const struct mf_string *string,
			       const struct utf8 *text)
{
	struct mf_sketch_item *shape = NULL, *prefix = NULL;

	if (known->shape_item != MF_FORM_NONE) {
		shape = known_item(&counts->shapes, known->shape_item,
				   known->shape);
		if (!shape)
			return false;
	}
	if (known->prefix_item != MF_FORM_NONE) {
		prefix = known_item(&counts->prefixes, known->prefix_item,
				    known->prefix);
		if (!prefix)
			return false;
		mf_sketch_add_to(&counts->prefixes, known->prefix_item,
				 string->address, string->size);
		note_varied(prefix, string, text);
		/* so much all that it counts have in common */
		if (prefix->kept > known->prefix_size)
			note_common(counts, prefix, text);
	}
	if (shape) {
		mf_sketch_add_to(&counts->shapes, known->shape_item,
				 string->address, string->size);
		note_varied(shape, string, text);
	}
	return true;
}

/* Counts TEXT by shape and beginning, or says in *ret what is not known of it.
 */
static bool count_forms(struct mf_string_counts *counts,
			const struct mf_string *string, const struct utf8 *text,
			struct unknown *ret)
{
	uint64_t folded = string->folded;
	bool digits = string->digits;
	const struct mf_known_form *known;

	if (!mf_string_is_short(string))
		digits = mf_string_hash_folded(text->bytes, text->count,
					       &folded);
	known = &counts->known[folded % MF_KNOWN_FORMS];

	if (known->folded == folded && count_known(counts, known, string, text))
		return true;
	*ret = (struct unknown){
		.string = string,
		.text = *text,
		.form = { .folded = folded,
			  .shape_item = MF_FORM_NONE,
			  .prefix_item = MF_FORM_NONE },
		.may_be_kept = !digits || !may_be_prefixed(text),
	};
	if (digits)
		find_shape(counts, ret);
	find_prefix(counts, ret);
	return false;
}

static void expect_prefix(const struct mf_sketch *prefixes, uint64_t hash)
{
	size_t at = mf_sketch_expect_item(prefixes, hash);

	__builtin_prefetch(mf_sketch_text(prefixes, &prefixes->items[at]), 1);
}

/* Counts what is not known, and keeps it in mind. */
static void count_unknown(struct mf_string_counts *counts,
			  struct unknown *unknown, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct mf_known_form *form = &unknown[i].form;

		if (unknown[i].has_shape)
			mf_sketch_expect_item(&counts->shapes, form->shape);
		if (form->prefix_size)
			expect_prefix(&counts->prefixes, form->prefix);
	}
	for (size_t i = 0; i < count; i++) {
		const struct mf_known_form *form = &unknown[i].form;

		if (unknown[i].has_shape)
			count_shape(counts, &unknown[i]);
		if (form->prefix_size)
			count_prefix(counts, &unknown[i]);
		if (unknown[i].may_be_kept)
			counts->known[form->folded % MF_KNOWN_FORMS] = *form;
	}
}

static void count_wide_forms(struct mf_string_counts *counts,
			     const struct mf_string *string)
{
	uint8_t narrow[MF_STRING_FORM + MF_STRING_SLACK];
	struct utf8 text = { narrow, 0 };
	struct unknown unknown;

	text.count = mf_string_utf8(string, narrow, MF_STRING_FORM);
	memset(narrow + text.count, 0, 2 * WORD);
	if (!count_forms(counts, string, &text, &unknown))
		count_unknown(counts, &unknown, 1);
}

static void count_all_forms(struct mf_string_counts *counts,
			    const struct mf_string *strings, size_t count)
{
	struct unknown unknown[MF_STRING_BATCH];
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		const struct mf_string *string = &strings[i];
		uint64_t size = MF_MIN(string->size, (uint64_t)MF_STRING_FORM);
		const struct utf8 text = { string->head, (size_t)size };

		if (string->key)
			continue;
		if (string->encoding == MF_STRING_UTF16)
			count_wide_forms(counts, string);
		else
			left += !count_forms(counts, string, &text,
					     &unknown[left]);
	}
	count_unknown(counts, unknown, left);
}

/* Each sketch in its turn: what it needs comes while others are looked at. */
void mf_string_counts_add(struct mf_string_counts *counts,
			  const struct mf_string *strings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mf_string_total *total =
			&counts->totals[strings[i].encoding];

		total->count++;
		total->bytes += strings[i].size;
		mf_sketch_expect(&counts->texts, strings[i].hash);
		__builtin_prefetch(
			&counts->known[strings[i].folded % MF_KNOWN_FORMS]);
	}
	count_all_forms(counts, strings, count);
	for (size_t i = 0; i < count; i++)
		count_text(counts, &strings[i]);
}

/* ---- sums ---------------------------------------------------------------- */

void mf_string_sums_init(struct mf_string_sums *sums)
{
	*sums = (struct mf_string_sums){ 0 };
	mf_sketch_sum_init(&sums->texts, MF_STRING_SETS, MF_STRING_TEXT);
	mf_sketch_sum_init(&sums->shapes, MF_SHAPE_SETS, 2 * MF_SHAPE_TEXT);
	mf_sketch_sum_init(&sums->prefixes, MF_PREFIX_SETS, MF_PREFIX_TEXT);
}

void mf_string_sums_deinit(struct mf_string_sums *sums)
{
	mf_sketch_sum_deinit(&sums->texts);
	mf_sketch_sum_deinit(&sums->shapes);
	mf_sketch_sum_deinit(&sums->prefixes);
}

/* The example at the lowest address is shown, whoever saw it. */
static void join_shapes(struct mf_sketch_item *a, uint8_t *text,
			const struct mf_sketch_item *b, const uint8_t *other)
{
	int order = memcmp(text + MF_SHAPE_TEXT, other + MF_SHAPE_TEXT,
			   MF_SHAPE_TEXT);

	if (order)
		a->flags |= MF_STRING_VARIED;
	if (b->first < a->first)
		memcpy(text + MF_SHAPE_TEXT, other + MF_SHAPE_TEXT,
		       MF_SHAPE_TEXT);
}

static void join_prefixes(struct mf_sketch_item *a, uint8_t *text,
			  const struct mf_sketch_item *b, const uint8_t *other)
{
	size_t both = MF_MIN(a->kept, b->kept);
	uint16_t same = common(text, other, both);

	if (same < MF_MAX(a->kept, b->kept) || a->size != b->size)
		a->flags |= MF_STRING_VARIED;
	a->kept = same;
}

void mf_string_sums_add(struct mf_string_sums *sums,
			const struct mf_string_counts *counts)
{
	for (size_t i = 0; i < MF_STRING_ENCODINGS; i++) {
		sums->totals[i].count += counts->totals[i].count;
		sums->totals[i].bytes += counts->totals[i].bytes;
	}
	mf_sketch_sum_add(&sums->texts, &counts->texts, NULL);
	mf_sketch_sum_add(&sums->shapes, &counts->shapes, join_shapes);
	mf_sketch_sum_add(&sums->prefixes, &counts->prefixes, join_prefixes);
}

/* What has no text is not shown; and most of what was seen once has none. */
static void drop_textless(struct mf_sketch_sum *sum)
{
	size_t left = 0;

	for (size_t i = 0; i < sum->count; i++)
		if (sum->items[i].kept)
			sum->items[left++] = sum->items[i];
	sum->count = left;
}

void mf_string_sums_finish(struct mf_string_sums *sums)
{
	drop_textless(&sums->texts);
	drop_textless(&sums->shapes);
	mf_string_sum_unlead(&sums->shapes, MF_SHAPE_TEXT);
	mf_string_sum_unlead(&sums->prefixes, 0);
	mf_string_sum_strip(&sums->shapes, MF_SHAPE_TEXT, false);
	mf_string_sum_strip(&sums->shapes, MF_SHAPE_TEXT, true);
	mf_string_sum_strip(&sums->prefixes, 0, true);
	mf_sketch_sum_sort(&sums->texts);
	mf_sketch_sum_sort(&sums->shapes);
	mf_sketch_sum_sort(&sums->prefixes);
}
