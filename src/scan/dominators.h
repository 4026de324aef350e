/*
 * Immediate dominators of a directed graph: of each vertex, the last other one
 * that every path from the root to it goes through. What a vertex dominates is
 * what would no longer be reached without it.
 */
#ifndef MF_SCAN_DOMINATORS_H
#define MF_SCAN_DOMINATORS_H

#include <stdint.h>

/** No vertex's number: it is not reached from the root. */
#define MF_NO_NUMBER UINT32_MAX

/** Vertices are 0 to COUNT - 1; edges may come twice, or lead back. */
struct mf_flow {
	uint32_t count, root;
	/* this successor of the root and those after it dominate only what the
	 * ones before do not reach: edges from there back are none; COUNT: there
	 * are none such */
	uint32_t late;
	/* of vertex v, successors[firsts[v]] to successors[firsts[v + 1] - 1] */
	uint32_t *firsts;
	uint32_t *successors;
};

void mf_flow_deinit(struct mf_flow *flow);

/**
 * Vertices that are reached have numbers from 0, the root's, such that every
 * vertex has a higher one than its dominator.
 */
struct mf_dominators {
	uint32_t count;	    /* of those that are reached */
	uint32_t *numbers;  /* of each vertex */
	uint32_t *vertices; /* of each number */
	uint32_t *parents;  /* of each number, its dominator's; of 0 it is 0 */
	uint32_t late;	    /* numbers from here on are reached late only */
};

/** The most bytes that mf_dominators_find takes, with what it is given. */
uint64_t mf_dominators_memory(uint64_t vertices, uint64_t edges);

/**
 * In O(m log n), whatever the graph. Takes what FLOW has: it is empty
 * afterwards.
 */
void mf_dominators_find(struct mf_flow *flow, struct mf_dominators *ret);
void mf_dominators_deinit(struct mf_dominators *dominators);

#endif
