/*
 * What makes two strings the same: a hash of all their bytes. One that spans
 * windows is hashed part by part, by a polynomial whose parts can be joined;
 * others by sixteen bytes at a time.
 */
#include "base/escape.h"
#include "scan/strings.h"
#include "scan/strings_digits.h"

#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)
#define FIRST	   UINT64_C(0xa0761d6478bd642f)
#define SECOND	   UINT64_C(0xe7037ed1a0b428db)

enum {
	STEP = 8,
};

static uint64_t power_of(uint64_t count)
{
	uint64_t power = 1, square = MULTIPLIER;

	for (; count; count >>= 1, square *= square)
		if (count & 1)
			power *= square;
	return power;
}

uint64_t mf_string_roll_join(uint64_t before, uint64_t after, uint64_t count)
{
	return before * power_of(count) + after;
}

uint64_t mf_string_roll(uint64_t before, const uint8_t *bytes, uint64_t count)
{
	uint64_t powers[STEP + 1] = { 1 }, i = 0;

	for (int p = 1; p <= STEP; p++)
		powers[p] = powers[p - 1] * MULTIPLIER;
	for (; i + STEP <= count; i += STEP) {
		uint64_t sum = 0;

		for (int p = 0; p < STEP; p++)
			sum += (bytes[i + (uint64_t)p] + UINT64_C(1)) *
			       powers[STEP - 1 - p];
		before = before * powers[STEP] + sum;
	}
	for (; i < count; i++)
		before = before * MULTIPLIER + bytes[i] + 1;
	return before;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t mf_string_hash_bytes(const uint8_t *bytes, uint64_t count,
			      uint64_t seed)
{
	/* a small one would leave a short text nearly as it is */
	seed = mix(seed, SECOND);
	for (; count > 2 * (uint64_t)STEP;
	     bytes += 2 * STEP, count -= 2 * (uint64_t)STEP)
		seed = mix(mf_load(uint64_t, bytes) ^ FIRST,
			   mf_load(uint64_t, bytes + STEP) ^ seed);
	if (count > STEP)
		return mix(mf_few_bytes(bytes, STEP) ^ FIRST,
			   mf_few_bytes(bytes + STEP, count - STEP) ^ seed);
	return mix(mf_few_bytes(bytes, count) ^ FIRST, seed);
}

typedef uint8_t sixteen __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* The first COUNT of 16 bytes, zeros behind. */
static inline sixteen load_few(const uint8_t *bytes, uint64_t count)
{
	static const uint8_t ones[4 * STEP] = { [0 ... 2 * STEP - 1] = 0xff };
	sixteen all, mask;

	memcpy(&all, bytes, sizeof(all));
	memcpy(&mask, ones + 2 * STEP - count, sizeof(mask));
	return all & mask;
}

static inline uint64_t half_of(sixteen bytes, unsigned half)
{
	return ((halves)bytes)[half];
}

/* Both hashes of a text, as far as they are made. */
struct hashes {
	uint64_t text, folded;
	halves digits;
};

static inline void add_sixteen(struct hashes *hashes, sixteen bytes)
{
	sixteen digits = (sixteen)((bytes - (uint8_t)'0') < 10);
	sixteen folded = bytes & ~(digits & 0x0f);

	hashes->digits |= (halves)digits;
	hashes->text = mix(half_of(bytes, 0) ^ FIRST,
			   half_of(bytes, 1) ^ hashes->text);
	hashes->folded = mix(half_of(folded, 0) ^ FIRST,
			     half_of(folded, 1) ^ hashes->folded);
}

/* Of COUNT bytes, 16 of which are readable behind them. */
static inline struct hashes hash_both(const uint8_t *bytes, uint64_t count,
				      uint64_t seed)
{
	struct hashes hashes = { .text = seed, .folded = count * SECOND };
	uint64_t step = 2 * (uint64_t)STEP;

	for (; count > step; bytes += step, count -= step)
		add_sixteen(&hashes, load_few(bytes, step));
	add_sixteen(&hashes, load_few(bytes, count));
	return hashes;
}

bool mf_string_hash_folded(const uint8_t *bytes, size_t count, uint64_t *ret)
{
	struct hashes hashes = hash_both(bytes, count, 0);

	*ret = hashes.folded;
	return hashes.digits[0] | hashes.digits[1];
}

static uint64_t seed_of(const struct mf_string *string)
{
	uint64_t seed = (string->size + 1) * SECOND;

	return seed + (string->encoding == MF_STRING_UTF16 ? FIRST : 0);
}

uint64_t mf_string_hash(const struct mf_string *string, uint64_t rolled)
{
	uint64_t seed = seed_of(string);

	if (string->size > MF_STRING_HEAD)
		return mix(rolled ^ FIRST, seed);
	return mf_string_hash_bytes(string->head, string->size, seed);
}

void mf_string_hash_short(struct mf_string *string)
{
	struct hashes hashes = hash_both(string->head, string->size,
					 mix(seed_of(string), SECOND));

	string->hash = hashes.text;
	string->folded = hashes.folded;
	string->digits = hashes.digits[0] | hashes.digits[1];
}

/* ---- UTF-16 to UTF-8 -------------------------------------------------------- */

static size_t encode(uint32_t point, uint8_t *ret)
{
	if (point < 0x80) {
		ret[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		ret[0] = (uint8_t)(0xc0 | point >> 6);
		ret[1] = (uint8_t)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		ret[0] = (uint8_t)(0xe0 | point >> 12);
		ret[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
		ret[2] = (uint8_t)(0x80 | (point & 0x3f));
		return 3;
	}
	ret[0] = (uint8_t)(0xf0 | point >> 18);
	ret[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	ret[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	ret[3] = (uint8_t)(0x80 | (point & 0x3f));
	return 4;
}

static size_t from_wide(const uint8_t *bytes, size_t count, uint8_t *ret,
			size_t most)
{
	size_t made = 0;

	for (size_t at = 0; at + 2 <= count && made + 4 <= most; at += 2) {
		uint32_t point = bytes[at] | (uint32_t)bytes[at + 1] << 8;

		if (point >= 0xd800 && point < 0xdc00) {
			if (at + 4 > count)
				break;
			at += 2;
			point = 0x10000 + ((point & 0x3ff) << 10) +
				((bytes[at] | (uint32_t)bytes[at + 1] << 8) &
				 0x3ff);
		}
		made += encode(point, ret + made);
	}
	return made;
}

size_t mf_string_utf8(const struct mf_string *string, uint8_t *ret, size_t size)
{
	size_t head = (size_t)MF_MIN(string->size, (uint64_t)MF_STRING_HEAD);
	size_t kept;

	if (string->encoding == MF_STRING_UTF16)
		return from_wide(string->head, head, ret, size);
	kept = MF_MIN(head, size);
	/* no character is cut; those of a string are valid */
	if (kept < string->size && string->encoding == MF_STRING_UTF8) {
		while (kept && (string->head[kept - 1] & 0xc0) == 0x80)
			kept--;
		if (kept && string->head[kept - 1] >= 0xc0) {
			size_t whole = mf_utf8_length(
				(const char *)string->head + kept - 1,
				MF_MIN(head, size) - kept + 1);

			kept = whole ? kept - 1 + whole : kept - 1;
		}
	}
	memcpy(ret, string->head, kept);
	return kept;
}
