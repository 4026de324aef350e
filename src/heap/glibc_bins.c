/*
 * The bins' lists, proved: the walk summed up every free chunk and its links by
 * the bin that its size belongs to. Where the sums of a bin do not agree, this
 * follows its list in the target's memory, which is still held, and names the
 * chunk whose link, size or state is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "heap/glibc.h"

enum {
	SORTED_MAX = 2048,   /* chunks looked up to sort unsorted lists */
	STEPS_MAX = 1 << 20, /* along all lists that do not add up */
	STEPS_A_LOOK = 32,   /* at the clock */
	FIRST_SMALL = 2,     /* bin 0 is none, 1 is unsorted */
	FIRST_LARGE = 64,
	LAST = MF_GLIBC_BINS - 1,
};

/* A free chunk as a list has it. */
struct node {
	uint64_t previous_size, word, fd, bk, fd_nextsize, bk_nextsize;
};

struct checker {
	struct mf_glibc *glibc;
	struct mf_glibc_arena *arena;
	struct mf_map seen; /* chunk -> bin */
	uint64_t steps, budget_ns;
	unsigned bin;
	bool spent;   /* of steps or time; no list is followed any more */
	bool unknown; /* a list leads to what could not be read */
};

static uint64_t head_of(const struct checker *checker, unsigned bin)
{
	return checker->arena->address + checker->glibc->layout->bins +
	       16 * (uint64_t)(bin - 1) - 16;
}

static uint64_t size_of(const struct node *node)
{
	return node->word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
}

/* In this arena's memory, and where a chunk can be. */
static bool is_place(struct checker *checker, uint64_t address)
{
	const struct mf_glibc_segment *segment =
		address % MF_GRANULE
			? NULL
			: mf_glibc_segment_at(checker->glibc, address);

	return segment && segment->arena == checker->arena->index &&
	       address >= segment->start;
}

static bool read_node(struct checker *checker, uint64_t address,
		      struct node *ret)
{
	return is_place(checker, address) &&
	       mf_target_try_read(checker->glibc->target, address, ret,
				  sizeof(*ret));
}

static bool is_head(const struct checker *checker, uint64_t address)
{
	return address == head_of(checker, checker->bin);
}

/* The link of ADDRESS, a chunk or a bin's head. */
static bool read_link(struct checker *checker, uint64_t address, bool forward,
		      uint64_t *ret)
{
	uint64_t bin = (address - head_of(checker, 1)) / 16 + 1;
	struct node node;

	if (bin <= LAST && address == head_of(checker, (unsigned)bin)) {
		*ret = checker->arena->bins[bin - 1][!forward];
		return true;
	}
	if (!read_node(checker, address, &node))
		return false;
	*ret = forward ? node.fd : node.bk;
	return true;
}

/* The process waits: no more steps than may be, nor more than half of what is
 * left of its patience. */
static bool may_go_on(struct checker *checker)
{
	if (++checker->steps > STEPS_MAX)
		checker->spent = true;
	else if (!(checker->steps % STEPS_A_LOOK))
		checker->spent |=
			!mf_target_is_still(checker->glibc->target) ||
			mf_target_pause_left_ns(checker->glibc->target) <
				checker->budget_ns;
	return !checker->spent;
}

/* ---- one chunk of a list ------------------------------------------------ */

enum state {
	STATE_FREE,
	STATE_IN_USE, /* its successor says */
	STATE_NONE,   /* no chunk at all */
};

static enum state state_of(struct checker *checker, uint64_t chunk,
			   const struct node *node)
{
	struct mf_target *target = checker->glibc->target;
	uint64_t size = size_of(node), word, footer;

	if (size < MF_GLIBC_CHUNK_MIN || size % MF_GRANULE ||
	    size > checker->arena->system_mem ||
	    !mf_target_read_u64(target, chunk + size, &footer) ||
	    !mf_target_read_u64(target, chunk + size + 8, &word))
		return STATE_NONE;
	if (word & MF_GLIBC_PREV_INUSE)
		return STATE_IN_USE;
	return footer == size ? STATE_FREE : STATE_NONE;
}

static void note_state(struct checker *checker, uint64_t chunk,
		       const struct node *node)
{
	enum state state = state_of(checker, chunk, node);
	unsigned bin = checker->bin;

	if (state == STATE_IN_USE)
		mf_glibc_note_damage(checker->glibc, checker->arena,
				     MF_DAMAGE_BIN_ENTRY, chunk,
				     "in bin %u, but the chunk after it says "
				     "that it is in use",
				     bin);
	else if (state == STATE_FREE && bin >= FIRST_SMALL &&
		 mf_glibc_bin_index(size_of(node)) != bin)
		mf_glibc_note_damage(checker->glibc, checker->arena,
				     MF_DAMAGE_WRONG_BIN, chunk,
				     "of %llu bytes in bin %u, but such belong "
				     "into bin %u",
				     (unsigned long long)size_of(node), bin,
				     mf_glibc_bin_index(size_of(node)));
}

/* CHUNK's link to OTHER, which should lead back: true unless it is CHUNK's that
 * is wrong. */
static bool is_ring_link(struct checker *checker, uint64_t chunk,
			 uint64_t other, bool forward)
{
	struct node node;
	uint64_t back;

	if (!is_place(checker, other))
		return false;
	if (!read_node(checker, other, &node))
		return true;
	back = forward ? node.bk_nextsize : node.fd_nextsize;
	return back == chunk || !is_place(checker, back);
}

/* Of large chunks the first of each size is in a ring of its own. */
static void note_ring(struct checker *checker, uint64_t chunk,
		      const struct node *node)
{
	if (checker->bin < FIRST_LARGE || !node->fd_nextsize ||
	    (is_ring_link(checker, chunk, node->fd_nextsize, true) &&
	     is_ring_link(checker, chunk, node->bk_nextsize, false)))
		return;
	mf_glibc_note_damage(checker->glibc, checker->arena,
			     MF_DAMAGE_SKIP_LIST, chunk,
			     "fd_nextsize 0x%llx and bk_nextsize 0x%llx do not "
			     "lead back",
			     (unsigned long long)node->fd_nextsize,
			     (unsigned long long)node->bk_nextsize);
}

/* Says that FROM's link (fd when FORWARD, else bk) leads to TO. */
static void note_link(struct checker *checker, uint64_t from, bool forward,
		      uint64_t to)
{
	const char *name = forward ? "fd" : "bk";

	if (is_head(checker, from))
		mf_glibc_note_damage(
			checker->glibc, checker->arena, MF_DAMAGE_BIN_ENTRY, to,
			"%s of bin %u leads here", name, checker->bin);
	else
		mf_glibc_note_damage(
			checker->glibc, checker->arena,
			forward ? MF_DAMAGE_FD : MF_DAMAGE_BK, from,
			"%s of this free chunk, in bin %u, leads "
			"to 0x%llx",
			name, checker->bin, (unsigned long long)to);
}

/*
 * FROM leads to CHUNK, whose NODE has another before it. Who is wrong? If that
 * other leads to CHUNK too, or CHUNK is no free chunk at all, FROM is: false,
 * for the list does not lead on.
 */
static bool settle_links(struct checker *checker, uint64_t from, uint64_t chunk,
			 const struct node *node, bool forward)
{
	uint64_t other = forward ? node->bk : node->fd, link;

	if (node->fd == chunk || node->bk == chunk) {
		mf_glibc_note_damage(checker->glibc, checker->arena,
				     MF_DAMAGE_DOUBLE_FREE, chunk,
				     "in bin %u twice: it leads to itself",
				     checker->bin);
		return false;
	}
	if (state_of(checker, chunk, node) != STATE_FREE ||
	    (read_link(checker, other, forward, &link) && link == chunk)) {
		note_link(checker, from, forward, chunk);
		return false;
	}
	note_link(checker, chunk, !forward, other);
	return true;
}

/* ---- one list ---------------------------------------------------------------- */

/* The step from FROM to CHUNK; false: the list does not lead on from there. */
static bool check_step(struct checker *checker, uint64_t from, uint64_t chunk,
		       const struct node *node, bool forward)
{
	const uint64_t *bin = mf_map_get(&checker->seen, chunk);

	/* The way back ends where the way there did. */
	if (bin && *bin == checker->bin && !forward)
		return false;
	if ((forward ? node->bk : node->fd) != from &&
	    !settle_links(checker, from, chunk, node, forward))
		return false;
	if (bin && *bin != checker->bin)
		mf_glibc_note_damage(checker->glibc, checker->arena,
				     MF_DAMAGE_DOUBLE_FREE, chunk,
				     "in bin %u and in bin %llu", checker->bin,
				     (unsigned long long)*bin);
	return !bin;
}

/* Goes along the list of the checker's bin; false: it breaks. */
static bool follow(struct checker *checker, bool forward)
{
	uint64_t head = head_of(checker, checker->bin), from = head, chunk;
	struct node node;

	read_link(checker, head, forward, &chunk);
	while (chunk != head) {
		if (!may_go_on(checker)) {
			checker->unknown = true;
			return true;
		}
		if (!is_place(checker, chunk)) {
			note_link(checker, from, forward, chunk);
			return false;
		}
		if (!read_node(checker, chunk, &node)) {
			checker->unknown = true;
			return false;
		}
		if (!check_step(checker, from, chunk, &node, forward))
			return false;
		mf_map_set(&checker->seen, chunk, checker->bin);
		note_state(checker, chunk, &node);
		note_ring(checker, chunk, &node);
		from = chunk;
		chunk = forward ? node.fd : node.bk;
	}
	read_link(checker, head, !forward, &chunk);
	if (chunk != from)
		note_link(checker, head, !forward, chunk);
	return true;
}

static void check_list(struct checker *checker, unsigned bin)
{
	checker->bin = bin;
	if (!follow(checker, true))
		follow(checker, false);
}

/* ---- sums ------------------------------------------------------------------ */

static bool is_even(const struct mf_glibc_bin_sums *sums)
{
	return sums->fds == sums->nodes && sums->bks == sums->nodes;
}

static void move(struct mf_glibc_bin_sums *from, struct mf_glibc_bin_sums *to,
		 uint64_t chunk, const struct node *node)
{
	uint64_t hash = mf_hash64(chunk);
	uint64_t fd = mf_hash64(node->fd), bk = mf_hash64(node->bk);

	from->nodes -= hash;
	from->fds -= fd;
	from->bks -= bk;
	to->nodes += hash;
	to->fds += fd;
	to->bks += bk;
}

/* The unsorted list's chunks were summed up with those of their sizes. False:
 * there are too many of them, or it breaks: then only the whole is known. */
static bool sort_unsorted(struct checker *checker,
			  struct mf_glibc_bin_sums sums[], uint64_t *left)
{
	uint64_t head = head_of(checker, 1);
	uint64_t chunk = checker->arena->bins[0][0];
	struct node node;

	while (chunk != head) {
		unsigned bin;

		if (!*left || !read_node(checker, chunk, &node))
			return false;
		--*left;
		bin = mf_glibc_bin_index(size_of(&node));
		if (bin != 1)
			move(&sums[bin], &sums[1], chunk, &node);
		chunk = node.fd;
	}
	return true;
}

static void add_heads(const struct checker *checker,
		      struct mf_glibc_bin_sums sums[],
		      struct mf_glibc_bin_sums *all)
{
	for (unsigned i = 1; i <= LAST; i++) {
		sums[i].nodes += mf_hash64(head_of(checker, i));
		sums[i].fds += mf_hash64(checker->arena->bins[i - 1][0]);
		sums[i].bks += mf_hash64(checker->arena->bins[i - 1][1]);
		all->nodes += sums[i].nodes;
		all->fds += sums[i].fds;
		all->bks += sums[i].bks;
	}
}

static void check_binmap(struct checker *checker)
{
	const struct mf_glibc_arena *arena = checker->arena;

	for (unsigned i = FIRST_SMALL; i <= LAST; i++)
		if (arena->bins[i - 1][0] != head_of(checker, i) &&
		    !(arena->binmap[i / 32] >> i % 32 & 1))
			mf_glibc_note_damage(checker->glibc, checker->arena,
					     MF_DAMAGE_BINMAP, arena->address,
					     "the binmap says that bin %u, "
					     "which is not, is empty",
					     i);
}

/* Whether bin I is to be followed. */
struct suspects {
	bool bins[MF_GLIBC_BINS];
	bool any;
};

/* Free by their successors' word, of the suspect bins' sizes, in no list. */
static void find_unlisted(struct checker *checker,
			  const struct suspects *suspects,
			  const struct mf_glibc_segment *segment)
{
	uint64_t at = segment->start, size;
	enum mf_chunk_state state;
	size_t offset = 0;

	for (; mf_chunk_log_next(&segment->log, &offset, &size, &state);
	     at += size)
		if (state == MF_CHUNK_FREE &&
		    suspects->bins[mf_glibc_bin_index(size)] &&
		    !mf_map_has(&checker->seen, at))
			mf_glibc_note_damage(checker->glibc, checker->arena,
					     MF_DAMAGE_UNLISTED, at,
					     "free, says the chunk after it, "
					     "but in no bin");
}

static void diagnose(struct checker *checker, const struct suspects *suspects)
{
	uint64_t before = checker->arena->damage_count;
	const struct mf_glibc_segment *segment;
	size_t next = checker->arena->first_segment;

	for (unsigned i = 1; i <= LAST; i++)
		if (suspects->bins[i])
			check_list(checker, i);
	/* A chunk of a suspect bin's sizes may not have been sorted yet. */
	if (checker->arena->damage_count == before && !suspects->bins[1])
		check_list(checker, 1);
	while (checker->arena->damage_count == before && !checker->unknown &&
	       (segment = mf_glibc_segment_numbered(checker->glibc, next))) {
		find_unlisted(checker, suspects, segment);
		next = segment->next;
	}
	mf_map_deinit(&checker->seen);
	if (checker->arena->damage_count > before)
		checker->arena->changed = true;
}

/* Which lists do not add up; where unsorted chunks could not be told from
 * sorted ones, all of them are to be looked at. */
static struct suspects find_suspects(struct checker *checker,
				     struct mf_glibc_bin_sums sums[],
				     bool whole, uint64_t *left)
{
	bool ring = is_even(&checker->arena->ring);
	bool sorted = sort_unsorted(checker, sums, left);
	struct suspects suspects = { .any = false };

	for (unsigned i = 1; i <= LAST; i++) {
		suspects.bins[i] = (sorted ? !is_even(&sums[i]) : !whole) ||
				   (!ring && i >= FIRST_LARGE);
		suspects.any |= suspects.bins[i];
	}
	return suspects;
}

/* Lists that lead through swapped pages cannot be proved. */
static bool has_swapped(const struct checker *checker)
{
	size_t next = checker->arena->first_segment;
	const struct mf_glibc_segment *segment;

	while ((segment = mf_glibc_segment_numbered(checker->glibc, next))) {
		for (size_t i = 0; i < segment->page_count; i++)
			if (segment->pages[i] &
			    (MF_PAGE_SWAPPED | MF_PAGE_UNREADABLE))
				return true;
		next = segment->next;
	}
	return false;
}

static bool may_be_diagnosed(const struct checker *checker)
{
	const struct mf_glibc_arena *arena = checker->arena;

	return checker->budget_ns && !arena->incomplete && arena->mutex != 1 &&
	       arena->mutex != 2;
}

static void note_bins(struct checker *checker)
{
	struct mf_glibc_arena *arena = checker->arena;

	arena->changed = true;
	if (!arena->damage_count && !arena->incomplete && !has_swapped(checker))
		mf_glibc_note_damage(checker->glibc, arena, MF_DAMAGE_BINS,
				     arena->address,
				     "the bins' links and the free chunks do "
				     "not agree");
}

/* LEFT: how many unsorted chunks may yet be looked up. */
static void check_arena(struct checker *checker, uint64_t *left)
{
	struct mf_glibc_arena *arena = checker->arena;
	struct mf_glibc_bin_sums sums[MF_GLIBC_BINS], all = { 0, 0, 0 };
	bool whole;

	memcpy(sums, arena->sums, sizeof(sums));
	add_heads(checker, sums, &all);
	whole = is_even(&all);
	checker->unknown = false;
	if (may_be_diagnosed(checker)) {
		struct suspects suspects =
			find_suspects(checker, sums, whole, left);

		if (suspects.any && !has_swapped(checker))
			diagnose(checker, &suspects);
		check_binmap(checker);
	}
	if (!whole)
		note_bins(checker);
}

void mf_glibc_check_bins(struct mf_glibc *glibc)
{
	struct checker checker = { .glibc = glibc };
	uint64_t left = SORTED_MAX;

	if (!glibc->ran)
		checker.budget_ns = mf_target_pause_left_ns(glibc->target) / 2;
	mf_vec_foreach(arena, &glibc->arenas) {
		if (!arena->system_mem)
			continue;
		checker.arena = arena;
		check_arena(&checker, &left);
	}
}
