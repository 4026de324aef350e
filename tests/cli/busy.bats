#!/usr/bin/env bats
# Heaps that change while they are read.

# shellcheck disable=SC2154 # victim, stats, report: of victims.bash
setup() {
	load victims
}

teardown() {
	dismiss
}

# Fails unless OURS is within PERCENT of TRUTH.
close_to() { # WHAT OURS TRUTH PERCENT
	awk -v what="$1" -v ours="$2" -v truth="$3" -v most="$4" 'BEGIN {
		off = (ours - truth) / truth * 100
		printf "%s: ours %d, truth %d, %.4f %% off\n", what, ours,
			truth, off
		exit off > most || off < -most }'
}

# The number of blocks is the same at all times but for those just in work, so
# it is held to more than the bytes, which drift while they are read.
@test "a busy process without a stop: racy, and right" {
	local run count bytes
	victim churn 256 4 1 busy
	for run in {1..20}; do
		tell count
		read -r count bytes < <(awk '$1 == "in-use" { line = $0 }
			END { print substr(line, 8) }' "$stats")
		mf arenas --json --stop none "$victim" >"$report"
		[ "$(jq -r .impact.consistency "$report")" = racy ]
		[ "$(jq -r .impact.stops "$report")" = 0 ]
		close_to "run $run, blocks" "$(glibc .in_use.count)" \
			"$count" 0.1
		close_to "run $run, bytes" "$(glibc .in_use.bytes)" \
			"$bytes" 0.5
	done
	# and it is as sound as ever
	tell quiet
	agrees "after being busy"
}

# Writes a program that executes itself for ever.
make_changeling() { # FILE
	# shellcheck disable=SC2016 # its words, not ours
	printf '#!/bin/sh\n[ -n "$1" ] || echo ready\nexec "$0" again\n' >"$1"
	chmod +x "$1"
}

@test "a process that executes another program meanwhile is read anew, or gone" {
	local run status
	make_changeling "$BATS_TEST_TMPDIR/changeling"
	start_until '^ready$' "$BATS_TEST_TMPDIR/changeling"
	for run in {1..30}; do
		status=0
		mf arenas --json --quiet "$PID" >"$BATS_TEST_TMPDIR/report" \
			2>"$BATS_TEST_TMPDIR/errors" || status=$?
		case $status in
		0 | 2) jq -e . "$BATS_TEST_TMPDIR/report" >/dev/null ;;
		4) [ "$(wc -l <"$BATS_TEST_TMPDIR/errors")" = 3 ] ;;
		*) echo "run $run: $status"; cat "$BATS_TEST_TMPDIR/errors"; false ;;
		esac
	done
	stop_all
}
