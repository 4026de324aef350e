/*
 * Shares mmapped chunks out among the copies of malloc that count them: a
 * selection of the right number whose bytes are the right sum.
 */
#include "heap/glibc_copies.h"

enum {
	STEPS_MAX = 1 << 22, /* in search of one selection */
};

static bool belongs(const struct mf_glibc *glibc, bool is_new)
{
	bool has_padding = glibc->layout->fastbins == MF_GLIBC_ABSENT;

	return has_padding == is_new &&
	       glibc->parameters.n_mmaps != UINT64_MAX &&
	       glibc->parameters.n_mmaps;
}

/*
 * mp_ of 2.43 and later counts 16 bytes too many for each time that mremap
 * resized a chunk, for ever. A whole page more is rather another chunk.
 */
enum slack {
	SLACK_NONE,
	SLACK_RESIZED,
	SLACK_PAGES,
	SLACKS,
};

static bool explains(const struct mf_glibc_copies *copies, enum slack slack,
		     uint64_t counted, uint64_t found)
{
	uint64_t more = counted - found;

	if (!more)
		return true;
	return slack != SLACK_NONE && copies->is_new && counted > found &&
	       more % MF_GRANULE == 0 &&
	       (slack == SLACK_PAGES || more % copies->first->page_size);
}

bool mf_glibc_copies_are_whole(const struct mf_glibc_copies *copies)
{
	return copies->count == copies->count_wanted &&
	       explains(copies, SLACK_RESIZED, copies->bytes_wanted,
			copies->bytes);
}

void mf_glibc_copies_add(struct mf_glibc_copies *copies, uint64_t base,
			 uint64_t size, uint64_t offset)
{
	copies->count++;
	copies->bytes += size;
	mf_vec_push(&copies->found,
		    (struct mf_glibc_mapped){ base, size, offset, 0 });
}

bool mf_glibc_copies_gather(struct mf_glibc_copies *ret, struct mf_glibc *first,
			    bool is_new)
{
	*ret = (struct mf_glibc_copies){ .is_new = is_new };
	for (struct mf_glibc *copy = first; copy; copy = copy->next_copy) {
		if (!belongs(copy, is_new))
			continue;
		ret->first = ret->first ? ret->first : copy;
		ret->count_wanted += copy->parameters.n_mmaps;
		ret->bytes_wanted += copy->parameters.mmapped_mem;
		mf_vec_foreach(one, &copy->mapped)
			mf_glibc_copies_add(ret, one->base, one->size,
					    one->offset);
	}
	return ret->first != NULL;
}

void mf_glibc_copies_deinit(struct mf_glibc_copies *copies)
{
	mf_vec_deinit(&copies->found);
}

/* ---- selections ---------------------------------------------------------- */

/* COUNT of those from AT on, of BYTES in all. */
struct selection {
	const struct mf_glibc_copies *copies;
	enum slack slack;
	const struct mf_glibc_mapped *items;
	size_t total, at;
	const uint64_t *rest; /* bytes from an item on */
	uint64_t count, bytes;
	MF_VEC(size_t) taken;
};

/* Another way: without the last that was taken. */
static bool step_back(struct selection *selection)
{
	size_t last;

	if (!selection->taken.count)
		return false;
	last = selection->taken.items[--selection->taken.count];
	selection->count++;
	selection->bytes += selection->items[last].size;
	selection->at = last + 1;
	return true;
}

static void take(struct selection *selection)
{
	selection->count--;
	selection->bytes -= selection->items[selection->at].size;
	mf_vec_push(&selection->taken, selection->at++);
}

static void take_rest(struct selection *selection)
{
	while (selection->count)
		take(selection);
}

/* Whether some of them make the sum; the first found is taken. */
static bool select_some(struct selection *selection)
{
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		size_t left = selection->total - selection->at;
		bool dead = left < selection->count;

		if (left == selection->count || !selection->count) {
			if (explains(selection->copies, selection->slack,
				     selection->bytes,
				     selection->count
					     ? selection->rest[selection->at]
					     : 0)) {
				take_rest(selection);
				return true;
			}
			dead = true;
		}
		if (dead) {
			if (!step_back(selection))
				return false;
		} else if (selection->items[selection->at].size <=
			   selection->bytes) {
			take(selection);
		} else {
			selection->at++;
		}
	}
	return false;
}

static uint64_t *sum_up(const struct mf_glibc_copies *copies)
{
	size_t count = copies->found.count;
	uint64_t *sums = mf_new_array(count + 1, uint64_t);

	sums[count] = 0;
	for (size_t i = count; i--;)
		sums[i] = sums[i + 1] + copies->found.items[i].size;
	return sums;
}

/* ---- sharing --------------------------------------------------------------- */

static void give(struct mf_glibc *copy, struct mf_glibc_mapped *mapped)
{
	struct mf_page_counts pages = { 0 };
	struct mf_error *error =
		mf_target_count_pages(copy->target, mapped->base,
				      mapped->base + mapped->size, &pages);

	mf_error_destroy(error);
	copy->mmapped.count++;
	copy->mmapped.bytes += mapped->size;
	copy->mmapped_mapped += mapped->size;
	mapped->resident = pages.present * copy->page_size;
	copy->mmapped_resident += mapped->resident;
	mf_vec_push(&copy->mapped, *mapped);
	mf_vec_push(&copy->mmapped_chunks,
		    (struct mf_glibc_chunk){
			    .address = mapped->base + mapped->offset,
			    .size = mapped->size - mapped->offset,
			    .kind = MF_KIND_MMAPPED,
		    });
	mf_space_claim(copy->context->space,
		       &(struct mf_claim){
			       .start = mapped->base,
			       .end = mf_glibc_claim_end(
				       copy, mapped->base + mapped->size),
			       .class = MF_CLASS_MMAP_CHUNK,
			       .certainty = MF_BY_STRUCTURE,
			       .label = "mmapped chunk",
			       .owner = copy->owner,
			       .proof = "malloc's header, counted by mp_",
		       });
}

static void remove_taken(struct mf_glibc_copies *copies,
			 const struct selection *selection)
{
	size_t kept = 0, next = 0;

	for (size_t i = 0; i < copies->found.count; i++) {
		if (next < selection->taken.count &&
		    selection->taken.items[next] == i)
			next++;
		else
			copies->found.items[kept++] = copies->found.items[i];
	}
	copies->found.count = kept;
}

/* First as mp_ counts them, then with what it may count too many. */
static bool select_own(struct mf_glibc_copies *copies, struct mf_glibc *copy,
		       struct selection *selection)
{
	mf_auto_free uint64_t *sums = sum_up(copies);

	for (enum slack slack = 0; slack < SLACKS; slack++) {
		*selection = (struct selection){
			.copies = copies,
			.slack = slack,
			.items = copies->found.items,
			.total = copies->found.count,
			.rest = sums,
			.count = copy->parameters.n_mmaps,
			.bytes = copy->parameters.mmapped_mem,
			.taken = selection->taken,
		};
		selection->taken.count = 0;
		if (select_some(selection))
			return true;
	}
	return false;
}

/* Its own, if they can be told; else as many as it counts. */
static void give_to(struct mf_glibc_copies *copies, struct mf_glibc *copy)
{
	struct selection selection = { .copies = copies };

	mf_glibc_forget_mmapped(copy);
	if (!select_own(copies, copy, &selection)) {
		selection.taken.count = 0;
		for (size_t i = 0;
		     i < copies->found.count && i < copy->parameters.n_mmaps;
		     i++)
			mf_vec_push(&selection.taken, i);
	}
	mf_vec_foreach(index, &selection.taken)
		give(copy, &copies->found.items[*index]);
	remove_taken(copies, &selection);
	mf_vec_deinit(&selection.taken);
}

/* The process's word stands where it is known why it differs. */
static void settle(struct mf_glibc_copies *copies, struct mf_glibc *copy,
		   bool last)
{
	const struct mf_glibc_parameters *counted = &copy->parameters;

	if (copy->mmapped.count == counted->n_mmaps &&
	    explains(copies, SLACK_PAGES, counted->mmapped_mem,
		     copy->mmapped_mapped)) {
		copy->mmapped.bytes = counted->mmapped_mem;
		copy->mmapped_moved = false;
		return;
	}
	copy->mmapped_moved = !mf_target_is_still(copy->target);
	if (!last || copy->mmapped_moved)
		return;
	mf_target_note_partial(copy->target, "glibc mmapped chunks",
			       "found %llu of %llu bytes, mp_ counts %llu of "
			       "%llu",
			       (unsigned long long)copy->mmapped.count,
			       (unsigned long long)copy->mmapped_mapped,
			       (unsigned long long)counted->n_mmaps,
			       (unsigned long long)counted->mmapped_mem);
}

/* What mp_ of 2.43 and later has counted too many stays when all are gone. */
static uint64_t counted_of_none(const struct mf_glibc *glibc)
{
	const struct mf_glibc_parameters *counted = &glibc->parameters;

	return glibc->layout->fastbins == MF_GLIBC_ABSENT &&
			       !counted->n_mmaps &&
			       counted->mmapped_mem % MF_GRANULE == 0
		       ? counted->mmapped_mem
		       : 0;
}

void mf_glibc_forget_mmapped(struct mf_glibc *glibc)
{
	glibc->mmapped = (struct mf_amount){ 0, counted_of_none(glibc) };
	glibc->mmapped_mapped = glibc->mmapped_resident = 0;
	glibc->mmapped_chunks.count = 0;
	glibc->mapped.count = 0;
}

void mf_glibc_copies_share(struct mf_glibc_copies *copies, bool last)
{
	bool several = copies->count_wanted > copies->first->parameters.n_mmaps;

	/* Whose they are may look otherwise when all are there. */
	if (!last && several && !mf_glibc_copies_are_whole(copies))
		return;
	for (struct mf_glibc *copy = copies->first; copy;
	     copy = copy->next_copy) {
		if (!belongs(copy, copies->is_new))
			continue;
		give_to(copies, copy);
		settle(copies, copy, last);
	}
}
