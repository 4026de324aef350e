/*
 * A core file as a target: opened, its process described, and its figures made
 * of what is in it. What a core cannot tell is said: a kernel's knows of no
 * swap and no page cache, gdb's not even which pages were there.
 */
#include "target/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/units.h"
#include "target/arch.h"

static void core_close(struct mf_target *target)
{
	struct mf_core *core = mf_core_of(target);

	mf_core_file_close(core->file);
	mf_core_close_objects(core);
	mf_vec_deinit(&core->segments);
	mf_vec_deinit(&core->notes);
	mf_vec_deinit(&core->names);
	mf_vec_deinit(&core->runs);
	mf_vec_deinit(&core->words);
	mf_map_deinit(&core->blocks);
	mf_pool_deinit(&core->pool);
	mf_core_places_destroy(core->places);
	free(core->window);
	free(core);
}

/* ---- figures ------------------------------------------------------------ */

/* Of a file's pages a core has those that were written to, and may have
 * others, which need not have been in memory. */
static bool is_told(const struct mf_core *core,
		    const struct mf_mapping *mapping)
{
	size_t i = mf_core_segment_after(core, mapping->start);

	if (mf_mapping_has_no_file(mapping))
		return mapping->path[0] != '[' ||
		       mapping->perms & MF_PERM_WRITE;
	if (!(mapping->perms & MF_PERM_WRITE))
		return false;
	return i < core->segments.count &&
	       core->segments.items[i].start <= mapping->start &&
	       core->segments.items[i].start +
			       core->segments.items[i].promised >=
		       mapping->end;
}

/* The kernel brings absent pages of shared memory in when it writes it. What
 * gdb wrote of memory that nobody may read is zeros, and much at times. */
static void find_filled(struct mf_target *target)
{
	struct mf_core *core = mf_core_of(target);

	for (size_t i = 0; i < core->segments.count; i++) {
		struct mf_core_segment *segment = &core->segments.items[i];
		const struct mf_mapping *mapping =
			mf_target_mapping_at(target, segment->start);

		segment->filled = mapping && mapping->perms & MF_PERM_SHARED;
		segment->empty = mapping && !mapping->perms &&
				 core->writer == MF_CORE_BY_GDB;
	}
}

static void measure(struct mf_target *target, struct mf_mapping *mapping)
{
	struct mf_page_counts pages = { 0 };
	mf_auto_error struct mf_error *error = NULL;
	uint64_t page_size = target->info.page_size;

	mapping->usage.lacks = MF_FIGURES_ALL;
	if (!is_told(mf_core_of(target), mapping))
		return;
	error = mf_target_count_pages(target, mapping->start, mapping->end,
				      &pages);
	if (error)
		return;
	mapping->usage_known = true;
	mapping->usage.lacks &= ~(unsigned)(MF_FIGURE_RSS | MF_FIGURE_ANON);
	mapping->usage.rss = pages.present * page_size;
	/* nor which of a file's pages are copies of its own */
	if (!mf_mapping_has_no_file(mapping) &&
	    !(mapping->perms & MF_PERM_SHARED))
		mapping->usage.lacks |= MF_FIGURE_ANON;
	else
		mapping->usage.anon =
			(pages.present - MF_MIN(pages.file, pages.present)) *
			page_size;
}

/* Our own note has the kernel's. */
static void measure_all(struct mf_target *target)
{
	struct mf_status *status = &target->info.status;

	target->info.abilities |= MF_CAN_USAGE;
	if (mf_core_of(target)->noted_mappings)
		return;
	for (size_t i = 0; i < target->mappings.count; i++) {
		struct mf_mapping *mapping = &target->mappings.items[i];

		measure(target, mapping);
		status->vm_size += mapping->end - mapping->start;
		status->rss_anon += mapping->usage.anon;
	}
}

/* ---- what is not known -------------------------------------------------- */

static void tell_missing(struct mf_target *target)
{
	const struct mf_core *core = mf_core_of(target);
	const char *damage = mf_core_file_damage(core->file);
	char size[MF_UNIT_TEXT];

	if (core->missing)
		mf_target_note_partial(target, "core file",
				       "it is cut off: %s of it are missing",
				       mf_format_size(size, core->missing));
	if (damage)
		mf_target_note_partial(target, "core file", "%s", damage);
	if (core->senseless)
		mf_target_note_partial(target, "core file",
				       "%llu of its program headers make no "
				       "sense, or are more than are read",
				       (unsigned long long)core->senseless);
}

static void tell_residency(struct mf_target *target)
{
	const struct mf_core *core = mf_core_of(target);

	if (core->residency == MF_CORE_PAGES_HOLES)
		mf_target_note_partial(target, "residency",
				       "a core does not tell which pages were "
				       "in swap, and of files which were in "
				       "memory");
	if (core->residency == MF_CORE_PAGES_ZEROS)
		mf_target_note_partial(
			target, "residency",
			"estimated: this core has zeros where there was no "
			"page, and pages of zeros count as such; it does not "
			"tell which pages were in swap, and of files which "
			"were in memory");
}

/* Where a thread stands there was memory. gdb gives up a mapping of which it
 * cannot read all, as stacks with guards inside (glibc 2.42 and later). */
static void tell_lost_stacks(struct mf_target *target)
{
	uint64_t page_size = target->info.page_size;
	size_t lost = 0;

	for (size_t i = 0; i < target->threads.count; i++) {
		const struct mf_thread *thread = &target->threads.items[i];
		mf_auto_error struct mf_error *error = NULL;
		uint8_t flags = 0;

		if (!thread->registers_known || !thread->sp)
			continue;
		error = mf_target_residency(target, thread->sp & -page_size, 1,
					    &flags);
		lost += !error && (!flags || flags & MF_PAGE_UNREADABLE);
	}
	if (lost)
		mf_target_note_partial(target, "stacks",
				       "those of %zu of %zu threads are not in "
				       "the core, nor may be what is near them",
				       lost, target->threads.count);
}

/* Writable memory that the core has not, though it has that of others. */
static void tell_undumped(struct mf_target *target)
{
	const struct mf_core *core = mf_core_of(target);
	char text[MF_UNIT_TEXT];
	uint64_t size = 0;

	for (size_t i = 0; i < core->segments.count; i++) {
		const struct mf_core_segment *segment =
			&core->segments.items[i];
		const struct mf_mapping *mapping =
			mf_target_mapping_at(target, segment->start);

		if (!segment->promised && mapping &&
		    mf_mapping_has_no_file(mapping) &&
		    mapping->perms & MF_PERM_WRITE)
			size += segment->end - segment->start;
	}
	if (size && !core->noted_residency)
		mf_target_note_partial(
			target, "memory",
			"%s that can be written to are not in the core: taken "
			"for untouched, if not excluded (MADV_DONTDUMP)",
			mf_format_size(text, size));
}

/* ---- opening -------------------------------------------------------------- */

static void describe(struct mf_target *target, const char *path)
{
	struct mf_target_info *info = &target->info;
	struct stat status;

	info->kind = MF_TARGET_CORE;
	info->abilities = MF_CAN_MAPPINGS | MF_CAN_READ | MF_CAN_THREADS |
			  MF_CAN_STOP | MF_CAN_RESIDENCY | MF_CAN_FILES;
	info->arch = mf_arch_name;
	info->user_end = mf_arch_user_end;
	info->tls_above = mf_arch_tls_above;
	memset(&info->limits, 0xff, sizeof(info->limits));
	info->limits.cpu_quota = 0;
	info->limits.cpus = 0;
	target->impact.why = "a core file";
	if (stat(path, &status) == 0)
		info->taken_s = (uint64_t)status.st_mtim.tv_sec;
}

/* Ours names itself. */
static void tell_writer(struct mf_target *target)
{
	struct mf_target_info *info = &target->info;

	if (!*info->origin)
		info->origin = mf_core_of(target)->writer == MF_CORE_BY_GDB
				       ? "gdb"
				       : "the kernel";
}

static const struct mf_target_ops core_ops = {
	.close = core_close,
	.runs = mf_core_runs,
	.read = mf_core_read_pages,
	.open_file = mf_core_open_object,
	.thread_extra = mf_core_thread_extra,
	.process_extra = mf_core_process_extra,
	.kernel_words = mf_core_kernel_words,
};

static struct mf_error *open_core(struct mf_target *target, const char *path)
{
	struct mf_core *core = mf_core_of(target);

	MF_TRY(mf_core_file_open(path, &core->file));
	core->size = mf_core_file_size(core->file);
	MF_TRY(mf_core_read_headers(core, path));
	describe(target, path);
	mf_core_read_records(target);
	tell_writer(target);
	target->threads_known = true;
	mf_core_settle_segments(core, target->info.page_size);
	if (!core->noted_s)
		mf_core_read_arguments(target);
	mf_core_choose_residency(target);
	mf_core_join_mappings(target);
	find_filled(target);
	measure_all(target);
	tell_missing(target);
	tell_residency(target);
	tell_undumped(target);
	tell_lost_stacks(target);
	mf_core_find_files(target);
	return NULL;
}

struct mf_error *mf_target_open_core(const char *path,
				     const struct mf_target_options *options,
				     struct mf_target **ret)
{
	struct mf_target *target =
		mf_target_create(&core_ops, mf_new(struct mf_core));
	struct mf_error *error;

	target->options = *options;
	error = open_core(target, path);
	if (error) {
		mf_target_close(target);
		return error;
	}
	*ret = target;
	return NULL;
}
