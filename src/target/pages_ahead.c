/*
 * Pages that are asked for before they are needed: a second thread copies them
 * where the kind of target can, and otherwise they are read when they are.
 */
#include <assert.h>

#include "target/ahead.h"
#include "target/target.h"

/* Others that read the target at the same time are threads enough. */
static bool has_ahead(struct mf_target *target)
{
	if (target->shared || !target->ops->begin || target->no_ahead)
		return false;
	if (!target->ahead)
		target->ahead = mf_ahead_create();
	target->no_ahead = !target->ahead;
	return target->ahead;
}

/* The units of SPAN begin to be copied; false: it has none. */
static bool begin_units(struct mf_target *target, struct mf_target_span *span)
{
	if (!has_ahead(target))
		return false;
	if (!target->ops->begin(target, span)) {
		mf_ahead_undo(target->ahead);
		return false;
	}
	span->units_end = mf_ahead_begin(target->ahead);
	return true;
}

struct mf_error *mf_target_begin_pages(struct mf_target *target, uint64_t start,
				       size_t count, void *bytes,
				       uint8_t *flags)
{
	struct mf_target_span *span = &target->spans[target->span_count];

	assert(target->span_count < MF_PAGES_AHEAD);
	MF_TRY(mf_target_residency(target, start, count, flags));
	*span = (struct mf_target_span){
		.start = start,
		.count = count,
		.bytes = bytes,
		.flags = flags,
	};
	span->is_ahead = begin_units(target, span);
	target->span_count++;
	return NULL;
}

/* Of what could not be copied it is found out why. */
static struct mf_error *settle_unit(struct mf_target *target,
				    const struct mf_target_span *span,
				    const struct mf_ahead_unit *unit)
{
	size_t page_size = target->info.page_size;
	size_t first = (size_t)(unit->to - span->bytes) / page_size;

	if (!unit->copied)
		return mf_target_read_resident(
			target, span->start + first * page_size,
			unit->size / page_size, unit->to, span->flags + first);
	target->impact.bytes_read += unit->size;
	return NULL;
}

struct mf_error *mf_target_finish_pages(struct mf_target *target)
{
	const struct mf_target_span span = target->spans[0];
	const struct mf_ahead_unit *unit;
	struct mf_error *error = NULL;

	assert(target->span_count);
	target->span_count--;
	memmove(&target->spans[0], &target->spans[1],
		target->span_count * sizeof(span));
	if (!span.is_ahead)
		return mf_target_read_resident(target, span.start, span.count,
					       span.bytes, span.flags);
	while ((unit = mf_ahead_take(target->ahead, span.units_end)))
		if (!error)
			error = settle_unit(target, &span, unit);
	return error;
}

void mf_target_drop_pages(struct mf_target *target)
{
	target->span_count = 0;
	/* what nobody wants was read all the same */
	if (target->ahead)
		target->impact.bytes_read += mf_ahead_drop(target->ahead);
}
