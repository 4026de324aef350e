/*
 * What vertices of the tree, and lines of it, are called in rows of a report.
 */
#include "scan/keepers_line_rows.h"

#include "base/units.h"

/* ---- what a number is ----------------------------------------------------------- */

const char *mf_keepers_thread_name(const struct mf_keepers *keepers, int tid)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(keepers->target, &count);

	for (size_t i = 0; i < count; i++)
		if (threads[i].tid == tid)
			return threads[i].comm;
	return NULL;
}

static void print_thread(const struct mf_keepers *keepers, const char *what,
			 int tid, struct mf_buffer *text)
{
	const char *name = mf_keepers_thread_name(keepers, tid);

	mf_buffer_printf(text, "%s%d", what, tid);
	if (name && *name)
		mf_buffer_printf(text, " (%s)", name);
}

static const char *name_of_region(const struct mf_region *region)
{
	return *region->label ? region->label : mf_class_name(region->class);
}

static const char *owner_of(const struct mf_keeper *keeper)
{
	if (keeper->module)
		return keeper->module->name;
	return keeper->region ? name_of_region(keeper->region) : "";
}

static void print_part(const struct mf_keepers *keepers, const char *what,
		       const struct mf_keeper *keeper, struct mf_buffer *text)
{
	mf_buffer_puts(text, what);
	if (keeper->tid)
		print_thread(keepers, " of thread ", keeper->tid, text);
	else if (keeper->region)
		mf_buffer_printf(text, " (%s)", name_of_region(keeper->region));
}

void mf_keeper_print(const struct mf_keepers *keepers,
		     const struct mf_keeper *keeper, struct mf_buffer *text)
{
	switch (keeper->kind) {
	case MF_KEEPER_MODULE:
		mf_buffer_printf(text, "several variables of %s",
				 owner_of(keeper));
		break;
	case MF_KEEPER_VARIABLE:
		mf_buffer_printf(text, "%s (%s)", keeper->symbol,
				 owner_of(keeper));
		break;
	case MF_KEEPER_SECTION:
		mf_buffer_printf(text, "unnamed %s of %s",
				 mf_class_name(keeper->region->class),
				 owner_of(keeper));
		break;
	case MF_KEEPER_THREAD:
		print_thread(keepers, "thread ", keeper->tid, text);
		break;
	case MF_KEEPER_STACK:
		print_part(keepers, "stack", keeper, text);
		break;
	case MF_KEEPER_REGISTERS:
		print_part(keepers, "registers", keeper, text);
		break;
	case MF_KEEPER_TLS:
		print_part(keepers, "TLS", keeper, text);
		break;
	case MF_KEEPER_MEMORY:
		mf_buffer_puts(text, owner_of(keeper));
		break;
	case MF_KEEPER_KERNEL:
		mf_buffer_puts(text, "the kernel");
		break;
	default:
		mf_buffer_puts(text, "several roots");
	}
}

uint64_t mf_keepers_address(const struct mf_keepers *keepers, uint32_t number)
{
	const struct mf_keeper *keeper = mf_keeper_of(keepers, number);
	uint64_t end;

	return keeper ? keeper->start
		      : mf_nodes_start(&keepers->graph->nodes,
				       keepers->tree.vertices[number], &end);
}

static const struct mf_keeper_type *type_of(const struct mf_keepers *keepers,
					    uint32_t number)
{
	if (!keepers->type_of || !keepers->type_of[number])
		return NULL;
	return &keepers->type_list.items[keepers->type_of[number] - 1];
}

static bool is_chunk(const struct mf_keepers *keepers, uint64_t address)
{
	struct mf_chunk chunk;

	return keepers->places.heap &&
	       mf_heap_chunk_at(keepers->places.heap, address, &chunk);
}

static void print_node(const struct mf_keepers *keepers,
		       const struct mf_report *report, uint32_t number,
		       struct mf_buffer *text)
{
	const struct mf_keeper_type *type = type_of(keepers, number);
	uint64_t address = mf_keepers_address(keepers, number);
	char size[MF_UNIT_TEXT];

	if (type)
		mf_buffer_puts(text, type->name);
	else
		mf_buffer_printf(
			text, "%s of %s",
			is_chunk(keepers, address) ? "chunk" : "mapping",
			mf_report_size(report, size,
				       mf_keepers_size(keepers, number)));
}

void mf_keepers_print(const struct mf_keepers *keepers,
		      const struct mf_report *report, uint32_t number,
		      struct mf_buffer *text)
{
	const struct mf_keeper *keeper = mf_keeper_of(keepers, number);

	if (keeper)
		mf_keeper_print(keepers, keeper, text);
	else
		print_node(keepers, report, number, text);
}

/* ": g_left, g_right" */
void mf_sharing_print(const struct mf_keepers *keepers,
		      const struct mf_sharing *sharing, struct mf_buffer *text)
{
	for (unsigned i = 0; i < sharing->count; i++) {
		uint32_t number = sharing->holders[i];
		const struct mf_keeper *keeper = mf_keeper_of(keepers, number);

		mf_buffer_puts(text, i ? ", " : "");
		if (keeper && keeper->symbol)
			mf_buffer_puts(text, keeper->symbol);
		else if (keeper)
			mf_keeper_print(keepers, keeper, text);
		else
			mf_buffer_printf(text, "%#llx",
					 (unsigned long long)mf_keepers_address(
						 keepers, number));
	}
	mf_buffer_puts(text, sharing->more ? ", ..." : "");
}

/* ---- what a line is --------------------------------------------------------------- */

const char *mf_kept_line_kind(const struct mf_keepers *keepers,
			      const struct mf_kept_line *line)
{
	switch (line->kind) {
	case MF_LINE_KEEPER:
		return mf_keeper_kind_name(
			mf_keeper_of(keepers, line->number)->kind);
	case MF_LINE_SHARED:
		return "shared";
	case MF_LINE_REST:
		return "rest";
	case MF_LINE_TYPE:
		return "objects";
	default:
		return is_chunk(keepers,
				mf_keepers_address(keepers, line->number))
			       ? "chunks"
			       : "mappings";
	}
}

static void print_sizes(const struct mf_report *report,
			const struct mf_kept_line *line, struct mf_buffer *text)
{
	char least[MF_UNIT_TEXT], most[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

	mf_report_size(report, least, line->least);
	mf_report_size(report, most, line->most + 1);
	mf_buffer_printf(text, "%s chunks of %s",
			 mf_format_count(count, line->count), least);
	if (line->least != line->most)
		mf_buffer_printf(text, " to %s", most);
}

void mf_kept_line_print(const struct mf_keepers *keepers,
			const struct mf_report *report,
			const struct mf_kept_line *line, struct mf_buffer *text)
{
	char count[MF_UNIT_TEXT];

	mf_format_count(count, line->count);
	if (line->kind == MF_LINE_REST)
		mf_buffer_printf(text, "%s others", count);
	else if (line->count <= 1)
		mf_keepers_print(keepers, report, line->number, text);
	else if (line->kind == MF_LINE_TYPE)
		mf_buffer_printf(text, "%s %s", count,
				 keepers->type_list.items[line->type].name);
	else
		print_sizes(report, line, text);
}
