/*
 * Finds file formats, protocols and keys in windows: a first stage that looks
 * for the beginnings of all of them at once, then the decoders of the table.
 * What a window's end leaves open is looked at again when all are through.
 */
#include "scan/signatures.h"

#include "base/vec.h"
#include "scan/scanner.h"
#include "scan/signatures_magics.h"
#include "scan/signatures_tally.h"

enum {
	MOST_PENDING = 65536, /* of a worker, until finish */
	ALIGNED = 8,
	WORD = 64,	 /* of marks */
	NEXT_HEADER = 8, /* that glibc lets a chunk's user write to */
	NO_ROW = MF_MAGICS_NO_ROW,
	ALL_ROWS = UINT16_MAX,
	NO_PLACE = INT32_MAX,
};

/*
 * What can't be counted yet: what was found where an earlier window may have
 * found something that it is a part of, and what stands too near the end of a
 * window to be judged.
 */
struct pending {
	uint64_t address, limit; /* limit: of its chunk or range */
	uint64_t bytes, skip;	 /* of what was found */
	uint32_t count;
	uint16_t row; /* ALL_ROWS: those whose magic goes beyond the window */
	bool found, estimate, chunk;
};

struct scanner {
	const struct mf_magics *rows;
	const struct mf_scan_input *input;
	struct mf_sign_tally *tallies; /* one a row */
	MF_VEC(struct pending) pending;
	uint64_t unseen; /* that were too many to keep */
	MF_VEC(struct mf_sign_row) found;
};

struct worker {
	const struct scanner *scanner;
	struct mf_sign_tally *tallies;
	struct mf_inflater *inflater;
	size_t effort;
	/* where a magic may begin, in the part of the window that was looked
	 * at last */
	uint32_t places[MF_MAGICS_PLACES];
	size_t place_count, next;
	uint32_t looked, size; /* bytes of the window */
	MF_VEC(struct pending) pending;
	uint64_t unseen;
};

/* ---- one place -------------------------------------------------------------------- */

/* A piece, as a decoder must know it. */
struct piece {
	const uint8_t *bytes; /* of the window */
	uint64_t address;     /* of the window */
	uint32_t start, end;
	bool begins, ends, chunk;
	bool unsure;	     /* what began in it may go on behind it */
	uint64_t limit;	     /* where the chunk or range ends */
	size_t skip;	     /* offset before which nothing begins, */
	size_t aligned_skip; /* none of those that are aligned, */
	size_t within_skip;  /* and none of those that are within others */
};

static void keep_open(struct worker *worker, const struct piece *piece,
		      size_t at, uint16_t row)
{
	if (worker->pending.count >= MOST_PENDING) {
		worker->unseen++;
		return;
	}
	mf_vec_push(&worker->pending, (struct pending){
					      .address = piece->address + at,
					      .limit = piece->limit,
					      .chunk = piece->chunk,
					      .row = row,
				      });
}

/* It is counted now, unless other windows may have a say. */
static void count(struct worker *worker, const struct piece *piece, size_t at,
		  uint16_t row, const struct mf_sign_found *found)
{
	bool alone = piece->begins && !piece->unsure &&
		     (piece->ends || found->skip <= piece->end - at);

	if (alone || worker->pending.count >= MOST_PENDING) {
		mf_sign_tally_add(&worker->tallies[row], piece->address + at,
				  found);
		return;
	}
	mf_vec_push(&worker->pending, (struct pending){
					      .address = piece->address + at,
					      .bytes = found->bytes,
					      .skip = found->skip,
					      .count = found->count,
					      .row = row,
					      .found = true,
					      .estimate = found->estimate,
				      });
}

/* Whether the row's signature begins at AT, an offset in the window. */
static bool try_row(struct worker *worker, struct piece *piece, size_t at,
		    uint16_t row)
{
	const struct mf_signature *signature =
		&worker->scanner->rows->rows[row];
	uint64_t size = piece->end - at;
	uint64_t left = piece->limit - (piece->address + at);
	const struct mf_sign sign = {
		.bytes = piece->bytes + at,
		.size = (size_t)size,
		.more = !piece->ends,
		.room = left > size ? left : size,
		.rest = piece->chunk ? left : size,
		.inflater = worker->inflater,
		.effort = &worker->effort,
	};
	struct mf_sign_found found = { .count = 1 };
	enum mf_sign_is is = signature->decode(&sign, &found);

	if (is == MF_SIGN_CUT) {
		piece->unsure = true;
		keep_open(worker, piece, at, row);
	}
	if (is != MF_SIGN_IS)
		return is == MF_SIGN_CUT;
	count(worker, piece, at, row, &found);
	piece->skip =
		at + (size_t)MF_MIN(found.skip, (uint64_t)(piece->end - at));
	return true;
}

static void try_chain(struct worker *worker, struct piece *piece, size_t at,
		      uint16_t row)
{
	const struct mf_magics *rows = worker->scanner->rows;

	for (; row != NO_ROW; row = rows->next[row]) {
		const struct mf_signature *signature = &rows->rows[row];
		size_t lead = rows->heads[row].lead;
		size_t start = at - lead - signature->at;

		if (at < lead + signature->at + (size_t)piece->start ||
		    start < piece->skip ||
		    piece->end - at + lead < signature->size ||
		    !mf_magic_is_at(rows, row, piece->bytes + at - lead))
			continue;
		if (try_row(worker, piece, start, row))
			return;
	}
}

/* ---- a window ------------------------------------------------------------------------ */

/* Where the range that holds ADDRESS ends. */
static uint64_t range_end(const struct mf_scan_input *input, uint64_t address)
{
	size_t low = 0, high = input ? input->range_count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (input->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return input && low < input->range_count ? input->ranges[low].end : 0;
}

static void enter_piece(const struct worker *worker,
			const struct mf_scan_window *window,
			const struct mf_scan_piece *from, struct piece *ret)
{
	uint64_t end = window->address + from->end, limit = end;

	if (!from->ends && from->chunk)
		limit = from->chunk + from->size + NEXT_HEADER;
	else if (!from->ends)
		limit = range_end(worker->scanner->input, end - 1);
	limit = MF_MAX(limit, end);
	*ret = (struct piece){
		.bytes = window->bytes,
		.address = window->address,
		.start = from->start,
		.end = from->end,
		.begins = from->begins,
		.ends = from->ends,
		.chunk = from->chunk != 0,
		.limit = limit,
		.skip = from->start,
	};
}

static void try_beginning(struct worker *worker, struct piece *piece)
{
	const struct mf_magics *rows = worker->scanner->rows;

	for (uint16_t row = rows->beginning; row != NO_ROW;
	     row = rows->next[row])
		if (try_row(worker, piece, piece->start, row))
			return;
}

/* Pages lie among other things, and are counted beside them. */
static void try_aligned(struct worker *worker, struct piece *piece, size_t at,
			uint16_t row)
{
	size_t skip = piece->skip;

	if (at < piece->aligned_skip)
		return;
	piece->skip = piece->aligned_skip;
	try_chain(worker, piece, at, row);
	piece->aligned_skip = piece->skip;
	piece->skip = skip;
}

/* A key stays one where it is a part of something else. */
static void try_within(struct worker *worker, struct piece *piece, size_t at,
		       uint16_t row)
{
	size_t skip = piece->skip;

	if (worker->scanner->rows->rows[row].where != MF_SIGN_WITHIN ||
	    at < piece->within_skip)
		return;
	piece->skip = piece->within_skip;
	try_chain(worker, piece, at, row);
	piece->within_skip = piece->skip;
	piece->skip = MF_MAX(piece->skip, skip);
}

static void try_place(struct worker *worker, struct piece *piece, size_t at)
{
	const struct mf_magics *rows = worker->scanner->rows;
	const uint8_t *bytes = piece->bytes + at;
	bool known = mf_pairs_has(&rows->pairs, bytes);
	unsigned pair = bytes[0] | (unsigned)bytes[1] << 8;

	if (known && at >= piece->skip)
		try_chain(worker, piece, at, rows->first[pair]);
	else if (known)
		try_within(worker, piece, at, rows->first[pair]);
	if (at % ALIGNED == 0 && rows->aligned[*bytes] != NO_ROW)
		try_aligned(worker, piece, at, rows->aligned[*bytes]);
}

/* The first place of PIECE, or behind it, that was not tried; NO_PLACE: there
 * is none in the piece. */
static uint32_t find_place(struct worker *worker, const struct piece *piece)
{
	const struct mf_magics *rows = worker->scanner->rows;

	for (;;) {
		while (worker->next < worker->place_count &&
		       worker->places[worker->next] < piece->start)
			worker->next++;
		if (worker->next < worker->place_count)
			return worker->places[worker->next];
		if (worker->looked >= piece->end)
			return NO_PLACE;
		worker->looked = MF_MAX(worker->looked,
					piece->start & ~(uint32_t)(WORD - 1));
		worker->place_count =
			mf_magics_find(rows, piece->bytes, worker->size,
				       worker->looked, worker->places);
		worker->looked += MF_MAGICS_PART;
		worker->next = 0;
	}
}

static void try_places(struct worker *worker, struct piece *piece)
{
	uint32_t at;

	while ((at = find_place(worker, piece)) < piece->end) {
		try_place(worker, piece, at);
		worker->next++;
	}
}

/* From where on a magic may go beyond the end. */
static void keep_tail(struct worker *worker, const struct piece *piece)
{
	size_t before = MF_MIN((size_t)piece->end - piece->start,
			       worker->scanner->rows->longest);
	size_t kept = worker->pending.count;

	keep_open(worker, piece, piece->end - before, ALL_ROWS);
	if (worker->pending.count > kept)
		worker->pending.items[kept].skip = before;
}

static void scan_piece(struct worker *worker, struct piece *piece)
{
	if (piece->begins && piece->chunk)
		try_beginning(worker, piece);
	try_places(worker, piece);
	if (!piece->ends)
		keep_tail(worker, piece);
}

static void scan_window(void *data, const struct mf_scan_window *window)
{
	struct worker *worker = data;

	worker->effort = MF_SIGN_EFFORT;
	worker->place_count = worker->next = 0;
	worker->looked = 0;
	worker->size = window->size;
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *from = &window->pieces[i];
		struct piece piece;

		enter_piece(worker, window, from, &piece);
		scan_piece(worker, &piece);
	}
}

/* ---- workers -------------------------------------------------------------------------- */

static void *create_worker(void *data)
{
	struct worker *worker = mf_new(struct worker);

	worker->scanner = data;
	worker->tallies = mf_new_array(worker->scanner->rows->count,
				       struct mf_sign_tally);
	worker->inflater = mf_inflater_create();
	return worker;
}

static void merge_worker(void *data, void *from)
{
	struct scanner *scanner = data;
	struct worker *worker = from;

	for (size_t i = 0; i < scanner->rows->count; i++)
		mf_sign_tally_merge(&scanner->tallies[i], &worker->tallies[i]);
	mf_vec_foreach(pending, &worker->pending)
		mf_vec_push(&scanner->pending, *pending);
	scanner->unseen += worker->unseen;
	mf_inflater_destroy(worker->inflater);
	mf_vec_deinit(&worker->pending);
	free(worker->tallies);
	free(worker);
}

/* ---- what windows left open ------------------------------------------------------------ */

struct second_look {
	struct mf_target *target;
	struct scanner *scanner;
	struct worker *worker;
	uint8_t *bytes;
	unsigned how; /* examples are masked */
};

/* As many bytes as can be had there, up to SIZE. */
static size_t read_some(const struct second_look *look, uint64_t address,
			uint64_t size)
{
	enum {
		PAGE = 4096
	};

	while (size && !mf_target_try_read(look->target, address, look->bytes,
					   (size_t)size)) {
		uint64_t end = (address + size - 1) / PAGE * PAGE;

		size = end > address ? end - address : 0;
	}
	return (size_t)size;
}

/* Judges what was too near the end of its window; no longer open then. */
static bool judge_open(const struct second_look *look, struct pending *open)
{
	const struct mf_magics *rows = look->scanner->rows;
	size_t size = read_some(
		look, open->address,
		MF_MIN(open->limit - open->address, (uint64_t)MF_SIGN_REACH));
	uint64_t limit = MF_MAX(open->limit, open->address + size);
	struct piece piece = {
		.bytes = look->bytes,
		.address = open->address,
		.end = (uint32_t)size,
		.ends = true,
		.chunk = open->chunk,
		.limit = limit,
	};
	struct worker *worker = look->worker;

	if (!size)
		return false;
	/* Or one of the rows that come after it and begin alike. */
	for (uint16_t row = open->row; row != NO_ROW; row = rows->next[row]) {
		const struct mf_signature *signature = &rows->rows[row];

		worker->effort = MF_SIGN_EFFORT;
		worker->pending.count = 0;
		if (size < signature->at + (size_t)signature->size ||
		    memcmp(look->bytes + signature->at, signature->magic,
			   signature->size) != 0 ||
		    !try_row(worker, &piece, 0, row) || !worker->pending.count)
			continue;
		*open = worker->pending.items[0];
		return true;
	}
	return false;
}

/* Those of the rows from ROW on whose magic, found by its pair at PAIR of what
 * was read, is cut in two by SEAM. */
static void open_cut(const struct second_look *look, struct pending tail,
		     size_t pair, uint16_t row, size_t size)
{
	struct scanner *scanner = look->scanner;
	const struct mf_magics *rows = scanner->rows;
	size_t seam = (size_t)tail.skip;

	for (; row != NO_ROW; row = rows->next[row]) {
		const struct mf_signature *signature = &rows->rows[row];
		size_t before = rows->heads[row].lead + signature->at;
		size_t at = pair - before, magic = at + signature->at;
		struct pending open = tail;

		if (pair < before || at >= seam ||
		    magic + signature->size <= seam ||
		    magic + signature->size > size ||
		    !mf_magic_is_at(rows, row, look->bytes + magic))
			continue;
		open.address += at;
		open.row = row;
		mf_vec_push(&scanner->pending, open);
	}
}

/* Magics that the end of a window cut in two become open ones, each. */
static void expand_tail(const struct second_look *look,
			const struct pending *tail)
{
	const struct mf_magics *rows = look->scanner->rows;
	const uint8_t *bytes = look->bytes;
	size_t size = read_some(look, tail->address,
				MF_MIN(tail->limit - tail->address,
				       (uint64_t)2 * rows->longest));

	for (size_t at = 0; at + 1 < size; at++)
		if (mf_pairs_has(&rows->pairs, bytes + at))
			open_cut(look, *tail, at,
				 rows->first[bytes[at] | bytes[at + 1] << 8],
				 size);
}

static int by_address(const void *left, const void *right)
{
	const struct pending *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

static bool is_within(const struct scanner *scanner,
		      const struct pending *pending)
{
	return scanner->rows->rows[pending->row].where == MF_SIGN_WITHIN;
}

/* In the order of addresses, so that no part of a thing is counted beside it. */
static void settle(const struct second_look *look, struct scanner *scanner)
{
	size_t tails = scanner->pending.count;
	uint64_t covered = 0, within = 0; /* what is within others */

	for (size_t i = 0; i < tails; i++) {
		struct pending tail = scanner->pending.items[i];

		if (tail.row == ALL_ROWS)
			expand_tail(look, &tail);
	}
	mf_vec_sort(&scanner->pending, by_address);
	mf_vec_foreach(pending, &scanner->pending) {
		struct mf_sign_found found;
		uint64_t end;

		if (pending->row == ALL_ROWS ||
		    pending->address <
			    (is_within(scanner, pending) ? within : covered) ||
		    (!pending->found && !judge_open(look, pending)))
			continue;
		found = (struct mf_sign_found){
			.bytes = pending->bytes,
			.count = pending->count,
			.estimate = pending->estimate,
		};
		mf_sign_tally_add(&scanner->tallies[pending->row],
				  pending->address, &found);
		end = pending->address + pending->skip;
		if (is_within(scanner, pending))
			within = end;
		covered = MF_MAX(covered, end);
	}
}

/* ---- examples ---------------------------------------------------------------------------- */

enum {
	EXAMPLE = 72,
};

static void add_printable(struct mf_buffer *buffer, const uint8_t *bytes,
			  size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bool good = bytes[i] >= ' ' && bytes[i] != 0x7f;

		if (!good &&
		    (!buffer->size || buffer->text[buffer->size - 1] == ' '))
			continue;
		mf_buffer_putc(buffer, good ? (char)bytes[i] : ' ');
	}
}

/* Its first bytes, less what is secret in them. */
static void add_text(struct mf_buffer *buffer, const struct second_look *look,
		     const struct mf_sign_found *found)
{
	size_t size = (size_t)MF_MIN(found->skip, (uint64_t)2 * EXAMPLE);

	mf_secret_mask((char *)look->bytes, size, look->how);
	add_printable(buffer, look->bytes, MF_MIN(size, (size_t)EXAMPLE));
}

/* Looks at the first one once more, to say more of it. */
static void describe(const struct second_look *look, struct mf_sign_row *row)
{
	const struct mf_signature *signature = row->signature;
	size_t effort = MF_SIGN_EFFORT;
	size_t size = read_some(look, row->tally.first, MF_SIGN_REACH);
	const struct mf_sign sign = {
		.bytes = look->bytes,
		.size = size,
		.room = UINT32_MAX,
		.rest = size,
		.inflater = look->worker->inflater,
		.effort = &effort,
	};
	struct mf_sign_found found = { .count = 1, .detailed = true };

	if (size < signature->at + (size_t)signature->size ||
	    signature->decode(&sign, &found) != MF_SIGN_IS)
		return;
	if (signature->text && !signature->secret)
		add_text(&row->example, look, &found);
	else
		add_printable(&row->example, (const uint8_t *)found.detail,
			      strnlen(found.detail, sizeof(found.detail)));
}

static void add_found(struct scanner *scanner, size_t row)
{
	const struct mf_signature *signature = &scanner->rows->rows[row];
	const struct mf_sign_tally *tally = &scanner->tallies[row];

	if (!tally->places)
		return;
	mf_vec_foreach(found, &scanner->found) {
		if (strcmp(found->signature->name, signature->name) != 0)
			continue;
		if (tally->first < found->tally.first)
			found->signature = signature;
		mf_sign_tally_merge(&found->tally, tally);
		return;
	}
	mf_vec_push(&scanner->found, (struct mf_sign_row){
					     .signature = signature,
					     .tally = *tally,
				     });
}

static int by_bytes(const void *left, const void *right)
{
	const struct mf_sign_row *a = left, *b = right;

	if (a->tally.bytes != b->tally.bytes)
		return a->tally.bytes < b->tally.bytes ? 1 : -1;
	return strcmp(a->signature->name, b->signature->name);
}

/* ---- the scanner ------------------------------------------------------------------------- */

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct scanner *scanner = mf_new(struct scanner);

	(void)context;
	scanner->rows = mf_magics();
	*ret = scanner;
	return NULL;
}

static void forget(struct scanner *scanner)
{
	mf_vec_foreach(found, &scanner->found)
		mf_buffer_deinit(&found->example);
	mf_vec_deinit(&scanner->found);
	mf_vec_deinit(&scanner->pending);
	free(scanner->tallies);
	scanner->tallies = NULL;
	scanner->unseen = 0;
}

static struct mf_error *begin(const struct mf_scan_context *context, void *data)
{
	struct scanner *scanner = data;

	forget(scanner);
	scanner->input = context->input;
	scanner->tallies =
		mf_new_array(scanner->rows->count, struct mf_sign_tally);
	return NULL;
}

static struct mf_error *finish(const struct mf_scan_context *context,
			       void *data)
{
	struct scanner *scanner = data;
	struct second_look look = {
		.target = context->target,
		.scanner = scanner,
		.worker = create_worker(scanner),
		.how = MF_MASK_CUT |
		       (context->options->redact ? MF_MASK_ALL : 0),
		.bytes = mf_calloc(MF_SIGN_REACH + MF_SCAN_SLACK, 1),
	};

	settle(&look, scanner);
	for (size_t i = 0; i < scanner->rows->count; i++)
		add_found(scanner, i);
	mf_vec_sort(&scanner->found, by_bytes);
	mf_vec_foreach(found, &scanner->found)
		describe(&look, found);
	look.worker->pending.count = 0;
	merge_worker(scanner, look.worker);
	free(look.bytes);
	return NULL;
}

static void write_rows(const void *data, const struct mf_scan *scan,
		       struct mf_report *report)
{
	const struct scanner *scanner = data;

	(void)scan;
	mf_sign_rows_write(scanner->found.items, scanner->found.count,
			   scanner->unseen, report);
}

static void destroy(void *data)
{
	struct scanner *scanner = data;

	if (!scanner)
		return;
	forget(scanner);
	free(scanner);
}

const struct mf_scanner_ops mf_scan_signatures_ops = {
	.scans_for = MF_SCAN_SIGNATURES,
	.create = create,
	.begin = begin,
	.worker_create = create_worker,
	.window = scan_window,
	.merge = merge_worker,
	.finish = finish,
	.write = write_rows,
	.destroy = destroy,
};
