/*
 * Pages of SQLite databases, as its page cache has them: the first, which names
 * itself, and b-tree pages, which are believed when their cells fill just what
 * the page says that they fill, free blocks and fragments aside (https://sqlite.org/fileformat2.html).
 */
#include <stdio.h>

#include "scan/signatures.h"

enum {
	FILE_HEADER = 100,
	INDEX_INTERIOR = 2,
	TABLE_INTERIOR = 5,
	INDEX_LEAF = 10,
	TABLE_LEAF = 13,
	LEAST_PAGE = 512,
	MOST_PAGE = 65536,
	MOST_CELLS = MOST_PAGE / 6,
};

/* A big-endian number of 7 bits a byte, at most 9 bytes; 0 bytes: cut off. */
static size_t read_varint(const uint8_t *bytes, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && i < 9; i++) {
		if (i == 8) {
			*ret = value << 8 | bytes[i];
			return 9;
		}
		value = value << 7 | (bytes[i] & 0x7f);
		if (!(bytes[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

/* Bytes of a value of that serial type. */
static uint64_t serial_size(uint64_t type)
{
	static const uint8_t sizes[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0 };

	return type < sizeof(sizes) ? sizes[type] : (type - 12) / 2;
}

/* A record of SIZE bytes of which KNOWN stand here. */
static bool is_record(const uint8_t *bytes, uint64_t size, size_t known)
{
	uint64_t header, type, data = 0;
	size_t at = read_varint(bytes, known, &header);

	if (!at || header < at || header > size)
		return false;
	while (at < header && at < known) {
		size_t length = read_varint(bytes + at, known - at, &type);

		if (!length || type == 10 || type == 11 ||
		    serial_size(type) > size)
			return false;
		data += serial_size(type);
		at += length;
	}
	return header > known || (at == header && data + header == size);
}

/* How much of a payload of SIZE bytes stands in the page itself. */
static uint64_t local_size(uint64_t size, bool table, uint32_t page)
{
	uint64_t most = table ? page - 35 : (page - 12) * 64 / 255 - 23;
	uint64_t least = (page - 12) * 32 / 255 - 23;
	uint64_t kept;

	if (size <= most)
		return size;
	kept = least + (size - least) % (page - 4);
	return kept <= most ? kept : least;
}

/* Bytes of the cell; 0: it can't be one. */
static size_t cell_size(const uint8_t *cell, size_t room, uint8_t kind,
			uint32_t page)
{
	uint64_t payload, row, local;
	size_t at = 0, length;

	if (kind == TABLE_INTERIOR || kind == INDEX_INTERIOR) {
		if (room < 5 || !mf_big32(cell))
			return 0;
		at = 4;
	}
	if (kind == TABLE_INTERIOR) {
		length = read_varint(cell + at, room - at, &row);
		return length ? at + length : 0;
	}
	length = read_varint(cell + at, room - at, &payload);
	if (!length || !payload || payload > INT32_MAX)
		return 0;
	at += length;
	if (kind == TABLE_LEAF) {
		length = read_varint(cell + at, room - at, &row);
		if (!length)
			return 0;
		at += length;
	}
	local = local_size(payload, kind == TABLE_LEAF, page);
	if (local > room - at || !is_record(cell + at, payload, local))
		return 0;
	at += local + (local < payload ? 4 : 0);
	return at <= room ? MF_MAX(at, (size_t)4) : 0;
}

struct page {
	const uint8_t *bytes;
	uint32_t header; /* where the b-tree header is: 0 or 100 */
	uint32_t first;	 /* byte of cells */
	uint32_t cells;
	uint8_t kind;
};

/* The header says nothing impossible. */
static bool read_page(const uint8_t *bytes, uint32_t header, struct page *ret)
{
	const uint8_t *fields = bytes + header;
	bool leaf = fields[0] == TABLE_LEAF || fields[0] == INDEX_LEAF;
	uint32_t pointers = header + (leaf ? 8 : 12);

	*ret = (struct page){
		.bytes = bytes,
		.header = header,
		.kind = fields[0],
		.cells = mf_big16(fields + 3),
		.first = mf_big16(fields + 5),
	};
	if (!ret->first)
		ret->first = MOST_PAGE;
	return ret->cells && ret->cells <= MOST_CELLS && fields[7] <= 60 &&
	       ret->first >= pointers + 2 * ret->cells &&
	       (!mf_big16(fields + 1) || mf_big16(fields + 1) >= ret->first);
}

/* Bytes of the page's free blocks, a list in ascending order; SIZE if not. */
static uint32_t free_blocks(const struct mf_sign *sign, const struct page *page,
			    uint32_t size)
{
	uint32_t at = mf_big16(page->bytes + page->header + 1);
	uint32_t end = page->first, bytes = 0;

	while (at) {
		if (at < end || at > size - 4)
			return size;
		end = at + mf_big16(page->bytes + at + 2);
		if (end < at + 4 || end > size)
			return size;
		mf_sign_pay(sign, 1);
		bytes += end - at;
		at = mf_big16(page->bytes + at);
	}
	return bytes;
}

/* All cells are ones, and with the free bytes they fill what is behind FIRST. */
static bool cells_fit(const struct mf_sign *sign, const struct page *page,
		      uint32_t size)
{
	bool leaf = page->kind == TABLE_LEAF || page->kind == INDEX_LEAF;
	const uint8_t *pointers = page->bytes + page->header + (leaf ? 8 : 12);
	uint64_t filled = 0;

	for (uint32_t i = 0; i < page->cells; i++) {
		uint32_t at = mf_big16(pointers + (size_t)2 * i);
		size_t length;

		if (at < page->first || at >= size)
			return false;
		length = cell_size(page->bytes + at, size - at, page->kind,
				   size);
		if (!length)
			return false;
		filled += length;
	}
	filled += page->bytes[page->header + 7];
	return filled + free_blocks(sign, page, size) == size - page->first;
}

/* The page's size, by its cells, where it is one; else 0. */
static uint32_t page_size(const struct mf_sign *sign, const struct page *page)
{
	uint32_t highest = page->first, size = LEAST_PAGE;
	bool leaf = page->kind == TABLE_LEAF || page->kind == INDEX_LEAF;
	size_t pointers = page->header + (leaf ? 8U : 12U);

	if (pointers + (size_t)2 * page->cells > sign->size)
		return 0;
	for (uint32_t i = 0; i < page->cells; i++) {
		uint32_t at = mf_big16(sign->bytes + pointers + (size_t)2 * i);

		highest = MF_MAX(highest, at);
	}
	while (size <= highest && size < MOST_PAGE)
		size *= 2;
	/* A cell may be longer than what lies before it. */
	for (unsigned i = 0; i < 3 && size <= MOST_PAGE; i++, size *= 2) {
		if (size > sign->size)
			return size;
		mf_sign_pay(sign, page->cells);
		if (cells_fit(sign, page, size))
			return size;
	}
	return 0;
}

MF_SIGN_DECODER(sqlite_page)
{
	struct page page;
	uint32_t size;

	if (sign->size < LEAST_PAGE)
		return mf_sign_short(sign);
	if (!read_page(sign->bytes, 0, &page))
		return MF_SIGN_NOT;
	size = page_size(sign, &page);
	if (size > sign->size)
		return mf_sign_short(sign);
	if (!size)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "%u cells of %s, page of %u bytes", page.cells,
			 page.kind == TABLE_LEAF || page.kind == TABLE_INTERIOR
				 ? "a table"
				 : "an index",
			 size);
	return mf_sign_is_long(sign, size, ret);
}

MF_SIGN_DECODER(sqlite_file)
{
	const uint8_t *bytes = sign->bytes;
	uint32_t size;

	if (sign->size < FILE_HEADER)
		return mf_sign_short(sign);
	size = mf_big16(bytes + 16);
	size = size == 1 ? MOST_PAGE : size;
	if (size < LEAST_PAGE || size & (size - 1) || bytes[18] - 1U > 1 ||
	    bytes[19] - 1U > 1 || bytes[21] != 64 || bytes[22] != 32 ||
	    bytes[23] != 32)
		return MF_SIGN_NOT;
	if (ret->detailed)
		snprintf(ret->detail, sizeof(ret->detail),
			 "first page of %u, of %u bytes each",
			 mf_big32(bytes + 28), size);
	return mf_sign_is_long(sign, size, ret);
}
