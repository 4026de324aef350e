/*
 * What people call a region.
 */
#include "tui/region_text.h"

#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *path_of(const struct mf_region *region)
{
	return region->mapping ? region->mapping->path : "";
}

const char *mf_tui_region_owner(const struct mf_region *region)
{
	if (*region->owner)
		return base_name(region->owner);
	return base_name(path_of(region));
}

void mf_tui_region_describe(struct mf_buffer *text,
			    const struct mf_region *region)
{
	const char *owner = mf_tui_region_owner(region);

	if (*region->label)
		mf_buffer_puts(text, region->label);
	else if (!*owner)
		mf_buffer_puts(text, mf_class_name(region->class));
	if (*owner && !strstr(region->label, owner))
		mf_buffer_printf(text, *region->label ? " (%s)" : "%s", owner);
}

void mf_tui_region_name(struct mf_buffer *text, const struct mf_region *region)
{
	const char *class = mf_class_name(region->class);
	MF_AUTO_BUFFER(description);

	mf_tui_region_describe(&description, region);
	if (strncmp(mf_buffer_text(&description), class, strlen(class)) != 0)
		mf_buffer_printf(text, "%s: ", class);
	mf_buffer_puts(text, mf_buffer_text(&description));
}

void mf_tui_region_perms(char text[5], const struct mf_region *region)
{
	unsigned perms = region->mapping ? region->mapping->perms : 0;

	text[0] = perms & MF_PERM_READ ? 'r' : '-';
	text[1] = perms & MF_PERM_WRITE ? 'w' : '-';
	text[2] = perms & MF_PERM_EXEC ? 'x' : '-';
	text[3] = perms & MF_PERM_SHARED ? 's' : 'p';
	text[4] = '\0';
}
