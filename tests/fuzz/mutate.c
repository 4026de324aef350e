/*
 * Changes to a process file that leave it one: single words of memory become
 * other words of the file, addresses and sizes that could stand there; pages
 * come and go, mappings grow and shrink, records are doubled and dropped.
 */
#include <string.h>

#include "base/compiler.h"
#include "base/map.h"
#include "fuzz.h"
#include "process.h"

enum {
	RECORDS_MAX = 4096,
	CHANGES_MAX = 5,
	LONG = 200,  /* words of a record with an arena in it */
	AROUND = 24, /* words of an arena that are not its bins */
	WORD = sizeof(uint64_t),
};

struct mutation {
	uint64_t *words;
	size_t count, room;
	uint64_t random;
	size_t records[RECORDS_MAX]; /* where each begins */
	size_t record_count;
};

static uint64_t draw(struct mutation *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

static size_t below(struct mutation *m, size_t limit)
{
	return limit ? (size_t)(draw(m) % limit) : 0;
}

static void index_records(struct mutation *m)
{
	struct process_record head;
	size_t at = 0, start = 0;

	m->record_count = 0;
	while (m->record_count < RECORDS_MAX &&
	       process_next(m->words, m->count, &at, &head)) {
		m->records[m->record_count++] = start;
		start = at;
	}
}

static struct process_record *record_at(struct mutation *m, size_t number)
{
	return (struct process_record *)(void *)(m->words + m->records[number]);
}

static size_t length_of(const struct mutation *m, size_t number)
{
	size_t end = number + 1 < m->record_count ? m->records[number + 1]
						  : m->count;

	return end - m->records[number];
}

/* A record of KIND, or any (0). */
static size_t pick(struct mutation *m, unsigned kind)
{
	size_t number = below(m, m->record_count);

	for (size_t i = 0; kind && i < m->record_count; i++) {
		if (record_at(m, number)->kind == kind)
			return number;
		number = (number + 1) % m->record_count;
	}
	return number;
}

/* ---- words ----------------------------------------------------------------- */

static uint64_t *word_of(struct mutation *m, size_t number)
{
	size_t length = length_of(m, number);

	if (length <= PROCESS_RECORD_WORDS)
		return &m->words[below(m, m->count)];
	return &m->words[m->records[number] + PROCESS_RECORD_WORDS +
			 below(m, length - PROCESS_RECORD_WORDS)];
}

/* Long runs are arrays of list heads; what stands before and behind them is few
 * words, and matters most. */
static uint64_t *word_around(struct mutation *m)
{
	size_t number = pick(m, PROCESS_WORDS), length;
	uint64_t *words;

	for (size_t i = 0; i < m->record_count && length_of(m, number) < LONG;
	     i++)
		number = (number + 1) % m->record_count;
	length = length_of(m, number);
	words = m->words + m->records[number];
	if (length < LONG)
		return word_of(m, number);
	return below(m, 2) ? words + PROCESS_RECORD_WORDS + below(m, AROUND)
			   : words + length - 1 - below(m, AROUND);
}

static uint64_t *any_word(struct mutation *m)
{
	switch (below(m, 4)) {
	case 0:
		return word_around(m);
	case 1:
		return &m->words[below(m, m->count)];
	default:
		return word_of(m, pick(m, PROCESS_WORDS));
	}
}

/* An address that is in the file. */
static uint64_t any_address(struct mutation *m)
{
	const struct process_record *record =
		record_at(m, pick(m, below(m, 4) ? PROCESS_WORDS : 0));

	return record->address + WORD * below(m, record->count + 4);
}

static uint64_t any_number(struct mutation *m)
{
	static const uint64_t numbers[] = {
		0,
		1,
		2,
		7,
		8,
		0x10,
		0x11,
		0x20,
		0x21,
		0x31,
		0x91,
		0x251,
		0x291,
		0x301,
		0x311,
		0x411,
		0xfff,
		0x1000,
		0x1002,
		0x1001,
		0x21000,
		0xfffff,
		0x4000000,
		0x7fffffff,
		0xffffffff,
		UINT64_C(0x7fffffffffff),
		UINT64_C(0x800000000000),
		INT64_MAX,
		UINT64_C(0x8000000000000000),
		UINT64_MAX,
		UINT64_MAX - 15,
		UINT64_MAX - 4095,
	};

	return numbers[below(m, MF_ARRAY_SIZE(numbers))];
}

static uint64_t changed(struct mutation *m, uint64_t word)
{
	static const uint64_t steps[] = {
		1, 8, 16, 32, 48, 256, 4096, 1 << 26
	};
	uint64_t step = steps[below(m, MF_ARRAY_SIZE(steps))];

	switch (below(m, 10)) {
	case 0:
		return *any_word(m);
	case 1:
		return word + step;
	case 2:
		return word - step;
	case 3:
		return word ^ UINT64_C(1) << below(m, below(m, 2) ? 64 : 5);
	case 4:
		return any_number(m);
	case 5:
		return any_address(m);
	case 6: /* as a user's pointer, and mangled */
		return (any_address(m) & ~UINT64_C(15)) ^
		       (below(m, 2) ? any_address(m) >> 12 : 0);
	case 7: /* a size with its flags */
		return below(m, 0x2000) << 4 | below(m, 8);
	case 8:
		return (word & ~UINT64_C(0xffff)) | below(m, 0x10000);
	default:
		return word + (below(m, 0x2000) - UINT64_C(0x1000)) * 16;
	}
}

static void change_word(struct mutation *m)
{
	uint64_t *word = any_word(m);

	*word = changed(m, *word);
}

/* A run of words becomes a copy of another. */
static void copy_words(struct mutation *m)
{
	size_t count = 1 + below(m, 8);
	const uint64_t *from = any_word(m);
	uint64_t *to = any_word(m);
	const uint64_t *end = m->words + m->count;

	if ((size_t)(end - from) >= count && (size_t)(end - to) >= count)
		memmove(to, from, count * WORD);
}

/* ---- records ---------------------------------------------------------------- */

static void append(struct mutation *m, const struct process_record *record,
		   const uint64_t *words)
{
	if (m->count + PROCESS_RECORD_WORDS + record->count > m->room)
		return;
	memcpy(m->words + m->count, record, sizeof(*record));
	memcpy(m->words + m->count + PROCESS_RECORD_WORDS, words,
	       record->count * WORD);
	m->count += PROCESS_RECORD_WORDS + record->count;
}

/* A word where there was none. */
static void add_word(struct mutation *m)
{
	uint64_t address = any_address(m);
	uint64_t words[2] = { changed(m, address), changed(m, address) };

	address &= ~UINT64_C(7);
	append(m,
	       &(struct process_record){ .kind = PROCESS_WORDS,
					 .count = 1 + (uint32_t)below(m, 2),
					 .address = address },
	       words);
}

static void add_flags(struct mutation *m)
{
	static const uint8_t flags[] = {
		0,
		MF_PAGE_PRESENT,
		MF_PAGE_SWAPPED,
		MF_PAGE_PRESENT | MF_PAGE_ZERO,
		MF_PAGE_PRESENT | MF_PAGE_HUGE,
		MF_PAGE_PRESENT | MF_PAGE_FILE,
		MF_PAGE_UNREADABLE,
	};
	uint64_t pages = 1 + below(m, 64);

	append(m,
	       &(struct process_record){
		       .kind = PROCESS_PAGES,
		       .small = flags[below(m, MF_ARRAY_SIZE(flags))],
		       .count = 1,
		       .address = any_address(m) & -UINT64_C(4096) },
	       &pages);
}

static void change_mapping(struct mutation *m)
{
	size_t number = pick(m, PROCESS_MAPPING);
	struct process_record *record = record_at(m, number);
	uint64_t *words = m->words + m->records[number] + PROCESS_RECORD_WORDS;

	if (length_of(m, number) < PROCESS_RECORD_WORDS + 4)
		return;
	switch (below(m, 5)) {
	case 0:
		record->address += (below(m, 64) - UINT64_C(32)) * 4096;
		break;
	case 1:
		words[0] += (below(m, 64) - UINT64_C(32)) * 4096;
		break;
	case 2:
		words[3] ^= UINT64_C(1)
			    << (below(m, 2) ? below(m, 4) : 32 + below(m, 10));
		break;
	case 3:
		record->small ^= 1;
		break;
	default:
		words[2] = words[2] ? 0 : 7;
		break;
	}
}

static void change_any(struct mutation *m)
{
	size_t number = pick(m, 0), length = length_of(m, number);
	uint64_t *word = m->words + m->records[number];

	switch (below(m, 4)) {
	case 0: /* its head */
		record_at(m, number)->index ^= 1 << below(m, 4);
		break;
	case 1:
		record_at(m, number)->small = (uint8_t)draw(m);
		break;
	default:
		word += 1 + below(m, length > 1 ? length - 1 : 1);
		if (word < m->words + m->count)
			*word = changed(m, *word);
		break;
	}
}

static void drop_record(struct mutation *m)
{
	size_t number = pick(m, 0), length = length_of(m, number);
	size_t start = m->records[number];

	if (m->record_count < 2)
		return;
	memmove(m->words + start, m->words + start + length,
		(m->count - start - length) * WORD);
	m->count -= length;
}

static void double_record(struct mutation *m)
{
	size_t number = pick(m, 0);
	struct process_record record = *record_at(m, number);

	if (length_of(m, number) != PROCESS_RECORD_WORDS + record.count)
		return;
	record.address = changed(m, record.address);
	append(m, &record,
	       m->words + m->records[number] + PROCESS_RECORD_WORDS);
}

static void change(struct mutation *m)
{
	size_t kind = below(m, 100);

	if (kind < 66)
		change_word(m);
	else if (kind < 72)
		copy_words(m);
	else if (kind < 82)
		add_word(m);
	else if (kind < 88)
		add_flags(m);
	else if (kind < 92)
		change_mapping(m);
	else if (kind < 97)
		change_any(m);
	else if (kind < 99)
		double_record(m);
	else
		drop_record(m);
}

/* ---- libFuzzer's doors -------------------------------------------------------- */

size_t process_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static struct mutation mutation;
	struct mutation *m = &mutation;
	size_t changes;

	m->words = (uint64_t *)(void *)data;
	m->count = size / WORD;
	m->room = max / WORD;
	m->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	changes = 1 + below(m, CHANGES_MAX);
	for (size_t i = 0; i < changes; i++) {
		index_records(m);
		if (!m->record_count)
			break;
		change(m);
	}
	return m->count * WORD;
}

size_t process_cross(uint8_t *data, size_t size, size_t max,
		     const uint64_t *other, size_t other_count, unsigned seed)
{
	struct process_record head;
	size_t at = 0, start = 0;

	size = size / WORD * WORD;
	/* any of the first, or the last that there is */
	for (size_t skip = mf_hash64(seed) % RECORDS_MAX;
	     skip && process_next(other, other_count, &at, &head); skip--)
		start = at < other_count ? at : start;
	at = start;
	if (!process_next(other, other_count, &at, &head) ||
	    (at - start) * WORD > max - size)
		return size;
	memcpy(data + size, other + start, (at - start) * WORD);
	return size + (at - start) * WORD;
}

/* ---- what libFuzzer asks for ---------------------------------------------- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed)
{
	return process_mutate(data, size, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
				 const uint8_t *data2, size_t size2,
				 uint8_t *out, size_t max, unsigned seed)
{
	size1 = size1 < max ? size1 : max;
	memcpy(out, data1, size1);
	return process_cross(out, size1, max,
			     (const uint64_t *)(const void *)data2, size2 / 8,
			     seed);
}
