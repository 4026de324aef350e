/*
 * Cores of forged targets: which pages are in the file, where, and what is said
 * of the rest. What is expected follows from the rules of core(5) and from the
 * flags of the pages; the file is looked at as elf(5) says, and read again as a
 * target of its own.
 */
#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"
#include "target/core_notes.h"
#include "target/target.h"
#include "unit.h"

enum {
	PAGE = 4096,
	IN = MF_PAGE_PRESENT,
	IN_FILE = MF_PAGE_PRESENT | MF_PAGE_FILE,
	OUT = 0,
	SWAP = MF_PAGE_SWAPPED,
	ZERO = MF_PAGE_ZERO,
	BAD = MF_PAGE_UNREADABLE,
	RW = MF_PERM_READ | MF_PERM_WRITE,
	RX = MF_PERM_READ | MF_PERM_EXEC,
	MANY = 70000,
};

struct place {
	char path[64];
	struct mf_target *target;
	uint8_t *bytes; /* of mappings: page N of the target begins with N */
	void *core;
	size_t size;
	const Elf64_Ehdr *header;
	const Elf64_Phdr *loads; /* past the PT_NOTE */
	size_t load_count;
	struct mf_core_written written;
};

static int set_up(void **state)
{
	struct place *place = mf_new(struct place);
	int fd;

	snprintf(place->path, sizeof(place->path), "/tmp/mf-core.XXXXXX");
	fd = mkstemp(place->path);
	assert_true(fd >= 0);
	close(fd);
	place->target = mf_target_create_forged();
	place->target->info.pid = 100;
	place->target->info.comm = "forged";
	place->target->info.taken_s = 1700000000;
	place->bytes = mf_calloc(64, PAGE);
	for (size_t i = 0; i < 64; i++)
		memset(place->bytes + i * PAGE, (int)i + 1, PAGE);
	*state = place;
	return 0;
}

/* ---- the file ---------------------------------------------------------------- */

static struct mf_error *try_write(struct place *place,
				  struct mf_core_options *options)
{
	int fd = open(place->path, O_RDWR | O_TRUNC | O_CLOEXEC);
	struct mf_error *error;

	assert_true(fd >= 0);
	options->path = place->path;
	error = mf_target_write_core(place->target, fd, options,
				     &place->written);
	close(fd);
	return error;
}

static void forget_core(struct place *place)
{
	if (place->core)
		munmap(place->core, place->size);
	place->core = NULL;
}

static void read_back(struct place *place)
{
	int fd = open(place->path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	forget_core(place);
	place->size = (size_t)status.st_size;
	place->core = mmap(NULL, place->size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(place->core != MAP_FAILED);
	close(fd);
}

static void write_core(struct place *place, bool full)
{
	struct mf_core_options options = { .full = full };
	struct mf_error *error = try_write(place, &options);
	const Elf64_Phdr *first;

	if (error)
		print_error("%s: %s\n", error->what, error->why);
	assert_null(error);
	read_back(place);
	assert_int_equal(place->size, place->written.size);
	place->header = place->core;
	assert_memory_equal(place->header->e_ident, ELFMAG, SELFMAG);
	assert_int_equal(place->header->e_type, ET_CORE);
	first = (const void *)((const char *)place->core +
			       place->header->e_phoff);
	assert_int_equal(first->p_type, PT_NOTE);
	place->loads = first + 1;
	place->load_count = place->written.segments;
	if (place->header->e_phnum != PN_XNUM)
		assert_int_equal(place->header->e_phnum, place->load_count + 1);
}

/* The note number INDEX, of OWNER and TYPE; NULL: none. */
static const void *find_note(const struct place *place, const char *owner,
			     uint32_t type, unsigned index, size_t *size)
{
	const Elf64_Phdr *notes = place->loads - 1;
	const char *at = (const char *)place->core + notes->p_offset;
	const char *end = at + notes->p_filesz;

	while (at < end) {
		const Elf64_Nhdr note = mf_load(Elf64_Nhdr, at);
		const char *name = at + sizeof(note);
		const char *bytes = name + ((note.n_namesz + 3) & ~3U);

		assert_true(bytes <= end);
		at = bytes + ((note.n_descsz + 3) & ~3U);
		if (note.n_type != type || strcmp(name, owner) != 0 || index--)
			continue;
		*size = note.n_descsz;
		return bytes;
	}
	return NULL;
}

static void expect_load(const struct place *place, size_t index, uint64_t start,
			uint64_t in_file, uint64_t in_memory)
{
	const Elf64_Phdr *load = &place->loads[index];

	assert_true(index < place->load_count);
	assert_int_equal(load->p_type, PT_LOAD);
	assert_int_equal(load->p_vaddr, start);
	assert_int_equal(load->p_filesz, in_file);
	assert_int_equal(load->p_memsz, in_memory);
	assert_int_equal(load->p_offset % PAGE, 0);
	assert_true(load->p_offset + load->p_filesz <= place->size);
}

/* The page at ADDRESS is in the file, full of BYTE. */
static void expect_page(const struct place *place, uint64_t address, int byte)
{
	uint8_t wanted[PAGE];

	memset(wanted, byte, sizeof(wanted));
	for (size_t i = 0; i < place->load_count; i++) {
		const Elf64_Phdr *load = &place->loads[i];

		if (address < load->p_vaddr ||
		    address >= load->p_vaddr + load->p_filesz)
			continue;
		assert_memory_equal((const char *)place->core + load->p_offset +
					    (address - load->p_vaddr),
				    wanted, PAGE);
		return;
	}
	print_error("no page at %llx\n", (unsigned long long)address);
	fail();
}

static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	mf_target_close(place->target);
	free(place->bytes);
	forget_core(place);
	free(place);
	return 0;
}

/* ---- which pages --------------------------------------------------------------- */

static void forge(struct place *place, uint64_t start, size_t pages,
		  struct mf_mapping mapping, const uint8_t *flags)
{
	mapping.start = start;
	mapping.end = start + pages * PAGE;
	if (!mapping.path)
		mapping.path = "";
	mf_target_forge_mapping(place->target, &mapping, place->bytes, flags);
}

static void what_is_resident_is_written(void **state)
{
	static const uint8_t pages[20] = { OUT, OUT, OUT, OUT, OUT, OUT, IN,
					   IN,	OUT, IN,  OUT, OUT, OUT, OUT,
					   OUT, OUT, IN,  OUT, OUT, OUT };
	struct place *place = *state;

	forge(place, 0x10000, 20, (struct mf_mapping){ .perms = RW }, pages);
	write_core(place, false);
	assert_int_equal(place->load_count, 3);
	expect_load(place, 0, 0x10000, 0, 6 * PAGE);
	/* a page between two is a hole of the file; six are not in it */
	expect_load(place, 1, 0x16000, 4 * PAGE, 10 * PAGE);
	expect_load(place, 2, 0x20000, PAGE, 4 * PAGE);
	assert_int_equal(place->loads[0].p_flags, PF_R | PF_W);
	expect_page(place, 0x16000, 7);
	expect_page(place, 0x17000, 8);
	expect_page(place, 0x18000, 0);
	expect_page(place, 0x19000, 10);
	expect_page(place, 0x20000, 17);
}

/* Its bytes are not known: not even as zeros. */
static void swapped_and_unreadable_pages_are_left_out(void **state)
{
	static const uint8_t pages[7] = { IN, SWAP, IN, BAD, ZERO, OUT, IN };
	struct place *place = *state;

	forge(place, 0x10000, 7, (struct mf_mapping){ .perms = RW }, pages);
	write_core(place, false);
	assert_int_equal(place->load_count, 3);
	expect_load(place, 0, 0x10000, PAGE, PAGE);
	expect_load(place, 1, 0x12000, PAGE, PAGE);
	/* two zero pages are not worth a segment */
	expect_load(place, 2, 0x14000, 3 * PAGE, 3 * PAGE);
}

static void reservations_are_left_out(void **state)
{
	static const uint8_t none[4], some[4] = { OUT, IN, OUT, OUT };
	struct place *place = *state;

	forge(place, 0x10000, 4, (struct mf_mapping){ .perms = 0 }, none);
	forge(place, 0x20000, 4, (struct mf_mapping){ .perms = 0 }, some);
	forge(place, 0x30000, 4,
	      (struct mf_mapping){ .perms = RW, .vm_flags = MF_VM_IO }, NULL);
	forge(place, 0x40000, 4, (struct mf_mapping){ .perms = RW }, none);
	write_core(place, false);
	assert_int_equal(place->load_count, 2);
	expect_load(place, 0, 0x21000, PAGE, PAGE);
	assert_int_equal(place->loads[0].p_flags, 0);
	expect_load(place, 1, 0x40000, 0, 4 * PAGE);
}

/* Mappings of files, and what is in a core of each, and in a full one. */
static const struct file_case {
	struct mf_mapping mapping;
	uint8_t pages[2];
	size_t pages_in_core, pages_in_full;
} file_cases[] = {
	{ { .perms = RX, .inode = 5, .path = "/lib/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RX, .inode = 5, .path = "/lib/x" }, { OUT, OUT }, 0, 0 },
	/* a page of its own makes the kernel write all of it */
	{ { .perms = RW, .inode = 5, .path = "/lib/x" },
	  { IN, IN_FILE },
	  2,
	  2 },
	{ { .perms = RW, .inode = 5, .path = "/lib/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RW | MF_PERM_SHARED, .inode = 6, .path = "/dev/shm/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	/* no name leads to it any more */
	{ { .perms = RW | MF_PERM_SHARED,
	    .inode = 6,
	    .path = "/dev/shm/x",
	    .deleted = true },
	  { IN_FILE, OUT },
	  1,
	  1 },
	{ { .perms = RW | MF_PERM_SHARED,
	    .inode = 7,
	    .path = "/anon_hugepage",
	    .deleted = true,
	    .vm_flags = MF_VM_HUGETLB },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RW,
	    .inode = 7,
	    .path = "/anon_hugepage",
	    .deleted = true,
	    .vm_flags = MF_VM_HUGETLB },
	  { IN, IN },
	  2,
	  2 },
	{ { .perms = RW, .vm_flags = MF_VM_DONTDUMP }, { IN, IN }, 0, 2 },
	{ { .perms = RX, .path = "[vdso]" }, { IN, OUT }, 2, 2 },
};

static size_t pages_in_file(const struct place *place, uint64_t start)
{
	uint64_t size = 0;

	for (size_t i = 0; i < place->load_count; i++)
		if (place->loads[i].p_vaddr >= start &&
		    place->loads[i].p_vaddr < start + 0x10000)
			size += place->loads[i].p_filesz;
	return size / PAGE;
}

static void files_are_written_as_the_kernel_does(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		forge(place, (i + 1) << 16, 2, file_cases[i].mapping,
		      file_cases[i].pages);
	write_core(place, false);
	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		if (pages_in_file(place, (i + 1) << 16) !=
		    file_cases[i].pages_in_core)
			fail_msg("case %zu", i);
	write_core(place, true);
	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		if (pages_in_file(place, (i + 1) << 16) !=
		    file_cases[i].pages_in_full)
			fail_msg("case %zu of a full one", i);
}

/* By its build-id others find the file; a full core needs no file. */
static void a_module_has_its_first_page(void **state)
{
	static const uint8_t head[3] = { OUT, IN_FILE, OUT };
	static const uint8_t text[2] = { OUT, OUT };
	const struct mf_mapping mapping = { .perms = RX,
					    .inode = 9,
					    .path = "/bin/x" };
	struct mf_mapping rest = mapping;
	struct place *place = *state;

	rest.offset = 3 * PAGE;
	memcpy(place->bytes, ELFMAG, SELFMAG);
	forge(place, 0x10000, 3, mapping, head);
	forge(place, 0x13000, 2, rest, text);
	write_core(place, false);
	assert_int_equal(place->load_count, 2);
	expect_load(place, 0, 0x10000, PAGE, 3 * PAGE);
	expect_load(place, 1, 0x13000, 0, 2 * PAGE);
	assert_memory_equal((const char *)place->core +
				    place->loads[0].p_offset,
			    ELFMAG, SELFMAG);
	write_core(place, true);
	expect_load(place, 0, 0x10000, 3 * PAGE, 3 * PAGE);
	expect_load(place, 1, 0x13000, 2 * PAGE, 2 * PAGE);
}

/* ---- many ------------------------------------------------------------------------ */

static void many_runs_share_segments(void **state)
{
	struct place *place = *state;
	mf_auto_free uint8_t *pages = mf_calloc(MANY, 6);
	struct mf_mapping mapping = { .start = 0x100000,
				      .end = 0x100000 +
					     UINT64_C(6) * MANY * PAGE,
				      .perms = RW,
				      .path = "" };
	struct stat status;

	for (size_t i = 0; i < MANY; i++)
		pages[i * 6] = IN;
	mf_target_forge_mapping(place->target, &mapping, NULL, pages);
	write_core(place, false);
	assert_true(place->load_count < 60000);
	assert_int_equal(place->loads[0].p_vaddr, mapping.start);
	assert_int_equal(stat(place->path, &status), 0);
	/* all of it is zeros: holes */
	assert_true(status.st_blocks * 512 < 8 << 20);
}

/* A kind of target of its own: forging sorts each time. */
static struct mf_error *all_runs(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context)
{
	(void)target;
	visit(context, start, end, MF_PAGE_PRESENT);
	return NULL;
}

static struct mf_error *no_bytes(struct mf_target *target, uint64_t start,
				 size_t count, void *bytes, uint8_t *flags)
{
	(void)start;
	(void)flags;
	memset(bytes, 0x5a, count * target->info.page_size);
	return NULL;
}

static const struct mf_target_ops many_ops = {
	.runs = all_runs,
	.read = no_bytes,
};

static void more_segments_than_a_header_can_say(void **state)
{
	struct place *place = *state;
	size_t count;
	int fd;
	Elf *elf;

	mf_target_close(place->target);
	place->target = mf_target_create(&many_ops, NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		const struct mf_mapping mapping = {
			.start = (2 * i + 16) * PAGE,
			.end = (2 * i + 17) * PAGE,
			.perms = RW,
		};

		mf_mappings_add(&place->target->mappings, &mapping);
	}
	write_core(place, false);
	assert_int_equal(place->load_count, MANY);
	assert_int_equal(place->header->e_phnum, PN_XNUM);
	expect_load(place, MANY - 1, (2 * (MANY - 1) + 16) * PAGE, PAGE, PAGE);
	elf_version(EV_CURRENT);
	fd = open(place->path, O_RDONLY | O_CLOEXEC);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_int_equal(elf_getphdrnum(elf, &count), 0);
	assert_int_equal(count, MANY + 1);
	elf_end(elf);
	close(fd);
}

/* ---- notes ------------------------------------------------------------------------ */

static void forge_thread(struct place *place, pid_t tid)
{
	struct mf_thread thread = { .tid = tid,
				    .comm = "a\nb",
				    .state = 'S',
				    .registers_known = true,
				    .pc = 0x1000 + (uint64_t)tid,
				    .sp = 0x2000,
				    .tp = 0x3000 };

	for (size_t i = 0; i < MF_ARRAY_SIZE(thread.general); i++)
		thread.general[i] = (uint64_t)tid * 1000 + i;
	mf_target_forge_thread(place->target, &thread);
}

static void the_main_thread_comes_first(void **state)
{
	static const pid_t order[] = { 100, 7, 101 };
	struct place *place = *state;
	const struct elf_prstatus *status;
	size_t size = 0;

	forge_thread(place, 101);
	forge_thread(place, 7);
	forge_thread(place, 100);
	write_core(place, false);
	assert_int_equal(place->written.threads, 3);
	for (unsigned i = 0; i < MF_ARRAY_SIZE(order); i++) {
		status = find_note(place, "CORE", NT_PRSTATUS, i, &size);
		assert_non_null(status);
		assert_int_equal(size, sizeof(*status));
		assert_int_equal(status->pr_pid, order[i]);
	}
	assert_null(find_note(place, "CORE", NT_PRSTATUS, 3, &size));
}

static void without_threads_there_is_one_note(void **state)
{
	struct place *place = *state;
	const struct elf_prstatus *status;
	size_t size;

	write_core(place, false);
	status = find_note(place, "CORE", NT_PRSTATUS, 0, &size);
	assert_non_null(status);
	assert_int_equal(status->pr_pid, 100);
	assert_int_equal(place->load_count, 0);
}

static void files_are_named_as_they_are(void **state)
{
	static const uint8_t none[1];
	static const uint64_t wanted[] = { 2, PAGE,    0x10000, 0x11000,
					   3, 0x20000, 0x21000, 0 };
	struct place *place = *state;
	const char *files;
	size_t size = 0;

	forge(place, 0x10000, 1,
	      (struct mf_mapping){ .perms = RX,
				   .inode = 1,
				   .offset = 3 * PAGE,
				   .path = "/a\\012b" },
	      none);
	forge(place, 0x20000, 1,
	      (struct mf_mapping){ .perms = RX,
				   .inode = 2,
				   .deleted = true,
				   .path = "/gone" },
	      none);
	forge(place, 0x30000, 1, (struct mf_mapping){ .perms = RW }, none);
	write_core(place, false);
	files = find_note(place, "CORE", NT_FILE, 0, &size);
	assert_non_null(files);
	assert_memory_equal(files, wanted, sizeof(wanted));
	assert_int_equal(size, sizeof(wanted) + sizeof("/a\nb") +
				       sizeof("/gone (deleted)"));
	assert_memory_equal(files + sizeof(wanted), "/a\nb\0/gone (deleted)",
			    size - sizeof(wanted));
}

static void arguments_are_cut_to_their_room(void **state)
{
	struct place *place = *state;
	char large[200];
	const char *const cmdline[] = { "one", "", large, NULL };
	const struct elf_prpsinfo *psinfo;
	size_t size;

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	place->target->info.cmdline = cmdline;
	place->target->info.comm = "a name of more than sixteen letters";
	write_core(place, false);
	psinfo = find_note(place, "CORE", NT_PRPSINFO, 0, &size);
	assert_non_null(psinfo);
	assert_memory_equal(psinfo->pr_fname, "a name of more \0", 16);
	assert_memory_equal(psinfo->pr_psargs, "one  xxx", 8);
	assert_int_equal(psinfo->pr_psargs[79], 0);
	assert_int_equal(psinfo->pr_psargs[78], 'x');
}

/* ---- what cannot be written ----------------------------------------------------- */

static bool always(void *context)
{
	++*(int *)context;
	return true;
}

static void it_can_be_cancelled(void **state)
{
	struct place *place = *state;
	int asked = 0;
	struct mf_core_options options = { .is_cancelled = always,
					   .context = &asked };
	mf_auto_error struct mf_error *error = NULL;

	forge(place, 0x10000, 4, (struct mf_mapping){ .perms = RW }, NULL);
	error = try_write(place, &options);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "interrupted"));
	assert_int_equal(asked, 1);
}

static void a_file_that_cannot_grow_is_an_error(void **state)
{
	struct place *place = *state;
	struct mf_core_options options = { 0 };
	struct rlimit before, small;
	struct mf_error *error;

	forge(place, 0x10000, 60, (struct mf_mapping){ .perms = RW }, NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 20 * PAGE;
	signal(SIGXFSZ, SIG_IGN);
	for (int compress = 0; compress < 2; compress++) {
		/* in one frame, 60 pages of one byte each are not many */
		small.rlim_cur = compress ? 64 : 20 * PAGE;
		options.compress = compress;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		error = try_write(place, &options);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_non_null(error);
		assert_non_null(strstr(error->what, place->path));
		mf_error_destroy(error);
	}
}

/* ---- compressed, and read again -------------------------------------------------- */

static void unpacked_it_is_the_same_file(void **state)
{
	static const uint8_t pages[8] = {
		IN, OUT, IN, IN, ZERO, SWAP, IN, OUT
	};
	struct place *place = *state;
	struct mf_core_options options = { .compress = true };
	mf_auto_free void *plain = NULL, *unpacked = NULL;
	size_t size;

	forge(place, 0x10000, 8, (struct mf_mapping){ .perms = RW }, pages);
	forge(place, 0x40000, 60, (struct mf_mapping){ .perms = RW }, NULL);
	forge_thread(place, 100);
	/* what the first has read is said in the notes of the second */
	write_core(place, false);
	place->target->impact.bytes_read = 0;
	write_core(place, false);
	size = place->size;
	plain = mf_calloc(size, 1);
	memcpy(plain, place->core, size);
	place->target->impact.bytes_read = 0;
	assert_null(try_write(place, &options));
	assert_int_equal(place->written.size, size);
	read_back(place);
	assert_true(place->size < size / 2);
	unpacked = mf_calloc(size, 1);
	assert_int_equal(
		ZSTD_decompress(unpacked, size, place->core, place->size),
		size);
	assert_memory_equal(unpacked, plain, size);
}

static void expect_same_pages(struct mf_target *left, struct mf_target *right,
			      uint64_t start, size_t count)
{
	mf_auto_free uint8_t *a = mf_calloc(count, PAGE);
	mf_auto_free uint8_t *b = mf_calloc(count, PAGE);
	mf_auto_free uint8_t *a_flags = mf_calloc(count, 1);
	mf_auto_free uint8_t *b_flags = mf_calloc(count, 1);

	assert_null(mf_target_read_pages(left, start, count, a, a_flags));
	assert_null(mf_target_read_pages(right, start, count, b, b_flags));
	assert_memory_equal(a_flags, b_flags, count);
	assert_memory_equal(a, b, count * PAGE);
}

static void it_is_read_as_it_was(void **state)
{
	static const uint8_t pages[10] = { IN,	 OUT,  IN, IN | MF_PAGE_HUGE,
					   ZERO, SWAP, IN, OUT,
					   BAD,	 IN };
	const struct mf_target_options options = { 0 };
	struct place *place = *state;
	struct mf_target *core = NULL;
	const struct mf_thread *threads;
	size_t count;

	forge(place, 0x10000, 10, (struct mf_mapping){ .perms = RW }, pages);
	forge(place, 0x40000, 4,
	      (struct mf_mapping){ .perms = RW,
				   .path = "[heap]",
				   .usage_known = true,
				   .usage = { .rss = 4 * PAGE, .pss = 1024 } },
	      NULL);
	forge_thread(place, 100);
	forge_thread(place, 101);
	write_core(place, false);
	assert_null(mf_target_open_core(place->path, &options, &core));
	expect_same_pages(place->target, core, 0x10000, 10);
	expect_same_pages(place->target, core, 0x40000, 4);
	assert_int_equal(mf_target_mappings(core, &count)[1].usage.pss, 1024);
	assert_int_equal(count, 2);
	threads = mf_target_threads(core, &count);
	assert_int_equal(count, 2);
	assert_string_equal(threads[1].comm, "a\nb");
	assert_int_equal(threads[1].pc, 0x1000 + 101);
	assert_int_equal(threads[1].general[15], 101015);
	assert_int_equal(mf_target_info(core)->taken_s, 1700000000);
	mf_target_close(core);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_resident_is_written),
		TEST(swapped_and_unreadable_pages_are_left_out),
		TEST(reservations_are_left_out),
		TEST(files_are_written_as_the_kernel_does),
		TEST(a_module_has_its_first_page),
		TEST(many_runs_share_segments),
		TEST(more_segments_than_a_header_can_say),
		TEST(the_main_thread_comes_first),
		TEST(without_threads_there_is_one_note),
		TEST(files_are_named_as_they_are),
		TEST(arguments_are_cut_to_their_room),
		TEST(it_can_be_cancelled),
		TEST(a_file_that_cannot_grow_is_an_error),
		TEST(unpacked_it_is_the_same_file),
		TEST(it_is_read_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
