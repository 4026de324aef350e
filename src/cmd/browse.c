/*
 * `browse`: one moment of a target, full-screen.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "memforensics/tui.h"

#include "cmd/command.h"

static bool wants_color(enum mf_color color)
{
	const char *no_color = getenv("NO_COLOR");

	if (color != MF_COLOR_AUTO)
		return color == MF_COLOR_ALWAYS;
	return !(no_color && *no_color);
}

static struct mf_error *open_another(void *context, struct mf_session **ret)
{
	const struct mf_run *run = context;

	return mf_command_open(run->command, run->settings, ret);
}

static struct mf_error *run_browse(struct mf_run *run)
{
	const struct mf_browse_options options = {
		.bytes = run->settings->report.bytes,
		.color = wants_color(run->settings->color),
		.open = run->is_borrowed ? open_another : NULL,
		.context = run,
	};
	struct mf_browse_end end = { 0 };

	MF_TRY(mf_browse(run->session, &options, &end));
	/* as if it had not been held back */
	if (end.signal) {
		signal(end.signal, SIG_DFL);
		raise(end.signal);
	}
	/* a copy of the target, and whatever holds it, end with us */
	if (end.busy)
		_exit(EXIT_SUCCESS);
	return NULL;
}

const struct mf_command mf_command_browse = {
	.name = "browse",
	.summary = "full-screen browser of one frozen view",
	.description =
		"Shows one moment of the target on the whole screen: what RSS "
		"is made of, its regions, heaps, findings and bytes.\n"
		"Every key is told by `?`.\nNothing changes the target.\n"
		"Of a process the mappings are there at once; the rest comes "
		"while they are looked at.\nIt is copied, if it can be, and "
		"goes on: the copy is what is browsed, until the end.",
	.needs = MF_CAN_MAPPINGS,
	.run = run_browse,
};
