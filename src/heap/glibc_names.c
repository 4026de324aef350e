/*
 * What a chunk in use is, as far as it shows: one of the two things that every
 * thread keeps in the heap, or what its first word leads to.
 */
#include <string.h>

#include "heap/glibc.h"

enum {
	THREADS_MOST = 4096, /* whose structures are looked for */
	DTV_AHEAD = 16,	     /* the thread points behind its first entry */
};

/* ---- of threads ------------------------------------------------------------- */

/* Where a thread's control block has its dtv (sysdeps/ARCH/nptl/tls.h). */
static bool dtv_field(const struct mf_target *target, uint64_t *offset)
{
	const char *arch = mf_target_info(target)->arch;

	*offset = !strcmp(arch, "x86_64") ? 8 : 0;
	return *offset || !strcmp(arch, "aarch64");
}

static void read_dtvs(struct mf_glibc *glibc)
{
	uint64_t offset, dtv;
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(glibc->target, &count);

	glibc->dtvs_read = true;
	if (!dtv_field(glibc->target, &offset))
		return;
	for (size_t i = 0; i < count && i < THREADS_MOST; i++)
		if (threads[i].tp &&
		    mf_target_read_u64(glibc->target, threads[i].tp + offset,
				       &dtv))
			mf_map_set(&glibc->dtvs, dtv - DTV_AHEAD, 1);
}

static const char *name_of_own(struct mf_glibc *glibc, uint64_t user)
{
	mf_vec_foreach(tcache, &glibc->tcaches)
		if (tcache->valid && tcache->address == user)
			return "tcache_perthread_struct";
	if (!glibc->dtvs_read)
		read_dtvs(glibc);
	return mf_map_get(&glibc->dtvs, user) ? "dtv_t" : NULL;
}

/* ---- of the program ------------------------------------------------------------ */

/* "vtable for Shape" is what the first word of every Shape leads to. */
static const char *name_of_symbol(struct mf_glibc *glibc, uint64_t word)
{
	static const char vtable[] = "vtable for ";
	struct mf_symbol symbol;
	const char *name;

	if (!mf_image_module_at(glibc->context->image, word) ||
	    !mf_image_symbol_at(glibc->context->image, word, &symbol) ||
	    !symbol.name)
		return "";
	name = symbol.name;
	if (!strncmp(name, vtable, sizeof(vtable) - 1))
		name += sizeof(vtable) - 1;
	return mf_pool_strdup(glibc->context->pool, name);
}

/* A chunk that is another one by now says nothing. */
const char *mf_glibc_chunk_name(struct mf_glibc *glibc, uint64_t chunk,
				uint64_t size)
{
	uint64_t user = chunk + MF_GLIBC_CHUNK_HEADER, now, word;
	const char *own;

	if (!glibc->names_left)
		return "";
	glibc->names_left--;
	if (!mf_target_read_u64(glibc->target, chunk + 8, &now) ||
	    (now & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS) != size ||
	    !mf_target_read_u64(glibc->target, user, &word))
		return "";
	own = name_of_own(glibc, user);
	return own ? own : name_of_symbol(glibc, word);
}
