/*
 * What the dynamic loader mapped for itself: before there is a malloc, ld.so
 * takes pages of its own. The link_map of each object that was loaded at the
 * start is there, as are tables that its data points at. The list of objects
 * hangs on the exported _r_debug (elf/link.h, struct r_debug, struct link_map;
 * made for debuggers, so it does not change).
 */
#include <string.h>

#include "base/units.h"
#include "space/model.h"

enum {
	MAP_OFFSET = 8,	      /* r_map in struct r_debug */
	NEXT_OFFSET = 24,     /* l_next in struct link_map */
	LINK_MAP_SIZE = 1024, /* of it that is looked at; all have more */
	OBJECTS_LIMIT = 1 << 14,
	DATA_LIMIT = 256 * MF_KIB,
	REGION_LIMIT = 256 * MF_KIB, /* larger ones are an allocator's */
	WORDS = 512,
};

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void mf_loader_find(struct mf_image *image, struct mf_loader *ret)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++) {
		const char *name = modules[i].name;
		uint64_t size;

		if ((has_prefix(name, "ld-") || has_prefix(name, "ld.") ||
		     has_prefix(name, "ld64.")) &&
		    mf_image_find_symbol(image, &modules[i], "_r_debug",
					 MF_SYMBOLS_EXPORTED, &ret->debug,
					 &size)) {
			ret->module = &modules[i];
			return;
		}
	}
}

static void claim_weakly(struct mf_space *space, uint64_t start, uint64_t end,
			 enum mf_certainty certainty, const char *proof)
{
	mf_space_claim_as(space,
			  &(struct mf_claim){
				  .start = start,
				  .end = end,
				  .class = MF_CLASS_DATA,
				  .certainty = certainty,
				  .label = "loader's own memory",
				  .owner = "ld.so",
				  .proof = proof,
			  },
			  MF_CLAIM_WEAK);
}

/*
 * What dlopen loads later has its link_map in malloc's memory, and the kernel
 * merges what others map with the loader's: any surer claim takes its place.
 * The unclaimed memory around ADDRESS, when it can be the loader's own.
 */
static bool is_unclaimed(const struct mf_space *space, uint64_t address,
			 struct mf_region *ret)
{
	const struct mf_region *region = mf_space_region_at(space, address);

	if (!region || region->certainty || *region->mapping->path ||
	    !mf_mapping_is_anonymous(region->mapping) ||
	    !(region->mapping->perms & MF_PERM_WRITE) ||
	    region->end - region->start > REGION_LIMIT)
		return false;
	*ret = *region;
	return true;
}

/* Reads SIZE bytes of the loader's, and claims what they point at. */
static void claim_pointed(struct mf_space *space, uint64_t address,
			  uint64_t size)
{
	uint64_t words[WORDS];
	struct mf_region region;

	while (size >= sizeof(uint64_t)) {
		uint64_t part = MF_MIN(size, (uint64_t)sizeof(words));

		if (!mf_target_try_read(space->target, address, words, part))
			memset(words, 0, sizeof(words));
		for (size_t i = 0; i < part / sizeof(uint64_t); i++)
			if (is_unclaimed(space, words[i], &region))
				claim_weakly(space, region.start, region.end,
					     MF_BY_SHAPE,
					     "the loader's data points at it");
		address += part;
		size -= part;
	}
}

static void claim_link_map(struct mf_space *space, uint64_t address)
{
	static const char proof[] = "a link_map of ld.so's list is in it";
	struct mf_region region;
	const struct mf_claim_record *stands;

	if (is_unclaimed(space, address, &region))
		claim_weakly(space, region.start, region.end, MF_BY_SHAPE,
			     proof);
	stands = mf_space_claim_at(space, address);
	if (!stands || stands->claim.class != MF_CLASS_DATA ||
	    strcmp(stands->claim.owner, "ld.so") != 0)
		return;
	claim_weakly(space, address, address + LINK_MAP_SIZE, MF_BY_CONTENT,
		     proof);
	claim_pointed(space, address, LINK_MAP_SIZE);
}

static void claim_link_maps(struct mf_space *space)
{
	uint64_t node = space->loader.debug + MAP_OFFSET;

	if (!mf_target_read_u64(space->target, node, &node))
		return;
	for (int i = 0; node && i < OBJECTS_LIMIT; i++) {
		claim_link_map(space, node);
		if (!mf_target_read_u64(space->target, node + NEXT_OFFSET,
					&node))
			return;
	}
}

static void claim_tables(struct mf_space *space)
{
	const struct mf_module *module = space->loader.module;

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];
		uint64_t size = segment->end - segment->start;

		if (segment->kind == MF_SEGMENT_DATA ||
		    segment->kind == MF_SEGMENT_BSS)
			claim_pointed(space, segment->start,
				      MF_MIN(size, (uint64_t)DATA_LIMIT));
	}
}

void mf_space_claim_loader(struct mf_space *space)
{
	if (!space->loader.module)
		return;
	claim_link_maps(space);
	claim_tables(space);
}
