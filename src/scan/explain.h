/*
 * What is known of one address: all that the models say, and what stands there.
 */
#ifndef MF_SCAN_EXPLAIN_H
#define MF_SCAN_EXPLAIN_H

#include "scan/place.h"
#include "scan/refs.h"

enum {
	MF_EXPLAIN_PREVIEW =
		1024, /* bytes looked at, from the object's start */
	MF_EXPLAIN_BEFORE =
		8192, /* before an address: what it is the middle of */
	MF_EXPLAIN_SHOWN = 160, /* of these, as text */
	MF_EXPLAIN_HEX = 32,	/* or as hexadecimal numbers */
	MF_EXPLAIN_DETAIL = 80,
};

/** What the bytes are. */
enum mf_explain_bytes {
	MF_BYTES_NONE, /* cannot be read, or are not there */
	MF_BYTES_TEXT,
	MF_BYTES_WIDE, /* UTF-16LE */
	MF_BYTES_OTHER,
};

struct mf_explained {
	const char *asked;
	struct mf_place place;
	uint8_t page; /* MF_PAGE_* */
	bool page_known;
	bool has_previous, has_next;
	struct mf_chunk previous, next; /* beside the chunk */
	struct mf_thread thread; /* whose stack or TLS; tid 0: nobody's */
	uint64_t start, size; /* of what holds the address: chunk, variable */
	/* its first bytes, as text or numbers; secrets are masked */
	enum mf_explain_bytes bytes_are;
	char *text;
	uint64_t text_size; /* bytes of the string; 0: none */
	/* the same from the address on, when that is further in */
	enum mf_explain_bytes here_is;
	char *here;
	bool here_goes_on;     /* more of it follows */
	size_t secrets;	       /* that were masked */
	const char *signature; /* NULL: none */
	uint64_t signature_size;
	char *signature_detail;
	/* the word at the address, when it is aligned */
	bool has_word;
	uint64_t word;
	struct mf_place leads; /* what it points at */
	uint64_t words;	       /* that point there */
	uint64_t aim;	       /* what they point at: its start */
};

struct mf_explain {
	struct mf_target *target;
	struct mf_explain_options options;
	struct mf_refs *refs;
	MF_VEC(struct mf_explained) items;
};

/**
 * What stands at BYTES + AT; what is before it (of SIZE bytes, some of more)
 * tells of what that is the middle. Sets the item's here.
 */
void mf_explain_bytes_at(struct mf_explained *item, const uint8_t *bytes,
			 size_t size, size_t at, bool redact);

/** True when that is a key, of which nothing is shown. */
bool mf_explain_is_masked(const struct mf_explained *item);

/** What BYTES (SIZE, the first of ROOM) are; sets the item's text. */
void mf_explain_bytes(struct mf_explained *item, const uint8_t *bytes,
		      size_t size, uint64_t room, bool redact);

#endif
