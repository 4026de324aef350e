/*
 * What nothing reaches as report rows: a verdict, groups of leaks that hold
 * others and of those that hang on them, and what could not be seen.
 */
#include <ctype.h>
#include <string.h>

#include "memforensics/report.h"

#include "base/units.h"
#include "scan/leaks.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	SHOWN_GROUPS = 20,
	ADDRESS_TEXT = 20,
	PREVIEW_BYTES = 16,
	PREVIEW_TEXT = 32,
	SECONDS_OF_HOUR = 3600,
};

/* ---- confidence ------------------------------------------------------------ */

static const struct {
	unsigned doubt;
	const char *reason;
} reasons[] = {
	{ MF_DOUBT_RACY, "the process ran while it was read" },
	{ MF_DOUBT_DROPPED, "there are more pointers than can be kept" },
	{ MF_DOUBT_UNREAD, "memory that may point to it could not be read" },
	{ MF_DOUBT_SWAPPED, "memory that may point to it is in swap" },
	{ MF_DOUBT_BLIND, "registers that may point to it are not known" },
	{ MF_DOUBT_DAMAGED, "the heap that it is in is damaged" },
	{ MF_DOUBT_TORN, "its arena was caught in the middle of a change" },
	{ MF_DOUBT_TAGGED, "a word with other high 16 bits leads there" },
	{ MF_DOUBT_PAST,
	  "only words that are behind its end, or a free list's, lead there" },
	{ MF_DOUBT_DEAD,
	  "only words in free chunks or below stack pointers lead there" },
	{ MF_DOUBT_RINGS,
	  "requests of io_uring are known to the kernel alone" },
	{ MF_DOUBT_SIGNALS,
	  "it may be a signal stack, which the kernel alone knows" },
};

static const char *reason_of(unsigned doubts, bool is_root)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(reasons); i++)
		if (doubts & reasons[i].doubt)
			return reasons[i].reason;
	return is_root ? "no word anywhere leads there"
		       : "only what is leaked leads there";
}

static const char *confidence_of(unsigned doubts)
{
	if (!doubts)
		return "high";
	return doubts & MF_DOUBTS_LOW ? "low" : "medium";
}

static unsigned doubts_of(const struct mf_leaks *leaks,
			  const struct mf_leak *leak)
{
	struct mf_impact impact;

	mf_target_get_impact(leaks->target, &impact);
	return leaks->doubts | leak->doubts | (impact.racy ? MF_DOUBT_RACY : 0);
}

/* ---- groups ---------------------------------------------------------------- */

enum {
	COLUMNS = 17,
};

static const struct mf_column columns[COLUMNS] = {
	{ "count", "count", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "size", "each", MF_VALUE_SIZE, 0 },
	{ "retained", "with what hangs on it", MF_VALUE_SIZE, 0 },
	{ "retained_count", NULL, MF_VALUE_COUNT, DATA },
	{ "shared", NULL, MF_VALUE_BOOL, DATA },
	{ "type", NULL, MF_VALUE_TEXT, DATA },
	{ "what", "what", MF_VALUE_TEXT, TEXT | MF_SHOW_FILL },
	{ "kind", NULL, MF_VALUE_TEXT, DATA },
	{ "content", NULL, MF_VALUE_TEXT, DATA },
	{ "first_bytes", NULL, MF_VALUE_TEXT, DATA },
	{ "confidence", "confidence", MF_VALUE_TEXT, 0 },
	{ "reason", NULL, MF_VALUE_TEXT, DATA },
	{ "example", "first at", MF_VALUE_ADDRESS, TEXT },
	{ "addresses", NULL, MF_VALUE_LIST, DATA },
	{ "roots", NULL, MF_VALUE_BOOL, DATA },
	{ "new", NULL, MF_VALUE_BOOL, DATA },
};

/* Of text the text, else bytes; secrets are masked. */
static void print_head(const struct mf_leak_group *group,
		       const struct mf_leak *first, struct mf_buffer *text)
{
	char copy[sizeof(group->head) + 1];
	size_t length;

	if (first->content == MF_LEAK_TEXT) {
		memcpy(copy, group->head, group->head_size);
		length = strnlen(copy, group->head_size);
		mf_secret_mask(copy, length, MF_MASK_KEYS | MF_MASK_CUT);
		mf_buffer_add(text, copy, MF_MIN(length, (size_t)PREVIEW_TEXT));
		return;
	}
	for (size_t i = 0; i < group->head_size && i < PREVIEW_BYTES; i++)
		mf_buffer_printf(text, "%s%02x", i ? " " : "", group->head[i]);
}

static void print_what(const struct mf_leaks *leaks, const struct mf_leak *leak,
		       const char *head, struct mf_buffer *text)
{
	const struct mf_region *region;

	if (leak->is_mapping) {
		region = mf_space_region_at(leaks->places.space, leak->address);
		mf_buffer_printf(text, "mapping");
		if (region && *region->label)
			mf_buffer_printf(text, " '%s'", region->label);
		mf_buffer_printf(text, ", ");
	}
	if (leak->type)
		mf_buffer_printf(text, "%s", leak->type);
	else if (leak->content == MF_LEAK_TEXT)
		mf_buffer_printf(text, "text: %s", head);
	else
		mf_buffer_printf(text, "%s",
				 mf_leak_content_name(leak->content));
}

/* Its texts, and the list of them; both are the caller's to free. */
static const char **list_addresses(const struct mf_leaks *leaks,
				   const struct mf_leak_group *group,
				   char **texts)
{
	const char **list = mf_new_array(group->leaks.count + 1, const char *);

	*texts = mf_calloc(group->leaks.count + 1, ADDRESS_TEXT);
	for (size_t i = 0; i < group->leaks.count; i++) {
		char *text = *texts + i * ADDRESS_TEXT;

		snprintf(text, ADDRESS_TEXT, "%#llx",
			 (unsigned long long)leaks->leaks
				 .items[group->leaks.items[i]]
				 .address);
		list[i] = text;
	}
	return list;
}

static void write_group(const struct mf_leaks *leaks, struct mf_report *report,
			const struct mf_leak_group *group)
{
	const struct mf_leak *first = &leaks->leaks.items[group->first];
	unsigned doubts = doubts_of(leaks, first);
	mf_auto_free char *texts = NULL;
	mf_auto_free const char **list = list_addresses(leaks, group, &texts);
	MF_AUTO_BUFFER(head);
	MF_AUTO_BUFFER(what);

	print_head(group, first, &head);
	print_what(leaks, first, mf_buffer_text(&head), &what);
	mf_report_row(
		report,
		(struct mf_value[COLUMNS]){
			mf_count(group->count),
			mf_size(group->bytes),
			mf_size(first->size),
			first->is_root ? mf_size(group->bytes + group->held)
				       : mf_none(),
			first->is_root
				? mf_count(group->count + group->held_count)
				: mf_none(),
			mf_bool(group->is_shared),
			first->type ? mf_text(first->type) : mf_none(),
			mf_text(mf_buffer_text(&what)),
			mf_text(first->is_mapping ? "mapping" : "chunk"),
			mf_text(mf_leak_content_name(first->content)),
			mf_text(mf_buffer_text(&head)),
			mf_text(confidence_of(doubts)),
			mf_text(reason_of(doubts, first->is_root)),
			mf_address(first->address),
			mf_list(list),
			mf_bool(first->is_root),
			mf_bool(first->is_fresh),
		});
}

static const struct mf_leak *first_of(const struct mf_leaks *leaks,
				      size_t group)
{
	return &leaks->leaks.items[leaks->groups.items[group].first];
}

static void write_groups_of(const struct mf_leaks *leaks,
			    struct mf_report *report,
			    const struct mf_table *table, bool roots,
			    bool fresh)
{
	mf_report_table_begin(report, table);
	for (size_t i = 0; i < leaks->groups.count; i++) {
		const struct mf_leak *first = first_of(leaks, i);

		if (first->is_fresh == fresh && first->is_root == roots)
			write_group(leaks, report, &leaks->groups.items[i]);
	}
	mf_report_table_end(report);
}

static void write_groups(const struct mf_leaks *leaks, struct mf_report *report)
{
	struct mf_table table = {
		.key = "groups",
		.columns = columns,
		.column_count = COLUMNS,
		.show = MF_SHOW_DATA_ONLY,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < leaks->groups.count; i++)
		if (!first_of(leaks, i)->is_fresh)
			write_group(leaks, report, &leaks->groups.items[i]);
	mf_report_table_end(report);
	table.show = MF_SHOW_TEXT_ONLY;
	table.top = SHOWN_GROUPS;
	table.title = "LEAKED, AND HELD BY NOTHING";
	write_groups_of(leaks, report, &table, true, false);
	table.title = "LEAKED, AND HELD BY THOSE";
	write_groups_of(leaks, report, &table, false, false);
}

static void write_fresh(const struct mf_leaks *leaks, struct mf_report *report)
{
	struct mf_table table = {
		.key = "new_groups",
		.columns = columns,
		.column_count = COLUMNS,
		.show = MF_SHOW_DATA_ONLY,
	};

	if (!leaks->options.past)
		return;
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < leaks->groups.count; i++)
		if (first_of(leaks, i)->is_fresh)
			write_group(leaks, report, &leaks->groups.items[i]);
	mf_report_table_end(report);
	table.show = MF_SHOW_TEXT_ONLY;
	table.top = SHOWN_GROUPS;
	table.title = "NEW SINCE THE FIRST LOOK";
	write_groups_of(leaks, report, &table, true, true);
	table.title = "NEW, AND HELD BY THOSE";
	write_groups_of(leaks, report, &table, false, true);
}

/* ---- figures --------------------------------------------------------------- */

static void write_amount(struct mf_report *report, const char *key,
			 const struct mf_amount *amount)
{
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(amount->count), DATA },
		{ "bytes", NULL, mf_size(amount->bytes), DATA },
	};

	mf_report_fields(report, key, NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_new(const struct mf_leaks *leaks, struct mf_report *report,
		      double seconds)
{
	const struct mf_amount *fresh = &leaks->totals.fresh;
	double rate = seconds > 0 ? (double)fresh->bytes / seconds : 0;
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(fresh->count), DATA },
		{ "bytes", NULL, mf_size(fresh->bytes), DATA },
		{ "seconds", NULL, mf_ms(seconds), DATA },
		{ "bytes_per_s", NULL, mf_size((uint64_t)rate), DATA },
		{ "bytes_per_h", NULL,
		  mf_size((uint64_t)(rate * SECONDS_OF_HOUR)), DATA },
	};

	if (leaks->options.past)
		mf_report_fields(report, "new", NULL, fields,
				 MF_ARRAY_SIZE(fields));
}

static void write_roots(const struct mf_leaks *leaks, struct mf_report *report)
{
	static const struct mf_column root_columns[] = {
		{ "kind", NULL, MF_VALUE_TEXT, 0 },
		{ "words", NULL, MF_VALUE_COUNT, 0 },
	};
	static const struct mf_table table = {
		.key = "roots",
		.columns = root_columns,
		.column_count = MF_ARRAY_SIZE(root_columns),
		.show = MF_SHOW_DATA_ONLY,
	};

	mf_report_table_begin(report, &table);
	for (int i = 0; i < MF_ROOT_KINDS; i++)
		mf_report_row(report, (struct mf_value[]){
					      mf_text(mf_root_kind_name(i)),
					      mf_count(leaks->words[i]),
				      });
	mf_report_table_end(report);
}

static void write_undivided(const struct mf_leaks *leaks,
			    struct mf_report *report)
{
	static const struct mf_column undivided_columns[] = {
		{ "name", NULL, MF_VALUE_TEXT, 0 },
		{ "bytes", NULL, MF_VALUE_SIZE, 0 },
		{ "why", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "undivided",
		.columns = undivided_columns,
		.column_count = MF_ARRAY_SIZE(undivided_columns),
		.show = MF_SHOW_DATA_ONLY,
	};
	mf_report_table_begin(report, &table);
	mf_heap_foreach_allocator(allocator, leaks->places.heap)
		if (!allocator->supported)
			mf_report_row(report,
				      (struct mf_value[]){
					      mf_text(allocator->name),
					      mf_size(allocator->mapped),
					      mf_text(allocator->why),
				      });
	mf_report_table_end(report);
}

static void write_figures(const struct mf_leaks *leaks,
			  struct mf_report *report, double seconds)
{
	const struct mf_leaks_totals *totals = &leaks->totals;
	const struct mf_field fields[] = {
		{ "scanned_bytes", NULL, mf_size(leaks->scanned), DATA },
		{ "own_memory", NULL, mf_size(leaks->memory), DATA },
	};

	write_amount(report, "leaked", &totals->leaked);
	write_amount(report, "reachable", &totals->reachable);
	write_amount(report, "chunks", &totals->chunks);
	write_amount(report, "mappings", &totals->mappings);
	write_amount(report, "excluded", &leaks->excluded);
	write_amount(report, "smaller", &leaks->small);
	write_new(leaks, report, seconds);
	write_roots(leaks, report);
	write_undivided(leaks, report);
	mf_report_fields(report, NULL, NULL, fields, MF_ARRAY_SIZE(fields));
}

/* ---- for people ------------------------------------------------------------ */

static void print_amount(const struct mf_report *report,
			 const struct mf_amount *amount, const char *what,
			 struct mf_buffer *text)
{
	char count[MF_UNIT_TEXT], size[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s %s%s (%s)",
			 mf_format_count(count, amount->count), what,
			 amount->count == 1 ? "" : "s",
			 mf_report_size(report, size, amount->bytes));
}

/* What is not reached either, and is told of apart. */
static struct mf_amount sum_apart(const struct mf_leaks *leaks)
{
	const struct mf_amount *fresh = &leaks->totals.fresh;

	return (struct mf_amount){
		.count = fresh->count + leaks->excluded.count +
			 leaks->small.count,
		.bytes = fresh->bytes + leaks->excluded.bytes +
			 leaks->small.bytes,
	};
}

static void write_nothing(const struct mf_leaks *leaks,
			  struct mf_report *report)
{
	struct mf_amount apart = sum_apart(leaks);
	char count[MF_UNIT_TEXT];

	mf_format_count(count, leaks->totals.reachable.count);
	if (apart.count)
		mf_report_line(report,
			       "Nothing is leaked%s but what is told of "
			       "below: the other %s chunks and mappings in use "
			       "are reached.",
			       leaks->options.past ? ", now and before," : "",
			       count);
	else
		mf_report_line(report,
			       "Nothing is leaked: all %s chunks and mappings "
			       "in use are reached.",
			       count);
}

static void write_verdict(const struct mf_leaks *leaks,
			  struct mf_report *report)
{
	const struct mf_leaks_totals *totals = &leaks->totals;
	uint64_t all = totals->leaked.bytes + totals->reachable.bytes +
		       sum_apart(leaks).bytes;
	double share =
		all ? (double)totals->leaked.bytes * 100 / (double)all : 0;
	MF_AUTO_BUFFER(text);

	if (!totals->leaked.count) {
		write_nothing(leaks, report);
		return;
	}
	print_amount(report, &totals->chunks, "chunk", &text);
	if (totals->mappings.count) {
		mf_buffer_puts(&text, " and ");
		print_amount(report, &totals->mappings, "mapping", &text);
	}
	mf_report_line(report, "%s, %.*f %% of what is in use, %s%s.",
		       mf_buffer_text(&text), share < 10 ? 1 : 0, share,
		       totals->leaked.count == 1 ? "is reached by nothing"
						 : "are reached by nothing",
		       leaks->options.past ? ", now and before" : "");
}

static void write_rate(const struct mf_leaks *leaks, struct mf_report *report,
		       double seconds)
{
	const struct mf_amount *fresh = &leaks->totals.fresh;
	double rate = seconds > 0 ? (double)fresh->bytes / seconds : 0;
	char hour[MF_UNIT_TEXT], time[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	if (!leaks->options.past)
		return;
	print_amount(report, fresh, "other", &text);
	mf_report_line(report,
		       "%s leaked since the first look, %s before: %s an hour.",
		       mf_buffer_text(&text),
		       mf_format_time(time, seconds * 1000),
		       mf_report_size(report, hour,
				      (uint64_t)(rate * SECONDS_OF_HOUR)));
}

static void write_left_out(const struct mf_leaks *leaks,
			   struct mf_report *report)
{
	const struct mf_amount *excluded = &leaks->excluded,
			       *small = &leaks->small;
	MF_AUTO_BUFFER(text);

	if (excluded->count) {
		print_amount(report, excluded, "other", &text);
		mf_buffer_puts(&text, " excluded. ");
	}
	if (small->count) {
		print_amount(report, small, "other", &text);
		mf_buffer_puts(&text, " smaller than asked for.");
	}
	if (excluded->count || small->count)
		mf_report_line(report, "%s", mf_buffer_text(&text));
}

/* Each reason of a doubt once, below the tables. */
static void write_reasons(const struct mf_leaks *leaks,
			  struct mf_report *report)
{
	unsigned doubts = 0;

	for (size_t i = 0; i < leaks->groups.count; i++)
		doubts |= doubts_of(leaks, first_of(leaks, i));
	for (size_t i = 0; i < MF_ARRAY_SIZE(reasons); i++)
		if (doubts & reasons[i].doubt)
			mf_report_line(report, "Confidence is %s where %s.",
				       confidence_of(reasons[i].doubt),
				       reasons[i].reason);
}

static void write_memory(const struct mf_leaks *leaks, struct mf_report *report)
{
	char scanned[MF_UNIT_TEXT], own[MF_UNIT_TEXT];

	mf_report_line(report,
		       "Looked at %s for pointers, with %s of our own memory.",
		       mf_report_size(report, scanned, leaks->scanned),
		       mf_report_size(report, own, leaks->memory));
}

void mf_leaks_write(const struct mf_leaks *leaks, struct mf_report *report,
		    double seconds)
{
	write_figures(leaks, report, seconds);
	write_verdict(leaks, report);
	write_rate(leaks, report, seconds);
	write_left_out(leaks, report);
	write_groups(leaks, report);
	write_fresh(leaks, report);
	write_reasons(leaks, report);
	write_memory(leaks, report);
}
