/*
 * Reads region expressions: what a word, a number or two of them mean, before
 * any target is there.
 */
#include "session/select.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "base/words.h"

/* ---- numbers --------------------------------------------------------------- */

static bool parse_hex(const char *text, size_t length, uint64_t *ret)
{
	mf_auto_free char *digits = mf_strndup(text, length);
	const char *from = digits;
	char *end;

	if (!strncmp(from, "0x", 2) || !strncmp(from, "0X", 2))
		from += 2;
	if (!isxdigit((unsigned char)*from))
		return false;
	errno = 0;
	*ret = strtoull(from, &end, 16);
	return !errno && !*end;
}

/* Decimal, or hexadecimal where 0x or a letter says so. */
static bool parse_address(const char *text, size_t length, uint64_t *ret)
{
	mf_auto_free char *digits = mf_strndup(text, length);

	return mf_parse_number(digits, ret) ||
	       (strpbrk(digits, "abcdefABCDEF") &&
		parse_hex(text, length, ret));
}

/* ---- errors ---------------------------------------------------------------- */

static struct mf_error *refuse(const char *text, const char *why)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "'%s' is no region expression",
					     text),
			     "%s", why),
		"ADDR, START-END, START+LENGTH, heap, arena:N, stack, "
		"stack:TID, class:CLASS, label:TEXT, suspicious or all");
}

static const char *const words[] = {
	"heap",	  "stack",  "suspicious", "all", "arena:",
	"stack:", "class:", "label:",	  NULL,
};

const char *const *mf_select_words(void)
{
	return words;
}

bool mf_select_has_word(const char *text)
{
	for (const char *const *word = words; *word; word++) {
		size_t length = strlen(*word);

		if ((*word)[length - 1] == ':' ? !strncmp(text, *word, length)
					       : !strcmp(text, *word))
			return true;
	}
	return false;
}

/* A class by itself, or a word with a slip in it. */
static struct mf_error *refuse_word(const char *text)
{
	enum mf_class class;
	const char *meant;

	if (mf_class_parse(text, &class))
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "'%s' is no region "
						     "expression",
						     text),
				     "it is a class of regions"),
			"class:%s", text);
	meant = mf_did_you_mean(text, words, MF_ARRAY_SIZE(words) - 1);
	if (!meant)
		return refuse(text, "it is neither a word nor an address");
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "'%s' is no region expression",
					     text),
			     "there is no such word"),
		"%s", meant);
}

/* ---- one expression -------------------------------------------------------- */

static struct mf_error *read_arena(struct mf_term *term, const char *rest)
{
	term->kind = MF_TERM_ARENA;
	if (mf_parse_number(rest, &term->number) && term->number <= UINT_MAX)
		return NULL;
	return refuse(term->text, "an arena is a number from 0, the main one");
}

static struct mf_error *read_stack(struct mf_term *term, const char *rest)
{
	term->kind = MF_TERM_STACK_OF;
	if (mf_parse_number(rest, &term->number) && term->number &&
	    term->number <= INT_MAX)
		return NULL;
	return refuse(term->text, "a thread is its number, as in "
				  "/proc/PID/task");
}

static struct mf_error *read_class(struct mf_term *term, const char *rest)
{
	const char *names[MF_CLASS_COUNT], *meant;
	struct mf_error *error;

	term->kind = MF_TERM_CLASS;
	if (mf_class_parse(rest, &term->class))
		return NULL;
	for (unsigned i = 0; i < MF_CLASS_COUNT; i++)
		names[i] = mf_class_name((enum mf_class)i);
	meant = mf_did_you_mean(rest, names, MF_CLASS_COUNT);
	error = mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "'%s' is no region expression",
					     term->text),
			     "there is no class '%s'", rest);
	return meant ? mf_error_hint(error, "class:%s", meant)
		     : mf_error_hint(error, "memforensics maps names the class "
					    "of each region");
}

static struct mf_error *read_label(struct mf_term *term, const char *rest)
{
	term->kind = MF_TERM_LABEL;
	term->label = rest;
	return *rest ? NULL
		     : refuse(term->text, "a label is a part of what maps "
					  "names the region");
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* As /proc/PID/maps has them: hexadecimal, with 0x or without. */
static struct mf_error *read_bounds(struct mf_term *term, const char *dash)
{
	const char *text = term->text;

	term->kind = MF_TERM_RANGE;
	if (!parse_hex(text, (size_t)(dash - text), &term->start) ||
	    !parse_hex(dash + 1, strlen(dash + 1), &term->end))
		return refuse(text, "its bounds are hexadecimal, as in "
				    "/proc/PID/maps");
	if (term->start >= term->end)
		return refuse(text, "it ends before it begins");
	return NULL;
}

static struct mf_error *read_length(struct mf_term *term, const char *plus)
{
	const char *text = term->text;
	uint64_t length;

	term->kind = MF_TERM_RANGE;
	if (!parse_address(text, (size_t)(plus - text), &term->start))
		return refuse(text, "what stands before + is no address");
	if (!mf_parse_size(plus + 1, &length) || !length)
		return refuse(text, "what stands after + is no size, such as "
				    "4096, 0x1000 or 64K");
	if (length > UINT64_MAX - term->start)
		return refuse(text, "it ends past the last address");
	term->end = term->start + length;
	return NULL;
}

static struct mf_error *read_numbers(struct mf_term *term)
{
	const char *text = term->text, *sign = strpbrk(text, "-+");
	enum mf_class class;

	if (!isxdigit((unsigned char)*text) || mf_class_parse(text, &class))
		return refuse_word(text);
	if (sign)
		return *sign == '-' ? read_bounds(term, sign)
				    : read_length(term, sign);
	term->kind = MF_TERM_ADDRESS;
	if (!parse_address(text, strlen(text), &term->start))
		return refuse_word(text);
	if (!parse_hex(text, strlen(text), &term->hex))
		term->hex = 0;
	return NULL;
}

static struct mf_error *read_term(struct mf_term *term)
{
	static const struct {
		const char *word;
		enum mf_term_kind kind;
	} plain[] = {
		{ "heap", MF_TERM_HEAP },
		{ "stack", MF_TERM_STACKS },
		{ "suspicious", MF_TERM_SUSPICIOUS },
		{ "all", MF_TERM_ALL },
	};
	static const struct {
		const char *prefix;
		struct mf_error *(*read)(struct mf_term *term,
					 const char *rest);
	} prefixed[] = {
		{ "arena:", read_arena },
		{ "stack:", read_stack },
		{ "class:", read_class },
		{ "label:", read_label },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(plain); i++)
		if (!strcmp(term->text, plain[i].word)) {
			term->kind = plain[i].kind;
			return NULL;
		}
	for (size_t i = 0; i < MF_ARRAY_SIZE(prefixed); i++)
		if (has_prefix(term->text, prefixed[i].prefix))
			return prefixed[i].read(
				term, term->text + strlen(prefixed[i].prefix));
	return read_numbers(term);
}

/* ---- all of them ----------------------------------------------------------- */

struct mf_error *mf_select_parse(const char *const *texts, size_t count,
				 struct mf_select **ret)
{
	struct mf_select *select = mf_new(struct mf_select);

	for (size_t i = 0; i < count; i++) {
		struct mf_term *term = mf_vec_add(&select->terms);
		struct mf_error *error;

		term->text = texts[i];
		error = read_term(term);
		if (error) {
			mf_select_destroy(select);
			return error;
		}
	}
	*ret = select;
	return NULL;
}

struct mf_select *mf_select_create_usual(void)
{
	struct mf_select *select = mf_new(struct mf_select);

	mf_vec_push(&select->terms, (struct mf_term){ .kind = MF_TERM_ALLOCATED,
						      .text = "allocated",
						      .optional = true });
	mf_vec_push(&select->terms,
		    (struct mf_term){ .kind = MF_TERM_SUSPICIOUS,
				      .text = "suspicious",
				      .optional = true });
	return select;
}

void mf_select_destroy(struct mf_select *select)
{
	if (!select)
		return;
	mf_vec_deinit(&select->terms);
	free(select);
}
