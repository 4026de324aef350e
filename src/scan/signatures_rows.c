/*
 * Writes the signatures that were found: CONTRACT.md, scan, `signatures`.
 */
#include "memforensics/report.h"

#include "scan/signatures_tally.h"

void mf_sign_rows_write(const struct mf_sign_row *rows, size_t count,
			uint64_t unseen, struct mf_report *report)
{
	static const struct mf_column columns[] = {
		{ "name", "format", MF_VALUE_TEXT, 0 },
		{ "count", "count", MF_VALUE_COUNT, 0 },
		{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
		{ "estimated", "by guess", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
		{ "first", "first at", MF_VALUE_ADDRESS, 0 },
		{ "example", "such as", MF_VALUE_TEXT,
		  MF_SHOW_IF_ANY | MF_SHOW_FILL },
	};
	static const struct mf_table table = {
		.key = "signatures",
		.title = "FORMATS AND PROTOCOLS",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.top = 20,
		.empty = "no known format or protocol",
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++) {
		const struct mf_sign_tally *tally = &rows[i].tally;
		const char *example = mf_buffer_text(&rows[i].example);

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_text(rows[i].signature->name),
				      mf_count(tally->count),
				      mf_size(tally->bytes),
				      mf_count(tally->estimates),
				      mf_address(tally->first),
				      *example ? mf_text(example) : mf_none(),
			      });
	}
	mf_report_table_end(report);
	if (unseen)
		mf_report_line(report,
			       "%llu places at the ends of windows were too "
			       "many to be looked at again.",
			       (unsigned long long)unseen);
}
