/*
 * Evidence that an allocator is in a process: symbols that a loaded object
 * defines (an undefined weak one proves nothing), sections and strings that
 * survive strip, and the order in which the dynamic linker looks malloc up.
 */
#include "heap/recognise.h"

#include <elf.h>
#include <stdarg.h>

#include "base/buffer.h"

/* ---- evidence ----------------------------------------------------------- */

static const char *match_symbols(struct mf_heap_context *context,
				 const struct mf_module *module,
				 const char *const *symbols)
{
	enum {
		MOST = 16
	};
	uint64_t found[MOST] = { 0 };
	size_t count = 0;

	while (symbols[count] && count < MOST)
		count++;
	if (!mf_image_find_symbols(context->image, module, symbols, count,
				   MF_SYMBOLS_EXPORTED, found))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (found[i])
			return mf_pool_printf(context->pool, "exports %s",
					      symbols[i]);
	return NULL;
}

static const char *match_sections(struct mf_heap_context *context,
				  const struct mf_module *module,
				  const char *const *sections)
{
	for (; *sections; sections++)
		if (mf_image_has_section(context->image, module, *sections))
			return mf_pool_printf(context->pool, "has section %s",
					      *sections);
	return NULL;
}

const char *mf_signature_match(struct mf_heap_context *context,
			       const struct mf_module *module,
			       const struct mf_signature *signature)
{
	const char *evidence = NULL;

	if (signature->symbols)
		evidence = match_symbols(context, module, signature->symbols);
	if (!evidence && signature->sections)
		evidence = match_sections(context, module, signature->sections);
	if (!evidence && signature->text &&
	    mf_module_bss_size(module) >= signature->text_bss &&
	    mf_image_find_bytes(context->image, module, signature->text,
				strlen(signature->text), NULL, 0))
		evidence =
			mf_pool_printf(context->pool, "holds the string \"%s\"",
				       signature->text);
	return evidence;
}

const char *mf_version_in(struct mf_heap_context *context, const char *text,
			  size_t size)
{
	for (size_t start = 0; start < size; start++) {
		size_t end = start;
		bool dotted = false;

		while (end < size && end - start < 24 &&
		       ((text[end] >= '0' && text[end] <= '9') ||
			(text[end] == '.' && end > start))) {
			dotted |= text[end] == '.';
			end++;
		}
		while (end > start && text[end - 1] == '.')
			end--;
		if (dotted && memchr(text + start, '.', end - start))
			return mf_pool_strndup(context->pool, text + start,
					       end - start);
		if (end > start)
			start = end - 1;
	}
	return "";
}

/* ---- who owns malloc ----------------------------------------------------- */

/* One object of the dynamic linker's list (link.h, struct link_map). */
struct link_entry {
	uint64_t bias, name, dynamic, next, previous;
};

static bool find_dynamic(struct mf_target *target,
			 const struct mf_module *module, uint64_t *ret)
{
	Elf64_Ehdr header;

	if (!mf_target_try_read(target, module->start, &header,
				sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < header.e_phnum && i < 128; i++) {
		Elf64_Phdr segment;

		if (!mf_target_try_read(target,
					module->start + header.e_phoff +
						i * sizeof(segment),
					&segment, sizeof(segment)))
			return false;
		if (segment.p_type != PT_DYNAMIC)
			continue;
		*ret = module->bias + segment.p_vaddr;
		return true;
	}
	return false;
}

/* Address of the first link_map, by the executable's DT_DEBUG. */
static bool find_link_map(struct mf_target *target,
			  const struct mf_module *executable, uint64_t *ret)
{
	uint64_t dynamic, entry[2];

	if (!find_dynamic(target, executable, &dynamic))
		return false;
	for (unsigned i = 0; i < 512; i++) {
		if (!mf_target_try_read(target, dynamic + i * sizeof(entry),
					entry, sizeof(entry)) ||
		    entry[0] == DT_NULL)
			return false;
		if (entry[0] == DT_DEBUG) /* struct r_debug: r_map at 8 */
			return entry[1] &&
			       mf_target_read_u64(target, entry[1] + 8, ret) &&
			       *ret;
	}
	return false;
}

static bool defines_malloc(struct mf_heap_context *context,
			   const struct mf_module *module,
			   enum mf_symbol_depth depth)
{
	uint64_t address, size;

	return mf_image_find_symbol(context->image, module, "malloc", depth,
				    &address, &size);
}

static const struct mf_module *find_executable(const struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (modules[i].main)
			return &modules[i];
	return NULL;
}

const struct mf_module *mf_malloc_owner(struct mf_heap_context *context)
{
	const struct mf_module *executable = find_executable(context->image);
	uint64_t address;

	if (!executable)
		return NULL;
	if (!find_link_map(context->target, executable, &address))
		return defines_malloc(context, executable, MF_SYMBOLS_FILE)
			       ? executable
			       : NULL;
	for (unsigned i = 0; i < 4096 && address; i++) {
		const struct mf_module *module;
		struct link_entry entry;

		if (!mf_target_try_read(context->target, address, &entry,
					sizeof(entry)))
			break;
		module = mf_image_module_at(context->image, entry.dynamic);
		if (module &&
		    defines_malloc(context, module, MF_SYMBOLS_EXPORTED))
			return module;
		address = entry.next;
	}
	return NULL;
}

/* ---- what an instance says ------------------------------------------------ */

static struct mf_allocator_instance *
add_instance(struct mf_heap_context *context,
	     const struct mf_allocator_ops *ops, const struct mf_module *module,
	     const char *evidence)
{
	struct mf_allocator_instance *instance =
		mf_heap_add_instance(context, ops, module);

	instance->info.supported = false;
	instance->info.why = mf_pool_printf(
		context->pool, "recognised, its heap is not walked: %s %s",
		module->name, evidence);
	return instance;
}

static void add_matching(struct mf_heap_context *context,
			 const struct mf_allocator_ops *ops)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(context->image, &count);
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		const char *evidence = ops->match(context, &modules[i]);
		struct mf_allocator_instance *instance;

		if (!evidence)
			continue;
		instance = add_instance(context, ops, &modules[i], evidence);
		if (!first)
			instance->owner =
				mf_pool_printf(context->pool, "%s in %s",
					       ops->name, modules[i].name);
		first = false;
		ops->added(context, instance);
	}
}

struct mf_error *mf_recognise(struct mf_heap_context *context,
			      const struct mf_allocator_ops *ops)
{
	if (ops->probe)
		return ops->probe(context);
	add_matching(context, ops);
	return NULL;
}

void mf_instance_ask_malloc(struct mf_heap_context *context,
			    struct mf_allocator_instance *instance)
{
	const struct mf_module *owner = mf_malloc_owner(context);

	instance->info.owns_malloc = owner && owner == instance->module;
}

void mf_instance_explain(struct mf_heap_context *context,
			 struct mf_allocator_instance *instance,
			 const char *format, ...)
{
	MF_AUTO_BUFFER(text);
	va_list arguments;

	if (instance->info.why && instance->info.why[0])
		mf_buffer_printf(&text, "%s; ", instance->info.why);
	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	instance->info.why =
		mf_pool_strdup(context->pool, mf_buffer_text(&text));
}

void mf_instance_parameters(struct mf_heap_context *context,
			    struct mf_allocator_instance *instance,
			    const struct mf_parameter *parameters, size_t count)
{
	size_t before = instance->info.parameter_count;
	struct mf_parameter *all =
		mf_pool_alloc(context->pool, (before + count) * sizeof(*all));

	if (before)
		memcpy(all, instance->info.parameters, before * sizeof(*all));
	memcpy(all + before, parameters, count * sizeof(*all));
	instance->info.parameters = all;
	instance->info.parameter_count = before + count;
}

void mf_instance_claim(struct mf_heap_context *context,
		       const struct mf_allocator_instance *instance,
		       struct mf_claim claim)
{
	claim.owner = instance->owner;
	if (claim.start < claim.end)
		mf_space_claim(context->space, &claim);
}
