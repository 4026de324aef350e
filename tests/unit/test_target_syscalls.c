/*
 * Names of system calls against the numbers that the system's headers give
 * them, and the arguments of the call that a thread is in.
 */
#include <sys/syscall.h>

#include "memforensics/target.h"

#include "unit.h"

static void test_names(void **state)
{
	static const struct {
		long number;
		const char *name;
	} known[] = {
		{ SYS_read, "read" },
		{ SYS_write, "write" },
		{ SYS_close, "close" },
		{ SYS_mmap, "mmap" },
		{ SYS_brk, "brk" },
		{ SYS_ioctl, "ioctl" },
		{ SYS_madvise, "madvise" },
		{ SYS_nanosleep, "nanosleep" },
		{ SYS_getpid, "getpid" },
		{ SYS_socket, "socket" },
		{ SYS_accept, "accept" },
		{ SYS_recvmsg, "recvmsg" },
		{ SYS_clone, "clone" },
		{ SYS_execve, "execve" },
		{ SYS_exit, "exit" },
		{ SYS_wait4, "wait4" },
		{ SYS_kill, "kill" },
		{ SYS_semop, "semop" },
		{ SYS_fcntl, "fcntl" },
		{ SYS_flock, "flock" },
		{ SYS_fsync, "fsync" },
		{ SYS_ptrace, "ptrace" },
		{ SYS_rt_sigtimedwait, "rt_sigtimedwait" },
		{ SYS_prctl, "prctl" },
		{ SYS_gettid, "gettid" },
		{ SYS_futex, "futex" },
		{ SYS_io_getevents, "io_getevents" },
		{ SYS_restart_syscall, "restart_syscall" },
		{ SYS_clock_nanosleep, "clock_nanosleep" },
		{ SYS_tgkill, "tgkill" },
		{ SYS_waitid, "waitid" },
		{ SYS_openat, "openat" },
		{ SYS_pselect6, "pselect6" },
		{ SYS_ppoll, "ppoll" },
		{ SYS_set_robust_list, "set_robust_list" },
		{ SYS_epoll_pwait, "epoll_pwait" },
		{ SYS_accept4, "accept4" },
		{ SYS_recvmmsg, "recvmmsg" },
		{ SYS_process_vm_readv, "process_vm_readv" },
		{ SYS_getrandom, "getrandom" },
		{ SYS_execveat, "execveat" },
		{ SYS_membarrier, "membarrier" },
		{ SYS_statx, "statx" },
		{ SYS_io_pgetevents, "io_pgetevents" },
		{ SYS_rseq, "rseq" },
		{ SYS_pidfd_send_signal, "pidfd_send_signal" },
		{ SYS_io_uring_enter, "io_uring_enter" },
		{ SYS_clone3, "clone3" },
		{ SYS_close_range, "close_range" },
		{ SYS_epoll_pwait2, "epoll_pwait2" },
		{ SYS_landlock_restrict_self, "landlock_restrict_self" },
		{ SYS_process_mrelease, "process_mrelease" },
		{ SYS_futex_waitv, "futex_waitv" },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++)
		assert_string_equal(mf_target_syscall_name(known[i].number),
				    known[i].name);
}

static void test_no_names(void **state)
{
	(void)state;
	assert_null(mf_target_syscall_name(-1));
	assert_null(mf_target_syscall_name(INT64_MIN));
	assert_null(mf_target_syscall_name(INT64_MAX));
	assert_null(mf_target_syscall_name(400));
	assert_null(mf_target_syscall_name(100000));
}

static void test_arguments(void **state)
{
	struct mf_thread thread = {
		.syscall = SYS_read,
		.arguments_known = true,
		.arguments = { 1, 2, 3, 4, 5, 6 },
	};
	uint64_t arguments[MF_SYSCALL_ARGUMENTS];

	(void)state;
	assert_int_equal(mf_target_syscall_arguments(&thread, arguments), 0);
	thread.in_syscall = true;
	assert_int_equal(mf_target_syscall_arguments(&thread, arguments), 0x3f);
	assert_int_equal(arguments[0], 1);
	assert_int_equal(arguments[5], 6);
}

/* Registers are of the moment of the stop: they are believed. */
static void test_arguments_in_registers(void **state)
{
	struct mf_thread thread = {
		.syscall = SYS_read,
		.in_syscall = true,
		.registers_known = true,
		.arguments_known = true,
		.arguments = { 1, 2, 3, 4, 5, 6 },
	};
	uint64_t arguments[MF_SYSCALL_ARGUMENTS];
	unsigned known;

	(void)state;
#if defined(__x86_64__)
	thread.general[5] = 10; /* rdi */
	thread.general[4] = 11; /* rsi */
	thread.general[1] = 12; /* rdx */
	thread.general[10] = 13;
	thread.general[8] = 14;
	thread.general[9] = 15;
#else
	for (unsigned i = 0; i < MF_SYSCALL_ARGUMENTS; i++)
		thread.general[i] = 10 + i;
#endif
	known = mf_target_syscall_arguments(&thread, arguments);
	assert_int_equal(known & ~1U, 0x3e);
	for (unsigned i = known & 1 ? 0 : 1; i < MF_SYSCALL_ARGUMENTS; i++)
		assert_int_equal(arguments[i], 10 + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_arguments_in_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
