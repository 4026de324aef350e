/*
 * The door of the image room, answered from the records of a process file: no
 * object is opened, and what objects say is as hostile as memory is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "base/vec.h"
#include "process.h"

enum {
	MODULES_MAX = 64,
	SEGMENTS_MOST = 16,
	NAME_BYTES = 256,
};

struct mf_image {
	const uint64_t *words;
	size_t count;
	struct mf_pool pool;
	MF_VEC(struct mf_module) modules;
};

/* ---- modules -------------------------------------------------------------- */

static size_t read_segments(const uint64_t *words, size_t count,
			    struct mf_segment *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++, words += 3) {
		uint64_t start = words[0] & -UINT64_C(4096);
		uint64_t end = words[1] & -UINT64_C(4096);

		/* The door promises order: only its room can break that. */
		if (start >= end || end >> 48 || words[2] > MF_SEGMENT_BSS ||
		    (used && start < ret[used - 1].end))
			continue;
		ret[used++] =
			(struct mf_segment){ start, end,
					     (enum mf_segment_kind)words[2] };
	}
	return used;
}

static void add_module(struct mf_image *image,
		       const struct process_record *head, const uint64_t *words)
{
	struct mf_module module = { .start = head->address };
	size_t segments = MF_MIN(head->small, (uint8_t)SEGMENTS_MOST);
	size_t path = 2 + 3 * segments;
	struct mf_segment *list;
	const char *slash;

	if (head->count < path || image->modules.count >= MODULES_MAX)
		return;
	module.end = words[0];
	if (module.end <= module.start || module.end >> 48)
		return;
	list = mf_pool_alloc(&image->pool,
			     SEGMENTS_MOST * sizeof(struct mf_segment));
	module.bias = words[1];
	module.segments = list;
	module.segment_count = read_segments(words + 2, segments, list);
	module.path = mf_pool_strndup(
		&image->pool, (const char *)(words + path),
		MF_MIN((head->count - path) * 8, (size_t)NAME_BYTES));
	slash = strrchr(module.path, '/');
	module.name = slash ? slash + 1 : module.path;
	module.main = head->index & 1;
	module.index = (unsigned)image->modules.count;
	mf_vec_push(&image->modules, module);
}

static int by_address(const void *left, const void *right)
{
	const struct mf_module *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

struct mf_image *forged_image_create(const uint64_t *words, size_t count)
{
	struct mf_image *image = mf_new(struct mf_image);
	const struct process_record *record;
	struct process_record head;
	size_t at = 0;

	image->words = words;
	image->count = count;
	while ((record = process_next(words, count, &at, &head)))
		if (head.kind == PROCESS_MODULE)
			add_module(image, &head, process_words(record));
	mf_vec_sort(&image->modules, by_address);
	for (size_t i = 0; i < image->modules.count; i++)
		image->modules.items[i].index = (unsigned)i;
	return image;
}

void mf_image_destroy(struct mf_image *image)
{
	if (!image)
		return;
	mf_vec_deinit(&image->modules);
	mf_pool_deinit(&image->pool);
	free(image);
}

const struct mf_module *mf_image_modules(const struct mf_image *image,
					 size_t *count)
{
	*count = image->modules.count;
	return image->modules.items;
}

const struct mf_module *mf_image_module_at(const struct mf_image *image,
					   uint64_t address)
{
	for (size_t i = 0; i < image->modules.count; i++) {
		const struct mf_module *module = &image->modules.items[i];

		if (address >= module->start && address < module->end)
			return module;
	}
	return NULL;
}

/* ---- what they say of themselves -------------------------------------------- */

/* The next record of KIND about MODULE, from *AT on. */
static const uint64_t *next_about(const struct mf_image *image,
				  const struct mf_module *module,
				  enum process_kind kind, size_t *at,
				  struct process_record *head)
{
	const struct process_record *record;

	while ((record = process_next(image->words, image->count, at, head)))
		if (head->kind == kind && head->index == module->index)
			return process_words(record);
	return NULL;
}

bool mf_image_find_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *name,
			  enum mf_symbol_depth depth, uint64_t *address,
			  uint64_t *size)
{
	uint64_t hash = process_hash(name);
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	(void)depth;
	while ((words = next_about(image, module, PROCESS_SYMBOL, &at, &head)))
		if (head.count >= 2 && words[0] == hash) {
			if (address)
				*address = head.address;
			if (size)
				*size = words[1];
			return true;
		}
	return false;
}

size_t mf_image_find_symbols(struct mf_image *image,
			     const struct mf_module *module,
			     const char *const *names, size_t count,
			     enum mf_symbol_depth depth, uint64_t *found)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		found[i] = 0;
		sum += mf_image_find_symbol(image, module, names[i], depth,
					    &found[i], NULL);
	}
	return sum;
}

bool mf_image_symbol_at(struct mf_image *image, uint64_t address,
			struct mf_symbol *ret)
{
	const struct mf_module *module = mf_image_module_at(image, address);
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	if (!module)
		return false;
	while ((words = next_about(image, module, PROCESS_SYMBOL, &at, &head)))
		if (head.count >= 2 && address >= head.address &&
		    address - head.address < words[1]) {
			*ret = (struct mf_symbol){
				"malloc",     "malloc", module,
				head.address, words[1], address - head.address
			};
			return true;
		}
	return false;
}

/* Records keep hashes of names alone: each has that of a class. */
void mf_image_each_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *prefix,
			  enum mf_symbol_depth depth, mf_symbol_visitor visit,
			  void *data)
{
	mf_auto_free char *text = mf_asprintf("%s4Fuzz", prefix);
	const char *name = mf_pool_strdup(&image->pool, text);
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	(void)depth;
	while ((words = next_about(image, module, PROCESS_SYMBOL, &at, &head)))
		if (head.count >= 2)
			visit(name, head.address, words[1], data);
}

bool mf_image_line_at(struct mf_image *image, uint64_t address,
		      struct mf_line *ret)
{
	(void)image, (void)address, (void)ret;
	return false;
}

bool mf_image_has_section(struct mf_image *image,
			  const struct mf_module *module, const char *name)
{
	uint64_t hash = process_hash(name);
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	while ((words = next_about(image, module, PROCESS_SECTION, &at, &head)))
		if (head.count && words[0] == hash)
			return true;
	return false;
}

bool mf_image_find_bytes(struct mf_image *image, const struct mf_module *module,
			 const void *pattern, size_t size, char *context,
			 size_t room)
{
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	while ((words = next_about(image, module, PROCESS_TEXT, &at, &head))) {
		const char *text = (const char *)words;
		const char *end = text + 8 * (size_t)head.count;
		const char *found =
			memmem(text, (size_t)(end - text), pattern, size);

		if (!found)
			continue;
		if (context) {
			memset(context, 0, room);
			memcpy(context, found,
			       MF_MIN(room, (size_t)(end - found)));
		}
		return true;
	}
	return false;
}

size_t mf_image_tls_slots(struct mf_image *image,
			  const struct mf_module *module, uint64_t **ret)
{
	MF_VEC(uint64_t) slots = { 0 };
	struct process_record head;
	size_t at = 0;

	while (next_about(image, module, PROCESS_SLOT, &at, &head))
		if (slots.count < 64)
			mf_vec_push(&slots, head.address);
	*ret = slots.items;
	return slots.count;
}

uint64_t mf_image_tls_size(struct mf_image *image,
			   const struct mf_module *module)
{
	struct process_record head;
	size_t at = 0;

	return next_about(image, module, PROCESS_TLS, &at, &head) ? head.address
								  : 0;
}

bool mf_image_struct_layout(struct mf_image *image,
			    const struct mf_module *module, const char *near,
			    const char *name, struct mf_member *members,
			    size_t count, uint64_t *size)
{
	uint64_t hash = process_hash(name);
	struct process_record head;
	const uint64_t *words;
	size_t at = 0;

	(void)near;
	while ((words = next_about(image, module, PROCESS_LAYOUT, &at,
				   &head))) {
		if (!head.count || words[0] != hash)
			continue;
		for (size_t i = 0; i < count; i++) {
			members[i].offset =
				i + 1 < head.count ? (int64_t)words[i + 1] : -1;
			members[i].size = members[i].offset < 0 ? 0 : 8;
		}
		*size = head.address;
		return true;
	}
	return false;
}
