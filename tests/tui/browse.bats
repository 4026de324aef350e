#!/usr/bin/env bats
# The browser in a real terminal: each view, keys, sizes, kinds of terminals, and
# what is left when it ends. The truth is what the program that is browsed says,
# and where its bytes are.

# shellcheck disable=SC2154 # status, PID, MEMFORENSICS: of the helpers
# shellcheck disable=SC1003 # a backslash is a key
bats_require_minimum_version 1.5.0

load terminal

# Browses a program of known bytes, until all of it is read.
browse_known() { # COLUMNSxLINES [OPTION...]
	local size=$1
	shift
	[ -n "${PID-}" ] || start_fixture browsed
	open_terminal "$size" "$MEMFORENSICS" browse "$@" "$PID"
	until_screen 'VERDICT'
}

@test "the first view says who is browsed, and what its memory is made of" {
	browse_known 80x24
	shows "^ memforensics . browsed $PID . RSS [0-9.]+ [KM]iB . (frozen|read) at "
	# every view has its place in the bar, the shown one its whole name
	shows '^ 1\[overview\] 2 reg  3 arena  4 chunk  5 str  6 type  7 thr  8 leak  9 find *$'
	shows 'WHAT RSS IS MADE OF'
	press q
	until_ended
	[ "$status" = 0 ]
	is_plain
}

@test "bytes: as they are, with what points where, and pages that are not there" {
	browse_known 80x24 --stop snapshot
	go_to 0x5a0000000000
	until_screen '^ 0x5a0000000000: 0x6d206573776f7262'
	screen >"$BATS_TEST_TMPDIR/screen"
	sed -n '4p;6,11p' "$BATS_TEST_TMPDIR/screen" |
		diff - <(cat <<-END
		 5a0000000000-5a0000010000 rw-p anon  anon
		5a0000000000  62 72 6f 77 73 65 20 6d  65 00 00 00 00 00 00 00 browse me.......
		5a0000000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................
		5a0000000020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................
		5a0000000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................
		$(screen | sed -n 10p)
		5a0000000050  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................
		END
		)
	shows '^5a0000000040  10 20 00 00 00 5a 00 00 '
	# eight at a time, the number that the processor makes of them
	press b b b
	until_screen '^5a0000000040  00005a0000002010 '
	# the pointer is followed, and back
	press Down Down Down Down
	until_screen '-> anon'
	press Enter
	until_screen '^5a0000002010  70 6f 69 6e 74 65 64 20 '
	shows 'pointed at'
	shows 'regions|overview > bytes 0x5a0000000000 > bytes 0x5a0000002010'
	press BSpace
	until_screen '^5a0000000040  00005a0000002010 '
	go_to 0x5a0000001000
	until_screen '^5a0000001000  -- .*no page here'
	# nor were they touched
	[ "$(awk '/^5a0000000000-/ { on = 1 } on && /^Rss:/ { print $2; exit }' \
		"/proc/$PID/smaps")" = 8 ]
}

@test "bytes are searched, those too that were never shown" {
	browse_known 80x24
	go_to 0x5a0000000000
	until_screen '^5a0000000000  62 72 6f 77'
	press /
	until_screen '^search:'
	type_text 'pointed at'
	press Enter
	until_screen '^ 0x5a0000002010: 0x'
	shows '^5a0000002010  70 6f 69 6e 74 65 64 20  61 74 .* pointed at'
	press /
	until_screen '^search:'
	type_text 'browse ME'
	press Enter
	until_screen '^ not found: browse ME'
	press /
	until_screen '^search:'
	type_text 'browse m'
	press Enter
	until_screen '^ 0x5a0000000000: 0x'
	# backwards, over what is not there
	go_to 0x5a000000f000
	until_screen '^5a000000f000  -- '
	press N
	until_screen '^ 0x5a0000000000: 0x'
	# it is the only one: round the end
	press N
	until_gone 'searching'
	shows '^ 0x5a0000000000: 0x'
}

@test "a chunk of the heap is told, and where its header ends" {
	local block
	start_fixture browsed
	block=$(awk '$1 == "block" { print $2 }' "$FIXTURE_SAID")
	browse_known 100x24
	go_to "0x$block"
	until_screen 'a block of the '
	shows "^ 0x$block  chunk 0x[0-9a-f]+\+0x10, 1008 bytes, in_use, glibc arena 0"
}

@test "regions: a tree, a list, sorted, filtered, searched" {
	browse_known 100x30
	press 2
	until_screen '▸ anon \([0-9]+\)'
	press t
	until_screen 'anon: anon'
	# by address
	press A
	until_screen 'address▴'
	screen | grep -oE ' 0x[0-9a-f]{12}( |$)' | awk '{ print length($1), $1 }' \
		>"$BATS_TEST_TMPDIR/order"
	sort -k1n -k2 -c "$BATS_TEST_TMPDIR/order"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/order")" -gt 10 ]
	press A
	until_screen 'address▾'
	press '\'
	until_screen '^only rows with:'
	type_text 0x5a0000000000
	press Enter
	until_screen '^ 1 of 1, with "0x5a0000000000"'
	shows '8.0 KiB .*64.0 KiB  anon: anon'
	press '\' C-u Enter
	until_gone 'with "0x5a0000000000"'
	press /
	until_screen '^search:'
	type_text '[stack'
	press Enter
	until_gone '^search:'
	press g
	until_screen '^ 1 of '
	press n
	until_gone '^ 1 of '
}

@test "tagged regions and rows are written, for their owner alone" {
	local file=$BATS_TEST_TMPDIR/dump
	browse_known 80x24 --stop snapshot
	press 2
	until_screen '▸ anon'
	# all that a row stands for, and none of it
	press /
	until_screen '^search:'
	type_text 'anon ('
	press Enter
	until_gone '^search:'
	press Space
	until_screen "^ tagged: $(screen |
		sed -nE 's/.*▸ anon \(([0-9]+)\).*/\1/p'), "
	press Up Space
	until_screen '^ nothing is tagged'
	press '\'
	until_screen '^only rows with:'
	type_text 0x5a0000000000
	press Enter
	until_screen '^ 1 of 1, '
	press Space o
	until_screen '^tagged regions to: browsed-'
	press C-u
	type_text "$file"
	press Enter
	until_screen '1 range, 64.0 KiB, written to '
	[ "$(stat -c '%a %s' "$file")" = '600 65536' ]
	[ "$(head -c 9 "$file")" = 'browse me' ]
	[ "$(tail -c +8209 "$file" | head -c 10)" = 'pointed at' ]
	# not over what is there
	press o
	until_screen '^tagged regions to:'
	press C-u
	type_text "$file"
	press Enter
	until_screen 'exists'
	press U o
	until_screen '^these rows to: browsed-'
	press C-u
	type_text "$file.csv"
	press Enter
	until_screen ' 1 rows written to '
	[ "$(stat -c %a "$file.csv")" = 600 ]
	grep -q '^8192,.*,65536,anon: anon,rw-p,0x5a0000000000,0' "$file.csv"
}

@test "help is there, and says what each view is" {
	browse_known 80x40
	press '?'
	until_screen '^views$'
	shows '^  2 regions '
	shows '^  Up k '
	press G
	until_screen '^  \^C  *end$'
	shows 'q: back *$'
	# a screen of it, and out again, not out of the program
	press g
	until_screen '^how to find$'
	press NPage
	until_gone '^how to find$'
	press q
	until_screen 'VERDICT'
	shows 'q: end *$'
}

@test "a finding tells what to do" {
	browse_known 80x24
	press 9
	until_screen 'severity'
	press Enter
	until_screen '^ findings > finding '
}

@test "a process that ends while it is browsed stays on the screen" {
	browse_known 80x24 --stop snapshot
	go_to 0x5a0000000000
	until_screen 'browse me'
	kill -KILL "$PID"
	until_screen 'ended since'
	# pages that were not read yet are of the copy
	go_to 0x5a0000002010
	until_screen 'pointed at'
	press r
	until_screen 'has ended: there is nothing newer'
}

@test "a second look is another moment" {
	browse_known 80x24
	press r
	until_screen 'VERDICT'
	press 2
	until_screen '▸ anon'
}

@test "small, large, resized: what has room is shown" {
	browse_known 40x8
	terminal resize-window -x 20 -y 3
	until_gone 'overview'
	terminal resize-window -x 160 -y 50
	until_screen 'WHAT LOOKING DID'
	[ "$(screen | wc -l)" = 50 ]
	press 2
	until_screen '▸ anon'
	terminal resize-window -x 1 -y 1
	terminal resize-window -x 80 -y 24
	until_screen '▸ anon'
	shows 'help  q: end *$'
	press 1
	until_screen 'VERDICT'
	terminal resize-window -x 30 -y 5
	until_gone 'VERDICT'
	terminal resize-window -x 80 -y 24
	until_screen 'VERDICT'
}

@test "plain ASCII, and no colours" {
	LOCALE=C KIND=vt100 browse_known 80x24 --color never
	shows '^   ####+  '
	press 2
	until_screen '\+ anon \('
	run ! grep -q '[^ -~]' <(screen)
}

@test "eight colours, and 256" {
	KIND=xterm browse_known 80x24
	press q
	until_ended
	close_terminal
	KIND=xterm-256color browse_known 80x24
	press q
	until_ended
	close_terminal
	# of a size that the database does not have
	KIND=linux browse_known 80x24
}

@test "names that a target chose never meet the terminal as they are" {
	local file
	file=$BATS_TEST_TMPDIR/$'evil\e[31m\e]0;title\a'
	head -c 4096 /dev/zero >"$file"
	start_fixture browsed "$file"
	browse_known 120x24
	press 2 t
	until_screen 'file: '
	press /
	until_screen '^search:'
	type_text evil
	press Enter
	until_screen 'evil.x1b\[31m.x1b\]0;title.x07'
}

@test "no terminal, or one that cannot place a cursor: refused" {
	start_fixture browsed
	run -64 --separate-stderr mf browse "$PID" </dev/null
	[[ $stderr == *'cannot browse here'*'it takes a terminal'*'attach --batch'* ]]
	KIND=dumb open_terminal 80x24 "$MEMFORENSICS" browse "$PID"
	until_ended
	[ "$status" = 64 ]
	shows 'cannot place a'
	is_plain
}

@test "whatever signal ends it, the terminal is as it was" {
	local signal pid
	start_fixture browsed
	for signal in INT:130 TERM:143 HUP:129 SEGV:139 ABRT:134 USR1:138; do
		browse_known 80x24
		# those that are waited for, while something else is, too
		if [[ $signal == [TU]* ]]; then
			press :
			until_screen '^go to:'
		fi
		pid=$(browser_pid "$PID")
		kill "-${signal%:*}" "$pid"
		until_ended
		[ "$status" = "${signal#*:}" ]
		is_plain
		close_terminal
	done
	# and the program runs on
	[[ $(awk '/^State:/ { print $2 }' "/proc/$PID/status") == [SR] ]]
	[ "$(awk '/^TracerPid:/ { print $2 }' "/proc/$PID/status")" = 0 ]
}

@test "back to the shell and on again; the process is not stopped by it" {
	start_fixture browsed
	open_terminal 80x24 bash --norc --noprofile -i
	type_text "PS1='shell> '; '$MEMFORENSICS' browse $PID"
	press Enter
	until_screen 'VERDICT'
	press C-z
	until_screen '^shell>'
	shows 'Stopped'
	[[ $(awk '/^State:/ { print $2 }' "/proc/$PID/status") == [SR] ]]
	type_text fg
	press Enter
	until_screen 'VERDICT'
	press q
	until_gone 'VERDICT'
	until_screen '^shell>'
}

@test "what is in the background is ended from the shell, which keeps the terminal" {
	start_fixture browsed
	open_terminal 80x24 bash --norc --noprofile -i
	type_text "PS1='shell> '; '$MEMFORENSICS' browse $PID"
	press Enter
	until_screen 'VERDICT'
	press : C-z
	until_screen '^shell>'
	type_text 'kill %1; while kill -0 %1; do :; done 2>/dev/null; echo over'
	press Enter
	until_screen '^over'
	shows 'Terminated'
	[[ $(awk '/^State:/ { print $2 }' "/proc/$PID/status") == [SR] ]]
}

@test "bytes are written as bytes, and never to the screen" {
	local file=$BATS_TEST_TMPDIR/bytes
	browse_known 80x24 --stop snapshot
	go_to 0x5a0000000000
	until_screen 'browse me'
	press o
	until_screen '^these bytes to: browsed-'
	press C-u
	type_text -
	press Enter
	until_screen 'not to the screen'
	press o
	until_screen '^these bytes to: browsed-'
	press C-u
	type_text "$file"
	press Enter
	until_screen '1 range, 64.0 KiB, written to '
	[ "$(stat -c '%a %s' "$file")" = '600 65536' ]
	[ "$(tail -c +8209 "$file" | head -c 10)" = 'pointed at' ]
}

@test "a core and a saved listing are browsed, too" {
	local core=$BATS_TEST_TMPDIR/core
	start_fixture browsed
	mf snapshot -o "$core" "$PID" >/dev/null || [ $? = 2 ]
	open_terminal 80x24 "$MEMFORENSICS" browse "$core"
	until_screen 'VERDICT'
	shows 'core of'
	go_to 0x5a0000002010
	until_screen 'pointed at'
	press q
	until_ended
	close_terminal
	cat "/proc/$PID/smaps" >"$core.smaps"
	open_terminal 80x24 "$MEMFORENSICS" browse "$core.smaps"
	until_screen 'WHAT RSS IS MADE OF'
	shows 'listing of'
	press q
	until_ended
	[ "$status" = 0 ] || [ "$status" = 2 ]
}
