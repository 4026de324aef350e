/*
 * The window that walkers read through, over memory that mostly is not there.
 */
#include "heap/window.h"
#include "target/target.h"
#include "unit.h"

enum {
	PAGE = 4096,
	NEAR = 1 << 20, /* it need not be told more closely */
	RW = MF_PERM_READ | MF_PERM_WRITE,
};

static const uint64_t reserved = 0x100000;
static const uint64_t filled = UINT64_C(1) << 46;

static uint8_t bytes[4 * PAGE];
static const uint8_t pages[4] = { 0, MF_PAGE_PRESENT, 0, MF_PAGE_SWAPPED };

static struct mf_target *forge_reservation(void)
{
	struct mf_target *target = mf_target_create_forged();

	mf_target_forge_mapping(target,
				&(struct mf_mapping){ .start = reserved,
						      .end = filled,
						      .perms = RW,
						      .path = "" },
				NULL, NULL);
	mf_target_forge_mapping(
		target,
		&(struct mf_mapping){ .start = filled,
				      .end = filled + sizeof(bytes),
				      .perms = RW,
				      .path = "" },
		bytes, pages);
	return target;
}

/* Terabytes of a reservation are passed over, but no page that is there. */
static void absent_memory_is_skipped(void **state)
{
	struct mf_target *target = forge_reservation();
	struct mf_window window;
	uint64_t at;

	(void)state;
	mf_window_init(&window, target);
	mf_window_restrict(&window, filled + sizeof(bytes));
	at = mf_window_skip_absent(&window, reserved + 16);
	assert_true(at <= filled + PAGE);
	assert_true(at > filled - NEAR);
	at = mf_window_skip_absent(&window, filled + PAGE);
	assert_int_equal(at, filled + PAGE);
	assert_int_equal(window.spent, 0);
	mf_window_deinit(&window);
	mf_target_close(target);
}

/* What is in swap is there; behind the last page nothing is. */
static void swapped_pages_are_not_skipped(void **state)
{
	struct mf_target *target = forge_reservation();
	struct mf_window window;

	(void)state;
	mf_window_init(&window, target);
	mf_window_restrict(&window, filled + sizeof(bytes));
	assert_int_equal(
		mf_window_skip_absent(&window, filled + (uint64_t)2 * PAGE),
		filled + (uint64_t)3 * PAGE);
	mf_window_restrict(&window, filled + PAGE);
	assert_int_equal(mf_window_skip_absent(&window, filled + 16),
			 filled + PAGE);
	mf_window_deinit(&window);
	mf_target_close(target);
}

/* What it holds was read anyway. */
static void held_bytes_are_not_skipped(void **state)
{
	struct mf_target *target = forge_reservation();
	struct mf_window window;

	(void)state;
	mf_window_init(&window, target);
	mf_window_restrict(&window, filled + sizeof(bytes));
	assert_non_null(mf_window_at(&window, filled, PAGE));
	assert_int_equal(mf_window_skip_absent(&window, filled + 48),
			 filled + 48);
	mf_window_deinit(&window);
	mf_target_close(target);
}

/* ---- many mappings -------------------------------------------------------------- */

enum {
	SMALL_ONES = 1000,
};

static const struct mf_target_ops *plain_ops;
static unsigned asked;

static struct mf_error *count_asking(struct mf_target *target, uint64_t start,
				     uint64_t end, mf_run_visit *visit,
				     void *context)
{
	asked++;
	return plain_ops->runs(target, start, end, visit, context);
}

/* Each is asked about once or twice, however many lie side by side. */
static void small_mappings_are_asked_about_once(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_target_ops counting = *target->ops;
	uint64_t at = filled, end = filled + (uint64_t)SMALL_ONES * 4 * PAGE;
	struct mf_window window;
	unsigned found = 0;

	(void)state;
	for (uint64_t start = filled; start < end; start += 4 * PAGE)
		mf_target_forge_mapping(
			target,
			&(struct mf_mapping){ .start = start,
					      .end = start + sizeof(bytes),
					      .perms = RW,
					      .path = "" },
			bytes, pages);
	plain_ops = target->ops;
	counting.runs = count_asking;
	target->ops = &counting;
	asked = 0;
	mf_window_init(&window, target);
	mf_window_restrict(&window, end);
	while ((at = mf_window_skip_absent(&window, at)) < end) {
		/* pages 1 and 3 of each are there */
		assert_int_equal((at - filled) / PAGE % 4, found % 2 ? 3 : 1);
		found++;
		at += PAGE;
	}
	assert_int_equal(found, 2 * SMALL_ONES);
	assert_true(asked <= 3 * SMALL_ONES);
	mf_window_deinit(&window);
	target->ops = plain_ops;
	mf_target_close(target);
}

/* ---- what it shows of memory that is there ---------------------------------- */

enum {
	LARGE = 4 << 20, /* several windows */
	ODD = 4 * PAGE,	 /* a page of which nothing is known */
};

static const uint64_t dense = UINT64_C(0x7f0000000000);

struct memory {
	uint8_t *bytes, *pages;
	struct mf_target *target;
	uint32_t page_size;
};

static void memory_init(struct memory *memory, uint32_t page_size)
{
	uint64_t word = 88172645463325252U;

	*memory = (struct memory){
		.bytes = malloc(LARGE),
		.pages = malloc(LARGE / page_size),
		.target = mf_target_create_forged(),
		.page_size = page_size,
	};
	assert_non_null(memory->bytes);
	assert_non_null(memory->pages);
	for (size_t at = 0; at < LARGE; at += sizeof(word)) {
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
		memcpy(memory->bytes + at, &word, sizeof(word));
	}
	memset(memory->pages, MF_PAGE_PRESENT, LARGE / page_size);
	mf_target_forge_page_size(memory->target, page_size);
	mf_target_forge_mapping(memory->target,
				&(struct mf_mapping){ .start = dense,
						      .end = dense + LARGE,
						      .perms = RW,
						      .path = "" },
				memory->bytes, memory->pages);
}

static void memory_deinit(struct memory *memory)
{
	mf_target_close(memory->target);
	free(memory->bytes);
	free(memory->pages);
}

static bool is_unknown(const struct memory *memory, uint64_t offset)
{
	return memory->pages[offset / memory->page_size] & MF_PAGE_SWAPPED;
}

static void check_at(const struct memory *memory, struct mf_window *window,
		     uint64_t offset, uint32_t size)
{
	const uint8_t *shown = mf_window_at(window, dense + offset, size);

	if (offset + size > LARGE || is_unknown(memory, offset) ||
	    is_unknown(memory, offset + size - 1)) {
		assert_null(shown);
		return;
	}
	assert_non_null(shown);
	assert_memory_equal(shown, memory->bytes + offset, size);
}

/* What is SIZE bytes long, and begins every STEP bytes. */
static void check_steps(const struct memory *memory, uint64_t step,
			uint32_t size)
{
	struct mf_window window;

	mf_window_init(&window, memory->target);
	mf_window_restrict(&window, dense + LARGE);
	for (uint64_t at = 0; at < LARGE; at += step)
		check_at(memory, &window, at, size);
	mf_window_deinit(&window);
}

static void check_memory(const struct memory *memory)
{
	static const uint64_t steps[] = { 1040,	  4080,	  24592,
					  131088, 300048, (1 << 20) + 16 };

	check_steps(memory, 48, 32);
	for (size_t i = 0; i < MF_ARRAY_SIZE(steps); i++)
		check_steps(memory, steps[i], PAGE);
}

/* Also what lies across the borders of what is read at once. */
static void every_byte_is_shown(void **state)
{
	static const uint32_t page_sizes[] = { PAGE, 65536 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(page_sizes); i++) {
		struct memory memory;

		memory_init(&memory, page_sizes[i]);
		check_memory(&memory);
		memory_deinit(&memory);
	}
}

static void what_is_not_known_is_not_shown(void **state)
{
	struct memory memory;

	(void)state;
	memory_init(&memory, PAGE);
	memory.pages[0] = MF_PAGE_SWAPPED;
	memory.pages[ODD / PAGE] = MF_PAGE_SWAPPED;
	for (size_t i = 250; i < LARGE / PAGE; i += 257)
		memory.pages[i] = MF_PAGE_SWAPPED;
	check_memory(&memory);
	for (size_t i = 1; i < LARGE / PAGE; i += 3)
		memory.pages[i] = MF_PAGE_SWAPPED;
	check_memory(&memory);
	memory_deinit(&memory);
}

static uint64_t bytes_read(struct mf_target *target)
{
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	return impact.bytes_read;
}

/* There and back, and within another limit. */
static void it_goes_back(void **state)
{
	struct memory memory;
	struct mf_window window;

	(void)state;
	memory_init(&memory, PAGE);
	mf_window_init(&window, memory.target);
	mf_window_restrict(&window, dense + LARGE);
	for (uint64_t at = 0; at < LARGE - PAGE; at += 2032) {
		check_at(&memory, &window, at, 32);
		if (at % 5 == 0)
			check_at(&memory, &window, LARGE - PAGE - at, 48);
	}
	mf_window_restrict(&window, dense + LARGE / 2);
	for (uint64_t at = 0; at + 32 <= LARGE / 2; at += 1008)
		check_at(&memory, &window, at, 32);
	assert_null(mf_window_at(&window, dense + LARGE / 2 - 16, 32));
	assert_non_null(mf_window_at(&window, dense + LARGE / 2 - 16, 16));
	mf_window_deinit(&window);
	memory_deinit(&memory);
}

/* In order, hardly a page is read twice; who jumps far reads little. */
static void no_more_is_read_than_is_looked_at(void **state)
{
	struct memory memory;
	uint64_t read;

	(void)state;
	memory_init(&memory, PAGE);
	check_steps(&memory, 48, 32);
	read = bytes_read(memory.target);
	assert_in_range(read, LARGE, LARGE + 8 * PAGE);
	check_steps(&memory, 1 << 18, 32);
	assert_true(bytes_read(memory.target) - read <= LARGE / 8);
	memory_deinit(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_memory_is_skipped),
		cmocka_unit_test(swapped_pages_are_not_skipped),
		cmocka_unit_test(held_bytes_are_not_skipped),
		cmocka_unit_test(small_mappings_are_asked_about_once),
		cmocka_unit_test(every_byte_is_shown),
		cmocka_unit_test(what_is_not_known_is_not_shown),
		cmocka_unit_test(it_goes_back),
		cmocka_unit_test(no_more_is_read_than_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
