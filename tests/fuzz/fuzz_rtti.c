/*
 * Fuzzes what reads type information of C++: a program of five pages, whose ELF
 * headers are made here and all else is the input (names, code, two of words
 * that the linker has relocated, then a page of heap). Its objects are counted,
 * with chunks and without, as one window and as two: none is lost by that.
 */
#include <elf.h>
#include <string.h>

#include "memforensics/image.h"
#include "memforensics/report.h"

#include "base/memory.h"
#include "fuzz.h"
#include "scan/objects.h"
#include "scan/scanners.h"
#include "scan/state.h"

enum {
	PAGE = 4096,
	CODE = PAGE, /* offsets */
	CONSTANTS = 2 * PAGE,
	HEAP = 4 * PAGE,
	PROGRAM = 5 * PAGE,
	HEADERS = 0x200,
	CHUNK = 64,
	HEADER = 16,
	PIECES = PAGE / CHUNK,
};

static const uint64_t base = UINT64_C(0x555500000000);
static const uint64_t heap = UINT64_C(0x555600000000);

static struct {
	_Alignas(64) uint8_t bytes[PROGRAM + MF_SCAN_SLACK];
	_Alignas(64) uint8_t window[PAGE + MF_SCAN_SLACK];
	struct mf_target *target;
	struct mf_image *image;
	struct mf_scan_input input;
	struct mf_scan scan; /* of no options */
} here;

/* ---- the program --------------------------------------------------------------- */

static void put_segment(unsigned index, uint32_t type, uint32_t flags,
			uint64_t start, uint64_t size)
{
	Elf64_Phdr header = { .p_type = type,
			      .p_flags = flags,
			      .p_offset = start,
			      .p_vaddr = start,
			      .p_filesz = size,
			      .p_memsz = size,
			      .p_align = PAGE };

	memcpy(here.bytes + sizeof(Elf64_Ehdr) + index * sizeof(header),
	       &header, sizeof(header));
}

static void put_headers(void)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
	};

#if defined(__aarch64__)
	header.e_machine = EM_AARCH64;
#endif
	memset(here.bytes, 0, HEADERS);
	memcpy(here.bytes, &header, sizeof(header));
	put_segment(0, PT_LOAD, PF_R, 0, PAGE);
	put_segment(1, PT_LOAD, PF_R | PF_X, CODE, PAGE);
	put_segment(2, PT_LOAD, PF_R | PF_W, CONSTANTS, HEAP - CONSTANTS);
	put_segment(3, PT_GNU_RELRO, PF_R, CONSTANTS, HEAP - CONSTANTS);
}

static void map(uint64_t start, uint64_t offset, uint64_t size, unsigned perms)
{
	const bool file = start != heap;

	mf_target_forge_mapping(here.target,
				&(struct mf_mapping){
					.start = start,
					.end = start + size,
					.offset = file ? offset : 0,
					.inode = file ? 7 : 0,
					.perms = perms,
					.path = file ? "/there/program" : "",
				},
				here.bytes + offset, NULL);
}

static void ignore(struct mf_error *error)
{
	mf_error_destroy(error);
}

static bool open_program(const uint8_t *data, size_t size)
{
	const struct mf_image_options options = { .no_debuginfo = true };

	memset(here.bytes, 0, sizeof(here.bytes));
	memcpy(here.bytes, data, MF_MIN(size, (size_t)PROGRAM));
	put_headers();
	here.target = mf_target_create_forged();
	map(base, 0, PAGE, MF_PERM_READ);
	map(base + CODE, CODE, PAGE, MF_PERM_READ | MF_PERM_EXEC);
	map(base + CONSTANTS, CONSTANTS, HEAP - CONSTANTS, MF_PERM_READ);
	map(heap, HEAP, PAGE, MF_PERM_READ | MF_PERM_WRITE);
	here.image = NULL;
	ignore(mf_image_create(here.target, &options, &here.image));
	here.input = (struct mf_scan_input){ .target = here.target,
					     .image = here.image };
	return here.image;
}

static void close_program(void)
{
	mf_image_destroy(here.image);
	mf_target_close(here.target);
}

/* ---- windows ------------------------------------------------------------------- */

/* Chunks lie side by side, each with a header and its neighbour's first word. */
static size_t cut_pieces(struct mf_scan_piece *pieces, uint32_t start,
			 uint32_t end)
{
	size_t count = 0;

	for (uint32_t at = HEADER; at < PAGE; at += CHUNK) {
		uint32_t last = MF_MIN(at + CHUNK - 8, (uint32_t)PAGE);
		uint32_t from = MF_MAX(at, start), to = MF_MIN(last, end);

		if (from >= to)
			continue;
		pieces[count++] = (struct mf_scan_piece){
			.start = from - start,
			.end = to - start,
			.kind = MF_KIND_IN_USE,
			.header = HEADER,
			.begins = from == at,
			.ends = to == last,
			.chunk = heap + at - HEADER,
			.size = CHUNK,
		};
	}
	return count;
}

static void show_part(void *worker, bool chunks, uint32_t start, uint32_t end)
{
	struct mf_scan_piece pieces[PIECES] = {
		{ .end = end - start,
		  .kind = MF_KINDS,
		  .begins = !start,
		  .ends = end == PAGE,
		  .size = PAGE },
	};
	struct mf_scan_window window = {
		.address = heap + start,
		.bytes = here.window,
		.size = end - start,
		.pieces = pieces,
		.piece_count = 1,
	};

	memset(here.window, 0, sizeof(here.window));
	memcpy(here.window, here.bytes + HEAP + start, end - start);
	if (chunks)
		window.piece_count = (uint32_t)cut_pieces(pieces, start, end);
	mf_scan_objects_ops.window(worker, &window);
}

/* ---- objects ------------------------------------------------------------------- */

static void write_objects(const void *scanner)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report = mf_report_create(stream, &options);

	mf_report_begin(report, "scan");
	mf_scan_objects_ops.write(scanner, &here.scan, report);
	ignore(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	for (size_t i = 0; i < size; i++)
		FUZZ_EQUAL(text[i] == '\n' || (uint8_t)text[i] >= ' ', true);
	free(text);
}

static uint64_t count_objects(struct mf_objects *objects, bool chunks,
			      uint32_t split)
{
	const struct mf_scanner_ops *ops = &mf_scan_objects_ops;
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image,
						 .input = &here.input };
	void *workers[2];
	uint64_t sum = 0;

	ignore(ops->begin(&context, objects));
	workers[0] = ops->worker_create(objects);
	workers[1] = ops->worker_create(objects);
	if (split < PAGE)
		show_part(workers[1], chunks, split, PAGE);
	show_part(workers[0], chunks, 0, split);
	ops->merge(objects, workers[1]);
	ops->merge(objects, workers[0]);
	ignore(ops->finish(&context, objects));
	for (size_t i = 0; i < objects->rows.list.count; i++) {
		const struct mf_object_row *row = &objects->rows.list.items[i];

		if (row->type && strcmp(row->language, "c++") != 0)
			continue;
		FUZZ_AT_MOST(row->inside, row->count);
		FUZZ_AT_MOST(row->bytes, chunks ? PAGE : 0);
		sum += row->count + row->remains;
	}
	FUZZ_AT_MOST(sum, PAGE / 8);
	write_objects(objects);
	return sum;
}

static void run(uint32_t split)
{
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image };
	void *scanner = NULL;

	ignore(mf_scan_objects_ops.create(&context, &scanner));
	if (!scanner)
		return;
	for (int chunks = 0; chunks < 2; chunks++)
		FUZZ_EQUAL(count_objects(scanner, chunks, PAGE),
			   count_objects(scanner, chunks, split));
	mf_scan_objects_ops.destroy(scanner);
}

/* The first two bytes say where the window ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t split;

	if (size < 2)
		return 0;
	split = 16 + mf_load(uint16_t, data) % (PAGE / 16 - 1) * 16;
	if (open_program(data, size))
		run(split);
	close_program();
	return 0;
}
