/*
 * Main's end of the line to the holder: starts it, asks it, and ends it.
 */
#include "target/holder_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

enum {
	ANSWER_MS = 2000, /* what an answer takes at most, beyond the pause */
};

/* ---- the holder's process ----------------------------------------------------- */

bool mf_holder_start(struct mf_live *live)
{
	struct mf_holder *holder = live->holder;
	int pair[2], task = openat(live->proc, "task",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (task < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		close(task);
		return false;
	}
	atomic_store(&holder->shared->state, MF_HOLDER_IDLE);
	/* a copy ended with the holder that had it: its number is another's */
	holder->shared->copy.pid = 0;
	holder->pid = fork();
	if (holder->pid == 0)
		mf_holder_run(pair[1], task, holder->shared);
	close(task);
	close(pair[1]);
	holder->socket = pair[0];
	if (holder->pid > 0)
		return true;
	close(pair[0]);
	holder->pid = 0;
	return false;
}

/* End of file makes it let go and end. */
static void stop_holder(struct mf_holder *holder)
{
	if (!holder->pid)
		return;
	close(holder->socket);
	while (waitpid(holder->pid, NULL, 0) < 0 && errno == EINTR)
		;
	holder->pid = 0;
}

struct mf_holder *mf_holder_create(void)
{
	struct mf_holder *holder;
	void *shared = mmap(NULL, sizeof(struct mf_holder_shared),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (shared == MAP_FAILED)
		return NULL;
	holder = mf_new(struct mf_holder);
	holder->shared = shared;
	return holder;
}

void mf_holder_destroy(struct mf_holder *holder)
{
	if (!holder)
		return;
	stop_holder(holder);
	munmap(holder->shared, sizeof(*holder->shared));
	free(holder);
}

/* ---- asking --------------------------------------------------------------------- */

static bool await_answer(const struct mf_holder *holder, uint32_t ask,
			 int timeout_ms, int *number)
{
	struct pollfd poll_fd = { .fd = holder->socket, .events = POLLIN };
	struct mf_holder_answer answer;
	int got;

	do
		got = poll(&poll_fd, 1, timeout_ms);
	while (got < 0 && errno == EINTR);
	if (got <= 0 ||
	    recv(holder->socket, &answer, sizeof(answer), 0) !=
		    (ssize_t)sizeof(answer) ||
	    answer.ask != ask)
		return false;
	*number = answer.number;
	return true;
}

bool mf_holder_ask(struct mf_holder *holder,
		   const struct mf_holder_request *request, int *number)
{
	uint64_t wait_ms = request->max_pause_ns / 1000000 + ANSWER_MS;

	if (holder->pid &&
	    send(holder->socket, request, sizeof(*request), MSG_NOSIGNAL) ==
		    (ssize_t)sizeof(*request) &&
	    await_answer(holder, request->ask,
			 (int)MF_MIN(wait_ms, (uint64_t)3600000), number))
		return true;
	if (holder->pid)
		kill(holder->pid, SIGKILL);
	stop_holder(holder);
	return false;
}

bool mf_holder_is_there(const struct mf_holder *holder)
{
	struct pollfd poll_fd = { .fd = holder->socket, .events = POLLIN };

	/* a holder that was killed closed its end */
	return holder->pid && poll(&poll_fd, 1, 0) == 0;
}
