/*
 * Remote calls that are abandoned: the tracer dies at each moment between the
 * first changed register and the last one restored. The thread that acted must
 * be what it was, all registers included, and the child that it made must end
 * without having run.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/holder.h"
#include "target/remote.h"
#include "target_util.h"

enum {
	ROUNDS = 20,
	SYSCALL_STOP = SIGTRAP | 0x80,
	CLONE_STOP = SIGTRAP | PTRACE_EVENT_CLONE << 8,
	CODE_SIZE = 1 << 21,
};

/* Where the tracer dies. */
enum moment {
	BEFORE_THE_CALL,
	AT_THE_CALL,
	AT_THE_CLONE,
	AFTER_THE_CALL,
	MOMENTS,
};

/* What the target tells of itself, in memory that both share. */
struct told {
	_Atomic pid_t tid;
	_Atomic uint64_t turns, wrong;
	_Atomic int returned; /* of a call that must not return */
};

static struct told *told;

#if defined(__x86_64__)

/* Registers that nobody saves keep their values through many turns. */
static bool turn(void)
{
	static const _Alignas(32)
		uint64_t wanted[4] = { 0x0123456789abcdef, 0xfedcba9876543210,
				       0x1111222233334444, 0x5555666677778888 };
	_Alignas(32) uint64_t seen[4];
	uint64_t bits, wrong = 0;

	asm volatile("movdqa %[wanted], %%xmm7\n"
		     "	movq $0x1357, %%r12\n"
		     "	movl $0x100000, %%ecx\n"
		     "1:	subl $1, %%ecx\n"
		     "	jnz 1b\n"
		     "	movdqa %%xmm7, %[seen]\n"
		     "	movq %%r12, %[bits]\n"
		     : [seen] "=m"(seen), [bits] "=r"(bits)
		     : [wanted] "m"(wanted)
		     : "xmm7", "r12", "ecx", "cc", "memory");
	wrong |= bits != 0x1357 || seen[0] != wanted[0] || seen[1] != wanted[1];
	if (!__builtin_cpu_supports("avx"))
		return !wrong;
	asm volatile("vmovdqa %[wanted], %%ymm6\n"
		     "	movl $0x100000, %%ecx\n"
		     "1:	subl $1, %%ecx\n"
		     "	jnz 1b\n"
		     "	vmovdqa %%ymm6, %[seen]\n"
		     "	vzeroupper\n"
		     : [seen] "=m"(seen)
		     : [wanted] "m"(wanted)
		     : "xmm6", "ecx", "cc", "memory");
	return !wrong && memcmp(seen, wanted, sizeof(seen)) == 0;
}

#else

static bool turn(void)
{
	return true;
}

#endif

static void *spin(void *argument)
{
	uint32_t control = 0x9fc0; /* flush to zero, as nobody else has it */

	(void)argument;
#if defined(__x86_64__)
	asm volatile("ldmxcsr %0" : : "m"(control));
#endif
	told->tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		uint32_t seen = control;

		told->wrong += !turn();
#if defined(__x86_64__)
		asm volatile("stmxcsr %0" : "=m"(seen));
#endif
		told->wrong += (seen & ~0x3fU) != control;
		told->turns++;
	}
	return NULL;
}

/* None of these ends: an event, a byte and a signal never come. */
static void *wait_for_event(void *argument)
{
	struct epoll_event event;
	int epoll = epoll_create1(0);

	(void)argument;
	told->tid = (pid_t)syscall(SYS_gettid);
	epoll_wait(epoll, &event, 1, -1);
	told->returned = errno ? errno : -1;
	for (;;)
		pause();
	return NULL;
}

static void *wait_for_byte(void *argument)
{
	int ends[2];
	char byte;

	(void)argument;
	if (pipe(ends) != 0)
		return NULL;
	told->tid = (pid_t)syscall(SYS_gettid);
	told->returned = (int)read(ends[0], &byte, 1) - 100;
	for (;;)
		pause();
	return NULL;
}

static void *wait_for_time(void *argument)
{
	struct timespec time = { .tv_sec = 100000 };

	(void)argument;
	told->tid = (pid_t)syscall(SYS_gettid);
	nanosleep(&time, NULL);
	told->returned = errno;
	for (;;)
		pause();
	return NULL;
}

static void *start_thread(void *(*work)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, work, NULL);
	while (!told->tid)
		sched_yield();
	return NULL;
}

static void *start_spin(void)
{
	return start_thread(spin);
}

static void *start_wait_for_event(void)
{
	return start_thread(wait_for_event);
}

static void *start_wait_for_byte(void)
{
	return start_thread(wait_for_byte);
}

static void *start_wait_for_time(void)
{
	return start_thread(wait_for_time);
}

/* ---- a tracer that dies ----------------------------------------------------- */

static int await_stop(pid_t tid)
{
	siginfo_t info;

	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOWAIT | __WALL) != 0)
		_exit(10);
	return info.si_status;
}

static void go_on(pid_t tid, enum __ptrace_request request)
{
	if (ptrace(request, tid, NULL, NULL) != 0)
		_exit(11);
}

/* Never returns: the kernel lets TID go. */
static void act_and_die(pid_t tid, const struct mf_remote_code *code,
			enum moment moment)
{
	static struct mf_remote remote;
	const uint64_t every = ~UINT64_C(0);
	uint64_t arguments[MF_CALL_ARGUMENTS] = { CLONE_FILES };
	struct mf_registers registers;
	int number, status = 0;

	if (ptrace(PTRACE_SEIZE, tid, NULL,
		   mf_remote_pointer(PTRACE_O_TRACECLONE |
				     PTRACE_O_TRACESYSGOOD)) != 0)
		_exit(12);
	go_on(tid, PTRACE_INTERRUPT);
	await_stop(tid);
	if (mf_arch_get_registers(tid, &registers))
		mf_arch_undo_eintr(tid, &registers);
	number = mf_remote_prepare(&remote, tid, code, 0, 0);
	if (number)
		_exit(number == EBUSY ? 0 : 13);
	arguments[1] = remote.frames.child;
	mf_arch_set_call(&remote.registers, code, remote.frames.own, SYS_clone,
			 arguments);
	if (!mf_arch_set_registers(tid, &remote.registers) ||
	    ptrace(PTRACE_SETSIGMASK, tid, mf_remote_pointer(sizeof(every)),
		   &every) != 0)
		_exit(14);
	if (moment > BEFORE_THE_CALL) {
		go_on(tid, PTRACE_SYSCALL);
		status = await_stop(tid);
	}
	if (moment > AT_THE_CALL) {
		go_on(tid, PTRACE_SYSCALL);
		status = await_stop(tid) == CLONE_STOP ? SYSCALL_STOP : 0;
	}
	if (moment > AT_THE_CLONE) {
		go_on(tid, PTRACE_SYSCALL);
		status = await_stop(tid);
	}
	_exit(moment > BEFORE_THE_CALL && status != SYSCALL_STOP ? 15 : 0);
}

/* In the C library of this program: its children have the same. */
static void find_code(const struct child *child, struct mf_remote_code *ret)
{
	struct mf_target *target = open_child(child, MF_STOP_NONE, 0);
	const struct mf_mapping *mappings;
	uint8_t *bytes = malloc(CODE_SIZE);
	size_t count;

	assert_non_null(bytes);
	*ret = (struct mf_remote_code){ 0, 0 };
	mappings = mf_target_mappings(target, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t size = MF_MIN(mappings[i].end - mappings[i].start,
				       (uint64_t)CODE_SIZE);

		if (!(mappings[i].perms & MF_PERM_EXEC) ||
		    !strstr(mappings[i].path, "/libc") ||
		    !mf_target_try_read(target, mappings[i].start, bytes, size))
			continue;
		mf_arch_find_code(bytes, size, mappings[i].start, ret);
	}
	free(bytes);
	mf_target_close(target);
}

/* Children of PID that sent no signal and ended as one of ours does. */
static unsigned count_ended(pid_t pid, pid_t tid)
{
	char path[64], text[65536] = "";
	const char *at = text;
	unsigned ended = 0;
	FILE *stream;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
		 (int)tid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, sizeof(text) - 1, stream) < sizeof(text));
	fclose(stream);
	for (;; at = end) {
		pid_t one = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return ended;
		while (stat_field(one, 52) != MF_COPY_STATUS << 8)
			sched_yield();
		assert_int_equal(stat_field(one, 38), 0);
		ended++;
	}
}

static void abandon(const struct child *child,
		    const struct mf_remote_code *code)
{
	unsigned tries[MOMENTS] = { 0 };
	int tracer;

	for (unsigned i = 0; i < ROUNDS * MOMENTS; i++) {
		enum moment moment = i % MOMENTS;
		pid_t pid = fork();
		int status;

		if (pid == 0)
			act_and_die(told->tid, code, moment);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		tries[moment]++;
		while (state_of(told->tid, &tracer) == 't' || tracer)
			sched_yield();
	}
	for (unsigned i = 0; i < MOMENTS; i++)
		assert_int_equal(tries[i], ROUNDS);
	assert_true(count_ended(child->pid, told->tid) >
		    ROUNDS * (MOMENTS - 1) / 2);
}

static void set_up(struct child *child, void *(*work)(void),
		   struct mf_remote_code *code)
{
	told = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(told != MAP_FAILED);
	start_child(child, work);
	find_code(child, code);
	if (!code->call)
		skip(); /* not on this processor */
	assert_true(mf_remote_knows(child->pid, code));
}

static void execute(int number)
{
	(void)number;
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
}

static void *exec_when_told(void)
{
	signal(SIGUSR1, execute);
	return NULL;
}

/* Where the stack of PID ends, once it sleeps in another program. */
static uint64_t await_exec(pid_t pid)
{
	char path[64], line[512] = "";
	const char *at;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	while (strtol(line, NULL, 10) != SYS_clock_nanosleep) {
		stream = fopen(path, "r");
		assert_non_null(stream);
		assert_non_null(fgets(line, sizeof(line), stream));
		fclose(stream);
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream) && !strstr(line, "[stack]"))
		;
	fclose(stream);
	at = strchr(line, '-');
	assert_non_null(at);
	return strtoul(at + 1, NULL, 16);
}

static void read_there(pid_t pid, uint64_t address, void *bytes, size_t size)
{
	struct iovec local = { bytes, size };
	struct iovec remote = { mf_remote_pointer(address), size };

	assert_int_equal(process_vm_readv(pid, &local, 1, &remote, 1, 0), size);
}

static void stop(pid_t tid)
{
	assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
	go_on(tid, PTRACE_INTERRUPT);
	await_stop(tid);
}

/* What was put into one program is not put back into the next. */
static void test_executes(void **state)
{
	static struct mf_remote remote;
	unsigned char before[CHILD_PAGE], after[CHILD_PAGE];
	struct mf_remote_code code;
	struct child child;

	(void)state;
	set_up(&child, exec_when_told, &code);
	stop(child.pid);
	assert_int_equal(mf_remote_prepare(&remote, child.pid, &code, 0, 0), 0);
	assert_true(remote.memory >= 0);
	go_on(child.pid, PTRACE_DETACH);
	kill(child.pid, SIGUSR1);
	remote.frames.start = await_exec(child.pid) - CHILD_PAGE;
	remote.frames.size = CHILD_PAGE;
	memset(remote.below, 0xa5, sizeof(remote.below));
	read_there(child.pid, remote.frames.start, before, sizeof(before));
	mf_remote_cure(&remote);
	read_there(child.pid, remote.frames.start, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(remote.memory, -1);
	end_child(&child);
}

/* It was there when the call was planned, and is not any more. */
static void test_code_is_gone(void **state)
{
	static struct mf_remote remote;
	struct mf_remote_code code, gone;
	struct mf_registers registers;
	unsigned char before[CHILD_PAGE], after[CHILD_PAGE];
	struct child child;
	uint64_t below;

	(void)state;
	set_up(&child, NULL, &code);
	stop(child.pid);
	assert_true(mf_arch_get_registers(child.pid, &registers));
	below = mf_arch_stack_end(&registers) - sizeof(before);
	read_there(child.pid, below, before, sizeof(before));
	gone = (struct mf_remote_code){ code.call + 1, code.sigreturn };
	assert_int_equal(mf_remote_prepare(&remote, child.pid, &gone, 0, 0),
			 ENOEXEC);
	gone = (struct mf_remote_code){ code.call, code.sigreturn + 1 };
	assert_int_equal(mf_remote_prepare(&remote, child.pid, &gone, 0, 0),
			 ENOEXEC);
	assert_int_equal(remote.memory, -1);
	read_there(child.pid, below, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(mf_remote_prepare(&remote, child.pid, &code, 0, 0), 0);
	mf_remote_leave(&remote);
	end_child(&child);
}

/* A thread that executes a program goes on by the number of the first thread:
 * it must not get what that one was to do, nor what it was to have again. */
static void test_other_thread(void **state)
{
	static struct mf_remote remote;
	const struct mf_remote_call call = {
		.number = SYS_exit_group,
		.deadline_ns = UINT64_MAX,
	};
	struct mf_registers registers, after;
	struct mf_remote_code code;
	struct child child;
	int64_t result;

	(void)state;
	set_up(&child, NULL, &code);
	stop(child.pid);
	assert_int_equal(mf_remote_prepare(&remote, child.pid, &code, 0, 0), 0);
	registers = remote.registers;
	assert_true(mf_arch_set_pc(&registers, code.call));
	assert_true(mf_arch_set_registers(child.pid, &registers));
	assert_int_equal(mf_remote_act(&remote, &call, &result), ESRCH);
	mf_remote_cure(&remote);
	assert_true(mf_arch_get_registers(child.pid, &after));
	assert_int_equal(after.size, registers.size);
	assert_memory_equal(after.raw, registers.raw, registers.size);
	end_child(&child);
}

/* Where PLAN's code is in files, by the mappings of CHILD. */
static void find_places(const struct child *child, struct mf_copy_plan *plan)
{
	struct mf_target *target = open_child(child, MF_STOP_NONE, 0);

	plan->call = mf_plan_place(
		mf_target_mapping_at(target, plan->code.call), plan->code.call);
	plan->sigreturn = mf_plan_place(
		mf_target_mapping_at(target, plan->code.sigreturn),
		plan->code.sigreturn);
	mf_target_close(target);
}

static bool has_main_stack(const struct mf_copy_plan *plan, uint64_t address)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (plan->stacks[i].is_main &&
		    plan->stacks[i].start <= address &&
		    plan->stacks[i].end > address)
			return true;
	return false;
}

/* The code is found where the program has it that is executed since. */
static void test_plan_anew(void **state)
{
	struct mf_holder_shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct mf_tracer tracer = { .shared = shared };
	struct mf_thread thread = { 0 };
	struct mf_registers registers;
	struct child child;
	char path[64];

	(void)state;
	assert_true(shared != MAP_FAILED);
	set_up(&child, exec_when_told, &shared->plan.code);
	find_places(&child, &shared->plan);
	kill(child.pid, SIGUSR1);
	await_exec(child.pid);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)child.pid);
	tracer.task = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(tracer.task >= 0);
	stop(child.pid);
	assert_true(mf_tracer_plan_anew(&tracer, child.pid));
	assert_true(mf_remote_knows(child.pid, &tracer.plan->code));
	assert_true(mf_arch_get_registers(child.pid, &registers));
	mf_arch_fill_thread(&registers, &thread);
	assert_true(has_main_stack(tracer.plan, thread.sp));
	/* a file that it does not have */
	shared->plan.call.inode++;
	assert_false(mf_tracer_plan_anew(&tracer, child.pid));
	close(tracer.task);
	end_child(&child);
	munmap(shared, sizeof(*shared));
}

static void test_registers(void **state)
{
	struct mf_remote_code code;
	struct child child;
	uint64_t before;

	(void)state;
	set_up(&child, start_spin, &code);
	abandon(&child, &code);
	before = told->turns;
	while (told->turns < before + 2)
		sched_yield();
	assert_int_equal(told->wrong, 0);
	end_child(&child);
}

static void is_not_woken(void *(*work)(void))
{
	struct mf_remote_code code;
	struct child child;
	uint64_t mask;
	int tracer;

	set_up(&child, work, &code);
	while (state_of(told->tid, &tracer) != 'S')
		sched_yield();
	mask = stat_field(told->tid, 32);
	abandon(&child, &code);
	while (state_of(told->tid, &tracer) != 'S')
		sched_yield();
	assert_int_equal(told->returned, 0);
	assert_int_equal(stat_field(told->tid, 32), mask);
	end_child(&child);
}

static void test_wait_for_event(void **state)
{
	(void)state;
	is_not_woken(start_wait_for_event);
}

static void test_wait_for_byte(void **state)
{
	(void)state;
	is_not_woken(start_wait_for_byte);
}

static void test_wait_for_time(void **state)
{
	(void)state;
	is_not_woken(start_wait_for_time);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_executes),
		cmocka_unit_test(test_code_is_gone),
		cmocka_unit_test(test_other_thread),
		cmocka_unit_test(test_plan_anew),
		cmocka_unit_test(test_wait_for_event),
		cmocka_unit_test(test_wait_for_byte),
		cmocka_unit_test(test_wait_for_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
