/*
 * One thread reads, as the target may be read by one only; the others scan what
 * it has read. When all buffers are full, the reader scans one, too.
 */
#include <pthread.h>
#include <signal.h>

#include "scan/engine.h"

enum {
	BATCHES_EACH = 2, /* of each thread */
	BATCHES_MAX = BATCHES_EACH * MF_SCAN_THREADS_MAX,
};

struct pump {
	struct mf_scan_plan *plan;
	mf_scan_work work;
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct mf_scan_batch batches[BATCHES_MAX];
	/* those that are full, a ring; those that are empty, a stack */
	struct mf_scan_batch *full[BATCHES_MAX], *empty[BATCHES_MAX];
	size_t batch_count, first_full, full_count, empty_count;
	bool ended; /* nothing more will be filled */
};

struct hand {
	struct pump *pump;
	void *crew;
	pthread_t thread;
};

static struct mf_scan_batch *take_full(struct pump *pump)
{
	struct mf_scan_batch *batch;

	if (!pump->full_count)
		return NULL;
	batch = pump->full[pump->first_full];
	pump->first_full = (pump->first_full + 1) % pump->batch_count;
	pump->full_count--;
	return batch;
}

/* The one that was filled last is still near to the processor that did. */
static struct mf_scan_batch *take_newest(struct pump *pump)
{
	size_t at;

	if (!pump->full_count)
		return NULL;
	pump->full_count--;
	at = (pump->first_full + pump->full_count) % pump->batch_count;
	return pump->full[at];
}

static void give_full(struct pump *pump, struct mf_scan_batch *batch)
{
	size_t at = (pump->first_full + pump->full_count) % pump->batch_count;

	pump->full[at] = batch;
	pump->full_count++;
	pthread_cond_signal(&pump->filled);
}

/* Scans BATCH outside of the lock, which is held before and after. */
static void scan_one(struct pump *pump, void *crew, struct mf_scan_batch *batch)
{
	pthread_mutex_unlock(&pump->lock);
	pump->work(crew, batch);
	pthread_mutex_lock(&pump->lock);
	pump->empty[pump->empty_count++] = batch;
}

static void *run_hand(void *data)
{
	const struct hand *hand = data;
	struct pump *pump = hand->pump;
	struct mf_scan_batch *batch;

	pthread_mutex_lock(&pump->lock);
	for (;;) {
		batch = take_full(pump);
		if (batch)
			scan_one(pump, hand->crew, batch);
		else if (pump->ended)
			break;
		else
			pthread_cond_wait(&pump->filled, &pump->lock);
	}
	pthread_mutex_unlock(&pump->lock);
	return NULL;
}

/* Signals stay with the thread that knows what to do about them. */
static unsigned start_hands(struct hand *hands, unsigned count)
{
	sigset_t all, before;
	unsigned started = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (started < count &&
	       pthread_create(&hands[started].thread, NULL, run_hand,
			      &hands[started]) == 0)
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

static struct mf_error *read_all(struct pump *pump, void *crew, bool alone)
{
	struct mf_error *error = NULL;
	bool more = true;

	pthread_mutex_lock(&pump->lock);
	while (!error && more) {
		if (pump->empty_count && !(alone && pump->full_count))
			error = fill_one(pump, &more);
		else
			scan_one(pump, crew, take_newest(pump));
	}
	pump->ended = true;
	pthread_cond_broadcast(&pump->filled);
	while (pump->full_count)
		scan_one(pump, crew, take_newest(pump));
	pthread_mutex_unlock(&pump->lock);
	return error;
}

static void pump_init(struct pump *pump, unsigned threads)
{
	pthread_mutex_init(&pump->lock, NULL);
	pthread_cond_init(&pump->filled, NULL);
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
	pthread_cond_destroy(&pump->filled);
	pthread_mutex_destroy(&pump->lock);
}

struct mf_error *mf_scan_pump(struct mf_scan_plan *plan, mf_scan_work work,
			      void *const *crews, unsigned count)
{
	struct pump pump = { .plan = plan, .work = work };
	struct hand hands[MF_SCAN_THREADS_MAX];
	struct mf_error *error;
	unsigned started;

	pump_init(&pump, count);
	for (unsigned i = 1; i < count; i++)
		hands[i - 1] = (struct hand){ .pump = &pump, .crew = crews[i] };
	started = start_hands(hands, count - 1);
	error = read_all(&pump, crews[0], started == 0);
	for (unsigned i = 0; i < started; i++)
		pthread_join(hands[i].thread, NULL);
	pump_deinit(&pump);
	return error;
}
