/*
 * Classes as rows of a report: their totals, and for people what RSS is made of
 * and who has it, in few lines that add up.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/report.h"

#include "base/units.h"
#include "base/vec.h"
#include "space/space_rows.h"

enum {
	NAMES = 3,	   /* holders that a row names */
	LEAST_SHARE = 200, /* a row of its own from 1/200 of the whole */
	LEAST_ANON = 1000, /* the same of what nobody explains */
};

/* What a class is, to somebody who never read our manual. */
static const char *const meanings[MF_CLASS_COUNT] = {
	[MF_CLASS_ANON] = "nobody's",
	[MF_CLASS_TEXT] = "code",
	[MF_CLASS_RODATA] = "constants",
	[MF_CLASS_DATA] = "variables",
	[MF_CLASS_BSS] = "zeroed variables",
	[MF_CLASS_ELF_GAP] = "gaps of ELF objects",
	[MF_CLASS_HEAP] = "brk heap",
	[MF_CLASS_ARENA] = "malloc arenas of threads",
	[MF_CLASS_ARENA_RESERVE] = "address space kept for arenas",
	[MF_CLASS_MMAP_CHUNK] = "large malloc blocks",
	[MF_CLASS_STACK] = "main thread's stack",
	[MF_CLASS_THREAD_STACK] = "thread stacks",
	[MF_CLASS_GUARD] = "guard pages",
	[MF_CLASS_TLS] = "thread-local variables",
	[MF_CLASS_VDSO] = "kernel's code",
	[MF_CLASS_VVAR] = "kernel's data",
	[MF_CLASS_VSYSCALL] = "kernel's code",
	[MF_CLASS_JEMALLOC] = "malloc's heap",
	[MF_CLASS_TCMALLOC] = "malloc's heap",
	[MF_CLASS_MIMALLOC] = "malloc's heap",
	[MF_CLASS_MUSL_HEAP] = "malloc's heap",
	[MF_CLASS_GO_HEAP] = "Go's heap and runtime",
	[MF_CLASS_JAVA_HEAP] = "Java objects",
	[MF_CLASS_JAVA_CODE] = "Java's compiled code",
	[MF_CLASS_JAVA_METASPACE] = "Java's classes",
	[MF_CLASS_PYTHON_ARENA] = "Python objects, frames",
	[MF_CLASS_V8_HEAP] = "JavaScript objects",
	[MF_CLASS_JIT] = "compiled code",
	[MF_CLASS_FILE] = "mapped files",
	[MF_CLASS_SHARED] = "shared memory",
	[MF_CLASS_MEMFD] = "memfd files",
	[MF_CLASS_HUGETLB] = "huge pages",
	[MF_CLASS_DEVICE] = "devices",
	[MF_CLASS_IO_URING] = "io_uring's rings",
	[MF_CLASS_RESERVE] = "address space only",
};

/* ---- totals as data --------------------------------------------------------- */

static const struct mf_column total_columns[] = {
	{ "class", "class", MF_VALUE_TEXT, 0 },
	{ "regions", "regions", MF_VALUE_COUNT, 0 },
	{ "size", "size", MF_VALUE_SIZE, 0 },
	{ "rss", "rss", MF_VALUE_SIZE, 0 },
	{ "share", "of rss", MF_VALUE_RATIO,
	  MF_SHOW_TEXT_ONLY | MF_SHOW_BAR | MF_SHOW_IF_ANY },
	{ "pss", "pss", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	{ "swap", "swap", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
};

static double share_of(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static struct mf_value known_size(const struct mf_usage *usage,
				  enum mf_figure figure, uint64_t bytes)
{
	return usage->lacks & figure ? mf_none() : mf_size(bytes);
}

static void set_total_row(struct mf_value row[], const char *name,
			  const struct mf_class_total *total,
			  const struct mf_class_total *sum)
{
	const struct mf_usage *usage = &total->usage;

	row[0] = mf_text(name);
	row[1] = mf_count(total->regions);
	row[2] = mf_size(total->size);
	row[3] = known_size(usage, MF_FIGURE_RSS, usage->rss);
	row[4] = usage->lacks & MF_FIGURE_RSS
			 ? mf_none()
			 : mf_ratio(share_of(usage->rss, sum->usage.rss));
	row[5] = known_size(usage, MF_FIGURE_PSS, usage->pss);
	row[6] = known_size(usage, MF_FIGURE_SWAP, usage->swap);
}

static void add_total(struct mf_class_total *sum,
		      const struct mf_class_total *part)
{
	sum->regions += part->regions;
	sum->size += part->size;
	mf_usage_add(&sum->usage, &part->usage);
}

static struct mf_class_total sum_of(const struct mf_class_total *totals,
				    size_t count)
{
	struct mf_class_total sum = { .usage.lacks = MF_FIGURES_ALL };

	for (size_t i = 0; i < count; i++)
		add_total(&sum, &totals[i]);
	return sum;
}

static void write_explained(const struct mf_space *space,
			    struct mf_report *report)
{
	bool known = mf_space_rss_is_known(space);
	const struct mf_field fields[] = {
		{ "rss_total", NULL,
		  known ? mf_size(mf_space_rss(space)) : mf_none(),
		  MF_SHOW_DATA_ONLY },
		{ "rss_explained", NULL,
		  known ? mf_size(mf_space_rss_explained(space)) : mf_none(),
		  MF_SHOW_DATA_ONLY },
	};

	mf_report_fields(report, NULL, NULL, fields, MF_ARRAY_SIZE(fields));
}

void mf_space_write_totals(const struct mf_space *space,
			   struct mf_report *report, bool data_only)
{
	const struct mf_table table = {
		.key = "totals",
		.title = "TOTALS",
		.columns = total_columns,
		.column_count = MF_ARRAY_SIZE(total_columns),
		.show = data_only ? MF_SHOW_DATA_ONLY : 0,
	};
	struct mf_value row[MF_ARRAY_SIZE(total_columns)];
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	struct mf_class_total sum = sum_of(totals, count);

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++) {
		set_total_row(row, mf_class_name(totals[i].class), &totals[i],
			      &sum);
		mf_report_row(report, row);
	}
	set_total_row(row, "total", &sum, &sum);
	mf_report_total(report, row);
	mf_report_table_end(report);
	write_explained(space, report);
}

/* ---- who has it --------------------------------------------------------------- */

struct holder {
	const char *name;
	uint64_t bytes;
};

struct holder_list {
	struct holder *items;
	size_t count, capacity;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct holder *)a)->name,
		      ((const struct holder *)b)->name);
}

static int by_bytes(const void *a, const void *b)
{
	const struct holder *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return by_name(a, b);
}

/* Adds up the holders of equal names. */
static void merge_holders(struct holder_list *list)
{
	size_t kept = 0;

	mf_vec_sort(list, by_name);
	for (size_t i = 0; i < list->count; i++) {
		if (kept &&
		    !strcmp(list->items[kept - 1].name, list->items[i].name)) {
			list->items[kept - 1].bytes += list->items[i].bytes;
			continue;
		}
		list->items[kept++] = list->items[i];
	}
	list->count = kept;
	mf_vec_sort(list, by_bytes);
}

static void list_holders(const struct mf_space *space, enum mf_class class,
			 bool by_size, struct holder_list *list)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	for (size_t i = 0; i < count; i++) {
		const struct mf_region *region = &regions[i];
		uint64_t bytes = by_size ? region->end - region->start
					 : region->usage.rss;

		if (region->class == class && bytes)
			mf_vec_push(list,
				    (struct holder){ mf_region_holder(region),
						     bytes });
	}
	merge_holders(list);
}

/* "code: libpython3.11.so, libc.so.6, +14 more" */
static void add_holders(struct mf_buffer *text, struct holder_list *list)
{
	size_t named = 0;

	mf_vec_foreach(holder, list) {
		if (!*holder->name)
			continue;
		if (named == NAMES)
			break;
		mf_buffer_printf(text, "%s%s", named ? ", " : ": ",
				 holder->name);
		named++;
	}
	if (named && list->count > named)
		mf_buffer_printf(text, ", +%zu more", list->count - named);
}

static const struct mf_region *largest_of(const struct mf_space *space,
					  enum mf_class class)
{
	const struct mf_region *largest = NULL;
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	for (size_t i = 0; i < count; i++) {
		const struct mf_region *region = &regions[i];

		if (region->class == class &&
		    (!largest || mf_region_by_rss(&region, &largest) < 0))
			largest = region;
	}
	return largest;
}

/* Who each stack belongs to would be as many names as threads. */
static bool is_per_thread(enum mf_class class)
{
	return class == MF_CLASS_THREAD_STACK || class == MF_CLASS_STACK ||
	       class == MF_CLASS_TLS || class == MF_CLASS_GUARD;
}

/* ---- what RSS is made of -------------------------------------------------------- */

static const struct mf_column makeup_columns[] = {
	{ "class", "class", MF_VALUE_TEXT, 0 },
	{ "rss", "rss", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	{ "share", "", MF_VALUE_RATIO, MF_SHOW_BAR },
	{ "swap", "swap", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	{ "size", "mapped", MF_VALUE_SIZE, MF_SHOW_IF_ROOM },
	{ "who", "what, and who has most of it", MF_VALUE_TEXT, MF_SHOW_FILL },
};

struct makeup {
	const struct mf_space *space;
	struct mf_report *report;
	struct mf_class_total sum;
	bool by_size; /* RSS is not known */
};

static void add_who(struct mf_buffer *text, const struct makeup *makeup,
		    const struct mf_class_total *total)
{
	const struct mf_space *space = makeup->space;
	bool by_size = makeup->by_size;
	struct holder_list holders = { 0 };
	const struct mf_region *largest;
	char size[MF_UNIT_TEXT];

	mf_buffer_puts(text, meanings[total->class]);
	if (total->class == MF_CLASS_ANON) {
		largest = largest_of(space, total->class);
		mf_buffer_printf(
			text, ": %s at %" PRIx64 ", the largest",
			mf_report_size(makeup->report, size,
				       by_size ? largest->end - largest->start
					       : largest->usage.rss),
			largest->start);
		return;
	}
	if (is_per_thread(total->class))
		return;
	list_holders(space, total->class, by_size, &holders);
	add_holders(text, &holders);
	mf_vec_deinit(&holders);
}

static uint64_t weight_of(const struct makeup *makeup,
			  const struct mf_class_total *total)
{
	return makeup->by_size ? total->size : total->usage.rss;
}

static void set_makeup_row(const struct makeup *makeup, struct mf_value row[],
			   const char *name, const struct mf_class_total *total)
{
	row[0] = mf_text(name);
	row[1] = known_size(&total->usage, MF_FIGURE_RSS, total->usage.rss);
	row[2] = mf_ratio(share_of(weight_of(makeup, total),
				   weight_of(makeup, &makeup->sum)));
	row[3] = known_size(&total->usage, MF_FIGURE_SWAP, total->usage.swap);
	row[4] = mf_size(total->size);
	row[5] = mf_none();
}

static void write_class(const struct makeup *makeup,
			const struct mf_class_total *total)
{
	struct mf_value row[MF_ARRAY_SIZE(makeup_columns)];
	MF_AUTO_BUFFER(who);

	add_who(&who, makeup, total);
	set_makeup_row(makeup, row, mf_class_name(total->class), total);
	row[5] = mf_text(mf_buffer_text(&who));
	mf_report_row(makeup->report, row);
}

static void write_other(const struct makeup *makeup,
			const struct mf_class_total *other, const char *names)
{
	struct mf_value row[MF_ARRAY_SIZE(makeup_columns)];

	set_makeup_row(makeup, row, "other", other);
	row[5] = mf_text(names);
	mf_report_row(makeup->report, row);
}

/* One in PARTS of the whole, at least. */
static bool has_weight(const struct makeup *makeup,
		       const struct mf_class_total *total, uint64_t parts)
{
	uint64_t weight = weight_of(makeup, total);

	return weight && weight >= weight_of(makeup, &makeup->sum) / parts;
}

/* How many classes besides anon have a row of their own. */
static size_t own_rows(const struct makeup *makeup,
		       const struct mf_class_total *totals, size_t count,
		       size_t rows)
{
	for (size_t i = 0; i < count; i++)
		if (totals[i].class == MF_CLASS_ANON &&
		    has_weight(makeup, &totals[i], LEAST_ANON))
			rows--;
	return rows > 1 ? rows - 1 : 0;
}

/* A class has a row of its own when it matters, and if nobody explains it. */
static bool has_own_row(const struct makeup *makeup,
			const struct mf_class_total *total, size_t left)
{
	if (total->class == MF_CLASS_ANON)
		return has_weight(makeup, total, LEAST_ANON);
	return left && has_weight(makeup, total, LEAST_SHARE);
}

static void add_name(struct mf_buffer *names, enum mf_class class)
{
	mf_buffer_printf(names, "%s%s", names->size ? ", " : "",
			 mf_class_name(class));
}

static void write_classes(const struct makeup *makeup,
			  const struct mf_class_total *totals, size_t count,
			  size_t rows)
{
	struct mf_class_total other = { .usage.lacks = MF_FIGURES_ALL };
	size_t left = own_rows(makeup, totals, count, rows);
	MF_AUTO_BUFFER(names);
	MF_AUTO_BUFFER(unknown);

	for (size_t i = 0; i < count; i++) {
		const struct mf_class_total *total = &totals[i];

		if (has_own_row(makeup, total, left)) {
			write_class(makeup, total);
			left -= left && total->class != MF_CLASS_ANON;
			continue;
		}
		add_total(&other, total);
		if (weight_of(makeup, total))
			add_name(&names, total->class);
		else if (total->usage.lacks & MF_FIGURE_RSS)
			add_name(&unknown, total->class);
	}
	if (unknown.size)
		mf_buffer_printf(&names, "%snot known: %s",
				 names.size ? "; " : "", unknown.text);
	if (other.regions)
		write_other(makeup, &other, mf_buffer_text(&names));
}

static int by_total_size(const void *a, const void *b)
{
	const struct mf_class_total *left = a, *right = b;

	return (left->size < right->size) - (left->size > right->size);
}

static struct makeup makeup_of(const struct mf_space *space)
{
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);

	return (struct makeup){
		.space = space,
		.sum = sum_of(totals, count),
		.by_size = !mf_space_rss(space),
	};
}

size_t mf_space_count_makeup(const struct mf_space *space)
{
	size_t count, own = 0;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	const struct makeup makeup = makeup_of(space);

	for (size_t i = 0; i < count; i++)
		own += has_own_row(&makeup, &totals[i], 1);
	return own + (own < count);
}

void mf_space_write_makeup(const struct mf_space *space,
			   struct mf_report *report, size_t rows)
{
	size_t count;
	const struct mf_class_total *totals = mf_space_totals(space, &count);
	struct makeup makeup = makeup_of(space);
	const struct mf_table table = {
		.key = "makeup",
		.title = makeup.by_size ? "WHAT IS MAPPED (RSS is not known)"
					: "WHAT RSS IS MADE OF",
		.columns = makeup_columns,
		.column_count = MF_ARRAY_SIZE(makeup_columns),
		.top = SIZE_MAX,
		.show = MF_SHOW_TEXT_ONLY,
	};
	struct mf_class_total *sorted =
		mf_new_array(count ? count : 1, struct mf_class_total);
	struct mf_value row[MF_ARRAY_SIZE(makeup_columns)];

	makeup.report = report;
	if (count)
		memcpy(sorted, totals, count * sizeof(*sorted));
	if (makeup.by_size)
		qsort(sorted, count, sizeof(*sorted), by_total_size);
	mf_report_table_begin(report, &table);
	write_classes(&makeup, sorted, count, rows);
	set_makeup_row(&makeup, row, "total", &makeup.sum);
	mf_report_total(report, row);
	mf_report_table_end(report);
	free(sorted);
}
