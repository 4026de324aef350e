/*
 * Memory for models that live and die as one: many small pieces, one release.
 */
#ifndef MF_BASE_POOL_H
#define MF_BASE_POOL_H

#include <stddef.h>

#include "base/compiler.h"

struct mf_pool {
	struct mf_pool_block *blocks;
};

/** Zeroed, aligned to 16; lives until mf_pool_deinit. */
void *mf_pool_alloc(struct mf_pool *pool, size_t size)
	__attribute__((returns_nonnull));
char *mf_pool_strdup(struct mf_pool *pool, const char *text)
	__attribute__((returns_nonnull));
char *mf_pool_strndup(struct mf_pool *pool, const char *text, size_t size)
	__attribute__((returns_nonnull));
char *mf_pool_printf(struct mf_pool *pool, const char *format, ...)
	__attribute__((returns_nonnull)) MF_PRINTF(2, 3);
void mf_pool_deinit(struct mf_pool *pool);

#endif
