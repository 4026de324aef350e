/*
 * System calls by number: names of those that all processors number alike, and
 * what a thread gave the call that it is in.
 */
#include "base/memory.h"
#include "target/arch.h"

enum {
	FIRST_NEWER = 424,
};

static const char *const newer[] = { "pidfd_send_signal",
				     "io_uring_setup",
				     "io_uring_enter",
				     "io_uring_register",
				     "open_tree",
				     "move_mount",
				     "fsopen",
				     "fsconfig",
				     "fsmount",
				     "fspick",
				     "pidfd_open",
				     "clone3",
				     "close_range",
				     "openat2",
				     "pidfd_getfd",
				     "faccessat2",
				     "process_madvise",
				     "epoll_pwait2",
				     "mount_setattr",
				     "quotactl_fd",
				     "landlock_create_ruleset",
				     "landlock_add_rule",
				     "landlock_restrict_self",
				     "memfd_secret",
				     "process_mrelease",
				     "futex_waitv",
				     "set_mempolicy_home_node",
				     "cachestat",
				     "fchmodat2",
				     "map_shadow_stack",
				     "futex_wake",
				     "futex_wait",
				     "futex_requeue",
				     "statmount",
				     "listmount",
				     "lsm_get_self_attr",
				     "lsm_set_self_attr",
				     "lsm_list_modules",
				     "mseal",
				     "setxattrat",
				     "getxattrat",
				     "listxattrat",
				     "removexattrat",
				     "open_tree_attr",
				     "file_getattr",
				     "file_setattr",
				     "listns" };

const char *mf_target_syscall_name(int64_t number)
{
	const struct mf_arch_calls *calls = mf_arch_calls;

	if (number >= FIRST_NEWER &&
	    number - FIRST_NEWER < (int64_t)MF_ARRAY_SIZE(newer))
		return newer[number - FIRST_NEWER];
	for (; calls->names; calls++)
		if (number >= calls->first &&
		    number - calls->first < (int64_t)calls->count)
			return calls->names[number - calls->first];
	return NULL;
}

unsigned mf_target_syscall_arguments(const struct mf_thread *thread,
				     uint64_t ret[MF_SYSCALL_ARGUMENTS])
{
	unsigned all = (1U << MF_SYSCALL_ARGUMENTS) - 1, known = 0;

	if (!thread->in_syscall)
		return 0;
	if (thread->registers_known)
		known = mf_arch_call_arguments(thread, ret);
	if (known == all || !thread->arguments_known)
		return known;
	/* of the same call, as far as anybody can tell */
	for (unsigned i = 0; i < MF_SYSCALL_ARGUMENTS; i++)
		if (known >> i & 1 && ret[i] != thread->arguments[i])
			return known;
	memcpy(ret, thread->arguments, sizeof(thread->arguments));
	return all;
}
