/*
 * Objects as rows of a report: one table for the types of all languages, and
 * for what is recognised by its shape alone.
 */
#include <string.h>

#include "memforensics/report.h"

#include "scan/keepers.h"
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
	{ "type", "type", MF_VALUE_TEXT, MF_SHOW_FILL },
	{ "language", "language", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
	{ "count", "count", MF_VALUE_COUNT, MF_SHOW_ALWAYS },
	{ "bytes", "bytes", MF_VALUE_SIZE, MF_SHOW_ALWAYS },
	{ "retained", "retained", MF_VALUE_SIZE, MF_SHOW_ALWAYS },
	{ "inside", "inside", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
	{ "remains", "remains", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
	{ "confidence", "confidence", MF_VALUE_TEXT, MF_SHOW_ALWAYS },
	{ "evidence", "known by", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
	{ "example", "example at", MF_VALUE_ADDRESS, MF_SHOW_ALWAYS },
	{ "module", "module", MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	{ "note", "note", MF_VALUE_TEXT, MF_SHOW_IF_ANY | MF_SHOW_IF_ROOM },
};

enum {
	COLUMNS = MF_ARRAY_SIZE(columns),
	RETAINED = 4, /* that column is there only when it was asked for */
};

static const char *language_of(struct mf_vtables *vtables,
			       const struct mf_object_row *row)
{
	return row->type ? row->language
			 : mf_vtables_language(vtables, row->class);
}

/* What begins with a table of functions in C is of no type that is known. */
static bool is_last(struct mf_vtables *vtables, const struct mf_object_row *row)
{
	return strcmp(language_of(vtables, row), "c") == 0;
}

/* By all of them together; only of what is known by its vtable. */
static struct mf_value retained_of(const struct mf_keepers *keepers,
				   struct mf_vtables *vtables,
				   const struct mf_object_row *row)
{
	const struct mf_vtable_class *class;
	uint64_t bytes;

	if (!keepers || row->type)
		return mf_none();
	class = &vtables->classes.items[row->class];
	if (!mf_keepers_of_type(keepers, mf_vtables_name(vtables, row->class),
				class, &bytes))
		return mf_none();
	return mf_size(bytes);
}

static void write_row(struct mf_report *report, struct mf_vtables *vtables,
		      const struct mf_keepers *keepers,
		      const struct mf_object_row *row)
{
	struct mf_value values[] = {
		mf_text(row->type ? row->type
				  : mf_vtables_name(vtables, row->class)),
		mf_text(language_of(vtables, row)),
		mf_count(row->count),
		mf_size(row->bytes),
		retained_of(keepers, vtables, row),
		mf_count(row->inside),
		mf_count(row->remains),
		mf_text(confidence_name(row->confidence)),
		mf_text(row->evidence),
		mf_address(row->example),
		mf_text(row->module),
		mf_text(row->note),
	};

	if (!keepers)
		memmove(&values[RETAINED], &values[RETAINED + 1],
			(COLUMNS - RETAINED - 1) * sizeof(*values));
	mf_report_row(report, values);
}

void mf_object_rows_write(const struct mf_object_rows *rows,
			  struct mf_vtables *vtables,
			  const struct mf_keepers *keepers,
			  struct mf_report *report)
{
	struct mf_column shown[COLUMNS];
	struct mf_table table = {
		.key = "objects",
		.title = "OBJECTS",
		.columns = shown,
		.column_count = COLUMNS,
		.top = 20,
		.empty = "no object of a known type",
	};

	memcpy(shown, columns, sizeof(columns));
	if (!keepers) {
		memmove(&shown[RETAINED], &shown[RETAINED + 1],
			(COLUMNS - RETAINED - 1) * sizeof(*shown));
		table.column_count--;
	}
	mf_report_table_begin(report, &table);
	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < rows->list.count; i++)
			if (is_last(vtables, &rows->list.items[i]) == last)
				write_row(report, vtables, keepers,
					  &rows->list.items[i]);
	mf_report_table_end(report);
}
