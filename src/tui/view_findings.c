/*
 * Findings, and what each of them is based on and advises.
 */
#include <string.h>

#include "base/memory.h"
#include "tui/rows.h"
#include "tui/views.h"

enum {
	WRAP = 76, /* columns of a sentence */
};

static const struct mf_finding *finding_at(const struct mf_pane *pane,
					   uint64_t row)
{
	return &mf_browser_models(pane->browser)->findings[row];
}

static enum mf_tint tint_of(enum mf_severity severity)
{
	static const enum mf_tint tints[] = {
		[MF_SEVERITY_INFO] = MF_TINT_INFO,
		[MF_SEVERITY_WARNING] = MF_TINT_WARNING,
		[MF_SEVERITY_CRITICAL] = MF_TINT_CRITICAL,
	};

	return tints[severity];
}

/* ---- all of them ---------------------------------------------------------------- */

static uint64_t findings_count(struct mf_pane *pane)
{
	return mf_browser_models(pane->browser)->finding_count;
}

static void findings_values(struct mf_pane *pane, uint64_t row,
			    struct mf_value *values)
{
	const struct mf_finding *finding = finding_at(pane, row);

	values[0] = mf_text(mf_severity_name(finding->severity));
	values[1] = finding->bytes ? mf_size(finding->bytes) : mf_none();
	values[2] = mf_text(finding->title);
}

static enum mf_tint findings_tint(struct mf_pane *pane, uint64_t row)
{
	return tint_of(finding_at(pane, row)->severity);
}

static struct mf_error *findings_enter(struct mf_pane *pane, uint64_t row)
{
	const struct mf_finding *finding = finding_at(pane, row);

	return mf_browser_open(pane->browser, &mf_view_advice, finding,
			       finding->code);
}

static const struct mf_view_column columns[] = {
	{ "severity", MF_VALUE_TEXT, 8, 0, MF_COLUMN_IF_ROOM },
	{ "about", MF_VALUE_SIZE, 10, 'S', MF_COLUMN_DESCENDING },
	{ "finding (Enter: what to do)", MF_VALUE_TEXT, 24, 0, MF_COLUMN_FILL },
};

const struct mf_view_ops mf_view_findings = {
	.name = "findings",
	.brief = 4,
	.summary = "what is wrong, why, and what to do",
	.digit = '9',
	.needs = MF_NEEDS_WHOLE,
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.count = findings_count,
	.values = findings_values,
	.tint = findings_tint,
	.enter = findings_enter,
};

/* ---- one of them ------------------------------------------------------------------ */

static void add_evidence(struct mf_text_rows *rows, const struct mf_pane *pane,
			 const struct mf_finding *finding)
{
	if (!finding->evidence_count)
		return;
	mf_text_rows_add(rows, MF_TINT_PLAIN, 0, "%s", "");
	mf_text_rows_add(rows, MF_TINT_TITLE, 0, "%s", "evidence");
	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct mf_field *field = &finding->evidence[i];
		MF_AUTO_BUFFER(value);

		mf_value_write(&value, field->value,
			       mf_browser_is_utf8(pane->browser),
			       mf_browser_wants_bytes(pane->browser));
		mf_text_rows_add(rows, MF_TINT_PLAIN, 2, "%-24s %s",
				 field->label ? field->label : field->key,
				 mf_buffer_text(&value));
	}
}

static void add_advice(struct mf_text_rows *rows,
		       const struct mf_finding *finding)
{
	if (!finding->advice || !finding->advice[0])
		return;
	mf_text_rows_add(rows, MF_TINT_PLAIN, 0, "%s", "");
	mf_text_rows_add(rows, MF_TINT_TITLE, 0, "%s", "what to do");
	for (size_t i = 0; finding->advice[i]; i++)
		mf_text_rows_wrap(rows, MF_TINT_PLAIN, 2, WRAP,
				  finding->advice[i]);
}

static struct mf_error *advice_open(struct mf_pane *pane, const void *argument)
{
	const struct mf_finding *finding = argument;
	struct mf_text_rows *rows = pane->state;

	mf_text_rows_wrap(rows, tint_of(finding->severity), 0, WRAP,
			  finding->title);
	add_evidence(rows, pane, finding);
	add_advice(rows, finding);
	return NULL;
}

static void advice_close(struct mf_pane *pane)
{
	mf_text_rows_deinit(pane->state);
}

static uint64_t advice_count(struct mf_pane *pane)
{
	const struct mf_text_rows *rows = pane->state;

	return rows->rows.count;
}

static void advice_line(struct mf_pane *pane, uint64_t row,
			struct mf_strip *line)
{
	const struct mf_text_rows *rows = pane->state;

	mf_text_row_draw(&rows->rows.items[row], line);
}

const struct mf_view_ops mf_view_advice = {
	.name = "finding",
	.summary = "what a finding is based on, and what to do",
	.needs = MF_NEEDS_WHOLE,
	.size = sizeof(struct mf_text_rows),
	.open = advice_open,
	.close = advice_close,
	.count = advice_count,
	.line = advice_line,
};
