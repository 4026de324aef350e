/*
 * Changes as rows: one table for scripts, and for people one of each kind, the
 * greatest growth first.
 */
#include "analysis/diff.h"
#include "base/buffer.h"

enum {
	SHOWN = 8,	    /* rows of each kind in text */
	STRING_LEAST = 512, /* a single text that grew by less says nothing */
};

enum {
	WHAT,
	KEY,
	BEFORE,
	AFTER,
	DELTA,
	BEFORE_COUNT,
	AFTER_COUNT,
	COLUMNS,
};

static int64_t delta_of(const struct mf_change *change)
{
	return (int64_t)(change->after - change->before);
}

static void fill_row(struct mf_value *row, const struct mf_change *change)
{
	row[WHAT] = mf_text(mf_change_kind_name(change->kind));
	row[KEY] = mf_text(change->key);
	row[BEFORE] = mf_size(change->before);
	row[AFTER] = mf_size(change->after);
	row[DELTA] = mf_delta(delta_of(change));
	row[BEFORE_COUNT] =
		change->counted ? mf_count(change->before_count) : mf_none();
	row[AFTER_COUNT] =
		change->counted ? mf_count(change->after_count) : mf_none();
}

static void write_data(const struct mf_diff *diff, struct mf_report *report)
{
	static const struct mf_column columns[COLUMNS] = {
		[WHAT] = { "what", NULL, MF_VALUE_TEXT, 0 },
		[KEY] = { "key", NULL, MF_VALUE_TEXT, 0 },
		[BEFORE] = { "before", NULL, MF_VALUE_SIZE, 0 },
		[AFTER] = { "after", NULL, MF_VALUE_SIZE, 0 },
		[DELTA] = { "delta", NULL, MF_VALUE_DELTA, 0 },
		[BEFORE_COUNT] = { "before_count", NULL, MF_VALUE_COUNT, 0 },
		[AFTER_COUNT] = { "after_count", NULL, MF_VALUE_COUNT, 0 },
	};
	static const struct mf_table table = {
		.key = "diff",
		.columns = columns,
		.column_count = COLUMNS,
		.show = MF_SHOW_DATA_ONLY,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < diff->changes.count; i++) {
		struct mf_value row[COLUMNS];

		fill_row(row, &diff->changes.items[i]);
		mf_report_row(report, row);
	}
	mf_report_table_end(report);
}

/* ---- text ------------------------------------------------------------------ */

/* Heading, and what a key is called. */
static const struct {
	const char *title, *key;
} words[MF_CHANGE_KINDS] = {
	[MF_CHANGE_CLASS] = { "CLASSES", "class" },
	[MF_CHANGE_REGION] = { "REGIONS", "region" },
	[MF_CHANGE_ARENA] = { "ARENAS", "arena" },
	[MF_CHANGE_SIZE_CLASS] = { "CHUNKS IN USE, BY SIZE", "bytes each" },
	[MF_CHANGE_TYPE] = { "OBJECTS", "type" },
	[MF_CHANGE_TASK] = { "TASKS", "future (state)" },
	[MF_CHANGE_SHAPE] = { "STRINGS, BY SHAPE", "shape" },
	[MF_CHANGE_STRING] = { "STRINGS", "text" },
	[MF_CHANGE_SIGNATURE] = { "WHAT IS IN IT", "format" },
	[MF_CHANGE_CONTENT] = { "KINDS OF BYTES", "kind" },
};

static bool is_worth_a_row(const struct mf_change *change,
			   enum mf_change_kind kind)
{
	int64_t delta = delta_of(change);

	if (change->kind != kind)
		return false;
	return kind != MF_CHANGE_STRING || delta >= STRING_LEAST ||
	       delta <= -STRING_LEAST;
}

static void write_kind(const struct mf_diff *diff, struct mf_report *report,
		       enum mf_change_kind kind)
{
	const struct mf_column columns[COLUMNS] = {
		[WHAT] = { "what", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
		[KEY] = { "key", words[kind].key, MF_VALUE_TEXT, MF_SHOW_FILL },
		[BEFORE] = { "before", "before", MF_VALUE_SIZE, 0 },
		[AFTER] = { "after", "after", MF_VALUE_SIZE, 0 },
		[DELTA] = { "delta", "growth", MF_VALUE_DELTA, 0 },
		[BEFORE_COUNT] = { "before_count", "number", MF_VALUE_COUNT,
				   MF_SHOW_IF_ANY },
		[AFTER_COUNT] = { "after_count", "now", MF_VALUE_COUNT,
				  MF_SHOW_IF_ANY },
	};
	const struct mf_table table = {
		.key = mf_change_kind_name(kind),
		.columns = columns,
		.column_count = COLUMNS,
		.top = SHOWN,
		.show = MF_SHOW_TEXT_ONLY,
	};
	struct mf_change total = diff->totals[kind];
	struct mf_value row[COLUMNS];
	bool began = false;

	for (size_t i = 0; i < diff->changes.count; i++) {
		const struct mf_change *change = &diff->changes.items[i];

		if (!is_worth_a_row(change, kind))
			continue;
		if (!began) {
			mf_report_heading(report, words[kind].title);
			mf_report_table_begin(report, &table);
		}
		began = true;
		fill_row(row, change);
		mf_report_row(report, row);
	}
	if (!began)
		return;
	total.kind = kind;
	total.key = "all";
	fill_row(row, &total);
	if (!diff->cut[kind])
		mf_report_total(report, row);
	mf_report_table_end(report);
}

static void write_uncompared(const struct mf_diff *diff,
			     struct mf_report *report)
{
	size_t count = 0;
	MF_AUTO_BUFFER(text);

	for (unsigned kind = 0; kind < MF_CHANGE_KINDS; kind++)
		if (!diff->compared[kind])
			mf_buffer_printf(
				&text, "%s%s", count++ ? ", " : "",
				mf_change_kind_name((enum mf_change_kind)kind));
	if (count) {
		mf_report_line(report, "%s", "");
		mf_report_line(report, "not in both, and so not compared: %s",
			       mf_buffer_text(&text));
	}
}

void mf_diff_write(const struct mf_diff *diff, struct mf_report *report)
{
	const struct mf_field fields[] = {
		{ "verdict", NULL, mf_text(diff->verdict), MF_SHOW_DATA_ONLY },
	};

	mf_report_fields(report, NULL, NULL, fields, MF_ARRAY_SIZE(fields));
	write_data(diff, report);
	mf_report_line(report, "%s", diff->verdict);
	for (unsigned kind = 0; kind < MF_CHANGE_KINDS; kind++)
		write_kind(diff, report, (enum mf_change_kind)kind);
	write_uncompared(diff, report);
}
