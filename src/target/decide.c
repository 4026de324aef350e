/*
 * Decides how a live target is held: by what its user asked for, what can be
 * done to it without harm, and how long that is likely to take. A snapshot is
 * better than a brief stop, and that is better than none.
 */
#include "target/decide.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "target/cgroup.h"
#include "target/holder_link.h"
#include "target/predict.h"
#include "target/room.h"
#include "target/seccomp.h"

enum {
	STATUS_TEXT = 8192,
	/* of a process with fewer pages, other things take the time */
	MEASURED_PAGES = 1024,
	/* what the kernel keeps of a task and of each of its mappings */
	TASK_BYTES = 64 << 10,
	MAPPING_BYTES = 512,
};

static enum mf_stop choose(struct mf_target *target, enum mf_stop stop,
			   const char *why)
{
	/* a stop that was made once is what the report tells of */
	if (target->was_stopped && stop == MF_STOP_NONE) {
		target->impact.racy = true;
		return stop;
	}
	target->impact.stop = stop;
	target->impact.why = why;
	target->impact.racy |= stop == MF_STOP_NONE;
	return stop;
}

/* What was asked for cannot be had. */
static enum mf_stop choose_none(struct mf_target *target, const char *why)
{
	choose(target, MF_STOP_NONE, why);
	if (target->options.stop != MF_STOP_AUTO &&
	    target->options.stop != MF_STOP_NONE)
		mf_target_note_partial(target, "stop", "%s", why);
	return MF_STOP_NONE;
}

/* ---- how long it takes -------------------------------------------------------- */

/* Measured once, and only where it makes a difference. */
static void know_rates(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_holder_request request = { .ask = MF_ASK_MEASURE };
	int number = 0;

	if (live->rates.fork_page_ns)
		return;
	mf_rates_guess(&live->rates);
	if (mf_predict_pages(target) < MEASURED_PAGES)
		return;
	if (live->holder->pid &&
	    mf_holder_ask(live->holder, &request, &number) && !number)
		live->rates = live->holder->shared->rates;
	mf_debug("target", "a page takes %u ns to fork, %u ns to read",
		 (unsigned)live->rates.fork_page_ns,
		 (unsigned)live->rates.read_page_ns);
}

static void predict(struct mf_target *target, struct mf_prediction *ret)
{
	know_rates(target);
	mf_predict_pause(target, &mf_live_of(target)->rates, ret);
	mf_debug("target", "predicted pause: %.2f ms for a copy, %.2f ms brief",
		 (double)ret->copy_ns / 1000000.0,
		 (double)ret->brief_ns / 1000000.0);
}

/* "predicted pause 3 ms fits --max-pause 50 ms" */
static const char *say_pause(struct mf_target *target, uint64_t predicted_ns)
{
	uint64_t max_ns = target->options.max_pause_ns;
	char expected[MF_UNIT_TEXT], allowed[MF_UNIT_TEXT];

	mf_format_time(expected, (double)predicted_ns / 1000000.0);
	mf_format_time(allowed, (double)max_ns / 1000000.0);
	return mf_pool_printf(
		&target->pool, "predicted pause %s %s --max-pause %s", expected,
		predicted_ns <= max_ns ? "fits" : "is over", allowed);
}

/* ---- whether it can be copied --------------------------------------------------- */

/* The mark of a copy that the next call takes: CLONE_VFORK's call or its own. */
static bool waits_for_vfork(const struct mf_thread *thread)
{
	static const long calls[] = {
#ifdef SYS_vfork
		SYS_vfork,
#endif
		SYS_clone,
		435 /* clone3 */,
	};

	/* whoever waits in one of them, waits for a child of vfork */
	if (thread->state != 'D' || !thread->in_syscall)
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(calls); i++)
		if (thread->syscall == calls[i])
			return true;
	return false;
}

static const char *refuse_threads(const struct mf_target *target)
{
	for (size_t i = 0; i < target->threads.count; i++) {
		const struct mf_thread *thread = &target->threads.items[i];

		if (thread->state == 'T')
			return "it is stopped, and a stopped process makes no "
			       "copy";
		if (waits_for_vfork(thread))
			return "a thread waits for its vfork child, which has "
			       "the same memory";
	}
	return NULL;
}

/* A return to where nothing was called from would end it. */
static bool has_shadow_stack(const char *status)
{
	const char *line = strstr(status, "\nx86_Thread_features:");
	const char *word = line ? strstr(line, "shstk") : NULL;

	return word && word < line + 1 + strcspn(line + 1, "\n");
}

static const char *refuse_status(const struct mf_live *live)
{
	char status[STATUS_TEXT];
	uint64_t mode = SECCOMP_MODE_DISABLED;

	if (mf_proc_read_text(live->proc, "status", status, sizeof(status)) < 0)
		return "its status cannot be read";
	if (has_shadow_stack(status))
		return "it has a shadow stack (CET), which knows of no calls "
		       "but its own";
	mf_proc_find_number(status, "Seccomp:", 10, &mode);
	if (mode == SECCOMP_MODE_STRICT)
		return mf_seccomp_text(MF_SECCOMP_STRICT);
	/* what the filters say is asked in the stop, of the thread that acts */
	if (mode != SECCOMP_MODE_DISABLED && !mf_seccomp_is_readable())
		return mf_seccomp_text(MF_SECCOMP_HIDDEN);
	return NULL;
}

static const char *refuse_mapping(const struct mf_mapping *mapping)
{
	if (mapping->vm_flags & MF_VM_UFFD)
		return "a userfaultfd watches its memory, and would wait for "
		       "its owner";
	return NULL;
}

/* Bytes of its own pages of hugetlbfs; smaps does not count them in RSS. */
static uint64_t count_huge(struct mf_target *target,
			   const struct mf_mapping *mapping)
{
	struct mf_page_counts counts = { 0 };
	struct mf_error *error;

	if (!(mapping->vm_flags & MF_VM_HUGETLB) ||
	    mapping->perms & MF_PERM_SHARED)
		return 0;
	error = mf_target_count_pages(target, mapping->start, mapping->end,
				      &counts);
	mf_error_destroy(error);
	return counts.present * target->info.page_size;
}

static const char *refuse_frozen(const struct mf_live *live)
{
	int system = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_frozen;

	if (system < 0)
		return "/proc cannot be read";
	is_frozen = mf_cgroup_is_frozen(system, live->proc);
	close(system);
	return is_frozen ? "its cgroup is frozen (a paused container)" : NULL;
}

/* Asks REFUSE, with /proc open. */
static const char *ask_room(struct mf_target *target,
			    const struct mf_room_need *need,
			    const char *(*refuse)(const struct mf_room_place *,
						  const struct mf_room_need *))
{
	struct mf_room_place place = { .proc = mf_live_of(target)->proc,
				       .pool = &target->pool };
	const char *why;

	place.system = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place.system < 0)
		return "/proc cannot be read";
	why = refuse(&place, need);
	close(place.system);
	/* cppcheck-suppress returnDanglingLifetime ; it is the pool's */
	return why;
}

static const char *refuse_room(struct mf_target *target)
{
	const struct mf_status *status = &target->info.status;
	struct mf_room_need need = {
		.at_once = status->vm_pte + status->vm_pin + TASK_BYTES +
			   target->mappings.count * MAPPING_BYTES,
		.pages = status->rss_anon,
		.asked = target->options.stop == MF_STOP_SNAPSHOT,
	};

	for (size_t i = 0; i < target->mappings.count; i++) {
		const struct mf_mapping *mapping = &target->mappings.items[i];

		need.huge += count_huge(target, mapping);
		if (mapping->perms & MF_PERM_WRITE &&
		    !(mapping->perms & MF_PERM_SHARED))
			need.commit += mapping->end - mapping->start;
	}
	return ask_room(target, &need, mf_room_refuse);
}

/*
 * It has its page tables, and what the process has written to since. How much
 * that is, is not asked: as much more as a copy is likely to take from its
 * beginning has to be there all the time.
 */
const char *mf_decide_against_keeping(struct mf_target *target)
{
	const struct mf_room_need need = {
		.pages = target->info.status.rss_anon,
	};

	for (size_t i = 0; i < target->mappings.count; i++)
		if (count_huge(target, &target->mappings.items[i]))
			return "it has huge pages of its own, and a write to "
			       "one takes another of their pool";
	return ask_room(target, &need, mf_room_refuse_more);
}

/* The figures of now, as far as they can be had. */
static void refresh_status(struct mf_target *target)
{
	struct mf_proc_status status;
	struct mf_error *error = mf_proc_read_status(
		mf_live_of(target)->memory_proc, "status", &status);

	if (!error && status.has_memory)
		target->info.status = status.memory;
	mf_error_destroy(error);
}

/* NULL when a copy may be made; the rest is seen in the stop. */
static const char *refuse_copy(struct mf_target *target)
{
	const struct mf_live *live = mf_live_of(target);
	const char *why = target->options.no_copy;

	if (!why)
		why = live->no_copy;
	if (!why)
		why = refuse_threads(target);
	if (!why)
		why = refuse_status(live);
	if (!why)
		why = refuse_frozen(live);
	for (size_t i = 0; i < target->mappings.count && !why; i++)
		why = refuse_mapping(&target->mappings.items[i]);
	return why ? why : refuse_room(target);
}

/* ---- deciding -------------------------------------------------------------------- */

/* There is no snapshot because of WHY. */
static enum mf_stop choose_without_copy(struct mf_target *target,
					const struct mf_prediction *predicted,
					const char *why)
{
	bool fits = predicted->brief_ns <= target->options.max_pause_ns;

	if (target->options.stop == MF_STOP_SNAPSHOT)
		mf_target_note_partial(target, "stop", "no snapshot: %s", why);
	return choose(target, fits ? MF_STOP_BRIEF : MF_STOP_NONE,
		      mf_pool_printf(&target->pool, "%s; no snapshot: %s",
				     say_pause(target, predicted->brief_ns),
				     why));
}

static enum mf_stop choose_best(struct mf_target *target)
{
	bool asked = target->options.stop == MF_STOP_SNAPSHOT;
	struct mf_prediction predicted;
	const char *why;

	refresh_status(target);
	predict(target, &predicted);
	why = refuse_copy(target);
	if (why)
		return choose_without_copy(target, &predicted, why);
	if (asked)
		return choose(target, MF_STOP_SNAPSHOT, "--stop snapshot");
	if (predicted.copy_ns <= target->options.max_pause_ns)
		return choose(target, MF_STOP_SNAPSHOT,
			      say_pause(target, predicted.copy_ns));
	return choose_without_copy(
		target, &predicted,
		mf_pool_printf(
			&target->pool, "predicted pause %s",
			mf_format_time((char[MF_UNIT_TEXT]){ 0 },
				       (double)predicted.copy_ns / 1000000.0)));
}

enum mf_stop mf_decide_stop(struct mf_target *target)
{
	const struct mf_live *live = mf_live_of(target);

	if (target->options.stop == MF_STOP_NONE)
		return choose(target, MF_STOP_NONE, "--stop none");
	if (!live->holder)
		return choose_none(target, live->no_hold
						   ? live->no_hold
						   : "it cannot be stopped");
	if (target->options.stop == MF_STOP_BRIEF)
		return choose(target, MF_STOP_BRIEF, "--stop brief");
	return choose_best(target);
}

enum mf_stop mf_decide_instead(struct mf_target *target, enum mf_stop failed,
			       const char *why)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_prediction predicted;

	if (failed != MF_STOP_SNAPSHOT)
		return choose_none(target, why);
	/* a second try would stop it for nothing once more */
	live->no_copy = why;
	predict(target, &predicted);
	return choose_without_copy(target, &predicted, why);
}
