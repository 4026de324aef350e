/*
 * Each thread reads a batch and scans it: what it has just read is still in its
 * processor's cache, and while the kernel copies for one, the others go on.
 * Which crew a batch is for, and in what order, does not depend on who is
 * quicker: what sketches keep would.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/processors.h"
#include "scan/engine.h"

enum {
	THREADS = 2,	 /* unless asked for more */
	AHEAD_EACH = 16, /* batches of each crew that are known before read */
	AHEAD_MAX = AHEAD_EACH * MF_SCAN_THREADS_MAX,
};

/* A batch that is to be read and scanned. */
struct next {
	struct mf_scan_batch *batch;
	unsigned crew;
};

struct pump {
	struct mf_scan_plan *plan;
	mf_scan_work work;
	void *const *crews;
	unsigned crew_count;
	pthread_mutex_t lock; /* of all below, of the plan and the target */
	pthread_cond_t changed;
	struct mf_scan_batch batches[AHEAD_MAX];
	struct next next[AHEAD_MAX]; /* in the order of the plan */
	struct mf_scan_batch *empty[AHEAD_MAX];
	size_t batch_count, next_count, empty_count;
	bool busy[MF_SCAN_THREADS_MAX]; /* crews that scan one */
	uint64_t planned;		/* batches so far */
	size_t passed;			/* stretches that are behind us */
	uint64_t passed_bytes, bytes;	/* of these, and of all */
	bool ended;			/* there are no more of them */
	struct mf_error *error;		/* the first one */
};

/* ---- with the lock held ------------------------------------------------------ */

/* The oldest one whose crew scans no other. */
static bool take_next(struct pump *pump, struct next *ret)
{
	size_t at = 0;

	while (at < pump->next_count && pump->busy[pump->next[at].crew])
		at++;
	if (at == pump->next_count)
		return false;
	*ret = pump->next[at];
	pump->next_count--;
	memmove(&pump->next[at], &pump->next[at + 1],
		(pump->next_count - at) * sizeof(*pump->next));
	return true;
}

/* Nothing is left to be done once there is an error. */
static void fail(struct pump *pump, struct mf_error *error)
{
	if (pump->error)
		mf_error_destroy(error);
	else
		pump->error = error;
	pump->ended = true;
	pump->next_count = 0;
}

/* Somebody who looks on may have had enough. */
static struct mf_error *tell(struct pump *pump)
{
	const struct mf_scan_plan *plan = pump->plan;
	uint64_t inside = 0;

	while (pump->passed < plan->next &&
	       pump->passed < plan->stretches.count) {
		const struct mf_scan_stretch *stretch =
			&plan->stretches.items[pump->passed++];

		pump->passed_bytes += stretch->end - stretch->start;
	}
	if (plan->next < plan->stretches.count &&
	    plan->at > plan->stretches.items[plan->next].start)
		inside = plan->at - plan->stretches.items[plan->next].start;
	if (mf_work_goes_on(pump->passed_bytes + inside, pump->bytes))
		return NULL;
	return mf_error_create(MF_ERROR_FAILED, "it was stopped");
}

static struct mf_error *plan_next(struct pump *pump,
				  struct mf_scan_batch *batch, bool *more)
{
	MF_TRY(tell(pump));
	return mf_scan_plan_next(pump->plan, batch, more);
}

static void plan_one(struct pump *pump)
{
	struct mf_scan_batch *batch = pump->empty[--pump->empty_count];
	bool more = false;
	struct mf_error *error = plan_next(pump, batch, &more);

	if (error)
		fail(pump, error);
	if (error || !more) {
		pump->ended = true;
		pump->empty[pump->empty_count++] = batch;
		pthread_cond_broadcast(&pump->changed);
		return;
	}
	pump->next[pump->next_count++] = (struct next){
		batch,
		(unsigned)(pump->planned++ % pump->crew_count),
	};
	pthread_cond_signal(&pump->changed);
}

/* Others take the lock while bytes are copied, and while they are scanned. */
static void scan_one(struct pump *pump, const struct next *next, uint8_t *bytes)
{
	struct mf_error *error;

	pump->busy[next->crew] = true;
	error = mf_scan_plan_fill(pump->plan, next->batch, bytes);
	if (error) {
		fail(pump, error);
	} else {
		pthread_mutex_unlock(&pump->lock);
		pump->work(pump->crews[next->crew], next->batch);
		pthread_mutex_lock(&pump->lock);
	}
	pump->busy[next->crew] = false;
	pump->empty[pump->empty_count++] = next->batch;
	pthread_cond_broadcast(&pump->changed);
}

/* ---- threads ----------------------------------------------------------------- */

static void *run_hand(void *data)
{
	struct pump *pump = data;
	uint8_t *bytes = mf_scan_bytes_create();
	struct next next;

	pthread_mutex_lock(&pump->lock);
	while (pump->next_count || !pump->ended) {
		if (take_next(pump, &next))
			scan_one(pump, &next, bytes);
		else if (!pump->ended && pump->empty_count)
			plan_one(pump);
		else
			pthread_cond_wait(&pump->changed, &pump->lock);
	}
	pthread_mutex_unlock(&pump->lock);
	free(bytes);
	return NULL;
}

/* Signals stay with the thread that knows what to do about them. */
static unsigned start_hands(struct pump *pump, pthread_t *hands, unsigned count)
{
	sigset_t all, before;
	unsigned started = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (started < count &&
	       pthread_create(&hands[started], NULL, run_hand, pump) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static void pump_init(struct pump *pump)
{
	pthread_mutex_init(&pump->lock, NULL);
	pthread_cond_init(&pump->changed, NULL);
	pump->batch_count = (size_t)pump->crew_count * AHEAD_EACH;
	for (size_t i = 0; i < pump->plan->stretches.count; i++)
		pump->bytes += pump->plan->stretches.items[i].end -
			       pump->plan->stretches.items[i].start;
	for (size_t i = 0; i < pump->batch_count; i++) {
		mf_scan_batch_init(&pump->batches[i]);
		pump->empty[pump->empty_count++] = &pump->batches[i];
	}
}

static void pump_deinit(struct pump *pump)
{
	for (size_t i = 0; i < pump->batch_count; i++)
		mf_scan_batch_deinit(&pump->batches[i]);
	pthread_cond_destroy(&pump->changed);
	pthread_mutex_destroy(&pump->lock);
}

unsigned mf_scan_count_threads(unsigned wanted)
{
	if (wanted)
		return MF_MIN(wanted, (unsigned)MF_SCAN_THREADS_MAX);
	return mf_processors_of(0) == 1 ? 1 : THREADS;
}

struct mf_error *mf_scan_pump(struct mf_scan_plan *plan, mf_scan_work work,
			      void *const *crews, unsigned count)
{
	struct pump pump = {
		.plan = plan,
		.work = work,
		.crews = crews,
		.crew_count = count,
	};
	pthread_t hands[MF_SCAN_THREADS_MAX];
	unsigned started;

	pump_init(&pump);
	mf_target_share(plan->input->target, &pump.lock);
	started = start_hands(&pump, hands, count - 1);
	run_hand(&pump);
	for (unsigned i = 0; i < started; i++)
		pthread_join(hands[i], NULL);
	mf_target_share(plan->input->target, NULL);
	pump_deinit(&pump);
	return pump.error;
}
