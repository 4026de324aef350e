/*
 * Two reports compared: which rows are one thing, what is no growth, and the
 * order. The reports are written here, by CONTRACT's keys.
 */
#include <stdio.h>

#include "memforensics/analysis.h"

#include "base/buffer.h"
#include "unit.h"

#define HEAD "{\"schema\":1,\"tool\":{\"name\":\"memforensics\"}"
#define TEXT                                                                     \
	"{\"start\":\"0x1000\",\"end\":\"0x2000\",\"class\":\"text\",\"label\":" \
	"\"prog\",\"rss\":4096}"

static struct mf_document *parse(const char *members)
{
	struct mf_document *document = NULL;
	struct mf_error *error;
	MF_AUTO_BUFFER(text);

	mf_buffer_printf(&text, "%s,%s}", HEAD, members);
	error = mf_document_parse(text.text, text.size, "a test", &document);
	if (error)
		fail_msg("%s: %s", error->what, error->why);
	return document;
}

static struct mf_diff *compare(const char *before, const char *after)
{
	struct mf_document *documents[] = { parse(before), parse(after) };
	struct mf_diff *diff = NULL;
	struct mf_error *error =
		mf_diff_create(documents[0], documents[1], &diff);

	if (error)
		fail_msg("%s: %s", error->what, error->why);
	mf_document_destroy(documents[0]);
	mf_document_destroy(documents[1]);
	return diff;
}

/* Each change as "kind key before>after", with its numbers, if it has any. */
static void assert_changes(const char *before, const char *after,
			   const char *expected)
{
	struct mf_diff *diff = compare(before, after);
	size_t count;
	const struct mf_change *changes = mf_diff_changes(diff, &count);
	MF_AUTO_BUFFER(drawn);

	for (size_t i = 0; i < count; i++) {
		const struct mf_change *change = &changes[i];

		mf_buffer_printf(&drawn, "%s %s %llu>%llu",
				 mf_change_kind_name(change->kind), change->key,
				 (unsigned long long)change->before,
				 (unsigned long long)change->after);
		if (change->counted)
			mf_buffer_printf(
				&drawn, " (%llu>%llu)",
				(unsigned long long)change->before_count,
				(unsigned long long)change->after_count);
		mf_buffer_putc(&drawn, '\n');
	}
	assert_string_equal(mf_buffer_text(&drawn), expected);
	mf_diff_destroy(diff);
}

/* ---- rows ---------------------------------------------------------------- */

static void rows_are_summed_by_their_keys(void **state)
{
	(void)state;
	assert_changes(
		"\"objects\":[{\"type\":\"A\",\"count\":2,\"bytes\":20},"
		"{\"type\":\"B\",\"count\":1,\"bytes\":10},"
		"{\"type\":\"C\",\"count\":1,\"bytes\":5},7,null,"
		"{\"type\":5,\"bytes\":9},{\"bytes\":9}],"
		"\"tasks\":[{\"future\":\"f\",\"state\":\"idle\",\"count\":1,"
		"\"bytes\":64}]",
		"\"objects\":[{\"type\":\"B\",\"count\":4,\"bytes\":40},"
		"{\"type\":\"C\",\"count\":1,\"bytes\":5},"
		"{\"type\":\"A\",\"count\":1,\"bytes\":10},"
		"{\"type\":\"D\",\"count\":3,\"bytes\":300}],"
		"\"tasks\":[{\"future\":\"f\",\"state\":\"idle\",\"count\":3,"
		"\"bytes\":192},{\"future\":\"f\",\"state\":\"running\","
		"\"count\":1,\"bytes\":64}]",
		"type D 0>300 (0>3)\n"
		"type B 10>40 (1>4)\n"
		"type A 20>10 (2>1)\n"
		"task f (idle) 64>192 (1>3)\n"
		"task f (running) 0>64 (0>1)\n");
}

static void what_only_one_has_is_not_compared(void **state)
{
	struct mf_diff *diff;

	(void)state;
	assert_changes("\"objects\":[],\"strings\":[]",
		       "\"objects\":[{\"type\":\"A\",\"count\":1,\"bytes\":1}],"
		       "\"tasks\":[{\"future\":\"f\",\"count\":1,\"bytes\":1}]",
		       "type A 0>1 (0>1)\n");
	diff = compare("\"objects\":[],\"strings\":[]",
		       "\"objects\":[],\"tasks\":[]");
	assert_true(mf_diff_compared(diff, MF_CHANGE_TYPE));
	assert_false(mf_diff_compared(diff, MF_CHANGE_TASK));
	assert_false(mf_diff_compared(diff, MF_CHANGE_STRING));
	mf_diff_destroy(diff);
}

static void nothing_in_common_is_an_error(void **state)
{
	struct mf_document *documents[] = { parse("\"objects\":[]"),
					    parse("\"tasks\":[]") };
	struct mf_diff *diff = NULL;
	struct mf_error *error =
		mf_diff_create(documents[0], documents[1], &diff);

	(void)state;
	assert_non_null(error);
	assert_non_null(strstr(error->why, "no table in common"));
	mf_error_destroy(error);
	mf_document_destroy(documents[0]);
	mf_document_destroy(documents[1]);
	mf_diff_destroy(NULL);
}

/* A list that is cut at 40 bytes says nothing of a text of 30. */
static void short_lists_make_no_growth(void **state)
{
	(void)state;
	assert_changes("\"strings_total\":{\"texts_unseen\":5},\"strings\":["
		       "{\"text\":\"often\",\"count\":9,\"bytes\":90},"
		       "{\"text\":\"least\",\"count\":4,\"bytes\":40}]",
		       "\"strings_total\":{\"texts_unseen\":0},\"strings\":["
		       "{\"text\":\"often\",\"count\":12,\"bytes\":120},"
		       "{\"text\":\"small\",\"count\":3,\"bytes\":30},"
		       "{\"text\":\"large\",\"count\":5,\"bytes\":50}]",
		       "string large 0>50 (0>5)\n"
		       "string often 90>120 (9>12)\n"
		       "string least 40>0 (4>0)\n");
}

static void what_counts_are_off_by_is_no_growth(void **state)
{
	(void)state;
	assert_changes("\"strings\":[{\"text\":\"a\",\"count\":9,\"bytes\":90,"
		       "\"error_bytes\":0},{\"text\":\"b\",\"count\":1,"
		       "\"bytes\":10,\"error_bytes\":10}]",
		       "\"strings\":[{\"text\":\"a\",\"count\":10,\"bytes\":"
		       "100,\"error_bytes\":10},{\"text\":\"b\",\"count\":4,"
		       "\"bytes\":40,\"error_bytes\":10}]",
		       "string b 10>40 (1>4)\n");
}

static void classes_are_by_rss_or_by_size(void **state)
{
	struct mf_diff *diff;

	(void)state;
	assert_changes("\"totals\":[{\"class\":\"heap\",\"regions\":1,"
		       "\"size\":100,\"rss\":50}],\"rss_total\":50",
		       "\"totals\":[{\"class\":\"heap\",\"regions\":1,"
		       "\"size\":300,\"rss\":80}],\"rss_total\":80",
		       "class heap 50>80 (1>1)\n");
	assert_changes("\"totals\":[{\"class\":\"heap\",\"regions\":1,"
		       "\"size\":100,\"rss\":null}]",
		       "\"totals\":[{\"class\":\"heap\",\"regions\":2,"
		       "\"size\":300,\"rss\":80}],\"rss_total\":80",
		       "class heap 100>300 (1>2)\n");
	diff = compare("\"totals\":[{\"class\":\"heap\",\"rss\":1048576}],"
		       "\"rss_total\":1048576",
		       "\"totals\":[{\"class\":\"heap\",\"rss\":3145728}],"
		       "\"rss_total\":3145728");
	assert_string_equal(mf_diff_verdict(diff),
			    "RSS grew by 2.0 MiB, from 1.0 MiB to 3.0 MiB; "
			    "most of it class heap +2.0 MiB");
	assert_int_equal(mf_diff_total(diff, MF_CHANGE_CLASS)->after, 3145728);
	mf_diff_destroy(diff);
}

/* ---- regions ------------------------------------------------------------- */

#define REGION(start, end, class, label, rss)      \
	",{\"start\":\"" start "\",\"end\":\"" end \
	"\",\"class\":\"" class "\",\"label\":\"" label "\",\"rss\":" rss "}"

static void a_grown_region_is_one(void **state)
{
	(void)state;
	assert_changes(
		"\"regions\":[" TEXT REGION("0x10000", "0x12000", "heap",
					    "brk heap", "8192")
			REGION("0x30000", "0x32000", "anon", "", "8192")
				REGION("0x50000", "0x52000", "anon", "", "8192")
					REGION("0x60000", "0x62000", "anon", "",
					       "8192") "]",
		"\"regions\":[" TEXT
			/* upwards, downwards, with a neighbour, and a new one */
			REGION("0x10000", "0x1a000", "heap", "main arena",
			       "40960") REGION("0x20000", "0x32000", "anon", "",
					       "73728")
				REGION("0x50000", "0x62000", "anon", "",
				       "73728")
					REGION("0x70000", "0x71000", "anon",
					       "new", "4096") "]",
		"region 0x20000 anon 8192>73728\n"
		"region 0x50000 anon 16384>73728\n"
		"region 0x10000 heap main arena 8192>40960\n"
		"region 0x70000 anon new 0>4096\n");
}

static void a_cut_region_is_one_and_a_gone_one_is_told(void **state)
{
	(void)state;
	assert_changes("\"regions\":[" TEXT REGION("0x10000", "0x1a000", "anon",
						   "", "40960")
			       REGION("0x40000", "0x41000", "shared", "gone",
				      "4096") REGION("0x50000", "0x51000",
						     "anon", "", "4096") "]",
		       "\"regions\":[" TEXT REGION("0x10000", "0x12000", "anon",
						   "", "8192")
			       REGION("0x18000", "0x1a000", "anon", "", "8192")
		       /* somebody has found out what it is */
		       REGION("0x50000", "0x51000", "jemalloc", "", "8192") "]",
		       "region 0x50000 jemalloc 4096>8192\n"
		       "region 0x10000 anon 40960>16384\n"
		       "region 0x40000 shared gone 4096>0\n");
}

/* Where nothing is where it was, labels are compared, less their numbers. */
static void of_another_process_labels_count(void **state)
{
	(void)state;
	assert_changes(
		"\"regions\":[" TEXT REGION(
			"0x10000", "0x12000", "thread-stack", "thread 12 stack",
			"8192") REGION("0x20000", "0x21000", "rodata",
				       "libx.so.6", "4096") "]",
		"\"regions\":["
		"{\"start\":\"0x9000\",\"end\":\"0xa000\",\"class\":\"text\","
		"\"label\":\"prog\",\"rss\":4096}" REGION(
			"0x90000", "0x92000", "thread-stack", "thread 77 stack",
			"8192") REGION("0xa0000", "0xa2000", "thread-stack",
				       "thread 78 stack", "8192")
			REGION("0xb0000", "0xb1000", "rodata", "libx.so.6",
			       "4096") "]",
		"region thread-stack thread # stack 8192>16384 (1>2)\n");
}

/* ---- arenas -------------------------------------------------------------- */

#define ARENA(index, address, used, count)                               \
	"{\"index\":" index ",\"address\":\"" address "\",\"in_use\":{"  \
	"\"count\":" count ",\"bytes\":" used "},\"free\":{\"count\":1," \
	"\"bytes\":16},\"histogram\":[{\"min\":3008,\"max\":3008,"       \
	"\"in_use\":{\"count\":" count ",\"bytes\":" used "}}]}"
#define GLIBC(arenas)                                             \
	"\"allocators\":[{\"name\":\"glibc\",\"arenas\":[" arenas \
	"],\"mmapped\":{\"count\":0,\"bytes\":0}}]"

/* glibc puts a new arena before the others: their numbers change. */
static void an_arena_is_its_address(void **state)
{
	(void)state;
	assert_changes(GLIBC(ARENA("0", "0x100", "3008",
				   "1") "," ARENA("1", "0x200", "3008", "1")),
		       GLIBC(ARENA("0", "0x100", "3008", "1") "," ARENA(
			       "1", "0x300", "3008",
			       "1") "," ARENA("2", "0x200", "9024", "3")),
		       "arena glibc arena 2, in use 3008>9024 (1>3)\n"
		       "arena glibc arena 1, in use 0>3008 (0>1)\n"
		       "arena glibc arena 1, free 0>16\n"
		       "size-class 2560-3056 6016>15040 (2>5)\n");
	/* of another process, its number */
	assert_changes(GLIBC(ARENA("0", "0x100", "3008", "1")),
		       GLIBC(ARENA("0", "0x900", "6016", "2")),
		       "arena glibc arena 0, in use 3008>6016 (1>2)\n"
		       "size-class 2560-3056 3008>6016 (1>2)\n");
	assert_changes(GLIBC(ARENA("0", "0x100", "3008",
				   "1") "," ARENA("1", "0x200", "3008", "1")),
		       GLIBC(ARENA("0", "0x100", "3008", "1")),
		       "arena glibc arena 1 (gone), in use 3008>0 (1>0)\n"
		       "arena glibc arena 1 (gone), free 16>0\n"
		       "size-class 2560-3056 6016>3008 (2>1)\n");
}

/* jemalloc's have no address: they are not all one. */
static void an_arena_without_address_is_its_number(void **state)
{
	(void)state;
	assert_changes(GLIBC(ARENA("0", "0x0", "3008",
				   "1") "," ARENA("8", "0x0", "64", "1")),
		       GLIBC(ARENA("0", "0x0", "6016",
				   "2") "," ARENA("8", "0x0", "64", "1")),
		       "arena glibc arena 0, in use 3008>6016 (1>2)\n"
		       "size-class 2560-3056 3072>6080 (2>3)\n");
}

/* The totals of chunks are of states, and no classes. */
static void reports_of_chunks_have_sizes(void **state)
{
	static const char before[] =
		"\"totals\":[{\"state\":\"in_use\",\"bytes\":64}],"
		"\"sizes\":[{\"size\":32,\"in_use_count\":2,"
		"\"in_use_bytes\":64,\"free_count\":9,\"free_bytes\":288}]";
	static const char after[] =
		"\"totals\":[{\"state\":\"in_use\",\"bytes\":32}],"
		"\"sizes\":[{\"size\":32,\"in_use_count\":1,"
		"\"in_use_bytes\":32,\"free_count\":9,\"free_bytes\":288}]";
	struct mf_diff *diff = compare(before, after);

	(void)state;
	assert_false(mf_diff_compared(diff, MF_CHANGE_CLASS));
	assert_string_equal(mf_diff_verdict(diff),
			    "what is in use shrank by 32 B, from 64 B to 32 B; "
			    "chunks of 32 -32 B");
	mf_diff_destroy(diff);
	assert_changes(before, after, "size-class 32 64>32 (2>1)\n");
}

static void allocators_without_arenas_are_what_they_hold(void **state)
{
	(void)state;
	assert_changes("\"allocators\":[{\"name\":\"jemalloc\","
		       "\"claimed_resident\":100},{\"name\":\"go\","
		       "\"claimed_resident\":7}]",
		       "\"allocators\":[{\"name\":\"go\","
		       "\"claimed_resident\":7},{\"name\":\"jemalloc\","
		       "\"claimed_resident\":300},{\"name\":\"jemalloc\","
		       "\"claimed_resident\":9}]",
		       "arena jemalloc, resident 100>300\n"
		       "arena jemalloc (2), resident 0>9\n");
}

static void sizes_that_are_small_are_exact(void **state)
{
	(void)state;
	assert_changes("\"allocators\":[{\"name\":\"glibc\",\"arenas\":[]}]",
		       "\"allocators\":[{\"name\":\"glibc\",\"arenas\":["
		       "{\"index\":0,\"histogram\":["
		       "{\"min\":32,\"max\":32,\"in_use\":{\"count\":1,"
		       "\"bytes\":32}},{\"min\":112,\"max\":112,\"in_use\":{"
		       "\"count\":1,\"bytes\":112}},{\"min\":128,\"max\":144,"
		       "\"in_use\":{\"count\":2,\"bytes\":272}},"
		       "{\"min\":1152921504606846976,\"max\":"
		       "1152921504606846976,\"in_use\":{\"count\":1,"
		       "\"bytes\":5}}]}]}]",
		       "size-class 128-144 0>272 (0>2)\n"
		       "size-class 112 0>112 (0>1)\n"
		       "size-class 32 0>32 (0>1)\n"
		       "size-class 1152921504606846976-1441151880758558704 "
		       "0>5 (0>1)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_summed_by_their_keys),
		cmocka_unit_test(what_only_one_has_is_not_compared),
		cmocka_unit_test(nothing_in_common_is_an_error),
		cmocka_unit_test(short_lists_make_no_growth),
		cmocka_unit_test(what_counts_are_off_by_is_no_growth),
		cmocka_unit_test(classes_are_by_rss_or_by_size),
		cmocka_unit_test(a_grown_region_is_one),
		cmocka_unit_test(a_cut_region_is_one_and_a_gone_one_is_told),
		cmocka_unit_test(of_another_process_labels_count),
		cmocka_unit_test(an_arena_is_its_address),
		cmocka_unit_test(an_arena_without_address_is_its_number),
		cmocka_unit_test(reports_of_chunks_have_sizes),
		cmocka_unit_test(allocators_without_arenas_are_what_they_hold),
		cmocka_unit_test(sizes_that_are_small_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
