/*
 * The sliding window: refills itself from the page of the asked address on, or
 * moves on to what was read ahead, with the last page before it: what lies
 * across the border is whole then.
 */
#include "heap/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	WINDOW_BYTES = 1 << 19, /* larger ones leave the processor's cache */
	SKIP_BYTES = 1 << 20,
	LEAST_BYTES = 1 << 14, /* whoever jumps may do so again */
	/* what reading takes, in headers that are looked at: */
	SPENT_EACH = 1 << 10,
	SPENT_SHIFT = 5, /* and one for so many bytes */
	UNKNOWN = MF_PAGE_SWAPPED | MF_PAGE_UNREADABLE,
};

/* Whole pages are copied fastest to where a page begins. */
static void room_init(struct mf_window_room *room, uint32_t page_size)
{
	uintptr_t rest;

	room->block = mf_calloc(WINDOW_BYTES + (size_t)2 * page_size, 1);
	rest = (uintptr_t)room->block % page_size;
	room->bytes = room->block + (page_size - rest);
	room->flags = mf_calloc(WINDOW_BYTES / page_size + 1, 1);
}

static void room_deinit(const struct mf_window_room *room)
{
	free(room->block);
	free(room->flags);
}

void mf_window_init(struct mf_window *window, struct mf_target *target)
{
	uint32_t page_size = mf_target_info(target)->page_size;

	*window = (struct mf_window){
		.target = target,
		.page_size = page_size,
	};
	for (unsigned i = 0; i < MF_ARRAY_SIZE(window->rooms); i++)
		room_init(&window->rooms[i], page_size);
}

static void drop_ahead(struct mf_window *window)
{
	if (window->ahead)
		mf_target_drop_pages(window->target);
	window->ahead = 0;
}

void mf_window_deinit(struct mf_window *window)
{
	drop_ahead(window);
	for (unsigned i = 0; i < MF_ARRAY_SIZE(window->rooms); i++)
		room_deinit(&window->rooms[i]);
	mf_error_destroy(window->error);
}

void mf_window_restrict(struct mf_window *window, uint64_t limit)
{
	drop_ahead(window);
	window->limit = limit;
	window->start = window->end = window->known_end = 0;
}

/* ---- reading -------------------------------------------------------------- */

static size_t pages_from(const struct mf_window *window, uint64_t start)
{
	uint64_t room = MF_MIN(window->limit - start, (uint64_t)window->size);

	return (room + window->page_size - 1) / window->page_size;
}

/* The room that is STEPS after the current one. */
static struct mf_window_room *room_after(struct mf_window *window,
					 unsigned steps)
{
	return &window->rooms[(window->current + steps) % MF_WINDOW_ROOMS];
}

static void note_spent(struct mf_window *window, size_t pages)
{
	window->spent +=
		SPENT_EACH + (pages * window->page_size >> SPENT_SHIFT);
}

static bool are_all_known(const struct mf_window *window)
{
	size_t pages = (window->end - window->start) / window->page_size;
	uint8_t flags = 0;

	for (size_t i = 0; i < pages; i++)
		flags |= window->flags[i];
	return !(flags & UNKNOWN);
}

/* Takes ERROR, if there is one: then nothing is held. */
static bool hold(struct mf_window *window, uint64_t start, uint64_t end,
		 struct mf_error *error)
{
	mf_error_destroy(window->error);
	window->error = error;
	window->start = start;
	window->end = error ? start : end;
	window->known_end = start;
	if (are_all_known(window))
		window->known_end = MF_MIN(window->end, window->limit);
	return !error;
}

/* Where what is read ahead ends, or what it holds. */
static uint64_t end_of_ahead(struct mf_window *window)
{
	return window->ahead ? room_after(window, window->ahead)->end
			     : window->end;
}

static bool begin_next(struct mf_window *window)
{
	uint64_t start = end_of_ahead(window);
	struct mf_window_room *room = room_after(window, window->ahead + 1);
	mf_auto_error struct mf_error *error = NULL;
	size_t pages;

	if (start >= window->limit)
		return false;
	pages = pages_from(window, start);
	error = mf_target_begin_pages(window->target, start, pages,
				      room->bytes + window->page_size,
				      room->flags + 1);
	/* the next refill will meet it */
	if (error)
		return false;
	note_spent(window, pages);
	room->end = start + pages * window->page_size;
	window->ahead++;
	return true;
}

/* Whoever came by here in order will want what comes next. */
static void begin_ahead(struct mf_window *window)
{
	while (window->size == WINDOW_BYTES &&
	       window->ahead + 1 < MF_WINDOW_ROOMS && begin_next(window))
		;
}

/* From the last page of what it holds to the end of what comes next. */
static bool move_on(struct mf_window *window)
{
	const struct mf_window_room *room = room_after(window, 1);
	struct mf_error *error = mf_target_finish_pages(window->target);
	uint64_t size = window->end - window->start;
	uint32_t page_size = window->page_size;

	memcpy(room->bytes, window->bytes + size - page_size, page_size);
	room->flags[0] = window->flags[size / page_size - 1];
	window->current = (window->current + 1) % MF_WINDOW_ROOMS;
	window->ahead--;
	window->bytes = room->bytes;
	window->flags = room->flags;
	if (!hold(window, window->end - page_size, room->end, error)) {
		drop_ahead(window);
		return false;
	}
	begin_ahead(window);
	return true;
}

static bool is_near(const struct mf_window *window, uint64_t start)
{
	return window->end > window->start &&
	       start >= window->end - window->page_size &&
	       start - (window->end - window->page_size) <= window->size;
}

/* To the current room, what is behind it in order or not. */
static bool read_anew(struct mf_window *window, uint64_t start)
{
	const struct mf_window_room *room = room_after(window, 0);
	bool near = is_near(window, start);
	struct mf_error *error;
	size_t pages;

	drop_ahead(window);
	window->size =
		near ? MF_MIN(window->size * 2, (uint32_t)WINDOW_BYTES)
		     : MF_MAX((uint32_t)LEAST_BYTES, 2 * window->page_size);
	pages = pages_from(window, start);
	note_spent(window, pages);
	window->bytes = room->bytes + window->page_size;
	window->flags = room->flags + 1;
	error = mf_target_read_pages(window->target, start, pages,
				     window->bytes, window->flags);
	return hold(window, start, start + pages * window->page_size, error);
}

static bool refill(struct mf_window *window, uint64_t address)
{
	uint64_t start = address & ~((uint64_t)window->page_size - 1);

	if (window->ahead && start < end_of_ahead(window) &&
	    start >= window->end - window->page_size)
		return move_on(window);
	if (!read_anew(window, start))
		return false;
	begin_ahead(window);
	return true;
}

/* ---- what is absent --------------------------------------------------------- */

/* Reservations have terabytes, and heaps gigabytes: steps double as long as
 * nothing is there. */
uint64_t mf_skip_absent(struct mf_target *target, uint64_t address,
			uint64_t limit)
{
	uint64_t step = SKIP_BYTES;

	while (address < limit) {
		uint64_t end = address + MF_MIN(limit - address, step), found;
		mf_auto_error struct mf_error *error =
			mf_target_find_page(target, address, end, &found);

		if (error)
			return address;
		if (found < end)
			return found;
		address = end;
		step *= 2;
	}
	return address;
}

uint64_t mf_window_skip_absent(struct mf_window *window, uint64_t address)
{
	uint64_t at = address & ~((uint64_t)window->page_size - 1);

	if (address >= window->start && address < window->end)
		return address;
	at = mf_skip_absent(window->target, at, window->limit);
	return MF_MAX(at, address);
}

/* ---- what it holds ---------------------------------------------------------- */

static bool is_known(const struct mf_window *window, uint64_t address,
		     uint32_t size)
{
	uint64_t first = (address - window->start) / window->page_size;
	uint64_t last =
		(address + size - 1 - window->start) / window->page_size;

	return !((window->flags[first] | window->flags[last]) & UNKNOWN);
}

const uint8_t *mf_window_refill_at(struct mf_window *window, uint64_t address,
				   uint32_t size)
{
	if (address >= window->limit || window->limit - address < size)
		return NULL;
	while (address < window->start || address + size > window->end)
		if (!refill(window, address))
			return NULL;
	if (!is_known(window, address, size))
		return NULL;
	return window->bytes + (address - window->start);
}
