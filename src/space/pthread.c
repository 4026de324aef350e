/*
 * Finds glibc's thread descriptors. Sources: nptl/descr.h, struct pthread
 * (members list, tid, stackblock, stackblock_size, guardsize; glibc 2.4 to
 * 2.44), its x86-64 header whose words 0 and 2 are its own address; the lists
 * of stacks in ld.so's _rtld_global (2.34 on) or libpthread; and the
 * _thread_db_* descriptions {bits, count, offset} that libc exports for
 * debuggers.
 */
#include "space/pthread.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"

enum {
	STRUCT_LIMIT = 2560,	 /* bytes of the struct that are looked at */
	FIRST_MEMBER = 64,	 /* its header's words come before */
	LIST_TO_TID = 16,	 /* tid follows the list node */
	SAMPLES = 16,		 /* descriptors that inference compares */
	NODES_LIMIT = 1 << 20,	 /* of all lists together */
	HEAD_REACH = 128,	 /* bytes around a head where others are */
	TOP_LIMIT = 64 * 1024,	 /* descriptor to the end of its stack */
	STACK_LEAST = 4 * 4096,	 /* PTHREAD_STACK_MIN */
	OLDEST_OFFSET = 1 << 16, /* no member is further in */
};

/* ---- what the symbols say ----------------------------------------------- */

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const struct mf_module *
find_module(struct mf_image *image, const char *const *prefixes, size_t count)
{
	size_t module_count;
	const struct mf_module *modules =
		mf_image_modules(image, &module_count);

	for (size_t i = 0; i < module_count; i++)
		for (size_t j = 0; j < count; j++)
			if (has_prefix(modules[i].name, prefixes[j]))
				return &modules[i];
	return NULL;
}

static const struct mf_module *find_main(struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (modules[i].main)
			return &modules[i];
	return NULL;
}

/* The module that holds the thread functions: libpthread until 2.33. */
static const struct mf_module *find_nptl(struct mf_image *image)
{
	static const char *const old_names[] = { "libpthread.so",
						 "libpthread-" };
	static const char *const names[] = { "libc.so.6", "libc-2" };
	const struct mf_module *module;

	module = find_module(image, old_names, MF_ARRAY_SIZE(old_names));
	/* From 2.34 on libpthread is an empty shell. */
	if (module &&
	    mf_image_find_symbol(image, module, "_thread_db_sizeof_pthread",
				 MF_SYMBOLS_FILE, &(uint64_t){ 0 },
				 &(uint64_t){ 0 }))
		return module;
	module = find_module(image, names, MF_ARRAY_SIZE(names));
	return module ? module : find_main(image);
}

/* The offset in a {bits, count, offset} description. */
static int64_t read_offset(struct mf_target *target, uint64_t address)
{
	uint32_t words[3];

	if (!address ||
	    !mf_target_try_read(target, address, words, sizeof(words)) ||
	    words[2] >= OLDEST_OFFSET)
		return -1;
	return words[2];
}

static void add_head(struct mf_pthread_hints *hints, uint64_t address)
{
	for (size_t i = 0; i < hints->head_count; i++)
		if (hints->heads[i] == address)
			return;
	if (address && address % 8 == 0 && hints->head_count < MF_PTHREAD_HEADS)
		hints->heads[hints->head_count++] = address;
}

static void add_loader_heads(struct mf_target *target, struct mf_image *image,
			     const uint64_t descriptions[2],
			     struct mf_pthread_hints *hints)
{
	static const char *const names[] = { "ld-linux", "ld-2", "ld64.so",
					     "ld.so" };
	const struct mf_module *loader =
		find_module(image, names, MF_ARRAY_SIZE(names));
	uint64_t address, size;

	if (!loader ||
	    !mf_image_find_symbol(image, loader, "_rtld_global",
				  MF_SYMBOLS_EXPORTED, &address, &size))
		return;
	for (int i = 0; i < 2; i++) {
		int64_t offset = read_offset(target, descriptions[i]);

		if (offset >= 0)
			add_head(hints, address + (uint64_t)offset);
	}
}

static void load_exported(struct mf_target *target, struct mf_image *image,
			  const struct mf_module *nptl,
			  struct mf_pthread_hints *hints)
{
	static const char *const names[] = {
		"_thread_db_rtld_global__dl_stack_used",
		"_thread_db_rtld_global__dl_stack_user",
		"_thread_db_sizeof_pthread",
		"_thread_db_pthread_list",
		"_thread_db_pthread_tid",
		/* libpthread to 2.33 */
		"stack_used",
		"stack_cache",
		"__stack_user",
		/* static executables from 2.34 */
		"_dl_stack_used",
		"_dl_stack_user",
		"_dl_stack_cache",
	};
	uint64_t found[MF_ARRAY_SIZE(names)];
	uint32_t size;

	mf_image_find_symbols(image, nptl, names, MF_ARRAY_SIZE(names),
			      MF_SYMBOLS_FILE, found);
	if (found[2] && mf_target_read_u32(target, found[2], &size) &&
	    size < OLDEST_OFFSET)
		hints->layout.size = size;
	hints->layout.list = read_offset(target, found[3]);
	hints->layout.tid = read_offset(target, found[4]);
	add_loader_heads(target, image, found, hints);
	for (size_t i = 5; i < MF_ARRAY_SIZE(names); i++)
		add_head(hints, found[i]);
}

/* What libc exports is of the very file; DWARF that differs is of another. */
static void load_debug(struct mf_image *image, const struct mf_module *nptl,
		       struct mf_pthread_layout *layout)
{
	static const char *const near[] = { "pthread_create", "start_thread",
					    "__pthread_create_2_1" };
	struct mf_member members[] = {
		{ .name = "list" },	  { .name = "tid" },
		{ .name = "stackblock" }, { .name = "stackblock_size" },
		{ .name = "guardsize" },
	};
	uint64_t size;
	bool found = false;

	for (size_t i = 0; !found && i < MF_ARRAY_SIZE(near); i++)
		found = mf_image_struct_layout(image, nptl, near[i], "pthread",
					       members, MF_ARRAY_SIZE(members),
					       &size);
	if (!found || (layout->size && layout->size != size) ||
	    (layout->tid >= 0 && layout->tid != members[1].offset))
		return;
	*layout = (struct mf_pthread_layout){
		.list = members[0].offset,
		.tid = members[1].offset,
		.block = members[2].offset,
		.block_size = members[3].offset,
		.guard = members[4].offset,
		.size = size,
	};
}

void mf_pthread_hints_load(struct mf_target *target, struct mf_image *image,
			   struct mf_pthread_hints *hints)
{
	const struct mf_module *nptl;

	*hints = (struct mf_pthread_hints){
		.layout = { -1, -1, -1, -1, -1, 0 },
	};
	if (!image || !mf_target_can(target, MF_CAN_READ))
		return;
	nptl = find_nptl(image);
	if (!nptl)
		return;
	load_exported(target, image, nptl, hints);
	load_debug(image, nptl, &hints->layout);
}

/* ---- the list ------------------------------------------------------------- */

bool mf_pthread_check(struct mf_target *target, uint64_t address)
{
	uint64_t words[3];

	return address && address % 16 == 0 &&
	       mf_target_try_read(target, address, words, sizeof(words)) &&
	       words[0] == address && words[2] == address;
}

void mf_pthread_list_add(struct mf_pthread_list *list, uint64_t address,
			 pid_t tid)
{
	const uint64_t *known = mf_map_get(&list->seen, address);
	struct mf_pthread *pthread;

	if (known) {
		if (tid)
			list->items[*known].tid = tid;
		return;
	}
	mf_map_set(&list->seen, address, list->count);
	pthread = mf_vec_add(list);
	pthread->address = address;
	pthread->tid = tid;
}

void mf_pthread_list_deinit(struct mf_pthread_list *list)
{
	mf_vec_deinit(list);
	mf_map_deinit(&list->seen);
}

bool mf_pthread_is_main(const struct mf_pthread *pthread, const pid_t pids[2])
{
	if (!pids[0])
		return false;
	return pthread->tid ? pthread->tid == pids[0]
			    : pthread->own_tid == pids[1];
}

/* ---- inference -------------------------------------------------------------- */

struct sample {
	const struct mf_pthread *pthread;
	size_t size; /* bytes that could be read */
	uint8_t bytes[STRUCT_LIMIT];
};

struct samples {
	size_t count;
	struct sample items[SAMPLES];
};

/* As much of the struct as is there; its page's end always is. */
static size_t read_struct(struct mf_target *target, uint64_t address,
			  uint64_t size, uint8_t bytes[STRUCT_LIMIT])
{
	uint64_t page = mf_target_info(target)->page_size;
	size_t whole = size && size < STRUCT_LIMIT ? size : STRUCT_LIMIT;
	size_t least = MF_MIN(whole, page - address % page);

	if (mf_target_try_read(target, address, bytes, whole))
		return whole;
	return mf_target_try_read(target, address, bytes, least) ? least : 0;
}

static struct samples *take_samples(struct mf_target *target,
				    const struct mf_pthread_list *list,
				    uint64_t size)
{
	struct samples *samples = mf_new(struct samples);

	for (size_t i = 0; i < list->count && samples->count < SAMPLES; i++) {
		struct sample *sample = &samples->items[samples->count];

		sample->pthread = &list->items[i];
		sample->size = read_struct(target, list->items[i].address, size,
					   sample->bytes);
		samples->count += sample->size > FIRST_MEMBER;
	}
	return samples;
}

static uint64_t word_of(const struct sample *sample, size_t offset)
{
	return mf_load(uint64_t, sample->bytes + offset);
}

/* The node at ADDRESS is linked both ways. */
static bool is_linked(struct mf_target *target, uint64_t address)
{
	uint64_t node[2], back, forth;

	return address % 8 == 0 &&
	       mf_target_try_read(target, address, node, sizeof(node)) &&
	       node[0] % 8 == 0 && node[1] % 8 == 0 &&
	       mf_target_read_u64(target, node[0] + 8, &back) &&
	       mf_target_read_u64(target, node[1], &forth) && back == address &&
	       forth == address;
}

/* The tid that the struct of this thread must hold; 0: any. */
static int expected_tid(const struct mf_pthread *pthread, const pid_t pids[2])
{
	if (pthread->tid == pids[0])
		return pids[1];
	return pids[0] == pids[1] ? pthread->tid : 0;
}

static bool list_fits(struct mf_target *target, const struct samples *samples,
		      size_t offset, const pid_t pids[2])
{
	size_t proofs = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];
		int expected = expected_tid(sample->pthread, pids);
		int tid;

		if (offset + LIST_TO_TID + sizeof(tid) > sample->size)
			return false;
		tid = mf_load(int, sample->bytes + offset + LIST_TO_TID);
		if (expected && tid != expected)
			return false;
		if (!word_of(sample, offset) ||
		    !is_linked(target, sample->pthread->address + offset))
			return false;
		proofs += expected != 0;
	}
	return proofs > 0;
}

static void infer_list(struct mf_target *target, const struct samples *samples,
		       const pid_t pids[2], struct mf_pthread_layout *layout)
{
	for (size_t offset = FIRST_MEMBER; offset < STRUCT_LIMIT; offset += 8) {
		if (!list_fits(target, samples, offset, pids))
			continue;
		layout->list = (int64_t)offset;
		layout->tid = (int64_t)offset + LIST_TO_TID;
		return;
	}
}

static bool block_fits(uint64_t page, const struct mf_pthread *pthread)
{
	uint64_t into = pthread->address - pthread->block;

	return pthread->block && pthread->block % page == 0 &&
	       pthread->block_size % page == 0 &&
	       pthread->block_size >= STACK_LEAST &&
	       pthread->block < pthread->address &&
	       into < pthread->block_size &&
	       pthread->block_size - into <= TOP_LIMIT &&
	       pthread->guard % page == 0 &&
	       pthread->guard < pthread->block_size;
}

static bool block_fits_all(uint64_t page, const struct samples *samples,
			   size_t offset, const pid_t pids[2])
{
	size_t proofs = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];
		struct mf_pthread pthread = *sample->pthread;

		if (offset + 24 > sample->size)
			return false;
		if (mf_pthread_is_main(&pthread, pids))
			continue; /* its stack is the kernel's */
		pthread.block = word_of(sample, offset);
		pthread.block_size = word_of(sample, offset + 8);
		pthread.guard = word_of(sample, offset + 16);
		if (!block_fits(page, &pthread))
			return false;
		proofs++;
	}
	return proofs > 0;
}

static void infer_block(struct mf_target *target,
			const struct mf_pthread_list *list, const pid_t pids[2],
			struct mf_pthread_layout *layout)
{
	uint64_t page = mf_target_info(target)->page_size;
	struct samples *samples = take_samples(target, list, layout->size);

	for (size_t at = FIRST_MEMBER; at < STRUCT_LIMIT; at += 8) {
		if (!block_fits_all(page, samples, at, pids))
			continue;
		layout->block = (int64_t)at;
		layout->block_size = (int64_t)at + 8;
		layout->guard = (int64_t)at + 16;
		break;
	}
	free(samples);
}

bool mf_pthread_find_block(struct mf_target *target, struct mf_pthread *pthread)
{
	uint64_t page = mf_target_info(target)->page_size;
	struct mf_pthread_list one = { .items = pthread, .count = 1 };
	struct samples *samples = take_samples(target, &one, 0);
	const struct sample *sample = samples->items;
	bool found = false;

	pthread->guard = 0;
	for (size_t at = 8; samples->count && !found && at + 16 <= sample->size;
	     at += 8) {
		pthread->block = word_of(sample, at);
		pthread->block_size = word_of(sample, at + 8);
		found = block_fits(page, pthread);
	}
	free(samples);
	return found;
}

/* ---- the lists of libc ---------------------------------------------------- */

struct walk {
	struct mf_target *target;
	struct mf_pthread_hints *hints;
	struct mf_pthread_list *list;
	struct mf_map nodes; /* that were visited */
};

/* Follows one ring; a node that is in no descriptor is the list's head. */
static void walk_ring(struct walk *walk, uint64_t node)
{
	uint64_t offset = (uint64_t)walk->hints->layout.list;

	while (walk->nodes.count < NODES_LIMIT &&
	       is_linked(walk->target, node) &&
	       mf_map_set(&walk->nodes, node, 0)) {
		if (mf_pthread_check(walk->target, node - offset))
			mf_pthread_list_add(walk->list, node - offset, 0);
		else
			add_head(walk->hints, node);
		if (!mf_target_read_u64(walk->target, node, &node))
			return;
	}
}

/* libc's lists of stacks stand side by side: those in use, given, cached. */
static void walk_neighbours(struct walk *walk, uint64_t head)
{
	uint64_t offset = (uint64_t)walk->hints->layout.list;

	for (uint64_t at = head - HEAD_REACH; at <= head + HEAD_REACH;
	     at += 8) {
		uint64_t first;

		if (mf_target_read_u64(walk->target, at, &first) &&
		    first != at && is_linked(walk->target, at) &&
		    mf_pthread_check(walk->target, first - offset))
			walk_ring(walk, at);
	}
}

static void walk_lists(struct mf_target *target, struct mf_pthread_hints *hints,
		       struct mf_pthread_list *list)
{
	struct walk walk = { target, hints, list, { 0 } };

	for (size_t i = 0; i < list->count; i++)
		walk_ring(&walk, list->items[i].address +
					 (uint64_t)hints->layout.list);
	for (size_t i = 0; i < hints->head_count; i++) {
		walk_ring(&walk, hints->heads[i]);
		walk_neighbours(&walk, hints->heads[i]);
	}
	mf_map_deinit(&walk.nodes);
}

/* ---- members ---------------------------------------------------------------- */

static uint64_t read_member(const uint8_t *bytes, size_t size, int64_t offset)
{
	if (offset < 0 || (uint64_t)offset + 8 > size)
		return 0;
	return mf_load(uint64_t, bytes + offset);
}

static void read_members(struct mf_target *target,
			 const struct mf_pthread_layout *layout,
			 struct mf_pthread *pthread)
{
	uint64_t page = mf_target_info(target)->page_size;
	uint8_t bytes[STRUCT_LIMIT];
	size_t size =
		read_struct(target, pthread->address, layout->size, bytes);

	pthread->own_tid = (int)read_member(bytes, size, layout->tid);
	pthread->block = read_member(bytes, size, layout->block);
	pthread->block_size = read_member(bytes, size, layout->block_size);
	pthread->guard = read_member(bytes, size, layout->guard);
	if (!block_fits(page, pthread))
		pthread->block = pthread->block_size = pthread->guard = 0;
}

static int compare_addresses(const void *left, const void *right)
{
	const struct mf_pthread *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static void read_all_members(struct mf_target *target,
			     const struct mf_pthread_layout *layout,
			     struct mf_pthread_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		read_members(target, layout, &list->items[i]);
}

void mf_pthread_list_complete(struct mf_target *target,
			      struct mf_pthread_hints *hints,
			      const pid_t pids[2], struct mf_pthread_list *list)
{
	struct mf_pthread_layout *layout = &hints->layout;

	if (layout->list < 0) {
		struct samples *samples =
			take_samples(target, list, layout->size);

		infer_list(target, samples, pids, layout);
		free(samples);
	}
	if (layout->list >= 0)
		walk_lists(target, hints, list);
	read_all_members(target, layout, list);
	if (layout->block < 0 || layout->block_size < 0) {
		infer_block(target, list, pids, layout);
		if (layout->block >= 0)
			read_all_members(target, layout, list);
	}
	mf_vec_sort(list, compare_addresses);
	for (size_t i = 0; i < list->count; i++)
		mf_map_set(&list->seen, list->items[i].address, i);
}
