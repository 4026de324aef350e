/*
 * Where code lies, and whose can be followed.
 */
#include "scan/code.h"

#include <string.h>

#include "base/compiler.h"

static const struct {
	const char *arch;
	mf_code_reader read;
} readers[] = {
	{ "x86_64", mf_code_read_x86_64 },
	{ "aarch64", mf_code_read_aarch64 },
};

mf_code_reader mf_code_reader_of(const char *arch)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(readers); i++)
		if (strcmp(readers[i].arch, arch) == 0)
			return readers[i].read;
	return NULL;
}

struct mf_code_range mf_code_range_of(const struct mf_module *module)
{
	struct mf_code_range code = { UINT64_MAX, 0 };

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		if (segment->kind != MF_SEGMENT_TEXT)
			continue;
		code.start = MF_MIN(code.start, segment->start);
		code.end = MF_MAX(code.end, segment->end);
	}
	if (code.end < code.start)
		code.start = code.end = 0;
	return code;
}

bool mf_code_is_data(const struct mf_module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		if (address >= segment->start && address < segment->end)
			return segment->kind != MF_SEGMENT_TEXT;
	}
	return false;
}
