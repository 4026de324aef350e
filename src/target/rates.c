/*
 * Measures what copying page tables and reading pages takes here and now: on
 * this processor, below this hypervisor, with what else runs. Both are done
 * with pages of this process, written for the first time: the first fork of a
 * page costs more than later ones, and a target's is a first one.
 */
#include "target/rates.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

enum {
	SIZE = 4 << 20, /* bytes, for one round */
	READ_SIZE = 1 << 20,
	ROUNDS = 2,
	FORKS = 3,
	GUESS_FORK_NS = 60,
	GUESS_READ_NS = 700,
	/* whatever a clock says */
	LEAST_NS = 5,
	MOST_NS = 20000,
};

void mf_rates_guess(struct mf_rates *ret)
{
	*ret = (struct mf_rates){ GUESS_FORK_NS, GUESS_READ_NS };
}

/* What this thread works: others that want the processor, too, do not count. */
static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* How long a fork takes; UINT64_MAX when it fails. Without libc's own work. */
static uint64_t time_fork(void)
{
	uint64_t began_ns = now_ns(), took_ns;
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	if (pid < 0)
		return UINT64_MAX;
	took_ns = now_ns() - began_ns;
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return took_ns;
}

static uint64_t time_forks(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < FORKS; i++) {
		uint64_t took_ns = time_fork();

		least = MF_MIN(least, took_ns);
	}
	return least;
}

/* Reads all but the first part of the bytes into that. */
static uint64_t time_reads(void *bytes)
{
	uint64_t began_ns = now_ns();

	for (size_t at = READ_SIZE; at < SIZE; at += READ_SIZE) {
		struct iovec to = { bytes, READ_SIZE };
		struct iovec from = { (char *)bytes + at, READ_SIZE };

		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) !=
		    READ_SIZE)
			return UINT64_MAX;
	}
	return now_ns() - began_ns;
}

/* A fork and the reads of pages that are new. 0, or errno. */
static int time_round(uint64_t *fork_ns, uint64_t *read_ns)
{
	long page_size = sysconf(_SC_PAGESIZE);
	uint64_t forked_ns, took_ns;
	char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return errno;
	madvise(bytes, SIZE, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < SIZE; at += (size_t)page_size)
		*(volatile char *)(bytes + at) = 1;
	forked_ns = time_fork();
	took_ns = time_reads(bytes);
	munmap(bytes, SIZE);
	*fork_ns = MF_MIN(*fork_ns, forked_ns);
	/* what was just written may lie in a cache still */
	*read_ns = MF_MAX(*read_ns, took_ns);
	return 0;
}

static uint64_t each(uint64_t took_ns, uint64_t size)
{
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t page_ns =
		MF_MAX(took_ns / (size / page_size), (uint64_t)LEAST_NS);

	return MF_MIN(page_ns, (uint64_t)MOST_NS);
}

int mf_rates_measure(struct mf_rates *ret)
{
	uint64_t empty_ns = time_forks();
	uint64_t full_ns = UINT64_MAX, read_ns = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int number = time_round(&full_ns, &read_ns);

		if (number)
			return number;
	}
	if (empty_ns == UINT64_MAX || full_ns == UINT64_MAX)
		return EAGAIN;
	if (read_ns == UINT64_MAX)
		return EPERM;
	ret->fork_page_ns =
		each(full_ns > empty_ns ? full_ns - empty_ns : 0, SIZE);
	ret->read_page_ns = each(read_ns, SIZE - READ_SIZE);
	return 0;
}
