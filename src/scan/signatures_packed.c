/*
 * Compressed streams: gzip and zlib are believed when they inflate, the others
 * when their frame headers and the blocks behind them hold together.
 */
#include <stdio.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in is not written to */
#include <zlib.h>

#include "scan/signatures.h"

enum {
	INFLATE_ENOUGH = 64, /* bytes of output that random ones never give */
	INFLATE_MOST = 256 << 10, /* bytes of output of one stream */
	OUTPUT = 16 << 10,
	SHORTEST_STREAM = 9, /* of zlib, with something in it */
};

struct mf_inflater {
	z_stream stream;
	bool ready;
	uint8_t output[OUTPUT];
};

struct mf_inflater *mf_inflater_create(void)
{
	struct mf_inflater *inflater = mf_new(struct mf_inflater);

	inflater->ready = inflateInit2(&inflater->stream, MAX_WBITS) == Z_OK;
	return inflater;
}

void mf_inflater_destroy(struct mf_inflater *inflater)
{
	if (!inflater)
		return;
	if (inflater->ready)
		inflateEnd(&inflater->stream);
	free(inflater);
}

struct inflated {
	uint64_t in, out;
	bool ended, wrong;
};

/* Inflates as far as it goes; BITS as for inflateReset2. */
static struct inflated inflate_some(const struct mf_sign *sign, int bits)
{
	z_stream *stream = &sign->inflater->stream;
	struct inflated so = { .wrong = true };
	size_t most = MF_MIN(*sign->effort, (size_t)INFLATE_MOST);
	int status = Z_OK;

	if (!sign->inflater->ready || inflateReset2(stream, bits) != Z_OK)
		return so;
	most = MF_MAX(most, (size_t)MF_SIGN_LEAST_REACH);
	stream->next_in = (z_const Bytef *)sign->bytes;
	stream->avail_in = (unsigned)MF_MIN(sign->size, (size_t)UINT32_MAX);
	so.wrong = false;
	while (status == Z_OK && so.out < most) {
		stream->next_out = sign->inflater->output;
		stream->avail_out =
			(unsigned)MF_MIN(most - so.out, (size_t)OUTPUT);
		status = inflate(stream, Z_NO_FLUSH);
		so.out = stream->total_out;
	}
	so.in = stream->total_in;
	so.ended = status == Z_STREAM_END;
	so.wrong = status != Z_OK && status != Z_BUF_ERROR && !so.ended;
	mf_sign_pay(sign, so.out + so.in);
	return so;
}

static enum mf_sign_is judge(const struct mf_sign *sign,
			     const struct inflated *so,
			     struct mf_sign_found *ret)
{
	bool starved = so->in == sign->size && so->out < INFLATE_MOST;

	if (so->wrong)
		return MF_SIGN_NOT;
	if (so->ended) {
		if (so->in < SHORTEST_STREAM || !so->out)
			return MF_SIGN_NOT;
		if (ret->detailed)
			snprintf(ret->detail, sizeof(ret->detail),
				 "%llu bytes of %llu",
				 (unsigned long long)so->in,
				 (unsigned long long)so->out);
		return mf_sign_is_long(sign, so->in, ret);
	}
	if (starved && mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	if (so->out < INFLATE_ENOUGH)
		return MF_SIGN_NOT;
	return mf_sign_is_about(sign, so->in, ret);
}

MF_SIGN_DECODER(gzip)
{
	enum {
		HEADER = 10,
		RESERVED_FLAGS = 0xe0
	};
	struct inflated so;

	if (sign->size < HEADER)
		return mf_sign_short(sign);
	if (sign->bytes[3] & RESERVED_FLAGS || (sign->bytes[8] & ~6U) ||
	    (sign->bytes[9] > 13 && sign->bytes[9] != 255))
		return MF_SIGN_NOT;
	so = inflate_some(sign, MAX_WBITS + 16);
	return judge(sign, &so, ret);
}

/* The first block's header is not impossible (RFC 1951, 3.2.3). */
static bool may_be_deflated(const uint8_t *bytes)
{
	enum {
		STORED = 0,
		DYNAMIC = 2,
		RESERVED = 3,
	};
	uint32_t word = mf_load(uint32_t, bytes);
	uint32_t type = word >> 1 & 3;

	if (type == STORED)
		return ((word >> 8 & 0xffff) ^ (word >> 24 | bytes[4] << 8)) ==
		       0xffff;
	if (type == DYNAMIC)
		return (word >> 3 & 31) < 30 && (word >> 8 & 31) < 30;
	return type != RESERVED;
}

MF_SIGN_DECODER(zlib)
{
	struct inflated so;

	if (sign->size < SHORTEST_STREAM)
		return mf_sign_short(sign);
	if (mf_big16(sign->bytes) % 31 || !may_be_deflated(sign->bytes + 2))
		return MF_SIGN_NOT;
	so = inflate_some(sign, MAX_WBITS);
	return judge(sign, &so, ret);
}

/* ---- zstd, RFC 8878 ---------------------------------------------------------- */

enum {
	ZSTD_MAGIC = 4,
	ZSTD_BLOCK_HEADER = 3,
	ZSTD_BLOCK_MOST = 128 << 10,
	ZSTD_RAW = 0,
	ZSTD_RLE = 1,
	ZSTD_RESERVED = 3,
};

/* Bytes of the frame header, magic included; 0: it is none. */
static size_t zstd_header(uint8_t descriptor, uint8_t window)
{
	static const uint8_t sizes[] = { 0, 2, 4, 8 };
	static const uint8_t dictionaries[] = { 0, 1, 2, 4 };
	bool single = descriptor & 0x20;
	unsigned size = descriptor >> 6;

	if (descriptor & 0x18) /* unused and reserved bits */
		return 0;
	/* Windows above 1 GiB are nobody's. */
	if (!single && window >> 3 > 20)
		return 0;
	return ZSTD_MAGIC + 1 + (single ? 0 : 1) +
	       dictionaries[descriptor & 3] +
	       (size	 ? sizes[size]
		: single ? 1
			 : 0);
}

MF_SIGN_DECODER(zstd)
{
	size_t at, blocks = 0;

	if (sign->size < ZSTD_MAGIC + 2)
		return mf_sign_short(sign);
	at = zstd_header(sign->bytes[4], sign->bytes[5]);
	if (!at)
		return MF_SIGN_NOT;
	while (at + ZSTD_BLOCK_HEADER <= sign->size) {
		const uint8_t *block = sign->bytes + at;
		uint32_t word =
			block[0] | block[1] << 8 | (uint32_t)block[2] << 16;
		uint32_t size = word >> 3, type = word >> 1 & 3;

		if (type == ZSTD_RESERVED || size > ZSTD_BLOCK_MOST ||
		    (type > ZSTD_RLE && size < 2))
			return MF_SIGN_NOT;
		at += ZSTD_BLOCK_HEADER + (type == ZSTD_RLE ? 1 : size);
		blocks++;
		if (word & 1)
			return mf_sign_is_long(
				sign, at + (sign->bytes[4] & 4 ? 4 : 0), ret);
	}
	if (!blocks)
		return mf_sign_short(sign);
	return mf_sign_is_about(sign, MF_MIN(at, sign->size), ret);
}

/* ---- LZ4 frames --------------------------------------------------------------- */

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* XXH32 with seed 0 of fewer than 16 bytes, which is what headers have. */
static uint32_t xxh32_short(const uint8_t *bytes, size_t size)
{
	const uint32_t prime1 = 0x9e3779b1, prime2 = 0x85ebca77,
		       prime3 = 0xc2b2ae3d, prime4 = 0x27d4eb2f,
		       prime5 = 0x165667b1;
	uint32_t hash = prime5 + (uint32_t)size;

	for (; size >= 4; bytes += 4, size -= 4)
		hash = rotate(hash + mf_load(uint32_t, bytes) * prime3, 17) *
		       prime4;
	for (; size; bytes++, size--)
		hash = rotate(hash + *bytes * prime5, 11) * prime1;
	hash = (hash ^ hash >> 15) * prime2;
	hash = (hash ^ hash >> 13) * prime3;
	return hash ^ hash >> 16;
}

MF_SIGN_DECODER(lz4)
{
	enum {
		MAGIC = 4,
		DESCRIPTOR = 2,
		UNCOMPRESSED = 1U << 31,
	};
	uint8_t flags, block_size;
	size_t at, header = DESCRIPTOR;

	if (sign->size < MAGIC + DESCRIPTOR + 1)
		return mf_sign_short(sign);
	flags = sign->bytes[MAGIC];
	block_size = sign->bytes[MAGIC + 1];
	if (flags >> 6 != 1 || flags & 2 || block_size & 0x8f ||
	    block_size >> 4 < 4)
		return MF_SIGN_NOT;
	header += (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
	if (sign->size < MAGIC + header + 1)
		return mf_sign_short(sign);
	if (sign->bytes[MAGIC + header] !=
	    (xxh32_short(sign->bytes + MAGIC, header) >> 8 & 0xff))
		return MF_SIGN_NOT;
	for (at = MAGIC + header + 1; at + 4 <= sign->size;) {
		uint32_t size = mf_load(uint32_t, sign->bytes + at);

		at += 4;
		if (!size)
			return mf_sign_is_long(sign, at + (flags & 4 ? 4 : 0),
					       ret);
		size &= ~UNCOMPRESSED;
		if (size > UINT32_C(256) << 2 * (block_size >> 4))
			return MF_SIGN_NOT;
		at += size + (flags & 0x10 ? 4U : 0U);
	}
	return mf_sign_is_about(sign, MF_MIN(at, sign->size), ret);
}

/* ---- snappy's framing format ---------------------------------------------------- */

MF_SIGN_DECODER(snappy)
{
	enum {
		STREAM_HEADER = 10,
		CHUNK_HEADER = 4,
		LONGEST = (64 << 10) + (64 << 10) / 6 + 64,
	};
	size_t at = STREAM_HEADER;

	while (at + CHUNK_HEADER <= sign->size) {
		const uint8_t *chunk = sign->bytes + at;
		uint32_t size =
			chunk[1] | chunk[2] << 8 | (uint32_t)chunk[3] << 16;

		/* 0 compressed, 1 not, 0x80-0xfe to be skipped, 0xff again */
		if ((chunk[0] > 1 && chunk[0] < 0x80) ||
		    (chunk[0] <= 1 && (size < 4 || size > LONGEST)) ||
		    (chunk[0] >= 0x80 && size > LONGEST))
			return at > STREAM_HEADER
				       ? mf_sign_is_long(sign, at, ret)
				       : MF_SIGN_NOT;
		at += CHUNK_HEADER + (size_t)size;
	}
	if (at == sign->size && !sign->more)
		return mf_sign_is_long(sign, at, ret);
	return mf_sign_is_about(sign, MF_MIN(at, sign->size), ret);
}
