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

static struct mf_error *read_all(const struct mf_view *view, void *context)
{
	struct mf_scan_pass *pass = context;
	struct mf_selection *selection = &pass->selection;

	mf_selection_deinit(selection);
	*selection = (struct mf_selection){ 0 };
	MF_TRY(mf_select_resolve(pass->select, view, selection));
	MF_TRY(mf_scan_pointed_resolve(&pass->pointing, view));
	return mf_scan_read(
		pass->scan,
		&(struct mf_scan_input){
			.target = view->target,
			.image = view->image,
			.space = view->space,
			.heap = view->heap,
			.ranges = selection->ranges,
			.range_count = selection->range_count,
			.groups = selection->groups,
			.group_count = selection->group_count,
			.pointed = pass->pointing.ranges.items,
			.pointed_count = pass->pointing.ranges.count,
		});
}

struct mf_error *mf_scan_pass_run(struct mf_scan_pass *pass,
				  struct mf_session *session)
{
	MF_TRY(mf_scan_pointed_parse(&pass->pointing, &pass->options));
	return mf_session_run_pass(session, &(struct mf_session_pass){
						    .prepare = prepare,
						    .read = read_all,
						    .context = pass,
					    });
}

void mf_scan_pass_deinit(struct mf_scan_pass *pass)
{
	mf_scan_destroy(pass->scan);
	mf_selection_deinit(&pass->selection);
	mf_scan_pointed_deinit(&pass->pointing);
}
