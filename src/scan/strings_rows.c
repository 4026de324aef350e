/*
 * Strings as rows: how many there are, and which shapes, texts and beginnings
 * hold most; or all of them. What looks like a key is masked, whatever was
 * asked, and all other secrets when that was.
 */
#include "memforensics/report.h"

#include "base/escape.h"
#include "base/log.h"
#include "base/units.h"
#include "scan/strings.h"

enum {
	SHOWN = 15,	   /* rows of each table, in text */
	MOST_ROWS = 10000, /* of each, in data */
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
};

static const char *const encodings[MF_STRING_ENCODINGS] = {
	[MF_STRING_ASCII] = "ascii",
	[MF_STRING_UTF8] = "utf-8",
	[MF_STRING_UTF16] = "utf-16le",
};

/* ---- texts that are shown --------------------------------------------------- */

static bool is_key(const struct mf_strings *strings, uint64_t hash)
{
	return mf_map_has(&strings->keys, (uint32_t)hash);
}

enum {
	UPPER = 1,
	LOWER,
	DIGIT,
	OTHER, /* of base64 */
};

static unsigned class_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return UPPER;
	if (c >= 'a' && c <= 'z')
		return LOWER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	return c == '+' || c == '/' || c == '=' ? OTHER : 0;
}

/*
 * Where there is a private key, parts of it may lie about that nothing tells
 * apart: so nothing is shown there that looks like a line of base64.
 */
static bool may_be_of_key(const struct mf_strings *strings, const char *text,
			  size_t size)
{
	enum {
		LEAST = 32,
		MOST = 128,
		LEAST_DIGITS = 2
	};
	size_t turns = 0, digits = 0;

	if (!strings->keys.count || size < LEAST || size > MOST)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned class = class_of(text[i]);

		if (!class)
			return false;
		digits += class == DIGIT;
		turns += i && class != class_of(text[i - 1]);
	}
	return digits >= LEAST_DIGITS && turns >= size / 4;
}

/* Masks TEXT, which may be cut; true when something was hidden. */
static bool mask(const struct mf_strings *strings, char *text, size_t size,
		 bool cut)
{
	unsigned how = (strings->redact ? MF_MASK_ALL : MF_MASK_KEYS) |
		       (cut ? MF_MASK_CUT : 0);

	if (may_be_of_key(strings, text, size)) {
		memset(text, '*', size);
		return true;
	}
	return mf_secret_mask(text, size, how);
}

/* Bytes at the end of TEXT of a character that is cut off there. */
static size_t cut_character(const uint8_t *text, size_t size)
{
	size_t start = size;

	while (start && size - start < 3 && (text[start - 1] & 0xc0) == 0x80)
		start--;
	if (!start || text[start - 1] < 0xc0)
		return 0;
	start--;
	return mf_utf8_length((const char *)text + start, size - start)
		       ? 0
		       : size - start;
}

/* A shape's marks by their names. */
static void add_shape(struct mf_buffer *buffer, const uint8_t *shape,
		      size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const char *mark = mf_shape_mark(shape[i]);

		if (mark)
			mf_buffer_puts(buffer, mark);
		else
			mf_buffer_putc(buffer, (char)shape[i]);
	}
}

/*
 * TEXT as people see it: blanks alone would look like nothing. SIZE is that of
 * the whole, which TEXT may be the beginning of.
 */
static char *make_visible(const char *text, uint64_t size)
{
	size_t length = strlen(text);

	if (!length || strspn(text, " ") < length)
		return mf_strdup(text);
	if (length < size)
		return mf_asprintf("(begins with %zu blanks)", length);
	return mf_asprintf("(%zu blanks)", length);
}

/* ---- how many ------------------------------------------------------------------ */

static void write_totals(const struct mf_strings *strings,
			 struct mf_report *report)
{
	const struct mf_string_total *totals = strings->sums.totals;
	struct mf_string_total all = { 0 };
	char count[MF_UNIT_TEXT], size[MF_UNIT_TEXT];

	for (size_t i = 0; i < MF_STRING_ENCODINGS; i++) {
		all.count += totals[i].count;
		all.bytes += totals[i].bytes;
	}
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(all.count), DATA },
		{ "bytes", NULL, mf_size(all.bytes), DATA },
		{ "ascii", NULL, mf_count(totals[MF_STRING_ASCII].count),
		  DATA },
		{ "ascii_bytes", NULL, mf_size(totals[MF_STRING_ASCII].bytes),
		  DATA },
		{ "utf8", NULL, mf_count(totals[MF_STRING_UTF8].count), DATA },
		{ "utf8_bytes", NULL, mf_size(totals[MF_STRING_UTF8].bytes),
		  DATA },
		{ "utf16le", NULL, mf_count(totals[MF_STRING_UTF16].count),
		  DATA },
		{ "utf16le_bytes", NULL, mf_size(totals[MF_STRING_UTF16].bytes),
		  DATA },
		{ "min_length", NULL, mf_count(strings->least), DATA },
		{ "texts_unseen", NULL, mf_size(strings->sums.texts.unseen),
		  DATA },
		{ "shapes_unseen", NULL, mf_size(strings->sums.shapes.unseen),
		  DATA },
		{ "prefixes_unseen", NULL,
		  mf_size(strings->sums.prefixes.unseen), DATA },
	};

	mf_report_fields(report, "strings_total", NULL, fields,
			 MF_ARRAY_SIZE(fields));
	mf_report_heading(report, "STRINGS");
	mf_report_line(report, "%s strings of at least %u characters hold %s.",
		       mf_format_count(count, all.count), strings->least,
		       mf_report_size(report, size, all.bytes));
}

static bool has_stripped(const struct mf_sketch_sum *sum)
{
	for (size_t i = 0; i < sum->count; i++)
		if (sum->items[i].flags & MF_STRING_STRIPPED)
			return true;
	return false;
}

/* Text only: what the rows do not say. */
static void write_doubt(const struct mf_sketch_sum *sum, const char *what,
			struct mf_report *report)
{
	char size[MF_UNIT_TEXT];

	if (sum->unseen)
		mf_report_line(
			report,
			"More %s than are kept apart: each may have held "
			"up to %s more than is counted%s",
			what, mf_report_size(report, size, sum->unseen),
			has_stripped(sum)
				? "; of those that have other bytes right "
				  "beside them, each with every other byte."
				: ".");
}

/* ---- tables ---------------------------------------------------------------------- */

static const struct mf_column shape_columns[] = {
	{ "shape", "shape", MF_VALUE_TEXT, MF_SHOW_FILL },
	{ "count", "count", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "error_bytes", NULL, MF_VALUE_SIZE, DATA },
	{ "first", "first at", MF_VALUE_ADDRESS, 0 },
	{ "example", "such as", MF_VALUE_TEXT, MF_SHOW_FILL },
};

static void write_shape(const struct mf_strings *strings,
			const struct mf_sketch_item *item,
			struct mf_report *report)
{
	const struct mf_sketch_sum *sum = &strings->sums.shapes;
	const uint8_t *text = mf_sketch_sum_text(sum, item);
	uint8_t shape[MF_SHAPE_TEXT];
	char example[MF_SHAPE_TEXT + MF_STRING_SLACK] = "";
	size_t size = item->kept, length;
	MF_AUTO_BUFFER(name);

	memcpy(example, text + MF_SHAPE_TEXT, MF_SHAPE_TEXT);
	length = strlen(example);
	length -= cut_character((const uint8_t *)example, length);
	example[length] = '\0';
	memcpy(shape, text, size);
	/* what is hidden in the example is not in the shape either */
	if (mask(strings, example, length, length >= MF_SHAPE_TEXT - 3))
		size = mf_shape_make((const uint8_t *)example, length, shape,
				     sizeof(shape));
	if (size)
		add_shape(&name, shape, size - cut_character(shape, size));
	else
		mf_buffer_puts(&name, example);
	mf_report_row(report, (struct mf_value[]){
				      mf_text(mf_buffer_text(&name)),
				      mf_count(item->count),
				      mf_size(item->bytes),
				      mf_size(item->doubt),
				      mf_address(item->first),
				      mf_text(example),
			      });
}

static void write_shapes(const struct mf_strings *strings,
			 struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "string_shapes",
		.title = "STRINGS BY SHAPE",
		.columns = shape_columns,
		.column_count = MF_ARRAY_SIZE(shape_columns),
		.top = SHOWN,
	};
	const struct mf_sketch_sum *sum = &strings->sums.shapes;
	size_t rows = 0;

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < sum->count && rows < MOST_ROWS; i++) {
		const struct mf_sketch_item *item = &sum->items[i];

		if (!item->kept || !(item->flags & MF_STRING_VARIED))
			continue;
		write_shape(strings, item, report);
		rows++;
	}
	mf_report_table_end(report);
	write_doubt(sum, "shapes", report);
}

static const struct mf_column text_columns[] = {
	{ "text", NULL, MF_VALUE_TEXT, DATA },
	{ "visible", "text", MF_VALUE_TEXT, TEXT | MF_SHOW_FILL },
	{ "encoding", NULL, MF_VALUE_TEXT, DATA },
	{ "count", "count", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "error_bytes", NULL, MF_VALUE_SIZE, DATA },
	{ "first", "first at", MF_VALUE_ADDRESS, 0 },
	{ "length", NULL, MF_VALUE_SIZE, DATA }, /* bytes of one */
};

static void write_text(const struct mf_strings *strings,
		       const struct mf_sketch_item *item,
		       struct mf_report *report)
{
	const struct mf_sketch_sum *sum = &strings->sums.texts;
	char text[MF_STRING_TEXT + 1];
	mf_auto_free char *visible = NULL;
	uint64_t shown = item->tag == MF_STRING_UTF16 ? item->kept * UINT64_C(2)
						      : item->kept;

	memcpy(text, mf_sketch_sum_text(sum, item), item->kept);
	text[item->kept] = '\0';
	if (item->flags & MF_STRING_KEY || is_key(strings, item->hash))
		memset(text, '*', item->kept);
	else
		mask(strings, text, item->kept, shown < item->size);
	visible = make_visible(text, item->size - shown + item->kept);
	mf_report_row(report, (struct mf_value[]){
				      mf_text(text),
				      mf_text(visible),
				      mf_text(encodings[item->tag]),
				      mf_count(item->count),
				      mf_size(item->bytes),
				      mf_size(item->doubt),
				      mf_address(item->first),
				      mf_size(item->size),
			      });
}

static void write_texts(const struct mf_strings *strings,
			struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "strings",
		.title = "STRINGS BY TEXT",
		.columns = text_columns,
		.column_count = MF_ARRAY_SIZE(text_columns),
		.top = SHOWN,
		.empty = "no strings",
	};
	const struct mf_sketch_sum *sum = &strings->sums.texts;
	size_t rows = 0;

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < sum->count && rows < MOST_ROWS; i++) {
		if (!sum->items[i].kept)
			continue;
		write_text(strings, &sum->items[i], report);
		rows++;
	}
	mf_report_table_end(report);
	write_doubt(sum, "texts", report);
}

static const struct mf_column prefix_columns[] = {
	{ "prefix", NULL, MF_VALUE_TEXT, DATA },
	{ "visible", "beginning", MF_VALUE_TEXT, TEXT | MF_SHOW_FILL },
	{ "count", "count", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "error_bytes", NULL, MF_VALUE_SIZE, DATA },
	{ "first", "first at", MF_VALUE_ADDRESS, 0 },
};

static void write_prefix(const struct mf_strings *strings,
			 const struct mf_sketch_item *item,
			 struct mf_report *report)
{
	const struct mf_sketch_sum *sum = &strings->sums.prefixes;
	char text[MF_PREFIX_TEXT + 1] = "";
	mf_auto_free char *visible = NULL;
	size_t size = item->kept;

	/* masked with what comes behind it in one of them */
	memcpy(text, mf_sketch_sum_text(sum, item), MF_PREFIX_TEXT);
	mask(strings, text, strlen(text), true);
	size -= cut_character((const uint8_t *)text, size);
	text[size] = '\0';
	visible = make_visible(text, UINT64_MAX);
	mf_report_row(report, (struct mf_value[]){
				      mf_text(text),
				      mf_text(visible),
				      mf_count(item->count),
				      mf_size(item->bytes),
				      mf_size(item->doubt),
				      mf_address(item->first),
			      });
}

static void write_prefixes(const struct mf_strings *strings,
			   struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "string_prefixes",
		.title = "STRINGS BY WHAT THEY BEGIN WITH",
		.columns = prefix_columns,
		.column_count = MF_ARRAY_SIZE(prefix_columns),
		.top = SHOWN,
	};
	const struct mf_sketch_sum *sum = &strings->sums.prefixes;
	size_t rows = 0;

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < sum->count && rows < MOST_ROWS; i++) {
		const struct mf_sketch_item *item = &sum->items[i];

		if (!(item->flags & MF_STRING_VARIED))
			continue;
		write_prefix(strings, item, report);
		rows++;
	}
	mf_report_table_end(report);
	write_doubt(sum, "beginnings", report);
}

/* ---- all of them -------------------------------------------------------------------- */

static const struct mf_column all_columns[] = {
	{ "first", "address", MF_VALUE_ADDRESS, 0 },
	{ "text", "text", MF_VALUE_TEXT, 0 },
	{ "encoding", NULL, MF_VALUE_TEXT, DATA },
	{ "count", NULL, MF_VALUE_COUNT, DATA },
	{ "bytes", NULL, MF_VALUE_SIZE, DATA },
};

struct all {
	const struct mf_strings *strings;
	struct mf_report *report;
};

static void write_spilled(const struct mf_spilled *spilled, char *text,
			  void *data)
{
	const struct all *all = data;
	bool cut = spilled->size > MF_STRING_HEAD;

	if (spilled->key || is_key(all->strings, spilled->hash))
		memset(text, '*', spilled->kept);
	else
		mask(all->strings, text, spilled->kept, cut);
	mf_report_row(all->report,
		      (struct mf_value[]){
			      mf_address(spilled->address),
			      mf_text(text),
			      mf_text(encodings[spilled->encoding]),
			      mf_count(1),
			      mf_size(spilled->size),
		      });
}

static void write_all(const struct mf_strings *strings,
		      struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "strings",
		.columns = all_columns,
		.column_count = MF_ARRAY_SIZE(all_columns),
	};
	struct all all = { strings, report };
	struct mf_error *error;

	mf_report_table_begin(report, &table);
	error = mf_string_spill_each(strings->spill, write_spilled, &all);
	mf_report_table_end(report);
	if (error)
		mf_warn("%s: %s", error->what, error->why);
	mf_error_destroy(error);
}

void mf_strings_write(const void *scanner, const struct mf_scan *scan,
		      struct mf_report *report)
{
	const struct mf_strings *strings = scanner;

	(void)scan;
	write_totals(strings, report);
	if (strings->all) {
		write_all(strings, report);
		return;
	}
	write_shapes(strings, report);
	write_texts(strings, report);
	write_prefixes(strings, report);
}
