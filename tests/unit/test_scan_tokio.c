/*
 * Tokio's tasks in forged programs of every generation of its layout: which
 * tables are vtables of tasks, which words are headers, and what state they are
 * in, however the bytes are cut into windows.
 */
#include "rust_util.h"
#include "scan/scanners.h"
#include "scan/tokio.h"

enum {
	BYTES = PAGE,
	WORDS = BYTES / 8,
	RUNNING = 1,
	COMPLETE = 2,
	NOTIFIED = 4,
	ONE_REFERENCE = 64,
	VTABLE = RUST_CONSTANTS,
	CELL = 64, /* bytes from one to the next */
};

/** A program, and a window of memory of which tasks are parts. */
struct world {
	struct rust_program program;
	uint64_t words[WORDS];
	struct forged_scan scan;
};

/* ---- forging ------------------------------------------------------------------ */

static uint32_t put_functions(struct rust_program *program, uint32_t offset,
			      unsigned count)
{
	for (unsigned i = 0; i < count; i++, offset += 8)
		rust_put_u64(program, offset, rust_base + rust_function(i));
	return offset;
}

/* Seven functions, then the offsets of trailer, scheduler and id. */
static void put_vtable(struct rust_program *program, uint32_t offset,
		       uint64_t trailer, uint64_t scheduler, uint64_t id)
{
	offset = put_functions(program, offset, 7);
	rust_put_u64(program, offset, trailer);
	rust_put_u64(program, offset + 8, scheduler);
	rust_put_u64(program, offset + 16, id);
}

/* RELEASE: "24.2"; NULL: it does not say. */
static void world_init(struct world *world, const char *release)
{
	char path[64];

	memset(world, 0, sizeof(*world));
	rust_program_init(&world->program);
	snprintf(path, sizeof(path), "/c/tokio-1.%s/src/runtime/task/raw.rs",
		 release ? release : "");
	if (release) {
		/* poll has a place of a panic in Tokio's own code */
		uint64_t at = rust_location(&world->program, path, 3, true);

		rust_take(&world->program, rust_function(0), at);
	}
}

static void world_open(struct world *world)
{
	rust_program_open(&world->program);
	mf_target_forge_mapping(world->program.target,
				&(struct mf_mapping){
					.start = FORGED_SCAN_ADDRESS,
					.end = FORGED_SCAN_ADDRESS + BYTES,
					.perms = RW,
					.path = "",
				},
				world->words, NULL);
	forged_scan_init(&world->scan, world->words, BYTES);
	world->scan.input.target = world->program.target;
	world->scan.input.image = world->program.image;
}

static void world_deinit(struct world *world)
{
	forged_scan_deinit(&world->scan);
	rust_program_deinit(&world->program);
}

static size_t vtables_in(struct world *world)
{
	struct mf_tokio *tokio =
		forged_scan_run(&world->scan, &mf_scan_tasks_ops, 0);

	return tokio->vtables.count;
}

static uint64_t count_of(const struct mf_tokio *tokio,
			 enum mf_tokio_state state)
{
	uint64_t count = 0;

	for (size_t i = 0; i < tokio->rows.count; i++)
		count += tokio->rows.items[i].tally.count[state];
	return count;
}

/* ---- vtables ------------------------------------------------------------------- */

static void test_releases(void **state)
{
	static const struct {
		unsigned minor;
		uint8_t functions, vtable_word;
	} cases[] = {
		{ 0, 5, 5 },  { 8, 5, 5 },  { 9, 6, 4 },  { 20, 6, 4 },
		{ 21, 8, 2 }, { 22, 8, 2 }, { 23, 7, 2 }, { 53, 7, 2 },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		const struct mf_tokio_release *release =
			mf_tokio_release_of(cases[i].minor);

		assert_int_equal(release->functions, cases[i].functions);
		assert_int_equal(release->vtable_word, cases[i].vtable_word);
	}
}

static void test_shapes(void **state)
{
	static const uint64_t offsets[][3] = {
		{ 100, 32, 40 },  /* a trailer that is not aligned */
		{ 96, 24, 40 },	  /* a scheduler inside of the header */
		{ 96, 32, 24 },	  /* an id before it */
		{ 40, 32, 40 },	  /* no future at all */
		{ 96, 32, 36 },	  /* an id that is not aligned */
		{ 96, 256, 264 }, /* a scheduler too far away */
	};
	struct world world;

	(void)state;
	world_init(&world, NULL);
	put_vtable(&world.program, VTABLE, 96, 32, 40);
	put_vtable(&world.program, VTABLE + 0x100, 1 << 20, 32, 32);
	/* its beginning in the first window that is read, its end not */
	put_vtable(&world.program, RUST_CONSTANTS + 256 * PAGE - 40, 64, 32,
		   40);
	for (unsigned i = 0; i < MF_ARRAY_SIZE(offsets); i++)
		put_vtable(&world.program, VTABLE + 0x800 + 0x100 * i,
			   offsets[i][0], offsets[i][1], offsets[i][2]);
	/* one behind a function of another table; one that lacks its first */
	put_functions(&world.program, VTABLE + 0x1ff8, 1);
	put_vtable(&world.program, VTABLE + 0x2000, 96, 32, 40);
	put_vtable(&world.program, VTABLE + 0x3000, 96, 32, 40);
	rust_put_u64(&world.program, VTABLE + 0x3000, 0);
	world_open(&world);
	assert_int_equal(vtables_in(&world), 4);
	world_deinit(&world);
}

/* ---- headers -------------------------------------------------------------------- */

static void put_cell(struct world *world, unsigned number, uint64_t flags,
		     const struct mf_tokio_release *release)
{
	uint64_t *cell = world->words + (size_t)number * CELL / 8;

	cell[0] = flags;
	cell[release->vtable_word] = rust_base + VTABLE;
}

static void test_headers(void **state)
{
	static const unsigned minors[] = { 0, 9, 21, 23 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(minors); i++) {
		struct mf_tokio_vtable vtable = {
			.address = 0x1000,
			.release = mf_tokio_release_of(minors[i]),
		};
		uint64_t header[MF_TOKIO_HEADER] = { ONE_REFERENCE };
		enum mf_tokio_state found = MF_TOKIO_STATES;

		assert_false(mf_tokio_read_header(&vtable, header, &found));
		header[vtable.release->vtable_word] = 0x1000;
		assert_true(mf_tokio_read_header(&vtable, header, &found));
		assert_int_equal(found, MF_TOKIO_IDLE);
		header[0] = ONE_REFERENCE | NOTIFIED;
		assert_true(mf_tokio_read_header(&vtable, header, &found));
		assert_int_equal(found, MF_TOKIO_SCHEDULED);
		header[0] = ONE_REFERENCE | RUNNING | NOTIFIED;
		assert_true(mf_tokio_read_header(&vtable, header, &found));
		assert_int_equal(found, MF_TOKIO_RUNNING);
		header[0] = ONE_REFERENCE | COMPLETE;
		assert_true(mf_tokio_read_header(&vtable, header, &found));
		assert_int_equal(found, MF_TOKIO_COMPLETE);
		/* both at once; nobody's; a queue of nonsense */
		header[0] = ONE_REFERENCE | COMPLETE | RUNNING;
		assert_false(mf_tokio_read_header(&vtable, header, &found));
		header[0] = COMPLETE;
		assert_false(mf_tokio_read_header(&vtable, header, &found));
		header[0] = ONE_REFERENCE;
		header[vtable.release->queue_word] = 3;
		assert_false(mf_tokio_read_header(&vtable, header, &found));
	}
}

/* ---- counting -------------------------------------------------------------------- */

/* Four states, one of each more than of the one before, then what is none. */
static void put_cells(struct world *world,
		      const struct mf_tokio_release *release)
{
	static const uint64_t flags[] = {
		ONE_REFERENCE,
		ONE_REFERENCE | NOTIFIED,
		ONE_REFERENCE | NOTIFIED,
		2 * ONE_REFERENCE | RUNNING,
		ONE_REFERENCE | RUNNING,
		ONE_REFERENCE | RUNNING,
		ONE_REFERENCE | COMPLETE,
		3 * ONE_REFERENCE | COMPLETE,
		ONE_REFERENCE | COMPLETE,
		ONE_REFERENCE | COMPLETE | 8,
		COMPLETE,
		ONE_REFERENCE | COMPLETE | RUNNING,
	};

	for (unsigned i = 0; i < MF_ARRAY_SIZE(flags); i++)
		put_cell(world, i, flags[i], release);
	/* a word that points there, and nothing around it */
	world->words[WORDS - 1] = rust_base + VTABLE;
}

static void counts_are(struct world *world, uint32_t split)
{
	const struct mf_tokio *tokio =
		forged_scan_run(&world->scan, &mf_scan_tasks_ops, split);

	for (enum mf_tokio_state i = 0; i < MF_TOKIO_STATES; i++)
		if (count_of(tokio, i) != i + 1)
			fail_msg("split at %u: %u of state %u", split,
				 (unsigned)count_of(tokio, i), i);
}

static void count_everywhere(struct world *world)
{
	counts_are(world, 0);
	for (uint32_t split = 8; split < 12 * CELL; split += 8)
		counts_are(world, split);
}

static void test_counts(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, NULL);
	put_vtable(&world.program, VTABLE, 96, 32, 40);
	put_cells(&world, mf_tokio_release_of(24));
	world_open(&world);
	count_everywhere(&world);
	/* and the same of chunks */
	for (uint32_t i = 0; i < 12; i++)
		forged_scan_chunk(&world.scan, i * CELL, i * CELL + CELL - 8);
	world.scan.pieces.items[0] = world.scan.pieces.items[1];
	memmove(world.scan.pieces.items, world.scan.pieces.items + 1,
		12 * sizeof(*world.scan.pieces.items));
	world.scan.pieces.count = 12;
	count_everywhere(&world);
	world_deinit(&world);
}

/* Before 1.23 a vtable has nothing but functions: which of them are tasks' is
 * told by what their code is. */
static void test_old_releases(void **state)
{
	static const struct {
		const char *release;
		unsigned minor, functions;
	} cases[] = { { "0.1", 0, 5 },
		      { "8.0", 8, 6 },
		      { "15.0", 15, 6 },
		      { "20.3", 20, 8 } };
	struct world world;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		world_init(&world, cases[i].release);
		put_functions(&world.program, VTABLE, cases[i].functions);
		put_cells(&world, mf_tokio_release_of(cases[i].minor));
		world_open(&world);
		count_everywhere(&world);
		world_deinit(&world);
	}
	/* of eight functions, then the offset of the trailer */
	world_init(&world, "22.0");
	put_functions(&world.program, VTABLE, 8);
	rust_put_u64(&world.program, VTABLE + 64, 96);
	put_cells(&world, mf_tokio_release_of(22));
	world_open(&world);
	count_everywhere(&world);
	world_deinit(&world);
	/* the same, but that no code of Tokio's is reached */
	world_init(&world, "22.0");
	memset(world.program.bytes + rust_function(0), 0xcc, RUST_FUNCTION);
	put_functions(&world.program, VTABLE, 8);
	rust_put_u64(&world.program, VTABLE + 64, 96);
	put_cells(&world, mf_tokio_release_of(22));
	world_open(&world);
	assert_int_equal(((struct mf_tokio *)forged_scan_run(
				  &world.scan, &mf_scan_tasks_ops, 0))
				 ->rows.count,
			 0);
	world_deinit(&world);
}

/* Tasks inside of chunks count when there are none that are chunks; chunks that
 * are free do not count at all. */
static void test_chunks(void **state)
{
	const struct mf_tokio_release *release = mf_tokio_release_of(24);
	const struct mf_tokio *tokio;
	struct world world;

	(void)state;
	world_init(&world, NULL);
	put_vtable(&world.program, VTABLE, 96, 32, 40);
	put_cell(&world, 1, ONE_REFERENCE, release);
	put_cell(&world, 2, ONE_REFERENCE, release);
	put_cell(&world, 5, ONE_REFERENCE, release);
	world_open(&world);
	forged_scan_chunk(&world.scan, 0, 4 * CELL);
	forged_scan_chunk(&world.scan, 5 * CELL, 6 * CELL);
	tokio = forged_scan_run(&world.scan, &mf_scan_tasks_ops, 0);
	assert_int_equal(count_of(tokio, MF_TOKIO_IDLE), 1);
	assert_int_equal(tokio->rows.items[0].tally.bytes[MF_TOKIO_IDLE],
			 CELL + 8);
	world.scan.pieces.items[1].kind = MF_KIND_FREE;
	tokio = forged_scan_run(&world.scan, &mf_scan_tasks_ops, 0);
	assert_int_equal(count_of(tokio, MF_TOKIO_IDLE), 2);
	world.scan.pieces.items[0].kind = MF_KIND_TCACHE;
	tokio = forged_scan_run(&world.scan, &mf_scan_tasks_ops, 0);
	assert_int_equal(tokio->rows.count, 0);
	world_deinit(&world);
}

/* ---- names ------------------------------------------------------------------------ */

static void test_rows(void **state)
{
	struct world world;
	uint64_t at;

	(void)state;
	world_init(&world, "40.0");
	at = rust_location(&world.program, "src/main.rs", 33, false);
	rust_take(&world.program, rust_function(0), at);
	put_vtable(&world.program, VTABLE, 96, 32, 40);
	put_cell(&world, 0, ONE_REFERENCE, mf_tokio_release_of(40));
	put_cell(&world, 1, ONE_REFERENCE | COMPLETE, mf_tokio_release_of(40));
	world_open(&world);
	forged_scan_run(&world.scan, &mf_scan_tasks_ops, 0);
	assert_non_null(strstr(
		forged_scan_json(&world.scan),
		"{\"future\": \"src/main.rs:33:5\", \"state\": \"idle\", "
		"\"count\": 1, \"bytes\": 128, \"example\": "
		"\"0x7f0000100000\", \"evidence\": \"source\"}"));
	assert_non_null(strstr(forged_scan_json(&world.scan),
			       "\"state\": \"complete\", \"count\": 1"));
	world_deinit(&world);
}

/* A task whose future is a fat pointer is called as what that leads to. */
static void test_boxed(void **state)
{
	const struct mf_tokio_release *release = mf_tokio_release_of(40);
	struct world world;
	uint64_t at, trait = VTABLE + 0x200;

	(void)state;
	world_init(&world, NULL);
	rust_string(&world.program, "/library/core/src/");
	at = rust_location(&world.program, "src/box.rs", 9, false);
	rust_take(&world.program, rust_function(20), at);
	rust_put_u64(&world.program, trait, 0);
	rust_put_u64(&world.program, trait + 8, 24);
	rust_put_u64(&world.program, trait + 16, 8);
	rust_put_u64(&world.program, trait + 24, rust_base + rust_function(20));
	put_vtable(&world.program, VTABLE, 80, 32, 40);
	put_cell(&world, 0, ONE_REFERENCE, release);
	world.words[7] = FORGED_SCAN_ADDRESS + 1024;
	world.words[8] = rust_base + trait;
	/* one that is done has its result there */
	put_cell(&world, 4, ONE_REFERENCE | COMPLETE, release);
	world_open(&world);
	for (uint32_t split = 0; split < 3 * CELL; split += 8) {
		forged_scan_run(&world.scan, &mf_scan_tasks_ops, split);
		assert_non_null(strstr(forged_scan_json(&world.scan),
				       "\"future\": \"Box<src/box.rs:9:5>\", "
				       "\"state\": \"idle\", \"count\": 1"));
		assert_non_null(
			strstr(forged_scan_json(&world.scan),
			       "\"future\": \"poll at program+0x2000\", "
			       "\"state\": \"complete\", \"count\": 1"));
	}
	world_deinit(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_releases),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_old_releases),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_boxed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
