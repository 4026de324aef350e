/*
 * Knows the format of maps and smaps lines (Linux fs/proc/task_mmu.c,
 * show_map_vma and __show_smap). The path is the rest of the line, so it may
 * hold blanks; the kernel writes a newline in it as \012.
 */
#include "target/maps.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"

static const char deleted_mark[] = " (deleted)";

/* ---- scanners -------------------------------------------------------- */

void mf_scan_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		++*at;
}

bool mf_scan_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static bool scan_number(const char **at, unsigned base, uint64_t *ret)
{
	const char *start = *at;
	uint64_t value = 0;
	unsigned digit;

	while ((digit = (unsigned)digit_value(**at)) < base) {
		if (value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
		++*at;
	}
	if (*at == start)
		return false;
	*ret = value;
	return true;
}

bool mf_scan_hex(const char **at, uint64_t *ret)
{
	return scan_number(at, 16, ret);
}

bool mf_scan_decimal(const char **at, uint64_t *ret)
{
	return scan_number(at, 10, ret);
}

int mf_maps_read_line(FILE *stream, char *line)
{
	size_t used = 0;
	int c;

	while ((c = getc_unlocked(stream)) != EOF && c != '\n') {
		if (c == '\0' || used == MF_MAPS_LINE - 1)
			return -1;
		line[used++] = (char)c;
	}
	if (used && line[used - 1] == '\r')
		used--;
	line[used] = '\0';
	return c != EOF || used;
}

/* ---- mappings -------------------------------------------------------- */

void mf_mappings_clear(struct mf_mappings *mappings)
{
	mf_pool_deinit(&mappings->pool);
	mf_vec_deinit(mappings);
	*mappings = (struct mf_mappings){ 0 };
}

void mf_mappings_add(struct mf_mappings *mappings,
		     const struct mf_mapping *mapping)
{
	const struct mf_mapping *last = NULL;
	struct mf_mapping copy = *mapping;

	if (mappings->count)
		last = &mappings->items[mappings->count - 1];
	if (!copy.path || !*copy.path)
		copy.path = "";
	else if (last && strcmp(last->path, copy.path) == 0)
		copy.path = last->path;
	else
		copy.path = mf_pool_strdup(&mappings->pool, copy.path);
	mf_vec_push(mappings, copy);
}

size_t mf_mappings_after(const struct mf_mappings *mappings, uint64_t address)
{
	return mf_range_after(mappings->items, mappings->count, address);
}

/* ---- maps ------------------------------------------------------------ */

static bool scan_perms(const char **at, unsigned *ret)
{
	static const char letters[] = "rwx";
	unsigned perms = 0;

	for (unsigned i = 0; i < 3; i++, ++*at) {
		if (**at == letters[i])
			perms |= 1U << i;
		else if (**at != '-')
			return false;
	}
	if (**at == 's')
		perms |= MF_PERM_SHARED;
	else if (**at != 'p')
		return false;
	++*at;
	*ret = perms;
	return true;
}

static bool scan_device(const char **at, struct mf_mapping *mapping)
{
	uint64_t major, minor;

	if (!mf_scan_hex(at, &major) || !mf_scan_char(at, ':') ||
	    !mf_scan_hex(at, &minor) || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return false;
	mapping->dev_major = (uint32_t)major;
	mapping->dev_minor = (uint32_t)minor;
	return true;
}

bool mf_maps_parse_head(const char *line, struct mf_mapping *ret)
{
	struct mf_mapping mapping = { 0 };
	const char *at = line;

	if (!mf_scan_hex(&at, &mapping.start) || !mf_scan_char(&at, '-') ||
	    !mf_scan_hex(&at, &mapping.end) || !mf_scan_char(&at, ' ') ||
	    mapping.start >= mapping.end)
		return false;
	if (!scan_perms(&at, &mapping.perms) || !mf_scan_char(&at, ' ') ||
	    !mf_scan_hex(&at, &mapping.offset) || !mf_scan_char(&at, ' ') ||
	    !scan_device(&at, &mapping) || !mf_scan_char(&at, ' ') ||
	    !mf_scan_decimal(&at, &mapping.inode))
		return false;
	if (*at && *at != ' ' && *at != '\t')
		return false;
	mf_scan_blanks(&at);
	mapping.path = at;
	*ret = mapping;
	return true;
}

bool mf_maps_strip_deleted(char *path)
{
	size_t size = strlen(path), mark = sizeof(deleted_mark) - 1;

	if (size <= mark || strcmp(path + size - mark, deleted_mark) != 0)
		return false;
	path[size - mark] = '\0';
	return true;
}

/* ---- smaps ----------------------------------------------------------- */

struct usage_key {
	const char *name;
	size_t offset; /* in struct mf_usage */
	unsigned figure;
};

#define USAGE(field) offsetof(struct mf_usage, field)

static const struct usage_key usage_keys[] = {
	{ "Rss", USAGE(rss), MF_FIGURE_RSS },
	{ "Pss", USAGE(pss), MF_FIGURE_PSS },
	{ "Shared_Dirty", USAGE(dirty), MF_FIGURE_DIRTY },
	{ "Private_Dirty", USAGE(dirty), MF_FIGURE_DIRTY },
	{ "Anonymous", USAGE(anon), MF_FIGURE_ANON },
	{ "LazyFree", USAGE(lazyfree), MF_FIGURE_LAZYFREE },
	{ "AnonHugePages", USAGE(thp), MF_FIGURE_THP },
	{ "Swap", USAGE(swap), MF_FIGURE_SWAP },
	{ "Locked", USAGE(locked), MF_FIGURE_LOCKED },
};

static void add_bytes(uint64_t *sum, uint64_t bytes)
{
	if (__builtin_add_overflow(*sum, bytes, sum))
		*sum = UINT64_MAX;
}

bool mf_maps_set_usage(struct mf_mapping *mapping, const char *key,
		       size_t key_size, uint64_t bytes)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(usage_keys); i++) {
		const struct usage_key *known = &usage_keys[i];
		uint64_t *field;

		if (strncmp(known->name, key, key_size) != 0 ||
		    known->name[key_size])
			continue;
		field = (uint64_t *)((char *)&mapping->usage + known->offset);
		add_bytes(field, bytes);
		if (!mapping->usage_known)
			mapping->usage.lacks = MF_FIGURES_ALL;
		mapping->usage_known = true;
		mapping->usage.lacks &= ~known->figure;
		return true;
	}
	return false;
}

void mf_usage_add(struct mf_usage *sum, const struct mf_usage *part)
{
	add_bytes(&sum->rss, part->rss);
	add_bytes(&sum->pss, part->pss);
	add_bytes(&sum->anon, part->anon);
	add_bytes(&sum->dirty, part->dirty);
	add_bytes(&sum->swap, part->swap);
	add_bytes(&sum->lazyfree, part->lazyfree);
	add_bytes(&sum->thp, part->thp);
	add_bytes(&sum->locked, part->locked);
	sum->lacks &= part->lacks;
}

unsigned mf_maps_vm_flag(const char *flag)
{
	static const struct {
		char name[3];
		unsigned flag;
	} known[] = {
		{ "io", MF_VM_IO },	   { "pf", MF_VM_PFNMAP },
		{ "ht", MF_VM_HUGETLB },   { "lo", MF_VM_LOCKED },
		{ "gd", MF_VM_GROWSDOWN }, { "dc", MF_VM_DONTFORK },
		{ "dd", MF_VM_DONTDUMP },  { "hg", MF_VM_HUGEPAGE },
		{ "nr", MF_VM_NORESERVE }, { "um", MF_VM_UFFD },
		{ "ui", MF_VM_UFFD },	   { "wf", MF_VM_WIPEONFORK },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++)
		if (strncmp(known[i].name, flag, 2) == 0)
			return known[i].flag;
	return 0;
}

static void parse_vm_flags(const char *at, struct mf_mapping *mapping)
{
	mf_scan_blanks(&at);
	while (at[0] && at[1]) {
		mapping->vm_flags |= mf_maps_vm_flag(at);
		at += 2;
		mf_scan_blanks(&at);
	}
}

bool mf_maps_parse_detail(const char *line, struct mf_mapping *mapping)
{
	const char *colon = strchr(line, ':'), *at;
	uint64_t kilobytes;

	if (!colon || colon == line || !isalpha((unsigned char)*line))
		return false;
	for (at = line; at < colon; at++)
		if (!isalnum((unsigned char)*at) && *at != '_')
			return false;
	at = colon + 1;
	if (strncmp(line, "VmFlags:", 8) == 0) {
		parse_vm_flags(at, mapping);
		return true;
	}
	mf_scan_blanks(&at);
	if (!mf_scan_decimal(&at, &kilobytes))
		return strncmp(line, "THPeligible:", 12) == 0;
	if (strcmp(at, " kB") == 0 && kilobytes <= UINT64_MAX / 1024)
		mf_maps_set_usage(mapping, line, (size_t)(colon - line),
				  kilobytes * 1024);
	return true;
}
