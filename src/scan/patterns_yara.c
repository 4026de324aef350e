/*
 * YARA rules, where this build has libyara. One scanner of its sees all pieces,
 * one after the other, and judges the rules when it has seen the last: so that
 * a rule may ask for strings that lie far apart.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "scan/patterns.h"

#ifdef MF_WITH_YARA

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <yara.h>

struct mf_yara {
	YR_RULES *rules;
	YR_SCANNER *scanner;
	YR_MEMORY_BLOCK block;
	YR_MEMORY_BLOCK_ITERATOR iterator;
	bool waiting; /* block was not given yet */
	bool ended;   /* no more will come */
	pthread_mutex_t lock;
	mf_yara_visitor visit;
	void *data;
	char *trouble;
};

static const uint8_t *block_bytes(YR_MEMORY_BLOCK *block)
{
	return block->context;
}

/* The first or the next: the one that waits. */
static YR_MEMORY_BLOCK *give_block(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
	struct mf_yara *yara = iterator->context;
	bool waiting = yara->waiting;

	yara->waiting = false;
	iterator->last_error =
		waiting || yara->ended ? ERROR_SUCCESS : ERROR_BLOCK_NOT_READY;
	return waiting ? &yara->block : NULL;
}

/* ---- compiling --------------------------------------------------------------------- */

static void note_error(int level, const char *file, int line,
		       const YR_RULE *rule, const char *message, void *data)
{
	char **text = data;

	(void)file;
	(void)rule;
	if (level == YARA_ERROR_LEVEL_ERROR && !*text)
		*text = mf_asprintf("line %d: %s", line, message);
}

static struct mf_error *bad_rules(const char *path, const char *why)
{
	return mf_error_why(
		mf_error_create(MF_ERROR_USAGE, "%s holds no YARA rules", path),
		"%s", why ? why : "they cannot be compiled");
}

/* libyara does not free what it has where a file cannot be read. */
static struct mf_error *open_rules(const char *path, FILE **ret)
{
	FILE *file = fopen(path, "re");
	struct stat status;

	if (!file)
		return mf_error_from_errno(errno, "%s cannot be read", path);
	if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
		fclose(file);
		return mf_error_from_errno(EISDIR, "%s cannot be read", path);
	}
	*ret = file;
	return NULL;
}

static struct mf_error *compile_file(const char *path, YR_RULES **ret)
{
	mf_auto_free char *message = NULL;
	YR_COMPILER *compiler = NULL;
	FILE *file = NULL;
	int errors = 1;

	MF_TRY(open_rules(path, &file));
	if (yr_compiler_create(&compiler) == ERROR_SUCCESS) {
		yr_compiler_set_callback(compiler, note_error, &message);
		errors = yr_compiler_add_file(compiler, file, NULL, path);
		if (!errors &&
		    yr_compiler_get_rules(compiler, ret) != ERROR_SUCCESS)
			errors = 1;
		yr_compiler_destroy(compiler);
	}
	fclose(file);
	return errors ? bad_rules(path, message) : NULL;
}

static int note_rule(YR_SCAN_CONTEXT *context, int message, void *what,
		     void *data);

static struct mf_error *create_scanner(struct mf_yara *yara)
{
	if (yr_scanner_create(yara->rules, &yara->scanner) != ERROR_SUCCESS)
		return mf_error_create(MF_ERROR_FAILED,
				       "libyara has no memory for a scanner");
	yr_scanner_set_callback(yara->scanner, note_rule, yara);
	yr_scanner_set_flags(yara->scanner, SCAN_FLAGS_REPORT_RULES_MATCHING |
						    SCAN_FLAGS_PROCESS_MEMORY |
						    SCAN_FLAGS_NO_TRYCATCH);
	return NULL;
}

struct mf_error *mf_yara_compile(const char *path, struct mf_yara **ret)
{
	/* Matches' bytes are read from the target, not kept. */
	uint32_t no_data = 0;
	struct mf_yara *yara;
	struct mf_error *error;

	if (yr_initialize() != ERROR_SUCCESS)
		return mf_error_create(MF_ERROR_FAILED,
				       "libyara cannot be started");
	yr_set_configuration(YR_CONFIG_MAX_MATCH_DATA, &no_data);
	yara = mf_new(struct mf_yara);
	pthread_mutex_init(&yara->lock, NULL);
	yara->block.fetch_data = block_bytes;
	yara->iterator = (YR_MEMORY_BLOCK_ITERATOR){
		.context = yara,
		.first = give_block,
		.next = give_block,
	};
	error = compile_file(path, &yara->rules);
	if (!error)
		error = create_scanner(yara);
	if (error) {
		mf_yara_destroy(yara);
		return error;
	}
	*ret = yara;
	return NULL;
}

void mf_yara_destroy(struct mf_yara *yara)
{
	if (!yara)
		return;
	/* What was begun is ended, so that its memory is freed. */
	if (yara->scanner)
		mf_yara_finish(yara, NULL, NULL);
	if (yara->scanner)
		yr_scanner_destroy(yara->scanner);
	if (yara->rules)
		yr_rules_destroy(yara->rules);
	pthread_mutex_destroy(&yara->lock);
	free(yara->trouble);
	free(yara);
	yr_finalize();
}

/* ---- scanning ----------------------------------------------------------------------- */

static void proceed(struct mf_yara *yara)
{
	int status = yr_scanner_scan_mem_blocks(yara->scanner, &yara->iterator);

	if (status != ERROR_SUCCESS && status != ERROR_BLOCK_NOT_READY &&
	    !yara->trouble)
		yara->trouble =
			mf_asprintf("libyara gave up: error %d", status);
}

void mf_yara_scan(struct mf_yara *yara, const uint8_t *bytes, size_t size,
		  uint64_t address)
{
	pthread_mutex_lock(&yara->lock);
	yara->block.base = address;
	yara->block.size = size;
	/* It is not written to. */
	memcpy(&yara->block.context, &bytes, sizeof(bytes));
	yara->waiting = true;
	if (!yara->trouble && size)
		proceed(yara);
	pthread_mutex_unlock(&yara->lock);
}

static void show_rule(struct mf_yara *yara, YR_SCAN_CONTEXT *context,
		      YR_RULE *rule)
{
	bool any = false;
	YR_STRING *string;
	YR_MATCH *match;

	yr_rule_strings_foreach(rule, string)
	{
		yr_string_matches_foreach(context, string, match)
		{
			any = true;
			yara->visit(rule->identifier, string->identifier,
				    (uint64_t)(match->base + match->offset),
				    (uint64_t)match->match_length, yara->data);
		}
	}
	if (!any)
		yara->visit(rule->identifier, NULL, 0, 0, yara->data);
}

static int note_rule(YR_SCAN_CONTEXT *context, int message, void *what,
		     void *data)
{
	struct mf_yara *yara = data;

	if (message == CALLBACK_MSG_RULE_MATCHING && yara->visit)
		show_rule(yara, context, what);
	else if (message == CALLBACK_MSG_TOO_MANY_MATCHES && !yara->trouble)
		yara->trouble =
			mf_asprintf("%s matched oftener than libyara counts",
				    ((YR_STRING *)what)->identifier);
	return CALLBACK_CONTINUE;
}

void mf_yara_finish(struct mf_yara *yara, mf_yara_visitor visit, void *data)
{
	if (yara->ended)
		return;
	yara->visit = visit;
	yara->data = data;
	yara->waiting = false;
	yara->ended = true;
	proceed(yara);
}

const char *mf_yara_trouble(const struct mf_yara *yara)
{
	return yara->trouble ? yara->trouble : "";
}

#else

struct mf_error *mf_yara_compile(const char *path, struct mf_yara **ret)
{
	(void)ret;
	return mf_error_hint(
		mf_error_why(mf_error_create(
				     MF_ERROR_UNSUPPORTED,
				     "the rules of %s cannot be applied", path),
			     "this build has no libyara"),
		"make WITH_YARA=yes, with libyara's headers installed");
}

void mf_yara_destroy(struct mf_yara *yara)
{
	(void)yara;
}

void mf_yara_scan(struct mf_yara *yara, const uint8_t *bytes, size_t size,
		  uint64_t address)
{
	(void)yara;
	(void)bytes;
	(void)size;
	(void)address;
}

void mf_yara_finish(struct mf_yara *yara, mf_yara_visitor visit, void *data)
{
	(void)yara;
	(void)visit;
	(void)data;
}

const char *mf_yara_trouble(const struct mf_yara *yara)
{
	(void)yara;
	return "";
}

#endif
