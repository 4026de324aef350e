/*
 * `attach`: the whole report on one screen. Verdict first, then what RSS is
 * made of, then the heaps, then what looks odd, then what to do.
 */
#include <string.h>

#include "base/units.h"
#include "cmd/scan_pass.h"
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
	  .summary = "the report only: no prompt follows on a terminal",
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
static void write_stacks(struct mf_run *run, const struct mf_space *space)
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

/* All that there is to say. */
struct known {
	struct mf_thread_census *threads;
	struct mf_buffer groups; /* what is said of them */
	struct mf_space *space;
	struct mf_heap *heap;
	const struct mf_finding *findings;
	size_t count;
	struct mf_scan_pass contents; /* scan is NULL where nothing is read */
};

static void known_deinit(struct known *known)
{
	union {
		const struct mf_select *constant;
		struct mf_select *own;
	} select = { .constant = known->contents.select };

	mf_thread_census_destroy(known->threads);
	mf_buffer_deinit(&known->groups);
	mf_scan_pass_deinit(&known->contents);
	mf_select_destroy(select.own);
}

static void write_threads(struct mf_run *run, const struct known *known,
			  bool names)
{
	write_stacks(run, known->space);
	if (names && known->groups.size)
		mf_report_line(run->report, "  %s",
			       mf_buffer_text(&known->groups));
	mf_thread_census_write_groups(known->threads, run->report, 0);
}

static struct mf_screen screen_of(const struct mf_run *run,
				  const struct known *known)
{
	size_t top = run->settings->report.top;

	if (top)
		return (struct mf_screen){
			top, top, top, top, SIZE_MAX, top, 1
		};
	return mf_screen_fit(run, &(struct mf_screen_of){
					  .space = known->space,
					  .heap = known->heap,
					  .findings = known->findings,
					  .finding_count = known->count,
					  .contents = known->contents.scan,
					  .threads = known->groups.size,
				  });
}

/* ---- what is in it ------------------------------------------------------------ */

/* Enough for honest lines, and read in a few milliseconds. */
enum {
	SAMPLE_MOST = 32 << 20,
	GROUPS_TOLD = 3, /* of threads */
};

static struct mf_error *read_contents(struct mf_run *run, struct known *known)
{
	struct mf_scan_pass *pass = &known->contents;

	if (!mf_target_can(mf_session_target(run->session), MF_CAN_READ))
		return NULL;
	pass->options.wanted = MF_SCAN_CONTENT;
	pass->select = mf_select_create_usual();
	pass->usual = true;
	pass->sample_most = SAMPLE_MOST;
	return mf_scan_pass_run(pass, run->session);
}

static void write_contents(struct mf_run *run, const struct known *known,
			   size_t rows)
{
	const struct mf_scan_sample *sample = &known->contents.sample;
	const struct mf_field fields[] = {
		{ "sampled_bytes", NULL, mf_size(sample->bytes),
		  MF_SHOW_DATA_ONLY },
		{ "sampled_of", NULL, mf_size(sample->of), MF_SHOW_DATA_ONLY },
	};
	char size[MF_UNIT_TEXT], all[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(title);

	if (!known->contents.scan)
		return;
	mf_buffer_puts(&title, "WHAT IS IN THERE");
	if (sample->bytes < sample->of)
		mf_buffer_printf(
			&title, ", by a sample (%s of %s)",
			mf_report_size(run->report, size, sample->bytes),
			mf_report_size(run->report, all, sample->of));
	mf_report_fields(run->report, NULL, NULL, fields,
			 MF_ARRAY_SIZE(fields));
	mf_scan_write_groups(known->contents.scan, run->report,
			     mf_buffer_text(&title), rows);
}

/* ---- all ------------------------------------------------------------------------ */

static void write_report(struct mf_run *run, const struct known *known)
{
	const struct mf_space *space = known->space;
	struct mf_screen screen = screen_of(run, known);
	const struct mf_heap_rows rows = {
		.detail = MF_HEAP_BRIEF,
		.arenas = screen.arenas,
		.rss = mf_space_rss(space),
	};

	mf_run_write_head(run, space);
	write_verdict(run, known->findings, known->count, screen.verdicts);
	mf_space_write_makeup(space, run->report, screen.classes);
	write_threads(run, known, screen.names);
	mf_heap_write_text(known->heap, run->report, &rows);
	mf_space_write_suspicious(space, run->report, screen.suspects);
	write_contents(run, known, screen.contents);
	write_advice(run, known->findings, known->count, screen.advice);
}

void mf_run_write_models(struct mf_run *run, const struct mf_space *space,
			 const struct mf_heap *heap)
{
	const struct mf_region_rows rows = { .data_only = true };

	mf_space_write_regions(space, run->report, &rows);
	mf_space_write_totals(space, run->report, true);
	mf_heap_write_data(heap, run->report);
}

static void take_threads(struct mf_run *run, struct known *known)
{
	const struct mf_analysis_input input = {
		.target = mf_session_target(run->session),
		.space = known->space,
		.heap = known->heap,
	};
	const struct mf_thread_choice all = { .tids = NULL };

	known->threads = mf_thread_census_create(&input, &all);
	mf_thread_census_tell_groups(known->threads, run->report, GROUPS_TOLD,
				     &known->groups);
}

static struct mf_error *run_attach(struct mf_run *run)
{
	mf_cleanup(known_deinit) struct known known = { 0 };
	struct mf_analysis *analysis;

	MF_TRY(read_contents(run, &known));
	MF_TRY(mf_session_space(run->session, &known.space));
	MF_TRY(mf_session_heap(run->session, &known.heap));
	MF_TRY(mf_session_analysis(run->session, &analysis));
	known.findings = mf_analysis_findings(analysis, &known.count);
	MF_TRY(mf_run_begin(run));
	take_threads(run, &known);
	write_report(run, &known);
	mf_run_write_models(run, known.space, known.heap);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_attach = {
	.name = "attach",
	.summary = "the whole report: where the memory went, and what to do",
	.description =
		"Says what is wrong first, then what the resident memory is "
		"made of, which heaps keep how much of it, which regions look "
		"suspicious, what kinds of bytes are in them, what to do, and "
		"what looking did to the process.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_MAPPINGS,
	.run = run_attach,
};
