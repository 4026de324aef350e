/*
 * Stacks of forged targets, for what no program does: chains that turn back,
 * frames that lie, unwind tables and perf maps that are cut off anywhere.
 */
#include "memforensics/stack.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "stack/cfi_entry.h"
#include "stack/perf_map.h"
#include "unit.h"

enum {
	STACK_SIZE = 0x4000,
	WORDS = STACK_SIZE / 8,
};

#define CODE_AT	 UINT64_C(0x500000000000)
#define STACK_AT UINT64_C(0x7f0000000000)

static uint64_t words[WORDS];
static uint8_t code[4096];

struct world {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_stacks *stacks;
	struct mf_stack stack;
};

/* A thread in code that nothing is known of, its stack pointer and its frame
 * pointer at these words of its stack. */
static struct world look(size_t sp, size_t fp)
{
	struct mf_thread thread = { .tid = 7, .registers_known = true };
	struct world world = { mf_target_create_forged(), NULL, NULL, { 0 } };

	mf_target_forge_mapping(world.target,
				&(struct mf_mapping){
					.start = STACK_AT,
					.end = STACK_AT + STACK_SIZE,
					.perms = MF_PERM_READ | MF_PERM_WRITE,
					.path = "",
				},
				words, NULL);
	mf_target_forge_mapping(world.target,
				&(struct mf_mapping){
					.start = CODE_AT,
					.end = CODE_AT + sizeof(code),
					.perms = MF_PERM_READ | MF_PERM_EXEC,
					.path = "",
				},
				code, NULL);
	thread.pc = CODE_AT + 16;
	thread.sp = STACK_AT + sp * 8;
	thread.general[6] = thread.general[29] = STACK_AT + fp * 8;
	thread.general[7] = thread.general[31] = thread.sp;
	mf_target_forge_thread(world.target, &thread);
	assert_null(mf_image_create(
		world.target, &(struct mf_image_options){ 0 }, &world.image));
	assert_null(mf_stacks_create(world.target, world.image,
				     &(struct mf_stack_options){ 0 },
				     &world.stacks));
	assert_null(mf_stacks_capture(world.stacks, world.target));
	assert_int_equal(mf_stacks_count(world.stacks), 1);
	mf_stacks_unwind(world.stacks, 0, &world.stack);
	assert_int_equal(world.stack.tid, 7);
	assert_int_equal(world.stack.frames[0].pc, CODE_AT + 16);
	assert_int_equal(world.stack.frames[0].by, MF_UNWINDER_REGISTERS);
	return world;
}

static void leave(struct world *world)
{
	mf_stacks_destroy(world->stacks);
	mf_image_destroy(world->image);
	mf_target_close(world->target);
	memset(words, 0, sizeof(words));
}

static void link_frame(size_t at, size_t next, uint64_t pc)
{
	words[at] = STACK_AT + next * 8;
	words[at + 1] = pc;
}

static void test_frame_pointers(void **state)
{
	struct world world;

	(void)state;
	link_frame(20, 30, CODE_AT + 32);
	link_frame(30, 40, CODE_AT + 48);
	words[41] = 0x1234; /* no code */
	world = look(10, 20);
	assert_int_equal(world.stack.frame_count, 3);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(world.stack.frames[i].pc,
				 CODE_AT + 16 + i * 16);
		assert_int_equal(world.stack.frames[i].sp,
				 STACK_AT + (12 + i * 10) * 8);
		assert_int_equal(world.stack.frames[i].by,
				 MF_UNWINDER_FRAME_POINTER);
		assert_null(world.stack.frames[i].symbol);
	}
	assert_int_equal(world.stack.end, MF_STACK_NO_RULE);
	leave(&world);
}

/* Back to itself, back to another, to nowhere, and out of the stack. */
static void test_bad_chains(void **state)
{
	static const size_t nexts[] = { 20, 10, 21, WORDS - 1, WORDS + 99 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(nexts); i++) {
		struct world world;

		link_frame(20, nexts[i], CODE_AT + 32);
		world = look(10, 20);
		assert_int_equal(world.stack.frame_count, 2);
		assert_int_not_equal(world.stack.end, MF_STACK_COMPLETE);
		leave(&world);
	}
}

static void test_too_deep(void **state)
{
	struct world world;

	(void)state;
	for (size_t i = 2; i + 2 < WORDS; i += 1)
		link_frame(i, i + 2, CODE_AT + 32);
	for (size_t i = 2; i + 3 < WORDS; i += 2)
		link_frame(i, i + 2, CODE_AT + 32);
	world = look(2, 2);
	assert_true(world.stack.frame_count > 1000);
	assert_true(world.stack.frame_count <= MF_STACK_FRAMES_MAX);
	leave(&world);
}

static void test_nowhere(void **state)
{
	struct world world = look(WORDS * 1000, 5);

	(void)state;
	assert_int_equal(world.stack.frame_count, 1);
	assert_int_equal(mf_stacks_bytes(world.stacks), 0);
	leave(&world);
}

#ifdef __x86_64__
/* A handler returns to code that has no unwind tables, as musl's has none: what
 * the signal has struck is next, not what called that. */
static void test_signal_return(void **state)
{
	static const uint8_t call[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00,
					0x00, 0x00, 0x0f, 0x05 };
	const size_t frame = 21;
	struct world world;

	(void)state;
	memcpy(code + 64, call, sizeof(call));
	link_frame(frame - 1, 200, CODE_AT + 64);
	words[frame + 16] = STACK_AT + 200 * 8; /* rbp */
	words[frame + 21] = STACK_AT + 150 * 8; /* rsp */
	words[frame + 22] = CODE_AT + 128;
	link_frame(200, 0, CODE_AT + 48);
	world = look(10, frame - 1);
	assert_int_equal(world.stack.frame_count, 4);
	assert_true(world.stack.frames[1].signal);
	assert_int_equal(world.stack.frames[1].pc, CODE_AT + 64);
	assert_false(world.stack.frames[2].signal);
	assert_int_equal(world.stack.frames[2].pc, CODE_AT + 128);
	assert_int_equal(world.stack.frames[2].sp, STACK_AT + 150 * 8);
	assert_int_equal(world.stack.frames[3].pc, CODE_AT + 48);
	leave(&world);
	memset(code, 0, sizeof(code));
}
#endif

/* Memory at 0, and up to the last address: a stack has no more. */
static void test_ends_of_memory(void **state)
{
	static const struct mf_mapping mappings[] = {
		{ .start = 0,
		  .end = STACK_SIZE,
		  .perms = MF_PERM_READ,
		  .path = "" },
		{ .start = -(uint64_t)STACK_SIZE - 4096,
		  .end = -(uint64_t)4096,
		  .perms = MF_PERM_READ,
		  .path = "" },
	};
	static const uint64_t sps[] = { 8, -(uint64_t)4096 - 64 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(sps); i++) {
		struct mf_thread thread = {
			.tid = 7,
			.registers_known = true,
			.sp = sps[i],
		};
		struct world world = {
			mf_target_create_forged(), NULL, NULL, { 0 }
		};

		mf_target_forge_mapping(world.target, &mappings[i], words,
					NULL);
		mf_target_forge_thread(world.target, &thread);
		assert_null(mf_image_create(world.target,
					    &(struct mf_image_options){ 0 },
					    &world.image));
		assert_null(mf_stacks_create(world.target, world.image,
					     &(struct mf_stack_options){ 0 },
					     &world.stacks));
		assert_null(mf_stacks_capture(world.stacks, world.target));
		assert_int_equal(mf_stacks_bytes(world.stacks),
				 i ? 4096 : STACK_SIZE);
		mf_stacks_unwind(world.stacks, 0, &world.stack);
		assert_int_equal(world.stack.frame_count, 1);
		leave(&world);
	}
}

/* More threads than are copied: what stands still is read where it is. */
static void test_many_threads(void **state)
{
	const struct mf_stack_options options = { .total_bytes = 8 << 12 };
	struct mf_stacks *stacks;
	struct mf_stack stack;
	struct world world;

	(void)state;
	link_frame(20, 30, CODE_AT + 32);
	world = look(10, 20);
	for (int tid = 8; tid < 100; tid++) {
		struct mf_thread thread = {
			.tid = tid,
			.registers_known = true,
			.pc = CODE_AT + 16,
			.sp = STACK_AT + 80,
		};

		thread.general[6] = thread.general[29] = STACK_AT + 160;
		mf_target_forge_thread(world.target, &thread);
	}
	assert_null(
		mf_stacks_create(world.target, world.image, &options, &stacks));
	assert_null(mf_stacks_capture(stacks, world.target));
	assert_true(mf_stacks_bytes(stacks) <= options.total_bytes + 4096);
	mf_stacks_unwind(stacks, 92, &stack);
	assert_int_equal(stack.tid, 99);
	assert_int_equal(stack.frame_count, 2);
	mf_stacks_destroy(stacks);
	leave(&world);
}

/* ---- unwind tables ------------------------------------------------------------ */

static const uint8_t cie_bytes[] = {
	20,   0,   0,	0,			 /* length */
	0,    0,   0,	0,			 /* a CIE */
	1,    'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, /* pcrel sdata4 */
	0x0c, 7,   8,				 /* def_cfa rsp, 8 */
	0x90, 1,   0,	0,			 /* offset rip; nops */
};
static const uint8_t fde_bytes[] = {
	20,   0,  0, 0,				/* length */
	28,   0,  0, 0,				/* its CIE */
	0,    1,  0, 0, 0x40, 0, 0, 0, 0, 0x41, /* 0x108 on, 0x40 */
	0x0e, 16, 0, 0, 0,    0,
};

static bool parse(struct mf_slice slice, bool fde, struct mf_cie *cie,
		  struct mf_fde *ret)
{
	uint64_t place;
	uint32_t mark;

	if (!mf_entry_open(&slice, &mark, &place))
		return false;
	return fde ? mf_fde_parse(&slice, cie, 0, ret)
		   : mf_cie_parse(&slice, cie);
}

static void test_entries(void **state)
{
	struct mf_slice common = { cie_bytes, sizeof(cie_bytes), 0x1000 };
	struct mf_slice own = { fde_bytes, sizeof(fde_bytes), 0x2000 };
	MF_AUTO_BUFFER(buffer);
	struct mf_cie cie, again;
	struct mf_fde fde, copy;
	bool in_place = false;
	size_t at;

	(void)state;
	assert_true(parse(common, false, &cie, NULL));
	assert_int_equal(cie.code_align, 1);
	assert_int_equal(cie.data_align, -8);
	assert_int_equal(cie.return_register, 16);
	assert_true(parse(own, true, &cie, &fde));
	assert_int_equal(fde.start, 0x2008 + 0x100);
	assert_int_equal(fde.end, fde.start + 0x40);
	assert_true(mf_rules_check(fde.rules, fde.rules_size, &in_place));
	assert_false(in_place);
	at = mf_entries_write(&cie, &fde, 0x5000, &buffer);
	common = (struct mf_slice){ (uint8_t *)buffer.text, at, 0 };
	own = (struct mf_slice){ (uint8_t *)buffer.text + at, buffer.size - at,
				 at };
	assert_true(parse(common, false, &again, NULL));
	assert_int_equal(again.data_align, -8);
	assert_true(parse(own, true, &again, &copy));
	assert_int_equal(copy.start, fde.start + 0x5000);
	assert_int_equal(copy.end, fde.end + 0x5000);
	assert_memory_equal(copy.rules, fde.rules, fde.rules_size);
}

/* Cut off anywhere, and with any byte changed: nothing is read beyond. */
static void test_hostile_entries(void **state)
{
	mf_auto_free uint8_t *bytes = mf_calloc(1, sizeof(cie_bytes));
	struct mf_cie cie;
	struct mf_fde fde;
	bool in_place;

	(void)state;
	for (size_t size = 0; size < sizeof(cie_bytes); size++) {
		mf_auto_free uint8_t *cut = mf_calloc(1, size + 1);

		memcpy(cut, cie_bytes, size);
		assert_false(parse((struct mf_slice){ cut, size, 0 }, false,
				   &cie, NULL));
	}
	for (size_t i = 0; i < sizeof(cie_bytes) * 256; i++) {
		struct mf_slice slice = { bytes, sizeof(cie_bytes), 0 };
		struct mf_slice own = { fde_bytes, sizeof(fde_bytes), 0 };

		memcpy(bytes, cie_bytes, sizeof(cie_bytes));
		bytes[i / 256] = (uint8_t)i;
		if (!parse(slice, false, &cie, NULL))
			continue;
		mf_rules_check(cie.rules, cie.rules_size, &in_place);
		if (parse(own, true, &cie, &fde))
			assert_true(fde.end > fde.start);
	}
}

struct rules {
	size_t size;
	bool good, in_place;
	uint8_t bytes[16];
};

static void test_rules(void **state)
{
	static const struct rules rules[] = {
		/* def_cfa_expression: breg7 8, deref_size 1 */
		{ 6, true, false, { 0x0f, 4, 0x77, 8, 0x94, 1 } },
		/* expression: breg7 8, plus_uconst 200 */
		{ 8, true, false, { 0x10, 3, 5, 0x77, 8, 0x23, 0xc8, 1 } },
		/* lit1, lit0, div; and where a number looks like it */
		{ 6, false, false, { 0x16, 3, 3, 0x31, 0x30, 0x1b } },
		{ 5, true, false, { 0x16, 3, 2, 0x08, 0x1b } },
		/* skip, bra, and what nobody knows */
		{ 6, false, false, { 0x16, 3, 3, 0x2f, 0xfd, 0xff } },
		{ 7, false, false, { 0x16, 3, 4, 0x30, 0x28, 0, 0 } },
		{ 4, false, false, { 0x16, 3, 1, 0xf1 } },
		/* set_loc: what follows is not looked at */
		{ 2, true, true, { 0x01, 0xff } },
		/* cut: the expression, a number in it, the rules */
		{ 4, false, false, { 0x0f, 4, 0x77, 8 } },
		{ 3, false, false, { 0x0f, 1, 0x77 } },
		{ 4, false, false, { 0x0f, 2, 0x0e, 1 } },
		/* undefined: register 255, 256 */
		{ 3, true, false, { 0x07, 0xff, 1 } },
		{ 3, false, false, { 0x07, 0x80, 2 } },
		{ 4, false, false, { 0x05, 0x80, 2, 1 } },
		{ 4, false, false, { 0x09, 1, 0x80, 2 } },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(rules); i++) {
		bool in_place = false;

		assert_int_equal(mf_rules_check(rules[i].bytes, rules[i].size,
						&in_place),
				 rules[i].good);
		if (rules[i].good)
			assert_int_equal(in_place, rules[i].in_place);
	}
}

/* ---- perf maps ------------------------------------------------------------------ */

static void test_perf_map(void **state)
{
	static const char text[] = "1000 20 first\n"
				   "0x2000 0x10 second of two\n"
				   "junk\n"
				   "3000 0 empty\n"
				   "ffffffffffffffff 10 wraps\n"
				   "11111111111111111 10 too long\n"
				   "1010 10 later\n"
				   "4000 10";
	struct mf_perf_map *map = mf_perf_map_parse(text, sizeof(text) - 1);
	uint64_t start = 0;

	(void)state;
	assert_string_equal(mf_perf_map_at(map, 0x1008, &start), "first");
	assert_int_equal(start, 0x1000);
	assert_string_equal(mf_perf_map_at(map, 0x1018, &start), "later");
	assert_string_equal(mf_perf_map_at(map, 0x200f, &start),
			    "second of two");
	assert_int_equal(start, 0x2000);
	assert_null(mf_perf_map_at(map, 0x2010, &start));
	assert_null(mf_perf_map_at(map, 0x3000, &start));
	assert_null(mf_perf_map_at(map, 0x4000, &start));
	assert_null(mf_perf_map_at(map, UINT64_MAX, &start));
	assert_null(mf_perf_map_at(map, 0, &start));
	mf_perf_map_close(map);
	map = mf_perf_map_parse("", 0);
	assert_null(mf_perf_map_at(map, 0x1000, &start));
	mf_perf_map_close(map);
}

/* Of more lines than are kept, the last are. */
static void test_long_perf_map(void **state)
{
	const uint64_t count = (1 << 20) + 5;
	struct mf_perf_map *map;
	MF_AUTO_BUFFER(text);
	uint64_t start = 0;

	(void)state;
	for (uint64_t i = 0; i < count; i++)
		mf_buffer_printf(&text, "%llx 10 f%llu\n",
				 (unsigned long long)(i + 1) * 16,
				 (unsigned long long)i);
	map = mf_perf_map_parse(text.text, text.size);
	assert_string_equal(mf_perf_map_at(map, count * 16, &start),
			    "f1048580");
	assert_null(mf_perf_map_at(map, 16, &start));
	mf_perf_map_close(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_pointers),
		cmocka_unit_test(test_bad_chains),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_nowhere),
#ifdef __x86_64__
		cmocka_unit_test(test_signal_return),
#endif
		cmocka_unit_test(test_ends_of_memory),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_hostile_entries),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_perf_map),
		cmocka_unit_test(test_long_perf_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
