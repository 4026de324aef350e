/*
 * Regular expressions over bytes: PCRE2, compiled to machine code where that is
 * possible, with limits, so that none takes for ever.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/memory.h"
#include "scan/patterns.h"

enum {
	MATCH_LIMIT = 50000,
	DEPTH_LIMIT = 10000,
	HEAP_LIMIT = 4096, /* KiB */
	STACK_LEAST = 32 << 10,
	STACK_MOST = 512 << 10,
	MESSAGE = 256,
};

struct mf_regex {
	pcre2_code *code;
};

struct mf_regex_worker {
	const struct mf_regex *regex;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
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
				     PCRE2_NEVER_BACKSLASH_C,
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

enum mf_regex_is mf_regex_find(struct mf_regex_worker *worker,
			       const uint8_t *bytes, size_t size, size_t from,
			       size_t *start, size_t *end)
{
	const PCRE2_SIZE *found;
	int status;

	if (!worker->data || !worker->context)
		return MF_REGEX_GAVE_UP;
	status = pcre2_match(worker->regex->code, bytes, size, from,
			     PCRE2_NOTEMPTY, worker->data, worker->context);
	if (status == PCRE2_ERROR_NOMATCH)
		return MF_REGEX_NONE;
	if (status < 0)
		return MF_REGEX_GAVE_UP;
	found = pcre2_get_ovector_pointer(worker->data);
	/* \K may put the start behind the end. */
	if (found[0] >= found[1] || found[1] > size || found[0] < from)
		return MF_REGEX_GAVE_UP;
	*start = found[0];
	*end = found[1];
	return MF_REGEX_MATCH;
}
