/*
 * Writes the process file of a live process: all that the heap room asked of it
 * and was told. The doors of the target and image rooms are wrapped (ld's
 * --wrap), so that what is asked needs no list here.
 *
 *   capture PID OBJECT [WORDS] > FILE
 *
 * Of the loaded files only the data of those whose path has OBJECT in it are
 * kept: the allocator's own; of each page of other memory only the first WORDS.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/heap.h"
#include "memforensics/space.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/vec.h"
#include "process.h"

enum {
	PAGE = 4096,
	WORDS = PAGE / 8,
	BYTES_MAX = 48 << 20, /* of a mapping that is given bytes */
	FLAGS_PAGES = 1 << 16,
	CONTEXT = 256,
};

static struct {
	struct mf_map pages; /* that were read */
	MF_VEC(uint64_t) words;
} seen;

static void note(uint64_t address, uint64_t size)
{
	uint64_t at = address & -(uint64_t)PAGE;

	for (; size && at < address + size; at += PAGE)
		mf_map_set(&seen.pages, at, 1);
}

/* Returns where its words begin. */
static void record(enum process_kind kind, unsigned small, unsigned index,
		   uint64_t address)
{
	struct process_record head = { (uint8_t)kind, (uint8_t)small,
				       (uint16_t)index, 0, address };
	uint64_t words[2];

	memcpy(words, &head, sizeof(head));
	mf_vec_push(&seen.words, words[0]);
	mf_vec_push(&seen.words, words[1]);
}

static void put_count(size_t start)
{
	uint64_t count = seen.words.count - start - 2;

	seen.words.items[start] |= count << 32;
}

static void put_text(const void *text, size_t size)
{
	const char *from = text;

	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = 0;

		memcpy(&word, from + at, MF_MIN(size - at, (size_t)8));
		mf_vec_push(&seen.words, word);
	}
}

#define RECORD(kind, small, index, address, ...)                   \
	do {                                                       \
		const uint64_t words_[] = { __VA_ARGS__ };         \
		size_t start_ = seen.words.count;                  \
                                                                   \
		record(kind, small, index, address);               \
		for (size_t i_ = 0; i_ < sizeof(words_) / 8; i_++) \
			mf_vec_push(&seen.words, words_[i_]);      \
		put_count(start_);                                 \
	} while (0)

/* ---- the doors, wrapped ----------------------------------------------------- */

#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

struct mf_error *REAL(mf_target_read_pages)(struct mf_target *, uint64_t,
					    size_t, void *, uint8_t *);
struct mf_error *WRAP(mf_target_read_pages)(struct mf_target *target,
					    uint64_t start, size_t count,
					    void *bytes, uint8_t *flags);
struct mf_error *WRAP(mf_target_read_pages)(struct mf_target *target,
					    uint64_t start, size_t count,
					    void *bytes, uint8_t *flags)
{
	note(start, count * PAGE);
	return REAL(mf_target_read_pages)(target, start, count, bytes, flags);
}

bool REAL(mf_target_try_read)(struct mf_target *, uint64_t, void *, size_t);
bool WRAP(mf_target_try_read)(struct mf_target *target, uint64_t address,
			      void *bytes, size_t size);
bool WRAP(mf_target_try_read)(struct mf_target *target, uint64_t address,
			      void *bytes, size_t size)
{
	note(address, size);
	return REAL(mf_target_try_read)(target, address, bytes, size);
}

bool REAL(mf_target_read_u64)(struct mf_target *, uint64_t, uint64_t *);
bool WRAP(mf_target_read_u64)(struct mf_target *target, uint64_t address,
			      uint64_t *ret);
bool WRAP(mf_target_read_u64)(struct mf_target *target, uint64_t address,
			      uint64_t *ret)
{
	note(address, 8);
	return REAL(mf_target_read_u64)(target, address, ret);
}

bool REAL(mf_target_read_u32)(struct mf_target *, uint64_t, uint32_t *);
bool WRAP(mf_target_read_u32)(struct mf_target *target, uint64_t address,
			      uint32_t *ret);
bool WRAP(mf_target_read_u32)(struct mf_target *target, uint64_t address,
			      uint32_t *ret)
{
	note(address, 4);
	return REAL(mf_target_read_u32)(target, address, ret);
}

bool REAL(mf_image_find_symbol)(struct mf_image *, const struct mf_module *,
				const char *, enum mf_symbol_depth, uint64_t *,
				uint64_t *);
bool WRAP(mf_image_find_symbol)(struct mf_image *image,
				const struct mf_module *module,
				const char *name, enum mf_symbol_depth depth,
				uint64_t *address, uint64_t *size);
bool WRAP(mf_image_find_symbol)(struct mf_image *image,
				const struct mf_module *module,
				const char *name, enum mf_symbol_depth depth,
				uint64_t *address, uint64_t *size)
{
	uint64_t at = 0, bytes = 0;

	if (!REAL(mf_image_find_symbol)(image, module, name, depth, &at,
					&bytes))
		return false;
	RECORD(PROCESS_SYMBOL, 0, module->index, at, process_hash(name), bytes);
	if (address)
		*address = at;
	if (size)
		*size = bytes;
	return true;
}

size_t REAL(mf_image_find_symbols)(struct mf_image *, const struct mf_module *,
				   const char *const *, size_t,
				   enum mf_symbol_depth, uint64_t *);
size_t WRAP(mf_image_find_symbols)(struct mf_image *image,
				   const struct mf_module *module,
				   const char *const *names, size_t count,
				   enum mf_symbol_depth depth, uint64_t *found);
size_t WRAP(mf_image_find_symbols)(struct mf_image *image,
				   const struct mf_module *module,
				   const char *const *names, size_t count,
				   enum mf_symbol_depth depth, uint64_t *found)
{
	size_t sum = REAL(mf_image_find_symbols)(image, module, names, count,
						 depth, found);

	for (size_t i = 0; i < count; i++)
		if (found[i])
			RECORD(PROCESS_SYMBOL, 0, module->index, found[i],
			       process_hash(names[i]), 8);
	return sum;
}

bool REAL(mf_image_has_section)(struct mf_image *, const struct mf_module *,
				const char *);
bool WRAP(mf_image_has_section)(struct mf_image *image,
				const struct mf_module *module,
				const char *name);
bool WRAP(mf_image_has_section)(struct mf_image *image,
				const struct mf_module *module,
				const char *name)
{
	if (!REAL(mf_image_has_section)(image, module, name))
		return false;
	RECORD(PROCESS_SECTION, 0, module->index, 0, process_hash(name));
	return true;
}

bool REAL(mf_image_find_bytes)(struct mf_image *, const struct mf_module *,
			       const void *, size_t, char *, size_t);
bool WRAP(mf_image_find_bytes)(struct mf_image *image,
			       const struct mf_module *module,
			       const void *pattern, size_t size, char *context,
			       size_t room);
bool WRAP(mf_image_find_bytes)(struct mf_image *image,
			       const struct mf_module *module,
			       const void *pattern, size_t size, char *context,
			       size_t room)
{
	char text[CONTEXT];
	size_t start = seen.words.count;

	if (!REAL(mf_image_find_bytes)(image, module, pattern, size, text,
				       sizeof(text)))
		return false;
	record(PROCESS_TEXT, 0, module->index, 0);
	put_text(text, MF_MIN(sizeof(text), room > size ? room : size));
	put_count(start);
	return !context || REAL(mf_image_find_bytes)(image, module, pattern,
						     size, context, room);
}

size_t REAL(mf_image_tls_slots)(struct mf_image *, const struct mf_module *,
				uint64_t **);
size_t WRAP(mf_image_tls_slots)(struct mf_image *image,
				const struct mf_module *module, uint64_t **ret);
size_t WRAP(mf_image_tls_slots)(struct mf_image *image,
				const struct mf_module *module, uint64_t **ret)
{
	size_t count = REAL(mf_image_tls_slots)(image, module, ret);

	for (size_t i = 0; i < count; i++)
		RECORD(PROCESS_SLOT, 0, module->index, (*ret)[i], 0);
	return count;
}

uint64_t REAL(mf_image_tls_size)(struct mf_image *, const struct mf_module *);
uint64_t WRAP(mf_image_tls_size)(struct mf_image *image,
				 const struct mf_module *module);
uint64_t WRAP(mf_image_tls_size)(struct mf_image *image,
				 const struct mf_module *module)
{
	uint64_t size = REAL(mf_image_tls_size)(image, module);

	RECORD(PROCESS_TLS, 0, module->index, size, 0);
	return size;
}

bool REAL(mf_image_struct_layout)(struct mf_image *, const struct mf_module *,
				  const char *, const char *,
				  struct mf_member *, size_t, uint64_t *);
bool WRAP(mf_image_struct_layout)(struct mf_image *image,
				  const struct mf_module *module,
				  const char *near, const char *name,
				  struct mf_member *members, size_t count,
				  uint64_t *size);
bool WRAP(mf_image_struct_layout)(struct mf_image *image,
				  const struct mf_module *module,
				  const char *near, const char *name,
				  struct mf_member *members, size_t count,
				  uint64_t *size)
{
	size_t start = seen.words.count;

	if (!REAL(mf_image_struct_layout)(image, module, near, name, members,
					  count, size))
		return false;
	record(PROCESS_LAYOUT, 0, module->index, *size);
	mf_vec_push(&seen.words, process_hash(name));
	for (size_t i = 0; i < count; i++)
		mf_vec_push(&seen.words, (uint64_t)members[i].offset);
	put_count(start);
	return true;
}

/* ---- the rest ------------------------------------------------------------------ */

static void fail(struct mf_error *error)
{
	if (!error)
		return;
	fprintf(stderr, "capture: %s\n", error->what);
	exit(1);
}

static bool has_name(const struct mf_mapping *mapping)
{
	return mapping->inode && mapping->path[0] == '/';
}

/* Data, and what was that until it was relocated. */
static bool is_kept(struct mf_target *target, const struct mf_mapping *mapping,
		    const char *object)
{
	const struct mf_mapping *next;

	if (!has_name(mapping))
		return mapping->path[0] != '[' || mapping->path[1] != 'v';
	if (!strstr(mapping->path, object) || mapping->perms & MF_PERM_EXEC)
		return false;
	next = mf_target_mapping_at(target, mapping->end);
	return mapping->perms & MF_PERM_WRITE ||
	       (next && next->perms & MF_PERM_WRITE &&
		strcmp(next->path, mapping->path) == 0);
}

/* Where it was is nobody's business. */
static void put_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	mf_auto_free char *text = mf_asprintf(*path == '/' ? "/lib/%s" : "%s",
					      *path == '/' ? slash + 1 : path);

	put_text(text, strlen(text));
}

static bool is_read(const struct mf_mapping *mapping)
{
	for (uint64_t at = mapping->start; at < mapping->end; at += PAGE)
		if (mf_map_has(&seen.pages, at))
			return true;
	return false;
}

/* Runs of pages that are alike, at the start of a mapping. */
static void put_residency(struct mf_target *target,
			  const struct mf_mapping *mapping)
{
	size_t pages = (mapping->end - mapping->start) / PAGE, from = 0;
	mf_auto_free uint8_t *flags = NULL;

	if (pages > FLAGS_PAGES)
		return;
	flags = mf_calloc(pages, 1);
	fail(mf_target_residency(target, mapping->start, pages, flags));
	for (size_t i = 0; i <= pages; i++) {
		if (i < pages && flags[i] == flags[from])
			continue;
		if (flags[from])
			RECORD(PROCESS_PAGES, flags[from], 0,
			       mapping->start + from * PAGE, i - from);
		from = i;
		if (i == pages)
			break;
	}
}

static void put_mapping(struct mf_target *target,
			const struct mf_mapping *mapping, const char *object)
{
	size_t start = seen.words.count;
	bool bytes = mapping->end - mapping->start <= BYTES_MAX &&
		     is_kept(target, mapping, object) && is_read(mapping);

	record(PROCESS_MAPPING, bytes, 0, mapping->start);
	mf_vec_push(&seen.words, mapping->end);
	mf_vec_push(&seen.words, mapping->offset);
	mf_vec_push(&seen.words, mapping->inode ? 7 : 0);
	mf_vec_push(&seen.words,
		    mapping->perms | (uint64_t)mapping->vm_flags << 32);
	put_path(mapping->path);
	put_count(start);
	if (bytes)
		put_residency(target, mapping);
}

static void put_module(const struct mf_module *module)
{
	size_t start = seen.words.count;

	record(PROCESS_MODULE, (unsigned)module->segment_count, module->main,
	       module->start);
	mf_vec_push(&seen.words, module->end);
	mf_vec_push(&seen.words, module->bias);
	for (size_t i = 0; i < module->segment_count; i++) {
		mf_vec_push(&seen.words, module->segments[i].start);
		mf_vec_push(&seen.words, module->segments[i].end);
		mf_vec_push(&seen.words, module->segments[i].kind);
	}
	put_path(module->path);
	put_count(start);
}

static void put_threads(struct mf_target *target)
{
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	for (size_t i = 0; i < count; i++)
		RECORD(PROCESS_THREAD, 0, 0, threads[i].tp,
		       (uint64_t)threads[i].tid, threads[i].pc, threads[i].sp,
		       threads[i].in_syscall ? (uint64_t)threads[i].syscall + 1
					     : 0);
}

/* Runs of words; two zeros are cheaper than another record's head. */
static void put_page(uint64_t address, const uint64_t *words, size_t most)
{
	for (size_t i = 0; i < most; i++) {
		size_t end = i, start = seen.words.count;

		if (!words[i])
			continue;
		for (size_t k = i; k < most && k <= end + 3; k++)
			if (words[k])
				end = k;
		record(PROCESS_WORDS, 0, 0, address + 8 * i);
		for (; i <= end; i++)
			mf_vec_push(&seen.words, words[i]);
		put_count(start);
	}
}

static void put_pages(struct mf_target *target, const char *object, size_t most)
{
	const struct mf_mapping *mapping;
	uint64_t words[WORDS];
	uint8_t flags;

	mf_map_foreach(entry, &seen.pages) {
		mapping = mf_target_mapping_at(target, entry->key);
		if (!mapping || mapping->end - mapping->start > BYTES_MAX ||
		    !is_kept(target, mapping, object))
			continue;
		fail(REAL(mf_target_read_pages)(target, entry->key, 1, words,
						&flags));
		if (!(flags & MF_PAGE_UNREADABLE))
			put_page(entry->key, words,
				 has_name(mapping) ? WORDS : most);
	}
}

static void read_all(struct mf_target *target, struct mf_image *image)
{
	const struct mf_heap_options options = { .trim_ranges = true };
	struct mf_space *space;
	struct mf_heap *heap;

	fail(mf_space_prepare(target, image, &space));
	fail(mf_heap_create(target, image, &options, &heap));
	fail(mf_target_hold(target));
	fail(mf_space_read(space));
	fail(mf_heap_read(heap, space));
	fail(mf_heap_finish(heap));
	mf_heap_destroy(heap);
	mf_space_destroy(space);
}

int main(int argc, char **argv)
{
	const struct mf_target_options options = {
		.stop = MF_STOP_BRIEF,
		.max_pause_ns = UINT64_C(60000000000),
	};
	const struct mf_image_options image_options = { .debuginfod = false };
	const struct mf_mapping *mappings;
	const struct mf_module *modules;
	struct mf_target *target;
	struct mf_image *image;
	size_t count, most = WORDS;

	if (argc < 3)
		return 64;
	if (argc > 3)
		most = MF_MIN(strtoul(argv[3], NULL, 10), most);
	fail(mf_target_open_live((int)strtol(argv[1], NULL, 10), &options,
				 &target));
	fail(mf_image_create(target, &image_options, &image));
	RECORD(PROCESS_OPTIONS, 12, 0, 0, 0);
	modules = mf_image_modules(image, &count);
	for (size_t i = 0; i < count; i++)
		put_module(&modules[i]);
	read_all(target, image);
	mappings = mf_target_mappings(target, &count);
	for (size_t i = 0; i < count; i++)
		put_mapping(target, &mappings[i], argv[2]);
	put_threads(target);
	put_pages(target, argv[2], most);
	mf_target_release(target);
	fwrite(seen.words.items, 8, seen.words.count, stdout);
	mf_image_destroy(image);
	mf_target_close(target);
	return fflush(stdout) != 0;
}
