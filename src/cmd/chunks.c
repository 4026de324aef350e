/*
 * `chunks`: the chunks of heaps, of regions or of addresses, by state, size and
 * type: how many there are of each size, what those sizes are known for, and
 * the list of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "base/vec.h"
#include "cmd/chunk_types.h"
#include "cmd/command.h"

enum {
	SHOWN_CHUNKS = 40, /* of text */
};

#define BIT(kind) (1U << (kind))

/* ---- options --------------------------------------------------------------- */

static const char *const state_words[] = {
	"in-use",  "free",     "tcache", "fastbin", "top",
	"mmapped", "overhead", "unread", NULL,
};

static struct mf_error *set_state(struct mf_settings *settings,
				  const char *value)
{
	static const unsigned kinds[] = {
		BIT(MF_KIND_IN_USE),
		BIT(MF_KIND_FREE) | BIT(MF_KIND_UNSORTED),
		BIT(MF_KIND_TCACHE),
		BIT(MF_KIND_FASTBIN),
		BIT(MF_KIND_TOP),
		BIT(MF_KIND_MMAPPED),
		BIT(MF_KIND_OVERHEAD),
		BIT(MF_KIND_UNREAD),
	};
	char word[16];

	while (*value) {
		size_t length = strcspn(value, ",");
		unsigned index = 0;

		snprintf(word, sizeof(word), "%.*s", (int)length, value);
		MF_TRY(mf_option_word("state", word, state_words, &index));
		settings->chunks.kinds |= kinds[index];
		value += length + (value[length] == ',');
	}
	return NULL;
}

static struct mf_error *read_size(const char *option, const char *value,
				  uint64_t *ret)
{
	if (mf_parse_size(value, ret))
		return NULL;
	return mf_error_hint(mf_error_why(mf_error_create(MF_ERROR_USAGE,
							  "--%s cannot be '%s'",
							  option, value),
					  "it takes bytes, or K, M, G"),
			     "--%s 64K", option);
}

static struct mf_error *set_min_size(struct mf_settings *settings,
				     const char *value)
{
	return read_size("min-size", value, &settings->chunks.min_size);
}

static struct mf_error *set_max_size(struct mf_settings *settings,
				     const char *value)
{
	MF_TRY(read_size("max-size", value, &settings->chunks.max_size));
	/* 0 is what was not asked for; no chunk is smaller than this either */
	if (!settings->chunks.max_size)
		settings->chunks.max_size = 1;
	return NULL;
}

static struct mf_error *set_type(struct mf_settings *settings,
				 const char *value)
{
	settings->chunks.type = value;
	return NULL;
}

static const char *const sort_words[] = { "address", "size", NULL };

static struct mf_error *set_sort(struct mf_settings *settings,
				 const char *value)
{
	unsigned word = 0;

	MF_TRY(mf_option_word("sort", value, sort_words, &word));
	settings->chunks.by_size = word == 1;
	return NULL;
}

static struct mf_error *set_histogram(struct mf_settings *settings,
				      const char *value)
{
	(void)value;
	settings->chunks.histogram = true;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "state",
	  .argument = "in-use|free|tcache|fastbin|top|mmapped",
	  .summary = "only chunks of these states (several: with commas, or "
		     "several times)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = state_words,
	  .set = set_state },
	{ .name = "min-size",
	  .argument = "SIZE",
	  .summary = "only chunks of SIZE bytes and more, headers included",
	  .set = set_min_size },
	{ .name = "max-size",
	  .argument = "SIZE",
	  .summary = "only chunks of SIZE bytes and less",
	  .set = set_max_size },
	{ .name = "type",
	  .argument = "NAME",
	  .summary = "only C++ objects of this type; * and ? stand for "
		     "any letters",
	  .set = set_type },
	{ .name = "sort",
	  .argument = "address|size",
	  .summary = "the list in this order (address)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = sort_words,
	  .set = set_sort },
	{ .name = "histogram",
	  .summary = "every exact size and size class, and no list",
	  .set = set_histogram },
};

/* ---- what is chosen ---------------------------------------------------------- */

struct choosing {
	const struct mf_run *run;
	MF_VEC(struct mf_chunk_range) ranges;
	struct mf_chunk_types types;
	struct mf_chunk_choice choice;
};

static void choosing_deinit(struct choosing *choosing)
{
	mf_vec_deinit(&choosing->ranges);
	mf_chunk_types_deinit(&choosing->types);
}

static struct mf_error *prepare_choice(struct mf_target *target,
				       struct mf_image *image, void *context)
{
	struct choosing *choosing = context;

	if (!choosing->run->settings->chunks.type)
		return NULL;
	return mf_chunk_types_prepare(&choosing->types, target, image);
}

static struct mf_error *choose_ranges(struct choosing *choosing,
				      const struct mf_view *view)
{
	struct mf_selection selection;

	choosing->ranges.count = 0;
	MF_TRY(mf_select_resolve(choosing->run->select, view, &selection));
	for (size_t i = 0; i < selection.range_count; i++)
		mf_vec_push(&choosing->ranges,
			    (struct mf_chunk_range){
				    selection.ranges[i].start,
				    selection.ranges[i].end,
			    });
	mf_selection_deinit(&selection);
	choosing->choice.ranges = choosing->ranges.items;
	choosing->choice.range_count = choosing->ranges.count;
	return NULL;
}

static struct mf_error *read_choice(const struct mf_view *view, void *context)
{
	struct choosing *choosing = context;
	const char *type = choosing->run->settings->chunks.type;
	struct mf_chunk_choice *choice = &choosing->choice;

	choice->accepts = NULL;
	if (choosing->run->select)
		MF_TRY(choose_ranges(choosing, view));
	if (type) {
		mf_chunk_types_read(&choosing->types, view, choice, type);
		choice->accepts = mf_chunk_types_has;
		choice->data = &choosing->types;
	}
	return NULL;
}

/* Only what is chosen by region or type has to be looked up while the target
 * stands still. */
static struct mf_error *build(struct mf_run *run, struct choosing *choosing)
{
	const struct mf_session_pass pass = {
		.prepare = prepare_choice,
		.read = read_choice,
		.context = choosing,
	};

	if (!run->select && !run->settings->chunks.type)
		return NULL;
	return mf_session_run_pass(run->session, &pass);
}

static struct mf_error *check(const struct mf_settings *settings)
{
	const struct mf_chunks_settings *chunks = &settings->chunks;

	if (!chunks->max_size || chunks->min_size <= chunks->max_size)
		return NULL;
	return mf_error_why(mf_error_create(MF_ERROR_USAGE,
					    "no chunk can be of such a size"),
			    "--min-size is larger than --max-size");
}

/* ---- the run ----------------------------------------------------------------- */

static struct mf_error *refuse(const struct mf_run *run)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_UNSUPPORTED,
					     "cannot list the chunks of %s",
					     run->settings->target),
			     "it has no allocator whose heaps can be walked"),
		"memforensics arenas %s", run->settings->target);
}

static bool is_walked(const struct mf_heap *heap)
{
	mf_heap_foreach_allocator(allocator, heap)
		if (allocator->supported)
			return true;
	return false;
}

static void write_rest(struct mf_run *run, const struct mf_heap *heap)
{
	mf_heap_foreach_allocator(allocator, heap)
		if (!allocator->supported && allocator->resident)
			mf_report_line(run->report,
				       "Chunks of %s are not told apart.",
				       allocator->name);
}

static uint64_t count_all(const struct mf_chunk_census *census)
{
	uint64_t count = 0;

	for (unsigned kind = 0; kind < MF_KINDS; kind++)
		count += census->kinds[kind].count;
	return count;
}

static void write_chunks(struct mf_run *run, const struct mf_heap *heap,
			 struct choosing *choosing)
{
	const struct mf_chunk_choice *choice = &choosing->choice;
	const struct mf_chunks_settings *settings = &run->settings->chunks;
	const struct mf_report_options *report = &run->settings->report;
	struct mf_chunk_census *census = mf_chunk_census_create(heap, choice);
	struct mf_chunk_rows rows = {
		.by_size = settings->by_size,
		.limit = report->top == SIZE_MAX ? 0 : report->top,
		.total = count_all(census),
		.type = settings->type ? mf_chunk_types_of : NULL,
		.data = &choosing->types,
	};

	/* what is read by eye has an end */
	if (report->format == MF_FORMAT_TEXT && !report->top)
		rows.limit = SHOWN_CHUNKS;
	mf_chunk_census_write(census, run->report, settings->histogram);
	if (!settings->histogram)
		mf_heap_write_chunks(heap, choice, &rows, run->report);
	mf_chunk_census_destroy(census);
}

static struct mf_error *write_all(struct mf_run *run, struct choosing *choosing)
{
	struct mf_space *space;
	struct mf_heap *heap;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_session_heap(run->session, &heap));
	if (!is_walked(heap))
		return refuse(run);
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	write_chunks(run, heap, choosing);
	write_rest(run, heap);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

static struct mf_error *run_chunks(struct mf_run *run)
{
	const struct mf_chunks_settings *settings = &run->settings->chunks;
	struct choosing choosing = {
		.run = run,
		.choice = {
			.kinds = settings->kinds,
			.min_size = settings->min_size,
			.max_size = settings->max_size,
		},
	};
	struct mf_error *error = build(run, &choosing);

	if (!error)
		error = write_all(run, &choosing);
	choosing_deinit(&choosing);
	return error;
}

const struct mf_command mf_command_chunks = {
	.name = "chunks",
	.summary = "the chunks of heaps and regions: sizes, states, the list",
	.description =
		"Says of the chunks of every heap that can be walked how many "
		"there are in each state and of each size, what they are known "
		"to be by their sizes, and lists them, in the order of their "
		"addresses or largest first.\nWith REGION: only chunks that "
		"touch it.\nA chunk counts with its header, as in arenas.\n"
		"--top N holds for data, too: so many rows of the list.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.arguments = "[REGION...]",
	.takes_regions = true,
	.check = check,
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ,
	.run = run_chunks,
};
