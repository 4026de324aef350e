/*
 * Which bytes could be text, as bit masks: bit I of a word speaks of byte I of
 * its 64 bytes. Made with the widest vectors that the processor has.
 */
#ifndef MF_SCAN_TEXT_MASKS_H
#define MF_SCAN_TEXT_MASKS_H

#include <stddef.h>
#include <stdint.h>

/** Of 64 bytes. */
struct mf_text_masks {
	uint64_t plain; /* 0x20 to 0x7e, and tab: what strings(1) prints */
	uint64_t zero;
	uint64_t follows; /* 0x80 to 0xbf: the rest of a character */
	uint64_t leads2, leads3, leads4; /* begins a UTF-8 character of 2.. */
	uint64_t choosy; /* of these: not with each byte that may follow */
};

/** Of COUNT times 64 bytes, aligned to 64. */
typedef void (*mf_text_masks_make)(const uint8_t *bytes, size_t count,
				   struct mf_text_masks *ret);

/** For any processor. */
void mf_text_masks_portable(const uint8_t *bytes, size_t count,
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
