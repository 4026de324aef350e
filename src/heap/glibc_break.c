/*
 * Where sbrk(0) is by libc's own word, __curbrk: malloc_trim asks there, not
 * the kernel, whether the break still ends at the main arena's top.
 */
#include "heap/glibc.h"

/* A ptmalloc apart from libc asks the libc of the process. */
void mf_glibc_find_break(struct mf_glibc *glibc)
{
	static const char name[] = "__curbrk";
	struct mf_image *image = glibc->context->image;
	uint64_t address, size;
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);
	bool found = mf_image_find_symbol(image, glibc->module, name,
					  MF_SYMBOLS_FILE, &address, &size);

	for (size_t i = 0; !found && i < count; i++)
		found = mf_image_find_symbol(image, &modules[i], name,
					     MF_SYMBOLS_EXPORTED, &address,
					     &size);
	if (found)
		glibc->curbrk_address = address;
}

void mf_glibc_read_break(struct mf_glibc *glibc)
{
	glibc->libc_brk = 0;
	if (glibc->curbrk_address &&
	    !mf_target_read_u64(glibc->target, glibc->curbrk_address,
				&glibc->libc_brk))
		glibc->libc_brk = 0;
}
