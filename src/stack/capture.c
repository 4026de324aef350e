/*
 * What is copied of a target while it stands still: of each thread its
 * registers, and its stack from the stack pointer up; where a signal has
 * interrupted it on another stack, that one too. And what is read afterwards:
 * those bytes, and what does not change.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/search.h"
#include "stack/stack.h"

enum {
	SPANS_MAX = 4, /* of a thread */
};

static const uint64_t thread_bytes = UINT64_C(1) << 20;
static const uint64_t total_bytes = UINT64_C(64) << 20;

/* ---- bounds ---------------------------------------------------------------- */

static uint64_t total_of(const struct mf_stacks *stacks)
{
	return stacks->options.total_bytes ? stacks->options.total_bytes
					   : total_bytes;
}

/* Some for those that are still to come, and a page in any case. */
static uint64_t allowance(const struct mf_stacks *stacks, size_t to_come)
{
	uint64_t total = total_of(stacks);
	uint64_t left = total - MF_MIN(total, stacks->bytes);
	uint64_t most = stacks->options.thread_bytes
				? stacks->options.thread_bytes
				: thread_bytes;
	uint64_t share = MF_MAX(left / (to_come + 1), left / 16);

	most = MF_MIN(most, share) & -stacks->page_size;
	return MF_MAX(most, stacks->page_size);
}

static bool stands_still(const struct mf_stacks *stacks)
{
	enum mf_target_kind kind = mf_target_info(stacks->target)->kind;

	return kind == MF_TARGET_CORE || kind == MF_TARGET_FORGED;
}

/* Pages that are new to us take longer than what is copied to them. */
void mf_stacks_make_room(struct mf_stacks *stacks)
{
	size_t size = mf_stacks_foresee(stacks->target) & -stacks->page_size;
	void *room;

	if (stands_still(stacks) || !size)
		return;
	room = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (room == MAP_FAILED)
		return;
	stacks->room = room;
	stacks->room_size = size;
}

uint64_t mf_stacks_foresee(struct mf_target *target)
{
	const uint64_t usual = UINT64_C(16) << 10;
	size_t count = mf_target_info(target)->thread_count;

	return MF_MIN(count * usual, total_bytes);
}

/* ---- spans ------------------------------------------------------------------- */

static const struct mf_span *span_at(const struct mf_stacks *stacks,
				     const struct mf_captured *thread,
				     uint64_t address)
{
	for (size_t i = 0; i < thread->count; i++) {
		const struct mf_span *span =
			&stacks->spans.items[thread->first + i];

		if (address >= span->start && address < span->end)
			return span;
	}
	return NULL;
}

/* Of what was made ready, as far as it goes: all of it is written to. */
static void take_room(struct mf_stacks *stacks, size_t pages,
		      struct mf_span *span)
{
	size_t size = pages * stacks->page_size;

	span->pages = mf_calloc(pages, 1);
	if (size <= stacks->room_size - stacks->room_used) {
		span->bytes = stacks->room + stacks->room_used;
		stacks->room_used += size;
		return;
	}
	span->is_own = true;
	span->bytes = mf_calloc(pages, stacks->page_size);
}

/* From SP, and what lies below it and is in use, to the end of its mapping. */
static struct mf_error *capture_from(struct mf_stacks *stacks,
				     struct mf_target *target, uint64_t sp,
				     uint64_t most)
{
	const struct mf_mapping *mapping = mf_target_mapping_at(target, sp);
	uint64_t low = sp - MF_MIN(sp, (uint64_t)mf_cpu.red_zone);
	struct mf_span span = { 0 };
	size_t pages;

	if (!mapping || !(mapping->perms & MF_PERM_READ))
		return NULL;
	/* what does not change can be read later */
	if (stands_still(stacks) && stacks->bytes >= total_of(stacks))
		return NULL;
	span.start = MF_MAX(mapping->start, low & -stacks->page_size);
	span.end = span.start + MF_MIN(mapping->end - span.start, most);
	pages = (span.end - span.start) / stacks->page_size;
	if (!pages)
		return NULL;
	take_room(stacks, pages, &span);
	mf_vec_push(&stacks->spans, span);
	stacks->bytes += span.end - span.start;
	return mf_target_read_pages(target, span.start, pages, span.bytes,
				    span.pages);
}

/* A stack pointer that a handler on SPAN will return to, and that is not
 * captured yet. */
static bool find_interrupted(const struct mf_stacks *stacks,
			     const struct mf_captured *thread,
			     const struct mf_span *span, uint64_t *ret)
{
	const uint64_t *words = (const uint64_t *)(const void *)span->bytes;
	size_t count = (span->end - span->start) / sizeof(*words);
	size_t first = (MF_MAX(thread->thread.sp, span->start) - span->start) /
		       sizeof(*words);

	if (thread->thread.sp >= span->end)
		first = 0;
	for (size_t i = first; i + MF_SIGNAL_WORDS <= count; i++)
		if (mf_cpu_interrupted_sp(
			    words + i, span->start + i * sizeof(*words), ret) &&
		    !span_at(stacks, thread, *ret))
			return true;
	return false;
}

static struct mf_error *capture_thread(struct mf_stacks *stacks,
				       struct mf_target *target,
				       struct mf_captured *thread,
				       size_t to_come)
{
	uint64_t sp = thread->thread.sp;

	thread->first = stacks->spans.count;
	if (!thread->thread.registers_known)
		return NULL;
	for (size_t i = 0; i < SPANS_MAX; i++) {
		MF_TRY(capture_from(stacks, target, sp,
				    allowance(stacks, to_come)));
		thread->count = stacks->spans.count - thread->first;
		if (thread->count <= i ||
		    !find_interrupted(
			    stacks, thread,
			    &stacks->spans.items[stacks->spans.count - 1], &sp))
			break;
	}
	return NULL;
}

/* ---- all of it --------------------------------------------------------------- */

void mf_stacks_forget(struct mf_stacks *stacks)
{
	mf_vec_foreach(span, &stacks->spans) {
		if (span->is_own)
			free(span->bytes);
		free(span->pages);
	}
	stacks->spans.count = 0;
	stacks->threads.count = 0;
	stacks->code.count = 0;
	stacks->bytes = 0;
	stacks->room_used = 0;
	stacks->kept = 0;
	mf_pool_deinit(&stacks->pool);
}

static void note_code(struct mf_stacks *stacks, struct mf_target *target)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);

	for (size_t i = 0; i < count; i++)
		if (mappings[i].perms & MF_PERM_EXEC)
			mf_vec_push(&stacks->code, (struct mf_address_range){
							   mappings[i].start,
							   mappings[i].end,
						   });
}

struct mf_error *mf_stacks_capture(struct mf_stacks *stacks,
				   struct mf_target *target)
{
	const struct mf_thread *threads;
	size_t count;

	mf_stacks_forget(stacks);
	note_code(stacks, target);
	threads = mf_target_threads(target, &count);
	mf_vec_reserve(&stacks->threads, count);
	for (size_t i = 0; i < count; i++) {
		struct mf_captured *thread = mf_vec_add(&stacks->threads);

		thread->thread = threads[i];
		MF_TRY(capture_thread(stacks, target, thread, count - 1 - i));
	}
	return NULL;
}

/* ---- reading --------------------------------------------------------------- */

bool mf_stacks_is_code(const struct mf_stacks *stacks, uint64_t address)
{
	return mf_range_at(stacks->code.items, stacks->code.count, address);
}

/* Data of a module is not as its file has it. */
static bool is_constant(const struct mf_module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		if (address >= segment->start && address < segment->end)
			return segment->kind == MF_SEGMENT_TEXT ||
			       segment->kind == MF_SEGMENT_RODATA;
	}
	return false;
}

/* Within one page. */
static bool read_piece(const struct mf_stacks *stacks,
		       const struct mf_captured *thread, uint64_t address,
		       void *bytes, size_t size)
{
	const struct mf_span *span = span_at(stacks, thread, address);
	const struct mf_module *module;

	if (span) {
		uint64_t at = address - span->start;

		if (span->pages[at / stacks->page_size] &
		    (MF_PAGE_SWAPPED | MF_PAGE_UNREADABLE))
			return false;
		memcpy(bytes, span->bytes + at, size);
		return true;
	}
	module = mf_image_module_at(stacks->image, address);
	if (module && is_constant(module, address) &&
	    mf_image_read(stacks->image, module, address, bytes, size))
		return true;
	return stands_still(stacks) &&
	       mf_target_try_read(stacks->target, address, bytes, size);
}

bool mf_stacks_read(const struct mf_stacks *stacks,
		    const struct mf_captured *thread, uint64_t address,
		    void *bytes, size_t size)
{
	uint8_t *to = bytes;

	if (size > UINT64_MAX - address)
		return false;
	while (size) {
		size_t step =
			MF_MIN(stacks->page_size - address % stacks->page_size,
			       (uint64_t)size);

		if (!read_piece(stacks, thread, address, to, step))
			return false;
		address += step;
		to += step;
		size -= step;
	}
	return true;
}
