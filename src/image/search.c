/*
 * What is asked of an object without a symbol: its sections, and bytes in the
 * parts of it that nobody writes.
 */
#include <stdlib.h>
#include <string.h>

#include "image/exports.h"
#include "image/image.h"

enum {
	WINDOW = 1 << 20,
	PATTERN_MAX = 4096,
};

/* No text of an object is this far in; a file may have terabytes of holes. */
static const uint64_t search_max = (uint64_t)4 << 30;

bool mf_image_has_section(struct mf_image *image,
			  const struct mf_module *module, const char *name)
{
	struct mf_object *object = mf_image_object(image, module);
	Elf64_Shdr header;

	return object && mf_elf_section(mf_object_elf(object), name, &header);
}

size_t mf_image_tls_slots(struct mf_image *image,
			  const struct mf_module *module, uint64_t **ret)
{
	struct mf_object *object = mf_image_object(image, module);
	size_t count;

	*ret = NULL;
	if (!object)
		return 0;
	count = mf_exports_tls_slots(object, ret);
	for (size_t i = 0; i < count; i++)
		(*ret)[i] += module->bias;
	return count;
}

uint64_t mf_image_tls_size(struct mf_image *image,
			   const struct mf_module *module)
{
	const struct mf_object *object = mf_image_object(image, module);

	return object ? object->tls_size : 0;
}

/* Linkers put text that is data beside code only when they have no better
 * place; then code is searched too. */
static unsigned wanted_flags(const struct mf_object *object)
{
	for (size_t i = 0; i < object->load_count; i++)
		if (!(object->loads[i].flags & (PF_X | PF_W)) &&
		    object->loads[i].filesz > object->page_size)
			return 0;
	return PF_X;
}

struct byte_search {
	const struct mf_object *object;
	const void *pattern;
	size_t size;
	char *window;
};

/* A page of memory that can't be had reads as zeros. */
static bool read_window(const struct mf_object *object, uint64_t vaddr,
			char *window, size_t size)
{
	if (object->fd >= 0)
		return mf_object_read(object, vaddr, window, size);
	while (size) {
		size_t step =
			MF_MIN(object->page_size - vaddr % object->page_size,
			       (uint64_t)size);

		if (!mf_object_read(object, vaddr, window, step))
			memset(window, 0, step);
		window += step;
		vaddr += step;
		size -= step;
	}
	return true;
}

/* Windows overlap by all but one byte of the pattern. */
static bool find_in_load(struct byte_search *search, const struct mf_load *load,
			 uint64_t *ret)
{
	uint64_t at = 0, end = MF_MIN(load->filesz, search_max);

	while (end - at >= search->size) {
		size_t size = MF_MIN(end - at, (uint64_t)WINDOW);
		const char *found;

		if (!read_window(search->object, load->vaddr + at,
				 search->window, size))
			return false;
		found = memmem(search->window, size, search->pattern,
			       search->size);
		if (found) {
			*ret = load->vaddr + at +
			       (uint64_t)(found - search->window);
			return true;
		}
		if (size == end - at)
			return false;
		at += size - (search->size - 1);
	}
	return false;
}

static void copy_context(const struct mf_object *object, uint64_t vaddr,
			 char *context, size_t room)
{
	size_t size = MF_MIN(mf_object_room(object, vaddr), (uint64_t)room);

	memset(context, 0, room);
	mf_object_read(object, vaddr, context, size);
}

bool mf_image_find_bytes(struct mf_image *image, const struct mf_module *module,
			 const void *pattern, size_t size, char *context,
			 size_t room)
{
	const struct mf_object *object = mf_image_object(image, module);
	mf_auto_free char *window = NULL;
	struct byte_search search;
	unsigned unwanted;

	if (!object || !size || size > PATTERN_MAX)
		return false;
	window = mf_calloc(1, WINDOW);
	search = (struct byte_search){ object, pattern, size, window };
	unwanted = (PF_X | PF_W) & ~wanted_flags(object);
	for (size_t i = 0; i < object->load_count; i++) {
		uint64_t vaddr;

		if (object->loads[i].flags & unwanted ||
		    !find_in_load(&search, &object->loads[i], &vaddr))
			continue;
		if (context)
			copy_context(object, vaddr, context, room);
		return true;
	}
	return false;
}
