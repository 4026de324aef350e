/*
 * The door of the room: what is the same for every kind of target. Looks up
 * mappings, paints residency page by page, counts holds, keeps the notes of
 * what could not be had.
 */
#include "target/target.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "target/ahead.h"
#include "target/arch.h"
#include "target/extra.h"

enum {
	PARTIALS_MAX = 1000,
};

struct mf_target *mf_target_create(const struct mf_target_ops *ops, void *own)
{
	struct mf_target *target = mf_new(struct mf_target);

	target->ops = ops;
	target->own = own;
	target->opened_ns = mf_now_ns();
	target->expected = UINT64_MAX;
	target->info.page_size = 4096;
	target->info.user_end = UINT64_C(1) << 47;
	target->info.exe = target->info.comm = target->info.arch = "";
	target->info.origin = "";
	target->info.cmdline = mf_pool_alloc(&target->pool, sizeof(char *));
	target->impact.stop = MF_STOP_NONE;
	target->impact.why = "not a live process";
	return target;
}

void mf_target_close(struct mf_target *target)
{
	if (!target)
		return;
	if (target->held) {
		target->held = 1;
		mf_target_release(target);
	}
	mf_ahead_destroy(target->ahead);
	if (target->ops->close)
		target->ops->close(target);
	mf_page_cache_destroy(target->cache);
	mf_mappings_clear(&target->mappings);
	mf_vec_deinit(&target->threads);
	mf_vec_deinit(&target->partials);
	mf_pool_deinit(&target->pool);
	free(target);
}

bool mf_target_reads_swapped(const struct mf_target *target)
{
	return target->options.read_swapped;
}

const struct mf_target_info *mf_target_info(const struct mf_target *target)
{
	return &target->info;
}

/* ---- mappings -------------------------------------------------------- */

struct mf_error *mf_target_refresh(struct mf_target *target)
{
	mf_target_forget(target);
	if (!target->ops->refresh || target->keeps_copy)
		return NULL;
	mf_mappings_clear(&target->mappings);
	return target->ops->refresh(target);
}

const struct mf_mapping *mf_target_mappings(const struct mf_target *target,
					    size_t *count)
{
	*count = target->mappings.count;
	return target->mappings.items;
}

const struct mf_mapping *mf_target_mapping_at(const struct mf_target *target,
					      uint64_t address)
{
	size_t i = mf_mappings_after(&target->mappings, address);

	if (i == target->mappings.count ||
	    target->mappings.items[i].start > address)
		return NULL;
	return &target->mappings.items[i];
}

struct mf_error *mf_target_open_file(struct mf_target *target,
				     const struct mf_mapping *mapping, int *ret)
{
	if (target->ops->open_file)
		return target->ops->open_file(target, mapping, ret);
	return mf_error_why(mf_error_create(MF_ERROR_UNSUPPORTED,
					    "cannot open %s", mapping->path),
			    "this target has no files");
}

/* ---- threads --------------------------------------------------------- */

static int compare_threads(const void *left, const void *right)
{
	const struct mf_thread *a = left, *b = right;

	return (a->tid > b->tid) - (a->tid < b->tid);
}

const struct mf_thread *mf_target_threads(struct mf_target *target,
					  size_t *count)
{
	if (!target->threads_known && target->ops->read_threads)
		target->ops->read_threads(target);
	target->threads_known = true;
	mf_vec_sort(&target->threads, compare_threads);
	*count = target->threads.count;
	return target->threads.items;
}

const char *mf_target_register_name(size_t index)
{
	for (size_t i = 0; mf_arch_register_names[i]; i++)
		if (i == index)
			return mf_arch_register_names[i];
	return NULL;
}

/* ---- holding --------------------------------------------------------- */

struct mf_error *mf_target_refuse_cancelled(const struct mf_target *target)
{
	if (!target->options.is_cancelled || !target->options.is_cancelled())
		return NULL;
	return mf_error_create(MF_ERROR_FAILED, "interrupted");
}

void mf_target_expect(struct mf_target *target, uint64_t bytes)
{
	target->expected = bytes;
	target->expected_more = 0;
}

void mf_target_expect_more(struct mf_target *target, uint64_t bytes)
{
	uint64_t *sum = &target->expected_more;

	if (__builtin_add_overflow(*sum, bytes, sum))
		*sum = UINT64_MAX;
}

struct mf_error *mf_target_hold(struct mf_target *target)
{
	struct mf_error *error;

	MF_TRY(mf_target_refuse_cancelled(target));
	if (target->held++ || !target->ops->hold || target->keeps_copy)
		return NULL;
	mf_target_forget(target);
	target->held_ns = mf_now_ns();
	error = target->ops->hold(target);
	if (error)
		target->held = 0;
	return error;
}

void mf_target_release(struct mf_target *target)
{
	if (!target->held || --target->held)
		return;
	if (target->ops->release)
		target->ops->release(target);
}

void mf_target_drop_copy(struct mf_target *target)
{
	if (!target->ops->drop_copy || target->keeps_copy)
		return;
	mf_target_forget(target);
	target->ops->drop_copy(target);
}

/* A thread would not be there in a child that is forked. */
static void end_ahead(struct mf_target *target)
{
	mf_ahead_destroy(target->ahead);
	target->ahead = NULL;
}

/* When the hold began that the copy is of. */
static uint64_t moment_of_copy(const struct mf_target *target)
{
	uint64_t past_ns = mf_now_ns() - target->held_ns;

	return (uint64_t)time(NULL) - past_ns / 1000000000;
}

void mf_target_keep_copy(struct mf_target *target, bool keep)
{
	if (!keep) {
		target->keeps_copy = false;
		target->info.taken_s = 0;
		mf_target_drop_copy(target);
		return;
	}
	end_ahead(target);
	if (!target->kept_ns)
		target->kept_ns = mf_now_ns();
	target->keeps_copy =
		target->ops->has_copy && target->ops->has_copy(target);
	if (target->keeps_copy && !target->info.taken_s)
		target->info.taken_s = moment_of_copy(target);
}

bool mf_target_keeps_copy(struct mf_target *target)
{
	return target->keeps_copy && !mf_target_lost_copy(target);
}

const char *mf_target_refuse_copy(struct mf_target *target)
{
	return target->ops->refuse_copy ? target->ops->refuse_copy(target)
					: NULL;
}

bool mf_target_has_ended(struct mf_target *target)
{
	return target->ops->has_ended && target->ops->has_ended(target);
}

bool mf_target_lost_copy(struct mf_target *target)
{
	return target->ops->lost_copy && target->ops->lost_copy(target);
}

bool mf_target_is_still(struct mf_target *target)
{
	if (!target->ops->is_still)
		return true;
	return target->held && target->ops->is_still(target);
}

uint64_t mf_target_pause_left_ns(const struct mf_target *target)
{
	uint64_t past = mf_now_ns() - target->held_ns;

	if (target->impact.stop == MF_STOP_SNAPSHOT || !target->ops->hold ||
	    !target->held)
		return UINT64_MAX;
	return target->options.max_pause_ns > past
		       ? target->options.max_pause_ns - past
		       : 0;
}

void mf_target_get_impact(const struct mf_target *target, struct mf_impact *ret)
{
	*ret = target->impact;
	ret->elapsed_ms =
		(double)((target->kept_ns ? target->kept_ns : mf_now_ns()) -
			 target->opened_ns) /
		1000000.0;
}

void mf_target_mark(const struct mf_target *target, struct mf_target_mark *ret)
{
	*ret = (struct mf_target_mark){
		.partials = target->partials.count,
		.stop = target->impact.stop,
		.why = target->impact.why,
		.racy = target->impact.racy,
		.pause_ran_out = target->impact.pause_ran_out,
		.held = target->was_stopped,
	};
}

void mf_target_rewind(struct mf_target *target,
		      const struct mf_target_mark *mark)
{
	target->partials.count = MF_MIN(target->partials.count, mark->partials);
	target->impact.stop = mark->stop;
	target->impact.why = mark->why;
	target->impact.racy = mark->racy;
	target->impact.pause_ran_out = mark->pause_ran_out;
	target->was_stopped = mark->held;
	if (target->info.kind == MF_TARGET_LIVE ||
	    target->info.kind == MF_TARGET_SNAPSHOT)
		target->info.kind = mark->stop == MF_STOP_SNAPSHOT
					    ? MF_TARGET_SNAPSHOT
					    : MF_TARGET_LIVE;
}

/* ---- pages ----------------------------------------------------------- */

/* Pages of a device, or that another process fills in, are never touched. */
bool mf_mapping_is_memory(const struct mf_mapping *mapping)
{
	static const char *const not_devices[] = { "/dev/zero", "/dev/shm/" };

	if (mapping->vm_flags & (MF_VM_IO | MF_VM_PFNMAP | MF_VM_UFFD))
		return false;
	if (mapping->start >> 63 || strncmp(mapping->path, "[vvar", 5) == 0)
		return false;
	if (mapping->vm_flags || strncmp(mapping->path, "/dev/", 5) != 0)
		return true;
	for (size_t i = 0; i < MF_ARRAY_SIZE(not_devices); i++)
		if (strncmp(mapping->path, not_devices[i],
			    strlen(not_devices[i])) == 0)
			return true;
	return false;
}

/* Calls ops->runs for each part of [START, END) that is memory. */
struct mf_error *mf_target_visit_runs(struct mf_target *target, uint64_t start,
				      uint64_t end, mf_run_visit *visit,
				      void *context)
{
	const struct mf_mappings *mappings = &target->mappings;
	size_t i = mf_mappings_after(mappings, start);

	if (!target->ops->runs)
		return mf_error_create(MF_ERROR_UNSUPPORTED,
				       "residency of this target is not known");
	for (; i < mappings->count && mappings->items[i].start < end; i++) {
		const struct mf_mapping *mapping = &mappings->items[i];

		if (mf_mapping_is_memory(mapping))
			MF_TRY(target->ops->runs(
				target, MF_MAX(start, mapping->start),
				MF_MIN(end, mapping->end), visit, context));
	}
	return NULL;
}

struct paint {
	uint64_t start, page_size;
	uint8_t *flags;
};

static void paint_run(void *context, uint64_t start, uint64_t end,
		      uint8_t flags)
{
	const struct paint *paint = context;

	memset(paint->flags + (start - paint->start) / paint->page_size, flags,
	       (end - start) / paint->page_size);
}

/* What is mapped is absent until a run says more. */
static void paint_mapped(const struct mf_target *target,
			 const struct paint *paint, uint64_t end)
{
	const struct mf_mappings *mappings = &target->mappings;
	size_t i = mf_mappings_after(mappings, paint->start);

	memset(paint->flags, MF_PAGE_UNREADABLE,
	       (end - paint->start) / paint->page_size);
	for (; i < mappings->count && mappings->items[i].start < end; i++) {
		const struct mf_mapping *mapping = &mappings->items[i];
		uint64_t from = MF_MAX(paint->start, mapping->start);
		uint64_t to = MF_MIN(end, mapping->end);

		if (mf_mapping_is_memory(mapping))
			memset(paint->flags +
				       (from - paint->start) / paint->page_size,
			       0, (to - from) / paint->page_size);
	}
}

struct mf_error *mf_target_residency(struct mf_target *target, uint64_t start,
				     size_t count, uint8_t *flags)
{
	struct paint paint = { start, target->info.page_size, flags };
	uint64_t size, end;

	MF_TRY(mf_target_refuse_cancelled(target));
	if (__builtin_mul_overflow(count, paint.page_size, &size) ||
	    __builtin_add_overflow(start, size, &end)) {
		memset(flags, MF_PAGE_UNREADABLE, count);
		return NULL;
	}
	paint_mapped(target, &paint, end);
	return mf_target_visit_runs(target, start, end, paint_run, &paint);
}

struct count {
	struct mf_page_counts *counts;
	uint64_t page_size;
};

static void count_run(void *context, uint64_t start, uint64_t end,
		      uint8_t flags)
{
	const struct count *count = context;
	uint64_t pages = (end - start) / count->page_size;

	if (flags & MF_PAGE_PRESENT)
		count->counts->present += pages;
	if (flags & MF_PAGE_SWAPPED)
		count->counts->swapped += pages;
	if (flags & MF_PAGE_ZERO)
		count->counts->zero += pages;
	if (flags & MF_PAGE_HUGE)
		count->counts->huge += pages;
	if (flags & MF_PAGE_FILE)
		count->counts->file += pages;
}

struct mf_error *mf_target_count_pages(struct mf_target *target, uint64_t start,
				       uint64_t end, struct mf_page_counts *ret)
{
	struct mf_page_counts counts = { 0 };
	struct count count = { &counts, target->info.page_size };

	MF_TRY(mf_target_visit_runs(target, start, end, count_run, &count));
	*ret = counts;
	return NULL;
}

static void note_first(void *context, uint64_t start, uint64_t end,
		       uint8_t flags)
{
	uint64_t *first = context;

	(void)end;
	if (flags & (MF_PAGE_PRESENT | MF_PAGE_SWAPPED))
		*first = MF_MIN(*first, start);
}

/* Many small mappings may lie in the range: none is asked about behind the
 * first that has a page. */
struct mf_error *mf_target_find_page(struct mf_target *target, uint64_t start,
				     uint64_t end, uint64_t *ret)
{
	const struct mf_mappings *mappings = &target->mappings;
	size_t i = mf_mappings_after(mappings, start);
	uint64_t found = end;

	for (; i < mappings->count && mappings->items[i].start < end; i++) {
		const struct mf_mapping *mapping = &mappings->items[i];

		MF_TRY(mf_target_visit_runs(
			target, MF_MAX(start, mapping->start),
			MF_MIN(end, mapping->end), note_first, &found));
		if (found < end)
			break;
	}
	*ret = found;
	return NULL;
}

struct mf_error *mf_target_read_pages(struct mf_target *target, uint64_t start,
				      size_t count, void *bytes, uint8_t *flags)
{
	mf_auto_free uint8_t *own =
		flags ? NULL : mf_calloc(count ? count : 1, 1);

	if (!flags)
		flags = own;
	MF_TRY(mf_target_residency(target, start, count, flags));
	return mf_target_read_resident(target, start, count, bytes, flags);
}

struct mf_error *mf_target_read_resident(struct mf_target *target,
					 uint64_t start, size_t count,
					 void *bytes, uint8_t *flags)
{
	MF_TRY(mf_target_refuse_cancelled(target));
	if (!target->ops->read)
		return mf_error_create(MF_ERROR_UNSUPPORTED,
				       "this target's memory cannot be read");
	return target->ops->read(target, start, count, bytes, flags);
}

void mf_target_share(struct mf_target *target, pthread_mutex_t *lock)
{
	target->shared = lock;
}

/* ---- for a core file ------------------------------------------------- */

bool mf_target_thread_extra(struct mf_target *target, pid_t tid,
			    struct mf_thread_extra *ret)
{
	return target->ops->thread_extra &&
	       target->ops->thread_extra(target, tid, ret);
}

void mf_target_want_kernel_words(struct mf_target *target)
{
	target->wants_words = true;
}

void mf_target_each_kernel_word(struct mf_target *target,
				void (*visit)(const char *holder,
					      uint64_t value, void *data),
				void *data)
{
	if (target->ops->kernel_words)
		target->ops->kernel_words(target, visit, data);
}

void mf_target_process_extra(struct mf_target *target,
			     struct mf_process_extra *ret)
{
	*ret = (struct mf_process_extra){ 0 };
	if (target->ops->process_extra)
		target->ops->process_extra(target, ret);
}

/* ---- notes ----------------------------------------------------------- */

void mf_target_note_partial(struct mf_target *target, const char *what,
			    const char *format, ...)
{
	mf_auto_free char *why = NULL;
	struct mf_partial note;
	va_list arguments;

	if (target->partials.count == PARTIALS_MAX)
		return;
	va_start(arguments, format);
	if (vasprintf(&why, format, arguments) < 0)
		why = mf_strdup("out of memory");
	va_end(arguments);
	mf_vec_foreach(known, &target->partials)
		if (strcmp(known->what, what) == 0 &&
		    strcmp(known->why, why) == 0)
			return;
	note.what = mf_pool_strdup(&target->pool, what);
	note.why = mf_pool_strdup(&target->pool, why);
	mf_vec_push(&target->partials, note);
}

const struct mf_partial *mf_target_partials(const struct mf_target *target,
					    size_t *count)
{
	*count = target->partials.count;
	return target->partials.items;
}
