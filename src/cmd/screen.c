/*
 * Shares the lines of a screen between the blocks of `attach`: each starts with
 * what it would like, and while that is too much the least useful row goes.
 */
#include "cmd/screen.h"

#include <string.h>

enum {
	LINES = 40,
	HEAD = 2,
	GAP = 1,
	COLUMNS = 100,
	VERDICT_AT = 12,  /* the column where a verdict begins */
	NOTE_AROUND = 14, /* of a note on what is not known */
	NOTES = 3,
	BREAKS = 12,	   /* columns that stay empty where a line is broken */
	BLOCK = 2,	   /* a gap and a heading */
	LEAST_CLASSES = 4, /* rows, "other" among them, */
	MOST_CLASSES = 8,  /* or as many as these, while that hides */
	HIDDEN = 12,	   /* more than one in so many bytes */
	MADE = 3,	   /* of the classes: column heads, rule, total */
	TABLE = 3,	   /* of arenas: column heads, rule, all */
	MOST_CONTENTS = 4, /* rows */
};

/* Lines that LENGTH columns of text take. */
static size_t lines_for(size_t length, size_t columns)
{
	return length ? (length + columns - 1) / columns : 1;
}

size_t mf_advice_lines(const struct mf_finding *finding)
{
	size_t count = 0;

	while (finding->advice && finding->advice[count])
		count++;
	return count ? count + 1 : 0; /* and one for whose they are */
}

/* What there is to show. */
struct supply {
	const struct mf_finding *all; /* of the findings */
	size_t notes;		      /* lines on what is not known */
	size_t foot;		      /* and on what was done to it */
	size_t findings, classes, suspects, advice, contents;
	size_t weighty;	  /* rows that the classes need at least */
	size_t arenas;	  /* of the allocators with several */
	size_t walked;	  /* allocators with sentences, */
	size_t sentences; /* and the lines of these */
	size_t tables;	  /* those with a table of arenas */
	size_t corrupt;	  /* arenas that are */
	size_t others;	  /* allocators with a line */
	bool stacks;
	size_t threads;				 /* lines on their groups */
	size_t content_lines[MOST_CONTENTS + 1]; /* of so many rows */
};

/* As many rows as it takes that little is left for "other". TOTALS come by RSS. */
static size_t count_weighty(const struct mf_space *space)
{
	size_t count, rows = 0;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	uint64_t left = 0, all;

	for (size_t i = 0; i < count; i++)
		left += totals[i].usage.rss;
	all = left;
	while (rows < count && left > all / HIDDEN)
		left -= totals[rows++].usage.rss;
	rows = MF_MAX(rows + 1, (size_t)LEAST_CLASSES);
	return MF_MIN(rows, (size_t)MOST_CLASSES);
}

static void count_space(struct supply *supply, const struct mf_space *space)
{
	size_t count;
	const struct mf_region *regions;
	struct mf_stack_census census;

	supply->classes = mf_space_count_makeup(space);
	supply->weighty = count_weighty(space);
	regions = mf_space_regions(space, &count);
	for (size_t i = 0; i < count; i++)
		supply->suspects += regions[i].suspicions != 0;
	mf_space_stack_census(space, &census);
	supply->stacks = census.live + census.cached > 1;
}

static void count_heap(struct supply *supply, const struct mf_heap *heap,
		       struct mf_report *report)
{
	mf_heap_foreach_allocator(allocator, heap) {
		if (!mf_allocator_is_shown(allocator)) {
			supply->others += !allocator->supported;
			continue;
		}
		supply->walked++;
		supply->sentences +=
			mf_allocator_sentence_lines(allocator, report, COLUMNS);
		for (size_t j = 0; j < allocator->arena_count; j++)
			supply->corrupt += allocator->arenas[j].corrupt_count;
		if (allocator->arena_count > 1) {
			supply->tables++;
			supply->arenas =
				MF_MAX(supply->arenas, allocator->arena_count);
		}
	}
}

static void count_notes(struct supply *supply, const struct mf_target *target)
{
	size_t count;
	const struct mf_partial *partials = mf_target_partials(target, &count);

	for (size_t i = 0; i < MF_MIN(count, (size_t)NOTES); i++)
		supply->notes +=
			lines_for(strlen(partials[i].what) +
					  strlen(partials[i].why) + NOTE_AROUND,
				  COLUMNS);
	supply->notes += count > NOTES;
}

static void count_contents(struct supply *supply, const struct mf_scan *scan)
{
	if (!scan)
		return;
	supply->contents = mf_scan_groups_seen(scan);
	for (size_t i = 1; i <= MOST_CONTENTS && i <= supply->contents; i++)
		supply->content_lines[i] =
			mf_scan_group_lines(scan, i, COLUMNS);
}

static size_t verdict_lines(const struct supply *supply, size_t count)
{
	size_t lines = 0;

	for (size_t i = 0; i < count; i++)
		lines += lines_for(strlen(supply->all[i].title),
				   COLUMNS - VERDICT_AT);
	return lines + (supply->findings > count);
}

static size_t lines_of(const struct mf_screen *screen,
		       const struct supply *supply)
{
	size_t lines = HEAD + GAP + BLOCK + BLOCK + MADE + screen->classes +
		       supply->stacks + supply->notes +
		       (screen->names ? supply->threads : 0) + supply->foot +
		       verdict_lines(supply, screen->verdicts);

	lines += supply->walked * BLOCK + supply->sentences;
	if (screen->arenas)
		lines += supply->tables * (TABLE + screen->arenas +
					   (supply->arenas > screen->arenas));
	if (supply->others)
		lines += BLOCK + supply->others;
	if (supply->suspects)
		lines += BLOCK + 2 + screen->suspects;
	if (screen->contents)
		lines += BLOCK + 1 + supply->content_lines[screen->contents] +
			 (supply->contents > screen->contents);
	if (supply->advice)
		lines += BLOCK + screen->advice;
	return lines;
}

/* Takes one row from the block that is furthest above its least. */
static bool give_way(struct mf_screen *screen, const struct supply *supply)
{
	const size_t classes = supply->weighty;
	const size_t first_classes = MF_MAX(classes, (size_t)6);
	/* what they are, all in all, was told above their table */
	const size_t last_arenas = supply->suspects && !supply->corrupt ? 0 : 2;
	struct {
		size_t *rows, least;
	} blocks[] = {
		{ &screen->contents, 2 },
		{ &screen->suspects, 2 },
		{ &screen->contents, 1 },
		{ &screen->classes, first_classes },
		{ &screen->arenas, 3 },
		{ &screen->advice, 6 },
		{ &screen->verdicts, 3 },
		{ &screen->classes, classes },
		{ &screen->advice, 3 },
		{ &screen->arenas, 2 },
		{ &screen->suspects, 1 },
		{ &screen->names, 0 },
		{ &screen->classes, LEAST_CLASSES },
		{ &screen->arenas, last_arenas },
		{ &screen->contents, 0 },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(blocks); i++)
		if (*blocks[i].rows > blocks[i].least) {
			--*blocks[i].rows;
			return true;
		}
	return false;
}

/* A block that went as a whole may have left more room than was missing. */
static void take_back(struct mf_screen *screen, const struct mf_screen *wanted,
		      const struct supply *supply)
{
	const struct {
		size_t *rows, most;
	} blocks[] = {
		{ &screen->advice, wanted->advice },
		{ &screen->arenas, wanted->arenas },
		{ &screen->classes, wanted->classes },
		{ &screen->verdicts, wanted->verdicts },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(blocks); i++)
		while (*blocks[i].rows < blocks[i].most) {
			++*blocks[i].rows;
			if (lines_of(screen, supply) > LINES) {
				--*blocks[i].rows;
				break;
			}
		}
}

struct mf_screen mf_screen_fit(const struct mf_run *run,
			       const struct mf_screen_of *of)
{
	struct mf_screen screen = { 4, 8, 4, 3, 9, MOST_CONTENTS, 1 }, wanted;
	struct supply supply = {
		.findings = of->finding_count,
		.all = of->findings,
	};

	if (of->threads)
		supply.threads = lines_for(of->threads + BREAKS, COLUMNS);
	supply.foot = lines_for(mf_run_foot_length(run) + BREAKS, COLUMNS);
	count_notes(&supply, mf_session_target(run->session));
	count_space(&supply, of->space);
	count_heap(&supply, of->heap, run->report);
	count_contents(&supply, of->contents);
	for (size_t i = 0; i < of->finding_count; i++)
		supply.advice += mf_advice_lines(&of->findings[i]);
	screen.verdicts = MF_MIN(screen.verdicts, supply.findings);
	screen.classes = MF_MIN(screen.classes, supply.classes);
	screen.arenas = MF_MIN(screen.arenas, supply.arenas);
	screen.suspects = MF_MIN(screen.suspects, supply.suspects);
	screen.advice = MF_MIN(screen.advice, supply.advice);
	screen.contents = MF_MIN(screen.contents, supply.contents);
	wanted = screen;
	while (lines_of(&screen, &supply) > LINES && give_way(&screen, &supply))
		;
	take_back(&screen, &wanted, &supply);
	return screen;
}
