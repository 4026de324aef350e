/*
 * Which leaks hold the others: those that no other leads to, and of each ring
 * that nothing else leads into one. Walked without recursion.
 */
#include <stdlib.h>
#include <string.h>

#include "scan/leaks.h"

#define NOBODY UINT32_MAX

/* A leak whose links are being followed. */
struct frame {
	uint32_t leak, at; /* at: of its links; or MF_NO_NODE */
};

struct holding {
	struct mf_leaks *leaks;
	uint32_t *index_of; /* of each node: its leak, or NOBODY */
	uint32_t *owner_of; /* of each leak: the root that it hangs on */
	uint32_t *order;    /* leaks, those first that were left first */
	size_t ordered;
	MF_VEC(struct frame) stack;
};

static struct mf_leak *leak_at(const struct holding *holding, uint32_t leak)
{
	return &holding->leaks->leaks.items[leak];
}

static uint32_t first_link(const struct holding *holding, uint32_t leak)
{
	return holding->leaks->links.first[leak_at(holding, leak)->node];
}

/* The next leak that the one on top leads to, or NOBODY. */
static uint32_t step(const struct holding *holding, struct frame *top)
{
	const struct mf_links *links = &holding->leaks->links;

	while (top->at != MF_NO_NODE) {
		uint32_t link = links->targets.items[top->at];

		top->at = mf_links_next(links, top->at);
		if (!(link & mf_leaks_weak(holding->leaks)) &&
		    holding->index_of[mf_link_node(link)] != NOBODY)
			return holding->index_of[mf_link_node(link)];
	}
	return NOBODY;
}

static void enter(struct holding *holding, uint32_t entered, uint32_t root)
{
	holding->owner_of[entered] = root;
	mf_vec_push(&holding->stack,
		    (struct frame){ entered, first_link(holding, entered) });
}

/* ---- roots ----------------------------------------------------------------- */

/* In depth, from LEAK on, all that was not entered. */
static void order_from(struct holding *holding, uint32_t leak)
{
	if (holding->owner_of[leak] != NOBODY)
		return;
	enter(holding, leak, leak);
	while (holding->stack.count) {
		size_t top = holding->stack.count - 1;
		uint32_t next = step(holding, &holding->stack.items[top]);

		if (next == NOBODY) {
			holding->order[holding->ordered++] =
				holding->stack.items[top].leak;
			holding->stack.count--;
		} else if (holding->owner_of[next] == NOBODY) {
			enter(holding, next, leak);
		}
	}
}

/* All that hangs on ROOT and on nobody before it. */
static void hold_from(struct holding *holding, uint32_t root, bool counts)
{
	struct mf_leak *holder = leak_at(holding, root);

	enter(holding, root, root);
	while (holding->stack.count) {
		size_t top = holding->stack.count - 1;
		uint32_t next = step(holding, &holding->stack.items[top]);

		if (next == NOBODY) {
			holding->stack.count--;
		} else if (holding->owner_of[next] == NOBODY) {
			enter(holding, next, root);
			if (!counts)
				continue;
			holder->held += leak_at(holding, next)->size;
			holder->held_count++;
		} else if (counts && holding->owner_of[next] != root) {
			holder->is_shared = true;
		}
	}
}

static void forget_owners(struct holding *holding)
{
	memset(holding->owner_of, 0xff,
	       holding->leaks->leaks.count * sizeof(*holding->owner_of));
}

/*
 * Who was left last was led to by nobody who was left before, but by what it
 * leads to itself: so, from the last on, each one that none before it reaches is
 * a root; of a ring the one at the lowest address.
 */
static void find_roots(struct holding *holding)
{
	uint32_t count = (uint32_t)holding->leaks->leaks.count;

	forget_owners(holding);
	for (uint32_t i = 0; i < count; i++)
		order_from(holding, i);
	forget_owners(holding);
	for (uint32_t i = count; i-- > 0;) {
		uint32_t leak = holding->order[i];

		if (holding->owner_of[leak] != NOBODY)
			continue;
		leak_at(holding, leak)->is_root = true;
		hold_from(holding, leak, false);
	}
}

static void count_held(struct holding *holding)
{
	uint32_t count = (uint32_t)holding->leaks->leaks.count;

	forget_owners(holding);
	for (uint32_t i = 0; i < count; i++)
		if (leak_at(holding, i)->is_root)
			hold_from(holding, i, true);
}

static void index_nodes(struct holding *holding)
{
	const struct mf_leaks *leaks = holding->leaks;
	size_t nodes = leaks->links.node_count;

	holding->index_of = mf_new_array(nodes + 1, uint32_t);
	memset(holding->index_of, 0xff, nodes * sizeof(*holding->index_of));
	for (size_t i = 0; i < leaks->leaks.count; i++)
		holding->index_of[leaks->leaks.items[i].node] = (uint32_t)i;
}

void mf_leaks_hold(struct mf_leaks *leaks)
{
	size_t count = leaks->leaks.count;
	struct holding holding = { .leaks = leaks };

	if (!count)
		return;
	index_nodes(&holding);
	holding.owner_of = mf_new_array(count, uint32_t);
	holding.order = mf_new_array(count, uint32_t);
	find_roots(&holding);
	count_held(&holding);
	leaks->memory += leaks->links.node_count * sizeof(uint32_t) +
			 count * 2 * sizeof(uint32_t) +
			 holding.stack.capacity * sizeof(struct frame);
	mf_vec_deinit(&holding.stack);
	free(holding.index_of);
	free(holding.owner_of);
	free(holding.order);
}
