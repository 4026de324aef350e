/*
 * The first unwinder: libunwind, with libunwind-ptrace's table of accessors, of
 * which those that would ask a process are ours: registers are of the frame
 * that it is to step from, memory is what was captured, and unwind tables are
 * those that we have found. It takes one step at a time: each begins with the
 * registers of the frame before.
 */
#include <libunwind-ptrace.h>
#include <string.h>

#include "stack/stack.h"

/* Where libunwind reads the rules that it is given: no address of a program. */
static const uint64_t rules_at = UINT64_C(0xfff0) << 48;

enum {
	READS_MAX = 1 << 16, /* words of one step: rules may have loops */
	ENTRY_BYTES = 8,     /* of a sorted table: two offsets */
};

struct mf_libunwind {
	unw_accessors_t accessors;
	unw_addr_space_t space;

	/* of the step that is taken */
	const struct mf_stacks *stacks;
	const struct mf_step *step;
	unsigned reads;
	bool lacks_bytes;
};

/* glibc's libunwind has this for those who find tables themselves. */
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t space, unw_word_t ip,
			       unw_dyn_info_t *table, unw_proc_info_t *info,
			       int need_unwind_info, void *context);

/* ---- accessors ------------------------------------------------------------- */

/* One entry, whose function begins before all addresses. */
static void read_rules(const struct mf_cfi *cfi, uint64_t at, unw_word_t *ret)
{
	const int32_t entry[2] = { INT32_MIN, 0 };
	uint8_t word[sizeof(*ret)] = { 0 };

	_Static_assert(sizeof(entry) == ENTRY_BYTES, "two offsets");
	for (size_t i = 0; i < sizeof(word); i++, at++) {
		if (at < ENTRY_BYTES)
			word[i] = ((const uint8_t *)entry)[at];
		else if (at - ENTRY_BYTES < cfi->size)
			word[i] = cfi->bytes[at - ENTRY_BYTES];
	}
	memcpy(ret, word, sizeof(word));
}

static int access_memory(unw_addr_space_t space, unw_word_t address,
			 unw_word_t *value, int write, void *context)
{
	struct mf_libunwind *own = context;

	(void)space;
	if (write || ++own->reads > READS_MAX)
		return -UNW_EINVAL;
	if (address >= rules_at) {
		read_rules(own->step->cfi, address - rules_at, value);
		return 0;
	}
	if (mf_stacks_read(own->stacks, own->step->thread, address, value,
			   sizeof(*value)))
		return 0;
	own->lacks_bytes = true;
	return -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number,
			   unw_word_t *value, int write, void *context)
{
	const struct mf_libunwind *own = context;
	const struct mf_frame_registers *from = &own->step->registers;

	(void)space;
	if (write)
		return -UNW_EREADONLYREG;
	if (number == UNW_REG_IP)
		*value = own->step->lookup;
	else if (number >= 0 && (unsigned)number < mf_cpu.registers &&
		 from->known >> number & 1)
		*value = from->value[number];
	else
		return -UNW_EBADREG;
	return 0;
}

/* The table's types are not ours. */
/* NOLINTBEGIN(readability-non-const-parameter) */

static int access_float(unw_addr_space_t space, unw_regnum_t number,
			unw_fpreg_t *value, int write, void *context)
{
	(void)space, (void)number, (void)value, (void)write, (void)context;
	return -UNW_EBADREG;
}

static int find_rules(unw_addr_space_t space, unw_word_t ip,
		      unw_proc_info_t *info, int need, void *context)
{
	const struct mf_libunwind *own = context;
	const struct mf_cfi *cfi = own->step->cfi;
	unw_dyn_info_t table;

	if (ip < cfi->start || ip >= cfi->end)
		return -UNW_ENOINFO;
	memset(&table, 0, sizeof(table));
	table.format = UNW_INFO_FORMAT_REMOTE_TABLE;
	table.start_ip = cfi->start;
	table.end_ip = cfi->end;
	table.u.rti.segbase = rules_at + ENTRY_BYTES + cfi->fde;
	table.u.rti.table_data = rules_at;
	table.u.rti.table_len = 1;
	return search_unwind_table(space, ip, &table, info, need, context);
}

static int find_no_list(unw_addr_space_t space, unw_word_t *ret, void *context)
{
	(void)space, (void)ret, (void)context;
	return -UNW_ENOINFO;
}

static int resume_nothing(unw_addr_space_t space, unw_cursor_t *cursor,
			  void *context)
{
	(void)space, (void)cursor, (void)context;
	return -UNW_EINVAL;
}

static int name_nothing(unw_addr_space_t space, unw_word_t ip, char *name,
			size_t size, unw_word_t *offset, void *context)
{
	(void)space, (void)ip, (void)name, (void)size;
	(void)offset, (void)context;
	return -UNW_ENOINFO;
}

/* NOLINTEND(readability-non-const-parameter) */

/* ---- steps ------------------------------------------------------------------- */

static struct mf_libunwind *get(struct mf_stacks *stacks)
{
	struct mf_libunwind *own = stacks->libunwind;

	if (own)
		return own;
	own = stacks->libunwind = mf_new(struct mf_libunwind);
	own->accessors = _UPT_accessors;
	own->accessors.access_mem = access_memory;
	own->accessors.access_reg = access_register;
	own->accessors.access_fpreg = access_float;
	own->accessors.find_proc_info = find_rules;
	own->accessors.get_dyn_info_list_addr = find_no_list;
	own->accessors.resume = resume_nothing;
	own->accessors.get_proc_name = name_nothing;
	own->space = unw_create_addr_space(&own->accessors, 0);
	if (own->space)
		unw_set_caching_policy(own->space, UNW_CACHE_GLOBAL);
	return own;
}

void mf_libunwind_destroy(struct mf_libunwind *own)
{
	if (own && own->space)
		unw_destroy_addr_space(own->space);
	free(own);
}

static void take_registers(unw_cursor_t *cursor, struct mf_frame_registers *ret)
{
	unw_word_t value;

	ret->known = 0;
	for (unsigned i = 0; i < mf_cpu.registers; i++) {
		if (unw_get_reg(cursor, (unw_regnum_t)i, &value) != 0)
			continue;
		ret->value[i] = value;
		ret->known |= UINT64_C(1) << i;
	}
}

enum mf_step_result mf_libunwind_step(struct mf_stacks *stacks,
				      const struct mf_step *step,
				      struct mf_frame_registers *ret)
{
	struct mf_libunwind *own = get(stacks);
	unw_cursor_t cursor;
	unw_word_t pc, sp;
	int status;

	if (!own->space || step->cfi->in_place)
		return MF_STEP_FAILED;
	own->stacks = stacks;
	own->step = step;
	own->reads = 0;
	own->lacks_bytes = false;
	if (unw_init_remote(&cursor, own->space, own) != 0)
		return MF_STEP_FAILED;
	status = unw_step(&cursor);
	/* a signal can have struck at 0, where no stack ends */
	if (status == 0 && !step->cfi->signal)
		return MF_STEP_LAST;
	if (status < 0 || unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 ||
	    unw_get_reg(&cursor, UNW_REG_SP, &sp) != 0)
		return own->lacks_bytes ? MF_STEP_BYTES : MF_STEP_FAILED;
	take_registers(&cursor, ret);
	ret->pc = pc;
	ret->sp = sp;
	return MF_STEP_DONE;
}
