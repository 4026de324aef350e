/*
 * A dump on its way, and what is said of it when it is there.
 */
#ifndef MF_CMD_DUMP_H
#define MF_CMD_DUMP_H

#include <sys/stat.h>

#include "base/pool.h"
#include "cmd/command.h"
#include "cmd/signals.h"

/* A region, or the part of it that was asked for. */
struct mf_dump_part {
	char perms[5];
	enum mf_class class;
	const char *label; /* in the dump's pool */
};

struct mf_dump {
	struct mf_run *run;
	const struct mf_settings *settings;
	struct mf_target *target;
	const struct mf_heap *heap; /* during a pass */
	struct mf_output *output, *index;
	struct mf_held_signals signals;
	bool holds_signals;
	bool is_stream;
	bool began;	   /* bytes may have been written */
	uint64_t offset;   /* of standard output, if it is a file */
	uint64_t left_out; /* bytes of chunks that are not in use */
	struct mf_core_written core;
	struct mf_raw_range *ranges;
	struct mf_dump_part *parts; /* as many */
	size_t count;
	struct mf_pool pool;
	struct stat status; /* of the file */
};

/** For messages. */
const char *mf_dump_path(const struct mf_dump *dump);

/** To the index, if there is one; it is not committed. */
struct mf_error *mf_dump_write_index(const struct mf_dump *dump) MF_MUST_CHECK;
/** All of the report. */
struct mf_error *mf_dump_write_report(const struct mf_dump *dump) MF_MUST_CHECK;
/** Where there is no report: what is not known, as warnings. */
void mf_dump_warn_partial(const struct mf_dump *dump);

#endif
