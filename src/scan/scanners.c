/*
 * The one list of scanners.
 */
#include "scan/scanners.h"

/* What there is of everything first, the longest lists last. */
const struct mf_scanner_ops *const mf_scanners[MF_SCANNERS] = {
	&mf_scan_content_ops, &mf_scan_matches_ops,    &mf_scan_objects_ops,
	&mf_scan_tasks_ops,   &mf_scan_signatures_ops, &mf_scan_strings_ops,
};
