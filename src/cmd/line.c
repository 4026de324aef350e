/*
 * How a line is cut into words. No shell does it, because nothing is to be
 * expanded: text of a process that was pasted into it stays text.
 */
#include "cmd/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vec.h"

static const char blanks[] = " \t\r\n\v\f";

/* ---- words ---------------------------------------------------------------- */

/* Where the cutter is. */
struct cutter {
	const char *at, *end;
	struct mf_buffer word;
	bool in_word; /* also an empty one, '' */
	bool quoted;  /* some of the word is */
	char quote;   /* that is open; or 0 */
	char first;   /* unquoted, of the word; or 0 */
};

static bool is_blank(char c)
{
	return c && strchr(blanks, c);
}

static void put(struct cutter *cutter, char c)
{
	mf_buffer_putc(&cutter->word, c);
	cutter->in_word = true;
}

/* What \ and the character behind it stand for; at the end, itself. */
static void put_escaped(struct cutter *cutter)
{
	const char *next = cutter->at + 1;

	if (next == cutter->end) {
		put(cutter, '\\');
		return;
	}
	if (cutter->quote == '"' && *next != '"' && *next != '\\')
		put(cutter, '\\');
	put(cutter, *next);
	cutter->quoted = true;
	cutter->at = next;
}

static void take_quoted(struct cutter *cutter)
{
	char c = *cutter->at;

	if (c == cutter->quote)
		cutter->quote = 0;
	else if (c == '\\' && cutter->quote == '"')
		put_escaped(cutter);
	else
		put(cutter, c);
}

/* True when the word ends here. */
static bool take_plain(struct cutter *cutter)
{
	char c = *cutter->at;

	if (is_blank(c) || c == '|')
		return true;
	if (!cutter->in_word)
		cutter->first = c;
	if (c == '\'' || c == '"') {
		cutter->quote = c;
		cutter->quoted = cutter->in_word = true;
	} else if (c == '\\') {
		put_escaped(cutter);
	} else {
		put(cutter, c);
	}
	return false;
}

/* Up to the end of one word, or of the line. */
static void take_word(struct cutter *cutter)
{
	cutter->in_word = cutter->quoted = false;
	cutter->first = 0;
	for (; cutter->at < cutter->end; cutter->at++) {
		if (cutter->quote)
			take_quoted(cutter);
		else if (take_plain(cutter))
			return;
	}
}

static void skip_blanks(struct cutter *cutter)
{
	while (cutter->at < cutter->end && is_blank(*cutter->at))
		cutter->at++;
}

static char *give_word(struct cutter *cutter)
{
	char *word = mf_strdup(mf_buffer_text(&cutter->word));

	mf_buffer_clear(&cutter->word);
	return word;
}

static void add_word(struct mf_typed_line *line, char *word)
{
	line->words = mf_vec_grown(line->words, &line->capacity,
				   line->count + 2, sizeof(char *));
	line->words[line->count++] = word;
	line->words[line->count] = NULL;
}

void mf_line_deinit(struct mf_typed_line *line)
{
	for (size_t i = 0; i < line->count; i++)
		free(line->words[i]);
	free(line->words);
	free(line->pipe);
	*line = (struct mf_typed_line){ 0 };
}

/* ---- a whole line ----------------------------------------------------------- */

static struct mf_error *take_pipe(struct cutter *cutter,
				  struct mf_typed_line *line)
{
	cutter->at++;
	skip_blanks(cutter);
	if (!line->count || cutter->at == cutter->end)
		return mf_error_usage(
			"a | stands alone",
			"it gives what the command before it prints to "
			"the shell's command behind it",
			"maps | less");
	line->pipe = mf_strndup(cutter->at, (size_t)(cutter->end - cutter->at));
	cutter->at = cutter->end;
	return NULL;
}

static struct mf_error *cut(struct cutter *cutter, struct mf_typed_line *line)
{
	for (skip_blanks(cutter); cutter->at < cutter->end;
	     skip_blanks(cutter)) {
		if (*cutter->at == '|') {
			MF_TRY(take_pipe(cutter, line));
			continue;
		}
		take_word(cutter);
		if (cutter->quote)
			return mf_error_usage(
				"a quote is not closed",
				cutter->quote == '"' ? "there is no second \""
						     : "there is no second '",
				"\\ before a quote that is meant as it is");
		if (cutter->first == '>')
			return mf_error_usage(
				"a > writes no file here",
				"every command has an option for that",
				"-o FILE");
		add_word(line, give_word(cutter));
	}
	return NULL;
}

struct mf_error *mf_line_cut(const char *text, struct mf_typed_line *ret)
{
	struct cutter cutter = { .at = text, .end = text + strlen(text) };
	struct mf_typed_line line = { 0 };
	struct mf_error *error = cut(&cutter, &line);

	mf_buffer_deinit(&cutter.word);
	if (error)
		mf_line_deinit(&line);
	else
		*ret = line;
	return error;
}

/* ---- as far as it was typed --------------------------------------------------- */

void mf_line_look(const char *text, size_t size, struct mf_typed *ret)
{
	struct cutter cutter = { .at = text, .end = text + size };

	*ret = (struct mf_typed){ 0 };
	for (skip_blanks(&cutter); cutter.at < cutter.end;
	     skip_blanks(&cutter)) {
		if (*cutter.at == '|') {
			ret->in_pipe = true;
			break;
		}
		take_word(&cutter);
		if (cutter.at == cutter.end)
			break;
		add_word(&ret->before, give_word(&cutter));
	}
	ret->quote = cutter.quote;
	ret->word = give_word(&cutter);
	mf_buffer_deinit(&cutter.word);
}

void mf_typed_deinit(struct mf_typed *typed)
{
	mf_line_deinit(&typed->before);
	free(typed->word);
	*typed = (struct mf_typed){ 0 };
}

/* ---- hints ------------------------------------------------------------------- */

static bool is_word(const char *at, size_t length, const char *word)
{
	return length == strlen(word) && !strncmp(at, word, length);
}

/* Of "maps 1234, or ..." the comma stays. */
static size_t word_length(const char *at)
{
	return strcspn(at, " ,");
}

char *mf_line_shorten(const char *hint, const char *target)
{
	static const char program[] = "memforensics ";
	const char *at;
	MF_AUTO_BUFFER(text);

	if (strncmp(hint, program, strlen(program)) != 0)
		return mf_strdup(hint);
	at = hint + strlen(program);
	if (is_word(at, word_length(at), "--help")) {
		mf_buffer_puts(&text, "help");
		at += word_length(at);
	}
	/* the command, and the target if it comes next */
	mf_buffer_add(&text, at, word_length(at));
	at += word_length(at);
	if (*at == ' ' && (is_word(at + 1, word_length(at + 1), target) ||
			   is_word(at + 1, word_length(at + 1), "TARGET")))
		at += 1 + word_length(at + 1);
	mf_buffer_puts(&text, at);
	return mf_buffer_take(&text);
}
