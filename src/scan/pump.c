/*
 * One thread reads, as the target may be read by one only; the others scan what
 * it has read. When all buffers are full, the reader scans one, too. Which crew
 * a batch is for, and in what order, does not depend on who is quicker: what
 * sketches keep would.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scan/engine.h"

enum {
	THREADS = 2,	  /* unless asked for more */
	BATCHES_EACH = 2, /* of each thread */
	BATCHES_MAX = BATCHES_EACH * MF_SCAN_THREADS_MAX,
};

struct full {
	struct mf_scan_batch *batch;
	unsigned crew;
};

struct pump {
	struct mf_scan_plan *plan;
	mf_scan_work work;
	void *const *crews;
	unsigned crew_count;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct mf_scan_batch batches[BATCHES_MAX];
	struct full full[BATCHES_MAX]; /* in the order of reading */
	struct mf_scan_batch *empty[BATCHES_MAX];
	size_t batch_count, full_count, empty_count;
	bool busy[MF_SCAN_THREADS_MAX]; /* crews that scan one */
	uint64_t filled;		/* batches so far */
	bool ended;			/* nothing more will be filled */
};

/* The oldest one whose crew scans no other. */
static bool take_full(struct pump *pump, struct full *ret)
{
	size_t at = 0;

	while (at < pump->full_count && pump->busy[pump->full[at].crew])
		at++;
	if (at == pump->full_count)
		return false;
	*ret = pump->full[at];
	pump->full_count--;
	memmove(&pump->full[at], &pump->full[at + 1],
		(pump->full_count - at) * sizeof(*pump->full));
	return true;
}

static void give_full(struct pump *pump, struct mf_scan_batch *batch)
{
	pump->full[pump->full_count++] = (struct full){
		batch,
		(unsigned)(pump->filled++ % pump->crew_count),
	};
	pthread_cond_signal(&pump->changed);
}

/*
 * Scans one outside of the lock, which is held before and after, or waits for
 * one that can be scanned.
 */
static void scan_one(struct pump *pump)
{
	struct full full;

	if (!take_full(pump, &full)) {
		pthread_cond_wait(&pump->changed, &pump->lock);
		return;
	}
	pump->busy[full.crew] = true;
	pthread_mutex_unlock(&pump->lock);
	pump->work(pump->crews[full.crew], full.batch);
	pthread_mutex_lock(&pump->lock);
	pump->busy[full.crew] = false;
	pump->empty[pump->empty_count++] = full.batch;
	pthread_cond_broadcast(&pump->changed);
}

static void *run_hand(void *data)
{
	struct pump *pump = data;

	pthread_mutex_lock(&pump->lock);
	while (pump->full_count || !pump->ended)
		scan_one(pump);
	pthread_mutex_unlock(&pump->lock);
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

/* The lock is held; a batch that is taken is filled outside of it. */
static struct mf_error *fill_one(struct pump *pump, bool *more)
{
	struct mf_scan_batch *batch = pump->empty[--pump->empty_count];
	struct mf_error *error;

	pthread_mutex_unlock(&pump->lock);
	error = mf_scan_plan_fill(pump->plan, batch, more);
	pthread_mutex_lock(&pump->lock);
	if (!error && *more)
		give_full(pump, batch);
	else
		pump->empty[pump->empty_count++] = batch;
	return error;
}

static struct mf_error *read_all(struct pump *pump, bool alone)
{
	struct mf_error *error = NULL;
	bool more = true;

	pthread_mutex_lock(&pump->lock);
	while (!error && more) {
		if (pump->empty_count && !(alone && pump->full_count))
			error = fill_one(pump, &more);
		else
			scan_one(pump);
	}
	pump->ended = true;
	pthread_cond_broadcast(&pump->changed);
	while (pump->full_count)
		scan_one(pump);
	pthread_mutex_unlock(&pump->lock);
	return error;
}

static void pump_init(struct pump *pump, unsigned threads)
{
	pthread_mutex_init(&pump->lock, NULL);
	pthread_cond_init(&pump->changed, NULL);
	pump->batch_count = threads > 1 ? (size_t)threads * BATCHES_EACH : 1;
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
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted)
		return MF_MIN(wanted, (unsigned)MF_SCAN_THREADS_MAX);
	return processors < THREADS ? 1 : THREADS;
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
	struct mf_error *error;
	unsigned started;

	pump_init(&pump, count);
	started = start_hands(&pump, hands, count - 1);
	error = read_all(&pump, started == 0);
	for (unsigned i = 0; i < started; i++)
		pthread_join(hands[i], NULL);
	pump_deinit(&pump);
	return error;
}
