/*
 * Code without symbols: what it calls, where its source is; names of types; and
 * trait objects, each once.
 */
#include "rust_util.h"
#include "scan/code.h"
#include "scan/rust_vtables.h"
#include "scan/scanners.h"

/* ---- code -------------------------------------------------------------------- */

struct seen {
	enum mf_code_kind kind[16];
	uint64_t target[16];
	size_t count;
};

static void see(enum mf_code_kind kind, uint64_t target, void *data)
{
	struct seen *seen = data;

	if (seen->count == 16)
		return;
	seen->kind[seen->count] = kind;
	seen->target[seen->count++] = target;
}

static bool has_seen(const struct seen *seen, enum mf_code_kind kind,
		     uint64_t target)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->kind[i] == kind && seen->target[i] == target)
			return true;
	return false;
}

static void test_x86_64(void **state)
{
	static const uint8_t bytes[] = {
		0x48, 0x8d, 0x3d, 0x00, 0x01, 0x00, 0x00, /* lea rdi */
		0x4c, 0x8d, 0x05, 0xf0, 0xff, 0xff, 0xff, /* lea r8, back */
		0xff, 0x15, 0x10, 0x00, 0x00, 0x00,	  /* call [rip + 16] */
		0xe9, 0xfb, 0xff, 0xff, 0xff,		  /* jmp to itself */
		0xe8, 0x10, 0x00, 0x00, 0x00,		  /* call, the last */
	};
	struct seen seen = { 0 };

	(void)state;
	mf_code_read_x86_64(bytes, sizeof(bytes), 0x1000, see, &seen);
	assert_true(has_seen(&seen, MF_CODE_DATA, 0x1107));
	assert_true(has_seen(&seen, MF_CODE_DATA, 0x0ffe));
	assert_true(has_seen(&seen, MF_CODE_SLOT, 0x1024));
	assert_true(has_seen(&seen, MF_CODE_CALL, 0x1014));
	assert_true(has_seen(&seen, MF_CODE_CALL, 0x102e));
}

static void test_aarch64(void **state)
{
	static const uint32_t words[] = {
		0x94000004, /* bl +16 */
		0x17ffffff, /* b -4 */
		0xb0000001, /* adrp x1, the next page */
		0x91010020, /* add x0, x1, #64 */
		0x10000080, /* adr x0, +16 */
		0x91010040, /* add x0, x2, #64: of no page */
	};
	struct seen seen = { 0 };

	(void)state;
	mf_code_read_aarch64((const uint8_t *)words, sizeof(words), 0x1000, see,
			     &seen);
	assert_int_equal(seen.count, 4);
	assert_true(has_seen(&seen, MF_CODE_CALL, 0x1010));
	assert_true(has_seen(&seen, MF_CODE_CALL, 0x1000));
	assert_true(has_seen(&seen, MF_CODE_DATA, 0x2040));
	assert_true(has_seen(&seen, MF_CODE_DATA, 0x1020));
}

/* Whatever is cut off, nothing behind it is read (the sanitizers see that). */
static void test_short_code(void **state)
{
	static const uint8_t bytes[] = { 0x48, 0x8d, 0x3d, 0xe8, 0xff, 0x15,
					 0x94, 0x97, 0xe9, 0xb8, 0xe8 };

	(void)state;
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		uint8_t *copy = mf_calloc(1, size ? size : 1);
		struct seen seen = { 0 };

		memcpy(copy, bytes, size);
		mf_code_read_x86_64(copy, size, 0x1000, see, &seen);
		mf_code_read_aarch64(copy, size, 0x1000, see, &seen);
		free(copy);
	}
}

/* ---- names ------------------------------------------------------------------- */

static void test_arguments(void **state)
{
	static const struct {
		const char *name, *before, *argument;
	} cases[] = {
		{ "core::ptr::drop_in_place<a::B>", "drop_in_place<", "a::B" },
		{ "t::raw::poll::<a::B<C, D>, e::F>", "poll::<", "a::B<C, D>" },
		{ "f<fn(A, B) -> C, D>", "f<", "fn(A, B) -> C" },
		{ "f<[u8; 3], D>", "f<", "[u8; 3]" },
		{ "f<(A, B)>", "f<", "(A, B)" },
		{ "f<dyn Fn(A) -> B + Send>", "f<", "dyn Fn(A) -> B + Send" },
		{ "g<core::future::from_generator::GenFuture<a::{{closure}}>>",
		  "g<", "a::{{closure}}" },
		{ "g<P<core::future::from_generator::GenFuture<a>>, S>", "g<",
		  "P<a>" },
		{ "f<>", "f<", NULL },
		{ "f", "f<", NULL },
		{ "f<a", "f<", "a" },
		{ "f<core::future::from_generator::GenFuture<", "f<", "" },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		mf_auto_free char *found =
			mf_rust_argument(cases[i].name, cases[i].before);

		if (cases[i].argument)
			assert_string_equal(found, cases[i].argument);
		else
			assert_null(found);
	}
}

/* ---- sources ------------------------------------------------------------------ */

/* As an async function is compiled: its body's place twice, others once; what it
 * calls has places, too. */
static void forge_sources(struct rust_program *program)
{
	uint64_t at = rust_function(0);
	uint64_t body = rust_location(program, "src/main.rs", 33, false);
	uint64_t early = rust_location(program, "src/main.rs", 12, true);
	uint64_t library =
		rust_location(program, "library/core/src/x.rs", 1, false);
	uint64_t task = rust_location(
		program, "/c/tokio-1.24.2/src/runtime/task/core.rs", 2, false);
	uint64_t crate = rust_location(
		program, "/h/registry/src/index-1/hyper-1.0.0/src/a.rs", 7,
		false);

	/* poll: Tokio's own, then the future's */
	at = rust_take(program, at, task);
	at = rust_call(program, at, rust_function(1));
	rust_take(program, at, library);
	at = rust_take(program, rust_function(1), early);
	at = rust_take(program, at, body);
	at = rust_take(program, at, body);
	rust_call(program, at, rust_function(2));
	rust_take(program, rust_function(2), crate);
	/* one that has only a crate's code, one that has none */
	rust_call(program, rust_function(4), rust_function(2));
	rust_call(program, rust_function(5), rust_function(5));
}

static void source_is(struct rust_program *program, unsigned function,
		      const char *source)
{
	struct mf_follower *follower = mf_follower_create(
		program->target, program->image, rust_module(program));
	uint64_t start = rust_base + rust_function(function);
	mf_auto_free char *found =
		mf_rust_source(follower, program->target, &start, 1, 4);

	if (source)
		assert_string_equal(found, source);
	else
		assert_null(found);
	mf_follower_destroy(follower);
}

static void test_sources(void **state)
{
	struct rust_program program;

	(void)state;
	rust_program_init(&program);
	forge_sources(&program);
	rust_program_open(&program);
	source_is(&program, 0, "src/main.rs:33:5");
	source_is(&program, 4, "hyper-1.0.0/src/a.rs:7:5");
	source_is(&program, 5, NULL);
	rust_program_deinit(&program);
}

/* ---- trait objects -------------------------------------------------------------- */

enum {
	VTABLE = RUST_CONSTANTS, /* 24 bytes, dropped */
	OTHER = RUST_CONSTANTS + 40,
	/* starts in one window, ends in the next */
	LATE = RUST_CONSTANTS + 255 * PAGE + PAGE - 16,
};

static void put_vtable(struct rust_program *program, uint64_t offset,
		       uint64_t drop, uint64_t size, uint64_t align)
{
	rust_put_u64(program, offset, drop);
	rust_put_u64(program, offset + 8, size);
	rust_put_u64(program, offset + 16, align);
	rust_put_u64(program, offset + 24, rust_base + rust_function(9));
}

static void forge_vtables(struct rust_program *program, bool rust)
{
	put_vtable(program, VTABLE, rust_base + rust_function(8), 24, 8);
	put_vtable(program, OTHER, 0, 64, 64);
	put_vtable(program, LATE, 0, 8, 8);
	/* none: no power of two, no multiple of it, no code */
	put_vtable(program, VTABLE + 0x100, 0, 24, 3);
	put_vtable(program, VTABLE + 0x140, 0, 20, 8);
	put_vtable(program, VTABLE + 0x180, 1, 24, 8);
	rust_string(program, rust ? "/x/library/core/src/y.rs" : "no such");
}

static void vtables_are(bool rust)
{
	struct mf_rust_vtables *vtables = NULL;
	struct rust_program program;

	rust_program_init(&program);
	forge_vtables(&program, rust);
	rust_program_open(&program);
	must(mf_rust_vtables_create(program.target, program.image, &vtables));
	assert_int_equal(vtables->list.count, rust ? 3 : 0);
	if (rust) {
		assert_non_null(
			mf_points_find(&vtables->points, rust_base + VTABLE));
		assert_non_null(
			mf_points_find(&vtables->points, rust_base + OTHER));
		assert_non_null(
			mf_points_find(&vtables->points, rust_base + LATE));
		assert_string_equal(
			mf_rust_vtable_name(vtables, vtables->list.items),
			"vtable at program+0x4000");
	}
	mf_rust_vtables_destroy(vtables);
	rust_program_deinit(&program);
}

static void test_vtables(void **state)
{
	(void)state;
	vtables_are(true);
	vtables_are(false);
}

/* A heap without chunks: what lies in anonymous memory counts. */
static void test_objects(void **state)
{
	struct rust_program program;
	struct forged_scan scan;
	uint64_t words[64] = { 0 };
	const uint64_t at = FORGED_SCAN_ADDRESS;

	(void)state;
	rust_program_init(&program);
	forge_vtables(&program, true);
	rust_program_open(&program);
	add_mapping(program.target, at, 1, RW, "");
	forged_scan_init(&scan, words, sizeof(words));
	scan.input.target = program.target;
	scan.input.image = program.image;
	/* three pointers to one object, one to another, of two vtables */
	for (size_t i = 0; i < 3; i++) {
		words[2 * i] = at + 256;
		words[2 * i + 1] = rust_base + VTABLE;
	}
	words[10] = at + 320;
	words[11] = rust_base + OTHER;
	/* none: nowhere, and not at a word */
	words[12] = 8;
	words[13] = rust_base + VTABLE;
	words[14] = at + 321;
	words[15] = rust_base + VTABLE;
	/* the vtable's address, and no pointer before it */
	words[20] = rust_base + OTHER;
	forged_scan_run(&scan, &mf_scan_objects_ops, 0);
	assert_non_null(strstr(forged_scan_json(&scan),
			       "\"type\": \"vtable at program+0x4000\", "
			       "\"language\": \"rust\", \"count\": 1, "
			       "\"bytes\": 24"));
	assert_non_null(strstr(forged_scan_json(&scan),
			       "\"type\": \"vtable at program+0x4028\", "
			       "\"language\": \"rust\", \"count\": 1, "
			       "\"bytes\": 64"));
	forged_scan_deinit(&scan);
	rust_program_deinit(&program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64),
		cmocka_unit_test(test_aarch64),
		cmocka_unit_test(test_short_code),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_vtables),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
