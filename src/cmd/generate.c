/*
 * Completions and the lists of the man page, made from the same tables as
 * `--help`. Runs when the program is built, not when it is used.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"

static const char man_source[] = "contrib/man/memforensics.1.in";

/* ---- words ----------------------------------------------------------------- */

typedef void visit_option(FILE *stream, const struct mf_option *option);

static void each_option(FILE *stream, const struct mf_option *options,
			size_t count, visit_option *visit)
{
	for (size_t i = 0; i < count; i++)
		if (!options[i].hidden)
			visit(stream, &options[i]);
}

static void each_common(FILE *stream, visit_option *visit)
{
	size_t count;
	const struct mf_option *common = mf_common_options(&count);

	each_option(stream, common, count, visit);
}

/* ---- bash -------------------------------------------------------------------- */

static void bash_name(FILE *stream, const struct mf_option *option)
{
	fprintf(stream, " --%s", option->name);
	if (option->letter)
		fprintf(stream, " -%c", option->letter);
}

static void bash_words(FILE *stream, const struct mf_option *option)
{
	fputs("\t\twords='", stream);
	for (size_t i = 0; option->words[i]; i++)
		fprintf(stream, "%s%s", i ? " " : "", option->words[i]);
	fputs("' ;;\n", stream);
}

static void bash_value(FILE *stream, const struct mf_option *option)
{
	if (!option->argument)
		return;
	fprintf(stream, "\t--%s", option->name);
	if (option->letter)
		fprintf(stream, " | -%c", option->letter);
	fputs(")\n", stream);
	switch (option->completion) {
	case MF_COMPLETE_WORDS:
		bash_words(stream, option);
		break;
	case MF_COMPLETE_FILE:
		fputs("\t\tkind=-f ;;\n", stream);
		break;
	case MF_COMPLETE_FOLDER:
		fputs("\t\tkind=-d ;;\n", stream);
		break;
	case MF_COMPLETE_PID:
		fputs("\t\twords=$(_memforensics_pids) ;;\n", stream);
		break;
	case MF_COMPLETE_NOTHING:
		fputs("\t\treturn ;;\n", stream);
		break;
	}
}

static void bash_command_names(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	for (size_t i = 0; i < count; i++)
		fprintf(stream, "%s%s", i ? " " : "", commands[i]->name);
}

/* The case that finds the command word, and the options that it adds. */
static void bash_commands(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	for (size_t i = 0; i < count; i++) {
		const struct mf_command *command = commands[i];

		fprintf(stream, "\t\t%s) command=$word; options+='",
			command->name);
		each_option(stream, command->options, command->option_count,
			    bash_name);
		fputs(commands[i]->takes_regions ? "' regions=1 ;;\n"
						 : "' ;;\n",
		      stream);
	}
}

/* What begins a region expression; a shell cuts words at colons. */
static void bash_regions(FILE *stream)
{
	const char *const *words = mf_select_words();

	fputs("\tlocal regions=''\n\tlocal region_words='", stream);
	for (size_t i = 0; words[i]; i++)
		fprintf(stream, "%s%s", i ? " " : "", words[i]);
	fputs("'\n\tlocal classes='", stream);
	for (unsigned i = 0; i < MF_CLASS_COUNT; i++)
		fprintf(stream, "%s%s", i ? " " : "",
			mf_class_name((enum mf_class)i));
	fputs("'\n", stream);
}

static void bash_values(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	each_common(stream, bash_value);
	for (size_t i = 0; i < count; i++)
		each_option(stream, commands[i]->options,
			    commands[i]->option_count, bash_value);
}

static struct mf_error *generate_bash(FILE *stream)
{
	fputs("# Completion of memforensics for bash; made from its command "
	      "table.\n\n"
	      "_memforensics_pids() {\n"
	      "\tlocal folder\n"
	      "\tfor folder in /proc/[0-9]*; do\n"
	      "\t\techo \"${folder#/proc/}\"\n"
	      "\tdone\n"
	      "}\n\n"
	      "_memforensics() {\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]}\n"
	      "\tlocal previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\tlocal word words='' kind='' command=''\n",
	      stream);
	bash_regions(stream);
	fputs("\tlocal options='", stream);
	each_common(stream, bash_name);
	fputs("'\n"
	      "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n"
	      "\t\tcase $word in\n",
	      stream);
	bash_commands(stream);
	fputs("\t\tesac\n"
	      "\tdone\n"
	      "\tif [[ -n $regions && $current == : ]]; then\n"
	      "\t\tprevious=: current=''\n"
	      "\tfi\n"
	      "\tcase $previous in\n"
	      "\t:)\n"
	      "\t\twords=$classes ;;\n",
	      stream);
	bash_values(stream);
	fputs("\t*)\n"
	      "\t\tif [[ $current == -* ]]; then\n"
	      "\t\t\twords=$options\n"
	      "\t\telif [ -z \"$command\" ]; then\n"
	      "\t\t\twords=\"",
	      stream);
	bash_command_names(stream);
	fputs(" $(_memforensics_pids)\"\n"
	      "\t\telse\n"
	      "\t\t\tkind=-f words=$(_memforensics_pids)\n"
	      "\t\t\t[ -z \"$regions\" ] || words+=\" $region_words\"\n"
	      "\t\tfi ;;\n"
	      "\tesac\n"
	      "\tmapfile -t COMPREPLY < <(compgen $kind -W \"$words\" -- "
	      "\"$current\")\n"
	      "}\n\n"
	      "complete -F _memforensics memforensics\n",
	      stream);
	return NULL;
}

/* ---- zsh ------------------------------------------------------------------------ */

/* Text inside single quotes and brackets of an _arguments specification. */
static void zsh_text(FILE *stream, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stream);
		else if (strchr("[]:\\", *text))
			fprintf(stream, "\\%c", *text);
		else
			fputc(*text, stream);
	}
}

static void zsh_action(FILE *stream, const struct mf_option *option)
{
	switch (option->completion) {
	case MF_COMPLETE_WORDS:
		fputc('(', stream);
		for (size_t i = 0; option->words[i]; i++)
			fprintf(stream, "%s%s", i ? " " : "", option->words[i]);
		fputc(')', stream);
		break;
	case MF_COMPLETE_FILE:
		fputs("_files", stream);
		break;
	case MF_COMPLETE_FOLDER:
		fputs("_files -/", stream);
		break;
	case MF_COMPLETE_PID:
		fputs("_pids", stream);
		break;
	case MF_COMPLETE_NOTHING:
		fputc(' ', stream);
		break;
	}
}

static void zsh_spec(FILE *stream, const struct mf_option *option,
		     const char *dashes, const char *name, int letter)
{
	fputs("\t\t'", stream);
	if (option->letter)
		fprintf(stream, "(-%c --%s)", option->letter, option->name);
	if (letter)
		fprintf(stream, "-%c", letter);
	else
		fprintf(stream, "%s%s%s", dashes, name,
			option->argument ? "=" : "");
	fputc('[', stream);
	zsh_text(stream, option->summary);
	fputc(']', stream);
	if (option->argument) {
		fputc(':', stream);
		zsh_text(stream, option->argument);
		fputc(':', stream);
		zsh_action(stream, option);
	}
	fputs("'\n", stream);
}

static void zsh_option(FILE *stream, const struct mf_option *option)
{
	zsh_spec(stream, option, "--", option->name, 0);
	if (option->letter)
		zsh_spec(stream, option, "-", "", option->letter);
}

/* Ends the options of COMMAND. */
static void zsh_regions(FILE *stream, const struct mf_command *command)
{
	fputs("\t\t)", stream);
	if (command->takes_regions) {
		fputs("; regions=(", stream);
		for (const char *const *word = mf_select_words(); *word; word++)
			fprintf(stream, " %s", *word);
		fputs(" )", stream);
	}
	fputs(" ;;\n", stream);
}

static struct mf_error *generate_zsh(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	fputs("#compdef memforensics\n"
	      "# Completion of memforensics for zsh; made from its command "
	      "table.\n\n"
	      "_memforensics() {\n"
	      "\tlocal -a commands options regions\n"
	      "\tcommands=(\n",
	      stream);
	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "\t\t'%s:", commands[i]->name);
		zsh_text(stream, commands[i]->summary);
		fputs("'\n", stream);
	}
	fputs("\t)\n\toptions=(\n", stream);
	each_common(stream, zsh_option);
	fputs("\t)\n\tcase ${words[2]} in\n", stream);
	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "\t%s) options+=(\n", commands[i]->name);
		each_option(stream, commands[i]->options,
			    commands[i]->option_count, zsh_option);
		zsh_regions(stream, commands[i]);
	}
	fputs("\tesac\n"
	      "\t_arguments -s $options \\\n"
	      "\t\t'1: :{ _describe command commands; _pids }' \\\n"
	      "\t\t'2:target:{ _pids; _files }' \\\n"
	      "\t\t'*:region:{ compadd -S \"\" -a regions; _files }'\n"
	      "}\n\n"
	      "_memforensics \"$@\"\n",
	      stream);
	return NULL;
}

/* ---- man -------------------------------------------------------------------------- */

/* A line of text must not look like a macro. */
static void man_text(FILE *stream, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stream);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stream);
		else
			fputc(*text, stream);
	}
}

static void man_option(FILE *stream, const struct mf_option *option)
{
	fputs(".It", stream);
	if (option->letter)
		fprintf(stream, " Fl %c ,", option->letter);
	fprintf(stream, " Fl -%s", option->name);
	if (option->argument)
		fprintf(stream, " Ar %s", option->argument);
	fputc('\n', stream);
	fputc(toupper((unsigned char)option->summary[0]), stream);
	man_text(stream, option->summary + 1);
	fputs(".\n", stream);
}

static void man_options(FILE *stream)
{
	fputs(".Bl -tag -width Ds\n", stream);
	each_common(stream, man_option);
	fputs(".El\n", stream);
}

static void man_command(FILE *stream, const struct mf_command *command)
{
	fprintf(stream, ".It Cm %s Oo Ar options Oc Ar target", command->name);
	if (command->arguments)
		fprintf(stream, " Ar %s", command->arguments);
	fputc('\n', stream);
	mf_help_wrap(stream, command->description, true);
	if (!command->option_count)
		return;
	fputs(".Bl -tag -width Ds\n", stream);
	each_option(stream, command->options, command->option_count,
		    man_option);
	fputs(".El\n", stream);
}

static void man_commands(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	fputs(".Bl -tag -width Ds\n", stream);
	for (size_t i = 0; i < count; i++)
		man_command(stream, commands[i]);
	fputs(".El\n", stream);
}

static struct mf_error *generate_man(FILE *stream)
{
	static const struct {
		const char *mark;
		void (*write)(FILE *stream);
	} parts[] = {
		{ "@COMMANDS@", man_commands },
		{ "@OPTIONS@", man_options },
	};
	MF_AUTO_BUFFER(source);
	char *rest;

	MF_TRY(mf_file_read(man_source, &source));
	rest = source.text;
	for (char *line; (line = strsep(&rest, "\n")) && (rest || *line);) {
		size_t part = 0;

		while (part < MF_ARRAY_SIZE(parts) &&
		       strcmp(line, parts[part].mark) != 0)
			part++;
		if (part < MF_ARRAY_SIZE(parts))
			parts[part].write(stream);
		else
			fprintf(stream, "%s\n", line);
	}
	return NULL;
}

/* ---- all ---------------------------------------------------------------------------- */

struct mf_error *mf_generate(const char *what, FILE *stream)
{
	static const char *const words[] = { "bash", "zsh", "man", NULL };
	static struct mf_error *(*const generators[])(FILE * stream) = {
		generate_bash,
		generate_zsh,
		generate_man,
	};
	unsigned word = 0;

	MF_TRY(mf_option_word("generate", what, words, &word));
	return generators[word](stream);
}
