#!/usr/bin/env bats
# `maps` against the kernel's own word: its regions divide the mappings without
# gap or overlap, and what they hold adds up to what smaps says.

# shellcheck disable=SC2154 # output, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report.json
}

# A JSON report of PID, stopped, with the kernel's figures beside it.
compare_with_kernel() {
	local status=0
	freeze "$PID"
	cat "/proc/$PID/smaps" >"$BATS_TEST_TMPDIR/smaps"
	cat "/proc/$PID/smaps_rollup" >"$BATS_TEST_TMPDIR/rollup"
	mf maps --json "$PID" >"$report" || status=$?
	[ "$status" = 0 ] || [ "$status" = 2 ]
	"$here/truth" rss "$report" "$BATS_TEST_TMPDIR/rollup"
	# the kernel's mappings are unions of regions, to the byte
	diff <(awk '/^[0-9a-f]+-[0-9a-f]+ / { split($1, a, "-")
			sub(/^0+/, "", a[1]); sub(/^0+/, "", a[2])
			if (a[1] != end) { if (end) print start "-" end
				start = a[1] }
			end = a[2] } END { print start "-" end }' \
		"$BATS_TEST_TMPDIR/smaps") \
		<(jq -r '.regions[] | "\(.start[2:]) \(.end[2:])"' "$report" |
			awk '{ if ($1 != end) { if (end) print start "-" end
				start = $1 }
			end = $2 } END { print start "-" end }')
}

@test "a shell: every byte once, RSS to the page" {
	start_until ready bash -c 'echo ready; read -r'
	compare_with_kernel
}

@test "a Python with threads: every byte once, RSS to the page" {
	start_until ready python3 -c 'import threading, sys
for i in range(5): threading.Thread(target=threading.Event().wait,
	daemon=True).start()
kept = [str(i) * 10 for i in range(50000)]
print("ready", flush=True); sys.stdin.read()'
	compare_with_kernel
}

@test "arenas that the kernel merged: every byte once, RSS to the page" {
	start_fixture merged
	compare_with_kernel
}

@test "every key that is promised" {
	start_fixture stacks
	mf maps --json "$PID" >"$report"
	json_holds "$report" '.schema == 1 and .command == "maps" and
		(.tool | has("name") and has("version"))'
	json_holds "$report" '.target |
		(["kind", "pid", "nspid", "exe", "cmdline", "threads", "arch",
		"page_size"] - keys) == [] and .kind == "live" and
		(.cmdline | type == "array") and .page_size == 4096'
	json_holds "$report" '.impact |
		(["stop", "why", "consistency", "stops", "pause_ms",
		"longest_pause_ms", "bytes_read", "pages_faulted_in",
		"elapsed_ms"] - keys) == []'
	json_holds "$report" '(.partial | type == "array") and
		(.findings | type == "array")'
	json_holds "$report" '.regions | length > 10 and all(
		(["start", "end", "size", "perms", "offset", "dev", "inode",
		"path", "class", "label", "owner", "rss", "pss", "anon",
		"dirty", "swap", "lazyfree", "thp", "suspicious"] - keys) == []
		and (.suspicious.score | type == "number")
		and (.suspicious.reasons | type == "array")
		and (.start | test("^0x[0-9a-f]+$")))'
	json_holds "$report" '.totals | length > 3 and all(
		(["class", "regions", "size", "rss", "pss", "swap"] - keys)
		== [])'
	json_holds "$report" '(.totals | map(.size) | add) ==
		(.regions | map(.size) | add)'
	json_holds "$report" '(.rss_total | type == "number") and
		(.rss_explained | type == "number")'
}

@test "it does not stop the process unless it is told to" {
	start_fixture curve
	mf maps --json "$PID" >"$report"
	json_holds "$report" '.impact.stop == "none" and .impact.stops == 0 and
		.impact.pages_faulted_in == 0'
	mf maps --stop brief --max-pause 5s --json "$PID" >"$report"
	json_holds "$report" '.impact.stop == "brief" and
		.impact.stops == 1 and .impact.pause_ms > 0 and
		.impact.consistency == "exact"'
}

@test "one class, and in the order that was asked for" {
	start_fixture stacks
	mf maps --json --class thread-stack "$PID" >"$report"
	json_holds "$report" '(.regions | length) > 3 and
		([.regions[].class] | unique) == ["thread-stack"]'
	# totals are of all, whatever was asked for
	json_holds "$report" '.totals | length > 3'
	mf maps --json --sort rss "$PID" >"$report"
	json_holds "$report" '[.regions[].rss] | . == (sort | reverse)'
	mf maps --json --sort size "$PID" >"$report"
	json_holds "$report" '[.regions[].size] | . == (sort | reverse)'
	mf maps --json "$PID" >"$report"
	json_holds "$report" '[.regions[].end | length] | length > 3'
	diff <(jq -r '.regions[].start[2:]' "$report") \
		<(jq -r '.regions[].start[2:] | "\(length) \(.)"' "$report" |
			sort -k1,1n -k2,2 | cut -d' ' -f2)
}

@test "the text: a line a region, the classes' totals, and it fits" {
	start_fixture stacks
	run -0 mf maps "$PID"
	[[ $output == *'thread-stack'* && $output == *TOTALS* ]]
	[[ $output == *'not paused'* ]]
	[ "$(wc -L <<<"$output")" -le 100 ]
	run -0 mf maps --width 80 "$PID"
	[ "$(wc -L <<<"$output")" -le 80 ]
	run -0 mf maps -v "$PID"
	[[ $output == *'because: '* ]]
	run -0 mf maps --top 3 "$PID"
	[[ $output == *'more (--top '* ]]
}

@test "CSV: a table each, under its name" {
	start_fixture curve
	run -0 mf maps -f csv "$PID"
	[[ $output == *'# regions'* && $output == *'# totals'* ]]
}

@test "hostile names stay names" {
	local name=$'\e]0;gotcha\a\n"\xff'
	cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/$name"
	"$BATS_TEST_TMPDIR/$name" infinity 3>&- &
	started+=($!)
	until [ "$(readlink "/proc/$!/exe")" != "$(readlink -f "$BASH")" ]; do
		:
	done
	run mf maps $!
	[[ $output != *$'\e'* && $output == *gotcha* ]]
	run mf maps --json $!
	jq -e '[.regions[].path] | any(contains("gotcha"))' <<<"$output"
}
