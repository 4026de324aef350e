/*
 * What a scan saw: each scanner writes its own, in the order of their list, then
 * how much was looked at.
 */
#include "memforensics/report.h"

#include "base/units.h"
#include "scan/content.h"
#include "scan/state.h"

enum {
	NS_PER_MS = 1000000,
};

static void write_bytes(const struct mf_scan *scan, struct mf_report *report)
{
	const struct mf_field fields[] = {
		{ "scanned_bytes", NULL, mf_size(scan->bytes),
		  MF_SHOW_DATA_ONLY },
		{ "swapped_bytes", NULL, mf_size(scan->missed.swapped),
		  MF_SHOW_DATA_ONLY },
		{ "unread_bytes", NULL, mf_size(scan->missed.unreadable),
		  MF_SHOW_DATA_ONLY },
		{ "scan_ms", NULL, mf_ms((double)scan->took_ns / NS_PER_MS),
		  MF_SHOW_DATA_ONLY },
	};
	char size[MF_UNIT_TEXT], time[MF_UNIT_TEXT];

	mf_report_fields(report, NULL, NULL, fields, MF_ARRAY_SIZE(fields));
	mf_report_line(report, "%s", "");
	mf_report_line(report, "scanned: %s%s in %s",
		       mf_report_size(report, size, scan->bytes),
		       scan->options.free_too ? "" : " in use",
		       mf_format_time(time, (double)scan->took_ns / NS_PER_MS));
}

void mf_scan_write(const struct mf_scan *scan, struct mf_report *report)
{
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->own[i])
			mf_scanners[i]->write(scan->own[i], scan, report);
	write_bytes(scan, report);
}

static const struct mf_content_scanner *content_of(const struct mf_scan *scan)
{
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (mf_scanners[i] == &mf_scan_content_ops)
			return scan->own[i];
	return NULL;
}

void mf_scan_write_groups(const struct mf_scan *scan, struct mf_report *report,
			  const char *title, size_t rows)
{
	const struct mf_table shape = {
		.title = title,
		.top = rows,
		.show = rows ? 0 : MF_SHOW_DATA_ONLY,
	};

	if (content_of(scan))
		mf_content_write_groups(content_of(scan), scan, report, &shape);
}

size_t mf_scan_group_lines(const struct mf_scan *scan, size_t rows,
			   size_t columns)
{
	return content_of(scan) ? mf_content_group_lines(content_of(scan), scan,
							 rows, columns)
				: 0;
}
