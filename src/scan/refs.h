/*
 * What the files of refs share: who points at a target, and who at those, level
 * by level, down to roots.
 */
#ifndef MF_SCAN_REFS_H
#define MF_SCAN_REFS_H

#include "base/map.h"
#include "scan/hits.h"
#include "scan/place.h"

enum {
	MF_REFS_KEPT = 16384,	  /* words told of, in chunks and in none */
	MF_REFS_FOLLOWED = 65536, /* chunks followed on a level, at most */
	MF_REFS_PATHS = 1024,	  /* paths told of */
};

/** No step: what is pointed at is the target. */
#define MF_REFS_TARGET UINT32_MAX

/** What was asked about. */
struct mf_ref_target {
	uint64_t start, end;
	uint64_t count; /* of a type: objects; else 1 */
	struct mf_place place;
};

/** A word that points at the target, or at what a step came from. */
struct mf_ref_step {
	uint64_t slot, value;
	uint32_t node;	/* of the chunk that the word is in */
	uint32_t next;	/* the step in that chunk's stead, nearer the target */
	uint16_t level; /* 1: points at the target */
	bool tagged;
	uint8_t number; /* of a register: slot is 0 */
	int tid;
};

struct mf_ref_level {
	uint64_t words;	   /* that point at what the level before found */
	uint64_t roots;	   /* of these in no chunk */
	uint64_t chunks;   /* newly found by the others */
	uint64_t followed; /* of these */
};

/** One word that points at the target, told of. */
struct mf_reference {
	struct mf_place place;
	uint64_t value, target, offset; /* into the target that starts there */
	bool tagged;
};

struct mf_refs {
	struct mf_target *target;
	struct mf_refs_options options;
	struct mf_types *types;
	struct mf_places places;
	/* made by a read */
	struct mf_graph *graph;
	struct mf_hits hits;
	MF_VEC(struct mf_ref_target) targets;
	MF_VEC(uint64_t) typed; /* one bit a node: of the type asked for */
	uint64_t typed_count;
	MF_VEC(struct mf_ref_step) steps;
	MF_VEC(uint32_t) roots; /* steps that no chunk holds: path's ends */
	MF_VEC(struct mf_ref_level) levels;
	MF_VEC(struct mf_reference) references; /* in order */
	/* of the steps of paths: places, and which is whose */
	MF_VEC(struct mf_place) step_places;
	struct mf_map place_of_step;
	uint64_t words;		 /* that point at the target */
	uint64_t register_words; /* of these in registers */
	uint64_t scanned;	 /* bytes */
	uint64_t paths;		 /* found */
};

static inline bool mf_refs_is_typed(const struct mf_refs *refs, uint32_t node)
{
	return refs->typed.count &&
	       refs->typed.items[node / 64] >> node % 64 & 1;
}

/** Words of registers: shows each to VISIT. */
typedef void (*mf_register_visitor)(const struct mf_thread *thread,
				    size_t number, uint64_t value, void *data);
void mf_refs_each_register(struct mf_target *target, mf_register_visitor visit,
			   void *data);

/** From level 1, which the hits are, to the depth asked for. */
void mf_refs_find_paths(struct mf_refs *refs);

#endif
