/*
 * Writes process files of forged glibcs, one of each generation, for those that
 * no process can be had of:  forge FOLDER
 */
#include <stdio.h>

#include "forge_glibc.h"
#include "process.h"

enum {
	WORD = 8,
};

static FILE *file;

static void put(const void *bytes, size_t size)
{
	uint8_t padding[WORD] = { 0 };

	fwrite(bytes, 1, size, file);
	fwrite(padding, 1, -size % WORD, file);
}

static void head(enum process_kind kind, unsigned small, size_t count,
		 uint64_t address)
{
	struct process_record record = {
		(uint8_t)kind, (uint8_t)small, 0, (uint32_t)count, address,
	};

	put(&record, sizeof(record));
}

static void put_mapping(const struct forge *forge,
			const struct forge_memory *memory)
{
	bool is_file = memory->path[0] == '/';
	uint64_t words[] = {
		memory->base + memory->size,
		is_file ? forge->page : 0,
		is_file ? 7 : 0,
		memory->bytes ? MF_PERM_READ | MF_PERM_WRITE : 0,
	};
	uint64_t pages = memory->size / forge->page;

	head(PROCESS_MAPPING, memory->bytes != NULL,
	     4 + (strlen(memory->path) + WORD - 1) / WORD, memory->base);
	put(words, sizeof(words));
	put(memory->path, strlen(memory->path));
	if (!memory->bytes)
		return;
	head(PROCESS_PAGES, MF_PAGE_PRESENT, 1, memory->base);
	put(&pages, WORD);
}

static void put_words(const struct forge_memory *memory)
{
	const uint64_t *words = (const void *)memory->bytes;
	size_t count = memory->size / WORD;

	for (size_t i = 0; i < count; i++) {
		size_t end = i;

		if (!words[i])
			continue;
		for (size_t k = i; k < count && k <= end + 3; k++)
			if (words[k])
				end = k;
		head(PROCESS_WORDS, 0, end - i + 1, memory->base + WORD * i);
		put(words + i, (end - i + 1) * WORD);
		i = end;
	}
}

static void put_module(const struct forge *forge)
{
	const char *path = "/lib/libc.so.6";
	uint64_t words[] = {
		FORGE_DATA + FORGE_DATA_SIZE,
		FORGE_DATA - forge->page,
		FORGE_DATA - forge->page,
		FORGE_DATA,
		MF_SEGMENT_TEXT,
		FORGE_DATA,
		FORGE_DATA + FORGE_DATA_SIZE,
		MF_SEGMENT_DATA,
	};

	head(PROCESS_MODULE, 2,
	     MF_ARRAY_SIZE(words) + (strlen(path) + WORD - 1) / WORD,
	     FORGE_DATA - forge->page);
	put(words, sizeof(words));
	put(path, strlen(path));
}

static void fill(struct forge *forge, struct forge_segment *segment)
{
	for (unsigned i = 0; i < 10; i++) {
		forge_append(forge, segment, 0x30 + 16 * (uint64_t)i,
			     FORGE_IN_USE);
		if (forge->generation->tcache.chunk_size && forge->tcache)
			forge_append(forge, segment, 0x40, FORGE_TCACHE);
		if (forge->generation->state.fastbins != FORGE_NONE)
			forge_append(forge, segment, 0x50, FORGE_FAST);
		forge_append(forge, segment, 0x110, FORGE_SMALL);
		forge_append(forge, segment, 0x20, FORGE_IN_USE);
		forge_append(forge, segment, 0x1210 + 0x100 * (uint64_t)i,
			     i % 3 ? FORGE_SMALL : FORGE_UNSORTED);
		forge_append(forge, segment, 0x20, FORGE_IN_USE);
	}
}

static void forge_all(struct forge *forge)
{
	struct forge_segment first, second;

	if (forge->generation->tcache.chunk_size)
		forge_tcache(forge);
	fill(forge, &forge->main);
	first = forge_new_arena(forge, forge_arena_heap(0),
				FORGE_ARENA_HEAP_SIZE);
	fill(forge, &first);
	forge_append(forge, &first, first.end - first.next - 0x20,
		     FORGE_IN_USE);
	forge_fence_heap(forge, &first, false);
	second = forge_more(forge, first.arena, forge_arena_heap(1),
			    FORGE_ARENA_HEAP_SIZE, FORGE_ARENA_HEAP_SIZE);
	fill(forge, &second);
	forge_top(forge, &second);
	forge_finish(forge);
	forge_map(forge, FORGE_MMAP, 0x43000, "");
	forge_mmapped(forge, FORGE_MMAP, 0x21000, 0);
	forge_mmapped(forge, FORGE_MMAP + 0x21000, 0x22000, 0x1000 - 16);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < FORGE_GENERATIONS; i++) {
		struct forge forge;
		char path[4096];

		forge_start(&forge, &forge_generations[i], FORGE_PAGE);
		forge_main(&forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
		forge_all(&forge);
		snprintf(path, sizeof(path), "%s/forged-%u", argv[1],
			 forge.generation->first);
		file = fopen(path, "wb");
		if (!file)
			return 1;
		head(PROCESS_OPTIONS, 12, 0, 0);
		put_module(&forge);
		mf_vec_foreach(memory, &forge.memory)
			put_mapping(&forge, memory);
		mf_vec_foreach(memory, &forge.memory)
			if (memory->bytes)
				put_words(memory);
		fclose(file);
		forge_deinit(&forge);
	}
	return 0;
}
