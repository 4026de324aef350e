/*
 * The thread descriptors of a process: those that threads point to, and all
 * that libc's lists of stacks lead to from there. Each is read once.
 */
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"
#include "space/pthread.h"

enum {
	NODES_LIMIT = 1 << 20, /* of all lists together */
	HEAD_REACH = 128,      /* bytes around a head where others are */
};

/* ---- one -------------------------------------------------------------------- */

/* As much of the struct as is there; its page's end always is. */
size_t mf_pthread_read(struct mf_target *target, uint64_t address,
		       uint64_t size, uint8_t bytes[MF_PTHREAD_BYTES])
{
	uint64_t page = mf_target_info(target)->page_size;
	size_t whole =
		size && size < MF_PTHREAD_BYTES ? size : MF_PTHREAD_BYTES;
	size_t least = MF_MIN(whole, page - address % page);

	if (mf_target_try_read(target, address, bytes, whole))
		return whole;
	return mf_target_try_read(target, address, bytes, least) ? least : 0;
}

bool mf_pthread_is_one(const uint8_t *bytes, uint64_t address)
{
	return mf_load(uint64_t, bytes) == address &&
	       mf_load(uint64_t, bytes + 16) == address;
}

bool mf_pthread_is_main(const struct mf_pthread *pthread, const pid_t pids[2])
{
	if (!pids[0])
		return false;
	return pthread->tid ? pthread->tid == pids[0]
			    : pthread->own_tid == pids[1];
}

static uint64_t member(const uint8_t *bytes, size_t size, int64_t offset)
{
	if (offset < 0 || (uint64_t)offset + 8 > size)
		return 0;
	return mf_load(uint64_t, bytes + offset);
}

/* False: there is none. */
static bool read_members(struct mf_target *target,
			 const struct mf_pthread_layout *layout,
			 struct mf_pthread *pthread)
{
	uint64_t page = mf_target_info(target)->page_size;
	uint8_t bytes[MF_PTHREAD_BYTES];
	size_t size =
		mf_pthread_read(target, pthread->address, layout->size, bytes);

	if (pthread->address % 16 || size < 24 ||
	    !mf_pthread_is_one(bytes, pthread->address))
		return false;
	pthread->own_tid = (int)member(bytes, size, layout->tid);
	pthread->block = member(bytes, size, layout->block);
	pthread->block_size = member(bytes, size, layout->block_size);
	pthread->guard = member(bytes, size, layout->guard);
	if (layout->list >= 0) {
		pthread->next = member(bytes, size, layout->list);
		pthread->previous = member(bytes, size, layout->list + 8);
	}
	if (!mf_pthread_block_fits(page, pthread))
		pthread->block = pthread->block_size = pthread->guard = 0;
	return true;
}

/* ---- the list ----------------------------------------------------------------- */

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

/* ---- the lists of libc ---------------------------------------------------------- */

struct walk {
	struct mf_target *target;
	struct mf_pthread_hints *hints;
	struct mf_pthread_list *list;
	struct mf_map nodes; /* that were visited */
};

struct node {
	uint64_t next, previous;
};

/* The node at ADDRESS, out of its descriptor when that was read already. */
static bool read_node(struct walk *walk, uint64_t address, struct node *ret)
{
	uint64_t offset = (uint64_t)walk->hints->layout.list;
	const uint64_t *known = mf_map_get(&walk->list->seen, address - offset);

	if (address % 8)
		return false;
	if (known && walk->list->items[*known].next) {
		ret->next = walk->list->items[*known].next;
		ret->previous = walk->list->items[*known].previous;
		return true;
	}
	return mf_target_try_read(walk->target, address, ret, sizeof(*ret));
}

static bool is_linked(struct walk *walk, uint64_t address)
{
	struct node node, next, previous;

	return read_node(walk, address, &node) &&
	       read_node(walk, node.next, &next) &&
	       read_node(walk, node.previous, &previous) &&
	       next.previous == address && previous.next == address;
}

/* Adds the descriptor around NODE, unless there is none. */
static bool add_around(struct walk *walk, uint64_t node)
{
	struct mf_pthread pthread = {
		.address = node - (uint64_t)walk->hints->layout.list,
	};

	if (mf_map_has(&walk->list->seen, pthread.address))
		return true;
	if (!read_members(walk->target, &walk->hints->layout, &pthread))
		return false;
	mf_pthread_list_add(walk->list, pthread.address, 0);
	walk->list->items[walk->list->count - 1] = pthread;
	return true;
}

/* Follows one ring; a node that is in no descriptor is the list's head. */
static void walk_ring(struct walk *walk, uint64_t address)
{
	struct node node;

	while (walk->nodes.count < NODES_LIMIT && is_linked(walk, address) &&
	       mf_map_set(&walk->nodes, address, 0)) {
		if (!add_around(walk, address))
			mf_pthread_add_head(walk->hints, address);
		if (!read_node(walk, address, &node))
			return;
		address = node.next;
	}
}

/* libc's lists of stacks stand side by side: those in use, given, cached. */
static void walk_neighbours(struct walk *walk, uint64_t head)
{
	for (uint64_t at = head - HEAD_REACH; at <= head + HEAD_REACH;
	     at += 8) {
		uint64_t first;

		if (mf_target_read_u64(walk->target, at, &first) &&
		    first != at && is_linked(walk, at) &&
		    add_around(walk, first))
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

/* ---- all ------------------------------------------------------------------------- */

static int compare_addresses(const void *left, const void *right)
{
	const struct mf_pthread *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static void index_list(struct mf_pthread_list *list)
{
	mf_map_deinit(&list->seen);
	for (size_t i = 0; i < list->count; i++)
		mf_map_set(&list->seen, list->items[i].address, i);
}

/* Reads all, and drops what only looked like one. */
static void read_all(struct mf_target *target,
		     const struct mf_pthread_layout *layout,
		     struct mf_pthread_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct mf_pthread pthread = list->items[i];

		if (read_members(target, layout, &pthread))
			list->items[kept++] = pthread;
	}
	list->count = kept;
	index_list(list);
}

void mf_pthread_list_complete(struct mf_target *target,
			      struct mf_pthread_hints *hints,
			      const pid_t pids[2], struct mf_pthread_list *list)
{
	struct mf_pthread_layout *layout = &hints->layout;

	mf_pthread_infer(target, list, pids, layout);
	read_all(target, layout, list);
	if (layout->list >= 0)
		walk_lists(target, hints, list);
	if (layout->block < 0) {
		/* The lists may have led to more that can be compared. */
		mf_pthread_infer(target, list, pids, layout);
		if (layout->block >= 0)
			read_all(target, layout, list);
	}
	mf_vec_sort(list, compare_addresses);
	index_list(list);
}
