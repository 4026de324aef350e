/*
 * What the dynamic loader mapped for itself: before there is a malloc, ld.so
 * takes pages of its own, and the link_map of each object that was loaded at
 * the start is in them. Its list hangs on the exported _r_debug (elf/link.h,
 * struct r_debug, struct link_map; for debuggers, so it does not change).
 */
#include <string.h>

#include "base/units.h"
#include "space/model.h"

enum {
	MAP_OFFSET = 8,	  /* r_map in struct r_debug */
	NEXT_OFFSET = 24, /* l_next in struct link_map */
	OBJECTS_LIMIT = 1 << 14,
	MAPPING_LIMIT = MF_MIB, /* larger ones are an allocator's */
};

void mf_loader_find(struct mf_image *image, uint64_t *ret)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t address, size;

		if (strncmp(modules[i].name, "ld-", 3) != 0 &&
		    strncmp(modules[i].name, "ld.", 3) != 0 &&
		    strncmp(modules[i].name, "ld64.", 5) != 0)
			continue;
		if (mf_image_find_symbol(image, &modules[i], "_r_debug",
					 MF_SYMBOLS_EXPORTED, &address,
					 &size)) {
			*ret = address;
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
 * may have merged others' with the loader's: any surer claim takes its place.
 */
static void claim_around(struct mf_space *space, uint64_t link_map)
{
	const struct mf_mapping *mapping = mf_space_mapping_at(space, link_map);
	const struct mf_claim_record *stands =
		mf_space_claim_at(space, link_map);

	if (!mapping || *mapping->path || !mf_mapping_is_anonymous(mapping) ||
	    mapping->end - mapping->start > MAPPING_LIMIT ||
	    (stands && stands->claim.certainty > MF_BY_SHAPE))
		return;
	claim_weakly(space, link_map, link_map + NEXT_OFFSET + 8, MF_BY_CONTENT,
		     "a link_map of ld.so's list is in it");
	claim_weakly(space, mapping->start, mapping->end, MF_BY_SHAPE,
		     "around a link_map of ld.so's list");
}

void mf_space_claim_loader(struct mf_space *space)
{
	uint64_t node = space->loader;

	if (!node ||
	    !mf_target_read_u64(space->target, node + MAP_OFFSET, &node))
		return;
	for (int i = 0; node && i < OBJECTS_LIMIT; i++) {
		claim_around(space, node);
		if (!mf_target_read_u64(space->target, node + NEXT_OFFSET,
					&node))
			return;
	}
}
