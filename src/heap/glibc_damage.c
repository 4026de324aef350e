/*
 * Damage as it is told: what each kind of it is called, what usually does it,
 * which chunks are beside it, and the text that stands where a header or a link
 * should.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "heap/glibc.h"

enum {
	KEPT = 32,	/* notes of each arena */
	HEADER_RUN = 9, /* a text over prev_size that reached the size */
	SHORT_RUN = 4,
};

/* What stands at the place: where text would show what was written there. */
enum place {
	PLACE_HEADER, /* of a chunk, at the address */
	PLACE_LINK,   /* in a free chunk, mangled */
	PLACE_FIELDS, /* in a free chunk of a bin */
	PLACE_NONE,
};

static const struct {
	const char *code, *cause;
	enum place place;
} kinds[MF_DAMAGE_KINDS] = {
	[MF_DAMAGE_SIZE] = { "size",
			     "overflow: the chunk before it was written past "
			     "its end",
			     PLACE_HEADER },
	[MF_DAMAGE_TOP_SIZE] = { "top-size",
				 "overflow: the last chunk before top was "
				 "written past its end",
				 PLACE_HEADER },
	[MF_DAMAGE_FENCE] = { "fence",
			      "overflow: the last chunk of the heap was "
			      "written past its end",
			      PLACE_HEADER },
	[MF_DAMAGE_HEAP_INFO] = { "heap-info",
				  "a write through a stray pointer, or an "
				  "overflow of the memory mapped before it",
				  PLACE_HEADER },
	[MF_DAMAGE_PREV_INUSE] = { "prev-inuse",
				   "overflow by a byte or few, such as a "
				   "string's closing zero, of the chunk "
				   "before it",
				   PLACE_HEADER },
	[MF_DAMAGE_PREV_SIZE] = { "prev-size",
				  "use after free: the free chunk before it "
				  "was written to its end",
				  PLACE_HEADER },
	[MF_DAMAGE_FLAGS] = { "flags",
			      "overflow by a byte or few of the chunk before "
			      "it",
			      PLACE_HEADER },
	[MF_DAMAGE_DOUBLE_FREE] = { "double-free", "double free", PLACE_NONE },
	[MF_DAMAGE_TCACHE_LINK] = { "tcache-link",
				    "use after free: written through a stale "
				    "pointer after free()",
				    PLACE_LINK },
	[MF_DAMAGE_FAST_LINK] = { "fast-link",
				  "use after free: written through a stale "
				  "pointer after free()",
				  PLACE_LINK },
	[MF_DAMAGE_FD] = { "fd",
			   "use after free: written through a stale pointer "
			   "after free()",
			   PLACE_FIELDS },
	[MF_DAMAGE_BK] = { "bk",
			   "use after free: written through a stale pointer "
			   "after free()",
			   PLACE_FIELDS },
	[MF_DAMAGE_SKIP_LIST] = { "skip-list",
				  "use after free: written through a stale "
				  "pointer after free()",
				  PLACE_FIELDS },
	[MF_DAMAGE_TCACHE_ENTRY] = { "tcache-entry",
				     "free() of a pointer that malloc did not "
				     "give, or a size field that an overflow "
				     "changed",
				     PLACE_NONE },
	[MF_DAMAGE_FAST_ENTRY] = { "fast-entry",
				   "free() of a pointer that malloc did not "
				   "give, or a size field that an overflow "
				   "changed",
				   PLACE_NONE },
	[MF_DAMAGE_BIN_ENTRY] = { "bin-entry",
				  "an overflow set PREV_INUSE or the size, or "
				  "a link was written after free()",
				  PLACE_NONE },
	[MF_DAMAGE_WRONG_BIN] = { "wrong-bin",
				  "overflow: the size changed while the chunk "
				  "was free",
				  PLACE_NONE },
	[MF_DAMAGE_UNLISTED] = { "unlisted",
				 "an overflow cleared PREV_INUSE of the next "
				 "header, or a list was cut",
				 PLACE_NONE },
	[MF_DAMAGE_NEIGHBOURS] = { "free-neighbours",
				   "an overflow changed a header's size or "
				   "PREV_INUSE",
				   PLACE_NONE },
	[MF_DAMAGE_BEFORE_TOP] = { "free-before-top",
				   "an overflow cleared PREV_INUSE of top",
				   PLACE_NONE },
	[MF_DAMAGE_TCACHE_COUNT] = { "tcache-count",
				     "a list cut or grown by a write after "
				     "free(), or an overflow into the "
				     "tcache's own chunk",
				     PLACE_NONE },
	[MF_DAMAGE_BINMAP] = { "binmap",
			       "a write through a stray pointer into "
			       "malloc's own state",
			       PLACE_NONE },
	[MF_DAMAGE_BINS] = { "bins",
			     "use after free, or an overflow over a free "
			     "chunk",
			     PLACE_NONE },
	[MF_DAMAGE_TOP] = { "top",
			    "a write through a stray pointer into malloc's "
			    "own state",
			    PLACE_NONE },
	[MF_DAMAGE_SYSTEM_MEM] = { "system-mem",
				   "a write through a stray pointer into "
				   "malloc's own state",
				   PLACE_NONE },
	[MF_DAMAGE_ARENA] = { "arena",
			      "a write through a stray pointer into malloc's "
			      "own state",
			      PLACE_NONE },
};

/* ---- notes ------------------------------------------------------------- */

struct mf_glibc_damage *mf_glibc_note_damage(struct mf_glibc *glibc,
					     struct mf_glibc_arena *arena,
					     enum mf_damage kind,
					     uint64_t address,
					     const char *format, ...)
{
	MF_AUTO_BUFFER(text);
	struct mf_glibc_damage *damage;
	va_list arguments;

	if (arena->damage.count >= KEPT) {
		arena->damage_count++;
		return NULL;
	}
	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	mf_vec_foreach(known, &arena->damage)
		if (known->kind == kind && known->address == address &&
		    strcmp(known->what, mf_buffer_text(&text)) == 0)
			return NULL;
	arena->damage_count++;
	damage = mf_vec_add(&arena->damage);
	damage->kind = kind;
	damage->address = address;
	damage->what =
		mf_pool_strdup(glibc->context->pool, mf_buffer_text(&text));
	damage->bytes_known =
		kinds[kind].place != PLACE_NONE &&
		mf_target_try_read(glibc->target, address, damage->bytes,
				   sizeof(damage->bytes));
	return damage;
}

/* ---- what is beside it ---------------------------------------------------- */

static const char *state_of(enum mf_chunk_state state,
			    const struct mf_link *link)
{
	static const char *const states[MF_CHUNK_STATES] = {
		[MF_CHUNK_IN_USE] = "in_use", [MF_CHUNK_FREE] = "free",
		[MF_CHUNK_TOP] = "top",	      [MF_CHUNK_OVERHEAD] = "overhead",
		[MF_CHUNK_UNREAD] = "unread",
	};

	if (link && link->mark == MF_LINK_FAST)
		return "fastbin";
	if (link && link->mark == MF_LINK_TCACHE)
		return "tcache";
	return states[state];
}

/* One of the walk's, before its links are looked at. */
struct found {
	uint64_t address, size;
	enum mf_chunk_state state;
};

static struct mf_neighbour name_chunk(const struct mf_glibc_segment *segment,
				      const struct found *found)
{
	return (struct mf_neighbour){
		found->address,
		found->size,
		state_of(found->state,
			 mf_link_table_find(&segment->links, found->address)),
	};
}

bool mf_glibc_locate(struct mf_glibc *glibc, uint64_t address,
		     struct mf_corruption *ret)
{
	const struct mf_glibc_segment *segment =
		mf_glibc_segment_at(glibc, address);
	struct found before = { 0 }, one = { 0 };
	size_t offset = 0;

	if (!segment || address < segment->start)
		return false;
	one.address = segment->start;
	/* There may be millions: links are looked up of three. */
	while (mf_chunk_log_next(&segment->log, &offset, &one.size,
				 &one.state)) {
		if (one.address > address) {
			ret->next = name_chunk(segment, &one);
			break;
		}
		if (address - one.address < one.size) {
			if (before.size)
				ret->previous = name_chunk(segment, &before);
			ret->chunk = name_chunk(segment, &one);
		}
		before = one;
		one.address += one.size;
	}
	return ret->chunk.state != NULL;
}

/* ---- what was written there -------------------------------------------------- */

static size_t text_run(const uint8_t *bytes, size_t size)
{
	size_t run = 0;

	while (run < size &&
	       (isprint(bytes[run]) || (bytes[run] && isspace(bytes[run]))))
		run++;
	return run;
}

/* A text in [FROM, TO) of at least so many bytes; NULL: there is none. */
static const char *text_of(struct mf_glibc *glibc,
			   const struct mf_glibc_damage *damage, size_t from,
			   size_t to, size_t least)
{
	size_t run = text_run(damage->bytes + from, to - from);

	return run < least ? NULL
			   : mf_pool_strndup(glibc->context->pool,
					     (const char *)damage->bytes + from,
					     run);
}

static const char *find_text(struct mf_glibc *glibc,
			     const struct mf_glibc_damage *damage)
{
	const char *text = NULL;
	uint64_t link;

	if (!damage->bytes_known)
		return NULL;
	switch (kinds[damage->kind].place) {
	case PLACE_HEADER:
		/* What is wrong with a size must have come so far. */
		if (damage->kind == MF_DAMAGE_PREV_SIZE ||
		    damage->kind == MF_DAMAGE_PREV_INUSE)
			return text_of(glibc, damage, 0, MF_GLIBC_SIZE_FIELD,
				       SHORT_RUN);
		text = text_of(glibc, damage, 0, MF_DAMAGE_BYTES, HEADER_RUN);
		return text ? text
			    : text_of(glibc, damage, MF_GLIBC_SIZE_FIELD,
				      MF_DAMAGE_BYTES, SHORT_RUN);
	case PLACE_LINK:
		/* It was read again after the release: is it still wrong? */
		link = mf_glibc_reveal(
			glibc, damage->address + MF_GLIBC_CHUNK_HEADER,
			mf_load(uint64_t,
				damage->bytes + MF_GLIBC_CHUNK_HEADER));
		if (link % MF_GRANULE == 0 && link < glibc->user_end)
			return NULL;
		return text_of(glibc, damage, MF_GLIBC_CHUNK_HEADER,
			       MF_DAMAGE_BYTES, SHORT_RUN);
	case PLACE_FIELDS:
		return text_of(glibc, damage, MF_GLIBC_CHUNK_HEADER,
			       MF_DAMAGE_BYTES, SHORT_RUN);
	case PLACE_NONE:
		break;
	}
	return NULL;
}

/* A chunk that nobody has cannot overflow: then a stale pointer did it. */
static const char *cause_of(const struct mf_glibc_damage *damage,
			    const struct mf_corruption *place)
{
	const char *before = place->previous.state;

	if (damage->kind == MF_DAMAGE_SIZE && before &&
	    (strcmp(before, "tcache") == 0 || strcmp(before, "free") == 0 ||
	     strcmp(before, "fastbin") == 0))
		return "use after free: the chunk before it, which is free, "
		       "was written past its end";
	return kinds[damage->kind].cause;
}

/* ---- telling it -------------------------------------------------------------- */

static int by_kind(const void *a, const void *b)
{
	const struct mf_glibc_damage *left = a, *right = b;

	if (left->kind != right->kind)
		return (left->kind > right->kind) - (left->kind < right->kind);
	return (left->address > right->address) -
	       (left->address < right->address);
}

/* Links in what the walk could not make out are not news: its first header
 * is. */
static bool follows_from_another(const struct mf_glibc_damage *damage,
				 const struct mf_corruption *row)
{
	return damage->kind > MF_DAMAGE_FLAGS && row->chunk.state &&
	       strcmp(row->chunk.state, "unread") == 0;
}

static struct mf_corruption tell(struct mf_glibc *glibc,
				 const struct mf_glibc_damage *damage)
{
	struct mf_corruption row = {
		.address = damage->address,
		.what = damage->what,
		.kind = kinds[damage->kind].code,
		.text = find_text(glibc, damage),
		.lost = damage->lost,
	};

	mf_glibc_locate(glibc, damage->address, &row);
	row.cause = cause_of(damage, &row);
	/* Only its link is not to be read: so the walk took it. */
	if (row.chunk.state && damage->kind == MF_DAMAGE_TCACHE_LINK)
		row.chunk.state = "tcache";
	if (row.chunk.state && damage->kind == MF_DAMAGE_FAST_LINK)
		row.chunk.state = "fastbin";
	return row;
}

void mf_glibc_publish_damage(struct mf_glibc *glibc,
			     struct mf_glibc_arena *arena,
			     struct mf_arena *info)
{
	struct mf_corruption *rows =
		mf_pool_alloc(glibc->context->pool,
			      (arena->damage.count + 1) * sizeof(*rows));

	mf_vec_sort(&arena->damage, by_kind);
	mf_vec_foreach(damage, &arena->damage) {
		struct mf_corruption row = tell(glibc, damage);

		if (!follows_from_another(damage, &row))
			rows[info->corrupt_count++] = row;
	}
	info->corrupt = rows;
}
