/*
 * Regular expressions over bytes: PCRE2, compiled to machine code where that is
 * possible, with limits, so that none takes for ever. PCRE2's own limits are of
 * the steps from one place; how long all places take that are tried in turn,
 * each of which may look at all bytes that follow, is measured here.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "scan/patterns.h"

enum {
	MATCH_LIMIT = 50000,
	DEPTH_LIMIT = 10000,
	HEAP_LIMIT = 4096, /* KiB */
	STACK_LEAST = 32 << 10,
	STACK_MOST = 512 << 10,
	MESSAGE = 256,
	/* Places that are tried at once: as long as that is quick, and when it
	 * was not. */
	MOST_AT_ONCE = 4096,
	FEW_AT_ONCE = 64,
	FIRST_AT_ONCE = 256,
	SLOW = 1000000,	   /* ns, at once */
	SLOW_PLACE = 2000, /* ns, each: a GiB takes half an hour */
};

struct mf_regex {
	pcre2_code *code;
};

struct mf_regex_worker {
	const struct mf_regex *regex;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	size_t at_once, most_at_once;
	bool suspected; /* of taking too long: its time is measured */
};

struct mf_error *mf_regex_compile(const char *text, struct mf_regex **ret)
{
	char message[MESSAGE];
	struct mf_error *error;
	struct mf_regex *regex;
	PCRE2_SIZE offset;
	pcre2_code *code;
	int number;

	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
			     PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
				     PCRE2_NEVER_BACKSLASH_C |
				     PCRE2_USE_OFFSET_LIMIT,
			     &number, &offset, NULL);
	if (!code) {
		pcre2_get_error_message(number, (PCRE2_UCHAR *)message,
					sizeof(message));
		error = mf_error_create(MF_ERROR_USAGE,
					"\"%s\" is no regular expression",
					text);
		mf_error_why(error, "at character %zu: %s", offset + 1,
			     message);
		return mf_error_hint(error, "man pcre2pattern");
	}
	/* Without, it is interpreted: slower, and the same. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	regex = mf_new(struct mf_regex);
	regex->code = code;
	*ret = regex;
	return NULL;
}

void mf_regex_destroy(struct mf_regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	free(regex);
}

struct mf_regex_worker *mf_regex_worker_create(const struct mf_regex *regex)
{
	struct mf_regex_worker *worker = mf_new(struct mf_regex_worker);

	worker->regex = regex;
	worker->at_once = FIRST_AT_ONCE;
	worker->most_at_once = MOST_AT_ONCE;
	worker->data = pcre2_match_data_create(1, NULL);
	worker->context = pcre2_match_context_create(NULL);
	worker->stack = pcre2_jit_stack_create(STACK_LEAST, STACK_MOST, NULL);
	if (worker->context) {
		pcre2_set_match_limit(worker->context, MATCH_LIMIT);
		pcre2_set_depth_limit(worker->context, DEPTH_LIMIT);
		pcre2_set_heap_limit(worker->context, HEAP_LIMIT);
		if (worker->stack)
			pcre2_jit_stack_assign(worker->context, NULL,
					       worker->stack);
	}
	return worker;
}

void mf_regex_worker_destroy(struct mf_regex_worker *worker)
{
	if (!worker)
		return;
	pcre2_match_data_free(worker->data);
	pcre2_match_context_free(worker->context);
	pcre2_jit_stack_free(worker->stack);
	free(worker);
}

/* ---- time --------------------------------------------------------------- */

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* This thread's own time, where it matters; else one that is cheaper to read,
 * and goes on while others have the processor. */
static uint64_t time_of(const struct mf_regex_worker *worker)
{
	return read_clock(worker->suspected ? CLOCK_THREAD_CPUTIME_ID
					    : CLOCK_MONOTONIC);
}

/* PLACES were tried in vain, in NS; says whether that is too long. */
static bool is_too_slow(struct mf_regex_worker *worker, size_t places,
			uint64_t ns)
{
	bool slow = ns > SLOW && ns > places * SLOW_PLACE;

	if (slow && worker->suspected) {
		worker->most_at_once = FIRST_AT_ONCE;
		return true;
	}
	if (slow) {
		worker->suspected = true;
		worker->at_once = FEW_AT_ONCE;
	} else if (worker->at_once < worker->most_at_once) {
		worker->at_once *= 2;
	} else {
		worker->suspected = false;
	}
	return false;
}

/* ---- finding ------------------------------------------------------------ */

/* As mf_regex_find, of a few places. */
static enum mf_regex_is find_among(struct mf_regex_worker *worker,
				   const struct mf_regex_text *text,
				   size_t from, size_t to, size_t *start,
				   size_t *end)
{
	const PCRE2_SIZE *found;
	int status;

	pcre2_set_offset_limit(worker->context, to - 1);
	status = pcre2_match(worker->regex->code, text->bytes, text->size, from,
			     PCRE2_NOTEMPTY, worker->data, worker->context);
	if (status == PCRE2_ERROR_NOMATCH)
		return MF_REGEX_NONE;
	*start = from;
	if (status < 0)
		return MF_REGEX_GAVE_UP;
	found = pcre2_get_ovector_pointer(worker->data);
	/* \K may put the start behind the end. */
	if (found[0] >= found[1] || found[1] > text->size || found[0] < from)
		return MF_REGEX_GAVE_UP;
	*start = found[0];
	*end = found[1];
	return MF_REGEX_MATCH;
}

enum mf_regex_is mf_regex_find(struct mf_regex_worker *worker,
			       const struct mf_regex_text *text, size_t from,
			       size_t *start, size_t *end)
{
	uint64_t before;

	*start = from;
	if (!worker->data || !worker->context)
		return MF_REGEX_GAVE_UP;
	before = time_of(worker);
	while (from < text->to) {
		size_t to = MF_MIN(text->to, from + worker->at_once);
		bool suspected = worker->suspected;
		enum mf_regex_is is =
			find_among(worker, text, from, to, start, end);
		uint64_t now;

		if (is != MF_REGEX_NONE)
			return is;
		now = time_of(worker);
		if (is_too_slow(worker, to - from, now - before)) {
			*start = from;
			return MF_REGEX_GAVE_UP;
		}
		before = suspected == worker->suspected ? now : time_of(worker);
		from = to;
	}
	return MF_REGEX_NONE;
}
