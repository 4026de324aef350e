/*
 * What a sink is to the report room: one table of functions over one stream.
 *
 * To add a format:
 *  1. Add it to enum mf_report_format in the door, and to the names that the
 *     command line takes.
 *  2. Write src/report/<name>.c: a struct whose first member is a struct
 *     mf_report, and as last lines a const struct mf_report_ops with its size.
 *  3. open: everything but `report` is zeroed; close: free what open and the
 *     others allocated, never the stream.
 *  4. Calls come in the order that the door describes. A value carries its own
 *     type; a column of that type may still get MF_VALUE_NONE. Leave out what
 *     its show flags keep from your format.
 *  5. Every text may come from a target: escape it (base/escape.h).
 *  6. Stream: keep no row longer than the layout needs, and bound that.
 *  7. Add the table to the array in report.c, and whole outputs to
 *     tests/unit/test_report_<name>.c.
 */
#ifndef MF_REPORT_SINK_H
#define MF_REPORT_SINK_H

#include "memforensics/report.h"

struct mf_report {
	const struct mf_report_ops *ops;
	FILE *stream;
	struct mf_report_options options;
};

struct mf_report_ops {
	size_t size; /* of the sink's struct */
	void (*open)(struct mf_report *report);
	void (*close)(struct mf_report *report);
	void (*begin)(struct mf_report *report, const char *command);
	struct mf_error *(*end)(struct mf_report *report);
	void (*fields)(struct mf_report *report, const char *key,
		       const char *title, const struct mf_field *fields,
		       size_t count);
	void (*table_begin)(struct mf_report *report,
			    const struct mf_table *table);
	/* OPEN: more follows inside the row, until row_close. */
	void (*row)(struct mf_report *report, const struct mf_value *values,
		    bool open);
	void (*row_close)(struct mf_report *report);
	void (*total)(struct mf_report *report, const struct mf_value *values);
	void (*table_end)(struct mf_report *report);
	void (*object_open)(struct mf_report *report, const char *key);
	void (*object_close)(struct mf_report *report);
	/* TEXT is not escaped yet. */
	void (*line)(struct mf_report *report, const char *text);
	void (*heading)(struct mf_report *report, const char *text);
	void (*findings)(struct mf_report *report,
			 const struct mf_finding *findings, size_t count,
			 unsigned parts);
};

extern const struct mf_report_ops mf_report_text_ops, mf_report_json_ops,
	mf_report_csv_ops, mf_report_kept_ops;

#endif
