/*
 * Patterns: each match is found once, however windows cut the bytes; what is
 * counted is exact although few are kept; what is no pattern is refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "scan/patterns.h"
#include "scan/scanners.h"
#include "scan_util.h"
#include "unit.h"

enum {
	ROOM = 16384,
};

struct bench {
	uint8_t bytes[ROOM];
	struct mf_target *target;
	struct forged_scan scan;
	struct mf_scan_pattern pattern;
	struct mf_scan_pointed pointed;
};

static struct bench *bench_create(enum mf_find_kind kind, const char *text)
{
	struct bench *bench = mf_new(struct bench);
	const struct mf_mapping mapping = {
		.start = FORGED_SCAN_ADDRESS,
		.end = FORGED_SCAN_ADDRESS + ROOM,
		.perms = RW,
		.path = "",
	};

	bench->target = mf_target_create_forged();
	mf_target_forge_mapping(bench->target, &mapping, bench->bytes, NULL);
	forged_scan_init(&bench->scan, bench->bytes, ROOM);
	bench->scan.input.target = bench->target;
	bench->pattern = (struct mf_scan_pattern){ kind, text };
	bench->scan.options.patterns = &bench->pattern;
	bench->scan.options.pattern_count = 1;
	return bench;
}

static void bench_destroy(struct bench *bench)
{
	forged_scan_deinit(&bench->scan);
	mf_target_close(bench->target);
	free(bench);
}

static void run(struct bench *bench, uint32_t split)
{
	forged_scan_run(&bench->scan, &mf_scan_matches_ops, split);
	forged_scan_json(&bench->scan);
}

/* How often it says that the first pattern matched. */
static uint64_t count_of(const struct bench *bench)
{
	const char *at = strstr(bench->scan.json, "\"count\": ");

	assert_non_null(at);
	return strtoull(at + 9, NULL, 10);
}

static void assert_shown(const struct bench *bench, uint64_t address,
			 const char *context)
{
	mf_auto_free char *text =
		mf_asprintf("\"address\": \"0x%" PRIx64 "\"", address);

	if (!strstr(bench->scan.json, text) ||
	    (context && !strstr(bench->scan.json, context)))
		fail_msg("%s, %s: %s", text, context ? context : "",
			 bench->scan.json);
}

/* ---- needles ------------------------------------------------------------------------ */

static size_t find_slowly(const struct mf_needle *needle, const uint8_t *bytes,
			  size_t from, size_t size)
{
	for (size_t at = from; at + needle->size <= size; at++) {
		size_t i = 0;

		while (i < needle->size &&
		       (bytes[at + i] & needle->mask[i]) == needle->value[i])
			i++;
		if (i == needle->size)
			return at;
	}
	return size;
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Bytes of two values: matches everywhere, and nearly everywhere. */
static void test_needles_against_brute_force(void **state)
{
	static const char *const patterns[] = {
		"00",	       "01 00", "00 ?? 01",
		"?1 0? 00 00", "?1 ?0", "01 01 01 01 01 01 01",
		"?? 01 ??"
	};
	struct mf_needle *needle = mf_new(struct mf_needle);
	uint64_t seed = 88172645463325252;
	uint8_t *bytes = mf_calloc(600 + MF_SCAN_SLACK, 1);

	(void)state;
	for (size_t size = 0; size < 600; size += 1 + size / 3)
		for (size_t i = 0; i < MF_ARRAY_SIZE(patterns); i++) {
			size_t fast = 0, slow = 0;

			must(mf_needle_from_hex(patterns[i], needle));
			for (size_t at = 0; at < size; at++)
				bytes[at] = next_random(&seed) % 4 == 0;
			do {
				fast = mf_needle_find(needle, bytes, fast,
						      size);
				slow = find_slowly(needle, bytes, slow, size);
				assert_int_equal(fast, slow);
				fast++;
				slow++;
			} while (slow < size);
		}
	free(bytes);
	free(needle);
}

static void refuse(enum mf_find_kind kind, const char *text)
{
	const struct mf_scan_pattern pattern = { kind, text };
	const struct mf_scan_options options = { .patterns = &pattern,
						 .pattern_count = 1 };
	const struct mf_scan_context context = { .options = &options };
	struct mf_error *error;
	void *scanner = NULL;

	error = mf_scan_matches_ops.create(&context, &scanner);
	assert_non_null(error);
	assert_non_null(error->why);
	mf_error_destroy(error);
	assert_null(scanner);
}

static void test_refused(void **state)
{
	(void)state;
	refuse(MF_FIND_TEXT, "");
	refuse(MF_FIND_HEX, "");
	refuse(MF_FIND_HEX, "d");
	refuse(MF_FIND_HEX, "de a");
	refuse(MF_FIND_HEX, "zz");
	refuse(MF_FIND_HEX, "?? ??");
	refuse(MF_FIND_REGEX, "(a");
	refuse(MF_FIND_REGEX, "(*UTF)a");
	refuse(MF_FIND_YARA, "/nonexistent/rules");
}

/* ---- cut anywhere -------------------------------------------------------------------- */

static void test_text_cut_anywhere(void **state)
{
	static const char text[] = "needle";
	struct bench *bench = bench_create(MF_FIND_TEXT, text);

	(void)state;
	memcpy(bench->bytes + 1000, text, 6);
	memcpy(bench->bytes + 1006, text, 6);
	for (uint32_t split = 990; split < 1020; split++) {
		run(bench, split);
		assert_int_equal(count_of(bench), 2);
		assert_shown(bench, FORGED_SCAN_ADDRESS + 1000, "needleneedle");
		assert_shown(bench, FORGED_SCAN_ADDRESS + 1006, NULL);
	}
	bench_destroy(bench);
}

static void test_hex_overlaps(void **state)
{
	struct bench *bench = bench_create(MF_FIND_HEX, "aa??aa");

	(void)state;
	memset(bench->bytes + 100, 0xaa, 50);
	for (uint32_t split = 0; split < 160; split += 7) {
		run(bench, split);
		assert_int_equal(count_of(bench), 48);
	}
	bench_destroy(bench);
}

/* Not across the end of a chunk. */
static void test_chunks_are_apart(void **state)
{
	struct bench *bench = bench_create(MF_FIND_TEXT, "abcd");

	(void)state;
	memcpy(bench->bytes + 98, "abcd", 4);
	memcpy(bench->bytes + 200, "abcd", 4);
	forged_scan_chunk(&bench->scan, 50, 100);
	forged_scan_chunk(&bench->scan, 100, 300);
	run(bench, 0);
	assert_int_equal(count_of(bench), 1);
	bench_destroy(bench);
}

static void test_regex_cut_anywhere(void **state)
{
	struct bench *bench =
		bench_create(MF_FIND_REGEX, "user:[0-9]+|(?<=x)yz*");
	char *text = (char *)bench->bytes;

	(void)state;
	for (size_t i = 0; i < 150; i++)
		snprintf(text + 40 * i, 40, "user:%zu xyzzzz user:%zu ", i,
			 i * i);
	for (uint32_t split = 0; split < 6000; split += 53) {
		run(bench, split);
		assert_int_equal(count_of(bench), 450);
	}
	bench_destroy(bench);
}

/* One long match that goes through the cut. */
static void test_regex_greedy(void **state)
{
	struct bench *bench = bench_create(MF_FIND_REGEX, "[a-c]+");

	(void)state;
	memset(bench->bytes + 2000, 'b', 3000);
	for (uint32_t split = 1990; split < 5020; split += 31) {
		run(bench, split);
		assert_int_equal(count_of(bench), 1);
		assert_non_null(strstr(bench->scan.json, "\"size\": 3000"));
	}
	bench_destroy(bench);
}

/* It gives up, says so, and comes to an end. */
static void test_regex_that_never_ends(void **state)
{
	struct bench *bench = bench_create(MF_FIND_REGEX, "(a|aa)+c");

	(void)state;
	memset(bench->bytes, 'a', ROOM);
	memcpy(bench->bytes + ROOM - 2, "dc", 2);
	run(bench, 0);
	assert_int_equal(count_of(bench), 0);
	assert_null(strstr(bench->scan.json, "\"gave_up\": 0"));
	bench_destroy(bench);
}

/* From each place it looks at all that follows: few steps each, and far too
 * many in all. What comes behind it, and is quick, is found all the same. */
static void test_regex_that_is_slow(void **state)
{
	enum {
		LONG = 1 << 20,
		TAIL = 1 << 16
	};
	struct mf_regex_text text = { .size = LONG + TAIL, .to = LONG + TAIL };
	uint8_t *bytes = mf_calloc(LONG + TAIL + 1, 1);
	struct mf_regex_worker *worker;
	struct mf_regex *regex;
	size_t start = 0, end = 0, at = 0;
	unsigned gave_up = 0;

	(void)state;
	memset(bytes, 'a', LONG);
	memset(bytes + LONG, '.', TAIL);
	bytes[LONG + TAIL / 2] = 'b';
	text.bytes = bytes;
	must(mf_regex_compile("(?s)aa.*xb|b", &regex));
	worker = mf_regex_worker_create(regex);
	while (mf_regex_find(worker, &text, at, &start, &end) ==
	       MF_REGEX_GAVE_UP) {
		assert_in_range(start, at, LONG);
		at = start + LONG / 8;
		gave_up++;
	}
	assert_in_range(gave_up, 1, 8);
	assert_int_equal(start, LONG + TAIL / 2);
	assert_int_equal(end, start + 1);
	mf_regex_worker_destroy(worker);
	mf_regex_destroy(regex);
	free(bytes);
}

static void test_pointers(void **state)
{
	struct bench *bench = bench_create(MF_FIND_POINTER, "1000-2000");
	const uint64_t words[] = { 0x1000, 0x1fff, 0x2000, 0xfff, 0x1800 };

	(void)state;
	bench->pointed = (struct mf_scan_pointed){ 0x1000, 0x2000, 0 };
	bench->scan.input.pointed = &bench->pointed;
	bench->scan.input.pointed_count = 1;
	memcpy(bench->bytes + 800, words, sizeof(words));
	memcpy(bench->bytes + 1001, words, 8); /* not aligned */
	run(bench, 0);
	assert_int_equal(count_of(bench), 3);
	assert_shown(bench, FORGED_SCAN_ADDRESS + 808, "0x1fff");
	bench_destroy(bench);
}

/* Counted exactly, although not all are kept; those that are, are the first. */
static void test_many(void **state)
{
	struct bench *bench = bench_create(MF_FIND_HEX, "00");
	const char *at;
	unsigned shown = 0;

	(void)state;
	run(bench, 9000);
	assert_int_equal(count_of(bench), ROOM);
	for (at = bench->scan.json; (at = strstr(at, "\"address\"")); at++)
		shown++;
	assert_int_equal(shown, 1000);
	assert_shown(bench, FORGED_SCAN_ADDRESS, NULL);
	assert_shown(bench, FORGED_SCAN_ADDRESS + 999, NULL);
	bench_destroy(bench);
}

/* A match in the middle of a key shows none of it. */
static void test_keys_are_masked(void **state)
{
	struct bench *bench = bench_create(MF_FIND_TEXT, "QUJDREVG");
	char *text = (char *)bench->bytes + 3000;

	(void)state;
	text += snprintf(text, 100, "-----BEGIN PRIVATE KEY-----\n");
	for (int i = 0; i < 20; i++)
		text += snprintf(text, 100,
				 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n");
	snprintf(text, 100,
		 "QUJDREVGaaaabbbbccccdddd\n"
		 "-----END PRIVATE KEY-----\n");
	run(bench, 0);
	assert_int_equal(count_of(bench), 1);
	assert_null(strstr(bench->scan.json, "bbbbcccc"));
	assert_null(strstr(bench->scan.json, "MIIE"));
	bench_destroy(bench);
}

#ifdef MF_WITH_YARA

static char *write_rules(const char *rules)
{
	char *path = mf_strdup("/tmp/mf-rules-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, rules, strlen(rules)), strlen(rules));
	close(fd);
	return path;
}

/* A rule over strings that lie far apart, in different windows, one of them
 * across the cut; none of them counts twice. */
static void test_yara_cut_anywhere(void **state)
{
	mf_auto_free char *path = write_rules(
		"rule far { strings: $a = \"first thing\" $b = \"second thing\""
		" condition: #a == 1 and #b == 2 }\n"
		"rule never { strings: $a = \"third thing\" condition: $a }\n");
	struct bench *bench = bench_create(MF_FIND_YARA, path);

	(void)state;
	memcpy(bench->bytes + 100, "first thing", 11);
	memcpy(bench->bytes + 8000, "second thing", 12);
	memcpy(bench->bytes + 15000, "second thing", 12);
	for (uint32_t split = 7990; split < 8020; split++) {
		run(bench, split);
		assert_non_null(strstr(bench->scan.json, "\"far:$a\""));
		assert_null(strstr(bench->scan.json, "never"));
		assert_shown(bench, FORGED_SCAN_ADDRESS + 100, "first thing");
		assert_shown(bench, FORGED_SCAN_ADDRESS + 8000, "second thing");
	}
	bench_destroy(bench);
	unlink(path);
}

static void test_yara_rules_that_are_none(void **state)
{
	mf_auto_free char *path = write_rules("rule x { condition: $a }");

	(void)state;
	refuse(MF_FIND_YARA, path);
	unlink(path);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needles_against_brute_force),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_text_cut_anywhere),
		cmocka_unit_test(test_hex_overlaps),
		cmocka_unit_test(test_chunks_are_apart),
		cmocka_unit_test(test_regex_cut_anywhere),
		cmocka_unit_test(test_regex_greedy),
		cmocka_unit_test(test_regex_that_never_ends),
		cmocka_unit_test(test_regex_that_is_slow),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_keys_are_masked),
#ifdef MF_WITH_YARA
		cmocka_unit_test(test_yara_cut_anywhere),
		cmocka_unit_test(test_yara_rules_that_are_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
