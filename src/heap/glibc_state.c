/*
 * Reads glibc's own state: the arenas of the ring and the parameters, field by
 * field as the layout says.
 */
#include <string.h>

#include "heap/glibc.h"

enum {
	STATE_BYTES = 1 << 12,	   /* more than any malloc_state */
	BINMAP = 2032,		   /* from the bins: right behind them */
	LOCK_MAX = 2,		   /* free, taken, waited for */
	PID_MAX = 4 * 1024 * 1024, /* linux/threads.h, PID_MAX_LIMIT */
};

static uint64_t field(const uint8_t *bytes, uint32_t offset)
{
	return offset == MF_GLIBC_ABSENT ? 0
					 : mf_load(uint64_t, bytes + offset);
}

static void read_lists(struct mf_glibc_arena *arena, const uint8_t *bytes,
		       const struct mf_glibc_layout *layout)
{
	for (unsigned i = 0; i < MF_GLIBC_BINS; i++) {
		uint32_t at = layout->bins + 16 * i;

		arena->bins[i][0] = field(bytes, at);
		arena->bins[i][1] = field(bytes, at + 8);
	}
	if (layout->fastbins == MF_GLIBC_ABSENT)
		return;
	for (unsigned i = 0; i < MF_GLIBC_FASTBINS; i++)
		arena->fastbins[i] = field(bytes, layout->fastbins + 8 * i);
}

bool mf_glibc_read_arena(struct mf_glibc *glibc, uint64_t address,
			 struct mf_glibc_arena *ret)
{
	const struct mf_glibc_layout *layout = glibc->layout;
	uint8_t bytes[STATE_BYTES];
	uint64_t header;

	if (layout->size > sizeof(bytes) ||
	    !mf_target_try_read(glibc->target, address, bytes, layout->size))
		return false;
	*ret = (struct mf_glibc_arena){
		.address = address,
		.mutex = mf_load(uint32_t, bytes),
		.flags = mf_load(uint32_t, bytes + 4),
		.fastbins_drained =
			layout->fastbins == 16 && !mf_load(uint32_t, bytes + 8),
		.top = field(bytes, layout->top),
		.last_remainder = field(bytes, layout->last_remainder),
		.next = field(bytes, layout->next),
		.next_free = field(bytes, layout->next_free),
		.attached_threads = field(bytes, layout->attached_threads),
		.system_mem = field(bytes, layout->system_mem),
		.max_system_mem = field(bytes, layout->max_system_mem),
		.main = address == glibc->main_arena,
	};
	memcpy(ret->binmap, bytes + layout->bins + BINMAP, sizeof(ret->binmap));
	read_lists(ret, bytes, layout);
	if (ret->system_mem &&
	    mf_target_read_u64(glibc->target, ret->top + 8, &header))
		ret->top_size = header & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	return true;
}

/* ---- the ring --------------------------------------------------------------- */

static void forget_state(struct mf_glibc *glibc)
{
	mf_vec_foreach(arena, &glibc->arenas) {
		mf_vec_deinit(&arena->threads);
		mf_vec_deinit(&arena->damage);
	}
	glibc->arenas.count = 0;
	mf_map_deinit(&glibc->arena_index);
}

/* How many arenas' newest heaps begin where heaps of MAX bytes would. */
static unsigned count_heaps(struct mf_glibc *glibc, uint64_t max)
{
	unsigned count = 0;

	mf_vec_foreach(arena, &glibc->arenas) {
		uint64_t owner;

		count += !arena->main &&
			 mf_target_read_u64(glibc->target,
					    arena->top & ~(max - 1), &owner) &&
			 owner == arena->address;
	}
	return count;
}

/* Heaps are 64 MiB; with huge pages before 2.42 four of those. */
static uint64_t find_heap_max(struct mf_glibc *glibc)
{
	uint64_t usual = (uint64_t)64 << 20;
	uint64_t huge = glibc->parameters.hp_pagesize, other = 4 * huge;
	unsigned by_usual, by_other;

	if (huge == UINT64_MAX || !huge || huge > (uint64_t)1 << 30 ||
	    huge & (huge - 1))
		return usual;
	by_usual = count_heaps(glibc, usual);
	by_other = count_heaps(glibc, other);
	if (by_usual != by_other)
		return by_usual > by_other ? usual : other;
	return glibc->version < 242 ? other : usual;
}

static void settle_heap_shape(struct mf_glibc *glibc)
{
	glibc->heap_max = find_heap_max(glibc);
	glibc->heap_header_size =
		glibc->version && glibc->version < 235 ? 0x20 : 0x30;
	mf_vec_foreach(arena, &glibc->arenas) {
		uint64_t low = arena->address & (glibc->page_size - 1);

		if (!arena->main && (low == 0x20 || low == 0x30))
			glibc->heap_header_size = (uint32_t)low;
	}
}

/* Why the ring cannot go on from its last arena to ADDRESS: a break is known
 * damage, unless the page was only not to be had. */
static void note_break(struct mf_glibc *glibc, uint64_t address)
{
	size_t count = glibc->arenas.count;
	bool again = mf_map_get(&glibc->arena_index, address);

	mf_target_note_partial(glibc->target, "glibc arenas",
			       count == MF_GLIBC_ARENAS_MAX
				       ? "there are more than are read, from "
					 "0x%llx on"
				       : "the arena ring breaks at 0x%llx",
			       (unsigned long long)address);
	if (count && (again || !mf_target_mapping_at(glibc->target, address)))
		mf_glibc_note_damage(
			glibc, &glibc->arenas.items[count - 1], MF_DAMAGE_ARENA,
			glibc->arenas.items[count - 1].address,
			again ? "the next arena, 0x%llx, is in the ring already"
			      : "the next arena, 0x%llx, is nowhere",
			(unsigned long long)address);
}

static void read_ring(struct mf_glibc *glibc)
{
	uint64_t address = glibc->main_arena;

	do {
		struct mf_glibc_arena arena;

		if (glibc->arenas.count == MF_GLIBC_ARENAS_MAX ||
		    mf_map_get(&glibc->arena_index, address) ||
		    !mf_glibc_read_arena(glibc, address, &arena)) {
			note_break(glibc, address);
			return;
		}
		arena.index = (unsigned)glibc->arenas.count;
		mf_map_set(&glibc->arena_index, address, arena.index);
		mf_vec_push(&glibc->arenas, arena);
		address = arena.next;
	} while (address != glibc->main_arena);
}

static uint64_t mapped_bytes(const struct mf_target *target)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += mappings[i].end - mappings[i].start;
	return sum;
}

/* Figures that no process can have would drown all that are right. */
static void check_figures(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			  uint64_t mapped)
{
	if (arena->mutex > LOCK_MAX)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_ARENA,
				     arena->address, "its lock is 0x%x",
				     arena->mutex);
	if (arena->attached_threads > PID_MAX) {
		mf_glibc_note_damage(
			glibc, arena, MF_DAMAGE_ARENA, arena->address,
			"attached_threads is %llu",
			(unsigned long long)arena->attached_threads);
		arena->attached_threads = 0;
	}
	arena->max_system_mem = MF_MIN(arena->max_system_mem, glibc->user_end);
	if (arena->system_mem <= mapped &&
	    arena->system_mem > arena->max_system_mem)
		mf_glibc_note_damage(
			glibc, arena, MF_DAMAGE_SYSTEM_MEM, arena->address,
			"max_system_mem is %llu, less than system_mem, %llu",
			(unsigned long long)arena->max_system_mem,
			(unsigned long long)arena->system_mem);
	if (arena->system_mem <= mapped)
		return;
	mf_glibc_note_damage(glibc, arena, MF_DAMAGE_SYSTEM_MEM, arena->address,
			     "system_mem is %llu: so much is not mapped",
			     (unsigned long long)arena->system_mem);
	arena->system_mem = mapped;
	arena->max_system_mem = mapped;
	arena->lies = true;
}

struct mf_error *mf_glibc_read_state(struct mf_glibc *glibc)
{
	uint64_t mapped = mapped_bytes(glibc->target);

	forget_state(glibc);
	mf_glibc_read_break(glibc);
	mf_glibc_read_parameters(glibc);
	read_ring(glibc);
	mf_vec_foreach(arena, &glibc->arenas)
		check_figures(glibc, arena, mapped);
	if (glibc->arenas.count)
		glibc->used = glibc->arenas.items[0].system_mem != 0 ||
			      glibc->arenas.count > 1;
	settle_heap_shape(glibc);
	return NULL;
}
