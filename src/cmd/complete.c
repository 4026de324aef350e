/*
 * Offers words from the tables of commands and options, and from the models of
 * the target: regions, arenas, threads, symbols. What comes from the target is
 * offered only if it is plain, so that a terminal may show it, and bounded.
 */
#include "cmd/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"

enum {
	OFFERS_MOST = 1000,
	SYMBOL_LEAST = 2, /* letters, before symbols are looked for */
};

static const char *const prompt_words[] = { "help", "refresh", "quit", "exit",
					    NULL };

const char *const *mf_prompt_words(void)
{
	return prompt_words;
}

/* ---- offers ---------------------------------------------------------------- */

struct completing {
	const struct mf_typed *typed;
	const struct mf_view *view;
	const char *word; /* that is completed */
	size_t kept;	  /* bytes of it that all offers begin with */
	struct mf_offers *offers;
};

/* TEXT behind what is kept of the word, if that begins so. */
static void offer(struct completing *completing, const char *text)
{
	struct mf_offers *offers = completing->offers;
	const char *rest = completing->word + completing->kept;

	if (!*text || strncmp(text, rest, strlen(rest)) != 0 ||
	    offers->count == OFFERS_MOST)
		return;
	mf_vec_push(offers, mf_asprintf("%.*s%s", (int)completing->kept,
					completing->word, text));
}

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c && strchr("_.:/+-[]@$,#=", c));
}

/* As much of TEXT as needs no quotes, and is no harm. */
static void offer_plain(struct completing *completing, const char *text)
{
	size_t length = 0;

	while (is_plain(text[length]))
		length++;
	mf_auto_free char *plain = mf_strndup(text, length);
	offer(completing, plain);
}

/* True when the word goes on behind PREFIX: offers are of the rest. */
static bool goes_on(struct completing *completing, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(completing->word + completing->kept, prefix, length) != 0)
		return false;
	completing->kept += length;
	return true;
}

static int compare_texts(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;

	return strcmp(*a, *b);
}

static void tidy(struct mf_offers *offers)
{
	size_t kept = 0;

	mf_vec_sort(offers, compare_texts);
	for (size_t i = 0; i < offers->count; i++) {
		if (kept && !strcmp(offers->items[kept - 1], offers->items[i]))
			free(offers->items[i]);
		else
			offers->items[kept++] = offers->items[i];
	}
	offers->count = kept;
}

void mf_offers_deinit(struct mf_offers *offers)
{
	mf_vec_foreach(item, offers)
		free(*item);
	mf_vec_deinit(offers);
}

/* ---- regions --------------------------------------------------------------- */

static void offer_arenas(struct completing *completing)
{
	char number[16];

	mf_heap_foreach_allocator(allocator, completing->view->heap)
		for (size_t i = 0; i < allocator->arena_count; i++) {
			snprintf(number, sizeof(number), "%u",
				 allocator->arenas[i].index);
			offer(completing, number);
		}
}

static void offer_threads(struct completing *completing)
{
	size_t count = 0;
	const struct mf_thread *threads =
		completing->view->target
			? mf_target_threads(completing->view->target, &count)
			: NULL;
	char number[16];

	for (size_t i = 0; i < count; i++) {
		snprintf(number, sizeof(number), "%d", (int)threads[i].tid);
		offer(completing, number);
	}
}

static void offer_class(struct completing *completing,
			const struct mf_region *region)
{
	offer(completing, mf_class_name(region->class));
}

static void offer_label(struct completing *completing,
			const struct mf_region *region)
{
	offer_plain(completing,
		    *region->label ? region->label : region->mapping->path);
}

static void offer_start(struct completing *completing,
			const struct mf_region *region)
{
	char address[24];

	snprintf(address, sizeof(address), "0x%llx",
		 (unsigned long long)region->start);
	offer(completing, address);
}

static void each_region(struct completing *completing,
			void (*visit)(struct completing *completing,
				      const struct mf_region *region))
{
	size_t count = 0;
	const struct mf_region *regions =
		completing->view->space
			? mf_space_regions(completing->view->space, &count)
			: NULL;

	for (size_t i = 0; i < count; i++)
		visit(completing, &regions[i]);
}

/* What begins a region, or what goes on behind that. */
static void offer_regions(struct completing *completing)
{
	if (goes_on(completing, "arena:")) {
		offer_arenas(completing);
	} else if (goes_on(completing, "stack:")) {
		offer_threads(completing);
	} else if (goes_on(completing, "class:")) {
		each_region(completing, offer_class);
	} else if (goes_on(completing, "label:")) {
		each_region(completing, offer_label);
	} else {
		for (const char *const *word = mf_select_words(); *word; word++)
			offer(completing, *word);
		each_region(completing, offer_start);
	}
}

/* Addresses, and what means one. */
static void offer_places(struct completing *completing)
{
	if (goes_on(completing, "arena:")) {
		offer_arenas(completing);
		return;
	}
	offer(completing, "arena:");
	each_region(completing, offer_start);
}

/* ---- symbols --------------------------------------------------------------- */

static void visit_symbol(const char *name, uint64_t address, uint64_t size,
			 void *data)
{
	(void)address;
	(void)size;
	/* a name that is cut is no name */
	for (const char *at = name; *at; at++)
		if (!is_plain(*at))
			return;
	offer(data, name);
}

static void offer_symbols_of(struct completing *completing,
			     const struct mf_module *module)
{
	const char *prefix = completing->word + completing->kept;

	mf_image_each_symbol(completing->view->image, module, prefix,
			     MF_SYMBOLS_FILE, visit_symbol, completing);
}

static void offer_symbols(struct completing *completing)
{
	size_t count = 0;
	const struct mf_module *modules =
		completing->view->image
			? mf_image_modules(completing->view->image, &count)
			: NULL;
	bool enough = strlen(completing->word) >= SYMBOL_LEAST;

	for (size_t i = 0; i < count; i++) {
		mf_auto_free char *prefix = mf_asprintf("%s:", modules[i].name);
		size_t kept = completing->kept;

		offer_plain(completing, prefix);
		if (enough)
			offer_symbols_of(completing, &modules[i]);
		if (goes_on(completing, prefix))
			offer_symbols_of(completing, &modules[i]);
		completing->kept = kept;
	}
}

/* ---- options --------------------------------------------------------------- */

static bool is_offered(const struct mf_option *option, bool opens)
{
	return !option->hidden && !option->names_target &&
	       (opens || !option->of_target);
}

static void offer_options(struct completing *completing,
			  const struct mf_option *options, size_t count,
			  bool opens)
{
	for (size_t i = 0; i < count; i++) {
		mf_auto_free char *name = mf_asprintf("--%s", options[i].name);

		if (is_offered(&options[i], opens))
			offer(completing, name);
	}
}

static void offer_all_options(struct completing *completing,
			      const struct mf_command *command, bool opens)
{
	size_t count;
	const struct mf_option *common = mf_common_options(&count);

	offer_options(completing, common, count, opens);
	offer_options(completing, command->options, command->option_count,
		      opens);
}

static bool is_called(const struct mf_option *option, const char *word)
{
	if (!strncmp(word, "--", 2))
		return !strcmp(option->name, word + 2);
	return word[0] == '-' && word[1] && !word[2] &&
	       option->letter == word[1];
}

static const struct mf_option *find_option(const struct mf_command *command,
					   const char *word)
{
	size_t count;
	const struct mf_option *common = mf_common_options(&count);

	for (size_t i = 0; i < count; i++)
		if (is_called(&common[i], word))
			return &common[i];
	for (size_t i = 0; i < command->option_count; i++)
		if (is_called(&command->options[i], word))
			return &command->options[i];
	return NULL;
}

static void offer_classes(struct completing *completing)
{
	each_region(completing, offer_class);
}

/* What has no words in the option's table, and is known of the target. */
static void offer_known(struct completing *completing, const char *argument)
{
	static const struct {
		const char *argument;
		void (*offer)(struct completing *completing);
	} known[] = {
		{ "REGION", offer_regions },
		{ "CLASS", offer_classes },
		{ "TID[,TID...]", offer_threads },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].argument, argument))
			known[i].offer(completing);
}

/* Of "in-use,fr" the last part. */
static void offer_value(struct completing *completing,
			const struct mf_option *option)
{
	const char *comma = strrchr(completing->word + completing->kept, ',');

	completing->offers->files = option->completion == MF_COMPLETE_FILE ||
				    option->completion == MF_COMPLETE_FOLDER;
	if (comma)
		completing->kept = (size_t)(comma + 1 - completing->word);
	if (option->completion != MF_COMPLETE_WORDS) {
		offer_known(completing, option->argument);
		return;
	}
	for (size_t i = 0; option->words[i]; i++)
		offer(completing, option->words[i]);
}

/* ---- the line -------------------------------------------------------------- */

static void offer_commands(struct completing *completing, bool words)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	for (size_t i = 0; i < count; i++)
		offer(completing, commands[i]->name);
	for (size_t i = 0; words && prompt_words[i]; i++)
		offer(completing, prompt_words[i]);
}

/* True when the word is the value of an option. */
static bool complete_value(struct completing *completing,
			   const struct mf_command *command)
{
	const struct mf_typed_line *before = &completing->typed->before;
	const char *last = before->words[before->count - 1];
	const char *equals = strchr(completing->word, '=');
	const struct mf_option *option;
	mf_auto_free char *name = NULL;

	if (!strncmp(completing->word, "--", 2) && equals) {
		name = mf_strndup(completing->word,
				  (size_t)(equals - completing->word));
		completing->kept = (size_t)(equals + 1 - completing->word);
		last = name;
	}
	option = find_option(command, last);
	if (!option || !option->argument)
		return equals && name;
	offer_value(completing, option);
	return true;
}

static void complete_argument(struct completing *completing,
			      const struct mf_command *command)
{
	if (command->takes_regions || command->offers_regions)
		offer_regions(completing);
	else if (command->offers_symbols)
		offer_places(completing);
	if (command->offers_symbols) {
		completing->kept = 0;
		offer_symbols(completing);
	}
	completing->offers->files = command->opens_own;
}

static void complete_words(struct completing *completing,
			   const struct mf_command *command, bool opens)
{
	if (complete_value(completing, command))
		return;
	completing->kept = 0;
	if (completing->word[0] == '-')
		offer_all_options(completing, command, opens);
	else
		complete_argument(completing, command);
}

static void complete_line(struct completing *completing)
{
	const struct mf_typed_line *before = &completing->typed->before;
	const struct mf_command *command = NULL;
	bool opens = false;

	for (size_t i = 0; i < before->count && !command; i++) {
		if (i == 0 && !strcmp(before->words[i], "help")) {
			offer_commands(completing, false);
			return;
		}
		opens = i == 0 && !strcmp(before->words[i], "refresh");
		command = opens ? &mf_command_attach
				: mf_command_find(before->words[i]);
	}
	if (command)
		complete_words(completing, command, opens);
	else if (!before->count)
		offer_commands(completing, true);
}

void mf_complete(const struct mf_typed *typed, const struct mf_view *view,
		 struct mf_offers *ret)
{
	struct completing completing = {
		.typed = typed,
		.view = view,
		.word = typed->word,
		.offers = ret,
	};

	*ret = (struct mf_offers){ .files = typed->in_pipe };
	if (typed->in_pipe)
		return;
	complete_line(&completing);
	tidy(ret);
}
