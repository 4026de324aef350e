/*
 * The text of /proc/PID/maps and smaps, line by line, as mappings. The same
 * lines come from a live process and from files that somebody sent.
 */
#ifndef MF_TARGET_MAPS_H
#define MF_TARGET_MAPS_H

#include <stdio.h>

#include "memforensics/target.h"

#include "base/pool.h"
#include "base/vec.h"

enum {
	/* a path of PATH_MAX bytes, each escaped as four, and the rest */
	MF_MAPS_LINE = 4 * 4096 + 512,
};

/** Mappings and the pool that holds their paths. */
struct mf_mappings {
	struct mf_mapping *items;
	size_t count, capacity;
	struct mf_pool pool;
};

void mf_mappings_clear(struct mf_mappings *mappings);

/** Appends one; its path becomes a copy in the pool. */
void mf_mappings_add(struct mf_mappings *mappings,
		     const struct mf_mapping *mapping);

/** The index of the first mapping that ends after ADDRESS. */
size_t mf_mappings_after(const struct mf_mappings *mappings, uint64_t address);

/** "start-end perms offset dev inode path"; false when LINE is none. */
bool mf_maps_parse_head(const char *line, struct mf_mapping *ret);

/**
 * "Rss:  8 kB", "VmFlags: rd wr": adds it to MAPPING; false when LINE is none
 * (unknown keys are lines, and change nothing).
 */
bool mf_maps_parse_detail(const char *line, struct mf_mapping *mapping);

/** Sets a field of usage by its smaps key, e.g. "Rss"; false: unknown key. */
bool mf_maps_set_usage(struct mf_mapping *mapping, const char *key,
		       size_t key_size, uint64_t bytes);

/** The MF_VM_* of a two-letter flag, or 0. */
unsigned mf_maps_vm_flag(const char *flag);

/** Takes " (deleted)" off the end of PATH; true when it was there. */
bool mf_maps_strip_deleted(char *path);

/**
 * Reads one line into LINE (MF_MAPS_LINE bytes) without its newline: 1, 0 at
 * the end, -1 when it is too long or holds NUL bytes.
 */
int mf_maps_read_line(FILE *stream, char *line);

/** Scanners: move *AT past a number; false when there is none or it is huge. */
bool mf_scan_hex(const char **at, uint64_t *ret);
bool mf_scan_decimal(const char **at, uint64_t *ret);
bool mf_scan_char(const char **at, char c);
void mf_scan_blanks(const char **at);

#endif
