/*
 * The hash map of 64-bit numbers.
 */
#include "base/map.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
	FIRST_CAPACITY = 64,
};

static struct mf_map_entry *slot_of(const struct mf_map *map, uint64_t key)
{
	size_t mask = map->capacity - 1;
	size_t at = mf_hash64(key) & mask;

	while (map->entries[at].used && map->entries[at].key != key)
		at = (at + 1) & mask;
	return &map->entries[at];
}

static void grow(struct mf_map *map)
{
	struct mf_map old = *map;

	map->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
	map->entries = mf_new_array(map->capacity, struct mf_map_entry);
	mf_map_foreach(entry, &old)
		*slot_of(map, entry->key) = *entry;
	free(old.entries);
}

bool mf_map_set(struct mf_map *map, uint64_t key, uint64_t value)
{
	struct mf_map_entry *slot;
	bool fresh;

	if ((map->count + 1) * 4 > map->capacity * 3)
		grow(map);
	slot = slot_of(map, key);
	fresh = !slot->used;
	*slot = (struct mf_map_entry){ key, value, true };
	map->count += fresh;
	return fresh;
}

uint64_t *mf_map_get(const struct mf_map *map, uint64_t key)
{
	struct mf_map_entry *slot;

	if (!map->capacity)
		return NULL;
	slot = slot_of(map, key);
	return slot->used ? &slot->value : NULL;
}

void mf_map_deinit(struct mf_map *map)
{
	free(map->entries);
	*map = (struct mf_map){ 0 };
}
