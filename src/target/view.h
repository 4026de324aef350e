/*
 * What is seen of a process while there is a copy of it. Fork leaves out page
 * tables that can be made again (of files and shared memory), and what the
 * program keeps from its children: pages, bytes and figures of such mappings
 * are not the copy's.
 */
#ifndef MF_TARGET_VIEW_H
#define MF_TARGET_VIEW_H

#include "target/target.h"

struct mf_range {
	uint64_t start, end;
};

/** Where the pages of a mapping, and their bytes, are looked for. */
enum mf_route {
	/* Both are the copy's. */
	MF_ROUTE_COPY,
	/* Which pages there are was asked of the process when the copy was
	 * made; the copy has the same bytes: of a file, or shared memory. */
	MF_ROUTE_SHARED,
	/* As by the copy; but the process may take huge pages back from it,
	 * which are known to be missing then. */
	MF_ROUTE_RESERVED,
	/* The copy has none: the running process is read. */
	MF_ROUTE_PROCESS,
};

struct mf_view_run {
	uint64_t start, end;
	uint8_t flags; /* MF_PAGE_* */
};

/** A mapping that has another route than MF_ROUTE_COPY. */
struct mf_view_part {
	uint64_t start, end;
	enum mf_route route;
	bool of_file;  /* private: absent pages are the file's */
	bool recorded; /* the process's runs, from first to before last */
	size_t first, last;
};

struct mf_view {
	struct mf_mappings before; /* the process's, just before the stop */
	struct mf_status status;   /* the process's, of then */
	struct mf_mappings merged; /* nothing until then */
	MF_VEC(struct mf_view_part) parts;
	MF_VEC(struct mf_range) kept; /* those with MF_ROUTE_PROCESS */
	bool is_kept_whole;  /* some of them because of MADV_DONTFORK */
	uint64_t kept_bytes; /* of them, in memory or in swap */
	MF_VEC(struct mf_view_run) runs;
};

/** Memory that bytes come from. */
struct mf_source {
	pid_t tid;
	int mem;
	bool runs; /* it is the running process's, while there is a copy */
	/* Other processes may have the same pages, until one writes to them. To
	 * pin such a page, as process_vm_readv does, is to copy it (Linux 5.19,
	 * gup_must_unshare); mem only looks. */
	bool shares;
};

/** The copy was made just now; the mappings are still the process's own. */
void mf_view_begin(struct mf_target *target);

/** The mappings are the copy's: makes them those of the process. */
void mf_view_merge(struct mf_target *target);

/** Gives the mappings once more; false: they were not merged yet. */
bool mf_view_recall(struct mf_target *target);

void mf_view_end(struct mf_view *view);

/** As mf_pagemap_scan, while there is a copy. */
int mf_view_runs(struct mf_target *target, const struct mf_range *range,
		 mf_run_visit *visit, void *context);

/** Where the bytes from START on come from, to what is returned, END at most. */
uint64_t mf_view_source(const struct mf_target *target, uint64_t start,
			uint64_t end, struct mf_source *ret);

/** Bytes of MF_ROUTE_PROCESS are read. */
void mf_view_note_kept(struct mf_target *target);

/* view_merge.c */

/**
 * The route of a mapping that the copy has as COPY, and that the process had as
 * BEFORE (NULL: not at all). COPY gets the figures of the process, or where
 * they cannot be known usage_known is false then: they are to be counted.
 */
enum mf_route mf_view_merge_mapping(const struct mf_mapping *before,
				    struct mf_mapping *copy);

/** Figures of MAPPING from what was counted of it; BEFORE as above. */
void mf_view_estimate(const struct mf_mapping *before,
		      const struct mf_page_counts *pages, uint32_t page_size,
		      struct mf_mapping *mapping);

/** STATUS is that of BEFORE: makes it that of AFTER. */
void mf_view_merge_status(const struct mf_mappings *before,
			  const struct mf_mappings *after,
			  struct mf_status *status);

#endif
