/*
 * What the tests of the space room share: forged mappings in one line each,
 * and a space drawn as text.
 */
#ifndef MF_TESTS_SPACE_UTIL_H
#define MF_TESTS_SPACE_UTIL_H

#include "memforensics/space.h"

#include "base/buffer.h"
#include "base/error.h"
#include "unit.h"

enum {
	PAGE = 4096,
	RW = MF_PERM_READ | MF_PERM_WRITE,
	RX = MF_PERM_READ | MF_PERM_EXEC,
	RO = MF_PERM_READ,
	NONE = 0,
};

/* The test fails with the error's own words. */
static inline void must(struct mf_error *error)
{
	if (error)
		fail_msg("%s: %s", error->what, error->why ? error->why : "");
}

static inline void add_mapping(struct mf_target *target, uint64_t start,
			       uint64_t pages, unsigned perms, const char *path)
{
	mf_target_forge_mapping(target,
				&(struct mf_mapping){
					.start = start,
					.end = start + pages * PAGE,
					.perms = perms,
					.inode = *path == '/' ? 7 : 0,
					.path = path,
				},
				NULL, NULL);
}

static inline struct mf_space *make_space(struct mf_target *target)
{
	struct mf_space *space = NULL;

	must(mf_space_create(target, NULL, &space));
	return space;
}

static inline void claim(struct mf_space *space, uint64_t start, uint64_t end,
			 enum mf_class class, enum mf_certainty certainty)
{
	mf_space_claim(space, &(struct mf_claim){
				      .start = start,
				      .end = end,
				      .class = class,
				      .certainty = certainty,
				      .label = mf_class_name(class),
				      .owner = mf_class_name(class),
				      .proof = "a test says so",
			      });
}

static inline void draw_region(struct mf_buffer *text,
			       const struct mf_region *region)
{
	mf_buffer_printf(
		text, "%llx-%llx %s", (unsigned long long)region->start,
		(unsigned long long)region->end, mf_class_name(region->class));
	if (*region->label)
		mf_buffer_printf(text, " %s", region->label);
	mf_buffer_putc(text, '\n');
}

/* One line a region: start-end class label. */
static inline void assert_drawn(const struct mf_space *space,
				const char *expected)
{
	MF_AUTO_BUFFER(text);
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	for (size_t i = 0; i < count; i++)
		draw_region(&text, &regions[i]);
	assert_string_equal(mf_buffer_text(&text), expected);
}

#endif
