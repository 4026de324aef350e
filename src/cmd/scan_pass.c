/*
 * Runs a scan over what was selected, while the target stands still.
 */
#include "cmd/scan_pass.h"

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct mf_scan_pass *pass = context;

	mf_scan_destroy(pass->scan);
	pass->scan = NULL;
	return mf_scan_create(target, image, &pass->options, &pass->scan);
}

/* Anonymous memory that can be written to: what programs allocate. */
static uint64_t allocated_bytes(struct mf_target *target)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);
	uint64_t bytes = 0;

	if (!mf_target_can(target, MF_CAN_USAGE))
		return mf_target_info(target)->status.rss_anon;
	for (size_t i = 0; i < count; i++)
		if (mappings[i].usage_known &&
		    mappings[i].perms & MF_PERM_WRITE)
			bytes += mappings[i].usage.anon;
	return bytes;
}

/* Each scanner takes about as long as it takes to read the bytes. */
static uint64_t foresee(struct mf_target *target, void *context)
{
	const struct mf_scan_pass *pass = context;
	unsigned wanted = (unsigned)__builtin_popcount(pass->options.wanted);
	uint64_t bytes = pass->usual ? allocated_bytes(target)
				     : mf_target_info(target)->status.vm_rss;

	if (pass->sample_most)
		bytes = MF_MIN(bytes, pass->sample_most);
	bytes *= 1 + wanted;
	if (pass->options.retained)
		bytes += 2 * mf_target_info(target)->status.rss_anon;
	return bytes;
}

static struct mf_error *scan_sample(struct mf_scan_pass *pass,
				    const struct mf_scan_input *whole)
{
	struct mf_scan_input input = *whole;

	mf_scan_sample_deinit(&pass->sample);
	mf_scan_sample_take(&input, pass->sample_most, &pass->sample);
	input.ranges = pass->sample.ranges;
	input.range_count = pass->sample.count;
	return mf_scan_read(pass->scan, &input);
}

static struct mf_error *read_all(const struct mf_view *view, void *context)
{
	struct mf_scan_pass *pass = context;
	struct mf_selection *selection = &pass->selection;
	struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
	};

	mf_selection_deinit(selection);
	*selection = (struct mf_selection){ 0 };
	MF_TRY(mf_select_resolve(pass->select, view, selection));
	MF_TRY(mf_scan_pointed_resolve(&pass->pointing, view));
	input.ranges = selection->ranges;
	input.range_count = selection->range_count;
	input.groups = selection->groups;
	input.group_count = selection->group_count;
	input.pointed = pass->pointing.ranges.items;
	input.pointed_count = pass->pointing.ranges.count;
	return pass->sample_most ? scan_sample(pass, &input)
				 : mf_scan_read(pass->scan, &input);
}

struct mf_error *mf_scan_pass_run(struct mf_scan_pass *pass,
				  struct mf_session *session)
{
	MF_TRY(mf_scan_pointed_parse(&pass->pointing, &pass->options));
	return mf_session_run_pass(session,
				   &(struct mf_session_pass){
					   .prepare = prepare,
					   .foresee = foresee,
					   .read = read_all,
					   .context = pass,
					   .casual = pass->sample_most != 0,
				   });
}

void mf_scan_pass_deinit(struct mf_scan_pass *pass)
{
	mf_scan_destroy(pass->scan);
	mf_selection_deinit(&pass->selection);
	mf_scan_pointed_deinit(&pass->pointing);
	mf_scan_sample_deinit(&pass->sample);
}
