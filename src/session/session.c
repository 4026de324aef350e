/*
 * Builds the models over one target in the order that keeps it held for as
 * short as can be: symbols before the stop, bytes under it, figures after it.
 */
#include "memforensics/session.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"

enum {
	ATTEMPTS = 3,
};

struct mf_session {
	struct mf_session_options options;
	uint64_t pid; /* 0: a file */
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space; /* settled */
	struct mf_heap *heap;	/* NULL: memory cannot be read */
	struct mf_analysis *analysis;
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
static bool is_elf(const char *path)
{
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
	return !memcmp(magic, "\177ELF", sizeof(magic));
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
	if (is_elf(path))
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_UNSUPPORTED,
						     "cannot look at '%s'",
						     path),
				     "this version does not read ELF files: "
				     "it reads live processes and saved maps, "
				     "smaps and pmap listings"),
			"memforensics attach PID");
	return mf_target_open_listing(path, session->options.listing_index,
				      &session->target);
}

struct mf_error *mf_session_open(const char *target,
				 const struct mf_session_options *options,
				 struct mf_session **ret)
{
	struct mf_session *session = mf_new(struct mf_session);
	struct mf_error *error;
	uint64_t pid;

	session->options = *options;
	session->pid = mf_parse_number(target, &pid) ? pid : 0;
	error = mf_parse_number(target, &pid) ? open_process(session, pid)
					      : open_file(session, target);
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

/* What a person at a terminal is told of a long build. */
enum step {
	STEP_SYMBOLS,
	STEP_HEAPS,
	STEP_MEMORY,
	STEP_FIGURES,
	STEP_DONE,
};

static void tell(enum step step)
{
	static const char *const words[] = {
		[STEP_SYMBOLS] = "reading symbols",
		[STEP_HEAPS] = "looking for heaps",
		[STEP_MEMORY] = "reading memory",
		[STEP_FIGURES] = "making figures",
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

/*
 * What was not understood must not cost the rest: a heap that cannot be read is
 * a partial result, unless the process is gone.
 */
static struct mf_error *do_without_heap(struct mf_session *session,
					struct mf_error *error)
{
	if (!error || error->code == MF_ERROR_NO_PROCESS)
		return error;
	mf_target_note_partial(session->target, "heap", "%s%s%s", error->what,
			       error->why ? ": " : "",
			       error->why ? error->why : "");
	mf_error_destroy(error);
	mf_heap_destroy(session->heap);
	session->heap = NULL;
	return NULL;
}

/* What is true of the target only at one moment. */
static struct mf_error *read_models(struct mf_session *session,
				    struct mf_space *space)
{
	MF_TRY(mf_space_read(space));
	if (session->heap)
		MF_TRY(do_without_heap(session,
				       mf_heap_read(session->heap, space)));
	return mf_space_settle(space);
}

static struct mf_error *hold_and_read(struct mf_session *session,
				      struct mf_space *space)
{
	struct mf_error *error;

	MF_TRY(mf_target_hold(session->target));
	error = read_models(session, space);
	mf_target_release(session->target);
	return error;
}

static struct mf_error *prepare_heap(struct mf_session *session)
{
	if (!mf_target_can(session->target, MF_CAN_READ))
		return NULL;
	return do_without_heap(session,
			       mf_heap_create(session->target, session->image,
					      &session->options.heap,
					      &session->heap));
}

static struct mf_error *finish_heap(struct mf_session *session,
				    const struct mf_space *space)
{
	if (!session->heap)
		return NULL;
	MF_TRY(do_without_heap(session, mf_heap_finish(session->heap)));
	if (session->heap)
		mf_heap_account(session->heap, space);
	return NULL;
}

static struct mf_error *build_with(struct mf_session *session,
				   struct mf_space *space)
{
	tell(STEP_HEAPS);
	MF_TRY(prepare_heap(session));
	tell(STEP_MEMORY);
	MF_TRY(hold_and_read(session, space));
	tell(STEP_FIGURES);
	return finish_heap(session, space);
}

static struct mf_error *build_once(struct mf_session *session)
{
	struct mf_image *image;
	struct mf_space *space;
	struct mf_error *error;

	tell(STEP_SYMBOLS);
	MF_TRY(mf_session_image(session, &image));
	MF_TRY(mf_space_prepare(session->target, image, &space));
	error = build_with(session, space);
	if (error) {
		mf_heap_destroy(session->heap);
		session->heap = NULL;
		mf_space_destroy(space);
		return error;
	}
	session->space = space;
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
static struct mf_error *build(struct mf_session *session)
{
	struct mf_error *error;

	if (session->space)
		return NULL;
	for (unsigned attempt = 1;; attempt++) {
		error = build_once(session);
		if (!error || error->code != MF_ERROR_NO_PROCESS ||
		    !session->pid || attempt == ATTEMPTS || !reopen(session))
			return error;
		mf_error_destroy(error);
		mf_warn("process %llu began another program, or its main "
			"thread ended, while it was read: reading it anew",
			(unsigned long long)session->pid);
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
