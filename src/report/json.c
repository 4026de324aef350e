/*
 * The JSON sink: one object a run, streamed member by member and row by row,
 * one row a line. Integers are written here, exactly, because jansson has no
 * unsigned 64-bit ones; strings and real numbers go through jansson.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/vec.h"
#include "report/sink.h"

/* An object or array that is open. */
struct level {
	bool array;
	bool filled; /* has a member */
	bool lines;  /* has a member on a line of its own */
};

struct json_report {
	struct mf_report report;
	MF_VEC(struct level) levels;
	/* The tables that are open; NULL: not shown in JSON. */
	MF_VEC(const struct mf_table *) tables;
	struct mf_buffer scratch;
	unsigned hidden; /* hidden tables that are open */
	bool findings_written;
};

static struct json_report *json_of(struct mf_report *report)
{
	return (struct json_report *)report;
}

static void put(struct json_report *json, const char *text)
{
	fputs(text, json->report.stream);
}

/* ---- values ----------------------------------------------------------- */

static void put_dumped(struct json_report *json, json_t *value)
{
	if (!value) {
		put(json, "null");
		return;
	}
	json_dumpf(value, json->report.stream,
		   JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	json_decref(value);
}

/* What both escapings leave as it is, in a row of millions. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

static void put_text(struct json_report *json, const char *text)
{
	if (is_plain(text)) {
		fprintf(json->report.stream, "\"%s\"", text);
		return;
	}
	mf_buffer_clear(&json->scratch);
	mf_escape_text(&json->scratch, text, strlen(text));
	put_dumped(json, json_stringn(mf_buffer_text(&json->scratch),
				      json->scratch.size));
}

/* Digits beyond DECIMALS are noise of the division that made the number. */
static void put_real(struct json_report *json, double real, int decimals)
{
	double scale = pow(10, decimals);

	if (fabs(real) < 1e9)
		real = round(real * scale) / scale;
	put_dumped(json, json_real(real));
}

static void put_list(struct json_report *json, const char *const *list)
{
	put(json, "[");
	for (size_t i = 0; list && list[i]; i++) {
		put(json, i ? ", " : "");
		put_text(json, list[i]);
	}
	put(json, "]");
}

static void put_numbers(struct json_report *json, struct mf_value value)
{
	put(json, "[");
	for (size_t i = 0; i < value.numbers.count; i++)
		fprintf(json->report.stream, "%s%d", i ? ", " : "",
			value.numbers.items[i]);
	put(json, "]");
}

static void put_value(struct json_report *json, struct mf_value value)
{
	FILE *stream = json->report.stream;

	switch (value.type) {
	case MF_VALUE_NONE:
		put(json, "null");
		break;
	case MF_VALUE_BOOL:
		put(json, value.boolean ? "true" : "false");
		break;
	case MF_VALUE_COUNT:
	case MF_VALUE_ID:
	case MF_VALUE_SIZE:
		fprintf(stream, "%" PRIu64, value.number);
		break;
	case MF_VALUE_DELTA:
		fprintf(stream, "%" PRId64, value.delta);
		break;
	case MF_VALUE_ADDRESS:
		fprintf(stream, "\"0x%" PRIx64 "\"", value.number);
		break;
	case MF_VALUE_RATIO:
		put_real(json, value.real, 6);
		break;
	case MF_VALUE_MS:
		put_real(json, value.real, 3);
		break;
	case MF_VALUE_TEXT:
		put_text(json, value.text);
		break;
	case MF_VALUE_LIST:
		put_list(json, value.list);
		break;
	case MF_VALUE_NUMBERS:
		put_numbers(json, value);
		break;
	}
}

/* ---- structure ---------------------------------------------------------- */

static struct level *innermost(struct json_report *json)
{
	return &json->levels.items[json->levels.count - 1];
}

static void put_new_line(struct json_report *json)
{
	fprintf(json->report.stream, "\n%*s", (int)json->levels.count * 2, "");
}

/* What stands between the last member of the innermost level and the next. */
static void put_separator(struct json_report *json, bool new_line)
{
	struct level *level = innermost(json);

	if (level->filled)
		put(json, ",");
	if (new_line)
		put_new_line(json);
	else if (level->filled)
		put(json, " ");
	level->filled = true;
	level->lines = level->lines || new_line;
}

static void put_key(struct json_report *json, const char *key)
{
	put_text(json, key);
	put(json, ": ");
}

static void open_level(struct json_report *json, bool array)
{
	put(json, array ? "[" : "{");
	mf_vec_push(&json->levels, (struct level){ .array = array });
}

static void close_level(struct json_report *json)
{
	struct level level = *innermost(json);

	json->levels.count--;
	if (level.lines)
		put_new_line(json);
	put(json, level.array ? "]" : "}");
}

static void put_member(struct json_report *json, const char *key,
		       struct mf_value value, bool new_line)
{
	put_separator(json, new_line);
	put_key(json, key);
	put_value(json, value);
}

/* ---- the sink ------------------------------------------------------------ */

static void json_open(struct mf_report *report)
{
	(void)report;
}

static void json_close(struct mf_report *report)
{
	struct json_report *json = json_of(report);

	mf_vec_deinit(&json->levels);
	mf_vec_deinit(&json->tables);
	mf_buffer_deinit(&json->scratch);
}

static void json_begin(struct mf_report *report, const char *command)
{
	struct json_report *json = json_of(report);

	open_level(json, false);
	put_member(json, "schema", mf_count(1), true);
	put_separator(json, true);
	put_key(json, "tool");
	open_level(json, false);
	put_member(json, "name", mf_text("memforensics"), false);
	put_member(json, "version", mf_text(MF_VERSION), false);
	close_level(json);
	put_member(json, "command", mf_text(command), true);
}

static struct mf_error *json_end(struct mf_report *report)
{
	struct json_report *json = json_of(report);

	while (json->levels.count)
		close_level(json);
	put(json, "\n");
	return NULL;
}

static void put_fields(struct json_report *json, const struct mf_field *fields,
		       size_t count, bool new_line)
{
	for (size_t i = 0; i < count; i++)
		if (!(fields[i].show & MF_SHOW_TEXT_ONLY))
			put_member(json, fields[i].key, fields[i].value,
				   new_line);
}

static void json_fields(struct mf_report *report, const char *key,
			const char *title, const struct mf_field *fields,
			size_t count)
{
	struct json_report *json = json_of(report);

	(void)title;
	if (json->hidden)
		return;
	if (!key) {
		put_fields(json, fields, count, true);
		return;
	}
	put_separator(json, true);
	put_key(json, key);
	open_level(json, false);
	put_fields(json, fields, count, false);
	close_level(json);
}

static void json_table_begin(struct mf_report *report,
			     const struct mf_table *table)
{
	struct json_report *json = json_of(report);
	bool hidden = json->hidden || table->show & MF_SHOW_TEXT_ONLY;

	json->hidden += hidden;
	mf_vec_push(&json->tables, hidden ? NULL : table);
	if (hidden)
		return;
	put_separator(json, true);
	put_key(json, table->key);
	open_level(json, true);
}

static void json_row(struct mf_report *report, const struct mf_value *values,
		     bool open)
{
	struct json_report *json = json_of(report);
	const struct mf_table *table;

	if (json->hidden)
		return;
	table = json->tables.items[json->tables.count - 1];
	put_separator(json, true);
	open_level(json, false);
	for (size_t i = 0; i < table->column_count; i++)
		if (!(table->columns[i].show & MF_SHOW_TEXT_ONLY))
			put_member(json, table->columns[i].key, values[i],
				   false);
	if (!open)
		close_level(json);
}

static void json_row_close(struct mf_report *report)
{
	struct json_report *json = json_of(report);

	if (!json->hidden)
		close_level(json);
}

static void json_total(struct mf_report *report, const struct mf_value *values)
{
	(void)report;
	(void)values;
}

static void json_table_end(struct mf_report *report)
{
	struct json_report *json = json_of(report);

	if (json->tables.items[--json->tables.count])
		close_level(json);
	else
		json->hidden--;
}

static void json_object_open(struct mf_report *report, const char *key)
{
	struct json_report *json = json_of(report);

	if (json->hidden)
		return;
	put_separator(json, true);
	put_key(json, key);
	open_level(json, false);
}

static void json_object_close(struct mf_report *report)
{
	struct json_report *json = json_of(report);

	if (!json->hidden)
		close_level(json);
}

static void json_line(struct mf_report *report, const char *text)
{
	(void)report;
	(void)text;
}

static void put_finding(struct json_report *json,
			const struct mf_finding *finding)
{
	put_separator(json, true);
	open_level(json, false);
	put_member(json, "code", mf_text(finding->code), false);
	put_member(json, "severity",
		   mf_text(mf_severity_name(finding->severity)), false);
	put_member(json, "title", mf_text(finding->title), false);
	put_member(json, "bytes", mf_size(finding->bytes), false);
	put_separator(json, false);
	put_key(json, "evidence");
	open_level(json, false);
	put_fields(json, finding->evidence, finding->evidence_count, false);
	close_level(json);
	put_member(json, "advice", mf_list(finding->advice), false);
	close_level(json);
}

static void json_findings(struct mf_report *report,
			  const struct mf_finding *findings, size_t count,
			  unsigned parts)
{
	struct json_report *json = json_of(report);

	(void)parts;
	if (json->hidden || json->findings_written)
		return;
	json->findings_written = true;
	put_separator(json, true);
	put_key(json, "findings");
	open_level(json, true);
	for (size_t i = 0; i < count; i++)
		put_finding(json, &findings[i]);
	close_level(json);
}

const struct mf_report_ops mf_report_json_ops = {
	.size = sizeof(struct json_report),
	.open = json_open,
	.close = json_close,
	.begin = json_begin,
	.end = json_end,
	.fields = json_fields,
	.table_begin = json_table_begin,
	.row = json_row,
	.row_close = json_row_close,
	.total = json_total,
	.table_end = json_table_end,
	.object_open = json_object_open,
	.object_close = json_object_close,
	.line = json_line,
	.heading = json_line,
	.findings = json_findings,
};
