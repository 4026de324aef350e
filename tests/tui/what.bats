#!/usr/bin/env bats
# The views of what memory holds, and who holds it: strings, types, threads,
# leaks, explain, refs. The truth is what the programs say that are looked at.

# shellcheck disable=SC2154 # status, PID, MEMFORENSICS: of the helpers
bats_require_minimum_version 1.5.0

load terminal

# Browses a fixture until all of it is read.
browse() { # COLUMNSxLINES FIXTURE [OPTION...]
	local size=$1 fixture=$2
	shift 2
	start_fixture "$fixture"
	open_terminal "$size" "$MEMFORENSICS" browse "$@" "$PID"
	until_screen 'VERDICT'
}

only_rows_with() { # TEXT
	press \\
	until_screen '^only rows with:'
	type_text "$1"
	press Enter
	until_screen 'with "'
}

said() { # WORD FIELD
	awk -v word="$1" -v field="$2" '$1 == word { print $field; exit }' \
		"$FIXTURE_SAID"
}

@test "strings: by text and by shape, and where each of them is" {
	browse 160x30 strings --stop snapshot
	press 5
	# many that differ in a number are more than any that is repeated
	until_screen '\[shapes\]'
	shows ' 40 000  trace <hex> done .*  trace 4bf92f3577b34da6'
	press t t
	until_screen '\[texts\]'
	only_rows_with 'quick brown'
	shows ' 500  the quick brown fox jumps over the lazy dog +0x'
	press Enter
	until_screen 'lazy dog  found 500 times'
	press Enter
	until_screen 'the quick brown$'
	shows '> places > bytes 0x'
	press BSpace BSpace
	until_screen '^ 1 of 1, with "quick brown"'
	# the same of two bytes each
	press \\ C-u
	type_text 'a wide text'
	press Enter Enter
	until_screen '^ a wide text.*found 500 times'
}

@test "strings of one shape are found by it" {
	browse 160x30 strings --stop snapshot
	press 5
	until_screen '\[shapes\]'
	only_rows_with 'trace <hex>'
	press Enter
	until_screen 'trace <hex> done  found 40 000 times'
}

@test "no string shows a private key" {
	browse 160x30 strings --stop snapshot
	press 5
	until_screen '\[shapes\]'
	press t t
	until_screen '\[texts\]'
	press /
	until_screen '^search:'
	type_text 'PRIVATE KEY'
	press Enter
	until_gone '^search:'
	[ "$(screen | grep -c 'MII[A-Za-z0-9+/]')" = 0 ]
}

@test "types: how many objects of each, and where" {
	local plain
	start_fixture objects
	plain=$(awk '$1 == "type" && $3 == "Plain" { print $2 }' "$FIXTURE_SAID")
	open_terminal 120x30 "$MEMFORENSICS" browse --stop snapshot "$PID"
	until_screen 'VERDICT'
	press 6
	until_screen '\[types\]'
	only_rows_with 'Plain'
	shows " $plain  Plain .*  c\+\+ .* 0x[0-9a-f]+  high"
	press Enter
	until_screen "^ Plain  found $plain times"
	press e
	until_screen 'object +Plain \(c\+\+'
}

@test "threads: what they do, their frames, and equal stacks once" {
	browse 220x30 told --stop snapshot
	press 7
	until_screen '^ 5 threads, 2 different stacks'
	[ "$(screen | grep -c ' told  .*futex(')" = "$(said waiting 2)" ]
	press t
	until_screen "^ +$(said waiting 2) .*< $(said waiting 3) < begin < "
	press Enter
	until_screen "^ +[0-9]+  $(said waiting 3)\+0x[0-9a-f]+ +told "
	shows ' > stacks > frames of [0-9]+ told$'
	press BSpace BSpace
	until_screen 'equal stacks once$'
}

@test "leaks: how many, of what size, and what hangs on nothing" {
	browse 120x30 told --stop snapshot
	press 8
	until_screen "^ $(said lost 2) leaked, "
	shows "^ +[0-9.]+ KiB +[0-9.]+ KiB +$(said lost 2) .* text: zzz.* high "
	press Enter
	until_screen "^ $(said lost 2) text: zzz.*, the first 16 are here"
	shows 'why: no word anywhere leads there'
	press e
	until_screen 'no word points into the chunk'
	shows ' text +zzzz'
	press w
	until_screen '^  no word points there'
}

@test "an address is explained, and who points there is followed to its root" {
	local first table
	browse 120x30 told --stop snapshot
	first=$(said first 2)
	table=$(said table 2)
	go_to "0x$first"
	until_screen 'a text that the$'
	press e
	until_screen "^ +text +a text that the table holds"
	until_screen '^ +refs +1 word points into the chunk'
	press w
	until_screen "^ .* 0x$table  start +high"
	# who points at the one that points there
	press w
	until_screen 'told_table.* start '
	shows "refs 0x$first > refs 0x$table"
	press BSpace t
	until_screen '^ +2  module-data|^ +2 .*told_table'
	press Enter
	until_screen ' > steps'
	[ "$(screen | grep -c -E "^ .*(told_table|0x$table)")" -ge 2 ]
	press BSpace BSpace BSpace
	until_screen '^ +text +a text that the table holds'
}

@test "views of memory that runs on say so" {
	browse 120x30 told --stop none
	press 5
	until_screen 'this was read later than the rest'
	shows " $(said text 2)  a text that the table holds"
}

@test "the same of a core" {
	local core=$BATS_TEST_TMPDIR/core
	start_fixture told
	mf snapshot -o "$core" "$PID" >/dev/null || [ $? = 2 ]
	open_terminal 120x30 "$MEMFORENSICS" browse "$core"
	until_screen 'VERDICT'
	press 7
	until_screen '^ 5 threads, 2 different stacks'
	press 8
	until_screen "^ $(said lost 2) leaked, "
	press 5
	until_screen "^ .* $(said text 2)  a text that the table holds"
}

@test "a word on a stack is told with the function whose frame it is in" {
	browse 140x30 pointers --stop snapshot
	go_to "$(awk '$1 == "ref" && $2 == "stack" { print $3 }' \
		"$FIXTURE_SAID")"
	until_screen ' > bytes 0x'
	press w
	until_screen 'stack of thread [0-9]+ at sp\+0x[0-9a-f]+, in keep_on_stack '
	# the word itself
	press e
	until_screen ' > explain 0x'
	shows 'in keep_on_stack'
}
