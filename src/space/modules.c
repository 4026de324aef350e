/*
 * What ELF files prove: the segments of the loaded objects by their program
 * headers, the holes that their loading leaves, and, of files that the image
 * room does not know, what a run of their mappings looks like.
 */
#include <string.h>

#include "space/model.h"

/*
 * A run: mappings of one file with only anonymous ones between. One of code is
 * a loaded object; other files are just mapped.
 */
static size_t mark_run(struct mf_space *space, size_t first)
{
	const struct mf_mapping *mappings = space->mappings;
	bool code = false;
	size_t end = first, i;

	for (i = first; i < space->mapping_count; i++) {
		if (mf_mapping_is_same_file(&mappings[i], &mappings[first])) {
			code |= mappings[i].perms & MF_PERM_EXEC;
			end = i + 1;
		} else if (*mappings[i].path) {
			break;
		}
	}
	for (i = first; code && i < end; i++)
		space->elf[i] = *mappings[i].path;
	return end;
}

void mf_space_mark_elf_runs(struct mf_space *space)
{
	size_t i = 0;

	space->elf = mf_new_array(space->mapping_count + 1, bool);
	while (i < space->mapping_count) {
		const struct mf_mapping *mapping = &space->mappings[i];

		if (*mapping->path && *mapping->path != '[' && mapping->inode)
			i = mark_run(space, i);
		else
			i++;
	}
}

static enum mf_class class_of_segment(enum mf_segment_kind kind)
{
	switch (kind) {
	case MF_SEGMENT_TEXT:
		return MF_CLASS_TEXT;
	case MF_SEGMENT_RODATA:
		return MF_CLASS_RODATA;
	case MF_SEGMENT_DATA:
		return MF_CLASS_DATA;
	case MF_SEGMENT_BSS:
		break;
	}
	return MF_CLASS_BSS;
}

static void claim_segments(struct mf_space *space,
			   const struct mf_module *module)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		/* A page that two segments share is the first one's. */
		mf_space_claim(space,
			       &(struct mf_claim){
				       .start = MF_MAX(segment->start, taken),
				       .end = segment->end,
				       .class = class_of_segment(segment->kind),
				       .certainty = MF_BY_CONTENT,
				       .label = module->name,
				       .owner = module->name,
				       .proof = "program header of its ELF "
						"file",
			       });
		taken = MF_MAX(taken, segment->end);
	}
}

/* Holes between the segments are kept from others by PROT_NONE mappings. */
static void claim_gaps(struct mf_space *space, const struct mf_module *module)
{
	size_t i = mf_space_mapping_after(space, module->start);

	for (; i < space->mapping_count; i++) {
		const struct mf_mapping *mapping = &space->mappings[i];
		const struct mf_claim_record *claim;

		if (mapping->start >= module->end)
			return;
		claim = mf_space_claim_at(space, mapping->start);
		if (!mf_mapping_is_reserve(mapping) ||
		    mapping->start < module->start ||
		    mapping->end > module->end ||
		    (claim && claim->claim.certainty > MF_BY_NAME))
			continue;
		mf_space_claim(space, &(struct mf_claim){
					      .start = mapping->start,
					      .end = mapping->end,
					      .class = MF_CLASS_ELF_GAP,
					      .certainty = MF_BY_CONTENT,
					      .label = module->name,
					      .owner = module->name,
					      .proof = "between the segments "
						       "of its ELF file",
				      });
	}
}

void mf_space_claim_modules(struct mf_space *space)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(space->image, &count);

	for (size_t i = 0; i < count; i++) {
		if (modules[i].path[0] == '[')
			continue;
		claim_segments(space, &modules[i]);
		claim_gaps(space, &modules[i]);
	}
}
