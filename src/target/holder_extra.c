/*
 * What the holder reads of stopped threads when a core is to be written: what
 * floating point and vector registers hold, and the signal that each was about
 * to take. Vector registers that are not in use are zeros at the end of the
 * set: only what comes before them is kept.
 */
#include <stdint.h>
#include <sys/ptrace.h>

#include "base/memory.h"
#include "target/holder.h"

/* The target stands still meanwhile: words first. */
static size_t without_zeros(const unsigned char *bytes, size_t size)
{
	while (size >= sizeof(uint64_t) &&
	       !mf_load(uint64_t, bytes + size - sizeof(uint64_t)))
		size -= sizeof(uint64_t);
	while (size && !bytes[size - 1])
		size--;
	return size;
}

static void read_thread(struct mf_holder_shared *shared,
			struct mf_held_thread *thread)
{
	struct mf_held_extra *extra = &thread->extra;
	unsigned char *to = shared->extended + shared->extended_used;
	size_t room = sizeof(shared->extended) - shared->extended_used;

	extra->size = mf_arch_get_extended(
		thread->tid, to, MF_MIN(room, (size_t)MF_ARCH_EXTENDED));
	extra->stored = (uint32_t)without_zeros(to, extra->size);
	extra->at = shared->extended_used;
	shared->extended_used += (extra->stored + 63) & ~(size_t)63;
	extra->signal = thread->signal;
	extra->siginfo_known = thread->kind == MF_HELD_SIGNAL &&
			       ptrace(PTRACE_GETSIGINFO, thread->tid, NULL,
				      &extra->siginfo) == 0;
	extra->known = true;
}

void mf_holder_read_extra(struct mf_holder_shared *shared)
{
	shared->extended_used = 0;
	for (unsigned i = 0; i < shared->count; i++) {
		struct mf_held_thread *thread = &shared->threads[i];

		thread->extra.known = false;
		if (shared->wants_extra && thread->kind != MF_HELD_NEW &&
		    thread->kind != MF_HELD_GONE)
			read_thread(shared, thread);
	}
}
