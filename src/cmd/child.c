/*
 * A command in a process of its own. It is born with the models and descriptors
 * of the prompt, so that it begins at once; Ctrl-C, a fault or a lack of memory
 * end it, and nothing else: the target is held by neither.
 */
#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SHELL_FAILED = 127,
};

/* ---- in the new process ------------------------------------------------------ */

/* As a program is started by a shell. */
static void reset_signals(const sigset_t *mask)
{
	static const int handled[] = { SIGINT,	SIGTERM, SIGHUP,   SIGQUIT,
				       SIGTSTP, SIGCONT, SIGWINCH, SIGSEGV,
				       SIGBUS,	SIGFPE,	 SIGILL,   SIGABRT };

	for (size_t i = 0; i < MF_ARRAY_SIZE(handled); i++)
		signal(handled[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

/* Nobody would end it, and see what it prints. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

/* ---- in the prompt's ---------------------------------------------------------- */

/* A command, and the shell that reads what it prints. */
struct running {
	const struct mf_child *child;
	pid_t command, shell; /* 0: none, or ended */
	sigset_t before;
	int status, shell_status;
};

static bool was_interrupted(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
}

static void say_end(const struct running *running)
{
	int status = running->status;

	if (was_interrupted(status) || was_interrupted(running->shell_status))
		fputc('\n', stderr);
	else if (!WIFSIGNALED(status))
		return;
	else if (WTERMSIG(status) != SIGPIPE || !running->shell)
		fprintf(stderr, "the command was ended: %s\n",
			strsignal(WTERMSIG(status)));
}

/* True when it has ended. A stop is everybody's: the shell that started us is
 * to have the terminal again. */
static bool has_ended(pid_t pid, int *status)
{
	pid_t got = waitpid(pid, status, WNOHANG | WUNTRACED);

	if (got == 0)
		return false;
	if (got > 0 && WIFSTOPPED(*status)) {
		raise(SIGSTOP);
		kill(pid, SIGCONT);
		return false;
	}
	return got > 0 || errno != EINTR;
}

static void wait_a_while(const struct running *running)
{
	const struct timespec second = { .tv_sec = 1 };
	const struct mf_child *child = running->child;
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	if (sigtimedwait(&ends, NULL, &second) < 0 && errno == EAGAIN &&
	    child->tick)
		child->tick(child->context);
	if (!*child->ending)
		return;
	kill(running->command, SIGTERM);
	if (running->shell)
		kill(running->shell, SIGTERM);
}

static void await(const struct running *running, pid_t pid, int *status)
{
	while (!has_ended(pid, status))
		wait_a_while(running);
}

static void await_all(struct running *running)
{
	await(running, running->command, &running->status);
	if (running->shell)
		await(running, running->shell, &running->shell_status);
	say_end(running);
}

static void be_shell(const struct running *running, const char *command, int fd)
{
	reset_signals(&running->before);
	if (dup2(fd, STDIN_FILENO) < 0)
		_exit(SHELL_FAILED);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(SHELL_FAILED);
}

static void be_command(const struct running *running,
		       const struct mf_typed_line *line, pid_t parent, int fd)
{
	int code;

	reset_signals(&running->before);
	end_with(parent);
	if (fd >= 0 && dup2(fd, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	code = running->child->run(line, running->child->context);
	fflush(NULL);
	_exit(code);
}

static bool start(struct running *running, const struct mf_typed_line *line,
		  const int *pipe_fds)
{
	pid_t parent = getpid();

	/* what we have printed is not for it to print again */
	fflush(NULL);
	running->command = fork();
	if (running->command == 0)
		be_command(running, line, parent, pipe_fds[1]);
	if (running->command < 0 || !line->pipe)
		return running->command > 0;
	running->shell = fork();
	if (running->shell == 0)
		be_shell(running, line->pipe, pipe_fds[0]);
	if (running->shell < 0)
		running->shell = 0;
	return true;
}

bool mf_child_run(const struct mf_child *child,
		  const struct mf_typed_line *line)
{
	struct running running = { .child = child };
	int pipe_fds[2] = { -1, -1 };
	sigset_t ends;
	bool started;

	if (line->pipe && pipe2(pipe_fds, O_CLOEXEC) != 0)
		return false;
	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, &running.before);
	started = start(&running, line, pipe_fds);
	if (line->pipe) {
		close(pipe_fds[0]);
		close(pipe_fds[1]);
	}
	if (started)
		await_all(&running);
	sigprocmask(SIG_SETMASK, &running.before, NULL);
	return started;
}
