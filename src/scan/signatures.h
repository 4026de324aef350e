/*
 * What a signature is: a row of the table in signatures_table.c. Its magic is
 * only what makes the scanner look; the decoder says whether it is one, by
 * structure, and how long.
 *
 * To add a signature: write its decoder (or take one), add a row, and give
 * tests/unit/test_scan_signatures.c what is one and what only looks like one.
 */
#ifndef MF_SCAN_SIGNATURES_H
#define MF_SCAN_SIGNATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct mf_inflater;

/** What stands at a place in the target. */
struct mf_sign {
	const uint8_t *bytes;
	size_t size;   /* as far as they are known */
	bool more;     /* it goes on behind that */
	uint64_t room; /* to the end of the chunk or range */
	uint64_t rest; /* that one which does not say its length may hold */
	struct mf_inflater *inflater;
	size_t *effort; /* bytes that decoders may still look at */
};

enum mf_sign_is {
	MF_SIGN_NOT,
	MF_SIGN_IS,
	MF_SIGN_CUT, /* only what comes behind can tell; not unless more */
};

enum {
	MF_SIGN_DETAIL = 64,
	MF_SIGN_REACH = 64 << 10,  /* more than that is never looked at */
	MF_SIGN_EFFORT = 8 << 20,  /* for a window */
	MF_SIGN_LEAST_REACH = 512, /* when the effort is spent */
};

struct mf_sign_found {
	uint64_t bytes; /* that it holds */
	uint64_t skip;	/* of these, in which nothing else is looked for */
	uint32_t count; /* messages in a run; 1 */
	bool estimate;	/* the format does not say how long it is */
	bool detailed;	/* in: a detail is wanted */
	char detail[MF_SIGN_DETAIL];
};

/** Where one may begin. */
enum mf_sign_where {
	MF_SIGN_ANYWHERE,
	MF_SIGN_ALIGNED, /* to 8 */
	MF_SIGN_BEGINS,	 /* at the first byte of a chunk */
	MF_SIGN_WITHIN,	 /* anywhere, also in what was found before */
};

struct mf_signature {
	const char *name;  /* rows may share one */
	const char *magic; /* of 2 bytes or more */
	enum mf_sign_is (*decode)(const struct mf_sign *sign,
				  struct mf_sign_found *ret);
	enum mf_sign_where where;
	uint8_t size, at; /* of the magic; how far it is from the start */
	bool text;	  /* its own bytes are the example */
	bool secret;	  /* no byte of it is ever shown */
	/* Of the eight bytes from its magic on: bits that are never set, and
	 * bits of which one is; none: there is nothing to tell. */
	uint8_t clear[8], some[8];
};

const struct mf_signature *mf_signatures(size_t *count);

/* ---- for decoders ----------------------------------------------------------- */

/** Less than a decoder needs is there. */
static inline enum mf_sign_is mf_sign_short(const struct mf_sign *sign)
{
	return sign->more && sign->size < MF_SIGN_REACH ? MF_SIGN_CUT
							: MF_SIGN_NOT;
}

/** How many bytes to look at; what is looked at is paid for. */
static inline size_t mf_sign_reach(const struct mf_sign *sign)
{
	size_t most = MF_SIGN_REACH;

	if (*sign->effort < most)
		most = MF_MAX(*sign->effort, (size_t)MF_SIGN_LEAST_REACH);
	return MF_MIN(most, sign->size);
}

/** The same for what only looks for an end: as far as the effort goes. */
static inline size_t mf_sign_afford(const struct mf_sign *sign)
{
	size_t most = MF_MAX(*sign->effort, (size_t)MF_SIGN_LEAST_REACH);

	return MF_MIN(sign->size, most);
}

static inline void mf_sign_pay(const struct mf_sign *sign, size_t bytes)
{
	*sign->effort -= MF_MIN(bytes, *sign->effort);
}

/** It is one, of LENGTH bytes, as it says itself. */
static inline enum mf_sign_is mf_sign_is_long(const struct mf_sign *sign,
					      uint64_t length,
					      struct mf_sign_found *ret)
{
	ret->estimate = length > sign->room;
	ret->bytes = ret->skip = MF_MIN(length, sign->room);
	return MF_SIGN_IS;
}

/** It is one, its first SEEN bytes are; without an end, it fills the rest. */
static inline enum mf_sign_is mf_sign_is_about(const struct mf_sign *sign,
					       uint64_t seen,
					       struct mf_sign_found *ret)
{
	if (mf_sign_short(sign) == MF_SIGN_CUT)
		return MF_SIGN_CUT;
	ret->estimate = true;
	ret->skip = MF_MIN(seen, sign->room);
	ret->bytes = MF_MAX(sign->rest, ret->skip);
	return MF_SIGN_IS;
}

static inline bool mf_sign_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline uint16_t mf_big16(const uint8_t *bytes)
{
	return __builtin_bswap16(mf_load(uint16_t, bytes));
}

static inline uint32_t mf_big32(const uint8_t *bytes)
{
	return __builtin_bswap32(mf_load(uint32_t, bytes));
}

/* ---- decoders ----------------------------------------------------------------- */

#define MF_SIGN_DECODER(name)                                      \
	enum mf_sign_is mf_sign_##name(const struct mf_sign *sign, \
				       struct mf_sign_found *ret)

/* signatures_packed.c */
MF_SIGN_DECODER(gzip);
MF_SIGN_DECODER(zlib);
MF_SIGN_DECODER(zstd);
MF_SIGN_DECODER(lz4);
MF_SIGN_DECODER(snappy);
struct mf_inflater *mf_inflater_create(void);
void mf_inflater_destroy(struct mf_inflater *inflater);

/* signatures_files.c */
MF_SIGN_DECODER(elf);
MF_SIGN_DECODER(jpeg);
MF_SIGN_DECODER(png);
MF_SIGN_DECODER(pdf);

/* signatures_java.c */
MF_SIGN_DECODER(class);
MF_SIGN_DECODER(jar);
MF_SIGN_DECODER(zip);
MF_SIGN_DECODER(zip_entry);
MF_SIGN_DECODER(zip_directory);

/* signatures_sqlite.c */
MF_SIGN_DECODER(sqlite_file);
MF_SIGN_DECODER(sqlite_page);

/* signatures_pages.c */
MF_SIGN_DECODER(postgres_page);
MF_SIGN_DECODER(innodb_page);

/* signatures_text.c */
MF_SIGN_DECODER(json);
MF_SIGN_DECODER(xml);
MF_SIGN_DECODER(html);
MF_SIGN_DECODER(http_request);
MF_SIGN_DECODER(http_response);
MF_SIGN_DECODER(http2);

/* signatures_keys.c */
MF_SIGN_DECODER(certificate);
MF_SIGN_DECODER(pkcs8);
MF_SIGN_DECODER(pkcs1);
MF_SIGN_DECODER(sec1);
MF_SIGN_DECODER(openssh);

/* signatures_pem.c */
MF_SIGN_DECODER(pem_certificate);
MF_SIGN_DECODER(pem_key);
MF_SIGN_DECODER(pem_encrypted);
MF_SIGN_DECODER(pem_other);

/* signatures_wire.c */
MF_SIGN_DECODER(tls);
MF_SIGN_DECODER(resp);
MF_SIGN_DECODER(protobuf);

/* signatures_sql.c */
MF_SIGN_DECODER(mysql_query);
MF_SIGN_DECODER(mysql_column);
MF_SIGN_DECODER(mysql_greeting);
MF_SIGN_DECODER(postgres);
MF_SIGN_DECODER(postgres_startup);

#endif
