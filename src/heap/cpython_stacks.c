/*
 * CPython's data stacks (3.11 on): the frames of Python functions lie in chunks
 * of 16 KiB and more from mmap, chained from the newest to the oldest, one
 * chain a thread. A thread state holds the newest chunk, where its used part
 * ends, and its end; the chunk holds its own size. Thread states are linked
 * both ways: the first lies in the interpreter's data, the others in malloc's.
 * Source: CPython 3.11 to 3.13, Python/pystate.c, Include/cpython/pystate.h.
 */
#include "heap/cpython.h"

enum {
	CHUNK_MIN = 16 << 10,
	CHUNK_HEADER = 24,
	CHUNK_ALIGN = 4096,
	MOST_CHUNKS = 1 << 20,
	MOST_THREADS = 1 << 16,
	STATE_BYTES = 2048, /* the three words lie so far into it at most */
	STATE_LINKS = 3,    /* its first words: previous, next, interpreter */
};

static const uint64_t most_chunk = UINT64_C(1) << 40;

/* struct _PyStackChunk; top is an index into what follows. */
struct stack_chunk {
	uint64_t previous, size, top;
};

struct thread_state {
	uint64_t previous, next, interpreter;
};

struct stacks {
	struct mf_heap_context *context;
	const struct mf_allocator_instance *instance;
	struct mf_map chunks;  /* claimed already */
	uint64_t stack_offset; /* of the three words in a thread state */
};

/* ---- chunks ---------------------------------------------------------------- */

static bool read_chunk(struct mf_target *target, uint64_t address,
		       struct stack_chunk *ret)
{
	const struct mf_mapping *mapping = mf_anon_at(target, address);

	return address % CHUNK_ALIGN == 0 && mapping &&
	       mf_target_try_read(target, address, ret, sizeof(*ret)) &&
	       ret->size >= CHUNK_MIN && !(ret->size & (ret->size - 1)) &&
	       ret->size <= mapping->end - address &&
	       ret->top <= (ret->size - CHUNK_HEADER) / 8 &&
	       ret->previous % CHUNK_ALIGN == 0 && ret->previous != address;
}

bool mf_cpython_is_stack(struct mf_target *target, const uint64_t *words)
{
	uint64_t chunk = words[0], top = words[1], limit = words[2];
	struct stack_chunk header;

	if (!chunk || chunk % CHUNK_ALIGN || limit % CHUNK_ALIGN || top % 8 ||
	    limit < chunk || limit - chunk < CHUNK_MIN ||
	    limit - chunk > most_chunk || top < chunk + CHUNK_HEADER ||
	    top > limit)
		return false;
	return read_chunk(target, chunk, &header) &&
	       header.size == limit - chunk;
}

/* From the newest chunk to the oldest, which has none before it. */
static void claim_chain(struct stacks *stacks, uint64_t address)
{
	struct mf_heap_context *context = stacks->context;
	struct stack_chunk chunk;

	while (address && stacks->chunks.count < MOST_CHUNKS &&
	       read_chunk(context->target, address, &chunk) &&
	       mf_map_set(&stacks->chunks, address, 1)) {
		mf_instance_claim(
			context, stacks->instance,
			(struct mf_claim){
				.start = address,
				.end = address + chunk.size,
				.class = MF_CLASS_PYTHON_ARENA,
				.certainty = MF_BY_STRUCTURE,
				.label = "Python data stack",
				.proof = "a thread state's chain of chunks, "
					 "which say their own size",
			});
		address = chunk.previous;
	}
}

/* ---- threads ---------------------------------------------------------------- */

static bool read_state(struct mf_target *target, uint64_t address,
		       struct thread_state *ret)
{
	return address && address % 8 == 0 &&
	       mf_target_try_read(target, address, ret, sizeof(*ret)) &&
	       ret->interpreter;
}

/* False when the state at ADDRESS has neither a stack nor room for one. */
static bool claim_thread(struct stacks *stacks, uint64_t address)
{
	struct mf_target *target = stacks->context->target;
	uint64_t words[MF_CPYTHON_STACK_WORDS];

	if (!mf_target_try_read(target, address + stacks->stack_offset, words,
				sizeof(words)))
		return false;
	if (!words[0]) /* it has not run yet */
		return !words[1] && !words[2];
	if (!mf_cpython_is_stack(target, words))
		return false;
	claim_chain(stacks, words[0]);
	return true;
}

/* Goes along one direction of the list from the state at ADDRESS. */
static void claim_threads(struct stacks *stacks, uint64_t address,
			  bool backwards)
{
	struct mf_target *target = stacks->context->target;
	struct thread_state state, other;

	if (!read_state(target, address, &state))
		return;
	for (unsigned i = 0; i < MOST_THREADS; i++) {
		uint64_t to = backwards ? state.previous : state.next;

		if (!read_state(target, to, &other) ||
		    (backwards ? other.next : other.previous) != address ||
		    other.interpreter != state.interpreter ||
		    !claim_thread(stacks, to))
			return;
		address = to;
		state = other;
	}
}

/* Whether STATE, that of ADDRESS, has a neighbour that points back at it. */
static bool is_linked(struct mf_target *target, uint64_t address,
		      const struct thread_state *state)
{
	struct thread_state other;

	if (!state->interpreter)
		return false;
	if (read_state(target, state->previous, &other))
		return other.next == address &&
		       other.interpreter == state->interpreter;
	return read_state(target, state->next, &other) &&
	       other.previous == address &&
	       other.interpreter == state->interpreter;
}

/* Where the thread state begins whose three words stand at ADDRESS differs
 * from version to version: there it is linked with others. */
static void claim_others(struct stacks *stacks, uint64_t address)
{
	struct mf_target *target = stacks->context->target;
	size_t before = stacks->chunks.count;

	for (uint64_t offset = STATE_LINKS * 8; offset <= STATE_BYTES;
	     offset += 8) {
		struct thread_state state;
		uint64_t start = address - offset;

		if (address < offset || !read_state(target, start, &state) ||
		    !is_linked(target, start, &state))
			continue;
		stacks->stack_offset = offset;
		claim_threads(stacks, start, true);
		claim_threads(stacks, start, false);
		if (stacks->chunks.count > before)
			return;
	}
}

uint64_t mf_cpython_claim_stacks(struct mf_heap_context *context,
				 const struct mf_allocator_instance *instance,
				 uint64_t address)
{
	struct stacks stacks = { .context = context, .instance = instance };
	uint64_t words[MF_CPYTHON_STACK_WORDS], count;

	if (!mf_target_try_read(context->target, address, words,
				sizeof(words)) ||
	    !mf_cpython_is_stack(context->target, words))
		return 0;
	claim_chain(&stacks, words[0]);
	claim_others(&stacks, address);
	count = stacks.chunks.count;
	mf_map_deinit(&stacks.chunks);
	return count;
}
