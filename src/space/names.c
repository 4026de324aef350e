/*
 * What the kernel's own names say: special mappings, files of every kind, and
 * names that programs gave to their anonymous memory (PR_SET_VMA_ANON_NAME).
 */
#include <ctype.h>
#include <string.h>

#include "space/model.h"

enum name_match {
	NAME_IS,
	NAME_BEGINS,
};

struct name_rule {
	const char *name;
	enum name_match match;
	enum mf_class class;
	const char *label; /* NULL: the name itself */
	const char *owner;
};

/* Mappings that the kernel makes. */
static const struct name_rule kernel_names[] = {
	{ "[stack]", NAME_IS, MF_CLASS_STACK, "main stack", "" },
	{ "[stack:", NAME_BEGINS, MF_CLASS_THREAD_STACK, NULL, "" },
	{ "[heap]", NAME_IS, MF_CLASS_HEAP, "brk heap", "" },
	{ "[vdso]", NAME_IS, MF_CLASS_VDSO, "vdso", "kernel" },
	{ "[vvar", NAME_BEGINS, MF_CLASS_VVAR, NULL, "kernel" },
	{ "[vectors]", NAME_IS, MF_CLASS_VDSO, NULL, "kernel" },
	{ "[sigpage]", NAME_IS, MF_CLASS_VDSO, NULL, "kernel" },
	{ "[vsyscall]", NAME_IS, MF_CLASS_VSYSCALL, "vsyscall", "kernel" },
	{ "[uprobes]", NAME_IS, MF_CLASS_TEXT, "uprobes", "kernel" },
	{ "[anon_shmem:", NAME_BEGINS, MF_CLASS_SHARED, NULL, "" },
};

/* Files that are none, with the leading slash taken off. */
static const struct name_rule special_files[] = {
	{ "memfd:", NAME_BEGINS, MF_CLASS_MEMFD, NULL, "" },
	{ "SYSV", NAME_BEGINS, MF_CLASS_SHARED, NULL, "System V" },
	{ "anon_hugepage", NAME_BEGINS, MF_CLASS_HUGETLB, NULL, "" },
	{ "dev/shm/", NAME_BEGINS, MF_CLASS_SHARED, NULL, "" },
	{ "dev/hugepages/", NAME_BEGINS, MF_CLASS_HUGETLB, NULL, "" },
	{ "dev/", NAME_BEGINS, MF_CLASS_DEVICE, NULL, "" },
	{ "anon_inode:[io_uring]", NAME_BEGINS, MF_CLASS_IO_URING, "io_uring",
	  "kernel" },
	{ "anon_inode:", NAME_BEGINS, MF_CLASS_DEVICE, NULL, "kernel" },
	{ "[aio]", NAME_BEGINS, MF_CLASS_SHARED, "aio ring", "kernel" },
	{ "dmabuf:", NAME_BEGINS, MF_CLASS_DEVICE, NULL, "" },
	{ "drm mm object", NAME_BEGINS, MF_CLASS_DEVICE, NULL, "" },
	{ "i915", NAME_IS, MF_CLASS_DEVICE, NULL, "" },
	{ "socket:[", NAME_BEGINS, MF_CLASS_DEVICE, NULL, "kernel" },
};

/*
 * Names given by programs: glibc 2.39 (glibc.mem.decorate_maps), Go 1.25,
 * jemalloc 5.3.1, mimalloc, Google tcmalloc, scudo, bionic, V8.
 */
static const struct name_rule anonymous_names[] = {
	{ " glibc: malloc arena", NAME_BEGINS, MF_CLASS_ARENA, NULL, "glibc" },
	{ " glibc: malloc", NAME_IS, MF_CLASS_MMAP_CHUNK, NULL, "glibc" },
	{ " glibc: loader malloc", NAME_IS, MF_CLASS_TLS, NULL, "ld.so" },
	{ " glibc: pthread stack", NAME_BEGINS, MF_CLASS_THREAD_STACK, NULL,
	  "glibc" },
	{ " glibc: pthread user stack", NAME_BEGINS, MF_CLASS_THREAD_STACK,
	  NULL, "glibc" },
	{ " Go: ", NAME_BEGINS, MF_CLASS_GO_HEAP, NULL, "go" },
	{ "Go: ", NAME_BEGINS, MF_CLASS_GO_HEAP, NULL, "go" },
	{ "jemalloc_pg", NAME_BEGINS, MF_CLASS_JEMALLOC, NULL, "jemalloc" },
	{ "libc_malloc", NAME_IS, MF_CLASS_JEMALLOC, NULL, "bionic" },
	{ "mimalloc", NAME_BEGINS, MF_CLASS_MIMALLOC, NULL, "mimalloc" },
	{ "tcmalloc_region", NAME_BEGINS, MF_CLASS_TCMALLOC, NULL, "tcmalloc" },
	{ "v8", NAME_IS, MF_CLASS_V8_HEAP, NULL, "v8" },
	{ "dalvik-", NAME_BEGINS, MF_CLASS_JAVA_HEAP, NULL, "art" },
	{ "stack_and_tls:", NAME_BEGINS, MF_CLASS_THREAD_STACK, NULL,
	  "bionic" },
	{ "thread stack guard", NAME_IS, MF_CLASS_GUARD, NULL, "bionic" },
	{ ".bss", NAME_IS, MF_CLASS_BSS, NULL, "" },
};

static const struct name_rule *find_rule(const struct name_rule *rules,
					 size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		const struct name_rule *rule = &rules[i];

		if (rule->match == NAME_IS ? strcmp(name, rule->name) == 0
					   : strncmp(name, rule->name,
						     strlen(rule->name)) == 0)
			return rule;
	}
	return NULL;
}

static void claim_weakly(struct mf_space *space,
			 const struct mf_mapping *mapping,
			 const struct name_rule *rule, const char *name,
			 const char *proof)
{
	mf_space_claim_as(space,
			  &(struct mf_claim){
				  .start = mapping->start,
				  .end = mapping->end,
				  .class = rule->class,
				  .certainty = MF_BY_NAME,
				  .label = rule->label ? rule->label : name,
				  .owner = rule->owner,
				  .proof = proof,
			  },
			  MF_CLAIM_WEAK);
}

/* "[anon: glibc: malloc]" is the name " glibc: malloc". */
static const char *inner_name(struct mf_space *space, const char *path)
{
	const char *colon = strchr(path, ':');
	size_t length;

	if (!colon)
		return path;
	length = strlen(colon + 1);
	if (length && colon[length] == ']')
		length--;
	return mf_pool_strndup(&space->pool, colon + 1, length);
}

static void claim_anonymous_name(struct mf_space *space,
				 const struct mf_mapping *mapping)
{
	static const struct name_rule unknown = { .class = MF_CLASS_ANON,
						  .owner = "" };
	const char *name = inner_name(space, mapping->path);
	const struct name_rule *rule = find_rule(
		anonymous_names, MF_ARRAY_SIZE(anonymous_names), name);

	if (mf_mapping_is_reserve(mapping))
		return;
	name += strspn(name, " ");
	claim_weakly(space, mapping, rule ? rule : &unknown, name,
		     "the program named it");
}

static bool is_shared(const struct mf_mapping *mapping)
{
	return mapping->perms & MF_PERM_SHARED;
}

/* "/dev/zero" shared is shared anonymous memory, private is plain memory. */
static const struct name_rule *zero_device_rule(const struct mf_mapping *map)
{
	static const struct name_rule shared = { .class = MF_CLASS_SHARED,
						 .label = "shared anonymous",
						 .owner = "" };
	static const struct name_rule private = { .class = MF_CLASS_ANON,
						  .owner = "" };

	return is_shared(map) ? &shared : &private;
}

static const struct name_rule *special_rule(const struct mf_mapping *mapping)
{
	static const struct name_rule huge = { .class = MF_CLASS_HUGETLB,
					       .owner = "" };
	static const struct name_rule device = { .class = MF_CLASS_DEVICE,
						 .owner = "" };
	const char *path = mapping->path;
	const struct name_rule *rule;

	if (strcmp(path, "/dev/zero") == 0)
		return zero_device_rule(mapping);
	rule = find_rule(special_files, MF_ARRAY_SIZE(special_files),
			 path + (*path == '/'));
	if (rule && strcmp(rule->name, "SYSV") == 0 &&
	    !isxdigit((unsigned char)path[(*path == '/') + 4]))
		rule = NULL;
	if (!rule && mapping->vm_flags & MF_VM_HUGETLB)
		rule = &huge;
	if (!rule && mapping->vm_flags & (MF_VM_PFNMAP | MF_VM_IO))
		rule = &device;
	return rule;
}

static enum mf_class class_of_elf_mapping(const struct mf_mapping *mapping)
{
	if (mf_mapping_is_reserve(mapping))
		return MF_CLASS_ELF_GAP;
	if (mapping->perms & MF_PERM_EXEC)
		return MF_CLASS_TEXT;
	return mapping->perms & MF_PERM_WRITE ? MF_CLASS_DATA : MF_CLASS_RODATA;
}

/* A listing may have lost the name: a file that none may read is a gap too. */
static void claim_elf_file(struct mf_space *space,
			   const struct mf_mapping *mapping, bool in_run)
{
	const char *name = mf_base_name(mapping->path);

	mf_space_claim_as(space,
			  &(struct mf_claim){
				  .start = mapping->start,
				  .end = mapping->end,
				  .class = class_of_elf_mapping(mapping),
				  .certainty = MF_BY_SHAPE,
				  .label = name,
				  .owner = name,
				  .proof = in_run ? "one of a file's mappings "
						    "of which some are code"
						  : "a private file mapping "
						    "without access",
			  },
			  MF_CLAIM_WEAK);
}

static void claim_file(struct mf_space *space, const struct mf_mapping *mapping)
{
	static const struct name_rule file = { .class = MF_CLASS_FILE,
					       .owner = "" };
	const struct name_rule *rule = special_rule(mapping);
	bool in_run = space->elf[mapping - space->mappings];
	bool is_gap = mf_mapping_is_reserve(mapping) && !is_shared(mapping);

	if (!rule && (in_run || is_gap)) {
		claim_elf_file(space, mapping, in_run);
		return;
	}
	claim_weakly(space, mapping, rule ? rule : &file,
		     mf_base_name(mapping->path),
		     rule		  ? "the kernel named it"
		     : is_shared(mapping) ? "shared file mapping"
					  : "private file mapping");
}

/* A bare PROT_NONE mapping is at least that, whoever may own it. */
static void claim_reserve(struct mf_space *space,
			  const struct mf_mapping *mapping)
{
	mf_space_claim_as(space,
			  &(struct mf_claim){
				  .start = mapping->start,
				  .end = mapping->end,
				  .class = MF_CLASS_RESERVE,
				  .certainty = MF_BY_SHAPE,
				  .proof = "no access allowed (PROT_NONE)",
			  },
			  MF_CLAIM_WEAK);
}

static void claim_name(struct mf_space *space, const struct mf_mapping *mapping)
{
	const char *path = mapping->path;
	const struct name_rule *rule;

	rule = find_rule(kernel_names, MF_ARRAY_SIZE(kernel_names), path);
	if (rule) {
		const char *name = strncmp(path, "[anon_shmem:", 12) == 0
					   ? inner_name(space, path)
					   : path;

		claim_weakly(space, mapping, rule, name, "the kernel named it");
	} else if (strncmp(path, "[anon:", 6) == 0) {
		claim_anonymous_name(space, mapping);
	} else if (*path || mapping->inode) {
		claim_file(space, mapping);
	} else if (special_rule(mapping)) {
		claim_weakly(space, mapping, special_rule(mapping), "",
			     "the kernel flagged it");
	}
}

void mf_space_claim_names(struct mf_space *space)
{
	for (size_t i = 0; i < space->mapping_count; i++) {
		const struct mf_mapping *mapping = &space->mappings[i];

		claim_name(space, mapping);
		if (mf_mapping_is_reserve(mapping) && !mapping->inode)
			claim_reserve(space, mapping);
	}
}
