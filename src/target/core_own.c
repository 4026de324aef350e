/*
 * Our own notes in a core, put in the place of what would be inferred: the
 * kernel's figures of each mapping, which pages were there, what the threads
 * were called and did. A note that is damaged is left out, and said.
 */
#include <string.h>

#include "base/memory.h"
#include "target/core.h"
#include "target/core_notes.h"

enum {
	PAGE_FLAGS = MF_PAGE_PRESENT | MF_PAGE_SWAPPED | MF_PAGE_ZERO |
		     MF_PAGE_HUGE | MF_PAGE_FILE | MF_PAGE_UNREADABLE,
	RUNS_MAX = 1 << 24,
};

static void tell_damaged(struct mf_target *target, const char *what)
{
	mf_target_note_partial(target, what,
			       "the note of memforensics in the core is "
			       "damaged");
}

/* ---- the process -------------------------------------------------------- */

/* What this program is built for is not for a note to say. */
static void take_info(struct mf_target *target,
		      const struct mf_target_info *said)
{
	struct mf_target_info info = *said;

	info.kind = target->info.kind;
	info.abilities = target->info.abilities;
	info.arch = target->info.arch;
	info.user_end = target->info.user_end;
	info.tls_above = target->info.tls_above;
	info.page_size = target->info.page_size;
	info.root = NULL;
	info.origin = target->info.origin;
	info.taken_s = target->info.taken_s;
	target->info = info;
}

static void take_process(struct mf_target *target, const void *bytes,
			 size_t size)
{
	struct mf_core_process process;

	if (!mf_core_get_process(bytes, size, &target->pool, &process)) {
		tell_damaged(target, "process");
		return;
	}
	take_info(target, &process.info);
	target->info.origin =
		mf_pool_printf(&target->pool, "memforensics %s", process.tool);
	if (process.taken_s)
		target->info.taken_s = process.taken_s;
	target->impact.racy = process.impact.racy;
	target->impact.pause_ran_out = process.impact.pause_ran_out;
	mf_core_of(target)->noted_s = target->info.taken_s;
	for (size_t i = 0; i < process.partial_count; i++)
		mf_target_note_partial(target, process.partials[i].what, "%s",
				       process.partials[i].why);
}

/* ---- mappings ------------------------------------------------------------ */

/* No mapping has more in memory, or in swap, than there is of it. */
static bool is_possible(const struct mf_mapping *mapping)
{
	const struct mf_usage *usage = &mapping->usage;
	uint64_t size = mapping->end - mapping->start;

	return usage->rss <= size && usage->pss <= size &&
	       usage->anon <= size && usage->dirty <= size &&
	       usage->swap <= size;
}

static bool make_sense(const struct mf_mappings *mappings, uint64_t page_size)
{
	for (size_t i = 0; i < mappings->count; i++)
		if (mappings->items[i].start % page_size ||
		    mappings->items[i].end % page_size ||
		    !is_possible(&mappings->items[i]))
			return false;
	return mappings->count > 0;
}

static void take_mappings(struct mf_target *target, const void *bytes,
			  size_t size)
{
	struct mf_core *core = mf_core_of(target);

	if (core->noted_mappings)
		return;
	core->noted_mappings =
		mf_core_get_mappings(bytes, size, &target->mappings) &&
		make_sense(&target->mappings, target->info.page_size);
	if (core->noted_mappings)
		return;
	mf_mappings_clear(&target->mappings);
	tell_damaged(target, "mappings");
}

/* ---- threads -------------------------------------------------------------- */

struct crew {
	struct mf_target *target;
	struct mf_map index_of_tid;
};

static void take_thread(void *context, const struct mf_thread *said)
{
	struct crew *crew = context;
	const uint64_t *known =
		mf_map_get(&crew->index_of_tid, (uint64_t)said->tid);
	struct mf_thread *thread;

	if (!known) {
		mf_map_set(&crew->index_of_tid, (uint64_t)said->tid,
			   crew->target->threads.count);
		mf_vec_push(&crew->target->threads, *said);
		thread = &crew->target->threads
				  .items[crew->target->threads.count - 1];
		thread->registers_known = false;
		return;
	}
	thread = &crew->target->threads.items[*known];
	memcpy(thread->comm, said->comm, sizeof(thread->comm));
	thread->state = said->state;
	thread->cpu_ms = said->cpu_ms;
	thread->cpu_unknown = false;
	thread->in_syscall = said->in_syscall;
	thread->syscall = said->syscall;
	if (said->registers_known)
		return;
	thread->registers_known = false;
	thread->pc = said->pc;
	thread->sp = said->sp;
	thread->tp = 0;
}

/* What is said of a thread that is in no other note is of none. */
static void take_wait(void *context, pid_t tid, const char *channel)
{
	struct crew *crew = context;
	const uint64_t *known = mf_map_get(&crew->index_of_tid, (uint64_t)tid);
	struct mf_thread *thread;

	if (!known)
		return;
	thread = &crew->target->threads.items[*known];
	memcpy(thread->wait_channel, channel, strlen(channel) + 1);
}

static void index_threads(struct mf_target *target, struct crew *crew)
{
	*crew = (struct crew){ .target = target };
	for (size_t i = 0; i < target->threads.count; i++)
		mf_map_set(&crew->index_of_tid,
			   (uint64_t)target->threads.items[i].tid, i);
}

static void take_threads(struct mf_target *target, const void *bytes,
			 size_t size)
{
	struct crew crew;

	index_threads(target, &crew);
	if (!mf_core_get_threads(bytes, size, take_thread, &crew))
		tell_damaged(target, "threads");
	mf_map_deinit(&crew.index_of_tid);
}

static void take_waits(struct mf_target *target, const void *bytes, size_t size)
{
	struct crew crew;

	index_threads(target, &crew);
	if (!mf_core_get_waits(bytes, size, take_wait, &crew))
		tell_damaged(target, "wait channels");
	mf_map_deinit(&crew.index_of_tid);
}

/* ---- residency ------------------------------------------------------------- */

static void take_run(void *context, uint64_t start, uint64_t end, uint8_t flags)
{
	struct mf_core *core = context;
	uint64_t most = UINT32_MAX * core->runs_page_size;

	while (start < end && core->runs.count <= RUNS_MAX) {
		uint64_t part = MF_MIN(end - start, most);
		struct mf_core_run run = {
			.start = start,
			.pages = (uint32_t)(part / core->runs_page_size),
			.flags = flags & PAGE_FLAGS,
		};

		mf_vec_push(&core->runs, run);
		start += part;
	}
}

static void take_residency(struct mf_target *target, const void *bytes,
			   size_t size)
{
	struct mf_core *core = mf_core_of(target);

	if (core->noted_residency)
		return;
	core->noted_residency = mf_core_get_runs(
		bytes, size, &core->runs_page_size, take_run, core);
	core->noted_residency &= core->runs_page_size == target->info.page_size;
	if (core->noted_residency)
		return;
	core->runs.count = 0;
	tell_damaged(target, "residency");
}

/* ---- what the kernel kept ----------------------------------------------------- */

static void take_word(void *context, const char *holder, uint64_t word)
{
	struct mf_core *core = context;

	mf_vec_push(&core->words, (struct mf_core_word){
					  mf_pool_strdup(&core->pool, holder),
					  word,
				  });
}

static void take_kernel(struct mf_target *target, const void *bytes,
			size_t size)
{
	if (!mf_core_get_kernel_words(bytes, size, take_word,
				      mf_core_of(target)))
		tell_damaged(target, "kernel");
}

void mf_core_kernel_words(struct mf_target *target,
			  void (*visit)(const char *holder, uint64_t value,
					void *data),
			  void *data)
{
	const struct mf_core *core = mf_core_of(target);

	for (size_t i = 0; i < core->words.count; i++)
		visit(core->words.items[i].holder, core->words.items[i].value,
		      data);
}

/* ---- all of them ------------------------------------------------------------ */

void mf_core_take_own(struct mf_target *target, uint32_t type,
		      const void *bytes, size_t size)
{
	static const struct {
		uint32_t type;
		void (*take)(struct mf_target *target, const void *bytes,
			     size_t size);
	} kinds[] = {
		{ MF_NOTE_PROCESS, take_process },
		{ MF_NOTE_MAPPINGS, take_mappings },
		{ MF_NOTE_THREADS, take_threads },
		{ MF_NOTE_WAITS, take_waits },
		{ MF_NOTE_RESIDENCY, take_residency },
		{ MF_NOTE_KERNEL, take_kernel },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			kinds[i].take(target, bytes, size);
}
