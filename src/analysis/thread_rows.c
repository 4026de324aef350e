/*
 * Threads as report rows: data with everything of each; for people a table of
 * them, and their stacks, equal ones once.
 */
#include "analysis/threads.h"
#include "base/units.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	SHOWN_THREADS = 20,
	SHOWN_GROUPS = 10,
};

enum {
	TID,
	COMM,
	STATE,
	CPU,
	CALL,
	USED,
	RSS,
	HUGE,
	SWAP,
	SIZE,
	ARENA,
	TCACHE,
	WAIT,
	ALLOCATOR,
	FOLD,
	COLUMNS,
};

static const struct mf_column columns[COLUMNS] = {
	[TID] = { "tid", "thread", MF_VALUE_ID, 0 },
	[COMM] = { "comm", "name", MF_VALUE_TEXT, 0 },
	[STATE] = { "state", "S", MF_VALUE_TEXT, 0 },
	[CPU] = { "cpu_ms", "CPU", MF_VALUE_MS, 0 },
	[CALL] = { "call", "in", MF_VALUE_TEXT, TEXT | MF_SHOW_FILL },
	[USED] = { "used", "used", MF_VALUE_SIZE, TEXT },
	[RSS] = { "rss", "resident", MF_VALUE_SIZE, TEXT },
	[HUGE] = { "huge", "huge", MF_VALUE_SIZE, TEXT | MF_SHOW_IF_ANY },
	[SWAP] = { "swap", "in swap", MF_VALUE_SIZE, TEXT | MF_SHOW_IF_ANY },
	[SIZE] = { "size", "of stack", MF_VALUE_SIZE, TEXT | MF_SHOW_IF_ROOM },
	[ARENA] = { "arena", "arena", MF_VALUE_ID, MF_SHOW_IF_ROOM },
	[TCACHE] = { "tcache_bytes", "tcache", MF_VALUE_SIZE,
		     TEXT | MF_SHOW_IF_ROOM },
	[WAIT] = { "wait_channel", "waits in", MF_VALUE_TEXT,
		   MF_SHOW_IF_ROOM | MF_SHOW_IF_ANY },
	[ALLOCATOR] = { "allocator", NULL, MF_VALUE_TEXT, DATA },
	[FOLD] = { "fold", NULL, MF_VALUE_ID, DATA },
};

static struct mf_value text_or_none(const char *text)
{
	return text && *text ? mf_text(text) : mf_none();
}

static bool is_on_stack(const struct mf_thread_facts *facts)
{
	return facts->has_stack && facts->thread.sp >= facts->stack.start &&
	       facts->thread.sp < facts->stack.end;
}

/* From the stack pointer up: what its functions keep there. */
static struct mf_value used_of(const struct mf_thread_facts *facts)
{
	return is_on_stack(facts) ? mf_size(facts->stack.end - facts->thread.sp)
				  : mf_none();
}

static struct mf_value figure_of(const struct mf_thread_facts *facts,
				 uint64_t bytes, unsigned figure)
{
	bool known = facts->has_stack && facts->stack.usage_known &&
		     !(facts->stack.usage.lacks & figure);

	return known ? mf_size(bytes) : mf_none();
}

static void fill(const struct mf_thread_facts *facts, char state[2],
		 struct mf_value *row)
{
	const struct mf_thread *thread = &facts->thread;
	const struct mf_usage *usage = &facts->stack.usage;

	state[0] = thread->state;
	state[1] = '\0';
	row[TID] = mf_id((uint64_t)thread->tid);
	row[COMM] = text_or_none(thread->comm);
	row[STATE] = text_or_none(state);
	row[CPU] =
		thread->cpu_unknown ? mf_none() : mf_ms((double)thread->cpu_ms);
	row[CALL] = text_or_none(facts->call);
	row[USED] = used_of(facts);
	row[RSS] = figure_of(facts, usage->rss, MF_FIGURE_RSS);
	row[HUGE] = figure_of(facts, usage->thp, MF_FIGURE_THP);
	row[SWAP] = figure_of(facts, usage->swap, MF_FIGURE_SWAP);
	row[SIZE] = facts->has_stack
			    ? mf_size(facts->stack.end - facts->stack.start)
			    : mf_none();
	row[ARENA] = facts->allocator ? mf_id(facts->arena) : mf_none();
	row[TCACHE] =
		facts->tcache_known ? mf_size(facts->tcache.bytes) : mf_none();
	row[WAIT] = text_or_none(thread->wait_channel);
	row[ALLOCATOR] = text_or_none(facts->allocator);
	row[FOLD] = facts->unwound ? mf_id(facts->fold) : mf_none();
}

/* ---- data: what is inside of a thread's row --------------------------------- */

static void write_call(struct mf_report *report,
		       const struct mf_thread_facts *facts)
{
	char texts[MF_SYSCALL_ARGUMENTS][MF_UNIT_TEXT];
	const char *list[MF_SYSCALL_ARGUMENTS + 1] = { NULL };
	uint64_t arguments[MF_SYSCALL_ARGUMENTS];
	unsigned known;

	if (!facts->call)
		return;
	known = mf_target_syscall_arguments(&facts->thread, arguments);
	for (unsigned i = 0; i < MF_SYSCALL_ARGUMENTS && known; i++) {
		snprintf(texts[i], sizeof(texts[i]), "0x%llx",
			 (unsigned long long)arguments[i]);
		list[i] = known >> i & 1 ? texts[i] : "";
	}
	const struct mf_field fields[] = {
		{ "number", NULL, mf_id((uint64_t)facts->thread.syscall),
		  DATA },
		{ "name", NULL,
		  text_or_none(mf_target_syscall_name(facts->thread.syscall)),
		  DATA },
		{ "text", NULL, mf_text(facts->call), DATA },
		{ "arguments", NULL, mf_list(list), DATA },
	};

	mf_report_fields(report, "call", NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_tcache(struct mf_report *report,
			 const struct mf_thread_facts *facts)
{
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(facts->tcache.count), DATA },
		{ "bytes", NULL, mf_size(facts->tcache.bytes), DATA },
	};

	if (facts->tcache_known)
		mf_report_fields(report, "tcache", NULL, fields,
				 MF_ARRAY_SIZE(fields));
}

static void write_stack(struct mf_report *report,
			const struct mf_thread_facts *facts)
{
	const struct mf_stack_bounds *stack = &facts->stack;
	const struct mf_usage *usage = &stack->usage;
	bool has = facts->has_stack;
	const struct mf_field fields[] = {
		{ "start", NULL, has ? mf_address(stack->start) : mf_none(),
		  DATA },
		{ "end", NULL, has ? mf_address(stack->end) : mf_none(), DATA },
		{ "size", NULL,
		  has ? mf_size(stack->end - stack->start) : mf_none(), DATA },
		{ "rss", NULL, figure_of(facts, usage->rss, MF_FIGURE_RSS),
		  DATA },
		{ "used", NULL, used_of(facts), DATA },
		{ "guard", NULL, has ? mf_size(stack->guard) : mf_none(),
		  DATA },
		{ "huge", NULL, figure_of(facts, usage->thp, MF_FIGURE_THP),
		  DATA },
		{ "swap", NULL, figure_of(facts, usage->swap, MF_FIGURE_SWAP),
		  DATA },
		{ "sp", NULL,
		  facts->thread.sp ? mf_address(facts->thread.sp) : mf_none(),
		  DATA },
		{ "elsewhere", NULL, text_or_none(facts->elsewhere), DATA },
	};

	if (has || facts->thread.sp)
		mf_report_fields(report, "stack", NULL, fields,
				 MF_ARRAY_SIZE(fields));
}

/* Data only: `frames`. */
static void write_frames(struct mf_report *report, const struct mf_stack *stack)
{
	static const struct mf_column frame_columns[] = {
		{ "address", NULL, MF_VALUE_ADDRESS, 0 },
		{ "symbol", NULL, MF_VALUE_TEXT, 0 },
		{ "offset", NULL, MF_VALUE_SIZE, 0 },
		{ "module", NULL, MF_VALUE_TEXT, 0 },
		{ "file", NULL, MF_VALUE_TEXT, 0 },
		{ "line", NULL, MF_VALUE_ID, 0 },
		{ "inlined", NULL, MF_VALUE_BOOL, 0 },
		{ "signal", NULL, MF_VALUE_BOOL, 0 },
		{ "sp", NULL, MF_VALUE_ADDRESS, 0 },
		{ "how", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "frames",
		.columns = frame_columns,
		.column_count = MF_ARRAY_SIZE(frame_columns),
		.show = DATA,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < stack->frame_count; i++) {
		const struct mf_frame *frame = &stack->frames[i];

		mf_report_row(
			report,
			(struct mf_value[]){
				mf_address(frame->pc),
				text_or_none(frame->symbol),
				frame->symbol ? mf_size(frame->offset)
					      : mf_none(),
				frame->module ? mf_text(frame->module->path)
					      : mf_none(),
				text_or_none(frame->file),
				frame->file ? mf_id(frame->line) : mf_none(),
				mf_bool(frame->inlined),
				mf_bool(frame->signal),
				mf_address(frame->sp),
				mf_text(mf_unwinder_name(frame->by)),
			});
	}
	mf_report_table_end(report);
}

static void write_end(struct mf_report *report, const struct mf_stack *stack)
{
	bool is_whole = stack->end == MF_STACK_COMPLETE;
	const struct mf_field fields[] = {
		{ "frames_whole", NULL, mf_bool(is_whole), DATA },
		{ "frames_end", NULL,
		  is_whole ? mf_none() : mf_text(mf_stack_end_text(stack->end)),
		  DATA },
	};

	mf_report_fields(report, NULL, NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_inside(struct mf_report *report,
			 const struct mf_thread_facts *facts)
{
	write_call(report, facts);
	write_tcache(report, facts);
	write_stack(report, facts);
	if (!facts->unwound)
		return;
	write_end(report, &facts->frames);
	write_frames(report, &facts->frames);
}

static void write_threads(const struct mf_thread_census *census,
			  struct mf_report *report, bool data_only)
{
	const struct mf_table table = {
		.key = "threads",
		.title = "THREADS",
		.columns = columns,
		.column_count = COLUMNS,
		.top = SHOWN_THREADS,
		.show = data_only ? DATA : 0,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < census->threads.count; i++) {
		const struct mf_thread_facts *facts = &census->threads.items[i];
		struct mf_value row[COLUMNS];
		char state[2];

		fill(facts, state, row);
		mf_report_row_open(report, row);
		write_inside(report, facts);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

/* ---- what is not known ------------------------------------------------------ */

/* How many threads lack something. */
struct lacks {
	size_t names, state, cpu, registers, waiting, channels;
};

static struct lacks count_lacks(const struct mf_thread_census *census)
{
	struct lacks lacks = { 0 };

	for (size_t i = 0; i < census->threads.count; i++) {
		const struct mf_thread *thread =
			&census->threads.items[i].thread;

		lacks.names += !*thread->comm;
		lacks.state += !thread->state;
		lacks.cpu += thread->cpu_unknown;
		lacks.registers += !thread->sp;
		lacks.waiting += thread->in_syscall && thread->state != 'R';
		lacks.channels += thread->wait_channel[0] != '\0';
	}
	return lacks;
}

struct lack {
	const char *what, *why;
	size_t count;
};

static void write_lack_rows(struct mf_report *report, const struct lack *lacks,
			    size_t count)
{
	static const struct mf_column lack_columns[] = {
		{ "what", NULL, MF_VALUE_TEXT, 0 },
		{ "threads", NULL, MF_VALUE_COUNT, 0 },
		{ "why", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "lacks",
		.columns = lack_columns,
		.column_count = MF_ARRAY_SIZE(lack_columns),
		.show = DATA,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++)
		if (lacks[i].count)
			mf_report_row(report, (struct mf_value[]){
						      mf_text(lacks[i].what),
						      mf_count(lacks[i].count),
						      mf_text(lacks[i].why),
					      });
	mf_report_table_end(report);
}

static void tell_lacks(const struct mf_thread_census *census,
		       struct mf_report *report, const struct lack *lacks,
		       size_t count)
{
	size_t all = census->threads.count;

	for (size_t i = 0; i < count; i++) {
		if (!lacks[i].count)
			continue;
		if (lacks[i].count == all)
			mf_report_line(report, "not known: %s (%s)",
				       lacks[i].what, lacks[i].why);
		else
			mf_report_line(
				report, "not known: %s of %zu threads (%s)",
				lacks[i].what, lacks[i].count, lacks[i].why);
	}
}

static void write_lacks(const struct mf_thread_census *census,
			struct mf_report *report)
{
	const struct lacks counts = count_lacks(census);
	bool is_core = census->is_core;
	const struct lack lacks[] = {
		{ "name", "this core does not say it",
		  is_core ? counts.names : 0 },
		{ "state",
		  is_core ? "this core does not say it"
			  : "they began while the process was stopped",
		  counts.state },
		{ "CPU time",
		  is_core ? "this core does not say it, or only of all threads "
			    "together"
			  : "it could not be read",
		  counts.cpu },
		{ "registers",
		  is_core ? "this core does not have them"
			  : "they ran, or did not stop",
		  counts.registers },
		{ "wait channel",
		  is_core ? "this core does not say it"
			  : "the kernel does not say where they wait",
		  counts.channels ? 0 : counts.waiting },
	};

	write_lack_rows(report, lacks, MF_ARRAY_SIZE(lacks));
	tell_lacks(census, report, lacks, MF_ARRAY_SIZE(lacks));
}

/* ---- all ---------------------------------------------------------------------- */

/* Some threads have one name, but for numbers. */
static bool has_several(const struct mf_thread_census *census)
{
	for (size_t i = 0; i < census->groups.count; i++)
		if (*census->groups.items[i].name &&
		    census->groups.items[i].count > 1)
			return true;
	return false;
}

void mf_thread_census_write(const struct mf_thread_census *census,
			    struct mf_report *report,
			    const struct mf_thread_rows *rows)
{
	bool has_groups = has_several(census);

	mf_thread_census_write_groups(
		census, report, has_groups && !rows->each ? SHOWN_GROUPS : 0);
	if (rows->each)
		mf_thread_write_each(census, report, rows);
	else
		mf_thread_write_folds(census, report, rows);
	write_threads(census, report, rows->each);
	write_lacks(census, report);
}
