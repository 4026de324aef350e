/*
 * Tokens and keys of services, by how they begin and what they are made of, and
 * JSON web tokens.
 */
#include <string.h>

#include "scan/secrets.h"

enum {
	UPPER = 1 << 0,
	LOWER = 1 << 1,
	DIGITS = 1 << 2,
	DASH = 1 << 3,
	UNDERSCORE = 1 << 4,
	DOT = 1 << 5,
	WORDS = UPPER | LOWER | DIGITS,
	URL = WORDS | DASH | UNDERSCORE,
	SHOWN = 4, /* bytes of it, at most */
};

struct form {
	const char *prefix;
	enum mf_secret_kind kind;
	unsigned alphabet;
	size_t least; /* bytes behind the prefix */
	size_t most;  /* 0: any number */
};

static const struct form forms[] = {
	{ "AKIA", MF_SECRET_ACCESS_KEY, UPPER | DIGITS, 16, 16 }, /* AWS */
	{ "ASIA", MF_SECRET_ACCESS_KEY, UPPER | DIGITS, 16, 16 },
	{ "AIza", MF_SECRET_ACCESS_KEY, URL, 35, 35 }, /* Google */
	{ "ya29.", MF_SECRET_TOKEN, URL | DOT, 20, 0 },
	{ "ghp_", MF_SECRET_TOKEN, WORDS, 36, 0 }, /* GitHub */
	{ "gho_", MF_SECRET_TOKEN, WORDS, 36, 0 },
	{ "ghu_", MF_SECRET_TOKEN, WORDS, 36, 0 },
	{ "ghs_", MF_SECRET_TOKEN, WORDS, 36, 0 },
	{ "ghr_", MF_SECRET_TOKEN, WORDS, 36, 0 },
	{ "github_pat_", MF_SECRET_TOKEN, WORDS | UNDERSCORE, 22, 0 },
	{ "glpat-", MF_SECRET_TOKEN, URL, 20, 0 },	   /* GitLab */
	{ "xoxb-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 }, /* Slack */
	{ "xoxp-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 },
	{ "xoxa-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 },
	{ "xoxr-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 },
	{ "xoxs-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 },
	{ "xapp-", MF_SECRET_TOKEN, WORDS | DASH, 10, 0 },
	{ "sk_live_", MF_SECRET_ACCESS_KEY, WORDS, 16, 0 }, /* Stripe */
	{ "rk_live_", MF_SECRET_ACCESS_KEY, WORDS, 16, 0 },
	{ "npm_", MF_SECRET_TOKEN, WORDS, 36, 0 },
	{ "SG.", MF_SECRET_TOKEN, URL | DOT, 60, 0 }, /* SendGrid */
};

static bool is_of(uint8_t byte, unsigned alphabet)
{
	if (mf_is_digit(byte))
		return alphabet & DIGITS;
	if (mf_is_letter(byte))
		return alphabet & (byte & 0x20 ? LOWER : UPPER);
	return (byte == '-' && alphabet & DASH) ||
	       (byte == '_' && alphabet & UNDERSCORE) ||
	       (byte == '.' && alphabet & DOT);
}

/* Bytes of ALPHABET from AT on, up to MOST. */
static size_t run_of(const struct mf_secret_text *text, size_t at,
		     unsigned alphabet, size_t most)
{
	size_t count = 0;

	most = MF_MIN(most, text->size - at);
	while (count < most && is_of(text->bytes[at + count], alphabet))
		count++;
	return count;
}

static bool is_form(const struct mf_secret_text *text, const struct form *form,
		    struct mf_secret *ret)
{
	size_t prefix = strlen(form->prefix), size, shown;
	bool cut;

	if (text->size - text->at < prefix ||
	    memcmp(text->bytes + text->at, form->prefix, prefix) != 0)
		return false;
	/* one too many tells that it is none */
	size = run_of(text, text->at + prefix, form->alphabet,
		      form->most ? form->most + 1 : SIZE_MAX);
	cut = text->cut && text->at + prefix + size == text->size;
	if ((size < form->least && !cut) || (form->most && size > form->most))
		return false;
	shown = MF_MIN(prefix, (size_t)SHOWN);
	*ret = (struct mf_secret){ form->kind, text->at + shown,
				   prefix - shown + size };
	return true;
}

bool mf_secret_token(const struct mf_secret_text *text, struct mf_secret *ret)
{
	if (!mf_secret_starts(text))
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(forms); i++)
		if (is_form(text, &forms[i], ret))
			return true;
	return false;
}

/* Three parts in base64, the first of them an object: {" is eyJ. */
bool mf_secret_jwt(const struct mf_secret_text *text, struct mf_secret *ret)
{
	enum {
		LEAST = 8
	};
	const uint8_t *bytes = text->bytes + text->at;
	size_t at = text->at, parts = 0;

	if (!mf_secret_starts(text) || text->size - at < LEAST ||
	    memcmp(bytes, "eyJ", 3) != 0)
		return false;
	for (;;) {
		size_t size = run_of(text, at, URL, SIZE_MAX);

		at += size;
		parts += size > 0;
		if (parts == 3 || at >= text->size || text->bytes[at] != '.')
			break;
		at++;
	}
	if (parts < 2 && !(text->cut && at == text->size))
		return false;
	*ret = (struct mf_secret){ MF_SECRET_JWT, text->at + 3,
				   at - text->at - 3 };
	return true;
}
