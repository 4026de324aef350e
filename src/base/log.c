/*
 * The log: its level is the only changeable global of the program.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"

static struct {
	enum mf_log_level level;
	const char *debug;
	double last_progress;
	bool progress_shown;
	const struct mf_log_listener *listener;
} log_state = { .level = MF_LOG_WARNING };

void mf_log_set_level(enum mf_log_level level)
{
	log_state.level = level;
}

void mf_log_set_debug(const char *rooms)
{
	log_state.debug = rooms;
}

void mf_log_set_listener(const struct mf_log_listener *listener)
{
	log_state.listener = listener;
}

static void MF_PRINTF(2, 0)
	tell(const char *prefix, const char *format, va_list arguments)
{
	MF_AUTO_BUFFER(line);

	mf_buffer_puts(&line, prefix);
	mf_buffer_vprintf(&line, format, arguments);
	log_state.listener->say(log_state.listener->context,
				mf_buffer_text(&line));
}

static void MF_PRINTF(2, 0)
	say(const char *prefix, const char *format, va_list arguments)
{
	if (log_state.listener) {
		tell(prefix, format, arguments);
		return;
	}
	fprintf(stderr, "memforensics: %s", prefix);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void mf_warn(const char *format, ...)
{
	va_list arguments;

	if (log_state.level < MF_LOG_WARNING)
		return;
	va_start(arguments, format);
	say("warning: ", format, arguments);
	va_end(arguments);
}

void mf_note(const char *format, ...)
{
	va_list arguments;

	if (log_state.level < MF_LOG_NOTE)
		return;
	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

static bool debug_wanted(const char *room)
{
	size_t length = strlen(room);
	const char *at = log_state.debug;

	while (at && *at) {
		size_t item = strcspn(at, ",");

		if ((item == length && !strncmp(at, room, item)) ||
		    (item == 3 && !strncmp(at, "all", 3)))
			return true;
		at += item + (at[item] == ',');
	}
	return false;
}

void mf_debug(const char *room, const char *format, ...)
{
	va_list arguments;

	if (!log_state.debug || !debug_wanted(room))
		return;
	va_start(arguments, format);
	say("debug: ", format, arguments);
	va_end(arguments);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void mf_progress(const char *what, unsigned long long done,
		 unsigned long long total)
{
	if (log_state.listener) {
		log_state.listener->progress(log_state.listener->context, what,
					     done, total);
		return;
	}
	if (log_state.level < MF_LOG_WARNING || !isatty(STDERR_FILENO))
		return;
	if (done >= total) {
		if (log_state.progress_shown)
			fputs("\r\033[K", stderr);
		log_state.progress_shown = false;
		log_state.last_progress = now();
		return;
	}
	if (!log_state.last_progress)
		log_state.last_progress = now();
	if (now() - log_state.last_progress < 0.3)
		return;
	log_state.last_progress = now();
	log_state.progress_shown = true;
	fprintf(stderr, "\r\033[K%s: %llu %%", what,
		total ? done * 100 / total : 0);
}

bool mf_work_goes_on(unsigned long long done, unsigned long long total)
{
	const struct mf_log_listener *listener = log_state.listener;

	return !listener || !listener->goes_on ||
	       listener->goes_on(listener->context, done, total);
}
