#!/usr/bin/env bats
# `snapshot`: gdb, eu-stack and readelf are the witnesses of what is in the
# core; the kernel, of what it costs on disk and of what is left behind.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

setup() {
	load helper
	work=$BATS_TEST_TMPDIR/work
	FIXTURES=$(realpath -m "$FIXTURES")
	mkdir "$work"
	cd "$work" || return
}

teardown() {
	stop_all
	! mountpoint -q "$BATS_TEST_TMPDIR/small" ||
		umount "$BATS_TEST_TMPDIR/small"
}

needs() { # COMMAND...
	local command
	for command; do
		command -v "$command" >/dev/null || skip "no $command"
	done
}

# Start of the mapping of PID that NAME ends the line of.
mapping_of() { # NAME
	awk -v name="$1" '$6 == name { sub(/-.*/, "", $1); print "0x" $1; exit }' \
		"/proc/$PID/maps"
}

# What gdb says of CORE, less what names the file or the day.
ask_gdb() { # PROGRAM CORE COMMAND...
	local program=$1 core=$2 command
	local -a asked=()
	shift 2
	for command; do
		asked+=(-ex "$command")
	done
	gdb -q -nx -batch -ex 'set pagination off' -ex 'set width 0' \
		"${asked[@]}" "$program" "$core" 2>&1 | sed "s|$core|CORE|g"
}

nothing_is_left() {
	[ -z "$(ls -A "$work")" ] || {
		ls -lA "$work"
		return 1
	}
}

# Until the file that PID writes is not empty. It has no name, or that of CORE
# and more.
until_it_writes() { # PID
	local fd
	while kill -0 "$1"; do
		for fd in "/proc/$1/fd"/*; do
			case $(readlink "$fd") in
			"$work"/*) [ ! -s "$fd" ] || return 0 ;;
			esac
		done
	done
	return 1
}

# Nobody is a child of PID, not even one that has ended.
has_no_children() {
	local stat
	for stat in /proc/[0-9]*/stat; do
		! awk -v parent="$PID" '{ sub(/.*\) /, "") }
			$2 == parent { bad = 1 } END { exit !bad }' \
			"$stat" 2>/dev/null || {
			cat "$stat"
			return 1
		}
	done
}

# ---- what is in it ------------------------------------------------------------

@test "gdb says of it what it says of gcore's" {
	needs gdb gcore
	local heap stack libc
	local -a questions
	start_fixture stacks 20 5
	heap=$(mapping_of '[heap]')
	stack=$(mapping_of '[stack]')
	libc=$(awk '/rw-p.*libc\.so/ { sub(/-.*/, "", $1); print "0x" $1 }' \
		"/proc/$PID/maps")
	mf snapshot "$PID" -o ours
	gcore -o theirs "$PID" >/dev/null
	questions=('info threads' 'thread apply all bt'
		'thread apply all info all-registers'
		'thread apply all x/64xg $sp'
		'info auxv' 'info proc mappings' 'info sharedlibrary'
		"x/4096xg $heap" "x/512xg $libc" "x/1024xg $stack"
		'x/32i $pc' 'p $_siginfo.si_code' 'info symbol $pc')
	ask_gdb "$FIXTURES/stacks" ours "${questions[@]}" |
		grep -v 'si_code\|^\$.* = [0-9]*$\|New LWP' >"$BATS_TEST_TMPDIR/a"
	ask_gdb "$FIXTURES/stacks" "theirs.$PID" "${questions[@]}" |
		grep -v 'si_code\|^\$.* = [0-9]*$\|New LWP' >"$BATS_TEST_TMPDIR/b"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/a")" -gt 3000 ]
	diff "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b" | head -n 40
	cmp "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	grep -q 'LWP' "$BATS_TEST_TMPDIR/a"
	run ! grep -i 'warning\|cannot access' "$BATS_TEST_TMPDIR/a"
}

@test "eu-stack walks the same stacks as in gcore's" {
	needs eu-stack gcore
	start_fixture stacks 5 2
	mf snapshot "$PID" -o ours
	gcore -o theirs "$PID" >/dev/null
	eu-stack --core ours -e "$FIXTURES/stacks" >"$BATS_TEST_TMPDIR/a"
	eu-stack --core "theirs.$PID" -e "$FIXTURES/stacks" \
		>"$BATS_TEST_TMPDIR/b"
	[ "$(grep -c TID "$BATS_TEST_TMPDIR/a")" = 6 ]
	diff "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
}

@test "readelf has nothing to complain of" {
	needs readelf eu-readelf
	start_fixture stacks 5 2
	mf snapshot "$PID" -o core
	run --separate-stderr readelf -h -l -n -W core
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	run --separate-stderr eu-readelf -h -l -n core
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	[ "$(grep -c PRSTATUS <<<"$output")" = 6 ]
	grep -q 'fname: stacks' <<<"$output"
	grep -q memforensics <<<"$output"
}

@test "registers of a signal that waits to be taken" {
	needs gdb
	start_fixture stacks 2 0
	mf snapshot "$PID" -o core
	# nobody was about to take one
	run ask_gdb "$FIXTURES/stacks" core 'p $_siginfo.si_signo'
	[[ $output == *' = 0'* ]]
	[[ $output != *'terminated with signal'* ]]
}

@test "every page that is resident, as the process has it" {
	needs gdb
	local start
	start_fixture mainheap
	start=$(mapping_of '[heap]')
	mf snapshot "$PID" -o core
	ask_gdb "$FIXTURES/mainheap" core "dump binary memory theirs $start \
		$(awk '$6 == "[heap]" { sub(/.*-/, "", $1); print "0x" $1 }' \
			"/proc/$PID/maps")" >/dev/null
	dd if="/proc/$PID/mem" of=own bs=4096 skip=$((start / 4096)) \
		count=$(($(stat -c %s theirs) / 4096)) 2>/dev/null
	cmp own theirs
}

@test "a full one has the program's text too" {
	needs gdb
	cp "$FIXTURES/static-bins" program || skip "no static programs"
	start_until '^ready$' "$work/program"
	mf snapshot "$PID" -o core
	mf snapshot "$PID" --full -o full
	ask_gdb program core 'x/64xb main' >file
	rm program
	# without the file: not there, and not taken for zeros
	gdb -q -nx -batch -ex 'x/64xb $pc' core 2>&1 | grep 0x >core.said || true
	gdb -q -nx -batch -ex 'x/64xb $pc' full 2>&1 | grep 0x >full.said
	run ! cmp core.said full.said
	[ "$(stat -c %s full)" -gt "$(stat -c %s core)" ]
	grep -q 0x full.said
}

@test "the report of it is that of the process" {
	start_fixture arenas
	mf attach --json "$PID" --stop brief --max-pause 10s >live.json
	mf snapshot "$PID" -o core
	mf snapshot "$PID" --compress zstd -o core.zst
	mf attach --json core >core.json
	mf attach --json core.zst >zst.json
	for name in core zst; do
		json_holds $name.json '.target.kind == "core" and .partial == []'
		for key in .allocators .totals .rss_total .findings \
			.regions; do
			[ "$(jq -S "$key" live.json)" = \
				"$(jq -S "$key" $name.json)" ] || {
				echo "$name: $key"
				diff <(jq -S "$key" live.json) \
					<(jq -S "$key" $name.json) | head
				return 1
			}
		done
	done
}

# ---- how large it is ------------------------------------------------------------

@test "its size follows what is resident, not what is mapped" {
	local rss size blocks mapped
	start_fixture stacks 200 0 8192
	mf snapshot "$PID" -o core
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$PID/status")
	mapped=$(awk '/^VmSize/ { print $2 }' "/proc/$PID/status")
	size=$(($(stat -c %s core) / 1024))
	blocks=$(($(stat -c %b core) / 2))
	echo "rss $rss mapped $mapped size $size on disk $blocks"
	# notes of 200 threads, and what was zeros
	((size < rss + 2048 && blocks < rss + 2048 && size > rss / 4))
	((size < mapped / 20))
}

# ---- its file -----------------------------------------------------------------------

@test "only its owner can read it, whatever the umask" {
	start_fixture mainheap
	umask 0
	mf snapshot "$PID" -o core
	[ "$(stat -c %a core)" = 600 ]
	mf snapshot "$PID" --compress zstd -o core.zst
	[ "$(stat -c %a core.zst)" = 600 ]
}

@test "it is called core.PID, and nothing is replaced unasked" {
	start_fixture mainheap
	mf snapshot "$PID"
	[ -s "core.$PID" ]
	run -1 mf snapshot "$PID"
	[[ $output == *"it exists"*--force* ]]
	echo mine >other
	run -1 mf snapshot "$PID" -o other
	[ "$(cat other)" = mine ]
	mf snapshot "$PID" -o other --force
	[ "$(head -c 4 other)" = $'\177ELF' ]
	[ "$(ls | wc -l)" = 2 ]
}

@test "never through a symbolic link, and never to a terminal" {
	start_fixture mainheap
	ln -s "$BATS_TEST_TMPDIR/elsewhere" link
	run -1 mf snapshot "$PID" -o link
	[[ $output == *"symbolic link"* ]]
	run -1 mf snapshot "$PID" -o link --force
	[ ! -e "$BATS_TEST_TMPDIR/elsewhere" ]
	run -64 mf snapshot "$PID" -o -
	[[ $output == *"-o FILE"* ]]
	run -1 mf snapshot "$PID" -o no/such/folder
	run -1 mf snapshot "$PID" -o .
}

@test "a disk without room is seen before, and nothing is left on it" {
	[ "$(id -u)" = 0 ] || skip "only root mounts a small disk"
	local small=$BATS_TEST_TMPDIR/small
	mkdir "$small"
	mount -t tmpfs -o size=2M none "$small" || skip "no tmpfs to be had"
	start_fixture mainheap
	run -1 mf snapshot "$PID" -o "$small/core"
	echo "$output"
	[[ $output == *"it takes "*", and there is 2.0 MiB of free space"* ]]
	[ -z "$(ls -A "$small")" ]
	has_no_children
}

@test "a disk that fills meanwhile leaves nothing" {
	[ "$(id -u)" = 0 ] || skip "only root mounts a small disk"
	local small=$BATS_TEST_TMPDIR/small
	mkdir "$small"
	mount -t tmpfs -o size=512k none "$small" || skip "no tmpfs to be had"
	start_fixture loaded 16 memory
	PID=$(victim)
	# packed, it is not known how much it will be
	run -1 mf snapshot "$PID" --compress zstd -o "$small/core.zst"
	echo "$output"
	[[ $output == *"No space left"* || $output == *"free space"* ]]
	[ -z "$(ls -A "$small")" ]
	has_no_children
}

# What `loaded` says is its loaded process.
victim() {
	sed -n 's/^victim //p' "$FIXTURE_SAID"
}

# ---- ended in the middle ---------------------------------------------------------------

ended_by() { # SIGNAL STATUS
	local writer code=0
	start_fixture loaded 400 memory
	PID=$(victim)
	mf snapshot "$PID" -o core >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	writer=$!
	started+=("$writer")
	writer=$(pgrep -P "$writer" -x memforensics || echo "$writer")
	until_it_writes "$writer"
	kill "-$1" "$writer"
	wait "${started[-1]}" || code=$?
	[ "$code" = "$2" ]
	nothing_is_left
	kill -0 "$PID"
}

@test "ended by a signal, it leaves no file and no copy" {
	ended_by TERM 143
	has_no_children
}

@test "killed, it leaves no file, and a copy that is dead" {
	local state
	ended_by KILL 137
	# only the next run can take away what is left of it
	for state in $(awk -v parent="$PID" '{ sub(/.*\) /, "") }
		$2 == parent { print $1 }' /proc/[0-9]*/stat 2>/dev/null); do
		[[ $state == [ZX] ]]
	done
	mf snapshot "$PID" -o core
	has_no_children
}

# ---- compressed ------------------------------------------------------------------------

@test "unpacked by zstd it is the plain one" {
	needs zstd
	start_fixture arenas
	mf snapshot "$PID" -o core
	mf snapshot core -o plain
	mf snapshot core --compress zstd -o packed.zst
	zstd -q -t packed.zst
	zstd -q -d packed.zst -o unpacked
	cmp plain unpacked
	[ "$(stat -c %s packed.zst)" -lt $(($(stat -c %b plain) * 512)) ]
	# as systemd keeps cores: one frame
	zstd -q plain -o stream.zst
	[ "$(mf attach --json stream.zst | jq -S .totals)" = \
		"$(mf attach --json plain | jq -S .totals)" ]
}

# ---- how it is held ----------------------------------------------------------------------

@test "it says what it did, and as data" {
	start_fixture stacks 3 0
	mf snapshot "$PID" -o core --json >said.json
	json_holds said.json ".command == \"snapshot\" and
		.target.pid == $PID and .partial == [] and .findings == [] and
		.impact.stop == \"snapshot\" and
		.impact.consistency == \"exact\" and .impact.pause_ms > 0 and
		.file.path == \"core\" and .file.threads == 4 and
		.file.compressed == false and .file.segments > 10 and
		.file.size == $(stat -c %s core) and
		.file.bytes == $(($(stat -c %b core) * 512))"
	run mf snapshot "$PID" -o core --force
	[[ $output == *"core: "*" on disk, 4 threads"* ]]
	[[ $output == *"memforensics attach core"* ]]
	[[ $output == *"gdb $FIXTURES/stacks core"* ]]
	[[ $output == *"paused "* ]]
}

@test "a process that cannot be copied is not, and may be held instead" {
	start_fixture mainheap
	freeze "$PID"
	run -5 mf snapshot "$PID" -o core
	echo "$output"
	[[ $output == *"cannot make a copy"*"--stop brief"* ]]
	nothing_is_left
	mf snapshot "$PID" -o core --stop brief --max-pause 60s --json >said.json
	json_holds said.json '.impact.stop == "brief" and
		.impact.consistency == "exact" and .partial == []'
	grep -q '^State:.T' "/proc/$PID/status"
}

@test "a pause that runs out is said" {
	start_fixture loaded 100 memory
	PID=$(victim)
	run -2 mf snapshot "$PID" -o core --stop brief --max-pause 1ms --json
	grep -q 'max-pause' <<<"$output"
	[ -s core ]
}

@test "without a stop it is racy, and says so" {
	start_fixture mainheap
	mf snapshot "$PID" -o core --stop none --json >said.json
	json_holds said.json '.impact.stop == "none" and
		.impact.consistency == "racy" and .impact.stops == 0'
	mf attach --json core | jq -e '.impact.consistency == "racy"'
}

@test "a listing has nothing to write" {
	start_fixture mainheap
	cat "/proc/$PID/smaps" >smaps
	run -5 mf snapshot smaps -o core
	[[ $output == *"a listing has only mappings"* ]]
	[ ! -e core ]
}

@test "names that are hostile stay names" {
	local program=$'a b\'"$(id)\e[31m\n.prog' core=$'c d\'\e[1m'
	cp "$FIXTURES/mainheap" "$program"
	start_until '^ready$' "./$program"
	run mf snapshot "$PID" -o "$core"
	[ "$status" = 0 ]
	[[ $output != *$'\e'* ]]
	[ -s "$core" ]
	mf attach --json "$core" >said.json
	[ "$(jq -r .target.exe said.json)" = "$work/$program" ] ||
		jq -r .target.exe said.json | grep -qF 'a b'
	rm -- "$core"
	mf snapshot "$PID" -o "$core" --json | jq -e '.file.path | length > 5'
}
