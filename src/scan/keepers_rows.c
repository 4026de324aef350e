/*
 * Who keeps how much alive as report rows: keepers, the most first; what they
 * hold, level by level; types; and of what was asked about, who keeps it and
 * what it keeps itself.
 */
#include "memforensics/report.h"

#include "base/units.h"
#include "scan/keepers.h"
#include "scan/keepers_ask.h"
#include "scan/keepers_line_rows.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	LEVELS = 4, /* unless asked for */
	PART = 100, /* of what is in use; less is not told of in the tree */
	SHOWN_KEEPERS = 15,
	SHOWN_TREE = 40,
	SHOWN_TYPES = 15,
	SHOWN_HELD = 10,
};

static struct mf_value text_or_none(const char *text)
{
	return text && *text ? mf_text(text) : mf_none();
}

static struct mf_value share_of(const struct mf_keepers *keepers,
				uint64_t bytes)
{
	return keepers->in_use_bytes
		       ? mf_ratio((double)bytes / (double)keepers->in_use_bytes)
		       : mf_none();
}

/* ---- keepers ---------------------------------------------------------------- */

static const char *label_of(const struct mf_keeper *keeper)
{
	return keeper->region ? keeper->region->label : NULL;
}

static void write_keeper(const struct mf_keepers *keepers,
			 struct mf_report *report,
			 const struct mf_kept_line *line)
{
	const struct mf_keeper *keeper = mf_keeper_of(keepers, line->number);
	MF_AUTO_BUFFER(text);

	mf_keeper_print(keepers, keeper, &text);
	mf_report_row(
		report,
		(struct mf_value[]){
			mf_text(mf_buffer_text(&text)),
			mf_text(mf_kept_line_kind(keepers, line)),
			keeper->start ? mf_address(keeper->start) : mf_none(),
			mf_size(line->retained),
			share_of(keepers, line->retained),
			mf_count(line->chunks),
			keeper->module ? text_or_none(keeper->module->name)
				       : mf_none(),
			text_or_none(keeper->symbol),
			keeper->tid ? mf_id((uint64_t)keeper->tid) : mf_none(),
			text_or_none(
				mf_keepers_thread_name(keepers, keeper->tid)),
			text_or_none(label_of(keeper)),
			mf_count(keeper->words),
		});
}

static void write_keepers(const struct mf_keepers *keepers,
			  struct mf_report *report,
			  const struct mf_kept_lines *lines)
{
	static const struct mf_column columns[] = {
		{ "what", "who", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "kind", "kind", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
		{ "address", "at", MF_VALUE_ADDRESS, MF_SHOW_IF_ROOM },
		{ "retained", "retains", MF_VALUE_SIZE, 0 },
		{ "share", "of all in use", MF_VALUE_RATIO, 0 },
		{ "chunks", "chunks", MF_VALUE_COUNT, 0 },
		{ "module", NULL, MF_VALUE_TEXT, DATA },
		{ "symbol", NULL, MF_VALUE_TEXT, DATA },
		{ "tid", NULL, MF_VALUE_ID, DATA },
		{ "comm", NULL, MF_VALUE_TEXT, DATA },
		{ "region", NULL, MF_VALUE_TEXT, DATA },
		{ "words", NULL, MF_VALUE_COUNT, DATA },
	};
	static const struct mf_table table = {
		.key = "keepers",
		.title = "WHO KEEPS HOW MUCH ALIVE",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_KEEPERS,
		.empty = "nothing keeps any chunk",
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < lines->list.count; i++)
		if (!lines->list.items[i].level)
			write_keeper(keepers, report, &lines->list.items[i]);
	mf_report_table_end(report);
}

/* ---- the tree ---------------------------------------------------------------- */

static void write_line(const struct mf_keepers *keepers,
		       struct mf_report *report,
		       const struct mf_kept_line *line,
		       const struct mf_sharing *sharing)
{
	bool is_one = line->kind != MF_LINE_REST && line->count <= 1;
	uint64_t address = line->kind == MF_LINE_REST
				   ? 0
				   : mf_keepers_address(keepers, line->number);
	const struct mf_keeper_type *type =
		line->kind == MF_LINE_TYPE
			? &keepers->type_list.items[line->type]
			: NULL;
	MF_AUTO_BUFFER(set_in);
	MF_AUTO_BUFFER(text);
	MF_AUTO_BUFFER(held_by);

	mf_kept_line_print(keepers, report, line, &text);
	mf_buffer_printf(&set_in, "%*s%s", (int)line->level * 2, "",
			 mf_buffer_text(&text));
	if (sharing) {
		mf_sharing_print(keepers, sharing, &held_by);
		mf_buffer_printf(&set_in, " of %s", mf_buffer_text(&held_by));
	}
	mf_report_row(
		report,
		(struct mf_value[]){
			mf_text(mf_buffer_text(&set_in)),
			mf_id(line->level),
			mf_text(mf_buffer_text(&text)),
			mf_text(mf_kept_line_kind(keepers, line)),
			address ? mf_address(address) : mf_none(),
			is_one && address ? mf_address(address) : mf_none(),
			mf_size(line->retained),
			share_of(keepers, line->retained),
			mf_count(line->chunks),
			mf_count(line->count),
			mf_size(line->bytes),
			type ? mf_text(type->name) : mf_none(),
			sharing ? mf_text(mf_buffer_text(&held_by)) : mf_none(),
		});
}

static bool is_shown(const struct mf_keepers *keepers,
		     const struct mf_kept_line *line)
{
	return line->retained >= keepers->in_use_bytes / PART;
}

struct sharings {
	MF_VEC(struct mf_sharing) list;
};

/* One chunk that several hold: who they are. */
static bool is_shared(const struct mf_kept_lines *lines,
		      const struct mf_kept_line *line)
{
	return line->level == 1 && line->kind != MF_LINE_REST &&
	       line->count == 1 &&
	       lines->list.items[line->above].kind == MF_LINE_SHARED;
}

static void find_sharings(const struct mf_keepers *keepers,
			  const struct mf_kept_lines *lines,
			  struct sharings *ret)
{
	for (size_t i = 0; i < lines->list.count; i++) {
		const struct mf_kept_line *line = &lines->list.items[i];

		if (is_shown(keepers, line) && is_shared(lines, line))
			mf_vec_push(
				&ret->list,
				(struct mf_sharing){ .number = line->number });
	}
	mf_sharing_find(keepers, ret->list.items, ret->list.count);
}

static void write_lines(const struct mf_keepers *keepers,
			struct mf_report *report,
			const struct mf_kept_lines *lines)
{
	struct sharings sharings = { 0 };
	size_t next = 0;

	find_sharings(keepers, lines, &sharings);
	for (size_t i = 0; i < lines->list.count; i++) {
		const struct mf_kept_line *line = &lines->list.items[i];

		if (is_shown(keepers, line))
			write_line(keepers, report, line,
				   is_shared(lines, line)
					   ? &sharings.list.items[next++]
					   : NULL);
	}
	mf_vec_deinit(&sharings.list);
}

static void write_tree(const struct mf_keepers *keepers,
		       struct mf_report *report,
		       const struct mf_kept_lines *lines)
{
	static const struct mf_column columns[] = {
		{ "line", "what holds what", MF_VALUE_TEXT,
		  MF_SHOW_FILL | TEXT },
		{ "level", NULL, MF_VALUE_ID, DATA },
		{ "what", NULL, MF_VALUE_TEXT, DATA },
		{ "kind", NULL, MF_VALUE_TEXT, DATA },
		{ "address", NULL, MF_VALUE_ADDRESS, DATA },
		{ "at", "at", MF_VALUE_ADDRESS, MF_SHOW_IF_ROOM | TEXT },
		{ "retained", "retains", MF_VALUE_SIZE, 0 },
		{ "share", "of all in use", MF_VALUE_RATIO, 0 },
		{ "chunks", "chunks", MF_VALUE_COUNT, 0 },
		{ "count", NULL, MF_VALUE_COUNT, DATA },
		{ "bytes", "of their own", MF_VALUE_SIZE, MF_SHOW_IF_ROOM },
		{ "type", NULL, MF_VALUE_TEXT, DATA },
		{ "held_by", NULL, MF_VALUE_TEXT, DATA },
	};
	static const struct mf_table table = {
		.key = "tree",
		.title = "WHAT THEY HOLD, AND WHAT THAT HOLDS",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_TREE,
	};

	mf_report_table_begin(report, &table);
	write_lines(keepers, report, lines);
	mf_report_table_end(report);
}

/* ---- types ------------------------------------------------------------------ */

static int by_retained(const void *a, const void *b)
{
	const struct mf_keeper_type *left = *(void *const *)a;
	const struct mf_keeper_type *right = *(void *const *)b;

	if (left->retained != right->retained)
		return left->retained < right->retained ? 1 : -1;
	return (left > right) - (left < right); /* by name */
}

static void write_types(const struct mf_keepers *keepers,
			struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "type", "type", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "language", NULL, MF_VALUE_TEXT, DATA },
		{ "retained", "retains", MF_VALUE_SIZE, 0 },
		{ "share", "of all in use", MF_VALUE_RATIO, 0 },
		{ "count", "objects", MF_VALUE_COUNT, 0 },
		{ "bytes", "of their own", MF_VALUE_SIZE, 0 },
		{ "evidence", "known by", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
		{ "module", NULL, MF_VALUE_TEXT, DATA },
	};
	static const struct mf_table table = {
		.key = "types",
		.title = "BY TYPE: ALL OBJECTS OF EACH TOGETHER",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_TYPES,
	};
	MF_VEC(const struct mf_keeper_type *) rows = { 0 };

	for (size_t i = 0; i < keepers->type_list.count; i++)
		mf_vec_push(&rows, &keepers->type_list.items[i]);
	mf_vec_sort(&rows, by_retained);
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < rows.count; i++) {
		const struct mf_keeper_type *type = rows.items[i];

		mf_report_row(report, (struct mf_value[]){
					      mf_text(type->name),
					      text_or_none(type->language),
					      mf_size(type->retained),
					      share_of(keepers, type->retained),
					      mf_count(type->count),
					      mf_size(type->bytes),
					      mf_text(type->evidence),
					      text_or_none(type->module),
				      });
	}
	mf_report_table_end(report);
	mf_vec_deinit(&rows);
}

/* ---- what was asked about ------------------------------------------------------- */

/* ": g_left, g_right" */
static void print_together(const struct mf_keepers *keepers, uint32_t number,
			   struct mf_buffer *text)
{
	struct mf_sharing sharing = { .number = number };

	mf_sharing_find(keepers, &sharing, 1);
	if (!sharing.count)
		return;
	mf_buffer_puts(text, ": ");
	mf_sharing_print(keepers, &sharing, text);
}

/* The chunk that several of HOLDER's parts hold; MF_NO_NUMBER: one does. */
static uint32_t shared_below(const struct mf_keepers *keepers,
			     const struct mf_answer *answer, size_t holder)
{
	const struct mf_keeper *keeper =
		mf_keeper_of(keepers, answer->holders.items[holder].number);
	uint32_t below = holder ? answer->holders.items[holder - 1].number
				: answer->number;

	if (!keeper || below == MF_NO_NUMBER ||
	    (keeper->kind != MF_KEEPER_ROOT &&
	     keeper->kind != MF_KEEPER_MODULE))
		return MF_NO_NUMBER;
	return keepers->tree.parents[below] ==
			       answer->holders.items[holder].number
		       ? below
		       : MF_NO_NUMBER;
}

/* One that holds what was asked about, or a part of that. */
static void write_holder(const struct mf_keepers *keepers,
			 struct mf_report *report,
			 const struct mf_holder *holder, uint32_t below)
{
	const struct mf_keeper *keeper = mf_keeper_of(keepers, holder->number);
	uint64_t address = mf_keepers_address(keepers, holder->number);
	uint64_t retained = keepers->bytes[holder->number];
	MF_AUTO_BUFFER(text);

	mf_keepers_print(keepers, report, holder->number, &text);
	if (below != MF_NO_NUMBER)
		print_together(keepers, below, &text);
	mf_report_row(report,
		      (struct mf_value[]){
			      mf_text(mf_buffer_text(&text)),
			      mf_text(keeper ? mf_keeper_kind_name(keeper->kind)
					     : "chunk"),
			      address ? mf_address(address) : mf_none(),
			      mf_size(holder->bytes),
			      mf_count(holder->count),
			      mf_size(retained),
			      share_of(keepers, retained),
			      mf_count(keepers->chunks[holder->number]),
		      });
}

static const char *why_nobody(const struct mf_answer *answer)
{
	if (answer->reached)
		return "nobody: it is a root";
	if (!answer->count)
		return "nobody: no chunk in use is there";
	return "nothing that is known: it leaked, or is held in a way not seen";
}

static void write_holders(const struct mf_keepers *keepers,
			  struct mf_report *report,
			  const struct mf_answer *answer)
{
	static const struct mf_column columns[] = {
		{ "what", "kept by", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "kind", "kind", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
		{ "address", "at", MF_VALUE_ADDRESS, 0 },
		{ "bytes", "of it", MF_VALUE_SIZE, 0 },
		{ "count", NULL, MF_VALUE_COUNT, DATA },
		{ "retained", "retains", MF_VALUE_SIZE, 0 },
		{ "share", "of all in use", MF_VALUE_RATIO, 0 },
		{ "chunks", NULL, MF_VALUE_COUNT, DATA },
	};
	const struct mf_table table = {
		.key = "kept_by",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_HELD,
		.empty = why_nobody(answer),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < answer->holders.count; i++)
		write_holder(keepers, report, &answer->holders.items[i],
			     shared_below(keepers, answer, i));
	mf_report_table_end(report);
}

static void write_held_line(const struct mf_keepers *keepers,
			    struct mf_report *report,
			    const struct mf_kept_line *line)
{
	bool is_type = line->kind == MF_LINE_TYPE;
	MF_AUTO_BUFFER(text);

	mf_kept_line_print(keepers, report, line, &text);
	mf_report_row(
		report,
		(struct mf_value[]){
			mf_text(mf_buffer_text(&text)),
			mf_text(mf_kept_line_kind(keepers, line)),
			is_type ? mf_text(keepers->type_list.items[line->type]
						  .name)
				: mf_none(),
			mf_count(line->count),
			mf_size(line->bytes),
		});
}

static void write_held(const struct mf_keepers *keepers,
		       struct mf_report *report, const struct mf_answer *answer)
{
	static const struct mf_column columns[] = {
		{ "what", "keeps alive", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "kind", NULL, MF_VALUE_TEXT, DATA },
		{ "type", NULL, MF_VALUE_TEXT, DATA },
		{ "count", "count", MF_VALUE_COUNT, 0 },
		{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	};
	static const struct mf_table table = {
		.key = "keeps",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = SHOWN_HELD,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < answer->held.list.count; i++)
		write_held_line(keepers, report, &answer->held.list.items[i]);
	mf_report_table_end(report);
}

static void print_answer(const struct mf_keepers *keepers,
			 const struct mf_report *report,
			 const struct mf_answer *answer, struct mf_buffer *text)
{
	const struct mf_region *region = answer->place.region;

	if (answer->type)
		mf_buffer_puts(text, answer->type);
	else if (answer->number != MF_NO_NUMBER)
		mf_keepers_print(keepers, report, answer->number, text);
	else if (answer->count > 1 && region)
		mf_buffer_printf(text, "%s of %s", mf_class_name(region->class),
				 *region->label ? region->label : "nobody");
	else
		mf_place_print(&answer->place, text);
}

static void write_answer(const struct mf_keepers *keepers,
			 struct mf_report *report,
			 const struct mf_answer *answer)
{
	MF_AUTO_BUFFER(text);

	print_answer(keepers, report, answer, &text);
	mf_report_row_open(
		report,
		(struct mf_value[]){
			mf_text(mf_buffer_text(&text)),
			answer->type ? mf_none() : mf_address(answer->start),
			mf_size(answer->retained),
			share_of(keepers, answer->retained),
			mf_count(answer->chunks),
			mf_count(answer->count),
			mf_size(answer->bytes),
			mf_count(answer->reached),
			mf_count(answer->omitted),
		});
	write_holders(keepers, report, answer);
	write_held(keepers, report, answer);
	mf_report_row_close(report);
}

static void write_answers(const struct mf_keepers *keepers,
			  struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "what", "asked about", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "address", "at", MF_VALUE_ADDRESS, 0 },
		{ "retained", "retains", MF_VALUE_SIZE, 0 },
		{ "share", "of all in use", MF_VALUE_RATIO, 0 },
		{ "chunks", "chunks", MF_VALUE_COUNT, 0 },
		{ "count", NULL, MF_VALUE_COUNT, DATA },
		{ "bytes", "of its own", MF_VALUE_SIZE, 0 },
		{ "reached", NULL, MF_VALUE_COUNT, DATA },
		{ "omitted", NULL, MF_VALUE_COUNT, DATA },
	};
	static const struct mf_table table = {
		.key = "asked",
		.title = "WHAT WAS ASKED ABOUT",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
	};
	struct mf_answer answer;

	mf_report_table_begin(report, &table);
	for (size_t i = 0; mf_keepers_answer(keepers, i, &answer); i++) {
		write_answer(keepers, report, &answer);
		mf_answer_deinit(&answer);
	}
	mf_report_table_end(report);
}

/* ---- totals ---------------------------------------------------------------- */

static void write_totals(const struct mf_keepers *keepers,
			 struct mf_report *report)
{
	uint64_t bytes = keepers->bytes[0], count = keepers->chunks[0];
	const struct mf_field fields[] = {
		{ "in_use_bytes", NULL, mf_size(keepers->in_use_bytes), DATA },
		{ "in_use", NULL, mf_count(keepers->in_use_count), DATA },
		{ "reached_bytes", NULL, mf_size(bytes), DATA },
		{ "reached", NULL, mf_count(count), DATA },
		{ "pointers", NULL, mf_count(keepers->graph->edges.count),
		  DATA },
		{ "scanned_bytes", NULL, mf_size(keepers->scanned), DATA },
		{ "memory", NULL,
		  mf_size(keepers->memory + mf_graph_memory(keepers->graph)),
		  DATA },
	};
	char in_use[MF_UNIT_TEXT], reached[MF_UNIT_TEXT], left[MF_UNIT_TEXT];
	char number[MF_UNIT_TEXT];

	mf_report_fields(report, "totals", NULL, fields, MF_ARRAY_SIZE(fields));
	mf_report_line(
		report,
		"%s chunks and mappings are in use, %s; %s of that is reached "
		"from roots, %s is not.",
		mf_format_count(number, keepers->in_use_count),
		mf_report_size(report, in_use, keepers->in_use_bytes),
		mf_report_size(report, reached, bytes),
		mf_report_size(report, left, keepers->in_use_bytes - bytes));
	mf_report_line(report,
		       "What somebody retains is what would be free without "
		       "him. What only looks like a pointer can hide some of "
		       "that, so each retains at least as much as is said.");
}

void mf_keepers_write(const struct mf_keepers *keepers,
		      struct mf_report *report)
{
	unsigned levels =
		keepers->options.depth ? keepers->options.depth : LEVELS;
	struct mf_kept_lines lines;

	if (!keepers->tree.count) {
		mf_report_line(report, "There is no tree.");
		return;
	}
	write_totals(keepers, report);
	if (keepers->asked.count || keepers->options.type) {
		write_answers(keepers, report);
		return;
	}
	mf_kept_lines_make(keepers, levels, PART, &lines);
	write_keepers(keepers, report, &lines);
	write_tree(keepers, report, &lines);
	write_types(keepers, report);
	mf_kept_lines_deinit(&lines);
}
