/*
 * What is known of addresses as report rows: data with everything apart, and
 * for people a few lines for each address.
 */
#include <stdarg.h>
#include <stdio.h>

#include "memforensics/report.h"

#include "base/units.h"
#include "scan/explain.h"
#include "scan/refs_rows.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	TEXT = MF_SHOW_TEXT_ONLY,
	SHOWN_REFS = 100, /* of an address, in data */
	SHOWN_LINES = 8,  /* the same in text */
	LABEL = 9,	  /* columns */
};

static struct mf_value text_or_none(const char *text)
{
	return text && *text ? mf_text(text) : mf_none();
}

static struct mf_value count_or_none(uint64_t count)
{
	return count ? mf_count(count) : mf_none();
}

/* The unsorted bin is one of the bins: free, as in CONTRACT.md. */
static const char *state_of(enum mf_chunk_kind kind)
{
	return mf_heap_chunk_kind_name(kind == MF_KIND_UNSORTED ? MF_KIND_FREE
								: kind);
}

static const char *bytes_name(enum mf_explain_bytes bytes)
{
	static const char *const names[] = {
		[MF_BYTES_NONE] = "",
		[MF_BYTES_TEXT] = "text",
		[MF_BYTES_WIDE] = "utf-16le",
		[MF_BYTES_OTHER] = "hex",
	};

	return names[bytes];
}

/* ---- data: one object for each thing that is known --------------------------- */

static void write_region(struct mf_report *report,
			 const struct mf_region *region)
{
	const struct mf_field fields[] = {
		{ "start", NULL, mf_address(region->start), DATA },
		{ "end", NULL, mf_address(region->end), DATA },
		{ "class", NULL, mf_text(mf_class_name(region->class)), DATA },
		{ "label", NULL, mf_text(region->label), DATA },
		{ "owner", NULL, text_or_none(region->owner), DATA },
		{ "certainty", NULL,
		  region->certainty
			  ? mf_text(mf_certainty_name(region->certainty))
			  : mf_none(),
		  DATA },
		{ "proof", NULL, text_or_none(region->proof), DATA },
		{ "rss", NULL,
		  region->usage_known ? mf_size(region->usage.rss) : mf_none(),
		  DATA },
	};

	mf_report_fields(report, "region", NULL, fields, MF_ARRAY_SIZE(fields));
}

static char *print_perms(char *text, unsigned perms)
{
	text[0] = perms & MF_PERM_READ ? 'r' : '-';
	text[1] = perms & MF_PERM_WRITE ? 'w' : '-';
	text[2] = perms & MF_PERM_EXEC ? 'x' : '-';
	text[3] = perms & MF_PERM_SHARED ? 's' : 'p';
	text[4] = '\0';
	return text;
}

static void write_mapping(struct mf_report *report,
			  const struct mf_mapping *mapping)
{
	char perms[5];
	const struct mf_field fields[] = {
		{ "start", NULL, mf_address(mapping->start), DATA },
		{ "end", NULL, mf_address(mapping->end), DATA },
		{ "perms", NULL, mf_text(print_perms(perms, mapping->perms)),
		  DATA },
		{ "offset", NULL, mf_address(mapping->offset), DATA },
		{ "path", NULL, mf_text(mapping->path), DATA },
	};

	mf_report_fields(report, "mapping", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

static void write_page(struct mf_report *report,
		       const struct mf_explained *item)
{
	const struct mf_field fields[] = {
		{ "present", NULL, mf_bool(item->page & MF_PAGE_PRESENT),
		  DATA },
		{ "swapped", NULL, mf_bool(item->page & MF_PAGE_SWAPPED),
		  DATA },
		{ "zero", NULL, mf_bool(item->page & MF_PAGE_ZERO), DATA },
		{ "huge", NULL, mf_bool(item->page & MF_PAGE_HUGE), DATA },
		{ "file", NULL, mf_bool(item->page & MF_PAGE_FILE), DATA },
	};

	mf_report_fields(report, "page", NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_neighbour(struct mf_report *report, const char *key,
			    const struct mf_chunk *chunk)
{
	const struct mf_field fields[] = {
		{ "address", NULL, mf_address(chunk->address), DATA },
		{ "size", NULL, mf_size(chunk->size), DATA },
		{ "state", NULL, mf_text(state_of(chunk->kind)), DATA },
	};

	mf_report_fields(report, key, NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_chunk(struct mf_report *report,
			const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;
	const struct mf_chunk *chunk = &place->chunk;
	bool is_inside = place->address >= place->user;
	const struct mf_field fields[] = {
		{ "address", NULL, mf_address(chunk->address), DATA },
		{ "size", NULL, mf_size(chunk->size), DATA },
		{ "state", NULL, mf_text(state_of(chunk->kind)), DATA },
		{ "arena", NULL,
		  chunk->arena == MF_NO_ARENA ? mf_none() : mf_id(chunk->arena),
		  DATA },
		{ "allocator", NULL, mf_text(chunk->allocator->name), DATA },
		{ "user", NULL, mf_address(place->user), DATA },
		{ "usable", NULL, mf_size(place->user_end - place->user),
		  DATA },
		{ "offset", NULL,
		  is_inside ? mf_size(place->address - place->user) : mf_none(),
		  DATA },
	};

	mf_report_fields(report, "chunk", NULL, fields, MF_ARRAY_SIZE(fields));
	if (item->has_previous)
		write_neighbour(report, "previous", &item->previous);
	if (item->has_next)
		write_neighbour(report, "next", &item->next);
}

static void write_type(struct mf_report *report, const struct mf_place *place)
{
	const struct mf_field fields[] = {
		{ "type", NULL, mf_text(place->type), DATA },
		{ "language", NULL, text_or_none(place->language), DATA },
		{ "evidence", NULL, mf_text(place->evidence), DATA },
	};

	mf_report_fields(report, "object", NULL, fields, MF_ARRAY_SIZE(fields));
}

/* Of code the address's own line, of a variable that of its declaration. */
static bool find_line(const struct mf_explain *explain,
		      const struct mf_place *place, struct mf_line *ret)
{
	struct mf_image *image = explain->refs->places.image;
	bool is_code = place->region && place->region->class == MF_CLASS_TEXT;

	*ret = (struct mf_line){ NULL, 0 };
	return image && place->module &&
	       mf_image_line_at(image,
				is_code || !place->symbol ? place->address
							  : place->symbol_start,
				ret);
}

static void write_symbol(const struct mf_explain *explain,
			 struct mf_report *report, const struct mf_place *place)
{
	struct mf_line line;
	bool has_line = find_line(explain, place, &line);
	bool has_symbol = place->symbol != NULL;
	const struct mf_field fields[] = {
		{ "module", NULL, mf_text(place->module->path), DATA },
		{ "name", NULL, text_or_none(place->symbol), DATA },
		{ "address", NULL,
		  has_symbol ? mf_address(place->symbol_start) : mf_none(),
		  DATA },
		{ "size", NULL,
		  has_symbol ? mf_size(place->symbol_size) : mf_none(), DATA },
		{ "offset", NULL,
		  has_symbol ? mf_size(place->address - place->symbol_start)
			     : mf_none(),
		  DATA },
		{ "file", NULL, text_or_none(line.file), DATA },
		{ "line", NULL, has_line ? mf_id(line.line) : mf_none(), DATA },
	};

	mf_report_fields(report, "symbol", NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_thread(struct mf_report *report,
			 const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;
	const char *from = place->kind == MF_PLACE_TLS ? "tp" : "sp";
	const struct mf_field fields[] = {
		{ "tid", NULL, mf_id((uint64_t)place->tid), DATA },
		{ "comm", NULL, mf_text(item->thread.comm), DATA },
		{ "from", NULL, place->has_distance ? mf_text(from) : mf_none(),
		  DATA },
		{ "distance", NULL,
		  place->has_distance ? mf_delta(place->distance) : mf_none(),
		  DATA },
		{ "function", NULL, text_or_none(place->function), DATA },
		{ "frame", NULL,
		  place->function ? mf_id(place->frame) : mf_none(), DATA },
	};

	mf_report_fields(report, "thread", NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_content(struct mf_report *report,
			  const struct mf_explained *item)
{
	const struct mf_field fields[] = {
		{ "start", NULL, mf_address(item->start), DATA },
		{ "size", NULL, mf_size(item->size), DATA },
		{ "as", NULL, mf_text(bytes_name(item->bytes_are)), DATA },
		{ "text", NULL, text_or_none(item->text), DATA },
		{ "string_bytes", NULL, count_or_none(item->text_size), DATA },
		{ "here_as", NULL, text_or_none(bytes_name(item->here_is)),
		  DATA },
		{ "here", NULL, text_or_none(item->here), DATA },
		{ "secrets_masked", NULL, mf_count(item->secrets), DATA },
		{ "signature", NULL, text_or_none(item->signature), DATA },
		{ "signature_bytes", NULL, count_or_none(item->signature_size),
		  DATA },
		{ "signature_detail", NULL,
		  text_or_none(item->signature_detail), DATA },
	};

	mf_report_fields(report, "content", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

static void write_word(const struct mf_explain *explain,
		       struct mf_report *report,
		       const struct mf_explained *item)
{
	struct mf_place leads = item->leads;
	MF_AUTO_BUFFER(text);

	mf_place_find_symbol(&explain->refs->places, &leads);
	mf_place_print(&leads, &text);
	const struct mf_field fields[] = {
		{ "value", NULL, mf_address(item->word), DATA },
		{ "points_to", NULL,
		  leads.region ? mf_text(mf_buffer_text(&text)) : mf_none(),
		  DATA },
	};

	mf_report_fields(report, "word", NULL, fields, MF_ARRAY_SIZE(fields));
}

static void write_details(const struct mf_explain *explain,
			  struct mf_report *report,
			  const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;

	if (place->region) {
		write_region(report, place->region);
		write_mapping(report, place->region->mapping);
	}
	if (item->page_known)
		write_page(report, item);
	if (place->in_chunk)
		write_chunk(report, item);
	if (place->type)
		write_type(report, place);
	if (place->module)
		write_symbol(explain, report, place);
	if (place->tid)
		write_thread(report, item);
	if (item->bytes_are != MF_BYTES_NONE)
		write_content(report, item);
	if (item->has_word)
		write_word(explain, report, item);
}

/* ---- text: a line for each thing that is known -------------------------------- */

/* What is longer than a line goes on below its beginning. */
static void say(struct mf_report *report, const char *label, const char *format,
		...) MF_PRINTF(3, 4);

static void say(struct mf_report *report, const char *label, const char *format,
		...)
{
	char column[LABEL + 1];
	va_list arguments;
	MF_AUTO_BUFFER(text);

	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	snprintf(column, sizeof(column), "%-*s", LABEL, label);
	mf_report_fields(report, NULL, NULL,
			 &(struct mf_field){ "line", column,
					     mf_text(mf_buffer_text(&text)),
					     TEXT },
			 1);
}

static void say_region(struct mf_report *report, const struct mf_region *region)
{
	char perms[5], size[MF_UNIT_TEXT];

	mf_report_size(report, size, region->end - region->start);
	say(report, "region", "%s%s%s, %s, %#llx-%#llx %s%s%s",
	    mf_class_name(region->class), *region->label ? ": " : "",
	    region->label, size, (unsigned long long)region->start,
	    (unsigned long long)region->end,
	    print_perms(perms, region->mapping->perms),
	    *region->mapping->path ? " of " : "", region->mapping->path);
	if (region->certainty)
		say(report, "proof", "%s%s%s", region->proof,
		    *region->owner ? "; of " : "", region->owner);
}

static const char *file_of(const struct mf_region *region)
{
	return region && region->class == MF_CLASS_SHARED ? ", of shared memory"
							  : ", of a file";
}

static void say_page(struct mf_report *report, const struct mf_explained *item)
{
	const char *what = "not in memory";

	if (!item->page_known)
		return;
	if (item->page & MF_PAGE_UNREADABLE)
		what = "cannot be read";
	else if (item->page & MF_PAGE_ZERO)
		what = "the zero page: never written to";
	else if (item->page & MF_PAGE_PRESENT)
		what = item->page & MF_PAGE_HUGE ? "in memory, of a huge page"
						 : "in memory";
	else if (item->page & MF_PAGE_SWAPPED)
		what = "in swap";
	say(report, "page", "%s%s", what,
	    item->page & MF_PAGE_FILE ? file_of(item->place.region) : "");
}

static void say_neighbour(struct mf_report *report, const char *where,
			  const struct mf_chunk *chunk)
{
	char size[MF_UNIT_TEXT];

	say(report, where, "%s, %s at %#llx", mf_chunk_state_words(chunk->kind),
	    mf_report_size(report, size, chunk->size),
	    (unsigned long long)chunk->address);
}

static void say_chunk(struct mf_report *report, const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;
	uint64_t usable = place->user_end - place->user;
	char size[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	if (!place->in_chunk)
		return;
	mf_chunk_describe(report, &place->chunk, &text);
	say(report, "chunk", "%s", mf_buffer_text(&text));
	say(report, "usable", "%s from %#llx on",
	    mf_report_size(report, size, usable),
	    (unsigned long long)place->user);
	if (item->has_previous)
		say_neighbour(report, "before it", &item->previous);
	if (item->has_next)
		say_neighbour(report, "behind it", &item->next);
	if (place->type)
		say(report, "object", "%s (%s%sknown by its %s)", place->type,
		    place->language, *place->language ? ", " : "",
		    place->evidence);
}

static void say_symbol(const struct mf_explain *explain,
		       struct mf_report *report, const struct mf_place *place)
{
	char size[MF_UNIT_TEXT];
	struct mf_line line;

	if (!place->module)
		return;
	if (place->symbol)
		say(report, "symbol", "%s+%#llx of %s, %s", place->symbol,
		    (unsigned long long)(place->address - place->symbol_start),
		    place->module->name,
		    mf_report_size(report, size, place->symbol_size));
	if (find_line(explain, place, &line))
		say(report, "source", "%s:%u", line.file, line.line);
}

static const char *label_of(const struct mf_explained *item)
{
	if (item->here_is != MF_BYTES_NONE)
		return "its start";
	return item->bytes_are == MF_BYTES_OTHER ? "bytes" : "text";
}

static void say_content(const struct mf_explain *explain,
			struct mf_report *report,
			const struct mf_explained *item)
{
	struct mf_place leads = item->leads;
	MF_AUTO_BUFFER(text);

	if (item->signature)
		say(report, "signature", "%s%s%s", item->signature,
		    item->signature_detail ? ": " : "",
		    item->signature_detail ? item->signature_detail : "");
	if (item->here_is != MF_BYTES_NONE)
		say(report, "here", "%s%s", item->here,
		    item->here_goes_on ? " ..." : "");
	if (item->bytes_are != MF_BYTES_NONE)
		say(report, label_of(item), "%s%s", item->text,
		    item->text_size > MF_EXPLAIN_SHOWN ? " ..." : "");
	if (!item->has_word || !leads.region)
		return;
	mf_place_find_symbol(&explain->refs->places, &leads);
	mf_place_print(&leads, &text);
	say(report, "points to", "%#llx, %s", (unsigned long long)item->word,
	    mf_buffer_text(&text));
}

/* What an address stands for, where one asks who points there. */
static const char *aim_of(const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;

	if (place->in_chunk && place->kind != MF_PLACE_ALLOCATOR)
		return "into the chunk";
	if (!place->in_chunk && place->symbol && place->symbol_size)
		return "to the symbol or into it";
	return "right there";
}

static void say_refs(const struct mf_explain *explain, struct mf_report *report,
		     const struct mf_explained *item)
{
	const struct mf_refs *refs = explain->refs;
	size_t shown = 0;
	MF_AUTO_BUFFER(count);

	if (explain->options.no_refs)
		return;
	if (!item->words) {
		say(report, "refs", "no word points %s", aim_of(item));
		return;
	}
	mf_words_count(item->words, &count);
	say(report, "refs", "%s %s%s", mf_buffer_text(&count), aim_of(item),
	    item->words > SHOWN_LINES ? "; the first are" : "");
	for (size_t i = 0; i < refs->references.count && shown < SHOWN_LINES;
	     i++) {
		const struct mf_reference *reference =
			&refs->references.items[i];
		struct mf_place place = reference->place;
		MF_AUTO_BUFFER(text);

		if (reference->target != item->aim)
			continue;
		mf_place_find_symbol(&refs->places, &place);
		mf_place_print(&place, &text);
		if (reference->offset)
			mf_buffer_printf(&text, ", to byte %#llx of it",
					 (unsigned long long)reference->offset);
		say(report, "", "%s", mf_buffer_text(&text));
		shown++;
	}
}

static void say_one(const struct mf_explain *explain, struct mf_report *report,
		    const struct mf_explained *item)
{
	const struct mf_place *place = &item->place;
	MF_AUTO_BUFFER(text);

	mf_place_print(place, &text);
	mf_report_line(report, "%s", "");
	mf_report_line(report, "%#llx  %s", (unsigned long long)place->address,
		       mf_buffer_text(&text));
	if (!place->region) {
		mf_report_line(report, "  nothing is mapped there");
	} else {
		say_region(report, place->region);
		say_page(report, item);
		say_chunk(report, item);
		say_symbol(explain, report, place);
		say_content(explain, report, item);
	}
	say_refs(explain, report, item);
}

/* ---- both --------------------------------------------------------------------- */

static const struct mf_column columns[] = {
	{ "asked", NULL, MF_VALUE_TEXT, 0 },
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "kind", NULL, MF_VALUE_TEXT, 0 },
	{ "where", NULL, MF_VALUE_TEXT, 0 },
	{ "reference_count", NULL, MF_VALUE_COUNT, 0 },
};

static void write_data(const struct mf_explain *explain,
		       struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "addresses",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = DATA,
	};
	MF_AUTO_BUFFER(text);

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < explain->items.count; i++) {
		const struct mf_explained *item = &explain->items.items[i];
		const struct mf_place *place = &item->place;
		bool with_refs = !explain->options.no_refs;

		mf_buffer_clear(&text);
		mf_place_print(place, &text);
		mf_report_row_open(
			report,
			(struct mf_value[]){
				mf_text(item->asked),
				mf_address(place->address),
				mf_text(mf_place_kind_name(place->kind)),
				mf_text(mf_buffer_text(&text)),
				with_refs ? mf_count(item->words) : mf_none(),
			});
		write_details(explain, report, item);
		if (with_refs && item->words)
			mf_references_write(explain->refs, report, item->aim,
					    SHOWN_REFS);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

void mf_explain_write(const struct mf_explain *explain,
		      struct mf_report *report)
{
	write_data(explain, report);
	for (size_t i = 0; i < explain->items.count; i++)
		say_one(explain, report, &explain->items.items[i]);
}
