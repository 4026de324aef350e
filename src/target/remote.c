/*
 * How a stopped thread is made to call the kernel for us, and is put back.
 *
 * It goes through four stops: at the call, (of a clone: at its event,) after
 * the call, and in the place where the first stop was, just before it returns
 * to its program: only there an interrupted call that is put back is started
 * again. All its signals wait meanwhile, but SIGKILL and SIGSTOP. Stops are
 * looked at and not consumed, as in holder.c.
 */
#include "target/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/proc.h"

enum {
	EVENT_SHIFT = 8, /* of waitid's si_status */
	SYSCALL_STOP = SIGTRAP | 0x80,
	SIGNALS_SIZE = 8, /* bytes of the kernel's sigset_t */
	CODE_BYTES = 16,
	STOPS_MAX = 1000, /* of one call: signals may stop it any often */
	NO_FILE = -1,
};

/* linux/ptrace.h, 5.13 */
struct rseq_configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

enum {
	GET_RSEQ_CONFIGURATION = 0x420f
};

/* linux/rseq.h: struct rseq_cs */
struct rseq_section {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

/* ---- its memory -------------------------------------------------------- */

static bool read_remote(pid_t pid, uint64_t address, void *bytes, size_t size)
{
	struct iovec local = { bytes, size };
	struct iovec remote = { mf_remote_pointer(address), size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool write_remote(pid_t pid, uint64_t address, const void *bytes,
			 size_t size)
{
	struct iovec local = { .iov_len = size };
	struct iovec remote = { mf_remote_pointer(address), size };

	/* which is only read from, whatever its type says */
	memcpy(&local.iov_base, &bytes, sizeof(bytes));
	return process_vm_writev(pid, &local, 1, &remote, 1, 0) ==
	       (ssize_t)size;
}

/* The memory that TID has now, whatever its number stands for later. */
static int open_memory(pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)tid);
	return open(path, O_RDWR | O_CLOEXEC);
}

void mf_remote_leave(struct mf_remote *remote)
{
	const struct mf_frames *frames = &remote->frames;

	if (remote->memory < 0)
		return;
	/* nothing is left to put back when the memory is gone */
	if (pwrite(remote->memory, remote->below, frames->size,
		   (off_t)frames->start) < 0)
		errno = 0;
	close(remote->memory);
	remote->memory = NO_FILE;
}

bool mf_remote_knows(pid_t pid, const struct mf_remote_code *code)
{
	struct mf_remote_code there = { 0, 0 };
	uint8_t bytes[CODE_BYTES];

	if (!code->call || !code->sigreturn ||
	    !read_remote(pid, code->call, bytes, sizeof(bytes)))
		return false;
	mf_arch_find_code(bytes, sizeof(bytes), code->call, &there);
	if (there.call != code->call ||
	    !read_remote(pid, code->sigreturn, bytes, sizeof(bytes)))
		return false;
	there.sigreturn = 0;
	mf_arch_find_code(bytes, sizeof(bytes), code->sigreturn, &there);
	return there.sigreturn == code->sigreturn;
}

/* ---- prepare --------------------------------------------------------------- */

/*
 * A thread in a restartable sequence must not leave it unseen: the kernel would
 * take it for left, and not abort it (rseq(2)). There are none in a system
 * call; older kernels do not tell of others. False: in none; else *ABORT is
 * where the sequence is to go on when it is aborted, 0: not known.
 */
static bool is_in_sequence(pid_t tid, const struct mf_registers *registers,
			   uint64_t *abort)
{
	struct mf_thread thread = { .tid = tid };
	struct rseq_configuration rseq;
	struct rseq_section section;
	uint32_t signature;
	uint64_t pointer;

	*abort = 0;
	mf_arch_fill_thread(registers, &thread);
	if (ptrace((enum __ptrace_request)GET_RSEQ_CONFIGURATION, tid,
		   mf_remote_pointer(sizeof(rseq)), &rseq) < 0)
		return !thread.in_syscall;
	if (!rseq.pointer)
		return false;
	/* cpu_id_start, cpu_id, then the pointer to the section */
	if (!read_remote(tid, rseq.pointer + 2 * sizeof(uint32_t), &pointer,
			 sizeof(pointer)))
		return true;
	if (!pointer)
		return false;
	if (!read_remote(tid, pointer, &section, sizeof(section)))
		return true;
	if (thread.pc - section.start >= section.length)
		return false;
	if (!section.version && !section.flags &&
	    read_remote(tid, section.abort - sizeof(signature), &signature,
			sizeof(signature)) &&
	    signature == rseq.signature)
		*abort = section.abort;
	return true;
}

bool mf_remote_leave_sequence(pid_t tid, struct mf_registers *registers)
{
	struct mf_registers aborted = *registers;
	uint64_t abort;

	if (!is_in_sequence(tid, registers, &abort) || !abort ||
	    !mf_arch_set_pc(&aborted, abort) ||
	    !mf_arch_set_registers(tid, &aborted))
		return false;
	*registers = aborted;
	return true;
}

/* The thread stands where its registers were read: it has not ended meanwhile,
 * and left its number to one that executes a program. */
static bool is_unchanged(const struct mf_remote *remote)
{
	struct mf_registers now;

	return mf_arch_get_registers(remote->tid, &now) &&
	       now.size == remote->registers.size &&
	       memcmp(now.raw, remote->registers.raw, now.size) == 0;
}

/* Or it stands where it was made to call. */
static bool is_in_call(const struct mf_remote *remote)
{
	struct mf_thread thread = { .tid = remote->tid };
	struct mf_registers now;

	if (!mf_arch_get_registers(remote->tid, &now))
		return false;
	mf_arch_fill_thread(&now, &thread);
	return thread.sp == remote->frames.own;
}

/* As mf_remote_prepare, with remote->memory open or not. */
static int put_frames(struct mf_remote *remote, uint64_t floor, uint64_t top)
{
	struct mf_frames *frames = &remote->frames;
	pid_t tid = remote->tid;
	uint64_t abort;

	if (!mf_arch_get_registers(tid, &remote->registers) ||
	    ptrace(PTRACE_GETSIGMASK, tid, mf_remote_pointer(SIGNALS_SIZE),
		   &remote->mask) != 0)
		return ESRCH;
	if (!top)
		top = mf_arch_stack_end(&remote->registers);
	if (!top || is_in_sequence(tid, &remote->registers, &abort))
		return EBUSY;
	/* it was there before the stop; but is it now? */
	if (!mf_remote_knows(tid, remote->code))
		return ENOEXEC;
	if (!mf_arch_build_frames(tid, &remote->registers, remote->mask,
				  remote->code, top, frames) ||
	    frames->start < floor)
		return ENOSPC;
	if (pread(remote->memory, remote->below, frames->size,
		  (off_t)frames->start) != (ssize_t)frames->size)
		return EFAULT;
	if (pwrite(remote->memory, frames->bytes, frames->size,
		   (off_t)frames->start) == (ssize_t)frames->size)
		return 0;
	mf_remote_leave(remote);
	return EFAULT;
}

int mf_remote_prepare(struct mf_remote *remote, pid_t tid,
		      const struct mf_remote_code *code, uint64_t floor,
		      uint64_t top)
{
	int number;

	remote->tid = tid;
	remote->code = code;
	remote->child = 0;
	/* another thread may run another program, and that has the number
	 * then: as long as this one is in its stop, the memory is its own */
	remote->memory = open_memory(tid);
	number = put_frames(remote, floor, top);
	if (number && remote->memory >= 0) {
		close(remote->memory);
		remote->memory = NO_FILE;
	}
	return number;
}

bool mf_remote_take_child(const struct mf_remote *remote,
			  struct mf_remote *alone)
{
	alone->tid = remote->child;
	alone->code = remote->code;
	alone->child = 0;
	alone->memory = NO_FILE;
	alone->frames.own = remote->frames.child;
	return mf_arch_get_registers(alone->tid, &alone->registers);
}

/* ---- act --------------------------------------------------------------------- */

void mf_remote_set_tick(long microseconds)
{
	struct itimerval tick = { .it_interval.tv_usec = microseconds,
				  .it_value.tv_usec = microseconds };

	setitimer(ITIMER_REAL, &tick, NULL);
}

/* The end of a first thread is not told before that of all others. */
static bool is_zombie(pid_t tid)
{
	char path[32], text[512];
	struct mf_proc_stat stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	return mf_proc_read_text(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       mf_proc_parse_stat(text, &stat) && strchr("ZX", stat.state);
}

/* The status of the next stop of TID, or -1 when it has ended. */
static int await_stop(pid_t tid, const struct mf_remote_call *call,
		      bool *is_late)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)tid, &info,
			   WSTOPPED | WEXITED | WNOWAIT | __WALL) == 0) {
			if (info.si_code == CLD_TRAPPED ||
			    info.si_code == CLD_STOPPED)
				return info.si_status;
			return -1;
		}
		if (errno != EINTR || is_zombie(tid))
			return -1;
		if (!*is_late && mf_now_ns() > call->deadline_ns) {
			*is_late = true;
			/* in a frozen cgroup it would not come to the call */
			ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
			if (call->overdue)
				call->overdue(call->context);
		}
	}
}

static bool is_event(int status, int event)
{
	return status == (SIGTRAP | event << EVENT_SHIFT);
}

/* Of PTRACE_INTERRUPT, or of a process that is stopped. */
static bool is_trap(int status)
{
	return status >> EVENT_SHIFT == PTRACE_EVENT_STOP;
}

/* A stop for a signal: it goes on to the thread, here or at the end. */
static int signal_of(int status)
{
	return status >> EVENT_SHIFT || status == SYSCALL_STOP ? 0 : status;
}

static bool resume(pid_t tid, int request, int signal_number)
{
	return ptrace((enum __ptrace_request)request, tid, NULL,
		      mf_remote_pointer((uint64_t)signal_number)) == 0;
}

/* From its stop to the one after the call; false when it has ended. */
static bool run_call(struct mf_remote *remote,
		     const struct mf_remote_call *call, bool *is_late)
{
	unsigned long message = 0;
	int status = 0, syscalls = 0;

	for (int stops = 0; stops < STOPS_MAX && syscalls < 2; stops++) {
		if (!resume(remote->tid, PTRACE_SYSCALL, signal_of(status)))
			return false;
		status = await_stop(remote->tid, call, is_late);
		if (status < 0)
			return false;
		syscalls += status == SYSCALL_STOP;
		if (*is_late && !syscalls && is_trap(status))
			return false;
		if (status == SYSCALL_STOP && syscalls == 1 && call->entered)
			call->entered(call->context);
		if (is_event(status, PTRACE_EVENT_CLONE) &&
		    ptrace(PTRACE_GETEVENTMSG, remote->tid, NULL, &message) ==
			    0)
			remote->child = (pid_t)message;
	}
	return syscalls == 2;
}

/* From the stop after the call to where the first stop was. */
static bool come_back(const struct mf_remote *remote,
		      const struct mf_remote_call *call, bool *is_late)
{
	int status = 0;

	for (int stops = 0; stops < STOPS_MAX; stops++) {
		if (ptrace(PTRACE_INTERRUPT, remote->tid, NULL, NULL) != 0 ||
		    !resume(remote->tid, PTRACE_CONT, signal_of(status)))
			return false;
		status = await_stop(remote->tid, call, is_late);
		if (status < 0)
			return false;
		if (is_trap(status))
			return true;
	}
	return false;
}

int mf_remote_act(struct mf_remote *remote, const struct mf_remote_call *call,
		  int64_t *ret)
{
	const uint64_t every = ~UINT64_C(0);
	struct mf_registers registers = remote->registers;
	uint64_t arguments[MF_CALL_ARGUMENTS];
	bool is_late = false, is_done;

	if (!is_unchanged(remote))
		return ESRCH;
	memcpy(arguments, call->arguments, sizeof(arguments));
	if (call->makes_child)
		arguments[1] = remote->frames.child;
	mf_arch_set_call(&registers, remote->code, remote->frames.own,
			 call->number, arguments);
	if (ptrace(PTRACE_SETOPTIONS, remote->tid, NULL,
		   mf_remote_pointer(PTRACE_O_TRACECLONE |
				     PTRACE_O_TRACESYSGOOD | call->options)) !=
	    0)
		return errno;
	/* the frame has the mask too: not before its registers lead there */
	if (!mf_arch_set_registers(remote->tid, &registers) ||
	    ptrace(PTRACE_SETSIGMASK, remote->tid,
		   mf_remote_pointer(SIGNALS_SIZE), &every) != 0)
		return errno;
	is_done = run_call(remote, call, &is_late);
	if (is_done && mf_arch_get_registers(remote->tid, &registers))
		*ret = mf_arch_call_result(&registers);
	else
		is_done = false;
	return come_back(remote, call, &is_late) && is_done ? 0 : ESRCH;
}

/* ---- cure ---------------------------------------------------------------------- */

void mf_remote_clean(const struct mf_remote *remote, pid_t pid)
{
	write_remote(pid, remote->frames.start, remote->below,
		     remote->frames.size);
}

void mf_remote_cure(struct mf_remote *remote)
{
	/* as long as its registers lead to the frame, that has its mask */
	if (is_in_call(remote)) {
		ptrace(PTRACE_SETSIGMASK, remote->tid,
		       mf_remote_pointer(SIGNALS_SIZE), &remote->mask);
		mf_arch_set_registers(remote->tid, &remote->registers);
	}
	ptrace(PTRACE_SETOPTIONS, remote->tid, NULL, NULL);
	mf_remote_leave(remote);
}
