#!/usr/bin/env bats
# Tokio's tasks by future and state, from outside: as many as the program itself
# counted, whoever runs them and however its names were mangled, or stripped.

bats_require_minimum_version 1.5.0

load helper

setup() {
	rust=$here/../../build/rust
	source=$here/../../fixtures/programs/tokio/src
}

# Starts the spawner as it was built for NAMES, on a SCHEDULER.
spawn() { # NAMES SCHEDULER SCALE
	[ -x "$rust/spawner-$1" ] || skip 'no cargo, or no librust-tokio-dev here'
	start_until '^ready$' "$rust/spawner-$1" "$2" "$3"
}

# However busy the machine is, the threads get the time to stop.
scan() { # FILE ARGUMENT...
	local file=$1
	shift
	mf scan --json --tasks --max-pause 1m "$@" >"$file"
}

# The line of FILE that has TEXT, as a future without symbols is called.
line_of() { # FILE TEXT
	local at
	at=$(grep -n "$2" "$source/$1" | head -n 1 | cut -d: -f1)
	printf 'src/%s:%s:' "$1" "$at"
}

# How the futures of a kind may be called: with symbols, and without.
names_of() { # KIND
	case $1 in
	lease) echo "^spawner::pool|^<spawner::pool|^$(line_of pool.rs 'fn lease')" ;;
	boxed) echo "^Box<(spawner::connection|$(line_of main.rs 'fn connection'))" ;;
	spawn_all) echo "^spawner::spawn_all|^$(line_of main.rs 'async move')" ;;
	blocking) echo 'BlockingTask|/src/runtime/blocking/' ;;
	*) echo "^spawner::$1::|^$(line_of main.rs "async fn $1")" ;;
	esac
}

# What the program said is what FILE says, and nothing else.
told_the_same() { # FILE
	local word kind state count seen total=0
	while read -r word kind state count; do
		[ "$word" = task ] || continue
		total=$((total + count))
		seen=$(jq --arg names "$(names_of "$kind")" --arg state "$state" \
			'[.tasks[] | select((.future | test($names)) and
				.state == $state) | .count] | add // 0' "$1")
		[ "$seen" = "$count" ] || {
			echo "$kind $state: $seen, not $count"
			jq -c '.tasks[]' "$1"
			return 1
		}
	done <"$FIXTURE_SAID"
	[ "$total" -gt 0 ]
	json_holds "$1" "([.tasks[].count] | add) == $total"
}

counts() { # NAMES SCHEDULER
	spawn "$1" "$2" 20
	scan "$BATS_TEST_TMPDIR/scan.json" "$PID"
	told_the_same "$BATS_TEST_TMPDIR/scan.json"
}

@test "legacy names, one thread" {
	counts legacy current
}

@test "legacy names, several threads" {
	counts legacy multi
}

@test "v0 names, one thread" {
	counts v0 current
}

@test "v0 names, several threads" {
	counts v0 multi
}

@test "stripped, one thread" {
	counts stripped current
}

@test "stripped, several threads" {
	counts stripped multi
}

@test "a copy, a short stop, no stop, and a core say the same" {
	local way scan=$BATS_TEST_TMPDIR/scan.json core=$BATS_TEST_TMPDIR/core
	spawn v0 multi 100
	for way in snapshot brief none; do
		scan "$scan" --stop "$way" "$PID"
		told_the_same "$scan"
	done
	mf snapshot -o "$core" "$PID"
	scan "$scan" "$core"
	told_the_same "$scan"
}

@test "bytes are those of the chunks that tasks are" {
	local scan=$BATS_TEST_TMPDIR/scan.json
	spawn v0 current 10
	scan "$scan" "$PID"
	json_holds "$scan" '.tasks[] | select(.future | test("huge")) |
		.bytes / .count | . > 200000 and . < 220000'
	# they are all of the mapped chunks, and those of the other kind are the
	# only ones of about their size
	mf chunks --json --max-pause 1m "$PID" all >"$BATS_TEST_TMPDIR/chunks"
	json_holds "$BATS_TEST_TMPDIR/chunks" \
		"any(.totals[]; .state == \"mmapped\" and .count == 3 and .bytes ==
			$(jq '.tasks[] | select(.future | test("huge")) | .bytes' \
			"$scan"))"
	json_holds "$BATS_TEST_TMPDIR/chunks" \
		"[.sizes[] | select(.size > 1664 and .size < 1920) |
			.in_use_bytes] | add ==
			$(jq '.tasks[] | select(.future | test("heartbeat")) |
			.bytes' "$scan")"
}

@test "with the heaps of others, whether their chunks are known or not" {
	local library found=no
	for library in jemalloc.so.2 tcmalloc.so.4 mimalloc.so.2; do
		library=$(ldconfig -p | awk -v name="lib$library" \
			'$1 == name { print $NF; exit }')
		[ -n "$library" ] || continue
		found=yes
		LD_PRELOAD=$library spawn v0 multi 20
		scan "$BATS_TEST_TMPDIR/scan.json" "$PID"
		told_the_same "$BATS_TEST_TMPDIR/scan.json"
	done
	[ "$found" = yes ] || skip 'no other malloc here'
}

@test "as text: a row a future, a column a state, most bytes first" {
	spawn v0 multi 10
	mf scan --tasks --max-pause 1m "$PID" >"$BATS_TEST_TMPDIR/text"
	grep -E 'future +idle +scheduled +running +complete +bytes' \
		"$BATS_TEST_TMPDIR/text"
	grep -E 'spawner::heartbeat::\{closure#0\} +200 +0 +0 +0 ' \
		"$BATS_TEST_TMPDIR/text"
	grep -E 'spawner::waiting::\{closure#0\} +0 +50 +0 +0 ' \
		"$BATS_TEST_TMPDIR/text"
	grep -A 2 '^TOKIO TASKS' "$BATS_TEST_TMPDIR/text" | tail -n 1 |
		grep -E 'heartbeat|huge'
}

@test "explain says that an address is in a task, and that tasks point to one" {
	local scan=$BATS_TEST_TMPDIR/scan.json said=$BATS_TEST_TMPDIR/said
	spawn v0 current 10
	scan "$scan" "$PID"
	mf explain --max-pause 1m "$PID" "$(jq -r '.tasks[] |
		select(.future | test("^spawner::waiting")) | .example' "$scan")" \
		>"$said"
	grep 'task of spawner::waiting::{closure#0}, scheduled' "$said"
	mf explain --max-pause 1m "$PID" "$(jq -r '.tasks[] |
		select(.future | test("^spawner::quick")) | .example' "$scan")" \
		>"$said"
	grep 'task of spawner::quick::{closure#0}, complete' "$said"
}

@test "a program without Tokio has no tasks" {
	start_fixture curve
	scan "$BATS_TEST_TMPDIR/scan.json" "$PID"
	json_holds "$BATS_TEST_TMPDIR/scan.json" '.tasks == []'
	mf scan --tasks --max-pause 1m "$PID" | grep 'No module of it uses Tokio'
	mf scan --max-pause 1m "$PID" >"$BATS_TEST_TMPDIR/all"
	run ! grep Tokio "$BATS_TEST_TMPDIR/all"
}
