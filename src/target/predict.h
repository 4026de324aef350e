/*
 * How long a live target would stand still.
 */
#ifndef MF_TARGET_PREDICT_H
#define MF_TARGET_PREDICT_H

#include "target/live.h"
#include "target/rates.h"

struct mf_prediction {
	uint64_t copy_ns;  /* until there is a copy */
	uint64_t brief_ns; /* until all is read that is expected to be */
};

/** From what is known without a stop. */
void mf_predict_pause(const struct mf_target *target,
		      const struct mf_rates *rates, struct mf_prediction *ret);

/** Pages whose entries a copy takes: where rates matter, or not. */
uint64_t mf_predict_pages(const struct mf_target *target);

#endif
