/*
 * A forged target, the core that is written of it, and the file's parts by
 * elf(5).
 */
#ifndef MF_TESTS_CORE_WRITE_UTIL_H
#define MF_TESTS_CORE_WRITE_UTIL_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
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

static inline int set_up(void **state)
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

static inline struct mf_error *try_write(struct place *place,
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

static inline void forget_core(struct place *place)
{
	if (place->core)
		munmap(place->core, place->size);
	place->core = NULL;
}

static inline void read_back(struct place *place)
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

static inline void write_core(struct place *place, bool full)
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
static inline const void *find_note(const struct place *place,
				    const char *owner, uint32_t type,
				    unsigned index, size_t *size)
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

static inline void expect_load(const struct place *place, size_t index,
			       uint64_t start, uint64_t in_file,
			       uint64_t in_memory)
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
static inline void expect_page(const struct place *place, uint64_t address,
			       int byte)
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

static inline int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	mf_target_close(place->target);
	free(place->bytes);
	forget_core(place);
	free(place);
	return 0;
}

static inline void forge(struct place *place, uint64_t start, size_t pages,
			 struct mf_mapping mapping, const uint8_t *flags)
{
	mapping.start = start;
	mapping.end = start + pages * PAGE;
	if (!mapping.path)
		mapping.path = "";
	mf_target_forge_mapping(place->target, &mapping, place->bytes, flags);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
