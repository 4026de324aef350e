/*
 * Bytes of a target that are put together, and the strings that are found in
 * them.
 */
#ifndef MF_TESTS_STRINGS_UTIL_H
#define MF_TESTS_STRINGS_UTIL_H

#include <uchar.h>

#include "scan/strings.h"
#include "scan_util.h"

extern const struct mf_scanner_ops mf_scan_strings_ops;

enum {
	ROOM = 4096,
};

/* Bytes of a target that are put together. */
struct bytes {
	uint8_t all[ROOM];
	size_t size;
};

static inline void put(struct bytes *bytes, const void *some, size_t size)
{
	assert_true(bytes->size + size <= ROOM);
	memcpy(bytes->all + bytes->size, some, size);
	bytes->size += size;
}

#define PUT(bytes, literal) put((bytes), (literal), sizeof(literal) - 1)

static inline void put_wide(struct bytes *bytes, const char16_t *text)
{
	for (; *text; text++)
		put(bytes, (uint8_t[]){ *text & 0xff, *text >> 8 }, 2);
}

static inline const struct mf_strings *scan(struct forged_scan *forged,
					    uint32_t split)
{
	return forged_scan_run(forged, &mf_scan_strings_ops, split);
}

static inline const struct mf_sketch_item *
find_in(const struct mf_sketch_sum *sum, const char *text)
{
	for (size_t i = 0; i < sum->count; i++)
		if (sum->items[i].kept == strlen(text) &&
		    !memcmp(mf_sketch_sum_text(sum, &sum->items[i]), text,
			    strlen(text)))
			return &sum->items[i];
	return NULL;
}

/* Wherever two windows meet, nothing else is found than in one. */
static inline void expect_same(struct bytes *bytes, bool all)
{
	struct forged_scan forged;
	char *whole;

	forged_scan_init(&forged, bytes->all, bytes->size);
	forged.options.all_strings = all;
	scan(&forged, 0);
	whole = mf_strdup(forged_scan_json(&forged));
	for (uint32_t split = 1; split < bytes->size; split++) {
		scan(&forged, split);
		if (strcmp(forged_scan_json(&forged), whole) != 0)
			print_message("cut at %u\n", split);
		assert_string_equal(forged_scan_json(&forged), whole);
	}
	free(whole);
	forged_scan_deinit(&forged);
}

#endif
