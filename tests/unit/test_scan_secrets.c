/*
 * What looks like a secret, what does not, and what is left of it.
 */
#include <stdio.h>

#include "memforensics/scan.h"

#include "unit.h"

struct mask_case {
	const char *text, *keys, *all;
};

/* KEYS: what is always masked; ALL: with everything. NULL: as it is. */
static const struct mask_case cases[] = {
	{ "nothing at all", NULL, NULL },
	/* private keys */
	{ "-----BEGIN PRIVATE KEY-----\nMIIEsecret\n-----END PRIVATE KEY-----",
	  "-----BEGIN PRIVATE KEY-----***********"
	  "*-----END PRIVATE KEY-----",
	  "-----BEGIN PRIVATE KEY-----***********"
	  "*-----END PRIVATE KEY-----" },
	{ "x=\"-----BEGIN RSA PRIVATE KEY-----\\nMIIEpA",
	  "x=\"-----BEGIN RSA PRIVATE KEY-----********",
	  "x=\"-----BEGIN RSA PRIVATE KEY-----********" },
	{ "-----BEGIN OPENSSH PRIVATE KEY-----abc",
	  "-----BEGIN OPENSSH PRIVATE KEY-----***",
	  "-----BEGIN OPENSSH PRIVATE KEY-----***" },
	/* its end alone */
	{ "x <3/abc+DEF\n12==\n-----END PRIVATE KEY-----",
	  "x <***************-----END PRIVATE KEY-----",
	  "x <***************-----END PRIVATE KEY-----" },
	{ "-----BEGIN CERTIFICATE-----MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B",
	  NULL, NULL },
	{ "-----BEGIN PUBLIC KEY-----\nMFkwEwYH", NULL, NULL },
	/* their base64 alone: PKCS#8 of RSA and of a curve, PKCS#1, OpenSSH */
	{ "key MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw!",
	  "key ************************************!",
	  "key ************************************!" },
	{ "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w",
	  "****************************************",
	  "****************************************" },
	{ "MIIEpAIBAAKCAQEA7bq3XwzjT5Xn0k1Yc9E8fQ==",
	  "****************************************",
	  "****************************************" },
	{ "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
	  "******************************************",
	  "******************************************" },
	/* a certificate's, and an other's */
	{ "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B", NULL, NULL },
	{ "MIIEvQIBnotakeyatallnotakeyatallnotakey!", NULL, NULL },
	/* keys and tokens of services */
	{ "id AKIAIOSFODNN7EXAMPLE.", "id AKIA****************.",
	  "id AKIA****************." },
	{ "AKIAIOSFODNN7EXAMPLEX", NULL, NULL },
	{ "XAKIAIOSFODNN7EXAMPLE", NULL, NULL },
	{ "AIzaSyA1234567890abcdefghijklmnopqrstuv",
	  "AIza***********************************",
	  "AIza***********************************" },
	{ "ghp_0123456789abcdefghijABCDEFGHIJ012345", NULL,
	  "ghp_************************************" },
	{ "ghp_short", NULL, NULL },
	{ "xoxb-123456789012-abcdef", NULL, "xoxb********************" },
	{ "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln tail", NULL,
	  "eyJ************************************** tail" },
	/* values of what is called so */
	{ "password=hunter2&user=me", NULL, "password=*******&user=me" },
	{ "{\"Password\": \"hun ter2\"}", NULL,
	  "{\"Password\": \"********\"}" },
	{ "DB_PASSWD='x y'", NULL, "DB_PASSWD='***'" },
	{ "passwords are", NULL, NULL },
	{ "password: ", NULL, NULL },
	{ "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG",
	  "aws_secret_access_key = *********************",
	  "aws_secret_access_key = *********************" },
	{ "Authorization: Bearer abc.def", NULL,
	  "Authorization: Bearer *******" },
	{ "authorization: Basic dXNlcjpwYXNz\r\nHost: a", NULL,
	  "authorization: Basic ************\r\nHost: a" },
	{ "Authorization: abc def=1", NULL, "Authorization: abc *****" },
	{ "postgres://me:s3cret@db:5432/x", NULL,
	  "postgres://me:******@db:5432/x" },
	{ "http://host:8080/path@x", NULL, NULL },
	/* addresses */
	{ "to jane.doe@example.com, please", NULL,
	  "to j*******************, please" },
	{ "user@host", NULL, NULL },
	{ "@example.com", NULL, NULL },
	/* cards, by their check digit */
	{ "4111111111111111", NULL, "4111************" },
	{ "4111 1111-1111 1111 x", NULL, "4111*************** x" },
	{ "4111111111111112", NULL, NULL },
	{ "id4111111111111111", NULL, NULL },
	{ "41111111111111110000000000", NULL, NULL },
	{ "3333333333333333", NULL, NULL },
};

static void expect(const char *text, unsigned how, const char *masked)
{
	char *own = strdup(text);

	mf_secret_mask(own, strlen(own), how);
	assert_string_equal(own, masked ? masked : text);
	free(own);
}

static void test_masks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(cases[i].text, MF_MASK_KEYS, cases[i].keys);
		expect(cases[i].text, MF_MASK_ALL, cases[i].all);
	}
}

/* What is cut off before it can be told is masked, when that is known. */
static void test_cut(void **state)
{
	(void)state;
	expect("see ghp_0123", MF_MASK_ALL, NULL);
	expect("see ghp_0123", MF_MASK_ALL | MF_MASK_CUT, "see ghp_****");
	expect("AKIAIOSF", MF_MASK_CUT, "AKIA****");
	expect("eyJhbGci", MF_MASK_ALL | MF_MASK_CUT, "eyJ*****");
	expect("amqp://u:pas", MF_MASK_ALL | MF_MASK_CUT, "amqp://u:***");
}

static void test_find(void **state)
{
	static const char text[] =
		"a@b.example and pwd=12 and 4111111111111111";
	static const enum mf_secret_kind kinds[] = {
		MF_SECRET_EMAIL,
		MF_SECRET_PASSWORD,
		MF_SECRET_CARD,
	};
	struct mf_secret secret;
	size_t from = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(mf_secret_find(text, sizeof(text) - 1, from,
					   MF_MASK_ALL, &secret));
		assert_int_equal(secret.kind, kinds[i]);
		from = secret.start + secret.size;
	}
	assert_false(mf_secret_find(text, sizeof(text) - 1, from, MF_MASK_ALL,
				    &secret));
	assert_false(mf_secret_find(text, sizeof(text) - 1, 0, MF_MASK_KEYS,
				    &secret));
	assert_string_equal(mf_secret_name(MF_SECRET_PRIVATE_KEY),
			    "private key");
}

/* DER in bytes of any kind: the head of a key of each form, and what it says
 * that its size is. */
static void test_der(void **state)
{
	static const struct {
		const char *head;
		size_t size, whole; /* of the head; of the key */
	} keys[] = {
		/* PKCS#8, RSA 2048 */
		{ "\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48",
		  14, 0x4bd + 4 },
		/* PKCS#8, Ed25519 */
		{ "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70", 12,
		  0x2e + 2 },
		/* PKCS#1, 2048 bits */
		{ "\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00", 12,
		  0x4a4 + 4 },
		/* SEC 1, P-256 */
		{ "\x30\x77\x02\x01\x01\x04\x20", 7, 0x77 + 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char bytes[2048];
		struct mf_secret secret;

		memset(bytes, 0xee, sizeof(bytes));
		memcpy(bytes + 16, keys[i].head, keys[i].size);
		assert_true(mf_secret_find(bytes, sizeof(bytes), 0,
					   MF_MASK_KEYS, &secret));
		assert_int_equal(secret.start, 16);
		assert_int_equal(secret.size, keys[i].whole);
		/* cut off, it is a key all the same */
		assert_int_equal(mf_secret_mask(bytes, 60, MF_MASK_KEYS), 1);
		assert_int_equal(bytes[15], (char)0xee);
		assert_int_equal(bytes[16], '*');
		assert_int_equal(bytes[59], '*');
	}
}

/* Any bytes, at any length: nothing but asterisks comes in. */
static void test_noise(void **state)
{
	static const char seeds[] =
		"-M0:@eAKIApassword=4111eyJ.b3Bl\x30\x82\x02\x01";
	uint32_t seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char bytes[64], masked[64];
		size_t size = 0;

		while (size < sizeof(bytes)) {
			seed = seed * 1664525 + 1013904223;
			bytes[size++] =
				seeds[(seed >> 8) % (sizeof(seeds) - 1)];
		}
		size = seed >> 16 & 63;
		memcpy(masked, bytes, sizeof(bytes));
		mf_secret_mask(masked, size, MF_MASK_ALL | (seed >> 30 & 2));
		for (size_t i = 0; i < sizeof(bytes); i++)
			assert_true(masked[i] == bytes[i] ||
				    (i < size && masked[i] == '*'));
	}
}

/* UTF-16, wherever it begins; what is not of it stays. */
static void test_wide(void **state)
{
	static const char key[] =
		"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nlast\n"
		"-----END PRIVATE KEY-----";

	(void)state;
	for (size_t odd = 0; odd < 2; odd++) {
		char text[2 * sizeof(key) + 2] = "*";
		size_t size = odd + 2 * (sizeof(key) - 1), kept = 0;

		for (size_t i = 0; i + 1 < sizeof(key); i++)
			text[odd + 2 * i] = key[i];
		assert_int_equal(mf_secret_mask_wide(text, size, MF_MASK_KEYS),
				 1);
		assert_memory_equal(text + odd, "-\0-\0-\0-\0-\0B\0", 12);
		for (size_t i = 0; i + 1 < sizeof(key); i++)
			kept += text[odd + 2 * i] == key[i];
		assert_int_equal(kept, strlen("-----BEGIN PRIVATE KEY-----"
					      "-----END PRIVATE KEY-----"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide), cmocka_unit_test(test_masks),
		cmocka_unit_test(test_cut),  cmocka_unit_test(test_find),
		cmocka_unit_test(test_der),  cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
