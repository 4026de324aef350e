/*
 * From counts of classes to rows of types: classes of one name that modules
 * have of their own are one type, but those of a source file alone are not.
 * Types of Rust come to the same table.
 */
#include <string.h>

#include "base/memory.h"
#include "scan/objects.h"

static bool has_objects(const struct mf_object_tally *tally)
{
	return tally->started || tally->arrays || tally->members ||
	       tally->loose || tally->remains;
}

static enum mf_object_confidence
confidence_of(const struct mf_vtable_class *class,
	      const struct mf_object_tally *tally)
{
	bool any = tally->started || tally->arrays || tally->members ||
		   tally->loose;

	/* glibc writes over the first word of what is freed; others do not */
	if (!any || class->proof == MF_VTABLE_ADDRESS)
		return MF_OBJECT_LOW;
	return tally->loose || tally->unproved ? MF_OBJECT_MEDIUM
					       : MF_OBJECT_HIGH;
}

static char *note_of(struct mf_objects *objects,
		     const struct mf_object_tally *tally)
{
	if (!tally->expired)
		return NULL;
	return mf_pool_printf(&objects->rows.pool, "%llu expired",
			      (unsigned long long)tally->expired);
}

struct counted {
	uint32_t index; /* of the class */
	const struct mf_vtable_class *class;
	struct mf_object_tally *tally;
};

static void make_row(struct mf_objects *objects, const struct counted *counted)
{
	const struct mf_vtable_class *class = counted->class;
	const struct mf_object_tally *tally = counted->tally;

	mf_vec_push(&objects->rows.list,
		    (struct mf_object_row){
			    .class = counted->index,
			    .evidence = mf_vtable_proof_name(class->proof),
			    .module = class->module->name,
			    .note = note_of(objects, tally),
			    .count = tally->started + tally->arrays +
				     tally->members + tally->loose,
			    .inside = tally->members + tally->loose,
			    .remains = tally->remains,
			    .bytes = tally->bytes,
			    .example = tally->example,
			    .confidence = confidence_of(class, tally),
		    });
}

/* ---- classes of one name ------------------------------------------------------ */

static int compare_counted(const void *left, const void *right)
{
	const struct counted *a = left, *b = right;
	int by_name;

	if (a->class->internal != b->class->internal)
		return a->class->internal ? 1 : -1;
	by_name = a->class->internal ? 0 : strcmp(a->class->raw, b->class->raw);
	return by_name ? by_name
		       : (a->index > b->index) - (a->index < b->index);
}

static bool is_same(const struct counted *a, const struct counted *b)
{
	return !a->class->internal && !b->class->internal &&
	       strcmp(a->class->raw, b->class->raw) == 0;
}

static const char *doubt_of(struct mf_objects *objects,
			    const struct mf_rust_row *row)
{
	if (row->doubtful)
		return mf_pool_printf(&objects->rows.pool,
				      "%llu may be counted twice",
				      (unsigned long long)row->doubtful);
	return row->loose ? "some may be freed already" : NULL;
}

static void add_rust(struct mf_objects *objects)
{
	size_t count;
	const struct mf_rust_row *rows = mf_rust_rows(objects->rust, &count);

	for (size_t i = 0; i < count; i++)
		mf_vec_push(
			&objects->rows.list,
			(struct mf_object_row){
				.type = rows[i].type,
				.language = "rust",
				.evidence = rows[i].evidence,
				.module = rows[i].module,
				.count = rows[i].count,
				.note = doubt_of(objects, &rows[i]),
				.bytes = rows[i].bytes,
				.example = rows[i].example,
				.confidence = rows[i].doubtful || rows[i].loose
						      ? MF_OBJECT_MEDIUM
						      : MF_OBJECT_HIGH,
			});
}

void mf_objects_make_rows(struct mf_objects *objects)
{
	MF_VEC(struct counted) list = { 0 };
	size_t i = 0;

	for (uint32_t k = 0; k < objects->vtables->classes.count; k++)
		if (has_objects(&objects->tallies[k]))
			mf_vec_push(&list,
				    (struct counted){
					    k,
					    &objects->vtables->classes.items[k],
					    &objects->tallies[k] });
	mf_vec_sort(&list, compare_counted);
	while (i < list.count) {
		const struct counted *first = &list.items[i++];

		while (i < list.count && is_same(first, &list.items[i]))
			mf_object_tally_add(first->tally,
					    list.items[i++].tally);
		make_row(objects, first);
	}
	mf_vec_deinit(&list);
	add_rust(objects);
}
