/*
 * Looks for the patterns that were given. What lies within a window is found
 * there; what lies across the ends of two, when all windows are through, by
 * reading those few bytes again.
 */
#include "scan/matches.h"

#include "base/buffer.h"
#include "base/escape.h"
#include "base/search.h"
#include "scan/scanners.h"

enum {
	WORD = 8,
	MOST_SETS = 4096, /* of YARA's strings */
	PAGE = 4096,
};

/* A pattern, compiled. */
struct pattern {
	enum mf_find_kind kind;
	struct mf_needle *needle;
	struct mf_regex *regex;
	struct mf_yara *yara;
	/* what is pointed to, while there is an input */
	const struct mf_scan_pointed *ranges;
	size_t range_count;
};

/* From where on a seam has to be looked at, for one regular expression. */
struct from {
	uint64_t seam, address;
	size_t pattern;
};

struct scanner {
	const struct mf_scan_options *options;
	const struct mf_scan_input *input;
	MF_VEC(struct pattern) patterns;
	MF_VEC(struct mf_match_set) sets; /* one a pattern, then YARA's own */
	MF_VEC(struct mf_seam_side) sides;
	MF_VEC(struct from) from;
	MF_VEC(struct mf_match_row) rows;
	struct mf_buffer trouble;
	size_t limit;
};

struct worker {
	struct scanner *scanner;
	struct mf_match_set *sets;	  /* one a pattern */
	struct mf_regex_worker **regexes; /* one a pattern; NULL: none */
	MF_VEC(struct mf_seam_side) sides;
	MF_VEC(struct from) from;
	unsigned gave_up; /* in this window */
};

/* ---- creation -------------------------------------------------------------------- */

static struct mf_error *compile(const struct mf_scan_pattern *given,
				struct pattern *ret)
{
	ret->kind = given->kind;
	switch (given->kind) {
	case MF_FIND_TEXT:
		ret->needle = mf_new(struct mf_needle);
		return mf_needle_from_text(given->text, ret->needle);
	case MF_FIND_HEX:
		ret->needle = mf_new(struct mf_needle);
		return mf_needle_from_hex(given->text, ret->needle);
	case MF_FIND_REGEX:
		return mf_regex_compile(given->text, &ret->regex);
	case MF_FIND_YARA:
		return mf_yara_compile(given->text, &ret->yara);
	default:
		return NULL;
	}
}

static void forget(struct scanner *scanner)
{
	mf_vec_foreach(set, &scanner->sets)
		mf_match_set_deinit(set);
	mf_vec_deinit(&scanner->sets);
	mf_vec_foreach(row, &scanner->rows)
		free(row->context);
	mf_vec_deinit(&scanner->rows);
	mf_vec_deinit(&scanner->sides);
	mf_vec_deinit(&scanner->from);
	mf_buffer_deinit(&scanner->trouble);
}

static void destroy(void *data)
{
	struct scanner *scanner = data;

	if (!scanner)
		return;
	forget(scanner);
	mf_vec_foreach(pattern, &scanner->patterns) {
		free(pattern->needle);
		mf_regex_destroy(pattern->regex);
		mf_yara_destroy(pattern->yara);
	}
	mf_vec_deinit(&scanner->patterns);
	free(scanner);
}

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	const struct mf_scan_options *options = context->options;
	struct scanner *scanner = mf_new(struct scanner);
	struct mf_error *error = NULL;

	scanner->options = options;
	for (size_t i = 0; i < options->pattern_count && !error; i++) {
		struct pattern *pattern = mf_vec_add(&scanner->patterns);

		error = compile(&options->patterns[i], pattern);
	}
	if (error) {
		destroy(scanner);
		return error;
	}
	scanner->limit = MF_MATCHES_SHOWN;
	if (options->all_strings && options->pattern_count)
		scanner->limit = MF_MATCHES_MOST / options->pattern_count;
	*ret = scanner;
	return NULL;
}

static struct mf_error *begin(const struct mf_scan_context *context, void *data)
{
	const struct mf_scan_input *input = context->input;
	struct scanner *scanner = data;

	forget(scanner);
	scanner->input = input;
	for (size_t i = 0; i < scanner->patterns.count; i++) {
		struct mf_match_set *set = mf_vec_add(&scanner->sets);
		struct pattern *pattern = &scanner->patterns.items[i];

		set->pattern = scanner->options->patterns[i].text;
		set->kind = pattern->kind;
		set->limit = scanner->limit;
		pattern->range_count = 0;
		for (size_t j = 0; j < input->pointed_count; j++) {
			if (input->pointed[j].pattern != i)
				continue;
			if (!pattern->range_count++)
				pattern->ranges = &input->pointed[j];
		}
	}
	return NULL;
}

static void *create_worker(void *data)
{
	struct worker *worker = mf_new(struct worker);
	struct scanner *scanner = data;
	size_t count = scanner->patterns.count;

	worker->scanner = scanner;
	worker->sets = mf_new_array(count ? count : 1, struct mf_match_set);
	worker->regexes =
		mf_new_array(count ? count : 1, struct mf_regex_worker *);
	for (size_t i = 0; i < count; i++) {
		worker->sets[i].limit = scanner->limit;
		if (scanner->patterns.items[i].regex)
			worker->regexes[i] = mf_regex_worker_create(
				scanner->patterns.items[i].regex);
	}
	return worker;
}

static void merge_worker(void *data, void *from)
{
	struct scanner *scanner = data;
	struct worker *worker = from;

	for (size_t i = 0; i < scanner->patterns.count; i++) {
		mf_match_set_merge(&scanner->sets.items[i], &worker->sets[i]);
		mf_match_set_deinit(&worker->sets[i]);
		mf_regex_worker_destroy(worker->regexes[i]);
	}
	mf_vec_foreach(side, &worker->sides)
		mf_vec_push(&scanner->sides, *side);
	mf_vec_foreach(one, &worker->from)
		mf_vec_push(&scanner->from, *one);
	mf_vec_deinit(&worker->sides);
	mf_vec_deinit(&worker->from);
	free(worker->sets);
	free(worker->regexes);
	free(worker);
}

/* ---- a window ---------------------------------------------------------------------- */

static void find_needle(const struct mf_needle *needle, const uint8_t *bytes,
			size_t size, uint64_t address, struct mf_match_set *set)
{
	size_t at = 0;

	while ((at = mf_needle_find(needle, bytes, at, size)) < size) {
		mf_match_set_add(set, address + at, needle->size);
		at++;
	}
}

static bool is_pointed(const struct pattern *pattern, uint64_t word)
{
	return mf_range_at(pattern->ranges, pattern->range_count, word);
}

static void find_pointers(const struct pattern *pattern, const uint8_t *bytes,
			  size_t size, uint64_t address,
			  struct mf_match_set *set)
{
	uint64_t low, span;
	size_t at = (size_t)(-address & (WORD - 1));

	if (!pattern->range_count)
		return;
	low = pattern->ranges[0].start;
	span = pattern->ranges[pattern->range_count - 1].end - low;
	for (; at + WORD <= size; at += WORD) {
		uint64_t word = mf_load(uint64_t, bytes + at);

		if (MF_UNLIKELY(word - low < span) && is_pointed(pattern, word))
			mf_match_set_add(set, address + at, WORD);
	}
}

/* Bytes in which a regular expression is looked for, and which count. */
struct stretch {
	struct mf_regex_text text;
	size_t from; /* a match counts when it begins there, or behind it */
	uint64_t address;
};

/* Returns where the last match that counts, or began before FROM, ends. */
static size_t find_regex(struct worker *worker, size_t pattern,
			 const struct stretch *stretch, size_t at)
{
	struct mf_match_set *set = &worker->sets[pattern];
	size_t start, end, last = at;

	if (set->gave_up > MF_PATTERN_WORST)
		set->gave_up++;
	while (at < stretch->text.to && set->gave_up <= MF_PATTERN_WORST) {
		enum mf_regex_is is =
			mf_regex_find(worker->regexes[pattern], &stretch->text,
				      at, &start, &end);

		if (is == MF_REGEX_NONE)
			break;
		if (is == MF_REGEX_GAVE_UP) {
			set->gave_up++;
			if (++worker->gave_up >= MF_PATTERN_MOST_GAVE_UP)
				break;
			at = start + MF_PATTERN_GIVE_UP_STEP;
			continue;
		}
		if (start >= stretch->from)
			mf_match_set_add(set, stretch->address + start,
					 end - start);
		at = last = end;
	}
	return last;
}

static void scan_regex(struct worker *worker, size_t pattern,
		       const struct mf_scan_window *window,
		       const struct mf_scan_piece *piece, uint32_t lead,
		       uint32_t trail)
{
	const struct stretch stretch = {
		.text = {
			.bytes = window->bytes + piece->start,
			.size = piece->end - piece->start,
			.to = piece->end - piece->start - trail,
		},
		.from = lead,
		.address = window->address + piece->start,
	};
	size_t last = find_regex(worker, pattern, &stretch, 0);

	if (!piece->ends && last > stretch.text.to)
		mf_vec_push(&worker->from,
			    (struct from){
				    .seam = window->address + piece->end,
				    .address = stretch.address + last,
				    .pattern = pattern,
			    });
}

static void keep_sides(struct worker *worker,
		       const struct mf_scan_window *window,
		       const struct mf_scan_piece *piece, uint32_t lead,
		       uint32_t trail)
{
	uint64_t start = window->address + piece->start;
	uint64_t end = window->address + piece->end;

	if (!piece->begins)
		mf_vec_push(&worker->sides, (struct mf_seam_side){
						    .address = start,
						    .far = end,
						    .margin = lead,
					    });
	if (!piece->ends)
		mf_vec_push(&worker->sides, (struct mf_seam_side){
						    .address = end,
						    .far = start,
						    .margin = trail,
						    .left = true,
					    });
}

static void scan_piece(struct worker *worker,
		       const struct mf_scan_window *window,
		       const struct mf_scan_piece *piece)
{
	const uint8_t *bytes = window->bytes + piece->start;
	uint64_t address = window->address + piece->start;
	uint32_t size = piece->end - piece->start;
	uint32_t most = MF_PATTERN_OVERLAP;
	uint32_t lead = piece->begins ? 0 : MF_MIN(most, size / 2);
	uint32_t trail = piece->ends ? 0 : MF_MIN(most, size - lead);

	for (size_t i = 0; i < worker->scanner->patterns.count; i++) {
		const struct pattern *pattern =
			&worker->scanner->patterns.items[i];

		if (pattern->needle)
			find_needle(pattern->needle, bytes, size, address,
				    &worker->sets[i]);
		else if (pattern->regex)
			scan_regex(worker, i, window, piece, lead, trail);
		else if (pattern->yara)
			mf_yara_scan(pattern->yara, bytes, size, address);
		else
			find_pointers(pattern, bytes, size, address,
				      &worker->sets[i]);
	}
	if (!piece->begins || !piece->ends)
		keep_sides(worker, window, piece, lead, trail);
}

static void scan_window(void *data, const struct mf_scan_window *window)
{
	struct worker *worker = data;

	worker->gave_up = 0;
	if (!worker->scanner->patterns.count)
		return;
	for (uint32_t i = 0; i < window->piece_count; i++)
		scan_piece(worker, window, &window->pieces[i]);
}

/* ---- across windows ------------------------------------------------------------------ */

/* A seam, and bytes around it. */
struct around {
	const struct mf_seam *seam;
	uint8_t *bytes;
	uint64_t start; /* of the bytes */
	size_t size;
};

/* Of bytes [START, END) those that can be had without a gap to the cut. */
static bool read_around(struct mf_target *target, struct around *around,
			uint64_t before, uint64_t behind)
{
	const struct mf_seam *seam = around->seam;
	uint64_t start =
		seam->address - MF_MIN(seam->address - seam->left, before);
	uint64_t end =
		seam->address + MF_MIN(seam->right - seam->address, behind);

	around->start = start;
	around->size = (size_t)(end - start);
	memset(around->bytes + around->size, 0, MF_SCAN_SLACK);
	return around->size &&
	       mf_target_try_read(target, start, around->bytes, around->size);
}

static void join_needle(struct mf_target *target, struct around *around,
			const struct mf_needle *needle,
			struct mf_match_set *set)
{
	const struct mf_seam *seam = around->seam;
	size_t at = 0, cut;

	if (needle->size < 2 || seam->left == seam->address ||
	    seam->right == seam->address ||
	    !read_around(target, around, needle->size - 1, needle->size - 1))
		return;
	cut = (size_t)(seam->address - around->start);
	while ((at = mf_needle_find(needle, around->bytes, at, around->size)) <
	       cut) {
		mf_match_set_add(set, around->start + at, needle->size);
		at++;
	}
}

static int by_seam(const void *left, const void *right)
{
	const struct from *a = left, *b = right;

	if (a->seam != b->seam)
		return a->seam < b->seam ? -1 : 1;
	return (a->pattern > b->pattern) - (a->pattern < b->pattern);
}

static uint64_t regex_from(const struct scanner *scanner,
			   const struct mf_seam *seam, size_t pattern)
{
	const struct from wanted = { .seam = seam->address,
				     .pattern = pattern };
	uint64_t from = seam->address - seam->before;
	const struct from *one = NULL;

	if (scanner->from.count)
		one = bsearch(&wanted, scanner->from.items, scanner->from.count,
			      sizeof(wanted), by_seam);
	return one ? MF_MAX(from, one->address) : from;
}

static void join_regex(struct mf_target *target, struct around *around,
		       struct worker *worker, size_t pattern)
{
	const struct mf_seam *seam = around->seam;
	struct stretch stretch;

	if (!read_around(target, around, (uint64_t)2 * MF_PATTERN_OVERLAP,
			 (uint64_t)2 * MF_PATTERN_OVERLAP))
		return;
	stretch = (struct stretch){
		.text = {
			.bytes = around->bytes,
			.size = around->size,
			.to = (size_t)(seam->address + seam->behind -
				       around->start),
		},
		.from = (size_t)(regex_from(worker->scanner, seam, pattern) -
				 around->start),
		.address = around->start,
	};
	worker->gave_up = 0;
	find_regex(worker, pattern, &stretch, stretch.from);
}

static void join_yara(struct mf_target *target, struct around *around,
		      struct mf_yara *yara)
{
	if (around->seam->left < around->seam->address &&
	    around->seam->right > around->seam->address &&
	    read_around(target, around, MF_PATTERN_OVERLAP, MF_PATTERN_OVERLAP))
		mf_yara_scan(yara, around->bytes, around->size, around->start);
}

static void join_seams(struct mf_target *target, struct scanner *scanner)
{
	struct worker *worker = create_worker(scanner);
	struct mf_seam *seams;
	size_t count = mf_seams_join(scanner->sides.items, scanner->sides.count,
				     &seams);
	struct around around = {
		.bytes = mf_calloc(4 * MF_PATTERN_OVERLAP + MF_SCAN_SLACK, 1),
	};

	mf_vec_sort(&scanner->from, by_seam);
	for (size_t i = 0; i < count; i++) {
		around.seam = &seams[i];
		for (size_t j = 0; j < scanner->patterns.count; j++) {
			const struct pattern *pattern =
				&scanner->patterns.items[j];

			if (pattern->needle)
				join_needle(target, &around, pattern->needle,
					    &worker->sets[j]);
			else if (pattern->regex)
				join_regex(target, &around, worker, j);
			else if (pattern->yara)
				join_yara(target, &around, pattern->yara);
		}
	}
	free(around.bytes);
	free(seams);
	merge_worker(scanner, worker);
}

/* ---- what is told of ------------------------------------------------------------------- */

static void add_yara_match(const char *rule, const char *string,
			   uint64_t address, uint64_t size, void *data)
{
	struct scanner *scanner = data;
	mf_auto_free char *name = mf_asprintf("%s%s%s", rule, string ? ":" : "",
					      string ? string : "");
	struct mf_match_set *set = NULL;

	mf_vec_foreach(one, &scanner->sets)
		if (one->own && !strcmp(one->own, name))
			set = one;
	if (!set) {
		if (scanner->sets.count >= MOST_SETS)
			return;
		set = mf_vec_add(&scanner->sets);
		set->kind = MF_FIND_YARA;
		set->limit = scanner->limit;
		set->own = name;
		set->pattern = name;
		name = NULL;
	}
	if (string)
		mf_match_set_add(set, address, size);
	else
		set->count++;
}

static const char *find_where(const struct mf_scan_input *input,
			      uint64_t address)
{
	const struct mf_scan_range *range =
		mf_range_at(input->ranges, input->range_count, address);

	return range ? input->groups[range->group].label : NULL;
}

/* Printable text as it is, a dot for every other byte. */
static void add_shown(struct mf_buffer *buffer, const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t length = mf_utf8_length(text + at, size - at);
		unsigned char c = (unsigned char)text[at];

		if (!length || c < ' ' || c == 0x7f) {
			mf_buffer_putc(buffer, '.');
			at++;
			continue;
		}
		mf_buffer_add(buffer, text + at, length);
		at += length;
	}
}

/* Pages in which matches lie, and those before and behind them, masked. */
struct masked {
	struct mf_target *target;
	unsigned how;
	uint64_t page; /* that of the matches; UINT64_MAX: none */
	uint64_t start, end;
	char bytes[3 * PAGE];
};

static void read_masked(struct masked *masked, uint64_t page)
{
	uint64_t start = page < PAGE ? page : page - PAGE;
	uint64_t size = page + 2 * (uint64_t)PAGE - start;

	masked->page = page;
	/* Without what is behind it, then what is before, if that is not there. */
	while (size && !mf_target_try_read(masked->target, start, masked->bytes,
					   (size_t)size)) {
		if (start + size > page + PAGE) {
			size -= PAGE;
		} else {
			size = start < page ? PAGE : 0;
			start = page;
		}
	}
	masked->start = start;
	masked->end = start + size;
	mf_secret_mask(masked->bytes, (size_t)size, masked->how);
	mf_secret_mask_wide(masked->bytes, (size_t)size, masked->how);
}

static char *read_context(struct masked *masked, const struct mf_match *match)
{
	uint64_t page = match->address / PAGE * PAGE, from, to;
	MF_AUTO_BUFFER(text);

	if (masked->page != page)
		read_masked(masked, page);
	if (match->address < masked->start || match->address >= masked->end)
		return NULL;
	from = match->address - masked->start;
	from = match->address - MF_MIN(from, (uint64_t)MF_MATCH_CONTEXT_BEFORE);
	to = MF_MIN(masked->end, match->address + MF_MATCH_CONTEXT -
					 MF_MATCH_CONTEXT_BEFORE);
	add_shown(&text, masked->bytes + (from - masked->start),
		  (size_t)(to - from));
	return mf_buffer_take(&text);
}

static char *read_pointer(struct mf_target *target,
			  const struct mf_match *match)
{
	uint64_t word;

	if (!mf_target_read_u64(target, match->address, &word))
		return NULL;
	return mf_asprintf("0x%llx", (unsigned long long)word);
}

static void make_rows(struct mf_target *target, struct scanner *scanner)
{
	struct masked *masked = mf_new(struct masked);

	masked->target = target;
	masked->page = UINT64_MAX;
	masked->how = MF_MASK_CUT |
		      (scanner->options->redact ? MF_MASK_ALL : MF_MASK_KEYS);
	mf_vec_foreach(set, &scanner->sets) {
		mf_match_set_settle(set);
		mf_vec_foreach(match, &set->kept) {
			struct mf_match_row row = {
				.match = *match,
				.where = find_where(scanner->input,
						    match->address),
			};

			if (set->kind == MF_FIND_POINTER)
				row.context = read_pointer(target, match);
			else
				row.context = read_context(masked, match);
			mf_vec_push(&scanner->rows, row);
		}
	}
	free(masked);
}

/* Sets grow no more, so rows may point to theirs. */
static void link_rows(struct scanner *scanner)
{
	size_t row = 0;

	mf_vec_foreach(set, &scanner->sets)
		for (size_t i = 0; i < set->kept.count; i++)
			scanner->rows.items[row++].set = set;
}

static struct mf_error *finish(const struct mf_scan_context *context,
			       void *data)
{
	struct scanner *scanner = data;

	join_seams(context->target, scanner);
	mf_vec_foreach(pattern, &scanner->patterns) {
		if (!pattern->yara)
			continue;
		mf_yara_finish(pattern->yara, add_yara_match, scanner);
		mf_buffer_puts(&scanner->trouble,
			       mf_yara_trouble(pattern->yara));
	}
	make_rows(context->target, scanner);
	link_rows(scanner);
	return NULL;
}

static void write_rows(const void *data, const struct mf_scan *scan,
		       struct mf_report *report)
{
	const struct scanner *scanner = data;

	(void)scan;
	mf_matches_write(scanner->sets.items, scanner->sets.count,
			 scanner->rows.items, scanner->rows.count,
			 mf_buffer_text(&scanner->trouble), report);
}

const struct mf_scanner_ops mf_scan_matches_ops = {
	.scans_for = MF_SCAN_MATCHES,
	.create = create,
	.begin = begin,
	.worker_create = create_worker,
	.window = scan_window,
	.merge = merge_worker,
	.finish = finish,
	.write = write_rows,
	.destroy = destroy,
};
