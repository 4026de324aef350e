/*
 * Samples: of ranges that are too much to be read in a short time, pieces that
 * are spread evenly over each group, so that what they hold is likely what the
 * whole holds.
 */
#include <stdlib.h>

#include "memforensics/scan.h"

#include "base/vec.h"

enum {
	UNIT = 1 << 16,	   /* bytes of one piece */
	GROUPS_MAX = 1024, /* that are sampled: the largest ones */
};

/* Of one group: how much of it is to be read, and how far that is. */
struct share {
	uint64_t bytes; /* of all its ranges */
	uint64_t units; /* wanted; UINT64_MAX: all of it */
	uint64_t taken; /* units */
	uint64_t seen;	/* bytes of the ranges before */
};

/* Half of what may be read goes to groups by their size, half to all alike. */
static void allot(struct share *share, uint64_t all, size_t count,
		  uint64_t most)
{
	double part = (double)share->bytes / (double)all * (double)most / 2;
	uint64_t bytes = (uint64_t)part + most / 2 / count;

	share->units =
		bytes >= share->bytes ? UINT64_MAX : (bytes + UNIT - 1) / UNIT;
}

struct sized {
	uint64_t bytes;
	size_t group;
};

static int by_size(const void *a, const void *b)
{
	const struct sized *left = a, *right = b;

	return (left->bytes < right->bytes) - (left->bytes > right->bytes);
}

/* Small ones do without, where there are too many. */
static void allot_all(struct share *shares, size_t count, uint64_t all,
		      uint64_t most)
{
	size_t sampled = MF_MIN(count, (size_t)GROUPS_MAX);
	struct sized *order = mf_new_array(count, struct sized);

	for (size_t i = 0; i < count; i++)
		order[i] = (struct sized){ shares[i].bytes, i };
	qsort(order, count, sizeof(*order), by_size);
	for (size_t i = 0; i < sampled; i++)
		allot(&shares[order[i].group], all, sampled, most);
	free(order);
}

struct sample {
	struct mf_scan_sample *ret;
	size_t capacity;
	uint64_t page;
};

static void add(struct sample *sample, uint64_t start, uint64_t end,
		uint32_t group)
{
	struct mf_scan_sample *ret = sample->ret;
	struct mf_scan_range *last =
		ret->count ? &ret->ranges[ret->count - 1] : NULL;

	if (last && last->group == group && last->end >= start) {
		last->end = MF_MAX(last->end, end);
		return;
	}
	ret->ranges = mf_vec_grown(ret->ranges, &sample->capacity,
				   ret->count + 1, sizeof(*ret->ranges));
	ret->ranges[ret->count++] = (struct mf_scan_range){ start, end, group };
}

/* The units whose places in the group fall into RANGE. */
static void add_units(struct sample *sample, struct share *share,
		      const struct mf_scan_range *range)
{
	uint64_t size = range->end - range->start;
	uint64_t step = share->bytes / share->units;

	while (share->taken < share->units) {
		uint64_t at = share->taken * step + step / 2, start;

		if (at >= share->seen + size)
			break;
		share->taken++;
		start = range->start + (at - share->seen);
		start = MF_MAX(start & ~(sample->page - 1), range->start);
		add(sample, start, MF_MIN(range->end, start + UNIT),
		    range->group);
	}
	share->seen += size;
}

static void add_range(struct sample *sample, struct share *share,
		      const struct mf_scan_range *range)
{
	if (share->units == UINT64_MAX)
		add(sample, range->start, range->end, range->group);
	else if (share->units)
		add_units(sample, share, range);
}

void mf_scan_sample_take(const struct mf_scan_input *input, uint64_t most,
			 struct mf_scan_sample *ret)
{
	struct share *shares = mf_new_array(input->group_count, struct share);
	struct sample sample = {
		.ret = ret,
		.page = mf_target_info(input->target)->page_size,
	};

	*ret = (struct mf_scan_sample){ 0 };
	for (size_t i = 0; i < input->range_count; i++) {
		const struct mf_scan_range *range = &input->ranges[i];

		shares[range->group].bytes += range->end - range->start;
		ret->of += range->end - range->start;
	}
	allot_all(shares, input->group_count, ret->of, most);
	for (size_t i = 0; i < input->range_count; i++)
		add_range(&sample, &shares[input->ranges[i].group],
			  &input->ranges[i]);
	for (size_t i = 0; i < ret->count; i++)
		ret->bytes += ret->ranges[i].end - ret->ranges[i].start;
	free(shares);
}

void mf_scan_sample_deinit(struct mf_scan_sample *sample)
{
	free(sample->ranges);
	*sample = (struct mf_scan_sample){ 0 };
}
