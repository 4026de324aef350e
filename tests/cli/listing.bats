#!/usr/bin/env bats
# Listings that somebody sent: saved maps, smaps and pmap output. Classes are by
# shape, each marked so, and what cannot be known is said.

# shellcheck disable=SC2154 # output, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	listings=$here/../../fixtures/maps
	report=$BATS_TEST_TMPDIR/report.json
}

# How many regions of CLASS there are.
regions_of() { # CLASS
	jq "[.regions[] | select(.class == \"$1\")] | length" "$report"
}

@test "Curve's threads: two arenas of 64 MiB, two stacks with guards" {
	mf maps --json "$listings/curve-threads.pmap" >"$report"
	json_holds "$report" '.target.kind == "listing"'
	[ "$(regions_of arena)" = 2 ]
	[ "$(regions_of arena-reserve)" = 2 ]
	[ "$(regions_of thread-stack)" = 2 ]
	[ "$(regions_of guard)" = 2 ]
	json_holds "$report" '[.regions[] | select(.class == "arena" or
		.class == "arena-reserve").size] | add == 2 * 64 * 1048576'
	json_holds "$report" '[.regions[] | select(.class == "arena")] |
		all(.certainty == "shape")'
}

@test "Curve's mds: Go's space is not glibc's, gaps of libraries are no use" {
	mf maps --json "$listings/curve-mds.pmap" >"$report" || [ $? = 2 ]
	json_holds "$report" 'any(.regions[]; .start == "0xc000000000" and
		.class == "go-heap")'
	json_holds "$report" '[.regions[] | select(.class == "elf-gap")] |
		length > 0 and all(.rss == 0)'
}

@test "the same program live gives the picture that was sent" {
	start_fixture curve
	mf maps --json "$PID" >"$report"
	[ "$(regions_of arena)" = 2 ]
	[ "$(regions_of arena-reserve)" = 2 ]
	[ "$(regions_of thread-stack)" = 2 ]
	json_holds "$report" '[.regions[] | select(.class == "arena" or
		.class == "arena-reserve").size] | add == 2 * 64 * 1048576'
}

@test "a listing fits a screen and says what it cannot know" {
	run mf attach "$listings/curve-threads.pmap"
	[ "$status" = 0 ] || [ "$status" = 2 ]
	[ "${#lines[@]}" -le 40 ]
	[ "$(wc -L <<<"$output")" -le 100 ]
	[[ ${lines[-1]} == *'not known'* ]]
	run mf maps "$listings/curve-threads.pmap"
	[[ $output == *'arena?'* && $output == *'by its shape only'* ]]
}

# A live process and its saved listing agree on what is told by name or by its
# neighbours.
same_classes() { # LISTING
	local class
	mf maps --json "$PID" >"$BATS_TEST_TMPDIR/live.json"
	mf maps --json "$1" >"$report"
	for class in vdso vvar stack text; do
		diff <(jq -c "[.regions[] | select(.class == \"$class\") |
			[.start, .end]]" "$BATS_TEST_TMPDIR/live.json") \
			<(jq -c "[.regions[] | select(.class == \"$class\") |
			[.start, .end]]" "$report") || {
			echo "that was $class"
			return 1
		}
	done
}

@test "a saved smaps has the RSS of the process" {
	start_fixture curve
	freeze "$PID"
	cat "/proc/$PID/smaps" >"$BATS_TEST_TMPDIR/smaps"
	same_classes "$BATS_TEST_TMPDIR/smaps"
	[ "$(jq .rss_total "$report")" = \
		"$(jq .rss_total "$BATS_TEST_TMPDIR/live.json")" ]
	[ "$(regions_of arena)" = 2 ]
	[ "$(regions_of thread-stack)" = 2 ]
}

@test "a saved maps has no RSS, and says so" {
	start_fixture curve
	cat "/proc/$PID/maps" >"$BATS_TEST_TMPDIR/maps"
	same_classes "$BATS_TEST_TMPDIR/maps"
	json_holds "$report" '.rss_total == null'
	json_holds "$report" '.regions | all(.rss == null)'
	[ "$(regions_of arena)" = 2 ]
	run mf attach "$BATS_TEST_TMPDIR/maps"
	[[ $output == *'not known'* ]]
}

@test "pmap -x and pmap -X" {
	command -v pmap >/dev/null || skip "no pmap"
	local way
	start_fixture curve
	freeze "$PID"
	for way in -x -X; do
		pmap $way "$PID" >"$BATS_TEST_TMPDIR/pmap$way"
		mf maps --json "$BATS_TEST_TMPDIR/pmap$way" >"$report" ||
			[ $? = 2 ]
		[ "$(regions_of arena)" = 2 ]
		json_holds "$report" '[.regions[].rss] | add > 1000000'
	done
}

@test "a listing from a pipe" {
	mf maps --json <(cat "$listings/curve-threads.pmap") >"$report"
	json_holds "$report" '.target.kind == "listing" and
		(.regions | length) > 6'
	mf maps --json /dev/stdin < <(cat "$listings/curve-threads.pmap") \
		>"$report"
	json_holds "$report" '.target.kind == "listing"'
}

@test "of several listings, the one that was asked for" {
	cat "$listings/curve-threads.pmap" "$listings/curve-threads.pmap" \
		>"$BATS_TEST_TMPDIR/two"
	mf maps --json --listing 2 "$BATS_TEST_TMPDIR/two" >"$report" ||
		[ $? = 2 ]
	[ "$(regions_of arena)" = 2 ]
	run mf maps --listing 7 "$BATS_TEST_TMPDIR/two"
	[ "$status" != 0 ]
}

@test "a file that is no listing is refused" {
	echo 'these are not the mappings' >"$BATS_TEST_TMPDIR/file"
	run --separate-stderr mf maps "$BATS_TEST_TMPDIR/file"
	[ "$status" != 0 ]
	[ -z "$output" ]
	[[ $stderr == *memforensics:* ]]
	: >"$BATS_TEST_TMPDIR/empty"
	run mf maps "$BATS_TEST_TMPDIR/empty"
	[ "$status" != 0 ]
}
