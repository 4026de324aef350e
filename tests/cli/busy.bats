#!/usr/bin/env bats
# Heaps that change while they are read.

# shellcheck disable=SC2154 # victim, stats, report: of victims.bash
load victims

# Writes what is off, in percent of the truth, as "BLOCKS BYTES". The victim is
# asked before and after: what lies between its two words is not off at all.
measure() {
	{
		awk '$1 == "in-use" { print $2, $3 }' "$stats" | tail -2
		glibc '"\(.in_use.count) \(.in_use.bytes)"'
	} | awk '
	function off(ours, one, other) {
		low = one < other ? one : other
		high = one < other ? other : one
		if (ours < low)
			return (ours - low) / low * 100
		return ours > high ? (ours - high) / high * 100 : 0
	}
	{ blocks[NR] = $1; bytes[NR] = $2 }
	END { print off(blocks[3], blocks[1], blocks[2]) " " \
		off(bytes[3], bytes[1], bytes[2]) }'
}

# Each block that is replaced while it is read may be counted twice or not at
# all, by chance: each run is held to half a percent, and their mean, in which
# chance cancels out, to a fifth of that.
@test "a busy process without a stop: racy, and right" {
	local run marked=0
	victim churn 256 4 1 busy
	for run in {1..20}; do
		tell count
		mf arenas --json --stop none "$victim" >"$report"
		tell count
		json_holds "$report" '.impact.consistency == "racy" and
			.impact.stops == 0 and .partial == []'
		holds '.consistency != "exact" and
			all(.arenas[]; .corrupt == [] and
				(.consistency | . == "racy" or . == "in-flight"))'
		marked=$((marked + $(glibc '[.arenas[] |
			select(.in_flight)] | length')))
		measure >>"$BATS_TEST_TMPDIR/off"
	done
	cat "$BATS_TEST_TMPDIR/off"
	awk 'function is_over(value, most) {
		return value > most || value < -most
	}
	{ blocks += $1; bytes += $2 }
	is_over($1, 0.5) || is_over($2, 0.5) { wrong = 1 }
	END { exit wrong || NR != 20 || is_over(blocks / NR, 0.1) ||
		is_over(bytes / NR, 0.1) }' "$BATS_TEST_TMPDIR/off"
	[ "$marked" -gt 0 ]
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
