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
};

/** Of COUNT times 64 bytes, aligned to 64. */
typedef void (*mf_text_masks_make)(const uint8_t *bytes, size_t count,
				   struct mf_text_masks *ret);

/** For any processor. */
void mf_text_masks_portable(const uint8_t *bytes, size_t count,
			    struct mf_text_masks *ret);

/** The best for the one that this runs on. */
mf_text_masks_make mf_text_masks_best(void);

/** The same of x86-64; NULL elsewhere. */
mf_text_masks_make mf_text_masks_x86_64(void);

/**
 * The first bit, from AT on, that is set in MASKS (FLIP 0) or clear in them
 * (FLIP all ones), or END.
 */
static inline uint32_t mf_text_masks_next(const uint64_t *masks, uint32_t at,
					  uint32_t end, uint64_t flip)
{
	const uint32_t bits = 64;
	uint64_t word;

	if (at >= end)
		return end;
	word = (masks[at / bits] ^ flip) & (~UINT64_C(0) << (at % bits));
	for (at /= bits; !word; word = masks[at] ^ flip)
		if (++at * bits >= end)
			return end;
	at = at * bits + (uint32_t)__builtin_ctzll(word);
	return at < end ? at : end;
}

#endif
