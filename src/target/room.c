/*
 * Knows how much memory a copy of a process may take where that process lives:
 * its cgroups up the tree, the system, the commit limit, the pool of huge
 * pages; and what happens there when it is not enough.
 *
 * The copy takes its page tables at once, and then one page for each page that
 * the process writes to while the copy lives. The process is charged for those,
 * but the copy is what the OOM killer takes first (its oom_score_adj says so),
 * so that the figures below need not be safe beyond doubt. They have to be
 * where the killer takes more than the copy, or nobody.
 */
#include "target/room.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/units.h"
#include "target/cgroup.h"
#include "target/proc.h"

enum {
	SMALL = 16384,
	/*
	 * A copy lives as long as a command reads, a second for each GiB or
	 * two. In that time a busy program writes to a part of its memory; one
	 * that collects garbage to the generation that it fills.
	 */
	LIKELY_SHARE = 4, /* one of so many pages */
	/* what others may be promised meanwhile, where promises are kept */
	COMMIT_SHARE = 32,
	COMMIT_SPARE = 8 << 20,
	NEVER_OVERCOMMIT = 2, /* vm.overcommit_memory */
};

/* What happens when memory runs out. */
struct fate {
	bool kills_all; /* not the copy alone */
	const char *how;
};

static uint64_t add(uint64_t left, uint64_t right)
{
	uint64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

static uint64_t subtract(uint64_t left, uint64_t right)
{
	return left > right ? left - right : 0;
}

static uint64_t wanted(const struct mf_room_need *need, const struct fate *fate)
{
	if (fate->kills_all)
		return add(need->at_once, need->pages);
	if (need->asked)
		return need->at_once;
	return add(need->at_once, need->pages / LIKELY_SHARE);
}

static const char *say(const struct mf_room_place *place, const char *where,
		       uint64_t room, uint64_t need)
{
	char left[MF_UNIT_TEXT], takes[MF_UNIT_TEXT];

	return mf_pool_printf(
		place->pool, "a copy may take %s, and %s has room for %s",
		mf_format_size(takes, need), where, mf_format_size(left, room));
}

static const char *check(const struct mf_room_place *place, const char *where,
			 uint64_t room, const struct mf_room_need *need,
			 const struct fate *fate)
{
	uint64_t most = wanted(need, fate);
	const char *why;

	if (room >= most)
		return NULL;
	why = say(place, where, room, most);
	return fate->kills_all
		       ? mf_pool_printf(place->pool, "%s (%s)", why, fate->how)
		       : why;
}

/* ---- cgroups ---------------------------------------------------------------- */

static bool says_one(const struct mf_cgroup *group, const char *name)
{
	return mf_cgroup_read_number(group, name) == 1;
}

/* v1: nobody is killed, and who needs memory waits for ever. */
static bool waits_for_ever(const struct mf_cgroup *group)
{
	char text[256];
	uint64_t value;

	return mf_cgroup_read(group, "memory.oom_control", text,
			      sizeof(text)) &&
	       mf_proc_find_number(text, "oom_kill_disable ", 10, &value) &&
	       value;
}

/* A group that is killed as one is so whoever above it runs out of memory. */
static struct fate find_fate(struct mf_cgroup group)
{
	for (int depth = 0; depth < MF_CGROUP_DEPTH; depth++) {
		if (group.v2 && says_one(&group, "memory.oom.group"))
			return (struct fate){ true, "memory.oom.group" };
		if (!group.v2 && waits_for_ever(&group))
			return (struct fate){ true, "oom_kill_disable" };
		if (!mf_cgroup_climb(&group))
			break;
	}
	return (struct fate){ false, NULL };
}

/* Page cache that the kernel gives up before anybody is killed. */
static uint64_t read_cache(const struct mf_cgroup *group)
{
	static const char *const keys[2][2] = {
		{ "total_inactive_file ", "total_active_file " },
		{ "inactive_file ", "active_file " },
	};
	char text[SMALL];
	uint64_t sum = 0, value;

	if (!mf_cgroup_read(group, "memory.stat", text, sizeof(text)))
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (mf_proc_find_number(text, keys[group->v2][i], 10, &value))
			sum = add(sum, value);
	return sum;
}

static uint64_t read_limit(const struct mf_cgroup *group)
{
	if (!group->v2)
		return mf_cgroup_read_number(group, "memory.limit_in_bytes");
	/* over the high mark everybody in it is slowed down */
	return MF_MIN(mf_cgroup_read_number(group, "memory.max"),
		      mf_cgroup_read_number(group, "memory.high"));
}

static uint64_t read_room(const struct mf_cgroup *group)
{
	uint64_t limit = read_limit(group);
	uint64_t current = mf_cgroup_read_number(
		group, group->v2 ? "memory.current" : "memory.usage_in_bytes");

	if (limit == UINT64_MAX || current == UINT64_MAX)
		return UINT64_MAX;
	return subtract(limit, subtract(current, read_cache(group)));
}

static const char *check_group(const struct mf_room_place *place,
			       const char *controller,
			       const struct mf_room_need *need,
			       struct fate *fate)
{
	struct mf_cgroup group;
	uint64_t room = UINT64_MAX;

	if (!mf_cgroup_locate(place->system, place->proc, controller, &group))
		return NULL;
	*fate = find_fate(group);
	for (int depth = 0; depth < MF_CGROUP_DEPTH; depth++) {
		room = MF_MIN(room, read_room(&group));
		if (!mf_cgroup_climb(&group))
			break;
	}
	return check(place, "its cgroup", room, need, fate);
}

/* ---- the system ------------------------------------------------------------------ */

static uint64_t read_setting(const struct mf_room_place *place,
			     const char *path)
{
	char text[64];

	if (mf_proc_read_text(place->system, path, text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

static uint64_t find_bytes(const char *text, const char *key, uint64_t fallback)
{
	uint64_t value;

	if (!mf_proc_find_number(text, key, 10, &value))
		return fallback;
	return value > UINT64_MAX / 1024 ? UINT64_MAX : value * 1024;
}

static const char *check_system(const struct mf_room_place *place,
				const char *text,
				const struct mf_room_need *need,
				const struct fate *fate)
{
	struct fate own = *fate;

	if (read_setting(place, "sys/vm/panic_on_oom"))
		own = (struct fate){ true, "vm.panic_on_oom" };
	else if (read_setting(place, "sys/vm/oom_kill_allocating_task"))
		own = (struct fate){ true, "vm.oom_kill_allocating_task" };
	return check(place, "the system",
		     find_bytes(text, "MemAvailable:", UINT64_MAX), need, &own);
}

/* The copy is promised all that the process was, or is not made. */
static const char *check_commit(const struct mf_room_place *place,
				const char *text,
				const struct mf_room_need *need)
{
	uint64_t room, commit;

	if (read_setting(place, "sys/vm/overcommit_memory") != NEVER_OVERCOMMIT)
		return NULL;
	room = subtract(find_bytes(text, "CommitLimit:", UINT64_MAX),
			find_bytes(text, "Committed_AS:", 0));
	commit = need->asked
			 ? need->commit
			 : add(add(need->commit, need->commit / COMMIT_SHARE),
			       COMMIT_SPARE);
	return room >= commit ? NULL
			      : say(place, "the commit limit", room, commit);
}

/*
 * A write to a huge page takes another one from the pool. When there is none,
 * a process that has not reserved it is ended by SIGBUS.
 */
static const char *check_huge(const struct mf_room_place *place,
			      const char *text, const struct mf_room_need *need)
{
	uint64_t free_count = 0, reserved = 0, room;

	if (!need->huge)
		return NULL;
	mf_proc_find_number(text, "HugePages_Free:", 10, &free_count);
	mf_proc_find_number(text, "HugePages_Rsvd:", 10, &reserved);
	if (__builtin_mul_overflow(subtract(free_count, reserved),
				   find_bytes(text, "Hugepagesize:", 0), &room))
		room = UINT64_MAX;
	return room >= need->huge
		       ? NULL
		       : say(place, "the pool of huge pages", room, need->huge);
}

static const char *check_groups(const struct mf_room_place *place,
				const struct mf_room_need *need,
				struct fate *fate)
{
	const char *why = check_group(place, NULL, need, fate);

	if (!why && !fate->kills_all)
		why = check_group(place, "memory", need, fate);
	return why;
}

const char *mf_room_refuse_more(const struct mf_room_place *place,
				const struct mf_room_need *need)
{
	struct fate fate = { false, NULL };
	char text[SMALL];
	const char *why = check_groups(place, need, &fate);

	if (why ||
	    mf_proc_read_text(place->system, "meminfo", text, sizeof(text)) < 0)
		return why;
	return check_system(place, text, need, &fate);
}

const char *mf_room_refuse(const struct mf_room_place *place,
			   const struct mf_room_need *need)
{
	struct fate fate = { false, NULL };
	char text[SMALL];
	const char *why = check_groups(place, need, &fate);

	if (!why)
		why = mf_room_refuse_task(place, need->asked);
	if (why ||
	    mf_proc_read_text(place->system, "meminfo", text, sizeof(text)) < 0)
		return why;
	why = check_system(place, text, need, &fate);
	if (!why)
		why = check_commit(place, text, need);
	return why ? why : check_huge(place, text, need);
}
