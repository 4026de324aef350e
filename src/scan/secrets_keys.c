/*
 * Private keys: PEM, their DER (PKCS#8, PKCS#1, SEC 1), and that in base64, as
 * it stands in PEM without its first line, or in JSON.
 */
#include <string.h>

#include "scan/secrets.h"

enum {
	SEQUENCE = 0x30,
	INTEGER = 0x02,
	OCTETS = 0x04,
	OBJECT_ID = 0x06,
	HEAD = 24,	   /* bytes that tell a key */
	LEAST_BASE64 = 32, /* characters of a body */
	LONGEST_NAME = 64, /* of a PEM's first line */
};

/* ---- DER ------------------------------------------------------------------ */

struct der {
	const uint8_t *bytes;
	size_t size, at;
};

/* Reads a tag and its length; false: it is not TAG, or the bytes end. */
static bool enter(struct der *der, uint8_t tag, size_t *length)
{
	size_t bytes;

	if (der->at + 2 > der->size || der->bytes[der->at] != tag)
		return false;
	*length = der->bytes[der->at + 1];
	der->at += 2;
	if (*length < 0x80)
		return true;
	bytes = *length & 0x7f;
	if (!bytes || bytes > 2 || der->at + bytes > der->size)
		return false;
	*length = 0;
	for (; bytes; bytes--)
		*length = *length << 8 | der->bytes[der->at++];
	return *length >= 0x80;
}

/* DER of a private key begins there; *ret is its size. */
static bool is_key(const uint8_t *bytes, size_t size, size_t *ret)
{
	struct der der = { bytes, size, 0 };
	size_t length, number, inner;
	uint8_t version;

	if (!enter(&der, SEQUENCE, &length) || length < LEAST_BASE64)
		return false;
	*ret = der.at + length;
	if (!enter(&der, INTEGER, &number) || number != 1 || der.at >= der.size)
		return false;
	version = der.bytes[der.at++];
	if (version > 1)
		return false;
	struct der inside = der;

	/* PKCS#8: the algorithm, whose name comes first */
	if (enter(&inside, SEQUENCE, &inner) && inner < length &&
	    enter(&inside, OBJECT_ID, &inner))
		return inner >= 3 && inner < length;
	inside = der;
	/* PKCS#1: the modulus, of 512 bits or more */
	if (!version && enter(&inside, INTEGER, &inner))
		return inner >= 64 && inner < length && inner * 8 > length;
	inside = der;
	/* SEC 1: the key of a curve of 160 to 521 bits */
	return version && enter(&inside, OCTETS, &inner) && inner >= 20 &&
	       inner <= 66 && inner < length;
}

bool mf_secret_der(const struct mf_secret_text *text, struct mf_secret *ret)
{
	size_t left = text->size - text->at, size;

	if (!is_key(text->bytes + text->at, left, &size))
		return false;
	size = MF_MIN(size, left);
	*ret = (struct mf_secret){ MF_SECRET_PRIVATE_KEY, text->at, size };
	return true;
}

/* ---- base64 ------------------------------------------------------------------- */

static int value_of(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (mf_is_digit(byte))
		return byte - '0' + 52;
	if (byte == '+' || byte == '-')
		return 62;
	return byte == '/' || byte == '_' ? 63 : -1;
}

/* Decodes at most HEAD bytes; returns how many. */
static size_t decode(const uint8_t *text, size_t size, uint8_t *ret)
{
	uint32_t bits = 0;
	size_t made = 0;

	for (size_t i = 0; i < size && made < HEAD; i++) {
		int value = value_of(text[i]);

		if (value < 0)
			break;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4)
			ret[made++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	return made;
}

/* Where base64 ends that may have ends of lines in it, escaped or not. */
static size_t base64_end(const struct mf_secret_text *text, size_t at)
{
	while (at < text->size) {
		uint8_t byte = text->bytes[at];

		if (value_of(byte) < 0 && byte != '=' && byte != '\n' &&
		    byte != '\r' && byte != '\\')
			break;
		/* five dashes begin a last line */
		if (at + 5 <= text->size &&
		    !memcmp(text->bytes + at, "-----", 5))
			break;
		at++;
	}
	return at;
}

bool mf_secret_base64(const struct mf_secret_text *text, struct mf_secret *ret)
{
	static const char openssh[] = "b3BlbnNzaC1rZXktdjE";
	const uint8_t *bytes = text->bytes + text->at;
	size_t left = text->size - text->at, size, whole;
	uint8_t head[HEAD];

	if (!mf_secret_starts(text) || left < LEAST_BASE64)
		return false;
	if (memcmp(bytes, openssh, sizeof(openssh) - 1) != 0) {
		if (bytes[0] != 'M')
			return false;
		size = decode(bytes, left, head);
		if (!is_key(head, size, &whole))
			return false;
	}
	*ret = (struct mf_secret){
		MF_SECRET_PRIVATE_KEY,
		text->at,
		base64_end(text, text->at) - text->at,
	};
	return true;
}

/* ---- PEM --------------------------------------------------------------------------- */

static bool at_text(const struct mf_secret_text *text, size_t at,
		    const char *word)
{
	size_t size = strlen(word);

	return at <= text->size && size <= text->size - at &&
	       !memcmp(text->bytes + at, word, size);
}

static size_t find_text(const struct mf_secret_text *text, size_t at,
			size_t end, const char *word)
{
	for (; at < end; at++)
		if (at_text(text, at, word))
			break;
	return at;
}

/* What is before the last line of a key whose first line is not there. */
static bool is_end(const struct mf_secret_text *text, struct mf_secret *ret)
{
	size_t end = MF_MIN(text->size, text->at + LONGEST_NAME);
	size_t start = text->at;

	if (!at_text(text, text->at, "-----END ") ||
	    find_text(text, text->at, end, "PRIVATE KEY") == end)
		return false;
	while (start &&
	       (value_of(text->bytes[start - 1]) >= 0 ||
		strchr("=\r\n\\", text->bytes[start - 1])) &&
	       text->bytes[start - 1])
		start--;
	*ret = (struct mf_secret){ MF_SECRET_PRIVATE_KEY, start,
				   text->at - start };
	return ret->size > 0;
}

bool mf_secret_pem(const struct mf_secret_text *text, struct mf_secret *ret)
{
	size_t body = text->at, end;

	if (!at_text(text, body, "-----BEGIN "))
		return is_end(text, ret);
	end = MF_MIN(text->size, body + LONGEST_NAME);
	body = find_text(text, body, end, "PRIVATE KEY");
	if (body == end)
		return false;
	body = find_text(text, body, MF_MIN(text->size, body + LONGEST_NAME),
			 "-----");
	body = MF_MIN(body + 5, text->size);
	end = find_text(text, body, text->size, "-----END ");
	*ret = (struct mf_secret){ MF_SECRET_PRIVATE_KEY, body, end - body };
	return true;
}
