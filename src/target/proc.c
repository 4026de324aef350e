/*
 * Knows the fields of /proc/PID/status and /proc/PID/stat (proc(5)).
 */
#include "target/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

enum {
	SMALL = 8192,
};

ssize_t mf_proc_read_text(int directory, const char *path, char *text,
			  size_t size)
{
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 0;
	int number;

	if (fd < 0)
		return -1;
	while (used < size - 1 &&
	       (got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	number = errno;
	close(fd);
	errno = number;
	if (got < 0)
		return -1;
	while (used && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	return (ssize_t)used;
}

/* What follows KEY and blanks, KEY being at the start of a line. */
static const char *find_value(const char *text, const char *key)
{
	size_t size = strlen(key);

	while (text && strncmp(text, key, size) != 0) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	if (!text)
		return NULL;
	text += size;
	return text + strspn(text, " \t");
}

bool mf_proc_find_number(const char *text, const char *key, unsigned base,
			 uint64_t *ret)
{
	const char *value = find_value(text, key);
	char *end;
	unsigned long long number;

	if (!value)
		return false;
	number = strtoull(value, &end, (int)base);
	if (end == value)
		return false;
	*ret = number;
	return true;
}

static uint64_t number_of(const char *text, const char *key, unsigned base)
{
	uint64_t value = 0;

	mf_proc_find_number(text, key, base, &value);
	return value;
}

static void parse_memory(const char *text, struct mf_status *memory)
{
	const struct {
		const char *key;
		uint64_t *to;
	} fields[] = {
		{ "VmSize:", &memory->vm_size },
		{ "VmRSS:", &memory->vm_rss },
		{ "RssAnon:", &memory->rss_anon },
		{ "RssFile:", &memory->rss_file },
		{ "RssShmem:", &memory->rss_shmem },
		{ "VmSwap:", &memory->vm_swap },
		{ "VmLck:", &memory->vm_lck },
		{ "VmPin:", &memory->vm_pin },
		{ "VmPTE:", &memory->vm_pte },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(fields); i++)
		*fields[i].to = number_of(text, fields[i].key, 10) * 1024;
}

/* The last number of the NSpid line is the one inside. */
static pid_t parse_nspid(const char *text)
{
	const char *value = find_value(text, "NSpid:");
	long last = 0;
	char *end;

	while (value && *value && *value != '\n') {
		last = strtol(value, &end, 10);
		if (end == value)
			break;
		value = end + strspn(end, " \t");
	}
	return (pid_t)last;
}

static void parse_name(const char *text, char *name, size_t size)
{
	const char *value = find_value(text, "Name:");
	size_t length = value ? strcspn(value, "\n") : 0;

	length = MF_MIN(length, size - 1);
	if (value)
		memcpy(name, value, length);
	name[length] = '\0';
}

static void parse_ids(const char *text, struct mf_proc_status *status)
{
	const char *uid = find_value(text, "Uid:");
	char *end;

	if (!uid)
		return;
	status->uid = (uid_t)strtoul(uid, &end, 10);
	status->euid = (uid_t)strtoul(end, NULL, 10);
}

struct mf_error *mf_proc_read_status(int directory, const char *path,
				     struct mf_proc_status *ret)
{
	struct mf_proc_status status = { 0 };
	char text[SMALL];
	const char *state;
	uint64_t ignored;

	if (mf_proc_read_text(directory, path, text, sizeof(text)) < 0)
		return mf_error_from_errno(errno == ENOENT ? ESRCH : errno,
					   "cannot read the process's status");
	parse_name(text, status.name, sizeof(status.name));
	state = find_value(text, "State:");
	status.state = state && *state ? *state : '?';
	status.tgid = (pid_t)number_of(text, "Tgid:", 10);
	status.ppid = (pid_t)number_of(text, "PPid:", 10);
	status.tracer = (pid_t)number_of(text, "TracerPid:", 10);
	status.nspid = parse_nspid(text);
	parse_ids(text, &status);
	status.threads = (unsigned)number_of(text, "Threads:", 10);
	status.seccomp = (unsigned)number_of(text, "Seccomp:", 10);
	status.has_memory = mf_proc_find_number(text, "VmSize:", 10, &ignored);
	status.pending = number_of(text, "SigPnd:", 16);
	status.shared_pending = number_of(text, "ShdPnd:", 16);
	status.blocked = number_of(text, "SigBlk:", 16);
	status.ignored = number_of(text, "SigIgn:", 16);
	status.caught = number_of(text, "SigCgt:", 16);
	parse_memory(text, &status.memory);
	*ret = status;
	return NULL;
}

bool mf_proc_parse_stat(const char *text, struct mf_proc_stat *ret)
{
	struct mf_proc_stat stat = { 0 };
	unsigned long long user, kernel, start;
	unsigned long flags;
	const char *at;

	/* the name, field 2, may hold anything, parentheses too */
	at = strrchr(text, ')');
	if (!at ||
	    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	    sscanf(at + 1,
		   " %c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %llu %llu"
		   " %*d %*d %*d %*d %*d %*d %llu",
		   &stat.state, &flags, &user, &kernel, &start) != 5)
		return false;
	stat.flags = flags;
	stat.cpu_ticks = user + kernel;
	stat.start_ticks = start;
	*ret = stat;
	return true;
}

struct mf_error *mf_proc_read_stat(int directory, const char *path,
				   struct mf_proc_stat *ret)
{
	char text[SMALL];

	if (mf_proc_read_text(directory, path, text, sizeof(text)) < 0)
		return mf_error_from_errno(errno == ENOENT ? ESRCH : errno,
					   "cannot read the process's stat");
	if (!mf_proc_parse_stat(text, ret))
		return mf_error_create(MF_ERROR_FAILED, "cannot read %s", path);
	return NULL;
}

uint64_t mf_proc_ticks_ms(uint64_t ticks)
{
	long hz = sysconf(_SC_CLK_TCK);

	return hz > 0 ? ticks * 1000 / (uint64_t)hz : 0;
}
