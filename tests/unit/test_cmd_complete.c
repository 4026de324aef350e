/*
 * What the prompt offers: from the tables of commands and options, and from a
 * forged address space, some of whose names are hostile.
 */
#include "base/memory.h"
#include "cmd/complete.h"
#include "space_util.h"

struct world {
	struct mf_target *target;
	struct mf_view view;
};

static int set_up(void **state)
{
	struct world *world = mf_new(struct world);
	struct mf_target *target = mf_target_create_forged();
	struct mf_thread thread = { .tid = 4711 };

	add_mapping(target, 0x10000, 4, RX, "/bin/x");
	add_mapping(target, 0x20000, 8, RW, "[heap]");
	add_mapping(target, 0x40000, 1, RO, "/srv/\033[31mred");
	add_mapping(target, 0x50000, 1, RO, "/srv/two words");
	add_mapping(target, 0x60000, 1, RO, "/srv/two words");
	mf_target_forge_thread(target, &thread);
	thread.tid = 4799;
	mf_target_forge_thread(target, &thread);
	world->target = target;
	world->view.target = target;
	world->view.space = make_space(target);
	must(mf_space_settle(world->view.space));
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	mf_space_destroy(world->view.space);
	mf_target_close(world->target);
	free(world);
	return 0;
}

/* Offers, each followed by a space; "files" for those. */
static char *draw(const struct mf_view *view, const char *text)
{
	struct mf_buffer drawn = { 0 };
	struct mf_offers offers;
	struct mf_typed typed;

	mf_line_look(text, strlen(text), &typed);
	mf_complete(&typed, view, &offers);
	for (size_t i = 0; i < offers.count; i++)
		mf_buffer_printf(&drawn, "%s ", offers.items[i]);
	mf_buffer_puts(&drawn, offers.files ? "files" : "");
	mf_offers_deinit(&offers);
	mf_typed_deinit(&typed);
	return mf_buffer_take(&drawn);
}

static void assert_offers(void **state, const char *text, const char *expected)
{
	const struct world *world = *state;
	char *drawn = draw(&world->view, text);

	assert_string_equal(drawn, expected);
	free(drawn);
}

static void test_commands(void **state)
{
	assert_offers(state, "ma", "maps ");
	assert_offers(state, "  re", "refresh refs ");
	assert_offers(state, "h", "help ");
	assert_offers(state, "nothing", "");
	assert_offers(state, "help sn", "snapshot ");
	assert_offers(state, "help re", "refs ");
	assert_offers(state, "frob x", "");
}

static void test_options(void **state)
{
	assert_offers(state, "chunks --s", "--sort --state ");
	assert_offers(state, "chunks --hi", "--histogram ");
	assert_offers(state, "maps --hi", "");
	/* how the target is opened was said before */
	assert_offers(state, "maps --max", "");
	assert_offers(state, "refresh --max", "--max-pause ");
	assert_offers(state, "refresh --pi", "");
	assert_offers(state, "attach --gen", "");
	assert_offers(state, "chunks --top 3 --j", "--json ");
}

static void test_values(void **state)
{
	assert_offers(state, "chunks --sort ", "address size ");
	assert_offers(state, "chunks --sort=s", "--sort=size ");
	assert_offers(state, "chunks --state in-use,t",
		      "in-use,tcache in-use,top ");
	assert_offers(state, "maps -f j", "json ");
	assert_offers(state, "maps -o ", "files");
	assert_offers(state, "maps --output=x", "files");
	assert_offers(state, "maps --top ", "");
	assert_offers(state, "maps | le", "files");
	assert_offers(state, "diff ", "files");
	/* an option without a value is not followed by one */
	assert_offers(state, "maps --json=", "");
}

static void test_regions(void **state)
{
	assert_offers(state, "scan he", "heap ");
	assert_offers(state, "scan s", "stack stack: suspicious ");
	assert_offers(state, "scan stack:47", "stack:4711 stack:4799 ");
	assert_offers(state, "scan class:he", "class:heap ");
	assert_offers(state, "dump heap 0x2", "0x20000 ");
	assert_offers(state, "maps he", "");
	assert_offers(state, "refs st", "stack stack: ");
	assert_offers(state, "explain st", "");
	assert_offers(state, "explain 0x2", "0x20000 ");
	assert_offers(state, "explain ar", "arena: ");
	assert_offers(state, "scan --pointer-to he", "heap ");
	assert_offers(state, "maps --class he", "heap ");
	assert_offers(state, "threads --tid 4711,47", "4711,4711 4711,4799 ");
}

/* Escapes do not meet the terminal, and one word stays one. */
static void test_labels(void **state)
{
	const struct world *world = *state;
	char *all = draw(&world->view, "scan label:");

	assert_non_null(strstr(all, "label:two "));
	assert_null(strchr(all, '\033'));
	assert_null(strstr(all, "words"));
	free(all);
}

static void test_no_models(void **state)
{
	const struct mf_view none = { .target = NULL };
	static const char *const lines[] = { "scan 0x",	    "scan label:",
					     "scan arena:", "scan stack:",
					     "explain ma",  "explain x:y" };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(lines); i++) {
		char *drawn = draw(&none, lines[i]);

		assert_string_equal(drawn, "");
		free(drawn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_no_models),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
