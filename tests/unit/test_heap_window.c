/*
 * The window that walkers read through, over memory that mostly is not there.
 */
#include "heap/window.h"
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
	assert_int_equal(window.refills, 0);
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
		filled + (uint64_t)2 * PAGE);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_memory_is_skipped),
		cmocka_unit_test(swapped_pages_are_not_skipped),
		cmocka_unit_test(held_bytes_are_not_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
