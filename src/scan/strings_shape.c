/*
 * Shapes: a text whose numbers, hexadecimal digits, UUIDs and times are folded,
 * so that all keys of one kind are one.
 */
#include "scan/strings.h"
#include "scan/strings_digits.h"

enum {
	MARK_NUMBER = 1,
	MARK_HEX,
	MARK_UUID,
	MARK_TIME,
	MARK_ID,
	MARKS,
	LEAST_HEX = 8, /* digits with letters among them that are folded */
	LEAST_ID = 20, /* letters and digits that nobody would say aloud */
	LEAST_TURNS = 4,
	UUID = 36,
	UUID_FIRST = 8,
	DATE = 10,
	YEAR = 4, /* digits that each of these begins with */
	HOUR = 2,
};

const char *mf_shape_mark(uint8_t byte)
{
	static const char *const names[MARKS] = {
		[MARK_NUMBER] = "<number>", [MARK_HEX] = "<hex>",
		[MARK_UUID] = "<uuid>",	    [MARK_TIME] = "<time>",
		[MARK_ID] = "<id>",
	};

	return byte < MARKS ? names[byte] : NULL;
}

enum {
	DIGIT = 1,
	LETTER = 2,
	HEX = 4, /* a letter that is a digit, too */
};

static const uint8_t classes[UINT8_MAX + 1] = {
	['0' ... '9'] = DIGIT,	['a' ... 'f'] = LETTER | HEX,
	['g' ... 'z'] = LETTER, ['A' ... 'F'] = LETTER | HEX,
	['G' ... 'Z'] = LETTER,
};

static inline unsigned class_of(uint8_t byte)
{
	return classes[byte];
}

/* TEXT looks like PATTERN, of SIZE: 0 is a digit, x a hexadecimal one. */
static bool is_like(const uint8_t *text, size_t count, const char *pattern,
		    size_t size)
{
	if (count < size)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned class = class_of(text[i]);

		if (pattern[i] == 'x'	? !(class & (DIGIT | HEX))
		    : pattern[i] == '0' ? class != DIGIT
					: text[i] != (uint8_t)pattern[i])
			return false;
	}
	return true;
}

#define LOOKS_LIKE(text, count, literal) \
	is_like((text), (count), literal, sizeof(literal) - 1)

/* Bytes of a time of day, fractions and the zone with it. */
static size_t time_length(const uint8_t *text, size_t count)
{
	size_t at = 8;

	if (!LOOKS_LIKE(text, count, "00:00:00"))
		return 0;
	if (at < count && (text[at] == '.' || text[at] == ',') &&
	    at + 1 < count && class_of(text[at + 1]) == DIGIT)
		for (at++; at < count && class_of(text[at]) == DIGIT;)
			at++;
	if (at < count && text[at] == 'Z')
		return at + 1;
	if (at < count && (text[at] == '+' || text[at] == '-') &&
	    (LOOKS_LIKE(text + at + 1, count - at - 1, "00:00") ||
	     LOOKS_LIKE(text + at + 1, count - at - 1, "0000")))
		at += text[at + 3] == ':' ? 6 : 5;
	return at;
}

static size_t date_length(const uint8_t *text, size_t count)
{
	size_t time;

	if (!LOOKS_LIKE(text, count, "0000-00-00") &&
	    !LOOKS_LIKE(text, count, "0000/00/00"))
		return 0;
	if (count <= DATE + 1 || (text[DATE] != 'T' && text[DATE] != ' '))
		return DATE;
	time = time_length(text + DATE + 1, count - DATE - 1);
	return time ? DATE + 1 + time : DATE;
}

/* A run of letters and digits: what it begins with, and what is in it. */
struct token {
	size_t size, digits, turns; /* from digit to letter or back */
	bool hex;		    /* all of them are digits of that */
};

static struct token token_at(const uint8_t *text, size_t count)
{
	struct token token = { .hex = true };
	unsigned last = 0;

	for (; token.size < count; token.size++) {
		unsigned class = class_of(text[token.size]);

		if (!class)
			break;
		token.hex &= class != LETTER;
		token.digits += class == DIGIT;
		token.turns += last && (class == DIGIT) != (last == DIGIT);
		last = class;
	}
	return token;
}

/* What is being folded. */
struct fold {
	const uint8_t *text;
	size_t count, at;
	uint8_t *made;
	size_t size, room;
	bool any;
};

static void put(struct fold *fold, uint8_t byte, size_t read)
{
	fold->any |= byte < MARKS;
	if (fold->size < fold->room)
		fold->made[fold->size++] = byte;
	fold->at += read;
}

/* Letters as they are, digits folded. */
static void put_mixed(struct fold *fold, size_t end)
{
	while (fold->at < end) {
		size_t digits = 0;

		while (fold->at + digits < end &&
		       class_of(fold->text[fold->at + digits]) == DIGIT)
			digits++;
		if (digits)
			put(fold, MARK_NUMBER, digits);
		else
			put(fold, fold->text[fold->at], 1);
	}
}

/* A number may go on behind a point: so do versions and addresses. */
static size_t number_length(const uint8_t *text, size_t count, size_t size)
{
	while (size + 1 < count && text[size] == '.') {
		struct token next = token_at(text + size + 1, count - size - 1);

		if (!next.size || next.digits != next.size)
			break;
		size += 1 + next.size;
	}
	return size;
}

/* 0x and digits. */
static bool is_prefixed(const uint8_t *text, const struct token *token)
{
	return token->size > 2 && text[0] == '0' && (text[1] | 0x20) == 'x' &&
	       token_at(text + 2, token->size - 2).hex;
}

/* Bytes of a date or time of day that begins with TOKEN, a number. */
static size_t moment_length(const uint8_t *text, size_t count,
			    const struct token *token)
{
	if (token->size == YEAR)
		return date_length(text, count);
	return token->size == HOUR ? time_length(text, count) : 0;
}

/* The mark that stands for TOKEN, and all that belongs to it; 0: none. */
static uint8_t mark_of(const uint8_t *text, size_t count,
		       const struct token *token, size_t *length)
{
	*length = UUID;
	if (token->hex && token->size == UUID_FIRST &&
	    LOOKS_LIKE(text, count, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return MARK_UUID;
	if (!token->digits)
		return 0;
	*length = token->size;
	if (token->digits == token->size) {
		*length = moment_length(text, count, token);
		if (*length)
			return MARK_TIME;
		*length = number_length(text, count, token->size);
		return MARK_NUMBER;
	}
	if ((token->hex && token->size >= LEAST_HEX) ||
	    is_prefixed(text, token))
		return MARK_HEX;
	return token->size >= LEAST_ID && token->turns >= LEAST_TURNS ? MARK_ID
								      : 0;
}

static void put_token(struct fold *fold, const struct token *token)
{
	size_t length;
	uint8_t mark = mark_of(fold->text + fold->at, fold->count - fold->at,
			       token, &length);

	if (mark)
		put(fold, mark, length);
	else
		put_mixed(fold, fold->at + token->size);
}

/* Where the next digit is, from AT on; or COUNT. */
static size_t next_digit(const uint8_t *text, size_t at, size_t count)
{
	for (; at + 8 <= count; at += 8) {
		uint64_t digits = mf_digits_of(mf_eight_bytes(text + at));

		if (digits)
			return at + (size_t)__builtin_ctzll(digits) / 8;
	}
	while (at < count && class_of(text[at]) != DIGIT)
		at++;
	return at;
}

/* Where the token begins, at FIRST or behind it, that has the digit at AT. */
static size_t token_start(const uint8_t *text, size_t first, size_t at)
{
	while (at > first && class_of(text[at - 1]))
		at--;
	/* a UUID may begin with letters alone */
	if (at > first + UUID_FIRST && text[at - 1] == '-')
		for (at--; at > first && class_of(text[at - 1]);)
			at--;
	return at;
}

/* What has no digit, as it is. */
static void put_plain(struct fold *fold, size_t end)
{
	size_t count = MF_MIN(end - fold->at, fold->room - fold->size);

	for (size_t i = 0; i < count; i++) {
		uint8_t byte = fold->text[fold->at + i];

		fold->made[fold->size + i] = byte < ' ' ? ' ' : byte;
	}
	fold->size += count;
	fold->at = end;
}

size_t mf_shape_make(const uint8_t *text, size_t count, uint8_t *ret,
		     size_t size)
{
	struct fold fold = { .text = text, .count = count, .room = size };

	fold.made = ret;
	while (fold.at < count && fold.size < size) {
		size_t digit = next_digit(text, fold.at, count);
		struct token token;

		if (digit == count && !fold.any)
			return 0;
		put_plain(&fold, digit == count
					 ? count
					 : token_start(text, fold.at, digit));
		token = token_at(text + fold.at, count - fold.at);
		if (token.size)
			put_token(&fold, &token);
	}
	/* one that blanks end would look the same */
	while (fold.size && ret[fold.size - 1] == ' ')
		fold.size--;
	return fold.any ? fold.size : 0;
}
