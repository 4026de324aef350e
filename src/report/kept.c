/*
 * The sink that prints nothing: it keeps the rows of all tables, for those who
 * show them otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "base/vec.h"
#include "report/sink.h"

/* What is kept of a table while its rows come. */
struct keeping {
	struct mf_kept_table table;
	MF_VEC(const struct mf_value *) rows;
};

struct kept_report {
	struct mf_report report;
	struct mf_pool pool;
	MF_VEC(struct keeping *) tables;
	MF_VEC(const struct mf_kept_table *) listed;
	MF_VEC(struct keeping *) open; /* outermost first */
};

static struct kept_report *kept_of(struct mf_report *report)
{
	return (struct kept_report *)report;
}

/* ---- copies --------------------------------------------------------------- */

static const char *copy_text(struct mf_pool *pool, const char *text)
{
	return text ? mf_pool_strdup(pool, text) : NULL;
}

static const char *const *copy_list(struct mf_pool *pool,
				    const char *const *list)
{
	const char **ret;
	size_t count = 0;

	while (list && list[count])
		count++;
	ret = mf_pool_alloc(pool, (count + 1) * sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		ret[i] = mf_pool_strdup(pool, list[i]);
	return ret;
}

static const int *copy_numbers(struct mf_pool *pool, const int *items,
			       size_t count)
{
	int *ret = mf_pool_alloc(pool, (count + 1) * sizeof(*ret));

	if (count)
		memcpy(ret, items, count * sizeof(*ret));
	return ret;
}

static void copy_value(struct mf_pool *pool, struct mf_value *value)
{
	if (value->type == MF_VALUE_TEXT)
		value->text = copy_text(pool, value->text);
	else if (value->type == MF_VALUE_LIST)
		value->list = copy_list(pool, value->list);
	else if (value->type == MF_VALUE_NUMBERS)
		value->numbers.items = copy_numbers(pool, value->numbers.items,
						    value->numbers.count);
}

static const struct mf_value *
copy_row(struct mf_pool *pool, const struct mf_value *values, size_t count)
{
	struct mf_value *ret = mf_pool_alloc(pool, count * sizeof(*ret));

	memcpy(ret, values, count * sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		copy_value(pool, &ret[i]);
	return ret;
}

static const struct mf_column *copy_columns(struct mf_pool *pool,
					    const struct mf_table *table)
{
	struct mf_column *ret =
		mf_pool_alloc(pool, table->column_count * sizeof(*ret));

	memcpy(ret, table->columns, table->column_count * sizeof(*ret));
	for (size_t i = 0; i < table->column_count; i++) {
		ret[i].key = copy_text(pool, ret[i].key);
		ret[i].header = copy_text(pool, ret[i].header);
	}
	return ret;
}

/* ---- tables ---------------------------------------------------------------- */

static void kept_table_begin(struct mf_report *report,
			     const struct mf_table *table)
{
	struct kept_report *kept = kept_of(report);
	struct keeping *keeping = mf_new(struct keeping);

	keeping->table.table = *table;
	keeping->table.table.key = copy_text(&kept->pool, table->key);
	keeping->table.table.title = copy_text(&kept->pool, table->title);
	keeping->table.table.empty = copy_text(&kept->pool, table->empty);
	keeping->table.table.columns = copy_columns(&kept->pool, table);
	if (kept->open.count) {
		struct keeping *around = kept->open.items[kept->open.count - 1];

		keeping->table.around = &around->table;
		keeping->table.around_row =
			around->rows.count + around->table.left_out - 1;
	}
	mf_vec_push(&kept->tables, keeping);
	mf_vec_push(&kept->open, keeping);
}

static struct keeping *innermost(struct kept_report *kept)
{
	return kept->open.items[kept->open.count - 1];
}

static void kept_row(struct mf_report *report, const struct mf_value *values,
		     bool open)
{
	struct kept_report *kept = kept_of(report);
	struct keeping *keeping = innermost(kept);
	size_t most = report->options.top;

	(void)open;
	if (most && keeping->rows.count >= most) {
		keeping->table.left_out++;
		return;
	}
	mf_vec_push(&keeping->rows,
		    copy_row(&kept->pool, values,
			     keeping->table.table.column_count));
	keeping->table.rows = keeping->rows.items;
	keeping->table.row_count = keeping->rows.count;
}

static void kept_row_close(struct mf_report *report)
{
	(void)report;
}

static void kept_total(struct mf_report *report, const struct mf_value *values)
{
	struct kept_report *kept = kept_of(report);
	struct keeping *keeping = innermost(kept);

	if (values)
		keeping->table.total = copy_row(
			&kept->pool, values, keeping->table.table.column_count);
}

static void kept_table_end(struct mf_report *report)
{
	struct kept_report *kept = kept_of(report);

	mf_vec_push(&kept->listed, &innermost(kept)->table);
	kept->open.count--;
}

/* ---- the rest is not kept ---------------------------------------------------- */

static void kept_begin(struct mf_report *report, const char *command)
{
	(void)report;
	(void)command;
}

static struct mf_error *kept_end(struct mf_report *report)
{
	(void)report;
	return NULL;
}

static void kept_fields(struct mf_report *report, const char *key,
			const char *title, const struct mf_field *fields,
			size_t count)
{
	(void)report;
	(void)key;
	(void)title;
	(void)fields;
	(void)count;
}

static void kept_text(struct mf_report *report, const char *text)
{
	(void)report;
	(void)text;
}

static void kept_findings(struct mf_report *report,
			  const struct mf_finding *findings, size_t count,
			  unsigned parts)
{
	(void)report;
	(void)findings;
	(void)count;
	(void)parts;
}

static void kept_open(struct mf_report *report)
{
	(void)report;
}

static void kept_close(struct mf_report *report)
{
	struct kept_report *kept = kept_of(report);

	mf_vec_foreach(keeping, &kept->tables) {
		mf_vec_deinit(&(*keeping)->rows);
		free(*keeping);
	}
	mf_vec_deinit(&kept->tables);
	mf_vec_deinit(&kept->listed);
	mf_vec_deinit(&kept->open);
	mf_pool_deinit(&kept->pool);
}

/* ---- what was kept ------------------------------------------------------------ */

const struct mf_kept_table *const *
mf_report_kept_tables(const struct mf_report *report, size_t *count)
{
	const struct kept_report *kept = (const struct kept_report *)report;

	*count = kept->listed.count;
	return kept->listed.items;
}

const struct mf_kept_table *mf_report_kept_table(const struct mf_report *report,
						 const char *key)
{
	size_t count;
	const struct mf_kept_table *const *tables =
		mf_report_kept_tables(report, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(tables[i]->table.key, key))
			return tables[i];
	return NULL;
}

const struct mf_report_ops mf_report_kept_ops = {
	.size = sizeof(struct kept_report),
	.open = kept_open,
	.close = kept_close,
	.begin = kept_begin,
	.end = kept_end,
	.fields = kept_fields,
	.table_begin = kept_table_begin,
	.row = kept_row,
	.row_close = kept_row_close,
	.total = kept_total,
	.table_end = kept_table_end,
	.object_open = kept_text,
	.object_close = kept_row_close,
	.line = kept_text,
	.heading = kept_text,
	.findings = kept_findings,
};
