/*
 * Stacks as report rows: equal ones once, and for people either a line from the
 * innermost function outwards, or each thread with a frame in a line.
 */
#include <stdio.h>

#include "analysis/threads.h"
#include "base/units.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	SHOWN_FOLDS = 10,
	SHOWN_FRAMES = 12, /* in a line */
	SHOWN_TIDS = 4,
};

static size_t shown_of(size_t count, size_t most)
{
	return most ? MF_MIN(count, most) : count;
}

/* ---- equal stacks as data --------------------------------------------------- */

static void write_fold_frames(struct mf_report *report,
			      const struct mf_thread_fold *fold)
{
	static const struct mf_column columns[] = {
		{ "function", NULL, MF_VALUE_TEXT, 0 },
		{ "module", NULL, MF_VALUE_TEXT, 0 },
		{ "inlined", NULL, MF_VALUE_BOOL, 0 },
		{ "signal", NULL, MF_VALUE_BOOL, 0 },
	};
	static const struct mf_table table = {
		.key = "functions",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = DATA,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < fold->frame_count; i++) {
		const struct mf_frame *frame = &fold->frames[i];
		const char *module = frame->module ? frame->module->path : NULL;

		mf_report_row(report, (struct mf_value[]){
					      mf_text(frame->symbol),
					      mf_text(module),
					      mf_bool(frame->inlined),
					      mf_bool(frame->signal),
				      });
	}
	mf_report_table_end(report);
}

static void write_fold_rows(const struct mf_thread_census *census,
			    struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "fold", NULL, MF_VALUE_ID, 0 },
		{ "threads", NULL, MF_VALUE_COUNT, 0 },
		{ "cpu_ms", NULL, MF_VALUE_MS, 0 },
		{ "tids", NULL, MF_VALUE_NUMBERS, 0 },
	};
	static const struct mf_table table = {
		.key = "folds",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = DATA,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < census->folds.count; i++) {
		const struct mf_thread_fold *fold = &census->folds.items[i];
		mf_auto_free int *tids = mf_new_array(fold->count, int);

		for (size_t k = 0; k < fold->count; k++)
			tids[k] = census->threads.items[fold->threads[k]]
					  .thread.tid;
		mf_report_row_open(report,
				   (struct mf_value[]){
					   mf_id(i),
					   mf_count(fold->count),
					   fold->cpu_known
						   ? mf_ms((double)fold->cpu_ms)
						   : mf_none(),
					   mf_numbers(tids, fold->count),
				   });
		write_fold_frames(report, fold);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

/* ---- equal stacks for people ------------------------------------------------ */

/* "start ← main ← ...": the innermost first. */
static void add_functions(struct mf_buffer *text,
			  const struct mf_thread_fold *fold, size_t most)
{
	size_t shown = shown_of(fold->frame_count, most);

	for (size_t i = 0; i < shown; i++) {
		const struct mf_frame *frame = &fold->frames[i];

		if (i)
			mf_buffer_puts(text, " ← ");
		mf_thread_name_frame(frame, text);
		if (frame->signal)
			mf_buffer_puts(text, " (signal)");
	}
	if (fold->frame_count > shown)
		mf_buffer_printf(text, " ← %zu more",
				 fold->frame_count - shown);
	if (!fold->frame_count)
		mf_buffer_puts(text, mf_stack_end_text(fold->end));
	else if (fold->end != MF_STACK_COMPLETE && fold->frame_count == shown)
		mf_buffer_printf(text, " ← ? (%s)",
				 mf_stack_end_text(fold->end));
}

/* Of whom: their group's name where all are of one, and the first of them. */
static void add_who(struct mf_buffer *text,
		    const struct mf_thread_census *census,
		    const struct mf_thread_fold *fold)
{
	const struct mf_thread_facts *first =
		&census->threads.items[fold->threads[0]];
	size_t shown = shown_of(fold->count, SHOWN_TIDS);
	bool alike = true;

	for (size_t i = 1; i < fold->count; i++)
		alike &= census->threads.items[fold->threads[i]].group ==
			 first->group;
	if (fold->count == 1)
		mf_buffer_printf(text, "%s ", first->thread.comm);
	else if (alike)
		mf_buffer_printf(text, "%s ",
				 census->groups.items[first->group].name);
	for (size_t i = 0; i < shown; i++)
		mf_buffer_printf(
			text, "%s%d", i ? ", " : "",
			census->threads.items[fold->threads[i]].thread.tid);
	if (fold->count > shown)
		mf_buffer_printf(text, " and %zu more", fold->count - shown);
}

static void add_cost(struct mf_buffer *text, const struct mf_report *report,
		     const struct mf_thread_census *census,
		     const struct mf_thread_fold *fold)
{
	char number[MF_UNIT_TEXT];
	uint64_t rss = 0;

	for (size_t i = 0; i < fold->count; i++)
		rss += census->threads.items[fold->threads[i]].stack.usage.rss;
	if (fold->cpu_known && fold->cpu_ms)
		mf_buffer_printf(text, "; CPU %s",
				 mf_format_time(number, (double)fold->cpu_ms));
	if (rss)
		mf_buffer_printf(text, "; %s of stack resident",
				 mf_report_size(report, number, rss));
}

static void tell_fold(const struct mf_thread_census *census,
		      struct mf_report *report,
		      const struct mf_thread_fold *fold, size_t frames)
{
	char count[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(functions);
	MF_AUTO_BUFFER(who);

	add_functions(&functions, fold, frames);
	add_who(&who, census, fold);
	add_cost(&who, report, census, fold);
	mf_report_line(report, "  %s thread%s: %s",
		       mf_format_count(count, fold->count),
		       fold->count == 1 ? "" : "s", mf_buffer_text(&functions));
	mf_report_line(report, "      %s", mf_buffer_text(&who));
}

void mf_thread_write_folds(const struct mf_thread_census *census,
			   struct mf_report *report,
			   const struct mf_thread_rows *rows)
{
	size_t count = census->folds.count;
	size_t shown = shown_of(count, rows->top ? rows->top : SHOWN_FOLDS);
	char number[MF_UNIT_TEXT];

	if (!count)
		return;
	write_fold_rows(census, report);
	mf_report_heading(report, "STACKS, EQUAL ONES ONCE");
	for (size_t i = 0; i < shown; i++)
		tell_fold(census, report, &census->folds.items[i],
			  rows->frames_set ? rows->frames : SHOWN_FRAMES);
	if (count > shown)
		mf_report_line(report, "  … %s more (--top %zu shows all)",
			       mf_format_count(number, count - shown), count);
}

/* ---- each thread ------------------------------------------------------------ */

enum {
	NUMBER,
	ADDRESS,
	FUNCTION,
	MODULE,
	SOURCE,
	REMARK,
	COLUMNS,
};

static const struct mf_column columns[COLUMNS] = {
	[NUMBER] = { "number", NULL, MF_VALUE_TEXT, 0 },
	[ADDRESS] = { "address", NULL, MF_VALUE_TEXT, 0 },
	[FUNCTION] = { "function", NULL, MF_VALUE_TEXT, MF_SHOW_FILL },
	[MODULE] = { "module", NULL, MF_VALUE_TEXT, MF_SHOW_FILL },
	[SOURCE] = { "source", NULL, MF_VALUE_TEXT,
		     MF_SHOW_FILL | MF_SHOW_IF_ANY },
	[REMARK] = { "remark", NULL, MF_VALUE_TEXT, MF_SHOW_IF_ANY },
};

static const char *remark_on(const struct mf_frame *frame)
{
	if (frame->inlined)
		return "inlined";
	if (frame->signal)
		return "signal handler called";
	if (frame->perf_map)
		return "JIT";
	if (frame->by == MF_UNWINDER_FRAME_POINTER)
		return "a guess, by frame pointer";
	return frame->by == MF_UNWINDER_RETURN_ADDRESS
		       ? "a guess, by return address"
		       : "";
}

static void write_frame(struct mf_report *report, const struct mf_frame *frame,
			size_t number)
{
	char digits[MF_UNIT_TEXT], address[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(function);
	MF_AUTO_BUFFER(source);

	snprintf(digits, sizeof(digits), "#%zu", number);
	snprintf(address, sizeof(address), "0x%012llx",
		 (unsigned long long)frame->pc);
	if (frame->symbol)
		mf_buffer_puts(&function, frame->symbol);
	if (frame->symbol && frame->offset)
		mf_buffer_printf(&function, "+%#llx",
				 (unsigned long long)frame->offset);
	if (frame->file)
		mf_buffer_printf(&source, "%s:%u", frame->file, frame->line);
	mf_report_row(report,
		      (struct mf_value[COLUMNS]){
			      [NUMBER] = mf_text(digits),
			      [ADDRESS] = mf_text(address),
			      [FUNCTION] = mf_text(
				      frame->symbol ? mf_buffer_text(&function)
						    : "??"),
			      [MODULE] = mf_text(
				      frame->module ? frame->module->name : ""),
			      [SOURCE] = mf_text(mf_buffer_text(&source)),
			      [REMARK] = mf_text(remark_on(frame)),
		      });
}

static void write_frames(struct mf_report *report, const struct mf_stack *stack,
			 size_t most)
{
	static const struct mf_table table = {
		.key = "shown_frames",
		.columns = columns,
		.column_count = COLUMNS,
		.show = TEXT | MF_SHOW_WHOLE,
	};
	size_t shown = shown_of(stack->frame_count, most);

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < shown; i++)
		write_frame(report, &stack->frames[i], i);
	mf_report_table_end(report);
	if (stack->frame_count > shown)
		mf_report_line(report, "  … %zu more frames",
			       stack->frame_count - shown);
	else if (stack->end != MF_STACK_COMPLETE)
		mf_report_line(report, "  no more frames: %s",
			       mf_stack_end_text(stack->end));
}

static void add_stack(struct mf_buffer *text, const struct mf_report *report,
		      const struct mf_thread_facts *facts)
{
	const struct mf_stack_bounds *stack = &facts->stack;
	uint64_t sp = facts->thread.sp;
	char size[MF_UNIT_TEXT];

	if (facts->has_stack)
		mf_buffer_printf(text, "stack %#llx-%#llx, %s",
				 (unsigned long long)stack->start,
				 (unsigned long long)stack->end,
				 mf_report_size(report, size,
						stack->end - stack->start));
	if (facts->has_stack && sp >= stack->start && sp < stack->end)
		mf_buffer_printf(text, ", %s used",
				 mf_report_size(report, size, stack->end - sp));
	else if (facts->elsewhere)
		mf_buffer_printf(text, "%son %s", text->size ? ", now " : "",
				 facts->elsewhere);
	if (facts->has_stack && !(stack->usage.lacks & MF_FIGURE_RSS))
		mf_buffer_printf(
			text, ", %s resident",
			mf_report_size(report, size, stack->usage.rss));
}

static void add_heap(struct mf_buffer *text, const struct mf_report *report,
		     const struct mf_thread_facts *facts)
{
	char size[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

	if (facts->allocator)
		mf_buffer_printf(text, "%sarena %u", text->size ? "; " : "",
				 facts->arena);
	if (facts->tcache_known && facts->tcache.count)
		mf_buffer_printf(
			text, "%stcache of %s chunks, %s",
			text->size ? "; " : "",
			mf_format_count(count, facts->tcache.count),
			mf_report_size(report, size, facts->tcache.bytes));
}

static void tell_thread(struct mf_report *report,
			const struct mf_thread_facts *facts)
{
	const struct mf_thread *thread = &facts->thread;
	char number[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	mf_buffer_printf(&text, "THREAD %d", (int)thread->tid);
	if (*thread->comm)
		mf_buffer_printf(&text, " \"%s\"", thread->comm);
	if (thread->state)
		mf_buffer_printf(&text, ", %s",
				 mf_thread_state_word(thread->state));
	if (facts->call)
		mf_buffer_printf(&text, " in %s", facts->call);
	if (!thread->cpu_unknown && thread->cpu_ms)
		mf_buffer_printf(
			&text, ", CPU %s",
			mf_format_time(number, (double)thread->cpu_ms));
	mf_report_heading(report, mf_buffer_text(&text));
	mf_buffer_clear(&text);
	add_stack(&text, report, facts);
	add_heap(&text, report, facts);
	if (*thread->wait_channel)
		mf_buffer_printf(&text, "%swaits in %s", text.size ? "; " : "",
				 thread->wait_channel);
	if (text.size)
		mf_report_line(report, "  %s", mf_buffer_text(&text));
}

void mf_thread_write_each(const struct mf_thread_census *census,
			  struct mf_report *report,
			  const struct mf_thread_rows *rows)
{
	size_t count = census->threads.count;
	size_t shown = shown_of(count, rows->top);
	char number[MF_UNIT_TEXT];

	if (census->folds.count)
		write_fold_rows(census, report);
	for (size_t i = 0; i < shown; i++) {
		const struct mf_thread_facts *facts = &census->threads.items[i];

		tell_thread(report, facts);
		if (facts->unwound)
			write_frames(report, &facts->frames,
				     rows->frames_set ? rows->frames : 0);
	}
	if (count > shown)
		mf_report_line(report, "… %s more threads",
			       mf_format_count(number, count - shown));
}
