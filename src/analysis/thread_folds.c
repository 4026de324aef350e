/*
 * Equal stacks as one: threads that are in the same functions, called by the
 * same functions. Where in a function does not count; of code without a name
 * its address does.
 */
#include <stdlib.h>

#include "analysis/threads.h"
#include "base/map.h"

/* ---- functions -------------------------------------------------------------- */

/* Whether two frames are in the same function. */
static bool is_same_function(const struct mf_frame *left,
			     const struct mf_frame *right)
{
	if (left->module != right->module || left->signal != right->signal ||
	    !left->symbol != !right->symbol)
		return false;
	if (!left->symbol)
		return left->pc == right->pc;
	return left->symbol == right->symbol ||
	       strcmp(left->symbol, right->symbol) == 0;
}

static uint64_t hash_frame(const struct mf_frame *frame, uint64_t seed)
{
	if (frame->symbol)
		return mf_hash_text(frame->symbol, seed);
	return mf_hash64(frame->pc ^ seed);
}

static uint64_t hash_stack(const struct mf_stack *stack)
{
	uint64_t hash = stack->frame_count;

	for (size_t i = 0; i < stack->frame_count; i++)
		hash = hash_frame(&stack->frames[i], hash);
	return hash;
}

static bool is_equal(const struct mf_stack *left, const struct mf_stack *right)
{
	if (left->frame_count != right->frame_count)
		return false;
	for (size_t i = 0; i < left->frame_count; i++)
		if (!is_same_function(&left->frames[i], &right->frames[i]))
			return false;
	return true;
}

/* ---- names ------------------------------------------------------------------ */

/* Where the bracket that ends TEXT[..END] begins; END: it is no bracket. */
static size_t before_brackets(const char *text, size_t end, char open,
			      char close)
{
	size_t depth = 0;

	if (!end || text[end - 1] != close)
		return end;
	for (size_t at = end; at-- > 0;) {
		/* ->, and operators that are no brackets */
		if (text[at] == '>' && at && text[at - 1] == '-')
			continue;
		depth += text[at] == close;
		if (text[at] == open && !--depth)
			return at;
	}
	return end;
}

static bool ends_in(const char *text, size_t end, const char *word)
{
	size_t length = strlen(word);

	return end >= length && memcmp(text + end - length, word, length) == 0;
}

/* "a::b<c>(d) const" is called "a::b"; what is an operator stays whole. */
static size_t length_of_name(const char *symbol)
{
	static const char *const tails[] = { " const", " &", " &&" };
	const char *clone = strstr(symbol, " [clone ");
	size_t end = clone ? (size_t)(clone - symbol) : strlen(symbol), cut;

	for (size_t i = 0; i < MF_ARRAY_SIZE(tails); i++)
		if (ends_in(symbol, end, tails[i]))
			end -= strlen(tails[i]);
	cut = before_brackets(symbol, end, '(', ')');
	if (!cut || cut == end || ends_in(symbol, cut, "operator"))
		return end;
	end = cut;
	cut = before_brackets(symbol, end, '<', '>');
	return cut && !ends_in(symbol, cut, "operator") ? cut : end;
}

void mf_thread_name_frame(const struct mf_frame *frame, struct mf_buffer *text)
{
	const struct mf_module *module = frame->module;

	if (frame->symbol) {
		mf_buffer_add(text, frame->symbol,
			      length_of_name(frame->symbol));
		return;
	}
	if (module)
		mf_buffer_printf(
			text, "%s+%#llx", module->name,
			(unsigned long long)(frame->pc - module->bias));
	else
		mf_buffer_printf(text, "%#llx", (unsigned long long)frame->pc);
}

/* ---- folds ------------------------------------------------------------------ */

/* A fold while it is made. */
struct draft {
	MF_VEC(size_t) threads;
};

struct drafts {
	struct draft *items;
	size_t count, capacity;
};

struct work {
	struct mf_thread_census *census;
	struct drafts drafts;
	struct mf_map index_of_hash;
};

static const struct mf_stack *stack_of(const struct work *work, size_t draft)
{
	size_t first = work->drafts.items[draft].threads.items[0];

	return &work->census->threads.items[first].frames;
}

static struct draft *find_or_add(struct work *work,
				 const struct mf_stack *stack)
{
	uint64_t hash = hash_stack(stack);
	const uint64_t *known;

	/* two stacks of one hash: the next number is as good */
	while ((known = mf_map_get(&work->index_of_hash, hash)) &&
	       work->drafts.items && !is_equal(stack_of(work, *known), stack))
		hash++;
	if (known && work->drafts.items)
		return &work->drafts.items[*known];
	mf_map_set(&work->index_of_hash, hash, work->drafts.count);
	return mf_vec_add(&work->drafts);
}

static struct mf_thread_fold settle(struct mf_thread_census *census,
				    const struct draft *draft)
{
	size_t count = draft->threads.count;
	size_t *threads =
		mf_pool_alloc(&census->pool, count * sizeof(*threads));
	const struct mf_thread_facts *first =
		&census->threads.items[draft->threads.items[0]];
	struct mf_thread_fold fold = {
		.threads = threads,
		.count = count,
		.frames = first->frames.frames,
		.frame_count = first->frames.frame_count,
		.end = first->frames.end,
	};

	for (size_t i = 0; i < count; i++) {
		const struct mf_thread *thread;

		threads[i] = draft->threads.items[i];
		thread = &census->threads.items[threads[i]].thread;
		fold.cpu_known |= !thread->cpu_unknown;
		fold.cpu_ms += thread->cpu_unknown ? 0 : thread->cpu_ms;
	}
	return fold;
}

static int by_count(const void *left, const void *right)
{
	const struct mf_thread_fold *a = left, *b = right;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	if (a->cpu_ms != b->cpu_ms)
		return a->cpu_ms < b->cpu_ms ? 1 : -1;
	return (a->threads[0] > b->threads[0]) -
	       (a->threads[0] < b->threads[0]);
}

void mf_thread_census_fold(struct mf_thread_census *census)
{
	struct work work = { .census = census };

	for (size_t i = 0; i < census->threads.count; i++) {
		const struct mf_thread_facts *facts = &census->threads.items[i];
		struct draft *draft;

		if (!facts->unwound)
			continue;
		draft = find_or_add(&work, &facts->frames);
		mf_vec_push(&draft->threads, i);
	}
	census->folds.count = 0;
	mf_vec_foreach(draft, &work.drafts) {
		mf_vec_push(&census->folds, settle(census, draft));
		mf_vec_deinit(&draft->threads);
	}
	mf_vec_sort(&census->folds, by_count);
	for (size_t i = 0; i < census->folds.count; i++)
		for (size_t k = 0; k < census->folds.items[i].count; k++)
			census->threads.items[census->folds.items[i].threads[k]]
				.fold = i;
	mf_vec_deinit(&work.drafts);
	mf_map_deinit(&work.index_of_hash);
}
