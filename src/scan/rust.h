/*
 * Rust's trait objects, as a part of the scanner of objects: the functions are
 * those of a scanner (scan/scanner.h), and its rows are one table's with those
 * of other languages.
 */
#ifndef MF_SCAN_RUST_H
#define MF_SCAN_RUST_H

#include "scan/scanner.h"

struct mf_rust;
struct mf_rust_worker;

/** Objects behind fat pointers, by their type. */
struct mf_rust_row {
	const char *type; /* as long as the struct mf_rust */
	const char *evidence;
	const char *module;
	uint64_t count;
	uint64_t bytes;	   /* of chunks with their headers, where there are */
	uint64_t example;  /* the lowest address */
	uint64_t doubtful; /* of COUNT: may have been counted before */
	uint64_t loose;	   /* of COUNT: in no known chunk; may be freed */
};

struct mf_error *mf_rust_create(const struct mf_scan_context *context,
				struct mf_rust **ret) MF_MUST_CHECK;
void mf_rust_begin(struct mf_rust *rust, const struct mf_scan_context *context);
struct mf_rust_worker *mf_rust_worker_create(struct mf_rust *rust);
void mf_rust_window(struct mf_rust_worker *worker,
		    const struct mf_scan_window *window);
void mf_rust_merge(struct mf_rust *rust, struct mf_rust_worker *worker);
void mf_rust_finish(struct mf_rust *rust,
		    const struct mf_scan_context *context);
void mf_rust_destroy(struct mf_rust *rust);

/** After finish; in no order. */
const struct mf_rust_row *mf_rust_rows(const struct mf_rust *rust,
				       size_t *count);

#endif
