/*
 * What the kernel's names say of a mapping.
 */
#include "space_util.h"

static const struct {
	const char *path, *label;
	unsigned perms;
	enum mf_class class;
} names[] = {
	{ "[stack]", "main stack", RW, MF_CLASS_STACK },
	{ "[heap]", "brk heap", RW, MF_CLASS_HEAP },
	{ "[vdso]", "vdso", RX, MF_CLASS_VDSO },
	{ "[vvar]", "[vvar]", RO, MF_CLASS_VVAR },
	{ "[vvar_vclock]", "[vvar_vclock]", RO, MF_CLASS_VVAR },
	{ "[vsyscall]", "vsyscall", RX, MF_CLASS_VSYSCALL },
	{ "[uprobes]", "uprobes", RX, MF_CLASS_TEXT },
	{ "[anon: glibc: malloc arena]", "glibc: malloc arena", RW,
	  MF_CLASS_ARENA },
	{ "[anon: glibc: malloc arena]", "", NONE, MF_CLASS_RESERVE },
	{ "[anon: glibc: malloc]", "glibc: malloc", RW, MF_CLASS_MMAP_CHUNK },
	{ "[anon: Go: heap]", "Go: heap", RW, MF_CLASS_GO_HEAP },
	{ "[anon:jemalloc_pg]", "jemalloc_pg", RW, MF_CLASS_JEMALLOC },
	{ "[anon:tcmalloc_region_NORMAL]", "tcmalloc_region_NORMAL", RW,
	  MF_CLASS_TCMALLOC },
	{ "[anon:mimalloc]", "mimalloc", RW, MF_CLASS_MIMALLOC },
	{ "[anon:my own thing]", "my own thing", RW, MF_CLASS_ANON },
	{ "[anon_shmem:pool]", "pool", RW | MF_PERM_SHARED, MF_CLASS_SHARED },
	{ "/dev/zero", "shared anonymous", RW | MF_PERM_SHARED,
	  MF_CLASS_SHARED },
	{ "/dev/zero", "zero", RW, MF_CLASS_ANON },
	{ "/memfd:buffers", "memfd:buffers", RW | MF_PERM_SHARED,
	  MF_CLASS_MEMFD },
	{ "/dev/shm/PostgreSQL.42", "PostgreSQL.42", RW | MF_PERM_SHARED,
	  MF_CLASS_SHARED },
	{ "/SYSV0052e2c1", "SYSV0052e2c1", RW | MF_PERM_SHARED,
	  MF_CLASS_SHARED },
	{ "/SYSVictoria", "SYSVictoria", RW, MF_CLASS_FILE },
	{ "/anon_hugepage", "anon_hugepage", RW, MF_CLASS_HUGETLB },
	{ "/dev/nvidia0", "nvidia0", RW | MF_PERM_SHARED, MF_CLASS_DEVICE },
	{ "anon_inode:[io_uring]", "io_uring", RW | MF_PERM_SHARED,
	  MF_CLASS_IO_URING },
	{ "anon_inode:[perf_event]", "anon_inode:[perf_event]",
	  RW | MF_PERM_SHARED, MF_CLASS_DEVICE },
	{ "/usr/lib/locale/locale-archive", "locale-archive", RO,
	  MF_CLASS_FILE },
	{ "/var/lib/db/index", "index", RW | MF_PERM_SHARED, MF_CLASS_FILE },
	{ "", "", NONE, MF_CLASS_RESERVE },
	{ "", "", RW, MF_CLASS_ANON },
	{ "[", "[", RW, MF_CLASS_FILE },
	{ "[anon:", "", RW, MF_CLASS_ANON },
	{ "/", "/", RW, MF_CLASS_FILE },
};

static void names_say_classes(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		add_mapping(target, (i + 1) << 20, 3, names[i].perms,
			    names[i].path);
	space = make_space(target);
	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++) {
		const struct mf_region *region =
			mf_space_region_at(space, (i + 1) << 20);

		if (region->class != names[i].class)
			fail_msg("%s is %s", names[i].path,
				 mf_class_name(region->class));
		assert_string_equal(region->label, names[i].label);
	}
	mf_space_destroy(space);
	mf_target_close(target);
}

static void flags_say_classes(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	mf_target_forge_mapping(target,
				&(struct mf_mapping){ .start = 0x200000,
						      .end = 0x400000,
						      .perms = RW,
						      .vm_flags = MF_VM_HUGETLB,
						      .inode = 5,
						      .path = "/mnt/huge/x" },
				NULL, NULL);
	mf_target_forge_mapping(target,
				&(struct mf_mapping){ .start = 0x600000,
						      .end = 0x601000,
						      .perms = RW,
						      .vm_flags = MF_VM_PFNMAP,
						      .path = "" },
				NULL, NULL);
	space = make_space(target);
	assert_drawn(space, "200000-400000 hugetlb x\n"
			    "600000-601000 device\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

/* A file with code among its mappings is an object; data files are files. */
static void runs_of_code_are_objects(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	add_mapping(target, 0x10000, 1, RO, "/lib/a.so");
	add_mapping(target, 0x11000, 1, RX, "/lib/a.so");
	add_mapping(target, 0x12000, 1, NONE, "/lib/a.so");
	add_mapping(target, 0x20000, 1, RW, "/lib/a.so");
	add_mapping(target, 0x21000, 1, RW, "");
	add_mapping(target, 0x30000, 1, RO, "/etc/data");
	add_mapping(target, 0x40000, 1, RO, "/lib/a.so");
	space = make_space(target);
	assert_drawn(space, "10000-11000 rodata a.so\n"
			    "11000-12000 text a.so\n"
			    "12000-13000 elf-gap a.so\n"
			    "20000-21000 data a.so\n"
			    "21000-22000 bss a.so\n"
			    "30000-31000 file data\n"
			    "40000-41000 file a.so\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_classes),
		cmocka_unit_test(flags_say_classes),
		cmocka_unit_test(runs_of_code_are_objects),
	};

	return cmocka_run_group_tests_name("space names", tests, NULL, NULL);
}
