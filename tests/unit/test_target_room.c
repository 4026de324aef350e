/*
 * Whether there is room for a copy: in forged /proc and cgroup folders, where
 * each limit can be met alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/room.h"
#include "unit.h"

#define MIB (UINT64_C(1) << 20)

struct world {
	char folder[64];
	struct mf_pool pool;
	struct mf_room_place place;
	struct mf_room_need need;
};

static void make_folders(const char *path)
{
	char part[512];

	for (const char *at = strchr(path + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		assert_true(mkdir(part, 0700) == 0 || errno == EEXIST);
	}
}

/* Writes a file below the world's folder. */
__attribute__((format(printf, 3, 4))) static void
put(const struct world *world, const char *name, const char *format, ...)
{
	char path[512];
	va_list arguments;
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", world->folder, name);
	make_folders(path);
	stream = fopen(path, "w");
	assert_non_null(stream);
	va_start(arguments, format);
	assert_true(vfprintf(stream, format, arguments) >= 0);
	va_end(arguments);
	assert_int_equal(fclose(stream), 0);
}

static int open_folder(const struct world *world, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", world->folder, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A process of 1000 MiB, in a system and a cgroup where all is well. */
static void set_up(struct world *world)
{
	*world = (struct world){
		.folder = "/tmp/mf-room.XXXXXX",
		.need = { .at_once = 4 * MIB,
			  .pages = 1000 * MIB,
			  .commit = 2000 * MIB },
	};
	assert_non_null(mkdtemp(world->folder));
	put(world, "proc/self/mountinfo",
	    "30 20 0:26 / %s/two rw shared:9 - cgroup2 cgroup2 rw\n"
	    "31 20 0:27 / %s/one rw shared:9 - cgroup cgroup rw,memory\n"
	    "32 20 0:28 / %s/pids rw shared:9 - cgroup cgroup rw,pids\n",
	    world->folder, world->folder, world->folder);
	put(world, "proc/meminfo",
	    "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"
	    "CommitLimit: 8388608 kB\nCommitted_AS: 2097152 kB\n"
	    "HugePages_Total: 20\nHugePages_Free: 12\nHugePages_Rsvd: 2\n"
	    "Hugepagesize: 2048 kB\n");
	put(world, "proc/loadavg", "0.10 0.20 0.30 2/300 4711\n");
	put(world, "proc/42/cgroup", "0::/a/b\n");
	put(world, "proc/42/limits",
	    "Limit                     Soft Limit           Hard Limit\n"
	    "Max processes             %s            1000       processes\n",
	    "1000");
	put(world, "proc/42/status",
	    "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nThreads:\t5\n"
	    "CapEff:\t0000000000000000\n");
	world->place.system = open_folder(world, "proc");
	world->place.proc = open_folder(world, "proc/42");
	world->place.pool = &world->pool;
}

static int remove_one(const char *path, const struct stat *status, int flag,
		      struct FTW *walk)
{
	(void)status;
	(void)flag;
	(void)walk;
	return remove(path);
}

static void tear_down(struct world *world)
{
	close(world->place.system);
	close(world->place.proc);
	nftw(world->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mf_pool_deinit(&world->pool);
}

static void fits(const struct world *world)
{
	const char *why = mf_room_refuse(&world->place, &world->need);

	if (why)
		print_error("%s\n", why);
	assert_null(why);
}

static void lacks(const struct world *world, const char *text)
{
	const char *why = mf_room_refuse(&world->place, &world->need);

	assert_non_null(why);
	if (!strstr(why, text))
		print_error("%s, not %s\n", why, text);
	assert_non_null(strstr(why, text));
}

/* A cgroup of v2 with a limit of MAX, CURRENT used, CACHE of it page cache. */
static void put_group(const struct world *world, const char *name, uint64_t max,
		      uint64_t current, uint64_t cache)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.max", name);
	if (max)
		put(world, path, "%llu\n", (unsigned long long)max);
	else
		put(world, path, "max\n");
	snprintf(path, sizeof(path), "%s/memory.current", name);
	put(world, path, "%llu\n", (unsigned long long)current);
	snprintf(path, sizeof(path), "%s/memory.stat", name);
	put(world, path,
	    "anon 1\nfile %llu\ninactive_file %llu\n"
	    "active_file %llu\n",
	    (unsigned long long)cache, (unsigned long long)cache / 4,
	    (unsigned long long)(cache - cache / 4));
}

static void test_plenty(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	fits(&world);
	world.need.asked = true;
	fits(&world);
	tear_down(&world);
}

static void test_system(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	/* its page tables and a quarter of its pages */
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 254 * 1024);
	fits(&world);
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 253 * 1024);
	lacks(&world, "a copy may take 254.0 MiB, and the system has room for "
		      "253.0 MiB");
	world.need.asked = true;
	fits(&world);
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 3 * 1024);
	lacks(&world, "a copy may take 4.0 MiB, and the system");
	world.need.asked = false;
	/* the whole system, or the process itself, is what would be ended */
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 1003 * 1024);
	fits(&world);
	put(&world, "proc/sys/vm/panic_on_oom", "1\n");
	lacks(&world, "vm.panic_on_oom");
	put(&world, "proc/sys/vm/panic_on_oom", "0\n");
	fits(&world);
	put(&world, "proc/sys/vm/oom_kill_allocating_task", "1\n");
	world.need.asked = true;
	lacks(&world, "vm.oom_kill_allocating_task");
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 1004 * 1024);
	fits(&world);
	tear_down(&world);
}

/* One that is there already has its page tables, its task and its promise. */
static void test_kept(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	world.need = (struct mf_room_need){ .pages = 1000 * MIB };
	put(&world, "proc/loadavg", "0.10 0.20 0.30 2/300000000 4711\n");
	put(&world, "proc/sys/vm/overcommit_memory", "2\n");
	put(&world, "proc/meminfo", "MemAvailable: %u kB\nCommitLimit: 1 kB\n",
	    250 * 1024);
	assert_null(mf_room_refuse_more(&world.place, &world.need));
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 249 * 1024);
	assert_non_null(strstr(mf_room_refuse_more(&world.place, &world.need),
			       "the system has room for 249.0 MiB"));
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 250 * 1024);
	put_group(&world, "two/a", 500 * MIB, 251 * MIB, 0);
	assert_non_null(strstr(mf_room_refuse_more(&world.place, &world.need),
			       "its cgroup"));
	tear_down(&world);
}

static void test_cgroup(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	put_group(&world, "two/a/b", 2000 * MIB, 1746 * MIB, 0);
	fits(&world);
	put_group(&world, "two/a/b", 2000 * MIB, 1747 * MIB, 0);
	lacks(&world, "a copy may take 254.0 MiB, and its cgroup has room for "
		      "253.0 MiB");
	/* what is page cache gives way */
	put_group(&world, "two/a/b", 2000 * MIB, 1999 * MIB, 253 * MIB);
	fits(&world);
	/* a limit further up counts as well */
	put_group(&world, "two/a", 1800 * MIB, 1750 * MIB, 0);
	lacks(&world, "its cgroup has room for 50.0 MiB");
	world.need.asked = true;
	fits(&world);
	put_group(&world, "two/a", 1800 * MIB, 1799 * MIB, 0);
	lacks(&world, "a copy may take 4.0 MiB, and its cgroup");
	world.need.asked = false;
	put_group(&world, "two/a", 0, 1799 * MIB, 0);
	fits(&world);
	/* all in it are slowed down over this mark */
	put(&world, "two/a/memory.high", "%u\n", 1800U << 20);
	lacks(&world, "its cgroup");
	put(&world, "two/a/memory.high", "max\n");
	fits(&world);
	tear_down(&world);
}

static void test_killed_as_one(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	put_group(&world, "two/a/b", 2000 * MIB, 1000 * MIB, 0);
	put_group(&world, "two/a", 0, 1000 * MIB, 0);
	fits(&world);
	put(&world, "two/a/memory.oom.group", "1\n");
	lacks(&world, "a copy may take 1004.0 MiB, and its cgroup has room "
		      "for 1000.0 MiB (memory.oom.group)");
	world.need.asked = true;
	lacks(&world, "memory.oom.group");
	put_group(&world, "two/a/b", 2010 * MIB, 1000 * MIB, 0);
	fits(&world);
	/* also when the system runs out of memory */
	put(&world, "proc/meminfo", "MemAvailable: %u kB\n", 900 * 1024);
	lacks(&world, "the system has room for 900.0 MiB (memory.oom.group)");
	put(&world, "two/a/memory.oom.group", "0\n");
	fits(&world);
	tear_down(&world);
}

static void test_cgroup_v1(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	put(&world, "proc/42/cgroup", "5:cpu,memory:/a\n3:pids:/\n0::/\n");
	put(&world, "one/a/memory.limit_in_bytes", "%u\n", 2000U << 20);
	put(&world, "one/a/memory.usage_in_bytes", "%u\n", 1999U << 20);
	put(&world, "one/a/memory.stat",
	    "inactive_file 1\ntotal_inactive_file %u\ntotal_active_file %u\n",
	    200U << 20, 53U << 20);
	put(&world, "one/a/memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\n");
	fits(&world);
	put(&world, "one/a/memory.stat", "total_inactive_file 1\n");
	lacks(&world, "its cgroup has room for 1.0 MiB");
	put(&world, "one/a/memory.usage_in_bytes", "%u\n", 1000U << 20);
	fits(&world);
	put(&world, "one/a/memory.oom_control",
	    "oom_kill_disable 1\nunder_oom 0\n");
	lacks(&world, "(oom_kill_disable)");
	put(&world, "one/a/memory.limit_in_bytes", "9223372036854771712\n");
	fits(&world);
	tear_down(&world);
}

static void test_commit(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	put(&world, "proc/meminfo",
	    "MemAvailable: 4194304 kB\nCommitLimit: %u kB\n"
	    "Committed_AS: %u kB\n",
	    4000 * 1024, 2000 * 1024);
	put(&world, "proc/sys/vm/overcommit_memory", "1\n");
	fits(&world);
	put(&world, "proc/sys/vm/overcommit_memory", "2\n");
	lacks(&world, "the commit limit has room for 2.0 GiB");
	world.need.asked = true;
	fits(&world);
	world.need.commit = 2001 * MIB;
	lacks(&world, "the commit limit");
	world.need.asked = false;
	world.need.commit = 1900 * MIB;
	fits(&world);
	tear_down(&world);
}

static void test_huge_pages(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	world.need.huge = 20 * MIB;
	fits(&world);
	world.need.huge = 22 * MIB;
	lacks(&world, "the pool of huge pages has room for 20.0 MiB");
	world.need.asked = true;
	lacks(&world, "the pool of huge pages");
	tear_down(&world);
}

static void test_pids_max(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	put(&world, "two/a/pids.max", "20\n");
	put(&world, "two/a/pids.current", "17\n");
	put(&world, "two/a/b/pids.max", "max\n");
	put(&world, "two/a/b/pids.current", "17\n");
	fits(&world);
	/* its own threads come first, unless a copy was asked for */
	put(&world, "two/a/pids.current", "18\n");
	lacks(&world, "pids.max");
	world.need.asked = true;
	fits(&world);
	put(&world, "two/a/pids.current", "20\n");
	lacks(&world, "pids.max");
	put(&world, "two/a/pids.max", "0\n");
	put(&world, "two/a/pids.current", "0\n");
	lacks(&world, "pids.max");
	put(&world, "proc/42/cgroup", "3:pids:/c\n");
	fits(&world);
	put(&world, "pids/c/pids.max", "3\n");
	put(&world, "pids/c/pids.current", "3\n");
	lacks(&world, "pids.max");
	tear_down(&world);
}

static void put_nproc(const struct world *world, unsigned limit)
{
	put(world, "proc/42/limits",
	    "Max processes             %u            1000       processes\n",
	    limit);
}

static void put_process(const struct world *world, unsigned pid, unsigned user,
			unsigned threads)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%u/status", pid);
	put(world, path, "Name:\ty\nUid:\t%u\t7\t7\t7\nThreads:\t%u\n", user,
	    threads);
}

static void test_nproc(void **state)
{
	struct world world;
	char path[128];

	(void)state;
	set_up(&world);
	put_process(&world, 50, 1000, 20);
	put_process(&world, 51, 1001, 200);
	put_process(&world, 52, 1000, 3);
	/* 28 of its user's */
	put_nproc(&world, 31);
	fits(&world);
	put_nproc(&world, 30);
	lacks(&world, "RLIMIT_NPROC");
	world.need.asked = true;
	fits(&world);
	put_nproc(&world, 28);
	lacks(&world, "RLIMIT_NPROC");
	put_nproc(&world, 0);
	lacks(&world, "RLIMIT_NPROC");
	put(&world, "proc/42/limits",
	    "Max processes             unlimited    unlimited  processes\n");
	fits(&world);
	/* no user has more tasks than there are */
	put_nproc(&world, 28);
	put(&world, "proc/loadavg", "0.10 0.20 0.30 2/27 4711\n");
	fits(&world);
	put(&world, "proc/loadavg", "0.10 0.20 0.30 2/28 4711\n");
	lacks(&world, "RLIMIT_NPROC");
	/* root, and who may exceed limits, where that counts */
	put(&world, "proc/42/status",
	    "Uid:\t1000\t0\t0\t0\nThreads:\t5\nCapEff:\t0000000001000000\n");
	lacks(&world, "RLIMIT_NPROC");
	snprintf(path, sizeof(path), "%s/proc/42/ns", world.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/proc/self/ns", world.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlinkat("user:[1]", world.place.proc, "ns/user"), 0);
	assert_int_equal(
		symlinkat("user:[1]", world.place.system, "self/ns/user"), 0);
	fits(&world);
	put(&world, "proc/42/status", "Uid:\t0\t0\t0\t0\nThreads:\t5\n");
	fits(&world);
	tear_down(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plenty),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_killed_as_one),
		cmocka_unit_test(test_cgroup_v1),
		cmocka_unit_test(test_commit),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_pids_max),
		cmocka_unit_test(test_nproc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
