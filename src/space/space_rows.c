/*
 * Regions as rows of a report: every key of CONTRACT.md for data, and for
 * people a line each.
 */
#include "space/space_rows.h"

#include <inttypes.h>
#include <string.h>

#include "memforensics/report.h"

#include "base/vec.h"

enum {
	REASONS = 8, /* bits of MF_SUSPECT_* that can be */
};

/* ---- words ---------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *path_of(const struct mf_region *region)
{
	return region->mapping ? region->mapping->path : "";
}

const char *mf_region_holder(const struct mf_region *region)
{
	if (*region->owner)
		return base_name(region->owner);
	/* the kernel's name for memory that is shared without a file */
	if (!strcmp(path_of(region), "/dev/zero"))
		return "anonymous";
	if (*path_of(region) && *path_of(region) != '[')
		return base_name(path_of(region));
	return region->label;
}

static void add_what(struct mf_buffer *text, const struct mf_region *region)
{
	const char *who = mf_region_holder(region);
	/* "thread 12 stack" need not say "tid 12" again */
	const char *said = strncmp(who, "tid ", 4) == 0 ? who + 4 : who;

	mf_buffer_puts(text, region->label);
	if (*who && !strstr(region->label, said))
		mf_buffer_printf(text, *region->label ? " (%s)" : "%s", who);
}

/* "7f0000000000-7f0000021000" */
static void add_range(struct mf_buffer *text, const struct mf_region *region)
{
	/* The kernel's half: too long to let it make every other line so. */
	if (region->start >> 48) {
		mf_buffer_printf(text, "%" PRIx64 "+0x%" PRIx64, region->start,
				 region->end - region->start);
		return;
	}
	mf_buffer_printf(text, "%" PRIx64 "-%" PRIx64, region->start,
			 region->end);
}

/* "rw-p" */
static void add_perms(struct mf_buffer *text, const struct mf_region *region)
{
	unsigned perms = region->mapping ? region->mapping->perms : 0;

	mf_buffer_printf(text, "%c%c%c%c", perms & MF_PERM_READ ? 'r' : '-',
			 perms & MF_PERM_WRITE ? 'w' : '-',
			 perms & MF_PERM_EXEC ? 'x' : '-',
			 perms & MF_PERM_SHARED ? 's' : 'p');
}

/* The class; with a question mark when it was only guessed from its looks. */
static void add_class(struct mf_buffer *text, const struct mf_region *region)
{
	mf_buffer_printf(text, "%s%s", mf_class_name(region->class),
			 region->certainty == MF_BY_SHAPE ? "?" : "");
}

/* Fills LIST with the reasons of REGION, NULL-terminated. */
static void list_reasons(const struct mf_region *region,
			 const char *list[REASONS + 1])
{
	size_t count = 0;

	for (unsigned bit = 0; bit < REASONS; bit++)
		if (region->suspicions & 1U << bit)
			list[count++] = mf_suspicion_text(1U << bit);
	list[count] = NULL;
}

/* ---- choosing and sorting ---------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct mf_region *left = *(const struct mf_region *const *)a;
	const struct mf_region *right = *(const struct mf_region *const *)b;

	return (left->start > right->start) - (left->start < right->start);
}

static int by_size(const void *a, const void *b)
{
	const struct mf_region *left = *(const struct mf_region *const *)a;
	const struct mf_region *right = *(const struct mf_region *const *)b;
	uint64_t left_size = left->end - left->start;
	uint64_t right_size = right->end - right->start;

	if (left_size != right_size)
		return left_size < right_size ? 1 : -1;
	return by_address(a, b);
}

int mf_region_by_rss(const void *a, const void *b)
{
	const struct mf_region *left = *(const struct mf_region *const *)a;
	const struct mf_region *right = *(const struct mf_region *const *)b;

	if (left->usage.rss != right->usage.rss)
		return left->usage.rss < right->usage.rss ? 1 : -1;
	return by_size(a, b);
}

static int by_suspicion(const void *a, const void *b)
{
	const struct mf_region *left = *(const struct mf_region *const *)a;
	const struct mf_region *right = *(const struct mf_region *const *)b;

	if (left->suspicion_score < right->suspicion_score)
		return 1;
	if (left->suspicion_score > right->suspicion_score)
		return -1;
	return mf_region_by_rss(a, b);
}

/* ---- regions ------------------------------------------------------------------ */

enum region_column {
	RANGE,
	START,
	END,
	SIZE,
	RSS,
	SWAP,
	PERMS,
	CLASS,
	SHOWN_CLASS,
	WHAT,
	PROOF,
	LABEL,
	OWNER,
	CERTAINTY,
	OFFSET,
	DEVICE,
	INODE,
	PATH,
	PSS,
	ANON,
	DIRTY,
	LAZYFREE,
	THP,
	REGION_COLUMNS,
};

static const struct mf_column region_columns[REGION_COLUMNS] = {
	[RANGE] = { "range", "addresses", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
	[START] = { "start", NULL, MF_VALUE_ADDRESS, MF_SHOW_DATA_ONLY },
	[END] = { "end", NULL, MF_VALUE_ADDRESS, MF_SHOW_DATA_ONLY },
	[SIZE] = { "size", "size", MF_VALUE_SIZE, MF_SHOW_IF_ROOM },
	[RSS] = { "rss", "rss", MF_VALUE_SIZE, 0 },
	[SWAP] = { "swap", "swap", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	[PERMS] = { "perms", "perm", MF_VALUE_TEXT, 0 },
	[CLASS] = { "class", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[SHOWN_CLASS] = { "shown_class", "class", MF_VALUE_TEXT,
			  MF_SHOW_TEXT_ONLY },
	[WHAT] = { "what", "what", MF_VALUE_TEXT,
		   MF_SHOW_TEXT_ONLY | MF_SHOW_FILL },
	[PROOF] = { "proof", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[LABEL] = { "label", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[OWNER] = { "owner", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[CERTAINTY] = { "certainty", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[OFFSET] = { "offset", NULL, MF_VALUE_COUNT, MF_SHOW_DATA_ONLY },
	[DEVICE] = { "dev", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[INODE] = { "inode", NULL, MF_VALUE_COUNT, MF_SHOW_DATA_ONLY },
	[PATH] = { "path", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	[PSS] = { "pss", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	[ANON] = { "anon", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	[DIRTY] = { "dirty", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	[LAZYFREE] = { "lazyfree", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	[THP] = { "thp", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
};

/* Texts that a row is made of; kept from row to row to spare allocations. */
struct row_text {
	struct mf_buffer range, perms, class, what, device;
};

static void row_text_fill(struct row_text *text, const struct mf_region *region)
{
	mf_buffer_clear(&text->range);
	mf_buffer_clear(&text->perms);
	mf_buffer_clear(&text->class);
	mf_buffer_clear(&text->what);
	mf_buffer_clear(&text->device);
	add_range(&text->range, region);
	add_perms(&text->perms, region);
	add_class(&text->class, region);
	add_what(&text->what, region);
	if (region->mapping)
		mf_buffer_printf(&text->device, "%02" PRIx32 ":%02" PRIx32,
				 region->mapping->dev_major,
				 region->mapping->dev_minor);
}

static void row_text_deinit(struct row_text *text)
{
	mf_buffer_deinit(&text->range);
	mf_buffer_deinit(&text->perms);
	mf_buffer_deinit(&text->class);
	mf_buffer_deinit(&text->what);
	mf_buffer_deinit(&text->device);
}

static void set_usage(struct mf_value *row, const struct mf_region *region)
{
	const struct mf_usage *usage = &region->usage;
	const struct {
		enum region_column column;
		unsigned figure;
		uint64_t bytes;
	} cells[] = {
		{ RSS, MF_FIGURE_RSS, usage->rss },
		{ PSS, MF_FIGURE_PSS, usage->pss },
		{ ANON, MF_FIGURE_ANON, usage->anon },
		{ DIRTY, MF_FIGURE_DIRTY, usage->dirty },
		{ SWAP, MF_FIGURE_SWAP, usage->swap },
		{ THP, MF_FIGURE_THP, usage->thp },
		{ LAZYFREE, MF_FIGURE_LAZYFREE, usage->lazyfree },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(cells); i++)
		row[cells[i].column] =
			region->usage_known && !(usage->lacks & cells[i].figure)
				? mf_size(cells[i].bytes)
				: mf_none();
}

/* The byte of the file at which a region starts. */
static uint64_t offset_of(const struct mf_region *region)
{
	if (!region->mapping || !region->mapping->inode)
		return 0;
	return region->mapping->offset + region->start - region->mapping->start;
}

/* No device is 0:0: a file of that one is told from others, and no more (a core
 * does not say where its files were). */
static bool is_numbered(const struct mf_region *region)
{
	const struct mf_mapping *mapping = region->mapping;

	return !mapping || !mapping->inode || mapping->dev_major ||
	       mapping->dev_minor;
}

static void set_row(struct mf_value *row, const struct mf_region *region,
		    struct row_text *text)
{
	const char *certainty = mf_certainty_name(region->certainty);

	row_text_fill(text, region);
	row[RANGE] = mf_text(mf_buffer_text(&text->range));
	row[START] = mf_address(region->start);
	row[END] = mf_address(region->end);
	row[SIZE] = mf_size(region->end - region->start);
	row[PERMS] = mf_text(mf_buffer_text(&text->perms));
	row[CLASS] = mf_text(mf_class_name(region->class));
	row[SHOWN_CLASS] = mf_text(mf_buffer_text(&text->class));
	row[WHAT] = mf_text(mf_buffer_text(&text->what));
	row[PROOF] = mf_text(region->proof);
	row[LABEL] = mf_text(region->label);
	row[OWNER] = mf_text(region->owner);
	row[CERTAINTY] = region->certainty ? mf_text(certainty) : mf_none();
	row[OFFSET] = mf_count(offset_of(region));
	row[DEVICE] = is_numbered(region)
			      ? mf_text(mf_buffer_text(&text->device))
			      : mf_none();
	row[INODE] =
		is_numbered(region)
			? mf_count(region->mapping ? region->mapping->inode : 0)
			: mf_none();
	row[PATH] = mf_text(path_of(region));
	set_usage(row, region);
}

static void write_region(struct mf_report *report,
			 const struct mf_region *region,
			 const struct mf_region_rows *rows,
			 struct row_text *text)
{
	struct mf_value row[REGION_COLUMNS];
	const char *reasons[REASONS + 1];
	struct mf_field suspicious[] = {
		{ "score", NULL, mf_ratio(region->suspicion_score),
		  MF_SHOW_DATA_ONLY },
		{ "reasons", NULL, mf_list(reasons), MF_SHOW_DATA_ONLY },
	};

	list_reasons(region, reasons);
	set_row(row, region, text);
	mf_report_row_open(report, row);
	mf_report_fields(report, "suspicious", NULL, suspicious,
			 MF_ARRAY_SIZE(suspicious));
	if (rows->proof && *region->proof)
		mf_report_line(report, "because: %s", region->proof);
	mf_report_row_close(report);
}

static void choose(const struct mf_space *space,
		   const struct mf_region_rows *rows,
		   struct mf_region_list *list)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	for (size_t i = 0; i < count; i++)
		if (!rows->class || regions[i].class == *rows->class)
			mf_vec_push(list, &regions[i]);
	if (rows->order == MF_ORDER_RSS)
		mf_vec_sort(list, mf_region_by_rss);
	else if (rows->order == MF_ORDER_SIZE)
		mf_vec_sort(list, by_size);
}

static void tell_guesses(struct mf_region_list *list, struct mf_report *report)
{
	mf_vec_foreach(region, list) {
		if ((*region)->certainty != MF_BY_SHAPE)
			continue;
		mf_report_line(report, "  ?: by its shape only (size, "
				       "permissions, neighbours), not proved");
		return;
	}
}

void mf_space_write_regions(const struct mf_space *space,
			    struct mf_report *report,
			    const struct mf_region_rows *rows)
{
	const struct mf_table table = {
		.key = "regions",
		.columns = region_columns,
		.column_count = REGION_COLUMNS,
		.empty = "no such region",
		.show = rows->data_only ? MF_SHOW_DATA_ONLY : 0,
	};
	mf_cleanup(row_text_deinit) struct row_text text = { 0 };
	struct mf_region_list list = { 0 };

	choose(space, rows, &list);
	mf_report_table_begin(report, &table);
	mf_vec_foreach(region, &list)
		write_region(report, *region, rows, &text);
	mf_report_table_end(report);
	if (!rows->data_only)
		tell_guesses(&list, report);
	mf_vec_deinit(&list);
}

/* ---- suspicious regions --------------------------------------------------------- */

static const struct mf_column suspicious_columns[] = {
	{ "range", "addresses", MF_VALUE_TEXT, 0 },
	{ "size", "size", MF_VALUE_SIZE, 0 },
	{ "rss", "rss", MF_VALUE_SIZE, 0 },
	{ "perms", "perm", MF_VALUE_TEXT, 0 },
	{ "class", "class", MF_VALUE_TEXT, 0 },
	{ "reasons", "because it is", MF_VALUE_LIST, MF_SHOW_FILL },
};

static void write_suspicious(struct mf_report *report,
			     const struct mf_region *region)
{
	const char *reasons[REASONS + 1];
	MF_AUTO_BUFFER(range);
	MF_AUTO_BUFFER(perms);
	MF_AUTO_BUFFER(class);

	add_range(&range, region);
	add_perms(&perms, region);
	add_class(&class, region);
	list_reasons(region, reasons);
	mf_report_row(report,
		      (struct mf_value[]){
			      mf_text(mf_buffer_text(&range)),
			      mf_size(region->end - region->start),
			      region->usage_known ? mf_size(region->usage.rss)
						  : mf_none(),
			      mf_text(mf_buffer_text(&perms)),
			      mf_text(mf_buffer_text(&class)),
			      mf_list(reasons),
		      });
}

void mf_space_write_suspicious(const struct mf_space *space,
			       struct mf_report *report, size_t rows)
{
	const struct mf_table table = {
		.key = "suspicious_regions",
		.title = "SUSPICIOUS REGIONS",
		.columns = suspicious_columns,
		.column_count = MF_ARRAY_SIZE(suspicious_columns),
		.top = rows,
		.show = MF_SHOW_TEXT_ONLY,
	};
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);
	struct mf_region_list list = { 0 };

	for (size_t i = 0; i < count; i++)
		if (regions[i].suspicions)
			mf_vec_push(&list, &regions[i]);
	mf_vec_sort(&list, by_suspicion);
	mf_report_table_begin(report, &table);
	mf_vec_foreach(region, &list)
		write_suspicious(report, *region);
	mf_report_table_end(report);
	mf_vec_deinit(&list);
}
