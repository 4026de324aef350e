/*
 * Keeps matches, the lowest of them, and joins the ends of pieces that windows
 * cut.
 */
#include "scan/matches.h"

/* ---- what is kept of matches ----------------------------------------------------- */

static int by_address(const void *left, const void *right)
{
	const struct mf_match *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->size < b->size ? -1 : a->size > b->size;
}

void mf_match_set_settle(struct mf_match_set *set)
{
	mf_vec_sort(&set->kept, by_address);
	set->kept.count = MF_MIN(set->kept.count, set->limit);
}

static void keep(struct mf_match_set *set, const struct mf_match *match)
{
	if (set->kept.count >= 2 * set->limit)
		mf_match_set_settle(set);
	mf_vec_push(&set->kept, *match);
}

void mf_match_set_add(struct mf_match_set *set, uint64_t address, uint64_t size)
{
	set->count++;
	keep(set, &(struct mf_match){ address, size });
}

void mf_match_set_merge(struct mf_match_set *set,
			const struct mf_match_set *from)
{
	set->count += from->count;
	set->gave_up += from->gave_up;
	for (size_t i = 0; i < from->kept.count; i++)
		keep(set, &from->kept.items[i]);
}

void mf_match_set_deinit(struct mf_match_set *set)
{
	mf_vec_deinit(&set->kept);
	free(set->own);
	set->own = NULL;
}

/* ---- seams -------------------------------------------------------------------------- */

static int by_cut(const void *left, const void *right)
{
	const struct mf_seam_side *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (int)b->left - (int)a->left;
}

/* Bytes behind the cut may go through further windows, cut or not. */
static void extend(struct mf_seam *seams, size_t count)
{
	for (size_t i = count; i-- > 1;)
		if (seams[i - 1].right == seams[i].address)
			seams[i - 1].right = seams[i].right;
}

size_t mf_seams_join(struct mf_seam_side *sides, size_t count,
		     struct mf_seam **ret)
{
	struct mf_seam *seams = mf_new_array(count ? count : 1, struct mf_seam);
	size_t made = 0;

	if (count > 1)
		qsort(sides, count, sizeof(*sides), by_cut);
	for (size_t i = 0; i < count; i++) {
		const struct mf_seam_side *side = &sides[i];
		struct mf_seam *seam;

		if (side->left || !made ||
		    seams[made - 1].address != side->address) {
			seam = &seams[made++];
			*seam = (struct mf_seam){
				.left = side->address,
				.address = side->address,
				.right = side->address,
			};
		} else {
			seam = &seams[made - 1];
		}
		if (side->left) {
			seam->left = side->far;
			seam->before = side->margin;
		} else {
			seam->right = side->far;
			seam->behind = side->margin;
		}
	}
	extend(seams, made);
	*ret = seams;
	return made;
}
