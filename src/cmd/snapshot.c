/*
 * `snapshot`: the process to an ELF core, from a copy of it. What is written
 * appears under its name when it is whole; until then a signal that would end
 * us is held back, so that the copy is gone before we are.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/signals.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
};

static struct mf_error *set_full(struct mf_settings *settings,
				 const char *value)
{
	(void)value;
	settings->full = true;
	return NULL;
}

static const char *const compress_words[] = { "none", "zstd", NULL };

static struct mf_error *set_compress(struct mf_settings *settings,
				     const char *value)
{
	unsigned word = 0;

	MF_TRY(mf_option_word("compress", value, compress_words, &word));
	settings->compress = word != 0;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "full",
	  .summary = "pages of programs, libraries and other files too",
	  .set = set_full },
	{ .name = "compress",
	  .argument = "none|zstd",
	  .summary = "write a .zst file, which all commands read as it is",
	  .completion = MF_COMPLETE_WORDS,
	  .words = compress_words,
	  .set = set_compress },
};

/* ---- writing ------------------------------------------------------------------ */

struct snapshot {
	struct mf_target *target;
	char *path;
	struct mf_output *output;
	struct mf_core_options options;
	struct mf_core_written written;
	struct stat status; /* of the file */
};

static void snapshot_deinit(struct snapshot *snapshot)
{
	mf_output_destroy(snapshot->output);
	free(snapshot->path);
}

static bool is_process(const struct snapshot *snapshot)
{
	enum mf_target_kind kind = mf_target_info(snapshot->target)->kind;

	return kind == MF_TARGET_LIVE || kind == MF_TARGET_SNAPSHOT;
}

/* What was asked for, or what it is by itself, or nothing is written. */
static struct mf_error *check_stop(const struct mf_run *run,
				   const struct snapshot *snapshot)
{
	enum mf_stop wanted = run->settings->session.target.stop;
	const char *of = run->settings->target;
	struct mf_impact impact;

	mf_target_get_impact(snapshot->target, &impact);
	if (wanted == MF_STOP_AUTO)
		wanted = MF_STOP_SNAPSHOT;
	if (!is_process(snapshot) || impact.stop == wanted)
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_UNSUPPORTED,
					     wanted == MF_STOP_SNAPSHOT
						     ? "cannot make a copy of "
						       "process %s"
						     : "cannot stop process %s",
					     of),
			     "%s", impact.why),
		wanted == MF_STOP_SNAPSHOT
			? "memforensics snapshot %s --stop brief --max-pause "
			  "10s, which holds it while it is written"
			: "memforensics snapshot %s --stop none, which reads "
			  "it while it runs",
		of);
}

/* The copy may be what ends when memory runs out; a pause may run out too. */
static struct mf_error *check_still(const struct snapshot *snapshot)
{
	struct mf_impact impact;

	mf_target_get_impact(snapshot->target, &impact);
	if (!is_process(snapshot) || impact.stop == MF_STOP_NONE ||
	    mf_target_is_still(snapshot->target))
		return NULL;
	if (impact.stop == MF_STOP_SNAPSHOT)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_FAILED,
						     "cannot write %s",
						     snapshot->path),
				     "the copy was ended before all of it was "
				     "written: the process ended, or memory "
				     "ran out"),
			"--stop brief, which takes no memory");
	mf_target_note_partial(
		snapshot->target, "consistency",
		"--max-pause was over before all of it was written; the rest "
		"is of the running process");
	return NULL;
}

static struct mf_error *write_held(const struct mf_run *run,
				   struct snapshot *snapshot)
{
	MF_TRY(check_stop(run, snapshot));
	MF_TRY(mf_target_write_core(snapshot->target,
				    mf_output_fd(snapshot->output),
				    &snapshot->options, &snapshot->written));
	return check_still(snapshot);
}

static struct mf_error *write_core(const struct mf_run *run,
				   struct snapshot *snapshot)
{
	struct mf_held_signals before;
	struct mf_error *error;

	mf_signals_hold(&before);
	error = mf_target_hold(snapshot->target);
	if (!error) {
		error = write_held(run, snapshot);
		mf_target_drop_copy(snapshot->target);
		mf_target_release(snapshot->target);
	}
	if (!error)
		error = mf_output_commit(snapshot->output);
	if (!error)
		fstat(mf_output_fd(snapshot->output), &snapshot->status);
	mf_output_destroy(snapshot->output);
	snapshot->output = NULL;
	/* whoever wants to end us does so now */
	mf_signals_release(&before);
	return error;
}

/* ---- its name ------------------------------------------------------------------ */

static struct mf_error *refuse_stdout(const struct mf_run *run)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "cannot write a core to standard "
					     "output"),
			     "it has holes, which only a file can have"),
		"memforensics snapshot %s -o FILE", run->settings->target);
}

/* As gcore names it; never over what is there. */
static struct mf_error *choose_path(const struct mf_run *run,
				    struct snapshot *snapshot)
{
	const struct mf_settings *settings = run->settings;
	const struct mf_target_info *info = mf_target_info(snapshot->target);

	if (settings->to_stdout)
		return refuse_stdout(run);
	if (settings->output)
		snapshot->path = mf_strdup(settings->output);
	else if (is_process(snapshot))
		snapshot->path = mf_asprintf("core.%d%s", (int)info->pid,
					     settings->compress ? ".zst" : "");
	else
		return mf_error_hint(
			mf_error_why(
				mf_error_create(MF_ERROR_USAGE, "where to?"),
				"only the core of a process has a name of "
				"its own"),
			"memforensics snapshot %s -o FILE", settings->target);
	return mf_output_create(snapshot->path, settings->force,
				&snapshot->output);
}

/* ---- what is said of it --------------------------------------------------------- */

static void write_file(struct mf_run *run, const struct snapshot *snapshot)
{
	const struct mf_core_written *written = &snapshot->written;
	const struct mf_field fields[] = {
		{ "path", NULL, mf_text(snapshot->path), DATA },
		{ "size", NULL, mf_size((uint64_t)snapshot->status.st_size),
		  DATA },
		{ "bytes", NULL,
		  mf_size((uint64_t)snapshot->status.st_blocks * 512), DATA },
		{ "unpacked", NULL, mf_size(written->size), DATA },
		{ "segments", NULL, mf_count(written->segments), DATA },
		{ "threads", NULL, mf_count(written->threads), DATA },
		{ "compressed", NULL, mf_bool(run->settings->compress), DATA },
		{ "full", NULL, mf_bool(run->settings->full), DATA },
	};

	mf_report_fields(run->report, "file", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

/* As a word that a shell takes for one. */
static void add_word(struct mf_buffer *text, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./+-:@%,=";

	if (*word && !word[strspn(word, plain)]) {
		mf_buffer_puts(text, word);
		return;
	}
	mf_buffer_putc(text, '\'');
	for (; *word; word++)
		if (*word == '\'')
			mf_buffer_puts(text, "'\\''");
		else
			mf_buffer_putc(text, *word);
	mf_buffer_putc(text, '\'');
}

void mf_run_tell_core(struct mf_run *run, const char *path)
{
	const char *exe = mf_target_info(mf_session_target(run->session))->exe;
	MF_AUTO_BUFFER(file);
	MF_AUTO_BUFFER(program);

	add_word(&file, path);
	add_word(&program, *exe ? exe : "PROGRAM");
	mf_report_line(run->report, "open it with: memforensics attach %s",
		       mf_buffer_text(&file));
	if (run->settings->compress)
		mf_report_line(run->report,
			       "or: zstd -d %s -o core && gdb %s core",
			       mf_buffer_text(&file), mf_buffer_text(&program));
	else
		mf_report_line(run->report, "or: gdb %s %s",
			       mf_buffer_text(&program), mf_buffer_text(&file));
}

static void write_text(struct mf_run *run, const struct snapshot *snapshot)
{
	uint64_t on_disk = (uint64_t)snapshot->status.st_blocks * 512;
	size_t threads = snapshot->written.threads;
	char size[MF_UNIT_TEXT];

	mf_report_line(run->report, "%s: %s on disk, %zu thread%s",
		       snapshot->path,
		       mf_report_size(run->report, size, on_disk), threads,
		       threads == 1 ? "" : "s");
	mf_run_tell_core(run, snapshot->path);
}

static struct mf_error *run_snapshot(struct mf_run *run)
{
	mf_cleanup(snapshot_deinit) struct snapshot snapshot = {
		.target = mf_session_target(run->session),
	};

	MF_TRY(choose_path(run, &snapshot));
	snapshot.options = (struct mf_core_options){
		.path = snapshot.path,
		.full = run->settings->full,
		.compress = run->settings->compress,
		.is_cancelled = mf_signals_want_end,
	};
	MF_TRY(write_core(run, &snapshot));
	MF_TRY(mf_run_begin_bare(run));
	write_file(run, &snapshot);
	write_text(run, &snapshot);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_snapshot = {
	.name = "snapshot",
	.summary = "write the process to an ELF core, pausing it for "
		   "milliseconds",
	.description =
		"Writes a core that gdb, eu-stack and every command here open: "
		"the pages that are in memory, all threads with all of their "
		"registers, and what a core lacks otherwise.\n"
		"The process is copied, as fork does, and runs on while the "
		"copy is written.\nIts size follows what is resident, not "
		"what is mapped.\n"
		"Without -o the file is core.PID.\nOnly its owner may read it: "
		"it holds all that the process knew.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_READ | MF_CAN_RESIDENCY | MF_CAN_THREADS,
	.copied = true,
	.own_file = true,
	.run = run_snapshot,
};
