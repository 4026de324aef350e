/*
 * Fuzzes saved listings of mappings: the parser of maps, smaps and pmap, and
 * the regions made of what it read.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memforensics/report.h"
#include "memforensics/space.h"

#include "fuzz.h"

enum {
	LISTINGS = 3, /* of a file that holds several */
};

static void write_report(const struct mf_space *space)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "maps");
	mf_space_write_regions(space, report,
			       &(struct mf_region_rows){ .proof = true });
	mf_space_write_totals(space, report, false);
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	free(text);
}

static void check_regions(const struct mf_space *space)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);
	uint64_t last = 0;

	for (size_t i = 0; i < count; i++) {
		FUZZ_AT_MOST(last, regions[i].start);
		FUZZ_AT_MOST(regions[i].start + 1, regions[i].end);
		last = regions[i].end;
	}
	FUZZ_AT_MOST(mf_space_rss_explained(space), mf_space_rss(space));
}

static void look_at(struct mf_target *target)
{
	struct mf_space *space = NULL;
	struct mf_error *error = mf_space_create(target, NULL, &space);

	if (!error)
		error = mf_space_settle(space);
	if (!error) {
		check_regions(space);
		write_report(space);
	}
	mf_error_destroy(error);
	mf_space_destroy(space);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (unsigned i = 0; i < LISTINGS; i++) {
		struct mf_target *target;
		struct mf_error *error =
			mf_target_open_listing(path, i, &target);

		if (error) {
			mf_error_destroy(error);
			break;
		}
		look_at(target);
		mf_target_close(target);
	}
	close(fd);
	return 0;
}
