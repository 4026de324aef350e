/*
 * Targets made of byte arrays: what unit tests and fuzzers hand to the rooms
 * above in place of a process.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/target.h"

struct source {
	uint64_t start;
	const uint8_t *bytes; /* NULL: absent */
	const uint8_t *pages; /* NULL: all present */
};

struct forged {
	MF_VEC(struct source) sources; /* as the mappings, same order */
};

static void forged_close(struct mf_target *target)
{
	struct forged *forged = target->own;

	mf_vec_deinit(&forged->sources);
	free(forged);
}

static const struct source *source_at(struct mf_target *target,
				      uint64_t address)
{
	const struct forged *forged = target->own;
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, address);

	if (!mapping)
		return NULL;
	for (size_t i = 0; i < forged->sources.count; i++)
		if (forged->sources.items[i].start == mapping->start)
			return &forged->sources.items[i];
	return NULL;
}

static uint8_t page_flags(const struct source *source, size_t index)
{
	if (source->pages)
		return source->pages[index];
	return source->bytes ? MF_PAGE_PRESENT : 0;
}

static struct mf_error *forged_runs(struct mf_target *target, uint64_t start,
				    uint64_t end, mf_run_visit *visit,
				    void *context)
{
	const struct source *source = source_at(target, start);
	uint64_t page_size = target->info.page_size;

	if (!source || (!source->bytes && !source->pages))
		return NULL;
	for (; start < end; start += page_size) {
		uint8_t flags =
			page_flags(source, (start - source->start) / page_size);

		if (flags)
			visit(context, start, start + page_size, flags);
	}
	return NULL;
}

/* As in a live one: absent pages are zeros, or what the file has. */
static const uint8_t *bytes_of(struct mf_target *target, uint64_t address,
			       uint8_t flags)
{
	const uint8_t hidden =
		MF_PAGE_UNREADABLE | MF_PAGE_SWAPPED | MF_PAGE_ZERO;
	const struct source *source = source_at(target, address);

	if (!source || !source->bytes || flags & hidden)
		return NULL;
	if (!flags && !mf_target_mapping_at(target, address)->inode)
		return NULL;
	return source->bytes + (address - source->start);
}

static struct mf_error *forged_read(struct mf_target *target, uint64_t start,
				    size_t count, void *bytes,
				    uint8_t *flags) /* NOLINT: the table's */
{
	uint64_t page_size = target->info.page_size;
	uint8_t *to = bytes;

	for (size_t i = 0; i < count; i++, to += page_size) {
		const uint8_t *from =
			bytes_of(target, start + i * page_size, flags[i]);

		memset(to, 0, page_size);
		if (!from)
			continue;
		memcpy(to, from, page_size);
		target->impact.bytes_read += page_size;
	}
	return NULL;
}

static const struct mf_target_ops forged_ops = {
	.close = forged_close,
	.runs = forged_runs,
	.read = forged_read,
};

struct mf_target *mf_target_create_forged(void)
{
	struct mf_target *target =
		mf_target_create(&forged_ops, mf_new(struct forged));

	target->info.kind = MF_TARGET_FORGED;
	target->info.arch = "x86_64";
	target->info.abilities = MF_CAN_MAPPINGS | MF_CAN_USAGE | MF_CAN_READ |
				 MF_CAN_THREADS | MF_CAN_STOP |
				 MF_CAN_RESIDENCY | MF_CAN_FILES;
	memset(&target->info.limits, 0xff, sizeof(target->info.limits));
	target->info.limits.cpu_quota = 0;
	target->info.limits.cpus = 1;
	target->threads_known = true;
	return target;
}

void mf_target_forge_page_size(struct mf_target *target, uint32_t page_size)
{
	assert(target->info.kind == MF_TARGET_FORGED);
	assert(page_size && !(page_size & (page_size - 1)));
	mf_target_forget(target);
	target->info.page_size = page_size;
}

void mf_target_forge_user_end(struct mf_target *target, uint64_t user_end)
{
	assert(target->info.kind == MF_TARGET_FORGED);
	target->info.user_end = user_end;
}

static int compare_mappings(const void *left, const void *right)
{
	const struct mf_mapping *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

void mf_target_forge_mapping(struct mf_target *target,
			     const struct mf_mapping *mapping,
			     const void *bytes, const uint8_t *pages)
{
	struct forged *forged = target->own;
	struct source source = { mapping->start, bytes, pages };

	assert(target->info.kind == MF_TARGET_FORGED);
	assert(mapping->start < mapping->end);
	mf_target_forget(target);
	mf_vec_push(&forged->sources, source);
	mf_mappings_add(&target->mappings, mapping);
	mf_vec_sort(&target->mappings, compare_mappings);
}

void mf_target_forge_thread(struct mf_target *target,
			    const struct mf_thread *thread)
{
	assert(target->info.kind == MF_TARGET_FORGED);
	mf_vec_push(&target->threads, *thread);
	target->info.thread_count++;
}
