#!/usr/bin/env bats
# What `leaks` says of a running program, and what LeakSanitizer says of the same
# program built for it, at the same point: the same blocks, the same sizes, and
# the same of them that hang on others.
#
# Where LeakSanitizer is meant to say otherwise the program says `differs`, and
# then it must: mappings that the program made are no roots to it, nor are they
# leaked; it does not ask the kernel what that has; it takes no word with other
# high bits for a pointer. It calls nothing in a circle direct: ours is one.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

setup() {
	verdicts=()
	export LSAN_OPTIONS=report_objects=1:max_leaks=0:exitcode=0:symbolize=0
}

# What both say of a program, into a folder of $verdicts.
ask_both() { # NAME CASE...
	local folder=$BATS_TEST_TMPDIR/verdict.${#verdicts[@]}
	mkdir "$folder"
	victim "$1-sanitized" "${@:2}"
	tell check
	cp "$stats" "$folder/verdict"
	dismiss
	if grep -q 'LeakSanitizer has encountered a fatal' "$folder/verdict"; then
		skip 'LeakSanitizer cannot stop its own threads here'
	fi
	victim "$@"
	look leaks --all || [ $? = 2 ]
	cp "$stats" "$folder/stats"
	cp "$report" "$folder/report"
	dismiss
	verdicts+=("$folder")
}

# Both say the same of a program that has all cases.
agree() { # NAME
	[ -x "$FIXTURES/$1-sanitized" ] || skip 'there is no LeakSanitizer'
	ask_both "$1"
	"$here/losses" agree "${verdicts[@]}"
}

# The same of programs that have one case each.
agree_each() { # NAME CASE...
	local name=$1 case
	shift
	[ -x "$FIXTURES/$name-sanitized" ] || skip 'there is no LeakSanitizer'
	for case; do
		ask_both "$name" "$case"
	done
	"$here/losses" agree "${verdicts[@]}"
}

@test "all places at once" {
	agree lost
}

@test "all shapes at once" {
	agree tangled
}

@test "all owners at once" {
	agree owners
}

@test "places, each in a program of its own" {
	agree_each lost variables map-lost libc dead given specific ended \
		register
}

@test "shapes, each in a program of its own" {
	agree_each tangled past freed tree ring circle-below share ways search
}

@test "owners, each in a program of its own" {
	agree_each owners vector-lost map-leaked table-leaked circle-leaked \
		unique-leaked array-leaked second own-leaked
}
