/*
 * Messages as they cross wires: TLS records, Redis's protocol, and what could
 * be protocol buffers. Runs of messages are found as one and counted each.
 */
#include <stdio.h>

#include "base/escape.h"
#include "scan/signatures.h"

/* ---- TLS records, RFC 8446 5.1 -------------------------------------------------- */

enum {
	TLS_HEADER = 5,
	TLS_CHANGE = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_DATA = 23,
	TLS_LONGEST = (16 << 10) + 2048,
};

/* Bytes of the record that stands here, by its header; 0: it is none. */
static size_t tls_record(const uint8_t *record)
{
	size_t length = mf_big16(record + 3);

	if (record[0] < TLS_CHANGE || record[0] > TLS_DATA || record[1] != 3 ||
	    record[2] > 4 || !length || length > TLS_LONGEST)
		return 0;
	if (record[0] == TLS_CHANGE && length != 1)
		return 0;
	return TLS_HEADER + length;
}

static bool is_handshake(uint8_t type)
{
	return type == 1 || type == 2 || type == 4 || type == 8 ||
	       (type >= 11 && type <= 16 && type != 12) || type == 12 ||
	       type == 20 || type == 22;
}

/* The record's own bytes leave no doubt (SIZE of them are there). */
static bool tls_certain(const uint8_t *record, size_t size)
{
	size_t length = mf_big16(record + 3), inner;

	switch (record[0]) {
	case TLS_CHANGE:
		return size > TLS_HEADER && record[TLS_HEADER] == 1;
	case TLS_ALERT:
		return length == 2 && size >= TLS_HEADER + 2 &&
		       (record[5] == 1 || record[5] == 2) && record[6] <= 120;
	case TLS_HANDSHAKE:
		if (size < TLS_HEADER + 6 || length < 4)
			return false;
		inner = (size_t)record[6] << 16 | mf_big16(record + 7);
		if (!is_handshake(record[5]) || inner + 4 > length)
			return false;
		/* Hellos have a version; all others fill the record or are
		 * followed by another message. */
		if (record[5] <= 2)
			return record[9] == 3 && record[10] <= 4 && inner >= 38;
		return inner + 4 == length ||
		       (size > TLS_HEADER + 4 + inner &&
			is_handshake(record[TLS_HEADER + 4 + inner]));
	default:
		return false;
	}
}

MF_SIGN_DECODER(tls)
{
	size_t at = 0, length;
	unsigned records = 0, certain = 0;
	bool whole = true;

	while (at + TLS_HEADER <= sign->size) {
		const uint8_t *record = sign->bytes + at;

		length = tls_record(record);
		if (!length)
			break;
		records++;
		certain += tls_certain(record, sign->size - at);
		whole = length <= sign->size - at;
		at += MF_MIN(length, sign->size - at);
	}
	mf_sign_pay(sign, (size_t)records * TLS_HEADER);
	if (at + TLS_HEADER > sign->size && mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (!certain && records < 3)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail), "TLS %s%s",
			 sign->bytes[0] == TLS_HANDSHAKE ? "handshake"
							 : "records",
			 sign->bytes[0] == TLS_HANDSHAKE &&
					 sign->size > TLS_HEADER &&
					 sign->bytes[TLS_HEADER] == 1
				 ? ", client hello"
				 : "");
	ret->count = records;
	if (whole)
		return mf_sign_is_long(sign, at, ret);
	return mf_sign_is_about(sign, at, ret);
}

/* ---- RESP, the protocol of Redis -------------------------------------------------- */

enum {
	RESP_LONGEST_ARRAY = 1 << 20,
	RESP_LONGEST_TEXT = 512 << 20,
	RESP_LEAST = 12, /* of texts alone */
};

/* A number and CRLF at AT; bytes of both, or 0. */
static size_t resp_number(const uint8_t *bytes, size_t size, uint64_t *ret)
{
	uint64_t value = 0;
	size_t at = 0;

	while (at < size && at < 10 && mf_sign_is_digit(bytes[at]))
		value = value * 10 + (bytes[at++] - '0');
	if (!at || size - at < 2 || bytes[at] != '\r' || bytes[at + 1] != '\n')
		return 0;
	*ret = value;
	return at + 2;
}

struct resp {
	const uint8_t *bytes;
	size_t size, at;
	bool starved; /* cut off in the middle */
};

/* "$5\r\nhello\r\n" */
static bool resp_text(struct resp *resp)
{
	const uint8_t *bytes = resp->bytes + resp->at;
	size_t size = resp->size - resp->at, header;
	uint64_t length;

	resp->starved = size < 4;
	if (!size || *bytes != '$')
		return resp->starved && !size;
	header = resp_number(bytes + 1, size - 1, &length);
	if (!header || length > RESP_LONGEST_TEXT) {
		resp->starved = size < 16;
		return false;
	}
	if (length + 2 > size - 1 - header) {
		resp->starved = true;
		resp->at = resp->size;
		return true;
	}
	bytes += 1 + header + length;
	resp->at += 1 + header + length + 2;
	return bytes[0] == '\r' && bytes[1] == '\n';
}

/* "*2\r\n" and its texts, or one text. */
static bool resp_value(struct resp *resp)
{
	uint64_t left = 0;
	size_t header;

	if (resp->bytes[resp->at] == '$')
		return resp_text(resp);
	if (resp->bytes[resp->at] != '*')
		return false;
	header = resp_number(resp->bytes + resp->at + 1,
			     resp->size - resp->at - 1, &left);
	if (!header || !left || left > RESP_LONGEST_ARRAY) {
		resp->starved = resp->size - resp->at < 12;
		return false;
	}
	resp->at += 1 + header;
	while (left && !resp->starved) {
		if (!resp_text(resp))
			return false;
		left--;
	}
	return true;
}

MF_SIGN_DECODER(resp)
{
	struct resp resp = { .bytes = sign->bytes,
			     .size = mf_sign_reach(sign) };
	unsigned values = 0;
	size_t good = 0;

	while (resp.at < resp.size && resp_value(&resp) && !resp.starved) {
		values++;
		good = resp.at;
	}
	mf_sign_pay(sign, resp.at);
	if ((resp.starved || resp.at == resp.size) && resp.size == sign->size &&
	    mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if ((!values && !(resp.starved && resp.at >= 32)) ||
	    (*sign->bytes == '$' && good < RESP_LEAST))
		return MF_SIGN_NOT;
	ret->count = MF_MAX(values, 1U);
	if (resp.starved)
		return mf_sign_is_about(sign, MF_MIN(resp.at, resp.size), ret);
	return mf_sign_is_long(sign, good, ret);
}

/* ---- protocol buffers -------------------------------------------------------------- */

enum {
	PROTO_VARINT = 0,
	PROTO_FIXED64 = 1,
	PROTO_BYTES = 2,
	PROTO_FIXED32 = 5,
	PROTO_FEWEST_FIELDS = 4,
	PROTO_FEWEST_TEXTS = 2,
	PROTO_LEAST = 24,
	PROTO_HIGHEST_FIRST = 3,
	PROTO_WIDEST_STEP = 64,
};

/* Of the shortest form; 0: it is none. */
static size_t proto_varint(const uint8_t *bytes, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && i < 10; i++) {
		value |= (uint64_t)(bytes[i] & 0x7f) << 7 * i;
		if (bytes[i] & 0x80)
			continue;
		*ret = value;
		return i && !bytes[i] ? 0 : i + 1;
	}
	return 0;
}

/* Four bytes of printable UTF-8 or more. */
static bool is_proto_text(const uint8_t *bytes, size_t size)
{
	if (size < 4)
		return false;
	for (size_t at = 0, length; at < size; at += length) {
		length = mf_utf8_length((const char *)bytes + at, size - at);
		if (!length || bytes[at] < ' ' || bytes[at] == 0x7f)
			return false;
	}
	return true;
}

struct proto {
	size_t at;
	uint64_t field; /* of the last one */
	unsigned fields, texts;
};

/* Takes one field; false: none stands there. */
static bool proto_field(struct proto *proto, const uint8_t *bytes, size_t size)
{
	uint64_t tag, value = 0;
	size_t at = proto->at, length;

	length = proto_varint(bytes + at, size - at, &tag);
	at += length;
	if (!length || !(tag >> 3) || tag >> 3 < proto->field ||
	    tag >> 3 > proto->field + PROTO_WIDEST_STEP)
		return false;
	switch (tag & 7) {
	case PROTO_VARINT:
		length = proto_varint(bytes + at, size - at, &value);
		if (!length)
			return false;
		break;
	case PROTO_FIXED64:
		length = 8;
		break;
	case PROTO_FIXED32:
		length = 4;
		break;
	case PROTO_BYTES:
		length = proto_varint(bytes + at, size - at, &value);
		at += length;
		if (!length || value > size - at)
			return false;
		length = value;
		proto->texts += is_proto_text(bytes + at, value);
		break;
	default:
		return false;
	}
	if (length > size - at)
		return false;
	proto->at = at + length;
	proto->field = tag >> 3;
	proto->fields++;
	return true;
}

MF_SIGN_DECODER(protobuf)
{
	size_t size = MF_MIN(mf_sign_reach(sign), (size_t)4096);
	struct proto proto = { 0 };

	if (sign->size < PROTO_LEAST ||
	    sign->bytes[0] >> 3 > PROTO_HIGHEST_FIRST)
		return MF_SIGN_NOT;
	while (proto.at < size && proto_field(&proto, sign->bytes, size))
		;
	mf_sign_pay(sign, proto.at);
	if (proto.fields < PROTO_FEWEST_FIELDS ||
	    proto.texts < PROTO_FEWEST_TEXTS || proto.at < PROTO_LEAST)
		return MF_SIGN_NOT;
	/* It ends with the chunk, or with zeros that nobody wrote to. */
	if (proto.at < size && sign->bytes[proto.at])
		return MF_SIGN_NOT;
	mf_sign_is_long(sign, proto.at, ret);
	ret->estimate = true;
	return MF_SIGN_IS;
}
