/*
 * The door of the report room: a result as a stream of typed values, and the
 * sinks that print it as text, JSON or CSV. Nobody else knows the format.
 *
 * A report is: begin, then any of {fields, table, findings, lines}, then end.
 * Every value has a key (its JSON name, CONTRACT.md) and a type (how it is
 * printed). Tables stream: a row is gone once it is given, so that a table may
 * have millions of rows.
 *
 * Text is escaped here; callers give names, paths and strings as they are. The
 * glyphs of text are ASCII when the environment's locale is not UTF-8.
 *
 * CSV holds the tables that have rows: the first one starts at once; each
 * further one comes after an empty line and a line "# KEY". Tables inside rows,
 * fields and the evidence of findings follow at the end, named by their path
 * ("arenas.heaps"), each row led by the first column of the rows around it; so
 * the first column of a table that is opened should be what identifies its
 * rows. Fields are a table of one row.
 */
#ifndef MEMFORENSICS_REPORT_H
#define MEMFORENSICS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"

struct mf_report;

enum mf_report_format {
	MF_FORMAT_TEXT,
	MF_FORMAT_JSON,
	MF_FORMAT_CSV,
	MF_FORMAT_KEPT, /* nothing is printed: mf_report_kept_tables */
};

struct mf_report_options {
	enum mf_report_format format;
	bool bytes;	/* text: plain numbers instead of IEC units */
	bool color;	/* text: the stream is a terminal that may have it */
	unsigned width; /* text: columns to fit into; 0: 100 */
	size_t top;	/* text: rows a table shows; 0: its own default */
};

/* ---- values ---------------------------------------------------------- */

enum mf_value_type {
	MF_VALUE_NONE,	  /* not known: "-" in text, null in JSON */
	MF_VALUE_BOOL,	  /* "yes"/"" ; true/false */
	MF_VALUE_COUNT,	  /* a number of things: 12 345 */
	MF_VALUE_ID,	  /* a number that names something: 12345 */
	MF_VALUE_SIZE,	  /* bytes: IEC units; a number */
	MF_VALUE_DELTA,	  /* signed bytes, with its sign */
	MF_VALUE_ADDRESS, /* hexadecimal; "0x..." */
	MF_VALUE_RATIO,	  /* 0..1: per cent in text, the number in JSON */
	MF_VALUE_MS,	  /* milliseconds */
	MF_VALUE_TEXT,	  /* from the target or ours: always escaped */
	MF_VALUE_LIST,	  /* texts */
	MF_VALUE_NUMBERS, /* numbers of things: thread ids */
};

struct mf_value {
	enum mf_value_type type;
	union {
		bool boolean;
		uint64_t number; /* COUNT, ID, SIZE, ADDRESS */
		int64_t delta;
		double real;	  /* RATIO, MS */
		const char *text; /* kept by the caller during the call */
		const char *const *list; /* NULL-terminated */
		struct {
			const int *items;
			size_t count;
		} numbers;
	};
};

/* clang-format off */
static inline struct mf_value mf_none(void)
{ return (struct mf_value){ .type = MF_VALUE_NONE }; }
static inline struct mf_value mf_bool(bool v)
{ return (struct mf_value){ .type = MF_VALUE_BOOL, .boolean = v }; }
static inline struct mf_value mf_count(uint64_t v)
{ return (struct mf_value){ .type = MF_VALUE_COUNT, .number = v }; }
static inline struct mf_value mf_id(uint64_t v)
{ return (struct mf_value){ .type = MF_VALUE_ID, .number = v }; }
static inline struct mf_value mf_size(uint64_t v)
{ return (struct mf_value){ .type = MF_VALUE_SIZE, .number = v }; }
static inline struct mf_value mf_delta(int64_t v)
{ return (struct mf_value){ .type = MF_VALUE_DELTA, .delta = v }; }
static inline struct mf_value mf_address(uint64_t v)
{ return (struct mf_value){ .type = MF_VALUE_ADDRESS, .number = v }; }
static inline struct mf_value mf_ratio(double v)
{ return (struct mf_value){ .type = MF_VALUE_RATIO, .real = v }; }
static inline struct mf_value mf_ms(double v)
{ return (struct mf_value){ .type = MF_VALUE_MS, .real = v }; }
static inline struct mf_value mf_text(const char *v)
{ return (struct mf_value){ .type = v ? MF_VALUE_TEXT : MF_VALUE_NONE,
			    .text = v }; }
static inline struct mf_value mf_list(const char *const *v)
{ return (struct mf_value){ .type = MF_VALUE_LIST, .list = v }; }
static inline struct mf_value mf_numbers(const int *items, size_t count)
{ return (struct mf_value){ .type = MF_VALUE_NUMBERS,
			    .numbers = { items, count } }; }
/* clang-format on */

/**
 * Adds VALUE as text has it, escaped: with units, or plain BYTES; of ASCII alone
 * where not UTF8.
 */
void mf_value_write(struct mf_buffer *buffer, struct mf_value value, bool utf8,
		    bool bytes);

/** Where a column or a field appears. */
enum mf_report_show {
	MF_SHOW_ALWAYS = 0,
	MF_SHOW_DATA_ONLY = 1 << 0, /* JSON and CSV, not text */
	MF_SHOW_TEXT_ONLY = 1 << 1, /* made for people's eyes */
	MF_SHOW_IF_ANY = 1 << 2,    /* text: dropped when every row is 0/"" */
	MF_SHOW_FILL = 1 << 3,	    /* text: may be cut to fit the width */
	MF_SHOW_BAR = 1 << 4,	  /* text: a RATIO with a small bar after it */
	MF_SHOW_IF_ROOM = 1 << 5, /* text: dropped, the last first, where the
				       table would be too wide */
	MF_SHOW_WHOLE = 1 << 6,	  /* of a table: top does not cut it */
	MF_SHOW_WRAP = 1 << 7, /* text: the last column; what does not fit goes
				  on in further lines */
};

struct mf_column {
	const char *key;    /* JSON and CSV name */
	const char *header; /* text heading */
	enum mf_value_type type;
	unsigned show; /* MF_SHOW_* */
};

struct mf_table {
	const char *key;   /* JSON: name of the array */
	const char *title; /* text: line above it; NULL: none */
	const struct mf_column *columns;
	size_t column_count;
	size_t top;	   /* text: rows shown by default; 0: all */
	const char *empty; /* text: line when there is no row; NULL: nothing */
	unsigned show;	   /* MF_SHOW_DATA_ONLY or MF_SHOW_TEXT_ONLY */
};

struct mf_field {
	const char *key;
	const char *label; /* text; NULL: the key */
	struct mf_value value;
	unsigned show;
};

/* ---- writing ----------------------------------------------------------- */

/** Writes to STREAM, which stays the caller's. */
struct mf_report *mf_report_create(FILE *stream,
				   const struct mf_report_options *options);

/** Takes NULL. */
void mf_report_destroy(struct mf_report *report);

/**
 * A size inside of a sentence, as this report has them in its tables ("1.2
 * MiB", or plain bytes where these were asked for); returns TEXT, which has
 * room for MF_UNIT_TEXT (base/units.h) bytes.
 */
char *mf_report_size(const struct mf_report *report, char *text,
		     uint64_t bytes);

/** Opens the one object of a run: {"schema", "tool", "command", ...}. */
void mf_report_begin(struct mf_report *report, const char *command);
struct mf_error *mf_report_end(struct mf_report *report) MF_MUST_CHECK;

/**
 * Named values. KEY NULL: members of the object that is open; else an object of
 * that name. Text: aligned "label  value" lines under TITLE (NULL: none).
 */
void mf_report_fields(struct mf_report *report, const char *key,
		      const char *title, const struct mf_field *fields,
		      size_t count);

/** Tables: begin, rows, end. TABLE must live until then. */
void mf_report_table_begin(struct mf_report *report,
			   const struct mf_table *table);
/** As many values as columns, in their order. */
void mf_report_row(struct mf_report *report, const struct mf_value *values);
/**
 * A row that has more inside (JSON: members of the row's object; text: set in
 * under the row): row_open, then fields and tables, then row_close.
 */
void mf_report_row_open(struct mf_report *report,
			const struct mf_value *values);
void mf_report_row_close(struct mf_report *report);
/** A last row of sums (text only), values as in a row; mf_none() is blank. */
void mf_report_total(struct mf_report *report, const struct mf_value *values);
void mf_report_table_end(struct mf_report *report);

/** Opens and closes an object of that name among the members (JSON only). */
void mf_report_object_open(struct mf_report *report, const char *key);
void mf_report_object_close(struct mf_report *report);

/**
 * One paragraph of text, wrapped to the width (spaces that it starts with set
 * all of it in); "" is an empty line. Nothing in JSON and CSV.
 */
void mf_report_line(struct mf_report *report, const char *format, ...)
	MF_PRINTF(2, 3);
/** A heading above what follows; nothing in JSON and CSV. */
void mf_report_heading(struct mf_report *report, const char *text);

/* ---- findings ------------------------------------------------------------ */

enum mf_severity {
	MF_SEVERITY_INFO,
	MF_SEVERITY_WARNING,
	MF_SEVERITY_CRITICAL,
};

const char *mf_severity_name(enum mf_severity severity);

struct mf_finding {
	const char *code; /* "retention", ...: stable, for scripts */
	enum mf_severity severity;
	const char *title; /* one line with its numbers */
	uint64_t bytes;	   /* how much it is about; sorts findings */
	const struct mf_field *evidence;
	size_t evidence_count;
	const char *const *advice; /* NULL-terminated; can be pasted */
};

/** What mf_report_findings prints of findings in text. */
enum mf_findings_part {
	MF_FINDINGS_VERDICT = 1 << 0, /* the titles, worst first */
	MF_FINDINGS_ADVICE = 1 << 1,  /* what to do */
};

/**
 * The findings array of JSON (written once, whatever the parts), or in text the
 * parts asked for.
 */
void mf_report_findings(struct mf_report *report,
			const struct mf_finding *findings, size_t count,
			unsigned parts);

/** An error as the three lines of CONTRACT.md on STREAM. */
void mf_report_error(FILE *stream, const struct mf_error *error);

/* ---- rows that are kept -------------------------------------------------- */

/**
 * A table of a report of MF_FORMAT_KEPT (its stream NULL), for those who show rows otherwise. All
 * of it is a copy, and lives as long as the report, which is not to be ended.
 */
struct mf_kept_table {
	struct mf_table table;
	size_t row_count;
	const struct mf_value *const *rows; /* of each, its values */
	const struct mf_value *total;	    /* NULL: none */
	uint64_t left_out; /* rows beyond options.top, if that is not 0 */
	/* the table, and its row, that it is inside of; NULL: of none */
	const struct mf_kept_table *around;
	size_t around_row;
};

/** In the order in which they were ended: the inner ones first. */
const struct mf_kept_table *const *
mf_report_kept_tables(const struct mf_report *report, size_t *count);
/** The first whose key that is, or NULL. */
const struct mf_kept_table *mf_report_kept_table(const struct mf_report *report,
						 const char *key);

/* ---- reading one back ---------------------------------------------------- */

/** A report in JSON, in memory. */
struct mf_document;

/** An object of one: it itself, a member, or a row of a table. */
struct mf_node;

/**
 * Reads a report in JSON; NAME is for messages. Errors: it is too large, no
 * JSON, or no report of a schema that is known.
 */
struct mf_error *mf_document_parse(const char *text, size_t size,
				   const char *name, struct mf_document **ret)
	MF_MUST_CHECK;
struct mf_error *mf_document_read(const char *path, struct mf_document **ret)
	MF_MUST_CHECK;
void mf_document_destroy(struct mf_document *document);

/** As long as the document. */
const struct mf_node *mf_document_root(const struct mf_document *document);

/** The object that is member KEY; NULL: there is none, or NODE is NULL. */
const struct mf_node *mf_node_member(const struct mf_node *node,
				     const char *key);
/** Whether member KEY is a table; an empty one is. */
bool mf_node_has_table(const struct mf_node *node, const char *key);
/** Rows of the table that is member KEY; 0: there is none. */
size_t mf_node_rows(const struct mf_node *node, const char *key);
/** One of them; NULL: it is no object. */
const struct mf_node *mf_node_row(const struct mf_node *node, const char *key,
				  size_t row);
/** Text that is member KEY; NULL: it is none. It may have been a target's. */
const char *mf_node_text(const struct mf_node *node, const char *key);
/** A number, not negative, or an address, "0x..."; false: it is none. */
bool mf_node_number(const struct mf_node *node, const char *key, uint64_t *ret);

#endif
