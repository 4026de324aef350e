/*
 * What `--help` prints: the tables of commands and options, and how a command
 * line is made of them.
 */
#include <string.h>

#include "base/escape.h"
#include "cmd/command.h"

enum {
	WIDTH = 78,
	MARGIN = 2,
	LEFT = 26, /* columns of names before their summaries */
};

static const char regions[] =
	"A REGION is one of the following; several are meant together.\n"
	"ADDR: the mapping that holds the address (0x7f0000001000).\n"
	"START-END: hexadecimal, as in /proc/PID/maps.\n"
	"START+LENGTH: a length in bytes, or with K, M or G.\n"
	"heap: the heap that the break ends. arena:N: all of glibc's arena N, "
	"0 being the main one.\n"
	"stack: the stacks of all threads. stack:TID: that of one.\n"
	"class:CLASS: what maps says is of that class. label:TEXT: what has "
	"TEXT in its label or path.\n"
	"suspicious: what maps says is suspicious. all: all that holds bytes.";

void mf_help_wrap(FILE *stream, const char *text, bool sentences)
{
	size_t at = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");
		bool ends = text[length] == '\n';

		if (at && at + 1 + length > WIDTH) {
			fputc('\n', stream);
			at = 0;
		}
		at += (size_t)fprintf(stream, "%s%.*s", at ? " " : "",
				      (int)length, text);
		text += length + (text[length] != '\0');
		if (sentences && ends) {
			fputc('\n', stream);
			at = 0;
		}
	}
	fputc('\n', stream);
}

static void add_names(struct mf_buffer *text, const struct mf_option *option)
{
	if (option->letter)
		mf_buffer_printf(text, "-%c, ", option->letter);
	else
		mf_buffer_puts(text, "    ");
	mf_buffer_printf(text, "--%s", option->name);
	if (option->argument)
		mf_buffer_printf(text, " %s", option->argument);
}

static void print_pair(FILE *stream, const char *left, const char *right)
{
	size_t width = strlen(left);

	if (width > LEFT)
		fprintf(stream, "%*s%s\n%*s%s\n", MARGIN, "", left,
			MARGIN + LEFT + 2, "", right);
	else
		fprintf(stream, "%*s%-*s  %s\n", MARGIN, "", LEFT, left, right);
}

/* Which of them; at the prompt the target has been opened. */
enum which {
	ALL,
	NOT_OF_TARGET,
	OF_TARGET,
};

static bool is_printed(const struct mf_option *option, enum which which)
{
	if (option->hidden || which == ALL)
		return !option->hidden;
	return !option->names_target &&
	       option->of_target == (which == OF_TARGET);
}

static void print_options(FILE *stream, const char *title,
			  const struct mf_option *options, size_t count,
			  enum which which)
{
	if (!count)
		return;
	fprintf(stream, "\n%s:\n", title);
	for (size_t i = 0; i < count; i++) {
		MF_AUTO_BUFFER(names);

		if (!is_printed(&options[i], which))
			continue;
		add_names(&names, &options[i]);
		print_pair(stream, mf_buffer_text(&names), options[i].summary);
	}
}

static void print_common(FILE *stream, const char *title, enum which which)
{
	size_t count;
	const struct mf_option *common = mf_common_options(&count);

	print_options(stream, title, common, count, which);
}

static void print_target(FILE *stream, const struct mf_command *command)
{
	if (command && command->needs & MF_CAN_READ) {
		fputs("\nTARGET is a process id, or an ELF core (of the "
		      "kernel, gcore or memforensics).\n",
		      stream);
		return;
	}
	fputs("\nTARGET is a process id, an ELF core (of the kernel, gcore "
	      "or memforensics), or a\nfile that holds a saved /proc/PID/maps "
	      "or smaps, or the output of pmap -x or\npmap -X.\n",
	      stream);
}

/* What may follow its target, a line a sentence; NULL: nothing to say. */
static const char *arguments_text(const struct mf_command *command)
{
	return command->takes_regions && !command->arguments_help
		       ? regions
		       : command->arguments_help;
}

static void print_arguments(FILE *stream, const struct mf_command *command)
{
	const char *text = arguments_text(command);

	if (!text)
		return;
	fputc('\n', stream);
	mf_help_wrap(stream, text, true);
}

static void print_program(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	fputs("Says where a live process's memory went, from outside and "
	      "without a restart.\n\n"
	      "  memforensics COMMAND [OPTIONS] TARGET\n"
	      "  memforensics PID              the same as: "
	      "memforensics attach PID\n",
	      stream);
	print_target(stream, NULL);
	fputs("\nCommands:\n", stream);
	for (size_t i = 0; i < count; i++)
		print_pair(stream, commands[i]->name, commands[i]->summary);
	print_common(stream, "Options", ALL);
	fputs("\nExit codes: 0 done, 1 failed, 2 done but partial, "
	      "3 no permission, 4 no such process,\n5 this target can't do "
	      "that, 64 wrong usage. More: man memforensics\n",
	      stream);
}

static void print_arguments_line(FILE *stream, const struct mf_command *command)
{
	fprintf(stream, "%s%s\n\n", command->arguments ? " " : "",
		command->arguments ? command->arguments : "");
}

void mf_help_print(FILE *stream, const struct mf_command *command)
{
	if (!command) {
		print_program(stream);
		return;
	}
	fprintf(stream, "%s: %s.\n\n  memforensics %s [OPTIONS] TARGET",
		command->name, command->summary, command->name);
	print_arguments_line(stream, command);
	mf_help_wrap(stream, command->description, false);
	print_target(stream, command);
	print_arguments(stream, command);
	print_options(stream, "Options of this command", command->options,
		      command->option_count, ALL);
	print_common(stream, "Options of all commands", ALL);
}

static void print_prompt(FILE *stream)
{
	size_t count;
	const struct mf_command *const *commands = mf_commands(&count);

	for (size_t i = 0; i < count; i++)
		print_pair(stream, commands[i]->name, commands[i]->summary);
	print_pair(stream, "refresh [OPTIONS]",
		   "take a new view; options as of attach");
	print_pair(stream, "help [COMMAND]", "this, or what a command does");
	print_pair(stream, "quit, exit, Ctrl-D", "end");
	fputs("\nEach works on the view, without TARGET: arenas -v, scan "
	      "arena:3, explain 0x55d0c0de.\n"
	      "COMMAND | SHELL COMMAND, such as maps | less. Tab completes; "
	      "Ctrl-C ends a command.\n",
	      stream);
}

void mf_help_print_typed(FILE *stream, const struct mf_command *command)
{
	if (!command) {
		print_prompt(stream);
		return;
	}
	fprintf(stream, "%s: %s.\n\n  %s [OPTIONS]", command->name,
		command->summary, command->name);
	print_arguments_line(stream, command);
	mf_help_wrap(stream, command->description, false);
	print_arguments(stream, command);
	print_options(stream, "Options of this command", command->options,
		      command->option_count, NOT_OF_TARGET);
	print_common(stream, "Options of all commands", NOT_OF_TARGET);
}

void mf_help_print_refresh(FILE *stream)
{
	fputs("refresh: take a new view.\n\n  refresh [OPTIONS]\n\n", stream);
	mf_help_wrap(stream,
		     "Lets the view go, and looks at the process as it is now; "
		     "the commands that follow work on that.",
		     false);
	print_common(stream, "Options", OF_TARGET);
}
