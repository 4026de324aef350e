/*
 * Strings in bytes of every kind: what is one, where windows end, what is of a
 * key, and what is exact when there are more than can be kept.
 */
#include <stdio.h>
#include <uchar.h>

#include "strings_util.h"

/* TEXT is there COUNT times, first at OFFSET. */
static void expect(const struct mf_strings *strings, const char *text,
		   uint64_t count, uint64_t offset)
{
	const struct mf_sketch_item *item = find_in(&strings->sums.texts, text);

	if (!item) {
		fail_msg("no \"%s\"", text);
		return;
	}
	assert_int_equal(item->count, count);
	assert_int_equal(item->bytes, count * item->size);
	assert_int_equal(item->first, FORGED_SCAN_ADDRESS + offset);
	assert_int_equal(item->doubt, 0);
}

static uint64_t total(const struct mf_strings *strings)
{
	uint64_t count = 0;

	for (size_t i = 0; i < MF_STRING_ENCODINGS; i++)
		count += strings->sums.totals[i].count;
	return count;
}

/* ---- what is a string ------------------------------------------------------- */

static void test_ascii(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	PUT(&bytes, "short\0just6!\0with\ta tab\0a line\nanother\x7f");
	PUT(&bytes, "~ last\xff\x01\x1b[31mred text\x1b[0m\0behind\0just6!");
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect(strings, "just6!", 2, 6);
	expect(strings, "with\ta tab", 1, 13);
	expect(strings, "a line", 1, 24);
	expect(strings, "another", 1, 31);
	expect(strings, "~ last", 1, 39);
	expect(strings, "[31mred text", 1, 48);
	expect(strings, "behind", 1, 65);
	assert_int_equal(total(strings), 8);
	forged_scan_deinit(&forged);
}

static void test_least(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;

	(void)state;
	PUT(&bytes, "a\0ab\0abc\0abcd\0abcde\0abcdef\0abcdefg\0abcdefgh\0"
		    "abcdefghi\0\xc3\xa4\xc3\xb6\xc3\xbc\0");
	forged_scan_init(&forged, bytes.all, bytes.size);
	for (uint32_t least = 1; least <= 10; least++) {
		forged.options.least_characters = least;
		assert_int_equal(total(scan(&forged, 0)),
				 10 - least + (least <= 3));
	}
	forged_scan_deinit(&forged);
}

static void test_utf8(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	PUT(&bytes, "Gr\xc3\xbc\xc3\x9f"
		    "e!\0");
	PUT(&bytes, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\0");
	PUT(&bytes, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81"
		    "\x99\xe3\x80\x82\0");
	PUT(&bytes, "smile \xf0\x9f\x98\x80!\0");
	/* characters count, not bytes */
	PUT(&bytes, "\xd0\x9f\xd1\x80\xd0\xb8\0");
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect(strings, "Grüße!", 1, 0);
	expect(strings, "Привет", 1, 9);
	expect(strings, "日本語です。", 1, 22);
	expect(strings, "smile 😀!", 1, 41);
	assert_int_equal(strings->sums.totals[MF_STRING_UTF8].count, 4);
	assert_int_equal(total(strings), 4);
	forged_scan_deinit(&forged);
}

/* What UTF-8 forbids ends a string: overlong forms, halves of pairs, beyond
 * U+10FFFF, cut off, and controls. */
static void test_invalid(void **state)
{
	static const char *const bad[] = {
		"\xc0\xaf",
		"\xc1\x81",
		"\xe0\x80\xaf",
		"\xf0\x80\x80\xaf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xe6\x97",
		"\xf0\x9f\x98",
		"\x80",
		"\xbf\xbf\xbf",
		"\xff\xfe",
		"\xc2\x9b",
		"\xc2\x80",
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(bad); i++) {
		struct bytes bytes = { 0 };
		struct forged_scan forged;
		const struct mf_strings *strings;

		PUT(&bytes, "before");
		put(&bytes, bad[i], strlen(bad[i]));
		PUT(&bytes, "behind");
		forged_scan_init(&forged, bytes.all, bytes.size);
		strings = scan(&forged, 0);
		expect(strings, "before", 1, 0);
		expect(strings, "behind", 1, 6 + strlen(bad[i]));
		assert_int_equal(total(strings), 2);
		forged_scan_deinit(&forged);
	}
}

/* Bytes that could be characters and are none, as many as a window has: each
 * of them is looked at once, not once for each before it. */
static void test_much_invalid(void **state)
{
	static const uint8_t surrogate[] = { 0xed, 0xa0, 0x80 };
	static uint8_t bytes[MF_SCAN_WINDOW];
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = surrogate[i % sizeof(surrogate)];
	memcpy(bytes + sizeof(bytes) - 9, "the end.", 9);
	forged_scan_init(&forged, bytes, sizeof(bytes));
	strings = scan(&forged, 0);
	assert_int_equal(total(strings), 1);
	expect(strings, "the end.", 1, sizeof(bytes) - 9);
	forged_scan_deinit(&forged);
}

static void test_utf16(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	put_wide(&bytes, u"wide text");
	put(&bytes, "\0\0", 2);
	put_wide(&bytes, u"\u00fcber 😀 surrogates \u4e2d\u6587");
	PUT(&bytes, "\0\0\0\0\0");
	put_wide(&bytes, u"at odd places");
	PUT(&bytes, "\0\0\0");
	/* half a pair ends it */
	put_wide(&bytes, u"first half");
	put(&bytes, "\x00\xd8", 2);
	put_wide(&bytes, u"second half");
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect(strings, "wide text", 1, 0);
	expect(strings, "über 😀 surrogates 中文", 1, 20);
	expect(strings, "at odd places", 1, 67);
	expect(strings, "first half", 1, 96);
	expect(strings, "second half", 1, 118);
	assert_int_equal(strings->sums.totals[MF_STRING_UTF16].count, 5);
	assert_int_equal(total(strings), 5);
	forged_scan_deinit(&forged);
}

static void test_pieces(void **state)
{
	static const char text[] = "one text that goes through chunks";
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	forged_scan_init(&forged, text, sizeof(text));
	forged_scan_chunk(&forged, 0, 8);
	forged_scan_chunk(&forged, 8, 17);
	forged_scan_chunk(&forged, 19, sizeof(text));
	strings = scan(&forged, 0);
	expect(strings, "one text", 1, 0);
	expect(strings, " that goe", 1, 8);
	expect(strings, "through chunks", 1, 19);
	assert_int_equal(total(strings), 3);
	forged_scan_deinit(&forged);
}

/* ---- windows ------------------------------------------------------------------- */

static void test_cut(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	PUT(&bytes, "the first text\0\1\2\3the first text\0 user:12345\0");
	PUT(&bytes, "Gr\xc3\xbc\xc3\x9f"
		    "e aus \xe6\x97\xa5\xe6\x9c\xac 😀😀\0");
	PUT(&bytes, "broken \xe6\x97 here\xf0\x9f\x98\xed\xa0\x80 and there\0");
	PUT(&bytes, "more \xe6\x9c\xac\x80\xa0 than a character\0");
	PUT(&bytes, "\x80\xbf\xc3\x28 twelve chars\xff\0");
	PUT(&bytes, "\xb0\x92\x55\x55\x55\x55\0\0\xb0\x92\x55\x55\x55\x55\0\0");
	for (int i = 0; i < 40; i++)
		PUT(&bytes, "a long one, ");
	PUT(&bytes, "\0");
	expect_same(&bytes, false);
	expect_same(&bytes, true);
}

static void test_cut_wide(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	put_wide(&bytes, u"wide text one");
	PUT(&bytes, "\0\0\0");
	put_wide(&bytes, u"pairs 😀 and 😀 pairs");
	PUT(&bytes, "\0\0\0\0");
	put_wide(&bytes, u"\u00fcber \u4e2d \u00e4hnlich");
	PUT(&bytes, "\0\0plain text\0\0");
	expect_same(&bytes, false);
	expect_same(&bytes, true);
}

/* ---- many windows, by hand ------------------------------------------------------- */

struct pass {
	struct forged_scan forged; /* for what is around it */
	void *scanner, *worker;
	uint8_t *bytes;
};

static void pass_begin(struct pass *pass)
{
	struct mf_scan_context context = { .options = &pass->forged.options };

	forged_scan_init(&pass->forged, "", 1);
	must(mf_scan_strings_ops.create(&context, &pass->scanner));
	pass->worker = mf_scan_strings_ops.worker_create(pass->scanner);
	pass->bytes = mf_calloc_aligned(64, MF_SCAN_WINDOW + MF_SCAN_SLACK);
}

static void pass_window(struct pass *pass, uint64_t address, uint32_t size,
			bool begins, bool ends)
{
	const struct mf_scan_piece piece = {
		.end = size,
		.kind = MF_KINDS,
		.begins = begins,
		.ends = ends,
	};

	mf_scan_strings_ops.window(pass->worker, &(struct mf_scan_window){
							 .address = address,
							 .bytes = pass->bytes,
							 .size = size,
							 .pieces = &piece,
							 .piece_count = 1,
						 });
}

static const struct mf_strings *pass_end(struct pass *pass)
{
	struct mf_scan_context context = { 0 };

	mf_scan_strings_ops.merge(pass->scanner, pass->worker);
	must(mf_scan_strings_ops.finish(&context, pass->scanner));
	return pass->scanner;
}

static void pass_deinit(struct pass *pass)
{
	mf_scan_strings_ops.destroy(pass->scanner);
	free(pass->bytes);
	forged_scan_deinit(&pass->forged);
}

/* 100 MiB, twice, in windows that come in any order. */
static void test_huge(void **state)
{
	enum {
		WINDOWS = 100,
		STEP = 37
	};
	struct pass pass;
	const struct mf_strings *strings;
	const struct mf_sketch_item *item;

	(void)state;
	pass_begin(&pass);
	for (uint64_t i = 0; i < 2 * WINDOWS; i++) {
		uint64_t at = i * STEP % WINDOWS, copy = i / WINDOWS;

		for (uint32_t b = 0; b < MF_SCAN_WINDOW; b++)
			pass.bytes[b] = (uint8_t)('a' + (b * 7 + at) % 26);
		pass_window(&pass, (at + copy * 2 * WINDOWS) * MF_SCAN_WINDOW,
			    MF_SCAN_WINDOW, at == 0, at == WINDOWS - 1);
	}
	strings = pass_end(&pass);
	assert_int_equal(total(strings), 2);
	assert_int_equal(strings->sums.texts.count, 1);
	item = &strings->sums.texts.items[0];
	assert_int_equal(item->count, 2);
	assert_int_equal(item->size, (uint64_t)WINDOWS * MF_SCAN_WINDOW);
	assert_int_equal(item->bytes, 2 * (uint64_t)WINDOWS * MF_SCAN_WINDOW);
	assert_int_equal(item->first, 0);
	pass_deinit(&pass);
}

/* A million keys: count and bytes are exact, and so is their shape. */
static void test_million(void **state)
{
	enum {
		KEYS = 1000000
	};
	struct pass pass;
	const struct mf_strings *strings;
	const struct mf_sketch_item *shape;
	uint64_t bytes = 0, address = 1 << 20;
	uint32_t used = 0;

	(void)state;
	pass_begin(&pass);
	for (int i = 0; i < KEYS; i++) {
		int size = snprintf((char *)pass.bytes + used, ROOM,
				    "session:%d", i);

		bytes += (uint64_t)size;
		used += (uint32_t)size + 1;
		if (used < MF_SCAN_WINDOW - ROOM && i < KEYS - 1)
			continue;
		pass_window(&pass, address, used, true, true);
		address += MF_SCAN_WINDOW;
		used = 0;
	}
	strings = pass_end(&pass);
	assert_int_equal(strings->sums.totals[MF_STRING_ASCII].count, KEYS);
	assert_int_equal(strings->sums.totals[MF_STRING_ASCII].bytes, bytes);
	shape = find_in(&strings->sums.shapes, "session:\1");
	assert_non_null(shape);
	assert_int_equal(shape->count, KEYS);
	assert_int_equal(shape->bytes, bytes);
	assert_int_equal(shape->doubt, 0);
	assert_true(shape->flags & MF_STRING_VARIED);
	assert_true(strings->sums.texts.unseen > 0);
	pass_deinit(&pass);
}

/* ---- keys -------------------------------------------------------------------------- */

static const char *const key_lines[] = {
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
	"Nr9dY0cQm3x1yNUVWoTQqVx1YQOQx8vPzGfHbT3kqeWyqN1vYxkS",
	"shortlastline",
};

static void expect_hidden(const struct bytes *bytes, uint32_t split)
{
	struct forged_scan forged;
	const char *json;

	forged_scan_init(&forged, bytes->all, bytes->size);
	forged.options.all_strings = split % 2;
	scan(&forged, split);
	json = forged_scan_json(&forged);
	for (size_t i = 0; i < MF_ARRAY_SIZE(key_lines); i++) {
		if (strstr(json, key_lines[i]))
			print_message("cut at %u\n", split);
		assert_null(strstr(json, key_lines[i]));
	}
	assert_non_null(strstr(json, "BEGIN PRIVATE KEY"));
	assert_non_null(strstr(json, "some text behind"));
	assert_non_null(strstr(json, "*************"));
	forged_scan_deinit(&forged);
}

static void put_key(struct bytes *bytes)
{
	PUT(bytes, "some text before\0-----BEGIN PRIVATE KEY-----\n");
	for (size_t i = 0; i < MF_ARRAY_SIZE(key_lines); i++) {
		put(bytes, key_lines[i], strlen(key_lines[i]));
		PUT(bytes, "\r\n");
	}
	PUT(bytes, "-----END PRIVATE KEY-----\nsome text behind\0");
}

/* No line of a private key is shown, wherever windows meet. */
static void test_key_lines(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	put_key(&bytes);
	/* a copy of a line, elsewhere */
	put(&bytes, key_lines[1], strlen(key_lines[1]));
	PUT(&bytes, "\0");
	for (uint32_t split = 0; split < bytes.size; split++)
		expect_hidden(&bytes, split);
}

/* The same in UTF-16, with no copy in ASCII that would give it away. */
static void test_wide_key_lines(void **state)
{
	struct bytes plain = { 0 }, bytes = { 0 };

	(void)state;
	put_key(&plain);
	for (size_t i = 0; i < plain.size; i++)
		put(&bytes, (uint8_t[]){ plain.all[i], 0 }, 2);
	for (uint32_t split = 0; split < bytes.size; split++)
		expect_hidden(&bytes, split);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_utf16),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_wide),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_key_lines),
		cmocka_unit_test(test_wide_key_lines),
		cmocka_unit_test(test_much_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
