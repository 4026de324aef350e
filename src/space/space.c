/*
 * The space: takes claims, lets the surer one stand, and shows the result as
 * regions.
 */
#include "memforensics/space.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/search.h"
#include "space/model.h"

enum {
	TEXT_LIMIT = 512,    /* of a label, owner or proof */
	CONFLICT_NOTES = 16, /* more than that are counted only */
};

/* ---- texts ------------------------------------------------------------ */

static uint64_t hash_text(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) *
		       UINT64_C(0x100000001b3);
	return hash;
}

/* Equal texts are one text, so that claims compare and weigh little. */
static const char *intern(struct mf_space *space, const char *text)
{
	size_t length;
	uint64_t hash, *known;
	const char *copy;

	if (!text || !*text)
		return "";
	length = strnlen(text, TEXT_LIMIT);
	hash = hash_text(text, length);
	known = mf_map_get(&space->text_of_hash, hash);
	if (known) {
		copy = space->texts.items[*known];
		if (strncmp(copy, text, length) == 0 && !copy[length])
			return copy;
	}
	copy = mf_pool_strndup(&space->pool, text, length);
	if (!known) {
		mf_map_set(&space->text_of_hash, hash, space->texts.count);
		mf_vec_push(&space->texts, copy);
	}
	return copy;
}

const char *mf_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* ---- mappings ----------------------------------------------------------- */

static void copy_mappings(struct mf_space *space)
{
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(space->target, &count);

	space->mappings = mf_new_array(count ? count : 1, struct mf_mapping);
	space->mapping_count = count;
	for (size_t i = 0; i < count; i++) {
		struct mf_span span = {
			.start = mappings[i].start,
			.end = mappings[i].end,
			.mapping = (uint32_t)i,
		};

		space->mappings[i] = mappings[i];
		space->mappings[i].path =
			mf_pool_strdup(&space->pool, mappings[i].path);
		if (span.start < span.end)
			mf_spans_append(&space->spans, &span);
	}
}

size_t mf_space_mapping_after(const struct mf_space *space, uint64_t address)
{
	return mf_range_after(space->mappings, space->mapping_count, address);
}

const struct mf_mapping *mf_space_mapping_at(const struct mf_space *space,
					     uint64_t address)
{
	return mf_range_at(space->mappings, space->mapping_count, address);
}

bool mf_mapping_is_anonymous(const struct mf_mapping *mapping)
{
	if (mapping->perms & MF_PERM_SHARED)
		return false;
	return !*mapping->path || strncmp(mapping->path, "[anon:", 6) == 0;
}

bool mf_mapping_is_same_file(const struct mf_mapping *a,
			     const struct mf_mapping *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && strcmp(a->path, b->path) == 0;
}

/* ---- claims ------------------------------------------------------------- */

/* An owner may claim a whole and its parts: what it claims first stands. */
static bool agree(const struct mf_claim *a, const struct mf_claim *b)
{
	return strcmp(a->owner, b->owner) == 0 &&
	       (*a->owner || a->class == b->class);
}

static void note_conflict(struct mf_space *space, uint64_t address,
			  const struct mf_claim *stands,
			  const struct mf_claim *refused)
{
	if (space->conflicts++ >= CONFLICT_NOTES)
		return;
	mf_target_note_partial(
		space->target, "classification",
		"%#llx is claimed as %s \"%s\" (%s) and as %s \"%s\" (%s)",
		(unsigned long long)address, mf_class_name(stands->class),
		stands->label, stands->proof, mf_class_name(refused->class),
		refused->label, refused->proof);
}

/* Cuts out of the span at *PLACE what lies in START..END. */
static struct mf_span *cut(struct mf_spans *spans, struct mf_span_place *place,
			   uint64_t start, uint64_t end)
{
	if (mf_spans_at(spans, *place)->start < start) {
		mf_spans_split(spans, place, start);
		*place = mf_spans_next(spans, *place);
	}
	if (mf_spans_at(spans, *place)->end > end)
		mf_spans_split(spans, place, end);
	return mf_spans_at(spans, *place);
}

static void apply(struct mf_space *space, uint64_t start, uint64_t end,
		  uint32_t id)
{
	const struct mf_claim_record *record = &space->claims.items[id];
	struct mf_span_place place = mf_spans_find(&space->spans, start);
	bool noted = false;

	for (;;) {
		struct mf_span *span = mf_spans_at(&space->spans, place);
		const struct mf_claim_record *old;

		if (!span || span->start >= end)
			return;
		old = &space->claims.items[span->claim];
		if (record->rank > old->rank) {
			cut(&space->spans, &place, start, end)->claim = id;
		} else if (record->rank == old->rank && !noted &&
			   !agree(&record->claim, &old->claim)) {
			noted = true;
			note_conflict(space, MF_MAX(span->start, start),
				      &old->claim, &record->claim);
		}
		place = mf_spans_next(&space->spans, place);
	}
}

static bool is_absurd(const struct mf_claim *claim)
{
	return claim->start >= claim->end ||
	       (unsigned)claim->class >= MF_CLASS_COUNT ||
	       claim->certainty < MF_BY_SHAPE ||
	       claim->certainty > MF_BY_STRUCTURE;
}

void mf_space_claim_as(struct mf_space *space, const struct mf_claim *claim,
		       enum mf_claim_manner manner)
{
	struct mf_claim_record record = { .claim = *claim };
	uint64_t mask = space->page - 1;

	if (space->settled || is_absurd(claim)) {
		mf_debug("space", "refused claim %#llx-%#llx %s",
			 (unsigned long long)claim->start,
			 (unsigned long long)claim->end,
			 claim->label ? claim->label : "");
		return;
	}
	record.claim.start &= ~mask;
	if (record.claim.end & mask)
		record.claim.end = record.claim.end > UINT64_MAX - mask
					   ? UINT64_MAX
					   : (record.claim.end | mask) + 1;
	record.claim.label = intern(space, claim->label);
	record.claim.owner = intern(space, claim->owner);
	record.claim.proof = intern(space, claim->proof);
	record.rank =
		2 * (unsigned)claim->certainty + (manner != MF_CLAIM_WEAK);
	record.cached = manner == MF_CLAIM_CACHED;
	if (space->claims.count >= UINT32_MAX)
		return;
	mf_vec_push(&space->claims, record);
	apply(space, record.claim.start, record.claim.end,
	      (uint32_t)(space->claims.count - 1));
}

void mf_space_claim(struct mf_space *space, const struct mf_claim *claim)
{
	mf_space_claim_as(space, claim, MF_CLAIM_PLAIN);
}

const struct mf_claim_record *mf_space_claim_at(const struct mf_space *space,
						uint64_t address)
{
	const struct mf_span *span = mf_spans_at(
		&space->spans, mf_spans_find(&space->spans, address));

	if (!span || span->start > address || !span->claim)
		return NULL;
	return &space->claims.items[span->claim];
}

/* ---- building -------------------------------------------------------------- */

struct mf_error *mf_space_prepare(struct mf_target *target,
				  struct mf_image *image, struct mf_space **ret)
{
	struct mf_space *space = mf_new(struct mf_space);
	const struct mf_claim nobody = {
		.class = MF_CLASS_ANON, .label = "", .owner = "", .proof = ""
	};

	space->target = target;
	space->image = image;
	space->page = mf_target_info(target)->page_size;
	if (!space->page || space->page & (space->page - 1))
		space->page = 4096;
	space->view = mf_new(struct mf_space_view);
	mf_vec_push(&space->claims,
		    (struct mf_claim_record){ .claim = nobody });
	mf_pthread_hints_load(target, image, &space->pthread);
	if (image)
		mf_loader_find(image, &space->loader);
	*ret = space;
	return NULL;
}

struct mf_error *mf_space_read(struct mf_space *space)
{
	bool readable = mf_target_can(space->target, MF_CAN_READ);

	copy_mappings(space);
	mf_space_mark_elf_runs(space);
	mf_space_claim_names(space);
	if (space->image)
		mf_space_claim_modules(space);
	if (readable) {
		mf_space_claim_stacks(space);
		mf_space_claim_loader(space);
	}
	if (!space->image || !readable)
		mf_space_claim_shapes(space);
	return NULL;
}

struct mf_error *mf_space_create(struct mf_target *target,
				 struct mf_image *image, struct mf_space **ret)
{
	struct mf_space *space;
	struct mf_error *error;

	MF_TRY(mf_space_prepare(target, image, &space));
	error = mf_space_read(space);
	if (error) {
		mf_space_destroy(space);
		return error;
	}
	*ret = space;
	return NULL;
}

void mf_space_destroy(struct mf_space *space)
{
	if (!space)
		return;
	mf_vec_deinit(&space->view->regions);
	free(space->view);
	mf_vec_deinit(&space->totals);
	mf_vec_deinit(&space->claims);
	mf_spans_deinit(&space->spans);
	free(space->elf);
	free(space->mappings);
	mf_vec_deinit(&space->texts);
	mf_map_deinit(&space->text_of_hash);
	mf_pool_deinit(&space->pool);
	free(space);
}

/* ---- regions ------------------------------------------------------------- */

static struct mf_region region_of(const struct mf_space *space,
				  const struct mf_span *span)
{
	const struct mf_claim *claim = &space->claims.items[span->claim].claim;

	return (struct mf_region){
		.start = span->start,
		.end = span->end,
		.mapping = &space->mappings[span->mapping],
		.class = claim->class,
		.certainty = claim->certainty,
		.label = claim->label,
		.owner = claim->owner,
		.proof = claim->proof,
	};
}

/* Two stacks of threads that are gone read alike and still are two. */
static bool is_one(const struct mf_region *a, const struct mf_region *b,
		   bool same_claim)
{
	if (a->end != b->start || a->mapping != b->mapping)
		return false;
	if (same_claim)
		return true;
	return a->class == b->class && a->class != MF_CLASS_THREAD_STACK &&
	       !a->certainty == !b->certainty &&
	       strcmp(a->label, b->label) == 0 &&
	       strcmp(a->owner, b->owner) == 0;
}

static void make_regions(const struct mf_space *space)
{
	struct mf_space_view *view = space->view;
	struct mf_span_place place = { 0 };
	const struct mf_span *span;
	uint32_t last_claim = 0;

	view->regions.count = 0;
	mf_vec_reserve(&view->regions, space->spans.count);
	for (; (span = mf_spans_at(&space->spans, place));
	     place = mf_spans_next(&space->spans, place)) {
		struct mf_region region = region_of(space, span);
		struct mf_region *last =
			view->regions.count
				? &view->regions.items[view->regions.count - 1]
				: NULL;

		if (last && is_one(last, &region, last_claim == span->claim)) {
			last->end = region.end;
			last->certainty =
				MF_MIN(last->certainty, region.certainty);
		} else {
			mf_vec_push(&view->regions, region);
		}
		last_claim = span->claim;
	}
	view->claims = space->claims.count;
	view->made = true;
}

const struct mf_region *mf_space_regions(const struct mf_space *space,
					 size_t *count)
{
	struct mf_space_view *view = space->view;

	if (!view->made || view->claims != space->claims.count)
		make_regions(space);
	*count = view->regions.count;
	return view->regions.items;
}

static const struct mf_region *settled_region_at(const struct mf_space *space,
						 uint64_t address)
{
	return mf_range_at(space->view->regions.items,
			   space->view->regions.count, address);
}

const struct mf_region *mf_space_region_at(const struct mf_space *space,
					   uint64_t address)
{
	const struct mf_span *span;

	if (space->settled)
		return settled_region_at(space, address);
	span = mf_spans_at(&space->spans,
			   mf_spans_find(&space->spans, address));
	if (!span || span->start > address)
		return NULL;
	space->view->single = region_of(space, span);
	return &space->view->single;
}
