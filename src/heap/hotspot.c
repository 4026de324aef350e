/*
 * HotSpot (OpenJDK and its kin) in a process: the Java heap, the code heaps,
 * class data and metaspace, and the tables of the collector, each from the
 * object that manages it. Java's own malloc'd memory is glibc's (or another
 * allocator's) and not claimed here.
 * Source: OpenJDK 8 to 25: vmStructs.cpp, virtualspace.hpp, codeCache.hpp,
 * metaspace/virtualSpaceNode.hpp, g1RegionToSpaceMapper.hpp.
 */
#include "heap/allocators.h"
#include "heap/hotspot_structs.h"

enum {
	MOST_CODE_HEAPS = 64,
	MOST_NODES = 4096, /* of metaspace */
	MOST_FLAGS = 4096,
	FLAG_ROOM = 48,
};

enum key {
	COLLECTED_HEAP, /* static: CollectedHeap * */
	HEAP_RESERVED,	/* MemRegion in CollectedHeap */
	REGION_START,
	REGION_WORDS,
	CODE_HEAPS, /* static: GrowableArray<CodeHeap *> * */
	CODE_HEAP,  /* static: CodeHeap *, JDK 8 */
	ARRAY_LENGTH,
	ARRAY_DATA,
	CODE_MEMORY, /* VirtualSpace in CodeHeap */
	CODE_SEGMENTS,
	SPACE_LOW,
	SPACE_HIGH,
	SHARED_BASE, /* static: class data archive */
	SHARED_TOP,
	CLASS_BASE,   /* static: what narrow class pointers count from */
	G1_REGIONS,   /* HeapRegionManager in G1CollectedHeap */
	BARRIER_SET,  /* static: BarrierSet * */
	BARRIER_CARD, /* CardTable * in CardTableBarrierSet */
	CARD_MAP,
	CARD_SIZE,
	FLAGS, /* static: JVMFlag * */
	FLAG_COUNT,
	FLAG_NAME,
	FLAG_ADDRESS,
	RELEASE, /* static: const char * */
	KEY_COUNT,
};

static const struct mf_vm_name names[] = {
	{ COLLECTED_HEAP, "Universe", "_collectedHeap" },
	{ HEAP_RESERVED, "CollectedHeap", "_reserved" },
	{ REGION_START, "MemRegion", "_start" },
	{ REGION_WORDS, "MemRegion", "_word_size" },
	{ CODE_HEAPS, "CodeCache", "_heaps" },
	{ CODE_HEAP, "CodeCache", "_heap" },
	{ ARRAY_LENGTH, "GrowableArrayBase", "_len" },
	{ ARRAY_LENGTH, "GenericGrowableArray", "_len" },
	{ ARRAY_DATA, "GrowableArray<int>", "_data" },
	{ CODE_MEMORY, "CodeHeap", "_memory" },
	{ CODE_SEGMENTS, "CodeHeap", "_segmap" },
	{ SPACE_LOW, "VirtualSpace", "_low_boundary" },
	{ SPACE_HIGH, "VirtualSpace", "_high_boundary" },
	{ SHARED_BASE, "MetaspaceObj", "_shared_metaspace_base" },
	{ SHARED_BASE, "MetaspaceObj", "_aot_metaspace_base" },
	{ SHARED_TOP, "MetaspaceObj", "_shared_metaspace_top" },
	{ SHARED_TOP, "MetaspaceObj", "_aot_metaspace_top" },
	{ CLASS_BASE, "CompressedKlassPointers", "_narrow_klass._base" },
	{ CLASS_BASE, "CompressedKlassPointers", "_base" },
	{ CLASS_BASE, "Universe", "_narrow_klass._base" },
	{ G1_REGIONS, "G1CollectedHeap", "_hrm" },
	{ BARRIER_SET, "BarrierSet", "_barrier_set" },
	{ BARRIER_CARD, "CardTableBarrierSet", "_card_table" },
	{ CARD_MAP, "CardTable", "_byte_map" },
	{ CARD_SIZE, "CardTable", "_byte_map_size" },
	{ FLAGS, "JVMFlag", "flags" },
	{ FLAG_COUNT, "JVMFlag", "numFlags" },
	{ FLAG_NAME, "JVMFlag", "_name" },
	{ FLAG_ADDRESS, "JVMFlag", "_addr" },
	{ RELEASE, "Abstract_VM_Version", "_s_vm_release" },
};

struct hotspot {
	struct mf_vm_field fields[KEY_COUNT];
	const char *collector; /* "G1", or "" */
	uint64_t class_space;  /* CompressedClassSpaceSize */
	bool described;	       /* by the tables */
};

/* ---- reading its objects ------------------------------------------------------- */

struct vm {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct mf_reader *reader;
	const struct hotspot *hotspot;
};

static bool read_static(const struct vm *vm, enum key key, uint64_t *ret)
{
	const struct mf_vm_field *field = &vm->hotspot->fields[key];

	return field->found && field->is_static &&
	       mf_reader_u64(vm->reader, field->address, ret);
}

static bool read_member(const struct vm *vm, uint64_t object, enum key key,
			uint64_t *ret)
{
	const struct mf_vm_field *field = &vm->hotspot->fields[key];

	return field->found && !field->is_static && object &&
	       mf_reader_u64(vm->reader, object + field->offset, ret);
}

static bool has(const struct vm *vm, enum key key)
{
	return vm->hotspot->fields[key].found;
}

static uint64_t offset(const struct vm *vm, enum key key)
{
	return vm->hotspot->fields[key].offset;
}

static void claim_range(const struct vm *vm, struct mf_range range,
			enum mf_class class, const char *label,
			const char *proof)
{
	mf_instance_claim(vm->context, vm->instance,
			  (struct mf_claim){ .start = range.start,
					     .end = range.end,
					     .class = class,
					     .certainty = MF_BY_STRUCTURE,
					     .label = label,
					     .proof = proof });
}

/* True when every byte of RANGE is private anonymous (PROT_NONE too). */
static bool all_anonymous(const struct vm *vm, struct mf_range range)
{
	uint64_t address = range.start;

	if (range.start >= range.end || range.start % 4096)
		return false;
	while (address < range.end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(vm->context->target, address);

		if (!mapping || !mf_mapping_is_anon(mapping) ||
		    !strcmp(mapping->path, "[heap]"))
			return false;
		address = mapping->end;
	}
	return true;
}

/* ---- the Java heap --------------------------------------------------------------- */

/* ZGC maps one memory file, in some versions three times, and says no range. */
static void claim_memory_files(const struct vm *vm)
{
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(vm->context->target, &count);

	for (size_t i = 0; i < count; i++) {
		const char *name = strrchr(mappings[i].path, ':');

		if (!name || strcmp(name, ":java_heap") != 0)
			continue;
		mf_instance_claim(
			vm->context, vm->instance,
			(struct mf_claim){ .start = mappings[i].start,
					   .end = mappings[i].end,
					   .class = MF_CLASS_JAVA_HEAP,
					   .certainty = MF_BY_STRUCTURE,
					   .label = "java heap (Z)",
					   .proof = "ZGC's memory file" });
	}
}

/* False when there is none: no VM was started. */
static bool claim_heap(const struct vm *vm)
{
	const char *collector = vm->hotspot->collector;
	struct mf_parameter parameter = { "java_heap_reserved", 0 };
	uint64_t heap, start, words;

	if (!read_static(vm, COLLECTED_HEAP, &heap) || !heap)
		return false;
	if (!has(vm, HEAP_RESERVED) ||
	    !read_member(vm, heap + offset(vm, HEAP_RESERVED), REGION_START,
			 &start) ||
	    !read_member(vm, heap + offset(vm, HEAP_RESERVED), REGION_WORDS,
			 &words) ||
	    !start || !words || words >> 50 || start >> 57) {
		claim_memory_files(vm);
		return true;
	}
	parameter.value = words * 8;
	mf_instance_parameters(vm->context, vm->instance, &parameter, 1);
	claim_range(vm, (struct mf_range){ start, start + words * 8 },
		    MF_CLASS_JAVA_HEAP,
		    collector[0] ? mf_pool_printf(vm->context->pool,
						  "java heap (%s)", collector)
				 : "java heap",
		    "CollectedHeap::_reserved");
	return true;
}

/* ---- code ------------------------------------------------------------------------- */

static bool read_space(const struct vm *vm, uint64_t space,
		       struct mf_range *ret)
{
	return read_member(vm, space, SPACE_LOW, &ret->start) &&
	       read_member(vm, space, SPACE_HIGH, &ret->end) && ret->start &&
	       ret->start < ret->end && ret->end >> 57 == 0;
}

static void claim_code_heap(const struct vm *vm, uint64_t heap)
{
	struct mf_range range;

	if (!heap || !has(vm, CODE_MEMORY))
		return;
	if (read_space(vm, heap + offset(vm, CODE_MEMORY), &range))
		claim_range(vm, range, MF_CLASS_JAVA_CODE, "java code heap",
			    "CodeHeap::_memory");
	if (has(vm, CODE_SEGMENTS) &&
	    read_space(vm, heap + offset(vm, CODE_SEGMENTS), &range))
		claim_range(vm, range, MF_CLASS_JAVA_CODE,
			    "java code segment map", "CodeHeap::_segmap");
}

static void claim_code(const struct vm *vm)
{
	uint64_t array, data, length, heap;

	if (read_static(vm, CODE_HEAP, &heap))
		claim_code_heap(vm, heap);
	if (!read_static(vm, CODE_HEAPS, &array) ||
	    !read_member(vm, array, ARRAY_LENGTH, &length) ||
	    !read_member(vm, array, ARRAY_DATA, &data))
		return;
	length &= UINT32_MAX; /* an int, beside another */
	for (uint64_t i = 0; i < length && i < MOST_CODE_HEAPS; i++)
		if (mf_reader_u64(vm->reader, data + i * 8, &heap))
			claim_code_heap(vm, heap);
}

/* ---- class data ------------------------------------------------------------------- */

/* Its mappings end where the flag says: no other thing would do so too. */
static void claim_class_space(const struct vm *vm, uint64_t from)
{
	uint64_t size = vm->hotspot->class_space;
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(vm->context->target, &count);

	for (size_t i = 0; i < count; i++) {
		struct mf_range range = { mappings[i].start,
					  mappings[i].start + size };

		/* It starts at the archive's end, rounded up. */
		if (mappings[i].start < from)
			continue;
		if (mappings[i].start - from > 64 << 20)
			return;
		if (mf_mapping_is_anon(&mappings[i]) &&
		    range.start % (1 << 20) == 0 && all_anonymous(vm, range)) {
			claim_range(vm, range, MF_CLASS_JAVA_METASPACE,
				    "java class space",
				    "follows the narrow class base, of "
				    "CompressedClassSpaceSize");
			return;
		}
	}
}

static void claim_class_data(const struct vm *vm)
{
	uint64_t base = 0, top = 0;

	if (read_static(vm, SHARED_BASE, &base) &&
	    read_static(vm, SHARED_TOP, &top) && base && base < top &&
	    top >> 57 == 0)
		claim_range(vm, (struct mf_range){ base, top },
			    MF_CLASS_JAVA_METASPACE, "class data archive",
			    "MetaspaceObj::_shared_metaspace_base");
	else
		top = 0;
	if (!vm->hotspot->class_space)
		return;
	if (top)
		claim_class_space(vm, top);
	else if (read_static(vm, CLASS_BASE, &base) && base)
		claim_class_space(vm, base);
}

/* ---- metaspace ---------------------------------------------------------------------- */

/*
 * A node of a metaspace's list says its reserved space twice: {next, base,
 * bytes, ...} and later {base, words}. A context {name, list, ...} leads to the
 * list, {name, first node, ...} behind a vtable; it is the same name.
 */
static bool read_node(const struct vm *vm, uint64_t address,
		      struct mf_range *ret, uint64_t *next)
{
	uint64_t words[20];

	if (address % 8 ||
	    !mf_reader_read(vm->reader, address, words, sizeof(words)) ||
	    !words[1] || words[1] % 4096 || !words[2] || words[2] >> 46)
		return false;
	ret->start = words[1];
	ret->end = words[1] + words[2];
	*next = words[0];
	for (size_t i = 3; i + 1 < MF_ARRAY_SIZE(words); i++)
		if (words[i] == words[1] && words[i + 1] == words[2] / 8)
			return all_anonymous(vm, *ret);
	return false;
}

static void claim_nodes(const struct vm *vm, uint64_t node)
{
	for (unsigned i = 0; i < MOST_NODES && node; i++) {
		struct mf_range range;

		if (!read_node(vm, node, &range, &node))
			return;
		claim_range(vm, range, MF_CLASS_JAVA_METASPACE,
			    "java metaspace", "a node of its VirtualSpaceList");
	}
}

/* The first node of the list of the context at ADDRESS, or 0. */
static uint64_t first_node(const struct vm *vm, uint64_t address)
{
	const struct mf_module *module = vm->instance->module;
	uint64_t context[2], list[3];

	if (address % 8 || !mf_anon_at(vm->context->target, address) ||
	    !mf_reader_read(vm->reader, address, context, sizeof(context)) ||
	    context[0] < module->start || context[0] >= module->end ||
	    !mf_anon_at(vm->context->target, context[1]) ||
	    !mf_reader_read(vm->reader, context[1], list, sizeof(list)))
		return 0;
	for (size_t i = 0; i + 1 < MF_ARRAY_SIZE(list); i++)
		if (list[i] == context[0] &&
		    mf_anon_at(vm->context->target, list[i + 1]))
			return list[i + 1];
	return 0;
}

static bool find_metaspace(void *data, const struct mf_words *words)
{
	const struct vm *vm = data;

	for (size_t i = 0; i < words->count; i++)
		claim_nodes(vm, first_node(vm, words->words[i]));
	return true;
}

/* ---- tables of the collector ---------------------------------------------------------- */

/*
 * G1's region manager points at one mapper for each table (bitmaps, cards,
 * offsets): {vtable, listener, low, high, ...}.
 */
static void claim_g1_tables(const struct vm *vm, uint64_t manager)
{
	enum {
		WORDS = 64,
		MAPPER = 12
	};
	const struct mf_module *module = vm->instance->module;
	uint64_t words[WORDS];

	if (!mf_reader_read(vm->reader, manager, words, sizeof(words)))
		return;
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t mapper[MAPPER];

		if (words[i] % 8 ||
		    !mf_anon_at(vm->context->target, words[i]) ||
		    !mf_reader_read(vm->reader, words[i], mapper,
				    sizeof(mapper)) ||
		    mapper[0] < module->start || mapper[0] >= module->end)
			continue;
		for (size_t j = 1; j + 1 < MAPPER; j++) {
			struct mf_range range = { mapper[j], mapper[j + 1] };

			if (range.end <= range.start ||
			    !all_anonymous(vm, range))
				continue;
			claim_range(vm, range, MF_CLASS_JAVA_HEAP,
				    "java G1 table",
				    "a mapper of HeapRegionManager");
			break;
		}
	}
}

static void claim_card_table(const struct vm *vm)
{
	uint64_t set, table, map, size;
	struct mf_range range;

	if (!read_static(vm, BARRIER_SET, &set) ||
	    !read_member(vm, set, BARRIER_CARD, &table) ||
	    !mf_anon_at(vm->context->target, table) ||
	    !read_member(vm, table, CARD_MAP, &map) ||
	    !read_member(vm, table, CARD_SIZE, &size) || !size || size >> 46)
		return;
	range.start = mf_align_down(map, 4096);
	range.end = mf_align_down(map + size + 4095, 4096);
	if (all_anonymous(vm, range))
		claim_range(vm, range, MF_CLASS_JAVA_HEAP, "java card table",
			    "CardTable::_byte_map");
}

static void claim_tables(const struct vm *vm)
{
	uint64_t heap;

	claim_card_table(vm);
	if (!strcmp(vm->hotspot->collector, "G1") && has(vm, G1_REGIONS) &&
	    read_static(vm, COLLECTED_HEAP, &heap))
		claim_g1_tables(vm, heap + offset(vm, G1_REGIONS));
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct vm vm = {
		.context = context,
		.instance = instance,
		.reader = mf_reader_create(context->target),
		.hotspot = instance->state,
	};

	if (!vm.hotspot->described) {
		mf_instance_explain(context, instance,
				    "its VMStructs could not be read");
	} else if (!claim_heap(&vm)) {
		mf_instance_explain(context, instance,
				    "mapped, but no Java VM was started");
	} else {
		claim_code(&vm);
		claim_class_data(&vm);
		mf_scan_words(context->target, mf_module_data(instance->module),
			      find_metaspace, &vm);
		claim_tables(&vm);
	}
	mf_reader_destroy(vm.reader);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------------------ */

static const struct {
	const char *flag, *collector;
} collectors[] = {
	{ "UseG1GC", "G1" },
	{ "UseParallelGC", "Parallel" },
	{ "UseSerialGC", "Serial" },
	{ "UseZGC", "Z" },
	{ "UseShenandoahGC", "Shenandoah" },
	{ "UseConcMarkSweepGC", "CMS" },
	{ "UseEpsilonGC", "Epsilon" },
};

static const char *const sizes[] = {
	"MaxHeapSize",
	"MaxMetaspaceSize",
	"CompressedClassSpaceSize",
	"ReservedCodeCacheSize",
	"MaxDirectMemorySize",
};

static void take_flag(struct vm *vm, struct hotspot *hotspot, const char *name,
		      uint64_t address)
{
	uint8_t set;

	for (size_t i = 0; i < MF_ARRAY_SIZE(collectors); i++)
		if (!strcmp(name, collectors[i].flag) &&
		    mf_reader_read(vm->reader, address, &set, 1) && set)
			hotspot->collector = collectors[i].collector;
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++) {
		struct mf_parameter parameter = { sizes[i], 0 };

		if (strcmp(name, sizes[i]) != 0 ||
		    !mf_reader_u64(vm->reader, address, &parameter.value))
			continue;
		mf_instance_parameters(vm->context, vm->instance, &parameter,
				       1);
		if (!strcmp(name, "CompressedClassSpaceSize") &&
		    parameter.value >> 46 == 0)
			hotspot->class_space = parameter.value;
	}
}

static void read_flags(struct vm *vm, struct hotspot *hotspot)
{
	uint64_t flags, count, size;

	size = mf_vm_type_size(vm->context, vm->reader, vm->instance->module,
			       "JVMFlag");
	if (!size || size > 4096 || !read_static(vm, FLAGS, &flags) ||
	    !read_static(vm, FLAG_COUNT, &count))
		return;
	for (uint64_t i = 0; i < count && i < MOST_FLAGS; i++) {
		uint64_t name, address;
		char text[FLAG_ROOM];

		if (read_member(vm, flags + i * size, FLAG_NAME, &name) &&
		    read_member(vm, flags + i * size, FLAG_ADDRESS, &address) &&
		    name && mf_vm_text(vm->reader, name, text, sizeof(text)))
			take_flag(vm, hotspot, text, address);
	}
}

static void read_version(struct vm *vm)
{
	char text[64];
	uint64_t address;

	if (read_static(vm, RELEASE, &address) && address &&
	    mf_vm_text(vm->reader, address, text, sizeof(text)))
		vm->instance->info.version =
			mf_pool_strdup(vm->context->pool, text);
}

static void describe(struct mf_heap_context *context,
		     struct mf_allocator_instance *instance)
{
	struct hotspot *hotspot = instance->state;
	struct vm vm = {
		.context = context,
		.instance = instance,
		.reader = mf_reader_create(context->target),
		.hotspot = hotspot,
	};

	hotspot->collector = "";
	hotspot->described =
		mf_vm_structs_read(context, vm.reader, instance->module, names,
				   MF_ARRAY_SIZE(names), hotspot->fields);
	if (hotspot->described) {
		read_version(&vm);
		read_flags(&vm, hotspot);
	}
	mf_reader_destroy(vm.reader);
}

static const char *const symbols[] = {
	"gHotSpotVMStructs",
	"JNI_CreateJavaVM",
	NULL,
};

static const struct mf_signature signature = { .symbols = symbols };

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	return mf_signature_match(context, module, &signature);
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	instance->state = mf_new(struct hotspot);
	describe(context, instance);
}

static void close_instance(struct mf_allocator_instance *instance)
{
	free(instance->state);
	instance->state = NULL;
}

const struct mf_allocator_ops mf_hotspot_ops = {
	.name = "hotspot",
	.match = match,
	.added = added,
	.claim = claim,
	.close = close_instance,
};
