/*
 * Reads the command line. Options may stand anywhere, so they are collected
 * first, and judged once the command is known.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/complete.h"

enum {
	FIRST_LONG = 256, /* getopt's values of long options, above letters */
};

/* ---- all options of all commands ---------------------------------------------- */

struct option_list {
	const struct mf_option **items;
	size_t count, capacity;
};

static const struct mf_option *find_option(const struct mf_option *options,
					   size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

static void add_options(struct option_list *list,
			const struct mf_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool known = false;

		for (size_t j = 0; j < list->count && !known; j++)
			known = !strcmp(list->items[j]->name, options[i].name);
		if (!known)
			mf_vec_push(list, &options[i]);
	}
}

static void list_all_options(struct option_list *list)
{
	size_t count;
	const struct mf_option *common = mf_common_options(&count);
	const struct mf_command *const *commands;

	add_options(list, common, count);
	commands = mf_commands(&count);
	for (size_t i = 0; i < count; i++)
		add_options(list, commands[i]->options,
			    commands[i]->option_count);
}

/* ---- getopt ---------------------------------------------------------------------- */

struct given {
	const struct mf_option *option;
	const char *value;
};

struct parser {
	struct option_list options;
	struct option *longs; /* as getopt wants them */
	struct mf_buffer shorts;
	struct {
		struct given *items;
		size_t count, capacity;
	} given;
};

static void parser_deinit(struct parser *parser)
{
	mf_vec_deinit(&parser->options);
	mf_vec_deinit(&parser->given);
	mf_buffer_deinit(&parser->shorts);
	free(parser->longs);
}

static void parser_init(struct parser *parser)
{
	list_all_options(&parser->options);
	parser->longs = mf_new_array(parser->options.count + 1, struct option);
	mf_buffer_putc(&parser->shorts, ':');
	for (size_t i = 0; i < parser->options.count; i++) {
		const struct mf_option *option = parser->options.items[i];

		parser->longs[i] = (struct option){
			.name = option->name,
			.has_arg = option->argument ? required_argument
						    : no_argument,
			.val = FIRST_LONG + (int)i,
		};
		if (option->letter)
			mf_buffer_printf(&parser->shorts, "%c%s",
					 option->letter,
					 option->argument ? ":" : "");
	}
}

static const struct mf_option *option_of(const struct parser *parser, int value)
{
	if (value >= FIRST_LONG)
		return parser->options.items[value - FIRST_LONG];
	for (size_t i = 0; i < parser->options.count; i++)
		if (parser->options.items[i]->letter == value)
			return parser->options.items[i];
	return NULL;
}

static struct mf_error *unknown_option(const struct parser *parser,
				       const char *word)
{
	size_t length = strcspn(word, "=");
	mf_auto_free char *name = mf_strndup(word, length);
	mf_auto_free const char **names =
		mf_new_array(parser->options.count, const char *);
	struct mf_error *error;
	const char *meant = NULL;
	size_t count = 0;

	error = mf_error_why(
		mf_error_create(MF_ERROR_USAGE, "there is no option %s", name),
		"no command has one of that name");
	for (size_t i = 0; i < parser->options.count; i++)
		if (!parser->options.items[i]->hidden)
			names[count++] = parser->options.items[i]->name;
	if (!strncmp(name, "--", 2))
		meant = mf_did_you_mean(name + 2, names, count);
	return meant ? mf_error_hint(error, "--%s", meant)
		     : mf_error_hint(error, "memforensics --help");
}

static struct mf_error *refuse(const struct parser *parser, int what,
			       char **argv)
{
	const struct mf_option *option = option_of(parser, optopt);
	char letter[] = { '-', (char)optopt, '\0' };

	if (what == ':' && option)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "--%s lacks its value",
						     option->name),
				     "it takes %s", option->argument),
			"memforensics --help");
	if (option && optopt >= FIRST_LONG)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "what is %s for?",
						     argv[optind - 1]),
				     "the option takes no value"),
			"--%s", option->name);
	return unknown_option(parser, optopt ? letter : argv[optind - 1]);
}

static struct mf_error *collect(struct parser *parser, int argc, char **argv)
{
	int what;

	opterr = 0;
	optind = 0;
	while ((what = getopt_long(argc, argv, mf_buffer_text(&parser->shorts),
				   parser->longs, NULL)) != -1) {
		if (what == '?' || what == ':')
			return refuse(parser, what, argv);
		mf_vec_push(&parser->given,
			    (struct given){ option_of(parser, what), optarg });
	}
	return NULL;
}

/* ---- words ------------------------------------------------------------------------ */

static bool is_number(const char *word)
{
	return isdigit((unsigned char)word[0]);
}

struct names {
	const char **items;
	size_t count, capacity;
};

static void names_deinit(struct names *names)
{
	mf_vec_deinit(names);
}

static void list_commands(struct names *names, bool typed)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	for (size_t i = 0; i < count; i++)
		mf_vec_push(names, commands[i]->name);
	for (const char *const *word = mf_prompt_words(); typed && *word;
	     word++)
		mf_vec_push(names, *word);
}

/* What a word that is about something, and no command, may be meant for. */
static const char *command_about(const char *word, bool typed)
{
	uint64_t number;

	if (!typed)
		return access(word, F_OK) == 0 ? "attach" : NULL;
	if (mf_parse_number(word, &number))
		return "explain";
	return mf_select_has_word(word) ? "scan" : NULL;
}

struct mf_error *mf_command_refuse(const char *word, bool typed)
{
	struct mf_error *error = mf_error_create(
		MF_ERROR_USAGE, "there is no command '%s'", word);
	const char *about = command_about(word, typed), *meant;
	mf_cleanup(names_deinit) struct names names = { 0 };
	MF_AUTO_BUFFER(all);

	list_commands(&names, typed);
	mf_vec_foreach(name, &names)
		mf_buffer_printf(&all, "%s%s", all.size ? ", " : "", *name);
	mf_error_why(error, "the commands are %s", mf_buffer_text(&all));
	if (about)
		return mf_error_hint(error, "memforensics %s %s", about, word);
	meant = mf_did_you_mean(word, names.items, names.count);
	return meant ? mf_error_hint(error, "memforensics %s", meant)
		     : mf_error_hint(error, "memforensics --help");
}

static struct mf_error *no_command(void)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "to do what?"),
			     "there are only options"),
		"help");
}

/* ASKS: what an option is about is said without a command. */
static struct mf_error *take_command(struct mf_parsed *parsed, int *count,
				     char ***words, bool asks)
{
	bool typed = parsed->settings.at_prompt;

	if (typed && !*count)
		return asks ? NULL : no_command();
	if (*count && (parsed->command = mf_command_find((*words)[0]))) {
		parsed->named = true;
		++*words;
		--*count;
		return NULL;
	}
	if (*count && (typed || !is_number((*words)[0])))
		return mf_command_refuse((*words)[0], typed);
	return NULL;
}

/* A process of somebody who takes the prompt for a shell, or a mistake. */
static struct mf_error *too_many_typed(const struct mf_parsed *parsed,
				       const char *word, struct mf_error *error)
{
	const struct mf_command *command = parsed->command;

	if (command->arguments)
		return mf_error_hint(mf_error_why(error, "%s takes %zu",
						  command->name,
						  command->arguments_most),
				     "help %s", command->name);
	mf_error_why(error, "%s is about '%s', as all here, and takes no more",
		     command->name, parsed->settings.target);
	return is_number(word)
		       ? mf_error_hint(error, "in a shell: memforensics %s %s",
				       command->name, word)
		       : mf_error_hint(error, "help %s", command->name);
}

static struct mf_error *too_many(const struct mf_parsed *parsed,
				 const char *word)
{
	const struct mf_command *command = parsed->command;
	struct mf_error *error =
		mf_error_create(MF_ERROR_USAGE, "what is '%s' for?", word);

	if (parsed->settings.at_prompt)
		return too_many_typed(parsed, word, error);
	if (command && command->arguments)
		mf_error_why(error, "%s takes %zu after its target",
			     command->name, command->arguments_most);
	else
		mf_error_why(error, "there is a target already, '%s'",
			     parsed->settings.target);
	return mf_error_hint(error, "memforensics --help");
}

static struct mf_error *too_few(const struct mf_parsed *parsed)
{
	const struct mf_command *command = parsed->command;

	if (parsed->settings.at_prompt)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "%s of what?",
						     command->name),
				     "it takes %s", command->arguments),
			"help %s", command->name);
	return mf_error_hint(
		mf_error_why(
			mf_error_create(MF_ERROR_USAGE, "%s of %s: what?",
					command->name, parsed->settings.target),
			"it takes %s after its target", command->arguments),
		"memforensics %s --help", command->name);
}

static struct mf_error *take_words(struct mf_parsed *parsed, size_t count,
				   char **words)
{
	struct mf_settings *settings = &parsed->settings;
	const struct mf_command *command = parsed->command;
	size_t most = 0;

	if (count && !settings->target) {
		settings->target = words[0];
		++words;
		--count;
	}
	/* what a process was like is compared with what it is like now */
	if (settings->at_prompt && !count && command && command->opens_own &&
	    is_number(settings->target)) {
		settings->arguments = &settings->target;
		settings->argument_count = 1;
		return NULL;
	}
	if (command && command->arguments)
		most = command->arguments_most ? command->arguments_most
					       : SIZE_MAX;
	if (count > most)
		return too_many(parsed, words[most]);
	if (settings->target && command && count < command->arguments_least &&
	    !settings->help && !settings->about_all)
		return too_few(parsed);
	settings->arguments = (const char *const *)words;
	settings->argument_count = count;
	return NULL;
}

static struct mf_error *refuse_typed(const struct mf_option *option)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "--%s is too late",
					     option->name),
			     "it is about how the target is opened and held, "
			     "and that was done"),
		"refresh --%s%s%s", option->name, option->argument ? " " : "",
		option->argument ? option->argument : "");
}

static struct mf_error *refuse_second(const struct given *given,
				      const struct mf_settings *settings)
{
	return mf_error_hint(
		mf_error_why(
			mf_error_create(MF_ERROR_USAGE, "what is --%s %s for?",
					given->option->name, given->value),
			"there is a target already, '%s'", settings->target),
		"in a shell: memforensics %s", given->value);
}

static struct mf_error *apply(const struct given *given,
			      struct mf_parsed *parsed)
{
	const struct mf_command *command = parsed->command;
	const char *name = given->option->name;
	size_t count;
	const struct mf_option *common = mf_common_options(&count), *option;

	option = find_option(common, count, name);
	if (!option)
		option = find_option(command->options, command->option_count,
				     name);
	if (!option)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "%s takes no --%s",
						     command->name, name),
				     "that is an option of another command"),
			"memforensics %s --help", command->name);
	if (option->names_target && parsed->settings.target)
		return refuse_second(given, &parsed->settings);
	if (parsed->settings.at_prompt && option->of_target)
		return refuse_typed(option);
	return option->set(&parsed->settings, given->value);
}

/* --help or --version, and nothing else. */
static bool asks_alone(const struct parser *parser)
{
	bool asks = parser->given.count > 0;

	for (size_t i = 0; i < parser->given.count; i++) {
		const char *name = parser->given.items[i].option->name;

		asks &= !strcmp(name, "help") || !strcmp(name, "version");
	}
	return asks;
}

static struct mf_error *understand(const struct parser *parser, int count,
				   char **words, struct mf_parsed *parsed)
{
	MF_TRY(take_command(parsed, &count, &words, asks_alone(parser)));
	if (!parsed->command && (count || parser->given.count))
		parsed->command = &mf_command_attach;
	for (size_t i = 0; i < parser->given.count; i++)
		MF_TRY(apply(&parser->given.items[i], parsed));
	return take_words(parsed, (size_t)count, words);
}

struct mf_error *mf_command_parse(int argc, char **argv, struct mf_parsed *ret)
{
	mf_cleanup(parser_deinit) struct parser parser = { 0 };

	parser_init(&parser);
	MF_TRY(collect(&parser, argc, argv));
	return understand(&parser, argc - optind, argv + optind, ret);
}
