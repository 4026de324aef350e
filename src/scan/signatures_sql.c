/*
 * What databases and their clients say to each other: MySQL's packets
 * (a length of 3 bytes, a number, then what it is) and PostgreSQL's messages (a
 * letter, a length of 4 bytes, then what it says).
 */
#include <ctype.h>
#include <stdio.h>

#include "base/escape.h"
#include "scan/signatures.h"

enum {
	LONGEST_TEXT = 16 << 10,
};

/* Text with line breaks, all of it. */
static bool is_statement(const uint8_t *bytes, size_t size)
{
	for (size_t at = 0, length; at < size; at += length) {
		length = mf_utf8_length((const char *)bytes + at, size - at);
		if (!length || bytes[at] == 0x7f ||
		    (bytes[at] < ' ' && !strchr("\t\r\n", bytes[at])) ||
		    !bytes[at])
			return false;
	}
	return size > 0;
}

/* ---- MySQL --------------------------------------------------------------------------- */

enum {
	MYSQL_HEADER = 4,
};

static uint32_t mysql_length(const uint8_t *packet)
{
	return packet[0] | packet[1] << 8 | (uint32_t)packet[2] << 16;
}

MF_SIGN_DECODER(mysql_query)
{
	enum {
		SHORTEST = 6
	};
	uint32_t length;

	if (sign->size < MYSQL_HEADER + SHORTEST)
		return mf_sign_short(sign);
	length = mysql_length(sign->bytes);
	if (sign->bytes[3] || length < SHORTEST || length > LONGEST_TEXT)
		return MF_SIGN_NOT;
	if (sign->size < MYSQL_HEADER + (size_t)length)
		return mf_sign_short(sign);
	mf_sign_pay(sign, length);
	if (!is_statement(sign->bytes + MYSQL_HEADER + 1, length - 1))
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "%.*s",
			 (int)MF_MIN(length - 1, 60U),
			 (const char *)sign->bytes + MYSQL_HEADER + 1);
	return mf_sign_is_long(sign, MYSQL_HEADER + (uint64_t)length, ret);
}

/* Six texts, each led by its length: "def", schema, table twice, name twice. */
MF_SIGN_DECODER(mysql_column)
{
	enum {
		TEXTS = 6,
		FIXED = 13,
	};
	uint32_t length;
	size_t at = MYSQL_HEADER;

	if (sign->size < MYSQL_HEADER + TEXTS + FIXED)
		return mf_sign_short(sign);
	length = mysql_length(sign->bytes);
	if (length < TEXTS + FIXED || length > 2048)
		return MF_SIGN_NOT;
	if (sign->size < MYSQL_HEADER + (size_t)length)
		return mf_sign_short(sign);
	for (int i = 0; i < TEXTS; i++) {
		size_t size = sign->bytes[at];

		if (size >= 0xfb || at + 1 + size >= MYSQL_HEADER + length ||
		    (size && !is_statement(sign->bytes + at + 1, size)))
			return MF_SIGN_NOT;
		at += 1 + size;
	}
	if (at + FIXED > MYSQL_HEADER + (size_t)length ||
	    sign->bytes[at] != FIXED - 1)
		return MF_SIGN_NOT;
	return mf_sign_is_long(sign, MYSQL_HEADER + (uint64_t)length, ret);
}

MF_SIGN_DECODER(mysql_greeting)
{
	enum {
		SHORTEST = 45,
		LONGEST = 255,
		VERSION = 40,
		SALT_END = 13, /* behind the version: thread, salt, a zero */
	};
	const uint8_t *version = sign->bytes + MYSQL_HEADER + 1;
	uint32_t length;
	size_t size;

	if (sign->size < MYSQL_HEADER + SHORTEST)
		return mf_sign_short(sign);
	length = mysql_length(sign->bytes);
	if (sign->bytes[3] || length < SHORTEST || length > LONGEST)
		return MF_SIGN_NOT;
	if (sign->size < MYSQL_HEADER + (size_t)length)
		return mf_sign_short(sign);
	size = strnlen((const char *)version, VERSION);
	if (size < 5 || size == VERSION || version[1] != '.' ||
	    !is_statement(version, size) || size + SALT_END > length ||
	    version[size + SALT_END])
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "greeting, %.*s",
			 (int)size, (const char *)version);
	return mf_sign_is_long(sign, MYSQL_HEADER + (uint64_t)length, ret);
}

/* ---- PostgreSQL, protocol 3 -------------------------------------------------------- */

enum {
	PG_HEADER = 5,
	PG_FIELD = 18, /* of a row description, behind its name */
};

/* A text that ends inside of SIZE; its bytes with the NUL, or 0. */
static size_t pg_text(const uint8_t *bytes, size_t size, bool empty)
{
	size_t length = strnlen((const char *)bytes, size);

	if (length == size || (!length && !empty) ||
	    (length && !is_statement(bytes, length)))
		return 0;
	return length + 1;
}

static bool pg_query(const uint8_t *body, size_t size)
{
	return size >= 6 && pg_text(body, size, false) == size &&
	       (isalpha(*body) || strchr(" \n\t-/(", *body));
}

/* A name, a statement, and the types of its parameters. */
static bool pg_parse(const uint8_t *body, size_t size)
{
	size_t name = pg_text(body, size, true);
	size_t query = name ? pg_text(body + name, size - name, false) : 0;
	size_t at = name + query;

	return query >= 6 && size - at >= 2 &&
	       size - at == 2 + (size_t)4 * mf_big16(body + at);
}

static bool pg_row_description(const uint8_t *body, size_t size)
{
	size_t at = 2;
	unsigned fields;

	if (size < 2)
		return false;
	fields = mf_big16(body);
	for (unsigned i = 0; i < fields; i++) {
		size_t name =
			at < size ? pg_text(body + at, size - at, false) : 0;

		if (!name || size - at - name < PG_FIELD)
			return false;
		at += name + PG_FIELD;
	}
	return fields && at == size;
}

static bool pg_data_row(const uint8_t *body, size_t size)
{
	size_t at = 2;
	unsigned fields;

	if (size < 2)
		return false;
	fields = mf_big16(body);
	for (unsigned i = 0; i < fields; i++) {
		uint32_t length;

		if (size - at < 4)
			return false;
		length = mf_big32(body + at);
		at += 4;
		if (length == UINT32_MAX)
			continue;
		if (length > size - at)
			return false;
		at += length;
	}
	return fields && at == size;
}

/* "SELECT 1", "INSERT 0 1", "BEGIN": a word in capitals first. */
static bool pg_complete(const uint8_t *body, size_t size)
{
	return size >= 4 && size <= 64 && pg_text(body, size, false) == size &&
	       isupper(body[0]) && isupper(body[1]) && isupper(body[2]);
}

static bool pg_ready(const uint8_t *body, size_t size)
{
	return size == 1 && strchr("ITE", *body) && *body;
}

static bool pg_parameter(const uint8_t *body, size_t size)
{
	size_t name = pg_text(body, size, false);

	return name > 3 &&
	       pg_text(body + name, size - name, true) == size - name;
}

/* "SERROR", "C42P01", "M..." and so on, each with a NUL, and one at the end. */
static bool pg_error(const uint8_t *body, size_t size)
{
	size_t at = 0;
	unsigned fields = 0;

	while (at < size && body[at]) {
		size_t length = pg_text(body + at, size - at, false);

		if (!length || !isalpha(body[at]))
			return false;
		fields++;
		at += length;
	}
	return fields >= 3 && at + 1 == size && body[0] == 'S';
}

static bool pg_authentication(const uint8_t *body, size_t size)
{
	return (size == 4 && mf_big32(body) == 0) ||
	       (size > 16 && mf_big32(body) >= 10 && mf_big32(body) <= 12);
}

static bool pg_key_data(const uint8_t *body, size_t size)
{
	(void)body;
	return size == 8;
}

static bool pg_empty(const uint8_t *body, size_t size)
{
	(void)body;
	return size == 0;
}

struct pg_message {
	char type;
	bool certain; /* one of them will do */
	bool (*is)(const uint8_t *body, size_t size);
};

static const struct pg_message messages[] = {
	{ 'Q', true, pg_query },
	{ 'P', true, pg_parse },
	{ 'T', true, pg_row_description },
	{ 'D', false, pg_data_row },
	{ 'C', true, pg_complete },
	{ 'Z', true, pg_ready },
	{ 'S', true, pg_parameter },
	{ 'E', true, pg_error },
	{ 'N', true, pg_error },
	{ 'R', false, pg_authentication },
	{ 'K', false, pg_key_data },
	{ '1', false, pg_empty },
	{ '2', false, pg_empty },
	{ '3', false, pg_empty },
	{ 'n', false, pg_empty },
	{ 'S', false, pg_empty }, /* of a client: sync */
};

/* The message that stands there is whole and says what it must. */
static const struct pg_message *find_message(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(messages); i++)
		if (messages[i].type == (char)bytes[0] &&
		    messages[i].is(bytes + PG_HEADER, size))
			return &messages[i];
	return NULL;
}

static void write_first(const struct mf_sign *sign, struct mf_sign_found *ret)
{
	const char *body = (const char *)sign->bytes + PG_HEADER;
	uint32_t size = mf_big32(sign->bytes + 1) - 4;

	if (!ret->detailed)
		return;
	snprintf(ret->detail, sizeof(ret->detail), "%c", sign->bytes[0]);
	if (strchr("QCE", sign->bytes[0]))
		snprintf(ret->detail, sizeof(ret->detail), "%c %.*s",
			 sign->bytes[0], (int)MF_MIN(size, 60U), body);
}

MF_SIGN_DECODER(postgres)
{
	size_t at = 0, reach = mf_sign_reach(sign);
	unsigned count = 0, certain = 0;
	bool starved = false;

	for (;;) {
		const uint8_t *bytes = sign->bytes + at;
		const struct pg_message *message;
		uint32_t length;

		starved = at + PG_HEADER > reach;
		if (starved)
			break;
		length = mf_big32(bytes + 1);
		if (length < 4 || length > LONGEST_TEXT)
			break;
		starved = length > reach - at - 1;
		if (starved)
			break;
		message = find_message(bytes, length - 4);
		if (!message)
			break;
		count++;
		certain += message->certain;
		at += 1 + (size_t)length;
	}
	mf_sign_pay(sign, at);
	if (starved && mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (!certain)
		return MF_SIGN_NOT;
	write_first(sign, ret);
	ret->count = count;
	return mf_sign_is_long(sign, at, ret);
}

/* A length, 3.0, then pairs of texts, the first of them "user". */
MF_SIGN_DECODER(postgres_startup)
{
	enum {
		HEADER = 8
	};
	uint32_t length;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	length = mf_big32(sign->bytes);
	if (length < HEADER + 8 || length > 4096 ||
	    mf_big32(sign->bytes + 4) != 0x30000)
		return MF_SIGN_NOT;
	if (length > sign->size)
		return mf_sign_short(sign);
	if (sign->bytes[length - 1])
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "startup, user %.40s",
			 (const char *)sign->bytes + HEADER + 5);
	return mf_sign_is_long(sign, length, ret);
}
