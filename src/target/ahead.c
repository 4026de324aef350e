/*
 * The thread that copies ahead, and how two threads share the units: whoever
 * has nothing better to do takes the next one, so that neither sleeps as long
 * as there is one.
 */
#include "target/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/processors.h"

struct mf_ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t begun, tried;
	struct mf_ahead_unit units[MF_AHEAD_UNITS];
	/* Numbers of units, each no larger than the next: */
	uint64_t settled; /* the reader knows what became of those before */
	uint64_t next;	  /* to be copied */
	uint64_t ready;	  /* those before may be copied */
	uint64_t added;
	uint64_t flying; /* that the thread copies; UINT64_MAX: none */
	bool ended;
};

static struct mf_ahead_unit *unit_numbered(struct mf_ahead *ahead,
					   uint64_t number)
{
	return &ahead->units[number % MF_AHEAD_UNITS];
}

/* The next unit, with the lock let go meanwhile. */
static void copy_next(struct mf_ahead *ahead)
{
	struct mf_ahead_unit *unit = unit_numbered(ahead, ahead->next++);
	ssize_t got;

	pthread_mutex_unlock(&ahead->lock);
	got = unit->from.copy(&unit->from, unit->source, unit->to, unit->size);
	pthread_mutex_lock(&ahead->lock);
	unit->copied = got >= 0 && (size_t)got == unit->size;
}

static void *run(void *data)
{
	struct mf_ahead *ahead = data;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->ended) {
		if (ahead->next == ahead->ready) {
			pthread_cond_wait(&ahead->begun, &ahead->lock);
			continue;
		}
		ahead->flying = ahead->next;
		copy_next(ahead);
		ahead->flying = UINT64_MAX;
		pthread_cond_signal(&ahead->tried);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

/* Signals stay with the thread that knows what to do about them. */
static bool start_thread(struct mf_ahead *ahead)
{
	sigset_t all, before;
	int number;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	number = pthread_create(&ahead->thread, NULL, run, ahead);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return number == 0;
}

static void deinit(struct mf_ahead *ahead)
{
	pthread_cond_destroy(&ahead->begun);
	pthread_cond_destroy(&ahead->tried);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}

struct mf_ahead *mf_ahead_create(void)
{
	struct mf_ahead *ahead;

	if (mf_processors_of(0) == 1)
		return NULL;
	ahead = mf_new(struct mf_ahead);
	ahead->flying = UINT64_MAX;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->begun, NULL);
	pthread_cond_init(&ahead->tried, NULL);
	if (start_thread(ahead))
		return ahead;
	deinit(ahead);
	return NULL;
}

void mf_ahead_destroy(struct mf_ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->ended = true;
	pthread_cond_signal(&ahead->begun);
	pthread_mutex_unlock(&ahead->lock);
	pthread_join(ahead->thread, NULL);
	deinit(ahead);
}

bool mf_ahead_add(struct mf_ahead *ahead, const struct mf_ahead_from *from,
		  uint64_t source, uint8_t *to, size_t size)
{
	while (size) {
		size_t part = MF_MIN(size, (size_t)MF_AHEAD_UNIT);
		struct mf_ahead_unit *unit;

		if (ahead->added - ahead->settled == MF_AHEAD_UNITS)
			return false;
		unit = unit_numbered(ahead, ahead->added++);
		unit->from = *from;
		unit->source = source;
		unit->to = to;
		unit->size = part;
		unit->copied = false;
		source += part;
		to += part;
		size -= part;
	}
	return true;
}

void mf_ahead_undo(struct mf_ahead *ahead)
{
	ahead->added = ahead->ready;
}

uint64_t mf_ahead_begin(struct mf_ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->ready = ahead->added;
	pthread_cond_signal(&ahead->begun);
	pthread_mutex_unlock(&ahead->lock);
	return ahead->added;
}

/* Later units are copied by us while the thread has one of ours. */
static void wait_for(struct mf_ahead *ahead, uint64_t end)
{
	pthread_mutex_lock(&ahead->lock);
	while (ahead->next < end || ahead->flying < end) {
		if (ahead->next < ahead->ready)
			copy_next(ahead);
		else
			pthread_cond_wait(&ahead->tried, &ahead->lock);
	}
	pthread_mutex_unlock(&ahead->lock);
}

const struct mf_ahead_unit *mf_ahead_take(struct mf_ahead *ahead, uint64_t end)
{
	if (ahead->settled == end)
		return NULL;
	wait_for(ahead, end);
	return unit_numbered(ahead, ahead->settled++);
}

uint64_t mf_ahead_drop(struct mf_ahead *ahead)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&ahead->lock);
	ahead->next = ahead->ready;
	while (ahead->flying != UINT64_MAX)
		pthread_cond_wait(&ahead->tried, &ahead->lock);
	pthread_mutex_unlock(&ahead->lock);
	for (; ahead->settled < ahead->added; ahead->settled++) {
		const struct mf_ahead_unit *unit =
			unit_numbered(ahead, ahead->settled);

		bytes += unit->copied ? unit->size : 0;
	}
	return bytes;
}
