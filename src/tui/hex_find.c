/*
 * Reads window after window, forwards or backwards, round the end of the range;
 * pages that are not there are passed over.
 */
#include "tui/hex_find.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	WINDOW = 64, /* pages */
	MORE = 2,    /* pages, that a text goes on in */
};

struct find_job {
	struct mf_job job;
	struct mf_hex_find wanted;
	char *text;
	size_t size;
	bool any_case; /* capitals matter only where there are some */
	uint8_t *bytes;
	bool is_found;
	uint64_t at;
};

static void lower(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] >= 'A' && bytes[i] <= 'Z')
			bytes[i] |= 0x20;
}

/* Of those that begin in [start, end) of the window at BASE, the first, or the
 * last. */
static void look_at(struct find_job *own, uint64_t base, uint64_t start,
		    uint64_t end)
{
	uint64_t last =
		MF_MIN(own->wanted.end - base,
		       (uint64_t)(WINDOW + MORE) * own->wanted.page_size);
	const uint8_t *at = own->bytes + (start - base);

	while (at && at < own->bytes + last) {
		at = memmem(at, (size_t)(own->bytes + last - at), own->text,
			    own->size);
		if (!at || base + (uint64_t)(at - own->bytes) >= end)
			return;
		own->is_found = true;
		own->at = base + (uint64_t)(at - own->bytes);
		if (own->wanted.forward)
			return;
		at++;
	}
}

static struct mf_error *read_window(struct find_job *own,
				    const struct mf_view *view, uint64_t base)
{
	size_t pages = WINDOW + MORE;

	MF_TRY(mf_target_read_pages(view->target, base, pages, own->bytes,
				    NULL));
	if (own->any_case)
		lower(own->bytes, pages * own->wanted.page_size);
	return NULL;
}

static struct mf_error *go_forward(struct find_job *own,
				   const struct mf_view *view, uint64_t start,
				   uint64_t end)
{
	uint64_t page = own->wanted.page_size, base;

	while (start < end && !own->is_found &&
	       !mf_job_is_cancelled(&own->job)) {
		uint64_t next;

		base = start - start % page;
		MF_TRY(mf_target_find_page(view->target, base, end, &next));
		if (next >= end)
			return NULL;
		base = MF_MAX(base, next);
		start = MF_MAX(start, base);
		MF_TRY(read_window(own, view, base));
		look_at(own, base, start, MF_MIN(end, base + WINDOW * page));
		start = base + WINDOW * page;
	}
	return NULL;
}

static struct mf_error *go_back(struct find_job *own,
				const struct mf_view *view, uint64_t start,
				uint64_t end)
{
	uint64_t size = (uint64_t)WINDOW * own->wanted.page_size;
	uint64_t first = start - start % own->wanted.page_size;

	while (start < end && !own->is_found &&
	       !mf_job_is_cancelled(&own->job)) {
		uint64_t base = first + (end - 1 - first) / size * size;

		MF_TRY(read_window(own, view, base));
		look_at(own, base, MF_MAX(base, start), end);
		end = base;
	}
	return NULL;
}

static struct mf_error *find(struct mf_job *job, const struct mf_view *view)
{
	struct find_job *own = (struct find_job *)job;
	const struct mf_hex_find *wanted = &own->wanted;

	own->bytes = mf_new_array((size_t)(WINDOW + MORE) * wanted->page_size,
				  uint8_t);
	if (!wanted->forward) {
		MF_TRY(go_back(own, view, wanted->start, wanted->from));
		return own->is_found
			       ? NULL
			       : go_back(own, view, wanted->from, wanted->end);
	}
	MF_TRY(go_forward(own, view, wanted->from + 1, wanted->end));
	return own->is_found
		       ? NULL
		       : go_forward(own, view, wanted->start, wanted->from + 1);
}

static void tell(struct mf_job *job, const struct mf_error *error)
{
	struct find_job *own = (struct find_job *)job;

	if (error)
		mf_browser_say(job->pane->browser, "%s", error->what);
	else if (own->is_found)
		own->wanted.found(job->pane, own->at);
	else if (mf_job_is_cancelled(job))
		mf_browser_say(job->pane->browser, "stopped");
	else
		mf_browser_say(job->pane->browser, "not found: %s", own->text);
}

static void destroy(struct mf_job *job)
{
	struct find_job *own = (struct find_job *)job;

	free(own->text);
	free(own->bytes);
	free(own);
}

void mf_hex_find(struct mf_pane *pane, const struct mf_hex_find *wanted)
{
	struct mf_worker *worker = mf_browser_worker(pane->browser);
	struct find_job *own = mf_new(struct find_job);

	own->wanted = *wanted;
	own->text = mf_strdup(wanted->text);
	own->size = MF_MIN(strlen(own->text),
			   (size_t)(MORE - 1) * wanted->page_size);
	own->any_case = true;
	for (const char *at = own->text; *at; at++)
		own->any_case &= !isupper((unsigned char)*at);
	own->job = (struct mf_job){
		.what = "searching bytes",
		.run = find,
		.done = tell,
		.destroy = destroy,
		.pane = pane,
	};
	mf_worker_forget(worker, pane);
	mf_worker_ask(worker, &own->job);
}
