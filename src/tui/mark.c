/*
 * Figures of a moment as a report: those that a comparison asks for. They are
 * kept as text, which is the smallest form of them, and parsed when compared.
 */
#include "tui/mark.h"

#include <stdio.h>
#include <stdlib.h>

#include "memforensics/analysis.h"

#include "base/memory.h"

/* Of a region, what two moments are compared by: there may be many of them, and
 * the rest of what is known takes ten times the room. */
static void write_regions(const struct mf_space *space,
			  struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "start", NULL, MF_VALUE_ADDRESS, 0 },
		{ "end", NULL, MF_VALUE_ADDRESS, 0 },
		{ "class", NULL, MF_VALUE_TEXT, 0 },
		{ "label", NULL, MF_VALUE_TEXT, 0 },
		{ "rss", NULL, MF_VALUE_SIZE, 0 },
	};
	static const struct mf_table table = {
		.key = "regions",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = MF_SHOW_DATA_ONLY,
	};
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++) {
		const struct mf_region *region = &regions[i];
		const char *label =
			*region->label ? region->label : region->mapping->path;

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_address(region->start),
				      mf_address(region->end),
				      mf_text(mf_class_name(region->class)),
				      mf_text(label),
				      region->usage_known
					      ? mf_size(region->usage.rss)
					      : mf_none(),
			      });
	}
	mf_report_table_end(report);
}

struct mf_error *mf_mark_take(const struct mf_models *models,
			      struct mf_mark *ret)
{
	struct mf_mark mark = {
		.taken_s = models->facts.taken_s,
		.whole = models->whole,
	};
	FILE *stream = open_memstream(&mark.text, &mark.size);
	struct mf_report *report;
	struct mf_error *error;

	if (!stream)
		return mf_error_create(MF_ERROR_FAILED,
				       "cannot keep the figures");
	report = mf_report_create(stream, &(struct mf_report_options){
						  .format = MF_FORMAT_JSON });
	mf_report_begin(report, "attach");
	write_regions(models->space, report);
	mf_space_write_totals(models->space, report, true);
	if (models->heap)
		mf_heap_write_data(models->heap, report);
	error = mf_report_end(report);
	mf_report_destroy(report);
	if (fclose(stream) != 0 && !error)
		error = mf_error_create(MF_ERROR_FAILED,
					"cannot keep the figures");
	if (error) {
		mf_mark_deinit(&mark);
		return error;
	}
	*ret = mark;
	return NULL;
}

void mf_mark_deinit(struct mf_mark *mark)
{
	free(mark->text);
	*mark = (struct mf_mark){ .text = NULL };
}

struct mf_error *mf_mark_compare(const char *const texts[2],
				 const size_t sizes[2],
				 struct mf_report *report, char **ret)
{
	static const char *const names[] = { "the mark", "this moment" };
	struct mf_document *sides[2] = { NULL };
	struct mf_diff *diff = NULL;
	struct mf_error *error = NULL;

	for (size_t i = 0; i < MF_ARRAY_SIZE(sides) && !error; i++)
		error = mf_document_parse(texts[i], sizes[i], names[i],
					  &sides[i]);
	if (!error)
		error = mf_diff_create(sides[0], sides[1], &diff);
	if (!error) {
		mf_diff_write(diff, report);
		*ret = mf_strdup(mf_diff_verdict(diff));
	}
	mf_diff_destroy(diff);
	mf_document_destroy(sides[0]);
	mf_document_destroy(sides[1]);
	return error;
}
