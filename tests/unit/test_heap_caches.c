/*
 * What threads keep in their tcaches, counted without a walk of the heaps.
 */
#include "heap/glibc.h"
#include "unit.h"

enum {
	LARGE_BIN = 64,
	CACHES = 3,
};

static void note(struct mf_glibc *glibc, uint64_t user, uint64_t next)
{
	mf_map_set(&glibc->large_index, user, glibc->large.count);
	mf_vec_push(&glibc->large, (struct mf_glibc_large){
					   .next = next,
					   .size = 0x1000,
				   });
}

/* A list that comes back to itself, and is that of all threads: chunks are not
 * counted more often than they are there. */
static void test_a_ring(void **state)
{
	struct mf_glibc *glibc = mf_new(struct mf_glibc);
	uint64_t counted = 0;

	(void)state;
	note(glibc, 0x10000, 0x20000);
	note(glibc, 0x20000, 0x10000);
	for (int tid = 1; tid <= CACHES; tid++) {
		struct mf_glibc_tcache *tcache = mf_vec_add(&glibc->tcaches);

		tcache->tid = tid;
		tcache->entries[LARGE_BIN] = 0x10000;
	}
	mf_glibc_count_caches(glibc);
	mf_vec_foreach(tcache, &glibc->tcaches)
		counted += tcache->amount.count;
	assert_int_equal(counted, 2);
	assert_int_equal(glibc->tcaches.items[0].amount.bytes, 0x2000);
	mf_map_deinit(&glibc->large_index);
	mf_vec_deinit(&glibc->large);
	mf_vec_deinit(&glibc->tcaches);
	free(glibc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
