/*
 * Whether there is room for a copy of a process: in memory, and in the number
 * of tasks.
 */
#ifndef MF_TARGET_ROOM_H
#define MF_TARGET_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"

/** What a copy takes; bytes. */
struct mf_room_need {
	uint64_t at_once; /* page tables, and what the kernel has of a task */
	uint64_t pages;	  /* the most that can be written to while it lives */
	uint64_t commit;  /* address space that counts, if nothing may be
			     promised that is not there */
	uint64_t huge;	  /* own pages of hugetlbfs */
	bool asked;	  /* for a copy, whatever may come of it: what is needed
			     at once must do */
};

/** Where it is read. */
struct mf_room_place {
	int system;	      /* /proc */
	int proc;	      /* /proc/PID */
	struct mf_pool *pool; /* of what is returned */
};

/** Why there is no room, as a sentence; NULL when there is. */
const char *mf_room_refuse(const struct mf_room_place *place,
			   const struct mf_room_need *need);

/** The same of one that is there already: it takes no task and no promise. */
const char *mf_room_refuse_more(const struct mf_room_place *place,
				const struct mf_room_need *need);

/** The same, of tasks alone (room_tasks.c). */
const char *mf_room_refuse_task(const struct mf_room_place *place, bool asked);

#endif
