#!/usr/bin/env bats
# A tour of the browser: each view, and in it each key that goes in, out, sorts,
# filters, tags and writes; before all is read, and small and large. What it
# proves is that nothing breaks: it is worth most of a sanitized build, whose
# findings are the browser's exit status; or, with tests/run --valgrind, of
# valgrind, whose are, too.

# shellcheck disable=SC2154 # status, PID, MEMFORENSICS: of the helpers
# shellcheck disable=SC1003 # a backslash is a key
bats_require_minimum_version 1.5.0

load terminal

# What was pressed before is done when the prompt of `:` opens, and it is closed
# again when nothing shows it. Not by Escape: on a screen that is just being made
# anew nothing shows it too soon, and with the next key it would be one of Alt.
catch_up() {
	press :
	until_screen '^go to:'
	press C-u Enter
	until_gone '^go to:'
}

# All that can be done with the rows of one view, and back to it.
tour_view() { # DIGIT
	local key
	press "$1"
	catch_up
	press Down Down Enter
	catch_up
	for key in e w x; do
		press Down "$key"
		catch_up
		press BSpace
		catch_up
	done
	press BSpace BSpace BSpace Space U t '>' '<' I
	catch_up
	press '\'
	until_screen '^only rows with:'
	type_text 0x5
	press Enter G g NPage PPage
	catch_up
	press '\'
	until_screen '^only rows with:'
	press C-u Enter
	catch_up
}

ends_well() {
	press q
	until_ended
	if [ "$status" != 0 ]; then
		echo "ended with $status"
		cat "$BATS_TEST_TMPDIR"/valgrind.* 2>/dev/null || true
		return 1
	fi
	is_plain
}

@test "a tour of every view, small and large" {
	local digit
	start_fixture browsed
	open_terminal 80x24 "$MEMFORENSICS" browse "$PID"
	until_screen 'VERDICT'
	for digit in 1 2 3 4 5 6 7 8 9; do
		tour_view "$digit"
		terminal resize-window -x 30 -y 6
		catch_up
		terminal resize-window -x 160 -y 50
		until_screen ' 9.findings'
		terminal resize-window -x 80 -y 24
	done
	press '?'
	until_screen '^views$'
	press q
	until_gone '^views$'
	ends_well
}

@test "views that are opened at once stay when the rest comes" {
	start_fixture browsed
	open_terminal 80x24 "$MEMFORENSICS" browse "$PID"
	# typed before anything is shown: of the mappings alone, or of all
	press 2 Enter t 3 4 5 6 7 8 9 2
	until_screen ' 2\[regions\]'
	until_screen '(frozen|read) at'
	press t
	catch_up
	# each look is of another moment; the last one is not waited for
	press r 2 r 3 r 4 r 2
	until_screen ' 2\[regions\]'
	ends_well
}

@test "the last view is in sight in 80 columns" {
	start_fixture browsed
	open_terminal 80x24 "$MEMFORENSICS" browse "$PID"
	until_screen 'VERDICT'
	shows '^ 1\[overview\] 2 reg .* 9 find *$'
	press 9
	until_screen ' 9\[findings\]'
	terminal resize-window -x 100 -y 24
	until_screen '^ 1 overview  2 regions .* 9\[findings\]$'
	ends_well
}
