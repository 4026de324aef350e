/*
 * The bytes of a region: read as they come into sight, those of pages that are
 * there; words that are addresses can be followed, headers of chunks are seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tui/hex.h"
#include "tui/hex_find.h"
#include "tui/region_text.h"
#include "tui/views.h"

struct hex {
	uint64_t start, end; /* shown; start is a row's */
	unsigned group;
	unsigned at; /* the byte of the cursor's row that is pointed at */
};

static uint64_t address_at(const struct mf_pane *pane)
{
	const struct hex *hex = pane->state;

	return hex->start +
	       mf_list_row(&pane->list, pane->list.cursor) * MF_HEX_ROW +
	       hex->at;
}

static void go_to(struct mf_pane *pane, uint64_t address)
{
	struct hex *hex = pane->state;
	uint64_t offset = address - hex->start;

	hex->at = (unsigned)(offset % MF_HEX_ROW);
	pane->list.cursor = offset / MF_HEX_ROW;
	/* a few rows before it are seen, too */
	pane->list.top =
		pane->list.cursor - MF_MIN(pane->list.cursor, (uint64_t)4);
}

static struct mf_error *not_mapped(uint64_t address)
{
	return mf_error_create(MF_ERROR_FAILED,
			       "nothing is mapped at 0x%" PRIx64, address);
}

static struct mf_error *hex_open(struct mf_pane *pane, const void *argument)
{
	const struct mf_hex_argument *asked = argument;
	struct hex *hex = pane->state;
	const struct mf_region *region = mf_space_region_at(
		mf_browser_models(pane->browser)->space, asked->at);

	if (asked->end > asked->start) {
		hex->start = asked->start;
		hex->end = asked->end;
	} else if (region) {
		hex->start = region->start;
		hex->end = region->end;
	} else {
		return not_mapped(asked->at);
	}
	hex->start -= hex->start % MF_HEX_ROW;
	hex->group = 1;
	go_to(pane, asked->at);
	return NULL;
}

static uint64_t hex_count(struct mf_pane *pane)
{
	const struct hex *hex = pane->state;

	return (hex->end - hex->start + MF_HEX_ROW - 1) / MF_HEX_ROW;
}

/* ---- a row -------------------------------------------------------------------------- */

/* Bytes of chunks' headers: what lies before what malloc gave out. */
static unsigned borders_of(const struct mf_heap *heap, uint64_t address)
{
	uint64_t at = address, end = address + MF_HEX_ROW;
	unsigned mask = 0;
	struct mf_chunk chunk;

	while (heap && at < end && mf_heap_chunk_at(heap, at, &chunk)) {
		uint64_t user =
			chunk.usable ? chunk.user : chunk.address + MF_HEX_ROW;

		for (uint64_t i = MF_MAX(at, chunk.address);
		     i < MF_MIN(end, user); i++)
			mask |= 1U << (i - address);
		if (chunk.address + chunk.size <= at)
			break;
		at = chunk.address + chunk.size;
	}
	return mask;
}

static unsigned pointers_of(const struct mf_space *space,
			    const struct mf_hex_row *row)
{
	unsigned mask = 0;

	for (unsigned at = 0; at + 8 <= row->count; at += 8) {
		uint64_t word = mf_load(uint64_t, row->bytes + at);

		if (word >= 4096 && mf_space_region_at(space, word))
			mask |= 0xffU << at;
	}
	return mask;
}

static void fill(struct mf_pane *pane, uint64_t number, struct mf_hex_row *row)
{
	const struct mf_models *models = mf_browser_models(pane->browser);
	const struct hex *hex = pane->state;
	uint64_t address = hex->start + number * MF_HEX_ROW;
	uint64_t left = hex->end - address;

	*row = (struct mf_hex_row){
		.address = address,
		.count = left < MF_HEX_ROW ? (unsigned)left : MF_HEX_ROW,
		.group = hex->group,
		.cursor = -1,
	};
	row->state = mf_bytes_get(mf_browser_bytes(pane->browser), address,
				  row->bytes, MF_HEX_ROW);
	if (row->state != MF_BYTES_READ)
		return;
	row->borders = borders_of(models->heap, address);
	row->pointers = pointers_of(models->space, row);
}

static void hex_line(struct mf_pane *pane, uint64_t number,
		     struct mf_strip *line)
{
	const struct hex *hex = pane->state;
	struct mf_hex_row row;

	fill(pane, number, &row);
	if (number == mf_list_row(&pane->list, pane->list.cursor))
		row.cursor = (int)hex->at;
	mf_hex_write(&row, line);
}

/* ---- what is above and below -------------------------------------------------------------- */

static void describe_region(const struct mf_pane *pane, struct mf_strip *line)
{
	const struct mf_region *region = mf_space_region_at(
		mf_browser_models(pane->browser)->space, address_at(pane));
	char perms[5];
	MF_AUTO_BUFFER(text);

	if (!region)
		return;
	mf_tui_region_perms(perms, region);
	mf_tui_region_describe(&text, region);
	mf_strip_printf(line, MF_TINT_PLAIN, " %" PRIx64 "-%" PRIx64 " %s %s  ",
			region->start, region->end, perms,
			mf_class_name(region->class));
	mf_strip_put(line, MF_TINT_PLAIN, mf_buffer_text(&text));
}

static void describe_chunk(const struct mf_pane *pane, struct mf_strip *line)
{
	const struct mf_heap *heap = mf_browser_models(pane->browser)->heap;
	uint64_t address = address_at(pane);
	struct mf_chunk chunk;

	mf_strip_printf(line, MF_TINT_PLAIN, " 0x%" PRIx64, address);
	if (!heap || !mf_heap_chunk_at(heap, address, &chunk))
		return;
	mf_strip_printf(line, MF_TINT_BORDER,
			"  chunk 0x%" PRIx64 "+0x%" PRIx64, chunk.address,
			address - chunk.address);
	mf_strip_printf(line, MF_TINT_PLAIN, ", %" PRIu64 " bytes, %s, %s",
			chunk.size, mf_heap_chunk_kind_name(chunk.kind),
			chunk.allocator->name);
	if (chunk.arena != MF_NO_ARENA)
		mf_strip_printf(line, MF_TINT_PLAIN, " arena %u", chunk.arena);
}

static bool hex_head(struct mf_pane *pane, unsigned number,
		     struct mf_strip *line)
{
	if (number == 0)
		describe_region(pane, line);
	else if (number == 1)
		describe_chunk(pane, line);
	return number < 2;
}

/* The word that the cursor is in; false: it is not known. */
static bool word_at(struct mf_pane *pane, uint64_t *ret)
{
	uint64_t address = address_at(pane) & ~UINT64_C(7);

	return mf_bytes_get(mf_browser_bytes(pane->browser), address, ret,
			    sizeof(*ret)) == MF_BYTES_READ;
}

static void hex_status(struct mf_pane *pane, struct mf_buffer *text)
{
	const struct mf_models *models = mf_browser_models(pane->browser);
	const struct mf_region *region;
	uint64_t word;

	mf_buffer_printf(text, "0x%" PRIx64, address_at(pane));
	if (!word_at(pane, &word))
		return;
	mf_buffer_printf(text, ": 0x%" PRIx64, word);
	region = mf_space_region_at(models->space, word);
	if (region) {
		mf_buffer_puts(text, " -> ");
		mf_tui_region_name(text, region);
		mf_buffer_puts(text, " (Enter)");
	}
	if (!models->frozen)
		mf_buffer_puts(text, ", bytes as they are now");
}

/* ---- keys --------------------------------------------------------------------------------- */

static bool hex_subject(struct mf_pane *pane, uint64_t row,
			struct mf_subject *ret)
{
	const struct hex *hex = pane->state;
	uint64_t start = hex->start + row * MF_HEX_ROW;
	uint64_t end = MF_MIN(start + MF_HEX_ROW, hex->end);

	*ret = (struct mf_subject){ start, end, start + hex->at };
	return true;
}

static struct mf_error *hex_enter(struct mf_pane *pane, uint64_t row)
{
	uint64_t word = 0;

	(void)row;
	if (!word_at(pane, &word))
		return mf_error_create(MF_ERROR_FAILED,
				       "there is nothing to follow");
	return mf_browser_open_bytes(pane->browser, word);
}

static void hex_find(struct mf_pane *pane, const char *text, bool forward)
{
	const struct hex *hex = pane->state;

	mf_hex_find(pane, &(struct mf_hex_find){
				  .text = text,
				  .start = hex->start,
				  .end = hex->end,
				  .from = address_at(pane),
				  .forward = forward,
				  .page_size = mf_browser_models(pane->browser)
						       ->facts.page_size,
				  .found = go_to,
			  });
}

static void step(struct mf_pane *pane, bool on)
{
	struct hex *hex = pane->state;
	uint64_t address = address_at(pane);

	if (on && address + hex->group < hex->end)
		address += hex->group;
	else if (!on && address >= hex->start + hex->group)
		address -= hex->group;
	hex->at = (unsigned)((address - hex->start) % MF_HEX_ROW);
	mf_list_go(&pane->list, (address - hex->start) / MF_HEX_ROW);
}

static void regroup(struct mf_pane *pane)
{
	struct hex *hex = pane->state;

	hex->group = hex->group == 8 ? 1 : hex->group * 2;
	hex->at -= hex->at % hex->group;
}

static bool hex_handle(struct mf_pane *pane, enum mf_request request)
{
	switch (request) {
	case MF_REQUEST_LEFT:
	case MF_REQUEST_RIGHT:
		step(pane, request == MF_REQUEST_RIGHT);
		return true;
	case MF_REQUEST_GROUPING:
		regroup(pane);
		return true;
	case MF_REQUEST_FILTER:
		mf_browser_say(pane->browser, "all bytes are shown here");
		return true;
	case MF_REQUEST_HEX:
		return true;
	default:
		return false;
	}
}

const struct mf_view_ops mf_view_hex = {
	.name = "bytes",
	.summary = "bytes of a region; Enter follows a pointer",
	.needs = MF_NEEDS_SPACE,
	.size = sizeof(struct hex),
	.open = hex_open,
	.count = hex_count,
	.line = hex_line,
	.head = hex_head,
	.subject = hex_subject,
	.enter = hex_enter,
	.handle = hex_handle,
	.find = hex_find,
	.status = hex_status,
};
