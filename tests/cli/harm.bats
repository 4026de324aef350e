#!/usr/bin/env bats
# What being looked at does to a process: nothing. The victim has a thread in
# every call that a stop can end with EINTR, and counts what returns. soak.bats
# has victims under load.

# shellcheck source=tests/cli/victims.bash
source "$BATS_TEST_DIRNAME/victims.bash"

setup() {
	victim blocked
}

teardown() {
	dismiss
}

# Stops the victim for as long as it is read, or copied.
attach() { # [HOW]
	mf arenas --stop "${1:-brief}" --max-pause 10s --json "$victim" >"$report"
}

# Fails unless the victim last said VALUE of KEY.
is() { # KEY VALUE
	[ "$(said "$1")" = "$2" ] || {
		echo "$1 is $(said "$1"), not $2"
		grep '^returned' "$stats" || true
		return 1
	}
}

# Nothing came back, and nothing is changed.
is_unharmed() {
	tell counts
	is eintr 0
	is wrong 0
	is late 0
	is memory 1
}

# Its threads are neither stopped nor traced, and no child is left of copies:
# it has two of its own.
is_free() {
	local status
	[ "$(cat /proc/"$victim"/task/*/children | wc -w)" = 2 ] || {
		ps -o pid,ppid,stat,cmd --ppid "$victim"
		return 1
	}
	for status in /proc/"$victim"/task/*/status; do
		awk '/^State:/ && $2 ~ /[Tt]/ || /^TracerPid:/ && $2 != 0 {
			print FILENAME ": " $0
			exit 1
		}' "$status" || return 1
	done
}

@test "200 attaches: no call is ended, none returns late" {
	local before
	for _ in {1..200}; do
		attach
	done
	json_holds "$report" '.impact.stop == "brief" and .impact.stops == 1 and
		.impact.consistency == "exact" and
		.impact.pages_faulted_in == 0'
	is_unharmed
	is_free
	# and those that are to return go on doing it
	before=$(said sleeps)
	until [ "$(said sleeps)" -gt "$before" ]; do
		tell counts
	done
}

@test "100 copies: no call is ended, none returns late, no child is left" {
	local before
	for _ in {1..100}; do
		attach snapshot
	done
	json_holds "$report" '.impact.stop == "snapshot" and .impact.stops == 2 and
		.impact.consistency == "exact" and .target.kind == "snapshot" and
		.impact.pages_faulted_in == 0'
	is_unharmed
	is_free
	before=$(said sleeps)
	until [ "$(said sleeps)" -gt "$before" ]; do
		tell counts
	done
}

@test "signals that come during 200 attaches are handled once, and end a call" {
	tell signals
	for _ in {1..100}; do
		attach brief
		attach snapshot
	done
	tell quiet
	is_unharmed
	[ "$(said sent)" -gt 100 ]
	is handled "$(said sent)"
	is ended "$(said sent)"
}

@test "killed at 200 random moments: never stopped, never changed" {
	run "$FIXTURES/killer" main 200 "$RANDOM" "$victim" "$MEMFORENSICS" arenas \
		--stop brief --max-pause 10s "$victim"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '$1 == "traced" { print $2 }' <<<"$output")" -gt 3 ]
	is_unharmed
	is_free
}

# A tracer that dies between a thread's interruption and the cure leaves that
# thread's EINTR; nothing else.
@test "killed at 150 random moments of a copy: no more is left of it" {
	run "$FIXTURES/killer" main 150 "$RANDOM" "$victim" "$MEMFORENSICS" \
		arenas --stop snapshot --max-pause 10s "$victim"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '$1 == "traced" { print $2 }' <<<"$output")" -gt 3 ]
	[ "$(awk '$1 == "copied" { print $2 }' <<<"$output")" -gt 3 ]
	is_unharmed
	is_free
}

@test "its holder killed at 100 random moments: never stopped, never changed" {
	# the sanitizer's leak checker has a child too, and waits for it forever
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
	run "$FIXTURES/killer" child 100 "$RANDOM" "$victim" "$MEMFORENSICS" arenas \
		--stop brief --max-pause 10s "$victim"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '$1 == "traced" { print $2 }' <<<"$output")" -gt 5 ]
	tell counts
	is wrong 0
	is memory 1
	is_free
}

@test "a process that was stopped stays stopped" {
	freeze "$victim"
	attach
	[ "$(awk '/^State:/ { print $2 }' "/proc/$victim/status")" = T ]
	kill -CONT "$victim"
	tell counts
	is memory 1
}

@test "a process that was stopped is not copied, and stays stopped" {
	freeze "$victim"
	mf arenas --stop snapshot --max-pause 10s --json "$victim" >"$report" ||
		[ $? = 2 ]
	json_holds "$report" '.impact.stop != "snapshot"'
	[ "$(awk '/^State:/ { print $2 }' "/proc/$victim/status")" = T ]
	kill -CONT "$victim"
	tell counts
	is memory 1
}

@test "RSS and faults are the same after as before" {
	local before after
	# the first look is at a process that has settled
	tell counts
	before=$(awk '{ print $10, $12, $24 }' "/proc/$victim/stat")
	for _ in {1..20}; do
		mf arenas --stop none --json "$victim" >"$report"
		mf arenas --stop brief --max-pause 10s --json \
			"$victim" >"$report"
	done
	after=$(awk '{ print $10, $12, $24 }' "/proc/$victim/stat")
	echo "before: $before; after: $after"
	[ "$before" = "$after" ]
}

# Pages that it shared with the copy are its own again; what the first copy
# touched (a stack's end, one at most) is there the second time.
@test "RSS is the same after 20 copies as after one" {
	local before after
	tell counts
	attach snapshot
	before=$(awk '{ print $24 }' "/proc/$victim/stat")
	for _ in {1..20}; do
		attach snapshot
	done
	after=$(awk '{ print $24 }' "/proc/$victim/stat")
	echo "before: $before; after: $after"
	[ "$before" = "$after" ]
}
