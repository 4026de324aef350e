/*
 * What somebody needs to know first: the verdict, what RSS is made of, the limit,
 * the heaps, what was done to the process, and what could not be known.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "tui/rows.h"
#include "tui/views.h"

enum {
	WRAP = 76,
	FINDINGS = 5, /* titles */
	CLASSES = 10,
};

enum kind {
	KIND_TEXT,
	KIND_FINDING, /* value: its index */
	KIND_CLASS,   /* value: the class */
	KIND_VIEW,    /* value: the digit of one */
};

struct overview {
	struct mf_text_rows rows;
	const struct mf_models *models;
	bool bytes;
};

static void set_view(struct mf_text_row *row, char digit)
{
	row->kind = KIND_VIEW;
	row->value = (uint64_t)digit;
}

static void add_title(struct overview *overview, const char *text)
{
	if (overview->rows.rows.count)
		mf_text_rows_add(&overview->rows, MF_TINT_PLAIN, 0, "%s", "");
	mf_text_rows_add(&overview->rows, MF_TINT_TITLE, 1, "%s", text);
}

/* ---- blocks ------------------------------------------------------------------------ */

static void add_findings(struct overview *overview)
{
	static const enum mf_tint tints[] = {
		[MF_SEVERITY_INFO] = MF_TINT_INFO,
		[MF_SEVERITY_WARNING] = MF_TINT_WARNING,
		[MF_SEVERITY_CRITICAL] = MF_TINT_CRITICAL,
	};
	static const char marks[] = {
		[MF_SEVERITY_INFO] = '-',
		[MF_SEVERITY_WARNING] = '!',
		[MF_SEVERITY_CRITICAL] = 'X',
	};
	const struct mf_models *models = overview->models;

	if (!models->whole)
		return;
	add_title(overview, "VERDICT (Enter: why, and what to do)");
	for (size_t i = 0; i < models->finding_count && i < FINDINGS; i++) {
		const struct mf_finding *finding = &models->findings[i];
		size_t first = overview->rows.rows.count;

		mf_text_rows_wrap(&overview->rows, tints[finding->severity], 5,
				  WRAP - 2, finding->title);
		overview->rows.rows.items[first].mark =
			marks[finding->severity];
		for (; first < overview->rows.rows.count; first++) {
			overview->rows.rows.items[first].kind = KIND_FINDING;
			overview->rows.rows.items[first].value = i;
		}
	}
	if (models->finding_count > FINDINGS)
		set_view(mf_text_rows_add(
				 &overview->rows, MF_TINT_DIM, 3,
				 "and %zu more (Enter, or 9: all findings)",
				 models->finding_count - FINDINGS),
			 '9');
}

static void add_class(struct overview *overview,
		      const struct mf_class_total *total, uint64_t rss)
{
	char text[MF_UNIT_TEXT], mapped[MF_UNIT_TEXT];
	double share = rss ? (double)total->usage.rss / (double)rss : 0;
	struct mf_text_row *row = mf_text_rows_add(
		&overview->rows,
		total->class == MF_CLASS_ANON ? MF_TINT_WARNING : MF_TINT_PLAIN,
		3, "%10s %5.1f%%  %-14s of %s, %" PRIu64 " region%s",
		mf_format_bytes(text, total->usage.rss, overview->bytes),
		share * 100, mf_class_name(total->class),
		mf_format_bytes(mapped, total->size, overview->bytes),
		total->regions, total->regions == 1 ? "" : "s");

	row->bar = share;
	row->kind = KIND_CLASS;
	row->value = total->class;
}

static void add_classes(struct overview *overview)
{
	const struct mf_space *space = overview->models->space;
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	uint64_t rss = mf_space_rss(space);

	add_title(overview, "WHAT RSS IS MADE OF (Enter: its regions)");
	for (size_t i = 0; i < count && i < CLASSES; i++)
		add_class(overview, &totals[i], rss);
	if (count > CLASSES)
		set_view(mf_text_rows_add(&overview->rows, MF_TINT_DIM, 3,
					  "and %zu more (Enter, or 2: "
					  "all regions)",
					  count - CLASSES),
			 '2');
}

static void add_limit(struct overview *overview)
{
	const struct mf_facts *facts = &overview->models->facts;
	uint64_t most = facts->limits.cgroup_memory_max;
	uint64_t used = facts->limits.cgroup_memory_current;
	char of[MF_UNIT_TEXT], text[MF_UNIT_TEXT];
	struct mf_text_row *row;

	if (facts->kind != MF_TARGET_LIVE && facts->kind != MF_TARGET_SNAPSHOT)
		return;
	add_title(overview, "LIMIT");
	if (most == UINT64_MAX || !most) {
		mf_text_rows_add(&overview->rows, MF_TINT_PLAIN, 3,
				 "none; the machine has %s left",
				 mf_format_bytes(text,
						 facts->limits.memory_available,
						 overview->bytes));
		return;
	}
	row = mf_text_rows_add(&overview->rows, MF_TINT_PLAIN, 3,
			       "%s of the cgroup's %s",
			       mf_format_bytes(text, used, overview->bytes),
			       mf_format_bytes(of, most, overview->bytes));
	row->bar = (double)used / (double)most;
}

static void describe_allocator(const struct overview *overview,
			       const struct mf_allocator *allocator,
			       struct mf_buffer *text)
{
	const struct mf_arena_figures *figures = &allocator->figures;
	uint64_t unused = figures->free.bytes + figures->top.bytes +
			  figures->fastbin.bytes + figures->tcache.bytes;
	char size[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s%s%s: ", allocator->name,
			 *allocator->version ? " " : "", allocator->version);
	if (!allocator->supported) {
		mf_buffer_printf(text, "%s resident",
				 mf_format_bytes(size, allocator->resident,
						 overview->bytes));
		return;
	}
	mf_buffer_printf(
		text, "%zu arena%s, %s; ", allocator->arena_count,
		allocator->arena_count == 1 ? "" : "s",
		mf_format_bytes(size, figures->system, overview->bytes));
	mf_buffer_printf(
		text, "in use %s, ",
		mf_format_bytes(size, figures->in_use.bytes, overview->bytes));
	mf_buffer_printf(text, "free and cached %s; ",
			 mf_format_bytes(size, unused, overview->bytes));
	mf_buffer_printf(
		text, "%s would give back %s", mf_heap_giver(allocator),
		figures->trimmable_bytes
			? mf_format_bytes(size, figures->trimmable_bytes,
					  overview->bytes)
			: "nothing");
}

static void add_allocator(struct overview *overview,
			  const struct mf_allocator *allocator)
{
	size_t first = overview->rows.rows.count;
	MF_AUTO_BUFFER(text);

	describe_allocator(overview, allocator, &text);
	mf_text_rows_wrap(&overview->rows, MF_TINT_PLAIN, 3, WRAP,
			  mf_buffer_text(&text));
	for (; first < overview->rows.rows.count; first++)
		set_view(&overview->rows.rows.items[first], '3');
}

static void add_heaps(struct overview *overview)
{
	size_t count;
	const struct mf_allocator *allocators =
		mf_heap_allocators(overview->models->heap, &count);

	if (!count)
		return;
	add_title(overview, "HEAPS (Enter: arenas)");
	for (size_t i = 0; i < count; i++)
		add_allocator(overview, &allocators[i]);
}

static void add_impact(struct overview *overview)
{
	const struct mf_impact *impact = &overview->models->facts.impact;
	char pause[MF_UNIT_TEXT], size[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	if (!overview->models->whole)
		return;
	add_title(overview, "WHAT LOOKING DID");
	if (impact->stop == MF_STOP_SNAPSHOT)
		mf_buffer_puts(&text, "read from a copy, ");
	if (impact->stops)
		mf_buffer_printf(&text, "paused %s in %u stop%s, ",
				 mf_format_time(pause, impact->pause_ms),
				 impact->stops, impact->stops == 1 ? "" : "s");
	else
		mf_buffer_puts(&text, "not stopped, ");
	mf_buffer_printf(
		&text, "%s read, %" PRIu64 " page%s faulted in, %s",
		mf_format_bytes(size, impact->bytes_read, overview->bytes),
		impact->pages_faulted_in,
		impact->pages_faulted_in == 1 ? "" : "s",
		impact->racy ? "racy: it ran meanwhile" : "exact");
	mf_text_rows_wrap(&overview->rows, MF_TINT_PLAIN, 3, WRAP,
			  mf_buffer_text(&text));
	if (impact->why && *impact->why)
		mf_text_rows_wrap(&overview->rows, MF_TINT_DIM, 3, WRAP,
				  impact->why);
}

static void add_unknown(struct overview *overview)
{
	const struct mf_facts *facts = &overview->models->facts;

	if (!facts->partial_count)
		return;
	add_title(overview, "WHAT IS NOT KNOWN");
	for (size_t i = 0; i < facts->partial_count; i++) {
		MF_AUTO_BUFFER(text);

		mf_buffer_printf(&text, "%s: %s", facts->partials[i].what,
				 facts->partials[i].why);
		mf_text_rows_wrap(&overview->rows, MF_TINT_WARNING, 3, WRAP,
				  mf_buffer_text(&text));
	}
}

/* ---- the view ------------------------------------------------------------------------- */

static struct mf_error *overview_open(struct mf_pane *pane,
				      const void *argument)
{
	struct overview *overview = pane->state;

	(void)argument;
	overview->models = mf_browser_models(pane->browser);
	overview->bytes = mf_browser_wants_bytes(pane->browser);
	add_findings(overview);
	add_classes(overview);
	add_heaps(overview);
	add_limit(overview);
	add_impact(overview);
	add_unknown(overview);
	pane->list.cursor = mf_text_rows_first_link(&overview->rows);
	return NULL;
}

static void overview_close(struct mf_pane *pane)
{
	struct overview *overview = pane->state;

	mf_text_rows_deinit(&overview->rows);
}

static uint64_t overview_count(struct mf_pane *pane)
{
	const struct overview *overview = pane->state;

	return overview->rows.rows.count;
}

static void overview_line(struct mf_pane *pane, uint64_t row,
			  struct mf_strip *line)
{
	const struct overview *overview = pane->state;

	mf_text_row_draw(&overview->rows.rows.items[row], line);
}

static void show_view(struct mf_pane *pane, char digit)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	for (size_t i = 0; i < count; i++)
		if (views[i]->digit == digit) {
			mf_browser_show(pane->browser, views[i]);
			return;
		}
}

static struct mf_error *overview_enter(struct mf_pane *pane, uint64_t row)
{
	const struct overview *overview = pane->state;
	const struct mf_text_row *at = &overview->rows.rows.items[row];
	struct mf_regions_argument only;

	switch (at->kind) {
	case KIND_FINDING:
		return mf_browser_open(
			pane->browser, &mf_view_advice,
			&overview->models->findings[at->value],
			overview->models->findings[at->value].code);
	case KIND_CLASS:
		only.class = (enum mf_class)at->value;
		return mf_browser_open(pane->browser, &mf_view_regions, &only,
				       mf_class_name(only.class));
	case KIND_VIEW:
		show_view(pane, (char)at->value);
		return NULL;
	default:
		return NULL;
	}
}

const struct mf_view_ops mf_view_overview = {
	.name = "overview",
	.brief = 4,
	.summary = "the verdict, what RSS is made of, the limit, the heaps",
	.digit = '1',
	.needs = MF_NEEDS_SPACE,
	.size = sizeof(struct overview),
	.open = overview_open,
	.close = overview_close,
	.count = overview_count,
	.line = overview_line,
	.enter = overview_enter,
};
