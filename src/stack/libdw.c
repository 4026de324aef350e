/*
 * The second unwinder: libdw's, with callbacks that give it one thread, whose
 * registers are those of the frame that it is to step from. It reads the unwind
 * tables of modules by itself; they are told to it when an address in them is
 * met first.
 */
#include <elfutils/libdwfl.h>
#include <string.h>
#include <unistd.h>

#include "stack/stack.h"

enum {
	READS_MAX = 1 << 16,  /* words of one step */
	THREAD = 1,	      /* the number of the only one */
	REGISTERS_MAX = 256,  /* that rules are looked at of */
	OPERATION_DIV = 0x1b, /* DW_OP_* */
	OPERATION_BRA = 0x28,
	OPERATION_SKIP = 0x2f,
	OPERATION_DEREF_SIZE = 0x94,
};

enum report {
	NOT_REPORTED,
	REPORTED,
	REFUSED,
};

struct mf_libdw {
	Dwfl *dwfl;
	bool attached;
	uint8_t *reported; /* enum report, by index of the module */
	size_t module_count;

	/* of the step that is taken */
	struct mf_stacks *stacks;
	const struct mf_step *step;
	unsigned reads;
	bool lacks_bytes;
	unsigned frames; /* seen */
	struct mf_frame_registers *caller;
};

/* ---- its questions ----------------------------------------------------------- */

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread)
{
	(void)dwfl;
	if (*thread)
		return 0;
	*thread = context;
	return THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread)
{
	(void)dwfl;
	*thread = context;
	return tid == THREAD;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret,
			void *context)
{
	struct mf_libdw *own = context;

	(void)dwfl;
	if (++own->reads > READS_MAX)
		return false;
	if (mf_stacks_read(own->stacks, own->step->thread, address, ret,
			   sizeof(*ret)))
		return true;
	own->lacks_bytes = true;
	return false;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
	const struct mf_libdw *own = context;
	const struct mf_frame_registers *from = &own->step->registers;

	for (unsigned i = 0; i < mf_cpu.registers; i++) {
		Dwarf_Word value = from->value[i];

		if (i == mf_cpu.pc)
			value = own->step->lookup;
		else if (!(from->known >> i & 1))
			continue;
		if (!dwfl_thread_state_registers(thread, (int)i, 1, &value))
			return false;
	}
	if (mf_cpu.pc == MF_NO_REGISTER)
		dwfl_thread_state_register_pc(thread, own->step->lookup);
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

/* The files of modules are given to it open. */
static int find_no_elf(Dwfl_Module *module, void **data, const char *name,
		       Dwarf_Addr base, char **path, Elf **elf)
{
	(void)module, (void)data, (void)name, (void)base;
	(void)path, (void)elf;
	return -1;
}

/* NOLINTNEXTLINE(readability-function-size): libdw's type. */
static int find_debug_file(Dwfl_Module *module, void **data, const char *name,
			   Dwarf_Addr base, const char *file, const char *link,
			   GElf_Word checksum, char **path)
{
	struct mf_libdw *const *own = (struct mf_libdw *const *)data;
	Dwarf_Addr start = base;

	(void)name, (void)file, (void)link, (void)checksum, (void)path;
	dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
	if (!*own)
		return -1;
	return mf_image_open((*own)->stacks->image,
			     mf_image_module_at((*own)->stacks->image, start),
			     true);
}

static const Dwfl_Callbacks module_callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = find_debug_file,
};

/* ---- modules ------------------------------------------------------------------- */

static struct mf_libdw *get(struct mf_stacks *stacks)
{
	struct mf_libdw *own = stacks->libdw;

	if (own)
		return own;
	own = stacks->libdw = mf_new(struct mf_libdw);
	own->stacks = stacks;
	own->dwfl = dwfl_begin(&module_callbacks);
	mf_image_modules(stacks->image, &own->module_count);
	own->reported = mf_calloc(own->module_count + 1, 1);
	return own;
}

void mf_libdw_destroy(struct mf_libdw *own)
{
	if (!own)
		return;
	dwfl_end(own->dwfl);
	free(own->reported);
	free(own);
}

/* One file may be loaded twice: the address makes the name its own. */
static Dwfl_Module *report_module(struct mf_libdw *own,
				  const struct mf_module *module)
{
	int fd = mf_image_open(own->stacks->image, module, false);
	mf_auto_free char *name = mf_asprintf(
		"%s@%llx", module->path, (unsigned long long)module->start);
	Dwfl_Module *reported;

	if (fd < 0)
		return NULL;
	reported = dwfl_report_elf(own->dwfl, name, module->path, fd,
				   module->bias, true);
	if (!reported)
		close(fd);
	return reported;
}

static bool tell_module(struct mf_libdw *own, const struct mf_module *module)
{
	Dwfl_Module *reported;
	void **data;

	if (!own->dwfl || !module || module->index >= own->module_count)
		return false;
	if (own->reported[module->index] != NOT_REPORTED)
		return own->reported[module->index] == REPORTED;
	own->reported[module->index] = REFUSED;
	dwfl_report_begin_add(own->dwfl);
	reported = report_module(own, module);
	if (dwfl_report_end(own->dwfl, NULL, NULL) != 0 || !reported)
		return false;
	dwfl_module_info(reported, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	*data = own;
	own->reported[module->index] = REPORTED;
	return true;
}

static bool attach(struct mf_libdw *own)
{
	if (!own->attached)
		own->attached = dwfl_attach_state(own->dwfl, NULL, THREAD,
						  &thread_callbacks, own);
	return own->attached;
}

/* ---- rules --------------------------------------------------------------------- */

/* It divides the least number by -1, and of a part of a word it asks an object
 * that is not there when it is to say where a frame is: both end a program. What
 * jumps without end it leaves, but not the memory that it took. */
static bool are_harmless(const Dwarf_Op *operations, size_t count)
{
	for (size_t i = 0; i < count; i++)
		switch (operations[i].atom) {
		case OPERATION_DIV:
		case OPERATION_DEREF_SIZE:
		case OPERATION_BRA:
		case OPERATION_SKIP:
			return false;
		default:
			break;
		}
	return true;
}

static bool is_harmless(Dwarf_Frame *frame)
{
	Dwarf_Op room[3], *operations;
	size_t count;

	if (dwarf_frame_cfa(frame, &operations, &count) == 0 &&
	    !are_harmless(operations, count))
		return false;
	for (int i = 0; i < REGISTERS_MAX; i++)
		if (dwarf_frame_register(frame, i, room, &operations, &count) ==
			    0 &&
		    !are_harmless(operations, count))
			return false;
	return true;
}

static Dwarf_Frame *find_frame(Dwarf_CFI *tables, Dwarf_Addr address)
{
	Dwarf_Frame *frame;

	if (!tables || dwarf_cfi_addrframe(tables, address, &frame) != 0)
		return NULL;
	return frame;
}

/*
 * It finds entries by itself, which need not be those that were checked; and
 * where it finds none it guesses by the frame pointer, and does not say so.
 */
static bool has_rules(const struct mf_libdw *own, uint64_t address)
{
	Dwfl_Module *module = dwfl_addrmodule(own->dwfl, address);
	Dwarf_Frame *frame;
	Dwarf_CFI *tables;
	Dwarf_Addr bias = 0;
	bool harmless;

	if (!module)
		return false;
	tables = dwfl_module_eh_cfi(module, &bias);
	frame = find_frame(tables, address - bias);
	if (!frame) {
		tables = dwfl_module_dwarf_cfi(module, &bias);
		frame = find_frame(tables, address - bias);
	}
	harmless = frame && is_harmless(frame);
	free(frame);
	return harmless;
}

/* ---- steps --------------------------------------------------------------------- */

static void take_registers(Dwfl_Frame *frame, struct mf_frame_registers *ret)
{
	Dwarf_Word value;

	ret->known = 0;
	for (unsigned i = 0; i < mf_cpu.registers; i++) {
		if (dwfl_frame_reg(frame, i, &value) != 0)
			continue;
		ret->value[i] = value;
		ret->known |= UINT64_C(1) << i;
	}
	ret->sp = ret->value[mf_cpu.sp];
}

/* The first frame is the one to step from. */
static int see_frame(Dwfl_Frame *frame, void *context)
{
	struct mf_libdw *own = context;
	Dwarf_Addr pc;

	if (own->frames++ == 0)
		return DWARF_CB_OK;
	if (!dwfl_frame_pc(frame, &pc, NULL)) {
		own->frames = 1;
		return DWARF_CB_ABORT;
	}
	take_registers(frame, own->caller);
	own->caller->pc = pc;
	return DWARF_CB_ABORT;
}

enum mf_step_result mf_libdw_step(struct mf_stacks *stacks,
				  const struct mf_step *step,
				  struct mf_frame_registers *ret)
{
	struct mf_libdw *own = get(stacks);
	int status;

	if (!tell_module(own,
			 mf_image_module_at(stacks->image, step->lookup)) ||
	    !attach(own) || !has_rules(own, step->lookup))
		return MF_STEP_FAILED;
	own->step = step;
	own->reads = 0;
	own->lacks_bytes = false;
	own->frames = 0;
	own->caller = ret;
	status = dwfl_getthread_frames(own->dwfl, THREAD, see_frame, own);
	if (own->frames > 1 && ret->known >> mf_cpu.sp & 1)
		return MF_STEP_DONE;
	/* what a signal has struck at 0 it takes for the end */
	if (status == 0 && own->frames == 1 && !step->cfi->signal)
		return MF_STEP_LAST;
	return own->lacks_bytes ? MF_STEP_BYTES : MF_STEP_FAILED;
}
