/*
 * Objects side by side in one chunk: an array that was made with new[] has its
 * length before its first element; any other row of them may have a tail that
 * is no longer alive.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "scan/objects.h"

enum {
	PARTS_MAX = 1 << 16,   /* of one worker */
	MEMBERS_MAX = 1 << 20, /* of all */
};

static void note_example(struct mf_object_tally *tally, uint64_t address)
{
	if (!tally->example || address < tally->example)
		tally->example = address;
}

/* A length, then as many elements as that, which the chunk has room for. */
static bool is_array(const struct mf_object_run *run)
{
	uint64_t start = run->chunk + run->header, end = run->chunk + run->size;
	uint64_t cookie = run->first - start;

	return run->chunk && cookie >= sizeof(uint64_t) &&
	       cookie <= 4 * sizeof(uint64_t) && run->before == run->count &&
	       run->last < end;
}

/* Counts what is in RUN, all that there is of it. */
static void count_run(const struct mf_object_run *run,
		      struct mf_object_tally *tally)
{
	note_example(tally, run->first);
	if (run->chunk && run->first == run->chunk + run->header) {
		tally->started++;
		tally->unproved += !run->header;
		tally->bytes += run->size;
		tally->loose += run->count - 1;
	} else if (is_array(run)) {
		tally->arrays += run->count;
		tally->bytes += run->size;
	} else {
		tally->loose += run->count;
	}
}

/* ---- of the chunk at hand -------------------------------------------------- */

/* B goes on where A ends. */
static bool can_join(const struct mf_object_run *a,
		     const struct mf_object_run *b)
{
	uint64_t step = b->first - a->last;

	return a->class == b->class && a->chunk == b->chunk && step &&
	       (a->count == 1 || a->stride == step) &&
	       (b->count == 1 || b->stride == step);
}

static void join(struct mf_object_run *a, const struct mf_object_run *b)
{
	a->stride = b->first - a->last;
	a->last = b->last;
	a->count += b->count;
}

static void end_run(struct mf_object_worker *worker,
		    const struct mf_object_run *run, bool whole)
{
	if (whole || worker->parts.count >= PARTS_MAX)
		count_run(run, mf_object_tally_of(worker, run->class));
	else
		mf_vec_push(&worker->parts, *run);
}

void mf_object_runs_add(struct mf_object_worker *worker,
			const struct mf_object_run *object)
{
	for (unsigned i = 0; i < worker->run_count; i++) {
		struct mf_object_run *run = &worker->runs[i];

		if (run->class != object->class)
			continue;
		if (can_join(run, object)) {
			join(run, object);
			return;
		}
	}
	if (worker->run_count == MF_OBJECT_RUNS) {
		end_run(worker, &worker->runs[0], false);
		worker->run_count--;
		memmove(&worker->runs[0], &worker->runs[1],
			worker->run_count * sizeof(worker->runs[0]));
	}
	worker->runs[worker->run_count++] = *object;
}

void mf_object_runs_end(struct mf_object_worker *worker, bool whole)
{
	for (unsigned i = 0; i < worker->run_count; i++)
		end_run(worker, &worker->runs[i], whole);
	worker->run_count = 0;
}

/* ---- of chunks that span windows -------------------------------------------- */

static int compare_parts(const void *left, const void *right)
{
	const struct mf_object_run *a = left, *b = right;

	if (a->chunk != b->chunk)
		return a->chunk < b->chunk ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return (a->first > b->first) - (a->first < b->first);
}

/* The class of the object that a chunk begins with; -1: none. */
static int64_t outer_of(const struct mf_objects *objects,
			struct mf_target *target,
			const struct mf_object_run *part, bool *dead)
{
	const struct mf_vtable_point *point;
	uint64_t words[2];

	if (!part->chunk ||
	    !mf_target_try_read(target, part->chunk + part->header, words,
				sizeof(words)))
		return -1;
	point = mf_vtables_find(objects->vtables, words[0]);
	if (!point || point->top)
		return -1;
	*dead = mf_control_block_is_expired(
		(enum mf_control_block)objects->blocks[point->class], words[1]);
	return point->class;
}

static void add_members(struct mf_objects *objects, uint32_t outer,
			const struct mf_object_run *part)
{
	for (uint64_t i = 0; i < part->count; i++) {
		uint64_t offset = part->first + i * part->stride - part->chunk -
				  part->header;

		mf_vec_push(&objects->members,
			    (struct mf_object_member){ outer, part->class,
						       (uint32_t)offset, 1 });
	}
}

/* No object is as large as that, and members are kept one by one. */
static bool can_be_members(const struct mf_objects *objects,
			   const struct mf_object_run *part)
{
	return part->last - part->chunk < MF_OBJECT_MEMBER_END &&
	       objects->members.count < MEMBERS_MAX;
}

/* What lies in an object that began in an earlier window is a member of it. */
static void take_members(struct mf_objects *objects, struct mf_target *target)
{
	uint64_t chunk = 0;
	int64_t outer = -1;
	bool dead = false;
	size_t kept = 0;

	for (size_t i = 0; i < objects->parts.count; i++) {
		const struct mf_object_run *part = &objects->parts.items[i];

		if (part->chunk != chunk || !i) {
			chunk = part->chunk;
			dead = false;
			outer = outer_of(objects, target, part, &dead);
		}
		if (outer < 0 || outer == (int64_t)part->class ||
		    !can_be_members(objects, part))
			objects->parts.items[kept++] = *part;
		else if (!dead)
			add_members(objects, (uint32_t)outer, part);
	}
	objects->parts.count = kept;
}

/* The word before it may be in the window before. */
static void count_joined(struct mf_objects *objects, struct mf_target *target,
			 struct mf_object_run *run)
{
	if (!run->before &&
	    !mf_target_read_u64(target, run->first - sizeof(run->before),
				&run->before))
		run->before = 0;
	count_run(run, &objects->tallies[run->class]);
}

void mf_object_parts_count(struct mf_objects *objects, struct mf_target *target)
{
	struct mf_object_run *run = NULL;

	mf_vec_sort(&objects->parts, compare_parts);
	take_members(objects, target);
	for (size_t i = 0; i < objects->parts.count; i++) {
		struct mf_object_run *part = &objects->parts.items[i];

		if (run && can_join(run, part)) {
			join(run, part);
			continue;
		}
		if (run)
			count_joined(objects, target, run);
		run = part;
	}
	if (run)
		count_joined(objects, target, run);
	objects->parts.count = 0;
}
