/*
 * Names of C++ and Rust as their source has them. A mangled name can be a few
 * letters long and mean gigabytes: what grows too far is left as it is.
 */
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/image.h"

#include "base/buffer.h"
#include "base/memory.h"

enum {
	MANGLED_MAX = 8 * 1024,
	DEMANGLED_MAX = 16 * 1024,
};

struct output {
	struct mf_buffer buffer;
	jmp_buf too_long;
};

static void add_part(const char *text, size_t size, void *context)
{
	struct output *output = context;

	if (size > DEMANGLED_MAX - output->buffer.size)
		longjmp(output->too_long, 1);
	mf_buffer_add(&output->buffer, text, size);
}

static bool is_mangled(const char *name)
{
	return (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R')) ||
	       strncmp(name, "__Z", 3) == 0;
}

/* Rust first: its older names are also valid ones of C++. */
static bool demangle(const char *name, struct output *output)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;

	/* Nothing of libiberty's is lost by leaving it from its callback but
	 * a piece of a punycode name. */
	if (setjmp(output->too_long)) // NOLINT(cert-err52-cpp)
		return false;
	if (rust_demangle_callback(name, options, add_part, output))
		return true;
	mf_buffer_clear(&output->buffer);
	return cplus_demangle_v3_callback(name, options, add_part, output);
}

char *mf_demangle(const char *name)
{
	struct output *output;
	char *text = NULL;

	if (!is_mangled(name) || strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return mf_strdup(name);
	output = mf_new(struct output);
	if (demangle(name, output) && output->buffer.size)
		text = mf_buffer_take(&output->buffer);
	mf_buffer_deinit(&output->buffer);
	free(output);
	return text ? text : mf_strdup(name);
}
