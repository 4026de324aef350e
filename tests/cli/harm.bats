#!/usr/bin/env bats
# What being looked at does to a process: nothing. The victim has a thread in
# every call that a stop can end with EINTR, and counts what returns.

# shellcheck source=tests/cli/victims.bash
source "$BATS_TEST_DIRNAME/victims.bash"

setup() {
	victim blocked
}

teardown() {
	dismiss
}

# Stops the victim for as long as it is read.
attach() {
	mf arenas --stop brief --max-pause 10s --json "$victim" >"$report"
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

# Its threads are neither stopped nor traced.
is_free() {
	local status
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

@test "signals that come during 100 attaches are handled once, and end a call" {
	tell signals
	for _ in {1..100}; do
		attach
	done
	tell quiet
	is_unharmed
	[ "$(said sent)" -gt 100 ]
	is handled "$(said sent)"
	is ended "$(said sent)"
}

@test "killed at 400 random moments: never stopped, never changed" {
	run "$FIXTURES/killer" main 400 "$RANDOM" "$victim" "$MEMFORENSICS" arenas \
		--stop brief --max-pause 10s "$victim"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '$1 == "traced" { print $2 }' <<<"$output")" -gt 20 ]
	is_unharmed
	is_free
}

# A tracer that dies between a thread's interruption and the cure leaves that
# thread's EINTR; nothing else.
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
