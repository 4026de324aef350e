/*
 * Bump allocation out of blocks that are freed together.
 */
#include "base/pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	BLOCK_SIZE = 16384,
	ALIGNMENT = 16,
};

struct mf_pool_block {
	struct mf_pool_block *next;
	size_t used, size;
	_Alignas(ALIGNMENT) unsigned char bytes[];
};

void *mf_pool_alloc(struct mf_pool *pool, size_t size)
{
	struct mf_pool_block *block = pool->blocks;
	void *pointer;

	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (!block || block->size - block->used < size) {
		size_t room = MF_MAX(size, (size_t)BLOCK_SIZE);

		block = mf_calloc(1, sizeof(*block) + room);
		block->size = room;
		block->next = pool->blocks;
		pool->blocks = block;
	}
	pointer = block->bytes + block->used;
	block->used += size;
	return pointer;
}

char *mf_pool_strndup(struct mf_pool *pool, const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = mf_pool_alloc(pool, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *mf_pool_strdup(struct mf_pool *pool, const char *text)
{
	return mf_pool_strndup(pool, text, strlen(text));
}

char *mf_pool_printf(struct mf_pool *pool, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return mf_pool_strdup(pool, "");
	text = mf_pool_alloc(pool, (size_t)length + 1);
	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}

void mf_pool_deinit(struct mf_pool *pool)
{
	while (pool->blocks) {
		struct mf_pool_block *next = pool->blocks->next;

		free(pool->blocks);
		pool->blocks = next;
	}
}
