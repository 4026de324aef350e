/*
 * Pages of databases as their buffer pools have them: PostgreSQL's (bufpage.h,
 * 8 KiB each), and those of InnoDB's b-trees (page0page.h). Neither begins with a
 * magic: each is believed when its header and its directory agree.
 */
#include <stdio.h>

#include "scan/signatures.h"

/* ---- PostgreSQL ----------------------------------------------------------------- */

enum {
	PG_PAGE = 8192,
	PG_HEADER = 24, /* the items' pointers follow, up to pd_lower */
	PG_FLAGS = 0x7,
	PG_NORMAL = 1, /* an item that is stored */
	PG_LEAST_SPECIAL = PG_PAGE - 64,
};

/* All items that are stored lie between UPPER and SPECIAL; how many; 0: not. */
static unsigned count_items(const uint8_t *page, uint32_t lower, uint32_t upper,
			    uint32_t special)
{
	uint32_t stored = 0;
	unsigned count = 0;

	for (uint32_t at = PG_HEADER; at < lower; at += 4) {
		uint32_t item = mf_load(uint32_t, page + at);
		uint32_t offset = item & 0x7fff, size = item >> 17;

		if ((item >> 15 & 3) != PG_NORMAL && !size)
			continue;
		if (offset < upper || size > special - offset ||
		    offset > special)
			return 0;
		stored += size;
		count++;
	}
	return stored <= special - upper ? count : 0;
}

MF_SIGN_DECODER(postgres_page)
{
	const uint8_t *page = sign->bytes;
	uint32_t lower, upper, special;
	unsigned count;

	if (sign->size < PG_HEADER)
		return mf_sign_short(sign);
	lower = mf_load(uint16_t, page + 12);
	upper = mf_load(uint16_t, page + 14);
	special = mf_load(uint16_t, page + 16);
	if (mf_load(uint16_t, page + 10) & ~PG_FLAGS || lower <= PG_HEADER ||
	    lower % 4 || lower > upper || upper > special ||
	    special > PG_PAGE || special < PG_LEAST_SPECIAL || special % 8)
		return MF_SIGN_NOT;
	if (sign->size < lower)
		return mf_sign_short(sign);
	mf_sign_pay(sign, lower / 4);
	count = count_items(page, lower, upper, special);
	if (!count)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "%u items of %s, page of %u bytes", count,
			 special == PG_PAGE ? "a table" : "an index",
			 (unsigned)PG_PAGE);
	/* what is in it counts, too */
	mf_sign_is_long(sign, PG_PAGE, ret);
	ret->skip = MF_MIN(ret->skip, (uint64_t)PG_HEADER);
	return MF_SIGN_IS;
}

/* ---- InnoDB --------------------------------------------------------------------- */

enum {
	INNODB_LEAST = 4096,
	INNODB_MOST = 65536,
	INNODB_SLOTS = 38,   /* big-endian, all of them */
	INNODB_HEAP = 42,    /* records, and the two that bound them */
	INNODB_RECORDS = 54, /* without those that are deleted */
	INNODB_LEVEL = 64,
	INNODB_INDEX = 66,
	INNODB_COMPACT = 0x8000, /* of INNODB_HEAP */
	INNODB_HEADER = 94,
	INNODB_TRAILER = 8,
};

/* Where the records are that bound all others. */
static bool is_bounded(const uint8_t *page, bool compact, uint32_t *first,
		       uint32_t *last)
{
	*first = compact ? 99 : 101;
	*last = compact ? 112 : 116;
	return !memcmp(page + *first, "infimum", 7) &&
	       !memcmp(page + *last, "supremum", 8);
}

/* The directory at the end of a page of that SIZE says where these are. */
static bool is_directory(const uint8_t *page, uint32_t size, uint32_t first,
			 uint32_t last)
{
	uint32_t slots = mf_big16(page + INNODB_SLOTS);
	const uint8_t *end = page + size - INNODB_TRAILER;

	return mf_big16(end - 2) == first &&
	       mf_big16(end - (size_t)2 * slots) == last;
}

MF_SIGN_DECODER(innodb_page)
{
	enum {
		BOUNDS = 128
	};
	const uint8_t *page = sign->bytes;
	uint32_t slots, records, size, first, last;
	bool compact;

	if (sign->size < BOUNDS)
		return mf_sign_short(sign);
	slots = mf_big16(page + INNODB_SLOTS);
	records = mf_big16(page + INNODB_RECORDS);
	compact = mf_big16(page + INNODB_HEAP) & INNODB_COMPACT;
	if (slots < 2 || slots > records + 2 || records > INNODB_MOST / 8 ||
	    !is_bounded(page, compact, &first, &last))
		return MF_SIGN_NOT;
	for (size = INNODB_LEAST; size <= sign->size; size *= 2) {
		if (size - BOUNDS > 2 * slots &&
		    is_directory(page, size, first, last))
			break;
		if (size == INNODB_MOST)
			return MF_SIGN_NOT;
	}
	if (size > sign->size)
		return mf_sign_short(sign);
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "%u records of index %u, page of %u bytes", records,
			 mf_big32(page + INNODB_INDEX + 4), size);
	mf_sign_is_long(sign, size, ret);
	ret->skip = MF_MIN(ret->skip, (uint64_t)INNODB_HEADER);
	return MF_SIGN_IS;
}
