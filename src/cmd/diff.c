/*
 * `diff`: two reports compared. What is no report yet, a process or a core, is
 * made one first, in memory: the same as `attach` and `scan` write.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "cmd/command.h"
#include "cmd/scan_pass.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
};

/* What a change of contents is told by. */
static const unsigned scanned = MF_SCAN_CONTENT | MF_SCAN_STRINGS |
				MF_SCAN_OBJECTS | MF_SCAN_TASKS |
				MF_SCAN_SIGNATURES;

struct side {
	const char *key; /* "before" */
	const char *name;
	bool is_view; /* what the prompt has open */
	struct mf_document *document;
};

static void side_deinit(struct side *side)
{
	mf_document_destroy(side->document);
}

/* ---- a target as a report ---------------------------------------------------- */

static void run_deinit(struct mf_run *run)
{
	mf_report_destroy(run->report);
	mf_select_destroy(run->select);
	if (!run->is_borrowed)
		mf_session_close(run->session);
}

static struct mf_error *write_target(struct mf_run *run,
				     const struct mf_scan_pass *pass)
{
	struct mf_space *space;
	struct mf_heap *heap;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_session_heap(run->session, &heap));
	MF_TRY(mf_run_begin(run));
	mf_run_write_models(run, space, heap);
	if (pass->scan)
		mf_scan_write(pass->scan, run->report);
	return mf_run_end(run);
}

static struct mf_error *look_at_target(struct mf_run *run)
{
	mf_cleanup(mf_scan_pass_deinit) struct mf_scan_pass pass = {
		.options = run->settings->scan,
	};

	pass.options.wanted = scanned;
	pass.select = run->select = mf_select_create_usual();
	if (!run->session)
		MF_TRY(mf_session_open(run->settings->target,
				       &run->settings->session, &run->session));
	if (mf_target_can(mf_session_target(run->session), MF_CAN_READ))
		MF_TRY(mf_scan_pass_run(&pass, run->session));
	return write_target(run, &pass);
}

static struct mf_error *make_report(const struct mf_run *whole,
				    struct side *side)
{
	struct mf_settings settings = *whole->settings;
	mf_cleanup(run_deinit) struct mf_run run = {
		.command = &mf_command_attach,
		.settings = &settings,
	};
	mf_auto_free char *text = NULL;
	struct mf_error *error;
	size_t size = 0;

	settings.target = side->name;
	if (side->is_view) {
		run.session = whole->session;
		run.is_borrowed = true;
	}
	run.into = open_memstream(&text, &size);
	if (!run.into)
		return mf_error_create(MF_ERROR_FAILED,
				       "cannot make a report of %s",
				       side->name);
	error = look_at_target(&run);
	if (fclose(run.into) != 0 && !error)
		error = mf_error_create(MF_ERROR_FAILED,
					"cannot make a report of %s",
					side->name);
	if (error)
		return error;
	return mf_document_parse(text, size, side->name, &side->document);
}

/* ---- either ------------------------------------------------------------------- */

/* What is read of a pipe is gone: only a file is looked into. */
static bool is_report(const char *path)
{
	struct stat status;
	FILE *file;
	int first;

	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	do
		first = fgetc(file);
	while (first != EOF && isspace(first));
	fclose(file);
	return first == '{';
}

static struct mf_error *load(const struct mf_run *run, struct side *side)
{
	if (!side->is_view && is_report(side->name))
		return mf_document_read(side->name, &side->document);
	return make_report(run, side);
}

/* ---- what is said of them ------------------------------------------------------ */

static struct mf_value known_text(const char *text)
{
	return text && *text ? mf_text(text) : mf_none();
}

static void write_side(struct mf_run *run, const struct side *side)
{
	const struct mf_node *root = mf_document_root(side->document);
	const struct mf_node *target = mf_node_member(root, "target");
	uint64_t pid, rss;
	bool has_pid = mf_node_number(target, "pid", &pid);
	bool has_rss = mf_node_number(root, "rss_total", &rss);
	const struct mf_field fields[] = {
		{ "source", NULL, mf_text(side->name), DATA },
		{ "command", NULL, known_text(mf_node_text(root, "command")),
		  DATA },
		{ "kind", NULL, known_text(mf_node_text(target, "kind")),
		  DATA },
		{ "pid", NULL, has_pid ? mf_id(pid) : mf_none(), DATA },
		{ "exe", NULL, known_text(mf_node_text(target, "exe")), DATA },
		{ "rss", NULL, has_rss ? mf_size(rss) : mf_none(), DATA },
	};
	const char *exe = mf_node_text(target, "comm");

	mf_report_fields(run->report, side->key, NULL, fields,
			 MF_ARRAY_SIZE(fields));
	mf_report_line(run->report, "%s: %s%s%s%s", side->key, side->name,
		       exe ? " (" : "", exe ? exe : "", exe ? ")" : "");
}

/* Row I of what was not known of a side; false: there are no more. */
static bool get_partial(const struct side *side, size_t i, const char **what,
			const char **why)
{
	const struct mf_node *root = mf_document_root(side->document);
	const struct mf_node *row = mf_node_row(root, "partial", i);

	*what = mf_node_text(row, "what");
	*why = mf_node_text(row, "why");
	*what = *what ? *what : "";
	*why = *why ? *why : "";
	return i < mf_node_rows(root, "partial");
}

static void write_partial_rows(struct mf_run *run, const struct side *side)
{
	const char *what, *why;

	for (size_t i = 0; get_partial(side, i, &what, &why); i++) {
		mf_auto_free char *of = mf_asprintf("%s: %s", side->key, what);

		run->partial = true;
		mf_report_row(run->report,
			      (struct mf_value[]){ mf_text(of), mf_text(why) });
	}
}

static void write_partial_lines(struct mf_run *run, const struct side *side)
{
	const char *what, *why;

	for (size_t i = 0; get_partial(side, i, &what, &why); i++)
		mf_report_line(run->report, "not known, %s: %s: %s", side->key,
			       what, why);
}

static void write_partials(struct mf_run *run, const struct side *sides)
{
	static const struct mf_column columns[] = {
		{ "what", NULL, MF_VALUE_TEXT, 0 },
		{ "why", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "partial",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = DATA,
	};

	mf_report_table_begin(run->report, &table);
	write_partial_rows(run, &sides[0]);
	write_partial_rows(run, &sides[1]);
	mf_report_table_end(run->report);
	mf_report_line(run->report, "%s", "");
	write_partial_lines(run, &sides[0]);
	write_partial_lines(run, &sides[1]);
}

static struct mf_error *write_report(struct mf_run *run,
				     const struct side *sides,
				     const struct mf_diff *diff)
{
	MF_TRY(mf_run_begin_alone(run));
	write_side(run, &sides[0]);
	write_side(run, &sides[1]);
	mf_report_line(run->report, "%s", "");
	mf_diff_write(diff, run->report);
	write_partials(run, sides);
	return mf_run_end(run);
}

static void diff_deinit(struct mf_diff **diff)
{
	mf_diff_destroy(*diff);
}

static struct mf_error *run_diff(struct mf_run *run)
{
	mf_cleanup(side_deinit) struct side before = {
		.key = "before",
		.name = run->settings->target,
		.is_view = run->session != NULL,
	};
	mf_cleanup(side_deinit) struct side after = {
		.key = "after",
		.name = run->settings->arguments[0],
	};
	mf_cleanup(diff_deinit) struct mf_diff *diff = NULL;

	MF_TRY(load(run, &before));
	MF_TRY(load(run, &after));
	MF_TRY(mf_diff_create(before.document, after.document, &diff));
	return write_report(run, (const struct side[]){ before, after }, diff);
}

const struct mf_command mf_command_diff = {
	.name = "diff",
	.summary = "what grew between two targets or two reports",
	.description =
		"Compares two processes, cores or reports (of attach, maps, "
		"arenas, chunks or scan, with --json), and says what grew: "
		"classes of memory, regions, arenas, sizes of chunks in use, "
		"types, tasks, strings; the greatest growth first, and what "
		"shrank behind it.\n"
		"What only one of the reports has is not compared: a report of "
		"arenas has no strings.\n"
		"A process is looked at as attach and scan do; so a leak is "
		"found with two snapshots, or with a report from yesterday.",
	.arguments = "OTHER",
	.arguments_least = 1,
	.arguments_most = 1,
	.arguments_help =
		"OTHER is what came after TARGET. Each is a process id, a core, "
		"a saved listing, or a report in JSON.",
	.needs = MF_CAN_MAPPINGS,
	.opens_own = true,
	.run = run_diff,
};
