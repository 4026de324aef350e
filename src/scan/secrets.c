/*
 * Secrets in any text: who is asked where, and the mask.
 */
#include "scan/secrets.h"

#include <string.h>

#include "base/memory.h"

/* Who is asked at a byte, and which bytes those are. */
struct row {
	mf_secret_finder find;
	const char *first; /* the bytes that it begins with */
	bool keys;	   /* it finds key material */
	bool others;	   /* and, or, other secrets */
};

static const struct row rows[] = {
	{ mf_secret_pem, "-", true, false },
	{ mf_secret_der, "\x30", true, false },
	{ mf_secret_base64, "Mb", true, false },
	{ mf_secret_token, "AagrsxynS", true, true },
	{ mf_secret_jwt, "e", false, true },
	{ mf_secret_value, "pPsSaAtTcCxX", true, true },
	{ mf_secret_url, ":", false, true },
	{ mf_secret_email, "@", false, true },
	{ mf_secret_card, "3456", false, true },
};

const char *mf_secret_name(enum mf_secret_kind kind)
{
	static const char *const names[MF_SECRET_KINDS] = {
		[MF_SECRET_PRIVATE_KEY] = "private key",
		[MF_SECRET_ACCESS_KEY] = "access key",
		[MF_SECRET_TOKEN] = "token",
		[MF_SECRET_JWT] = "JSON web token",
		[MF_SECRET_PASSWORD] = "password",
		[MF_SECRET_AUTHORIZATION] = "authorization",
		[MF_SECRET_EMAIL] = "e-mail address",
		[MF_SECRET_CARD] = "card number",
	};

	return names[kind];
}

static bool is_key(enum mf_secret_kind kind)
{
	return kind == MF_SECRET_PRIVATE_KEY || kind == MF_SECRET_ACCESS_KEY;
}

/* For each byte, the rows that are asked. */
struct firsts {
	uint16_t rows[UINT8_MAX + 1];
};

static void read_firsts(unsigned how, struct firsts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < MF_ARRAY_SIZE(rows); i++) {
		if (!rows[i].keys && !(how & MF_MASK_ALL))
			continue;
		for (const char *first = rows[i].first; *first; first++)
			ret->rows[(uint8_t)*first] |= (uint16_t)(1u << i);
	}
}

static bool find_at(const struct mf_secret_text *text, unsigned asked,
		    unsigned how, struct mf_secret *ret)
{
	for (; asked; asked &= asked - 1)
		if (rows[__builtin_ctz(asked)].find(text, ret) &&
		    (is_key(ret->kind) || (how & MF_MASK_ALL)))
			return true;
	return false;
}

static bool find(const struct firsts *firsts, struct mf_secret_text *text,
		 unsigned how, struct mf_secret *ret)
{
	for (; text->at < text->size; text->at++) {
		unsigned asked = firsts->rows[text->bytes[text->at]];

		if (asked && find_at(text, asked, how, ret))
			return true;
	}
	return false;
}

bool mf_secret_find(const char *text, size_t size, size_t from, unsigned how,
		    struct mf_secret *ret)
{
	struct mf_secret_text bytes = { (const uint8_t *)text, size, from,
					how & MF_MASK_CUT };
	struct firsts firsts;

	read_firsts(how, &firsts);
	return find(&firsts, &bytes, how, ret);
}

size_t mf_secret_mask(char *text, size_t size, unsigned how)
{
	struct mf_secret_text bytes = { (const uint8_t *)text, size, 0,
					how & MF_MASK_CUT };
	struct mf_secret secret;
	struct firsts firsts;
	size_t count = 0;

	read_firsts(how, &firsts);
	while (find(&firsts, &bytes, how, &secret)) {
		memset(text + secret.start, '*', secret.size);
		bytes.at = MF_MAX(bytes.at + 1, secret.start + secret.size);
		count++;
	}
	return count;
}

/* What is at AT as a character of UTF-16, or 0 where that is not ASCII. */
static char narrow_at(const char *text, size_t at)
{
	return text[at + 1] ? '\0' : text[at];
}

size_t mf_secret_mask_wide(char *text, size_t size, unsigned how)
{
	mf_auto_free char *narrow = mf_calloc(size / 2 + 1, 1);
	size_t masked = 0;

	for (size_t odd = 0; odd < 2; odd++) {
		size_t count = size > odd ? (size - odd) / 2 : 0;

		for (size_t i = 0; i < count; i++)
			narrow[i] = narrow_at(text, odd + 2 * i);
		masked += mf_secret_mask(narrow, count, how);
		for (size_t i = 0; i < count; i++)
			if (narrow[i] == '*')
				text[odd + 2 * i] = '*';
	}
	return masked;
}
