/*
 * What groups are made of, as rows: a line each, and the sums over all.
 */
#include "memforensics/report.h"

#include "base/buffer.h"
#include "scan/content.h"

enum {
	SHOWN = 4,	 /* classes in a line */
	SHOWN_MIXED = 2, /* kinds of words that mixed blocks are told by */
	LEAST_MIXED = 5, /* one in so many words, at least */
	SHOWN_GROUPS = 20,
};

/* ---- a line -------------------------------------------------------------------- */

static const char *const words[MF_CONTENTS] = {
	[MF_CONTENT_ZERO] = "zeros",
	[MF_CONTENT_TEXT] = "text",
	[MF_CONTENT_POINTERS] = "pointers",
	[MF_CONTENT_INTEGERS] = "small numbers",
	[MF_CONTENT_FLOATS] = "floating point",
	[MF_CONTENT_COMPRESSED] = "compressed/encrypted",
	[MF_CONTENT_MIXED] = "mixed",
	[MF_CONTENT_JAVA] = "Java objects",
};

static uint64_t sum_of(const uint64_t *numbers, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += numbers[i];
	return sum;
}

/* Index of the largest of NUMBERS that is not in DONE; COUNT: all are 0. */
static size_t largest(const uint64_t *numbers, size_t count, unsigned done)
{
	size_t best = count;

	for (size_t i = 0; i < count; i++)
		if (!(done >> i & 1) && numbers[i] &&
		    (best == count || numbers[i] > numbers[best]))
			best = i;
	return best;
}

/* The one that most of the pointers lead into, if it has most. */
static void add_target(struct mf_buffer *text,
		       const struct mf_content_scanner *scanner,
		       const struct mf_content_tally *tally)
{
	const struct mf_content_target *best = &tally->targets[0];
	uint64_t all = 0;

	for (size_t i = 0; i < MF_CONTENT_TARGETS; i++) {
		const struct mf_content_target *target = &tally->targets[i];

		all += target->weight;
		if (target->weight > best->weight)
			best = target;
	}
	if (best->name && best->weight * 2 > all)
		mf_buffer_printf(text, " into %s",
				 scanner->names.items[best->name - 1]);
}

/* What most of the text is, as far as it is anything. */
static void add_kind(struct mf_buffer *text,
		     const struct mf_content_tally *tally)
{
	uint64_t all = sum_of(tally->texts, MF_TEXTS);
	size_t best = largest(tally->texts, MF_TEXTS, 1U << MF_TEXT_OTHER);

	if (best < MF_TEXTS && tally->texts[best] * 2 > all)
		mf_buffer_printf(text, ", mostly %s",
				 mf_content_text_name(best));
}

/* What most of the words look like, as far as they look like anything. */
static void add_mixture(struct mf_buffer *text,
			const struct mf_content_tally *tally)
{
	uint64_t words_all = tally->bytes[MF_CONTENT_MIXED] / sizeof(uint64_t);
	unsigned done = 0;

	for (unsigned i = 0; i < SHOWN_MIXED; i++) {
		size_t best =
			largest(tally->mixed, MF_CONTENT_COMPRESSED, done);

		if (best == MF_CONTENT_COMPRESSED ||
		    tally->mixed[best] * LEAST_MIXED < words_all)
			break;
		done |= 1U << best;
		mf_buffer_printf(text, "%s%s", i ? ", " : " (", words[best]);
	}
	if (done)
		mf_buffer_putc(text, ')');
}

char *mf_content_describe(const struct mf_content_scanner *scanner,
			  const struct mf_content_tally *tally)
{
	uint64_t all = sum_of(tally->bytes, MF_CONTENTS);
	unsigned done = 0;
	MF_AUTO_BUFFER(text);

	for (unsigned i = 0; i < SHOWN; i++) {
		size_t best = largest(tally->bytes, MF_CONTENTS, done);
		double share;

		if (best == MF_CONTENTS)
			break;
		share = 100 * (double)tally->bytes[best] / (double)all;
		if (i && share < 1)
			break;
		done |= 1U << best;
		mf_buffer_printf(&text, "%s%.0f%% %s", i ? "; " : "", share,
				 words[best]);
		if (best == MF_CONTENT_POINTERS)
			add_target(&text, scanner, tally);
		else if (best == MF_CONTENT_MIXED)
			add_mixture(&text, tally);
		else if (best == MF_CONTENT_TEXT)
			add_kind(&text, tally);
	}
	return mf_buffer_take(&text);
}

/* ---- sums ----------------------------------------------------------------------- */

static void write_sums(const struct mf_content_scanner *scanner,
		       struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "class", NULL, MF_VALUE_TEXT, 0 },
		{ "bytes", NULL, MF_VALUE_SIZE, 0 },
		{ "integers", NULL, MF_VALUE_SIZE, 0 },
		{ "floats", NULL, MF_VALUE_SIZE, 0 },
	};
	static const struct mf_table table = {
		.key = "content",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = MF_SHOW_DATA_ONLY,
	};
	static const struct {
		const char *class;
		enum mf_content content;
	} rows[] = {
		{ "zero", MF_CONTENT_ZERO },
		{ "text", MF_CONTENT_TEXT },
		{ "pointers", MF_CONTENT_POINTERS },
		{ "numbers", MF_CONTENT_INTEGERS },
		{ "compressed", MF_CONTENT_COMPRESSED },
		{ "mixed", MF_CONTENT_MIXED },
		{ "java", MF_CONTENT_JAVA },
	};
	uint64_t sums[MF_CONTENTS] = { 0 };

	for (size_t g = 0; g < scanner->group_count; g++)
		for (size_t i = 0; i < MF_CONTENTS; i++)
			sums[i] += scanner->tallies[g].bytes[i];
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < MF_ARRAY_SIZE(rows); i++) {
		bool numbers = rows[i].content == MF_CONTENT_INTEGERS;
		uint64_t floats = numbers ? sums[MF_CONTENT_FLOATS] : 0;
		uint64_t bytes = sums[rows[i].content];

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_text(rows[i].class),
				      mf_size(bytes + floats),
				      numbers ? mf_size(bytes) : mf_none(),
				      numbers ? mf_size(floats) : mf_none(),
			      });
	}
	mf_report_table_end(report);
}

/* ---- groups --------------------------------------------------------------------- */

static const struct mf_column group_columns[] = {
	{ "label", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	{ "name", "what", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
	{ "class", NULL, MF_VALUE_TEXT, MF_SHOW_DATA_ONLY },
	{ "start", NULL, MF_VALUE_ADDRESS, MF_SHOW_DATA_ONLY },
	{ "scanned_bytes", "scanned", MF_VALUE_SIZE, 0 },
	{ "zero", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "text", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "pointers", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "integers", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "floats", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "compressed", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "mixed", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "java", NULL, MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
	{ "made_of", "is made of", MF_VALUE_TEXT, MF_SHOW_WRAP },
};

/* Regions that nobody has a name for are told apart by where they are. */
static void add_name(struct mf_buffer *text, const struct mf_scan_group *group)
{
	mf_buffer_puts(text, group->label);
	if (group->class != MF_CLASS_HEAP && group->class != MF_CLASS_ARENA)
		mf_buffer_printf(text, " %llx",
				 (unsigned long long)group->start);
}

static void write_group(const struct mf_content_scanner *scanner,
			const struct mf_scan *scan, size_t group,
			struct mf_report *report)
{
	const struct mf_content_tally *tally = &scanner->tallies[group];
	mf_auto_free char *line = mf_content_describe(scanner, tally);
	size_t count;
	const struct mf_scan_group *of = &mf_scan_groups(scan, &count)[group];
	const uint64_t *bytes = tally->bytes;
	MF_AUTO_BUFFER(name);

	add_name(&name, of);
	mf_report_row(report, (struct mf_value[]){
				      mf_text(of->label),
				      mf_text(mf_buffer_text(&name)),
				      mf_text(mf_class_name(of->class)),
				      mf_address(of->start),
				      mf_size(mf_scan_group_bytes(scan, group)),
				      mf_size(bytes[MF_CONTENT_ZERO]),
				      mf_size(bytes[MF_CONTENT_TEXT]),
				      mf_size(bytes[MF_CONTENT_POINTERS]),
				      mf_size(bytes[MF_CONTENT_INTEGERS]),
				      mf_size(bytes[MF_CONTENT_FLOATS]),
				      mf_size(bytes[MF_CONTENT_COMPRESSED]),
				      mf_size(bytes[MF_CONTENT_MIXED]),
				      mf_size(bytes[MF_CONTENT_JAVA]),
				      mf_text(line),
			      });
}

struct sized_group {
	size_t group;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct sized_group *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes > right->bytes ? -1 : 1;
	return (left->group > right->group) - (left->group < right->group);
}

struct sized_groups {
	MF_VEC(struct sized_group) by_bytes;
};

/* Those of which something was scanned. */
static void take_groups(struct sized_groups *groups, const struct mf_scan *scan,
			size_t count)
{
	for (size_t g = 0; g < count; g++)
		if (mf_scan_group_bytes(scan, g))
			mf_vec_push(&groups->by_bytes,
				    (struct sized_group){
					    g, mf_scan_group_bytes(scan, g) });
	mf_vec_sort(&groups->by_bytes, by_bytes);
}

void mf_content_write_groups(const struct mf_content_scanner *scanner,
			     const struct mf_scan *scan,
			     struct mf_report *report,
			     const struct mf_table *shape)
{
	struct mf_table table = *shape;
	struct sized_groups groups = { 0 };

	table.key = "groups";
	table.columns = group_columns;
	table.column_count = MF_ARRAY_SIZE(group_columns);
	take_groups(&groups, scan, scanner->group_count);
	mf_report_table_begin(report, &table);
	mf_vec_foreach(group, &groups.by_bytes)
		write_group(scanner, scan, group->group, report);
	mf_report_table_end(report);
	mf_vec_deinit(&groups.by_bytes);
}

/* Lines of TEXT in so many COLUMNS, broken between words. */
static size_t lines_of(const char *text, size_t columns)
{
	size_t lines = 1, used = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (used && used + 1 + word > columns) {
			lines++;
			used = 0;
		}
		used += (used ? 1 : 0) + word;
		text += word;
		text += strspn(text, " ");
	}
	return lines;
}

size_t mf_content_group_lines(const struct mf_content_scanner *scanner,
			      const struct mf_scan *scan, size_t rows,
			      size_t columns)
{
	enum {
		BESIDE = 15 /* columns of what was scanned, and all gaps */
	};
	struct sized_groups groups = { 0 };
	size_t count, widest = 0, lines = 0;
	const struct mf_scan_group *all = mf_scan_groups(scan, &count);

	take_groups(&groups, scan, scanner->group_count);
	rows = MF_MIN(rows, groups.by_bytes.count);
	for (size_t i = 0; i < rows; i++) {
		MF_AUTO_BUFFER(name);

		add_name(&name, &all[groups.by_bytes.items[i].group]);
		widest = MF_MAX(widest, name.size);
	}
	for (size_t i = 0; i < rows; i++) {
		size_t group = groups.by_bytes.items[i].group;
		mf_auto_free char *line =
			mf_content_describe(scanner, &scanner->tallies[group]);

		lines += lines_of(
			line, columns - MF_MIN(columns / 2, widest + BESIDE));
	}
	mf_vec_deinit(&groups.by_bytes);
	return lines;
}

void mf_content_write(const void *scanner, const struct mf_scan *scan,
		      struct mf_report *report)
{
	static const struct mf_table shape = {
		.title = "WHAT IS IN IT",
		.top = SHOWN_GROUPS,
		.empty = "nothing that is present, and in use",
	};

	write_sums(scanner, report);
	mf_content_write_groups(scanner, scan, report, &shape);
}
