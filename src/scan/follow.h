/*
 * Functions that code reaches by direct calls, and the addresses that it takes
 * on its way.
 */
#ifndef MF_SCAN_FOLLOW_H
#define MF_SCAN_FOLLOW_H

#include "memforensics/image.h"
#include "memforensics/target.h"

struct mf_follower;

/** Code of MODULE of IMAGE (NULL: no symbols). */
struct mf_follower *mf_follower_create(struct mf_target *target,
				       struct mf_image *image,
				       const struct mf_module *module);
void mf_follower_destroy(struct mf_follower *follower);

/** What code refers to. */
struct mf_reference {
	uint64_t target;
	uint64_t function; /* that refers to it */
	unsigned depth;	   /* calls from the start: 0 in the first function */
	bool call;	   /* TARGET is a function's start; else an address that
			      is taken, perhaps */
};

/** Of a call, true: follow it. */
typedef bool (*mf_follow_visitor)(const struct mf_reference *reference,
				  void *data);

/**
 * Shows what the functions refer to that STARTS (COUNT of them) reach in at
 * most DEPTH calls, the nearest first, each function once; of very many, some.
 */
void mf_follow(struct mf_follower *follower, const uint64_t *starts,
	       size_t count, unsigned depth, mf_follow_visitor visit,
	       void *data);

/** The function that begins at ADDRESS has a symbol. */
bool mf_follower_symbol(struct mf_follower *follower, uint64_t address,
			struct mf_symbol *ret);

#endif
