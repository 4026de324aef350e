/*
 * The worker: first the mappings, by a look that stops nothing; then all models;
 * then jobs, one after the other, as long as that moment is looked at. Where the
 * process was copied, this happens inside of the session's pass, because the
 * copy ends with it.
 */
#include "tui/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "tui/models.h"

enum wish {
	WISH_SERVE,
	WISH_LOOK_AGAIN,
	WISH_END,
};

enum {
	END_WAIT_MS = 300, /* for a worker that is asked to end */
};

struct mf_worker {
	struct mf_session *session;
	struct mf_session *own; /* what it is, if the worker opened it */
	struct mf_browse_options options;
	pthread_t thread;
	int fd; /* an eventfd */
	struct mf_log_listener listener;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t asked;
	enum wish wish;
	bool suspended;
	struct mf_job *queue; /* the next first */
	struct mf_job *running;
	struct mf_job *finished; /* the first to be told of first */
	struct mf_models *models;
	struct mf_error *error;
	char *warning;
	struct mf_work_state state;
};

static void wake(struct mf_worker *worker)
{
	const uint64_t one = 1;
	ssize_t written = write(worker->fd, &one, sizeof(one));

	(void)written; /* full: it is readable anyway */
}

/* ---- what it says ---------------------------------------------------------------- */

static void say(void *context, const char *line)
{
	struct mf_worker *worker = context;

	pthread_mutex_lock(&worker->lock);
	free(worker->warning);
	worker->warning = mf_strdup(line);
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static void progress(void *context, const char *what, unsigned long long done,
		     unsigned long long total)
{
	struct mf_worker *worker = context;

	pthread_mutex_lock(&worker->lock);
	worker->state.done = done;
	worker->state.total = total;
	if (done < total)
		snprintf(worker->state.what, sizeof(worker->state.what), "%s",
			 what);
	pthread_mutex_unlock(&worker->lock);
}

static bool goes_on(void *context, unsigned long long done,
		    unsigned long long total)
{
	struct mf_worker *worker = context;
	bool ret = true;

	pthread_mutex_lock(&worker->lock);
	if (worker->running) {
		worker->state.done = done;
		worker->state.total = total;
		ret = !mf_job_is_cancelled(worker->running);
	}
	pthread_mutex_unlock(&worker->lock);
	return ret;
}

static void set_busy(struct mf_worker *worker, const char *what)
{
	pthread_mutex_lock(&worker->lock);
	worker->state.busy = what != NULL;
	worker->state.done = worker->state.total = 0;
	snprintf(worker->state.what, sizeof(worker->state.what), "%s",
		 what ? what : "");
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static void set_holds(struct mf_worker *worker, bool holds)
{
	pthread_mutex_lock(&worker->lock);
	worker->state.holds = holds;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static void post_models(struct mf_worker *worker, struct mf_models *models)
{
	struct mf_models *unseen = models;

	pthread_mutex_lock(&worker->lock);
	/* else they would be of a moment that is over */
	if (worker->wish == WISH_SERVE) {
		unseen = worker->models;
		worker->models = models;
	}
	pthread_mutex_unlock(&worker->lock);
	mf_models_destroy(unseen);
	wake(worker);
}

static void post_error(struct mf_worker *worker, struct mf_error *error)
{
	pthread_mutex_lock(&worker->lock);
	mf_error_destroy(worker->error);
	worker->error = error;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static enum wish wish_of(struct mf_worker *worker)
{
	enum wish wish;

	pthread_mutex_lock(&worker->lock);
	wish = worker->wish;
	pthread_mutex_unlock(&worker->lock);
	return wish;
}

/* ---- jobs ------------------------------------------------------------------------- */

static void destroy_job(struct mf_job *job)
{
	mf_error_destroy(job->error);
	if (job->destroy)
		job->destroy(job);
	else
		free(job);
}

static void destroy_jobs(struct mf_job *jobs)
{
	while (jobs) {
		struct mf_job *next = jobs->next;

		destroy_job(jobs);
		jobs = next;
	}
}

/* The next one, which is the running one then; NULL: something else is wished. */
static struct mf_job *wait_for_job(struct mf_worker *worker)
{
	struct mf_job *job = NULL;

	pthread_mutex_lock(&worker->lock);
	while (worker->wish == WISH_SERVE && !worker->queue)
		pthread_cond_wait(&worker->asked, &worker->lock);
	if (worker->wish == WISH_SERVE) {
		job = worker->queue;
		worker->queue = job->next;
		worker->state.waiting--;
		job->next = NULL;
		worker->running = job;
	}
	pthread_mutex_unlock(&worker->lock);
	return job;
}

static void put_away(struct mf_worker *worker, struct mf_job *job)
{
	struct mf_job **at;

	pthread_mutex_lock(&worker->lock);
	worker->running = NULL;
	at = &worker->finished;
	while (*at)
		at = &(*at)->next;
	*at = job;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

/* Until something else is wished for than to be served. */
static void serve(struct mf_worker *worker, const struct mf_view *view)
{
	struct mf_job *job;

	set_holds(worker, false);
	set_busy(worker, NULL);
	while ((job = wait_for_job(worker)) != NULL) {
		set_busy(worker, job->what);
		if (!view->target && !job->alone)
			job->error = mf_error_create(MF_ERROR_FAILED,
						     "the memory was not read");
		else if (!mf_job_is_cancelled(job))
			job->error = job->run(job, view);
		put_away(worker, job);
		set_busy(worker, NULL);
	}
}

/* ---- looks -------------------------------------------------------------------------- */

/* The last that is asked before it is stopped: to be stopped by somebody who
 * stands still himself would be for good. */
static uint64_t begin_look(struct mf_target *target, void *context)
{
	struct mf_worker *worker = context;

	(void)target;
	pthread_mutex_lock(&worker->lock);
	while (worker->suspended)
		pthread_cond_wait(&worker->asked, &worker->lock);
	worker->state.holds = true;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
	return 0;
}

static bool is_copied(struct mf_target *target)
{
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	return impact.stop == MF_STOP_SNAPSHOT &&
	       mf_target_info(target)->pid != 0;
}

/* A process that stands still for this has to go on first: it is served later,
 * and the bytes that are read then are of that later time. */
static struct mf_error *look(const struct mf_view *view, void *context)
{
	struct mf_worker *worker = context;
	enum mf_target_kind kind = mf_target_info(view->target)->kind;

	if (wish_of(worker) != WISH_SERVE || kind == MF_TARGET_CORE ||
	    !is_copied(view->target))
		return NULL;
	post_models(worker, mf_models_create(view, true));
	serve(worker, view);
	return NULL;
}

static struct mf_error *get_view(struct mf_session *session,
				 struct mf_view *ret)
{
	ret->target = mf_session_target(session);
	MF_TRY(mf_session_image(session, &ret->image));
	MF_TRY(mf_session_space(session, &ret->space));
	return mf_session_heap(session, &ret->heap);
}

static struct mf_error *look_and_serve(struct mf_worker *worker)
{
	const struct mf_session_pass pass = {
		.foresee = begin_look,
		.read = look,
		.context = worker,
	};
	struct mf_view view = { 0 };

	set_busy(worker, "reading memory");
	MF_TRY(mf_session_run_pass(worker->session, &pass));
	set_holds(worker, false);
	if (wish_of(worker) != WISH_SERVE)
		return NULL;
	MF_TRY(get_view(worker->session, &view));
	post_models(worker,
		    mf_models_create(&view, mf_target_info(view.target)->kind ==
						    MF_TARGET_CORE));
	serve(worker, &view);
	return NULL;
}

/* So that there is something to see while memory is read; what is kept is there
 * as soon. */
static void list_first(struct mf_worker *worker)
{
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(worker->session));
	struct mf_models *models;

	if ((info->kind != MF_TARGET_LIVE &&
	     info->kind != MF_TARGET_SNAPSHOT) ||
	    mf_session_is_frozen(worker->session))
		return;
	set_busy(worker, "reading mappings");
	models = mf_models_list(info->pid, NULL);
	if (models)
		post_models(worker, models);
}

static bool begin_again(struct mf_worker *worker)
{
	bool again;

	pthread_mutex_lock(&worker->lock);
	again = worker->wish != WISH_END;
	if (again)
		worker->wish = WISH_SERVE;
	pthread_mutex_unlock(&worker->lock);
	return again;
}

/* The session of a moment that stays stays as it is: it is somebody else's, too.
 * Where there is no other, there is no newer look. */
static void change_session(struct mf_worker *worker)
{
	struct mf_error *error;

	if (!worker->options.open || !mf_session_is_frozen(worker->session))
		return;
	set_busy(worker, "opening the process");
	error = worker->options.open(worker->options.context, &worker->own);
	if (error)
		post_error(worker, error);
	else
		worker->session = worker->own;
}

static void *work(void *data)
{
	struct mf_worker *worker = data;

	list_first(worker);
	for (bool first = true; begin_again(worker); first = false) {
		struct mf_error *error;

		if (!first)
			change_session(worker);
		error = look_and_serve(worker);
		if (error)
			post_error(worker, error);
		/* views of mappings have jobs that do without */
		serve(worker, &(struct mf_view){ .target = NULL });
	}
	return NULL;
}

/* ---- the screen's side ---------------------------------------------------------------- */

/* Signals are the screen's; what a fault raises stays the thread's own. */
static void start_thread(struct mf_worker *worker)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	sigset_t all, before;

	sigfillset(&all);
	for (size_t i = 0; i < MF_ARRAY_SIZE(own); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&worker->thread, NULL, work, worker) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct mf_worker *mf_worker_start(struct mf_session *session,
				  const struct mf_browse_options *options)
{
	struct mf_worker *worker = mf_new(struct mf_worker);

	worker->session = session;
	worker->options = *options;
	worker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->asked, NULL);
	worker->state.busy = true;
	worker->listener = (struct mf_log_listener){
		.say = say,
		.progress = progress,
		.goes_on = goes_on,
		.context = worker,
	};
	mf_log_set_listener(&worker->listener);
	start_thread(worker);
	return worker;
}

int mf_worker_fd(const struct mf_worker *worker)
{
	return worker->fd;
}

static bool is_of(const struct mf_job *job, const void *owner)
{
	return job->pane == owner || job->owner == owner;
}

/* Takes those of OWNER (NULL: all) out of LIST; they are returned. */
static struct mf_job *take_out(struct mf_job **list, const void *owner)
{
	struct mf_job *out = NULL;

	while (*list) {
		struct mf_job *job = *list;

		if (owner && !is_of(job, owner)) {
			list = &job->next;
			continue;
		}
		*list = job->next;
		job->next = out;
		out = job;
	}
	return out;
}

static void set_wish(struct mf_worker *worker, enum wish wish)
{
	struct mf_models *models;
	struct mf_job *jobs, *done;

	pthread_mutex_lock(&worker->lock);
	worker->wish = wish;
	models = worker->models;
	worker->models = NULL;
	jobs = take_out(&worker->queue, NULL);
	done = take_out(&worker->finished, NULL);
	worker->state.waiting = 0;
	if (worker->running) {
		atomic_store(&worker->running->cancelled, true);
		worker->running->pane = NULL;
		worker->running->done = NULL;
	}
	pthread_cond_broadcast(&worker->asked);
	pthread_mutex_unlock(&worker->lock);
	mf_models_destroy(models);
	destroy_jobs(jobs);
	destroy_jobs(done);
}

static bool join(struct mf_worker *worker)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += END_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_timedjoin_np(worker->thread, NULL, &until) == 0;
}

bool mf_worker_stop(struct mf_worker *worker)
{
	set_wish(worker, WISH_END);
	if (!join(worker))
		return false;
	mf_log_set_listener(NULL);
	destroy_jobs(worker->finished);
	mf_models_destroy(worker->models);
	mf_error_destroy(worker->error);
	free(worker->warning);
	mf_session_close(worker->own);
	close(worker->fd);
	pthread_cond_destroy(&worker->asked);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	return true;
}

void mf_worker_ask(struct mf_worker *worker, struct mf_job *job)
{
	struct mf_job **at;

	job->next = NULL;
	pthread_mutex_lock(&worker->lock);
	at = &worker->queue;
	while (*at && (!job->urgent || (*at)->urgent))
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	worker->state.waiting++;
	pthread_cond_broadcast(&worker->asked);
	pthread_mutex_unlock(&worker->lock);
}

static size_t count_jobs(const struct mf_job *job)
{
	size_t count = 0;

	for (; job; job = job->next)
		count++;
	return count;
}

void mf_worker_forget(struct mf_worker *worker, const void *owner)
{
	struct mf_job *queued, *finished;

	pthread_mutex_lock(&worker->lock);
	queued = take_out(&worker->queue, owner);
	finished = take_out(&worker->finished, owner);
	worker->state.waiting = count_jobs(worker->queue);
	if (worker->running && is_of(worker->running, owner)) {
		atomic_store(&worker->running->cancelled, true);
		worker->running->pane = NULL;
		worker->running->done = NULL;
	}
	pthread_mutex_unlock(&worker->lock);
	destroy_jobs(queued);
	destroy_jobs(finished);
}

void mf_worker_cancel(struct mf_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	for (struct mf_job *job = worker->queue; job; job = job->next)
		atomic_store(&job->cancelled, true);
	if (worker->running)
		atomic_store(&worker->running->cancelled, true);
	pthread_mutex_unlock(&worker->lock);
}

void mf_worker_look_again(struct mf_worker *worker)
{
	set_wish(worker, WISH_LOOK_AGAIN);
}

bool mf_worker_suspend(struct mf_worker *worker)
{
	bool can;

	pthread_mutex_lock(&worker->lock);
	can = !worker->state.holds;
	worker->suspended = can;
	pthread_mutex_unlock(&worker->lock);
	return can;
}

void mf_worker_resume(struct mf_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->suspended = false;
	pthread_cond_broadcast(&worker->asked);
	pthread_mutex_unlock(&worker->lock);
}

/* ---- taking ---------------------------------------------------------------------------- */

void mf_worker_hear(struct mf_worker *worker)
{
	uint64_t count;
	ssize_t size = read(worker->fd, &count, sizeof(count));

	(void)size; /* nothing there: nothing to forget */
}

struct mf_models *mf_worker_take_models(struct mf_worker *worker)
{
	struct mf_models *models;

	pthread_mutex_lock(&worker->lock);
	models = worker->models;
	worker->models = NULL;
	pthread_mutex_unlock(&worker->lock);
	return models;
}

struct mf_error *mf_worker_take_error(struct mf_worker *worker)
{
	struct mf_error *error;

	pthread_mutex_lock(&worker->lock);
	error = worker->error;
	worker->error = NULL;
	pthread_mutex_unlock(&worker->lock);
	return error;
}

/* One at a time: what is done with one may make others superfluous. */
static struct mf_job *take_job(struct mf_worker *worker)
{
	struct mf_job *job;

	pthread_mutex_lock(&worker->lock);
	job = worker->finished;
	if (job)
		worker->finished = job->next;
	pthread_mutex_unlock(&worker->lock);
	if (job)
		job->next = NULL;
	return job;
}

void mf_worker_take_jobs(struct mf_worker *worker)
{
	struct mf_job *job;

	while ((job = take_job(worker)) != NULL) {
		if (job->done)
			job->done(job, job->error);
		destroy_job(job);
	}
}

char *mf_worker_take_warning(struct mf_worker *worker)
{
	char *warning;

	pthread_mutex_lock(&worker->lock);
	warning = worker->warning;
	worker->warning = NULL;
	pthread_mutex_unlock(&worker->lock);
	return warning;
}

void mf_worker_state(struct mf_worker *worker, struct mf_work_state *ret)
{
	pthread_mutex_lock(&worker->lock);
	*ret = worker->state;
	pthread_mutex_unlock(&worker->lock);
}
