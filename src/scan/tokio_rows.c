/*
 * Tokio's tasks as rows: for data one for each future and state, for people one
 * for each future, with a column for each state.
 */
#include <stdlib.h>
#include <string.h>

#include "memforensics/report.h"

#include "scan/tokio.h"

enum {
	SHOWN = 20,
};

/* ---- making them ---------------------------------------------------------------- */

/* A future, whatever it is scheduled by. */
static void add_row(struct mf_tokio *tokio, const char *future,
		    enum mf_tokio_proof proof,
		    const struct mf_tokio_tally *tally)
{
	struct mf_tokio_row *row = NULL;

	for (size_t i = 0; i < tokio->rows.count && !row; i++)
		if (strcmp(tokio->rows.items[i].future, future) == 0)
			row = &tokio->rows.items[i];
	if (!row) {
		row = mf_vec_add(&tokio->rows);
		row->future = future;
		row->bytes_known = true;
	}
	row->proof = MF_MAX(row->proof, proof);
	row->bytes_known &= mf_tokio_sum(tally->bytes) != 0;
	mf_tokio_tally_add(&row->tally, tally);
}

static int by_bytes(const void *left, const void *right)
{
	const struct mf_tokio_row *a = left, *b = right;
	uint64_t a_bytes = mf_tokio_sum(a->tally.bytes),
		 b_bytes = mf_tokio_sum(b->tally.bytes);
	uint64_t a_count = mf_tokio_sum(a->tally.count),
		 b_count = mf_tokio_sum(b->tally.count);

	if (a_bytes != b_bytes)
		return a_bytes < b_bytes ? 1 : -1;
	if (a_count != b_count)
		return a_count < b_count ? 1 : -1;
	return strcmp(a->future, b->future);
}

static void add_boxed(struct mf_tokio *tokio)
{
	for (size_t i = 0; i < tokio->boxes.list.count; i++) {
		const struct mf_tokio_boxed *boxed =
			&tokio->boxes.list.items[i];
		enum mf_tokio_proof proof;
		const char *future = mf_tokio_boxed_name(
			tokio, &tokio->traits->list.items[boxed->trait],
			&proof);

		add_row(tokio, future, proof, &boxed->tally);
	}
}

void mf_tokio_make_rows(struct mf_tokio *tokio,
			const struct mf_scan_context *context)
{
	for (size_t i = 0; i < tokio->vtables.count; i++) {
		struct mf_tokio_vtable *vtable = &tokio->vtables.items[i];
		const struct mf_tokio_tally *tally = &tokio->own[i];

		if (!mf_tokio_sum(tally->count) && vtable->sure)
			tally = &tokio->inside[i];
		if (!mf_tokio_sum(tally->count) ||
		    (!vtable->sure &&
		     !mf_tokio_confirm(tokio, context->target, context->image,
				       vtable)))
			continue;
		mf_tokio_name(tokio, context->target, context->image, vtable);
		add_row(tokio, vtable->future, vtable->proof, tally);
	}
	add_boxed(tokio);
	mf_vec_sort(&tokio->rows, by_bytes);
}

/* ---- writing them ---------------------------------------------------------------- */

static void write_states(const struct mf_tokio_row *row,
			 struct mf_report *report)
{
	for (size_t i = 0; i < MF_TOKIO_STATES; i++) {
		const struct mf_tokio_tally *tally = &row->tally;

		if (!tally->count[i])
			continue;
		mf_report_row(report,
			      (struct mf_value[]){
				      mf_text(row->future),
				      mf_text(mf_tokio_state_name(i)),
				      mf_count(tally->count[i]),
				      row->bytes_known
					      ? mf_size(tally->bytes[i])
					      : mf_none(),
				      mf_address(tally->example),
				      mf_text(mf_tokio_proof_name(row->proof)),
			      });
	}
}

static void write_data(const struct mf_tokio *tokio, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "future", NULL, MF_VALUE_TEXT, 0 },
		{ "state", NULL, MF_VALUE_TEXT, 0 },
		{ "count", NULL, MF_VALUE_COUNT, 0 },
		{ "bytes", NULL, MF_VALUE_SIZE, 0 },
		{ "example", NULL, MF_VALUE_ADDRESS, 0 },
		{ "evidence", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "tasks",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = MF_SHOW_DATA_ONLY,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < tokio->rows.count; i++)
		write_states(&tokio->rows.items[i], report);
	mf_report_table_end(report);
}

static void write_text(const struct mf_tokio *tokio, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "future", "future", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "idle", "idle", MF_VALUE_COUNT, 0 },
		{ "scheduled", "scheduled", MF_VALUE_COUNT, 0 },
		{ "running", "running", MF_VALUE_COUNT, 0 },
		{ "complete", "complete", MF_VALUE_COUNT, 0 },
		{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	};
	static const struct mf_table table = {
		.key = "tasks",
		.title = "TOKIO TASKS",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN,
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < tokio->rows.count; i++) {
		const struct mf_tokio_row *row = &tokio->rows.items[i];
		const uint64_t *count = row->tally.count;

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_text(row->future),
				      mf_count(count[MF_TOKIO_IDLE]),
				      mf_count(count[MF_TOKIO_SCHEDULED]),
				      mf_count(count[MF_TOKIO_RUNNING]),
				      mf_count(count[MF_TOKIO_COMPLETE]),
				      row->bytes_known
					      ? mf_size(mf_tokio_sum(
							row->tally.bytes))
					      : mf_none(),
			      });
	}
	mf_report_table_end(report);
}

/* Who asked for all there is has no need to hear of what is not. */
static bool is_asked_for(const struct mf_scan *scan)
{
	return mf_scan_get_options(scan)->wanted == MF_SCAN_TASKS;
}

void mf_tokio_write(const void *scanner, const struct mf_scan *scan,
		    struct mf_report *report)
{
	const struct mf_tokio *tokio = scanner;

	write_data(tokio, report);
	if (tokio->rows.count)
		write_text(tokio, report);
	else if (is_asked_for(scan))
		mf_report_line(report, "%s",
			       tokio->vtables.count
				       ? "No task of Tokio was found."
				       : "No module of it uses Tokio.");
}
