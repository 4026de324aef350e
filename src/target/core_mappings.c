/*
 * From segments and names to mappings. The kernel writes a segment for each
 * mapping, gdb leaves out what it takes to be in files; which file is behind
 * what, a note says. The names that the kernel gives to memory of its own
 * making are not in a core: they are found again from where it puts what.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "target/core.h"

enum {
	SAMPLES = 32,	 /* pages looked at to tell whether all is zeros */
	PAGE_MAX = 4096, /* bytes of a page that are looked at */
};

/* How far over a program the kernel puts the break at most (6.9 and later). */
#define BREAK_DISTANCE (UINT64_C(1) << 30)
#define VSYSCALL       UINT64_C(0xffffffffff600000)

enum {
	READ_WRITE = MF_PERM_READ | MF_PERM_WRITE,
};

struct join {
	struct mf_target *target;
	struct mf_core *core;
};

/* ---- permissions ------------------------------------------------------- */

static unsigned perms_of_flags(unsigned flags)
{
	return (flags & PF_R ? MF_PERM_READ : 0) |
	       (flags & PF_W ? MF_PERM_WRITE : 0) |
	       (flags & PF_X ? MF_PERM_EXEC : 0);
}

static bool is_zeros(struct mf_core *core, uint64_t address, size_t size)
{
	uint8_t bytes[PAGE_MAX];

	if (!mf_core_read_held(core, address, bytes, size))
		return false;
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/*
 * gdb says of every mapping that it can be read. Of memory that no file is
 * behind, and that has nothing but zeros and cannot be written to, it is
 * likely that it cannot: there is no use for it.
 */
static bool is_likely_reserve(struct join *join,
			      const struct mf_core_segment *segment)
{
	uint64_t pages = (segment->end - segment->start) / PAGE_MAX;
	uint64_t step = pages / SAMPLES + 1;

	if (join->core->writer != MF_CORE_BY_GDB || segment->flags != PF_R ||
	    segment->held < segment->end - segment->start)
		return false;
	for (uint64_t i = 0; i < pages; i += step)
		if (!is_zeros(join->core, segment->start + i * PAGE_MAX,
			      PAGE_MAX))
			return false;
	return is_zeros(join->core, segment->end - PAGE_MAX, PAGE_MAX);
}

/* Of a mapping that the core has not: by the program headers of its file. */
static unsigned perms_by_object(struct join *join,
				const struct mf_core_name *name)
{
	struct mf_core_object *object =
		&join->core->objects.items[name->identity - 1];
	const struct mf_elf_head *head =
		mf_core_object_head(join->core, object);

	for (size_t i = 0; head && i < head->program_count; i++) {
		const Elf64_Phdr *program = &head->programs[i];
		uint64_t first = program->p_offset & ~UINT64_C(0xfff);

		if (program->p_type == PT_LOAD && name->offset >= first &&
		    name->offset < program->p_offset + program->p_filesz)
			return perms_of_flags(program->p_flags);
	}
	return MF_PERM_READ;
}

/* ---- pieces ------------------------------------------------------------ */

/* Memory that is nobody's file in the end, but the kernel keeps it in one. */
static bool is_shared_memory(const struct mf_core_name *name)
{
	static const char *const begins[] = { "/dev/zero", "/SYSV",
					      "/memfd:", "/dev/shm/" };

	for (size_t i = 0; i < MF_ARRAY_SIZE(begins); i++)
		if (strncmp(name->path, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/*
 * The kernel writes all of a private mapping that was written to, and none of
 * a shared one of a file that has a name.
 */
static bool is_likely_shared(const struct join *join,
			     const struct mf_core_segment *segment,
			     const struct mf_core_name *name)
{
	return is_shared_memory(name) ||
	       (join->core->writer == MF_CORE_BY_KERNEL && segment &&
		segment->flags & PF_W && !segment->promised);
}

/* One piece: a segment's, a name's, or both's. */
static void add_piece(struct join *join, uint64_t start, uint64_t end,
		      const struct mf_core_segment *segment,
		      const struct mf_core_name *name)
{
	struct mf_mapping mapping = { .start = start, .end = end, .path = "" };

	if (name) {
		mapping.path = name->path;
		mapping.deleted = name->deleted;
		mapping.inode = name->identity;
		mapping.offset = name->offset + (start - name->start);
	}
	if (segment)
		mapping.perms = perms_of_flags(segment->flags);
	else if (name)
		mapping.perms = perms_by_object(join, name);
	if (segment && !name && is_likely_reserve(join, segment))
		mapping.perms = 0;
	if (name && is_likely_shared(join, segment, name))
		mapping.perms |= MF_PERM_SHARED;
	mf_mappings_add(&join->target->mappings, &mapping);
}

/* What is past the last; it begins nowhere. */
static const struct mf_core_segment no_segment = { .start = UINT64_MAX,
						   .end = UINT64_MAX };
static const struct mf_core_name no_name = { .start = UINT64_MAX,
					     .end = UINT64_MAX };

static uint64_t next_edge(uint64_t at, uint64_t start, uint64_t end)
{
	return start <= at ? end : start;
}

static void join_pieces(struct join *join)
{
	const struct mf_core *core = join->core;
	size_t i = 0, j = 0;
	uint64_t at = 0;

	for (;;) {
		const struct mf_core_segment *segment =
			i < core->segments.count ? &core->segments.items[i]
						 : &no_segment;
		const struct mf_core_name *name =
			j < core->names.count ? &core->names.items[j]
					      : &no_name;
		uint64_t start = MF_MIN(segment->start, name->start), end;

		at = MF_MAX(at, start);
		if (at == UINT64_MAX)
			return;
		end = next_edge(at, segment->start, segment->end);
		end = MF_MIN(end, next_edge(at, name->start, name->end));
		add_piece(join, at, end, segment->start <= at ? segment : NULL,
			  name->start <= at ? name : NULL);
		at = end;
		i += segment->end <= at;
		j += name->end <= at;
	}
}

/* ---- what the kernel names --------------------------------------------- */

static struct mf_mapping *piece_at(struct join *join, uint64_t address)
{
	struct mf_mappings *mappings = &join->target->mappings;
	size_t i = mf_mappings_after(mappings, address);

	if (!address || i == mappings->count ||
	    mappings->items[i].start > address)
		return NULL;
	return &mappings->items[i];
}

static bool is_nameless(const struct mf_mapping *mapping)
{
	return !*mapping->path && !mapping->inode;
}

/* What the kernel gave the program at its start is on its first stack. */
static void name_stack(struct join *join)
{
	struct mf_mapping *stack = piece_at(join, join->core->auxv.random);

	if (!stack)
		stack = piece_at(join, join->core->auxv.execfn);
	mf_vec_foreach(thread, &join->target->threads)
		if (!stack && thread->tid == join->target->info.pid)
			stack = piece_at(join, thread->sp);
	if (stack && is_nameless(stack) && stack->perms & MF_PERM_WRITE)
		stack->path = "[stack]";
}

/* The kernel's data for the vdso is right below it, in one mapping or two. */
static void name_vdso(struct join *join)
{
	struct mf_mapping *first = join->target->mappings.items;
	struct mf_mapping *vdso = piece_at(join, join->core->auxv.vdso);
	struct mf_mapping *data = vdso;

	if (!vdso || !is_nameless(vdso) || vdso->perms & MF_PERM_WRITE)
		return;
	vdso->path = "[vdso]";
	while (data > first && data[-1].end == data->start &&
	       is_nameless(&data[-1]) && data[-1].perms == MF_PERM_READ &&
	       vdso - data < 2)
		data--;
	if (data < vdso)
		data->path = "[vvar]";
	if (vdso - data == 2)
		data[1].path = "[vvar_vclock]";
}

static void name_vsyscall(struct join *join)
{
	struct mf_mapping *page = piece_at(join, VSYSCALL);

	if (!page || page->start != VSYSCALL)
		return;
	page->path = "[vsyscall]";
	page->perms = MF_PERM_EXEC;
}

/** Where a program lies that the kernel started. */
struct program {
	uint64_t end;
	bool is_loader; /* or linked like one: nobody loads it */
};

static bool find_program(struct join *join, struct program *ret)
{
	const struct mf_mapping *any =
		piece_at(join, join->core->auxv.programs);
	const struct mf_elf_head *head;
	struct mf_core_object *object;
	uint64_t end = 0, start = UINT64_MAX;

	if (!any || !any->inode)
		any = piece_at(join, join->core->auxv.entry);
	if (!any || !any->inode)
		return false;
	object = &join->core->objects.items[any->inode - 1];
	head = mf_core_object_head(join->core, object);
	if (!head)
		return false;
	ret->is_loader = head->header.e_type == ET_DYN;
	for (size_t i = 0; i < head->program_count; i++) {
		const Elf64_Phdr *program = &head->programs[i];

		if (program->p_type == PT_INTERP)
			ret->is_loader = false;
		if (program->p_type != PT_LOAD)
			continue;
		start = MF_MIN(start, program->p_vaddr & ~UINT64_C(0xfff));
		end = MF_MAX(end, program->p_vaddr + program->p_memsz);
	}
	ret->end = object->start + (end - start);
	return start < end && ret->end > object->start;
}

/* The first memory that can be the break's, from FROM on; NULL: there is
 * none. */
static struct mf_mapping *find_break(struct join *join, uint64_t from)
{
	const struct mf_mappings *mappings = &join->target->mappings;
	size_t i = mf_mappings_after(mappings, from);

	for (; i < mappings->count; i++) {
		struct mf_mapping *mapping = &mappings->items[i];

		if (mapping->start > from &&
		    mapping->start - from > BREAK_DISTANCE)
			return NULL;
		if (!is_nameless(mapping))
			return NULL;
		if ((mapping->perms & READ_WRITE) == READ_WRITE)
			return mapping;
	}
	return NULL;
}

/* Over the program there is nothing else that the kernel puts near it. */
static void name_break(struct join *join)
{
	const struct mf_mappings *mappings = &join->target->mappings;
	uint64_t page_size = join->target->info.page_size;
	struct mf_mapping *heap = NULL;
	struct program program;

	if (!find_program(join, &program))
		return;
	if (program.is_loader)
		heap = find_break(join, join->target->info.user_end / 3 * 2);
	if (!heap)
		heap = find_break(join,
				  (program.end + page_size - 1) & -page_size);
	for (uint64_t end = heap ? heap->start : 0;
	     heap && heap < mappings->items + mappings->count &&
	     heap->start == end && is_nameless(heap);
	     heap++) {
		heap->path = "[heap]";
		end = heap->end;
	}
}

static void name_executable(struct join *join)
{
	const struct mf_mapping *program =
		piece_at(join, join->core->auxv.programs);

	if (!program || !program->inode)
		program = piece_at(join, join->core->auxv.entry);
	if (program && program->inode)
		join->target->info.exe =
			mf_pool_strdup(&join->target->pool, program->path);
}

/* Which files they were, by the kernel's own numbers. */
static void identify_objects(struct join *join)
{
	for (size_t i = 0; i < join->target->mappings.count; i++) {
		const struct mf_mapping *mapping =
			&join->target->mappings.items[i];
		struct mf_core_object *object;

		if (!mapping->inode || mapping->path[0] != '/')
			continue;
		object = mf_core_object(join->core, mapping->path);
		object->inode = mapping->inode;
		object->dev_major = mapping->dev_major;
		object->dev_minor = mapping->dev_minor;
		if (!mapping->offset && object->start == object->end) {
			object->start = mapping->start;
			object->end = mapping->end;
		}
	}
}

void mf_core_join_mappings(struct mf_target *target)
{
	struct join join = { .target = target, .core = mf_core_of(target) };

	if (join.core->noted_mappings) {
		identify_objects(&join);
		return;
	}
	join_pieces(&join);
	name_vsyscall(&join);
	name_vdso(&join);
	name_stack(&join);
	name_break(&join);
	if (!*target->info.exe)
		name_executable(&join);
}
