/*
 * From a job's report to the rows of a pane.
 */
#include "tui/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static struct mf_sheet *sheet_of(const struct mf_pane *pane)
{
	return pane->state;
}

/* ---- the job ------------------------------------------------------------------ */

static struct mf_error *run(struct mf_job *job, const struct mf_view *view)
{
	struct mf_gather *gather = (struct mf_gather *)job;

	gather->report = mf_report_create(
		NULL, &(struct mf_report_options){ .format = MF_FORMAT_KEPT,
						   .top = MF_GATHER_ROWS });
	return gather->run(gather, view);
}

static char *explain_error(const struct mf_error *error)
{
	return error->why ? mf_asprintf("%s: %s", error->what, error->why)
			  : mf_strdup(error->what);
}

static void take(struct mf_job *job, const struct mf_error *error)
{
	struct mf_gather *gather = (struct mf_gather *)job;
	struct mf_sheet *sheet = sheet_of(job->pane);
	struct mf_gathered *from = sheet->from;

	free(from->trouble);
	from->trouble = NULL;
	if (mf_job_is_cancelled(job))
		from->trouble = mf_strdup("stopped (Enter: read it after all)");
	else if (error)
		from->trouble = explain_error(error);
	/* what an earlier stage found stays */
	if (from->trouble)
		return;
	mf_report_destroy(from->report);
	free(from->said);
	from->report = gather->report;
	from->said = gather->said;
	gather->report = NULL;
	gather->said = NULL;
	sheet->ready(job->pane, gather->stage);
	mf_browser_changed(job->pane);
}

static void destroy(struct mf_job *job)
{
	struct mf_gather *gather = (struct mf_gather *)job;

	mf_report_destroy(gather->report);
	free(gather->said);
	free(gather->text);
	free(gather);
}

struct mf_gather *
mf_gather_create(const char *what,
		 struct mf_error *(*how)(struct mf_gather *gather,
					 const struct mf_view *view))
{
	struct mf_gather *gather = mf_new(struct mf_gather);

	gather->job = (struct mf_job){
		.what = what,
		.run = run,
		.done = take,
		.destroy = destroy,
	};
	gather->run = how;
	return gather;
}

void mf_sheet_ask(struct mf_pane *pane, struct mf_gather *gather)
{
	struct mf_sheet *sheet = sheet_of(pane);

	if (!sheet->from) {
		sheet->from = mf_new(struct mf_gathered);
		sheet->from->users = 1;
	}
	free(sheet->from->trouble);
	sheet->from->trouble = NULL;
	sheet->what = gather->job.what;
	gather->job.pane = pane;
	mf_worker_ask(mf_browser_worker(pane->browser), &gather->job);
}

struct mf_error *mf_gather_frames(const struct mf_view *view,
				  struct mf_frames **ret)
{
	struct mf_error *error;

	MF_TRY(mf_frames_create(view->target, view->image, ret));
	error = mf_frames_capture(*ret);
	if (error) {
		mf_frames_destroy(*ret);
		*ret = NULL;
	}
	return error;
}

void mf_sheet_share(struct mf_pane *pane, struct mf_gathered *from)
{
	sheet_of(pane)->from = from;
	from->users++;
}

/* ---- tables -------------------------------------------------------------------- */

static int column_of(const struct mf_kept_table *table, const char *key)
{
	for (size_t i = 0; key && i < table->table.column_count; i++)
		if (!strcmp(table->table.columns[i].key, key))
			return (int)i;
	return -1;
}

void mf_sheet_take(struct mf_pane *pane, const struct mf_kept_table *table,
		   const struct mf_sheet_form *form)
{
	struct mf_sheet *sheet = sheet_of(pane);

	sheet->table = table;
	for (size_t i = 0; table && i < pane->ops->column_count; i++)
		sheet->columns[i] = column_of(table, form->columns[i]);
}

static const struct mf_kept_table *const *
tables_of(const struct mf_sheet *sheet, size_t *count)
{
	*count = 0;
	return sheet->from && sheet->from->report
		       ? mf_report_kept_tables(sheet->from->report, count)
		       : NULL;
}

const struct mf_kept_table *mf_sheet_table(const struct mf_sheet *sheet,
					   const char *key)
{
	size_t count;
	const struct mf_kept_table *const *tables = tables_of(sheet, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(tables[i]->table.key, key))
			return tables[i];
	return NULL;
}

const struct mf_kept_table *
mf_sheet_table_inside(const struct mf_sheet *sheet, const char *key,
		      const struct mf_kept_table *around, uint64_t row)
{
	size_t count;
	const struct mf_kept_table *const *tables = tables_of(sheet, &count);

	for (size_t i = 0; i < count; i++)
		if (tables[i]->around == around &&
		    tables[i]->around_row == row &&
		    !strcmp(tables[i]->table.key, key))
			return tables[i];
	return NULL;
}

struct mf_value mf_kept_value(const struct mf_kept_table *table, uint64_t row,
			      const char *key)
{
	int column = column_of(table, key);

	return column < 0 || row >= table->row_count ? mf_none()
						     : table->rows[row][column];
}

const char *mf_kept_text(const struct mf_kept_table *table, uint64_t row,
			 const char *key)
{
	struct mf_value value = mf_kept_value(table, row, key);

	return value.type == MF_VALUE_TEXT ? value.text : "";
}

/* ---- for views -------------------------------------------------------------------- */

void mf_sheet_close(struct mf_pane *pane)
{
	struct mf_gathered *from = sheet_of(pane)->from;

	if (!from || --from->users)
		return;
	mf_report_destroy(from->report);
	free(from->said);
	free(from->trouble);
	free(from);
}

uint64_t mf_sheet_count(struct mf_pane *pane)
{
	const struct mf_sheet *sheet = sheet_of(pane);

	return sheet->table ? sheet->table->row_count : 0;
}

void mf_sheet_values(struct mf_pane *pane, uint64_t row,
		     struct mf_value *values)
{
	const struct mf_sheet *sheet = sheet_of(pane);

	for (size_t i = 0; i < pane->ops->column_count; i++)
		values[i] =
			sheet->columns[i] < 0
				? mf_none()
				: sheet->table->rows[row][sheet->columns[i]];
}

const char *mf_sheet_waits(struct mf_pane *pane)
{
	const struct mf_sheet *sheet = sheet_of(pane);

	if (!sheet->from)
		return NULL;
	if (sheet->from->trouble)
		return sheet->from->trouble;
	return sheet->from->report ? NULL : sheet->what;
}

bool mf_sheet_handle(struct mf_pane *pane, enum mf_request request)
{
	const struct mf_sheet *sheet = sheet_of(pane);

	if (request != MF_REQUEST_ENTER || !sheet->again || !sheet->from ||
	    !sheet->from->trouble || mf_list_count(&pane->list))
		return false;
	sheet->again(pane);
	return true;
}

bool mf_sheet_moment(const struct mf_pane *pane, struct mf_strip *line)
{
	const struct mf_models *models = mf_browser_models(pane->browser);

	if (models->frozen || !models->facts.pid)
		return false;
	mf_strip_put(line, MF_TINT_DIM,
		     " The process ran on: this was read later than the rest.");
	return true;
}
