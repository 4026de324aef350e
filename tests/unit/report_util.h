/*
 * Whole reports as strings, for the tests of the sinks.
 */
#ifndef MF_TESTS_REPORT_UTIL_H
#define MF_TESTS_REPORT_UTIL_H

#include "memforensics/report.h"

#include "unit.h"

struct output {
	FILE *stream;
	char *text;
	size_t size;
	struct mf_report *report;
};

/* The locale is read when a report is made. */
static inline struct mf_report *output_open_in(const char *locale,
					       struct output *output,
					       struct mf_report_options options)
{
	assert_int_equal(setenv("LC_ALL", locale, 1), 0);
	output->stream = open_memstream(&output->text, &output->size);
	output->report = mf_report_create(output->stream, &options);
	return output->report;
}

static inline struct mf_report *output_open(struct output *output,
					    struct mf_report_options options)
{
	return output_open_in("C.UTF-8", output, options);
}

/* Ends the report and compares the whole of it. */
static inline void output_expect(struct output *output, const char *expected)
{
	assert_null(mf_report_end(output->report));
	mf_report_destroy(output->report);
	fclose(output->stream);
	assert_string_equal(output->text, expected);
	free(output->text);
}

#endif
