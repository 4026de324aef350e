/*
 * Text and hexadecimal patterns with wildcards. Two bytes that are seldom in
 * memory are compared at many places at once; the rest where both are right.
 */
#include <ctype.h>

#include "base/memory.h"
#include "scan/patterns.h"

typedef uint8_t lanes __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));

enum {
	LANES = 16,
	FULL = 0xff,
};

/* ---- compiling ------------------------------------------------------------------- */

/* How seldom a byte is, roughly: in heaps zeros and text prevail. */
static unsigned seldom(uint8_t byte)
{
	if (byte == 0)
		return 0;
	if (byte == 0xff || byte == ' ' || byte == 1 || byte == 'e')
		return 1;
	if (islower(byte) || byte < 0x20)
		return 2;
	if (isalnum(byte))
		return 3;
	return 4;
}

static void choose_anchors(struct mf_needle *needle)
{
	unsigned best[2] = { 0, 0 };

	for (size_t i = 0; i < needle->size; i++) {
		unsigned rank = seldom(needle->value[i]) + 1;

		needle->masked |= needle->mask[i] != FULL;
		if (needle->mask[i] != FULL)
			continue;
		if (rank > best[0]) {
			best[1] = best[0];
			needle->anchors[1] = needle->anchors[0];
			best[0] = rank;
			needle->anchors[0] = i;
		} else if (rank > best[1]) {
			best[1] = rank;
			needle->anchors[1] = i;
		}
	}
	needle->anchored = best[0] > 0;
	if (!best[1])
		needle->anchors[1] = needle->anchors[0];
}

struct mf_error *mf_needle_from_text(const char *text, struct mf_needle *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = strlen(text);
	if (!ret->size || ret->size > MF_PATTERN_LONGEST)
		return mf_error_why(
			mf_error_create(MF_ERROR_USAGE,
					"this text cannot be looked for"),
			ret->size ? "it is longer than %d bytes"
				  : "it is empty",
			MF_PATTERN_LONGEST);
	memcpy(ret->value, text, ret->size);
	memset(ret->mask, FULL, ret->size);
	choose_anchors(ret);
	return NULL;
}

static struct mf_error *bad_hex(const char *text, const char *why)
{
	struct mf_error *error = mf_error_create(
		MF_ERROR_USAGE, "\"%s\" is no hexadecimal pattern", text);

	mf_error_why(error, "%s", why);
	return mf_error_hint(error, "--hex 'de ad ?? e?'");
}

static unsigned digit_value(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0')
					 : (unsigned)(tolower(c) - 'a' + 10);
}

/* Takes one digit or question mark; false: it is neither. */
static bool take_digit(char c, uint8_t *value, uint8_t *mask)
{
	if (c != '?' && !isxdigit((unsigned char)c))
		return false;
	*value = (uint8_t)(*value << 4);
	*mask = (uint8_t)(*mask << 4);
	if (c != '?') {
		*value |= (uint8_t)digit_value(c);
		*mask |= 0xf;
	}
	return true;
}

struct mf_error *mf_needle_from_hex(const char *text, struct mf_needle *ret)
{
	const char *at = text;
	bool any = false;

	memset(ret, 0, sizeof(*ret));
	while (*at) {
		size_t i = ret->size;

		if (isspace((unsigned char)*at)) {
			at++;
			continue;
		}
		if (i == MF_PATTERN_LONGEST)
			return bad_hex(text, "it is longer than 4096 bytes");
		if (!take_digit(at[0], &ret->value[i], &ret->mask[i]) ||
		    !take_digit(at[1], &ret->value[i], &ret->mask[i]))
			return bad_hex(text, "a byte is two digits, each of "
					     "which may be a question mark");
		any |= ret->mask[i] != 0;
		ret->size++;
		at += 2;
	}
	if (!any)
		return bad_hex(text, "it says of no byte what it is");
	choose_anchors(ret);
	return NULL;
}

/* ---- finding ---------------------------------------------------------------------- */

static bool stands_at(const struct mf_needle *needle, const uint8_t *bytes)
{
	if (!needle->masked)
		return memcmp(bytes, needle->value, needle->size) == 0;
	for (size_t i = 0; i < needle->size; i++)
		if ((bytes[i] & needle->mask[i]) != needle->value[i])
			return false;
	return true;
}

static inline lanes all_of(uint8_t byte)
{
	return (lanes){ 0 } + byte;
}

/* Whether both anchors stand at one of LANES places or more. */
static inline bool any_of(const uint8_t *first, const uint8_t *second, lanes a,
			  lanes b)
{
	words both = (words)((mf_load(lanes, first) == a) &
			     (mf_load(lanes, second) == b));

	return (both[0] | both[1]) != 0;
}

size_t mf_needle_find(const struct mf_needle *needle, const uint8_t *bytes,
		      size_t from, size_t size)
{
	const uint8_t *first = bytes + needle->anchors[0];
	const uint8_t *second = bytes + needle->anchors[1];
	lanes a = all_of(needle->value[needle->anchors[0]]);
	lanes b = all_of(needle->value[needle->anchors[1]]);
	size_t places;

	if (size < needle->size)
		return size;
	places = size - needle->size + 1;
	for (size_t at = from; at < places; at += LANES) {
		size_t end = MF_MIN(at + LANES, places);

		if (needle->anchored && !any_of(first + at, second + at, a, b))
			continue;
		for (size_t i = at; i < end; i++)
			if (stands_at(needle, bytes + i))
				return i;
	}
	return size;
}
