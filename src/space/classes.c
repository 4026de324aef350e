/*
 * The words for classes, certainties and suspicions, as CONTRACT.md has them.
 */
#include <string.h>

#include "memforensics/space.h"

static const char *const class_names[MF_CLASS_COUNT] = {
	[MF_CLASS_ANON] = "anon",
	[MF_CLASS_TEXT] = "text",
	[MF_CLASS_RODATA] = "rodata",
	[MF_CLASS_DATA] = "data",
	[MF_CLASS_BSS] = "bss",
	[MF_CLASS_ELF_GAP] = "elf-gap",
	[MF_CLASS_HEAP] = "heap",
	[MF_CLASS_ARENA] = "arena",
	[MF_CLASS_ARENA_RESERVE] = "arena-reserve",
	[MF_CLASS_MMAP_CHUNK] = "mmap-chunk",
	[MF_CLASS_STACK] = "stack",
	[MF_CLASS_THREAD_STACK] = "thread-stack",
	[MF_CLASS_GUARD] = "guard",
	[MF_CLASS_TLS] = "tls",
	[MF_CLASS_VDSO] = "vdso",
	[MF_CLASS_VVAR] = "vvar",
	[MF_CLASS_VSYSCALL] = "vsyscall",
	[MF_CLASS_JEMALLOC] = "jemalloc",
	[MF_CLASS_TCMALLOC] = "tcmalloc",
	[MF_CLASS_MIMALLOC] = "mimalloc",
	[MF_CLASS_MUSL_HEAP] = "musl-heap",
	[MF_CLASS_GO_HEAP] = "go-heap",
	[MF_CLASS_JAVA_HEAP] = "java-heap",
	[MF_CLASS_JAVA_CODE] = "java-code",
	[MF_CLASS_JAVA_METASPACE] = "java-metaspace",
	[MF_CLASS_PYTHON_ARENA] = "python-arena",
	[MF_CLASS_V8_HEAP] = "v8-heap",
	[MF_CLASS_JIT] = "jit",
	[MF_CLASS_FILE] = "file",
	[MF_CLASS_SHARED] = "shared",
	[MF_CLASS_MEMFD] = "memfd",
	[MF_CLASS_HUGETLB] = "hugetlb",
	[MF_CLASS_DEVICE] = "device",
	[MF_CLASS_IO_URING] = "io-uring",
	[MF_CLASS_RESERVE] = "reserve",
};

static const char *const certainty_names[] = {
	[0] = "none",
	[MF_BY_SHAPE] = "shape",
	[MF_BY_NAME] = "name",
	[MF_BY_CONTENT] = "content",
	[MF_BY_STRUCTURE] = "structure",
};

static const struct {
	unsigned suspicion;
	const char *text;
} suspicion_texts[] = {
	{ MF_SUSPECT_EXEC_WRITE, "executable and writable" },
	{ MF_SUSPECT_ANON_EXEC, "executable, anonymous, no known runtime" },
	{ MF_SUSPECT_ELF_HEADER, "ELF header in anonymous memory" },
	{ MF_SUSPECT_UNCLAIMED, "large and unclaimed" },
	{ MF_SUSPECT_EQUAL_SIZED, "one of many of equal size" },
};

const char *mf_class_name(enum mf_class class)
{
	if ((unsigned)class >= MF_CLASS_COUNT)
		return "anon";
	return class_names[class];
}

bool mf_class_parse(const char *name, enum mf_class *ret)
{
	for (unsigned i = 0; i < MF_CLASS_COUNT; i++) {
		if (strcmp(class_names[i], name) == 0) {
			*ret = (enum mf_class)i;
			return true;
		}
	}
	return false;
}

const char *mf_certainty_name(enum mf_certainty certainty)
{
	if ((unsigned)certainty >= MF_ARRAY_SIZE(certainty_names))
		return "none";
	return certainty_names[certainty];
}

const char *mf_suspicion_text(unsigned suspicion)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(suspicion_texts); i++)
		if (suspicion_texts[i].suspicion == suspicion)
			return suspicion_texts[i].text;
	return "";
}
