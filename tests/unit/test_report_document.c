/*
 * Reports read back: what the sink wrote is there, exactly; what is no report,
 * or lies, is refused or not there.
 */
#include <stdio.h>
#include <unistd.h>

#include "memforensics/report.h"

#include "base/buffer.h"
#include "unit.h"

static struct mf_document *parse(const char *text)
{
	struct mf_document *document = NULL;
	struct mf_error *error =
		mf_document_parse(text, strlen(text), "a test", &document);

	if (error)
		fail_msg("%s: %s", error->what, error->why);
	return document;
}

static void assert_refused(const char *text, size_t size, const char *why)
{
	struct mf_document *document = NULL;
	struct mf_error *error =
		mf_document_parse(text, size, "a test", &document);

	assert_non_null(error);
	assert_non_null(error->why);
	if (!strstr(error->why, why))
		fail_msg("why is: %s", error->why);
	assert_non_null(error->hint);
	mf_error_destroy(error);
}

static void refuses(const char *text, const char *why)
{
	assert_refused(text, strlen(text), why);
}

static void write_report(FILE *stream)
{
	static const struct mf_column columns[] = {
		{ "text", NULL, MF_VALUE_TEXT, 0 },
		{ "bytes", NULL, MF_VALUE_SIZE, 0 },
		{ "at", NULL, MF_VALUE_ADDRESS, 0 },
	};
	static const struct mf_table table = {
		.key = "rows",
		.columns = columns,
		.column_count = 3,
	};
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	struct mf_report *report = mf_report_create(stream, &options);
	const struct mf_field fields[] = {
		{ "none", NULL, mf_none(), 0 },
		{ "number", NULL, mf_count(42), 0 },
	};
	struct mf_error *error;

	mf_report_begin(report, "attach");
	mf_report_fields(report, "object", NULL, fields, 2);
	mf_report_table_begin(report, &table);
	mf_report_row(report,
		      (struct mf_value[]){ mf_text("a \"quoted\" \033 text"),
					   mf_size(UINT64_C(1) << 52),
					   mf_address(UINT64_MAX) });
	mf_report_row(report,
		      (struct mf_value[]){ mf_none(), mf_none(), mf_none() });
	mf_report_table_end(report);
	error = mf_report_end(report);
	assert_null(error);
	mf_report_destroy(report);
}

static void what_was_written_is_read(void **state)
{
	struct mf_document *document;
	const struct mf_node *root, *row;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	uint64_t number;

	(void)state;
	assert_non_null(stream);
	write_report(stream);
	fclose(stream);
	document = parse(text);
	root = mf_document_root(document);
	assert_string_equal(mf_node_text(root, "command"), "attach");
	assert_true(mf_node_number(mf_node_member(root, "object"), "number",
				   &number));
	assert_int_equal(number, 42);
	assert_false(mf_node_number(mf_node_member(root, "object"), "none",
				    &number));
	assert_true(mf_node_has_table(root, "rows"));
	assert_int_equal(mf_node_rows(root, "rows"), 2);
	row = mf_node_row(root, "rows", 0);
	assert_non_null(strstr(mf_node_text(row, "text"), "\"quoted\""));
	assert_true(mf_node_number(row, "bytes", &number));
	assert_true(number == UINT64_C(1) << 52);
	assert_true(mf_node_number(row, "at", &number));
	assert_true(number == UINT64_MAX);
	row = mf_node_row(root, "rows", 1);
	assert_null(mf_node_text(row, "text"));
	assert_false(mf_node_number(row, "at", &number));
	mf_document_destroy(document);
	free(text);
}

static void what_is_not_there_is_not_there(void **state)
{
	struct mf_document *document =
		parse("{\"schema\":1,\"tool\":{\"name\":\"m\"},\"rows\":[1,"
		      "\"x\",[],{}],\"text\":\"0xzz\",\"less\":-1,"
		      "\"half\":1.5,\"large\":1e300,\"max\":"
		      "18446744073709551615,\"list\":{}}");
	const struct mf_node *root = mf_document_root(document);
	uint64_t number = 7;

	(void)state;
	assert_null(mf_node_row(root, "rows", 0));
	assert_null(mf_node_row(root, "rows", 1));
	assert_null(mf_node_row(root, "rows", 2));
	assert_non_null(mf_node_row(root, "rows", 3));
	assert_null(mf_node_row(root, "rows", 4));
	assert_null(mf_node_row(root, "rows", SIZE_MAX));
	assert_int_equal(mf_node_rows(root, "text"), 0);
	assert_false(mf_node_has_table(root, "list"));
	assert_false(mf_node_number(root, "text", &number));
	assert_false(mf_node_number(root, "less", &number));
	assert_false(mf_node_number(root, "large", &number));
	assert_false(mf_node_number(root, "rows", &number));
	/* the next double is 2^64 */
	assert_false(mf_node_number(root, "max", &number));
	assert_int_equal(number, 7);
	assert_true(mf_node_number(root, "half", &number));
	assert_int_equal(number, 1);
	/* nothing of nothing */
	assert_null(mf_node_member(root, "none"));
	assert_null(mf_node_member(NULL, "none"));
	assert_null(mf_node_text(NULL, "none"));
	assert_null(mf_node_row(NULL, "none", 0));
	assert_int_equal(mf_node_rows(NULL, "none"), 0);
	assert_false(mf_node_number(NULL, "none", &number));
	mf_document_destroy(document);
}

static void what_is_no_report_is_refused(void **state)
{
	static const char with_nul[] =
		"{\"schema\":1,\"tool\":{\"name\":\"a\\u0000b\"}}";
	MF_AUTO_BUFFER(deep);

	(void)state;
	refuses("", "line 1");
	refuses("{\"schema\":1,", "line 1");
	refuses("[]", "no report");
	refuses("{}", "no report");
	refuses("{\"schema\":1}", "no report");
	refuses("{\"schema\":\"1\",\"tool\":{\"name\":\"m\"}}", "no report");
	refuses("{\"schema\":2,\"tool\":{\"name\":\"m\"}}", "schema 2");
	refuses("{\"a\":\"\xff\"}", "decode byte");
	assert_refused(with_nul, sizeof(with_nul) - 1, "line 1");
	for (unsigned i = 0; i < 100000; i++)
		mf_buffer_putc(&deep, '[');
	assert_refused(deep.text, deep.size, "line 1");
}

static void files_are_bounded(void **state)
{
	char path[] = "/tmp/mf-document.XXXXXX";
	int fd = mkstemp(path);
	struct mf_document *document = NULL;
	struct mf_error *error;

	(void)state;
	assert_true(fd >= 0);
	/* sparse: nothing of it takes a disk */
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	close(fd);
	error = mf_document_read(path, &document);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "larger than 64.0 MiB"));
	mf_error_destroy(error);
	unlink(path);
	error = mf_document_read(path, &document);
	assert_non_null(error);
	mf_error_destroy(error);
	mf_document_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(what_is_not_there_is_not_there),
		cmocka_unit_test(what_is_no_report_is_refused),
		cmocka_unit_test(files_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
