#!/usr/bin/env bats
# A process that is read through its copy is told of as it is: also of what no
# copy has, and whatever becomes of the two meanwhile. The truth is what the
# program says of each mapping, and what a stop says.

# shellcheck disable=SC2154 # victim, stats, work, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

teardown() {
	dismiss
	drop_swap
	[ -z "${huge_pages-}" ] ||
		echo "$huge_pages" >/proc/sys/vm/nr_hugepages
}

# Reports of the victim by COMMAND, held and by its copy, are the same.
same_by_copy() { # COMMAND
	local stop status
	for stop in brief snapshot brief; do
		status=0
		mf "$1" --json --stop "$stop" --max-pause 10s "$victim" \
			>"$work/$stop.json" || status=$?
		json_holds "$work/$stop.json" ".impact.stop == \"$stop\" and
			.impact.consistency == \"exact\" and
			(.partial | length == 0) == ($status == 0)"
	done
	# of what the program kept from it, a copy tells
	[ -z "$(start_of dontfork)" ] || {
		json_holds "$work/snapshot.json" '.partial | length == 1 and
			(.[0].why | contains("MADV_DONTFORK"))'
		json_holds "$work/brief.json" '.partial == []'
		tell_nothing
	}
	"$here/same" "$work/brief.json" "$work/snapshot.json"
}

tell_nothing() {
	jq '.partial = []' "$work/snapshot.json" >"$work/told.json"
	mv "$work/told.json" "$work/snapshot.json"
}

all_the_same() {
	local command
	# the first copy may touch a page of stack
	mf maps --stop snapshot "$victim" >/dev/null || [ $? = 2 ]
	for command in maps arenas attach; do
		same_by_copy "$command"
	done
	mf maps --json --stop snapshot --max-pause 10s "$victim" \
		>"$report" || [ $? = 2 ]
}

# Where the mapping NAME is.
start_of() { # NAME
	awk -v name="$1" '$1 == "mapping" && $2 == name { print $3 }' "$stats"
}

# FILTER is true of the region that is the mapping NAME.
region_holds() { # NAME FILTER
	json_holds "$report" "[.regions[] | select(.start ==
		\"$(start_of "$1")\")] | length == 1 and (.[0] | $2)"
}

# Every mapping has the bytes in memory that the program says.
as_it_says() {
	local name resident
	while read -r _ name _ resident; do
		region_holds "$name" ".rss == $resident"
	done < <(grep '^mapping ' "$stats")
}

@test "every kind of mapping, by its copy" {
	victim mixed
	all_the_same
	as_it_says
	region_holds private '.anon == 131072 and .pss == 131072'
	region_holds locked '.pss == 131072'
	region_holds freed '.lazyfree == 131072'
	region_holds memfd-read '.anon == 0'
	region_holds memfd-written '.anon == 131072'
}

@test "what a program keeps from its children, by its copy" {
	victim mixed 1000 kept
	all_the_same
	as_it_says
	region_holds dontfork '.anon == 131072 and .pss == 131072'
}

@test "what is in swap, by its copy" {
	need_swap
	victim mixed
	tell swap
	all_the_same
	region_holds swapped '.rss + .swap == 131072 and .swap > 0'
}

@test "pages of hugetlbfs, by their copy" {
	local had=/proc/sys/vm/nr_hugepages
	[ -w "$had" ] || skip "huge pages are only root's to reserve"
	huge_pages=$(cat "$had")
	echo $((huge_pages + 4)) >"$had"
	victim mixed
	[ -n "$(start_of hugetlb)" ] || skip "there are no huge pages to spare"
	all_the_same
	as_it_says
}

# Who is not root sees no page frames and no map_files.
@test "every kind of mapping, by its copy, of one's own user" {
	local -a as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	[ "$(id -u)" = 0 ] || skip "the first test did that"
	"${as_nobody[@]}" "$MEMFORENSICS" --version >/dev/null ||
		skip "others cannot run what is tested"
	mf() {
		LC_ALL=C.UTF-8 "${as_nobody[@]}" "$MEMFORENSICS" "$@"
	}
	start_until '^ready$' "${as_nobody[@]}" "$FIXTURES/mixed"
	victim=$PID
	stats=$FIXTURE_SAID
	work=${stats%/*}
	report=$work/report.json
	all_the_same
	as_it_says
}

# ---- while it is read -----------------------------------------------------------

# Waits for the victim's copy while $reader runs: its pid, or nothing.
await_copy() {
	local copy=
	while [ -d "/proc/$reader" ] && [ -z "$copy" ]; do
		read -r copy <"/proc/$victim/task/$victim/children" || true
	done 2>/dev/null
	echo "${copy%% *}"
}

report_it() {
	mf arenas --json --stop snapshot --max-pause 10s "$victim" \
		>"$report" 2>"$work/told"
}

write_it() {
	mf snapshot -o "$work/core" "$victim" >"$report" 2>"$work/told"
}

kill_copy() {
	kill -KILL "$copy"
}

was_lost() {
	grep -q 'copy was killed' "$work/told" &&
		! grep -q 'killed at once' "$work/told"
}

# Does ACTION, $copy being its pid, while READ has the victim's copy: once more
# with another victim as long as that came too late. Leaves $report and $status.
meanwhile() { # READ ACTION...
	local read=$1 copy reader
	shift
	for _ in {1..20}; do
		victim mixed 300000
		"$read" &
		reader=$!
		copy=$(await_copy)
		[ -z "$copy" ] || "$@" || true
		status=0
		wait "$reader" || status=$?
		! came_in_time || {
			head -c 2000 "$report"
			cat "$work/told"
			return 0
		}
		dismiss
	done
	echo "it was never in time"
	return 1
}

@test "the process runs another program while its copy is read" {
	came_in_time() {
		[ "$(jq .impact.stops "$report")" = 2 ]
	}
	meanwhile report_it tell exec
	[ "$status" = 0 ]
	json_holds "$report" '.impact.stop == "snapshot" and
		.impact.consistency == "exact" and .partial == [] and
		([.allocators[] | select(.name == "glibc") |
			.in_use.count >= 300000] == [true])'
	[ ! -s "$work/told" ]
	# nothing is left in what it is now, once it has begun
	tell stats
	mf maps --stop snapshot "$victim" >/dev/null
	read -r copy <"/proc/$victim/task/$victim/children" || true
	[ -z "$copy" ]
}

@test "the process ends while its copy is read" {
	came_in_time() {
		[ "$(jq .impact.stops "$report")" = 1 ]
	}
	end_it() {
		kill -KILL "$victim"
	}
	meanwhile report_it end_it
	[ "$status" = 0 ]
	json_holds "$report" '.impact.stop == "snapshot" and
		.impact.consistency == "exact" and .partial == [] and
		([.allocators[] | select(.name == "glibc") |
			.in_use.count >= 300000] == [true])'
	[ ! -s "$work/told" ]
}

@test "the copy is killed while it is read" {
	came_in_time() { was_lost; }
	meanwhile report_it kill_copy
	[ "$status" = 2 ]
	json_holds "$report" '.impact.stop == "brief" and
		(.impact.why | contains("copy was killed")) and
		([.partial[].why | select(contains("copy was killed"))] |
			length > 0) and
		([.allocators[] | select(.name == "glibc") |
			.in_use.count >= 300000] == [true])'
	# the process goes on, and has no zombie
	tell stats
	read -r copy <"/proc/$victim/task/$victim/children" || true
	[ -z "$copy" ]
}

@test "the copy is killed while a core of it is written" {
	came_in_time() { was_lost; }
	meanwhile write_it kill_copy
	[ "$status" = 1 ]
	[ ! -e "$work/core" ]
	tell stats
	read -r copy <"/proc/$victim/task/$victim/children" || true
	[ -z "$copy" ]
}
