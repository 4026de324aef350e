/*
 * Rules about whose memory it is: several allocators at once, an allocator
 * that is not glibc's, and the heap of a language runtime beside native memory.
 */
#include <string.h>

#include "analysis/judge.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	SECOND_LEAST = 32 * MF_MIB,
	PINNED_LEAST = 32 * MF_MIB,
	PURGE_PARTS = 20, /* of its memory, one of which is worth a purge */
};

/* Allocators that can be the process's malloc. */
static bool is_malloc(const struct mf_allocator *allocator)
{
	static const char *const names[] = { "glibc", "jemalloc", "tcmalloc",
					     "mimalloc", "musl" };

	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		if (!strcmp(allocator->name, names[i]))
			return true;
	return false;
}

/* ---- two at once ----------------------------------------------------------- */

static void judge_two(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *first = NULL, *second = NULL;

	for (size_t i = 0; i < facts->allocator_count; i++) {
		const struct mf_allocator *at = &facts->allocators[i];

		if (!is_malloc(at))
			continue;
		if (!first || at->resident > first->resident) {
			second = first;
			first = at;
		} else if (!second || at->resident > second->resident) {
			second = at;
		}
	}
	if (!second ||
	    !mf_is_large(second->resident, facts->rss, 10, SECOND_LEAST))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, second->resident,
		      "two allocators: %s holds %s and %s %s; tune the "
		      "one that grows",
		      first->name, mf_judge_size(judge, first->resident),
		      second->name, mf_judge_size(judge, second->resident));
	mf_judge_evidence(judge, "first", mf_text(first->name));
	mf_judge_evidence(judge, "first_rss", mf_size(first->resident));
	mf_judge_evidence(judge, "second", mf_text(second->name));
	mf_judge_evidence(judge, "second_rss", mf_size(second->resident));
	mf_judge_advise(judge,
			"memforensics maps %s --json | jq '[.regions[] | "
			"{owner, rss}] | group_by(.owner)'",
			mf_judge_pid(judge));
}

/* ---- an allocator with commands of its own ------------------------------------ */

static void advise_jemalloc(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	if (strstr(facts->info->comm, "redis"))
		mf_judge_advise(judge, "redis-cli MEMORY PURGE; redis-cli "
				       "MEMORY MALLOC-STATS");
	else if (strstr(facts->info->comm, "clickhouse"))
		mf_judge_advise(judge, "clickhouse-client -q 'SYSTEM JEMALLOC "
				       "PURGE'");
	else
		mf_judge_advise(judge, "mallctl(\"arena.4096.purge\", NULL, "
				       "NULL, NULL, 0);   /* 4096: all */");
	mf_judge_advise_environment(
		judge, "MALLOC_CONF=background_thread:true,dirty_decay_ms:5000",
		"idle memory goes back");
}

static void advise_tcmalloc(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	(void)facts;
	mf_judge_advise(judge, "MallocExtension::instance()"
			       "->ReleaseFreeMemory();   // in the program");
	mf_judge_advise_environment(judge, "TCMALLOC_RELEASE_RATE=5",
				    "free spans go back sooner");
}

static void advise_mimalloc(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	(void)facts;
	mf_judge_advise(judge, "mi_collect(true);   /* in the program */");
	mf_judge_advise_environment(judge, "MIMALLOC_SHOW_STATS=1",
				    "it prints its figures when it ends");
}

/* What is walked tells whether asking for it would give back anything. */
static bool may_give_back(const struct mf_allocator *allocator)
{
	return !allocator->supported ||
	       allocator->figures.trimmable_bytes >=
		       allocator->resident / PURGE_PARTS;
}

static void judge_other(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const struct {
		const char *name;
		void (*advise)(struct mf_judge *judge,
			       const struct mf_facts *facts);
	} others[] = {
		{ "jemalloc", advise_jemalloc },
		{ "tcmalloc", advise_tcmalloc },
		{ "mimalloc", advise_mimalloc },
		{ "musl", NULL },
	};

	for (size_t i = 0; i < facts->allocator_count; i++)
		for (size_t j = 0; j < MF_ARRAY_SIZE(others); j++) {
			const struct mf_allocator *at = &facts->allocators[i];

			if (strcmp(at->name, others[j].name) != 0 ||
			    !mf_is_large(at->resident, facts->rss, 40, LARGE))
				continue;
			mf_judge_find(judge, MF_SEVERITY_INFO, at->resident,
				      "%s holds %s of %s RSS: malloc_trim and "
				      "glibc's figures do not apply",
				      at->name,
				      mf_judge_size(judge, at->resident),
				      mf_judge_size(judge, facts->rss));
			mf_judge_evidence(judge, "allocator",
					  mf_text(at->name));
			mf_judge_evidence(judge, "allocator_rss",
					  mf_size(at->resident));
			mf_judge_evidence(judge, "walked",
					  mf_bool(at->supported));
			if (others[j].advise && may_give_back(at))
				others[j].advise(judge, facts);
		}
}

/* A slab goes back when the last of its objects is freed, and not before. */
static void judge_slabs(struct mf_judge *judge, const struct mf_facts *facts)
{
	for (size_t i = 0; i < facts->allocator_count; i++) {
		const struct mf_allocator *at = &facts->allocators[i];
		uint64_t pinned = at->figures.retained.pinned;

		if (strcmp(at->name, "jemalloc") != 0 || !at->supported ||
		    !mf_is_large(pinned, facts->rss, 20, PINNED_LEAST))
			continue;
		mf_judge_find(
			judge, MF_SEVERITY_WARNING, pinned,
			"slabs: %s that is free is pinned by objects in "
			"use; a purge would return %s",
			mf_judge_size(judge, pinned),
			mf_judge_size(judge, at->figures.trimmable_bytes));
		mf_judge_evidence(judge, "pinned", mf_size(pinned));
		mf_judge_evidence(judge, "trimmable",
				  mf_size(at->figures.trimmable_bytes));
		mf_judge_evidence(judge, "allocator_rss",
				  mf_size(at->resident));
		if (strstr(facts->info->comm, "redis"))
			mf_judge_advise(judge,
					"redis-cli CONFIG SET activedefrag yes "
					"  # it says so if it cannot");
		mf_judge_advise(judge,
				"memforensics chunks %s --state free   # of "
				"which sizes",
				mf_judge_pid(judge));
	}
}

/* ---- runtimes --------------------------------------------------------------------- */

static const struct runtime {
	const char *allocator, *name;
	enum mf_class heap[5]; /* its managed memory; first: its heap */
	const char *advice;    /* %s: the process */
} runtimes[] = {
	{ "hotspot",
	  "Java",
	  { MF_CLASS_JAVA_HEAP, MF_CLASS_JAVA_METASPACE, MF_CLASS_JAVA_CODE,
	    MF_CLASS_COUNT },
	  "jcmd %s GC.class_histogram | head -20" },
	{ "go",
	  "Go",
	  { MF_CLASS_GO_HEAP, MF_CLASS_COUNT },
	  "go tool pprof http://localhost:6060/debug/pprof/heap   "
	  "# where %s serves net/http/pprof" },
	{ "v8",
	  "V8",
	  { MF_CLASS_V8_HEAP, MF_CLASS_COUNT },
	  "kill -USR1 %s   # opens node's inspector: chrome://inspect, Memory" },
	{ "cpython",
	  "Python",
	  { MF_CLASS_PYTHON_ARENA, MF_CLASS_COUNT },
	  "import tracemalloc; tracemalloc.start()   "
	  "# in %s; later tracemalloc.take_snapshot()" },
};

static void advise_runtime(struct mf_judge *judge,
			   const struct runtime *runtime)
{
	const char *mark = strstr(runtime->advice, "%s");

	mf_judge_advise(judge, "%.*s%s%s", (int)(mark - runtime->advice),
			runtime->advice, mf_judge_pid(judge), mark + 2);
}

static void judge_managed(struct mf_judge *judge, const struct mf_facts *facts)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(runtimes); i++) {
		const enum mf_class heap[] = { runtimes[i].heap[0],
					       MF_CLASS_COUNT };
		uint64_t rss = mf_facts_sum(facts, heap).usage.rss;

		if (!mf_is_large(rss, facts->rss, 40, LARGE))
			continue;
		mf_judge_find(judge, MF_SEVERITY_INFO, rss,
			      "the %s heap holds %s of %s RSS: its own tools "
			      "say what is in it",
			      runtimes[i].name, mf_judge_size(judge, rss),
			      mf_judge_size(judge, facts->rss));
		mf_judge_evidence(judge, "heap_rss", mf_size(rss));
		mf_judge_evidence(judge, "rss", mf_size(facts->rss));
		advise_runtime(judge, &runtimes[i]);
	}
}

static void advise_native(struct mf_judge *judge, const struct runtime *runtime)
{
	if (!strcmp(runtime->allocator, "hotspot"))
		mf_judge_advise(judge,
				"jcmd %s VM.native_memory summary   # needs "
				"-XX:NativeMemoryTracking=summary",
				mf_judge_pid(judge));
}

/* What the runtime does not manage: malloc of native code. */
static void judge_native(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const enum mf_class native[] = {
		MF_CLASS_HEAP,	    MF_CLASS_ARENA,    MF_CLASS_MMAP_CHUNK,
		MF_CLASS_JEMALLOC,  MF_CLASS_TCMALLOC, MF_CLASS_MIMALLOC,
		MF_CLASS_MUSL_HEAP, MF_CLASS_COUNT,
	};
	uint64_t rss = mf_facts_sum(facts, native).usage.rss;

	if (!mf_is_large(rss, facts->rss, 20, LARGE))
		return;
	for (size_t i = 0; i < MF_ARRAY_SIZE(runtimes); i++) {
		uint64_t managed;

		if (!mf_facts_has(facts, runtimes[i].allocator))
			continue;
		managed = mf_facts_sum(facts, runtimes[i].heap).usage.rss;
		mf_judge_find(judge, MF_SEVERITY_INFO, rss,
			      "native memory: malloc holds %s of %s RSS, "
			      "outside the %s of %s",
			      mf_judge_size(judge, rss),
			      mf_judge_size(judge, facts->rss),
			      mf_judge_size(judge, managed), runtimes[i].name);
		mf_judge_evidence(judge, "native_rss", mf_size(rss));
		mf_judge_evidence(judge, "managed_rss", mf_size(managed));
		mf_judge_evidence(judge, "rss", mf_size(facts->rss));
		advise_native(judge, &runtimes[i]);
	}
}

static const struct mf_rule rules[] = {
	{ "two-allocators", MF_NEED_USAGE | MF_NEED_HEAP, judge_two },
	{ "other-allocator", MF_NEED_USAGE | MF_NEED_HEAP, judge_other },
	{ "pinned-slabs", MF_NEED_USAGE | MF_NEED_HEAP, judge_slabs },
	{ "managed-heap", MF_NEED_USAGE, judge_managed },
	{ "native-memory", MF_NEED_USAGE | MF_NEED_HEAP, judge_native },
};

const struct mf_rules mf_runtime_rules = { rules, MF_ARRAY_SIZE(rules) };
