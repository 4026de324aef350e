/*
 * What the engine scans: every byte that is present and asked for exactly once,
 * by whatever number of threads, in windows that hold what the target has; of
 * heaps only what their chunks' users may write to. And of targets that change
 * or lie: what is left.
 */
#include <signal.h>
#include <sys/mman.h>

#include "base/map.h"
#include "forge_glibc.h"
#include "scan/engine.h"
#include "target_util.h"

enum {
	PAGE = 4096,
	PAGES = 1024,
	SIZE = PAGES * PAGE, /* four windows */
	CREWS = 4,
	MANY = 5000,
};

#define BASE UINT64_C(0x100000000)

/* ---- a crew that writes down what it is given ------------------------------------- */

struct seen {
	uint64_t start, end; /* addresses */
	unsigned crew;
	struct mf_scan_piece piece;
};

struct crew {
	const struct mf_scan_plan *plan;
	struct mf_scan_pieces pieces;
	MF_VEC(struct seen) seen;
	bool (*check)(uint64_t address, uint8_t byte); /* NULL: any byte */
	unsigned number;
};

static void assert_slack(const struct mf_scan_batch *batch,
			 const struct mf_scan_slice *slice)
{
	for (unsigned i = 0; i < MF_SCAN_SLACK; i++)
		assert_int_equal(batch->bytes[slice->offset + slice->size + i],
				 0);
}

static void note_slice(struct crew *crew, const struct mf_scan_batch *batch,
		       const struct mf_scan_slice *slice)
{
	uint64_t last = slice->address;

	assert_true(slice->size && slice->size <= MF_SCAN_WINDOW);
	assert_int_equal(slice->offset % MF_SCAN_SLACK, 0);
	assert_slack(batch, slice);
	mf_scan_plan_cut(crew->plan, batch, slice, &crew->pieces);
	mf_vec_foreach(piece, &crew->pieces.list) {
		struct seen seen = { slice->address + piece->start,
				     slice->address + piece->end, crew->number,
				     *piece };

		assert_true(seen.start >= last && seen.start < seen.end);
		assert_true(piece->end <= slice->size);
		last = seen.end;
		for (uint64_t at = seen.start; crew->check && at < seen.end;
		     at++)
			assert_true(crew->check(
				at, batch->bytes[slice->offset + at -
						 slice->address]));
		mf_vec_push(&crew->seen, seen);
	}
}

static void note_batch(void *data, const struct mf_scan_batch *batch)
{
	struct crew *crew = data;

	for (size_t i = 0; i < batch->slices.count; i++)
		note_slice(crew, batch, &batch->slices.items[i]);
}

static int by_start(const void *a, const void *b)
{
	const struct seen *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

struct result {
	MF_VEC(struct seen) seen; /* by address */
	uint64_t bytes;
	struct mf_scan_missed missed;
	struct mf_error *error;
};

static void result_deinit(struct result *result)
{
	mf_vec_deinit(&result->seen);
	mf_error_destroy(result->error);
}

struct way {
	unsigned threads;
	bool free_too;
	bool (*check)(uint64_t address, uint8_t byte);
};

/* Scans and tells what was seen, in order; twice was nothing. */
static void scan(const struct mf_scan_input *input, struct way way,
		 struct result *result)
{
	struct crew crews[CREWS] = { 0 };
	void *hands[CREWS];
	struct mf_scan_plan plan;
	uint64_t last = 0;

	*result = (struct result){ 0 };
	mf_scan_plan_init(&plan, input, way.free_too);
	for (unsigned i = 0; i < way.threads; i++) {
		crews[i] = (struct crew){ .plan = &plan,
					  .check = way.check,
					  .number = i };
		hands[i] = &crews[i];
	}
	result->error = mf_scan_pump(&plan, note_batch, hands, way.threads);
	result->missed = plan.missed;
	for (unsigned i = 0; i < way.threads; i++) {
		last = 0;
		mf_vec_foreach(seen, &crews[i].seen) {
			assert_true(seen->start >= last);
			last = seen->end;
			mf_vec_push(&result->seen, *seen);
		}
		mf_vec_deinit(&crews[i].seen);
		mf_vec_deinit(&crews[i].pieces.list);
	}
	mf_scan_plan_deinit(&plan);
	mf_vec_sort(&result->seen, by_start);
	last = 0;
	mf_vec_foreach(seen, &result->seen) {
		assert_true(seen->start >= last);
		last = seen->end;
		result->bytes += seen->end - seen->start;
	}
}

/* ---- a target without heaps -------------------------------------------------------- */

struct plain {
	struct mf_target *target;
	struct mf_space *space;
	struct mf_scan_input input;
};

static uint8_t area[SIZE], pages[PAGES];
static const struct mf_scan_group groups[2] = { { .label = "one" },
						{ .label = "two" } };

static uint8_t byte_at(uint64_t address)
{
	return (uint8_t)(mf_hash64(address / 8) | 1);
}

static bool is_right(uint64_t address, uint8_t byte)
{
	return byte == byte_at(address);
}

static void plain_map(const struct plain *plain, uint64_t start, uint64_t size,
		      const char *path, bool empty)
{
	mf_target_forge_mapping(plain->target,
				&(struct mf_mapping){
					.start = start,
					.end = start + size,
					.perms = MF_PERM_READ | MF_PERM_WRITE,
					.inode = *path ? 9 : 0,
					.path = path,
				},
				empty ? NULL : area, empty ? NULL : pages);
}

static void plain_start(struct plain *plain)
{
	*plain = (struct plain){ .target = mf_target_create_forged() };
	for (uint64_t i = 0; i < SIZE; i++)
		area[i] = byte_at(BASE + i);
	memset(pages, MF_PAGE_PRESENT, PAGES);
}

static void plain_open(struct plain *plain, const struct mf_scan_range *ranges,
		       size_t count)
{
	fail_on(mf_space_create(plain->target, NULL, &plain->space));
	fail_on(mf_space_settle(plain->space));
	plain->input = (struct mf_scan_input){
		.target = plain->target,
		.space = plain->space,
		.ranges = ranges,
		.range_count = count,
		.groups = groups,
		.group_count = MF_ARRAY_SIZE(groups),
	};
}

static void plain_end(struct plain *plain)
{
	mf_space_destroy(plain->space);
	mf_target_close(plain->target);
}

/* What a crew is given, and in what order, does not depend on who was quick. */
static void test_crews_take_turns(void **state)
{
	static const struct mf_scan_range range = { BASE, BASE + SIZE, 0 };
	struct plain plain;

	(void)state;
	plain_start(&plain);
	plain_map(&plain, BASE, SIZE, "", false);
	plain_open(&plain, &range, 1);
	for (unsigned threads = 1; threads <= CREWS; threads++) {
		struct result result;
		unsigned turn = 0;

		scan(&plain.input, (struct way){ threads, false, NULL },
		     &result);
		fail_on(result.error);
		assert_true(result.seen.count >= CREWS);
		/* a batch has room for some pages behind its window */
		mf_vec_foreach(seen, &result.seen) {
			assert_int_equal(seen->crew, turn);
			if (seen->end - seen->start < MF_SCAN_WINDOW)
				turn = (turn + 1) % threads;
		}
		result_deinit(&result);
	}
	plain_end(&plain);
}

static void test_scans_each_byte_once(void **state)
{
	static const struct mf_scan_range range = { BASE, BASE + SIZE, 0 };
	struct plain plain;

	(void)state;
	plain_start(&plain);
	plain_map(&plain, BASE, SIZE, "", false);
	plain_open(&plain, &range, 1);
	for (unsigned threads = 1; threads <= CREWS; threads++) {
		struct result result;
		size_t count;

		scan(&plain.input, (struct way){ threads, false, is_right },
		     &result);
		fail_on(result.error);
		result.error = NULL;
		count = result.seen.count;
		assert_int_equal(result.bytes, SIZE);
		assert_true(count >= 4);
		for (size_t i = 0; i < count; i++) {
			const struct mf_scan_piece *piece =
				&result.seen.items[i].piece;

			assert_int_equal(piece->begins, i == 0);
			assert_int_equal(piece->ends, i == count - 1);
			assert_int_equal(piece->size, SIZE);
			assert_int_equal(piece->kind, MF_KINDS);
		}
		result_deinit(&result);
	}
	plain_end(&plain);
}

/* Absent, swapped, unreadable and zero pages are no bytes of anybody's. */
static void hide_pages(uint64_t *present, uint64_t *swapped)
{
	static const uint8_t kinds[] = { MF_PAGE_PRESENT,
					 0,
					 MF_PAGE_SWAPPED,
					 MF_PAGE_PRESENT | MF_PAGE_HUGE,
					 MF_PAGE_PRESENT | MF_PAGE_ZERO,
					 MF_PAGE_ZERO };
	uint64_t seed = 5;

	*present = *swapped = 0;
	for (size_t i = 0; i < PAGES; i++) {
		seed = mf_hash64(seed + i);
		pages[i] = kinds[seed % MF_ARRAY_SIZE(kinds)];
		*present += pages[i] & MF_PAGE_PRESENT &&
			    !(pages[i] & MF_PAGE_ZERO);
		*swapped += pages[i] == MF_PAGE_SWAPPED;
	}
}

static void test_skips_what_is_not_there(void **state)
{
	static const struct mf_scan_range range = { BASE, BASE + SIZE, 1 };
	static const char *const paths[] = { "", "/a/file" };
	uint64_t present, swapped;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(paths); i++) {
		struct result result;
		struct plain plain;

		plain_start(&plain);
		hide_pages(&present, &swapped);
		plain_map(&plain, BASE, SIZE, paths[i], false);
		plain_open(&plain, &range, 1);
		scan(&plain.input, (struct way){ 2, false, is_right }, &result);
		assert_null(result.error);
		assert_int_equal(result.bytes, present * PAGE);
		assert_int_equal(result.missed.swapped, swapped * PAGE);
		assert_int_equal(result.missed.unreadable, 0);
		result_deinit(&result);
		plain_end(&plain);
	}
}

/* Ranges of two groups share a page; none begins or ends with one. */
static void test_cuts_inside_of_pages(void **state)
{
	static const struct mf_scan_range ranges[] = {
		{ BASE + 100, BASE + 1000, 0 },
		{ BASE + 1000, BASE + 1003, 1 },
		{ BASE + 5 * PAGE - 1, BASE + 5 * PAGE + 1, 0 },
		{ BASE + SIZE - 1, BASE + SIZE, 1 },
	};
	struct result result;
	struct plain plain;

	(void)state;
	plain_start(&plain);
	plain_map(&plain, BASE, SIZE, "", false);
	plain_open(&plain, ranges, MF_ARRAY_SIZE(ranges));
	scan(&plain.input, (struct way){ 2, false, is_right }, &result);
	assert_null(result.error);
	assert_int_equal(result.seen.count, MF_ARRAY_SIZE(ranges));
	for (size_t i = 0; i < MF_ARRAY_SIZE(ranges); i++) {
		const struct seen *seen = &result.seen.items[i];

		assert_int_equal(seen->start, ranges[i].start);
		assert_int_equal(seen->end, ranges[i].end);
		assert_int_equal(seen->piece.group, ranges[i].group);
		assert_true(seen->piece.begins && seen->piece.ends);
	}
	result_deinit(&result);
	plain_end(&plain);
}

/* Most of an address space is a reservation that nobody has touched. */
static void test_hurries_over_reservations(void **state)
{
	static const struct mf_scan_range ranges[] = {
		{ BASE, BASE + SIZE, 0 },
		{ UINT64_C(1) << 45, (UINT64_C(1) << 46) + SIZE, 1 },
	};
	struct result result;
	struct plain plain;

	(void)state;
	plain_start(&plain);
	plain_map(&plain, BASE, SIZE, "", false);
	plain_map(&plain, UINT64_C(1) << 45, UINT64_C(1) << 45, "", true);
	plain_map(&plain, UINT64_C(1) << 46, SIZE, "/a/file", false);
	plain_open(&plain, ranges, MF_ARRAY_SIZE(ranges));
	scan(&plain.input, (struct way){ 2, false, NULL }, &result);
	assert_null(result.error);
	assert_int_equal(result.bytes, 2 * SIZE);
	result_deinit(&result);
	plain_end(&plain);
}

/* As with max_map_count: a page each, in ranges of their own. */
static void test_many_mappings(void **state)
{
	struct mf_scan_range *ranges = mf_new_array(MANY, struct mf_scan_range);
	struct result result;
	struct plain plain;

	(void)state;
	plain_start(&plain);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t start = BASE + i * 2 * PAGE;

		plain_map(&plain, start, PAGE, "", false);
		ranges[i] =
			(struct mf_scan_range){ start, start + PAGE, i % 2 };
	}
	plain_open(&plain, ranges, MANY);
	scan(&plain.input, (struct way){ 2, false, NULL }, &result);
	assert_null(result.error);
	assert_int_equal(result.seen.count, MANY);
	assert_int_equal(result.bytes, (uint64_t)MANY * PAGE);
	result_deinit(&result);
	plain_end(&plain);
	free(ranges);
}

/* ---- heaps ------------------------------------------------------------------------ */

static const struct {
	uint64_t size;
	enum forge_state state;
} chunks[] = {
	{ 0x30, FORGE_TCACHE },	  { 0x30, FORGE_IN_USE },
	{ 0x40, FORGE_FAST },	  { 0x100, FORGE_SMALL },
	{ 0x20, FORGE_IN_USE },	  { 0x500, FORGE_UNSORTED },
	{ 0x3000, FORGE_IN_USE }, { 0x30, FORGE_TCACHE },
};

static void forge_some(struct forge *forge)
{
	forge_init(forge);
	forge_tcache(forge);
	for (size_t i = 0; i < MF_ARRAY_SIZE(chunks); i++)
		forge_chunk(forge, chunks[i].size, chunks[i].state);
	forge_finish(forge);
}

static void read_forge(struct forge *forge)
{
	assert_non_null(forge_read(forge, NULL));
	fail_on(mf_space_settle(forge->space));
}

static void scan_forge(struct forge *forge, bool free_too, uint64_t start,
		       uint64_t end, struct result *result)
{
	const struct mf_scan_range range = { start, end, 0 };

	scan(&(struct mf_scan_input){ .target = forge->target,
				      .space = forge->space,
				      .heap = forge->model,
				      .ranges = &range,
				      .range_count = 1,
				      .groups = groups,
				      .group_count = 1 },
	     (struct way){ 2, free_too, NULL }, result);
	assert_null(result->error);
}

static void test_scans_users_bytes(void **state)
{
	uint64_t at = FORGE_HEAP + 0x290;
	struct result result;
	struct forge forge;
	size_t next = 1; /* behind the tcache's own */

	(void)state;
	forge_some(&forge);
	read_forge(&forge);
	scan_forge(&forge, false, FORGE_HEAP, FORGE_HEAP + FORGE_HEAP_SIZE,
		   &result);
	assert_int_equal(result.seen.count, 4);
	for (size_t i = 0; i < MF_ARRAY_SIZE(chunks); i++) {
		const struct seen *seen = &result.seen.items[next];

		if (chunks[i].state == FORGE_IN_USE) {
			assert_int_equal(seen->start, at + 16);
			assert_int_equal(seen->end, at + chunks[i].size + 8);
			assert_int_equal(seen->piece.chunk, at);
			assert_int_equal(seen->piece.size, chunks[i].size);
			assert_int_equal(seen->piece.kind, MF_KIND_IN_USE);
			assert_true(seen->piece.begins && seen->piece.ends);
			next++;
		}
		at += chunks[i].size;
	}
	result_deinit(&result);
	scan_forge(&forge, true, FORGE_HEAP, FORGE_HEAP + FORGE_HEAP_SIZE,
		   &result);
	assert_int_equal(result.seen.count, MF_ARRAY_SIZE(chunks) + 2);
	assert_int_equal(result.seen.items[MF_ARRAY_SIZE(chunks) + 1].end,
			 FORGE_HEAP + FORGE_HEAP_SIZE);
	result_deinit(&result);
	forge_deinit(&forge);
}

/* From inside of a chunk to inside of its last word, in the next one's header.
 */
static void test_scans_parts_of_chunks(void **state)
{
	const uint64_t chunk = FORGE_HEAP + 0x290 + 0x30;
	struct result result;
	struct forge forge;

	(void)state;
	forge_some(&forge);
	read_forge(&forge);
	scan_forge(&forge, false, chunk + 0x18, chunk + 0x34, &result);
	assert_int_equal(result.bytes, 0x34 - 0x18);
	assert_int_equal(result.seen.count, 1);
	assert_false(result.seen.items[0].piece.begins);
	assert_false(result.seen.items[0].piece.ends);
	result_deinit(&result);
	scan_forge(&forge, false, chunk + 0x32, chunk + 0x40, &result);
	assert_int_equal(result.bytes, 6);
	assert_true(result.seen.items[0].piece.ends);
	result_deinit(&result);
	forge_deinit(&forge);
}

/* A chunk that claims half of the address space ends with its heap. */
static void test_a_chunk_that_lies(void **state)
{
	const uint64_t heap_end = FORGE_HEAP + FORGE_HEAP_SIZE;
	struct result result;
	struct forge forge;
	uint64_t liar;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x30, FORGE_IN_USE);
	liar = forge_chunk(&forge, 0x40, FORGE_IN_USE);
	forge_chunk(&forge, 0x50, FORGE_IN_USE);
	forge_finish(&forge);
	forge_set(&forge, liar + 8, UINT64_C(1) << 63 | 1);
	read_forge(&forge);
	scan_forge(&forge, true, FORGE_HEAP, heap_end, &result);
	assert_true(result.bytes <= FORGE_HEAP_SIZE);
	mf_vec_foreach(seen, &result.seen)
		assert_true(seen->start >= FORGE_HEAP && seen->end <= heap_end);
	/* what cannot be walked is scanned as it is */
	assert_true(result.bytes > FORGE_HEAP_SIZE - 0x400);
	result_deinit(&result);
	forge_deinit(&forge);
}

/* ---- processes that go on ------------------------------------------------------------ */

static void *map_pages(void)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		_exit(1);
	memset(at, 'x', SIZE);
	return at;
}

struct going {
	struct child child;
	struct mf_target *target;
	struct mf_space *space;
	struct mf_scan_range range;
	struct mf_scan_input input;
};

static void going_start(struct going *going)
{
	start_child(&going->child, map_pages);
	going->target = open_child(&going->child, MF_STOP_NONE, 0);
	fail_on(mf_space_create(going->target, NULL, &going->space));
	fail_on(mf_space_settle(going->space));
	going->range = (struct mf_scan_range){ going->child.address,
					       going->child.address + SIZE, 0 };
	going->input = (struct mf_scan_input){
		.target = going->target,
		.space = going->space,
		.ranges = &going->range,
		.range_count = 1,
		.groups = groups,
		.group_count = 1,
	};
}

static void going_end(struct going *going)
{
	mf_space_destroy(going->space);
	mf_target_close(going->target);
	end_child(&going->child);
}

static bool is_x(uint64_t address, uint8_t byte)
{
	(void)address;
	return byte == 'x';
}

static void test_a_process_as_it_is(void **state)
{
	struct going going;
	struct result result;

	(void)state;
	going_start(&going);
	scan(&going.input, (struct way){ 2, false, is_x }, &result);
	assert_null(result.error);
	assert_int_equal(result.bytes, SIZE);
	result_deinit(&result);
	going_end(&going);
}

static void test_a_process_that_ended(void **state)
{
	struct going going;
	struct result result;

	(void)state;
	going_start(&going);
	end_child(&going.child);
	scan(&going.input, (struct way){ 2, false, is_x }, &result);
	assert_non_null(result.error);
	assert_int_equal(result.error->code, MF_ERROR_NO_PROCESS);
	assert_int_equal(result.bytes, 0);
	result_deinit(&result);
	mf_space_destroy(going.space);
	mf_target_close(going.target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scans_each_byte_once),
		cmocka_unit_test(test_crews_take_turns),
		cmocka_unit_test(test_skips_what_is_not_there),
		cmocka_unit_test(test_cuts_inside_of_pages),
		cmocka_unit_test(test_hurries_over_reservations),
		cmocka_unit_test(test_many_mappings),
		cmocka_unit_test(test_scans_users_bytes),
		cmocka_unit_test(test_scans_parts_of_chunks),
		cmocka_unit_test(test_a_chunk_that_lies),
		cmocka_unit_test(test_a_process_as_it_is),
		cmocka_unit_test(test_a_process_that_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
