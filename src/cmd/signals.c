/*
 * Which signals end a program whose user has had enough, and whether one came.
 */
#include "cmd/signals.h"

#include "base/compiler.h"

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

void mf_signals_hold(struct mf_held_signals *ret)
{
	sigset_t ending;

	sigemptyset(&ending);
	for (size_t i = 0; i < MF_ARRAY_SIZE(ending_signals); i++)
		sigaddset(&ending, ending_signals[i]);
	sigprocmask(SIG_BLOCK, &ending, &ret->before);
}

void mf_signals_release(const struct mf_held_signals *held)
{
	sigprocmask(SIG_SETMASK, &held->before, NULL);
}

bool mf_signals_want_end(void *context)
{
	sigset_t pending;

	(void)context;
	if (sigpending(&pending) != 0)
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(ending_signals); i++)
		if (sigismember(&pending, ending_signals[i]) == 1)
			return true;
	return false;
}
