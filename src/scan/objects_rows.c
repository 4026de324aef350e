/*
 * Objects as rows of a report: one table for the types of all languages, and
 * for what is recognised by its shape alone.
 */
#include "memforensics/report.h"

#include "scan/objects.h"

void mf_object_rows_deinit(struct mf_object_rows *rows)
{
	mf_vec_deinit(&rows->list);
	mf_pool_deinit(&rows->pool);
}

static int compare_rows(const void *left, const void *right)
{
	const struct mf_object_row *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return (a->example > b->example) - (a->example < b->example);
}

void mf_object_rows_sort(struct mf_object_rows *rows)
{
	mf_vec_sort(&rows->list, compare_rows);
}

static const char *confidence_name(enum mf_object_confidence confidence)
{
	static const char *const names[] = {
		[MF_OBJECT_HIGH] = "high",
		[MF_OBJECT_MEDIUM] = "medium",
		[MF_OBJECT_LOW] = "low",
	};

	return names[confidence];
}

static const struct mf_column columns[] = {
	{ "type", "Type", MF_VALUE_TEXT, MF_SHOW_FILL },
	{ "language", "Language", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
	{ "count", "Count", MF_VALUE_COUNT, MF_SHOW_ALWAYS },
	{ "bytes", "Bytes", MF_VALUE_SIZE, MF_SHOW_ALWAYS },
	{ "inside", "Inside", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
	{ "remains", "Remains", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
	{ "confidence", "Sure", MF_VALUE_TEXT, MF_SHOW_ALWAYS },
	{ "evidence", "By", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
	{ "example", "Example", MF_VALUE_ADDRESS, MF_SHOW_ALWAYS },
	{ "module", "Module", MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	{ "note", "Note", MF_VALUE_TEXT, MF_SHOW_IF_ANY },
};

static const struct mf_table table = {
	.key = "objects",
	.title = "Objects",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.top = 20,
	.empty = "No object of a known type was found.",
};

static void write_row(struct mf_report *report, struct mf_vtables *vtables,
		      const struct mf_object_row *row)
{
	const struct mf_value values[] = {
		mf_text(row->type ? row->type
				  : mf_vtables_name(vtables, row->class)),
		mf_text(row->type ? row->language
				  : mf_vtables_language(vtables, row->class)),
		mf_count(row->count),
		mf_size(row->bytes),
		mf_count(row->inside),
		mf_count(row->remains),
		mf_text(confidence_name(row->confidence)),
		mf_text(row->evidence),
		mf_address(row->example),
		mf_text(row->module),
		mf_text(row->note),
	};

	mf_report_row(report, values);
}

void mf_object_rows_write(const struct mf_object_rows *rows,
			  struct mf_vtables *vtables, struct mf_report *report)
{
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < rows->list.count; i++)
		write_row(report, vtables, &rows->list.items[i]);
	mf_report_table_end(report);
}
