/*
 * What blocks of memory are made of: bytes of a known kind are told to be of
 * that kind, however windows are cut; and all judges agree.
 */
#include <math.h>

#include "scan/content.h"
#include "scan_util.h"

enum {
	SIZE = 64 * 1024,
	ROUNDS = 2000,
};

static uint8_t area[SIZE];

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* ---- fillers -------------------------------------------------------------------- */

static void fill_text(void)
{
	static const char words[] = "GET /index.html HTTP/1.1\r\nHost: a.b\r\n";

	for (size_t i = 0; i < SIZE; i++)
		area[i] = (uint8_t)words[i % (sizeof(words) - 1)];
}

static void fill_utf8(void)
{
	static const char words[] = "Größe, naïve, Привет, 記憶體; ";

	for (size_t i = 0; i < SIZE; i++)
		area[i] = (uint8_t)words[i % (sizeof(words) - 1)];
}

static void fill_cyrillic(void)
{
	static const char words[] = "Съешьещёэтихмягкихфранцузскихбулок";

	for (size_t i = 0; i < SIZE; i++)
		area[i] = (uint8_t)words[i % (sizeof(words) - 1)];
}

static void fill_utf16(void)
{
	static const char words[] = "java.lang.String ";

	for (size_t i = 0; i < SIZE; i++)
		area[i] =
			i % 2 ? 0 : (uint8_t)words[i / 2 % (sizeof(words) - 1)];
}

static void fill_zero(void)
{
	memset(area, 0, SIZE);
}

static void fill_random(void)
{
	uint64_t seed = 42;

	for (size_t i = 0; i < SIZE; i += 8) {
		uint64_t word = next_random(&seed);

		memcpy(area + i, &word, sizeof(word));
	}
}

static void fill_pointers(void)
{
	uint64_t seed = 7;

	for (size_t i = 0; i < SIZE; i += 8) {
		uint64_t word = FORGED_SCAN_ADDRESS + next_random(&seed) % SIZE;

		memcpy(area + i, &word, sizeof(word));
	}
}

static void fill_integers(void)
{
	uint64_t seed = 9;

	for (size_t i = 0; i < SIZE; i += 4) {
		uint32_t number = 1 + next_random(&seed) % 1000;

		memcpy(area + i, &number, sizeof(number));
	}
}

static void fill_negative(void)
{
	for (size_t i = 0; i < SIZE; i += 8) {
		int64_t number = -(int64_t)(i + 1);

		memcpy(area + i, &number, sizeof(number));
	}
}

static void fill_doubles(void)
{
	for (size_t i = 0; i < SIZE; i += 8) {
		double number = 1000 * sin((double)i + 1);

		memcpy(area + i, &number, sizeof(number));
	}
}

static void fill_floats(void)
{
	for (size_t i = 0; i < SIZE; i += 4) {
		float number = 1 + (float)i / 7;

		memcpy(area + i, &number, sizeof(number));
	}
}

static const struct {
	void (*fill)(void);
	enum mf_content is;
} kinds[] = {
	{ fill_text, MF_CONTENT_TEXT },
	{ fill_utf8, MF_CONTENT_TEXT },
	{ fill_cyrillic, MF_CONTENT_TEXT },
	{ fill_utf16, MF_CONTENT_TEXT },
	{ fill_zero, MF_CONTENT_ZERO },
	{ fill_random, MF_CONTENT_COMPRESSED },
	{ fill_pointers, MF_CONTENT_POINTERS },
	{ fill_integers, MF_CONTENT_INTEGERS },
	{ fill_negative, MF_CONTENT_INTEGERS },
	{ fill_doubles, MF_CONTENT_FLOATS },
	{ fill_floats, MF_CONTENT_FLOATS },
};

/* ---- tests ---------------------------------------------------------------------- */

static const struct mf_content_tally *tally_of(const void *scanner)
{
	return ((const struct mf_content_scanner *)scanner)->tallies;
}

static uint64_t sum_of(const struct mf_content_tally *tally)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MF_CONTENTS; i++)
		sum += tally->bytes[i];
	return sum;
}

static void test_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++) {
		const struct mf_content_tally *tally;
		struct forged_scan forged;

		kinds[i].fill();
		forged_scan_init(&forged, area, SIZE);
		tally = tally_of(
			forged_scan_run(&forged, &mf_scan_content_ops, 0));
		assert_int_equal(sum_of(tally), SIZE);
		if (tally->bytes[kinds[i].is] < SIZE * 99 / 100)
			fail_msg("kind %zu: %llu of %d", i,
				 (unsigned long long)tally->bytes[kinds[i].is],
				 SIZE);
		forged_scan_deinit(&forged);
	}
}

static void fill_block(uint8_t *block, const char *words, size_t size)
{
	for (size_t i = 0; i < MF_CONTENT_BLOCK; i++)
		block[i] = (uint8_t)words[i % size];
}

/* Text is told to be what it is, wherever a block of it begins; and what is
 * like it is not. */
static void test_kinds_of_text(void **state)
{
#define WORDS(text) text, sizeof(text) - 1
	static const struct {
		const char *words;
		size_t size;
		enum mf_content_text is;
	} texts[] = {
		{ WORDS("Host: a.example\r\nUser-Agent: x/1\r\n"
			"Accept-Encoding: gzip\r\n"),
		  MF_TEXT_HTTP },
		/* as nginx leaves them */
		{ WORDS("Host\0 a.example\0\nUser-Agent\0 x/1\0\n"
			"Accept-Encoding\0 gzip\0\n"),
		  MF_TEXT_HTTP },
		{ WORDS("name: a\nhost: b\nport: 12\n"), MF_TEXT_OTHER },
		{ WORDS("{\"id\": 12, \"name\":\"x\"},"), MF_TEXT_JSON },
		{ WORDS("<p class=\"a\">words</p>\n"), MF_TEXT_MARKUP },
		{ WORDS("if (a < b && c > d) x <= y;\n"), MF_TEXT_OTHER },
		{ WORDS("2024-01-31 10:20:30 [info] it went well\n"),
		  MF_TEXT_LOG },
		{ WORDS("Jan 31 10:20:30 host daemon[12]: ready\n"),
		  MF_TEXT_LOG },
		{ WORDS("10.0.0.17 - - [31/Jan/2024] \"GET /\" 200\n"),
		  MF_TEXT_LOG },
		{ WORDS("SELECT name FROM users WHERE id = 17; "),
		  MF_TEXT_SQL },
		/* some of each */
		{ WORDS("GET /static/img/17.png HTTP/1.1\r\n"
			"Host: shop17.example.com\r\n"
			"{\"id\":17,\"name\":\"user:17\",\"active\":true}\n"
			"2026-11-21T17:20:12Z INFO worker 3: request done\n"
			"session:17:cart:17\n"
			"SELECT name, price FROM items WHERE id = 17;\n"),
		  MF_TEXT_OTHER },
		{ WORDS("one may select what comes to mind. "), MF_TEXT_OTHER },
		{ WORDS("9f86d081884c7d659a2feaa0c55ad015"), MF_TEXT_HEX },
		{ WORDS("3141592653589793"), MF_TEXT_OTHER },
		{ WORDS("aaaaaaaa"), MF_TEXT_OTHER },
		{ WORDS("TWFuIGlz3IGRpc3RpbmZ1aXNo8ZWQsIG5vdCBv"),
		  MF_TEXT_BASE64 },
		{ WORDS("theQuickBrownFoxJumpsOver"), MF_TEXT_OTHER },
		{ WORDS("w\0o\0r\0d\0s\0 \0"), MF_TEXT_WIDE },
		{ WORDS("word\0\0\0\0number\0\0"), MF_TEXT_OTHER },
	};
#undef WORDS

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(texts); i++) {
		uint8_t block[MF_CONTENT_BLOCK];
		enum mf_content_text is;
		unsigned printed;

		fill_block(block, texts[i].words, texts[i].size);
		is = mf_content_text_of(block, UINT64_MAX, &printed);
		if (is != texts[i].is)
			fail_msg("\"%s\" is %s", texts[i].words,
				 is ? mf_content_text_name(is) : "nothing");
	}
}

/* Words of others say nothing. */
static void test_kinds_of_part(void **state)
{
	uint8_t block[MF_CONTENT_BLOCK];
	unsigned printed;

	(void)state;
	fill_block(block, "{\"id\": 12},", 11);
	memset(block + MF_CONTENT_BLOCK / 2, 'x', MF_CONTENT_BLOCK / 2);
	assert_int_equal(mf_content_text_of(block, UINT32_MAX, &printed),
			 MF_TEXT_JSON);
	assert_int_equal(printed, MF_CONTENT_BLOCK / 2);
	assert_int_equal(
		mf_content_text_of(block, ~(uint64_t)UINT32_MAX, &printed),
		MF_TEXT_OTHER);
	assert_int_equal(mf_content_text_of(block, 1, &printed), MF_TEXT_OTHER);
}

static void test_line(void **state)
{
	static const char headers[] =
		"Host: a.example\r\nUser-Agent: x/1\r\nAccept-Encoding: gzip\r\n";
	const struct mf_content_scanner *scanner;
	struct forged_scan forged;
	char *line;

	(void)state;
	memset(area, 0, SIZE);
	for (size_t i = 0; i < SIZE / 4 * 3; i++)
		area[i] = (uint8_t)headers[i % (sizeof(headers) - 1)];
	forged_scan_init(&forged, area, SIZE);
	scanner = forged_scan_run(&forged, &mf_scan_content_ops, 0);
	line = mf_content_describe(scanner, scanner->tallies);
	assert_string_equal(line, "75% text, mostly HTTP headers; 25% zeros");
	free(line);
	forged_scan_deinit(&forged);
}

/* What begins each page is not what most of them is. */
static void test_page_heads(void **state)
{
	static const char heads[] = "Host: a.example\r\nUser-Agent: x/1\r\n";
	static const char rest[] = "{\"id\": 12, \"name\": \"a\"},\n";
	const struct mf_content_scanner *scanner;
	struct forged_scan forged;
	char *line;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		area[i] = i % 8192 < MF_CONTENT_BLOCK
				  ? (uint8_t)heads[i % (sizeof(heads) - 1)]
				  : (uint8_t)rest[i % (sizeof(rest) - 1)];
	forged_scan_init(&forged, area, SIZE);
	scanner = forged_scan_run(&forged, &mf_scan_content_ops, 0);
	line = mf_content_describe(scanner, scanner->tallies);
	assert_string_equal(line, "100% text, mostly JSON");
	free(line);
	forged_scan_deinit(&forged);
}

/* Of chunks, only what is theirs counts, and to the byte. */
static void test_small_chunks(void **state)
{
	const struct mf_content_tally *tally;
	struct forged_scan forged;
	uint64_t bytes = 0;

	(void)state;
	fill_random();
	forged_scan_init(&forged, area, SIZE);
	for (uint32_t at = 16; at + 48 < SIZE; at += 64) {
		memset(area + at, 'x', 40);
		forged_scan_chunk(&forged, at, at + 40);
		bytes += 40;
	}
	tally = tally_of(forged_scan_run(&forged, &mf_scan_content_ops, 0));
	assert_int_equal(tally->bytes[MF_CONTENT_TEXT], bytes);
	assert_int_equal(sum_of(tally), bytes);
	forged_scan_deinit(&forged);
}

static void test_splits(void **state)
{
	static const uint32_t splits[] = { 4096, 8192, SIZE - 4096 };

	(void)state;
	fill_text();
	memset(area + SIZE / 2, 0, SIZE / 2);
	for (size_t i = 0; i < MF_ARRAY_SIZE(splits); i++) {
		const struct mf_content_tally *tally;
		struct forged_scan forged;

		forged_scan_init(&forged, area, SIZE);
		forged_scan_chunk(&forged, 24, SIZE - 24);
		tally = tally_of(forged_scan_run(&forged, &mf_scan_content_ops,
						 splits[i]));
		assert_int_equal(tally->bytes[MF_CONTENT_TEXT], SIZE / 2 - 24);
		assert_int_equal(tally->bytes[MF_CONTENT_ZERO], SIZE / 2 - 24);
		forged_scan_deinit(&forged);
	}
}

/* Words of all looks, at any place. */
static void scramble(uint8_t *block, uint64_t *seed)
{
	for (size_t i = 0; i < MF_CONTENT_BLOCK; i += 8) {
		size_t kind = next_random(seed) % MF_ARRAY_SIZE(kinds);
		uint64_t word = next_random(seed);

		if (kind % 4 == 0)
			word = FORGED_SCAN_ADDRESS - 64 + word % (SIZE + 128);
		else if (kind % 4 == 1)
			word >>= word % 64;
		else if (kind % 4 == 2)
			word &= UINT64_C(0x7f007f7f7f007f7f);
		memcpy(block + i, &word, sizeof(word));
	}
}

/* Whatever the vectors, the same words are of the same kind. */
static void test_judges_agree(void **state)
{
	struct mf_content_kernel kernels[MF_CONTENT_JUDGES];
	size_t judge_count = mf_content_judges(kernels);
	uint64_t seed = 99, seen = 0;
	struct forged_scan forged;
	const struct mf_content_scanner *scanner;

	(void)state;
	forged_scan_init(&forged, area, SIZE);
	scanner = forged_scan_run(&forged, &mf_scan_content_ops, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t block[MF_CONTENT_BLOCK];
		struct mf_content_masks one, other;
		uint64_t used = next_random(&seed) | 1;
		enum mf_content is;

		scramble(block, &seed);
		is = mf_content_judge_portable(block, used, &scanner->clusters,
					       &one);
		for (size_t k = 0; k < judge_count; k++) {
			assert_int_equal(kernels[k].judge(block, used,
							  &scanner->clusters,
							  &other),
					 is);
			assert_memory_equal(&one, &other, sizeof(one));
		}
		seen |= one.pointer;
		for (unsigned k = 0; one.pointer && k < MF_CONTENT_WORDS; k++) {
			uint64_t word = mf_load(uint64_t, block + 8 * k);

			assert_int_equal(one.pointer >> k & 1,
					 word - FORGED_SCAN_ADDRESS < SIZE);
		}
	}
	assert_int_equal(seen, UINT64_MAX);
	forged_scan_deinit(&forged);
}

static void test_rows(void **state)
{
	struct forged_scan forged;
	const char *json;

	(void)state;
	fill_pointers();
	forged_scan_init(&forged, area, SIZE);
	forged_scan_run(&forged, &mf_scan_content_ops, 0);
	json = forged_scan_json(&forged);
	assert_non_null(strstr(json, "100% pointers into memory that nobody"));
	forged_scan_deinit(&forged);
}

/* Maps of strings, as HotSpot lays them out in a heap at 0xe0000000: a node, its
 * key and the bytes of that. */
static void fill_java(uint32_t heap)
{
	for (uint32_t i = 0; i < SIZE / 64; i++) {
		const uint32_t objects[16] = {
			1,
			0,
			0x136938,
			i * 2654435761U, /* a node, its hash, */
			heap + i,
			heap + 8 * i,
			heap,
			0, /* key, value, next */
			1,
			0,
			0x00e8d8,
			0, /* a string */
			heap + 64 * i,
			0,
			1,
			0,
		};

		memcpy(area + (size_t)i * 64, objects, sizeof(objects));
	}
}

static void test_java(void **state)
{
	const struct mf_content_java java = { 0xe0000000, 0x1fffffff };
	const struct mf_content_java none = { 0, 0 };

	(void)state;
	fill_java(0xe0000000);
	assert_true(mf_content_is_java(area, UINT64_MAX, &java));
	fill_java(0x20000000);
	assert_false(mf_content_is_java(area, UINT64_MAX, &java));
	fill_integers();
	assert_false(mf_content_is_java(area, UINT64_MAX, &java));
	fill_doubles();
	assert_false(mf_content_is_java(area, UINT64_MAX, &java));
	fill_random();
	assert_false(mf_content_is_java(area, UINT64_MAX, &java));
	fill_zero();
	assert_false(mf_content_is_java(area, UINT64_MAX, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_kinds_of_text),
		cmocka_unit_test(test_kinds_of_part),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_page_heads),
		cmocka_unit_test(test_small_chunks),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_judges_agree),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_java),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
