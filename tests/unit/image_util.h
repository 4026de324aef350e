/*
 * Programs made for one test and looked at while they wait: built by cc from
 * the text below in a folder of their own, they print where everything is.
 */
#ifndef MF_TESTS_IMAGE_UTIL_H
#define MF_TESTS_IMAGE_UTIL_H

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memforensics/image.h"

#include "base/file.h"
#include "base/memory.h"
#include "unit.h"

extern char **environ;

/* Prints "load BIAS NAME", "seg ADDRESS FLAGS" of each loaded object, then
 * "sym NAME ADDRESS", then "ready"; waits for its standard input to end. */
static const char victim_source[] =
	"#define _GNU_SOURCE\n"
	"#include <link.h>\n"
	"#include <dlfcn.h>\n"
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"#include <fcntl.h>\n"
	"#include <sys/mman.h>\n"
	"#include <sys/stat.h>\n"
	"#include <regex.h>\n"
	"#include <pthread.h>\n"
	"#include <unistd.h>\n"
	"struct inner { short a; int b[5]; };\n"
	"typedef const struct inner *inner_t;\n"
	"struct outer { char first; union { long u; double d; };\n"
	"  struct { int deep; inner_t pointer; } named;\n"
	"  struct inner array[3][2]; unsigned low : 3, high : 21;\n"
	"  struct outer *next; } outer_variable = { .first = 1 };\n"
	"static struct outer hidden_variable = { .first = 2 };\n"
	"char zeroes[1 << 20];\n"
	"__attribute__((noinline)) static int hidden(int x)\n"
	"{ return x * 3 + hidden_variable.first; }\n"
	"int shown(int x) { return hidden(x) + outer_variable.first; }\n"
	"#ifdef STATIC\n"
	"#define SYM(n) printf(\"sym %s %p\\n\", #n, (void *)(n))\n"
	"#else\n"
	"#define SYM(n) printf(\"sym %s %p\\n\", #n,"
	" dlsym(RTLD_DEFAULT, #n))\n"
	"#endif\n"
	"static int each(struct dl_phdr_info *o, size_t n, void *c) {\n"
	"  printf(\"load %lx %s\\n\", (long)o->dlpi_addr, o->dlpi_name);\n"
	"  for (int i = 0; i < o->dlpi_phnum; i++)\n"
	"    if (o->dlpi_phdr[i].p_type == PT_LOAD)\n"
	"      printf(\"seg %lx %lx %x\\n\",\n"
	"        (long)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr),\n"
	"        (long)o->dlpi_phdr[i].p_memsz, o->dlpi_phdr[i].p_flags);\n"
	"  return 0; }\n"
	"static void more(int count, char **paths) {\n"
	"  for (int i = 0; i < count; i++) {\n"
	"    struct stat s; int fd = open(paths[i], O_RDONLY);\n"
	"    fstat(fd, &s);\n"
	"    printf(\"whole %p\\n\", mmap(0, s.st_size, PROT_READ,\n"
	"      MAP_PRIVATE, fd, 0));\n"
	"#ifndef STATIC\n"
	"    struct link_map *m; void *h = dlmopen(LM_ID_NEWLM, paths[i],\n"
	"      RTLD_NOW);\n"
	"    if (h && !dlinfo(h, RTLD_DI_LINKMAP, &m))\n"
	"      printf(\"again %lx\\n\", (long)m->l_addr);\n"
	"#endif\n"
	"  } }\n"
	"int main(int argc, char **argv) {\n"
	"  dl_iterate_phdr(each, 0);\n"
	"  SYM(malloc); SYM(fopen); SYM(realpath); SYM(pthread_create);\n"
	"  SYM(stdout); SYM(regexec); SYM(environ);\n"
	"  printf(\"sym hidden %p\\n\", (void *)hidden);\n"
	"  printf(\"sym shown %p\\n\", (void *)shown);\n"
	"  printf(\"sym main %p\\n\", (void *)main);\n"
	"  printf(\"sym zeroes %p\\n\", (void *)zeroes);\n"
	"  printf(\"sym outer_variable %p\\n\", (void *)&outer_variable);\n"
	"  printf(\"sym hidden_variable %p\\n\", (void *)&hidden_variable);\n"
	"  more(argc - 1, argv + 1);\n"
	"  printf(\"ready %d\\n\", shown(argc));\n"
	"  fflush(stdout);\n"
	"  getchar();\n"
	"  return 0; }\n";

struct victim {
	pid_t pid;
	int in;
	struct mf_buffer said;
	struct mf_target *target;
	struct mf_image *image;
};

static char folder[64];

/** Runs a command and waits; its exit status. */
MF_UNUSED static int run(const char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	char *words[32] = { NULL };
	int status = -1;
	pid_t pid;

	for (size_t i = 0; arguments[i] && i < 31; i++)
		words[i] = mf_strdup(arguments[i]);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	for (size_t i = 0; words[i]; i++)
		free(words[i]);
	return status;
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

/** Path of NAME in the test's folder; free() it. */
MF_UNUSED static char *in_folder(const char *name)
{
	return mf_asprintf("%s/%s", folder, name);
}

MF_UNUSED static void write_file(const char *path, const void *bytes,
				 size_t size)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

MF_UNUSED static int make_folder(void **state)
{
	mf_auto_free char *source = NULL;

	(void)state;
	strcpy(folder, "/tmp/memforensics-image-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	source = in_folder("victim.c");
	write_file(source, victim_source, sizeof(victim_source) - 1);
	return 0;
}

MF_UNUSED static int remove_folder(void **state)
{
	(void)state;
	return RUN("rm", "-rf", folder);
}

/** The victim built as NAME; FLAGS are words of cc, at most two. */
MF_UNUSED static char *build_victim(const char *name, const char *flag,
				    const char *flag2)
{
	mf_auto_free char *source = in_folder("victim.c");
	char *path = in_folder(name);

	if (RUN("cc", "-O1", "-g", "-o", path, source, "-Wl,--build-id",
		flag ? flag : "-g", flag2 ? flag2 : "-g") != 0) {
		free(path);
		return NULL;
	}
	return path;
}

/** Starts PATH with an argument (or NULL) and waits until it is ready. */
MF_UNUSED static struct victim start_victim(const char *path,
					    const char *argument)
{
	posix_spawn_file_actions_t actions;
	struct victim victim = { 0 };
	mf_auto_free char *word = mf_strdup(path);
	mf_auto_free char *more = argument ? mf_strdup(argument) : NULL;
	char *const words[] = { word, more, NULL };
	int in[2], out[2];
	char c = 0;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(
		posix_spawn(&victim.pid, path, &actions, NULL, words, environ),
		0);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	victim.in = in[1];
	while (!strstr(mf_buffer_text(&victim.said), "\nready ") || c != '\n') {
		assert_int_equal(read(out[0], &c, 1), 1);
		mf_buffer_putc(&victim.said, c);
	}
	close(out[0]);
	return victim;
}

MF_UNUSED static void look_at(struct victim *victim,
			      const struct mf_image_options *options)
{
	assert_null(mf_target_open_live(victim->pid,
					&(struct mf_target_options){ 0 },
					&victim->target));
	assert_null(mf_image_create(victim->target, options, &victim->image));
}

MF_UNUSED static void end_victim(struct victim *victim)
{
	int status;

	mf_image_destroy(victim->image);
	mf_target_close(victim->target);
	close(victim->in);
	waitpid(victim->pid, &status, 0);
	mf_buffer_deinit(&victim->said);
}

/** The number after "sym NAME ", or after another KEY; 0: not said. */
MF_UNUSED static uint64_t said(const struct victim *victim, const char *key)
{
	mf_auto_free char *line = mf_asprintf("\n%s ", key);
	const char *at = strstr(mf_buffer_text(&victim->said), line);

	return at ? strtoull(at + strlen(line), NULL, 16) : 0;
}

MF_UNUSED static uint64_t said_symbol(const struct victim *victim,
				      const char *name)
{
	mf_auto_free char *key = mf_asprintf("sym %s", name);

	return said(victim, key);
}

/** A module by the beginning of its name. */
MF_UNUSED static const struct mf_module *
module_named(const struct mf_image *image, const char *name)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (strncmp(modules[i].name, name, strlen(name)) == 0)
			return &modules[i];
	return NULL;
}

MF_UNUSED static const struct mf_module *main_module(struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (modules[i].main)
			return &modules[i];
	return NULL;
}

/** Address of NAME in MODULE, 0 when it is not found. */
MF_UNUSED static uint64_t address_of(struct victim *victim,
				     const struct mf_module *module,
				     const char *name,
				     enum mf_symbol_depth depth)
{
	uint64_t address = 0, size;

	return mf_image_find_symbol(victim->image, module, name, depth,
				    &address, &size)
		       ? address
		       : 0;
}

#endif
