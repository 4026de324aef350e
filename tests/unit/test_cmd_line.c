/*
 * Lines of the prompt: how they are cut into words, what is refused, and what
 * advice looks like there.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "cmd/line.h"
#include "unit.h"

/* Words between < and >, and what is behind a |. */
static char *cut(const char *text)
{
	struct mf_typed_line line;
	struct mf_buffer drawn = { 0 };
	struct mf_error *error = mf_line_cut(text, &line);

	if (error) {
		assert_int_equal(error->code, MF_ERROR_USAGE);
		assert_non_null(error->why);
		assert_non_null(error->hint);
		mf_error_destroy(error);
		return mf_strdup("error");
	}
	for (size_t i = 0; i < line.count; i++)
		mf_buffer_printf(&drawn, "<%s>", line.words[i]);
	if (line.count)
		assert_null(line.words[line.count]);
	if (line.pipe)
		mf_buffer_printf(&drawn, "|%s", line.pipe);
	mf_line_deinit(&line);
	mf_buffer_puts(&drawn, "");
	return mf_buffer_take(&drawn);
}

static void assert_cut(const char *text, const char *expected)
{
	char *drawn = cut(text);

	assert_string_equal(drawn ? drawn : "", expected);
	free(drawn);
}

static void test_words(void **state)
{
	(void)state;
	assert_cut("", "");
	assert_cut(" \t ", "");
	assert_cut("maps", "<maps>");
	assert_cut("  chunks\theap  --top 3 ", "<chunks><heap><--top><3>");
	assert_cut("scan $HOME `id` $(id) *;&",
		   "<scan><$HOME><`id`><$(id)><*;&>");
	assert_cut("leaks --fail-if leaked>1M",
		   "<leaks><--fail-if><leaked>1M>");
	assert_cut("caf\xc3\xa9 # no comment", "<caf\xc3\xa9><#><no><comment>");
}

static void test_quotes(void **state)
{
	(void)state;
	assert_cut("scan --find 'a  b'", "<scan><--find><a  b>");
	assert_cut("'\\n\"|>'", "<\\n\"|>>");
	assert_cut("\"a \\\"b\\\" \\\\ \\n '\"", "<a \"b\" \\ \\n '>");
	assert_cut("a\\ b \\' \\| \\\\", "<a b><'><|><\\>");
	assert_cut("'' \"\" x''y", "<><><xy>");
	assert_cut("--find='a b'\"c\"d", "<--find=a bcd>");
	assert_cut("end\\", "<end\\>");
}

static void test_pipes(void **state)
{
	(void)state;
	assert_cut("maps | less -S 'x y' | cat", "<maps>|less -S 'x y' | cat");
	assert_cut("maps|wc", "<maps>|wc");
	assert_cut("maps '|' x", "<maps><|><x>");
	assert_cut("| less", "error");
	assert_cut("maps |  ", "error");
}

static void test_refused(void **state)
{
	(void)state;
	assert_cut("maps 'x", "error");
	assert_cut("maps \"x\\\"", "error");
	assert_cut("maps > file", "error");
	assert_cut("maps >file", "error");
	assert_cut("maps '>file' \\>x", "<maps><>file><>x>");
}

static void assert_look(const char *text, size_t before, const char *word,
			char quote, bool in_pipe)
{
	struct mf_typed typed;

	mf_line_look(text, strlen(text), &typed);
	assert_int_equal(typed.before.count, before);
	assert_string_equal(typed.word, word);
	assert_int_equal(typed.quote, quote);
	assert_int_equal(typed.in_pipe, in_pipe);
	mf_typed_deinit(&typed);
}

static void test_look(void **state)
{
	struct mf_typed typed;

	(void)state;
	assert_look("", 0, "", 0, false);
	assert_look("  ar", 0, "ar", 0, false);
	assert_look("arenas", 0, "arenas", 0, false);
	assert_look("arenas ", 1, "", 0, false);
	assert_look("scan --find 'a b", 2, "a b", '\'', false);
	assert_look("scan \"a\" b\\ c", 2, "b c", 0, false);
	assert_look("maps | le", 1, "", 0, true);
	mf_line_look("maps --top 3", strlen("maps --t"), &typed);
	assert_string_equal(typed.word, "--t");
	mf_typed_deinit(&typed);
}

static void assert_shortened(const char *hint, const char *expected)
{
	char *text = mf_line_shorten(hint, "1234");

	assert_string_equal(text, expected);
	free(text);
}

static void test_shorten(void **state)
{
	(void)state;
	assert_shortened("memforensics arenas 1234", "arenas");
	assert_shortened("memforensics arenas 1234 -v", "arenas -v");
	assert_shortened("memforensics refs TARGET type:x", "refs type:x");
	assert_shortened("memforensics maps 12345", "maps 12345");
	assert_shortened("memforensics dump --help", "dump --help");
	assert_shortened("memforensics --help", "help");
	assert_shortened("memforensics maps", "maps");
	assert_shortened("memforensics threads 1234, or less",
			 "threads, or less");
	assert_shortened("sudo memforensics maps 1234",
			 "sudo memforensics maps 1234");
	assert_shortened("-o FILE", "-o FILE");
	assert_shortened("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_pipes), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_look),  cmocka_unit_test(test_shorten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
