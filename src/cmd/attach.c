/*
 * `attach`: the whole report on one screen. Verdict first, then what RSS is
 * made of, then the heaps, then what looks odd, then what to do.
 */
#include <string.h>

#include "base/units.h"
#include "cmd/screen.h"

static struct mf_error *set_batch(struct mf_settings *settings,
				  const char *value)
{
	(void)value;
	settings->batch = true;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "batch",
	  .summary = "the report only, as now always: no prompt follows",
	  .set = set_batch },
};

static void write_verdict(struct mf_run *run, const struct mf_finding *findings,
			  size_t count, size_t rows)
{
	size_t shown = MF_MIN(count, rows);

	mf_report_heading(run->report, "VERDICT");
	mf_report_findings(run->report, findings, shown, MF_FINDINGS_VERDICT);
	if (count > shown)
		mf_report_line(run->report,
			       "  and %zu more (--top %zu shows all)",
			       count - shown, count);
}

/* The advice of the first findings, as much of it as fits. */
static void write_advice(struct mf_run *run, const struct mf_finding *findings,
			 size_t count, size_t rows)
{
	size_t lines = 0, shown = 0;

	for (; shown < count; shown++) {
		size_t more = mf_advice_lines(&findings[shown]);

		if (lines && lines + more > rows)
			break;
		lines += more;
	}
	if (!lines)
		return;
	mf_report_heading(run->report, "WHAT TO DO");
	mf_report_findings(run->report, findings, shown, MF_FINDINGS_ADVICE);
}

static void add_stacks(struct mf_buffer *text, uint64_t count, const char *what,
		       const char *resident)
{
	char number[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s %s, %s resident",
			 mf_format_count(number, count), what, resident);
}

/* In the same block as the classes; one thread's stack is no news. */
static void write_threads(struct mf_run *run, const struct mf_space *space)
{
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(run->session));
	struct mf_stack_census census;
	char size[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	mf_space_stack_census(space, &census);
	if (census.live + census.cached < 2)
		return;
	mf_buffer_puts(&text, "threads: ");
	if (info->thread_count)
		mf_buffer_printf(&text, "%u; ", info->thread_count);
	add_stacks(&text, census.live, census.live == 1 ? "stack" : "stacks",
		   mf_report_size(run->report, size, census.live_rss));
	if (census.cached) {
		mf_buffer_puts(&text, "; ");
		add_stacks(
			&text, census.cached, "kept of threads that ended",
			mf_report_size(run->report, size, census.cached_rss));
	}
	if (census.thp)
		mf_buffer_printf(&text, "; %s in huge pages",
				 mf_report_size(run->report, size, census.thp));
	mf_report_line(run->report, "  %s", mf_buffer_text(&text));
}

static struct mf_screen screen_of(const struct mf_run *run,
				  const struct mf_space *space,
				  const struct mf_heap *heap,
				  const struct mf_finding *findings,
				  size_t count)
{
	size_t top = run->settings->report.top;

	if (top)
		return (struct mf_screen){ top, top, top, top, SIZE_MAX };
	return mf_screen_fit(run, space, heap, findings, count);
}

static void write_text(struct mf_run *run, const struct mf_space *space,
		       const struct mf_heap *heap,
		       const struct mf_finding *findings, size_t count)
{
	struct mf_screen screen = screen_of(run, space, heap, findings, count);
	const struct mf_heap_rows rows = {
		.detail = MF_HEAP_BRIEF,
		.arenas = screen.arenas,
		.rss = mf_space_rss(space),
	};

	mf_run_write_head(run, space);
	write_verdict(run, findings, count, screen.verdicts);
	mf_space_write_makeup(space, run->report, screen.classes);
	write_threads(run, space);
	mf_heap_write_text(heap, run->report, &rows);
	mf_space_write_suspicious(space, run->report, screen.suspects);
	write_advice(run, findings, count, screen.advice);
}

void mf_run_write_models(struct mf_run *run, const struct mf_space *space,
			 const struct mf_heap *heap)
{
	const struct mf_region_rows rows = { .data_only = true };

	mf_space_write_regions(space, run->report, &rows);
	mf_space_write_totals(space, run->report, true);
	mf_heap_write_data(heap, run->report);
}

static struct mf_error *run_attach(struct mf_run *run)
{
	const struct mf_finding *findings;
	struct mf_analysis *analysis;
	struct mf_space *space;
	struct mf_heap *heap;
	size_t count;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_session_heap(run->session, &heap));
	MF_TRY(mf_session_analysis(run->session, &analysis));
	findings = mf_analysis_findings(analysis, &count);
	MF_TRY(mf_run_begin(run));
	write_text(run, space, heap, findings, count);
	mf_run_write_models(run, space, heap);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_attach = {
	.name = "attach",
	.summary = "the whole report: where the memory went, and what to do",
	.description =
		"Says what is wrong first, then what the resident memory is "
		"made of, which heaps keep how much of it, which regions look "
		"suspicious, what to do, and what looking did to the "
		"process.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_MAPPINGS,
	.run = run_attach,
};
