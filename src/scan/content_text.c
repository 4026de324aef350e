/*
 * What kind of text a block of it is, told by marks that seldom stand anywhere
 * else: header lines, quoted keys, tags, times at the start of lines.
 */
#include <string.h>

#include "base/compiler.h"
#include "scan/content.h"

enum {
	LEAST_BYTES = 64, /* of a block that says anything */
	LEAST_HEADERS = 3,
	LEAST_KEYS = 3, /* of objects */
	LEAST_TAGS = 3,
	KEY_EACH = 48, /* bytes, one at least */
	TAG_EACH = 64,
	LEAST_TIMES = 2,
	TOKEN_MOST = 32, /* bytes of a header's name */
	TIME_BYTES = 24, /* what a time is told by, at most */
};

struct marks {
	unsigned lines, headers, times; /* at starts of lines */
	unsigned keys, tags, closed;
	unsigned upper, lower, digits, hexadecimal, base64;
	unsigned zeros, odd_zeros;
	unsigned bytes; /* that belong to it */
};

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

static bool is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/* ---- lines ----------------------------------------------------------------- */

/* "Name: value"; some servers write a NUL over the colon. */
static bool is_header(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *start = at;

	while (at < end && at - start < TOKEN_MOST &&
	       (is_letter(*at) || *at == '-'))
		at++;
	return at - start > 1 && at + 1 < end && (*at == ':' || !*at) &&
	       at[1] == ' ';
}

/* Digits as in SHAPE, which has a 0 for each. */
static bool is_shaped(const uint8_t *at, const char *shape)
{
	for (; *shape; shape++, at++)
		if (*shape == '0' ? !is_digit(*at) : *at != (uint8_t)*shape)
			return false;
	return true;
}

static bool is_month(const uint8_t *at)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (*at < 'A' || *at > 'S')
		return false;
	for (size_t i = 0; i < sizeof(months) - 1; i += 3)
		if (memcmp(at, months + i, 3) == 0)
			return at[3] == ' ';
	return false;
}

/* "2024-01-31", "31/Jan/2024", "Jan 31", "10:20:30", "10.0.0.1 - -" */
static bool is_time(const uint8_t *at, const uint8_t *end)
{
	static const char *const shapes[] = { "0000-00-00", "0000/00/00",
					      "00:00:00", "00/" };
	const uint8_t *dot = at;

	if (end - at < TIME_BYTES)
		return false;
	at += *at == '[';
	for (size_t i = 0; i < MF_ARRAY_SIZE(shapes) - 1; i++)
		if (is_shaped(at, shapes[i]))
			return true;
	if (is_month(at) || (is_shaped(at, shapes[3]) && is_letter(at[3])))
		return true;
	while (dot - at < TIME_BYTES - 3 && (is_digit(*dot) || *dot == '.'))
		dot++;
	return dot - at > 6 && memcmp(dot, " - ", 3) == 0;
}

/* ---- marks ------------------------------------------------------------------- */

/* Counts of a block, side by side: none of them is more than its bytes. */
enum {
	COUNT_BITS = 10,
	COUNT_MASK = (1 << COUNT_BITS) - 1,
};

_Static_assert((int)MF_CONTENT_BLOCK <= (int)COUNT_MASK, "a count has room");

enum counted {
	COUNT_UPPER,
	COUNT_LOWER,
	COUNT_DIGIT,
	COUNT_HEXADECIMAL,
	COUNT_BASE64,
	COUNT_ZERO,
};

#define ONE(counted) (UINT64_C(1) << COUNT_BITS * COUNT_##counted)
#define LETTER	     ONE(BASE64)
#define HEXADECIMAL  (ONE(HEXADECIMAL) | ONE(BASE64))

static const uint64_t ones[UINT8_MAX + 1] = {
	[0] = ONE(ZERO),
	['0' ... '9'] = ONE(DIGIT) | HEXADECIMAL,
	['A' ... 'F'] = ONE(UPPER) | HEXADECIMAL,
	['G' ... 'Z'] = ONE(UPPER) | LETTER,
	['a' ... 'f'] = ONE(LOWER) | HEXADECIMAL,
	['g' ... 'z'] = ONE(LOWER) | LETTER,
	['+'] = ONE(BASE64),
	['/'] = ONE(BASE64),
	['='] = ONE(BASE64),
	['-'] = ONE(BASE64),
	['_'] = ONE(BASE64),
};

static unsigned count_in(uint64_t sums, enum counted counted)
{
	return (unsigned)(sums >> COUNT_BITS * counted) & COUNT_MASK;
}

static void count_bytes(struct marks *marks, const uint8_t *text)
{
	uint64_t sums = 0, odd = 0;

	for (size_t i = 0; i < MF_CONTENT_BLOCK; i += 2) {
		sums += ones[text[i]];
		odd += ones[text[i + 1]];
	}
	marks->odd_zeros = count_in(odd, COUNT_ZERO);
	sums += odd;
	marks->upper = count_in(sums, COUNT_UPPER);
	marks->lower = count_in(sums, COUNT_LOWER);
	marks->digits = count_in(sums, COUNT_DIGIT);
	marks->hexadecimal = count_in(sums, COUNT_HEXADECIMAL);
	marks->base64 = count_in(sums, COUNT_BASE64);
	marks->zeros = count_in(sums, COUNT_ZERO);
}

/* ---- pairs ------------------------------------------------------------------- */

typedef uint8_t lanes __attribute__((vector_size(16)));

static lanes lanes_at(const uint8_t *text)
{
	lanes at;

	memcpy(&at, text, sizeof(at));
	return at;
}

/* The sum of all lanes, none of which is above 127. */
static unsigned sum_of(lanes values)
{
	const uint64_t pairs = UINT64_C(0x00ff00ff00ff00ff);
	uint64_t halves[2], sum;

	memcpy(halves, &values, sizeof(halves));
	sum = halves[0] + halves[1];
	sum = (sum & pairs) + (sum >> 8 & pairs);
	return (unsigned)(sum * UINT64_C(0x0001000100010001) >> 48);
}

/* What a byte says together with the one behind it. */
static void mark_pairs(struct marks *marks, const uint8_t *text)
{
	lanes keys = { 0 }, tags = { 0 }, closed = { 0 };

	for (size_t i = 0; i < MF_CONTENT_BLOCK; i += sizeof(lanes)) {
		lanes at = lanes_at(text + i), next = lanes_at(text + i + 1);
		lanes named = (lanes)((next | 0x20) - 'a' < 26) |
			      (lanes)(next == '/') | (lanes)(next == '!');

		keys -= (lanes)(at == '"') & (lanes)(next == ':');
		tags -= (lanes)(at == '<') & named;
		closed -= (lanes)(at == '>');
	}
	marks->keys = sum_of(keys);
	marks->tags = sum_of(tags);
	marks->closed = sum_of(closed);
}

/* TEXT has a byte behind it that may be read. */
static void mark(struct marks *marks, const uint8_t *text, size_t size)
{
	const uint8_t *end = text + size, *line = text;

	count_bytes(marks, text);
	mark_pairs(marks, text);
	while (line && line < end) {
		marks->lines++;
		marks->headers += is_header(line, end);
		marks->times += is_time(line, end);
		line = memchr(line, '\n', (size_t)(end - line));
		line = line ? line + 1 : NULL;
	}
}

/* Most texts do not have the first two letters of most words. */
static bool has(const uint8_t *text, size_t size, const char *words)
{
	lanes found = { 0 }, any = { 0 };
	uint64_t halves[2];

	if (!words[1])
		any = ~any;
	for (size_t i = 0; i < MF_CONTENT_BLOCK; i += sizeof(lanes)) {
		lanes at = lanes_at(text + i), next = lanes_at(text + i + 1);

		found |= (lanes)(at == (uint8_t)words[0]) &
			 ((lanes)(next == (uint8_t)words[1]) | any);
	}
	memcpy(halves, &found, sizeof(halves));
	return (halves[0] | halves[1]) &&
	       memmem(text, size, words, strlen(words)) != NULL;
}

static unsigned count(const uint8_t *text, size_t size, const char *words)
{
	const uint8_t *end = text + size, *at = text;
	unsigned found = 0;

	while ((at = memmem(at, (size_t)(end - at), words, strlen(words)))) {
		at++;
		found++;
	}
	return found;
}

/* Statements have lines to themselves, or share them with each other. */
static bool is_sql(const struct marks *marks, const uint8_t *text, size_t size)
{
	static const char *const pairs[][2] = {
		{ "SELECT ", " FROM " },      { "select ", " from " },
		{ "INSERT INTO ", "VALUES" }, { "insert into ", "values" },
		{ "UPDATE ", " SET " },	      { "update ", " set " },
		{ "CREATE TABLE ", "(" },     { "DELETE FROM ", " WHERE " },
	};
	unsigned statements = 0;

	for (size_t i = 0; i < MF_ARRAY_SIZE(pairs); i++)
		if (has(text, size, pairs[i][0]) &&
		    has(text, size, pairs[i][1]))
			statements += count(text, size, pairs[i][0]);
	return statements * 2 >= marks->lines;
}

/* ---- kinds -------------------------------------------------------------------- */

static const char *const names[MF_TEXTS] = {
	[MF_TEXT_HTTP] = "HTTP headers",
	[MF_TEXT_JSON] = "JSON",
	[MF_TEXT_MARKUP] = "XML or HTML",
	[MF_TEXT_LOG] = "log lines",
	[MF_TEXT_SQL] = "SQL",
	[MF_TEXT_HEX] = "hexadecimal digits",
	[MF_TEXT_BASE64] = "base64",
	[MF_TEXT_WIDE] = "UTF-16",
};

const char *mf_content_text_name(enum mf_content_text text)
{
	return names[text];
}

/* Lines of the same form are in many files: one of these has to be there. */
static bool is_http(const uint8_t *text, size_t size)
{
	static const char *const words[] = {
		"HTTP/1.",	"User-Agent",	  "user-agent", "Content-Type",
		"content-type", "Content-Length", "Connection", "Accept-",
		"accept-",	"Set-Cookie",	  "set-cookie",
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(words); i++)
		if (has(text, size, words[i]))
			return true;
	return false;
}

/* Of every 16 digits six are letters. */
static bool is_hexadecimal(const struct marks *marks, unsigned printed)
{
	unsigned letters = marks->upper + marks->lower;

	return marks->hexadecimal * 20 >= printed * 19 &&
	       letters > printed / 8 && marks->digits > printed / 4;
}

static bool is_base64(const struct marks *marks, unsigned printed)
{
	return marks->base64 * 50 >= printed * 49 && !marks->zeros &&
	       marks->upper > printed / 8 && marks->lower > printed / 8 &&
	       marks->digits > printed / 32;
}

static enum mf_content_text judge(const struct marks *marks,
				  const uint8_t *text, size_t size)
{
	unsigned printed = marks->bytes - marks->zeros;

	if (marks->odd_zeros * 3 > marks->bytes &&
	    (marks->zeros - marks->odd_zeros) * 4 < marks->odd_zeros)
		return MF_TEXT_WIDE;
	if (marks->headers >= LEAST_HEADERS &&
	    marks->headers * 2 >= marks->lines && is_http(text, size))
		return MF_TEXT_HTTP;
	if (marks->keys >= LEAST_KEYS && marks->keys * KEY_EACH >= printed)
		return MF_TEXT_JSON;
	if (marks->tags >= LEAST_TAGS && marks->closed >= LEAST_TAGS &&
	    marks->tags * TAG_EACH >= printed)
		return MF_TEXT_MARKUP;
	if (marks->times >= LEAST_TIMES && marks->times * 2 >= marks->lines)
		return MF_TEXT_LOG;
	if (is_sql(marks, text, size))
		return MF_TEXT_SQL;
	if (printed >= LEAST_BYTES && is_hexadecimal(marks, printed))
		return MF_TEXT_HEX;
	if (printed >= LEAST_BYTES && is_base64(marks, printed))
		return MF_TEXT_BASE64;
	return MF_TEXT_OTHER;
}

enum mf_content_text mf_content_text_of(const uint8_t *block, uint64_t used,
					unsigned *printed)
{
	uint8_t text[MF_CONTENT_BLOCK + 1];
	struct marks marks = { 0 };

	memcpy(text, block, MF_CONTENT_BLOCK);
	text[MF_CONTENT_BLOCK] = 0;
	for (size_t i = 0; i < MF_CONTENT_WORDS; i++) {
		if (used >> i & 1)
			marks.bytes += sizeof(uint64_t);
		else
			memset(text + i * sizeof(uint64_t), 0,
			       sizeof(uint64_t));
	}
	mark(&marks, text, MF_CONTENT_BLOCK);
	/* what is not part of it was cleared */
	marks.zeros -= MF_CONTENT_BLOCK - marks.bytes;
	marks.odd_zeros -= (MF_CONTENT_BLOCK - marks.bytes) / 2;
	*printed = marks.bytes - marks.zeros;
	if (marks.bytes < LEAST_BYTES)
		return MF_TEXT_OTHER;
	return judge(&marks, text, MF_CONTENT_BLOCK);
}
