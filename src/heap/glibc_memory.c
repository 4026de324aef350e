/*
 * Tells by a mapping's kind, name and permissions whether malloc may have it.
 */
#include "heap/glibc_memory.h"

#include <string.h>

static bool is_private_anonymous(const struct mf_mapping *mapping)
{
	const char *path = mapping->path;

	return mf_mapping_has_no_file(mapping) &&
	       (!*path || *path == '/' || strncmp(path, "[anon", 5) == 0) &&
	       !(mapping->perms & MF_PERM_SHARED);
}

bool mf_glibc_is_from_mmap(const struct mf_mapping *mapping)
{
	const uint32_t wanted = MF_PERM_READ | MF_PERM_WRITE;

	return is_private_anonymous(mapping) &&
	       (mapping->perms & wanted) == wanted;
}

uint64_t mf_glibc_end_from_mmap(const struct mf_mapping *mappings, size_t count,
				size_t at)
{
	while (at + 1 < count && mappings[at + 1].start == mappings[at].end &&
	       is_private_anonymous(&mappings[at + 1]))
		at++;
	return mappings[at].end;
}
