#!/usr/bin/env bats
# The command line itself: what it accepts, what it refuses and how, where its
# output goes, and what is made of its tables.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

# Fails with STATUS, and stderr says what, why and what to type.
refused() { # STATUS ARGUMENT...
	local wanted=$1
	shift
	run --separate-stderr mf "$@"
	[ "$status" = "$wanted" ] || {
		echo "status $status of: $*"
		return 1
	}
	[ -z "$output" ]
	[[ ${stderr_lines[0]} == memforensics:* ]]
	[[ ${stderr_lines[1]} == '  why: '* ]]
	[[ ${stderr_lines[2]} == '  try: '* ]]
}

@test "help is for people and lists what there is" {
	run --separate-stderr mf --help
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	for word in attach maps arenas --json --stop --max-pause --symfs; do
		[[ $output == *"$word"* ]]
	done
	[[ $output != *--generate* ]]
}

@test "each command has help with its own options" {
	run -0 mf maps --help
	[[ $output == *--sort* && $output == *--class* ]]
	run -0 mf --help maps
	[[ $output == *--sort* ]]
	run -0 mf arenas -h
	[[ $output == *malloc_trim* && $output != *--sort* ]]
	run -0 mf attach --help
	[[ $output == *--batch* ]]
}

@test "no help is wider than 100 columns" {
	local command
	for command in '' attach maps arenas; do
		# shellcheck disable=SC2086 # no word rather than an empty one
		[ "$(mf $command --help | wc -L)" -le 100 ]
	done
}

@test "the version" {
	run -0 mf --version
	[[ $output =~ ^memforensics\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "nothing at all is wrong usage, with help on stderr" {
	run --separate-stderr -64 mf
	[ -z "$output" ]
	[[ $stderr == *attach* ]]
}

@test "an unknown command is wrong usage, with what was meant" {
	refused 64 mpas 1
	[[ $stderr == *'try: memforensics maps'* ]]
	refused 64 frobnicate
	[[ $stderr == *attach*maps*arenas* ]]
}

@test "an unknown option is wrong usage, with what was meant" {
	refused 64 maps --jsno $$
	[[ $stderr == *'try: --json'* ]]
	refused 64 -Z $$
	refused 64 --completely-unheard-of $$
}

@test "an option of another command is wrong usage" {
	refused 64 arenas --sort rss $$
	[[ $stderr == *'memforensics arenas --help'* ]]
}

@test "wrong values are wrong usage, and it is said what is right" {
	refused 64 --format yaml $$
	[[ $stderr == *'text, json, csv'* ]]
	refused 64 --stop soon $$
	refused 64 --max-pause 5parsecs $$
	refused 64 --color sometimes $$
	refused 64 --width 3 $$
	refused 64 --top 0 $$
	refused 64 --top many $$
	refused 64 --listing 0 $$
	refused 64 -p you $$
	refused 64 maps --class hepa $$
	[[ $stderr == *'try: --class heap'* ]]
	refused 64 --format
	refused 64 --json=yes $$
}

@test "a target is needed, and only one" {
	refused 64 maps
	refused 64 maps --json
	refused 64 maps 1 2
	refused 64 maps -p 1 2
}

@test "a target that is named last is told where it belongs" {
	run -64 --separate-stderr mf chunks heap $$
	[[ ${stderr_lines[1]} == *'target comes first'* ]]
	[[ ${stderr_lines[2]} == *"memforensics chunks $$ heap" ]]
}

@test "what is neither a process nor a file is wrong usage" {
	refused 64 attach nonesuch
	[[ $stderr == *pidof* ]]
	refused 64 attach /nonexistent/listing
}

@test "a file alone is no command, but the way is shown" {
	refused 64 "$BATS_TEST_FILENAME"
	[[ $stderr == *"memforensics attach $BATS_TEST_FILENAME"* ]]
}

@test "no such process" {
	refused 4 attach 99999999999
	refused 4 attach 0
	sh -c : &
	wait $!
	refused 4 attach $!
}

@test "what a target can't do is said" {
	refused 5 attach "$MEMFORENSICS"
	refused 5 arenas "$here/../../fixtures/maps/curve-threads.pmap"
}

@test "a process id alone is attach" {
	start_until ready bash -c 'echo ready; read -r'
	run -0 mf --max-pause 10s --json "$PID"
	[ "$(jq -r .command <<<"$output")" = attach ]
	[ "$(jq -r .target.pid <<<"$output")" = "$PID" ]
}

@test "options stand before and after command and target" {
	local line
	start_until ready bash -c 'echo ready; read -r'
	for line in "--json maps $PID" "maps --json $PID" "maps $PID --json" \
		"-f json maps $PID" "maps -p $PID -fjson" "-p $PID maps --json"; do
		# shellcheck disable=SC2086 # words of a command line
		run -0 mf $line
		[ "$(jq -r .command <<<"$output")" = maps ]
	done
}

@test "output to a file: private, whole, and never over another" {
	local folder=$BATS_TEST_TMPDIR/out
	mkdir "$folder"
	start_until ready bash -c 'echo ready; read -r'
	mf maps --json -o "$folder/a" "$PID"
	[ "$(stat -c %a "$folder/a")" = 600 ]
	json_holds "$folder/a" '.regions | length > 5'
	refused 1 maps -o "$folder/a" "$PID"
	[[ $stderr == *--force* ]]
	mf maps -o "$folder/a" --force "$PID"
	grep -q TOTALS "$folder/a"
	ln -s "$folder/a" "$folder/link"
	refused 1 maps --force -o "$folder/link" "$PID"
	refused 4 maps -o "$folder/none" 99999999999
	[ "$(find "$folder" -type f | wc -l)" = 1 ]
	run -0 mf maps --json -o - "$PID"
	jq -e .regions <<<"$output" >/dev/null
}

@test "colours only where they are wanted" {
	local escape=$'\033'
	start_until ready bash -c 'echo ready; read -r'
	run -0 mf --stop none "$PID"
	[[ $output != *"$escape"* ]]
	run -0 mf --stop none --color always "$PID"
	[[ $output == *"${escape}["* ]]
	run -0 script -qec "'$MEMFORENSICS' attach --batch --stop none $PID" /dev/null
	[[ $output == *"${escape}["* ]]
	run -0 env NO_COLOR=1 script -qec "'$MEMFORENSICS' attach --batch --stop none $PID" /dev/null
	[[ $output != *"${escape}["[0-9]* ]]
	run -0 env TERM=dumb script -qec "'$MEMFORENSICS' attach --batch --stop none $PID" /dev/null
	[[ $output != *"${escape}["[0-9]* ]]
}

@test "plain bytes" {
	start_until ready bash -c 'echo ready; read -r'
	run -0 mf maps --bytes "$PID"
	[[ ${lines[*]:2} != *KiB* ]]
}

@test "a reader that goes away ends it quietly" {
	start_until ready bash -c 'echo ready; read -r'
	run bash -c "'$MEMFORENSICS' maps --json $PID | true
		echo \"\${PIPESTATUS[0]}\""
	[ "$output" = 141 ] || [ "$output" = 0 ]
}

@test "a full disk is an error" {
	start_until ready bash -c 'echo ready; read -r'
	run --separate-stderr -1 bash -c "'$MEMFORENSICS' $PID >/dev/full"
	[[ $stderr == *'No space left'* ]]
}

@test "too few open files is what it is: no process that ended" {
	local limit told=0
	start_until ready bash -c 'echo ready; read -r'
	# bats has some open, and how many is its own affair
	for limit in 6 7 8 9 10 11 12 13 14 15 16; do
		run --separate-stderr bash -c \
			"ulimit -n $limit; exec '$MEMFORENSICS' arenas $PID"
		[ "$status" = 1 ] || continue
		[[ $stderr == *'Too many open files'* ]]
		[[ $stderr != *'--help'* ]] || continue
		told=$((told + 1))
	done
	[ "$told" -ge 2 ]
}

@test "help promises listings only to commands that take them" {
	mf maps --help | grep -q 'file that holds a saved'
	run ! grep -q 'saved' <(mf arenas --help)
	mf arenas --help | grep -qx 'TARGET is a process id, or an ELF core .*'
}

@test "a closed output is an error, and nothing is written elsewhere" {
	start_until ready bash -c 'echo ready; read -r'
	run --separate-stderr -1 bash -c \
		"'$MEMFORENSICS' --stop brief --max-pause 10s $PID >&-"
	[ "${#stderr_lines[@]}" = 3 ]
	run -0 bash -c "'$MEMFORENSICS' --stop brief --max-pause 10s \
		--json -o '$BATS_TEST_TMPDIR/report' $PID <&- >&- 2>&-"
	json_holds "$BATS_TEST_TMPDIR/report" '.impact.stops == 1'
}

@test "completion for bash is a script that completes" {
	mf --generate bash >"$BATS_TEST_TMPDIR/completion"
	bash -n "$BATS_TEST_TMPDIR/completion"
	# shellcheck disable=SC2016 # for the other shell to expand
	run -0 bash -c '
		source "$1"
		COMP_WORDS=(memforensics ma) COMP_CWORD=1
		_memforensics
		echo "${COMPREPLY[@]}"
		COMP_WORDS=(memforensics maps --so) COMP_CWORD=2
		_memforensics
		echo "${COMPREPLY[@]}"
		COMP_WORDS=(memforensics maps --sort "") COMP_CWORD=3
		_memforensics
		echo "${COMPREPLY[@]}"
		COMP_WORDS=(memforensics arenas --so) COMP_CWORD=2
		_memforensics
		echo "none: ${COMPREPLY[*]}"' - "$BATS_TEST_TMPDIR/completion"
	[ "${lines[0]}" = maps ]
	[ "${lines[1]}" = --sort ]
	[ "${lines[2]}" = 'address rss size' ]
	[ "${lines[3]}" = 'none: ' ]
}

@test "completion for zsh is a script" {
	command -v zsh >/dev/null || skip "no zsh"
	mf --generate zsh >"$BATS_TEST_TMPDIR/completion"
	zsh -n "$BATS_TEST_TMPDIR/completion"
}

@test "the man page names every command and option, without complaint" {
	local name
	cd "$here/../.."
	mf --generate man >"$BATS_TEST_TMPDIR/memforensics.1"
	for name in $(mf --help | grep -oE '^ +(-., )?--[a-z-]+' |
		grep -oE '[a-z][a-z-]+'); do
		grep -qE "^\.It.* Fl -$name( |$)" \
			"$BATS_TEST_TMPDIR/memforensics.1" || {
			echo "no --$name"
			return 1
		}
	done
	for name in attach maps arenas snapshot; do
		grep -q "^\.It Cm $name " "$BATS_TEST_TMPDIR/memforensics.1"
	done
	command -v mandoc >/dev/null || skip "no mandoc"
	run mandoc -Tlint -Wstyle "$BATS_TEST_TMPDIR/memforensics.1"
	run ! grep -v 'referenced manual\|mandoc.db' <<<"${output:-mandoc.db}"
}
