/*
 * What the first bytes of something look like: a signature, text, or numbers.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "scan/explain.h"
#include "scan/signatures.h"

enum {
	LEAST_TEXT = 4, /* characters, when a zero ends them */
	SURE_TEXT = 16, /* when something else does */
};

/* ---- signatures ------------------------------------------------------------ */

static bool has_magic(const struct mf_signature *row, const uint8_t *bytes,
		      size_t size)
{
	return (size_t)row->at + row->size <= size &&
	       memcmp(bytes + row->at, row->magic, row->size) == 0;
}

static bool try_signature(const struct mf_signature *row, struct mf_sign *sign,
			  struct mf_explained *item)
{
	struct mf_sign_found found = { .detailed = true, .count = 1 };

	if (!has_magic(row, sign->bytes, sign->size) ||
	    row->decode(sign, &found) != MF_SIGN_IS)
		return false;
	item->signature = row->name;
	item->signature_size = found.bytes;
	found.detail[MF_SIGN_DETAIL - 1] = '\0';
	if (*found.detail && !row->secret)
		item->signature_detail = mf_strdup(found.detail);
	return true;
}

static void find_signature(struct mf_explained *item, const uint8_t *bytes,
			   size_t size, uint64_t room)
{
	struct mf_inflater *inflater = mf_inflater_create();
	size_t effort = MF_SIGN_EFFORT, count;
	const struct mf_signature *rows = mf_signatures(&count);
	struct mf_sign sign = {
		.bytes = bytes,
		.size = size,
		.more = false,
		.room = room,
		.rest = room,
		.inflater = inflater,
		.effort = &effort,
	};

	for (size_t i = 0; i < count; i++)
		if (try_signature(&rows[i], &sign, item))
			break;
	mf_inflater_destroy(inflater);
}

/* ---- text ------------------------------------------------------------------ */

static bool is_text_byte(uint8_t byte)
{
	return isprint(byte) || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Of a character of UTF-8 that begins at BYTES; 0: it is none. */
static size_t character(const uint8_t *bytes, size_t size)
{
	size_t length;

	if (is_text_byte(*bytes))
		return 1;
	length = (*bytes & 0xe0) == 0xc0   ? 2
		 : (*bytes & 0xf0) == 0xe0 ? 3
		 : (*bytes & 0xf8) == 0xf0 ? 4
					   : 0;
	if (!length || length > size || *bytes == 0xc0 || *bytes == 0xc1)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static size_t text_length(const uint8_t *bytes, size_t size)
{
	size_t at = 0, length;

	while (at < size && (length = character(bytes + at, size - at)))
		at += length;
	return at;
}

static size_t wide_length(const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (at + 1 < size && is_text_byte(bytes[at]) && !bytes[at + 1])
		at += 2;
	return at;
}

/* Code and numbers have a few such bytes, too. */
static bool is_text(const uint8_t *bytes, size_t size, size_t length)
{
	bool ends = length == size || bytes[length] == 0;

	return length >= (ends ? LEAST_TEXT : SURE_TEXT);
}

/* Secrets are masked in all of it, before it is cut. */
static void take_text(struct mf_explained *item, char *text, size_t length,
		      unsigned how)
{
	item->secrets = mf_secret_mask(text, length, how);
	text[MF_MIN(length, (size_t)MF_EXPLAIN_SHOWN)] = '\0';
	item->text = text;
}

static char *narrow(const uint8_t *bytes, size_t length)
{
	char *text = mf_calloc(length / 2 + 1, 1);

	for (size_t i = 0; i < length / 2; i++)
		text[i] = (char)bytes[2 * i];
	return text;
}

static char *print_numbers(const uint8_t *bytes, size_t size)
{
	struct mf_buffer text = { 0 };

	for (size_t i = 0; i < size && i < MF_EXPLAIN_HEX; i++)
		mf_buffer_printf(&text, "%s%02x", i && i % 8 == 0 ? " " : "",
				 bytes[i]);
	return mf_buffer_take(&text);
}

/* ---- further in -------------------------------------------------------------- */

/* Where the text begins that byte AT is in, or AT: it is in none. */
static size_t text_start(const uint8_t *bytes, size_t size, size_t at)
{
	size_t start = at, length;

	while (start &&
	       (is_text_byte(bytes[start - 1]) || bytes[start - 1] >= 0x80))
		start--;
	while (start < at) {
		length = text_length(bytes + start, size - start);
		if (start + length > at)
			break;
		start += length + 1;
	}
	return MF_MIN(start, at);
}

static size_t wide_start(const uint8_t *bytes, size_t at)
{
	while (at >= 2 && is_text_byte(bytes[at - 2]) && !bytes[at - 1])
		at -= 2;
	return at;
}

/* TEXT, of which byte AT is the first to be shown; secrets are masked in all of
 * it. */
static void take_here(struct mf_explained *item, char *text, size_t length,
		      size_t at, unsigned how)
{
	item->secrets += mf_secret_mask(text, length, how);
	while (at < length && ((uint8_t)text[at] & 0xc0) == 0x80)
		at++;
	item->here_goes_on = length - at > MF_EXPLAIN_SHOWN;
	item->here = mf_strndup(text + at,
				MF_MIN(length - at, (size_t)MF_EXPLAIN_SHOWN));
	free(text);
}

void mf_explain_bytes_at(struct mf_explained *item, const uint8_t *bytes,
			 size_t size, size_t at, bool redact)
{
	size_t start = text_start(bytes, size, at),
	       from = wide_start(bytes, at);
	size_t length = text_length(bytes + start, size - start);
	size_t wide = wide_length(bytes + from, size - from);
	unsigned how = (redact ? MF_MASK_ALL : MF_MASK_KEYS) | MF_MASK_CUT;

	if (start + length > at &&
	    is_text(bytes + start, size - start, length)) {
		item->here_is = MF_BYTES_TEXT;
		take_here(item, mf_strndup((const char *)bytes + start, length),
			  length, at - start, how);
	} else if (from + wide > at && wide >= 2 * (size_t)LEAST_TEXT) {
		item->here_is = MF_BYTES_WIDE;
		take_here(item, narrow(bytes + from, wide), wide / 2,
			  (at - from) / 2, how);
	} else {
		item->here_is = MF_BYTES_OTHER;
		item->here = print_numbers(bytes + at, size - at);
	}
}

/* ---- all of it --------------------------------------------------------------- */

bool mf_explain_is_masked(const struct mf_explained *item)
{
	size_t count;
	const struct mf_signature *rows = mf_signatures(&count);

	for (size_t i = 0; item->signature && i < count; i++)
		if (rows[i].secret && rows[i].name == item->signature)
			return true;
	return false;
}

void mf_explain_bytes(struct mf_explained *item, const uint8_t *bytes,
		      size_t size, uint64_t room, bool redact)
{
	size_t length = text_length(bytes, size);
	size_t wide = wide_length(bytes, size);
	unsigned how = (redact ? MF_MASK_ALL : MF_MASK_KEYS) |
		       (size < room ? MF_MASK_CUT : 0);

	find_signature(item, bytes, size, room);
	if (mf_explain_is_masked(item)) {
		item->text = mf_strdup("(masked)");
		item->bytes_are = MF_BYTES_OTHER;
		item->secrets = 1;
	} else if (is_text(bytes, size, length) && length >= wide / 2) {
		item->bytes_are = MF_BYTES_TEXT;
		item->text_size = length;
		take_text(item, mf_strndup((const char *)bytes, length), length,
			  how);
	} else if (wide >= 2 * (size_t)LEAST_TEXT) {
		item->bytes_are = MF_BYTES_WIDE;
		item->text_size = wide;
		take_text(item, narrow(bytes, wide), wide / 2, how);
	} else {
		item->bytes_are = MF_BYTES_OTHER;
		item->text = print_numbers(bytes, size);
	}
}
