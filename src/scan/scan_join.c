/*
 * What a scan reads when it has to see all pointers: what was selected, as it
 * was selected, and between that whatever else can hold some. Each byte once.
 */
#include "scan/state.h"

struct joining {
	struct mf_scan *scan;
	const struct mf_scan_input *input;
	size_t next; /* range of the input that has not been added */
	uint32_t other;
};

static void add(struct joining *joining, uint64_t start, uint64_t end,
		uint32_t group)
{
	if (start < end)
		mf_vec_push(&joining->scan->joined,
			    (struct mf_scan_range){ start, end, group });
}

/* Selected ranges that begin before END; what of [START, END) lies between them
 * is for keepers. */
static void add_up_to(struct joining *joining, uint64_t start, uint64_t end)
{
	const struct mf_scan_input *input = joining->input;

	for (; joining->next < input->range_count &&
	       input->ranges[joining->next].start < end;
	     joining->next++) {
		const struct mf_scan_range *range =
			&input->ranges[joining->next];

		add(joining, start, range->start, joining->other);
		mf_vec_push(&joining->scan->joined, *range);
		start = MF_MAX(start, range->end);
	}
	add(joining, start, end, joining->other);
}

void mf_scan_join(struct mf_scan *scan, const struct mf_scan_input *input)
{
	const struct mf_roots *roots = &scan->keepers->roots;
	struct joining joining = {
		.scan = scan,
		.input = input,
		.other = (uint32_t)input->group_count,
	};
	uint64_t past = 0;

	scan->joined.count = 0;
	for (size_t i = 0; i < roots->scanned.count; i++) {
		const struct mf_scan_range *range = &roots->scanned.items[i];

		if (joining.next)
			past = input->ranges[joining.next - 1].end;
		add_up_to(&joining, MF_MAX(range->start, past), range->end);
	}
	add_up_to(&joining, UINT64_MAX, UINT64_MAX);
}
