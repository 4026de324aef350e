/*
 * Who points at a target as report rows: the target, the words, how many in
 * each region, and the paths from roots.
 */
#include "scan/refs_rows.h"

#include "memforensics/report.h"

#include "base/units.h"
#include "scan/refs.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	SHOWN_WORDS = 20,
	SHOWN_REGIONS = 10,
	SHOWN_PATHS = 10,
	PLACE_COLUMNS = 17,
};

/* ---- places ---------------------------------------------------------------- */

/* In text two columns: where, address. */
static const struct mf_column place_columns[PLACE_COLUMNS] = {
	{ "where", "where", MF_VALUE_TEXT, MF_SHOW_FILL },
	{ "kind", "kind", MF_VALUE_TEXT, DATA },
	{ "address", "at", MF_VALUE_ADDRESS, 0 },
	{ "region", NULL, MF_VALUE_TEXT, DATA },
	{ "class", NULL, MF_VALUE_TEXT, DATA },
	{ "tid", NULL, MF_VALUE_ID, DATA },
	{ "register", NULL, MF_VALUE_TEXT, DATA },
	{ "module", NULL, MF_VALUE_TEXT, DATA },
	{ "symbol", NULL, MF_VALUE_TEXT, DATA },
	{ "symbol_offset", NULL, MF_VALUE_SIZE, DATA },
	{ "chunk", NULL, MF_VALUE_ADDRESS, DATA },
	{ "chunk_size", NULL, MF_VALUE_SIZE, DATA },
	{ "chunk_offset", NULL, MF_VALUE_SIZE, DATA },
	{ "arena", NULL, MF_VALUE_ID, DATA },
	{ "type", NULL, MF_VALUE_TEXT, DATA },
	{ "function", NULL, MF_VALUE_TEXT, DATA },
	{ "frame", NULL, MF_VALUE_ID, DATA },
};

static struct mf_value text_or_none(const char *text)
{
	return text && *text ? mf_text(text) : mf_none();
}

static void fill_chunk(const struct mf_place *place, struct mf_value *values)
{
	if (!place->in_chunk)
		return;
	values[10] = mf_address(place->chunk.address);
	values[11] = mf_size(place->chunk.size);
	if (place->address >= place->user)
		values[12] = mf_size(place->address - place->user);
	if (place->chunk.arena != MF_NO_ARENA)
		values[13] = mf_id(place->chunk.arena);
	values[14] = text_or_none(place->type);
}

/* The values of those columns; TEXT is kept until they are written. */
static void fill_place(const struct mf_place *place, struct mf_buffer *text,
		       struct mf_value *values)
{
	const struct mf_region *region = place->region;

	for (int i = 0; i < PLACE_COLUMNS; i++)
		values[i] = mf_none();
	mf_buffer_clear(text);
	mf_place_print(place, text);
	values[0] = mf_text(mf_buffer_text(text));
	values[1] = mf_text(mf_place_kind_name(place->kind));
	if (!place->register_name)
		values[2] = mf_address(place->address);
	if (region) {
		values[3] = text_or_none(region->label);
		values[4] = mf_text(mf_class_name(region->class));
	}
	if (place->tid)
		values[5] = mf_id((uint64_t)place->tid);
	values[6] = text_or_none(place->register_name);
	values[7] =
		place->module ? text_or_none(place->module->name) : mf_none();
	values[8] = text_or_none(place->symbol);
	if (place->symbol)
		values[9] = mf_size(place->address - place->symbol_start);
	values[15] = text_or_none(place->function);
	if (place->function)
		values[16] = mf_id(place->frame);
	fill_chunk(place, values);
}

/* ---- for people -------------------------------------------------------------- */

void mf_chunk_describe(const struct mf_report *report,
		       const struct mf_chunk *chunk, struct mf_buffer *text)
{
	char size[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s, %s at %#llx, ",
			 mf_chunk_state_words(chunk->kind),
			 mf_report_size(report, size, chunk->size),
			 (unsigned long long)chunk->address);
	if (chunk->arena != MF_NO_ARENA)
		mf_buffer_printf(text, "arena %u ", chunk->arena);
	mf_buffer_printf(text, "of %s", chunk->allocator->name);
}

void mf_words_count(uint64_t words, struct mf_buffer *text)
{
	char count[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s word%s point%s",
			 mf_format_count(count, words), words == 1 ? "" : "s",
			 words == 1 ? "s" : "");
}

/* ---- words ----------------------------------------------------------------- */

enum {
	WORD_COLUMNS = PLACE_COLUMNS + 6,
};

static void add_columns(struct mf_column *columns)
{
	static const struct mf_column more[] = {
		{ "value", NULL, MF_VALUE_ADDRESS, DATA },
		{ "target", NULL, MF_VALUE_ADDRESS, DATA },
		{ "offset", "points to", MF_VALUE_ADDRESS, DATA },
		{ "exact", NULL, MF_VALUE_BOOL, DATA },
		{ "points", "points to its", MF_VALUE_TEXT, TEXT },
		{ "confidence", "confidence", MF_VALUE_TEXT, 0 },
	};

	for (int i = 0; i < PLACE_COLUMNS; i++)
		columns[i] = place_columns[i];
	for (size_t i = 0; i < MF_ARRAY_SIZE(more); i++)
		columns[PLACE_COLUMNS + i] = more[i];
	columns[PLACE_COLUMNS + 2].type = MF_VALUE_SIZE;
}

static const char *confidence_of(const struct mf_reference *reference)
{
	if (reference->tagged)
		return "low";
	return reference->offset ? "medium" : "high";
}

static void write_reference(const struct mf_refs *refs,
			    struct mf_report *report,
			    const struct mf_reference *reference)
{
	struct mf_value values[WORD_COLUMNS];
	struct mf_value *more = values + PLACE_COLUMNS;
	struct mf_place place = reference->place;
	MF_AUTO_BUFFER(points);
	MF_AUTO_BUFFER(text);

	mf_place_find_symbol(&refs->places, &place);
	fill_place(&place, &text, values);
	mf_buffer_printf(&points, reference->offset ? "byte %#llx" : "start",
			 (unsigned long long)reference->offset);
	more[0] = mf_address(reference->value);
	more[1] = mf_address(reference->target);
	more[2] = mf_size(reference->offset);
	more[3] = mf_bool(!reference->offset && !reference->tagged);
	more[4] = mf_text(mf_buffer_text(&points));
	more[5] = mf_text(confidence_of(reference));
	mf_report_row(report, values);
}

void mf_references_write(const struct mf_refs *refs, struct mf_report *report,
			 uint64_t only, size_t most)
{
	struct mf_column columns[WORD_COLUMNS];
	const struct mf_table table = {
		.key = "references",
		.title = "WORDS THAT POINT THERE",
		.columns = columns,
		.column_count = WORD_COLUMNS,
		.top = SHOWN_WORDS,
	};

	add_columns(columns);
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < refs->references.count && most; i++) {
		const struct mf_reference *reference =
			&refs->references.items[i];

		if (only && reference->target != only)
			continue;
		write_reference(refs, report, reference);
		most--;
	}
	mf_report_table_end(report);
}

/* ---- regions --------------------------------------------------------------- */

struct region_words {
	const struct mf_region *region;
	uint64_t words;
};

static int by_words(const void *a, const void *b)
{
	const struct region_words *left = a, *right = b;

	if (left->words != right->words)
		return left->words > right->words ? -1 : 1;
	return (left->region->start > right->region->start) -
	       (left->region->start < right->region->start);
}

static void write_regions(const struct mf_refs *refs, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "start", "region", MF_VALUE_ADDRESS, 0 },
		{ "class", "class", MF_VALUE_TEXT, 0 },
		{ "label", "what", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "words", "words", MF_VALUE_COUNT, 0 },
	};
	static const struct mf_table table = {
		.key = "by_region",
		.title = "BY REGION",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_REGIONS,
	};
	MF_VEC(struct region_words) rows = { 0 };
	size_t count;
	const struct mf_region *regions =
		mf_space_regions(refs->places.space, &count);

	for (size_t i = 0; i < count; i++)
		if (refs->hits.by_region[i])
			mf_vec_push(&rows, (struct region_words){
						   &regions[i],
						   refs->hits.by_region[i],
					   });
	mf_vec_sort(&rows, by_words);
	mf_report_table_begin(report, &table);
	mf_vec_foreach(row, &rows) {
		const struct mf_region *region = row->region;

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_address(region->start),
				      mf_text(mf_class_name(region->class)),
				      mf_text(region->label),
				      mf_count(row->words),
			      });
	}
	mf_report_table_end(report);
	mf_vec_deinit(&rows);
}

/* ---- the target ------------------------------------------------------------ */

/* A chunk, a variable, an address; or a range of whatever there may be. */
static void say_target(const struct mf_ref_target *target,
		       struct mf_report *report)
{
	const struct mf_place *place = &target->place;
	unsigned long long start = target->start, end = target->end;
	bool is_chunk = place->in_chunk && end <= place->user_end;
	char size[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	mf_place_print(place, &text);
	mf_report_size(report, size, end - start);
	if (is_chunk) {
		mf_buffer_puts(&text, ": ");
		mf_chunk_describe(report, &place->chunk, &text);
		mf_report_line(report, "%#llx  %s",
			       (unsigned long long)place->address,
			       mf_buffer_text(&text));
	} else if (place->symbol || end - start == 1 || !place->region)
		mf_report_line(report, "%#llx  %s: %s", start,
			       mf_buffer_text(&text), size);
	else
		mf_report_line(report, "%#llx-%#llx  %s of %s: %s", start, end,
			       mf_class_name(place->region->class),
			       place->region->label, size);
}

static void write_targets(const struct mf_refs *refs, struct mf_report *report)
{
	enum {
		COLUMNS = PLACE_COLUMNS + 2
	};
	struct mf_column columns[COLUMNS] = {
		{ "start", NULL, MF_VALUE_ADDRESS, 0 },
		{ "end", NULL, MF_VALUE_ADDRESS, 0 },
	};
	const struct mf_table table = {
		.key = "targets",
		.columns = columns,
		.column_count = COLUMNS,
		.show = DATA,
	};
	MF_AUTO_BUFFER(text);

	for (int i = 0; i < PLACE_COLUMNS; i++)
		columns[2 + i] = place_columns[i];
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < refs->targets.count; i++) {
		const struct mf_ref_target *target = &refs->targets.items[i];
		struct mf_value values[COLUMNS] = {
			mf_address(target->start),
			mf_address(target->end),
		};

		fill_place(&target->place, &text, values + 2);
		mf_report_row(report, values);
	}
	mf_report_table_end(report);
	for (size_t i = 0; i < refs->targets.count && i < SHOWN_REGIONS; i++)
		say_target(&refs->targets.items[i], report);
	if (refs->targets.count > SHOWN_REGIONS)
		mf_report_line(report, "... and %zu ranges more",
			       refs->targets.count - SHOWN_REGIONS);
	if (refs->options.type)
		mf_report_line(report, "%llu objects of type %s",
			       (unsigned long long)refs->typed_count,
			       refs->options.type);
}

/* ---- totals ---------------------------------------------------------------- */

static uint64_t words_from(const struct mf_refs *refs, enum mf_hit_from from)
{
	return refs->hits.lists[from].total;
}

static void write_totals(const struct mf_refs *refs, struct mf_report *report)
{
	uint64_t roots = refs->register_words + words_from(refs, MF_HIT_ROOT);
	const struct mf_field fields[] = {
		{ "words", NULL, mf_count(refs->words), DATA },
		{ "registers", NULL, mf_count(refs->register_words), DATA },
		{ "roots", NULL, mf_count(roots), DATA },
		{ "chunks", NULL, mf_count(words_from(refs, MF_HIT_CHUNK)),
		  DATA },
		{ "allocator", NULL, mf_count(refs->hits.hidden), DATA },
		{ "objects", NULL,
		  refs->options.type ? mf_count(refs->typed_count) : mf_none(),
		  DATA },
		{ "kept", NULL, mf_count(refs->references.count), DATA },
		{ "scanned_bytes", NULL, mf_size(refs->scanned), DATA },
	};

	MF_AUTO_BUFFER(text);

	mf_report_fields(report, "totals", NULL, fields, MF_ARRAY_SIZE(fields));
	if (!refs->words) {
		mf_report_line(report, "No word points there.");
		return;
	}
	mf_words_count(refs->words, &text);
	mf_report_line(report,
		       "%s there: %llu in registers, %llu in stacks, modules "
		       "and other roots, %llu in chunks.",
		       mf_buffer_text(&text),
		       (unsigned long long)refs->register_words,
		       (unsigned long long)words_from(refs, MF_HIT_ROOT),
		       (unsigned long long)words_from(refs, MF_HIT_CHUNK));
	if (refs->references.count < refs->words)
		mf_report_line(report, "Told of are the first %zu of them.",
			       refs->references.count);
	if (refs->options.depth <= 1 && !roots)
		mf_report_line(report, "None of them is in a root: --depth 8 "
				       "tells who holds those chunks.");
}

/* ---- paths ----------------------------------------------------------------- */

static void write_levels(const struct mf_refs *refs, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "level", "steps", MF_VALUE_ID, 0 },
		{ "words", "words", MF_VALUE_COUNT, 0 },
		{ "roots", "in roots", MF_VALUE_COUNT, 0 },
		{ "chunks", "in new chunks", MF_VALUE_COUNT, 0 },
		{ "followed", "followed", MF_VALUE_COUNT, 0 },
	};
	static const struct mf_table table = {
		.key = "levels",
		.title = "HOW FAR WAS LOOKED",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < refs->levels.count; i++) {
		const struct mf_ref_level *level = &refs->levels.items[i];

		mf_report_row(report, (struct mf_value[]){
					      mf_id(i + 1),
					      mf_count(level->words),
					      mf_count(level->roots),
					      mf_count(level->chunks),
					      mf_count(level->followed),
				      });
	}
	mf_report_table_end(report);
}

static const struct mf_place *place_of(const struct mf_refs *refs,
				       uint32_t step)
{
	return &refs->step_places
			.items[*mf_map_get(&refs->place_of_step, step)];
}

static void write_steps(const struct mf_refs *refs, struct mf_report *report,
			uint32_t step)
{
	enum {
		COLUMNS = PLACE_COLUMNS + 1
	};
	struct mf_column columns[COLUMNS];
	const struct mf_table table = {
		.key = "steps",
		.columns = columns,
		.column_count = COLUMNS,
		.show = DATA,
	};
	MF_AUTO_BUFFER(text);

	for (int i = 0; i < PLACE_COLUMNS; i++)
		columns[i] = place_columns[i];
	columns[PLACE_COLUMNS] =
		(struct mf_column){ "value", NULL, MF_VALUE_ADDRESS, 0 };
	mf_report_table_begin(report, &table);
	for (; step != MF_REFS_TARGET; step = refs->steps.items[step].next) {
		struct mf_place place = *place_of(refs, step);
		struct mf_value values[COLUMNS];

		mf_place_find_symbol(&refs->places, &place);
		fill_place(&place, &text, values);
		values[PLACE_COLUMNS] =
			mf_address(refs->steps.items[step].value);
		mf_report_row(report, values);
	}
	mf_report_table_end(report);
}

/* "main.c:table+8 -> chunk 0x1+0x10 -> target" */
static void print_path(const struct mf_refs *refs, uint32_t step,
		       struct mf_buffer *text)
{
	mf_buffer_clear(text);
	for (; step != MF_REFS_TARGET; step = refs->steps.items[step].next) {
		struct mf_place place = *place_of(refs, step);

		mf_place_find_symbol(&refs->places, &place);
		mf_place_print(&place, text);
		mf_buffer_puts(text, " -> ");
	}
	mf_buffer_puts(text, "target");
}

static void write_paths(const struct mf_refs *refs, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "length", "steps", MF_VALUE_ID, 0 },
		{ "root", NULL, MF_VALUE_TEXT, DATA },
		{ "path", "path", MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "paths",
		.title = "WHO HOLDS IT: PATHS FROM ROOTS, THE SHORTEST FIRST",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_PATHS,
		.empty = "no root was found within that many steps",
	};
	MF_AUTO_BUFFER(text);

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < refs->roots.count; i++) {
		const uint32_t *root = &refs->roots.items[i];
		const struct mf_ref_step *step = &refs->steps.items[*root];

		print_path(refs, *root, &text);
		mf_report_row_open(
			report, (struct mf_value[]){
					mf_id(step->level),
					mf_text(mf_place_kind_name(
						place_of(refs, *root)->kind)),
					mf_text(mf_buffer_text(&text)),
				});
		write_steps(refs, report, *root);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

void mf_refs_write(const struct mf_refs *refs, struct mf_report *report)
{
	bool with_paths = refs->options.depth > 1;

	write_targets(refs, report);
	write_totals(refs, report);
	if (with_paths)
		write_paths(refs, report);
	mf_references_write(refs, report, 0, SIZE_MAX);
	write_regions(refs, report);
	if (with_paths)
		write_levels(refs, report);
}
