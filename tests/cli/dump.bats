#!/usr/bin/env bats
# `dump`: gdb's `dump memory` is the witness of what is in the file; the kernel,
# of what that takes on disk; the program itself, of what it has freed.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	work_apart
}

teardown() {
	stop_all
	! mountpoint -q "$BATS_TEST_TMPDIR/small" ||
		umount "$BATS_TEST_TMPDIR/small"
}

start_dumped() { # ARGUMENT...
	local page
	for page in {0..63}; do
		printf '%-4095s\n' "file page $page"
	done >"$BATS_TEST_TMPDIR/file"
	start_fixture dumped "$BATS_TEST_TMPDIR/file" "$@"
}

# START+LENGTH of what the program calls NAME.
mapping() { # NAME
	awk -v name="$1" '$1 == "mapping" && $2 == name { print $3 "+" $4 }' \
		"$FIXTURE_SAID"
}

# Each range of INDEX, as gdb reads it from what it is given, is what FILE has.
equals_gdb() { # FILE INDEX GDB-ARGUMENT...
	local file=$1 index=$2 start end offset size number=0
	local -a asked=()
	shift 2
	mkdir -p "$BATS_TEST_TMPDIR/gdb"
	while read -r start end offset size; do
		asked+=(-ex "dump binary memory $BATS_TEST_TMPDIR/gdb/$offset $start $end")
	done < <(ranges "$index")
	gdb -q -nx -batch "$@" "${asked[@]}" >"$BATS_TEST_TMPDIR/gdb.said" 2>&1
	while read -r start end offset size; do
		cmp <(piece "$file" "$offset" "$size") \
			"$BATS_TEST_TMPDIR/gdb/$offset" ||
			{
				echo "at $start"
				tail -n 5 "$BATS_TEST_TMPDIR/gdb.said"
				return 1
			}
		number=$((number + 1))
	done < <(ranges "$index")
	rm -r "$BATS_TEST_TMPDIR/gdb"
	[ "$number" = "$(jq '.ranges | length' "$index")" ]
}

ranges() { # INDEX
	jq -r '.ranges[] | "\(.start) \(.end) \(.file_offset) \(.size)"' "$1"
}

# One of the ranges, or several that follow each other, hold [START, +SIZE).
contains() { # FILE START SIZE
	local start end from=$(($2)) to=$(($2 + $3))
	while read -r start end; do
		[ "$((start))" -gt "$from" ] || [ "$((end))" -le "$from" ] ||
			from=$((end))
	done <"$1"
	[ "$from" -ge "$to" ]
}

piece() { # FILE OFFSET SIZE
	tail -c "+$(($2 + 1))" "$1" | head -c "$3"
}

on_disk() { # FILE
	echo $(($(stat -c %b "$1") * 512))
}

# ---- what is in it ------------------------------------------------------------

@test "each kind of region is what gdb dumps" {
	needs gdb
	local -a regions=(heap stack arena:0 arena:1 arena:2)
	local class
	start_dumped
	for class in text rodata data bss anon tls file shared memfd vdso \
		thread-stack; do
		patient maps "$PID" --json | jq -r --arg class "$class" \
			'.regions[] | select(.class == $class and
				.size < 1e9) | "\(.start)+\(.size)"' \
			>"$BATS_TEST_TMPDIR/of-class"
		[ -s "$BATS_TEST_TMPDIR/of-class" ] || [ "$class" = tls ]
		mapfile -t -O "${#regions[@]}" regions <"$BATS_TEST_TMPDIR/of-class"
	done
	freeze "$PID"
	run -0 patient dump "$PID" "${regions[@]}" -o all --index index
	for class in text rodata data bss heap arena anon file shared memfd \
		stack thread-stack vdso; do
		json_holds index "any(.ranges[]; .class == \"$class\")"
	done
	json_holds index 'all(.ranges[]; .unread_bytes == 0)'
	equals_gdb all index -p "$PID"
	# what the program has in them
	for word in KEPT 'private file page 0' 'memfd page 7' 'shared page 7' \
		'plain page 2047' 'file page 63' 'local of' \
		'data-of-the-program' 'bss page 15'; do
		LC_ALL=C grep -qa "$word" all
	done
	[ "$(stat -c %s all)" = "$(jq '[.ranges[].size] | add' index)" ]
}

@test "of a copy, a brief stop and a running process it is the same" {
	start_dumped
	freeze "$PID"
	patient dump "$PID" heap arena:1 "$(mapping plain)" "$(mapping file)" \
		--stop brief -o brief
	patient dump "$PID" heap arena:1 "$(mapping plain)" "$(mapping file)" \
		--stop none -o none
	kill -CONT "$PID"
	patient dump "$PID" heap arena:1 "$(mapping plain)" "$(mapping file)" \
		--stop snapshot -o copy
	cmp brief none
	cmp brief copy
	[ "$(stat -c %s copy)" -gt $((8 << 20)) ]
}

@test "of a core it is what was in the process" {
	needs gcore
	start_dumped
	freeze "$PID"
	patient dump "$PID" heap arena:1 stack "$(mapping plain)" -o live
	patient dump "$PID" class:text -o text
	patient snapshot "$PID" --stop brief -o core
	gcore -o gcore "$PID" >/dev/null 2>&1 || skip "gcore cannot be had"
	for core in core "gcore.$PID"; do
		patient dump "$core" heap arena:1 stack "$(mapping plain)" -o "of-$core" ||
			[ "$?" = 2 ]
		cmp live "of-$core"
	done
	patient dump core class:text -o of-text || [ "$?" = 2 ]
	cmp text of-text
}

@test "parts of pages, in the order of their addresses" {
	needs gdb
	local plain
	start_dumped
	freeze "$PID"
	plain=$(mapping plain)
	plain=${plain%+*}
	run -0 patient dump "$PID" "$((plain + 9000))+5000" "$plain+1" \
		"$(printf '%x-%x' $((plain + 4090)) $((plain + 4100)))" \
		-o parts --index index
	[ "$(stat -c %s parts)" = 5011 ]
	json_holds index '[.ranges[].size] == [1, 10, 5000]'
	equals_gdb parts index -p "$PID"
}

# ---- holes ------------------------------------------------------------------------

@test "holes are holes on disk" {
	needs python3
	local sparse
	start_dumped sparse
	sparse=$(mapping sparse)
	run -0 patient dump "$PID" "${sparse%+*}+1024G" -o sparse --index index
	[ "$(stat -c %s sparse)" = $((1 << 40)) ]
	[ "$(on_disk sparse)" -le $((3 * 65536)) ]
	json_holds index '.ranges[0].present_bytes == 12288 and
		.ranges[0].written_bytes == 12288'
	# where the data is, by the file system
	run -0 python3 - sparse <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		end = os.fstat(fd).st_size
		at, found = 0, []
		while at < end:
		    try:
		        start = os.lseek(fd, at, os.SEEK_DATA)
		    except OSError:
		        break
		    at = os.lseek(fd, start, os.SEEK_HOLE)
		    found.append(start)
		    print(os.pread(fd, 20, start).split(b"\0")[0].decode())
		print(found == [0, 1 << 39, (1 << 40) - 4096])
	END
	[ "$output" = $'first page\npage in the middle\nlast page\nTrue' ]
}

@test "pages of zeros are not written, present or not" {
	start_dumped
	run -0 patient dump "$PID" "$(mapping plain)" -o plain --index index
	# one page in eight was never touched
	json_holds index '.ranges[0].present_bytes == (8388608 * 7 / 8)'
	# and a page or two for the list of its extents
	[ "$(on_disk plain)" -le $((8388608 * 7 / 8 + 65536)) ]
	[ "$(stat -c %s plain)" = 8388608 ]
}

@test "a pipe gets zeros for holes, a file of the shell has them" {
	start_dumped sparse
	freeze "$PID"
	patient dump "$PID" heap "$(mapping plain)" -o file
	patient dump "$PID" heap "$(mapping plain)" -o - | cmp - file
	patient dump "$PID" heap "$(mapping plain)" -o - >redirected
	cmp redirected file
	[ "$(on_disk redirected)" = "$(on_disk file)" ]
	# behind what is there, and before what comes
	{
		echo before
		patient dump "$PID" heap -o -
		echo behind
	} >between
	patient dump "$PID" heap -o heap
	{
		echo before
		cat heap
		echo behind
	} | cmp - between
	echo before >appended
	patient dump "$PID" heap -o - >>appended
	{
		echo before
		cat heap
	} | cmp - appended
	run -1 --separate-stderr patient dump "$PID" "$(mapping sparse)" -o - \
		> >(head -c 1 >/dev/null)
	[[ $stderr == *"it would be 1.0 TiB"*"-o FILE"* ]]
}

# ---- what cannot be read --------------------------------------------------------

@test "what is in swap is a hole, and said" {
	local swapped
	start_dumped
	echo swap >&"$FIXTURE_IN"
	read -r _ <&"$FIXTURE_OUT"
	swapped=$(mapping plain)
	patient maps "$PID" --json |
		jq -e --arg start "${swapped%+*}" \
			'.regions[] | select(.start == $start) | .swap > 0' ||
		skip "nothing is swapped out here"
	run -2 patient dump "$PID" "$swapped" -o swapped --index index
	[[ $output == *"in swap"*"--read-swapped"* ]]
	json_holds index '.ranges[0] | .swapped_bytes > 0 and
		.swapped_bytes + .present_bytes == 8388608 * 7 / 8'
	[ "$(stat -c %s swapped)" = 8388608 ]
	run -0 patient dump "$PID" "$swapped" --read-swapped -o whole --index index2
	json_holds index2 '.ranges[0].swapped_bytes == 0'
	[ "$(grep -ac 'plain page' whole)" = $((2048 * 7 / 8)) ]
}

@test "what vanishes while it is read is zeros, and said" {
	local out status=0
	start_dumped
	mkfifo pipe
	"$MEMFORENSICS" dump "$PID" "$(mapping plain)" --stop none -o - \
		>pipe 2>said 3>&- &
	local dump=$!
	exec {out}<pipe
	# it has begun, and waits for the pipe to have room
	head -c 4096 <&"$out" >first
	grep -qa 'plain page 0' first
	echo unmap >&"$FIXTURE_IN"
	until grep -q "done" <&"$FIXTURE_OUT"; do :; done
	cat <&"$out" >rest
	exec {out}<&-
	# not by run: only who started it can wait for it
	wait "$dump" || status=$?
	[ "$status" = 2 ]
	[ "$(stat -c %s rest)" = $((8388608 - 4096)) ]
	grep -q 'regions: .* could not be read' said
	# the end of it was not there any more
	[ "$(tail -c 4194304 rest | tr -d '\0' | wc -c)" = 0 ]
}

@test "what is not mapped is said, and the rest is there" {
	local plain
	start_dumped sparse
	plain=$(mapping sparse)
	plain=${plain%+*}
	run -2 patient dump "$PID" "$(printf '%x-%x' $((plain - (1 << 40))) \
		$((plain + 4096)))" -o part --index index
	[[ $output == *"are not mapped"* ]]
	json_holds index 'any(.ranges[]; .size == 4096)'
}

# ---- cores ------------------------------------------------------------------------

@test "a core of regions opens in gdb, and here" {
	needs gdb readelf
	start_dumped
	freeze "$PID"
	patient dump "$PID" heap arena:1 stack class:data class:bss class:text \
		"$(mapping plain)" -o raw --index index
	run -0 patient dump "$PID" heap arena:1 stack class:data class:bss \
		class:text "$(mapping plain)" --as core -o core
	[[ $output == *"gdb $FIXTURES/dumped core"* ]]
	equals_gdb raw index "$FIXTURES/dumped" core
	# nothing else is in it
	jq -r '.ranges[] | "\(.start) \(.end)"' index >asked
	while read -r _ _ start _ _ size _; do
		contains asked "$start" "$size"
	done < <(readelf -lW core | grep LOAD)
	# the threads, too
	run -0 gdb -q -nx -batch -ex 'info threads' "$FIXTURES/dumped" core
	[ "$(grep -c 'LWP' <<<"$output")" -ge 3 ]
	patient dump core heap "$(mapping plain)" -o again || [ "$?" = 2 ]
	patient dump "$PID" heap "$(mapping plain)" -o first
	cmp again first
}

@test "heaps of a core of their regions can be walked" {
	start_dumped
	freeze "$PID"
	patient dump "$PID" heap arena:1 arena:2 class:data class:bss --as core \
		-o core
	patient arenas "$PID" --json | jq '.allocators[0].arenas[] |
		{address, in_use, free, top, tcache, system}' >live.json
	patient arenas core --json | jq '.allocators[0].arenas[] |
		{address, in_use, free, top, tcache, system}' >core.json ||
		[ "$?" = 2 ]
	[ -s live.json ]
	diff live.json core.json
}

@test "a core of regions says what it lacks, and makes nothing up" {
	start_dumped
	patient dump "$PID" arena:1 --as core -o core
	run -2 --separate-stderr patient attach core --json
	echo "$output" >report
	json_holds report '.partial | any(.what | test("glibc"))'
	json_holds report '[.findings[].severity] | index("critical") | not'
	# libc's own data is not in it: what the file has is not what was there
	run -2 patient dump core class:data -o data --index index
	json_holds index 'any(.ranges[]; .label == "libc.so.6" and
		.unread_bytes > 0)'
}

# ---- chunks that are not in use ---------------------------------------------------

@test "freed bytes can be left out, and the heap still holds together" {
	local gone text
	start_dumped
	freeze "$PID"
	patient dump "$PID" arena:0 -o whole
	patient dump "$PID" arena:0 --skip-free -o lean --json >said.json
	[ "$(LC_ALL=C grep -ao 'KEPT-0x' whole | wc -l)" = $((200 * 46)) ]
	[ "$(LC_ALL=C grep -ao 'KEPT-0x' lean | wc -l)" = $((200 * 46)) ]
	gone=$(LC_ALL=C grep -ao 'GONE-0x' whole | wc -l)
	[ "$gone" -gt $((190 * 46)) ]
	[ "$(LC_ALL=C grep -ao 'GONE-0x' lean | wc -l)" = 0 ]
	for text in CACHED LASTWORD; do
		[ "$(LC_ALL=C grep -ao "$text" whole | wc -l)" = 5 ]
		[ "$(LC_ALL=C grep -ao "$text" lean | wc -l)" = 0 ]
	done
	json_holds said.json '.file.left_out >= 200 * 2900'
	[ "$(stat -c %s lean)" = "$(stat -c %s whole)" ]
	patient dump "$PID" heap arena:1 arena:2 class:data class:bss --skip-free \
		--as core -o core
	run -1 grep -aq GONE-0x core
	patient arenas "$PID" --json | jq '.allocators[0] |
		{in_use, free, top, tcache, system}' >live.json
	patient arenas core --json | jq '.allocators[0] |
		{in_use, free, top, tcache, system}' >core.json || [ "$?" = 2 ]
	diff live.json core.json
}

# ---- files ---------------------------------------------------------------------------

@test "the file is its owner's, and replaces none" {
	start_dumped
	umask 0
	patient dump "$PID" heap -o heap --index index
	[ "$(stat -c %a heap)" = 600 ]
	[ "$(stat -c %a index)" = 600 ]
	for option in '-o heap' '-o new --index index'; do
		# shellcheck disable=SC2086 # two words
		run -1 patient dump "$PID" heap $option
		[[ $output == *"it exists"*"--force"* ]]
	done
	[ ! -e new ]
	ln -s heap link
	run -1 patient dump "$PID" heap -o link --force
	[[ $output == *"symbolic link"* ]]
	echo mine >heap
	patient dump "$PID" heap -o heap --force --index index2
	[ "$(stat -c %s heap)" = "$(jq '.ranges[0].size' index2)" ]
}

@test "nonsense is refused before the process is looked at" {
	start_dumped
	run -64 patient dump "$PID" -o file
	[[ $output == *"REGION"* ]]
	run -64 patient dump "$PID" heap
	[[ $output == *"where to?"* ]]
	run -64 patient dump 999999999 haep -o file
	[[ $output == *"heap"* ]]
	run -64 patient dump "$PID" class:stak -o file
	[[ $output == *"class:stack"* ]]
	run -64 patient dump "$PID" heap --as core -o -
	[[ $output == *"holes"* ]]
	run -64 patient dump "$PID" heap -o - --json
	run -64 patient dump "$PID" heap -o file --max-size none
	run -64 patient dump "$PID" heap -o file --index -
	run -64 patient dump "$PID" heap -o file --index ./file --force
	[[ $output == *"one file"* ]]
	run -1 patient dump "$PID" arena:77 -o file
	[[ $output == *"its arenas are 0 to 2"* ]]
	run -1 patient dump "$PID" class:java-heap -o file
	[[ $output == *"heap, arena"* ]]
	run -1 patient dump "$PID" 0x1 -o file
	[[ $output == *"nothing is mapped there"* ]]
	run -1 patient dump "$PID" stack:1 -o file
	[[ $output == *"its threads are $PID"* ]]
	nothing_is_left
}

@test "the stack of each thread, by its number" {
	local tid
	start_dumped
	for tid in "/proc/$PID/task"/*; do
		tid=${tid##*/}
		run -0 patient dump "$PID" "stack:$tid" -o "stack-$tid" --index index
		[ "$tid" = "$PID" ] ||
			grep -qa "local of $tid" "stack-$tid"
		json_holds index '.ranges | length == 1'
		rm index
	done
}

@test "--max-size and a small disk are known before" {
	start_dumped sparse
	run -1 patient dump "$PID" "$(mapping plain)" -o file --max-size 1M
	[[ $output == *"it would be 7.0 MiB, and at most 1.0 MiB"* ]]
	run -0 patient dump "$PID" "$(mapping sparse)" -o sparse --max-size 1M
	rm sparse
	nothing_is_left
	[ "$(id -u)" = 0 ] || skip "only root mounts a small disk"
	local small=$BATS_TEST_TMPDIR/small
	mkdir "$small"
	mount -t tmpfs -o size=2M none "$small" || skip "no tmpfs to be had"
	run -1 patient dump "$PID" "$(mapping plain)" -o "$small/file"
	[[ $output == *"it takes 7.0 MiB, and there is 2.0 MiB of free space"* ]]
	run -1 patient dump "$PID" "$(mapping plain)" --as core -o "$small/file"
	[[ $output == *"free space"*"or fewer regions"* ]]
	[ -z "$(ls -A "$small")" ]
}

@test "its RSS is not changed, and it runs on" {
	local before
	start_dumped sparse
	before=$(awk '/^Rss:/ { print $2 }' "/proc/$PID/smaps_rollup")
	patient dump "$PID" "$(mapping file)" "$(mapping plain)" "$(mapping sparse)" \
		heap -o file
	[ "$(awk '/^Rss:/ { print $2 }' "/proc/$PID/smaps_rollup")" -le \
		"$((before + 8))" ]
	echo stats >&"$FIXTURE_IN"
	until grep -q "done" <&"$FIXTURE_OUT"; do :; done
	[ "$(awk '/^State:/ { print $2 }' "/proc/$PID/status")" = S ]
}

@test "it takes no more memory than usual" {
	start_dumped sparse
	command -v /usr/bin/time >/dev/null || skip "no time(1)"
	/usr/bin/time -f %M -o used "$MEMFORENSICS" dump --max-pause 30s \
		"$PID" "$(mapping plain)" "$(mapping sparse)" -o file2
	[ "$(tail -n 1 used)" -lt 65536 ]
}
