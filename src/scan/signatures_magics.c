/*
 * The table of signatures, put in order by first bytes: rows that begin alike
 * follow each other.
 */
#include "scan/signatures_magics.h"

#include <pthread.h>
#include <string.h>

static bool is_small_letter(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z';
}

/* Where its first pair is that not all texts are full of. */
static size_t lead_of(const struct mf_signature *signature)
{
	const uint8_t *magic = (const uint8_t *)signature->magic;

	for (size_t at = 0; at + 2 <= signature->size; at++)
		if (!is_small_letter(magic[at]) ||
		    !is_small_letter(magic[at + 1]))
			return at;
	return 0;
}

static void add_row(struct mf_magics *rows, uint16_t row)
{
	const struct mf_signature *signature = &rows->rows[row];
	const uint8_t *magic = (const uint8_t *)signature->magic;
	struct mf_magic_head *head = &rows->heads[row];
	size_t size = MF_MIN((size_t)signature->size, sizeof(head->bytes));
	uint16_t *chain;

	memcpy(&head->bytes, magic, size);
	memset(&head->mask, 0xff, size);
	if (signature->where == MF_SIGN_BEGINS) {
		/* the last one is tried first */
		rows->next[row] = rows->beginning;
		rows->beginning = row;
		return;
	}
	if (signature->where == MF_SIGN_ALIGNED) {
		chain = &rows->aligned[magic[0]];
		mf_pairs_add_eighth(&rows->pairs, magic[0]);
	} else {
		head->lead = lead_of(signature);
		magic += head->lead;
		chain = &rows->first[magic[0] | magic[1] << 8];
		mf_pairs_add(&rows->pairs, magic[0], magic[1]);
		rows->longest = MF_MAX(rows->longest,
				       (size_t)signature->at + signature->size);
	}
	while (*chain != MF_MAGICS_NO_ROW)
		chain = &rows->next[*chain];
	*chain = row;
}

static void rows_init(struct mf_magics *rows)
{
	mf_pairs_mark kernels[MF_PAIRS_KERNELS];

	rows->rows = mf_signatures(&rows->count);
	mf_pairs_kernels(kernels);
	rows->mark = kernels[0];
	rows->heads = mf_new_array(rows->count, struct mf_magic_head);
	rows->next = mf_new_array(rows->count, uint16_t);
	memset(rows->first, 0xff, sizeof(rows->first));
	memset(rows->aligned, 0xff, sizeof(rows->aligned));
	memset(rows->next, 0xff, rows->count * sizeof(*rows->next));
	rows->beginning = MF_MAGICS_NO_ROW;
	mf_pairs_init(&rows->pairs);
	for (size_t i = 0; i < rows->count; i++)
		add_row(rows, (uint16_t)i);
	mf_pairs_settle(&rows->pairs);
}

/* Made once: they are the same for all scanners. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mf_magics all_rows;

static void make_rows(void)
{
	rows_init(&all_rows);
}

const struct mf_magics *mf_magics(void)
{
	pthread_once(&once, make_rows);
	return &all_rows;
}
