/*
 * What symbols, debug information and libc's own text say of a ptmalloc: the
 * second and the third witness, after its structure.
 */
#include <stdlib.h>
#include <string.h>

#include "heap/glibc_find.h"

enum {
	VERSION_TEXT = 128,
};

static const char *const symbol_names[] = { "main_arena", "mp_" };

/* Only objects that define malloc_trim or mallinfo may hold a ptmalloc; their
 * separate debug files are worth opening. */
static bool exports_glibc_malloc(struct mf_image *image,
				 const struct mf_module *module)
{
	static const char *const names[] = { "malloc_trim", "mallopt",
					     "gnu_get_libc_version",
					     "__libc_freeres" };
	uint64_t found[MF_ARRAY_SIZE(names)];

	return mf_image_find_symbols(image, module, names, MF_ARRAY_SIZE(names),
				     MF_SYMBOLS_EXPORTED, found) >= 3;
}

struct mf_glibc_symbols mf_glibc_find_symbols(struct mf_heap_context *context,
					      const struct mf_module *module,
					      bool known)
{
	uint64_t found[2] = { 0, 0 };

	if (context->options->no_symbols)
		return (struct mf_glibc_symbols){ 0, 0 };
	if (known || exports_glibc_malloc(context->image, module))
		mf_image_find_symbols(context->image, module, symbol_names, 2,
				      MF_SYMBOLS_DEBUG, found);
	return (struct mf_glibc_symbols){ found[0], found[1] };
}

/* Debug information comes with the target, and may say anything. */
static bool is_possible(const struct mf_glibc_layout *layout)
{
	const uint32_t fields[][2] = {
		{ layout->fastbins, MF_GLIBC_FASTBINS * 8 },
		{ layout->bins, MF_GLIBC_BINS * 16 },
		{ layout->top, 8 },
		{ layout->last_remainder, 8 },
		{ layout->next, 8 },
		{ layout->next_free, 8 },
		{ layout->attached_threads, 8 },
		{ layout->system_mem, 8 },
		{ layout->max_system_mem, 8 },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(fields); i++)
		if (fields[i][0] != MF_GLIBC_ABSENT &&
		    (fields[i][0] > layout->size ||
		     fields[i][1] > layout->size - fields[i][0]))
			return false;
	return layout->bins != MF_GLIBC_ABSENT &&
	       layout->top != MF_GLIBC_ABSENT &&
	       layout->next != MF_GLIBC_ABSENT &&
	       layout->system_mem != MF_GLIBC_ABSENT;
}

/* malloc_state as DWARF has it, compared with the table. */
static void read_dwarf_layout(struct mf_glibc *glibc)
{
	struct mf_member members[] = {
		{ .name = "fastbinsY" },
		{ .name = "top" },
		{ .name = "last_remainder" },
		{ .name = "bins" },
		{ .name = "next" },
		{ .name = "next_free" },
		{ .name = "attached_threads" },
		{ .name = "system_mem" },
		{ .name = "max_system_mem" },
	};
	uint32_t *const fields[] = {
		&glibc->dwarf_layout.fastbins,
		&glibc->dwarf_layout.top,
		&glibc->dwarf_layout.last_remainder,
		&glibc->dwarf_layout.bins,
		&glibc->dwarf_layout.next,
		&glibc->dwarf_layout.next_free,
		&glibc->dwarf_layout.attached_threads,
		&glibc->dwarf_layout.system_mem,
		&glibc->dwarf_layout.max_system_mem,
	};
	uint64_t size;

	if (!mf_image_struct_layout(glibc->context->image, glibc->module,
				    "main_arena", "malloc_state", members,
				    MF_ARRAY_SIZE(members), &size))
		return;
	glibc->dwarf_layout.versions = "dwarf";
	glibc->dwarf_layout.size = (uint32_t)size;
	for (size_t i = 0; i < MF_ARRAY_SIZE(members); i++)
		*fields[i] = members[i].offset < 0
				     ? MF_GLIBC_ABSENT
				     : (uint32_t)members[i].offset;
	if (size > UINT32_MAX || !is_possible(&glibc->dwarf_layout))
		glibc->dwarf_layout.versions = NULL;
}

static bool layouts_agree(const struct mf_glibc_layout *a,
			  const struct mf_glibc_layout *b)
{
	return a->fastbins == b->fastbins && a->top == b->top &&
	       a->bins == b->bins && a->next == b->next &&
	       a->attached_threads == b->attached_threads &&
	       a->system_mem == b->system_mem && a->size == b->size;
}

/* DWARF wins over the table where it differs: a distribution may have patched
 * its glibc. */
const char *mf_glibc_settle_layout(struct mf_glibc *glibc)
{
	if (glibc->context->options->no_symbols)
		return "inferred";
	read_dwarf_layout(glibc);
	if (!glibc->dwarf_layout.versions)
		return "table";
	if (layouts_agree(&glibc->dwarf_layout, glibc->layout))
		return "dwarf";
	mf_target_note_partial(glibc->target, "glibc layout",
			       "debug information of %s differs from "
			       "glibc %s as known; it is believed",
			       glibc->module->path, glibc->layout->versions);
	glibc->dwarf_layout.first = glibc->layout->first;
	glibc->dwarf_layout.last = glibc->layout->last;
	glibc->layout = &glibc->dwarf_layout;
	return "dwarf";
}

unsigned mf_glibc_read_banner(struct mf_heap_context *context,
			      const struct mf_module *module)
{
	char text[VERSION_TEXT] = "";
	char *at, *end;
	unsigned long major, minor;

	if (!mf_image_find_bytes(context->image, module, "GNU C Library (", 15,
				 text, sizeof(text) - 1))
		return 0;
	at = strstr(text, "release version ");
	if (!at)
		return 0;
	major = strtoul(at + 16, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major != 2 || !minor || minor > 99)
		return 0;
	return (unsigned)(major * 100 + minor);
}
