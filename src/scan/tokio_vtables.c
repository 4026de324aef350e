/*
 * Finding the vtables of Tokio's tasks, without symbols: since 1.23 they are
 * seven functions of the module and three small offsets, which nothing else is.
 * The older ones, of a program that says that it has such a release, are where a
 * symbol says so, or are taken for what they might be until a task is found and
 * the code of its poll is seen to be Tokio's.
 */
#include <stdlib.h>
#include <string.h>

#include "scan/code.h"
#include "scan/tokio.h"
#include "scan/words.h"

enum {
	ANY_RELEASE = 999,
	HEADER_BYTES = 32, /* of releases with offsets in their vtables */
	SCHEDULER_MAX = 128,
	SCHEDULER_SIZE_MAX = 64,
	TRAILER_MAX = 1 << 28, /* a future of a quarter of a gigabyte */
	ID = 8,		       /* bytes of it */
	CONTEXT = 32,
};

/* tokio/src/runtime/task/{core,raw}.rs of all releases. */
static const struct mf_tokio_release releases[] = {
	{ 23, ANY_RELEASE, 7, 3, 2, 1, 4 },
	{ 21, 22, 8, 1, 2, 1, 4 },
	{ 9, 20, 6, 0, 4, 3, 6 },
	{ 0, 8, 5, 0, 5, 3, 6 },
};

const struct mf_tokio_release *mf_tokio_release_of(unsigned minor)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(releases); i++)
		if (minor >= releases[i].first)
			return &releases[i];
	return &releases[0];
}

/* ---- which release ---------------------------------------------------------- */

/* The paths of its own source that a crate keeps for its panics. */
static const struct mf_tokio_release *release_in(struct mf_image *image,
						 const struct mf_module *module)
{
	static const char path[] = "/tokio-1.";
	char context[CONTEXT + 1] = "";
	const char *at = context + strlen(path);
	char *end;
	unsigned long minor;

	if (!mf_image_find_bytes(image, module, path, strlen(path), context,
				 CONTEXT))
		return NULL;
	minor = strtoul(at, &end, 10);
	if (end == at || *end != '.' || minor > ANY_RELEASE)
		return NULL;
	return mf_tokio_release_of((unsigned)minor);
}

/* ---- shapes ------------------------------------------------------------------ */

struct search {
	struct mf_tokio *tokio;
	struct mf_target *target;
	struct mf_image *image;
	const struct mf_module *module;
	struct mf_code_range code;
	const struct mf_tokio_release *release; /* of MODULE; NULL: says none */
	struct mf_map polls; /* of MODULE, by symbol: address, 0 */
	bool too_many;
};

static bool are_offsets(const uint64_t *words)
{
	uint64_t trailer = words[0], scheduler = words[1], id = words[2];

	return scheduler >= HEADER_BYTES && scheduler <= SCHEDULER_MAX &&
	       scheduler % 8 == 0 && id >= scheduler &&
	       id <= scheduler + SCHEDULER_SIZE_MAX && id % 8 == 0 &&
	       trailer > id && trailer < TRAILER_MAX && trailer % 8 == 0;
}

static size_t count_functions(const struct mf_code_range *code,
			      const uint64_t *words, size_t count)
{
	size_t most = MF_MIN(count, (size_t)MF_TOKIO_FUNCTIONS + 1), i;

	for (i = 0; i < most && mf_code_has(code, words[i]); i++)
		;
	return i;
}

static void add_vtable(struct search *search, uint64_t address,
		       const uint64_t *words, size_t functions, bool sure)
{
	struct mf_tokio *tokio = search->tokio;
	const struct mf_tokio_release *release =
		search->release ? search->release : &releases[0];
	struct mf_tokio_vtable vtable = {
		.address = address,
		.module = search->module,
		.release = release,
		.sure = sure,
		.proof = MF_TOKIO_UNNAMED,
	};

	if (tokio->vtables.count >= MF_TOKIO_VTABLES_MAX) {
		search->too_many = true;
		return;
	}
	vtable.function_count =
		(uint32_t)MF_MIN(functions, (size_t)MF_TOKIO_FUNCTIONS);
	memcpy(vtable.functions, words,
	       vtable.function_count * sizeof(uint64_t));
	if (release->offsets && words[release->functions] < TRAILER_MAX)
		vtable.trailer = (uint32_t)words[release->functions];
	if (release->offsets == 3)
		vtable.stage = (uint32_t)words[release->functions + 2] + ID;
	mf_points_add(&tokio->points, address, tokio->vtables.count);
	mf_vec_push(&tokio->vtables, vtable);
}

/* Without a release the shape must be one that only tasks have. */
static void look_at(struct search *search, const uint64_t *words, size_t count,
		    uint64_t address)
{
	const struct mf_tokio_release *release =
		search->release ? search->release : &releases[0];
	size_t functions = count_functions(&search->code, words, count);
	bool named;

	if (functions < release->functions ||
	    functions + release->offsets > count)
		return;
	named = mf_map_has(&search->polls, words[0]);
	if (release->offsets == 3) {
		if (functions == release->functions &&
		    are_offsets(words + functions))
			add_vtable(search, address, words, functions, true);
	} else if (release->offsets) {
		if (functions == release->functions &&
		    words[functions] % 8 == 0 &&
		    words[functions] < TRAILER_MAX &&
		    words[functions] > HEADER_BYTES)
			add_vtable(search, address, words, functions, named);
	} else if (named || !search->polls.count) {
		add_vtable(search, address, words, functions, named);
	}
}

/* ---- modules ------------------------------------------------------------------ */

static void note_poll(const char *name, uint64_t address, uint64_t size,
		      void *data)
{
	struct search *search = data;

	(void)size;
	if (strstr(name, "5tokio7runtime4task3raw4poll"))
		mf_map_set(&search->polls, address, 0);
}

static void enter_module(struct search *search, const struct mf_module *module)
{
	static const char *const prefixes[] = {
		"_ZN5tokio7runtime4task3raw4poll17h",
		"_RINvNtNtNtCs",
	};

	search->module = module;
	search->code = mf_code_range_of(module);
	search->release = release_in(search->image, module);
	mf_map_deinit(&search->polls);
	for (size_t i = 0; search->release && i < MF_ARRAY_SIZE(prefixes); i++)
		mf_image_each_symbol(search->image, module, prefixes[i],
				     MF_SYMBOLS_FILE, note_poll, search);
}

static void look_through(const struct mf_word_run *run, void *data)
{
	struct search *search = data;

	if (run->module != search->module)
		enter_module(search, run->module);
	for (size_t i = 0; i < run->starts; i++)
		if (mf_code_has(&search->code, run->words[i]))
			look_at(search, run->words + i, run->count - i,
				run->address + i * sizeof(uint64_t));
}

struct mf_error *mf_tokio_find(struct mf_tokio *tokio, struct mf_target *target,
			       struct mf_image *image)
{
	struct search search = { .tokio = tokio,
				 .target = target,
				 .image = image };
	struct mf_error *error =
		mf_module_words(target, image, look_through, &search);

	mf_map_deinit(&search.polls);
	if (search.too_many)
		mf_target_note_partial(target, "tasks",
				       "more than %d tables may be of tasks",
				       MF_TOKIO_VTABLES_MAX);
	return error;
}
