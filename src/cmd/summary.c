/*
 * The first and the last lines that people read: who the target is and how much
 * it has; what could not be known, and what was done to it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/units.h"
#include "cmd/command.h"

enum {
	SHOWN_PARTIALS = 3,
	LEAST_ARGUMENTS = 24,
	LONGEST_FILE = 24,
};

/* ---- head --------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/*
 * The kernel's name is what people know, not the file behind a symbolic link;
 * but it is cut to 15 letters.
 */
static const char *name_of(const struct mf_target_info *info)
{
	const char *file = base_name(info->exe);

	if (!*info->comm || !strncmp(file, info->comm, strlen(info->comm)))
		return *file ? file : "process";
	return info->comm;
}

/* Programs that rename themselves leave blanks behind. */
static void trim_end(struct mf_buffer *text)
{
	while (text->size && text->text[text->size - 1] == ' ')
		text->text[--text->size] = '\0';
}

/* The arguments, escaped, cut to what is left of the line. */
static void add_arguments(struct mf_buffer *text,
			  const struct mf_target_info *info, unsigned width)
{
	size_t used = mf_utf8_columns(mf_buffer_text(text)), room;
	MF_AUTO_BUFFER(words);
	MF_AUTO_BUFFER(safe);

	for (size_t i = 0; info->cmdline && info->cmdline[i]; i++)
		mf_buffer_printf(&words, "%s%s", i ? " " : "",
				 info->cmdline[i]);
	trim_end(&words);
	if (!words.size)
		return;
	mf_escape_text(&safe, words.text, words.size);
	room = width > used + LEAST_ARGUMENTS ? width - used : LEAST_ARGUMENTS;
	if (safe.size <= room) {
		mf_buffer_puts(text, safe.text);
		return;
	}
	/* Not inside a character. */
	for (room -= 3;
	     room && ((unsigned char)safe.text[room] & 0xc0) == 0x80;)
		room--;
	mf_buffer_add(text, safe.text, room);
	mf_buffer_puts(text, "...");
}

/* Which file it is, if there is room for its name, and of when. */
static void add_core(struct mf_buffer *text, const struct mf_run *run,
		     const struct mf_target_info *info)
{
	char when[MF_UNIT_TEXT];
	const char *file = base_name(run->settings->target);
	MF_AUTO_BUFFER(safe);

	mf_escape_text(&safe, file, strlen(file));
	mf_buffer_printf(text, "core %s",
			 mf_utf8_columns(mf_buffer_text(&safe)) <= LONGEST_FILE
				 ? mf_buffer_text(&safe)
				 : "file");
	if (info->taken_s)
		mf_buffer_printf(text, ", %s",
				 mf_format_date(when, info->taken_s));
	mf_buffer_puts(text, ": ");
}

static void add_process(struct mf_buffer *text,
			const struct mf_target_info *info)
{
	mf_buffer_puts(text, name_of(info));
	if (info->pid)
		mf_buffer_printf(text, ", pid %d", (int)info->pid);
	if (info->nspid && info->nspid != info->pid)
		mf_buffer_printf(text, " (%d in its container)",
				 (int)info->nspid);
	mf_buffer_puts(text, "  ");
}

static void write_name(struct mf_run *run, const struct mf_target_info *info)
{
	MF_AUTO_BUFFER(text);

	if (info->kind == MF_TARGET_CORE)
		add_core(&text, run, info);
	if (info->kind == MF_TARGET_LISTING) {
		mf_buffer_printf(&text, "a saved listing: %s",
				 run->settings->target);
	} else {
		add_process(&text, info);
		add_arguments(&text, info, mf_run_width(run));
	}
	mf_report_line(run->report, "%s", mf_buffer_text(&text));
}

static bool is_known(uint64_t limit)
{
	return limit && limit != UINT64_MAX;
}

static void add_limit(struct mf_buffer *text, const struct mf_run *run,
		      const struct mf_target_info *info, uint64_t rss)
{
	const struct mf_limits *limits = &info->limits;
	char size[MF_UNIT_TEXT];
	uint64_t limit = limits->cgroup_memory_max;

	if (is_known(limit))
		mf_buffer_printf(text, " (%.0f%% of its cgroup's %s)",
				 100 * (double)rss / (double)limit,
				 mf_report_size(run->report, size, limit));
	else if (is_known(limits->memory_available))
		mf_buffer_printf(text, " (no limit; the machine %s %s left)",
				 info->kind == MF_TARGET_CORE ? "had" : "has",
				 mf_report_size(run->report, size,
						limits->memory_available));
}

static uint64_t swap_of(const struct mf_space *space)
{
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	uint64_t swap = 0;

	for (size_t i = 0; i < count; i++)
		swap += totals[i].usage.swap;
	return swap;
}

static uint64_t mapped_of(const struct mf_space *space)
{
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += totals[i].size;
	return size;
}

static void write_amounts(struct mf_run *run, const struct mf_target_info *info,
			  const struct mf_space *space)
{
	char size[MF_UNIT_TEXT];
	uint64_t rss = mf_space_rss(space), swap = swap_of(space);
	MF_AUTO_BUFFER(text);

	if (mf_space_rss_is_known(space)) {
		mf_buffer_printf(
			&text, "RSS %s%s",
			mf_report_size(run->report, size, rss),
			mf_space_rss_is_whole(space) ? "" : " as far as known");
		add_limit(&text, run, info, rss);
	} else {
		mf_buffer_puts(&text, "RSS is not known");
	}
	if (swap)
		mf_buffer_printf(&text, ", swap %s",
				 mf_report_size(run->report, size, swap));
	mf_buffer_printf(&text, ", mapped %s",
			 mf_report_size(run->report, size, mapped_of(space)));
	if (info->thread_count)
		mf_buffer_printf(&text, ", %u thread%s", info->thread_count,
				 info->thread_count == 1 ? "" : "s");
	if (info->age_ms)
		mf_buffer_printf(&text, ", up %s",
				 mf_format_time(size, (double)info->age_ms));
	mf_report_line(run->report, "%s", mf_buffer_text(&text));
}

void mf_run_write_head(struct mf_run *run, const struct mf_space *space)
{
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(run->session));

	write_name(run, info);
	write_amounts(run, info, space);
}

/* ---- foot --------------------------------------------------------------------- */

static void write_partials(struct mf_run *run)
{
	size_t count, shown;
	const struct mf_partial *partials =
		mf_target_partials(mf_session_target(run->session), &count);

	shown = run->settings->verbose ? count
				       : MF_MIN(count, (size_t)SHOWN_PARTIALS);
	for (size_t i = 0; i < shown; i++)
		mf_report_line(run->report, "not known: %s (%s)",
			       partials[i].what, partials[i].why);
	if (count > shown)
		mf_report_line(run->report,
			       "not known: %zu more things (-v names them)",
			       count - shown);
}

/* What auto chose is not what was asked for: it says why. */
static void add_why(struct mf_buffer *text, const struct mf_run *run,
		    const struct mf_impact *impact)
{
	if (run->settings->session.target.stop != MF_STOP_AUTO ||
	    !strncmp(impact->why, "--stop", 6))
		return;
	if (run->command->unstopped && !run->is_borrowed)
		mf_buffer_printf(text, " (%s does without)",
				 run->command->name);
	else if (*impact->why)
		mf_buffer_printf(text, " (%s)", impact->why);
}

static void add_stops(struct mf_buffer *text, const struct mf_impact *impact)
{
	char time[MF_UNIT_TEXT];

	mf_buffer_printf(text, "paused %s",
			 mf_format_time(time, impact->pause_ms));
	if (impact->stops == 1)
		mf_buffer_puts(text, " once");
	else
		mf_buffer_printf(
			text, " in %u stops, %s the longest", impact->stops,
			mf_format_time(time, impact->longest_pause_ms));
	if (impact->pause_ran_out)
		mf_buffer_puts(text, ", which did not suffice");
}

static void add_hold(struct mf_buffer *text, const struct mf_run *run,
		     const struct mf_impact *impact)
{
	if (impact->stop == MF_STOP_SNAPSHOT)
		mf_buffer_puts(text, "read from a copy, ");
	if (impact->stops)
		add_stops(text, impact);
	else
		mf_buffer_puts(text, "not paused");
	add_why(text, run, impact);
}

static void add_work(struct mf_buffer *text, const struct mf_run *run,
		     const struct mf_impact *impact, bool is_process)
{
	char number[MF_UNIT_TEXT];

	mf_buffer_printf(
		text, "; %s read",
		mf_report_size(run->report, number, impact->bytes_read));
	if (is_process)
		mf_buffer_printf(
			text, ", %s page%s faulted in",
			mf_format_count(number, impact->pages_faulted_in),
			impact->pages_faulted_in == 1 ? "" : "s");
	mf_buffer_printf(text, "; %s in all",
			 mf_format_time(number, impact->elapsed_ms));
	if (impact->racy)
		mf_buffer_puts(text, "; read while it ran, so figures may be "
				     "slightly off");
}

/* The last line: what was done to the target, or what it was taken from. */
static void add_foot(struct mf_buffer *text, const struct mf_run *run)
{
	struct mf_target *target = mf_session_target(run->session);
	const struct mf_target_info *info = mf_target_info(target);
	bool is_core = info->kind == MF_TARGET_CORE;
	struct mf_impact impact;

	if (info->kind == MF_TARGET_LISTING) {
		mf_buffer_puts(text,
			       "from a listing: classes are told by shape and "
			       "name; what is in the memory is not known");
		return;
	}
	mf_target_get_impact(target, &impact);
	if (!is_core)
		add_hold(text, run, &impact);
	else if (*info->origin)
		mf_buffer_printf(text, "from a core by %s", info->origin);
	else
		mf_buffer_puts(text, "from a core");
	add_work(text, run, &impact, !is_core);
}

size_t mf_run_foot_length(const struct mf_run *run)
{
	MF_AUTO_BUFFER(text);

	add_foot(&text, run);
	return text.size;
}

void mf_run_write_foot(struct mf_run *run)
{
	MF_AUTO_BUFFER(text);

	mf_report_line(run->report, "%s", "");
	write_partials(run);
	add_foot(&text, run);
	mf_report_line(run->report, "%s", mf_buffer_text(&text));
}
