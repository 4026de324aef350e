/*
 * Lines of private keys in PEM. Each line is a string of its own, and only the
 * first says what they are; so lines that stand one right behind the other are
 * followed, from "BEGIN ... PRIVATE KEY" on. Where a piece goes on from another
 * window its lines are kept in mind, until an "END ... PRIVATE KEY" says that
 * they were a key's, or something else comes.
 */
#include "scan/strings.h"

enum {
	GAP = 16, /* most bytes between two lines */
	MOST_LINES = 1024,
	MOST_KEYS = 1 << 16, /* hashes */
	DASHES = 4,
};

void mf_key_line_note(struct mf_strings_worker *worker, uint64_t hash)
{
	if (worker->keys.count < MOST_KEYS)
		mf_map_set(&worker->keys, hash, 1);
}

static bool has(const struct mf_string *string, const char *text)
{
	size_t size = (size_t)MF_MIN(string->size, (uint64_t)MF_STRING_HEAD);

	return memmem(string->head, size, text, strlen(text));
}

/* STRING as it would be in ASCII: its first bytes are in ROOM then. */
static struct mf_string narrow(const struct mf_string *string, uint8_t *room)
{
	struct mf_string ret = *string;

	if (string->encoding == MF_STRING_UTF16) {
		ret.head = room;
		ret.size = mf_string_utf8(string, room, MF_STRING_HEAD);
	}
	return ret;
}

static bool begins(const struct mf_string *string)
{
	return has(string, "-----BEGIN ") && has(string, "PRIVATE KEY");
}

bool mf_key_begins(const struct mf_string *string)
{
	uint8_t room[MF_STRING_HEAD + MF_STRING_SLACK];
	struct mf_string plain = narrow(string, room);

	return begins(&plain);
}

static bool ends_with_dashes(const struct mf_string *string)
{
	static const uint8_t plain[] = "----", wide[] = "-\0-\0-\0-";
	/* in a window all bytes of a string are there, not only its first */
	const uint8_t *end = string->head + string->size;

	if (string->encoding == MF_STRING_UTF16)
		return string->size > sizeof(wide) &&
		       !memcmp(end - sizeof(wide), wide, sizeof(wide));
	return string->size > DASHES && !memcmp(end - DASHES, plain, DASHES);
}

static bool ends_key(const struct mf_string *string)
{
	return has(string, "-----END ") && has(string, "PRIVATE KEY");
}

static bool is_base64(uint8_t byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= '0' && byte <= '9') || byte == '+' || byte == '/' ||
	       byte == '=' || byte == '-' || byte == '_';
}

/* A line of base64, set in or quoted or not. */
static bool is_line(const struct mf_string *string)
{
	uint64_t base64 = 0;

	if (string->size > MF_STRING_HEAD)
		return false;
	for (uint64_t i = 0; i < string->size; i++)
		base64 += is_base64(string->head[i]);
	return base64 * 8 >= string->size * 7 || string->size - base64 <= 8;
}

static void begin(struct mf_key_chain *chain,
		  const struct mf_string_piece *piece)
{
	chain->state = piece->begins ? MF_CHAIN_NONE : MF_CHAIN_OPEN;
	chain->end = piece->window->address + piece->start;
	chain->count = 0;
	chain->ended = false;
}

void mf_key_chain_begin(struct mf_strings_worker *worker,
			const struct mf_string_piece *piece)
{
	begin(&worker->chain, piece);
	begin(&worker->wide_chain, piece);
}

/* Nothing but the end of a line is before START. */
static bool is_next(const struct mf_key_chain *chain,
		    const struct mf_string_piece *piece, uint32_t start)
{
	bool is_wide = chain == &piece->worker->wide_chain;
	uint64_t address = piece->window->address + start;
	const uint8_t *bytes = piece->window->bytes + start;
	uint64_t gap = address - chain->end;

	if (chain->state == MF_CHAIN_NONE || address < chain->end || gap > GAP)
		return false;
	for (uint64_t i = 1; i <= gap; i++) {
		uint8_t byte = *(bytes - i);

		if (byte != '\n' && byte != '\r' && (byte || !is_wide) &&
		    (byte < ' ' || byte >= 0x7f))
			return false;
	}
	return true;
}

bool mf_key_chain_goes_on(const struct mf_key_chain *chain,
			  const struct mf_string_piece *piece, uint32_t start)
{
	return chain->state == MF_CHAIN_KEY && is_next(chain, piece, start);
}

/* The lines that were kept in mind are a key's. */
static void close_open(struct mf_strings_worker *worker,
		       struct mf_key_chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++)
		mf_key_line_note(worker, chain->lines[i]);
	chain->ended = true;
}

static bool add_to_key(struct mf_strings_worker *worker,
		       struct mf_key_chain *chain,
		       const struct mf_string *string)
{
	if (ends_key(string) || ++chain->count > MOST_LINES) {
		chain->state = MF_CHAIN_NONE;
		return false;
	}
	/* "Proc-Type: 4,ENCRYPTED" */
	if (has(string, ": "))
		return false;
	mf_key_line_note(worker, string->hash);
	return true;
}

static void add_to_open(struct mf_strings_worker *worker,
			struct mf_key_chain *chain,
			const struct mf_string *string)
{
	if (ends_key(string)) {
		close_open(worker, chain);
		chain->state = MF_CHAIN_NONE;
	} else if (is_line(string) && chain->count < MF_KEY_LINES) {
		chain->lines[chain->count++] = string->hash;
	} else {
		chain->state = MF_CHAIN_NONE;
	}
}

/* STRING is in ASCII, or is narrowed; its place and hash are what they were. */
static bool follow(struct mf_strings_worker *worker, struct mf_key_chain *chain,
		   const struct mf_string *string)
{
	if (begins(string)) {
		chain->state = MF_CHAIN_KEY;
		chain->count = 0;
		return false;
	}
	if (chain->state == MF_CHAIN_KEY)
		return add_to_key(worker, chain, string);
	if (chain->state == MF_CHAIN_OPEN)
		add_to_open(worker, chain, string);
	return false;
}

bool mf_key_chain_add(struct mf_strings_worker *worker,
		      const struct mf_string_piece *piece,
		      const struct mf_string *string)
{
	struct mf_key_chain *chain = string->encoding == MF_STRING_UTF16
					     ? &worker->wide_chain
					     : &worker->chain;
	uint32_t start = (uint32_t)(string->address - piece->window->address);
	uint8_t room[MF_STRING_HEAD + MF_STRING_SLACK];
	bool key = false;

	if (chain->state != MF_CHAIN_NONE && !is_next(chain, piece, start))
		chain->state = MF_CHAIN_NONE;
	/* nearly all strings are neither in a key, nor before one */
	if (chain->state != MF_CHAIN_NONE || ends_with_dashes(string)) {
		struct mf_string plain = narrow(string, room);

		key = follow(worker, chain, &plain);
	}
	chain->end = string->address + string->size;
	return key;
}
