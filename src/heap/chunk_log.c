/*
 * Packs chunks into a byte string (a variable-length number each: size in
 * granules and state) and their links into a page-indexed table.
 */
#include "heap/chunk_log.h"

enum {
	STATE_BITS = 3,
	VARINT_BITS = 7,
	VARINT_MORE = 1 << VARINT_BITS,
	VARINT_LAST_SHIFT = 63,
	INDEX_SHIFT = 12, /* one entry of the index for each 4 KiB */
};

void mf_chunk_log_add(struct mf_chunk_log *log, uint64_t size,
		      enum mf_chunk_state state)
{
	uint64_t value = size / MF_GRANULE << STATE_BITS | state;

	while (value >= VARINT_MORE) {
		mf_vec_push(&log->bytes, (uint8_t)(value | VARINT_MORE));
		value >>= VARINT_BITS;
	}
	mf_vec_push(&log->bytes, (uint8_t)value);
}

bool mf_chunk_log_next(const struct mf_chunk_log *log, size_t *offset,
		       uint64_t *size, enum mf_chunk_state *state)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift <= VARINT_LAST_SHIFT;
	     shift += VARINT_BITS) {
		uint8_t byte;

		if (*offset >= log->bytes.count)
			return false;
		byte = log->bytes.items[(*offset)++];
		value |= (uint64_t)(byte & (VARINT_MORE - 1)) << shift;
		if (!(byte & VARINT_MORE))
			break;
	}
	*size = (value >> STATE_BITS) * MF_GRANULE;
	*state = value & ((1 << STATE_BITS) - 1);
	return true;
}

void mf_chunk_log_deinit(struct mf_chunk_log *log)
{
	mf_vec_deinit(&log->bytes);
}

void mf_link_table_init(struct mf_link_table *table, uint64_t start)
{
	*table = (struct mf_link_table){
		.start = start >> INDEX_SHIFT << INDEX_SHIFT,
	};
}

void mf_link_table_deinit(struct mf_link_table *table)
{
	mf_vec_deinit(&table->links);
	mf_vec_deinit(&table->pages);
}

void mf_link_table_add(struct mf_link_table *table, uint64_t chunk,
		       uint64_t next, uint64_t size, bool is_free)
{
	uint64_t page = (chunk - table->start) >> INDEX_SHIFT;
	uint64_t granules = size / MF_GRANULE;

	if (table->links.count >= MF_LINKS_MAX) {
		table->overflowed = true;
		return;
	}
	while (table->pages.count <= page)
		mf_vec_push(&table->pages, (uint32_t)table->links.count);
	mf_vec_push(&table->links,
		    (struct mf_link){
			    .place = chunk / MF_GRANULE & UINT8_MAX,
			    .granules = granules > UINT8_MAX ? 0 : granules,
			    .next = next / MF_GRANULE,
			    .free = is_free,
		    });
}

struct mf_link *mf_link_table_find(const struct mf_link_table *table,
				   uint64_t address)
{
	uint64_t page = (address - table->start) >> INDEX_SHIFT;
	uint64_t place = address / MF_GRANULE & UINT8_MAX;
	size_t at, end;

	if (address < table->start || page >= table->pages.count)
		return NULL;
	at = table->pages.items[page];
	end = page + 1 < table->pages.count ? table->pages.items[page + 1]
					    : table->links.count;
	for (; at < end; at++)
		if (table->links.items[at].place == place)
			return &table->links.items[at];
	return NULL;
}
