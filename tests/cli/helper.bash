# What the tests of the command line share: programs that are started, waited
# for by a line of theirs (never for a time), and ended by their pids.

here=${BASH_SOURCE[0]%/*}
: "${O:=build}"
: "${FIXTURES:=$here/../../$O/fixtures}"
: "${MEMFORENSICS:=$here/../../$O/memforensics}"
FIXTURES=$(realpath -m "$FIXTURES")
MEMFORENSICS=$(realpath -m "$MEMFORENSICS")
# Some have daemons and ldconfig where only root looks for them.
PATH=$PATH:/usr/sbin:/sbin

started=()

# The program that is tested. Its plain width and language, whoever runs it.
mf() {
	LC_ALL=C.UTF-8 "$MEMFORENSICS" "$@"
}

# The same with patience: on a busy machine threads take their time to stop.
patient() { # COMMAND ARGUMENT...
	local command=$1
	shift
	mf "$command" --max-pause 30s "$@"
}

needs() { # PROGRAM...
	local program
	for program; do
		command -v "$program" >/dev/null || skip "no $program here"
	done
}

# Goes to a folder for what this test writes.
work_apart() {
	work=$BATS_TEST_TMPDIR/work
	mkdir "$work"
	cd "$work" || return
}

nothing_is_left() {
	[ -z "$(ls -A "$work")" ] || {
		ls -lA "$work"
		return 1
	}
}

# Starts COMMAND with its input held open and waits until it prints a line that
# matches READY: $PID is its pid, $FIXTURE_OUT a descriptor of what it prints
# next, $FIXTURE_IN one of its input, $FIXTURE_SAID a file of all it said.
start_until() { # READY COMMAND...
	local ready=$1 line work
	shift
	work=$(mktemp -d "$BATS_TEST_TMPDIR/started.XXXXXX")
	FIXTURE_SAID=$work/said
	mkfifo "$work/in" "$work/out"
	"$@" <"$work/in" >"$work/out" 2>&1 3>&- &
	PID=$!
	started+=("$PID")
	# shellcheck disable=SC2034 # FIXTURE_IN is for the tests
	exec {FIXTURE_IN}>"$work/in" {FIXTURE_OUT}<"$work/out"
	while IFS= read -r line <&"$FIXTURE_OUT"; do
		printf '%s\n' "$line" >>"$FIXTURE_SAID"
		[[ $line =~ $ready ]] && return 0
	done
	echo "$1 ended before it was ready"
	cat "$FIXTURE_SAID"
	return 1
}

# A program of fixtures/programs, until it is ready.
start_fixture() { # NAME ARGUMENT...
	local name=$1
	shift
	start_until '^ready$' "$FIXTURES/$name" "$@"
}

# Sends a command to the fixture started last and waits until it is obeyed.
tell() { # COMMAND
	local line
	echo "$1" >&"$FIXTURE_IN"
	while IFS= read -r line <&"$FIXTURE_OUT"; do
		printf '%s\n' "$line" >>"$FIXTURE_SAID"
		[ "$line" != "done" ] || return 0
	done
	echo "the fixture ended before it had done $1"
	return 1
}

# Ends what this test started.
stop_all() {
	local pid
	for pid in ${started[@]+"${started[@]}"}; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	started=()
}

# Stops PID and waits until the kernel says that it is.
freeze() { # PID
	local state
	kill -STOP "$1"
	until state=$(awk '/^State:/ { print $2 }' "/proc/$1/status") &&
		[ "$state" = T ]; do :; done
}

# Fails unless FILTER is true of the JSON in FILE.
json_holds() { # FILE FILTER
	jq -e "$2" "$1" >/dev/null || {
		echo "not so: $2"
		head -c 2000 "$1"
		return 1
	}
}

# For files that have nothing more to undo.
teardown() {
	stop_all
}
