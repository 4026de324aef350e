/*
 * Processes of files: their memory is one block that is written to, used as
 * the bytes of all mappings, and zeroed again where it was written.
 */
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/vec.h"
#include "target/target.h"

enum {
	PAGE_MIN = 12, /* log2 */
	PAGE_MAX = 16,
	MAPPINGS_MAX = 512,
	PATH_MAX_BYTES = 256,
	MEMORY_MAX = 64 << 20, /* bytes of all mappings that have some */
	FLAGS_MAX = 1 << 20,   /* pages whose flags are known */
	WORD = sizeof(uint64_t),
};

struct piece {
	uint64_t start, end;
	uint8_t *bytes; /* NULL: none */
	uint8_t *flags; /* of each page; NULL: absent */
};

static struct {
	uint8_t *memory, *flags;
	size_t memory_used, flags_used;
	unsigned page_shift;
	MF_VEC(struct piece) pieces;
	MF_VEC(char *) paths;
	MF_VEC(uint64_t *) dirty; /* words to zero again */
	uint64_t *words;
	size_t count;
} here;

const struct process_record *process_next(const uint64_t *words, size_t count,
					  size_t *at,
					  struct process_record *head)
{
	const struct process_record *record;
	size_t left;

	if (*at + PROCESS_RECORD_WORDS > count)
		return NULL;
	record = (const struct process_record *)(const void *)(words + *at);
	left = count - *at - PROCESS_RECORD_WORDS;
	*head = *record;
	if (head->count > left)
		head->count = (uint32_t)left;
	*at += PROCESS_RECORD_WORDS + head->count;
	return record;
}

/* ---- memory --------------------------------------------------------------- */

static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static struct piece *piece_at(uint64_t address)
{
	mf_vec_foreach(piece, &here.pieces)
		if (address >= piece->start && address < piece->end)
			return piece;
	return NULL;
}

static bool is_free(uint64_t start, uint64_t end)
{
	mf_vec_foreach(piece, &here.pieces)
		if (start < piece->end && end > piece->start)
			return false;
	return true;
}

static char *keep_path(const uint64_t *words, size_t count)
{
	size_t size = MF_MIN(count * WORD, (size_t)PATH_MAX_BYTES);
	char *path = mf_strndup((const char *)words, size);

	mf_vec_push(&here.paths, path);
	return path;
}

/* Its bytes, and the flags of its pages, as far as there is room. */
static void give_memory(struct piece *piece, bool has_bytes)
{
	uint64_t size = piece->end - piece->start;
	uint64_t pages = size >> here.page_shift;

	if (pages <= FLAGS_MAX - here.flags_used) {
		piece->flags = here.flags + here.flags_used;
		here.flags_used += pages;
	}
	if (has_bytes && size <= MEMORY_MAX - here.memory_used) {
		piece->bytes = here.memory + here.memory_used;
		here.memory_used += size;
	}
}

static void add_mapping(struct mf_target *target,
			const struct process_record *head,
			const uint64_t *words)
{
	uint64_t page = UINT64_C(1) << here.page_shift;
	struct mf_mapping mapping = { .start = head->address & -page };
	struct piece piece;

	if (head->count < 4 || here.pieces.count >= MAPPINGS_MAX)
		return;
	mapping.end = words[0] & -page;
	mapping.offset = words[1];
	mapping.inode = words[2];
	mapping.perms = words[3] & 15;
	mapping.vm_flags = (uint32_t)(words[3] >> 32);
	mapping.path = keep_path(words + 4, head->count - 4);
	if (mapping.start >= mapping.end || mapping.end >> 48 ||
	    !is_free(mapping.start, mapping.end))
		return;
	piece = (struct piece){ mapping.start, mapping.end, NULL, NULL };
	give_memory(&piece, head->small & 1);
	mf_vec_push(&here.pieces, piece);
	mf_target_forge_mapping(target, &mapping, piece.bytes, piece.flags);
}

static void put_word(uint64_t address, uint64_t value)
{
	struct piece *piece = piece_at(address);
	uint64_t *word;

	if (!piece || !piece->bytes || address % WORD)
		return;
	word = (uint64_t *)(void *)(piece->bytes + (address - piece->start));
	if (!*word && value)
		mf_vec_push(&here.dirty, word);
	*word = value;
}

static void put_words(const struct process_record *head, const uint64_t *words)
{
	for (uint32_t i = 0; i < head->count; i++)
		put_word(head->address + WORD * (uint64_t)i, words[i]);
}

static void put_flags(const struct process_record *head, const uint64_t *words)
{
	struct piece *piece = piece_at(head->address);
	uint64_t first, pages;

	if (!piece || !piece->flags || !head->count)
		return;
	first = (head->address - piece->start) >> here.page_shift;
	pages = ((piece->end - piece->start) >> here.page_shift) - first;
	memset(piece->flags + first, head->small & 0x3f,
	       MF_MIN(pages, words[0]));
}

static void add_thread(struct mf_target *target,
		       const struct process_record *head, const uint64_t *words)
{
	struct mf_thread thread = { .state = 'S', .tp = head->address };

	if (head->count < 4 || mf_target_info(target)->thread_count >= 64)
		return;
	thread.tid = (int)(words[0] & 0x3fffff);
	thread.registers_known = words[0] != 0;
	thread.pc = words[1];
	thread.sp = words[2];
	thread.in_syscall = words[3] != 0;
	thread.syscall = (int64_t)(words[3] - 1);
	mf_target_forge_thread(target, &thread);
}

/* ---- the whole ------------------------------------------------------------- */

/* Mappings come first, then what is in them. */
static void read_records(struct process *process, bool mappings)
{
	struct process_record head;
	const struct process_record *record;
	size_t at = 0;

	while ((record = process_next(here.words, here.count, &at, &head))) {
		const uint64_t *words = process_words(record);

		if (mappings != (head.kind == PROCESS_MAPPING))
			continue;
		if (head.kind == PROCESS_MAPPING)
			add_mapping(process->target, &head, words);
		else if (head.kind == PROCESS_WORDS)
			put_words(&head, words);
		else if (head.kind == PROCESS_PAGES)
			put_flags(&head, words);
		else if (head.kind == PROCESS_THREAD)
			add_thread(process->target, &head, words);
	}
}

static void read_options(struct process *process)
{
	struct process_record head;
	size_t at = 0;

	here.page_shift = PAGE_MIN;
	process->options = 0;
	while (process_next(here.words, here.count, &at, &head)) {
		if (head.kind != PROCESS_OPTIONS)
			continue;
		process->options = (unsigned)head.address;
		if (head.small >= PAGE_MIN && head.small <= PAGE_MAX)
			here.page_shift = head.small;
	}
}

static bool is_never_still(struct mf_target *target)
{
	(void)target;
	return false;
}

void process_open(struct process *process, const uint8_t *bytes, size_t size)
{
	if (!here.memory) {
		here.memory = reserve(MEMORY_MAX);
		here.flags = reserve(FLAGS_MAX);
	}
	here.count = size / WORD;
	here.words = mf_calloc(here.count + 1, WORD);
	memcpy(here.words, bytes, here.count * WORD);
	read_options(process);
	process->target = mf_target_create_forged();
	process->ops = mf_new(struct mf_target_ops);
	*process->ops = *process->target->ops;
	process->ops->is_still = is_never_still;
	process->target->ops = process->ops;
	mf_target_forge_page_size(process->target, 1U << here.page_shift);
	read_records(process, true);
	read_records(process, false);
	/* Only live ones are ever not still. */
	if (process->options & PROCESS_RUNS)
		process->target->info.kind = MF_TARGET_LIVE;
	process->image = forged_image_create(here.words, here.count);
}

void process_close(struct process *process)
{
	mf_image_destroy(process->image);
	mf_target_close(process->target);
	free(process->ops);
	mf_vec_foreach(word, &here.dirty)
		**word = 0;
	mf_vec_foreach(path, &here.paths)
		free(*path);
	memset(here.flags, 0, here.flags_used);
	here.memory_used = 0;
	here.flags_used = 0;
	free(here.words);
	mf_vec_deinit(&here.pieces);
	mf_vec_deinit(&here.paths);
	mf_vec_deinit(&here.dirty);
}
