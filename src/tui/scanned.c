/*
 * How a scan becomes rows of a view, and patterns that find what a row counts.
 */
#include "tui/scanned.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/scan.h"

#include "base/memory.h"
#include "base/units.h"

/* ---- the scan ------------------------------------------------------------------ */

static void write_scan(struct mf_gather *gather, struct mf_scan *scan)
{
	char size[MF_UNIT_TEXT];

	mf_scan_finish(scan);
	mf_scan_write(scan, gather->report);
	gather->said = mf_asprintf("of %s in use",
				   mf_format_size(size, mf_scan_bytes(scan)));
}

/* Names of groups are the selection's: it lives until they are written. */
static struct mf_error *scan_usual(struct mf_gather *gather,
				   const struct mf_view *view,
				   struct mf_scan *scan,
				   const struct mf_scan_pointed *pointed)
{
	struct mf_select *select = mf_select_create_usual();
	struct mf_selection selection = { 0 };
	struct mf_error *error = mf_select_resolve(select, view, &selection);
	const struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
		.ranges = selection.ranges,
		.range_count = selection.range_count,
		.groups = selection.groups,
		.group_count = selection.group_count,
		.pointed = pointed,
		.pointed_count = pointed ? 1 : 0,
	};

	if (!error)
		error = mf_scan_read(scan, &input);
	if (!error)
		write_scan(gather, scan);
	mf_selection_deinit(&selection);
	mf_select_destroy(select);
	return error;
}

struct mf_error *mf_scanned_gather(struct mf_gather *gather,
				   const struct mf_view *view,
				   const struct mf_scan_options *options,
				   bool pointed)
{
	const struct mf_scan_pointed words = {
		.start = gather->start,
		.end = gather->start + 1,
	};
	struct mf_scan *scan = NULL;
	struct mf_error *error;

	MF_TRY(mf_scan_create(view->target, view->image, options, &scan));
	error = scan_usual(gather, view, scan, pointed ? &words : NULL);
	mf_scan_destroy(scan);
	return error;
}

/* ---- several tables ------------------------------------------------------------- */

static uint64_t rows_of(const struct mf_sheet *sheet,
			const struct mf_sheet_form *form)
{
	const struct mf_kept_table *table = mf_sheet_table(sheet, form->table);

	return table ? table->row_count : 0;
}

size_t mf_forms_next(const struct mf_sheet *sheet,
		     const struct mf_sheet_form *forms, size_t count,
		     size_t shown)
{
	for (size_t i = 1; i < count; i++)
		if (rows_of(sheet, &forms[(shown + i) % count]))
			return (shown + i) % count;
	return shown;
}

void mf_forms_head(const struct mf_pane *pane,
		   const struct mf_sheet_form *forms, size_t count,
		   size_t shown, struct mf_strip *line)
{
	const struct mf_sheet *sheet = pane->state;

	if (!sheet->from || !sheet->from->report)
		return;
	for (size_t i = 0; i < count; i++)
		mf_strip_printf(line, i == shown ? MF_TINT_TAB : MF_TINT_DIM,
				i == shown ? "[%s]" : " %s ", forms[i].name);
	mf_strip_put(line, MF_TINT_KEY, "  t");
	mf_strip_put(line, MF_TINT_DIM, ": the next");
	if (sheet->from->said)
		mf_strip_printf(line, MF_TINT_DIM, "; %s", sheet->from->said);
}

/* ---- patterns --------------------------------------------------------------------- */

static const struct {
	const char *mark, *expression;
} marks[] = {
	{ "<number>", "[0-9]+" },
	{ "<hex>", "[0-9A-Fa-f]+" },
	{ "<uuid>", "[0-9A-Fa-f-]{36}" },
	{ "<time>", "[0-9][0-9A-Za-z:.,+ -]*" },
	{ "<id>", "[0-9A-Za-z_+/=-]+" },
};

/* Bytes of a mark at TEXT; 0: there is none. */
static size_t add_mark(struct mf_buffer *pattern, const char *text)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(marks); i++) {
		size_t size = strlen(marks[i].mark);

		if (strncmp(text, marks[i].mark, size) != 0)
			continue;
		mf_buffer_puts(pattern, marks[i].expression);
		return size;
	}
	return 0;
}

char *mf_shape_pattern(const char *shape)
{
	MF_AUTO_BUFFER(pattern);

	while (*shape) {
		size_t size = add_mark(&pattern, shape);

		if (!size) {
			unsigned char c = (unsigned char)*shape;

			if (c < 0x80 && !isalnum(c))
				mf_buffer_printf(&pattern, "\\x%02x", c);
			else
				mf_buffer_putc(&pattern, *shape);
			size = 1;
		}
		shape += size;
	}
	return mf_strdup(mf_buffer_text(&pattern));
}

char *mf_wide_pattern(const char *text)
{
	MF_AUTO_BUFFER(pattern);

	for (; *text && (unsigned char)*text < 0x80; text++)
		mf_buffer_printf(&pattern, "%s%02x 00", pattern.size ? " " : "",
				 (unsigned char)*text);
	return mf_strdup(mf_buffer_text(&pattern));
}

bool mf_text_is_masked(const char *text)
{
	return strstr(text, "****") != NULL;
}
