/*
 * Where the members of a thread descriptor are, when no symbol says it: the
 * process's own descriptors tell. The list's node is linked both ways and
 * followed by the tid; the words that delimit the stack around the descriptor
 * are stackblock and its size.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "space/pthread.h"

enum {
	FIRST_MEMBER = 64,     /* the header comes before */
	LIST_TO_TID = 16,      /* tid follows the list node */
	SAMPLES = 16,	       /* descriptors that are compared */
	TOP_LIMIT = 64 * 1024, /* descriptor to the end of its stack */
	LEAST_PAGES = 4,       /* of a stack; PTHREAD_STACK_MIN */
};

struct sample {
	struct mf_pthread pthread;
	size_t size; /* bytes that could be read */
	uint8_t bytes[MF_PTHREAD_BYTES];
};

struct samples {
	size_t count;
	struct sample items[SAMPLES];
};

static uint64_t word_of(const struct sample *sample, size_t offset)
{
	return mf_load(uint64_t, sample->bytes + offset);
}

/* Of the first descriptors that are some; others may be taken for one. */
static struct samples *take_samples(struct mf_target *target,
				    const struct mf_pthread_list *list,
				    uint64_t size)
{
	struct samples *samples = mf_new(struct samples);

	for (size_t i = 0; i < list->count && samples->count < SAMPLES; i++) {
		struct sample *sample = &samples->items[samples->count];

		sample->pthread = list->items[i];
		sample->size = mf_pthread_read(target, list->items[i].address,
					       size, sample->bytes);
		if (sample->size > FIRST_MEMBER &&
		    mf_pthread_is_one(sample->bytes, list->items[i].address))
			samples->count++;
	}
	return samples;
}

/* ---- list and tid ----------------------------------------------------------- */

/* The node at ADDRESS is linked both ways. */
static bool is_linked(struct mf_target *target, uint64_t address)
{
	uint64_t node[2], back, forth;

	return mf_target_try_read(target, address, node, sizeof(node)) &&
	       node[0] % 8 == 0 && node[1] % 8 == 0 &&
	       mf_target_read_u64(target, node[0] + 8, &back) &&
	       mf_target_read_u64(target, node[1], &forth) && back == address &&
	       forth == address;
}

/* The tid that the struct of this thread must hold; 0: any. */
static int expected_tid(const struct mf_pthread *pthread, const pid_t pids[2])
{
	if (pthread->tid == pids[0])
		return pids[1];
	return pids[0] == pids[1] ? pthread->tid : 0;
}

static bool list_fits(struct mf_target *target, const struct samples *samples,
		      size_t offset, const pid_t pids[2])
{
	size_t proofs = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];
		int expected = expected_tid(&sample->pthread, pids);
		int tid;

		if (offset + LIST_TO_TID + sizeof(tid) > sample->size)
			return false;
		tid = mf_load(int, sample->bytes + offset + LIST_TO_TID);
		if (expected && tid != expected)
			return false;
		if (!word_of(sample, offset) ||
		    !is_linked(target, sample->pthread.address + offset))
			return false;
		proofs += expected != 0;
	}
	return proofs > 0;
}

static void infer_list(struct mf_target *target, const struct samples *samples,
		       const pid_t pids[2], struct mf_pthread_layout *layout)
{
	for (size_t at = FIRST_MEMBER; at < MF_PTHREAD_BYTES; at += 8) {
		if (!list_fits(target, samples, at, pids))
			continue;
		layout->list = (int64_t)at;
		layout->tid = (int64_t)at + LIST_TO_TID;
		return;
	}
}

/* ---- block -------------------------------------------------------------------- */

bool mf_pthread_block_fits(uint64_t page, const struct mf_pthread *pthread)
{
	uint64_t into = pthread->address - pthread->block;

	return pthread->block && pthread->block % page == 0 &&
	       pthread->block_size % page == 0 &&
	       pthread->block_size >= LEAST_PAGES * page &&
	       pthread->block < pthread->address &&
	       into < pthread->block_size &&
	       pthread->block_size - into <= TOP_LIMIT &&
	       pthread->guard % page == 0 &&
	       pthread->guard < pthread->block_size;
}

static bool is_main(const struct sample *sample, int64_t tid,
		    const pid_t pids[2])
{
	struct mf_pthread pthread = sample->pthread;

	if (tid >= 0 && (uint64_t)tid + sizeof(int) <= sample->size)
		pthread.own_tid = mf_load(int, sample->bytes + tid);
	return mf_pthread_is_main(&pthread, pids);
}

static bool block_fits_all(uint64_t page, const struct samples *samples,
			   size_t offset, int64_t tid, const pid_t pids[2])
{
	size_t proofs = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];
		struct mf_pthread pthread = sample->pthread;

		if (offset + 24 > sample->size)
			return false;
		if (is_main(sample, tid, pids))
			continue; /* its stack is the kernel's */
		pthread.block = word_of(sample, offset);
		pthread.block_size = word_of(sample, offset + 8);
		pthread.guard = word_of(sample, offset + 16);
		if (!mf_pthread_block_fits(page, &pthread))
			return false;
		proofs++;
	}
	return proofs > 0;
}

static void infer_block(uint64_t page, const struct samples *samples,
			const pid_t pids[2], struct mf_pthread_layout *layout)
{
	for (size_t at = FIRST_MEMBER; at < MF_PTHREAD_BYTES; at += 8) {
		if (!block_fits_all(page, samples, at, layout->tid, pids))
			continue;
		layout->block = (int64_t)at;
		layout->block_size = (int64_t)at + 8;
		layout->guard = (int64_t)at + 16;
		return;
	}
}

void mf_pthread_infer(struct mf_target *target,
		      const struct mf_pthread_list *list, const pid_t pids[2],
		      struct mf_pthread_layout *layout)
{
	uint64_t page = mf_target_info(target)->page_size;
	struct samples *samples;

	if (layout->list >= 0 && layout->block >= 0 && layout->block_size >= 0)
		return;
	samples = take_samples(target, list, layout->size);
	if (layout->list < 0)
		infer_list(target, samples, pids, layout);
	if (layout->block < 0 || layout->block_size < 0)
		infer_block(page, samples, pids, layout);
	free(samples);
}

bool mf_pthread_find_block(struct mf_target *target, struct mf_pthread *pthread)
{
	uint64_t page = mf_target_info(target)->page_size;
	uint8_t bytes[MF_PTHREAD_BYTES];
	size_t size = mf_pthread_read(target, pthread->address, 0, bytes);

	pthread->guard = 0;
	for (size_t at = 8; at + 16 <= size; at += 8) {
		pthread->block = mf_load(uint64_t, bytes + at);
		pthread->block_size = mf_load(uint64_t, bytes + at + 8);
		if (mf_pthread_block_fits(page, pthread))
			return true;
	}
	return false;
}
