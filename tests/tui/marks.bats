#!/usr/bin/env bats
# Two moments compared, and a process that is followed. The truth is what the
# process was told to do between them.

# shellcheck disable=SC2154 # status, PID, MEMFORENSICS: of the helpers
# shellcheck disable=SC1003 # a backslash is a key
bats_require_minimum_version 1.5.0

load terminal

@test "a mark, and what grew since: classes, regions, arenas, sizes of chunks" {
	start_fixture grower
	open_terminal 100x40 "$MEMFORENSICS" browse --bytes --stop snapshot "$PID"
	until_screen 'VERDICT'
	press d
	until_screen 'no moment is marked yet: m'
	press m
	until_screen 'marked the moment of [0-9:]+; r looks anew'
	press d
	until_screen 'this is the moment that is marked: r'
	local rss
	rss=$(sed -n 's/.* RSS \([0-9]*\) .*/\1/p' <(screen) | head -n 1)
	tell 'blocks 1000 2048'
	tell 'map 8388608'
	press r
	until_gone " RSS $rss "
	until_screen 'RSS [0-9]+ . frozen at'
	press d
	until_screen '^ since the mark at [0-9:]+, .* before'
	shows 'difference'
	shows 'RSS grew by '
	shows '^ *\+8388608 +0 +8388608 +class +anon +0 +1$'
	shows '^ *\+[0-9]+ +[0-9]+ +[0-9]+ +class +heap +1 +1$'
	shows '^ *\+8388608 +0 +8388608 +region +0x[0-9a-f]+ anon '
	shows '^ *\+2064000 +[0-9]+ +[0-9]+ +arena +glibc arena 0, in use +2 +1 002$'
	shows '^ *\+2064000 +0 +2064000 +size-class +2048-2544 +0 +1 000$'
	# the bytes of a region that came
	press '\'
	until_screen '^only rows with:'
	type_text 'region'
	press Enter
	until_screen 'with "region"'
	press g Enter
	until_screen 'difference > bytes 0x[0-9a-f]+'
	shows '  01 01 01 01 01 01 01 01 '
	press BSpace
	# the mark stays, whatever else is looked at
	press BSpace 2
	until_screen 'regions'
	press d
	until_screen 'RSS grew by '
	press q
	until_ended
	[ "$status" = 0 ]
}

@test "mappings are followed by an interval, and what they are sorted by stays" {
	start_fixture grower
	open_terminal 100x40 "$MEMFORENSICS" browse --bytes --stop snapshot "$PID"
	until_screen 'VERDICT'
	press 2
	until_screen '^ 1 of '
	# as a list, sorted and filtered
	press S
	until_screen 'mapped▾'
	press '\'
	until_screen '^only rows with:'
	type_text 'rw-p'
	press Enter
	until_screen 'with "rw-p"'
	press a
	until_screen '^look at the mappings every'
	press C-u
	type_text '1'
	press Enter
	until_screen '^ mappings every 1 s, '
	until_screen 'mappings of '
	tell 'map 8388608'
	until_screen '^ +8388608 .* 8388608 .* rw-p '
	shows 'with "rw-p"'
	# nobody waits for memory that is not read
	press 3
	until_screen 'mappings alone are followed: r reads'
	press 2
	press m
	until_screen 'marked the moment of '
	tell 'map 12582912'
	until_screen '^ +12582912 .* 12582912 .* rw-p '
	press d
	until_screen 'of mappings alone'
	shows '^ *\+12582912 +0 +12582912 +region +0x[0-9a-f]+ '
	# as long as somebody is in there, nothing is torn away
	until_screen '^ mappings every 1 s \(waits for Backspace\)'
	press r
	until_screen 'frozen at'
	until_gone 'mappings every'
	# it ends while it is followed
	press a
	until_screen '^look at the mappings every'
	press Enter
	until_screen 'mappings of '
	kill -KILL "$PID"
	until_screen 'the process has ended'
	press q
	until_ended
	[ "$status" = 0 ]
}
