/*
 * The patterns of `scan`: the options that give them, and what is meant by the
 * regions that --pointer-to names.
 */
#include "cmd/scan_pass.h"

_Static_assert(MF_SCAN_PATTERNS == 64, "as is said where there are more");

static struct mf_error *add(struct mf_settings *settings,
			    enum mf_find_kind kind, const char *text)
{
	struct mf_scan_options *scan = &settings->scan;

	if (scan->pattern_count == MF_ARRAY_SIZE(settings->patterns))
		return mf_error_usage(
			"too many patterns",
			"each is looked for by itself, 64 at once at most",
			"--regex 'one|two|three', or --yara FILE");
	settings->patterns[scan->pattern_count++] = (struct mf_scan_pattern){
		.kind = kind,
		.text = text,
	};
	scan->wanted |= MF_SCAN_MATCHES;
	return NULL;
}

struct mf_error *mf_scan_set_find(struct mf_settings *settings,
				  const char *value)
{
	return add(settings, MF_FIND_TEXT, value);
}

struct mf_error *mf_scan_set_hex(struct mf_settings *settings,
				 const char *value)
{
	return add(settings, MF_FIND_HEX, value);
}

struct mf_error *mf_scan_set_regex(struct mf_settings *settings,
				   const char *value)
{
	return add(settings, MF_FIND_REGEX, value);
}

struct mf_error *mf_scan_set_pointer_to(struct mf_settings *settings,
					const char *value)
{
	return add(settings, MF_FIND_POINTER, value);
}

struct mf_error *mf_scan_set_yara(struct mf_settings *settings,
				  const char *value)
{
	return add(settings, MF_FIND_YARA, value);
}

/* ---- what --pointer-to names ------------------------------------------------- */

struct mf_error *mf_scan_pointed_parse(struct mf_scan_pointing *pointing,
				       const struct mf_scan_options *options)
{
	for (size_t i = 0; i < options->pattern_count; i++) {
		const struct mf_scan_pattern *pattern = &options->patterns[i];

		if (pattern->kind == MF_FIND_POINTER)
			MF_TRY(mf_select_parse(&pattern->text, 1,
					       &pointing->selects[i]));
	}
	return NULL;
}

struct mf_error *mf_scan_pointed_resolve(struct mf_scan_pointing *pointing,
					 const struct mf_view *view)
{
	pointing->ranges.count = 0;
	for (uint32_t i = 0; i < MF_ARRAY_SIZE(pointing->selects); i++) {
		struct mf_selection selection = { 0 };

		if (!pointing->selects[i])
			continue;
		MF_TRY(mf_select_resolve(pointing->selects[i], view,
					 &selection));
		for (size_t j = 0; j < selection.range_count; j++)
			mf_vec_push(&pointing->ranges,
				    (struct mf_scan_pointed){
					    .start = selection.ranges[j].start,
					    .end = selection.ranges[j].end,
					    .pattern = i,
				    });
		mf_selection_deinit(&selection);
	}
	return NULL;
}

void mf_scan_pointed_deinit(struct mf_scan_pointing *pointing)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(pointing->selects); i++)
		mf_select_destroy(pointing->selects[i]);
	mf_vec_deinit(&pointing->ranges);
}
