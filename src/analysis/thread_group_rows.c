/*
 * Groups of threads as report rows.
 */
#include <stdlib.h>

#include "analysis/threads.h"
#include "base/units.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	ARENAS_TOLD = 24, /* columns of them in a sentence */
};

enum {
	COUNT,
	NAME,
	STATES,
	CPU,
	STACKS,
	STACK_SIZE,
	STACK_RSS,
	STACK_HUGE,
	STACK_SWAP,
	TCACHE_CHUNKS,
	TCACHE,
	ARENA_COUNT,
	ARENAS,
	COLUMNS,
};

static const struct mf_column columns[COLUMNS] = {
	[COUNT] = { "threads", "threads", MF_VALUE_COUNT, 0 },
	[NAME] = { "name", "named", MF_VALUE_TEXT, MF_SHOW_FILL },
	[STATES] = { "states", "state", MF_VALUE_TEXT, MF_SHOW_FILL },
	[CPU] = { "cpu_ms", "CPU", MF_VALUE_MS, MF_SHOW_IF_ANY },
	[STACKS] = { "stacks", NULL, MF_VALUE_COUNT, DATA },
	[STACK_SIZE] = { "stack_size", "stacks", MF_VALUE_SIZE,
			 MF_SHOW_IF_ROOM },
	[STACK_RSS] = { "stack_rss", "resident", MF_VALUE_SIZE, 0 },
	[STACK_HUGE] = { "stack_huge", "huge", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	[STACK_SWAP] = { "stack_swap", "in swap", MF_VALUE_SIZE,
			 MF_SHOW_IF_ANY },
	[TCACHE_CHUNKS] = { "tcache_chunks", NULL, MF_VALUE_COUNT, DATA },
	[TCACHE] = { "tcache_bytes", "tcaches", MF_VALUE_SIZE,
		     MF_SHOW_IF_ROOM },
	[ARENA_COUNT] = { "arena_count", NULL, MF_VALUE_COUNT, DATA },
	[ARENAS] = { "arenas", "arenas", MF_VALUE_TEXT,
		     MF_SHOW_FILL | MF_SHOW_IF_ANY },
};

static struct mf_value size_of(const struct mf_thread_group *group,
			       uint64_t bytes)
{
	return group->stacks ? mf_size(bytes) : mf_none();
}

static void fill(const struct mf_thread_group *group, struct mf_value *row)
{
	row[COUNT] = mf_count(group->count);
	row[NAME] = mf_text(group->name);
	row[STATES] = mf_text(group->states);
	row[CPU] = group->cpu_known ? mf_ms((double)group->cpu_ms) : mf_none();
	row[STACKS] = mf_count(group->stacks);
	row[STACK_SIZE] = size_of(group, group->stack_size);
	row[STACK_RSS] = size_of(group, group->stack_rss);
	row[STACK_HUGE] = size_of(group, group->stack_huge);
	row[STACK_SWAP] = size_of(group, group->stack_swap);
	row[TCACHE_CHUNKS] = mf_count(group->tcache.count);
	row[TCACHE] = mf_size(group->tcache.bytes);
	row[ARENA_COUNT] = mf_count(group->arena_count);
	row[ARENAS] = mf_text(group->arenas);
}

void mf_thread_census_write_groups(const struct mf_thread_census *census,
				   struct mf_report *report, size_t rows)
{
	const struct mf_table table = {
		.key = "thread_groups",
		.title = "THREADS BY NAME",
		.columns = columns,
		.column_count = COLUMNS,
		.top = rows,
		.show = rows ? 0 : DATA,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < census->groups.count; i++) {
		struct mf_value row[COLUMNS];

		fill(&census->groups.items[i], row);
		mf_report_row(report, row);
	}
	mf_report_table_end(report);
}

/* ---- a sentence ------------------------------------------------------------- */

struct cost {
	const struct mf_thread_group *group;
};

static int by_cost(const void *left, const void *right)
{
	const struct mf_thread_group *a = ((const struct cost *)left)->group;
	const struct mf_thread_group *b = ((const struct cost *)right)->group;

	if (a->stack_rss != b->stack_rss)
		return a->stack_rss < b->stack_rss ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return (a > b) - (a < b);
}

static void tell_group(const struct mf_thread_group *group,
		       const struct mf_report *report, struct mf_buffer *text)
{
	char number[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s%s %s (%s", text->size ? "; " : "by name: ",
			 mf_format_count(number, group->count), group->name,
			 group->states);
	if (group->stacks)
		mf_buffer_printf(
			text, ", stacks %s",
			mf_report_size(report, number, group->stack_rss));
	if (strlen(group->arenas) > ARENAS_TOLD)
		mf_buffer_printf(text, ", %zu arenas", group->arena_count);
	else if (group->arena_count)
		mf_buffer_printf(text, ", arena%s %s",
				 group->arena_count == 1 ? "" : "s",
				 group->arenas);
	mf_buffer_putc(text, ')');
}

void mf_thread_census_tell_groups(const struct mf_thread_census *census,
				  const struct mf_report *report, size_t most,
				  struct mf_buffer *text)
{
	size_t count = census->groups.count, rest = census->threads.count;
	mf_auto_free struct cost *costs = mf_new_array(count + 1, struct cost);
	size_t named = 0, several = 0;

	for (size_t i = 0; i < count; i++) {
		const struct mf_thread_group *group = &census->groups.items[i];

		/* cores of others do not have names */
		if (!*group->name)
			continue;
		costs[named++].group = group;
		several += group->count > 1;
	}
	if (!several)
		return;
	count = named;
	qsort(costs, count, sizeof(*costs), by_cost);
	for (size_t i = 0; i < MF_MIN(count, most); i++) {
		tell_group(costs[i].group, report, text);
		rest -= costs[i].group->count;
	}
	if (rest)
		mf_buffer_printf(text, "; %zu other%s", rest,
				 rest == 1 ? "" : "s");
}
