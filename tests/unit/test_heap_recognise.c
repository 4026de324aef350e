/*
 * The smaller recognisers, each on the least process that proves it, and on one
 * that lies; and what they share: who owns malloc, evidence, reads in windows.
 */
#include <elf.h>

#include "recognise_util.h"

static const uint64_t at = UINT64_C(0x7f1240000000);
static const uint64_t far = UINT64_C(0x7f3000000000);

enum {
	DATA = 1 << 20, /* of a module that needs no more */
};

static const struct mf_allocator *
only_info(const struct forged_process *process)
{
	assert_int_equal(process->heap.instance_count, 1);
	return &process->heap.instances[0].info;
}

/* ---- what they share --------------------------------------------------------- */

/* An executable whose DT_DEBUG leads to {executable, second, third}. */
static struct forged_process *forge_link_map(uint64_t next_of_last)
{
	static const uint64_t maps[] = { 0x1000, 0x1100, 0x1200 };
	struct forged_process *process = forge_process();
	Elf64_Ehdr header = { .e_ident = ELFMAG,
			      .e_phoff = sizeof(header),
			      .e_phnum = 1,
			      .e_phentsize = sizeof(Elf64_Phdr) };
	Elf64_Phdr dynamic = { .p_type = PT_DYNAMIC, .p_vaddr = 0x800 };

	for (uint64_t i = 0; i < 3; i++) {
		forge_module(process,
			     i ? i == 1 ? "/lib/second" : "/lib/third"
			       : "/bin/main",
			     forged_data + i * DATA, DATA);
		forge_u64(process, forged_data + maps[i] + 16,
			  forged_data + i * DATA + 0x900); /* l_ld */
		forge_u64(process, forged_data + maps[i] + 24,
			  i < 2 ? forged_data + maps[i + 1] : next_of_last);
	}
	forge_bytes(process, forged_data, &header, sizeof(header));
	forge_bytes(process, forged_data + sizeof(header), &dynamic,
		    sizeof(dynamic));
	forge_u64(process, forged_data + 0x800, DT_DEBUG);
	forge_u64(process, forged_data + 0x808, forged_data + 0x880);
	forge_u64(process, forged_data + 0x888, forged_data + maps[0]);
	return process;
}

static void first_in_link_order_owns_malloc(void **state)
{
	struct forged_process *process = forge_link_map(0);

	(void)state;
	assert_null(mf_malloc_owner(&process->context));
	process->image.modules[2].symbols[0] = "malloc";
	process->image.modules[2].addresses[0] = 1;
	assert_string_equal(mf_malloc_owner(&process->context)->name, "third");
	process->image.modules[1].symbols[0] = "malloc";
	process->image.modules[1].addresses[0] = 1;
	assert_string_equal(mf_malloc_owner(&process->context)->name, "second");
	process->image.modules[0].symbols[0] = "malloc";
	process->image.modules[0].addresses[0] = 1;
	assert_string_equal(mf_malloc_owner(&process->context)->name, "main");
	forge_end(process);
}

static void a_circle_of_objects_ends(void **state)
{
	struct forged_process *process = forge_link_map(forged_data + 0x1000);

	(void)state;
	assert_null(mf_malloc_owner(&process->context));
	forge_end(process);
}

static void versions_are_found(void **state)
{
	struct forged_process *process = forge_process();
	struct mf_heap_context *context = &process->context;

	(void)state;
	assert_string_equal(mf_version_in(context, "5.3.0-0-g", 9), "5.3.0");
	assert_string_equal(mf_version_in(context, "python3.11", 10), "3.11");
	assert_string_equal(mf_version_in(context, "v2.", 3), "");
	assert_string_equal(mf_version_in(context, "12 a 3.x 1.2", 12), "1.2");
	assert_string_equal(mf_version_in(context, "none", 4), "");
	forge_end(process);
}

static void second_of_a_kind_has_its_own_owner(void **state)
{
	struct forged_process *process =
		forge_process_with("/lib/libjemalloc.so", "mallctl", DATA);
	struct forged_module *second = forge_module(process, "/lib/librust.so",
						    forged_data + DATA, DATA);

	(void)state;
	second->symbols[0] = "_rjem_mallctl";
	second->addresses[0] = 1;
	assert_int_equal(forge_recognise(process, &mf_jemalloc_ops), 2);
	assert_string_equal(process->heap.instances[0].owner, "jemalloc");
	assert_string_equal(process->heap.instances[1].owner,
			    "jemalloc in librust.so");
	forge_end(process);
}

static void readers_cross_pages_and_refuse_what_is_not_there(void **state)
{
	struct forged_process *process = forge_process();
	struct mf_reader *reader = mf_reader_create(process->target);
	uint64_t value;

	(void)state;
	forge_anon(process, at, 4 * 4096);
	forge_u64(process, at + 4092, UINT64_C(0x1122334455667788));
	assert_true(mf_reader_u64(reader, at + 4092, &value));
	assert_true(value == UINT64_C(0x1122334455667788));
	assert_false(mf_reader_u64(reader, at + 4 * 4096 - 4, &value));
	assert_false(mf_reader_u64(reader, at - 8, &value));
	assert_false(mf_reader_u64(reader, UINT64_MAX - 3, &value));
	assert_false(mf_reader_u64(reader, 0, &value));
	mf_reader_destroy(reader);
	forge_end(process);
}

/* ---- mimalloc -------------------------------------------------------------------- */

static void mimalloc_by_its_cookies(void **state)
{
	enum {
		SEGMENT = 32 << 20
	};
	struct forged_process *process =
		forge_process_with("/lib/libmimalloc.so.2", "mi_malloc", DATA);
	const uint64_t key = UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t base = UINT64_C(0x20000000000);

	(void)state;
	forge_u64(process, forged_data + 0x4000, key);
	forge_anon(process, base, 2 * SEGMENT);
	forge_u64(process, base + 96, base ^ key);
	forge_u64(process, base + 104, SEGMENT / 65536);
	/* a reservation of 64 TiB is not looked through place by place */
	mf_target_forge_mapping(
		process->target,
		&(struct mf_mapping){ .start = UINT64_C(1) << 45,
				      .end = UINT64_C(3) << 45,
				      .perms = MF_PERM_READ | MF_PERM_WRITE,
				      .path = "" },
		NULL, NULL);
	/* the second half is not a segment, though it looks like the first */
	forge_u64(process, base + SEGMENT + 96, base ^ key);
	forge_u64(process, base + SEGMENT + 104, SEGMENT / 65536);
	assert_int_equal(forge_recognise(process, &mf_mimalloc_ops), 1);
	assert_claim(process, base, base + SEGMENT, "mimalloc segment");
	assert_int_equal(process->space.claim_count, 1);
	assert_int_equal(forged_parameter(process, "segments"), 1);
	forge_end(process);
}

/* ---- musl ------------------------------------------------------------------------- */

static void musl_by_its_secret(void **state)
{
	const uint64_t secret = UINT64_C(0xfeedfacecafebeef);
	const uint64_t context = forged_data + 0x2000;
	struct forged_process *process =
		forge_process_with("/bin/static", NULL, DATA);

	(void)state;
	forge_memory(process, at, 8192, MF_PERM_READ | MF_PERM_WRITE, "[heap]");
	forge_anon(process, far, 64 << 10);
	forge_u64(process, context, secret);
	forge_u64(process, context + 56, at);
	forge_u64(process, at, secret);
	forge_u64(process, at + 8, at); /* the list is a circle */
	forge_u32(process, at + 16, 3);
	/* one group of four pages, one nested in it, one whose word differs */
	forge_u64(process, at + 24 + 16, far);
	forge_u64(process, at + 24 + 32, 4 << 12 | 10 << 6);
	forge_u64(process, far, at + 24);
	forge_u64(process, at + 64 + 16, far + 256);
	forge_u64(process, at + 64 + 32, 3 << 6);
	forge_u64(process, far + 256, at + 64);
	forge_u64(process, at + 104 + 16, far + 0x8000);
	forge_u64(process, at + 104 + 32, 4 << 12);
	assert_int_equal(forge_recognise(process, &mf_musl_ops), 1);
	assert_true(only_info(process)->owns_malloc);
	assert_claim(process, at, at + 8192, "musl metadata");
	forge_end(process);
}

static void musl_groups(void **state)
{
	const uint64_t secret = UINT64_C(0xfeedfacecafebeef);
	static const char text[] = "musl libc (x86_64)\0001.2.3";
	struct forged_process *process = forge_process_with(
		"/lib/ld-musl-x86_64.so.1", "__libc_start_main", DATA);

	(void)state;
	process->image.modules[0].text = text;
	process->image.modules[0].text_size = sizeof(text);
	forge_anon(process, at, 4096);
	forge_anon(process, far, 64 << 10);
	forge_u64(process, forged_data + 8, secret);
	forge_u64(process, forged_data + 16, 4096); /* its page size */
	forge_u64(process, forged_data + 8 + 64, at);
	forge_u64(process, at, secret);
	forge_u32(process, at + 16, 2);
	for (uint64_t i = 0; i < 2; i++) {
		uint64_t meta = at + 24 + 40 * i, group = far + 0x4000 * i;

		forge_u64(process, meta + 16, group);
		forge_u64(process, meta + 32, 4 << 12 | 63 << 6);
		forge_u64(process, group, meta);
	}
	assert_int_equal(forge_recognise(process, &mf_musl_ops), 1);
	assert_string_equal(only_info(process)->version, "1.2.3");
	assert_claim(process, far, far + 0x8000, "musl groups");
	assert_int_equal(forged_parameter(process, "single_mappings"), 2);
	forge_end(process);
}

static void glibc_is_not_musl(void **state)
{
	static const char text[] = "musl libc (a string in a strange place)";
	struct forged_process *process =
		forge_process_with("/lib/libc.so.6", "__libc_start_main", DATA);

	(void)state;
	process->image.modules[0].symbols[1] = "gnu_get_libc_version";
	process->image.modules[0].addresses[1] = 1;
	process->image.modules[0].text = text;
	process->image.modules[0].text_size = sizeof(text);
	assert_int_equal(forge_recognise(process, &mf_musl_ops), 0);
	forge_end(process);
}

/* ---- CPython ------------------------------------------------------------------------- */

static void forge_arena(struct forged_process *process, uint64_t index,
			uint64_t start, uint64_t arena, uint64_t pool)
{
	uint64_t object = far + 48 * index;
	bool aligned = start % pool == 0;

	forge_u64(process, object, start);
	forge_u64(process, object + 8,
		  mf_align_down(start + pool - 1, pool) + 2 * pool);
	forge_u32(process, object + 16, 3);
	forge_u32(process, object + 20,
		  (uint32_t)(arena / pool) - (aligned ? 0 : 1));
	forge_u32(process, mf_align_down(start + pool - 1, pool) + 32,
		  (uint32_t)index);
}

static void python_arenas(void **state)
{
	static const struct {
		uint64_t arena, pool;
	} kinds[] = { { 1 << 20, 16 << 10 }, { 256 << 10, 4 << 10 } };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++) {
		struct forged_process *process = forge_process_with(
			"/usr/bin/python3.9", "_PyRuntime", DATA);
		uint64_t size = kinds[i].arena;

		forge_anon(process, far, 1 << 16);
		forge_anon(process, at, 4 * size + 8192);
		forge_u64(process, forged_data + 0x800, far);
		forge_arena(process, 0, at, size, kinds[i].pool);
		/* one that was given back, then two more, one misaligned */
		forge_arena(process, 2, at + size, size, kinds[i].pool);
		forge_arena(process, 3, at + 2 * size + 4096, size,
			    kinds[i].pool);
		/* an arena whose pool says another place */
		forge_arena(process, 4, at + 3 * size + 8192 - 4096, size,
			    kinds[i].pool);
		forge_u32(
			process,
			mf_align_down(at + 3 * size + 4096 + kinds[i].pool - 1,
				      kinds[i].pool) +
				32,
			9);
		assert_int_equal(forge_recognise(process, &mf_cpython_ops), 1);
		assert_int_equal(forged_parameter(process, "arenas"), 3);
		assert_int_equal(forged_parameter(process, "arena_size"), size);
		assert_claim(process, at, at + size, "python arenas");
		assert_claim(process, at + 2 * size + 4096,
			     at + 3 * size + 4096, "python arenas");
		assert_string_equal(only_info(process)->version, "3.9");
		assert_false(only_info(process)->owns_malloc);
		forge_end(process);
	}
}

static void python_without_arenas(void **state)
{
	struct forged_process *process =
		forge_process_with("/usr/bin/python3.13", "_PyRuntime", DATA);

	(void)state;
	assert_int_equal(forge_recognise(process, &mf_cpython_ops), 1);
	assert_int_equal(process->space.claim_count, 0);
	assert_non_null(strstr(only_info(process)->why, "malloc"));
	forge_end(process);
}

static void forge_stack_chunk(struct forged_process *process, uint64_t address,
			      uint64_t size, uint64_t previous, uint64_t top)
{
	forge_u64(process, address, previous);
	forge_u64(process, address + 8, size);
	forge_u64(process, address + 16, top);
}

/* Its links, and its data stack 0x78 bytes behind them. */
static void forge_thread_state(struct forged_process *process, uint64_t state,
			       uint64_t previous, uint64_t next, uint64_t chunk,
			       uint64_t size)
{
	forge_u64(process, state, previous);
	forge_u64(process, state + 8, next);
	forge_u64(process, state + 16, far + 0x9000); /* its interpreter */
	forge_u64(process, state + 0x78, chunk);
	forge_u64(process, state + 0x80, chunk ? chunk + 0x100 : 0);
	forge_u64(process, state + 0x88, chunk ? chunk + size : 0);
}

static void python_data_stacks(void **state)
{
	enum {
		CHUNK = 16 << 10
	};
	struct forged_process *process =
		forge_process_with("/usr/bin/python3.11", "_PyRuntime", DATA);
	const uint64_t first = forged_data + 0x400, second = far + 0x100;
	const uint64_t idle = far + 0x400, liar = far + 0x700;

	(void)state;
	forge_anon(process, far, 1 << 16);
	forge_anon(process, at, 16 * CHUNK);
	/* the newest first; one has not run, and one lies about its size */
	forge_thread_state(process, first, second, 0, at, CHUNK);
	forge_thread_state(process, second, idle, first, at + 5 * CHUNK,
			   2 * CHUNK);
	forge_thread_state(process, idle, liar, second, 0, 0);
	forge_thread_state(process, liar, 0, idle, at + 8 * CHUNK, CHUNK);
	forge_stack_chunk(process, at, CHUNK, 0, 0);
	forge_stack_chunk(process, at + 5 * CHUNK, 2 * CHUNK, at + 2 * CHUNK,
			  0);
	forge_stack_chunk(process, at + 2 * CHUNK, CHUNK, at + 3 * CHUNK, 9);
	forge_stack_chunk(process, at + 3 * CHUNK, CHUNK, at + 2 * CHUNK, 9);
	forge_stack_chunk(process, at + 8 * CHUNK, 2 * CHUNK, 0, 0);
	assert_int_equal(forge_recognise(process, &mf_cpython_ops), 1);
	assert_int_equal(process->space.claim_count, 4);
	assert_claim(process, at, at + CHUNK, "Python data stack");
	assert_claim(process, at + 5 * CHUNK, at + 7 * CHUNK,
		     "Python data stack");
	/* the chain is a ring, and ends where it began */
	assert_claim(process, at + 2 * CHUNK, at + 3 * CHUNK,
		     "Python data stack");
	assert_claim(process, at + 3 * CHUNK, at + 4 * CHUNK,
		     "Python data stack");
	forge_end(process);
}

/* ---- V8 ------------------------------------------------------------------------------- */

static void forge_chunk(struct forged_process *process, uint64_t address,
			uint64_t size, uint64_t heap, uint64_t owner)
{
	forge_u64(process, address, size);
	forge_u64(process, address + 16, heap);
	forge_u64(process, address + 24, address + 0x1000);
	forge_u64(process, address + 32, address + size);
	forge_u64(process, address + 64, owner);
}

static void v8_chunks(void **state)
{
	enum {
		CHUNK = 256 << 10
	};
	struct forged_process *process = forge_process_with(
		"/usr/bin/node", "_ZN2v82V810GetVersionEv", DATA);
	const uint64_t owner = far + 0x100, heap = far + 0x800;
	const uint64_t alone = at + (64 << 20);

	(void)state;
	forge_anon(process, at, 8 * CHUNK);
	forge_anon(process, far, 1 << 16);
	forge_memory(process, alone, 0x3000, MF_PERM_READ, "");
	forge_u64(process, owner, forged_data + 0x40); /* its vtable */
	forge_u64(process, owner + 8, heap);
	forge_chunk(process, at, CHUNK, heap, owner);
	forge_chunk(process, at + CHUNK, 3 * CHUNK, heap, owner);
	forge_chunk(process, at + 4 * CHUNK, CHUNK, heap + 8, owner); /* not */
	forge_chunk(process, at + 5 * CHUNK, CHUNK, heap, far + 0x200);
	forge_chunk(process, alone, 0x3000, 0, 0);
	forge_u64(process, alone + 24, alone + 0x60);
	assert_int_equal(forge_recognise(process, &mf_v8_ops), 1);
	assert_claim(process, at, at + CHUNK, "V8 page");
	assert_claim(process, at + CHUNK, at + 4 * CHUNK, "V8 large object");
	assert_claim(process, alone, alone + 0x3000, "V8 read-only page");
	assert_int_equal(process->space.claim_count, 3);
	assert_int_equal(forged_parameter(process, "chunk_bytes"), 4 * CHUNK);
	assert_int_equal(forged_parameter(process, "isolates"), 1);
	forge_end(process);
}

/* ---- Go ------------------------------------------------------------------------------- */

static void go_arenas(void **state)
{
	enum {
		ARENA = 64 << 20
	};
	const uint64_t base = UINT64_C(0xc000000000);
	const uint64_t index = UINT64_C(0x7f5000000000);
	static const char info[] = "\xff Go buildinf:\x08\x02";
	struct forged_process *process =
		forge_process_with("/bin/prog", NULL, DATA);

	(void)state;
	process->image.modules[0].section = ".go.buildinfo";
	forge_anon(process, index, 32 << 20);
	forge_anon(process, base, 4 << 20);
	forge_memory(process, base + (4 << 20), ARENA - (4 << 20), 0, "");
	forge_anon(process, far, 4 << 20);
	forge_bytes(process, forged_data, info, sizeof(info) - 1);
	forge_bytes(process, forged_data + 32, "\006go1.22", 7);
	forge_u64(process, forged_data + 0x800, index);
	forge_u64(process, index + 8 * ((base + (UINT64_C(1) << 47)) / ARENA),
		  far);
	for (uint64_t i = 0; i < 8; i++) { /* two spans of four pages */
		uint64_t span = far + (3 << 20) + 160 * (i / 4);

		forge_u64(process, far + 8 * i, span);
		forge_u64(process, span + 24, base + i / 4 * 4 * 8192);
		forge_u64(process, span + 32, 4);
	}
	/* the entry of a span that was freed stays behind */
	forge_u64(process, far + UINT64_C(8) * 8, far + (3 << 20));
	assert_int_equal(forge_recognise(process, &mf_go_ops), 1);
	assert_string_equal(only_info(process)->version, "1.22");
	assert_claim(process, base, base + ARENA, "Go arenas");
	assert_claim(process, index, index + (32 << 20), "Go arena index");
	assert_claim(process, far, far + (4 << 20), "Go runtime");
	forge_end(process);
}

/* 64 MiB at 0xc000000000 are no proof: glibc's heaps look the same. */
static void go_is_not_taken_by_shape(void **state)
{
	struct forged_process *process =
		forge_process_with("/bin/prog", NULL, DATA);

	(void)state;
	process->image.modules[0].section = ".gopclntab";
	forge_anon(process, UINT64_C(0xc000000000), 64 << 20);
	assert_int_equal(forge_recognise(process, &mf_go_ops), 1);
	assert_int_equal(process->space.claim_count, 0);
	assert_non_null(strstr(only_info(process)->why, "no arenas"));
	forge_end(process);
}

/* ---- HotSpot --------------------------------------------------------------------------- */

enum {
	VM_STRIDE = 48,
	VM_TABLE = 0x10000, /* offsets in the data */
	VM_TEXT = 0x20000,
	VM_STATIC = 0x30000,
};

struct vm_tables {
	struct forged_process *process;
	uint64_t fields, texts;
};

static uint64_t forge_text(struct vm_tables *tables, const char *text)
{
	uint64_t address = forged_data + VM_TEXT + 64 * tables->texts++;

	forge_bytes(tables->process, address, text, strlen(text) + 1);
	return address;
}

/* The field is static at ADDRESS, or (ADDRESS 0) at OFFSET. */
static void forge_field(struct vm_tables *tables, const char *type,
			const char *field, uint64_t offset, uint64_t address)
{
	uint64_t entry = forged_data + VM_TABLE + VM_STRIDE * tables->fields++;

	forge_u64(tables->process, entry, forge_text(tables, type));
	forge_u64(tables->process, entry + 8, forge_text(tables, field));
	forge_u32(tables->process, entry + 24, address != 0);
	forge_u64(tables->process, entry + 32, offset);
	forge_u64(tables->process, entry + 40, address);
}

static void forge_vm_symbols(struct forged_process *process)
{
	static const struct {
		const char *name;
		uint64_t value;
	} symbols[] = {
		{ "gHotSpotVMStructs", 0 },
		{ "gHotSpotVMStructEntryArrayStride", VM_STRIDE },
		{ "gHotSpotVMStructEntryTypeNameOffset", 0 },
		{ "gHotSpotVMStructEntryFieldNameOffset", 8 },
		{ "gHotSpotVMStructEntryIsStaticOffset", 24 },
		{ "gHotSpotVMStructEntryOffsetOffset", 32 },
		{ "gHotSpotVMStructEntryAddressOffset", 40 },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(symbols); i++) {
		struct forged_module *module = &process->image.modules[0];

		module->symbols[i] = symbols[i].name;
		module->addresses[i] = forged_data + 0x100 + 8 * i;
		forge_u64(process, module->addresses[i],
			  i ? symbols[i].value : forged_data + VM_TABLE);
	}
}

static void hotspot_heap_by_its_tables(void **state)
{
	struct forged_process *process =
		forge_process_with("/lib/libjvm.so", NULL, DATA);
	struct vm_tables tables = { .process = process };
	const uint64_t globals = forged_data + VM_STATIC;

	(void)state;
	forge_vm_symbols(process);
	forge_field(&tables, "Universe", "_collectedHeap", 0, globals);
	forge_field(&tables, "CollectedHeap", "_reserved", 32, 0);
	forge_field(&tables, "MemRegion", "_start", 0, 0);
	forge_field(&tables, "MemRegion", "_word_size", 8, 0);
	forge_field(&tables, "MetaspaceObj", "_shared_metaspace_base", 0,
		    globals + 8);
	forge_field(&tables, "MetaspaceObj", "_shared_metaspace_top", 0,
		    globals + 16);
	forge_anon(process, far, 4096);
	forge_u64(process, globals, far);
	forge_u64(process, far + 32, at);
	forge_u64(process, far + 40, (16 << 20) / 8);
	forge_u64(process, globals + 8, at + (64 << 20));
	forge_u64(process, globals + 16, at + (65 << 20));
	assert_int_equal(forge_recognise(process, &mf_hotspot_ops), 1);
	assert_claim(process, at, at + (16 << 20), "java heap");
	assert_claim(process, at + (64 << 20), at + (65 << 20),
		     "class data archive");
	assert_int_equal(forged_parameter(process, "java_heap_reserved"),
			 16 << 20);
	forge_end(process);
}

static void hotspot_that_did_not_start(void **state)
{
	struct forged_process *process =
		forge_process_with("/lib/libjvm.so", NULL, DATA);
	struct vm_tables tables = { .process = process };

	(void)state;
	forge_vm_symbols(process);
	forge_field(&tables, "Universe", "_collectedHeap", 0,
		    forged_data + VM_STATIC);
	assert_int_equal(forge_recognise(process, &mf_hotspot_ops), 1);
	assert_non_null(strstr(only_info(process)->why, "no Java VM"));
	assert_int_equal(process->space.claim_count, 0);
	forge_end(process);
}

/* A table without an end, of entries that point at themselves. */
static void hotspot_tables_that_lie(void **state)
{
	struct forged_process *process =
		forge_process_with("/lib/libjvm.so", NULL, DATA);

	(void)state;
	forge_vm_symbols(process);
	for (uint64_t i = 0; i < (DATA - VM_TABLE) / 8; i++)
		forge_u64(process, forged_data + VM_TABLE + 8 * i,
			  forged_data + VM_TABLE + 8 * i);
	assert_int_equal(forge_recognise(process, &mf_hotspot_ops), 1);
	assert_int_equal(process->space.claim_count, 0);
	forge_end(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_link_order_owns_malloc),
		cmocka_unit_test(a_circle_of_objects_ends),
		cmocka_unit_test(versions_are_found),
		cmocka_unit_test(second_of_a_kind_has_its_own_owner),
		cmocka_unit_test(
			readers_cross_pages_and_refuse_what_is_not_there),
		cmocka_unit_test(mimalloc_by_its_cookies),
		cmocka_unit_test(musl_by_its_secret),
		cmocka_unit_test(musl_groups),
		cmocka_unit_test(glibc_is_not_musl),
		cmocka_unit_test(python_arenas),
		cmocka_unit_test(python_without_arenas),
		cmocka_unit_test(python_data_stacks),
		cmocka_unit_test(v8_chunks),
		cmocka_unit_test(go_arenas),
		cmocka_unit_test(go_is_not_taken_by_shape),
		cmocka_unit_test(hotspot_heap_by_its_tables),
		cmocka_unit_test(hotspot_that_did_not_start),
		cmocka_unit_test(hotspot_tables_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
