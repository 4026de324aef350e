/*
 * Whether a thread was inside malloc when it was stopped. A process with one
 * thread takes no lock there (glibc 2.27, SINGLE_THREAD_P), and thread caches
 * have none, so what is left is where the thread stood: malloc's own functions
 * are on its stack, or it stood in one of libc's that has no name.
 */
#include <string.h>
#include <sys/syscall.h>

#include "heap/glibc.h"

enum {
	STACK_BYTES = 1024, /* malloc's frames, and the callee's */
};

static bool is_code(const struct mf_module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++)
		if (module->segments[i].kind == MF_SEGMENT_TEXT &&
		    address >= module->segments[i].start &&
		    address < module->segments[i].end)
			return true;
	return false;
}

/* ---- under the hold ------------------------------------------------------- */

/* The calls that malloc makes with its state half changed. */
static bool is_for_memory(int64_t number)
{
	static const int64_t numbers[] = {
		SYS_brk,    SYS_mmap,	 SYS_munmap,
		SYS_mremap, SYS_madvise, SYS_mprotect,
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static void read_returns(const struct mf_glibc *glibc, uint64_t sp,
			 struct mf_glibc_suspect *suspect)
{
	uint8_t bytes[STACK_BYTES];
	uint64_t room = glibc->page_size - sp % glibc->page_size;
	size_t size = sizeof(bytes);

	if (sp % 8)
		return;
	/* the stack may end with this page */
	if (!mf_target_try_read(glibc->target, sp, bytes, size)) {
		size = MF_MIN(room, (uint64_t)size);
		if (!mf_target_try_read(glibc->target, sp, bytes, size))
			return;
	}
	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t word = mf_load(uint64_t, bytes + at);

		if (suspect->return_count == MF_ARRAY_SIZE(suspect->returns))
			return;
		if (is_code(glibc->module, word))
			suspect->returns[suspect->return_count++] = word;
	}
}

void mf_glibc_find_suspects(struct mf_glibc *glibc)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(glibc->target, &count);

	glibc->suspects.count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct mf_thread *thread = &threads[i];
		struct mf_glibc_suspect suspect = { .tid = thread->tid,
						    .pc = thread->pc };

		/* Where the machine is busy it may not have run since, so that
		 * nobody knows where it stands. */
		if (thread->state == 'R' && !thread->registers_known) {
			suspect.unknown = true;
			mf_vec_push(&glibc->suspects, suspect);
			continue;
		}
		if (!thread->registers_known || !glibc->module ||
		    !is_code(glibc->module, thread->pc) ||
		    (thread->in_syscall && !is_for_memory(thread->syscall)))
			continue;
		read_returns(glibc, thread->sp, &suspect);
		mf_vec_push(&glibc->suspects, suspect);
	}
}

/* ---- after it ---------------------------------------------------------------- */

static const char *plain_name(const char *name)
{
	static const char prefix[] = "__libc_";

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		name += sizeof(prefix) - 1;
	while (*name == '_')
		name++;
	return name;
}

/* malloc's functions; by symbols of debug information also its inner ones. */
static bool is_of_malloc(const char *symbol)
{
	static const char *const names[] = {
		"malloc",	 "free",	   "calloc",
		"realloc",	 "reallocarray",   "memalign",
		"aligned_alloc", "posix_memalign", "valloc",
		"pvalloc",	 "mallopt",	   "int_malloc",
		"int_free",	 "int_realloc",	   "int_memalign",
		"sysmalloc",	 "systrim",	   "mtrim",
		"unlink_chunk",	 "heap_trim",	   "sysmalloc_mmap",
		"munmap_chunk",	 "mremap_chunk",   "arena_get2",
		"alloc_perturb", "free_perturb",   "libc_freeres",
		"freeres",
	};
	static const char *const starts[] = { "malloc_", "tcache_", "int_free_",
					      "mallinfo" };
	const char *name = plain_name(symbol);

	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < MF_ARRAY_SIZE(starts); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

enum verdict {
	OUTSIDE,
	NAMELESS, /* inner functions have no name without debug information */
	INSIDE,
};

static enum verdict judge(const struct mf_glibc *glibc, uint64_t address)
{
	struct mf_symbol symbol;

	if (glibc->context->options->no_symbols ||
	    !mf_image_symbol_at(glibc->context->image, address, &symbol))
		return NAMELESS;
	return is_of_malloc(symbol.raw_name) ? INSIDE : OUTSIDE;
}

static bool is_guilty(const struct mf_glibc *glibc,
		      const struct mf_glibc_suspect *suspect)
{
	enum verdict verdict =
		suspect->unknown ? INSIDE : judge(glibc, suspect->pc);

	if (verdict != OUTSIDE)
		return true;
	/* in what malloc calls: memcpy, brk; a return address is the next
	 * instruction's, which may be another function's */
	for (size_t i = 0; i < suspect->return_count; i++)
		if (judge(glibc, suspect->returns[i] - 1) == INSIDE)
			return true;
	return false;
}

bool mf_glibc_was_inside(const struct mf_glibc *glibc, int tid)
{
	for (size_t i = 0; i < glibc->suspects.count; i++) {
		const struct mf_glibc_suspect *suspect =
			&glibc->suspects.items[i];

		if ((!tid || suspect->tid == tid) && is_guilty(glibc, suspect))
			return true;
	}
	return false;
}

/* Inner functions have a name only with debug information. */
static bool is_in(const struct mf_glibc *glibc, const char *name,
		  const struct mf_glibc_suspect *suspect)
{
	struct mf_symbol symbol;

	if (suspect->unknown || judge(glibc, suspect->pc) == NAMELESS)
		return is_guilty(glibc, suspect);
	for (size_t i = 0; i <= suspect->return_count; i++) {
		uint64_t address =
			i ? suspect->returns[i - 1] - 1 : suspect->pc;

		if (mf_image_symbol_at(glibc->context->image, address,
				       &symbol) &&
		    strcmp(symbol.raw_name, name) == 0)
			return true;
	}
	return false;
}

bool mf_glibc_may_consolidate(const struct mf_glibc *glibc,
			      const struct mf_glibc_arena *arena)
{
	if (!glibc->single || glibc->ran || !arena->fastbins_drained)
		return false;
	for (size_t i = 0; i < glibc->suspects.count; i++)
		if (is_in(glibc, "malloc_consolidate",
			  &glibc->suspects.items[i]))
			return true;
	return false;
}

bool mf_glibc_is_caught(const struct mf_glibc *glibc,
			const struct mf_glibc_arena *arena)
{
	return glibc->ran || arena->caught || arena->mutex == 1 ||
	       arena->mutex == 2 ||
	       (glibc->single && mf_glibc_was_inside(glibc, 0));
}
