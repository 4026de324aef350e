#!/usr/bin/env bats
# Arenas, maps of heaps, and chunks in the browser. The truth is what the commands
# say of the same process, which stands still, and what the process knows itself.

# shellcheck disable=SC2154 # status, PID, MEMFORENSICS: of the helpers
bats_require_minimum_version 1.5.0

load terminal

browse_fixture() { # NAME [ARGUMENT...]
	start_fixture "$@"
	open_terminal 80x24 "$MEMFORENSICS" browse --bytes --stop snapshot "$PID"
	until_screen 'VERDICT'
}

# A number as screens have it: digits in groups of three.
grouped() {
	sed -E ':a; s/([0-9])([0-9]{3})( |$)/\1 \2\3/; ta' <<<"$1"
}

@test "chunks by address and by size, from the first to the last" {
	browse_fixture chunked 4000
	"$MEMFORENSICS" chunks --json --top 100000 "$PID" |
		jq -r '.chunks[] | "\(.address) \(.size)"' >"$BATS_TEST_TMPDIR/all"
	count=$(wc -l <"$BATS_TEST_TMPDIR/all")
	[ "$count" -gt 4000 ]
	press 4
	until_screen "^ 1 of $(grouped "$count") "
	shows "^ $(grouped "$count") chunks, "
	read -r address size < <(head -n 1 "$BATS_TEST_TMPDIR/all")
	shows "^ +$address +$size +in_use +glibc main"
	press G
	until_screen "^ $(grouped "$count") of $(grouped "$count") "
	read -r address size < <(tail -n 1 "$BATS_TEST_TMPDIR/all")
	shows "^ +$address +$size +top +glibc arena 1"
	# the other end is at the top
	press S
	until_screen "^ 1 of $(grouped "$count") "
	read -r address size < <(sort -k2,2nr -k1,1 "$BATS_TEST_TMPDIR/all")
	shows "^ +$address +$size "
	press S
	until_screen "^ +$(sort -k2,2n -k1,1r "$BATS_TEST_TMPDIR/all" |
		head -n 1 | sed 's/ / +/') "
}

@test "chunks of one state, and the bytes of one" {
	browse_fixture chunked 4000
	press 4
	until_screen 'of every state'
	press s
	until_screen ' chunks, .*, in use '
	in_use=$("$MEMFORENSICS" arenas --json "$PID" |
		jq '[.allocators[] | .in_use.count] | add')
	until_screen "^ $(grouped "$in_use") chunks, "
	address=$(screen | sed -nE '6s/ *0x([0-9a-f]+) .*/\1/p')
	press Enter
	# what malloc gave out lies behind the header
	until_screen "^ 0x$(printf %x $((16#$address + 16)) )  chunk 0x$address\+0x10, "
	press BSpace
	until_screen ' chunks, .*, in use '
}

@test "an arena: why it is kept, its map, and the chunks of a part of it" {
	browse_fixture arenas orphans 3
	press 3
	until_screen '^ main '
	[ "$(screen | grep -cE '^ arena [123] .* orphan')" = 3 ]
	press Down Enter
	until_screen 'Orphan: no living thread allocates from it'
	shows '^ arenas > arena [123]'
	index=$(screen | sed -nE 's/^ arenas > arena ([123]).*/\1/p')
	in_use=$("$MEMFORENSICS" arenas --json "$PID" | jq --argjson index "$index" \
		'.allocators[] | select(.name == "glibc") | .arenas[] |
		select(.index == $index) | .in_use.bytes')
	shows "^ +$in_use of [0-9]+ are in use, in 1 000 chunks"
	press Enter
	until_screen '^ # in use [0-9]+ p pinned [0-9]+ '
	start=$(screen | sed -nE 's/^([0-9a-f]{12}) [#pcufto.]+$/\1/p' | head -n 1)
	press Enter
	until_screen "heap 0x$start > chunks 0x$start-"
	until_screen '^ 1 of '
	press BSpace
	until_screen '^ # in use '
	press BSpace
	until_screen 'WHY IT IS KEPT'
	# a group of chunks: those in use
	press Down Down Down Enter
	until_screen '^ 1 000 chunks, .*, in use '
}

@test "an arena and a thread by their numbers" {
	browse_fixture arenas orphans 3
	press :
	until_screen '^go to:'
	type_text 'arena:2'
	press Enter
	until_screen '^ overview > arena 2'
	shows 'Orphan: no living thread allocates from it'
	press :
	until_screen '^go to:'
	type_text 'arena:77'
	press Enter
	until_screen 'there is no arena 77'
	press :
	until_screen '^go to:'
	type_text "tid:$PID"
	press Enter
	# the view of threads, on its row
	until_screen "^ 1 of [0-9]+ "
	press Enter
	until_screen "threads > frames of $PID "
	press :
	until_screen '^go to:'
	type_text 'tid:1'
	press Enter
	until_screen 'there is no thread 1'
}
