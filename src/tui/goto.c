/*
 * What may be typed after `:` - an address, a symbol, an arena, a thread,
 * a view - and where that is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/browse.h"

/* A symbol's address is for the worker to find: the image is the session's. */
struct symbol_job {
	struct mf_job job;
	struct mf_browser *browser;
	char *name;
	bool found;
	uint64_t address;
};

static struct mf_error *find_symbol(struct mf_job *job,
				    const struct mf_view *view)
{
	struct symbol_job *symbol = (struct symbol_job *)job;
	const struct mf_module *modules;
	uint64_t size;
	size_t count = 0;

	modules = mf_image_modules(view->image, &count);
	for (size_t i = 0; i < count && !symbol->found; i++)
		symbol->found =
			!mf_job_is_cancelled(job) &&
			mf_image_find_symbol(view->image, &modules[i],
					     symbol->name, MF_SYMBOLS_FILE,
					     &symbol->address, &size);
	return NULL;
}

static void go_to_symbol(struct mf_job *job, const struct mf_error *error)
{
	struct symbol_job *symbol = (struct symbol_job *)job;

	(void)error;
	if (symbol->found)
		mf_browser_complain(symbol->browser,
				    mf_browser_open_bytes(symbol->browser,
							  symbol->address));
	else
		mf_browser_say(symbol->browser,
			       "neither an address, nor a symbol, nor a view: "
			       "%s",
			       symbol->name);
}

static void destroy_symbol(struct mf_job *job)
{
	struct symbol_job *symbol = (struct symbol_job *)job;

	free(symbol->name);
	free(symbol);
}

static void ask_symbol(struct mf_browser *browser, const char *name)
{
	struct symbol_job *symbol;

	if (!browser->models->whole) {
		mf_browser_say(browser, "symbols come with the memory");
		return;
	}
	symbol = mf_new(struct symbol_job);
	symbol->job = (struct mf_job){
		.what = "looking for a symbol",
		.run = find_symbol,
		.done = go_to_symbol,
		.destroy = destroy_symbol,
		.urgent = true,
	};
	symbol->browser = browser;
	symbol->name = mf_strdup(name);
	mf_worker_ask(browser->worker, &symbol->job);
}

/* ---- places that models know ------------------------------------------------------ */

static bool has_memory(const struct mf_arena *arena)
{
	return arena->heap_count || arena->address;
}

/* Where several allocators have one of that number: one that is somewhere. Of
 * libc's there may be no more than the name, when others do its work. */
static bool find_arena(const struct mf_heap *heap, uint64_t index,
		       struct mf_arena_argument *ret)
{
	mf_heap_foreach_allocator(allocator, heap)
		for (size_t j = 0; j < allocator->arena_count; j++)
			if (allocator->arenas[j].index == index &&
			    has_memory(&allocator->arenas[j])) {
				ret->allocator = allocator;
				ret->arena = &allocator->arenas[j];
				return true;
			}
	return false;
}

static struct mf_error *no_such(const char *what, uint64_t number)
{
	return mf_error_create(MF_ERROR_FAILED, "there is no %s %" PRIu64, what,
			       number);
}

static struct mf_error *go_to_arena(struct mf_browser *browser, uint64_t index)
{
	const char *lack = mf_browser_lacks(browser, &mf_view_arena);
	struct mf_arena_argument argument;
	char crumb[24] = "main";

	if (lack)
		return mf_error_create(MF_ERROR_FAILED, "%s", lack);
	if (!find_arena(browser->models->heap, index, &argument))
		return no_such("arena", index);
	if (!argument.arena->main)
		snprintf(crumb, sizeof(crumb), "%" PRIu64, index);
	return mf_browser_open(browser, &mf_view_arena, &argument, crumb);
}

/* Its row among the threads, once they are read. */
static struct mf_error *go_to_thread(struct mf_browser *browser, uint64_t tid)
{
	const char *lack = mf_browser_lacks(browser, &mf_view_threads);
	struct mf_pane *pane;

	if (lack)
		return mf_error_create(MF_ERROR_FAILED, "%s", lack);
	mf_browser_show(browser, &mf_view_threads);
	pane = mf_browser_pane(browser);
	if (pane)
		mf_view_threads_seek(pane, tid);
	return NULL;
}

static bool led_by(const char *text, const char *word, uint64_t *ret)
{
	size_t length = strlen(word);

	return !strncmp(text, word, length) &&
	       mf_parse_number(text + length, ret);
}

static bool parse_address(const char *text, uint64_t *ret)
{
	char *end;

	if (mf_parse_number(text, ret))
		return true;
	/* as maps prints them, without 0x: at least one digit must be there */
	if (strspn(text, "0123456789abcdefABCDEF") != strlen(text) ||
	    !strpbrk(text, "0123456789") || strlen(text) < 6 ||
	    strlen(text) > 16)
		return false;
	*ret = strtoull(text, &end, 16);
	return true;
}

void mf_act_goto(struct mf_browser *browser, const char *text)
{
	const struct mf_view_ops *view = mf_view_find(text);
	uint64_t number;

	if (view && view->digit)
		mf_browser_show(browser, view);
	else if (led_by(text, "arena:", &number))
		mf_browser_complain(browser, go_to_arena(browser, number));
	else if (led_by(text, "tid:", &number))
		mf_browser_complain(browser, go_to_thread(browser, number));
	else if (parse_address(text, &number))
		mf_browser_complain(browser,
				    mf_browser_open_bytes(browser, number));
	else
		ask_symbol(browser, text);
}
