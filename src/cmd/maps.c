/*
 * `maps`: every mapping, classified, with who owns it.
 */
#include <string.h>

#include "base/memory.h"
#include "cmd/command.h"

static const char *const order_words[] = { "address", "rss", "size", NULL };

static struct mf_error *set_sort(struct mf_settings *settings,
				 const char *value)
{
	static const enum mf_region_order orders[] = { MF_ORDER_ADDRESS,
						       MF_ORDER_RSS,
						       MF_ORDER_SIZE };
	unsigned word = 0;

	MF_TRY(mf_option_word("sort", value, order_words, &word));
	settings->order = orders[word];
	return NULL;
}

static struct mf_error *set_class(struct mf_settings *settings,
				  const char *value)
{
	const char *names[MF_CLASS_COUNT], *meant;
	struct mf_error *error;

	if (mf_class_parse(value, &settings->class)) {
		settings->class_given = true;
		return NULL;
	}
	for (int i = 0; i < MF_CLASS_COUNT; i++)
		names[i] = mf_class_name((enum mf_class)i);
	error = mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "there is no class '%s'", value),
			     "the totals of maps name the classes that a "
			     "process has");
	meant = mf_did_you_mean(value, names, MF_CLASS_COUNT);
	return meant ? mf_error_hint(error, "--class %s", meant)
		     : mf_error_hint(error, "memforensics maps TARGET");
}

static const struct mf_option options[] = {
	{ .name = "sort",
	  .argument = "address|rss|size",
	  .summary = "order of the regions (address)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = order_words,
	  .set = set_sort },
	{ .name = "class",
	  .argument = "CLASS",
	  .summary = "only the regions of one class (anon, heap, arena, ...)",
	  .set = set_class },
};

static struct mf_error *run_maps(struct mf_run *run)
{
	const struct mf_settings *settings = run->settings;
	const struct mf_region_rows rows = {
		.order = settings->order,
		.class = settings->class_given ? &settings->class : NULL,
		.proof = settings->verbose,
	};
	struct mf_space *space;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	mf_report_line(run->report, "%s", "");
	mf_space_write_regions(space, run->report, &rows);
	mf_space_write_totals(space, run->report, false);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_maps = {
	.name = "maps",
	.summary = "every mapping, classified, with who owns it",
	.description =
		"Lists the regions of the address space: what each is, how "
		"much of it is in memory, and who has it.\n"
		"A mapping that holds several things is a region for each of "
		"them.\nWhat nobody claims is of class anon.\nWith -v: why "
		"each is what it is.\nThe process is not stopped, unless "
		"--stop brief or --stop snapshot asks for it.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_MAPPINGS,
	.unstopped = true,
	.no_walk = true,
	.run = run_maps,
};
