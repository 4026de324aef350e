/*
 * Fuzzes the decoders of signatures: each of them at the first byte, then the
 * scanner over all, as one window and cut in two.
 */
#include "memforensics/report.h"

#include "base/memory.h"
#include "fuzz.h"
#include "scan/scanners.h"
#include "scan/signatures.h"
#include "scan_fuzz.h"

static void decode(const struct mf_signature *signature, const uint8_t *bytes,
		   size_t size, struct mf_inflater *inflater)
{
	for (int more = 0; more < 2; more++) {
		size_t effort = MF_SIGN_EFFORT;
		const struct mf_sign sign = {
			.bytes = bytes,
			.size = size,
			.more = more,
			.room = size,
			.rest = size,
			.inflater = inflater,
			.effort = &effort,
		};
		struct mf_sign_found found = { .count = 1, .detailed = true };
		enum mf_sign_is is;

		if (size < signature->at + (size_t)signature->size)
			return;
		is = signature->decode(&sign, &found);
		if (is == MF_SIGN_CUT)
			FUZZ_EQUAL(more, 1);
		if (is != MF_SIGN_IS)
			continue;
		FUZZ_AT_MOST(found.bytes, size);
		FUZZ_AT_MOST(found.skip, found.bytes);
		FUZZ_AT_MOST(1, found.count);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_inflater *inflater = mf_inflater_create();
	const struct mf_signature *rows;
	uint8_t *bytes;
	size_t count;

	rows = mf_signatures(&count);
	if (size > FUZZ_SCAN_MOST || !size)
		size = size ? FUZZ_SCAN_MOST : 0;
	/* Of just that size, with the magic of each in turn. */
	for (size_t i = 0; i < count && size; i++) {
		bytes = mf_calloc(size, 1);
		memcpy(bytes, data, size);
		if (size >= rows[i].at + (size_t)rows[i].size)
			memcpy(bytes + rows[i].at, rows[i].magic, rows[i].size);
		decode(&rows[i], bytes, size, inflater);
		free(bytes);
	}
	mf_inflater_destroy(inflater);
	if (size > 1) {
		const struct mf_scan_options options = { 0 };

		fuzz_scan(&mf_scan_signatures_ops, &options, data, size, 0);
		fuzz_scan(&mf_scan_signatures_ops, &options, data, size,
			  size / 2);
	}
	return 0;
}
