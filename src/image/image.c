/*
 * The modules of a target, in order, and questions by name or address handed
 * to the object behind each.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/search.h"
#include "image/debug.h"
#include "image/tables.h"

/* ---- which is the executable -------------------------------------------- */

static bool is_at(const struct mf_module *module, const char *path)
{
	size_t length = strlen(module->path);

	return strncmp(path, module->path, length) == 0 &&
	       (!path[length] || strcmp(path + length, " (deleted)") == 0);
}

/* When the loader was started by name, the program is what it loaded. */
static struct mf_module *beyond_loader(struct mf_image *image,
				       struct mf_module *executable)
{
	struct mf_object *object = image->object_of[executable->index];

	if (!object || object->interpreted || mf_exports_is_executable(object))
		return executable;
	for (size_t i = 0; i < image->module_count; i++) {
		object = image->object_of[i];
		if (object && object->interpreted &&
		    mf_exports_is_executable(object))
			return &image->modules[i];
	}
	return executable;
}

static void mark_executable(struct mf_image *image)
{
	const char *exe = mf_target_info(image->target)->exe;
	struct mf_module *found = NULL;

	for (size_t i = 0; !found && i < image->module_count && *exe; i++)
		if (is_at(&image->modules[i], exe))
			found = &image->modules[i];
	for (size_t i = 0; !found && i < image->module_count && !*exe; i++)
		if (image->modules[i].path[0] != '[' &&
		    !strstr(image->modules[i].name, ".so"))
			found = &image->modules[i];
	if (found)
		beyond_loader(image, found)->main = true;
}

/* ---- create, destroy ---------------------------------------------------- */

static int compare_loads(const void *left, const void *right)
{
	const struct mf_loaded *a = left, *b = right;

	if (a->module.start != b->module.start)
		return a->module.start < b->module.start ? -1 : 1;
	return 0;
}

struct mf_error *mf_image_create(struct mf_target *target,
				 const struct mf_image_options *options,
				 struct mf_image **ret)
{
	struct mf_image *image = mf_new(struct mf_image);
	mf_auto_free struct mf_loaded *loads = NULL;
	size_t count;

	image->target = target;
	image->options = *options;
	image->page_size = mf_target_info(target)->page_size;
	if (!image->page_size || image->page_size & (image->page_size - 1))
		image->page_size = 4096;
	/* libdw asks servers by itself where this is set. */
	if (!options->debuginfod)
		unsetenv("DEBUGINFOD_URLS"); // NOLINT(concurrency-mt-unsafe)
	loads = mf_loads_find(image, &count);
	if (count)
		qsort(loads, count, sizeof(*loads), compare_loads);
	image->module_count = count;
	image->modules = mf_new_array(count + 1, struct mf_module);
	image->object_of = mf_new_array(count + 1, struct mf_object *);
	for (size_t i = 0; i < count; i++) {
		image->modules[i] = loads[i].module;
		image->modules[i].index = (unsigned)i;
		image->object_of[i] = loads[i].object;
	}
	mark_executable(image);
	*ret = image;
	return NULL;
}

void mf_object_close(struct mf_object *object)
{
	if (!object)
		return;
	mf_debug_destroy(object->debug);
	mf_tables_destroy(object->tables);
	mf_exports_destroy(object->exports);
	elf_end(object->elf);
	if (object->fd >= 0)
		close(object->fd);
	free(object);
}

void mf_image_destroy(struct mf_image *image)
{
	if (!image)
		return;
	mf_vec_foreach(object, &image->objects)
		mf_object_close(*object);
	mf_vec_deinit(&image->objects);
	free(image->modules);
	free(image->object_of);
	mf_map_deinit(&image->demangled);
	mf_vec_deinit(&image->texts);
	mf_pool_deinit(&image->pool);
	free(image);
}

/* ---- modules ------------------------------------------------------------ */

const struct mf_module *mf_image_modules(const struct mf_image *image,
					 size_t *count)
{
	*count = image->module_count;
	return image->modules;
}

const struct mf_module *mf_image_module_at(const struct mf_image *image,
					   uint64_t address)
{
	size_t before = mf_count_leading(image->modules, image->module_count,
					 module, module->start <= address);

	if (!before || address >= image->modules[before - 1].end)
		return NULL;
	return &image->modules[before - 1];
}

/* ---- symbols by name ---------------------------------------------------- */

/* The run-time address of SYMBOL, 0 when it is outside the module. */
static uint64_t address_of(const struct mf_module *module,
			   const Elf64_Sym *symbol)
{
	uint64_t address;

	if (!symbol)
		return 0;
	address = module->bias + symbol->st_value;
	return address >= module->start && address < module->end ? address : 0;
}

bool mf_image_find_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *name,
			  enum mf_symbol_depth depth, uint64_t *address,
			  uint64_t *size)
{
	struct mf_object *object = mf_image_object(image, module);
	const Elf64_Sym *symbol;
	uint64_t found;

	if (!object || !mf_tables_find(image, object, &name, 1, depth, &symbol))
		return false;
	found = address_of(module, symbol);
	if (!found)
		return false;
	*address = found;
	*size = symbol->st_size;
	return true;
}

size_t mf_image_find_symbols(struct mf_image *image,
			     const struct mf_module *module,
			     const char *const *names, size_t count,
			     enum mf_symbol_depth depth, uint64_t *found)
{
	struct mf_object *object = mf_image_object(image, module);
	mf_auto_free const Elf64_Sym **symbols =
		mf_new_array(count + 1, const Elf64_Sym *);
	size_t total = 0;

	memset(found, 0, count * sizeof(*found));
	if (!object ||
	    !mf_tables_find(image, object, names, count, depth, symbols))
		return 0;
	for (size_t i = 0; i < count; i++) {
		found[i] = address_of(module, symbols[i]);
		total += found[i] != 0;
	}
	return total;
}

struct prefix_search {
	const struct mf_module *module;
	mf_symbol_visitor visit;
	void *data;
};

static void visit_loaded(const char *name, uint64_t vaddr, uint64_t size,
			 void *data)
{
	const struct prefix_search *search = data;
	uint64_t address = vaddr + search->module->bias;

	if (address >= search->module->start && address < search->module->end)
		search->visit(name, address, size, search->data);
}

void mf_image_each_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *prefix,
			  enum mf_symbol_depth depth, mf_symbol_visitor visit,
			  void *data)
{
	struct prefix_search search = { module, visit, data };
	struct mf_object *object = mf_image_object(image, module);

	if (object)
		mf_tables_visit(image, object, prefix, depth, visit_loaded,
				&search);
}

/* ---- symbols by address ------------------------------------------------- */

/* Each raw name is demangled once; it has one place in its table. */
const char *mf_image_demangled(struct mf_image *image, const char *name)
{
	const uint64_t *known =
		mf_map_get(&image->demangled, (uint64_t)(uintptr_t)name);
	mf_auto_free char *text = NULL;
	char *kept;

	if (known)
		return image->texts.items[*known];
	text = mf_demangle(name);
	text[strcspn(text, "@")] = '\0';
	kept = mf_pool_strdup(&image->pool, text);
	mf_map_set(&image->demangled, (uint64_t)(uintptr_t)name,
		   image->texts.count);
	mf_vec_push(&image->texts, kept);
	return kept;
}

bool mf_image_symbol_at(struct mf_image *image, uint64_t address,
			struct mf_symbol *ret)
{
	const struct mf_module *module = mf_image_module_at(image, address);
	struct mf_object *object = mf_image_object(image, module);
	struct mf_symbol_place place;

	if (!object ||
	    !mf_tables_at(image, object, address - module->bias, &place))
		return false;
	*ret = (struct mf_symbol){
		.name = mf_image_demangled(image, place.name),
		.raw_name = place.name,
		.module = module,
		.address = place.start + module->bias,
		.size = place.size,
		.offset = address - module->bias - place.start,
	};
	return true;
}
