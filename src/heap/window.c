/*
 * The sliding window: refills itself from the page of the asked address on.
 */
#include "heap/window.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
	WINDOW_BYTES = 1 << 20,
};

void mf_window_init(struct mf_window *window, struct mf_target *target)
{
	uint32_t page_size = mf_target_info(target)->page_size;

	*window = (struct mf_window){
		.target = target,
		.page_size = page_size,
		.bytes = mf_calloc(WINDOW_BYTES, 1),
		.flags = mf_calloc(WINDOW_BYTES / page_size, 1),
	};
}

void mf_window_deinit(struct mf_window *window)
{
	free(window->bytes);
	free(window->flags);
	mf_error_destroy(window->error);
}

void mf_window_restrict(struct mf_window *window, uint64_t limit)
{
	window->limit = limit;
	window->start = window->end = 0;
}

static bool refill(struct mf_window *window, uint64_t address)
{
	uint64_t start = address & ~((uint64_t)window->page_size - 1);
	uint64_t room = MF_MIN(window->limit - start, (uint64_t)WINDOW_BYTES);
	size_t pages = (room + window->page_size - 1) / window->page_size;

	window->refills++;
	mf_error_destroy(window->error);
	window->error = mf_target_read_pages(window->target, start, pages,
					     window->bytes, window->flags);
	window->start = start;
	window->end = window->error ? start : start + pages * window->page_size;
	return !window->error;
}

static bool is_absent(struct mf_target *target, uint64_t start, uint64_t end)
{
	struct mf_page_counts counts;
	struct mf_error *error =
		mf_target_count_pages(target, start, end, &counts);

	if (error) {
		mf_error_destroy(error);
		return false;
	}
	return !counts.present && !counts.swapped;
}

/* Reservations have terabytes: steps double as long as nothing is there. */
uint64_t mf_skip_absent(struct mf_target *target, uint64_t address,
			uint64_t limit)
{
	uint64_t step = WINDOW_BYTES;

	while (address < limit) {
		uint64_t part = MF_MIN(limit - address, step);

		if (is_absent(target, address, address + part)) {
			address += part;
			step *= 2;
		} else if (step == WINDOW_BYTES) {
			break;
		} else {
			step /= 2;
		}
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

static bool is_known(const struct mf_window *window, uint64_t address,
		     uint32_t size)
{
	uint64_t first = (address - window->start) / window->page_size;
	uint64_t last =
		(address + size - 1 - window->start) / window->page_size;

	return !((window->flags[first] | window->flags[last]) &
		 (MF_PAGE_SWAPPED | MF_PAGE_UNREADABLE));
}

const uint8_t *mf_window_at(struct mf_window *window, uint64_t address,
			    uint32_t size)
{
	if (address >= window->limit || window->limit - address < size)
		return NULL;
	if (address < window->start || address + size > window->end)
		if (!refill(window, address))
			return NULL;
	if (!is_known(window, address, size))
		return NULL;
	return window->bytes + (address - window->start);
}
