/*
 * What is said of an expression that selects nothing: what there is instead.
 */
#include <string.h>

#include "base/buffer.h"
#include "session/select_match.h"

enum {
	NAMED_MOST = 12, /* in one line */
};

/* "a, b and 3 more", one word after another. */
struct listing {
	struct mf_buffer text;
	size_t count;
};

static void add_word(struct listing *listing, const char *word)
{
	if (listing->count++ < NAMED_MOST)
		mf_buffer_printf(&listing->text, "%s%s",
				 listing->count > 1 ? ", " : "", word);
}

static const char *end_listing(struct listing *listing)
{
	if (listing->count > NAMED_MOST)
		mf_buffer_printf(&listing->text, " and %zu more",
				 listing->count - NAMED_MOST);
	return mf_buffer_text(&listing->text);
}

static void listing_deinit(struct listing *listing)
{
	mf_buffer_deinit(&listing->text);
}

static struct mf_error *refuse_arena(const struct mf_matcher *matcher,
				     struct mf_error *error)
{
	unsigned most = 0;

	for (size_t i = 0; i < matcher->heaps.count; i++)
		most = MF_MAX(most, matcher->heaps.items[i].arena);
	if (!matcher->heaps.count)
		return mf_error_hint(
			mf_error_why(error, "no arenas of glibc's malloc were "
					    "found in it"),
			"memforensics arenas says which allocators there are");
	if (!most)
		return mf_error_hint(
			mf_error_why(error, "its only arena is the main one"),
			"arena:0");
	return mf_error_hint(
		mf_error_why(error, "its arenas are 0 to %u", most),
		"memforensics arenas lists them");
}

static struct mf_error *refuse_stack(const struct mf_matcher *matcher,
				     struct mf_error *error)
{
	mf_cleanup(listing_deinit) struct listing listing = { 0 };
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(matcher->view->target, &count);

	for (size_t i = 0; i < count; i++) {
		char word[32];

		snprintf(word, sizeof(word), "%d", (int)threads[i].tid);
		add_word(&listing, word);
	}
	if (!count)
		return mf_error_hint(
			mf_error_why(error, "its threads are not known"),
			"class:stack, or class:thread-stack");
	return mf_error_hint(mf_error_why(error, "its threads are %s",
					  end_listing(&listing)),
			     "stack:%d", (int)threads[0].tid);
}

static struct mf_error *refuse_class(const struct mf_matcher *matcher,
				     struct mf_error *error)
{
	mf_cleanup(listing_deinit) struct listing listing = { 0 };
	bool there[MF_CLASS_COUNT] = { false };

	for (size_t i = 0; i < matcher->count; i++)
		there[matcher->regions[i].class] = true;
	for (unsigned i = 0; i < MF_CLASS_COUNT; i++)
		if (there[i])
			add_word(&listing, mf_class_name((enum mf_class)i));
	return mf_error_hint(mf_error_why(error, "its regions are of %s",
					  end_listing(&listing)),
			     "memforensics maps lists them");
}

static struct mf_error *refuse_label(const struct mf_matcher *matcher,
				     struct mf_error *error)
{
	mf_cleanup(listing_deinit) struct listing listing = { 0 };

	for (size_t i = 0; i < matcher->count; i++) {
		const char *label = matcher->regions[i].label;

		if (*label &&
		    (!i || strcmp(label, matcher->regions[i - 1].label) != 0))
			add_word(&listing, label);
	}
	return mf_error_hint(mf_error_why(error, "its regions are %s",
					  end_listing(&listing)),
			     "memforensics maps lists them");
}

static struct mf_error *refuse_address(const struct mf_matcher *matcher,
				       const struct mf_term *term,
				       struct mf_error *error)
{
	const struct mf_region *below = NULL, *above = NULL;

	for (size_t i = 0; i < matcher->count && !above; i++)
		if (matcher->regions[i].end <= term->start)
			below = &matcher->regions[i];
		else
			above = &matcher->regions[i];
	if (below && above)
		mf_error_why(error,
			     "nothing is mapped there, between %#llx and %#llx",
			     (unsigned long long)below->end,
			     (unsigned long long)above->start);
	else
		mf_error_why(error, "nothing is mapped there: %s %#llx",
			     above ? "the first mapping begins at"
				   : "the last mapping ends at",
			     above   ? (unsigned long long)above->start
			     : below ? (unsigned long long)below->end
				     : 0ULL);
	if (term->kind == MF_TERM_ADDRESS && term->hex != term->start &&
	    mf_space_region_at(matcher->view->space, term->hex))
		return mf_error_hint(error, "0x%s", term->text);
	return mf_error_hint(error, "memforensics maps lists what is mapped");
}

struct mf_error *mf_select_refuse_empty(const struct mf_matcher *matcher,
					const struct mf_term *term)
{
	struct mf_error *error = mf_error_create(
		MF_ERROR_FAILED, "'%s' selects nothing", term->text);

	switch (term->kind) {
	case MF_TERM_ARENA:
		return refuse_arena(matcher, error);
	case MF_TERM_STACK_OF:
		return refuse_stack(matcher, error);
	case MF_TERM_LABEL:
		return refuse_label(matcher, error);
	case MF_TERM_ADDRESS:
	case MF_TERM_RANGE:
		return refuse_address(matcher, term, error);
	case MF_TERM_SUSPICIOUS:
		return mf_error_hint(
			mf_error_why(error, "no region of it is suspicious"),
			"all, or memforensics maps");
	default:
		return refuse_class(matcher, error);
	}
}
