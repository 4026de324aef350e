/*
 * A glibc that is linked into a program does not say its version. Each
 * structure that was met has its generations; they leave a few versions over.
 */
#include "heap/glibc.h"
#include "heap/recognise.h"

struct span {
	unsigned first, last; /* 235 to 241: 2.35 to 2.41 */
};

/* By the size of the chunk that holds tcache_perthread_struct. */
static const struct {
	uint32_t chunk_size;
	struct span span;
} tcaches[] = {
	{ 0x250, { 226, 229 } },
	{ 0x290, { 230, 241 } },
	{ 0x300, { 242, UINT32_MAX } },
	{ 0x310, { 243, 243 } },
};

static void narrow(struct span *span, unsigned first, unsigned last)
{
	span->first = MF_MAX(span->first, first);
	span->last = MF_MIN(span->last, last);
}

static void narrow_by_tcaches(struct span *span, const struct mf_glibc *glibc)
{
	for (size_t at = 0; at < glibc->tcaches.count; at++) {
		const struct mf_glibc_tcache *tcache =
			&glibc->tcaches.items[at];

		for (size_t i = 0; i < MF_ARRAY_SIZE(tcaches); i++)
			if (tcache->valid &&
			    tcache->chunk_size == tcaches[i].chunk_size)
				narrow(span, tcaches[i].span.first,
				       tcaches[i].span.last);
	}
}

/* 2.35 moved the fields of malloc_par, but not where it was built without
 * tunables, which could be until 2.38. */
static void narrow_by_parameters(struct span *span,
				 const struct mf_glibc_parameters_layout *row)
{
	enum {
		MOVED = 235,
		TUNABLES_ALWAYS = 239
	};

	if (row)
		narrow(span, row->first,
		       row->last == MOVED - 1 ? TUNABLES_ALWAYS - 1
					      : row->last);
}

/* sizeof(heap_info) has grown in 2.35. */
static void narrow_by_heaps(struct span *span, const struct mf_glibc *glibc)
{
	if (glibc->arenas.count < 2)
		return;
	if (glibc->heap_header_size == 0x20)
		narrow(span, 0, 234);
	else
		narrow(span, 235, UINT32_MAX);
}

static void narrow_by_links(struct span *span, const struct mf_glibc *glibc)
{
	if (!glibc->links_seen)
		return;
	if (glibc->mangled_links)
		narrow(span, 232, UINT32_MAX);
	else
		narrow(span, 0, 231);
}

void mf_glibc_deduce_version(const struct mf_glibc *glibc,
			     struct mf_allocator_instance *instance)
{
	struct span span = { glibc->layout->first, glibc->layout->last };

	if (*instance->info.version)
		return;
	narrow_by_parameters(&span, glibc->parameters_layout);
	narrow_by_tcaches(&span, glibc);
	narrow_by_heaps(&span, glibc);
	narrow_by_links(&span, glibc);
	if (!span.first || span.first > span.last)
		return;
	if (span.first == span.last)
		instance->info.version =
			mf_pool_printf(glibc->context->pool, "%u.%u",
				       span.first / 100, span.first % 100);
	else
		instance->info.version = mf_pool_printf(
			glibc->context->pool, "%u.%u-%u.%u", span.first / 100,
			span.first % 100, span.last / 100, span.last % 100);
	mf_instance_explain(glibc->context, instance,
			    "its version, by the layout of its structures");
}
