#!/usr/bin/env bats
# The prompt of `attach`, in a real terminal: one view for every command, which
# neither errors, Ctrl-C nor the end of the process end.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load terminal

setup() {
	work_apart
	unset XDG_STATE_HOME
	export LC_ALL=C.UTF-8 MEMFORENSICS_HISTORY=$work/history
}

# All that was printed.
all_text() {
	terminal capture-pane -p -S -
}

# How often there was a prompt in TEXT.
count_prompts() { # TEXT
	grep -c '^[a-z]*[.][0-9a-z]*>' <<<"$1" || true
}

# Waits for a prompt more than BEFORE that nothing was typed at: TEXT is all that
# was printed until then.
await_prompt() { # BEFORE
	until TEXT=$(all_text) && [[ $TEXT == *'>' ]] &&
		[ "$(count_prompts "$TEXT")" -gt "$1" ]; do :; done
}

open_prompt() { # ARGUMENT...
	open_terminal 120x40 "$MEMFORENSICS" --max-pause 30s "$@"
	await_prompt 0
}

# Types LINE and waits until its command has ended: ANSWER is what it printed.
ask() { # LINE
	local before
	before=$(count_prompts "$(all_text)")
	type_text "$1"
	press Enter
	await_prompt "$before"
	# what stands between the last two
	ANSWER=$(awk '/^[a-z]*[.][0-9a-z]*>/ { said = text; text = ""; next }
		!/^$/ { text = text $0 "\n" }
		END { printf "%s", said }' <<<"$TEXT")
}

leave() {
	press C-d
	until_ended
}

# What the process has in use, as FILE (of arenas --json) says.
in_use() { # FILE
	jq '.allocators[] | select(.name == "glibc") | .in_use.bytes' "$1"
}

# Those that PID has now; its copy is one.
children() { # PID
	cat "/proc/$1/task/$1/children"
}

@test "one view for every command, until it is refreshed" {
	start_fixture grower
	open_prompt "$PID"
	until_screen '^The view is of [0-9:]+, in a copy; process [0-9]+ runs on'
	ask 'arenas --json -o before'
	# it runs
	tell 'blocks 1000 3000'
	ask 'arenas --json -o still'
	ask 'chunks --json -o chunks --min-size 3008 --max-size 3008'
	ask 'diff --json -o diff'
	[ "$(in_use still)" = "$(in_use before)" ]
	json_holds chunks '[.. | objects | select(.size? == 3008)] |
		length < 1000'
	json_holds diff '.diff | any(.what == "arena" and
		.key == "glibc arena 0, in use" and .delta == 1000 * 3008)'
	ask 'refresh'
	[[ $ANSWER == *"The view is of "* ]]
	ask 'arenas --json -o after'
	[ "$(in_use after)" = $(($(in_use before) + 1000 * 3008)) ]
	json_holds after '.impact.stop == "snapshot" and
		.impact.consistency == "exact"'
	leave
	[ "$status" = 0 ]
	[ -z "$(children "$PID")" ]
}

@test "every command runs over it" {
	start_fixture grower
	tell 'blocks 10 3000'
	open_prompt "$PID"
	local copy
	copy=$(children "$PID")
	ask 'attach | grep -c "^VERDICT$"'
	[ "$ANSWER" = 1 ]
	ask 'maps --json -o maps'
	ask 'explain main --json -o explain'
	ask 'refs heap --json -o refs'
	ask 'leaks --json -o leaks'
	ask 'threads --json -o threads'
	ask 'scan --content --json -o scan'
	ask 'dump heap -o heap'
	ask 'snapshot -o core'
	ask 'arenas --ranges --json -o ranges'
	[ "$(children "$PID")" = "$copy" ]
	for name in maps explain refs leaks threads scan ranges; do
		json_holds "$name" ".impact.stops == 1 and
			.target.pid == $PID"
	done
	json_holds threads '.threads[0].frames | length > 1'
	json_holds ranges '[.. | .ranges? // empty] | length > 0'
	# what it was then is what the process still is
	mf dump "$PID" heap -o now --max-pause 30s >/dev/null
	cmp heap now
	mf arenas core --json >of_core
	[ "$(in_use of_core)" = "$(in_use ranges)" ]
	leave
	[ -z "$(children "$PID")" ]
}

@test "the browser shows the same view, and comes back to the prompt" {
	start_fixture grower
	open_prompt "$PID"
	local copy
	copy=$(children "$PID")
	type_text 'browse'
	press Enter
	until_screen '^ overview'
	until_screen 'read from a copy'
	press q
	until_screen '^grower[.][0-9]+> *browse$'
	await_prompt 1
	[ "$(children "$PID")" = "$copy" ]
	leave
	[ "$status" = 0 ]
	is_plain
}

@test "the browser looks anew there, and the prompt's view stays" {
	start_fixture grower
	open_prompt "$PID"
	local copy taken rss
	copy=$(children "$PID")
	taken=$(sed -n 's/^The view is of \([0-9:]*\),.*/\1/p' <(all_text))
	ask 'arenas --json -o before'
	type_text 'browse --bytes'
	press Enter
	# nothing newer is shown before it
	until_screen "RSS [0-9]+ . frozen at $taken"
	until_screen 'read from a copy'
	press m
	until_screen "marked the moment of $taken"
	rss=$(sed -n 's/.* RSS \([0-9]*\) .*/\1/p' <(screen) | head -n 1)
	tell 'map 8388608'
	press r
	until_gone " RSS $rss "
	until_screen 'RSS [0-9]+ . frozen at'
	press d
	until_screen '^ since the mark at'
	shows '^ *\+8388608 +0 +8388608 +class +anon +0 +1$'
	[ "$(wc -w <<<"$(children "$PID")")" = 2 ]
	press q
	until_screen '^grower[.][0-9]+> *browse'
	await_prompt 1
	until [ "$(children "$PID")" = "$copy" ]; do :; done
	ask 'arenas --json -o after'
	[ "$(jq .allocators after)" = "$(jq .allocators before)" ]
	json_holds after "(.target.taken | fromdate | strflocaltime(\"%H:%M:%S\"))
		== \"$taken\""
	leave
	is_plain
}

@test "errors do not end it, and say what to type there" {
	start_fixture grower
	open_prompt "$PID"
	ask 'frob'
	[[ $ANSWER == *"there is no command 'frob'"*"refresh, quit, exit"*"try: help" ]]
	ask 'refesh'
	[[ $ANSWER == *"try: refresh" ]]
	ask 'help frob'
	[[ $ANSWER == *"there is no command 'frob'"* ]]
	ask '0x1234'
	[[ $ANSWER == *"try: explain 0x1234" ]]
	ask 'heap'
	[[ $ANSWER == *"try: scan heap" ]]
	ask 'arenas 1'
	[[ $ANSWER == *"try: in a shell: memforensics arenas 1" ]]
	ask 'dump'
	[[ $ANSWER == *"dump of what?"*"it takes REGION..."*"try: help dump" ]]
	ask '--version'
	[[ $ANSWER == "memforensics "[0-9]* ]]
	ask 'arena'
	[[ $ANSWER == *"try: arenas" ]]
	ask 'chunks "arena:0'
	[[ $ANSWER == *"a quote is not closed"* ]]
	ask 'maps > file'
	[[ $ANSWER == *"try: -o FILE" ]]
	ask 'maps --stop none'
	[[ $ANSWER == *"try: refresh --stop auto|none|brief|snapshot" ]]
	ask 'maps --class "an on"'
	[[ $ANSWER == *"there is no class 'an on'"* ]]
	ask 'dump arena:99 -o file'
	[[ $ANSWER == *"arena:99"* ]]
	[ ! -e file ]
	ask 'leaks --twice 1s'
	[[ $ANSWER == *"try: in a shell: memforensics leaks $PID --twice"* ]]
	ask ''
	ask 'help arenas'
	[[ $ANSWER == *"arenas [OPTIONS]"*"--ranges"* ]]
	[[ $ANSWER != *"--max-pause"* ]]
	ask 'help refresh'
	[[ $ANSWER == *"refresh [OPTIONS]"*"--max-pause"* && \
		$ANSWER != *"--pid"* ]]
	# it is about one process
	for command in refresh maps; do
		ask "$command --pid 1"
		[[ $ANSWER == *"what is --pid 1 for?"*"a target already"* ]]
	done
	ask 'maps | tail -n 1 | wc -l'
	[ "$ANSWER" = 1 ]
	press 'exit' Enter
	until_ended
	[ "$status" = 0 ]
}

@test "Ctrl-C ends the command, or the line, and not the prompt" {
	start_fixture grower
	tell 'blocks 5000 100'
	open_prompt "$PID"
	mkfifo never
	type_text "chunks --top all --json | { touch started; cat never; }"
	press Enter
	until [ -e started ]; do :; done
	before=$(count_prompts "$(all_text)")
	press C-c
	await_prompt "$before"
	before=$(count_prompts "$(all_text)")
	type_text 'half a line'
	until_screen 'half a line$'
	press C-c
	await_prompt "$before"
	ask 'arenas | grep -c "^ARENAS\|^glibc\|^GLIBC"'
	tell 'blocks 1 10'
	leave
	[ -z "$(children "$PID")" ]
}

@test "the process ends, and the view stays" {
	start_fixture grower
	open_prompt "$PID"
	ask 'arenas --json -o before'
	before=$(count_prompts "$(all_text)")
	kill -KILL "$PID"
	wait "$PID" || true
	until_screen '^process [0-9]+ has ended.*; the view stays as it is$'
	await_prompt "$before"
	ask 'refresh'
	[[ $ANSWER == *"no such process"* ]]
	ask 'arenas --json -o after'
	[ "$(in_use after)" = "$(in_use before)" ]
	ask 'dump heap -o heap'
	[ -s heap ]
	leave
	[ "$status" = 0 ]
}

@test "the copy is killed, and each command looks anew" {
	start_fixture grower
	open_prompt "$PID"
	ask 'arenas --json -o before'
	before=$(count_prompts "$(all_text)")
	kill -KILL "$(children "$PID")"
	until_screen '^the view is let go: its copy was killed'
	await_prompt "$before"
	tell 'blocks 1000 3000'
	ask 'arenas --json -o after'
	[ "$(in_use after)" = $(($(in_use before) + 1000 * 3008)) ]
	ask 'refresh'
	[[ $ANSWER == *"The view is of "* ]]
	leave
	[ -z "$(children "$PID")" ]
}

@test "where there is no copy, each command looks anew" {
	start_fixture grower
	open_prompt "$PID" --stop brief
	until_screen '^No view is kept \(--stop brief\)'
	ask 'arenas --json -o before'
	tell 'blocks 1000 3000'
	ask 'arenas --json -o after'
	[ "$(in_use after)" = $(($(in_use before) + 1000 * 3008)) ]
	json_holds after '.impact.stop == "brief"'
	ask 'refresh --stop snapshot'
	[[ $ANSWER == *"in a copy"* ]]
	leave
}

@test "a core and a listing have a prompt, too" {
	start_fixture grower
	mf snapshot "$PID" -o core --max-pause 30s >/dev/null
	cat "/proc/$PID/smaps" >listing
	mf arenas core --json >known
	open_prompt attach core
	until_screen '^Commands work on this file'
	ask 'arenas --json -o arenas'
	[ "$(in_use arenas)" = "$(in_use known)" ]
	leave
	close_terminal
	open_terminal 120x40 "$MEMFORENSICS" attach listing
	until_screen '^listing> *$'
	press 'maps --json -o maps' Enter
	until [ -e maps ]; do :; done
	json_holds maps '.target.kind == "listing"'
	leave
}

@test "completion: commands, options, values, regions, symbols, files" {
	start_fixture grower
	open_prompt "$PID"
	touch some-file
	complete 'aren' 'arenas'
	complete 'chunks --hist' 'chunks --histogram'
	complete 'chunks --sort si' 'chunks --sort size'
	complete 'maps --sort=rs' 'maps --sort=rss'
	complete 'chunks --state free,tca' 'chunks --state free,tcache'
	complete 'scan aren' 'scan arena:'
	type_text 'scan arena:'
	press Tab Tab
	until_screen '^arena:0 +arena:1$'
	press C-u
	complete 'dump class:hea' 'dump class:heap'
	complete 'dump heap -o some' 'dump heap -o some-file'
	complete 'help snap' 'help snapshot'
	complete 'refresh --max-p' 'refresh --max-pause'
	complete 'explain grower:mai' 'explain grower:main'
	leave
}

# Types TEXT and Tab, and waits until the line is WHOLE.
complete() { # TEXT WHOLE
	type_text "$1"
	press Tab
	until_screen "> $2\$"
	press C-u
}

@test "history: of one's own, and only if it is wanted" {
	start_fixture grower
	open_prompt "$PID"
	ask 'help'
	ask ' help quit'
	leave
	close_terminal
	[ "$(cat history)" = help ]
	[ "$(stat -c %a history)" = 600 ]
	unset MEMFORENSICS_HISTORY
	export HOME=$work/home
	mkdir home
	open_prompt "$PID"
	ask 'help maps'
	press Up
	until_screen '> help maps$'
	press C-u
	leave
	close_terminal
	[ "$(cat home/.local/state/memforensics/history)" = 'help maps' ]
	export MEMFORENSICS_HISTORY=
	open_prompt "$PID"
	press Up
	ask 'help quit'
	leave
	[ "$(cat home/.local/state/memforensics/history)" = 'help maps' ]
}

@test "signals leave the terminal as it was, and the process alone" {
	start_fixture grower
	local signal
	for signal in TERM HUP SEGV; do
		# shellcheck disable=SC2016 # for the shell in the terminal
		open_terminal 120x40 bash -c 'echo $$ >pid; exec "$0" "$@"' \
			"$MEMFORENSICS" --max-pause 30s "$PID"
		await_prompt 0
		kill "-$signal" "$(cat pid)"
		until_ended
		[ "$status" = $((128 + $(kill -l "$signal"))) ]
		is_plain
		[ -z "$(children "$PID")" ]
		close_terminal
	done
	# and nothing is left where the terminal goes away
	open_prompt "$PID"
	close_terminal
	until [ -z "$(children "$PID")" ]; do :; done
	tell 'blocks 1 10'
}

# The prompt is stopped, and the process is not.
is_in_shell() {
	until_screen '^shell>'
	shows 'Stopped'
	[[ $(awk '/^State:/ { print $2 }' "/proc/$PID/status") == [SR] ]]
	tell 'blocks 1 10'
	press C-l
	until_gone 'Stopped'
	type_text fg
	press Enter
}

@test "Ctrl-Z: to the shell and back, from a line, a command and the browser" {
	start_fixture grower
	open_terminal 120x40 bash --norc --noprofile -i
	type_text "PS1='shell> '; '$MEMFORENSICS' --max-pause 30s $PID"
	press Enter
	until_screen '^grower[.][0-9]+>'
	type_text 'help  qu'
	until_screen 'help  qu'
	press C-z
	is_in_shell
	until_screen '^grower[.][0-9]+> help  qu'
	press C-u
	mkfifo never
	type_text 'maps | { echo it runs; cat never; }'
	press Enter
	until_screen '^it runs'
	press C-z
	is_in_shell
	exec 9>never
	echo 'on it goes' >&9
	until_screen '^on it goes'
	press C-c
	until_screen '^grower[.][0-9]+> *$'
	type_text 'browse'
	press Enter
	until_screen 'read from a copy'
	press C-z
	is_in_shell
	until_screen 'read from a copy'
	press q
	until_screen '^grower[.][0-9]+> *$'
	ask 'arenas --json -o arenas'
	json_holds arenas '.impact.stops == 1'
	press C-d
	until_screen '^quit$'
}

@test "no prompt without a terminal, nor where only a report is wanted" {
	start_fixture grower
	# shellcheck disable=SC2016 # for the shell in the terminal
	open_terminal 120x40 bash -c '
		"$0" "$1" --batch
		"$0" "$1" </dev/null
		"$0" "$1" --json
		"$0" "$1" -o report
		"$0" "$1" | tail -n 1
		"$0" maps "$1"
		echo "all done"' "$MEMFORENSICS" "$PID"
	until_screen '^all done$'
	run ! grep '^The view is\|^grower.*>' <(all_text)
	[ -s report ]
}

@test "a dumb terminal has a prompt" {
	start_fixture grower
	export TERM=dumb
	open_terminal 80x24 env TERM=dumb "$MEMFORENSICS" --max-pause 30s "$PID"
	await_prompt 0
	ask 'maps | tail -n 1 | wc -l'
	[ "$ANSWER" = 1 ]
	leave
	[ "$status" = 0 ]
}
