/*
 * What a remote call has to know of the program that it is made in: which of
 * its mappings are stacks, and where the code is that the call runs through.
 * Main plans for the program that it knows; by the time that a thread of it is
 * stopped, the process may run another, or the same one elsewhere. Then the
 * same is read from the maps of that thread, which stands still: the code is
 * where the file that has it is now.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "target/holder.h"
#include "target/maps.h"
#include "target/remote.h"

enum {
	LINES_SIZE = 1 << 16,
};

_Static_assert((int)LINES_SIZE > (int)MF_MAPS_LINE, "any line fits");

/* ---- what a mapping is ----------------------------------------------------- */

/* A guard lies below the stack of a thread. */
static bool is_guard(const struct mf_mapping *before,
		     const struct mf_mapping *mapping)
{
	return before && before->end == mapping->start && !before->inode &&
	       !(before->perms & (MF_PERM_READ | MF_PERM_WRITE | MF_PERM_EXEC));
}

void mf_plan_add_stack(struct mf_copy_plan *plan,
		       const struct mf_mapping *before,
		       const struct mf_mapping *mapping)
{
	const unsigned wanted = MF_PERM_READ | MF_PERM_WRITE;
	bool is_main = strcmp(mapping->path, "[stack]") == 0;

	if (plan->count == MF_HOLDER_STACKS || mapping->inode ||
	    (mapping->perms & wanted) != wanted ||
	    mapping->perms & MF_PERM_SHARED ||
	    (!is_main && !is_guard(before, mapping)))
		return;
	plan->stacks[plan->count++] = (struct mf_stack){
		.start = mapping->start,
		.end = mapping->end,
		.is_main = is_main,
	};
}

struct mf_code_place mf_plan_place(const struct mf_mapping *mapping,
				   uint64_t address)
{
	if (!mapping || mf_mapping_has_no_file(mapping))
		return (struct mf_code_place){ 0 };
	return (struct mf_code_place){
		.inode = mapping->inode,
		.offset = mapping->offset + (address - mapping->start),
		.dev_major = mapping->dev_major,
		.dev_minor = mapping->dev_minor,
	};
}

/* Sets *ADDRESS to where MAPPING has PLACE. */
static void find_place(const struct mf_code_place *place,
		       const struct mf_mapping *mapping, uint64_t *address)
{
	uint64_t size = mapping->end - mapping->start;

	if (!*address && place->inode && mapping->perms & MF_PERM_EXEC &&
	    mapping->inode == place->inode &&
	    mapping->dev_major == place->dev_major &&
	    mapping->dev_minor == place->dev_minor &&
	    place->offset >= mapping->offset &&
	    place->offset - mapping->offset < size)
		*address = mapping->start + (place->offset - mapping->offset);
}

/* ---- reading them anew ------------------------------------------------------ */

/* The rest of a file, line by line. */
struct lines {
	int fd;
	size_t at, size;
	char bytes[LINES_SIZE];
};

/* Without its newline; NULL at the end. */
static const char *next_line(struct lines *lines)
{
	for (;;) {
		char *line = lines->bytes + lines->at;
		size_t left = lines->size - lines->at;
		char *end = memchr(line, '\n', left);
		ssize_t got;

		if (end) {
			*end = '\0';
			lines->at = (size_t)(end + 1 - lines->bytes);
			return line;
		}
		memmove(lines->bytes, line, left);
		lines->at = 0;
		lines->size = left;
		got = read(lines->fd, lines->bytes + left, LINES_SIZE - left);
		if (got <= 0)
			return NULL;
		lines->size += (size_t)got;
	}
}

static void read_maps(struct lines *lines, const struct mf_copy_plan *from,
		      struct mf_copy_plan *ret)
{
	struct mf_mapping before = { 0 }, mapping;
	const char *line;

	while ((line = next_line(lines)) &&
	       mf_maps_parse_head(line, &mapping)) {
		find_place(&from->call, &mapping, &ret->code.call);
		find_place(&from->sigreturn, &mapping, &ret->code.sigreturn);
		mf_plan_add_stack(ret, &before, &mapping);
		before = mapping;
	}
}

/* One at a time: large, and nothing is allocated here. */
static struct mf_copy_plan anew;
static struct lines lines;

bool mf_tracer_plan_anew(struct mf_tracer *tracer, pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/maps", (int)tid);
	lines.at = lines.size = 0;
	lines.fd = openat(tracer->task, path, O_RDONLY | O_CLOEXEC);
	if (lines.fd < 0)
		return false;
	anew.code = (struct mf_remote_code){ 0, 0 };
	anew.count = 0;
	read_maps(&lines, &tracer->shared->plan, &anew);
	close(lines.fd);
	tracer->plan = &anew;
	return mf_remote_knows(tid, &anew.code);
}
