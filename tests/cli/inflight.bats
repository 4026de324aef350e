#!/usr/bin/env bats
# Processes that are stopped in the middle of malloc: what cannot be exact is
# marked, what is not marked is exact to the byte, and nothing is damage.

load helper

moments() { # THREADS SEED STOPS OPTION...
	"$here/moments" "$FIXTURES/caught" "$@" -- "$MEMFORENSICS"
}

# Fails unless the last line of $output says WHAT of at least COUNT arenas.
seen() { # WHAT COUNT
	local count
	count=$(grep -o "[0-9]* $1" <<<"${lines[-1]}" | cut -d ' ' -f 1)
	[ "${count:-0}" -ge "$2" ] || {
		echo "fewer than $2 $1: ${lines[-1]}"
		return 1
	}
}

@test "one thread at full speed, 60 stops: unmarked is exact, none is damaged" {
	run moments 0 1 60
	echo "$output"
	[ "$status" = 0 ]
	seen exact 15
}

@test "the same without symbols" {
	run moments 0 2 60 --no-symbols
	echo "$output"
	[ "$status" = 0 ]
	seen exact 15
}

@test "four threads at full speed, 60 stops: unmarked is exact, none is damaged" {
	run moments 4 3 60
	echo "$output"
	[ "$status" = 0 ]
	seen exact 100
}

# Asks for figures of a process of one thread that is always in malloc, and
# counts what they were: $exact of $asked, in at most $most stops each. It asks
# 40 times, and on until one took STOPS of them: one in ten stops is a bad one.
ask() { # STOPS OPTION...
	local consistency stops enough=$1
	shift
	exact=0 asked=0 most=0
	while [ "$asked" -lt 40 ] || [ "$most" -lt "$enough" ]; do
		mf arenas --json --stop brief --max-pause 10s "$@" "$PID" \
			>"$BATS_TEST_TMPDIR/report"
		read -r consistency stops < <(jq -r '"\([.allocators[] |
			select(.name == "glibc")][0].consistency
			) \(.impact.stops)"' "$BATS_TEST_TMPDIR/report")
		json_holds "$BATS_TEST_TMPDIR/report" '.partial == [] and
			.impact.consistency == "exact" and
			.impact.longest_pause_ms <= .impact.pause_ms'
		[ "$consistency" != exact ] || exact=$((exact + 1))
		[ "$stops" -le "$most" ] || most=$stops
		asked=$((asked + 1))
	done
	echo "${*:-unasked}: $exact of $asked exact, at most $most stops"
}

@test "another stop shows it whole; never more of them than were allowed" {
	start_fixture caught "$BATS_TEST_TMPDIR/figures" 0 5
	echo go >&"$FIXTURE_IN"
	ask 1 --retry 0
	[ "$most" = 1 ]
	ask 2 --retry 1
	[ "$most" = 2 ]
	ask 3 --retry 12
	[ "$most" -le 13 ]
	[ "$exact" = "$asked" ]
	ask 2
	[ "$most" -le 4 ]
	# it ran on in between and is free now
	grep -qx 'TracerPid:[[:space:]]*0' "/proc/$PID/status"
}

@test "unasked, all stops together fit in --max-pause" {
	local run
	start_fixture caught "$BATS_TEST_TMPDIR/figures" 0 6
	echo go >&"$FIXTURE_IN"
	for run in {1..30}; do
		mf arenas --json --stop brief --max-pause 40ms "$PID" \
			>"$BATS_TEST_TMPDIR/report" || [ $? = 2 ]
		# the last may take longer than those before it did
		json_holds "$BATS_TEST_TMPDIR/report" '.impact |
			.stops == 1 or .stops <= 4 and
			.pause_ms - .longest_pause_ms <= 40' || {
			echo "run $run"
			return 1
		}
	done
}
