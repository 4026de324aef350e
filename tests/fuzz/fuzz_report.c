/*
 * Fuzzes reports in JSON that are read back and compared: with themselves, with
 * one that has all tables, and as rows in every format.
 */
#include <string.h>

#include "memforensics/analysis.h"

#include "fuzz.h"

static const char whole[] =
	"{\"schema\":1,\"tool\":{\"name\":\"m\"},\"rss_total\":8192,"
	"\"totals\":[{\"class\":\"heap\",\"regions\":1,\"size\":8192,"
	"\"rss\":4096}],\"regions\":[{\"start\":\"0x1000\",\"end\":"
	"\"0x2000\",\"class\":\"text\",\"label\":\"p\",\"rss\":4096},"
	"{\"start\":\"0x3000\",\"end\":\"0x4000\",\"class\":\"heap\","
	"\"label\":\"h\",\"rss\":4096}],\"allocators\":[{\"name\":\"glibc\","
	"\"arenas\":[{\"index\":0,\"address\":\"0x5000\",\"in_use\":{"
	"\"count\":1,\"bytes\":32},\"histogram\":[{\"min\":32,\"max\":32,"
	"\"in_use\":{\"count\":1,\"bytes\":32}}]}]}],\"objects\":[{"
	"\"type\":\"T\",\"count\":1,\"bytes\":16}],\"tasks\":[],"
	"\"strings\":[{\"text\":\"x\",\"count\":2,\"bytes\":20}]}";

static void write_as(const struct mf_diff *diff, enum mf_report_format format)
{
	const struct mf_report_options options = { .format = format };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "diff");
	mf_diff_write(diff, report);
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	/* what a file says of itself is no terminal's business */
	for (size_t i = 0; i < size; i++)
		FUZZ_EQUAL(text[i] == '\033' || text[i] == '\0', 0);
	free(text);
}

/* Each key once, by growth, and only of what both have. */
static void check_order(const struct mf_diff *diff)
{
	size_t count;
	const struct mf_change *changes = mf_diff_changes(diff, &count);

	for (size_t i = 0; i < count; i++) {
		FUZZ_EQUAL(mf_diff_compared(diff, changes[i].kind), 1);
		if (i && changes[i].kind == changes[i - 1].kind)
			FUZZ_EQUAL(!strcmp(changes[i].key, changes[i - 1].key),
				   0);
	}
}

static void compare(const struct mf_document *before,
		    const struct mf_document *after)
{
	struct mf_diff *diff = NULL;
	struct mf_error *error = mf_diff_create(before, after, &diff);
	size_t count;

	if (error) {
		mf_error_destroy(error);
		return;
	}
	mf_diff_changes(diff, &count);
	if (before == after)
		FUZZ_EQUAL(count, 0);
	check_order(diff);
	write_as(diff, MF_FORMAT_TEXT);
	write_as(diff, MF_FORMAT_JSON);
	write_as(diff, MF_FORMAT_CSV);
	mf_diff_destroy(diff);
}

static struct mf_document *parse(const char *text, size_t size)
{
	struct mf_document *document = NULL;
	struct mf_error *error =
		mf_document_parse(text, size, "fuzz", &document);

	mf_error_destroy(error);
	return error ? NULL : document;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_document *given = parse((const char *)data, size);
	struct mf_document *other;

	if (!given)
		return 0;
	other = parse(whole, strlen(whole));
	if (!other)
		abort();
	compare(given, given);
	compare(given, other);
	compare(other, given);
	mf_document_destroy(other);
	mf_document_destroy(given);
	return 0;
}
