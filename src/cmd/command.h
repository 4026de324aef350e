/*
 * What a command and an option are: rows of constant tables, from which
 * `--help`, the completions, the lists of the man page and the refusal of what
 * a target cannot do are made.
 *
 * To add a command:
 *  1. Write src/cmd/<name>.c: its run function, its own options (setters of
 *     struct mf_settings) and, as last lines, a const struct mf_command.
 *  2. needs: what the target must be able to give; the command is refused with
 *     why (exit 5) where it cannot.
 *  3. run: build the models with the session, then mf_run_begin (which opens
 *     the output and writes what every report has), then rows, then
 *     mf_run_end. Return errors; never print one.
 *  4. Declare it below and add it to the array in src/cmd/commands.c.
 *  5. What follows TARGET: arguments. Regions are read before the target is
 *     opened (takes_regions, run->select); for anything else, check.
 *  6. Write tests/cli/<name>.bats, and prose for contrib/man.
 */
#ifndef MF_CMD_COMMAND_H
#define MF_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "memforensics/report.h"
#include "memforensics/session.h"

#include "base/file.h"
#include "base/words.h"

enum mf_color {
	MF_COLOR_AUTO,
	MF_COLOR_ALWAYS,
	MF_COLOR_NEVER,
};

/** What was asked of the command chunks. */
struct mf_chunks_settings {
	unsigned kinds; /* 1 << MF_KIND_*, together; 0: any */
	uint64_t min_size, max_size;
	bool by_size, histogram;
	const char *type; /* NULL: any */
};

enum mf_leaks_figure {
	MF_LEAKS_BYTES,
	MF_LEAKS_COUNT,
	MF_LEAKS_NEW_BYTES,
	MF_LEAKS_NEW_COUNT,
};

/** One --fail-if. */
struct mf_leaks_limit {
	enum mf_leaks_figure figure;
	bool or_equal;
	uint64_t number;
};

enum {
	MF_LEAKS_LIMITS = 8,
	MF_LEAKS_EXCLUDED = 64,
};

/** What was asked of the command leaks. */
struct mf_leaks_settings {
	struct mf_leaks_options options;
	uint64_t twice_ns; /* 0: one look */
	const char *excluded[MF_LEAKS_EXCLUDED];
	size_t excluded_count;
	struct mf_leaks_limit limits[MF_LEAKS_LIMITS];
	size_t limit_count;
};

enum {
	MF_TIDS_MAX = 64, /* that can be asked for */
};

/** What was asked of the command threads. */
struct mf_threads_settings {
	struct mf_thread_rows rows;
	enum mf_thread_order order;
	bool no_frames;
	unsigned unwinders; /* MF_UNWINDER_*, together; 0: all */
	int tids[MF_TIDS_MAX];
	size_t tid_count; /* 0: all threads */
};

/** What the command line asked for. */
struct mf_settings {
	const char *target;	      /* NULL: none given */
	const char *const *arguments; /* what follows it, as it was given */
	size_t argument_count;
	struct mf_session_options session;
	struct mf_report_options report;
	enum mf_color color;
	const char *output; /* NULL: standard output */
	bool force;
	bool quiet, verbose, help, version, batch;
	bool at_prompt;	      /* typed there: the target was named before */
	const char *generate; /* NULL, or what to make for the build */
	bool to_stdout;	      /* -o - */
	bool full, compress;  /* of snapshot */
	struct mf_scan_options scan;
	struct mf_scan_pattern patterns[MF_SCAN_PATTERNS]; /* of scan */
	const char *index;	 /* of dump: a file for it; or NULL */
	bool as_core, skip_free; /* of dump */
	uint64_t max_size;	 /* of dump, bytes; 0: none was given */
	bool walk_heaps;	 /* although the command has no_walk */
	struct mf_refs_options refs;
	bool dominators; /* of refs: who keeps how much alive */
	bool about_all;	 /* an option is about all: no argument is needed */
	struct mf_explain_options explain;
	enum mf_region_order order; /* of maps */
	bool class_given;
	enum mf_class class; /* the only one of maps */
	struct mf_chunks_settings chunks;
	struct mf_leaks_settings leaks;
	struct mf_threads_settings threads;
};

/** What the shell may offer for the argument of an option. */
enum mf_completion {
	MF_COMPLETE_NOTHING,
	MF_COMPLETE_WORDS,
	MF_COMPLETE_FILE,
	MF_COMPLETE_FOLDER,
	MF_COMPLETE_PID,
};

struct mf_option {
	const char *name;     /* after the -- */
	const char *argument; /* its name in help; NULL: takes none */
	const char *summary;
	const char *const *words; /* of MF_COMPLETE_WORDS, NULL-terminated */
	/** VALUE is NULL for an option without argument. */
	struct mf_error *(*set)(struct mf_settings *settings,
				const char *value);
	enum mf_completion completion;
	char letter;	/* 0: none */
	bool hidden;	/* in no list */
	bool of_target; /* how it is opened and held: not of a command that is
			   typed at the prompt, where it is open */
	bool names_target; /* which it is: the prompt has one */
};

struct mf_run;

struct mf_command {
	const char *name;
	const char *summary;		 /* one line, no full stop */
	const char *description;	 /* for its --help; a line a sentence */
	const struct mf_option *options; /* besides the common ones */
	size_t option_count;
	const char *arguments; /* after TARGET, for help: "REGION..."; NULL:
				   nothing may follow it */
	const char *arguments_help; /* a paragraph; NULL: of regions, or none */
	size_t arguments_least;
	size_t arguments_most; /* 0: as many as there are */
	bool takes_regions;    /* the arguments are region expressions */
	bool offers_regions, offers_symbols; /* some of them may be */
	/** Judges the settings before the target is opened. NULL: no need. */
	struct mf_error *(*check)(const struct mf_settings *settings);
	unsigned needs;	 /* MF_CAN_* */
	bool unstopped;	 /* --stop auto is none */
	bool copied;	 /* --stop auto is snapshot; with all registers */
	bool own_file;	 /* -o is not for its report */
	bool opens_own;	 /* it opens its targets itself: there is no session */
	bool no_walk;	 /* heaps are named and claimed, not read; unless the
			   settings have walk_heaps */
	bool of_threads; /* where they wait, too; of heaps, with no_walk, what
			    they have of them */
	struct mf_error *(*run)(struct mf_run *run);
};

/** One run of a command on its target. */
struct mf_run {
	const struct mf_command *command;
	const struct mf_settings *settings;
	struct mf_session *session;
	bool is_borrowed;	  /* the session is another's, and stays open */
	struct mf_select *select; /* of takes_regions; NULL: none were given */
	struct mf_output *output;
	struct mf_report *report; /* NULL before mf_run_begin */
	FILE *into;		  /* not NULL: the report goes there, as JSON */
	bool partial; /* where there is no session: not all is known */
	bool is_met;  /* a threshold of --fail-if */
};

/* ---- the tables ----------------------------------------------------------- */

extern const struct mf_command mf_command_attach, mf_command_maps,
	mf_command_arenas, mf_command_chunks, mf_command_explain,
	mf_command_refs, mf_command_leaks, mf_command_threads, mf_command_scan,
	mf_command_dump, mf_command_snapshot, mf_command_diff,
	mf_command_browse;

/** All commands, in the order of help. */
const struct mf_command *const *mf_commands(size_t *count);
const struct mf_command *mf_command_find(const char *name);

/** The options that every command takes. */
const struct mf_option *mf_common_options(size_t *count);

/** Sets *ret to the index of VALUE in WORDS (NULL-terminated). */
struct mf_error *mf_option_word(const char *option, const char *value,
				const char *const *words, unsigned *ret)
	MF_MUST_CHECK;

/* ---- the steps of a run ------------------------------------------------------ */

/** The command line as it was understood. */
struct mf_parsed {
	const struct mf_command *command; /* NULL: nothing was asked for */
	bool named;			  /* by its name */
	struct mf_settings settings;
};

/** RET has what is so unless an option says otherwise. */
struct mf_error *mf_command_parse(int argc, char **argv, struct mf_parsed *ret)
	MF_MUST_CHECK;

/** There is no command WORD; with what was probably meant. TYPED: at the prompt,
 * where there are a few words more. */
struct mf_error *mf_command_refuse(const char *word, bool typed);

/** Opens the target of SETTINGS for COMMAND, as it needs it. */
struct mf_error *mf_command_open(const struct mf_command *command,
				 const struct mf_settings *settings,
				 struct mf_session **ret) MF_MUST_CHECK;

/**
 * Runs what was typed at the prompt, prints its errors, and returns its exit
 * code. SESSION: of the prompt, and frozen; NULL: it opens one of its own.
 */
int mf_command_run_typed(int argc, char **argv,
			 const struct mf_settings *settings,
			 struct mf_session *session);

/** Prints ERROR, with a hint in any case, ends it, and returns its code. */
int mf_command_complain(struct mf_error *error,
			const struct mf_settings *settings);

/**
 * Writes TEXT in lines of at most 78 columns, a new one for each line of TEXT
 * too when SENTENCES.
 */
void mf_help_wrap(FILE *stream, const char *text, bool sentences);

/** COMMAND NULL: of the program. */
void mf_help_print(FILE *stream, const struct mf_command *command);
/** The same as it is typed at the prompt. */
void mf_help_print_typed(FILE *stream, const struct mf_command *command);
/** Of the prompt's own `refresh`. */
void mf_help_print_refresh(FILE *stream);

/**
 * Writes WHAT ("bash", "zsh", "man") to STREAM, from the tables. The page's
 * prose is contrib/man/memforensics.1.in, below the current folder.
 */
struct mf_error *mf_generate(const char *what, FILE *stream) MF_MUST_CHECK;

/**
 * Opens the output and writes what every report begins with in data: target,
 * impact, partial, findings. Text gets none of it.
 */
struct mf_error *mf_run_begin(struct mf_run *run) MF_MUST_CHECK;
/** The same without findings: no model is built, nothing is read. */
struct mf_error *mf_run_begin_bare(struct mf_run *run) MF_MUST_CHECK;
/** The same of a run without a session: nothing is said of a target. */
struct mf_error *mf_run_begin_alone(struct mf_run *run) MF_MUST_CHECK;
/** Ends the report and puts the output in place. */
struct mf_error *mf_run_end(struct mf_run *run) MF_MUST_CHECK;

/** Text only: what opens the core at PATH. */
void mf_run_tell_core(struct mf_run *run, const char *path);

/** Columns that its text fits into. */
unsigned mf_run_width(const struct mf_run *run);

/** What `attach` has as data: regions, totals, allocators. */
void mf_run_write_models(struct mf_run *run, const struct mf_space *space,
			 const struct mf_heap *heap);
/** Text only: two lines about the target. */
void mf_run_write_head(struct mf_run *run, const struct mf_space *space);
/** Text only: what could not be known, then what was done to the target. */
void mf_run_write_foot(struct mf_run *run);
/** Columns of the last line of that, about. */
size_t mf_run_foot_length(const struct mf_run *run);

/** The program: exit code of CONTRACT's table. */
int mf_command_main(int argc, char **argv);

#endif
