/*
 * `scan`: what is in regions, in one pass over their bytes.
 */
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/scan_pass.h"

static struct mf_error *want_strings(struct mf_settings *settings,
				     const char *value)
{
	(void)value;
	settings->scan.wanted |= MF_SCAN_STRINGS;
	return NULL;
}

static struct mf_error *want_content(struct mf_settings *settings,
				     const char *value)
{
	(void)value;
	settings->scan.wanted |= MF_SCAN_CONTENT;
	return NULL;
}

static struct mf_error *want_objects(struct mf_settings *settings,
				     const char *value)
{
	(void)value;
	settings->scan.wanted |= MF_SCAN_OBJECTS;
	return NULL;
}

static struct mf_error *want_retained(struct mf_settings *settings,
				      const char *value)
{
	(void)value;
	settings->scan.retained = true;
	settings->scan.wanted |= MF_SCAN_OBJECTS;
	return NULL;
}

static struct mf_error *want_tasks(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->scan.wanted |= MF_SCAN_TASKS;
	return NULL;
}

static struct mf_error *want_signatures(struct mf_settings *settings,
					const char *value)
{
	(void)value;
	settings->scan.wanted |= MF_SCAN_SIGNATURES;
	return NULL;
}

static struct mf_error *set_free(struct mf_settings *settings,
				 const char *value)
{
	(void)value;
	settings->scan.free_too = true;
	return NULL;
}

static struct mf_error *set_all(struct mf_settings *settings, const char *value)
{
	(void)value;
	settings->scan.all_strings = true;
	return NULL;
}

static struct mf_error *set_redact(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->scan.redact = true;
	return NULL;
}

static struct mf_error *set_min_length(struct mf_settings *settings,
				       const char *value)
{
	enum {
		MOST = 4096
	};
	uint64_t length;

	if (!mf_parse_number(value, &length) || !length || length > MOST)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "--min-length %s", value),
				     "a number of characters, from 1 to %d",
				     MOST),
			"--min-length 8");
	settings->scan.least_characters = (uint32_t)length;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "strings",
	  .summary = "strings, by shape, text and beginning",
	  .set = want_strings },
	{ .name = "min-length",
	  .argument = "N",
	  .summary = "characters of a string, at least (6)",
	  .set = set_min_length },
	{ .name = "all",
	  .summary = "every string, or match, with its address",
	  .set = set_all },
	{ .name = "redact",
	  .summary = "mask tokens, passwords, e-mail and card numbers, too",
	  .set = set_redact },
	{ .name = "tasks",
	  .summary = "Tokio's tasks, by future and state",
	  .set = want_tasks },
	{ .name = "content",
	  .summary = "what kinds of bytes: zeros, text, pointers, numbers, ...",
	  .set = want_content },
	{ .name = "objects",
	  .summary = "objects by their types, counted",
	  .set = want_objects },
	{ .name = "retained",
	  .summary = "and how much the objects of each type keep alive",
	  .set = want_retained },
	{ .name = "signatures",
	  .summary = "file formats, protocols, keys: counted, with their bytes",
	  .set = want_signatures },
	{ .name = "find",
	  .argument = "TEXT",
	  .summary = "where this text stands (may be given several times)",
	  .set = mf_scan_set_find },
	{ .name = "hex",
	  .argument = "PATTERN",
	  .summary = "where these bytes stand, such as 'de ad ?? e?'",
	  .set = mf_scan_set_hex },
	{ .name = "regex",
	  .argument = "RE",
	  .summary = "what matches this regular expression (Perl's)",
	  .set = mf_scan_set_regex },
	{ .name = "pointer-to",
	  .argument = "REGION",
	  .summary = "words that point into this region",
	  .set = mf_scan_set_pointer_to },
	{ .name = "yara",
	  .argument = "FILE",
	  .summary = "what the YARA rules of this file find",
	  .set = mf_scan_set_yara,
	  .completion = MF_COMPLETE_FILE },
	{ .name = "free",
	  .summary = "the bytes of free chunks, too",
	  .set = set_free },
};

static struct mf_error *write_report(struct mf_run *run,
				     const struct mf_scan_pass *pass)
{
	struct mf_space *space;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	mf_scan_write(pass->scan, run->report);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

static struct mf_error *run_scan(struct mf_run *run)
{
	mf_cleanup(mf_scan_pass_deinit) struct mf_scan_pass pass = {
		.options = run->settings->scan,
		.select = run->select,
	};

	if (!run->select)
		pass.select = run->select = mf_select_create_usual();
	pass.usual = !run->settings->argument_count;
	pass.options.patterns = run->settings->patterns;
	if (pass.options.all_strings && !pass.options.pattern_count)
		pass.options.wanted |= MF_SCAN_STRINGS;
	if (!pass.options.wanted)
		pass.options.wanted = MF_SCAN_ALL;
	MF_TRY(mf_scan_pass_run(&pass, run->session));
	mf_scan_finish(pass.scan);
	return write_report(run, &pass);
}

const struct mf_command mf_command_scan = {
	.name = "scan",
	.summary = "what is in regions: kinds of bytes, and what they are",
	.description =
		"Reads the bytes of regions once, and says what they are.\n"
		"Without a region: what the program has allocated, and what is "
		"suspicious.\nOf heaps whose chunks are known, only chunks in "
		"use count, without their headers; with --free, those that are "
		"free, too.\nOnly pages that are in memory are read.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.arguments = "[REGION...]",
	.takes_regions = true,
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ,
	.run = run_scan,
};
