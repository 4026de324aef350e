/*
 * The scanners there are, each by its table, in the order of their rows.
 */
#ifndef MF_SCAN_SCANNERS_H
#define MF_SCAN_SCANNERS_H

#include "scan/scanner.h"

extern const struct mf_scanner_ops mf_scan_strings_ops;
extern const struct mf_scanner_ops mf_scan_objects_ops;
extern const struct mf_scanner_ops mf_scan_tasks_ops;
extern const struct mf_scanner_ops mf_scan_signatures_ops;
extern const struct mf_scanner_ops mf_scan_content_ops;
extern const struct mf_scanner_ops mf_scan_matches_ops;

enum {
	MF_SCANNERS = 6,
};

extern const struct mf_scanner_ops *const mf_scanners[MF_SCANNERS];

#endif
