/*
 * A system call as people read it: its name, and of its first arguments those
 * that say what it waits for.
 */
#include "analysis/threads.h"
#include "base/units.h"

enum {
	SHOWN = 3, /* arguments, at most */
	FUTEX_FLAGS = 0x180,
};

/*
 * Of each argument one letter: d descriptor, a address, s size, o futex
 * operation, p process, n number of descriptors, x number; a blank is not
 * shown, and no more than these are.
 */
static const struct {
	const char *name, *arguments;
} calls[] = {
	{ "accept", "d" },
	{ "accept4", "d" },
	{ "close", "d" },
	{ "connect", "d" },
	{ "copy_file_range", "d d" },
	{ "epoll_pwait", "d" },
	{ "epoll_pwait2", "d" },
	{ "epoll_wait", "d" },
	{ "fallocate", "d" },
	{ "fcntl", "dx" },
	{ "fdatasync", "d" },
	{ "flock", "d" },
	{ "fsync", "d" },
	{ "ftruncate", "d" },
	{ "futex", "ao" },
	{ "futex_wait", "a" },
	{ "getdents64", "d" },
	{ "io_getevents", "a" },
	{ "io_uring_enter", "d" },
	{ "ioctl", "dx" },
	{ "madvise", "as" },
	{ "mmap", "as" },
	{ "mprotect", "as" },
	{ "mremap", "as" },
	{ "msgrcv", "x" },
	{ "msgsnd", "x" },
	{ "munmap", "as" },
	{ "openat", "d" },
	{ "poll", " n" },
	{ "ppoll", " n" },
	{ "pread64", "d" },
	{ "preadv", "d" },
	{ "preadv2", "d" },
	{ "process_vm_readv", "p" },
	{ "pselect6", "n" },
	{ "pwrite64", "d" },
	{ "pwritev", "d" },
	{ "pwritev2", "d" },
	{ "read", "d" },
	{ "readv", "d" },
	{ "recvfrom", "d" },
	{ "recvmmsg", "d" },
	{ "recvmsg", "d" },
	{ "select", "n" },
	{ "semop", "x" },
	{ "semtimedop", "x" },
	{ "sendfile", "dd" },
	{ "sendmmsg", "d" },
	{ "sendmsg", "d" },
	{ "sendto", "d" },
	{ "splice", "d d" },
	{ "sync_file_range", "d" },
	{ "syncfs", "d" },
	{ "tee", "dd" },
	{ "tgkill", "ppx" },
	{ "vmsplice", "d" },
	{ "wait4", "p" },
	{ "write", "d" },
	{ "writev", "d" },
};

static const char *arguments_of(const char *name)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(calls); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].arguments;
	return "";
}

static void add_operation(struct mf_buffer *text, uint64_t value)
{
	static const char *const names[] = {
		"wait",		  "wake",	 "fd",
		"requeue",	  "cmp_requeue", "wake_op",
		"lock_pi",	  "unlock_pi",	 "trylock_pi",
		"wait_bitset",	  "wake_bitset", "wait_requeue_pi",
		"cmp_requeue_pi", "lock_pi2",
	};
	uint64_t operation = (uint32_t)value & ~(uint32_t)FUTEX_FLAGS;

	if (operation < MF_ARRAY_SIZE(names))
		mf_buffer_puts(text, names[operation]);
	else
		mf_buffer_printf(text, "%#x", (unsigned)value);
}

static void add_argument(struct mf_buffer *text, char kind, uint64_t value)
{
	char size[MF_UNIT_TEXT];

	switch (kind) {
	case 'd':
		mf_buffer_printf(text, "fd %d", (int)value);
		break;
	case 'p':
		mf_buffer_printf(text, "pid %d", (int)value);
		break;
	case 'n':
		mf_buffer_printf(text, "%u fd%s", (unsigned)value,
				 (unsigned)value == 1 ? "" : "s");
		break;
	case 's':
		mf_buffer_puts(text, mf_format_size(size, value));
		break;
	case 'o':
		add_operation(text, value);
		break;
	default:
		mf_buffer_printf(text, "%#llx", (unsigned long long)value);
	}
}

static void add_arguments(struct mf_buffer *text, const char *kinds,
			  const struct mf_thread *thread)
{
	uint64_t arguments[MF_SYSCALL_ARGUMENTS];
	unsigned known = mf_target_syscall_arguments(thread, arguments);
	const char *between = "(";

	for (unsigned i = 0; i < SHOWN && kinds[i]; i++) {
		if (kinds[i] == ' ' || !(known >> i & 1))
			continue;
		mf_buffer_puts(text, between);
		add_argument(text, kinds[i], arguments[i]);
		between = ", ";
	}
	if (between[0] == ',')
		mf_buffer_putc(text, ')');
}

void mf_thread_describe_call(const struct mf_thread *thread,
			     struct mf_buffer *text)
{
	const char *name;

	if (!thread->in_syscall)
		return;
	name = mf_target_syscall_name(thread->syscall);
	if (!name) {
		mf_buffer_printf(text, "system call %lld",
				 (long long)thread->syscall);
		return;
	}
	mf_buffer_puts(text, name);
	add_arguments(text, arguments_of(name), thread);
}
