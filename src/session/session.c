/*
 * Builds the models over one target in the order that keeps it held for as
 * short as can be: symbols before the stop, bytes under it, figures after it.
 */
#include "memforensics/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "base/vec.h"

enum {
	ATTEMPTS = 3,
	RETRIES = 3, /* unless the options say how many */
};

struct mf_session {
	struct mf_session_options options;
	uint64_t pid; /* 0: a file */
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space; /* settled */
	struct mf_heap *heap;	/* NULL: memory cannot be read */
	struct mf_analysis *analysis;
	const struct mf_session_pass *pass; /* of the build that is under way */
};

/* ---- opening ------------------------------------------------------------ */

static struct mf_error *open_process(struct mf_session *session, uint64_t pid)
{
	if (pid == 0 || pid > INT_MAX)
		return mf_error_hint(
			mf_error_why(
				mf_error_create(MF_ERROR_NO_PROCESS,
						"cannot look at process %llu",
						(unsigned long long)pid),
				"no process can have that number"),
			"pgrep -a NAME lists process ids");
	return mf_target_open_live((pid_t)pid, &session->options.target,
				   &session->target);
}

/* What is read of a pipe is gone: only a file is looked into. */
static bool is_core(const char *path)
{
	static const char elf[] = "\177ELF", zstd[] = "\x28\xb5\x2f\xfd";
	char magic[4] = { 0 };
	struct stat status;
	FILE *file;

	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fread(magic, 1, sizeof(magic), file) != sizeof(magic))
		magic[0] = '\0';
	fclose(file);
	return !memcmp(magic, elf, sizeof(magic)) ||
	       !memcmp(magic, zstd, sizeof(magic));
}

static struct mf_error *open_file(struct mf_session *session, const char *path)
{
	if (access(path, F_OK) != 0)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "cannot look at '%s'",
						     path),
				     "it is neither a process id nor a file"),
			"memforensics attach $(pidof -s %s)", path);
	if (access(path, R_OK) != 0)
		return mf_error_from_errno(errno, "cannot read '%s'", path);
	if (is_core(path))
		return mf_target_open_core(path, &session->options.target,
					   &session->target);
	return mf_target_open_listing(path, session->options.listing_index,
				      &session->target);
}

struct mf_error *mf_session_open(const char *target,
				 const struct mf_session_options *options,
				 struct mf_session **ret)
{
	struct mf_session *session = mf_new(struct mf_session);
	bool is_process = mf_parse_number(target, &session->pid);
	struct mf_error *error;

	session->options = *options;
	error = is_process ? open_process(session, session->pid)
			   : open_file(session, target);
	/* one that begins another program in that moment is there again */
	for (unsigned attempt = 1; is_process && attempt < ATTEMPTS && error &&
				   error->code == MF_ERROR_NO_PROCESS;
	     attempt++) {
		mf_error_destroy(error);
		error = open_process(session, session->pid);
	}
	if (error) {
		mf_session_close(session);
		return error;
	}
	*ret = session;
	return NULL;
}

void mf_session_close(struct mf_session *session)
{
	if (!session)
		return;
	mf_analysis_destroy(session->analysis);
	mf_heap_destroy(session->heap);
	mf_space_destroy(session->space);
	mf_image_destroy(session->image);
	mf_target_close(session->target);
	free(session);
}

struct mf_target *mf_session_target(struct mf_session *session)
{
	return session->target;
}

bool mf_session_is_frozen(struct mf_session *session)
{
	enum mf_target_kind kind = mf_target_info(session->target)->kind;

	return session->options.keep && session->space &&
	       (kind == MF_TARGET_CORE || kind == MF_TARGET_LISTING ||
		mf_target_keeps_copy(session->target));
}

static void drop_models(struct mf_session *session)
{
	mf_analysis_destroy(session->analysis);
	mf_heap_destroy(session->heap);
	mf_space_destroy(session->space);
	session->analysis = NULL;
	session->heap = NULL;
	session->space = NULL;
}

void mf_session_set_heap(struct mf_session *session,
			 const struct mf_heap_options *options)
{
	const struct mf_heap_options *known = &session->options.heap;

	if (known->no_symbols == options->no_symbols &&
	    known->trim_ranges == options->trim_ranges &&
	    known->no_walk == options->no_walk &&
	    known->thread_caches == options->thread_caches)
		return;
	drop_models(session);
	session->options.heap = *options;
}

/* What a person at a terminal is told of a long build. */
enum step {
	STEP_SYMBOLS,
	STEP_HEAPS,
	STEP_MEMORY,
	STEP_FIGURES,
	STEP_PASS,
	STEP_DONE,
};

static void tell(enum step step)
{
	static const char *const words[] = {
		[STEP_SYMBOLS] = "reading symbols",
		[STEP_HEAPS] = "looking for heaps",
		[STEP_MEMORY] = "reading memory",
		[STEP_FIGURES] = "making figures",
		[STEP_PASS] = "reading contents",
		[STEP_DONE] = "",
	};

	mf_progress(words[step], step, STEP_DONE);
}

/* ---- models --------------------------------------------------------------- */

struct mf_error *mf_session_image(struct mf_session *session,
				  struct mf_image **ret)
{
	if (!session->image)
		MF_TRY(mf_image_create(session->target, &session->options.image,
				       &session->image));
	*ret = session->image;
	return NULL;
}

/* The models of one moment, and what was noted while they were made. */
struct moment {
	struct mf_space *space;
	struct mf_heap *heap;
	struct mf_heap_doubt doubt;
	bool exact;  /* the target stood still all the time */
	bool passed; /* the session's pass was run over it, if it has one */
	struct mf_target_mark end;
	MF_VEC(struct mf_partial) notes;
};

static void moment_deinit(struct moment *moment)
{
	mf_heap_destroy(moment->heap);
	mf_space_destroy(moment->space);
	mf_vec_deinit(&moment->notes);
	*moment = (struct moment){ 0 };
}

/* The process, or the copy of it that was read. */
static bool is_gone(const struct mf_session *session,
		    const struct mf_error *error)
{
	return error->code == MF_ERROR_NO_PROCESS ||
	       mf_target_lost_copy(session->target);
}

/*
 * What was not understood must not cost the rest: a heap that cannot be read is
 * a partial result, unless the process is gone.
 */
static struct mf_error *do_without_heap(struct mf_session *session,
					struct moment *moment,
					struct mf_error *error)
{
	if (!error || is_gone(session, error))
		return error;
	mf_target_note_partial(session->target, "heap", "%s%s%s", error->what,
			       error->why ? ": " : "",
			       error->why ? error->why : "");
	mf_error_destroy(error);
	mf_heap_destroy(moment->heap);
	moment->heap = NULL;
	return NULL;
}

/* What is true of the target only at one moment. */
static struct mf_error *read_models(struct mf_session *session,
				    struct moment *moment)
{
	MF_TRY(mf_space_read(moment->space));
	if (moment->heap)
		MF_TRY(do_without_heap(
			session, moment,
			mf_heap_read(moment->heap, moment->space)));
	return mf_space_settle(moment->space);
}

static struct mf_error *prepare_heap(struct mf_session *session,
				     struct moment *moment)
{
	if (!mf_target_can(session->target, MF_CAN_READ))
		return NULL;
	return do_without_heap(session, moment,
			       mf_heap_create(session->target, session->image,
					      &session->options.heap,
					      &moment->heap));
}

static struct mf_error *finish_heap(struct mf_session *session,
				    struct moment *moment)
{
	if (!moment->heap)
		return NULL;
	MF_TRY(do_without_heap(session, moment, mf_heap_finish(moment->heap)));
	if (!moment->heap)
		return NULL;
	mf_heap_account(moment->heap, moment->space);
	mf_heap_get_doubt(moment->heap, &moment->doubt);
	return NULL;
}

/* What a pass found while heaps were being changed is not worth having, as long
 * as there may be a better moment. */
static struct mf_error *run_pass(struct mf_session *session,
				 struct moment *moment, bool last)
{
	const struct mf_view view = {
		.target = session->target,
		.image = session->image,
		.space = moment->space,
		.heap = moment->heap,
	};

	if (moment->doubt.torn && !last && !session->pass->casual)
		return NULL;
	moment->passed = true;
	if (!session->pass->read)
		return NULL;
	tell(STEP_PASS);
	/* cppcheck-suppress returnDanglingLifetime ; an error has no view */
	return session->pass->read(&view, session->pass->context);
}

/* Figures need no stop; but a pass needs both. */
static struct mf_error *read_all(struct mf_session *session,
				 struct moment *moment, bool last)
{
	MF_TRY(read_models(session, moment));
	if (!session->pass)
		return NULL;
	MF_TRY(finish_heap(session, moment));
	return run_pass(session, moment, last);
}

/* The pause may be over before the models are read. */
static struct mf_error *read_first(struct mf_session *session)
{
	const struct mf_session_pass *pass = session->pass;

	if (!pass || !pass->read_first)
		return NULL;
	return pass->read_first(session->target, pass->context);
}

static struct mf_error *hold_and_read(struct mf_session *session,
				      struct moment *moment, bool last)
{
	struct mf_error *error;

	MF_TRY(mf_target_hold(session->target));
	error = read_first(session);
	if (!error)
		error = read_all(session, moment, last);
	mf_target_release(session->target);
	return error;
}

static void foresee_pass(struct mf_session *session)
{
	const struct mf_session_pass *pass = session->pass;

	if (pass && pass->foresee)
		mf_target_expect_more(
			session->target,
			pass->foresee(session->target, pass->context));
}

static struct mf_error *make_models(struct mf_session *session,
				    struct moment *moment, bool last)
{
	MF_TRY(mf_space_prepare(session->target, session->image,
				&moment->space));
	tell(STEP_HEAPS);
	MF_TRY(prepare_heap(session, moment));
	/* no reason to stop it any more */
	MF_TRY(mf_target_refuse_cancelled(session->target));
	foresee_pass(session);
	tell(STEP_MEMORY);
	MF_TRY(hold_and_read(session, moment, last));
	tell(STEP_FIGURES);
	return session->pass ? NULL : finish_heap(session, moment);
}

/*
 * All models, of one moment of the target; LAST: there will be no other. Nobody
 * reads more of it afterwards, unless it is kept, so that a copy ends here:
 * before the next one, and before a pager waits.
 */
static struct mf_error *look(struct mf_session *session, struct moment *moment,
			     bool last)
{
	struct mf_error *error = make_models(session, moment, last);

	/* what was not read is not to pass for what is not there */
	if (!error)
		error = mf_target_refuse_cancelled(session->target);
	/* also where nobody saw that what was read had gone */
	if (!error && mf_target_lost_copy(session->target))
		error = mf_error_create(MF_ERROR_FAILED,
					"the copy of process %llu was killed",
					(unsigned long long)session->pid);
	if (error || !session->options.keep)
		mf_target_drop_copy(session->target);
	return error;
}

/* ---- looking again --------------------------------------------------------- */

/* What was noted from BEGIN on is MOMENT's own. */
static void conclude(struct mf_session *session,
		     const struct mf_target_mark *begin, struct moment *moment)
{
	size_t count;
	const struct mf_partial *notes =
		mf_target_partials(session->target, &count);

	for (size_t i = begin->partials; i < count; i++)
		mf_vec_push(&moment->notes, notes[i]);
	mf_target_mark(session->target, &moment->end);
	moment->exact = moment->end.held && !moment->end.racy;
	mf_debug("session", "%zu arenas caught in a change, %zu more locked",
		 moment->doubt.torn, moment->doubt.locked);
}

/* The target is told of as it was in MOMENT. */
static void go_back(struct mf_session *session,
		    const struct mf_target_mark *begin,
		    const struct moment *moment)
{
	mf_target_rewind(session->target, begin);
	for (size_t i = 0; i < moment->notes.count; i++)
		mf_target_note_partial(session->target,
				       moment->notes.items[i].what, "%s",
				       moment->notes.items[i].why);
	mf_target_rewind(session->target, &moment->end);
}

/* Unasked, the target is kept no longer in all than it may be at once. */
static bool may_stop_again(const struct mf_session *session, unsigned retries)
{
	struct mf_impact impact;
	double most_ms = (double)session->options.target.max_pause_ns / 1e6;

	if (session->options.retries_set)
		return retries < session->options.retries;
	mf_target_get_impact(session->target, &impact);
	return retries < RETRIES &&
	       impact.pause_ms + impact.longest_pause_ms <= most_ms;
}

/* A copy that is to be kept is of the last look: the models are of that one. */
static bool is_better(const struct mf_session *session,
		      const struct moment *moment, const struct moment *than)
{
	if (session->options.keep)
		return true;
	if (!moment->exact || !moment->heap)
		return false;
	if (moment->doubt.torn != than->doubt.torn)
		return moment->doubt.torn < than->doubt.torn;
	return moment->doubt.locked < than->doubt.locked;
}

/*
 * Where arenas were caught in the middle of a change, another moment is likely
 * to show them whole. Figures are all of one moment: that with the fewest such
 * arenas.
 */
static void look_again(struct mf_session *session,
		       const struct mf_target_mark *begin, struct moment *best)
{
	/* what is kept is the same however often it is looked at */
	for (unsigned retries = 0; best->exact && best->doubt.torn &&
				   !mf_target_keeps_copy(session->target) &&
				   may_stop_again(session, retries);
	     retries++) {
		struct moment next = { 0 };
		struct mf_error *error;

		/* on a busy machine it may not have run since */
		poll(NULL, 0, (int)retries + 1);
		mf_target_rewind(session->target, begin);
		error = look(session, &next, false);
		conclude(session, begin, &next);
		if (!error && is_better(session, &next, best)) {
			struct moment worse = *best;

			*best = next;
			next = worse;
		} else {
			go_back(session, begin, best);
		}
		moment_deinit(&next);
		if (error) {
			mf_error_destroy(error);
			break;
		}
	}
}

/* A pass over a moment that is not the best would not fit the models. */
static struct mf_error *pass_at_last(struct mf_session *session,
				     const struct mf_target_mark *begin,
				     struct moment *moment)
{
	if (!session->pass || moment->passed)
		return NULL;
	mf_target_rewind(session->target, begin);
	moment_deinit(moment);
	MF_TRY(look(session, moment, true));
	conclude(session, begin, moment);
	return NULL;
}

static struct mf_error *prepare_pass(struct mf_session *session)
{
	const struct mf_session_pass *pass = session->pass;

	if (!pass || !pass->prepare)
		return NULL;
	return pass->prepare(session->target, session->image, pass->context);
}

static struct mf_error *build_once(struct mf_session *session)
{
	struct mf_target_mark begin;
	struct moment moment = { 0 };
	struct mf_image *image;
	struct mf_error *error;

	tell(STEP_SYMBOLS);
	MF_TRY(mf_session_image(session, &image));
	MF_TRY(prepare_pass(session));
	mf_target_mark(session->target, &begin);
	error = look(session, &moment, false);
	if (!error) {
		conclude(session, &begin, &moment);
		look_again(session, &begin, &moment);
		error = pass_at_last(session, &begin, &moment);
	}
	if (error) {
		moment_deinit(&moment);
		return error;
	}
	if (session->options.keep)
		mf_target_keep_copy(session->target, true);
	session->space = moment.space;
	session->heap = moment.heap;
	moment.space = NULL;
	moment.heap = NULL;
	moment_deinit(&moment);
	tell(STEP_DONE);
	return NULL;
}

/* False when there is nothing to open any more; the old target stays then. */
static bool reopen(struct mf_session *session)
{
	struct mf_target *gone = session->target;
	mf_auto_error struct mf_error *error =
		open_process(session, session->pid);

	if (error)
		return false;
	mf_image_destroy(session->image);
	session->image = NULL;
	mf_target_close(gone);
	return true;
}

/*
 * A process that executes another program while it is looked at, or whose main
 * thread ends, has its memory elsewhere now: all is built anew.
 */
static void tell_moved(const struct mf_session *session)
{
	mf_warn("process %llu began another program, or its main thread ended, "
		"while it was read: reading it anew",
		(unsigned long long)session->pid);
}

/* The copy is what is killed where memory runs out: then without one. */
static void do_without_copy(struct mf_session *session)
{
	static const char why[] = "its copy was killed while it was read, most "
				  "likely because memory ran out";

	session->options.target.no_copy = why;
	mf_warn("process %llu: %s: reading it anew",
		(unsigned long long)session->pid, why);
}

static struct mf_error *build(struct mf_session *session)
{
	struct mf_error *error;

	if (session->space)
		return NULL;
	for (unsigned attempt = 1;; attempt++) {
		bool lost;

		error = build_once(session);
		if (!error || !is_gone(session, error) || !session->pid ||
		    attempt == ATTEMPTS)
			return error;
		lost = mf_target_lost_copy(session->target);
		if (lost)
			do_without_copy(session);
		if (!reopen(session))
			return error;
		mf_error_destroy(error);
		if (!lost)
			tell_moved(session);
		else
			mf_target_note_partial(session->target, "snapshot",
					       "%s",
					       session->options.target.no_copy);
	}
}

struct mf_error *mf_session_space(struct mf_session *session,
				  struct mf_space **ret)
{
	MF_TRY(build(session));
	*ret = session->space;
	return NULL;
}

struct mf_error *mf_session_heap(struct mf_session *session,
				 struct mf_heap **ret)
{
	MF_TRY(build(session));
	*ret = session->heap;
	return NULL;
}

struct mf_error *mf_session_analysis(struct mf_session *session,
				     struct mf_analysis **ret)
{
	MF_TRY(build(session));
	if (!session->analysis)
		session->analysis =
			mf_analysis_create(&(struct mf_analysis_input){
				.target = session->target,
				.space = session->space,
				.heap = session->heap,
			});
	*ret = session->analysis;
	return NULL;
}

/* The models are there, and what they were read from. */
static struct mf_error *run_over_models(struct mf_session *session)
{
	const struct mf_session_pass *pass = session->pass;
	const struct mf_view view = {
		.target = session->target,
		.image = session->image,
		.space = session->space,
		.heap = session->heap,
	};

	tell(STEP_PASS);
	MF_TRY(prepare_pass(session));
	MF_TRY(read_first(session));
	if (pass->read)
		/* cppcheck-suppress returnDanglingLifetime ; as above */
		MF_TRY(pass->read(&view, pass->context));
	tell(STEP_DONE);
	return mf_target_lost_copy(session->target)
		       ? mf_error_create(MF_ERROR_FAILED,
					 "the copy of process %llu was killed",
					 (unsigned long long)session->pid)
		       : NULL;
}

struct mf_error *mf_session_run_pass(struct mf_session *session,
				     const struct mf_session_pass *pass)
{
	struct mf_error *error;

	session->pass = pass;
	if (mf_session_is_frozen(session)) {
		error = run_over_models(session);
	} else {
		drop_models(session);
		error = build(session);
	}
	session->pass = NULL;
	return error;
}
