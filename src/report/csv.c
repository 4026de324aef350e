/*
 * The CSV sink (RFC 4180): the tables of a report, one after another. What is
 * inside a row, and named values, become tables of their own that follow at
 * the end, each row led by the first column of the rows around it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/pool.h"
#include "base/vec.h"
#include "report/sink.h"

/* A table that is printed at the end; equal paths and headers are one. */
struct side {
	const char *path, *header;
	FILE *rows; /* a temporary file: a report may be longer than memory */
};

/* A table or an object that is open. */
struct level {
	struct mf_buffer path;	      /* "allocators.arenas" */
	const struct mf_table *table; /* NULL: an object */
	struct side *side;	      /* NULL: printed as it comes */
	bool hidden;
	bool started; /* its header is written */
	bool row_open;
	struct mf_buffer key; /* of the open row: its first column */
};

struct csv_report {
	struct mf_report report;
	struct mf_pool pool;
	MF_VEC(struct level) levels;
	MF_VEC(struct side *) sides;
	struct mf_buffer line;
	bool started, findings_written;
	int error; /* errno of a side table that could not be had */
};

static struct csv_report *csv_of(struct mf_report *report)
{
	return (struct csv_report *)report;
}

/* ---- values ------------------------------------------------------------- */

/*
 * What a spreadsheet would calculate, if not run; a sign makes a formula only of
 * what calls something. After apostrophes, too, so that taking one off gives the
 * text back.
 */
static bool is_formula(const char *text)
{
	text += strspn(text, "'");
	if (*text == '+' || *text == '-')
		return strpbrk(text, "(|!") != NULL;
	return *text == '=' || *text == '@';
}

static void add_text(struct mf_buffer *line, const char *text)
{
	MF_AUTO_BUFFER(escaped);
	const char *at;

	if (is_formula(text))
		mf_buffer_putc(&escaped, '\'');
	mf_escape_text(&escaped, text, strlen(text));
	at = mf_buffer_text(&escaped);
	if (!strpbrk(at, ",\"\r\n") && *at != ' ') {
		mf_buffer_puts(line, at);
		return;
	}
	mf_buffer_putc(line, '"');
	for (; *at; at++) {
		if (*at == '"')
			mf_buffer_putc(line, '"');
		mf_buffer_putc(line, *at);
	}
	mf_buffer_putc(line, '"');
}

static void add_list(struct mf_buffer *line, const char *const *list)
{
	MF_AUTO_BUFFER(joined);

	for (size_t i = 0; list && list[i]; i++) {
		mf_buffer_puts(&joined, i ? "; " : "");
		mf_buffer_puts(&joined, list[i]);
	}
	add_text(line, mf_buffer_text(&joined));
}

static void add_value(struct mf_buffer *line, struct mf_value value)
{
	switch (value.type) {
	case MF_VALUE_NONE:
		break;
	case MF_VALUE_BOOL:
		mf_buffer_puts(line, value.boolean ? "true" : "false");
		break;
	case MF_VALUE_COUNT:
	case MF_VALUE_ID:
	case MF_VALUE_SIZE:
		mf_buffer_printf(line, "%" PRIu64, value.number);
		break;
	case MF_VALUE_DELTA:
		mf_buffer_printf(line, "%" PRId64, value.delta);
		break;
	case MF_VALUE_ADDRESS:
		mf_buffer_printf(line, "0x%" PRIx64, value.number);
		break;
	case MF_VALUE_RATIO:
		mf_buffer_printf(line, "%.6g", value.real);
		break;
	case MF_VALUE_MS:
		mf_buffer_printf(line, "%.3f", value.real);
		break;
	case MF_VALUE_TEXT:
		add_text(line, value.text);
		break;
	case MF_VALUE_LIST:
		add_list(line, value.list);
		break;
	case MF_VALUE_NUMBERS:
		for (size_t i = 0; i < value.numbers.count; i++)
			mf_buffer_printf(line, "%s%d", i ? "; " : "",
					 value.numbers.items[i]);
		break;
	}
}

/* ---- levels and side tables ---------------------------------------------- */

static struct level *innermost(struct csv_report *csv)
{
	return csv->levels.count ? &csv->levels.items[csv->levels.count - 1]
				 : NULL;
}

static void add_path(struct csv_report *csv, struct mf_buffer *path,
		     const char *key)
{
	const struct level *level = innermost(csv);

	if (level)
		mf_buffer_printf(path, "%s.", mf_buffer_text(&level->path));
	mf_buffer_puts(path, key);
}

static void pop_level(struct csv_report *csv)
{
	struct level *level = innermost(csv);

	mf_buffer_deinit(&level->path);
	mf_buffer_deinit(&level->key);
	csv->levels.count--;
}

static bool is_hidden(struct csv_report *csv)
{
	const struct level *level = innermost(csv);

	return level && level->hidden;
}

static bool in_row(const struct csv_report *csv)
{
	for (size_t i = 0; i < csv->levels.count; i++)
		if (csv->levels.items[i].row_open)
			return true;
	return false;
}

static void add_outer_headers(struct csv_report *csv, struct mf_buffer *line)
{
	for (size_t i = 0; i < csv->levels.count; i++) {
		const struct level *level = &csv->levels.items[i];

		if (level->row_open)
			mf_buffer_printf(line, "%s.%s,",
					 mf_buffer_text(&level->path),
					 level->table->columns[0].key);
	}
}

static void add_outer_keys(struct csv_report *csv, struct mf_buffer *line)
{
	for (size_t i = 0; i < csv->levels.count; i++) {
		const struct level *level = &csv->levels.items[i];

		if (level->row_open)
			mf_buffer_printf(line, "%s,",
					 mf_buffer_text(&level->key));
	}
}

static struct side *find_side(struct csv_report *csv, const char *path,
			      const char *header)
{
	mf_vec_foreach(at, &csv->sides) {
		if (!strcmp((*at)->path, path) &&
		    !strcmp((*at)->header, header))
			return *at;
	}
	return NULL;
}

static struct side *get_side(struct csv_report *csv, const char *path,
			     const char *header)
{
	struct side *side = find_side(csv, path, header);

	if (side)
		return side;
	side = mf_pool_alloc(&csv->pool, sizeof(*side));
	side->path = mf_pool_strdup(&csv->pool, path);
	side->header = mf_pool_strdup(&csv->pool, header);
	side->rows = tmpfile();
	if (!side->rows)
		csv->error = errno;
	mf_vec_push(&csv->sides, side);
	return side;
}

/* Lines end as RFC 4180 wants. */
static void put_line(FILE *stream, const struct mf_buffer *line)
{
	fwrite(mf_buffer_text(line), 1, line->size, stream);
	fputs("\r\n", stream);
}

static void put_table_head(struct csv_report *csv, const char *path,
			   const struct mf_buffer *header)
{
	FILE *stream = csv->report.stream;

	if (csv->started)
		fprintf(stream, "\r\n# %s\r\n", path);
	csv->started = true;
	put_line(stream, header);
}

static void put_side(struct csv_report *csv, const struct side *side)
{
	FILE *stream = csv->report.stream;
	char piece[4096];
	size_t got;

	fprintf(stream, "%s# %s\r\n%s\r\n", csv->started ? "\r\n" : "",
		side->path, side->header);
	csv->started = true;
	if (!side->rows)
		return;
	if (fflush(side->rows) != 0 || ferror(side->rows))
		csv->error = errno;
	rewind(side->rows);
	while ((got = fread(piece, 1, sizeof(piece), side->rows)) > 0)
		fwrite(piece, 1, got, stream);
}

/* ---- the sink ------------------------------------------------------------- */

static void csv_open(struct mf_report *report)
{
	(void)report;
}

static void csv_close(struct mf_report *report)
{
	struct csv_report *csv = csv_of(report);

	mf_vec_foreach(side, &csv->sides) {
		if ((*side)->rows)
			fclose((*side)->rows);
	}
	while (csv->levels.count)
		pop_level(csv);
	mf_vec_deinit(&csv->sides);
	mf_vec_deinit(&csv->levels);
	mf_buffer_deinit(&csv->line);
	mf_pool_deinit(&csv->pool);
}

static void csv_begin(struct mf_report *report, const char *command)
{
	(void)report;
	(void)command;
}

static struct mf_error *csv_end(struct mf_report *report)
{
	struct csv_report *csv = csv_of(report);

	mf_vec_foreach(side, &csv->sides)
		put_side(csv, *side);
	if (csv->error)
		return mf_error_from_errno(csv->error,
					   "cannot write a temporary file");
	return NULL;
}

/* A table of one row: its columns are the fields. */
static void csv_fields(struct mf_report *report, const char *key,
		       const char *title, const struct mf_field *fields,
		       size_t count)
{
	struct csv_report *csv = csv_of(report);
	MF_AUTO_BUFFER(header);
	MF_AUTO_BUFFER(path);
	struct side *side;
	size_t shown = 0;

	(void)title;
	if (is_hidden(csv))
		return;
	mf_buffer_clear(&csv->line);
	add_outer_headers(csv, &header);
	add_outer_keys(csv, &csv->line);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].show & MF_SHOW_TEXT_ONLY)
			continue;
		mf_buffer_puts(&header, shown ? "," : "");
		mf_buffer_puts(&csv->line, shown++ ? "," : "");
		add_text(&header, fields[i].key);
		add_value(&csv->line, fields[i].value);
	}
	if (!shown)
		return;
	add_path(csv, &path, key ? key : "values");
	side = get_side(csv, mf_buffer_text(&path), mf_buffer_text(&header));
	if (side->rows)
		put_line(side->rows, &csv->line);
}

static void add_table_header(const struct mf_table *table,
			     struct mf_buffer *line)
{
	for (size_t i = 0, shown = 0; i < table->column_count; i++) {
		if (table->columns[i].show & MF_SHOW_TEXT_ONLY)
			continue;
		mf_buffer_puts(line, shown++ ? "," : "");
		add_text(line, table->columns[i].key);
	}
}

static void csv_table_begin(struct mf_report *report,
			    const struct mf_table *table)
{
	struct csv_report *csv = csv_of(report);
	struct level level = {
		.table = table,
		.hidden = is_hidden(csv) || table->show & MF_SHOW_TEXT_ONLY,
	};

	add_path(csv, &level.path, table->key);
	mf_vec_push(&csv->levels, level);
}

/* With its first row: a table without rows is left out. */
static void start_table(struct csv_report *csv, struct level *level)
{
	const char *path = mf_buffer_text(&level->path);
	MF_AUTO_BUFFER(header);

	if (level->started)
		return;
	level->started = true;
	add_outer_headers(csv, &header);
	add_table_header(level->table, &header);
	if (in_row(csv))
		level->side = get_side(csv, path, mf_buffer_text(&header));
	else
		put_table_head(csv, path, &header);
}

static void csv_row(struct mf_report *report, const struct mf_value *values,
		    bool open)
{
	struct csv_report *csv = csv_of(report);
	struct level *level = innermost(csv);
	const struct mf_table *table = level->table;

	if (level->hidden)
		return;
	start_table(csv, level);
	mf_buffer_clear(&csv->line);
	add_outer_keys(csv, &csv->line);
	for (size_t i = 0, shown = 0; i < table->column_count; i++) {
		if (table->columns[i].show & MF_SHOW_TEXT_ONLY)
			continue;
		mf_buffer_puts(&csv->line, shown++ ? "," : "");
		add_value(&csv->line, values[i]);
	}
	if (!level->side)
		put_line(csv->report.stream, &csv->line);
	else if (level->side->rows)
		put_line(level->side->rows, &csv->line);
	if (open) {
		level->row_open = true;
		mf_buffer_clear(&level->key);
		add_value(&level->key, values[0]);
	}
}

static void csv_row_close(struct mf_report *report)
{
	innermost(csv_of(report))->row_open = false;
}

static void csv_total(struct mf_report *report, const struct mf_value *values)
{
	(void)report;
	(void)values;
}

static void csv_table_end(struct mf_report *report)
{
	pop_level(csv_of(report));
}

static void csv_object_open(struct mf_report *report, const char *key)
{
	struct csv_report *csv = csv_of(report);
	struct level level = { .hidden = is_hidden(csv) };

	add_path(csv, &level.path, key);
	mf_vec_push(&csv->levels, level);
}

static void csv_line(struct mf_report *report, const char *text)
{
	(void)report;
	(void)text;
}

/* Each rule has other evidence, so its keys are values here. */
static void put_evidence(struct mf_report *report,
			 const struct mf_finding *finding)
{
	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct mf_field *field = &finding->evidence[i];
		const struct mf_field pair[] = {
			{ "key", NULL, mf_text(field->key), 0 },
			{ "value", NULL, field->value, 0 },
		};

		csv_fields(report, "evidence", NULL, pair, 2);
	}
}

static void csv_findings(struct mf_report *report,
			 const struct mf_finding *findings, size_t count,
			 unsigned parts)
{
	static const struct mf_column columns[] = {
		{ "code", "", MF_VALUE_TEXT, 0 },
		{ "severity", "", MF_VALUE_TEXT, 0 },
		{ "title", "", MF_VALUE_TEXT, 0 },
		{ "bytes", "", MF_VALUE_SIZE, 0 },
		{ "advice", "", MF_VALUE_LIST, 0 },
	};
	static const struct mf_table table = {
		.key = "findings",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
	};
	struct csv_report *csv = csv_of(report);

	(void)parts;
	if (csv->findings_written || is_hidden(csv))
		return;
	csv->findings_written = true;
	csv_table_begin(report, &table);
	for (size_t i = 0; i < count; i++) {
		const struct mf_finding *at = &findings[i];

		csv_row(report,
			(struct mf_value[]){
				mf_text(at->code),
				mf_text(mf_severity_name(at->severity)),
				mf_text(at->title),
				mf_size(at->bytes),
				mf_list(at->advice),
			},
			true);
		put_evidence(report, at);
		csv_row_close(report);
	}
	csv_table_end(report);
}

const struct mf_report_ops mf_report_csv_ops = {
	.size = sizeof(struct csv_report),
	.open = csv_open,
	.close = csv_close,
	.begin = csv_begin,
	.end = csv_end,
	.fields = csv_fields,
	.table_begin = csv_table_begin,
	.row = csv_row,
	.row_close = csv_row_close,
	.total = csv_total,
	.table_end = csv_table_end,
	.object_open = csv_object_open,
	.object_close = csv_table_end,
	.line = csv_line,
	.heading = csv_line,
	.findings = csv_findings,
};
