/*
 * Rules about what chunks are known to be by their sizes.
 */
#include <string.h>

#include "analysis/judge.h"
#include "base/units.h"

enum {
	LEAST = 8 * MF_MIB,   /* about two hundred inflate streams */
	LARGE = 64 * MF_MIB,  /* that is worth a warning in any process */
	STREAMS_A_THREAD = 4, /* and more are more than are at work */
};

/* What malloc gave out, as far as its chunks are known. */
static uint64_t given_out(const struct mf_facts *facts)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < facts->allocator_count; i++)
		bytes += facts->allocators[i].figures.in_use.bytes +
			 facts->allocators[i].mmapped.bytes;
	return bytes;
}

static void advise_end(struct mf_judge *judge, const struct mf_facts *facts,
		       const struct mf_size_pattern *streams)
{
	bool inflate = !strcmp(streams->code, "zlib-inflate");
	const char *pid = mf_judge_pid(judge);

	if (mf_facts_has(facts, "hotspot")) {
		mf_judge_advise(judge,
				"jcmd %s GC.class_histogram | grep -E "
				"'Inflater|Deflater|GZIP|ZipFile'",
				pid);
		mf_judge_advise(judge,
				"%s: end() each of them, or close the "
				"stream that has it (try-with-resources)",
				inflate ? "Inflater, GZIPInputStream"
					: "Deflater, GZIPOutputStream");
		return;
	}
	if (mf_facts_has(facts, "cpython"))
		mf_judge_advise(judge,
				"drop zlib.%s() when its stream ends; "
				"close gzip files (with)",
				inflate ? "decompressobj" : "compressobj");
	else
		mf_judge_advise(judge,
				"%s(&stream);   /* on each path that is "
				"done with it, errors too */",
				inflate ? "inflateEnd" : "deflateEnd");
	mf_judge_advise(judge,
			"memforensics trace alloc %s   # which stacks "
			"open them",
			pid);
}

static void find_streams(struct mf_judge *judge, const struct mf_facts *facts,
			 const struct mf_size_pattern *streams)
{
	char text[MF_PATTERN_TEXT];
	uint64_t all = given_out(facts);
	bool large = streams->bytes >= LARGE ||
		     mf_is_large(streams->bytes, all, 10, LEAST);

	mf_judge_find(judge, large ? MF_SEVERITY_WARNING : MF_SEVERITY_INFO,
		      streams->bytes,
		      "%s %s, not ended, have %s: %s of what is in use",
		      mf_judge_count(judge, streams->count), streams->name,
		      mf_judge_size(judge, streams->bytes),
		      mf_judge_share(judge, streams->bytes, all));
	mf_judge_evidence(judge, "streams", mf_count(streams->count));
	mf_judge_evidence(judge, "kind", mf_text(streams->code));
	mf_judge_evidence(judge, "bytes", mf_size(streams->bytes));
	mf_judge_evidence(judge, "in_use", mf_size(all));
	mf_judge_evidence(
		judge, "chunks",
		mf_text(mf_judge_text(
			judge, mf_size_pattern_describe(streams, text))));
	mf_judge_evidence(judge, "sizes_of", mf_text(streams->origin));
	mf_judge_evidence(judge, "threads",
			  mf_count(facts->info->thread_count));
	advise_end(judge, facts, streams);
}

/* A stream at work is a thread's; streams by the thousand were forgotten. */
static void judge_streams(struct mf_judge *judge, const struct mf_facts *facts)
{
	for (size_t i = 0; i < facts->pattern_count; i++) {
		const struct mf_size_pattern *at = &facts->patterns[i];

		if (!strncmp(at->code, "zlib-", 5) && at->bytes >= LEAST &&
		    at->count / STREAMS_A_THREAD >= facts->info->thread_count)
			find_streams(judge, facts, at);
	}
}

static const struct mf_rule rules[] = {
	{ "zlib-streams", MF_NEED_HEAP, judge_streams },
};

const struct mf_rules mf_size_rules = { rules, MF_ARRAY_SIZE(rules) };
