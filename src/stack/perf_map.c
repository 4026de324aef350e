/*
 * The lines of a perf map: "START SIZE NAME", hexadecimal, appended as code is
 * made; code that is freed stays, until other code has its place. The file can
 * be anybody's and say anything.
 */
#include "stack/perf_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	/* of more than these, the last: what they say is of now */
	FILE_MAX = 1 << 27, /* bytes */
	ENTRIES_MAX = 1 << 20,
	NAME_MAX_BYTES = 1024,
	WALK_MAX = 256, /* entries that may overlap an address */
	STEP = 1 << 16,
};

struct entry {
	uint64_t start, end;
	size_t order;
	const char *name;
};

struct mf_perf_map {
	char *text;		      /* lines, each ended by a NUL */
	MF_VEC(struct entry) entries; /* by start, then order */
	size_t lines;
};

/* ---- reading ---------------------------------------------------------------- */

/* The user that the process is run by. */
static bool owner_of(const struct mf_target *target, uid_t *ret)
{
	const struct mf_target_info *info = mf_target_info(target);
	mf_auto_free char *path = mf_asprintf("/proc/%d", (int)info->pid);
	struct stat status;

	if (info->kind != MF_TARGET_LIVE && info->kind != MF_TARGET_SNAPSHOT)
		return false;
	if (info->pid <= 0 || stat(path, &status) != 0)
		return false;
	*ret = status.st_uid;
	return true;
}

static bool is_trusted(const struct stat *status, uid_t owner)
{
	return status->st_uid == 0 || status->st_uid == owner;
}

/* Of a large one, the end. */
static char *read_file(int fd, off_t size)
{
	mf_auto_free char *step = mf_calloc(STEP, 1);
	struct mf_buffer buffer = { 0 };
	off_t at = size > FILE_MAX ? size - FILE_MAX : 0;
	ssize_t got;

	while (buffer.size < FILE_MAX &&
	       (got = pread(fd, step, STEP, at)) > 0) {
		mf_buffer_add(&buffer, step, (size_t)got);
		at += got;
	}
	mf_buffer_putc(&buffer, '\0');
	/* the rest of a line is none */
	if (size > FILE_MAX)
		memset(buffer.text, '\n', strcspn(buffer.text, "\n"));
	return mf_buffer_take(&buffer);
}

/* ---- lines ------------------------------------------------------------------- */

static bool take_hex(char **at, uint64_t *ret)
{
	uint64_t value = 0;
	char *from = *at;

	if (from[0] == '0' && (from[1] == 'x' || from[1] == 'X'))
		from += 2;
	*at = from;
	for (; *from && strchr("0123456789abcdefABCDEF", *from); from++) {
		unsigned digit = (unsigned)*from & 15U;

		if (*from > '9')
			digit += 9;
		if (value >> 60)
			return false;
		value = value << 4 | digit;
	}
	if (from == *at || *from != ' ')
		return false;
	*at = from + 1;
	*ret = value;
	return true;
}

static void drop_older(struct mf_perf_map *map)
{
	size_t dropped = map->entries.count / 2;

	map->entries.count -= dropped;
	memmove(map->entries.items, map->entries.items + dropped,
		map->entries.count * sizeof(*map->entries.items));
}

static void add_line(struct mf_perf_map *map, char *line)
{
	uint64_t start, size;

	if (!take_hex(&line, &start) || !take_hex(&line, &size) || !size ||
	    size > UINT64_MAX - start || !*line)
		return;
	if (strlen(line) > NAME_MAX_BYTES)
		line[NAME_MAX_BYTES] = '\0';
	if (map->entries.count == ENTRIES_MAX)
		drop_older(map);
	mf_vec_push(&map->entries, (struct entry){
					   .start = start,
					   .end = start + size,
					   .order = map->lines++,
					   .name = line,
				   });
}

static int by_start(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

/* TEXT is the map's from now on. */
static struct mf_perf_map *parse(char *text)
{
	struct mf_perf_map *map = mf_new(struct mf_perf_map);
	char *line = map->text = text;

	while (*line) {
		char *end = strchrnul(line, '\n');
		bool more = *end;

		*end = '\0';
		add_line(map, line);
		line = end + more;
	}
	mf_vec_sort(&map->entries, by_start);
	return map;
}

struct mf_perf_map *mf_perf_map_parse(const char *text, size_t size)
{
	return parse(mf_strndup(text, strnlen(text, size)));
}

/* ---- the file ---------------------------------------------------------------- */

struct mf_perf_map *mf_perf_map_open(const struct mf_target *target)
{
	const struct mf_target_info *info = mf_target_info(target);
	pid_t pid = info->nspid > 0 ? info->nspid : info->pid;
	mf_auto_free char *path = mf_asprintf("/tmp/perf-%d.map", (int)pid);
	struct mf_perf_map *map = NULL;
	struct stat status;
	uid_t owner;
	int fd;

	if (!info->root || !owner_of(target, &owner))
		return NULL;
	fd = mf_file_open_below(info->root, path);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && is_trusted(&status, owner))
		map = parse(read_file(fd, status.st_size));
	close(fd);
	return map;
}

void mf_perf_map_close(struct mf_perf_map *map)
{
	if (!map)
		return;
	mf_vec_deinit(&map->entries);
	free(map->text);
	free(map);
}

const char *mf_perf_map_at(const struct mf_perf_map *map, uint64_t address,
			   uint64_t *start)
{
	const struct entry *best = NULL;
	size_t steps = 0;
	size_t low = mf_count_leading(map->entries.items, map->entries.count,
				      entry, entry->start <= address);

	for (; low > 0 && steps < WALK_MAX; low--, steps++) {
		const struct entry *entry = &map->entries.items[low - 1];

		if (address < entry->end &&
		    (!best || entry->order > best->order))
			best = entry;
	}
	if (!best)
		return NULL;
	*start = best->start;
	return best->name;
}
