/*
 * The door of the report room: hands each call to the sink of the format, and
 * checks at the end that every byte was written.
 */
#include "memforensics/report.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/units.h"
#include "report/sink.h"

static const struct mf_report_ops *const sinks[] = {
	[MF_FORMAT_TEXT] = &mf_report_text_ops,
	[MF_FORMAT_JSON] = &mf_report_json_ops,
	[MF_FORMAT_CSV] = &mf_report_csv_ops,
	[MF_FORMAT_KEPT] = &mf_report_kept_ops,
};

struct mf_report *mf_report_create(FILE *stream,
				   const struct mf_report_options *options)
{
	const struct mf_report_ops *ops = sinks[options->format];
	struct mf_report *report = mf_calloc(1, ops->size);

	report->ops = ops;
	report->stream = stream;
	report->options = *options;
	ops->open(report);
	return report;
}

void mf_report_destroy(struct mf_report *report)
{
	if (!report)
		return;
	report->ops->close(report);
	free(report);
}

char *mf_report_size(const struct mf_report *report, char *text, uint64_t bytes)
{
	return mf_format_bytes(text, bytes, report->options.bytes);
}

void mf_report_begin(struct mf_report *report, const char *command)
{
	report->ops->begin(report, command);
}

struct mf_error *mf_report_end(struct mf_report *report)
{
	struct mf_error *error;

	MF_TRY(report->ops->end(report));
	errno = 0;
	if (fflush(report->stream) == 0 && !ferror(report->stream))
		return NULL;
	error = mf_error_from_errno(errno ? errno : EIO,
				    "cannot write the report");
	return mf_error_hint(error, "-o FILE, where there is room");
}

void mf_report_fields(struct mf_report *report, const char *key,
		      const char *title, const struct mf_field *fields,
		      size_t count)
{
	report->ops->fields(report, key, title, fields, count);
}

void mf_report_table_begin(struct mf_report *report,
			   const struct mf_table *table)
{
	assert(table->column_count > 0);
	report->ops->table_begin(report, table);
}

void mf_report_row(struct mf_report *report, const struct mf_value *values)
{
	report->ops->row(report, values, false);
}

void mf_report_row_open(struct mf_report *report, const struct mf_value *values)
{
	report->ops->row(report, values, true);
}

void mf_report_row_close(struct mf_report *report)
{
	report->ops->row_close(report);
}

void mf_report_total(struct mf_report *report, const struct mf_value *values)
{
	report->ops->total(report, values);
}

void mf_report_table_end(struct mf_report *report)
{
	report->ops->table_end(report);
}

void mf_report_object_open(struct mf_report *report, const char *key)
{
	report->ops->object_open(report, key);
}

void mf_report_object_close(struct mf_report *report)
{
	report->ops->object_close(report);
}

void mf_report_line(struct mf_report *report, const char *format, ...)
{
	MF_AUTO_BUFFER(text);
	va_list arguments;

	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	report->ops->line(report, mf_buffer_text(&text));
}

void mf_report_heading(struct mf_report *report, const char *text)
{
	report->ops->heading(report, text);
}

const char *mf_severity_name(enum mf_severity severity)
{
	static const char *const names[] = {
		[MF_SEVERITY_INFO] = "info",
		[MF_SEVERITY_WARNING] = "warning",
		[MF_SEVERITY_CRITICAL] = "critical",
	};

	return names[severity];
}

void mf_report_findings(struct mf_report *report,
			const struct mf_finding *findings, size_t count,
			unsigned parts)
{
	report->ops->findings(report, findings, count, parts);
}

void mf_report_error(FILE *stream, const struct mf_error *error)
{
	const struct {
		const char *prefix, *text;
	} lines[] = {
		{ "memforensics: ", error->what },
		{ "  why: ", error->why },
		{ "  try: ", error->hint },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(lines); i++) {
		MF_AUTO_BUFFER(text);

		if (!lines[i].text)
			continue;
		mf_escape_text(&text, lines[i].text, strlen(lines[i].text));
		fprintf(stream, "%s%s\n", lines[i].prefix,
			mf_buffer_text(&text));
	}
}
