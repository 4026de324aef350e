/*
 * A hash map from 64-bit keys to 64-bit values (addresses to indices, say).
 * Open addressing, bounded only by memory; no deletion, since nothing needs it.
 */
#ifndef MF_BASE_MAP_H
#define MF_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mf_map_entry {
	uint64_t key, value;
	bool used;
};

struct mf_map {
	struct mf_map_entry *entries;
	size_t count, capacity; /* capacity: 0 or a power of two */
};

/** Sets the value of KEY; true when KEY is new. */
bool mf_map_set(struct mf_map *map, uint64_t key, uint64_t value);

/** The address of the value of KEY (valid until the next set), or NULL. */
uint64_t *mf_map_get(const struct mf_map *map, uint64_t key);

static inline bool mf_map_has(const struct mf_map *map, uint64_t key)
{
	return mf_map_get(map, key) != NULL;
}

void mf_map_deinit(struct mf_map *map);

/** A good 64-bit mix of VALUE. */
static inline uint64_t mf_hash64(uint64_t value)
{
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	value ^= value >> 32;
	return value;
}

/** The hash of TEXT; SEED tells apart what is hashed. */
static inline uint64_t mf_hash_text(const char *text, uint64_t seed)
{
	uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return mf_hash64(hash);
}

#define mf_map_foreach(entry, map)                                        \
	for (struct mf_map_entry *entry = (map)->entries;                 \
	     (map)->capacity && entry < (map)->entries + (map)->capacity; \
	     entry++)                                                     \
		if (entry->used)

#endif
