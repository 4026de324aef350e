/*
 * A small cache of pages: rings of slots, each a run of pages that was read by
 * one job. What is not there is asked for once.
 */
#include "tui/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	RUN = 4,    /* pages that are read at once */
	SLOTS = 64, /* runs that are kept */
	ASKED = 32, /* of them, that may be on their way at once */
};

struct slot {
	uint64_t start; /* of its first page */
	bool used, known;
	uint8_t flags[RUN];
	uint8_t *bytes; /* RUN pages; NULL unless known */
};

struct mf_bytes {
	struct mf_worker *worker;
	uint32_t page;
	struct slot slots[SLOTS];
	size_t next;  /* slot to be used again */
	size_t asked; /* runs on their way */
};

struct read_job {
	struct mf_job job;
	struct mf_bytes *into;
	uint64_t start;
	uint8_t flags[RUN];
	uint8_t *bytes;
};

struct mf_bytes *mf_bytes_create(struct mf_worker *worker, uint32_t page_size)
{
	struct mf_bytes *bytes = mf_new(struct mf_bytes);

	bytes->worker = worker;
	bytes->page = page_size;
	return bytes;
}

void mf_bytes_destroy(struct mf_bytes *bytes)
{
	if (!bytes)
		return;
	mf_worker_forget(bytes->worker, bytes);
	for (size_t i = 0; i < SLOTS; i++)
		free(bytes->slots[i].bytes);
	free(bytes);
}

/* ---- reading ------------------------------------------------------------------- */

static struct mf_error *read_pages(struct mf_job *job,
				   const struct mf_view *view)
{
	struct read_job *read = (struct read_job *)job;

	return mf_target_read_pages(view->target, read->start, RUN, read->bytes,
				    read->flags);
}

static struct slot *slot_of(struct mf_bytes *bytes, uint64_t start)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (bytes->slots[i].used && bytes->slots[i].start == start)
			return &bytes->slots[i];
	return NULL;
}

static void take(struct mf_job *job, const struct mf_error *error)
{
	struct read_job *read = (struct read_job *)job;
	struct slot *slot = slot_of(read->into, read->start);

	read->into->asked--;
	if (!slot)
		return;
	slot->used = !mf_job_is_cancelled(job);
	slot->known = true;
	if (error) {
		memset(slot->flags, MF_PAGE_UNREADABLE, RUN);
		return;
	}
	memcpy(slot->flags, read->flags, RUN);
	free(slot->bytes);
	slot->bytes = read->bytes;
	read->bytes = NULL;
}

static void destroy(struct mf_job *job)
{
	struct read_job *read = (struct read_job *)job;

	free(read->bytes);
	free(read);
}

static void ask(struct mf_bytes *bytes, uint64_t start)
{
	struct slot *slot = &bytes->slots[bytes->next];
	struct read_job *read = mf_new(struct read_job);

	bytes->next = (bytes->next + 1) % SLOTS;
	free(slot->bytes);
	*slot = (struct slot){ .used = true, .start = start };
	read->job = (struct mf_job){
		.what = "reading bytes",
		.run = read_pages,
		.done = take,
		.destroy = destroy,
		.owner = bytes,
		.urgent = true,
	};
	bytes->asked++;
	read->into = bytes;
	read->start = start;
	read->bytes = mf_new_array((size_t)RUN * bytes->page, uint8_t);
	mf_worker_ask(bytes->worker, &read->job);
}

/* ---- what is known -------------------------------------------------------------- */

static enum mf_bytes_state state_of(uint8_t flags)
{
	if (flags & MF_PAGE_UNREADABLE)
		return MF_BYTES_UNREADABLE;
	if (flags & MF_PAGE_SWAPPED)
		return MF_BYTES_SWAPPED;
	if (flags & (MF_PAGE_PRESENT | MF_PAGE_ZERO | MF_PAGE_FILE))
		return MF_BYTES_READ;
	return MF_BYTES_ABSENT;
}

enum mf_bytes_state mf_bytes_get(struct mf_bytes *bytes, uint64_t address,
				 void *ret, size_t size)
{
	uint64_t run = (uint64_t)RUN * bytes->page;
	uint64_t start = address - address % run;
	const struct slot *slot = slot_of(bytes, start);
	uint64_t offset = address - start;
	enum mf_bytes_state state;

	if (!slot) {
		/* a screen asks for less; a search goes over everything */
		if (bytes->asked < ASKED)
			ask(bytes, start);
		return MF_BYTES_COMING;
	}
	if (!slot->known)
		return MF_BYTES_COMING;
	state = state_of(slot->flags[offset / bytes->page]);
	if (state == MF_BYTES_READ && slot->bytes && size <= run - offset)
		memcpy(ret, slot->bytes + offset, size);
	return state;
}
