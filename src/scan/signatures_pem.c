/*
 * Certificates and keys as text (RFC 7468), in lines or, as in JSON, with "\n"
 * written out. A begin line alone, as libraries have them, is none.
 */
#include <ctype.h>
#include <stdio.h>

#include "scan/signatures.h"

enum {
	BEGIN = 11, /* of "-----BEGIN " */
	LABEL = 48,
	FEWEST = 32, /* characters of base64 */
	HEADER_LINES = 4,
};

enum pem_kind {
	PEM_CERTIFICATE,
	PEM_KEY,
	PEM_ENCRYPTED,
	PEM_OTHER,
};

struct pem {
	const char *label;
	size_t label_size, size;
	bool ended; /* by its end line */
	enum pem_kind kind;
};

static bool has(const struct pem *pem, const char *text)
{
	return memmem(pem->label, pem->label_size, text, strlen(text));
}

static enum pem_kind kind_of(const struct pem *pem)
{
	if (has(pem, "PRIVATE KEY"))
		return has(pem, "ENCRYPTED") ? PEM_ENCRYPTED : PEM_KEY;
	if (has(pem, "CERTIFICATE") && !has(pem, "REQUEST"))
		return PEM_CERTIFICATE;
	return PEM_OTHER;
}

/* The label up to its five dashes. */
static bool read_label(const struct mf_sign *sign, struct pem *pem)
{
	const char *text = (const char *)sign->bytes + BEGIN;
	size_t most = MF_MIN(sign->size - BEGIN, (size_t)LABEL), at = 0;

	while (at < most &&
	       (isupper((unsigned char)text[at]) ||
		isdigit((unsigned char)text[at]) || text[at] == ' '))
		at++;
	pem->label = text;
	pem->label_size = at;
	pem->size = BEGIN + at + 5;
	return at && pem->size <= sign->size && !memcmp(text + at, "-----", 5);
}

static bool is_base64(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '/' || c == '=';
}

/* Bytes that part lines: CR, LF, blanks, or a written out \r or \n. */
static size_t gap(const char *text, size_t size)
{
	if (size && strchr(" \t\r\n", *text) && *text)
		return 1;
	if (size > 1 && *text == '\\' && (text[1] == 'n' || text[1] == 'r'))
		return 2;
	return 0;
}

/* "Proc-Type: 4,ENCRYPTED" and the like: its bytes, or 0. */
static size_t header_line(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size && at < LABEL &&
	       (isalpha((unsigned char)text[at]) || text[at] == '-'))
		at++;
	if (at < 2 || at >= size || text[at] != ':')
		return 0;
	while (at < size && text[at] >= ' ' && text[at] != '\\')
		at++;
	return at;
}

/* Steps over base64 and what parts it; counts its characters. */
static size_t read_body(const struct mf_sign *sign, size_t at, size_t *ret)
{
	const char *text = (const char *)sign->bytes;
	size_t reach = mf_sign_reach(sign), length;
	unsigned headers = 0;

	*ret = 0;
	while (at < reach) {
		length = gap(text + at, reach - at);
		if (!length && !*ret && headers < HEADER_LINES) {
			length = header_line(text + at, reach - at);
			headers += length > 0;
		}
		if (length) {
			at += length;
			continue;
		}
		if (!is_base64(text[at]))
			break;
		++*ret;
		at++;
	}
	mf_sign_pay(sign, at);
	return at;
}

static enum mf_sign_is read_pem(const struct mf_sign *sign, struct pem *pem)
{
	static const char end[] = "-----END ";
	enum {
		END = sizeof(end) - 1
	};
	const char *text = (const char *)sign->bytes;
	size_t at, characters;

	if (sign->size < BEGIN + LABEL)
		return mf_sign_short(sign);
	if (!read_label(sign, pem))
		return MF_SIGN_NOT;
	pem->kind = kind_of(pem);
	at = read_body(sign, pem->size, &characters);
	if (at + END + pem->label_size + 5 > sign->size &&
	    mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (characters < FEWEST)
		return MF_SIGN_NOT;
	pem->size = at;
	if (sign->size - at >= END + pem->label_size + 5 &&
	    !memcmp(text + at, end, END) &&
	    !memcmp(text + at + END, pem->label, pem->label_size)) {
		pem->size += END + pem->label_size + 5;
		pem->ended = true;
	}
	return MF_SIGN_IS;
}

static enum mf_sign_is decode(const struct mf_sign *sign, enum pem_kind kind,
			      struct mf_sign_found *ret)
{
	struct pem pem = { 0 };
	enum mf_sign_is is = read_pem(sign, &pem);

	if (is != MF_SIGN_IS)
		return is;
	if (pem.kind != kind)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "%.*s%s",
			 (int)pem.label_size, pem.label,
			 kind == PEM_KEY || kind == PEM_ENCRYPTED ? ", masked"
								  : "");
	mf_sign_is_long(sign, pem.size, ret);
	ret->estimate |= !pem.ended;
	return MF_SIGN_IS;
}

MF_SIGN_DECODER(pem_certificate)
{
	return decode(sign, PEM_CERTIFICATE, ret);
}

MF_SIGN_DECODER(pem_key)
{
	return decode(sign, PEM_KEY, ret);
}

MF_SIGN_DECODER(pem_encrypted)
{
	return decode(sign, PEM_ENCRYPTED, ret);
}

MF_SIGN_DECODER(pem_other)
{
	return decode(sign, PEM_OTHER, ret);
}
