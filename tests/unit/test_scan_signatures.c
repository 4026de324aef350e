/*
 * Signatures: what other programs made is found, once, with its length, however
 * windows cut it; what only begins alike, and random bytes, are not.
 */
#include <inttypes.h>

#include "scan/scanners.h"
#include "scan/signatures.h"
#include "scan/signatures_magics.h"
#include "scan_util.h"
#include "unit.h"

enum {
	BEFORE = 4096, /* bytes before a sample, of no format */
	ROOM = 16384,  /* for bytes of a test */
	SAMPLE_MOST = 8200,
};

/* Made by the programs that its name says, or by the format's description. */
struct sample {
	const char *file, *name;
	unsigned count;
};

static const struct sample samples[] = {
	{ "certificate-der", "X.509 certificate (DER)", 1 },
	{ "certificate-pem", "X.509 certificate (PEM)", 1 },
	{ "class", "Java class file", 1 },
	{ "elf", "ELF object", 1 },
	{ "gzip", "gzip stream", 1 },
	{ "html", "HTML document", 1 },
	{ "http-nginx", "HTTP request", 1 },
	{ "http-request", "HTTP request", 1 },
	{ "http-response", "HTTP response", 1 },
	{ "innodb-page", "InnoDB page", 1 },
	{ "jar", "JAR archive", 1 },
	{ "jpeg", "JPEG picture", 1 },
	{ "json-array", "JSON", 1 },
	{ "json-object", "JSON", 1 },
	{ "key-ec8", "private key (DER)", 1 },
	{ "key-ed25519", "private key (DER)", 1 },
	{ "key-encrypted", "private key, encrypted (PEM)", 1 },
	{ "key-openssh", "private key (OpenSSH)", 1 },
	{ "key-pem", "private key (PEM)", 1 },
	{ "key-pkcs1", "private key (DER)", 1 },
	{ "key-pkcs8", "private key (DER)", 1 },
	{ "key-sec1", "private key (DER)", 1 },
	{ "lz4", "LZ4 frame", 1 },
	{ "lz4-9", "LZ4 frame", 1 },
	{ "mysql-column", "MySQL protocol", 1 },
	{ "mysql-greeting", "MySQL protocol", 1 },
	{ "mysql-query", "MySQL protocol", 1 },
	{ "pdf", "PDF document", 1 },
	{ "png", "PNG picture", 1 },
	{ "postgres-answer", "PostgreSQL protocol", 4 },
	{ "postgres-error", "PostgreSQL protocol", 1 },
	{ "postgres-page", "PostgreSQL page", 1 },
	{ "postgres-query", "PostgreSQL protocol", 1 },
	{ "postgres-startup", "PostgreSQL protocol", 1 },
	{ "public-pem", "PEM text", 1 },
	{ "resp", "Redis protocol (RESP)", 2 },
	{ "snappy", "snappy stream", 1 },
	{ "sqlite-first", "SQLite page", 1 },
	{ "sqlite-index-leaf", "SQLite page", 1 },
	{ "sqlite-table-interior", "SQLite page", 1 },
	{ "sqlite-table-leaf", "SQLite page", 1 },
	{ "tls-alert", "TLS records", 1 },
	{ "tls-data", "TLS records", 4 },
	{ "tls-hello", "TLS records", 1 },
	{ "xml", "XML document", 1 },
	{ "zip", "ZIP archive", 1 },
	{ "zip-directory", "ZIP directory", 1 },
	{ "zlib-1", "zlib stream", 1 },
	{ "zlib-8k", "zlib stream", 1 },
	{ "zlib-9", "zlib stream", 1 },
	{ "zlib-stored", "zlib stream", 1 },
	{ "zstd", "zstd frame", 1 },
	{ "zstd-19", "zstd frame", 1 },
};

static size_t read_sample(const char *file, uint8_t *bytes)
{
	mf_auto_free char *path =
		mf_asprintf("tests/fuzz/corpus/fuzz_signatures/%s", file);
	FILE *stream = fopen(path, "rb");
	size_t size;

	assert_non_null(stream);
	size = fread(bytes, 1, SAMPLE_MOST, stream);
	fclose(stream);
	assert_true(size > 0 && size < SAMPLE_MOST);
	return size;
}

/* ---- a forged scan, whose bytes can be read again ------------------------------- */

struct bench {
	uint8_t bytes[ROOM];
	struct mf_target *target;
	struct forged_scan scan;
};

static struct bench *bench_create(void)
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
	forged_scan_run(&bench->scan, &mf_scan_signatures_ops, split);
	forged_scan_json(&bench->scan);
}

/* Just one name is in what was found, with these figures. */
static void assert_only(struct bench *bench, const char *name, unsigned count,
			size_t bytes, uint64_t first)
{
	mf_auto_free char *expected = mf_asprintf(
		"{\"name\": \"%s\", \"count\": %u, \"bytes\": %zu, ", name,
		count, bytes);
	mf_auto_free char *address =
		mf_asprintf("\"first\": \"0x%" PRIx64 "\"", first);
	const char *json = bench->scan.json, *row;

	row = strstr(json, expected);
	if (!row || !strstr(row, address) || strstr(row, "},\n"))
		fail_msg("not %s at %" PRIx64 ":\n%s", expected, first, json);
}

static void assert_nothing(const struct bench *bench)
{
	if (strstr(bench->scan.json, "\"count\""))
		fail_msg("%s", bench->scan.json);
}

/* ---- tests ------------------------------------------------------------------------ */

/* Each alone in a chunk of just its size. */
static void test_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(samples); i++) {
		struct bench *bench = bench_create();
		size_t size =
			read_sample(samples[i].file, bench->bytes + BEFORE);

		forged_scan_chunk(&bench->scan, BEFORE,
				  BEFORE + (uint32_t)size);
		run(bench, 0);
		assert_only(bench, samples[i].name, samples[i].count, size,
			    FORGED_SCAN_ADDRESS + BEFORE);
		bench_destroy(bench);
	}
}

/* Zeros or ones around it, cut anywhere. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(samples); i++) {
		struct bench *bench = bench_create();
		size_t size =
			read_sample(samples[i].file, bench->bytes + BEFORE);
		size_t step = size > 64 ? 1 + size / 61 : 1;

		/* That it begins where a chunk does is part of what it is. */
		forged_scan_chunk(&bench->scan, BEFORE,
				  BEFORE + (uint32_t)size);
		for (size_t at = 1; at < size; at += step) {
			if (!strcmp(samples[i].file, "protobuf"))
				continue;
			run(bench, (uint32_t)(BEFORE + at));
			assert_only(bench, samples[i].name, samples[i].count,
				    size, FORGED_SCAN_ADDRESS + BEFORE);
		}
		bench_destroy(bench);
	}
}

/* Behind it what is no part of it: its own length is what counts. */
static void test_own_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(samples); i++) {
		struct bench *bench = bench_create();
		size_t size;

		memset(bench->bytes, 0xfe, ROOM);
		size = read_sample(samples[i].file, bench->bytes + BEFORE);
		run(bench, 0);
		assert_only(bench, samples[i].name, samples[i].count, size,
			    FORGED_SCAN_ADDRESS + BEFORE);
		bench_destroy(bench);
	}
}

/* A chunk of protocol buffers that nothing was written to behind them. */
static void test_protobuf(void **state)
{
	struct bench *bench = bench_create();
	size_t size = read_sample("protobuf", bench->bytes + BEFORE);

	(void)state;
	forged_scan_chunk(&bench->scan, BEFORE, BEFORE + 200);
	run(bench, 0);
	assert_only(bench, "protobuf-like message", 1, size,
		    FORGED_SCAN_ADDRESS + BEFORE);
	bench->bytes[BEFORE + size] = 0x7f;
	run(bench, 0);
	assert_nothing(bench);
	bench_destroy(bench);
}

/* Ends anywhere, and no byte behind that is looked at (sanitizers tell). */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(samples); i++) {
		struct bench *bench = bench_create();
		size_t size =
			read_sample(samples[i].file, bench->bytes + BEFORE);

		for (size_t left = 1; left < MF_MIN(size, (size_t)300);
		     left += 1 + left / 24) {
			bench->scan.pieces.count = 0;
			forged_scan_chunk(&bench->scan, BEFORE,
					  BEFORE + (uint32_t)left);
			run(bench, 0);
		}
		bench_destroy(bench);
	}
}

/* Magics alone are nothing. */
static void test_magics_alone(void **state)
{
	struct bench *bench = bench_create();
	const struct mf_signature *rows;
	size_t count, at = 64;

	(void)state;
	rows = mf_signatures(&count);
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(rows[i].name, "HTTP/2 preface"))
			continue;
		memcpy(bench->bytes + at + rows[i].at, rows[i].magic,
		       rows[i].size);
		at += 64;
	}
	run(bench, 0);
	assert_nothing(bench);
	bench_destroy(bench);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* What random bytes, addresses and small numbers are not. */
static void test_nothing_in_noise(void **state)
{
	struct bench *bench = bench_create();
	uint64_t seed = 88172645463325252;

	(void)state;
	for (int round = 0; round < 60; round++) {
		for (size_t at = 0; at < ROOM; at += 8) {
			uint64_t word = next_random(&seed);

			if (round % 3 == 1)
				word = UINT64_C(0x7f3a00000000) |
				       (word & 0xfffffff8);
			else if (round % 3 == 2)
				word &= 0x3f0000003f;
			memcpy(bench->bytes + at, &word, 8);
		}
		run(bench, 0);
		assert_nothing(bench);
	}
	bench_destroy(bench);
}

/* A key is named, and no byte of it is in the report. */
static void test_keys_are_masked(void **state)
{
	static const char *const files[] = { "key-pem", "key-pkcs1",
					     "key-pkcs8", "key-encrypted" };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(files); i++) {
		struct bench *bench = bench_create();

		read_sample(files[i], bench->bytes);
		run(bench, 0);
		assert_non_null(strstr(bench->scan.json, "masked"));
		assert_null(strstr(bench->scan.json, "MII"));
		bench_destroy(bench);
	}
}

/* TEXT with its line ends written out, as JSON has it; returns its size. */
static size_t write_out(const uint8_t *text, size_t size, uint8_t *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n') {
			ret[used++] = '\\';
			ret[used++] = 'n';
		} else {
			ret[used++] = text[i];
		}
	}
	return used;
}

/* A key in JSON is both, once each, wherever windows cut it. */
static void test_key_in_json(void **state)
{
	static const char before[] = "{\"name\": \"x\", \"key\": \"",
			  behind[] = "\", \"size\": 2048}";
	struct bench *bench = bench_create();
	uint8_t key[SAMPLE_MOST];
	size_t size = read_sample("key-pem", key), end = BEFORE;

	(void)state;
	memcpy(bench->bytes + end, before, sizeof(before) - 1);
	end += sizeof(before) - 1;
	end += write_out(key, size, bench->bytes + end);
	memcpy(bench->bytes + end, behind, sizeof(behind) - 1);
	end += sizeof(behind) - 1;
	forged_scan_chunk(&bench->scan, BEFORE, (uint32_t)end);
	for (size_t cut = 0; cut < end; cut += cut ? 61 : BEFORE + 1) {
		mf_auto_free char *json = mf_asprintf(
			"{\"name\": \"JSON\", \"count\": 1, \"bytes\": %zu, ",
			end - BEFORE);

		run(bench, (uint32_t)cut);
		assert_non_null(strstr(bench->scan.json, json));
		assert_non_null(strstr(
			bench->scan.json,
			"{\"name\": \"private key (PEM)\", \"count\": 1, "));
		assert_null(strstr(bench->scan.json, "MII"));
	}
	bench_destroy(bench);
}

/* Two of a kind add up, and the lower is the first. */
static void test_counts(void **state)
{
	struct bench *bench = bench_create();
	size_t size = read_sample("gzip", bench->bytes + 1000);

	(void)state;
	memcpy(bench->bytes + 9000, bench->bytes + 1000, size);
	run(bench, 0);
	assert_only(bench, "gzip stream", 2, 2 * size,
		    FORGED_SCAN_ADDRESS + 1000);
	run(bench, 5000);
	assert_only(bench, "gzip stream", 2, 2 * size,
		    FORGED_SCAN_ADDRESS + 1000);
	bench_destroy(bench);
}

/* Openers of every kind, as thick as they can stand, cost no more than bytes. */
static void test_hostile(void **state)
{
	static const char *const openers[] = { "{\"a\":", "[[\"",
					       "GET /",	  "%PDF-1.4\n",
					       "PK\3\4",  "\xff\xd8\xff\xe0" };
	struct bench *bench = bench_create();

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(openers); i++) {
		size_t size = strlen(openers[i]);

		for (size_t at = 0; at + size <= ROOM; at += size)
			memcpy(bench->bytes + at, openers[i], size);
		run(bench, 0);
	}
	bench_destroy(bench);
}

/* Whether the row's decoder takes BYTES for one, or for a part of one. */
static bool is_taken(const struct mf_signature *row, const uint8_t *bytes,
		     size_t size)
{
	size_t effort = MF_SIGN_EFFORT;
	const struct mf_sign sign = {
		.bytes = bytes,
		.size = size,
		.more = true,
		.room = UINT32_MAX,
		.rest = size,
		.effort = &effort,
	};
	struct mf_sign_found found = { .count = 1 };

	return row->decode(&sign, &found) != MF_SIGN_NOT;
}

static bool is_listed(const uint32_t *places, size_t count, size_t place)
{
	for (size_t i = 0; i < count; i++)
		if (places[i] == place)
			return true;
	return false;
}

/* What is looked at before the decoders drops nothing that they would take. */
static void test_places(void **state)
{
	enum {
		SIZE = 2048,
		AT = 1024,
		ROUNDS = 60,
	};
	/* lengths, and the header of a page, as they may be */
	static const uint64_t masks[] = { UINT64_MAX, 0xffff,
					  UINT64_C(0x3f0000ffff0000) };
	const struct mf_magics *magics = mf_magics();
	uint8_t *bytes = mf_calloc_aligned(64, SIZE + MF_SCAN_SLACK);
	uint32_t places[MF_MAGICS_PLACES];
	uint64_t seed = 88172645463325252;
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; i < ROUNDS * magics->count; i++) {
		uint16_t row = (uint16_t)(i % magics->count);
		const struct mf_signature *signature = &magics->rows[row];
		uint8_t *magic = bytes + AT + signature->at;
		uint64_t word =
			next_random(&seed) & masks[i / magics->count % 3];
		size_t count;

		memset(bytes, 0, SIZE);
		memcpy(magic + signature->size, &word, sizeof(word));
		memcpy(magic, signature->magic, signature->size);
		if (signature->where == MF_SIGN_BEGINS ||
		    (mf_load(uint64_t, signature->some) &&
		     !is_taken(signature, bytes + AT, SIZE - AT)))
			continue;
		taken += mf_load(uint64_t, signature->some) != 0;
		count = mf_magics_find(magics, bytes, SIZE, 0, places);
		assert_true(is_listed(places, count,
				      AT + signature->at +
					      magics->heads[row].lead));
	}
	assert_true(taken > ROUNDS / 3);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_own_length),
		cmocka_unit_test(test_protobuf),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_magics_alone),
		cmocka_unit_test(test_nothing_in_noise),
		cmocka_unit_test(test_keys_are_masked),
		cmocka_unit_test(test_key_in_json),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
