/*
 * A process and the copy of it are seen as one: every kind of mapping is told
 * of as it is without a copy, and is what it was then, whatever the process
 * does meanwhile. The truth is what the kernel says of the process itself, and
 * the bytes that it wrote.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "target/live.h"
#include "target_util.h"

enum {
	KINDS_MAX = 32,
	PAGES = 16, /* of each mapping; the first half of them is touched */
	TOUCHED = PAGES / 2,
	HUGE = 2 << 20,
	GUARD_INSTALL = 102, /* linux/mman.h of 6.13 */
	LONG_PAUSE = 2000000000,
};

/* What the bytes of a kind are once the process has changed them. */
enum life {
	STANDS, /* those of the moment of the copy */
	LIVES,	/* the process's */
	ENDS,	/* the process's, and nobody's when it has ended */
};

struct kind {
	char name[24];
	char *at; /* in the child */
	uint64_t size;
	enum life life;
	bool writable;
};

/* Shared by the test and its child. */
struct shared {
	struct kind kinds[KINDS_MAX];
	unsigned count;
	_Atomic unsigned wanted, done; /* turns of writing */
};

static struct shared *shared;

static uint64_t start_of(const struct kind *kind)
{
	return (uintptr_t)kind->at;
}

static uint8_t byte_of(const struct kind *kind, unsigned turn)
{
	return (uint8_t)(1 + (kind - shared->kinds) * 4 + turn);
}

/* ---- the child ------------------------------------------------------------ */

static struct kind *add(const char *name, void *at, enum life life)
{
	struct kind *kind = &shared->kinds[shared->count];

	if (at == MAP_FAILED)
		return NULL;
	shared->count++;
	snprintf(kind->name, sizeof(kind->name), "%s", name);
	kind->at = at;
	kind->size = (uint64_t)PAGES * CHILD_PAGE;
	kind->life = life;
	return kind;
}

static void write_all(unsigned turn)
{
	for (unsigned i = 0; i < shared->count; i++) {
		const struct kind *kind = &shared->kinds[i];

		if (kind->writable)
			memset(kind->at, byte_of(kind, turn), kind->size / 2);
	}
}

static struct kind *add_writable(const char *name, void *at, enum life life)
{
	struct kind *kind = add(name, at, life);

	if (!kind)
		return NULL;
	kind->writable = true;
	memset(at, byte_of(kind, 0), kind->size / 2);
	return kind;
}

static void *map(int protection, int flags, int fd)
{
	return mmap(NULL, (size_t)PAGES * CHILD_PAGE, protection, flags, fd, 0);
}

/* A guard below keeps a mapping from growing together with another one. */
static void *map_private(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at = mmap(NULL, (size_t)(PAGES + 2) * CHILD_PAGE, PROT_NONE,
			flags, -1, 0);

	return mmap(at + CHILD_PAGE, (size_t)PAGES * CHILD_PAGE,
		    PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0);
}

static void *advised(int advice)
{
	void *at = map_private();

	return madvise(at, (size_t)PAGES * CHILD_PAGE, advice) ? MAP_FAILED
							       : at;
}

static int memory_file(bool written)
{
	int fd = memfd_create("kinds", 0);

	if (ftruncate(fd, (off_t)PAGES * CHILD_PAGE) != 0)
		_exit(1);
	for (int i = 0; written && i < TOUCHED * CHILD_PAGE; i += 8)
		if (pwrite(fd, "a memfd.", 8, i) != 8)
			_exit(1);
	return fd;
}

static void touch(const volatile char *at, size_t size)
{
	for (size_t i = 0; i < size; i += CHILD_PAGE)
		(void)at[i];
}

static void add_private(void)
{
	const size_t half = (size_t)TOUCHED * CHILD_PAGE;
	struct kind *kind;

	add_writable("private", map_private(), STANDS);
	kind = add_writable("lazyfree", map_private(), STANDS);
	madvise(kind->at, half, MADV_FREE);
	kind = add("zero", map_private(), STANDS);
	touch(kind->at, half);
	kind = add_writable("protected", map_private(), STANDS);
	mprotect(kind->at, half * 2, PROT_NONE);
	kind->writable = false;
	kind = add_writable("locked", map_private(), STANDS);
	if (mlock(kind->at, half * 2) != 0)
		snprintf(kind->name, sizeof(kind->name), "not locked");
	kind = add_writable("guarded", map_private(), STANDS);
	madvise(kind->at + half, CHILD_PAGE, GUARD_INSTALL);
	add_writable("dontfork", advised(MADV_DONTFORK), ENDS);
	add_writable("wipeonfork", advised(MADV_WIPEONFORK), ENDS);
	add("untouched", map_private(), STANDS);
}

static void add_files(void)
{
	const int both = PROT_READ | PROT_WRITE;
	struct kind *kind;
	char path[] = "/dev/shm/memforensics-kinds-XXXXXX";
	int fd = memory_file(true);

	kind = add("memfd private", map(both, MAP_PRIVATE, fd), STANDS);
	touch(kind->at, TOUCHED * CHILD_PAGE);
	add_writable("memfd written", map(both, MAP_PRIVATE, fd), STANDS);
	add_writable("memfd shared", map(both, MAP_SHARED, memory_file(false)),
		     LIVES);
	add_writable("shared", map(both, MAP_SHARED | MAP_ANONYMOUS, -1),
		     LIVES);
	fd = mkstemp(path);
	if (fd >= 0 && ftruncate(fd, (off_t)PAGES * CHILD_PAGE) == 0) {
		unlink(path);
		add_writable("deleted", map(both, MAP_SHARED, fd), LIVES);
		close(fd);
	}
	fd = open("/proc/self/exe", O_RDONLY);
	kind = add("text", map(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd), STANDS);
	touch(kind->at, CHILD_PAGE);
	close(fd);
}

static void add_huge(void)
{
	char *at = mmap(NULL, (size_t)3 * HUGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kind *kind;

	at += HUGE - (uintptr_t)at % HUGE;
	madvise(at, HUGE, MADV_HUGEPAGE);
	kind = add("huge", at, STANDS);
	kind->size = HUGE;
	kind->writable = true;
	memset(at, byte_of(kind, 0), kind->size / 2);
	at = mmap(NULL, (size_t)2 * HUGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	kind = add("hugetlb", at, STANDS);
	if (!kind)
		return;
	kind->size = (size_t)2 * HUGE;
	kind->writable = true;
	memset(at, byte_of(kind, 0), kind->size / 2);
}

/* In a handler: but for it, nothing in the child moves. */
static void on_signal(int number)
{
	unsigned wanted = atomic_load(&shared->wanted);

	(void)number;
	write_all(wanted);
	atomic_store(&shared->done, wanted);
}

static void *make_kinds(void)
{
	add_private();
	add_files();
	add_huge();
	signal(SIGUSR1, on_signal);
	return NULL;
}

/* ---- the test -------------------------------------------------------------- */

static void set_up(struct child *child)
{
	int tracer;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	start_child(child, make_kinds);
	/* it touches pages until it waits */
	while (state_of(child->pid, &tracer) != 'S')
		sched_yield();
}

static void tear_down(const struct child *child)
{
	end_child(child);
	munmap(shared, sizeof(*shared));
}

/* The child writes other bytes to all that it can write to. */
static void change_all(const struct child *child)
{
	unsigned turn = atomic_fetch_add(&shared->wanted, 1) + 1;

	kill(child->pid, SIGUSR1);
	while (atomic_load(&shared->done) != turn)
		sched_yield();
}

static struct mf_target *open_held(const struct child *child, enum mf_stop stop)
{
	struct mf_target *target = open_child(child, stop, LONG_PAUSE);
	struct mf_impact impact;

	fail_on(mf_target_hold(target));
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, stop);
	assert_false(impact.racy);
	return target;
}

/* A call made in the target may touch the next page of it. */
static bool is_stack(const struct mf_mapping *mapping)
{
	return strcmp(mapping->path, "[stack]") == 0;
}

static bool is_kind(const struct mf_mapping *mapping)
{
	for (unsigned i = 0; i < shared->count; i++)
		if (mapping->start == start_of(&shared->kinds[i]))
			return true;
	return false;
}

static void assert_same_usage(const struct mf_mapping *a,
			      const struct mf_mapping *b)
{
	const struct mf_usage *x = &a->usage, *y = &b->usage;

	assert_int_equal(a->usage_known, b->usage_known);
	/* the kernel swapped some of it out in between */
	if (x->swap != y->swap)
		return;
	assert_int_equal(x->rss, y->rss);
	assert_int_equal(x->anon, y->anon);
	if (x->lazyfree && y->lazyfree) /* marked when the kernel likes */
		assert_int_equal(x->lazyfree, y->lazyfree);
	assert_int_equal(x->thp, y->thp);
	assert_int_equal(x->lacks, y->lacks);
	/* others are shared with the test and its holders, which run */
	if (!is_kind(a) || a->perms & MF_PERM_EXEC)
		return;
	assert_int_equal(x->pss, y->pss);
	assert_int_equal(x->locked, y->locked);
	/* files are written back when the kernel likes */
	if (!a->inode)
		assert_int_equal(x->dirty, y->dirty);
}

static void assert_same_mapping(const struct mf_mapping *a,
				const struct mf_mapping *b)
{
	assert_true(a->start == b->start && a->end == b->end);
	assert_true(a->offset == b->offset && a->inode == b->inode);
	assert_int_equal(a->perms, b->perms);
	assert_int_equal(a->vm_flags, b->vm_flags);
	assert_string_equal(a->path, b->path);
	assert_int_equal(a->deleted, b->deleted);
	if (!is_stack(a))
		assert_same_usage(a, b);
}

/* Each mapping of A and B, and each page of it, but for these MF_PAGE_*. */
static void assert_same(struct mf_target *a, struct mf_target *b,
			unsigned ignored)
{
	size_t count, other;
	const struct mf_mapping *left = mf_target_mappings(a, &count);
	const struct mf_mapping *right = mf_target_mappings(b, &other);

	assert_int_equal(count, other);
	for (size_t i = 0; i < count; i++) {
		size_t pages = (left[i].end - left[i].start) / CHILD_PAGE;
		uint8_t *flags, *others;

		assert_same_mapping(&left[i], &right[i]);
		if (pages > CHILD_LARGE / CHILD_PAGE || is_stack(&left[i]))
			continue;
		flags = calloc(pages, 2);
		assert_non_null(flags);
		others = flags + pages;
		fail_on(mf_target_residency(a, left[i].start, pages, flags));
		fail_on(mf_target_residency(b, left[i].start, pages, others));
		for (size_t k = 0; k < pages; k++)
			assert_int_equal(flags[k] & ~ignored,
					 others[k] & ~ignored);
		free(flags);
	}
}

static void read_all(struct mf_target *target, const struct mf_mapping *mapping,
		     uint8_t *to)
{
	fail_on(mf_target_read_pages(
		target, mapping->start,
		(mapping->end - mapping->start) / CHILD_PAGE, to, NULL));
}

static void assert_same_bytes(struct mf_target *a, struct mf_target *b)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(a, &count);

	for (size_t i = 0; i < count; i++) {
		size_t size = mappings[i].end - mappings[i].start;
		uint8_t *left, *right;

		/* in the others is the test's own page, and that where the
		 * kernel tells a thread its CPU */
		if (!mappings[i].inode && !is_kind(&mappings[i]))
			continue;
		left = malloc(size);
		right = malloc(size);
		assert_true(left && right);
		read_all(a, &mappings[i], left);
		read_all(b, &mappings[i], right);
		assert_memory_equal(left, right, size);
		free(left);
		free(right);
	}
}

static uint64_t rollup(pid_t pid, const char *key)
{
	char path[64], line[256];
	unsigned long long value = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, 10) * 1024;
	fclose(stream);
	return value;
}

static void assert_rollup(const struct child *child,
			  const struct mf_target *target)
{
	struct mf_usage sum = { .lacks = MF_FIGURES_ALL };
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);

	for (size_t i = 0; i < count; i++)
		mf_usage_add(&sum, &mappings[i].usage);
	assert_int_equal(sum.rss, rollup(child->pid, "Rss:"));
	assert_int_equal(sum.anon, rollup(child->pid, "Anonymous:"));
	assert_int_equal(sum.locked, rollup(child->pid, "Locked:"));
}

/* But for the page of a stack that is_stack tells of. */
static void assert_same_status(const struct mf_target *a,
			       const struct mf_target *b)
{
	struct mf_status x = mf_target_info(a)->status;
	const struct mf_status *y = &mf_target_info(b)->status;

	if (x.vm_rss + CHILD_PAGE == y->vm_rss) {
		x.vm_rss += CHILD_PAGE;
		x.rss_anon += CHILD_PAGE;
	}
	assert_memory_equal(&x, y, sizeof(x));
}

/* Nothing in the process moves: by its copy it is what it is without one. */
static void test_quiet(void **state)
{
	struct child child;
	struct mf_target *live, *target;
	size_t count;

	(void)state;
	set_up(&child);
	live = open_held(&child, MF_STOP_BRIEF);
	mf_target_release(live);
	target = open_held(&child, MF_STOP_SNAPSHOT);
	assert_same(live, target, MF_PAGE_ZERO);
	assert_same_status(live, target);
	assert_same_bytes(live, target);
	mf_target_partials(target, &count);
	assert_int_equal(count, 1); /* MADV_DONTFORK */
	mf_target_drop_copy(target);
	assert_rollup(&child, target);
	mf_target_close(target);
	mf_target_close(live);
	tear_down(&child);
}

/* ---- of the moment ----------------------------------------------------------- */

static void assert_bytes(struct mf_target *target, const struct kind *kind,
			 unsigned turn)
{
	uint8_t *bytes = malloc(kind->size);

	assert_non_null(bytes);
	fail_on(mf_target_read_pages(target, start_of(kind),
				     kind->size / CHILD_PAGE, bytes, NULL));
	for (size_t i = 0; i < kind->size; i++) {
		uint8_t expected = i < kind->size / 2 ? byte_of(kind, turn) : 0;

		if (bytes[i] != expected)
			print_error("%s at %zu\n", kind->name, i);
		assert_int_equal(bytes[i], expected);
	}
	free(bytes);
}

static void assert_moment(struct mf_target *target, unsigned turn)
{
	for (unsigned i = 0; i < shared->count; i++) {
		const struct kind *kind = &shared->kinds[i];

		if (kind->writable)
			assert_bytes(target, kind,
				     kind->life == STANDS ? 0 : turn);
	}
}

/* Changes show only where they must; figures stay; huge pages are split. */
static void test_changed(void **state)
{
	struct child child;
	struct mf_target *live, *target;

	(void)state;
	set_up(&child);
	live = open_held(&child, MF_STOP_BRIEF);
	mf_target_release(live);
	target = open_held(&child, MF_STOP_SNAPSHOT);
	change_all(&child);
	assert_moment(target, 1);
	assert_same(live, target, MF_PAGE_ZERO | MF_PAGE_HUGE);
	fail_on(mf_target_refresh(target));
	assert_same(live, target, MF_PAGE_ZERO | MF_PAGE_HUGE);
	mf_target_drop_copy(target);
	for (unsigned i = 0; i < shared->count; i++)
		if (shared->kinds[i].writable)
			assert_bytes(target, &shared->kinds[i], 1);
	mf_target_close(target);
	mf_target_close(live);
	tear_down(&child);
}

static void assert_ended(struct mf_target *target, const struct kind *kind)
{
	uint8_t *flags = malloc(kind->size / CHILD_PAGE);

	assert_non_null(flags);
	fail_on(mf_target_residency(target, start_of(kind),
				    kind->size / CHILD_PAGE, flags));
	for (size_t i = 0; i < kind->size / CHILD_PAGE; i++)
		assert_int_equal(flags[i], MF_PAGE_UNREADABLE);
	free(flags);
}

/* A process that has ended is told of as if it had not. */
static void test_ended(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;
	size_t count;

	(void)state;
	set_up(&child);
	target = open_held(&child, MF_STOP_SNAPSHOT);
	kill(child.pid, SIGKILL);
	waitpid(child.pid, NULL, 0);
	fail_on(mf_target_refresh(target));
	for (unsigned i = 0; i < shared->count; i++) {
		const struct kind *kind = &shared->kinds[i];

		if (kind->life == ENDS)
			assert_ended(target, kind);
		else if (kind->writable)
			assert_bytes(target, kind, 0);
	}
	mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	assert_true(mf_target_is_still(target));
	assert_false(mf_target_lost_copy(target));
	mf_target_release(target);
	mf_target_drop_copy(target);
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_SNAPSHOT);
	assert_false(impact.racy);
	mf_target_close(target);
	munmap(shared, sizeof(*shared));
}

/* ---- a copy that is lost ------------------------------------------------------- */

static void test_lost(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_page_counts counts;
	const struct kind *kind;
	struct mf_error *errors[4];
	uint8_t byte;

	(void)state;
	set_up(&child);
	kind = &shared->kinds[0];
	target = open_held(&child, MF_STOP_SNAPSHOT);
	assert_true(mf_target_try_read(target, start_of(kind), &byte, 1));
	assert_false(mf_target_lost_copy(target));
	kill(mf_live_of(target)->copy.pid, SIGKILL);
	while (mf_target_is_still(target))
		sched_yield();
	mf_target_forget(target);
	errors[0] = mf_target_read(target, start_of(kind), &byte, 1);
	errors[1] = mf_target_count_pages(target, start_of(kind),
					  start_of(kind) + kind->size, &counts);
	mf_live_of(target)->no_scan = true;
	errors[2] = mf_target_count_pages(target, start_of(kind),
					  start_of(kind) + kind->size, &counts);
	errors[3] = mf_target_refresh(target);
	for (int i = 0; i < 4; i++) {
		assert_non_null(errors[i]);
		assert_int_equal(errors[i]->code, MF_ERROR_FAILED);
		assert_non_null(strstr(errors[i]->why, "copy"));
		mf_error_destroy(errors[i]);
	}
	assert_true(mf_target_lost_copy(target));
	mf_target_release(target);
	mf_target_drop_copy(target);
	assert_true(mf_target_lost_copy(target));
	fail_on(mf_target_refresh(target));
	assert_bytes(target, kind, 0);
	/* the next hold is another matter */
	fail_on(mf_target_hold(target));
	assert_false(mf_target_lost_copy(target));
	assert_bytes(target, kind, 0);
	mf_target_close(target);
	tear_down(&child);
}

/* ---- figures that two readings share -------------------------------------------- */

static struct mf_mapping anonymous(uint64_t start, uint64_t end, uint64_t rss)
{
	return (struct mf_mapping){
		.start = start,
		.end = end,
		.perms = MF_PERM_READ | MF_PERM_WRITE,
		.path = "",
		.usage_known = true,
		.usage = { .rss = rss, .pss = rss, .anon = rss },
	};
}

static void test_figures(void **state)
{
	struct mf_mapping before = anonymous(0x10000, 0x20000, 0x8000);
	struct mf_mapping copy = anonymous(0x10000, 0x30000, 0xc000);

	(void)state;
	/* grown: as much shared as before */
	before.usage.pss = 0x4000;
	before.vm_flags = MF_VM_LOCKED;
	copy.usage.pss = 0x6000;
	assert_int_equal(mf_view_merge_mapping(&before, &copy), MF_ROUTE_COPY);
	assert_int_equal(copy.usage.rss, 0xc000);
	assert_int_equal(copy.usage.pss, 0x6000);
	assert_int_equal(copy.usage.locked, 0x6000);
	assert_int_equal(copy.vm_flags, MF_VM_LOCKED);
	/* new: shared with the copy alone */
	copy = anonymous(0x10000, 0x30000, 0xc000);
	copy.usage.pss = 0x6000;
	assert_int_equal(mf_view_merge_mapping(NULL, &copy), MF_ROUTE_COPY);
	assert_int_equal(copy.usage.pss, 0xc000);
	assert_int_equal(copy.usage.locked, 0);
	/* never touched, and it may be now */
	copy = anonymous(0x10000, 0x20000, 0);
	copy.perms |= MF_PERM_SHARED;
	assert_int_equal(mf_view_merge_mapping(NULL, &copy), MF_ROUTE_SHARED);
	/* another thing at the same place */
	copy = anonymous(0x10000, 0x20000, 0);
	copy.inode = 7;
	copy.path = "/lib/new.so";
	assert_int_equal(mf_view_merge_mapping(&before, &copy),
			 MF_ROUTE_SHARED);
	assert_false(copy.usage_known);
	assert_false(copy.vm_flags & MF_VM_LOCKED);
}

static void test_estimate(void **state)
{
	const struct mf_page_counts pages = { .present = 6, .file = 5 };
	struct mf_mapping before = anonymous(0x10000, 0x20000, 0x3000);
	struct mf_mapping now = anonymous(0x10000, 0x30000, 0);

	(void)state;
	before.usage.pss = 0x1800;
	before.usage.dirty = 0x1000;
	mf_view_estimate(&before, &pages, CHILD_PAGE, &now);
	assert_int_equal(now.usage.rss, 0x6000);
	assert_int_equal(now.usage.anon, 0x1000);
	assert_int_equal(now.usage.pss, 0x3000);
	assert_int_equal(now.usage.dirty, 0x2000);
	assert_false(now.usage.lacks & MF_FIGURE_PSS);
	mf_view_estimate(NULL, &pages, CHILD_PAGE, &now);
	assert_int_equal(now.usage.rss, 0x6000);
	assert_true(now.usage.lacks & MF_FIGURE_PSS);
	assert_false(now.usage.lacks & MF_FIGURE_RSS);
}

static void test_status(void **state)
{
	struct mf_mapping items[2] = { anonymous(0x10000, 0x20000, 0x8000),
				       anonymous(0x10000, 0x20000, 0x3000) };
	const struct mf_mappings before = { .items = &items[0], .count = 1 };
	const struct mf_mappings after = { .items = &items[1], .count = 1 };
	struct mf_status status = { .vm_size = 0x90000,
				    .vm_rss = 0x9000,
				    .rss_anon = 0x1000 };

	(void)state;
	mf_view_merge_status(&before, &after, &status);
	assert_int_equal(status.vm_size, 0x90000);
	assert_int_equal(status.vm_rss, 0x4000);
	assert_int_equal(status.rss_anon, 0); /* not less */
	mf_view_merge_status(&after, &before, &status);
	assert_int_equal(status.vm_rss, 0x9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),	cmocka_unit_test(test_changed),
		cmocka_unit_test(test_ended),	cmocka_unit_test(test_lost),
		cmocka_unit_test(test_figures), cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
