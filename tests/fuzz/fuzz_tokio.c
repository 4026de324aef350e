/*
 * Fuzzes what reads Rust programs without symbols: a program of four pages,
 * whose ELF headers are made here and all else is the input (strings and the
 * unwinder's table, code, constants, then a page of heap). Tasks and trait
 * objects are counted, as one window and as two: that must be the same.
 */
#include <elf.h>
#include <string.h>

#include "memforensics/image.h"
#include "memforensics/report.h"

#include "base/memory.h"
#include "fuzz.h"
#include "scan/rust.h"
#include "scan/state.h"
#include "scan/tokio.h"

enum {
	PAGE = 4096,
	TEXT = PAGE, /* offsets */
	CONSTANTS = 2 * PAGE,
	HEAP = 3 * PAGE,
	PROGRAM = 4 * PAGE,
	HEADERS = 0x200,
	TABLE = 0x800, /* .eh_frame_hdr */
	CHUNK = 64,
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
		.e_phnum = 5,
	};

#if defined(__aarch64__)
	header.e_machine = EM_AARCH64;
#endif
	memset(here.bytes, 0, HEADERS);
	memcpy(here.bytes, &header, sizeof(header));
	put_segment(0, PT_LOAD, PF_R, 0, PAGE);
	put_segment(1, PT_LOAD, PF_R | PF_X, TEXT, PAGE);
	put_segment(2, PT_LOAD, PF_R | PF_W, CONSTANTS, PAGE);
	put_segment(3, PT_GNU_RELRO, PF_R, CONSTANTS, PAGE);
	put_segment(4, PT_GNU_EH_FRAME, PF_R, TABLE, PAGE - TABLE);
}

static void map(uint64_t start, uint64_t offset, unsigned perms,
		const char *path)
{
	mf_target_forge_mapping(here.target,
				&(struct mf_mapping){
					.start = start,
					.end = start + PAGE,
					.offset = *path ? offset : 0,
					.inode = *path ? 7 : 0,
					.perms = perms,
					.path = path,
				},
				here.bytes + offset, NULL);
}

static void ignore(struct mf_error *error)
{
	mf_error_destroy(error);
}

static bool open_program(const uint8_t *data, size_t size)
{
	static const char path[] = "/there/program";
	const struct mf_image_options options = { .no_debuginfo = true };

	memset(here.bytes, 0, sizeof(here.bytes));
	memcpy(here.bytes, data, MF_MIN(size, (size_t)PROGRAM));
	put_headers();
	here.target = mf_target_create_forged();
	map(base, 0, MF_PERM_READ, path);
	map(base + TEXT, TEXT, MF_PERM_READ | MF_PERM_EXEC, path);
	map(base + CONSTANTS, CONSTANTS, MF_PERM_READ, path);
	map(heap, HEAP, MF_PERM_READ | MF_PERM_WRITE, "");
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

/* The page as one range (CHUNKS false), or as chunks side by side. */
static size_t cut_pieces(struct mf_scan_piece *pieces, bool chunks,
			 uint32_t start, uint32_t end)
{
	uint32_t step = chunks ? CHUNK : PAGE;
	size_t count = 0;

	for (uint32_t at = 0; at < PAGE; at += step) {
		uint32_t from = MF_MAX(at, start);
		uint32_t to = MF_MIN(at + step - (chunks ? 8 : 0), end);

		if (from >= to)
			continue;
		pieces[count++] = (struct mf_scan_piece){
			.start = from - start,
			.end = to - start,
			.kind = chunks ? MF_KIND_IN_USE : MF_KINDS,
			.begins = from == at,
			.ends = to == at + step - (chunks ? 8 : 0),
			.chunk = chunks ? heap + at - 16 : 0,
			.size = step,
		};
	}
	return count;
}

typedef void (*show)(void *worker, const struct mf_scan_window *window);

static void show_part(show to, void *worker, bool chunks, uint32_t start,
		      uint32_t end)
{
	struct mf_scan_piece pieces[PIECES];
	struct mf_scan_window window = {
		.address = heap + start,
		.bytes = here.window,
		.size = end - start,
		.pieces = pieces,
	};

	memset(here.window, 0, sizeof(here.window));
	memcpy(here.window, here.bytes + HEAP + start, end - start);
	window.piece_count = (uint32_t)cut_pieces(pieces, chunks, start, end);
	to(worker, &window);
}

/* ---- tasks --------------------------------------------------------------------- */

static void write_tasks(const void *scanner)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report = mf_report_create(stream, &options);

	mf_report_begin(report, "scan");
	mf_scan_tasks_ops.write(scanner, &here.scan, report);
	ignore(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	for (size_t i = 0; i < size; i++)
		FUZZ_EQUAL(text[i] == '\n' || (uint8_t)text[i] >= ' ', true);
	free(text);
}

static uint64_t count_tasks(void *scanner, bool chunks, uint32_t split)
{
	const struct mf_scanner_ops *ops = &mf_scan_tasks_ops;
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image,
						 .input = &here.input };
	const struct mf_tokio *tokio = scanner;
	void *workers[2];
	uint64_t sum = 0;

	ignore(ops->begin(&context, scanner));
	workers[0] = ops->worker_create(scanner);
	workers[1] = ops->worker_create(scanner);
	show_part(ops->window, workers[0], chunks, 0, split);
	if (split < PAGE)
		show_part(ops->window, workers[1], chunks, split, PAGE);
	ops->merge(scanner, workers[1]);
	ops->merge(scanner, workers[0]);
	ignore(ops->finish(&context, scanner));
	for (size_t i = 0; i < tokio->rows.count; i++)
		sum += mf_tokio_sum(tokio->rows.items[i].tally.count);
	FUZZ_AT_MOST(sum, PAGE / 8);
	write_tasks(scanner);
	return sum;
}

static void run_tasks(uint32_t split)
{
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image };
	void *scanner = NULL;

	ignore(mf_scan_tasks_ops.create(&context, &scanner));
	if (!scanner)
		return;
	for (int chunks = 0; chunks < 2; chunks++)
		FUZZ_EQUAL(count_tasks(scanner, chunks, PAGE),
			   count_tasks(scanner, chunks, split));
	mf_scan_tasks_ops.destroy(scanner);
}

/* ---- trait objects --------------------------------------------------------------- */

static void show_rust(void *worker, const struct mf_scan_window *window)
{
	mf_rust_window(worker, window);
}

static uint64_t count_objects(struct mf_rust *rust, bool chunks, uint32_t split)
{
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image,
						 .input = &here.input };
	struct mf_rust_worker *workers[2];
	const struct mf_rust_row *rows;
	uint64_t sum = 0;
	size_t count;

	mf_rust_begin(rust, &context);
	workers[0] = mf_rust_worker_create(rust);
	workers[1] = mf_rust_worker_create(rust);
	show_part(show_rust, workers[0], chunks, 0, split);
	if (split < PAGE)
		show_part(show_rust, workers[1], chunks, split, PAGE);
	mf_rust_merge(rust, workers[1]);
	mf_rust_merge(rust, workers[0]);
	mf_rust_finish(rust, &context);
	rows = mf_rust_rows(rust, &count);
	for (size_t i = 0; i < count; i++) {
		FUZZ_AT_MOST(rows[i].bytes, (uint64_t)PAGE * rows[i].count);
		sum += rows[i].count;
	}
	FUZZ_AT_MOST(sum, PAGE / 16);
	return sum;
}

static void run_objects(uint32_t split)
{
	const struct mf_scan_context context = { .target = here.target,
						 .image = here.image };
	struct mf_rust *rust = NULL;

	ignore(mf_rust_create(&context, &rust));
	if (!rust)
		return;
	for (int chunks = 0; chunks < 2; chunks++)
		FUZZ_EQUAL(count_objects(rust, chunks, PAGE),
			   count_objects(rust, chunks, split));
	mf_rust_destroy(rust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t split;

	if (size < 2)
		return 0;
	split = 8 + mf_load(uint16_t, data) % (PAGE / 8 - 1) * 8;
	if (open_program(data, size)) {
		run_tasks(split);
		run_objects(split);
	}
	close_program();
	return 0;
}
