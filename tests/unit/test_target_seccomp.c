/*
 * What seccomp would do, told without making the call. The truth is the
 * kernel's: the same filters are installed, and the call is made.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "target/cbpf.h"
#include "target/seccomp.h"
#include "target_util.h"

enum {
	PROGRAMS = 1500,
	BODY = 24,
	CALL = SYS_getppid, /* nothing else here makes it */
	ERRNO_MASK = 0xfff,
	ARGUMENTS = offsetof(struct seccomp_data, args),
};

#define LOAD(offset) \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, value)
#define JUMP(op, value, yes, no) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)

/* ---- random filters ---------------------------------------------------------- */

static uint64_t seed = 1;

static uint32_t roll(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

/* Small numbers, bits, and anything. */
static uint32_t roll_value(void)
{
	switch (roll(4)) {
	case 0:
		return roll(4);
	case 1:
		return 1U << roll(32);
	case 2:
		return UINT32_MAX - roll(3);
	default:
		return roll(UINT32_MAX);
	}
}

/* With A and the memory slots 0 and 1 set before. LEFT follow it. */
static struct sock_filter roll_instruction(uint32_t left)
{
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	static const uint16_t others[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_AND,
					   BPF_OR,  BPF_XOR, BPF_DIV };
	uint16_t source = roll(2) ? BPF_X : BPF_K;

	switch (roll(10)) {
	case 0:
		return LOAD(4 * roll(2));
	case 1:
		return LOAD(ARGUMENTS + 4 * roll(12));
	case 2:
		return (struct sock_filter)BPF_STMT(roll(2) ? BPF_LD | BPF_IMM
							    : BPF_LDX | BPF_IMM,
						    roll_value());
	case 3:
		return (struct sock_filter)BPF_STMT(
			BPF_MISC | (roll(2) ? BPF_TAX : BPF_TXA), 0);
	case 4:
		return (struct sock_filter)BPF_STMT(roll(2) ? BPF_ST : BPF_STX,
						    roll(2));
	case 5:
		return (struct sock_filter)BPF_STMT(
			(roll(2) ? BPF_LD : BPF_LDX) | BPF_MEM, roll(2));
	case 6:
		return (struct sock_filter)BPF_STMT(
			BPF_ALU | BPF_K | (roll(2) ? BPF_LSH : BPF_RSH),
			roll(32));
	case 7:
		return (struct sock_filter)BPF_STMT(
			roll(2) ? BPF_ALU | BPF_NEG : BPF_LD | BPF_W | BPF_LEN,
			0);
	case 8:
		return (struct sock_filter)BPF_JUMP(
			BPF_JMP | jumps[roll(4)] | source, roll_value(),
			(uint8_t)roll(left + 1), (uint8_t)roll(left + 1));
	default:
		return (struct sock_filter)BPF_STMT(
			BPF_ALU | source | others[roll(7)], roll_value() | 1);
	}
}

/* Says its result as the errno of CALL, and lets all others through. */
static size_t roll_filter(struct sock_filter *filter)
{
	size_t count = 0;

	filter[count++] = LOAD(offsetof(struct seccomp_data, nr));
	filter[count++] = JUMP(BPF_JEQ, CALL, 1, 0);
	filter[count++] = RETURN(SECCOMP_RET_ALLOW);
	filter[count++] =
		(struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, roll_value());
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_ST, 0);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_STX, 1);
	for (uint32_t left = BODY; left--;)
		filter[count++] = roll_instruction(left);
	/* every part of the result can be what is told */
	filter[count++] =
		(struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH, 4 * roll(6));
	filter[count++] =
		(struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND, ERRNO_MASK);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR,
						       SECCOMP_RET_ERRNO);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return count;
}

/* ---- the kernel --------------------------------------------------------------- */

static bool install(struct sock_filter *filter, size_t count)
{
	struct sock_fprog program = { .len = (unsigned short)count,
				      .filter = filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The errno that the kernel gives to the call. */
static int ask_kernel(struct sock_filter *filter, size_t count,
		      const uint64_t *arguments)
{
	int result[2], said = -1;
	pid_t pid;

	assert_int_equal(pipe(result), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!install(filter, count))
			_exit(1);
		errno = 0;
		syscall(CALL, arguments[0], arguments[1], arguments[2],
			arguments[3], arguments[4], arguments[5]);
		said = errno;
		if (write(result[1], &said, sizeof(said)) != sizeof(said))
			_exit(1);
		_exit(0);
	}
	close(result[1]);
	assert_int_equal(read(result[0], &said, sizeof(said)), sizeof(said));
	close(result[0]);
	waitpid(pid, NULL, 0);
	return said;
}

static void test_like_the_kernel(void **state)
{
	unsigned told = 0;

	(void)state;
	skip_in_valgrind();
	for (unsigned i = 0; i < PROGRAMS; i++) {
		struct sock_filter filter[BODY + 16];
		size_t count = roll_filter(filter);
		struct mf_cbpf_call call = { .number = CALL, .known = 0x3f };
		uint32_t answer;

		for (unsigned j = 0; j < 6; j++)
			call.arguments[j] =
				(uint64_t)roll_value() << 32 | roll_value();
		/* division by nothing: the kernel kills, and so it is known */
		if (!mf_cbpf_run(filter, count, &call, &answer))
			continue;
		told++;
		assert_int_equal(answer & SECCOMP_RET_ACTION_FULL,
				 SECCOMP_RET_ERRNO);
		assert_int_equal(answer & SECCOMP_RET_DATA,
				 ask_kernel(filter, count, call.arguments));
	}
	assert_true(told > PROGRAMS / 2);
}

/* ---- what has no answer --------------------------------------------------------- */

static bool has_answer(const struct sock_filter *filter, size_t count)
{
	static const struct mf_cbpf_call call = { .number = CALL, .known = 2 };
	uint32_t answer;

	return mf_cbpf_run(filter, count, &call, &answer);
}

static void test_no_answer(void **state)
{
	struct sock_filter filter[] = {
		LOAD(0),
		{ 0 },
		RETURN(SECCOMP_RET_ALLOW),
	};
	const struct sock_filter wrong[] = {
		LOAD(ARGUMENTS), /* not known */
		LOAD(ARGUMENTS + 4),
		LOAD(ARGUMENTS + 16),
		LOAD(offsetof(struct seccomp_data, instruction_pointer)),
		LOAD(2),
		LOAD(sizeof(struct seccomp_data)),
		LOAD(UINT32_MAX - 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_STMT(BPF_LDX | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 0), /* never stored */
		BPF_STMT(BPF_LD | BPF_MEM, BPF_MEMWORDS),
		BPF_STMT(BPF_LDX | BPF_MEM, UINT32_MAX),
		BPF_STMT(BPF_ST, BPF_MEMWORDS),
		BPF_STMT(BPF_STX, UINT32_MAX),
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), /* X is 0 */
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 1),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32),
		BPF_STMT(BPF_ALU | 0xf0, 0),
		BPF_STMT(BPF_MISC | 0x40, 0),
		BPF_STMT(BPF_RET | BPF_X, 0),
		BPF_STMT(BPF_JMP | BPF_JA, 1), /* past the end */
		BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX),
		BPF_STMT(BPF_JMP | 0xf0, 0),
		JUMP(BPF_JGE, 0, 255, 0),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		filter[1] = wrong[i];
		if (has_answer(filter, 3))
			print_error("instruction %zu\n", i);
		assert_false(has_answer(filter, 3));
	}
	filter[1] = LOAD(ARGUMENTS + 8); /* known */
	assert_true(has_answer(filter, 3));
	assert_false(has_answer(filter, 2));
	assert_false(has_answer(filter, 0));
}

/* ---- threads -------------------------------------------------------------------- */

/* Answers ANSWER to CALL of this architecture, kills others' calls. */
static bool install_for(uint32_t call, uint32_t answer)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
#if defined(__x86_64__)
		JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
#else
		JUMP(BPF_JEQ, AUDIT_ARCH_AARCH64, 1, 0),
#endif
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP(BPF_JEQ, call, 0, 1),
		RETURN(answer),
		RETURN(SECCOMP_RET_ALLOW),
	};

	return install(filter, sizeof(filter) / sizeof(*filter));
}

/* As docker's and systemd's: flags of clone are looked at. */
static bool install_flags(uint32_t forbidden, uint32_t argument)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP(BPF_JEQ, SYS_clone, 0, 3),
		LOAD(ARGUMENTS + 8 * argument),
		JUMP(BPF_JSET, forbidden, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
		RETURN(SECCOMP_RET_ALLOW),
	};

	return install(filter, sizeof(filter) / sizeof(*filter));
}

/* The child that a reaping would be about is not known before. */
static bool install_child(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP(BPF_JEQ, SYS_wait4, 0, 3),
		LOAD(ARGUMENTS),
		JUMP(BPF_JEQ, 1, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		RETURN(SECCOMP_RET_ALLOW),
	};

	return install(filter, sizeof(filter) / sizeof(*filter));
}

static bool install_number(unsigned which)
{
	switch (which) {
	case 0:
		return true;
	case 1:
		return install_for(SYS_ptrace, SECCOMP_RET_KILL_PROCESS);
	case 2:
		return install_for(SYS_clone, SECCOMP_RET_ERRNO | EPERM);
	case 3:
		return install_for(SYS_clone, SECCOMP_RET_KILL_PROCESS);
	case 4:
		return install_for(SYS_clone, SECCOMP_RET_TRACE);
	case 5:
		return install_for(SYS_clone, SECCOMP_RET_LOG);
	case 6:
		return install_for(SYS_wait4, SECCOMP_RET_ERRNO | EPERM);
	case 7:
		return install_for(SYS_rt_sigreturn, SECCOMP_RET_TRAP);
	case 8:
		return install_flags(CLONE_NEWUSER | CLONE_NEWNS, 0);
	case 9:
		return install_flags(CLONE_FILES, 0);
	case 10: /* the second forbids it */
		return install_flags(CLONE_NEWUSER, 0) &&
		       install_for(SYS_clone, SECCOMP_RET_ERRNO | EPERM);
	case 11: /* the first does */
		return install_for(SYS_clone, SECCOMP_RET_ERRNO | EPERM) &&
		       install_flags(CLONE_NEWUSER, 0);
	case 12:
		return install_child();
	case 13:
		return install_for(SYS_close_range, SECCOMP_RET_KILL_PROCESS);
	case 14: /* the copy keeps the files that it shares */
		return install_for(SYS_close_range, SECCOMP_RET_ERRNO | EPERM);
	default:
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
	}
}

static const enum mf_seccomp wanted[] = {
	MF_SECCOMP_ALLOWS,  MF_SECCOMP_ALLOWS, MF_SECCOMP_DENIES,
	MF_SECCOMP_DENIES,  MF_SECCOMP_DENIES, MF_SECCOMP_ALLOWS,
	MF_SECCOMP_DENIES,  MF_SECCOMP_DENIES, MF_SECCOMP_ALLOWS,
	MF_SECCOMP_DENIES,  MF_SECCOMP_DENIES, MF_SECCOMP_DENIES,
	MF_SECCOMP_UNKNOWN, MF_SECCOMP_DENIES, MF_SECCOMP_ALLOWS,
	MF_SECCOMP_STRICT,
};

/* A child under filter number WHICH, in a ptrace stop of ours. */
static pid_t start_filtered(unsigned which)
{
	int ready[2], hold[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		close(hold[1]);
		if (!install_number(which))
			syscall(SYS_exit, 1);
		/* what strict mode allows: read, write, exit */
		if (write(ready[1], "", 1) == 1)
			while (read(hold[0], &byte, 1) > 0)
				;
		syscall(SYS_exit, 0);
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(hold[1]);
	return pid;
}

static enum mf_seccomp check_child(pid_t pid)
{
	char path[64];
	enum mf_seccomp answer;
	int task;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	task = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(task >= 0);
	answer = mf_seccomp_check(task, pid);
	close(task);
	return answer;
}

static void test_threads(void **state)
{
	(void)state;
	skip_in_valgrind();
	if (!mf_seccomp_is_readable())
		skip(); /* needs CAP_SYS_ADMIN */
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		struct child child = { .pid = start_filtered(i) };
		enum mf_seccomp answer = check_child(child.pid);

		if (answer != wanted[i])
			print_error("filter %u: %s\n", i,
				    mf_seccomp_text(answer));
		assert_int_equal(answer, wanted[i]);
		end_child(&child);
	}
}

/* Not read without the right to: no guess is made. */
static void test_hidden(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	skip_in_valgrind();
	if (geteuid())
		skip(); /* another user has to be taken */
	pid = fork();
	if (pid == 0) {
		struct child child;
		enum mf_seccomp answer;

		if (setuid(65534) != 0)
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		child.pid = start_filtered(8);
		answer = check_child(child.pid);
		end_child(&child);
		_exit(answer == MF_SECCOMP_HIDDEN && !mf_seccomp_is_readable()
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_the_kernel),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
