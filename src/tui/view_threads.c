/*
 * Threads, what they do and what they cost; stacks, equal ones once; and the
 * frames of one of them.
 */
#include <stdlib.h>
#include <string.h>

#include "memforensics/analysis.h"
#include "memforensics/stack.h"

#include "base/memory.h"
#include "base/units.h"
#include "tui/gather.h"
#include "tui/views.h"

/* ---- reading ------------------------------------------------------------------ */

static struct mf_error *write_census(struct mf_gather *gather,
				     const struct mf_view *view,
				     struct mf_stacks *stacks)
{
	const struct mf_analysis_input input = {
		.target = view->target,
		.space = view->space,
		.heap = view->heap,
	};
	const struct mf_thread_choice choice = { .order = MF_THREADS_BY_CPU };
	const struct mf_thread_rows rows = { .top = MF_GATHER_ROWS };
	struct mf_thread_census *census =
		mf_thread_census_create(&input, &choice);
	size_t threads, folds;
	char count[MF_UNIT_TEXT], different[MF_UNIT_TEXT];

	mf_thread_census_unwind(census, stacks);
	mf_thread_census_write(census, gather->report, &rows);
	mf_thread_census_threads(census, &threads);
	mf_thread_census_folds(census, &folds);
	gather->said = mf_asprintf(
		"%s thread%s, %s different stack%s",
		mf_format_count(count, threads), threads == 1 ? "" : "s",
		mf_format_count(different, folds), folds == 1 ? "" : "s");
	mf_thread_census_destroy(census);
	return NULL;
}

static struct mf_error *read_threads(struct mf_gather *gather,
				     const struct mf_view *view)
{
	const struct mf_stack_options options = { 0 };
	struct mf_stacks *stacks = NULL;
	struct mf_error *error;

	MF_TRY(mf_stacks_create(view->target, view->image, &options, &stacks));
	error = mf_stacks_capture(stacks, view->target);
	if (!error && mf_job_is_cancelled(&gather->job))
		error = mf_error_create(MF_ERROR_FAILED, "it was stopped");
	if (!error)
		error = write_census(gather, view, stacks);
	mf_stacks_destroy(stacks);
	return error;
}

static void ask(struct mf_pane *pane)
{
	mf_sheet_ask(pane, mf_gather_create("reading stacks", read_threads));
}

/* ---- threads -------------------------------------------------------------------- */

enum column {
	TID,
	NAME,
	STATE,
	CPU,
	CALL,
	RESIDENT,
	USED,
	ARENA,
	TCACHE,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[TID] = { "thread", MF_VALUE_ID, 8, 'T', 0 },
	[NAME] = { "name", MF_VALUE_TEXT, 15, 'M', 0 },
	[STATE] = { "S", MF_VALUE_TEXT, 1, 0, MF_COLUMN_IF_ROOM },
	[CPU] = { "CPU", MF_VALUE_MS, 9, 'C', MF_COLUMN_DESCENDING },
	[CALL] = { "in (Enter: frames)", MF_VALUE_TEXT, 16, 'S',
		   MF_COLUMN_FILL },
	[RESIDENT] = { "stack", MF_VALUE_SIZE, 10, 'R',
		       MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[USED] = { "used", MF_VALUE_SIZE, 10, 'D',
		   MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[ARENA] = { "arena", MF_VALUE_ID, 5, 'A', MF_COLUMN_IF_ROOM },
	[TCACHE] = { "tcache", MF_VALUE_SIZE, 10, 'H',
		     MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
};

static const char *const keys[COLUMNS] = {
	[TID] = "tid",	  [NAME] = "comm",   [STATE] = "state",
	[CPU] = "cpu_ms", [CALL] = "call",   [RESIDENT] = "rss",
	[USED] = "used",  [ARENA] = "arena", [TCACHE] = "tcache_bytes",
};

static const struct mf_sheet_form form = { NULL, "threads", keys };

struct threads {
	struct mf_sheet sheet;
	uint64_t sought; /* a thread, once they are there; 0: none */
};

/* True: its row is where the cursor is now. */
static bool seek(struct mf_pane *pane, uint64_t tid)
{
	const struct threads *threads = pane->state;
	uint64_t count = mf_list_count(&pane->list);

	for (uint64_t at = 0; at < count; at++) {
		uint64_t row = mf_list_row(&pane->list, at);

		if (mf_kept_value(threads->sheet.table, row, "tid").number !=
		    tid)
			continue;
		mf_list_go(&pane->list, at);
		return true;
	}
	return false;
}

void mf_view_threads_seek(struct mf_pane *pane, uint64_t tid)
{
	struct threads *threads = pane->state;

	threads->sought = threads->sheet.table ? 0 : tid;
	if (threads->sought)
		return;
	/* a filter may hide it */
	if (!seek(pane, tid) && pane->list.filter)
		mf_list_filter(&pane->list, NULL);
	if (!seek(pane, tid))
		mf_browser_say(pane->browser, "there is no thread %llu",
			       (unsigned long long)tid);
}

static void ready(struct mf_pane *pane, int stage)
{
	struct threads *threads = pane->state;

	(void)stage;
	mf_sheet_take(pane, mf_sheet_table(&threads->sheet, form.table), &form);
	if (!threads->sought || !threads->sheet.table)
		return;
	mf_browser_changed(pane);
	mf_view_threads_seek(pane, threads->sought);
}

static struct mf_error *threads_open(struct mf_pane *pane, const void *argument)
{
	struct mf_sheet *sheet = pane->state;

	(void)argument;
	sheet->again = ask;
	sheet->ready = ready;
	ask(pane);
	return NULL;
}

static bool threads_head(struct mf_pane *pane, unsigned number,
			 struct mf_strip *line)
{
	const struct mf_sheet *sheet = pane->state;

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	if (!sheet->from->said)
		return false;
	mf_strip_printf(line, MF_TINT_TITLE, " %s", sheet->from->said);
	mf_strip_put(line, MF_TINT_KEY, "   t");
	mf_strip_put(line, MF_TINT_DIM, ": equal stacks once");
	return true;
}

/* Its stack, and where in it it is. */
static bool threads_subject(struct mf_pane *pane, uint64_t row,
			    struct mf_subject *ret)
{
	const struct mf_sheet *sheet = pane->state;
	uint64_t tid = mf_kept_value(sheet->table, row, "tid").number;
	mf_auto_free struct mf_stack_bounds *stacks = NULL;
	size_t count = mf_space_list_stacks(
		mf_browser_models(pane->browser)->space, &stacks);
	const struct mf_kept_table *frames =
		mf_sheet_table_inside(sheet, "frames", sheet->table, row);
	uint64_t sp = frames ? mf_kept_value(frames, 0, "sp").number : 0;

	for (size_t i = 0; i < count; i++) {
		if (stacks[i].tid <= 0 || (uint64_t)stacks[i].tid != tid)
			continue;
		ret->start = stacks[i].start;
		ret->end = stacks[i].end;
		ret->at = sp >= ret->start && sp < ret->end ? sp : ret->start;
		return true;
	}
	return false;
}

/* ARGUMENT of the views of frames and of stacks. */
struct frames_argument {
	struct mf_gathered *from;
	const struct mf_kept_table *frames; /* its; NULL: it was not unwound */
};

static struct mf_error *open_frames(struct mf_pane *pane,
				    const struct mf_kept_table *threads,
				    uint64_t row)
{
	const struct mf_sheet *sheet = pane->state;
	const struct frames_argument argument = {
		sheet->from,
		mf_sheet_table_inside(sheet, "frames", threads, row),
	};
	struct mf_value tid = mf_kept_value(threads, row, "tid");
	mf_auto_free char *crumb =
		mf_asprintf("of %llu %s", (unsigned long long)tid.number,
			    mf_kept_text(threads, row, "comm"));

	return mf_browser_open(pane->browser, &mf_view_frames, &argument,
			       crumb);
}

static struct mf_error *threads_enter(struct mf_pane *pane, uint64_t row)
{
	const struct mf_sheet *sheet = pane->state;

	return open_frames(pane, sheet->table, row);
}

static bool threads_handle(struct mf_pane *pane, enum mf_request request)
{
	const struct mf_sheet *sheet = pane->state;
	const struct frames_argument argument = { sheet->from, NULL };

	if (request != MF_REQUEST_TREE || !sheet->table)
		return mf_sheet_handle(pane, request);
	mf_browser_complain(
		pane->browser,
		mf_browser_open(pane->browser, &mf_view_stacks, &argument, ""));
	return true;
}

const struct mf_view_ops mf_view_threads = {
	.name = "threads",
	.brief = 3,
	.summary = "what threads do and cost (t: equal stacks once)",
	.digit = '7',
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct threads),
	.columns = columns,
	.column_count = COLUMNS,
	.open = threads_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.head = threads_head,
	.subject = threads_subject,
	.enter = threads_enter,
	.handle = threads_handle,
	.waits = mf_sheet_waits,
};

/* ---- equal stacks ----------------------------------------------------------------- */

static const struct mf_view_column stack_columns[] = {
	{ "count", MF_VALUE_COUNT, 8, 'T', MF_COLUMN_DESCENDING },
	{ "CPU", MF_VALUE_MS, 9, 'C', MF_COLUMN_DESCENDING },
	{ "stack, the innermost first", MF_VALUE_TEXT, 30, 'S',
	  MF_COLUMN_FILL },
	{ "threads", MF_VALUE_NUMBERS, 20, 'O', MF_COLUMN_IF_ROOM },
};

static const char *const of_stacks[] = { "threads", "cpu_ms", NULL, NULL };
static const struct mf_sheet_form stacks_form = { NULL, "folds", of_stacks };

struct stacks {
	struct mf_sheet sheet;
	struct mf_buffer functions; /* of the row that was asked for */
};

static struct mf_error *stacks_open(struct mf_pane *pane, const void *argument)
{
	const struct frames_argument *asked = argument;
	struct stacks *stacks = pane->state;

	mf_sheet_share(pane, asked->from);
	mf_sheet_take(pane, mf_sheet_table(&stacks->sheet, stacks_form.table),
		      &stacks_form);
	return NULL;
}

static void stacks_close(struct mf_pane *pane)
{
	struct stacks *stacks = pane->state;

	mf_buffer_deinit(&stacks->functions);
	mf_sheet_close(pane);
}

/* "malloc < parse < main": what is not known by name is its module. */
static void add_functions(struct stacks *stacks, uint64_t row)
{
	const struct mf_kept_table *functions = mf_sheet_table_inside(
		&stacks->sheet, "functions", stacks->sheet.table, row);

	mf_buffer_clear(&stacks->functions);
	for (size_t i = 0; functions && i < functions->row_count; i++) {
		const char *name = mf_kept_text(functions, i, "function");
		const char *module = mf_kept_text(functions, i, "module");
		const char *base = strrchr(module, '/');

		if (!*name)
			name = base ? base + 1 : module;
		mf_buffer_printf(&stacks->functions, "%s%s", i ? " < " : "",
				 *name ? name : "?");
	}
}

static void stacks_values(struct mf_pane *pane, uint64_t row,
			  struct mf_value *values)
{
	struct stacks *stacks = pane->state;
	struct mf_value tids = mf_kept_value(stacks->sheet.table, row, "tids");

	mf_sheet_values(pane, row, values);
	add_functions(stacks, row);
	values[2] = mf_text(mf_buffer_text(&stacks->functions));
	values[3] = tids;
}

/* Those of the first thread that is in it. */
static struct mf_error *stacks_enter(struct mf_pane *pane, uint64_t row)
{
	const struct stacks *stacks = pane->state;
	struct mf_value tids = mf_kept_value(stacks->sheet.table, row, "tids");
	const struct mf_kept_table *threads =
		mf_sheet_table(&stacks->sheet, form.table);

	for (size_t i = 0; threads && tids.type == MF_VALUE_NUMBERS &&
			   tids.numbers.count && i < threads->row_count;
	     i++)
		if (mf_kept_value(threads, i, "tid").number ==
		    (uint64_t)tids.numbers.items[0])
			return open_frames(pane, threads, i);
	return NULL;
}

const struct mf_view_ops mf_view_stacks = {
	.name = "stacks",
	.summary = "stacks of threads, equal ones once",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct stacks),
	.columns = stack_columns,
	.column_count = MF_ARRAY_SIZE(stack_columns),
	.open = stacks_open,
	.close = stacks_close,
	.count = mf_sheet_count,
	.values = stacks_values,
	.enter = stacks_enter,
	.waits = mf_sheet_waits,
};

/* ---- frames ----------------------------------------------------------------------- */

static const struct mf_view_column frame_columns[] = {
	{ "#", MF_VALUE_ID, 3, 0, 0 },
	{ "function", MF_VALUE_TEXT, 24, 'F', MF_COLUMN_FILL },
	{ "module", MF_VALUE_TEXT, 18, 'M', MF_COLUMN_IF_ROOM },
	{ "its frame", MF_VALUE_SIZE, 9, 'S',
	  MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	{ "source", MF_VALUE_TEXT, 20, 'O', MF_COLUMN_IF_ROOM },
	{ "at", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
	{ "known by", MF_VALUE_TEXT, 14, 'K', MF_COLUMN_IF_ROOM },
};

static const char *const of_frames[MF_ARRAY_SIZE(frame_columns)] = {
	[5] = "address",
	[6] = "how",
};
static const struct mf_sheet_form frames_form = { NULL, "frames", of_frames };

struct frames {
	struct mf_sheet sheet;
	struct mf_buffer function, source; /* of the row that was asked for */
};

static struct mf_error *frames_open(struct mf_pane *pane, const void *argument)
{
	const struct frames_argument *asked = argument;

	if (!asked->frames)
		return mf_error_why(mf_error_create(MF_ERROR_FAILED,
						    "no frames are known of "
						    "it"),
				    "its registers or its stack are not");
	mf_sheet_share(pane, asked->from);
	mf_sheet_take(pane, asked->frames, &frames_form);
	return NULL;
}

static void frames_close(struct mf_pane *pane)
{
	struct frames *frames = pane->state;

	mf_buffer_deinit(&frames->function);
	mf_buffer_deinit(&frames->source);
	mf_sheet_close(pane);
}

static bool frames_subject(struct mf_pane *pane, uint64_t row,
			   struct mf_subject *ret)
{
	const struct frames *frames = pane->state;
	const struct mf_kept_table *table = frames->sheet.table;

	ret->start = ret->at = mf_kept_value(table, row, "sp").number;
	ret->end = ret->start + 1;
	/* inlined ones have their caller's */
	for (uint64_t i = row + 1; i < table->row_count; i++) {
		uint64_t sp = mf_kept_value(table, i, "sp").number;

		if (sp <= ret->start)
			continue;
		ret->end = sp;
		break;
	}
	return ret->start != 0;
}

static void add_function(struct mf_buffer *text,
			 const struct mf_kept_table *table, uint64_t row)
{
	const char *symbol = mf_kept_text(table, row, "symbol");
	struct mf_value offset = mf_kept_value(table, row, "offset");

	mf_buffer_clear(text);
	mf_buffer_puts(text, *symbol ? symbol : "??");
	if (offset.type == MF_VALUE_SIZE && offset.number)
		mf_buffer_printf(text, "+%#llx",
				 (unsigned long long)offset.number);
	if (mf_kept_value(table, row, "inlined").boolean)
		mf_buffer_puts(text, " (inlined)");
	if (mf_kept_value(table, row, "signal").boolean)
		mf_buffer_puts(text, " (signal handler called)");
}

static void add_source(struct mf_buffer *text,
		       const struct mf_kept_table *table, uint64_t row)
{
	const char *file = mf_kept_text(table, row, "file");
	const char *base = strrchr(file, '/');

	mf_buffer_clear(text);
	if (*file)
		mf_buffer_printf(
			text, "%s:%llu", base ? base + 1 : file,
			(unsigned long long)mf_kept_value(table, row, "line")
				.number);
}

static void frames_values(struct mf_pane *pane, uint64_t row,
			  struct mf_value *values)
{
	struct frames *frames = pane->state;
	const struct mf_kept_table *table = frames->sheet.table;
	const char *module = mf_kept_text(table, row, "module");
	const char *base = strrchr(module, '/');
	struct mf_subject subject;

	mf_sheet_values(pane, row, values);
	add_function(&frames->function, table, row);
	add_source(&frames->source, table, row);
	values[0] = mf_id(row);
	values[1] = mf_text(mf_buffer_text(&frames->function));
	values[2] = mf_text(base ? base + 1 : module);
	if (!mf_kept_value(table, row, "inlined").boolean &&
	    frames_subject(pane, row, &subject) &&
	    subject.end - subject.start > 1)
		values[3] = mf_size(subject.end - subject.start);
	values[4] = mf_text(mf_buffer_text(&frames->source));
}

const struct mf_view_ops mf_view_frames = {
	.name = "frames",
	.summary = "the functions that a thread is in",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct frames),
	.columns = frame_columns,
	.column_count = MF_ARRAY_SIZE(frame_columns),
	.open = frames_open,
	.close = frames_close,
	.count = mf_sheet_count,
	.values = frames_values,
	.subject = frames_subject,
	.waits = mf_sheet_waits,
};
