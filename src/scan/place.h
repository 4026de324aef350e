/*
 * What an address of a process is, in the terms of somebody who looks for who
 * has it: a register or the stack of a thread, its TLS, a variable of a module,
 * a chunk, or other memory.
 */
#ifndef MF_SCAN_PLACE_H
#define MF_SCAN_PLACE_H

#include "memforensics/heap.h"
#include "memforensics/image.h"
#include "memforensics/scan.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

#include "base/buffer.h"
#include "base/pool.h"

/** In the order in which reports tell of them. */
enum mf_place_kind {
	MF_PLACE_REGISTER,
	MF_PLACE_STACK, /* from the stack pointer on, red zone included */
	MF_PLACE_TLS,
	MF_PLACE_MODULE,    /* data of a loaded object */
	MF_PLACE_MEMORY,    /* other allocators', or nobody's */
	MF_PLACE_CHUNK,	    /* in use */
	MF_PLACE_UNUSED,    /* a chunk, or a stack's part, not in use */
	MF_PLACE_ALLOCATOR, /* what an allocator keeps for itself */
	MF_PLACE_NOWHERE,   /* no mapping */
	MF_PLACE_KINDS,
};

/** "register", "stack", ...: a word, for data and for people. */
const char *mf_place_kind_name(enum mf_place_kind kind);

/** True of what keeps alive what it points to, being no chunk itself. */
static inline bool mf_place_is_root(enum mf_place_kind kind)
{
	return kind <= MF_PLACE_MEMORY;
}

struct mf_place {
	enum mf_place_kind kind;
	uint64_t address;		/* 0: of a register */
	const struct mf_region *region; /* the space's; NULL: none */
	int tid;			/* whose stack, TLS, register; 0 */
	const char *register_name;	/* NULL: no register */
	/* bytes from the stack pointer, or from the thread pointer */
	bool has_distance;
	int64_t distance;
	bool in_chunk;
	struct mf_chunk chunk;
	uint64_t user,
		user_end; /* the bytes of the chunk that are its user's */
	const struct mf_thread_cache *cache; /* whose table it is; or NULL */
	const struct mf_module *module;	     /* NULL: none */
	const char *symbol;		     /* NULL: none; the image's text */
	uint64_t symbol_start, symbol_size;
	/* whose frame on a stack it is in; NULL: not known */
	const char *function;
	unsigned frame;	  /* of that stack, the innermost being 0 */
	const char *type; /* of the object in the chunk; NULL: not known */
	const char *language, *evidence;
	uint64_t type_word; /* what stands at its start; 0: not known */
};

/** Where places are sought. */
struct mf_places {
	struct mf_target *target;
	struct mf_image *image; /* NULL: no symbols */
	const struct mf_space *space;
	const struct mf_heap *heap; /* NULL: none */
	struct mf_types *types;	    /* NULL: types stay unknown */
	uint64_t static_tls;	    /* bytes beside a thread pointer, about */
	const struct mf_frame_namer *namer; /* NULL: frames stay unknown */
};

/** Before the target is held; what is read of the image is read now. */
void mf_places_init(struct mf_places *places, struct mf_target *target,
		    struct mf_image *image, struct mf_types *types);

/** "in use", "free", "in a tcache", ...: a chunk's state, for people. */
const char *mf_chunk_state_words(enum mf_chunk_kind kind);

/** By the models alone; reads nothing of the target. */
void mf_place_find(const struct mf_places *places, uint64_t address,
		   struct mf_place *ret);

/** While the target can be read: the type of what is in the chunk. */
void mf_place_read_type(const struct mf_places *places, struct mf_place *place);

/** Symbols, and functions of frames; at any time. */
void mf_place_find_symbol(const struct mf_places *places,
			  struct mf_place *place);

/** "stack of thread 12 at sp+0x40", "libx.so:table+8", ...; for people. */
void mf_place_print(const struct mf_place *place, struct mf_buffer *text);

#endif
