/*
 * From mappings to loads. The mappings of one file become as many loads as
 * there are biases at which its program headers explain them; a file that is
 * merely mapped, even an ELF file, is none. Where no header can be had, a run
 * of mappings that looks like a load is one, with segments by permissions.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "image/image.h"

enum {
	UNEXPLAINED_MAX = 1024, /* mappings of one file that are no load */
	SEGMENTS_MAX = MF_LOADS_MAX * 4,
};

/* By its shape alone a larger anonymous mapping is not taken for bss. */
#define BSS_BY_SHAPE_MAX (UINT64_C(64) << 20)

typedef const struct mf_mapping *mapping_pointer;

/** The mappings of one file, in address order. */
struct group {
	struct mf_image *image;
	const mapping_pointer *mappings;
	size_t count;
	bool *taken; /* by a load found already */
};

struct finder {
	struct mf_image *image;
	MF_VEC(struct mf_loaded) loads;
	size_t unopened;
};

static bool is_file(const struct mf_mapping *mapping)
{
	return *mapping->path && *mapping->path != '[' &&
	       !(mapping->perms & MF_PERM_SHARED);
}

static int compare_file(const struct mf_mapping *a, const struct mf_mapping *b)
{
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (!a->inode)
		return strcmp(a->path, b->path);
	if (a->dev_major != b->dev_major)
		return a->dev_major < b->dev_major ? -1 : 1;
	if (a->dev_minor != b->dev_minor)
		return a->dev_minor < b->dev_minor ? -1 : 1;
	return 0;
}

static int compare_mappings(const void *left, const void *right)
{
	const struct mf_mapping *a = *(const mapping_pointer *)left;
	const struct mf_mapping *b = *(const mapping_pointer *)right;
	int by_file = compare_file(a, b);

	if (by_file)
		return by_file;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* ---- segments ----------------------------------------------------------- */

struct segments {
	struct mf_segment items[SEGMENTS_MAX];
	size_t count;
};

/* What an earlier segment has of it is that one's. */
static void add_segment(struct segments *segments, uint64_t start, uint64_t end,
			enum mf_segment_kind kind)
{
	struct mf_segment *last =
		segments->count ? &segments->items[segments->count - 1] : NULL;

	if (last && start < last->end)
		start = last->end;
	if (start >= end)
		return;
	if (last && last->end == start && last->kind == kind)
		last->end = end;
	else if (segments->count < SEGMENTS_MAX)
		segments->items[segments->count++] =
			(struct mf_segment){ start, end, kind };
}

static bool is_anonymous(const struct mf_mapping *mapping)
{
	return !*mapping->path || strncmp(mapping->path, "[anon:", 6) == 0;
}

/* How far from START on there is memory that can be bss. The heap can only
 * hold it where the kernel merged the two: then bss is at its start. */
static uint64_t bss_end(struct mf_target *target, uint64_t start, uint64_t most)
{
	uint64_t at = start;

	while (at < most) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(target, at);

		if (!mapping || (!is_anonymous(mapping) &&
				 !(at == start && mapping->start == start &&
				   strcmp(mapping->path, "[heap]") == 0)))
			break;
		at = mapping->end;
	}
	return MF_MIN(at, most);
}

static void add_data(struct segments *segments, const struct mf_object *object,
		     uint64_t bias, uint64_t start, uint64_t end)
{
	uint64_t relro = mf_page_floor(object, object->relro.vaddr) + bias;
	uint64_t relro_end = mf_page_floor(object, object->relro.vaddr +
							   object->relro.size) +
			     bias;

	if (!object->relro.size || relro >= end || relro_end <= start) {
		add_segment(segments, start, end, MF_SEGMENT_DATA);
		return;
	}
	add_segment(segments, start, relro, MF_SEGMENT_DATA);
	add_segment(segments, MF_MAX(start, relro), MF_MIN(end, relro_end),
		    MF_SEGMENT_RODATA);
	add_segment(segments, relro_end, end, MF_SEGMENT_DATA);
}

static void add_load_segments(struct segments *segments, struct group *group,
			      const struct mf_object *object,
			      const struct mf_load *load, uint64_t bias)
{
	uint64_t start = bias + mf_page_floor(object, load->vaddr);
	uint64_t end = bias + mf_page_ceil(object, load->vaddr + load->filesz);
	uint64_t most = bias + mf_page_ceil(object, load->vaddr + load->memsz);

	if (!load->filesz)
		end = start;
	if (load->flags & PF_X)
		add_segment(segments, start, end, MF_SEGMENT_TEXT);
	else if (load->flags & PF_W)
		add_data(segments, object, bias, start, end);
	else
		add_segment(segments, start, end, MF_SEGMENT_RODATA);
	if (segments->count)
		end = MF_MAX(end, segments->items[segments->count - 1].end);
	if (load->flags & PF_W && end < most)
		add_segment(segments, end,
			    bss_end(group->image->target, end, most),
			    MF_SEGMENT_BSS);
}

/* ---- one load ----------------------------------------------------------- */

static void add_module(struct finder *finder, const struct mf_mapping *mapping,
		       struct mf_object *object,
		       const struct segments *segments, uint64_t bias)
{
	struct mf_pool *pool = &finder->image->pool;
	struct mf_segment *copy =
		mf_pool_alloc(pool, (segments->count + 1) * sizeof(*copy));
	const char *path = mf_pool_strdup(pool, mapping->path);
	const char *slash = strrchr(path, '/');
	struct mf_module module = {
		.path = path,
		.name = slash && slash[1] ? slash + 1 : path,
		.start = mapping->start,
		.end = mapping->end,
		.bias = bias,
		.segments = copy,
		.segment_count = segments->count,
		.deleted = mapping->deleted,
		.from_memory = object && object->fd < 0,
	};

	memcpy(copy, segments->items, segments->count * sizeof(*copy));
	if (segments->count) {
		module.start = copy[0].start;
		module.end = copy[segments->count - 1].end;
	}
	if (object && object->build_id_size) {
		module.build_id = object->build_id;
		module.build_id_size = object->build_id_size;
	}
	mf_vec_push(&finder->loads, (struct mf_loaded){ module, object });
}

/* File offset OFFSET of LOAD lies at the start of MAPPING under this bias. */
static uint64_t bias_of(const struct mf_mapping *mapping,
			const struct mf_load *load)
{
	return mapping->start - mapping->offset - (load->vaddr - load->offset);
}

static bool covers(const struct mf_object *object,
		   const struct mf_mapping *mapping, const struct mf_load *load)
{
	return load->filesz &&
	       mapping->offset >= mf_page_floor(object, load->offset) &&
	       mapping->offset < load->offset + load->filesz;
}

/* The mapping of the group at the first page of LOAD, rightly placed. */
static const struct mf_mapping *confirm(const struct group *group,
					const struct mf_object *object,
					const struct mf_load *load,
					uint64_t bias)
{
	uint64_t start = bias + mf_page_floor(object, load->vaddr);
	const struct mf_mapping *mapping =
		mf_target_mapping_at(group->image->target, start);

	if (!mapping || !is_file(mapping) ||
	    compare_file(mapping, group->mappings[0]) != 0 ||
	    mapping->offset + (start - mapping->start) !=
		    mf_page_floor(object, load->offset))
		return NULL;
	return mapping;
}

/*
 * How many segments are where the bias has them; 0 when that is no load. Code
 * that can run is proof; without (data-only objects, code that the program
 * itself moved to huge pages) there must be data too, mapped apart.
 */
static unsigned judge(const struct group *group, const struct mf_object *object,
		      uint64_t bias)
{
	const struct mf_mapping *first = NULL;
	bool code = false, data = false, apart = false;
	unsigned confirmed = 0;
	const struct mf_load *last = &object->loads[object->load_count - 1];

	if (bias % object->page_size ||
	    (object->header.e_type == ET_EXEC && bias) ||
	    last->vaddr + last->memsz + bias < bias)
		return 0;
	for (size_t i = 0; i < object->load_count; i++) {
		const struct mf_load *load = &object->loads[i];
		const struct mf_mapping *mapping =
			load->filesz ? confirm(group, object, load, bias)
				     : NULL;

		if (!mapping)
			continue;
		confirmed++;
		code |= load->flags & PF_X && mapping->perms & MF_PERM_EXEC;
		data |= load->flags & PF_W;
		apart |= first && mapping != first;
		first = mapping;
	}
	return code || (data && apart) ? confirmed : 0;
}

static bool best_bias(const struct group *group, const struct mf_object *object,
		      const struct mf_mapping *mapping, uint64_t *ret)
{
	unsigned best = 0;

	for (size_t i = 0; i < object->load_count; i++) {
		const struct mf_load *load = &object->loads[i];
		uint64_t bias = bias_of(mapping, load);
		unsigned confirmed;

		if (!covers(object, mapping, load))
			continue;
		confirmed = judge(group, object, bias);
		if (confirmed > best) {
			best = confirmed;
			*ret = bias;
		}
	}
	return best > 0;
}

static void take_mappings(struct group *group, size_t first, uint64_t end)
{
	for (size_t i = first; i < group->count; i++) {
		if (group->mappings[i]->start >= end)
			return;
		group->taken[i] = true;
	}
}

/* FIRST: the first mapping of the group that is its. */
static void add_load(struct finder *finder, struct group *group, size_t first,
		     struct mf_object *object, uint64_t bias)
{
	struct segments segments = { .count = 0 };

	for (size_t i = 0; i < object->load_count; i++)
		add_load_segments(&segments, group, object, &object->loads[i],
				  bias);
	add_module(finder, group->mappings[first], object, &segments, bias);
	take_mappings(group, first,
		      finder->loads.items[finder->loads.count - 1].module.end);
}

/* ---- with headers ------------------------------------------------------- */

/*
 * The bytes that tell whether the file at hand is the one in memory: its
 * build-id, else its header. Only pages that are there are looked at.
 */
static bool is_in_memory(struct mf_target *target,
			 const struct mf_object *object, uint64_t bias)
{
	uint64_t address = bias + object->build_id_vaddr;
	const void *bytes = object->build_id;
	size_t size = object->build_id_size;
	uint8_t loaded[sizeof(Elf64_Ehdr)], page;

	if (!size) {
		const struct mf_load *first = &object->loads[0];

		if (first->offset >= object->page_size)
			return true;
		address = bias + first->vaddr - first->offset;
		bytes = &object->header;
		size = sizeof(object->header);
	}
	if (size > sizeof(loaded) || !mf_target_can(target, MF_CAN_READ) ||
	    !mf_target_can(target, MF_CAN_RESIDENCY))
		return true;
	mf_auto_error struct mf_error *error = mf_target_residency(
		target, mf_page_floor(object, address), 1, &page);
	return error || !(page & MF_PAGE_PRESENT) ||
	       !mf_target_try_read(target, address, loaded, size) ||
	       memcmp(loaded, bytes, size) == 0;
}

static struct mf_object *open_file(struct mf_image *image,
				   const struct mf_mapping *mapping,
				   bool *opened)
{
	int fd;
	mf_auto_error struct mf_error *error =
		mf_target_open_file(image->target, mapping, &fd);

	*opened = !error;
	return error ? NULL : mf_object_open(fd, image->page_size);
}

static void keep_object(struct mf_image *image, struct mf_object *object)
{
	mf_vec_push(&image->objects, object);
}

/* False when the file is not the one that is loaded. */
static bool add_file_loads(struct finder *finder, struct group *group,
			   struct mf_object *object)
{
	unsigned unexplained = 0;

	for (size_t i = 0; i < group->count; i++) {
		const struct mf_mapping *mapping = group->mappings[i];
		uint64_t bias;

		if (group->taken[i])
			continue;
		if (best_bias(group, object, mapping, &bias)) {
			if (!is_in_memory(finder->image->target, object, bias))
				return false;
			add_load(finder, group, i, object, bias);
		} else if (++unexplained > UNEXPLAINED_MAX) {
			break;
		}
	}
	return true;
}

/* Each load by the header at its first page; false when there is none. */
static bool add_memory_loads(struct finder *finder, struct group *group)
{
	struct mf_target *target = finder->image->target;
	unsigned unexplained = 0;
	bool found = false;

	if (!mf_target_can(target, MF_CAN_READ))
		return false;
	for (size_t i = 0; i < group->count; i++) {
		const struct mf_mapping *mapping = group->mappings[i];
		struct mf_object *object;

		if (group->taken[i] || mapping->offset ||
		    unexplained > UNEXPLAINED_MAX)
			continue;
		object = mf_object_open_memory(target, mapping->start);
		if (!object || !judge(group, object, object->bias)) {
			mf_object_close(object);
			unexplained++;
			continue;
		}
		keep_object(finder->image, object);
		add_load(finder, group, i, object, object->bias);
		found = true;
	}
	return found;
}

/* ---- by shape ----------------------------------------------------------- */

static void add_shape_segment(struct segments *segments,
			      const struct mf_mapping *mapping)
{
	unsigned perms = mapping->perms;

	if (perms & MF_PERM_EXEC)
		add_segment(segments, mapping->start, mapping->end,
			    MF_SEGMENT_TEXT);
	else if (perms & MF_PERM_WRITE)
		add_segment(segments, mapping->start, mapping->end,
			    MF_SEGMENT_DATA);
	else if (perms & MF_PERM_READ)
		add_segment(segments, mapping->start, mapping->end,
			    MF_SEGMENT_RODATA);
}

/* Offsets grow with addresses within one load. */
static size_t run_length(const struct group *group, size_t first)
{
	size_t i = first + 1;

	while (i < group->count &&
	       group->mappings[i]->offset > group->mappings[i - 1]->offset)
		i++;
	return i - first;
}

static bool looks_loaded(const struct group *group, size_t first, size_t count)
{
	bool data = false;

	for (size_t i = first; i < first + count; i++) {
		if (group->mappings[i]->perms & MF_PERM_EXEC)
			return true;
		data |= group->mappings[i]->perms & MF_PERM_WRITE;
	}
	return data && count > 1 && strstr(group->mappings[first]->path, ".so");
}

static void add_shape_load(struct finder *finder, const struct group *group,
			   size_t first, size_t count)
{
	const struct mf_mapping *last = group->mappings[first + count - 1];
	const struct mf_mapping *after =
		mf_target_mapping_at(finder->image->target, last->end);
	struct segments segments = { .count = 0 };

	for (size_t i = first; i < first + count; i++)
		add_shape_segment(&segments, group->mappings[i]);
	if (last->perms & MF_PERM_WRITE && after && is_anonymous(after) &&
	    after->perms == (MF_PERM_READ | MF_PERM_WRITE) &&
	    after->end - after->start <= BSS_BY_SHAPE_MAX)
		add_segment(&segments, after->start, after->end,
			    MF_SEGMENT_BSS);
	add_module(finder, group->mappings[first], NULL, &segments,
		   group->mappings[first]->start -
			   group->mappings[first]->offset);
}

static void add_shape_loads(struct finder *finder, const struct group *group)
{
	for (size_t i = 0; i < group->count;) {
		size_t count = run_length(group, i);

		if (looks_loaded(group, i, count))
			add_shape_load(finder, group, i, count);
		i += count;
	}
}

/* ---- all of them -------------------------------------------------------- */

/* A load has code, or at least two kinds of mappings. */
static bool may_be_loaded(const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->mappings[i]->perms & MF_PERM_EXEC ||
		    group->mappings[i]->perms != group->mappings[0]->perms)
			return true;
	return false;
}

static void add_group(struct finder *finder, struct group *group)
{
	size_t before = finder->loads.count;
	struct mf_object *object;
	bool opened, right;

	if (!may_be_loaded(group))
		return;
	object = open_file(finder->image, group->mappings[0], &opened);
	if (object) {
		right = add_file_loads(finder, group, object);
		if (!right)
			finder->loads.count = before;
		if (finder->loads.count > before) {
			keep_object(finder->image, object);
			return;
		}
		mf_object_close(object);
		if (right)
			return;
		mf_debug("image", "%s is not the file that is loaded",
			 group->mappings[0]->path);
		memset(group->taken, 0, group->count * sizeof(*group->taken));
	} else if (opened) {
		return;
	}
	if (add_memory_loads(finder, group))
		return;
	add_shape_loads(finder, group);
	finder->unopened += finder->loads.count > before;
}

static void add_vdso(struct finder *finder, const struct mf_mapping *mapping)
{
	struct segments segments = { .count = 0 };
	struct mf_object *object = NULL;

	if (mf_target_can(finder->image->target, MF_CAN_READ))
		object = mf_object_open_memory(finder->image->target,
					       mapping->start);
	if (object)
		keep_object(finder->image, object);
	add_segment(&segments, mapping->start, mapping->end, MF_SEGMENT_TEXT);
	add_module(finder, mapping, object, &segments,
		   object ? object->bias : mapping->start);
}

static void add_groups(struct finder *finder, const mapping_pointer *files,
		       size_t count)
{
	mf_auto_free bool *taken = mf_new_array(count + 1, bool);

	for (size_t i = 0; i < count;) {
		struct group group = {
			.image = finder->image,
			.mappings = files + i,
			.taken = taken + i,
		};

		while (i + group.count < count &&
		       compare_file(files[i], files[i + group.count]) == 0)
			group.count++;
		add_group(finder, &group);
		i += group.count;
	}
}

struct mf_loaded *mf_loads_find(struct mf_image *image, size_t *count)
{
	size_t total;
	const struct mf_mapping *mappings =
		mf_target_mappings(image->target, &total);
	struct finder finder = { .image = image };
	MF_VEC(mapping_pointer) files = { 0 };

	for (size_t i = 0; i < total; i++)
		if (is_file(&mappings[i]))
			mf_vec_push(&files, &mappings[i]);
		else if (strcmp(mappings[i].path, "[vdso]") == 0)
			add_vdso(&finder, &mappings[i]);
	mf_vec_sort(&files, compare_mappings);
	add_groups(&finder, files.items, files.count);
	mf_vec_deinit(&files);
	if (finder.unopened && mf_target_can(image->target, MF_CAN_FILES))
		mf_target_note_partial(image->target, "symbols",
				       "%zu loaded files could be read neither "
				       "as files nor from memory",
				       finder.unopened);
	*count = finder.loads.count;
	return finder.loads.items;
}
