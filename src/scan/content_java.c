/*
 * Blocks of the Java heap: objects of HotSpot begin with a word of marks and,
 * in half a word, their class; references are halves, too, as long as the heap
 * ends below 32 GiB. None of that looks like pointers elsewhere.
 * Source: OpenJDK 8 to 21: markWord.hpp, compressedOops.cpp.
 */
#include <string.h>

#include "base/memory.h"
#include "scan/content.h"

enum {
	SHIFT = 3,	/* of references to heaps that end above 4 GiB */
	UNLOCKED = 1,	/* the lowest three bits of marks, as a rule */
	HASH_SHIFT = 8, /* of the marks' hash */
	HASH_END = 39,
	AGES = 1 << 7,	   /* marks without a hash are below it */
	CLASSES_BITS = 30, /* a class is so near to where they all begin */
	NUMBER_BITS = 26,  /* of what shares a word with a reference */
};

/* Not its tables, which are of the same class. */
bool mf_content_is_java_heap(enum mf_class class, const char *label)
{
	static const char heap[] = "java heap";

	return class == MF_CLASS_JAVA_HEAP &&
	       !strncmp(label, heap, sizeof(heap) - 1);
}

void mf_content_java_init(struct mf_content_java *java,
			  const struct mf_space *space)
{
	uint64_t start = UINT64_MAX, end = 0;
	unsigned shift;
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	*java = (struct mf_content_java){ 0 };
	for (size_t i = 0; i < count; i++) {
		if (!mf_content_is_java_heap(regions[i].class,
					     regions[i].label))
			continue;
		start = MF_MIN(start, regions[i].start);
		end = MF_MAX(end, regions[i].end);
	}
	shift = end > (UINT64_C(1) << 32) ? SHIFT : 0;
	if (start >= end || end > UINT64_C(1) << (32 + SHIFT))
		return;
	java->start = (uint32_t)(start >> shift);
	java->span = (uint32_t)((end - start) >> shift);
}

static bool is_reference(const struct mf_content_java *java, uint32_t half)
{
	return half - java->start < java->span;
}

/* Two references, or one beside null or a number. */
static bool has_references(const struct mf_content_java *java, uint64_t word)
{
	uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);

	if (is_reference(java, low))
		return is_reference(java, high) || high >> NUMBER_BITS == 0;
	return is_reference(java, high) && low >> NUMBER_BITS == 0;
}

static bool is_marks(uint64_t word)
{
	return (word & 7) == UNLOCKED && word >> HASH_END == 0 &&
	       (word < AGES || word >> HASH_SHIFT);
}

/* The half of a header, behind the marks, that says the class. */
static bool has_class(uint64_t word)
{
	uint32_t low = (uint32_t)word;

	return low && low >> CLASSES_BITS == 0;
}

static uint64_t word_at(const uint8_t *block, unsigned index)
{
	return mf_load(uint64_t, block + index * sizeof(uint64_t));
}

bool mf_content_is_java(const uint8_t *block, uint64_t used,
			const struct mf_content_java *java)
{
	unsigned objects = 0, all = 0, headers = 0;

	for (unsigned i = 0; i < MF_CONTENT_WORDS; i++) {
		uint64_t word = word_at(block, i);

		if (!word || !(used >> i & 1))
			continue;
		all++;
		if (i + 1 < MF_CONTENT_WORDS && is_marks(word) &&
		    has_class(word_at(block, i + 1))) {
			headers++;
			objects += 2;
			all++;
			i++;
		} else {
			objects += has_references(java, word);
		}
	}
	/* of what begins with small numbers, too, but is not full of them */
	return objects * 3 >= all * 2 && objects > headers;
}
