/*
 * A saved listing of mappings as a target: /proc/PID/maps, smaps, or pmap's
 * output. A file can hold several listings, one after the other: a total
 * line, a header, or an address that goes back ends one. What is in such a
 * file is somebody else's: lines and counts are bounded, and every line that
 * is not understood is an error with its number.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "target/live.h"
#include "target/pmap.h"

enum {
	MAPPINGS_MAX = 1 << 20,
	LISTINGS_MAX = 1 << 16,
};

struct listing {
	struct mf_target *target;
	const char *path;
	unsigned wanted, index; /* of the listing at hand */
	unsigned long line;
	struct mf_pmap pmap;
	struct mf_mapping current;
	bool any;     /* current is a mapping */
	bool started; /* the listing at hand has a mapping */
	bool paused;  /* its total was seen: what follows is no mapping */
	uint64_t start, end; /* of the last mapping */
};

static bool is_wanted(const struct listing *listing)
{
	return listing->index == listing->wanted;
}

static void finish_mapping(struct listing *listing)
{
	if (listing->any && is_wanted(listing))
		mf_mappings_add(&listing->target->mappings, &listing->current);
	listing->any = false;
}

static void finish_listing(struct listing *listing)
{
	finish_mapping(listing);
	if (!listing->started)
		return;
	listing->started = false;
	listing->start = listing->end = 0;
	listing->index++;
}

static struct mf_error *bad_line(const struct listing *listing, const char *why)
{
	struct mf_error *error = mf_error_create(
		MF_ERROR_FAILED, "cannot read %s", listing->path);

	mf_error_why(error, "line %lu: %s", listing->line, why);
	return mf_error_hint(
		error, "memforensics reads /proc/PID/maps, /proc/PID/smaps, "
		       "pmap -x and pmap -X");
}

/* "3760:   bash /dev/fd/3": whose listing follows. */
static bool take_command(struct listing *listing, const char *line)
{
	const char *at = line;
	struct mf_target *target = listing->target;
	const char **list;
	uint64_t pid;

	if (!mf_scan_decimal(&at, &pid) || !mf_scan_char(&at, ':') ||
	    (*at != ' ' && *at) || pid > INT32_MAX)
		return false;
	finish_listing(listing);
	listing->pmap.count = 0;
	listing->paused = false;
	if (!is_wanted(listing))
		return true;
	mf_scan_blanks(&at);
	target->info.pid = (pid_t)pid;
	list = mf_pool_alloc(&target->pool, 2 * sizeof(*list));
	list[0] = mf_pool_strdup(&target->pool, at);
	target->info.cmdline = list;
	return true;
}

static struct mf_error *take_mapping(struct listing *listing,
				     const struct mf_mapping *mapping)
{
	struct mf_target *target = listing->target;
	char *path;

	finish_mapping(listing);
	if (listing->started && mapping->start < listing->start)
		finish_listing(listing);
	if (listing->started && mapping->start < listing->end)
		return bad_line(listing, "overlaps the mapping before it");
	if (mapping->start % 4096 || mapping->end % 4096)
		return bad_line(listing, "is no range of whole pages");
	if (target->mappings.count == MAPPINGS_MAX)
		return bad_line(listing, "is one mapping too many");
	if (listing->index == LISTINGS_MAX)
		return bad_line(listing, "is one listing too many");
	listing->started = listing->any = true;
	listing->start = mapping->start;
	listing->end = mapping->end;
	listing->current = *mapping;
	if (!is_wanted(listing))
		return NULL;
	path = mf_strdup(mapping->path);
	listing->current.deleted = mf_maps_strip_deleted(path);
	listing->current.path =
		*path ? mf_pool_strdup(&target->mappings.pool, path) : "";
	free(path);
	return NULL;
}

/* Blank lines, and the "....." of somebody who left lines out. */
static bool is_nothing(struct listing *listing, const char *line)
{
	mf_scan_blanks(&line);
	if (!*line)
		return true;
	if (strspn(line, ".") < 3 || line[strspn(line, ". \t")])
		return false;
	if (is_wanted(listing))
		mf_target_note_partial(listing->target, "mappings",
				       "line %lu leaves some out ('%.8s')",
				       listing->line, line);
	return true;
}

static struct mf_error *take_line(struct listing *listing, const char *line)
{
	struct mf_mapping mapping;

	if (is_nothing(listing, line))
		return NULL;
	if (mf_pmap_is_end(line)) {
		finish_listing(listing);
		listing->paused = true;
		return NULL;
	}
	if (mf_pmap_parse_header(&listing->pmap, line)) {
		finish_listing(listing);
		listing->paused = false;
		return NULL;
	}
	if (mf_maps_parse_head(line, &mapping) ||
	    mf_pmap_parse_row(&listing->pmap, line, &mapping)) {
		listing->paused = false;
		return take_mapping(listing, &mapping);
	}
	if (listing->any && mf_maps_parse_detail(line, &listing->current))
		return NULL;
	if (take_command(listing, line) || listing->paused)
		return NULL;
	return bad_line(listing, "is no mapping");
}

static struct mf_error *read_lines(struct listing *listing, FILE *stream)
{
	mf_auto_free char *line = mf_calloc(MF_MAPS_LINE, 1);
	int got;

	while ((got = mf_maps_read_line(stream, line)) > 0) {
		listing->line++;
		MF_TRY(take_line(listing, line));
	}
	listing->line++;
	if (got < 0)
		return bad_line(listing, "is too long, or no text");
	if (ferror(stream))
		return mf_error_from_errno(errno, "cannot read %s",
					   listing->path);
	finish_listing(listing);
	if (listing->wanted < listing->index)
		return NULL;
	if (!listing->index)
		return bad_line(listing, "no mapping up to here");
	return mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot read %s",
					    listing->path),
			    "it holds %u listing%s: there is none numbered %u",
			    listing->index, listing->index == 1 ? "" : "s",
			    listing->wanted);
}

/* ---- the target --------------------------------------------------------------- */

static const struct mf_target_ops listing_ops = {
	.open_file = mf_files_open_symfs,
};

static void fill_info(struct mf_target *target)
{
	struct mf_target_info *info = &target->info;

	info->kind = MF_TARGET_LISTING;
	info->abilities = MF_CAN_MAPPINGS;
	memset(&info->limits, 0xff, sizeof(info->limits));
	info->limits.cpu_quota = 0;
	info->limits.cpus = 0;
	for (size_t i = 0; i < target->mappings.count; i++) {
		const struct mf_mapping *mapping = &target->mappings.items[i];

		if (mapping->usage_known)
			info->abilities |= MF_CAN_USAGE;
		info->status.vm_size += mapping->end - mapping->start;
		info->status.vm_rss += mapping->usage.rss;
		info->status.vm_swap += mapping->usage.swap;
		/* only x86-64 has this page, and at this address */
		if (mapping->start == UINT64_C(0xffffffffff600000))
			info->arch = "x86_64";
	}
	target->impact.why = "a saved listing";
}

static struct mf_error *open_plain(const char *path, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return mf_error_from_errno(errno, "cannot open %s", path);
	if (fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
		close(fd);
		return mf_error_why(mf_error_create(MF_ERROR_FAILED,
						    "cannot read %s", path),
				    "it is a folder");
	}
	*ret = fdopen(fd, "r");
	return *ret ? NULL : mf_error_from_errno(errno, "cannot open %s", path);
}

struct mf_error *mf_target_open_listing(const char *path, unsigned index,
					struct mf_target **ret)
{
	struct listing listing = { .path = path, .wanted = index };
	struct mf_error *error;
	FILE *stream = NULL;

	MF_TRY(open_plain(path, &stream));
	listing.target = mf_target_create(&listing_ops, NULL);
	error = read_lines(&listing, stream);
	fclose(stream);
	if (error) {
		mf_target_close(listing.target);
		return error;
	}
	fill_info(listing.target);
	*ret = listing.target;
	return NULL;
}
