/*
 * What a JIT compiler says of its code in /tmp/perf-PID.map: where each
 * function is, and its name.
 */
#ifndef MF_STACK_PERF_MAP_H
#define MF_STACK_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/target.h"

struct mf_perf_map;

/**
 * Reads the map of TARGET's process, by its pid as it sees it itself, below its
 * own root. NULL: there is none, or another user's (but root's) has its place.
 */
struct mf_perf_map *mf_perf_map_open(const struct mf_target *target);

/** The same of TEXT, SIZE bytes. */
struct mf_perf_map *mf_perf_map_parse(const char *text, size_t size);
/** Takes NULL. */
void mf_perf_map_close(struct mf_perf_map *map);

/** The name of the code at ADDRESS, the map's, or NULL; *START: where it
 * begins. Of entries that overlap the last one written counts. */
const char *mf_perf_map_at(const struct mf_perf_map *map, uint64_t address,
			   uint64_t *start);

#endif
