/*
 * What first bytes look like: text, wide text, numbers, signatures, and secrets
 * that must not be seen.
 */
#include "scan/explain.h"
#include "unit.h"

static struct mf_explained look(const void *bytes, size_t size, uint64_t room,
				bool redact)
{
	struct mf_explained item = { .asked = "" };

	mf_explain_bytes(&item, bytes, size, room, redact);
	assert_non_null(item.text);
	return item;
}

static void forget(struct mf_explained *item)
{
	free(item->text);
	free(item->here);
	free(item->signature_detail);
}

static void assert_looks(const void *bytes, size_t size,
			 enum mf_explain_bytes kind, const char *text)
{
	struct mf_explained item = look(bytes, size, size, false);

	assert_int_equal(item.bytes_are, kind);
	assert_string_equal(item.text, text);
	assert_int_equal(item.secrets, 0);
	forget(&item);
}

static void test_text_and_numbers(void **state)
{
	static const uint8_t words[] = {
		0x70, 0xb, 0, 0xcc, 0xb3, 0x7f, 0, 0, 1
	};

	(void)state;
	assert_looks("hello\0\x80\x90", 8, MF_BYTES_TEXT, "hello");
	assert_looks("caf\303\251", 5, MF_BYTES_TEXT, "caf\303\251");
	/* code has such bytes, too: nothing ends them */
	assert_looks("ATUSH\x89\xf3\0", 8, MF_BYTES_OTHER,
		     "4154555348"
		     "89f300");
	assert_looks("abc\0\x01\x02\x03\x04", 8, MF_BYTES_OTHER,
		     "6162630001020304");
	/* overlong, cut off, and lone bytes of UTF-8 */
	assert_looks("\300\200abc", 5, MF_BYTES_OTHER, "c080616263");
	assert_looks("\342\202", 2, MF_BYTES_OTHER, "e282");
	assert_looks(words, sizeof(words), MF_BYTES_OTHER,
		     "700b00ccb37f0000 01");
	assert_looks("w\0i\0d\0e\0r\0\0\0", 12, MF_BYTES_WIDE, "wider");
}

static void test_long_text_is_cut(void **state)
{
	char text[MF_EXPLAIN_PREVIEW];
	struct mf_explained item;

	(void)state;
	memset(text, 'x', sizeof(text));
	item = look(text, sizeof(text), 5000, false);
	assert_int_equal(item.text_size, sizeof(text));
	assert_int_equal(strlen(item.text), MF_EXPLAIN_SHOWN);
	forget(&item);
}

static void test_secrets_are_masked(void **state)
{
	static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n"
				  "-----END PRIVATE KEY-----\n";
	static const char mail[] = "write to somebody@example.com today";
	struct mf_explained item = look(key, sizeof(key) - 1, 200, false);

	(void)state;
	assert_null(strstr(item.text, "MIIE"));
	assert_null(item.signature_detail);
	assert_true(item.secrets > 0);
	forget(&item);
	item = look(mail, sizeof(mail), sizeof(mail), false);
	assert_string_equal(item.text, mail);
	forget(&item);
	item = look(mail, sizeof(mail), sizeof(mail), true);
	assert_null(strstr(item.text, "somebody"));
	assert_non_null(strstr(item.text, "write to "));
	forget(&item);
}

/* What stands at AT of BYTES. */
static struct mf_explained look_at(const void *bytes, size_t size, size_t at,
				   bool redact)
{
	struct mf_explained item = { .asked = NULL };

	mf_explain_bytes_at(&item, bytes, size, at, redact);
	return item;
}

static void test_text_further_in(void **state)
{
	static const char text[] = "\1\2\3\0some long text that goes on";
	static const char wide[] = "\7\0\0\0w\0o\0r\0d\0s\0\0\0";
	static const char accents[] = "caf\xc3\xa9 au lait";
	struct mf_explained item = look_at(text, sizeof(text), 9, false);

	(void)state;
	assert_int_equal(item.here_is, MF_BYTES_TEXT);
	assert_string_equal(item.here, "long text that goes on");
	assert_false(item.here_goes_on);
	forget(&item);
	item = look_at(text, sizeof(text), 1, false);
	assert_int_equal(item.here_is, MF_BYTES_OTHER);
	assert_memory_equal(item.here, "0203", 4);
	forget(&item);
	item = look_at(wide, sizeof(wide), 6, false);
	assert_int_equal(item.here_is, MF_BYTES_WIDE);
	assert_string_equal(item.here, "ords");
	forget(&item);
	/* never half a character */
	item = look_at(accents, sizeof(accents), 4, false);
	assert_string_equal(item.here, " au lait");
	forget(&item);
}

/* What stands before the address tells that it is one. */
static void test_secrets_further_in(void **state)
{
	static const char key[] = "\1\2-----BEGIN PRIVATE KEY-----\n"
				  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n"
				  "-----END PRIVATE KEY-----\n";
	struct mf_explained item = look_at(key, sizeof(key), 50, false);

	(void)state;
	assert_int_equal(item.here_is, MF_BYTES_TEXT);
	assert_null(strstr(item.here, "ggSj"));
	assert_true(item.secrets > 0);
	forget(&item);
}

static void test_signatures(void **state)
{
	static const char png[64] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1"
				    "\0\0\0\1\x8\6\0\0\0\x1f\x15\xc4\x89";
	struct mf_explained item = look(png, sizeof(png), sizeof(png), false);

	(void)state;
	assert_non_null(item.signature);
	assert_string_equal(item.signature, "PNG picture");
	forget(&item);
	item = look("nothing of the kind", 20, 20, false);
	assert_null(item.signature);
	forget(&item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_numbers),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_secrets_are_masked),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_text_further_in),
		cmocka_unit_test(test_secrets_further_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
