/*
 * Region expressions: what is none, what each means in a forged address space,
 * what is said where one selects nothing.
 */
#include <stdio.h>

#include "memforensics/session.h"

#include "space_util.h"

/* ---- a space --------------------------------------------------------------- */

struct world {
	struct mf_target *target;
	struct mf_view view;
};

static void build(struct world *world)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	add_mapping(target, 0x10000, 4, RX, "/bin/x");
	add_mapping(target, 0x20000, 8, RW, "[heap]");
	add_mapping(target, 0x40000, 16, RW, "");
	add_mapping(target, 0x60000, 4, NONE, "");
	add_mapping(target, 0x70000, 4, RW, "[stack]");
	space = make_space(target);
	claim(space, 0x42000, 0x46000, MF_CLASS_JEMALLOC, MF_BY_STRUCTURE);
	claim(space, 0x48000, 0x4a000, MF_CLASS_JEMALLOC, MF_BY_STRUCTURE);
	mf_space_claim(space, &(struct mf_claim){
				      .start = 0x4c000,
				      .end = 0x4e000,
				      .class = MF_CLASS_THREAD_STACK,
				      .certainty = MF_BY_STRUCTURE,
				      .label = "thread 42 stack",
				      .owner = "tid 42",
				      .proof = "",
			      });
	must(mf_space_settle(space));
	*world = (struct world){
		.target = target,
		.view = { .target = target, .space = space },
	};
}

static void tear(struct world *world)
{
	mf_space_destroy(world->view.space);
	mf_target_close(world->target);
}

static struct mf_error *resolve(const struct world *world, const char *text,
				struct mf_selection *ret)
{
	const char *texts[8], *rest = text;
	struct mf_select *select = NULL;
	struct mf_error *error;
	char words[256];
	size_t count = 0;

	snprintf(words, sizeof(words), "%s", rest);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		texts[count++] = word;
	error = mf_select_parse(texts, count, &select);
	if (!error)
		error = mf_select_resolve(select, &world->view, ret);
	mf_select_destroy(select);
	return error;
}

/* Each range as start-end:group, then each group as label/class. */
static void assert_selects(const struct world *world, const char *text,
			   const char *ranges, const char *groups)
{
	struct mf_selection selection = { 0 };
	uint64_t bytes = 0;
	MF_AUTO_BUFFER(drawn);
	MF_AUTO_BUFFER(named);

	must(resolve(world, text, &selection));
	for (size_t i = 0; i < selection.range_count; i++) {
		const struct mf_scan_range *range = &selection.ranges[i];

		mf_buffer_printf(&drawn, "%s%llx-%llx:%u", i ? " " : "",
				 (unsigned long long)range->start,
				 (unsigned long long)range->end, range->group);
		bytes += range->end - range->start;
	}
	for (size_t i = 0; i < selection.group_count; i++)
		mf_buffer_printf(&named, "%s%s/%s@%llx", i ? " " : "",
				 selection.groups[i].label,
				 mf_class_name(selection.groups[i].class),
				 (unsigned long long)selection.groups[i].start);
	assert_string_equal(mf_buffer_text(&drawn), ranges);
	if (groups)
		assert_string_equal(mf_buffer_text(&named), groups);
	assert_int_equal(selection.bytes, bytes);
	mf_selection_deinit(&selection);
}

static void assert_refused(const struct world *world, const char *text,
			   enum mf_error_code code, const char *why,
			   const char *hint)
{
	struct mf_selection selection = { 0 };
	struct mf_error *error = resolve(world, text, &selection);

	if (!error) {
		fail_msg("%s was taken", text);
		return;
	}
	assert_int_equal(error->code, code);
	if (!strstr(error->why, why))
		fail_msg("%s: why is: %s", text, error->why);
	if (!error->hint || !strstr(error->hint, hint))
		fail_msg("%s: hint is: %s", text, error->hint);
	mf_error_destroy(error);
}

/* ---- tests ----------------------------------------------------------------- */

static void words_select_regions(void **state)
{
	struct world world;

	(void)state;
	build(&world);
	assert_selects(&world, "heap", "20000-28000:0", "brk heap/heap@20000");
	assert_selects(&world, "stack", "4c000-4e000:0 70000-74000:1", NULL);
	assert_selects(&world, "stack:42", "4c000-4e000:0",
		       "thread 42 stack/thread-stack@4c000");
	assert_selects(&world, "class:jemalloc", "42000-46000:0 48000-4a000:0",
		       "jemalloc/jemalloc@42000");
	assert_selects(&world, "label:/bin", "10000-14000:0", NULL);
	assert_selects(&world, "label:42", "4c000-4e000:0", NULL);
	/* what was only set aside holds no bytes */
	assert_selects(&world, "all",
		       "10000-14000:0 20000-28000:1 40000-42000:2 "
		       "42000-46000:3 46000-48000:4 48000-4a000:3 "
		       "4a000-4c000:5 4c000-4e000:6 4e000-50000:7 "
		       "70000-74000:8",
		       NULL);
	assert_selects(&world, "class:reserve", "60000-64000:0", NULL);
	tear(&world);
}

static void addresses_select_what_is_there(void **state)
{
	struct world world;
	size_t count;

	(void)state;
	build(&world);
	assert_selects(&world, "0x21234", "20000-28000:0", NULL);
	assert_selects(&world, "135732", "20000-28000:0", NULL);
	/* the mapping, with all that is in it */
	assert_selects(&world, "4bfff",
		       "40000-42000:0 42000-46000:1 46000-48000:2 "
		       "48000-4a000:1 4a000-4c000:3 4c000-4e000:4 "
		       "4e000-50000:5",
		       NULL);
	assert_selects(&world, "20000-21000", "20000-21000:0", NULL);
	assert_selects(&world, "0x20010-0x20013", "20010-20013:0", NULL);
	assert_selects(&world, "0x20010+4K", "20010-21010:0", NULL);
	assert_selects(&world, "0x45ff0+0x20", "45ff0-46000:0 46000-46010:1",
		       NULL);
	mf_target_partials(world.target, &count);
	assert_int_equal(count, 0);
	assert_selects(&world, "27000-41000", "27000-28000:0 40000-41000:1",
		       NULL);
	assert_int_equal(mf_target_partials(world.target, &count)[0].why[0],
			 '9'); /* 98304 bytes */
	assert_int_equal(count, 1);
	tear(&world);
}

static void several_are_one_set(void **state)
{
	struct world world;

	(void)state;
	build(&world);
	assert_selects(&world, "stack 0x20000+4K 21000-22000 heap stack:42",
		       "20000-28000:0 4c000-4e000:1 70000-74000:2", NULL);
	assert_selects(&world, "24000-25000 20000-21000 20800-20900",
		       "20000-21000:0 24000-25000:0", NULL);
	tear(&world);
}

static void usual_ones_may_be_none(void **state)
{
	struct world world;
	struct mf_selection selection = { 0 };
	struct mf_select *select = mf_select_create_usual();

	(void)state;
	build(&world);
	must(mf_select_resolve(select, &world.view, &selection));
	assert_int_equal(selection.range_count, 3);
	assert_int_equal(selection.group_count, 2);
	mf_selection_deinit(&selection);
	mf_select_destroy(select);
	tear(&world);
}

static void nonsense_is_refused(void **state)
{
	struct world world;

	(void)state;
	build(&world);
	assert_refused(&world, "haep", MF_ERROR_USAGE, "no such word", "heap");
	assert_refused(&world, "suspiciou", MF_ERROR_USAGE, "no such word",
		       "suspicious");
	assert_refused(&world, "jemalloc", MF_ERROR_USAGE, "a class",
		       "class:jemalloc");
	assert_refused(&world, "thread-stack", MF_ERROR_USAGE, "a class",
		       "class:thread-stack");
	assert_refused(&world, "elf-gap", MF_ERROR_USAGE, "a class",
		       "class:elf-gap");
	assert_refused(&world, "class:stak", MF_ERROR_USAGE, "no class 'stak'",
		       "class:stack");
	assert_refused(&world, "class:", MF_ERROR_USAGE, "no class", "maps");
	assert_refused(&world, "arena:x", MF_ERROR_USAGE, "a number", "ADDR");
	assert_refused(&world, "arena:99999999999", MF_ERROR_USAGE, "number",
		       "ADDR");
	assert_refused(&world, "stack:0", MF_ERROR_USAGE, "thread", "ADDR");
	assert_refused(&world, "label:", MF_ERROR_USAGE, "label", "ADDR");
	assert_refused(&world, "0x10zz", MF_ERROR_USAGE, "neither", "ADDR");
	assert_refused(&world, "10-", MF_ERROR_USAGE, "hexadecimal", "ADDR");
	assert_refused(&world, "20-10", MF_ERROR_USAGE, "before", "ADDR");
	assert_refused(&world, "10+", MF_ERROR_USAGE, "no size", "ADDR");
	assert_refused(&world, "10+0", MF_ERROR_USAGE, "no size", "ADDR");
	assert_refused(&world, "0xfffffffffffffff0+32", MF_ERROR_USAGE, "past",
		       "ADDR");
	assert_refused(&world, "99999999999999999999999", MF_ERROR_USAGE,
		       "neither", "ADDR");
	tear(&world);
}

static void nothing_says_what_there_is(void **state)
{
	struct world world;

	(void)state;
	build(&world);
	assert_refused(&world, "0x1000", MF_ERROR_FAILED, "begins at 0x10000",
		       "maps");
	assert_refused(&world, "0x30000", MF_ERROR_FAILED,
		       "between 0x28000 and 0x40000", "maps");
	assert_refused(&world, "0x80000+1", MF_ERROR_FAILED, "ends at 0x74000",
		       "maps");
	/* 20000 in decimal is nowhere, in hexadecimal it is the heap */
	assert_refused(&world, "20000", MF_ERROR_FAILED, "nothing is mapped",
		       "0x20000");
	assert_refused(&world, "class:go-heap", MF_ERROR_FAILED,
		       "heap, stack, thread-stack, jemalloc", "maps");
	assert_refused(&world, "label:none", MF_ERROR_FAILED, "thread 42 stack",
		       "maps");
	assert_refused(&world, "arena:1", MF_ERROR_FAILED, "no arenas",
		       "arenas");
	assert_refused(&world, "stack:7", MF_ERROR_FAILED, "not known",
		       "class:");
	assert_refused(&world, "suspicious", MF_ERROR_FAILED, "no region",
		       "all");
	tear(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_select_regions),
		cmocka_unit_test(addresses_select_what_is_there),
		cmocka_unit_test(several_are_one_set),
		cmocka_unit_test(usual_ones_may_be_none),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(nothing_says_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
