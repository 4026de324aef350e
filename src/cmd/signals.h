/*
 * Signals that would end us, held back while there is something to clear up:
 * a copy of the target, a file that is half written.
 */
#ifndef MF_CMD_SIGNALS_H
#define MF_CMD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct mf_held_signals {
	sigset_t before;
};

void mf_signals_hold(struct mf_held_signals *ret);

/** What came meanwhile ends us now. */
void mf_signals_release(const struct mf_held_signals *held);

/** One of them has come. CONTEXT is not looked at. */
bool mf_signals_want_end(void *context);

#endif
