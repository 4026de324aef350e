/*
 * Which bytes could be text, as bit masks: bit I of a word speaks of byte I of
 * its 64 bytes. Made with the widest vectors that the processor has.
 */
#ifndef MF_SCAN_TEXT_MASKS_H
#define MF_SCAN_TEXT_MASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_TEXT_PART = 64,  /* words that are looked at at once */
	MF_TEXT_BEHIND = 2, /* and of so many behind them masks are made, too */
	/* all loops go so far: a number that compilers see is good for vectors */
	MF_TEXT_ALL = MF_TEXT_PART + 8,
	MF_TEXT_FIRST = 8, /* where the first of them stands */
	MF_TEXT_ROOM = MF_TEXT_FIRST + MF_TEXT_ALL + 8,
};

/** Of so many times 64 bytes, from MF_TEXT_FIRST on. */
struct mf_text_masks {
	uint64_t plain[MF_TEXT_ROOM]; /* 0x20 to 0x7e, and tab */
	uint64_t zero[MF_TEXT_ROOM];
	/* only where some byte is at least 0x80: */
	uint64_t follows[MF_TEXT_ROOM]; /* 0x80 to 0xbf: of a character */
	/* begins a UTF-8 character of 2.. */
	uint64_t leads2[MF_TEXT_ROOM];
	uint64_t leads3[MF_TEXT_ROOM];
	uint64_t leads4[MF_TEXT_ROOM];
	/* of these: not with each byte that may follow */
	uint64_t choosy[MF_TEXT_ROOM];
};

/**
 * Of COUNT times 64 bytes, aligned to 64, at most MF_TEXT_PART +
 * MF_TEXT_BEHIND; says whether some byte is at least 0x80.
 */
typedef bool (*mf_text_masks_make)(const uint8_t *bytes, size_t count,
				   struct mf_text_masks *ret);

/** For any processor. */
bool mf_text_masks_portable(const uint8_t *bytes, size_t count,
			    struct mf_text_masks *ret);

enum {
	MF_TEXT_MASKS_KERNELS = 4,
};

/** Those that this processor can do, the best first; returns how many. */
size_t mf_text_masks_kernels(mf_text_masks_make ret[MF_TEXT_MASKS_KERNELS]);
mf_text_masks_make mf_text_masks_best(void);

/** Those of x86-64; 0 elsewhere. */
size_t mf_text_masks_x86_64(mf_text_masks_make *ret);

#endif
