/*
 * Masks of text bytes without the help of any processor's own instructions:
 * eight bytes at a time, whose comparisons leave their top bits, which a
 * multiplication gathers.
 */
#include "scan/text_masks.h"

#include "base/memory.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of each of eight bytes, as bits 0 to 7. */
static uint64_t gather(uint64_t tops)
{
	return (((tops & EACH(0x80)) >> 7) * UINT64_C(0x0102040810204080)) >>
	       56;
}

/* Top bits of those bytes of LOW (all below 0x80) that are at least LEAST. */
static uint64_t at_least(uint64_t low, unsigned least)
{
	return low + EACH(0x80 - least);
}

/* Top bits of those bytes of LOW (all below 0x80) that are VALUE. */
static uint64_t equal(uint64_t low, unsigned value)
{
	return ~at_least(low ^ EACH(value), 1);
}

/* 0xc2, 0xe0, 0xed, 0xf0 and 0xf4, less their top bits. */
static uint64_t choosy(uint64_t low)
{
	return equal(low, 0x42) | equal(low, 0x60) | equal(low, 0x6d) |
	       equal(low, 0x70) | equal(low, 0x74);
}

/* Of eight bytes at SHIFT of word AT. */
static void add(struct mf_text_masks *masks, size_t at, uint64_t bytes,
		unsigned shift)
{
	uint64_t low = bytes & EACH(0x7f), high = bytes;
	uint64_t plain = at_least(low, 0x20) & ~at_least(low, 0x7f);
	uint64_t tab = equal(low, 0x09);
	uint64_t zero = ~at_least(low, 1);

	masks->plain[at] |= gather((plain | tab) & ~high) << shift;
	masks->zero[at] |= gather(zero & ~high) << shift;
	if (!(high & EACH(0x80)))
		return;
	masks->follows[at] |= gather(high & ~at_least(low, 0x40)) << shift;
	masks->leads2[at] |=
		gather(high & at_least(low, 0x42) & ~at_least(low, 0x60))
		<< shift;
	masks->leads3[at] |=
		gather(high & at_least(low, 0x60) & ~at_least(low, 0x70))
		<< shift;
	masks->leads4[at] |=
		gather(high & at_least(low, 0x70) & ~at_least(low, 0x75))
		<< shift;
	masks->choosy[at] |= gather(high & choosy(low)) << shift;
}

static void clear(struct mf_text_masks *masks, size_t at)
{
	masks->plain[at] = masks->zero[at] = masks->follows[at] = 0;
	masks->leads2[at] = masks->leads3[at] = masks->leads4[at] = 0;
	masks->choosy[at] = 0;
}

bool mf_text_masks_portable(const uint8_t *bytes, size_t count,
			    struct mf_text_masks *ret)
{
	uint64_t high = 0;

	for (size_t i = 0; i < count; i++) {
		clear(ret, MF_TEXT_FIRST + i);
		for (unsigned at = 0; at < 64; at += 8) {
			uint64_t eight = mf_load(uint64_t, bytes + i * 64 + at);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
			eight = __builtin_bswap64(eight);
#endif
			high |= eight;
			add(ret, MF_TEXT_FIRST + i, eight, at);
		}
	}
	return high & EACH(0x80);
}

#if !defined(__x86_64__)
size_t mf_text_masks_x86_64(mf_text_masks_make *ret)
{
	(void)ret;
	return 0;
}
#endif

size_t mf_text_masks_kernels(mf_text_masks_make ret[MF_TEXT_MASKS_KERNELS])
{
	size_t count = mf_text_masks_x86_64(ret);

	ret[count++] = mf_text_masks_portable;
	return count;
}

mf_text_masks_make mf_text_masks_best(void)
{
	mf_text_masks_make kernels[MF_TEXT_MASKS_KERNELS];

	mf_text_masks_kernels(kernels);
	return kernels[0];
}
