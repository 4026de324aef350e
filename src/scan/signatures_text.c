/*
 * Formats that people read: JSON (parsed, not guessed), XML, HTML, and the heads
 * of HTTP messages, also as servers leave them that write NULs into their
 * buffers.
 */
#include <endian.h>
#include <stdio.h>
#include <strings.h>

#include "base/escape.h"
#include "scan/signatures.h"

/* ---- JSON ------------------------------------------------------------------------ */

enum {
	JSON_DEPTH = 64,
	JSON_PARTS = 2, /* of one that is cut off; else one will do */
};

/* What may stand next. */
enum json_state {
	JSON_VALUE,
	JSON_FIRST_VALUE, /* or the end of the array */
	JSON_FIRST_KEY,	  /* or the end of the object */
	JSON_KEY,
	JSON_COLON,
	JSON_AFTER, /* a comma or the end of what is open */
	JSON_DONE,
};

struct json {
	const uint8_t *bytes;
	size_t at, size;
	enum json_state state;
	unsigned depth, parts;
	bool starved;	  /* out of bytes in the middle of something */
	uint64_t objects; /* a bit a level: an object, not an array */
};

static bool is_one_of(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

/* A string from its opening quote on. */
static bool json_string(struct json *json)
{
	size_t at = json->at + 1;

	while (at < json->size && json->bytes[at] != '"') {
		size_t length;

		if (json->bytes[at] < ' ')
			return false;
		if (json->bytes[at] == '\\') {
			if (at + 1 == json->size)
				break;
			if (!is_one_of(json->bytes[at + 1], "\"\\/bfnrtu"))
				return false;
			at += 2;
			continue;
		}
		length =
			json->bytes[at] < 0x80
				? 1
				: mf_utf8_length((const char *)json->bytes + at,
						 json->size - at);
		if (!length && json->size - at < 4)
			break;
		if (!length)
			return false;
		at += length;
	}
	json->starved = at >= json->size || json->bytes[at] != '"';
	json->at = json->starved ? json->size : at + 1;
	return true;
}

static bool json_number(struct json *json)
{
	size_t at = json->at, digits = 0;

	while (at < json->size && (mf_sign_is_digit(json->bytes[at]) ||
				   is_one_of(json->bytes[at], "+-.eE")))
		digits += mf_sign_is_digit(json->bytes[at++]);
	json->starved = at == json->size;
	if ((!digits && !json->starved) || at - json->at > 40)
		return false;
	json->at = at;
	return true;
}

static bool json_word(struct json *json)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < MF_ARRAY_SIZE(words); i++) {
		size_t length = strlen(words[i]);
		size_t there = MF_MIN(length, json->size - json->at);

		if (memcmp(json->bytes + json->at, words[i], there) != 0)
			continue;
		json->starved = there < length;
		json->at += length;
		return true;
	}
	return false;
}

static bool json_open(struct json *json, bool object)
{
	if (json->depth == JSON_DEPTH)
		return false;
	json->objects = json->objects << 1 | (object ? 1 : 0);
	json->depth++;
	json->at++;
	json->state = object ? JSON_FIRST_KEY : JSON_FIRST_VALUE;
	return true;
}

static bool json_close(struct json *json, uint8_t c)
{
	if ((json->objects & 1) != (c == '}'))
		return false;
	json->objects >>= 1;
	json->depth--;
	json->at++;
	json->state = json->depth ? JSON_AFTER : JSON_DONE;
	return true;
}

static bool json_value(struct json *json, uint8_t c)
{
	bool good;

	if (c == '{' || c == '[')
		return json_open(json, c == '{');
	json->state = JSON_AFTER;
	json->parts++;
	if (c == '"')
		good = json_string(json);
	else if (c == '-' || (c >= '0' && c <= '9'))
		good = json_number(json);
	else
		good = json_word(json);
	return good;
}

/* Takes one token; false: that can't be. */
static bool json_step(struct json *json, uint8_t c)
{
	switch (json->state) {
	case JSON_FIRST_VALUE:
		if (c == ']')
			return json_close(json, c);
		return json_value(json, c);
	case JSON_VALUE:
		return json_value(json, c);
	case JSON_FIRST_KEY:
		if (c == '}')
			return json_close(json, c);
		__attribute__((fallthrough));
	case JSON_KEY:
		json->state = JSON_COLON;
		return c == '"' && json_string(json);
	case JSON_COLON:
		json->at++;
		json->state = JSON_VALUE;
		json->parts++;
		return c == ':';
	case JSON_AFTER:
		if (c == '}' || c == ']')
			return json_close(json, c);
		json->at++;
		json->state = json->objects & 1 ? JSON_KEY : JSON_VALUE;
		return c == ',';
	default:
		return false;
	}
}

/* True: it is JSON as far as it was read. */
static bool json_parse(struct json *json)
{
	while (json->at < json->size && json->state != JSON_DONE) {
		uint8_t c = json->bytes[json->at];

		if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
			json->at++;
		else if (!json_step(json, c))
			return false;
	}
	return true;
}

MF_SIGN_DECODER(json)
{
	struct json json = { .bytes = sign->bytes,
			     .size = mf_sign_afford(sign),
			     .state = JSON_VALUE };
	bool good = json_parse(&json);

	mf_sign_pay(sign, MF_MIN(json.at, json.size));
	if (good && json.state == JSON_DONE)
		return json.parts >= JSON_PARTS
			       ? mf_sign_is_long(sign, json.at, ret)
			       : MF_SIGN_NOT;
	if (good && json.size == sign->size &&
	    mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	/* Cut off by its buffer: by the end of that, or a NUL. */
	if (!good && (json.at >= json.size || json.bytes[json.at] != '\0'))
		return MF_SIGN_NOT;
	if (json.parts < 2 * JSON_PARTS)
		return MF_SIGN_NOT;
	mf_sign_is_long(sign, MF_MIN(json.at, json.size), ret);
	ret->estimate = true;
	return MF_SIGN_IS;
}

/* ---- XML, HTML -------------------------------------------------------------------- */

/* Bytes up to the last '>' of the text, which goes on for TEXT bytes. */
static size_t markup_length(const struct mf_sign *sign, size_t *text)
{
	size_t reach = mf_sign_reach(sign), at = 0, last = 0;

	while (at < reach) {
		uint8_t c = sign->bytes[at];
		size_t length = 1;

		if (c < ' ' && c != '\n' && c != '\t' && c != '\r')
			break;
		if (c >= 0x80)
			length = mf_utf8_length((const char *)sign->bytes + at,
						reach - at);
		if (!length)
			break;
		at += length;
		if (c == '>')
			last = at;
	}
	mf_sign_pay(sign, at);
	*text = at;
	return last;
}

static enum mf_sign_is is_markup(const struct mf_sign *sign,
				 struct mf_sign_found *ret)
{
	size_t text, length = markup_length(sign, &text);

	/* Four bytes may be a character that is cut off. */
	if (text + 4 > sign->size && mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (!length)
		return MF_SIGN_NOT;
	if (text >= MF_SIGN_REACH)
		return mf_sign_is_about(sign, length, ret);
	mf_sign_is_long(sign, length, ret);
	ret->estimate = true;
	return MF_SIGN_IS;
}

MF_SIGN_DECODER(xml)
{
	enum {
		VERSION = 14,
		HEADER = 19
	};
	const uint8_t *bytes = sign->bytes;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	if ((bytes[VERSION] != '"' && bytes[VERSION] != '\'') ||
	    bytes[VERSION + 1] != '1' || bytes[VERSION + 2] != '.' ||
	    bytes[VERSION + 4] != bytes[VERSION])
		return MF_SIGN_NOT;
	return is_markup(sign, ret);
}

MF_SIGN_DECODER(html)
{
	static const char head[] = "<!doctype html";
	enum {
		HEAD = sizeof(head) - 1
	};

	if (sign->size <= HEAD)
		return mf_sign_short(sign);
	if (strncasecmp((const char *)sign->bytes, head, HEAD) != 0 ||
	    (sign->bytes[HEAD] != '>' && sign->bytes[HEAD] != ' '))
		return MF_SIGN_NOT;
	return is_markup(sign, ret);
}

/* ---- HTTP ------------------------------------------------------------------------- */

enum {
	HTTP_LONGEST_LINE = 8 << 10,
	HTTP_LONGEST_HEAD = 32 << 10,
};

/* Header lines begin with a token and a colon, which nginx makes a NUL. */
static bool is_header_line(const uint8_t *line, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (line[i] == ':' || line[i] == '\0')
			return i > 0;
		if (line[i] <= ' ' || line[i] >= 0x7f)
			return false;
	}
	return false;
}

/* *LENGTH: the number behind content-length, if this is that line. */
static void note_length(const uint8_t *line, size_t size, uint64_t *length)
{
	static const char name[] = "content-length";
	uint64_t value = 0;
	size_t at = sizeof(name), digits = 0;

	if (size < at || (*line | 0x20) != *name ||
	    strncasecmp((const char *)line, name, at - 1) != 0)
		return;
	while (at < size && line[at] == ' ')
		at++;
	for (; at < size && mf_sign_is_digit(line[at]) && digits < 15;
	     at++, digits++)
		value = value * 10 + (line[at] - '0');
	if (digits)
		*length = value;
}

struct http_head {
	size_t size;
	uint64_t body;
	bool ended; /* by an empty line */
};

/* The lines behind the first one. */
static struct http_head read_head(const struct mf_sign *sign, size_t at)
{
	struct http_head head = { .size = at };
	size_t reach = MF_MIN(mf_sign_reach(sign), (size_t)HTTP_LONGEST_HEAD);

	while (at < reach && !head.ended) {
		const uint8_t *line = sign->bytes + at;
		const uint8_t *end = memchr(line, '\n', reach - at);
		size_t size;

		if (!end)
			break;
		size = (size_t)(end - line);
		head.ended =
			size == 0 || (size == 1 && (*line == '\r' || !*line));
		if (!head.ended && !is_header_line(line, size))
			break;
		if (!head.ended)
			note_length(line, size, &head.body);
		at += size + 1;
		head.size = at;
	}
	mf_sign_pay(sign, at);
	return head;
}

static enum mf_sign_is is_message(const struct mf_sign *sign, size_t line,
				  struct mf_sign_found *ret)
{
	struct http_head head = read_head(sign, line);

	if (!head.ended && mf_sign_short(sign) == MF_SIGN_CUT &&
	    head.size < HTTP_LONGEST_HEAD &&
	    sign->size - head.size < HTTP_LONGEST_LINE)
		return MF_SIGN_CUT;
	mf_sign_is_long(sign, head.size + head.body, ret);
	ret->skip = MF_MIN((uint64_t)head.size, sign->room);
	ret->estimate |= !head.ended;
	return MF_SIGN_IS;
}

static bool is_line_byte(uint8_t c)
{
	return (c >= ' ' && c != 0x7f) || c == '\r' || c == '\0' || c == '\t';
}

/* Bytes of eight that are no control characters, from the first on. */
static size_t count_plain(const uint8_t *bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word = le64toh(mf_load(uint64_t, bytes));
	uint64_t erased = word ^ ones * 0x7f;
	/* the lowest bit that is set is right, and no other is looked at */
	uint64_t controls =
		((word - ones * ' ') & ~word) | ((erased - ones) & ~erased);

	controls &= ones * 0x80;
	return controls ? (size_t)__builtin_ctzll(controls) / 8 : 8;
}

/* Bytes of the first line, its end included; 0: it has none. */
static size_t first_line(const struct mf_sign *sign)
{
	size_t reach = MF_MIN(mf_sign_reach(sign), (size_t)HTTP_LONGEST_LINE);
	size_t at = 0, plain = 8;

	while (plain == 8 && at + 8 <= reach) {
		plain = count_plain(sign->bytes + at);
		at += plain;
	}
	while (at < reach && sign->bytes[at] != '\n' &&
	       is_line_byte(sign->bytes[at]))
		at++;
	mf_sign_pay(sign, at);
	return at < reach && sign->bytes[at] == '\n' ? at + 1 : 0;
}

static bool is_target(uint8_t c)
{
	return c == '/' || c == '*' || (c >= '0' && c <= '9') ||
	       (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '[';
}

/* " HTTP/1.x", then nothing but CR, or what a server wrote over it. */
static bool ends_as_request(const uint8_t *line, size_t size)
{
	enum {
		VERSION = 9
	};

	size--;
	if (size && (line[size - 1] == '\r' || line[size - 1] == '\0'))
		size--;
	return size > VERSION &&
	       !memcmp(line + size - VERSION, " HTTP/1.", 8) &&
	       (line[size - 1] == '0' || line[size - 1] == '1');
}

MF_SIGN_DECODER(http_request)
{
	enum {
		LONGEST_METHOD = 8,
		SHORTEST = 16
	};
	size_t method = 0, line;

	if (sign->size < SHORTEST)
		return mf_sign_short(sign);
	while (method < LONGEST_METHOD && sign->bytes[method] != ' ')
		method++;
	if (sign->bytes[method] != ' ' || !is_target(sign->bytes[method + 1]))
		return MF_SIGN_NOT;
	line = first_line(sign);
	if (!line)
		return sign->size < HTTP_LONGEST_LINE ? mf_sign_short(sign)
						      : MF_SIGN_NOT;
	if (!ends_as_request(sign->bytes, line))
		return MF_SIGN_NOT;
	return is_message(sign, line, ret);
}

MF_SIGN_DECODER(http_response)
{
	enum {
		STATUS = 9,
		SHORTEST = 14
	};
	const uint8_t *bytes = sign->bytes;
	size_t line;

	if (sign->size < SHORTEST)
		return mf_sign_short(sign);
	if ((bytes[7] != '0' && bytes[7] != '1') || bytes[8] != ' ' ||
	    bytes[STATUS] < '1' || bytes[STATUS] > '5' ||
	    !mf_sign_is_digit(bytes[STATUS + 1]) ||
	    !mf_sign_is_digit(bytes[STATUS + 2]) ||
	    (bytes[STATUS + 3] != ' ' && bytes[STATUS + 3] != '\r'))
		return MF_SIGN_NOT;
	line = first_line(sign);
	if (!line)
		return sign->size < HTTP_LONGEST_LINE ? mf_sign_short(sign)
						      : MF_SIGN_NOT;
	return is_message(sign, line, ret);
}

MF_SIGN_DECODER(http2)
{
	return mf_sign_is_long(sign, 24, ret);
}
