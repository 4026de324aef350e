/*
 * Words and sentences of the figures of arenas.
 */
#include "tui/arena_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

enum {
	LITTLE = 20,   /* a smaller part of the arena is not named */
	TIDS_MOST = 8, /* that a sentence names */
};

void mf_tui_arena_name(struct mf_buffer *text, const struct mf_arena *arena)
{
	if (arena->main)
		mf_buffer_puts(text, "main");
	else
		mf_buffer_printf(text, "arena %u", arena->index);
}

static bool is_glibc(const struct mf_allocator *allocator)
{
	return !strcmp(allocator->name, "glibc");
}

bool mf_tui_arena_is_orphan(const struct mf_allocator *allocator,
			    const struct mf_arena *arena)
{
	return is_glibc(allocator) && !arena->main && !arena->attached_threads;
}

static bool matters(uint64_t part, uint64_t whole)
{
	return part && part >= whole / LITTLE;
}

static void add_word(struct mf_buffer *text, size_t from, const char *word)
{
	if (text->size > from)
		mf_buffer_puts(text, ", ");
	mf_buffer_puts(text, word);
}

void mf_tui_arena_why(struct mf_buffer *text,
		      const struct mf_allocator *allocator,
		      const struct mf_arena *arena)
{
	const struct mf_arena_figures *figures = &arena->figures;
	size_t from = text->size;

	if (arena->corrupt_count)
		add_word(text, from, "damaged");
	if (arena->in_flight)
		add_word(text, from, "changing");
	if (mf_tui_arena_is_orphan(allocator, arena))
		add_word(text, from, "orphan");
	if (matters(figures->trimmable_bytes, figures->system))
		add_word(text, from, "trimmable");
	if (matters(figures->pinned_bytes, figures->system))
		add_word(text, from, "pinned");
	if (matters(figures->retained.tops + figures->retained.main_top,
		    figures->system))
		add_word(text, from, "top");
	if (matters(figures->tcache.bytes, figures->system))
		add_word(text, from, "cached");
	if (text->size == from)
		mf_buffer_puts(text, figures->in_use.count ? "in use" : "-");
}

/* ---- sentences -------------------------------------------------------------- */

struct telling {
	struct mf_buffer *text;
	const struct mf_allocator *allocator;
	const struct mf_arena *arena; /* NULL: all */
	const struct mf_arena_figures *figures;
	bool bytes;
};

static bool tell_threads(const struct telling *telling)
{
	const struct mf_arena *arena = telling->arena;
	struct mf_buffer *text = telling->text;

	if (!arena || !is_glibc(telling->allocator))
		return false;
	if (!arena->attached_threads) {
		mf_buffer_puts(text, arena->main
					     ? "No thread has it as its own"
					     : "Orphan: no living thread "
					       "allocates from it; the next "
					       "one that needs an arena may "
					       "get it");
		return true;
	}
	mf_buffer_printf(text, "%" PRIu64 " thread%s allocate%s from it",
			 arena->attached_threads,
			 arena->attached_threads == 1 ? "" : "s",
			 arena->attached_threads == 1 ? "s" : "");
	for (size_t i = 0; i < arena->thread_count && i < TIDS_MOST; i++)
		mf_buffer_printf(text, "%s%d", i ? ", " : ": ",
				 arena->threads[i]);
	if (arena->thread_count > TIDS_MOST)
		mf_buffer_puts(text, ", ...");
	return true;
}

static bool tell_in_use(const struct telling *telling)
{
	const struct mf_arena_figures *figures = telling->figures;
	char used[MF_UNIT_TEXT], all[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

	mf_buffer_printf(
		telling->text, "%s of %s are in use, in %s chunk%s",
		mf_format_bytes(used, figures->in_use.bytes, telling->bytes),
		mf_format_bytes(all, figures->system, telling->bytes),
		mf_format_count(count, figures->in_use.count),
		figures->in_use.count == 1 ? "" : "s");
	return true;
}

static bool tell_trimmable(const struct telling *telling)
{
	const struct mf_arena_figures *figures = telling->figures;
	char back[MF_UNIT_TEXT], unused[MF_UNIT_TEXT];

	mf_buffer_printf(telling->text,
			 "Trimmable: %s would give back %s of %s unused in RAM",
			 mf_heap_giver(telling->allocator),
			 figures->trimmable_bytes
				 ? mf_format_bytes(back,
						   figures->trimmable_bytes,
						   telling->bytes)
				 : "nothing",
			 mf_format_bytes(unused, figures->unused.resident,
					 telling->bytes));
	return true;
}

static bool tell_pinned(const struct telling *telling)
{
	const struct mf_arena_figures *figures = telling->figures;
	const struct mf_arena *arena = telling->arena;
	char size[MF_UNIT_TEXT], most[MF_UNIT_TEXT];

	if (!figures->pinned_bytes)
		return false;
	mf_buffer_printf(
		telling->text,
		"Pinned: %s are free, but share pages with chunks in use",
		mf_format_bytes(size, figures->pinned_bytes, telling->bytes));
	if (arena && arena->pinner_count)
		mf_buffer_printf(
			telling->text, "; most for one at 0x%" PRIx64 ": %s",
			arena->pinners[0].address,
			mf_format_bytes(most, arena->pinners[0].pinned_bytes,
					telling->bytes));
	return true;
}

static bool tell_rest(const struct telling *telling)
{
	const struct mf_retained *retained = &telling->figures->retained;
	const struct {
		uint64_t bytes;
		const char *text;
	} reasons[] = {
		{ retained->main_top, "at its top" },
		{ retained->tops, "in tops, which are not trimmed" },
		{ retained->tcache, "in tcaches, which are not flushed" },
		{ retained->headers, "on pages with headers of free chunks" },
		{ retained->locked + retained->hugetlb, "locked in RAM" },
		{ retained->skipped, "passed over as corrupt" },
	};
	const char *before = "Also stays: ";

	for (size_t i = 0; i < MF_ARRAY_SIZE(reasons); i++) {
		char size[MF_UNIT_TEXT];

		if (!reasons[i].bytes)
			continue;
		mf_buffer_printf(
			telling->text, "%s%s %s", before,
			mf_format_bytes(size, reasons[i].bytes, telling->bytes),
			reasons[i].text);
		before = ", ";
	}
	return *before == ',';
}

static bool tell_damage(const struct telling *telling)
{
	const struct mf_arena *arena = telling->arena;

	if (!arena || !arena->corrupt_count)
		return false;
	mf_buffer_printf(telling->text, "Damaged at 0x%" PRIx64 ": %s",
			 arena->corrupt[0].address, arena->corrupt[0].what);
	return true;
}

bool mf_tui_arena_reason(struct mf_buffer *text,
			 const struct mf_allocator *allocator,
			 const struct mf_arena *arena, unsigned number,
			 bool bytes)
{
	static bool (*const tell[])(const struct telling *) = {
		tell_damage,	tell_threads, tell_in_use,
		tell_trimmable, tell_pinned,  tell_rest,
	};
	MF_AUTO_BUFFER(sentence);
	const struct telling telling = {
		.text = &sentence,
		.allocator = allocator,
		.arena = arena,
		.figures = arena ? &arena->figures : &allocator->figures,
		.bytes = bytes,
	};
	unsigned said = 0;

	for (size_t i = 0; i < MF_ARRAY_SIZE(tell); i++) {
		mf_buffer_clear(&sentence);
		if (!tell[i](&telling) || said++ < number)
			continue;
		mf_buffer_puts(text, mf_buffer_text(&sentence));
		return true;
	}
	return false;
}
