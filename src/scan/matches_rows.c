/*
 * Writes what matched: CONTRACT.md, scan, `matches`; and how often, exactly.
 */
#include "memforensics/report.h"

#include "base/units.h"
#include "scan/matches.h"

static const char *kind_name(enum mf_find_kind kind)
{
	static const char *const names[] = {
		[MF_FIND_TEXT] = "text",   [MF_FIND_HEX] = "hex",
		[MF_FIND_REGEX] = "regex", [MF_FIND_POINTER] = "pointer",
		[MF_FIND_YARA] = "yara",
	};

	return names[kind];
}

/* A file of rules is told of by its rules. */
static bool is_told(const struct mf_match_set *set)
{
	return set->kind != MF_FIND_YARA || set->own;
}

static void write_counts(const struct mf_match_set *sets, size_t count,
			 struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "pattern", "pattern", MF_VALUE_TEXT, MF_SHOW_FILL },
		{ "kind", "kind", MF_VALUE_TEXT, 0 },
		{ "count", "matches", MF_VALUE_COUNT, 0 },
		{ "shown", "shown", MF_VALUE_COUNT, MF_SHOW_DATA_ONLY },
		{ "gave_up", "places given up", MF_VALUE_COUNT,
		  MF_SHOW_IF_ANY },
	};
	static const struct mf_table table = {
		.key = "match_counts",
		.title = "PATTERNS",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.empty = "no rule holds",
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++)
		if (is_told(&sets[i]))
			mf_report_row(report,
				      (struct mf_value[]){
					      mf_text(sets[i].pattern),
					      mf_text(kind_name(sets[i].kind)),
					      mf_count(sets[i].count),
					      mf_count(sets[i].kept.count),
					      mf_count(sets[i].gave_up),
				      });
	mf_report_table_end(report);
}

static void write_matches(const struct mf_match_row *rows, size_t count,
			  struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "pattern", "pattern", MF_VALUE_TEXT, 0 },
		{ "address", "address", MF_VALUE_ADDRESS, 0 },
		{ "size", "size", MF_VALUE_SIZE, MF_SHOW_DATA_ONLY },
		{ "where", "where", MF_VALUE_TEXT, 0 },
		{ "context", "context", MF_VALUE_TEXT, MF_SHOW_FILL },
	};
	static const struct mf_table table = {
		.key = "matches",
		.title = "MATCHES",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = 40,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++)
		mf_report_row(report, (struct mf_value[]){
					      mf_text(rows[i].set->pattern),
					      mf_address(rows[i].match.address),
					      mf_size(rows[i].match.size),
					      mf_text(rows[i].where),
					      mf_text(rows[i].context),
				      });
	mf_report_table_end(report);
}

/* What the rows do not say: how many more there are. */
static void write_rest(const struct mf_match_set *sets, size_t set_count,
		       size_t listed, struct mf_report *report)
{
	char some[MF_UNIT_TEXT], all[MF_UNIT_TEXT];
	bool more = false;
	uint64_t count = 0;

	for (size_t i = 0; i < set_count; i++) {
		count += sets[i].count;
		more |= sets[i].count > sets[i].kept.count &&
			sets[i].limit == MF_MATCHES_SHOWN;
	}
	if (count > listed)
		mf_report_line(report, "%s of %s matches are listed%s",
			       mf_format_count(some, listed),
			       mf_format_count(all, count),
			       more ? "; --all lists more." : ".");
}

void mf_matches_write(const struct mf_match_set *sets, size_t set_count,
		      const struct mf_match_row *rows, size_t row_count,
		      const char *trouble, struct mf_report *report)
{
	/* Nothing was looked for. */
	if (!set_count)
		return;
	write_counts(sets, set_count, report);
	write_matches(rows, row_count, report);
	write_rest(sets, set_count, row_count, report);
	if (*trouble)
		mf_report_line(report, "YARA: %s.", trouble);
}
