#!/usr/bin/env bats
# Reading leaves no trace: no page comes in, and RSS is explained to the page.

# shellcheck disable=SC2154 # here, victim, work, stats, report: of victims.bash
load victims

# Whether a library's page is shared is up to the other processes that map it.
resident() {
	grep -E '^(Rss|Anonymous|Swap|Private_Dirty)' \
		"/proc/$victim/smaps_rollup"
}

# Minor and major faults of the process, and its page tables.
faults() {
	sed 's/.*) //' "/proc/$victim/stat" | cut -d ' ' -f 8,10
	grep VmPTE "/proc/$victim/status"
}

leaves_no_trace() { # NAME ARGUMENT...
	local before after command
	victim "$@"
	before=$(resident; faults)
	for command in arenas maps attach; do
		for stop in brief none; do
			mf $command --json --stop $stop \
				--max-pause 10s "$victim" >"$report" ||
				[ $? = 2 ]
			after=$(resident; faults)
			[ "$before" = "$after" ] || {
				echo "$command --stop $stop of $*:"
				diff <(echo "$before") <(echo "$after")
			}
		done
	done
	dismiss
}

@test "reading adds no page: arenas with reserves and untouched blocks" {
	leaves_no_trace arenas heaps 3 150
}

@test "reading adds no page: blocks whose pages were given back" {
	leaves_no_trace fragmentation 400 100000 40
}

@test "reading adds no page: mmapped chunks that were never touched" {
	leaves_no_trace mmapped all
}

@test "reading adds no page: reserves of 64 MiB" {
	leaves_no_trace lookalike
}

# rss_total of `maps` is the kernel's, and every page of it is in one region.
adds_up() { # NAME ARGUMENT...
	victim "$@"
	look maps
	cat "/proc/$victim/smaps_rollup" >"$work/rollup"
	"$here/truth" rss "$report" "$work/rollup"
	dismiss
}

@test "RSS adds up: several heaps" {
	adds_up arenas heaps 3 150
}

@test "RSS adds up: merged mappings" {
	adds_up merged
}

@test "RSS adds up: stacks" {
	adds_up stacks 20 20 1024
}

@test "RSS adds up: mmapped chunks" {
	adds_up mmapped all
}

@test "RSS adds up: 200 threads" {
	adds_up arenas shared 200
}

@test "RSS adds up: a leaking server" {
	adds_up leaky
}
