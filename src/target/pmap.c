/*
 * Knows what pmap prints (procps 3.2 to 4.0, pmap.c). -x prints sizes in kB
 * and a mode of five letters, without file offsets; -X and -XX print what
 * smaps has, under its names. Nothing but a file's last name is printed for
 * its path.
 */
#include "target/pmap.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

/* The next blank-separated word at *AT, or 0. */
static size_t next_word(const char **at)
{
	mf_scan_blanks(at);
	return strcspn(*at, " \t");
}

bool mf_pmap_is_end(const char *line)
{
	mf_scan_blanks(&line);
	if (strncmp(line, "total ", 6) == 0)
		return true;
	if (*line != '=' && *line != '-')
		return false;
	return line[strspn(line, "=- \t")] == '\0';
}

bool mf_pmap_parse_header(struct mf_pmap *pmap, const char *line)
{
	struct mf_pmap found = { .count = 0 };
	size_t size;

	if (next_word(&line) != 7 || strncmp(line, "Address", 7) != 0)
		return false;
	while ((size = next_word(&line)) != 0) {
		if (found.count == MF_PMAP_COLUMNS || size >= MF_PMAP_NAME)
			return false;
		memcpy(found.names[found.count++], line, size);
		line += size;
	}
	*pmap = found;
	return true;
}

/* "r-xp", "rw-s", and the five letters of -x: "rw---", "r-xs-". */
static bool parse_mode(const char *word, size_t size, unsigned *ret)
{
	static const char letters[] = "rwxs";
	unsigned perms = 0;

	if (size != 4 && size != 5)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if (word[i] == letters[i])
			perms |= 1U << i;
		else if (word[i] != '-' && (i < 3 || word[i] != 'p'))
			return false;
	}
	if (size == 5 && word[4] != '-' && word[4] != 'R')
		return false;
	*ret = perms;
	return true;
}

static bool parse_device(const char *word, struct mf_mapping *mapping)
{
	uint64_t major, minor;

	if (!mf_scan_hex(&word, &major) || !mf_scan_char(&word, ':') ||
	    !mf_scan_hex(&word, &minor) || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return false;
	mapping->dev_major = (uint32_t)major;
	mapping->dev_minor = (uint32_t)minor;
	return true;
}

/* A number of kB; "-" is not known. False when the word is neither. */
static bool parse_kilobytes(const char *word, size_t size, uint64_t *ret,
			    bool *known)
{
	const char *at = word;

	*known = false;
	if (size == 1 && *word == '-')
		return true;
	if (!mf_scan_decimal(&at, ret) || at != word + size ||
	    *ret > UINT64_MAX / 1024)
		return false;
	*ret *= 1024;
	*known = true;
	return true;
}

static bool set_size(struct mf_mapping *mapping, uint64_t bytes)
{
	return !__builtin_add_overflow(mapping->start, bytes - !!bytes,
				       &mapping->end) &&
	       bytes && (mapping->end += 1);
}

static const char *usage_key(const char *column)
{
	static const char *const others[][2] = {
		{ "RSS", "Rss" },
		{ "PSS", "Pss" },
		{ "Dirty", "Private_Dirty" },
		{ "Anon", "Anonymous" },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(others); i++)
		if (strcmp(column, others[i][0]) == 0)
			return others[i][1];
	return column;
}

/* One word of a row, under COLUMN. */
static bool parse_cell(const char *column, const char *word, size_t size,
		       struct mf_mapping *mapping)
{
	const char *at = word, *key;
	uint64_t value = 0;
	bool known;

	if (strcmp(column, "Address") == 0)
		return mf_scan_hex(&at, &mapping->start) && at == word + size;
	if (strcmp(column, "Perm") == 0 || strcmp(column, "Mode") == 0)
		return parse_mode(word, size, &mapping->perms);
	if (strcmp(column, "Offset") == 0)
		return mf_scan_hex(&at, &mapping->offset);
	if (strcmp(column, "Device") == 0)
		return parse_device(word, mapping);
	if (strcmp(column, "Inode") == 0)
		return mf_scan_decimal(&at, &mapping->inode);
	if (!parse_kilobytes(word, size, &value, &known))
		return false;
	if (strcmp(column, "Size") == 0 || strcmp(column, "Kbytes") == 0)
		return known && set_size(mapping, value);
	key = usage_key(column);
	if (known)
		mf_maps_set_usage(mapping, key, strlen(key), value);
	return true;
}

/* "[ anon ]" is no name; "[ stack ]" is the kernel's "[stack]". */
static void set_path(struct mf_mapping *mapping, const char *path)
{
	mapping->path = path;
	if (strcmp(path, "[ anon ]") == 0)
		mapping->path = "";
	else if (strcmp(path, "[ stack ]") == 0)
		mapping->path = "[stack]";
}

/* Some number of two-letter words. */
static const char *parse_vm_flags(const char *at, struct mf_mapping *mapping)
{
	while (next_word(&at) == 2 && islower((unsigned char)at[0]) &&
	       islower((unsigned char)at[1])) {
		mapping->vm_flags |= mf_maps_vm_flag(at);
		at += 2;
	}
	return at;
}

/* "000055f251914000    188K r---- bash", of pmap without options. */
static bool parse_plain(const char *line, struct mf_mapping *ret)
{
	struct mf_mapping mapping = { 0 };
	uint64_t kilobytes;
	size_t size;

	if (!mf_scan_hex(&line, &mapping.start))
		return false;
	mf_scan_blanks(&line);
	if (!mf_scan_decimal(&line, &kilobytes) || !mf_scan_char(&line, 'K') ||
	    kilobytes > UINT64_MAX / 1024 ||
	    !set_size(&mapping, kilobytes * 1024))
		return false;
	size = next_word(&line);
	if (!parse_mode(line, size, &mapping.perms))
		return false;
	line += size;
	mf_scan_blanks(&line);
	set_path(&mapping, line);
	*ret = mapping;
	return true;
}

bool mf_pmap_parse_row(const struct mf_pmap *pmap, const char *line,
		       struct mf_mapping *ret)
{
	struct mf_mapping mapping = { .path = "" };
	size_t size;

	if (!pmap->count) {
		mf_scan_blanks(&line);
		return parse_plain(line, ret);
	}
	for (size_t i = 0; i < pmap->count; i++) {
		size = next_word(&line);
		if (strcmp(pmap->names[i], "Mapping") == 0) {
			set_path(&mapping, line);
			break;
		}
		if (strcmp(pmap->names[i], "VmFlags") == 0) {
			line = parse_vm_flags(line, &mapping);
			continue;
		}
		if (!size || !parse_cell(pmap->names[i], line, size, &mapping))
			return false;
		line += size;
	}
	if (mapping.start >= mapping.end)
		return false;
	*ret = mapping;
	return true;
}
