/*
 * What the first bytes of leaked memory say: a type by its vtable, text, zeros
 * or pointers. Of very many only some are looked at.
 */
#include <ctype.h>
#include <string.h>

#include "base/map.h"
#include "scan/leaks.h"

enum {
	WORD = 8,
	TEXT_LEAST = 4, /* characters */
};

const char *mf_leak_content_name(enum mf_leak_content content)
{
	static const char *const names[] = {
		[MF_LEAK_UNSEEN] = "not looked at",
		[MF_LEAK_ZERO] = "zero",
		[MF_LEAK_TEXT] = "text",
		[MF_LEAK_POINTERS] = "pointers",
		[MF_LEAK_MIXED] = "mixed",
	};

	return names[content];
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Characters of the text that BYTES begin with; 0: they are none. */
static size_t text_length(const uint8_t *bytes, size_t size)
{
	size_t length = 0;

	while (length < size &&
	       (isprint(bytes[length]) || isspace(bytes[length]) ||
		bytes[length] >= 0x80))
		length++;
	if (length < TEXT_LEAST || !isprint(bytes[0]))
		return 0;
	return length == size || !bytes[length] ? length : 0;
}

/* Half of the words that are not 0, at least. */
static bool is_pointers(const struct mf_leaks *leaks, const uint8_t *bytes,
			size_t size)
{
	size_t words = 0, pointers = 0;

	for (size_t i = 0; i + WORD <= size; i += WORD) {
		uint64_t word = mf_load(uint64_t, bytes + i);

		words += word != 0;
		pointers +=
			word && mf_space_region_at(leaks->places.space, word);
	}
	return pointers && pointers * 2 >= words;
}

static enum mf_leak_content judge(const struct mf_leaks *leaks,
				  const uint8_t *bytes, size_t size)
{
	if (is_zero(bytes, size))
		return MF_LEAK_ZERO;
	if (text_length(bytes, size))
		return MF_LEAK_TEXT;
	return is_pointers(leaks, bytes, size) ? MF_LEAK_POINTERS
					       : MF_LEAK_MIXED;
}

static uint64_t digest_of(const uint8_t *bytes, size_t size)
{
	uint64_t hash = size;

	for (size_t i = 0; i + WORD <= size; i += WORD)
		hash = mf_hash64(hash ^ mf_load(uint64_t, bytes + i));
	return hash ? hash : 1;
}

/* The bytes of the user, as many of the first as are looked at. */
size_t mf_leak_read(const struct mf_leaks *leaks, const struct mf_leak *leak,
		    uint8_t head[MF_LEAKS_HEAD])
{
	uint64_t size = leak->size;

	if (!leak->is_mapping)
		size -= MF_MIN(size, (uint64_t)WORD);
	size = MF_MIN(size, (uint64_t)MF_LEAKS_HEAD) / WORD * WORD;
	return mf_target_try_read(leaks->target, leak->address, head, size)
		       ? size
		       : 0;
}

static void find_type(const struct mf_leaks *leaks, struct mf_leak *leak)
{
	struct mf_place place;

	mf_place_find(&leaks->places, leak->address, &place);
	mf_place_read_type(&leaks->places, &place);
	leak->type = place.type;
}

static void describe(const struct mf_leaks *leaks, struct mf_leak *leak)
{
	uint8_t head[MF_LEAKS_HEAD];
	size_t size = mf_leak_read(leaks, leak, head);

	if (!size)
		return;
	leak->content = judge(leaks, head, size);
	leak->digest = digest_of(head, size);
	if (leak->content >= MF_LEAK_POINTERS && !leak->is_mapping)
		find_type(leaks, leak);
}

void mf_leaks_describe(struct mf_leaks *leaks)
{
	size_t step = leaks->leaks.count / MF_LEAKS_DESCRIBED + 1;

	/* all of them where what they are decides */
	if (leaks->options.excluded_count)
		step = 1;
	for (size_t i = 0; i < leaks->leaks.count; i += step)
		describe(leaks, &leaks->leaks.items[i]);
}
