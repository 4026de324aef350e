/*
 * Whose stack a mapping is: by glibc's struct pthread at its top (living
 * threads, and the stacks that glibc keeps of those that are gone), and for
 * threads without one by the stack pointer in it. Also the main thread's TLS.
 */
#include <stdio.h>

#include "base/units.h"
#include "space/model.h"

enum {
	TLS_REGION_LIMIT = MF_MIB, /* ld.so's own first allocations */
	TLS_STRUCT = 2304,	   /* when the struct's size is not known */
	DESCRIPTOR_ALIGN = 64,
	SOLE_STACK_LIMIT = 64 * MF_MIB, /* of a stack that only sp proves */
	GUARD_LIMIT = MF_MIB,		/* a larger one is somebody's reserve */
	HEAP_ALIGN = 64 * MF_MIB,	/* of glibc's heaps */
	TEXT_SIZE = 64,
};

struct stack_work {
	struct mf_space *space;
	const struct mf_thread *threads;
	size_t thread_count;
	struct mf_map tids; /* of threads that are there */
	struct mf_map held; /* tids whose pthread is known */
	pid_t pids[2];	    /* as we see it, as the process does */
	struct mf_pthread_list pthreads;
};

static bool is_stack_memory(const struct mf_mapping *mapping)
{
	return mf_mapping_is_anonymous(mapping) &&
	       mapping->perms & MF_PERM_WRITE;
}

/* ---- claims ----------------------------------------------------------------- */

static void claim_guard(struct mf_space *space, uint64_t start, uint64_t end,
			const char *label, const char *owner)
{
	mf_space_claim(space, &(struct mf_claim){
				      .start = start,
				      .end = end,
				      .class = MF_CLASS_GUARD,
				      .certainty = MF_BY_STRUCTURE,
				      .label = label,
				      .owner = owner,
				      .proof = "no access, inside or below a "
					       "thread's stack",
			      });
}

/* Since 2.42 glibc makes guards that no mapping shows (MADV_GUARD_INSTALL). */
static uint64_t hidden_guard(struct mf_space *space, uint64_t block,
			     uint64_t guard)
{
	const struct mf_mapping *mapping = mf_space_mapping_at(space, block);
	struct mf_page_counts pages = { 0 };
	mf_auto_error struct mf_error *error = NULL;

	if (!guard || !mapping || mf_mapping_is_reserve(mapping) ||
	    guard > mapping->end - block)
		return 0;
	error = mf_target_count_pages(space->target, block, block + guard,
				      &pages);
	return error || pages.present ? 0 : guard;
}

struct stack_claim {
	uint64_t start, end; /* guard included */
	uint64_t guard;
	enum mf_certainty certainty;
	enum mf_claim_manner manner;
	char label[TEXT_SIZE], owner[TEXT_SIZE];
	const char *proof;
};

/* Guards first: they stand when the whole is claimed. */
static void claim_stack(struct mf_space *space, const struct stack_claim *stack)
{
	size_t i = mf_space_mapping_after(space, stack->start);
	uint64_t hidden = hidden_guard(space, stack->start, stack->guard);

	for (; i < space->mapping_count; i++) {
		const struct mf_mapping *mapping = &space->mappings[i];

		if (mapping->start >= stack->end)
			break;
		if (mf_mapping_is_reserve(mapping))
			claim_guard(space, MF_MAX(mapping->start, stack->start),
				    MF_MIN(mapping->end, stack->end),
				    stack->label, stack->owner);
	}
	if (hidden)
		claim_guard(space, stack->start, stack->start + hidden,
			    stack->label, stack->owner);
	mf_space_claim_as(space,
			  &(struct mf_claim){
				  .start = stack->start,
				  .end = stack->end,
				  .class = MF_CLASS_THREAD_STACK,
				  .certainty = stack->certainty,
				  .label = stack->label,
				  .owner = stack->owner,
				  .proof = stack->proof,
			  },
			  stack->manner);
}

/* What an arena has kept for itself: behind it another heap begins, in which a
 * program may have allocated a stack. */
static bool is_reserve_of_heap(const struct mf_mapping *mapping)
{
	return mapping->end - mapping->start > GUARD_LIMIT &&
	       mapping->end % HEAP_ALIGN == 0;
}

/* Where no more than the mapping is known: it, and the guard below it. */
static bool bound_by_mapping(const struct mf_space *space, uint64_t address,
			     struct stack_claim *stack)
{
	const struct mf_mapping *mapping = mf_space_mapping_at(space, address);
	const struct mf_mapping *guard;

	if (!mapping || mapping == space->mappings || !is_stack_memory(mapping))
		return false;
	guard = mapping - 1;
	if (guard->end != mapping->start || !mf_mapping_is_reserve(guard) ||
	    is_reserve_of_heap(guard))
		return false;
	stack->start = guard->end - guard->start > GUARD_LIMIT
			       ? guard->end - space->page
			       : guard->start;
	stack->end = mapping->end;
	return true;
}

/* START..END is anonymous memory without a hole. */
static bool is_covered(const struct mf_space *space, uint64_t start,
		       uint64_t end)
{
	size_t i = mf_space_mapping_after(space, start);

	for (; i < space->mapping_count && start < end; i++) {
		const struct mf_mapping *mapping = &space->mappings[i];

		if (mapping->start > start || !mf_mapping_is_anonymous(mapping))
			return false;
		start = mapping->end;
	}
	return start >= end;
}

/* ---- threads of glibc ------------------------------------------------------- */

enum {
	TID_GONE = 0,
	TID_UNKNOWN = -1,
};

/* The thread whose stack pointer is in the block. */
static pid_t tid_by_stack_pointer(const struct stack_work *work,
				  const struct mf_pthread *pthread)
{
	for (size_t i = 0; i < work->thread_count; i++)
		if (work->threads[i].sp - pthread->block < pthread->block_size)
			return work->threads[i].tid;
	return TID_UNKNOWN;
}

/* The thread of PTHREAD: its tid, or one of the above. */
static pid_t live_tid(const struct stack_work *work,
		      const struct mf_pthread *pthread)
{
	if (pthread->tid)
		return pthread->tid;
	if (work->space->pthread.layout.tid < 0)
		return tid_by_stack_pointer(work, pthread);
	if (pthread->own_tid <= 0)
		return TID_GONE;
	/* In a pid namespace its own word is another number: believe it. */
	if (work->pids[0] != work->pids[1] ||
	    mf_map_has(&work->tids, (uint64_t)pthread->own_tid))
		return pthread->own_tid;
	return TID_GONE;
}

static void describe(struct stack_claim *stack, pid_t tid)
{
	if (tid <= 0) {
		if (tid == TID_GONE)
			stack->manner = MF_CLAIM_CACHED;
		snprintf(stack->label, TEXT_SIZE, "%s stack",
			 tid == TID_GONE ? "cached" : "thread");
		snprintf(stack->owner, TEXT_SIZE, "glibc");
		return;
	}
	snprintf(stack->label, TEXT_SIZE, "thread %d stack", (int)tid);
	snprintf(stack->owner, TEXT_SIZE, "tid %d", (int)tid);
}

/*
 * A block that a program gave to a thread may be inside an allocator's memory,
 * which its own claim knows better: such blocks stand on no mapping of theirs.
 */
static bool is_block_of_its_own(const struct mf_space *space, uint64_t start)
{
	const struct mf_mapping *mapping = mf_space_mapping_at(space, start);

	return mapping &&
	       (mapping->start == start || mf_mapping_is_reserve(mapping));
}

static const char *proof_of(const struct mf_pthread *pthread, pid_t tid)
{
	if (pthread->tid)
		return "the thread's pointer is to a struct pthread that "
		       "delimits it";
	if (tid == TID_GONE)
		return "struct pthread of a thread that is gone delimits it";
	return "struct pthread of a living thread delimits it";
}

static void claim_pthread(struct stack_work *work,
			  const struct mf_pthread *pthread)
{
	struct mf_space *space = work->space;
	pid_t tid = live_tid(work, pthread);
	struct stack_claim stack = {
		.start = pthread->block,
		.end = pthread->block + pthread->block_size,
		.guard = pthread->guard,
		.certainty = MF_BY_STRUCTURE,
		.proof = proof_of(pthread, tid),
	};

	describe(&stack, tid);
	if (!pthread->block) {
		if (space->pthread.layout.block >= 0 ||
		    !bound_by_mapping(space, pthread->address, &stack))
			return;
		stack.certainty = MF_BY_CONTENT;
		stack.proof = "struct pthread is in it";
	} else if (!is_covered(space, stack.start, stack.end)) {
		return;
	} else if (!pthread->guard &&
		   !is_block_of_its_own(space, stack.start)) {
		stack.certainty = MF_BY_CONTENT;
	}
	claim_stack(space, &stack);
}

static void claim_tls(struct stack_work *work, const struct mf_pthread *pthread)
{
	struct mf_space *space = work->space;
	uint64_t address = pthread->address, size = space->pthread.layout.size;
	const struct mf_region *around = mf_space_region_at(space, address);
	struct mf_region region;
	char label[TEXT_SIZE];
	struct mf_claim claim = {
		.class = MF_CLASS_TLS,
		.label = label,
		.owner = "ld.so",
		.proof = "the main thread's struct pthread is in it",
	};

	if (!around || around->certainty || !is_stack_memory(around->mapping))
		return;
	region = *around;
	snprintf(label, TEXT_SIZE, "thread %d TLS", (int)work->pids[0]);
	claim.start = address;
	claim.end = MF_MIN(address + (size ? size : TLS_STRUCT), region.end);
	claim.certainty = MF_BY_STRUCTURE;
	mf_space_claim(space, &claim);
	/* What else ld.so allocated before there was a malloc. Where that grew
	 * together with others' memory, which is mapped downwards, only what
	 * lies behind. */
	claim.start = region.end - region.start > TLS_REGION_LIMIT
			      ? claim.end
			      : region.start;
	claim.end = region.end;
	if (claim.start >= claim.end ||
	    claim.end - claim.start > TLS_REGION_LIMIT)
		return;
	claim.certainty = MF_BY_SHAPE;
	mf_space_claim_as(space, &claim, MF_CLAIM_WEAK);
}

static void claim_pthreads(struct stack_work *work)
{
	for (size_t i = 0; i < work->pthreads.count; i++) {
		const struct mf_pthread *pthread = &work->pthreads.items[i];

		mf_map_set(&work->held, (uint64_t)live_tid(work, pthread), i);
		if (mf_pthread_is_main(pthread, work->pids))
			claim_tls(work, pthread);
		else
			claim_pthread(work, pthread);
	}
}

/* ---- threads without ------------------------------------------------------- */

static bool is_unclaimed(const struct mf_space *space, uint64_t address)
{
	const struct mf_claim_record *record =
		mf_space_claim_at(space, address);

	return !record || record->claim.certainty <= MF_BY_SHAPE;
}

/* musl: its descriptor points to itself and says which block it is in. */
static bool bound_by_descriptor(const struct stack_work *work, uint64_t tp,
				struct stack_claim *stack)
{
	struct mf_pthread pthread = { .address = tp };
	uint64_t self;

	if (!mf_target_read_u64(work->space->target, tp, &self) || self != tp ||
	    !mf_pthread_find_block(work->space->target, &pthread) ||
	    !is_covered(work->space, pthread.block,
			pthread.block + pthread.block_size))
		return false;
	stack->start = pthread.block;
	stack->end = pthread.block + pthread.block_size;
	return true;
}

static void claim_by_registers(struct stack_work *work,
			       const struct mf_thread *thread)
{
	struct mf_space *space = work->space;
	const struct mf_mapping *mapping;
	struct stack_claim stack = { .certainty = MF_BY_STRUCTURE };

	if (!thread->sp || !is_unclaimed(space, thread->sp))
		return;
	mapping = mf_space_mapping_at(space, thread->sp);
	if (!mapping || !is_stack_memory(mapping))
		return;
	describe(&stack, thread->tid);
	if (!mf_map_has(&work->held, (uint64_t)thread->tid) && thread->tp &&
	    bound_by_descriptor(work, thread->tp, &stack) &&
	    thread->sp - stack.start < stack.end - stack.start) {
		stack.proof = "the thread's descriptor delimits it, its stack "
			      "pointer is in it";
		claim_stack(space, &stack);
		return;
	}
	if (mapping->end - mapping->start > SOLE_STACK_LIMIT ||
	    !bound_by_mapping(space, thread->sp, &stack))
		return;
	stack.certainty = MF_BY_CONTENT;
	stack.proof = "the thread's stack pointer is in it, a guard below it";
	claim_stack(space, &stack);
}

/* ---- where descriptors may be ------------------------------------------------ */

static void add_by_registers(struct stack_work *work)
{
	for (size_t i = 0; i < work->thread_count; i++) {
		const struct mf_thread *thread = &work->threads[i];

		mf_map_set(&work->tids, (uint64_t)thread->tid, i);
		if (thread->tp)
			mf_pthread_list_add(&work->pthreads, thread->tp,
					    thread->tid);
	}
}

/* The last page of memory over a guard, when it is in RAM. */
static void look_at_top(struct stack_work *work,
			const struct mf_mapping *mapping)
{
	struct mf_target *target = work->space->target;
	uint64_t page = work->space->page;
	uint64_t start = mapping->end - page;
	mf_auto_free uint8_t *bytes = mf_calloc(1, page);
	mf_auto_error struct mf_error *error = NULL;
	uint8_t flags = 0;

	error = mf_target_read_pages(target, start, 1, bytes, &flags);
	if (error || !(flags & MF_PAGE_PRESENT))
		return;
	for (uint64_t at = 0; at + 24 <= page; at += DESCRIPTOR_ALIGN)
		if (mf_load(uint64_t, bytes + at) == start + at &&
		    mf_load(uint64_t, bytes + at + 16) == start + at)
			mf_pthread_list_add(&work->pthreads, start + at, 0);
}

static void add_by_shape(struct stack_work *work)
{
	const struct mf_space *space = work->space;

	for (size_t i = 1; i < space->mapping_count; i++) {
		const struct mf_mapping *mapping = &space->mappings[i];

		if (is_stack_memory(mapping) &&
		    mapping[-1].end == mapping->start &&
		    mf_mapping_is_reserve(&mapping[-1]) &&
		    is_unclaimed(space, mapping->start))
			look_at_top(work, mapping);
	}
}

static void complete(struct stack_work *work)
{
	mf_pthread_list_complete(work->space->target, &work->space->pthread,
				 work->pids, &work->pthreads);
}

void mf_space_claim_stacks(struct mf_space *space)
{
	const struct mf_target_info *info = mf_target_info(space->target);
	struct stack_work work = {
		.space = space,
		.pids = { info->pid, info->nspid ? info->nspid : info->pid },
	};
	size_t known;

	work.threads = mf_target_threads(space->target, &work.thread_count);
	add_by_registers(&work);
	complete(&work);
	known = work.pthreads.count;
	if (known < work.thread_count || space->pthread.layout.list < 0)
		add_by_shape(&work);
	if (work.pthreads.count > known)
		complete(&work);
	claim_pthreads(&work);
	for (size_t i = 0; i < work.thread_count; i++)
		claim_by_registers(&work, &work.threads[i]);
	mf_map_deinit(&work.tids);
	mf_map_deinit(&work.held);
	mf_pthread_list_deinit(&work.pthreads);
}
