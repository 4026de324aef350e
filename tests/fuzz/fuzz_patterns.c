/*
 * Fuzzes patterns: the first byte says of which kind, the bytes up to a NUL are
 * the pattern, and the rest is what it is looked for in, cut in two as well.
 */
#include "fuzz.h"
#include "scan/patterns.h"
#include "scan/scanners.h"
#include "scan_fuzz.h"

enum {
	LONGEST_PATTERN = 200,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum mf_find_kind kinds[] = { MF_FIND_TEXT, MF_FIND_HEX,
						   MF_FIND_REGEX };
	char text[LONGEST_PATTERN + 1] = { 0 };
	const struct mf_scan_pattern pattern = { size ? kinds[data[0] % 3]
						      : MF_FIND_TEXT,
						 text };
	const struct mf_scan_options options = { .patterns = &pattern,
						 .pattern_count = 1 };
	const uint8_t *end;
	size_t length;

	if (size < 4)
		return 0;
	data++;
	size--;
	end = memchr(data, '\0', MF_MIN(size, (size_t)LONGEST_PATTERN));
	if (!end || end + 2 >= data + size)
		return 0;
	length = (size_t)(end - data);
	memcpy(text, data, length);
	data += length + 1;
	size -= length + 1;
	size = MF_MIN(size, (size_t)FUZZ_SCAN_MOST);
	fuzz_scan(&mf_scan_matches_ops, &options, data, size, 0);
	fuzz_scan(&mf_scan_matches_ops, &options, data, size, size / 2);
	return 0;
}
