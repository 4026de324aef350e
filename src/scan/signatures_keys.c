/*
 * Certificates and private keys in DER: X.509 (RFC 5280), PKCS#8 (RFC 5958),
 * PKCS#1 (RFC 8017), SEC 1 (RFC 5915), and OpenSSH's own. Of a key nothing but
 * its kind and size is ever said.
 */
#include <stdio.h>

#include "scan/signatures.h"

enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT0 = 0xa0,
	DER_CONTEXT1 = 0xa1,
};

/* What is inside of an element, or what comes behind it. */
struct der {
	const uint8_t *bytes;
	size_t size;
};

/* The header of the element that FROM begins with; false: it is none. */
static bool read_header(const struct der *from, uint8_t *tag, size_t *header,
			size_t *length)
{
	const uint8_t *bytes = from->bytes;

	if (from->size < 2)
		return false;
	*tag = bytes[0];
	*header = 2;
	*length = bytes[1];
	if (bytes[1] < 0x80)
		return true;
	/* The shortest form that will do, of at most 3 bytes. */
	if (bytes[1] == 0x81 && from->size >= 3) {
		*header = 3;
		*length = bytes[2];
		return *length >= 0x80;
	}
	if (bytes[1] == 0x82 && from->size >= 4) {
		*header = 4;
		*length = mf_big16(bytes + 2);
		return *length >= 0x100;
	}
	return false;
}

/* Takes the next element off FROM, where it is of that tag and whole. */
static bool take(struct der *from, uint8_t tag, struct der *ret)
{
	size_t header, length;
	uint8_t found;

	if (!read_header(from, &found, &header, &length) || found != tag ||
	    from->size - header < length)
		return false;
	ret->bytes = from->bytes + header;
	ret->size = length;
	from->bytes = ret->bytes + length;
	from->size -= header + length;
	return true;
}

static bool next_is(const struct der *from, uint8_t tag)
{
	return from->size && *from->bytes == tag;
}

/* The outermost sequence, as far as its bytes are known. */
static enum mf_sign_is take_whole(const struct mf_sign *sign, struct der *ret,
				  size_t *whole)
{
	struct der all = { sign->bytes, sign->size };
	size_t header, length;
	uint8_t tag;

	if (sign->size < 4)
		return mf_sign_short(sign);
	if (!read_header(&all, &tag, &header, &length) || tag != DER_SEQUENCE)
		return MF_SIGN_NOT;
	*whole = header + length;
	if (*whole > sign->room)
		return MF_SIGN_NOT;
	if (*whole > sign->size)
		return mf_sign_short(sign);
	ret->bytes = sign->bytes + header;
	ret->size = length;
	return MF_SIGN_IS;
}

/* ---- X.509 ------------------------------------------------------------------------ */

static bool is_algorithm(struct der *from, struct der *oid)
{
	struct der inside;

	return take(from, DER_SEQUENCE, &inside) &&
	       take(&inside, DER_OID, oid) && oid->size >= 3 && oid->size <= 16;
}

static bool take_time(struct der *from)
{
	struct der when;

	return take(from, DER_UTC_TIME, &when) || take(from, DER_TIME, &when);
}

/* Writes the common name, else the last name that there is. */
static void write_subject(const struct der *subject, char *text, size_t size)
{
	static const uint8_t common_name[] = { DER_OID, 3, 0x55, 4, 3 };
	const uint8_t *found = memmem(subject->bytes, subject->size,
				      common_name, sizeof(common_name));
	struct der rest, name;

	if (!found)
		return;
	rest.bytes = found + sizeof(common_name);
	rest.size = subject->size - (size_t)(rest.bytes - subject->bytes);
	if (take(&rest, DER_UTF8, &name) || take(&rest, DER_PRINTABLE, &name))
		snprintf(text, size, "CN=%.*s",
			 (int)MF_MIN(name.size, (size_t)48),
			 (const char *)name.bytes);
}

static bool is_certificate(struct der inside, struct der *subject)
{
	struct der body, element, issuer, times, oid;

	if (!take(&inside, DER_SEQUENCE, &body) ||
	    !is_algorithm(&inside, &oid) ||
	    !take(&inside, DER_BIT_STRING, &element) || inside.size)
		return false;
	if (next_is(&body, DER_CONTEXT0) &&
	    (!take(&body, DER_CONTEXT0, &element) || element.size != 3))
		return false;
	if (!take(&body, DER_INTEGER, &element) || !element.size ||
	    element.size > 24 || !is_algorithm(&body, &oid) ||
	    !take(&body, DER_SEQUENCE, &issuer) ||
	    !take(&body, DER_SEQUENCE, &times) ||
	    !take(&body, DER_SEQUENCE, subject) ||
	    !next_is(&body, DER_SEQUENCE))
		return false;
	for (int i = 0; i < 2; i++)
		if (!take_time(&times))
			return false;
	return !times.size;
}

MF_SIGN_DECODER(certificate)
{
	struct der inside, subject;
	enum mf_sign_is is;
	size_t whole;

	is = take_whole(sign, &inside, &whole);
	if (is != MF_SIGN_IS)
		return is;
	if (!is_certificate(inside, &subject))
		return MF_SIGN_NOT;
	if (ret->detailed)
		write_subject(&subject, ret->detail, sizeof(ret->detail));
	return mf_sign_is_long(sign, whole, ret);
}

/* ---- private keys ------------------------------------------------------------------- */

static bool take_small(struct der *from, uint8_t *ret)
{
	struct der number;

	if (!take(from, DER_INTEGER, &number) || number.size != 1)
		return false;
	*ret = *number.bytes;
	return true;
}

static const char *algorithm_name(const struct der *oid)
{
	static const struct {
		const char *name, *oid;
		uint8_t size;
	} known[] = {
		{ "RSA", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9 },
		{ "RSA-PSS", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9 },
		{ "DSA", "\x2a\x86\x48\xce\x38\x04\x01", 7 },
		{ "EC", "\x2a\x86\x48\xce\x3d\x02\x01", 7 },
		{ "X25519", "\x2b\x65\x6e", 3 },
		{ "X448", "\x2b\x65\x6f", 3 },
		{ "Ed25519", "\x2b\x65\x70", 3 },
		{ "Ed448", "\x2b\x65\x71", 3 },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++)
		if (oid->size == known[i].size &&
		    !memcmp(oid->bytes, known[i].oid, oid->size))
			return known[i].name;
	return "of some kind";
}

MF_SIGN_DECODER(pkcs8)
{
	struct der inside, oid, key;
	enum mf_sign_is is;
	uint8_t version;
	size_t whole;

	is = take_whole(sign, &inside, &whole);
	if (is != MF_SIGN_IS)
		return is;
	if (!take_small(&inside, &version) || version > 1 ||
	    !is_algorithm(&inside, &oid) || !take(&inside, DER_OCTETS, &key) ||
	    key.size < 16)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "%s, %zu bytes, masked", algorithm_name(&oid),
			 key.size);
	return mf_sign_is_long(sign, whole, ret);
}

/* Modulus, exponents, two primes, and three numbers made of them. */
static bool is_rsa(struct der *inside, size_t *modulus)
{
	enum {
		NUMBERS = 8,
		LEAST = 48,
	};
	size_t size[NUMBERS];

	for (size_t i = 0; i < NUMBERS; i++) {
		struct der number;

		if (!take(inside, DER_INTEGER, &number) || !number.size ||
		    number.bytes[0] & 0x80)
			return false;
		size[i] = number.size;
	}
	*modulus = size[0];
	return size[0] >= LEAST && size[1] <= 9 && size[2] <= size[0] &&
	       size[3] + size[4] <= size[0] + 2 &&
	       size[3] + size[4] + 2 >= size[0] && size[5] <= size[3] &&
	       size[6] <= size[4];
}

MF_SIGN_DECODER(pkcs1)
{
	struct der inside;
	enum mf_sign_is is;
	uint8_t version;
	size_t whole, modulus;

	is = take_whole(sign, &inside, &whole);
	if (is != MF_SIGN_IS)
		return is;
	if (!take_small(&inside, &version) || version > 1 ||
	    !is_rsa(&inside, &modulus))
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "RSA, %zu bits, masked", modulus / 8 * 64);
	return mf_sign_is_long(sign, whole, ret);
}

MF_SIGN_DECODER(sec1)
{
	struct der inside, key, element;
	enum mf_sign_is is;
	uint8_t version;
	size_t whole;

	is = take_whole(sign, &inside, &whole);
	if (is != MF_SIGN_IS)
		return is;
	if (!take_small(&inside, &version) || version != 1 ||
	    !take(&inside, DER_OCTETS, &key) || key.size < 20 ||
	    key.size > 66 || !inside.size)
		return MF_SIGN_NOT;
	if ((next_is(&inside, DER_CONTEXT0) &&
	     !take(&inside, DER_CONTEXT0, &element)) ||
	    (next_is(&inside, DER_CONTEXT1) &&
	     !take(&inside, DER_CONTEXT1, &element)) ||
	    inside.size)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "EC, %zu bytes, masked", key.size);
	return mf_sign_is_long(sign, whole, ret);
}

/* A text of the format of PROTOCOL.key: a length, then so many bytes. */
static bool take_text(struct der *from, size_t most, struct der *ret)
{
	uint32_t length;

	if (from->size < 4)
		return false;
	length = mf_big32(from->bytes);
	if (length > most || length > from->size - 4)
		return false;
	ret->bytes = from->bytes + 4;
	ret->size = length;
	from->bytes += 4 + length;
	from->size -= 4 + length;
	return true;
}

MF_SIGN_DECODER(openssh)
{
	enum {
		MAGIC = 15,
		NAME = 64,
		BLOB = 16 << 10,
	};
	struct der rest = { sign->bytes + MAGIC, sign->size - MAGIC };
	struct der cipher, method, options, shared, key;

	if (!take_text(&rest, NAME, &cipher) ||
	    !take_text(&rest, NAME, &method) ||
	    !take_text(&rest, NAME, &options) || rest.size < 4)
		return sign->size < 256 ? mf_sign_short(sign) : MF_SIGN_NOT;
	if (mf_big32(rest.bytes) != 1)
		return MF_SIGN_NOT;
	rest.bytes += 4;
	rest.size -= 4;
	if (!take_text(&rest, BLOB, &shared) || !take_text(&rest, BLOB, &key))
		return mf_sign_short(sign);
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "cipher %.*s, masked",
			 (int)MF_MIN(cipher.size, (size_t)20),
			 (const char *)cipher.bytes);
	return mf_sign_is_long(sign, (uint64_t)(rest.bytes - sign->bytes), ret);
}
