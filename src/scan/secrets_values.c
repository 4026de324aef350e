/*
 * Secrets by what stands before them (password=, Authorization:, a URL's
 * user:password@), e-mail addresses, and card numbers.
 */
#include <string.h>
#include <strings.h>

#include "scan/secrets.h"

/* ---- values of names ------------------------------------------------------- */

struct name {
	const char *text;
	enum mf_secret_kind kind;
};

/* Longer ones first. */
static const struct name names[] = {
	{ "proxy-authorization", MF_SECRET_AUTHORIZATION },
	{ "authorization", MF_SECRET_AUTHORIZATION },
	{ "passphrase", MF_SECRET_PASSWORD },
	{ "password", MF_SECRET_PASSWORD },
	{ "passwd", MF_SECRET_PASSWORD },
	{ "pwd", MF_SECRET_PASSWORD },
	{ "secret_access_key", MF_SECRET_ACCESS_KEY },
	{ "secretaccesskey", MF_SECRET_ACCESS_KEY },
	{ "client_secret", MF_SECRET_PASSWORD },
	{ "secret_key", MF_SECRET_ACCESS_KEY },
	{ "secret", MF_SECRET_PASSWORD },
	{ "x-auth-token", MF_SECRET_TOKEN },
	{ "x-api-key", MF_SECRET_ACCESS_KEY },
	{ "access_token", MF_SECRET_TOKEN },
	{ "auth_token", MF_SECRET_TOKEN },
	{ "token", MF_SECRET_TOKEN },
	{ "api_key", MF_SECRET_ACCESS_KEY },
	{ "api-key", MF_SECRET_ACCESS_KEY },
	{ "apikey", MF_SECRET_ACCESS_KEY },
};

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static bool is_quote(uint8_t byte)
{
	return byte == '"' || byte == '\'' || byte == '`';
}

static size_t skip(const struct mf_secret_text *text, size_t at,
		   bool (*is)(uint8_t byte))
{
	while (at < text->size && is(text->bytes[at]))
		at++;
	return at;
}

/* Behind what stands between a name and its value; 0: no value follows. */
static size_t value_at(const struct mf_secret_text *text, size_t at,
		       uint8_t *quote)
{
	*quote = 0;
	if (at < text->size && text->bytes[at] == '\\')
		at++;
	at = skip(text, at, is_quote);
	at = skip(text, at, is_blank);
	if (at >= text->size ||
	    (text->bytes[at] != '=' && text->bytes[at] != ':'))
		return 0;
	at = skip(text, at + 1, is_blank);
	if (at + 1 < text->size && text->bytes[at] == '\\')
		at++;
	if (at < text->size && is_quote(text->bytes[at]))
		*quote = text->bytes[at++];
	return at;
}

static size_t value_end(const struct mf_secret_text *text, size_t at,
			uint8_t quote)
{
	for (; at < text->size; at++) {
		uint8_t byte = text->bytes[at];

		if (quote ? byte == quote || byte == '\\'
			  : byte <= ' ' || byte == '&' || byte == ',' ||
				    byte == ';' || is_quote(byte))
			break;
	}
	return at;
}

/* A header's value is the rest of its line, but for "Basic", "Bearer". */
static size_t skip_scheme(const struct mf_secret_text *text, size_t at,
			  size_t *end, uint8_t quote)
{
	size_t scheme = skip(text, at, mf_is_letter);

	while (*end < text->size && text->bytes[*end] >= ' ' &&
	       text->bytes[*end] != (quote ? quote : '\r'))
		++*end;
	if (scheme > at && scheme < *end && text->bytes[scheme] == ' ')
		return scheme + 1;
	return at;
}

bool mf_secret_value(const struct mf_secret_text *text, struct mf_secret *ret)
{
	const char *bytes = (const char *)text->bytes + text->at;
	size_t left = text->size - text->at;

	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++) {
		size_t size = strlen(names[i].text), start, end;
		uint8_t quote;

		if (size >= left ||
		    strncasecmp(bytes, names[i].text, size) != 0)
			continue;
		start = value_at(text, text->at + size, &quote);
		if (!start)
			continue;
		end = value_end(text, start, quote);
		if (names[i].kind == MF_SECRET_AUTHORIZATION)
			start = skip_scheme(text, start, &end, quote);
		if (start >= end)
			continue;
		*ret = (struct mf_secret){ names[i].kind, start, end - start };
		return true;
	}
	return false;
}

/* ---- URLs, addresses, cards ---------------------------------------------------- */

static bool is_user(uint8_t byte)
{
	return byte > ' ' && byte < 0x7f && byte != '/' && byte != '@' &&
	       byte != ':' && !is_quote(byte) && byte != '<' && byte != '>' &&
	       byte != '?' && byte != '#';
}

/* What is behind the second colon of scheme://user:password@. */
bool mf_secret_url(const struct mf_secret_text *text, struct mf_secret *ret)
{
	size_t start, end;

	if (text->size - text->at < 4 ||
	    memcmp(text->bytes + text->at, "://", 3) != 0)
		return false;
	start = skip(text, text->at + 3, is_user);
	if (start >= text->size || text->bytes[start] != ':')
		return false;
	end = skip(text, ++start, is_user);
	if (end == start ||
	    (end < text->size ? text->bytes[end] != '@' : !text->cut))
		return false;
	*ret = (struct mf_secret){ MF_SECRET_PASSWORD, start, end - start };
	return true;
}

static bool is_local(uint8_t byte)
{
	return mf_is_word(byte) || byte == '.' || byte == '_' || byte == '%' ||
	       byte == '+' || byte == '-';
}

static bool is_host(uint8_t byte)
{
	return mf_is_word(byte) || byte == '.' || byte == '-';
}

/* Both sides of the @, but for the first letter. */
bool mf_secret_email(const struct mf_secret_text *text, struct mf_secret *ret)
{
	enum {
		LONGEST = 64,
		LEAST_TOP = 2
	};
	size_t start = text->at, end = skip(text, text->at + 1, is_host), top;

	while (start && text->at - start < LONGEST &&
	       is_local(text->bytes[start - 1]))
		start--;
	while (end > text->at + 1 && !mf_is_letter(text->bytes[end - 1]))
		end--;
	top = end;
	while (top > text->at + 1 && mf_is_letter(text->bytes[top - 1]))
		top--;
	if (start == text->at || end - top < LEAST_TOP || top < text->at + 3 ||
	    text->bytes[top - 1] != '.')
		return false;
	if (text->at - start > 1)
		start++;
	*ret = (struct mf_secret){ MF_SECRET_EMAIL, start, end - start };
	return true;
}

static bool is_luhn(const uint8_t *digits, size_t count)
{
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned digit = digits[count - 1 - i];

		if (i % 2)
			digit = digit > 4 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

/* Digits from AT on, in groups or not; *end is behind the last. */
static size_t read_digits(const struct mf_secret_text *text, uint8_t *ret,
			  size_t room, size_t *end)
{
	size_t count = 0;

	for (size_t at = text->at; at < text->size; at++) {
		uint8_t byte = text->bytes[at];

		if (mf_is_digit(byte)) {
			if (count == room)
				return 0;
			ret[count++] = byte - '0';
			*end = at + 1;
		} else if ((byte != ' ' && byte != '-') || at != *end) {
			break;
		}
	}
	return *end < text->size && mf_is_word(text->bytes[*end]) ? 0 : count;
}

static bool is_all_one(const uint8_t *digits, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (digits[i] != digits[0])
			return false;
	return true;
}

bool mf_secret_card(const struct mf_secret_text *text, struct mf_secret *ret)
{
	enum {
		SHOWN = 4,
		LEAST = 13,
		MOST = 19
	};
	uint8_t digits[MOST];
	size_t end = text->at, count;

	if (!mf_secret_starts(text))
		return false;
	count = read_digits(text, digits, MOST, &end);
	if (count < LEAST || is_all_one(digits, count) ||
	    !is_luhn(digits, count))
		return false;
	*ret = (struct mf_secret){ MF_SECRET_CARD, text->at + SHOWN,
				   end - text->at - SHOWN };
	return true;
}
