# A real terminal for the browser, of a size and kind that the test chooses: tmux,
# with a socket of its own. Screens are compared as text, once they have come:
# a test waits for words, never for a time.

# shellcheck source=tests/cli/helper.bash
source "${BASH_SOURCE[0]%/*}/../cli/helper.bash"

socket=''

terminal() { # COMMAND OF TMUX
	tmux -f /dev/null -S "$socket" "$@"
}

# Opens a terminal of COLUMNS x LINES and runs COMMAND in it, as a shell would;
# how it ends is written to $ended.
open_terminal() { # COLUMNSxLINES COMMAND...
	local size=$1
	shift
	command -v tmux >/dev/null || skip 'there is no tmux'
	[ -n "$socket" ] ||
		socket=$(mktemp -u "${BATS_TMPDIR:-/tmp}/tui.XXXXXX")
	ended=$BATS_TEST_TMPDIR/ended
	rm -f "$ended"
	printf '%q ' "$@" >"$BATS_TEST_TMPDIR/command"
	printf '%s\n' "bash '$BATS_TEST_TMPDIR/command'" "status=\$?" \
		"stty -a >'$BATS_TEST_TMPDIR/modes'" \
		"echo \$status >'$ended.new'; mv '$ended.new' '$ended'" \
		"echo \"it ended with \$status\"; exec cat" \
		>"$BATS_TEST_TMPDIR/run"
	terminal new-session -d -x "${size%x*}" -y "${size#*x}" \
		"LC_ALL=${LOCALE:-C.UTF-8} ${KIND:+TERM=$KIND} \
		bash '$BATS_TEST_TMPDIR/run'" 3>&-
}

close_terminal() {
	[ -z "$socket" ] || terminal kill-server 2>/dev/null || true
	[ -z "$socket" ] || rm -f "$socket"
	socket=''
}

screen() {
	terminal capture-pane -p
}

press() { # KEY...
	terminal send-keys "$@"
}

# Types TEXT as it is.
type_text() { # TEXT
	terminal send-keys -l -- "$1"
}

# How often a screen is looked at for what has to come: far more often than it
# takes, on any machine; only what never comes needs an end.
looks=${MF_LOOKS:-4000}

# Waits until the screen has what PATTERN (an extended regular expression, of a
# line) says; fails when the program has ended before it came.
until_screen() { # PATTERN
	local text='' after=0 look
	for ((look = 0; look < looks; look++)); do
		text=$(screen) || return 1
		! grep -qE -- "$1" <<<"$text" || return 0
		# its last words may still be on their way
		[ ! -e "$ended" ] || [ $((after += 1)) -lt 400 ] || break
	done
	printf 'never seen: "%s"\n%s\n' "$1" "$text"
	return 1
}

# Until the screen has no line that matches PATTERN any more.
until_gone() { # PATTERN
	local look
	for ((look = 0; look < looks; look++)); do
		screen | grep -qE -- "$1" || return 0
	done
	printf 'still there: "%s"\n' "$1"
	screen
	return 1
}

# The same of what comes with what has come: a terminal may show half of it.
shows() { # PATTERN
	until_screen "$1"
}

# Waits until the program has ended: its status is $status.
until_ended() {
	local look
	for ((look = 0; look < looks; look++)); do
		screen >/dev/null
		[ ! -e "$ended" ] || break
	done
	# shellcheck disable=SC2034 # for the tests
	status=$(cat "$ended")
}

# The modes of the terminal, after the end, are those that a shell wants.
is_plain() {
	local look
	until_screen '^it ended with'
	grep -qE '(^| )icanon' "$BATS_TEST_TMPDIR/modes"
	grep -qE '(^| )echo( |$)' "$BATS_TEST_TMPDIR/modes"
	grep -qE '(^| )isig' "$BATS_TEST_TMPDIR/modes"
	for ((look = 0; look < looks; look++)); do
		[ "$(terminal display-message -p \
			'#{alternate_on} #{cursor_flag} #{mouse_any_flag}')" \
			!= '0 1 0' ] || return 0
	done
	return 1
}

# The first process that COMMAND of open_terminal is.
browser_pid() {
	pgrep -o -f "^$MEMFORENSICS browse $1"
}

# Types WHERE at the browser's prompt of places.
go_to() { # WHERE
	press :
	until_screen '^go to:'
	type_text "$1"
	press Enter
}

# For files that have nothing more to undo.
teardown() {
	close_terminal
	stop_all
}
