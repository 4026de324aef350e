/*
 * The list of views.
 */
#include "tui/views.h"

#include <string.h>

/* In the order of their digits, and of Tab. */
static const struct mf_view_ops *const views[] = {
	&mf_view_overview, &mf_view_regions, &mf_view_arenas,
	&mf_view_chunks,   &mf_view_strings, &mf_view_types,
	&mf_view_threads,  &mf_view_leaks,   &mf_view_findings,
};

/* Opened from rows. */
static const struct mf_view_ops *const others[] = {
	&mf_view_advice,     &mf_view_arena,  &mf_view_heap,   &mf_view_hex,
	&mf_view_places,     &mf_view_stacks, &mf_view_frames, &mf_view_leak,
	&mf_view_explain,    &mf_view_refs,   &mf_view_paths,  &mf_view_steps,
	&mf_view_difference, &mf_view_help,
};

const struct mf_view_ops *const *mf_views(size_t *count)
{
	*count = MF_ARRAY_SIZE(views);
	return views;
}

const struct mf_view_ops *mf_view_find(const char *name)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(views); i++)
		if (!strcmp(views[i]->name, name))
			return views[i];
	for (size_t i = 0; i < MF_ARRAY_SIZE(others); i++)
		if (!strcmp(others[i]->name, name))
			return others[i];
	return NULL;
}
