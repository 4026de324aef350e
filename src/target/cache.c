/*
 * Reads of any address and size, through a direct-mapped cache of single
 * pages: lists and structures touch the same pages again and again. Long reads
 * go past it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "target/target.h"

enum {
	SLOTS = 1024,
	LONG_PAGES = 8, /* as many pages at once are read past the cache */
};

struct slot {
	uint64_t page; /* address, when used */
	bool used;
	uint8_t flags;
};

struct mf_page_cache {
	struct slot slots[SLOTS];
	uint32_t page_size;
	uint8_t bytes[]; /* SLOTS pages */
};

void mf_page_cache_destroy(struct mf_page_cache *cache)
{
	free(cache);
}

void mf_target_forget(struct mf_target *target)
{
	if (target->cache)
		memset(target->cache->slots, 0, sizeof(target->cache->slots));
}

static struct mf_page_cache *open_cache(struct mf_target *target)
{
	struct mf_page_cache *cache = target->cache;
	uint32_t page_size = target->info.page_size;

	if (cache && cache->page_size == page_size)
		return cache;
	free(cache);
	cache = mf_calloc(1, sizeof(*cache) + (size_t)SLOTS * page_size);
	cache->page_size = page_size;
	target->cache = cache;
	return cache;
}

static struct mf_error *unknown_bytes(uint64_t address, uint8_t flags)
{
	return mf_error_why(mf_error_create(MF_ERROR_FAILED,
					    "cannot read 0x%llx",
					    (unsigned long long)address),
			    flags & MF_PAGE_SWAPPED
				    ? "its page is in swap"
				    : "no memory that can be read is there");
}

/* SIZE bytes WITHIN the page, or an error when they are not known. */
static struct mf_error *copy_from_page(struct mf_target *target, uint64_t page,
				       size_t within, void *to, size_t size)
{
	struct mf_page_cache *cache = open_cache(target);
	/* Arenas start at multiples of 64 MiB: those must not share a slot. */
	size_t index = mf_hash64(page / cache->page_size) % SLOTS;
	struct slot *slot = &cache->slots[index];
	uint8_t *bytes = cache->bytes + index * cache->page_size;

	if (!slot->used || slot->page != page) {
		slot->used = false;
		MF_TRY(mf_target_read_pages(target, page, 1, bytes,
					    &slot->flags));
		slot->page = page;
		slot->used = true;
	}
	if (slot->flags & MF_PAGE_UNREADABLE ||
	    (slot->flags & MF_PAGE_SWAPPED && !target->options.read_swapped))
		return unknown_bytes(page, slot->flags);
	memcpy(to, bytes + within, size);
	return NULL;
}

static struct mf_error *read_cached(struct mf_target *target, uint64_t address,
				    uint8_t *bytes, size_t size)
{
	uint64_t page_size = target->info.page_size;

	while (size) {
		uint64_t within = address % page_size;
		size_t part = MF_MIN(size, page_size - within);

		MF_TRY(copy_from_page(target, address - within, within, bytes,
				      part));
		address += part;
		bytes += part;
		size -= part;
	}
	return NULL;
}

static struct mf_error *read_long(struct mf_target *target, uint64_t address,
				  void *bytes, size_t size)
{
	uint64_t page_size = target->info.page_size;
	uint64_t start = address - address % page_size;
	size_t count = (address + size - start + page_size - 1) / page_size;
	mf_auto_free uint8_t *pages = mf_calloc(count, page_size);
	mf_auto_free uint8_t *flags = mf_calloc(count, 1);

	MF_TRY(mf_target_read_pages(target, start, count, pages, flags));
	for (size_t i = 0; i < count; i++)
		if (flags[i] & MF_PAGE_UNREADABLE ||
		    (flags[i] & MF_PAGE_SWAPPED &&
		     !target->options.read_swapped))
			return unknown_bytes(start + i * page_size, flags[i]);
	memcpy(bytes, pages + (address - start), size);
	return NULL;
}

struct mf_error *mf_target_read(struct mf_target *target, uint64_t address,
				void *bytes, size_t size)
{
	uint64_t end;

	if (__builtin_add_overflow(address, size, &end) ||
	    end > UINT64_MAX - target->info.page_size)
		return unknown_bytes(address, 0);
	if (size >= (size_t)LONG_PAGES * target->info.page_size)
		return read_long(target, address, bytes, size);
	return read_cached(target, address, bytes, size);
}

bool mf_target_try_read(struct mf_target *target, uint64_t address, void *bytes,
			size_t size)
{
	mf_auto_error struct mf_error *error =
		mf_target_read(target, address, bytes, size);

	return !error;
}

bool mf_target_read_u64(struct mf_target *target, uint64_t address,
			uint64_t *ret)
{
	return mf_target_try_read(target, address, ret, sizeof(*ret));
}

bool mf_target_read_u32(struct mf_target *target, uint64_t address,
			uint32_t *ret)
{
	return mf_target_try_read(target, address, ret, sizeof(*ret));
}
