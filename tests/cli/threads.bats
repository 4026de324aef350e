#!/usr/bin/env bats
# What `threads` says of each thread, compared with what the threads say of
# themselves, with /proc, and with debuggers.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# Threads in $report.
threads() { # OPTION...
	mf threads --json --stop brief --max-pause 10s "$victim" "$@" \
		>"$report" || {
		local code=$?
		jq -c '{impact, partial}' "$report"
		return "$code"
	}
}

# Lines "TID VALUE..." of FILTER on each thread, by tid.
told() { # FILTER
	jq -r ".threads[] | [.tid, $1] | @tsv" "$report" | sort -n
}

# Of each task, what COMMAND prints of its folder of /proc.
tasks() { # COMMAND
	local task
	for task in "/proc/$victim/task"/*; do
		printf '%s\t%s\n' "${task##*/}" "$("$1" "$task")"
	done | sort -n
}

# ---- what they do -----------------------------------------------------------

ticks=$(getconf CLK_TCK)

state_and_time() { # TASK
	tr '\n' ' ' <"$1/stat" | sed 's/.*) //' | awk -v hz="$ticks" \
		'{ printf "%s\t%d", $1, ($12 + $13) * 1000 / hz }'
}

name() { # TASK
	cat "$1/comm"
}

call() { # TASK
	awk '{ printf "%d", $1
		for (i = 2; i <= 7; i++) printf " %s", $i }' "$1/syscall"
}

channel() { # TASK
	cat "$1/wchan"
}

@test "states, times and names as /proc has them" {
	victim crew
	threads --no-frames
	told '.state, .cpu_ms' | diff <(tasks state_and_time) -
	is_so '.threads[0].comm == "burner" and .lacks == []'
	jq -r '.threads[] | select(.comm | startswith("red") | not) |
		[.tid, .comm] | @tsv' "$report" | sort -n |
		diff <(tasks name | grep -v -e red -e '^x$') -
}

@test "system calls and their arguments as /proc has them" {
	victim crew
	threads --no-frames
	told '"\(.call.number) \(.call.arguments | join(" "))"' |
		diff <(tasks call) -
	is_so "[.threads[] | select(.comm == \"reader\") | .call.text] ==
		[\"read(fd $(said reader-fd))\"]"
	is_so "[.threads[] | select(.comm == \"poller\") | .call.text] |
		.[0] | test(\"^epoll_p?wait[(]fd $(said poller-fd)[)]$\")"
	is_so '[.threads[] | select(.comm | startswith("worker-")) |
		.call.text | test("^futex[(]0x[0-9a-f]+, wait_bitset[)]$")] |
		length == 6 and all'
}

@test "where in the kernel they wait, as /proc has it" {
	victim crew
	[ "$(cat "/proc/$victim/task/$(told_of reader 2)/wchan")" != 0 ] ||
		skip 'the kernel does not say where threads wait'
	threads --no-frames
	told .wait_channel | diff <(tasks channel) -
	mf snapshot -q --max-pause 10s -o "$work/core" "$victim"
	mf threads --no-frames --json "$work/core" >"$report"
	told .wait_channel | diff <(tasks channel) -
	is_so '.lacks == []'
}

# ---- what they have -----------------------------------------------------------

# Field 2 (tid), 4 (start), 5 (size), 6 (guard) or 7 (arena) of NAME.
told_of() { # NAME FIELD
	awk -v name="$1" -v at="$2" '$1 == "thread" && $3 == name { print $at }' \
		"$stats"
}

@test "stacks as threads know theirs" {
	victim crew
	threads --no-frames
	jq -r '.threads[] | select(.comm | test("^[a-z]+(-[0-9])?$")) |
		select(.tid != '"$victim"') |
		[.tid, .stack.start, .stack.size, .stack.guard] | @tsv' \
		"$report" | sort -n |
		diff <(awk -v OFS='\t' \
			'$1 == "thread" { print $2, $4, $5, $6 }' "$stats" |
			sort -n) -
	is_so '[.threads[] | select(.comm == "deep") | .stack |
		.used > 200000 and .used < 260000 and
		.rss >= 200000 and .rss < 300000] == [true]'
	# from where each stands to the stack's end
	jq -r '.threads[].stack | [.end, .sp, .used] | @tsv' "$report" |
		while read -r end sp used; do
			[ $((end - sp)) = "$used" ]
		done
	is_so ".threads[] | select(.tid == $victim) | .stack.start |
		startswith(\"0x7ff\")"
}

@test "the main thread's stack is the kernel's, resident as smaps has it" {
	victim crew
	threads --no-frames
	awk '/\[stack\]$/ { there = 1 } there && /^Rss:/ { print $2 * 1024
		exit }' "/proc/$victim/smaps" >"$work/rss"
	is_so ".threads[] | select(.tid == $victim) |
		.stack.rss == $(cat "$work/rss")"
}

@test "arenas and caches as their walk finds them" {
	victim crew
	threads --no-frames
	mf arenas --json --stop brief --max-pause 10s "$victim" >"$work/arenas"
	jq -r '.allocators[] | select(.name == "glibc") | .arenas[] |
		[.address, .index] | @tsv' "$work/arenas" >"$work/index"
	awk '$1 == "thread" { print $2, $7 }' "$stats" |
		while read -r tid address; do
			awk -v tid="$tid" -v address="$address" -v OFS='\t' \
				'$1 == address { print tid, $2 }' "$work/index"
		done | sort -n >"$work/wanted"
	[ "$(wc -l <"$work/wanted")" = 10 ]
	told '.arena' | grep -F -w -f <(cut -f1 "$work/wanted") |
		diff "$work/wanted" -
	jq -r '.allocators[] | select(.name == "glibc") | .tcaches[] |
		select(.tid != null) | [.tid, .count, .bytes] | @tsv' \
		"$work/arenas" | sort -n >"$work/wanted"
	[ "$(wc -l <"$work/wanted")" -ge 11 ]
	told '.tcache.count, .tcache.bytes' |
		grep -w -f <(cut -f1 "$work/wanted" | sed 's/^/^/') |
		diff "$work/wanted" -
}

@test "threads of one name are one group, but for the number in it" {
	victim crew 9
	threads --no-frames
	is_so '.thread_groups[0] | .name == "worker-<number>" and
		.threads == 9 and .states == "9 sleeping" and .stacks == 9 and
		.stack_size == 9 * 8388608'
	is_so '([.thread_groups[].threads] | add) == (.threads | length)'
	jq -e '([.threads[] | select(.comm | startswith("worker")) |
		.stack.rss] | add) == .thread_groups[0].stack_rss' "$report"
	# one thread each has an arena of its own
	is_so '.thread_groups[0] | .arena_count == 9 and .tcache_bytes > 0'
}

@test "what attach says of them" {
	victim crew 9
	mf attach --stop brief --max-pause 10s "$victim" >"$work/text"
	grep -q 'by name: .*9 worker-<number> (9 sleeping, stacks [0-9.]* KiB' \
		<(tr -s ' \n' ' ' <"$work/text")
	[ "$(wc -l <"$work/text")" -le 40 ]
	look attach
	is_so '[.thread_groups[] | select(.name == "worker-<number>") |
		.threads] == [9]'
}

# ---- who is looked at -----------------------------------------------------------

@test "names that a terminal would obey are shown, not sent" {
	victim crew
	mf threads --stop brief --max-pause 10s "$victim" >"$work/text"
	grep -qF 'red \x1b[31m\x0ax' "$work/text"
	run -1 grep -q $'\033' "$work/text"
}

@test "only some threads, in the order that is asked for" {
	local first second
	victim crew
	first=$(told_of reader 2) second=$(told_of poller 2)
	threads --no-frames --tid "$first,$second" --sort tid
	is_so "[.threads[].tid] == ([$first, $second] | sort)"
	threads --no-frames --tid "$first" --tid "$second" --sort name
	is_so "[.threads[].comm] == [\"poller\", \"reader\"]"
	threads --no-frames --sort stack
	is_so '.threads[0].comm == "deep"'
	threads --no-frames --sort name
	is_so '[.threads[].comm | select(startswith("worker"))] |
		. == sort and length == 6'
	threads --no-frames
	is_so '.threads[0].comm == "burner" and
		([.threads[].cpu_ms] | . == (sort | reverse))'
}

@test "threads that are not there" {
	victim crew
	run -4 mf threads "$victim" --tid 1
	[[ $output == *'there is no thread 1'* ]]
	run -2 mf threads "$victim" --no-frames --tid "$victim,1"
	[[ $output == *'there is no thread 1'* ]]
	run -4 mf threads 4194304000
}

@test "usage: what makes no sense" {
	run -64 mf threads
	run -64 mf threads 1 --tid zero
	run -64 mf threads 1 --tid ''
	run -64 mf threads 1 --tid 0
	run -64 mf threads 1 --tid "$(seq -s, 1 65)"
	[[ $output == *'too many threads'* ]]
	run -64 mf threads 1 --sort size
	run -64 mf threads 1 --frames many
	run -64 mf threads 1 --unwinder magic
}

@test "a listing has no threads" {
	victim crew
	cat "/proc/$victim/smaps" >"$work/smaps"
	run -5 mf threads "$work/smaps"
	[[ $output == *'it needs its threads'* ]]
}

@test "threads that come and go" {
	victim crew
	tell churn
	local _
	for _ in 1 2 3 4 5; do
		threads --no-frames
		is_so '[.threads[] | select(.comm | startswith("worker")) |
			.stack.size] | length == 6 and all(. == 8388608)'
		is_so 'all(.threads[]; .stack.sp != null)'
	done
}

@test "a table that fits, at any width" {
	local width
	victim crew
	for width in 80 160; do
		mf threads --no-frames --width "$width" --stop brief \
			--max-pause 10s "$victim" | sed 's/…/./g; s/─/-/g' \
			>"$work/text"
		awk -v width="$width" 'length > width { print; bad = 1 }
			END { exit bad }' "$work/text"
		# each row has its state where the heading is
		awk '/^ +thread +name/ { at = index($0, " S ") + 1; next }
			at && /^ +[0-9]+ / && substr($0, at, 1) !~ /[A-Z]/ {
				print; bad = 1 }
			/^$/ { at = 0 } END { exit bad }' "$work/text"
	done
}

# ---- how they got there ---------------------------------------------------------------

@test "the functions that each thread is in" {
	victim crew
	threads
	jq -r '.threads[] | select(.comm | test("^[a-z]+(-[0-9])?$")) |
		[.comm, ([.frames[] | select(.module | endswith("/crew")) |
		.symbol] | join(" "))] | @tsv' "$report" | sort -u >"$work/functions"
	{
		for name in worker-{0..5}; do
			echo "$name	wait_for_work work begin"
		done
		printf '%s\t%s\n' burner 'fx_park burn begin' \
			crew 'fx_serve_with main _start' \
			deep 'fx_park go_deep begin' \
			poller 'poll_on begin' reader 'read_on begin'
	} | sort | diff - "$work/functions"
	is_so 'all(.threads[]; .frames_whole)'
	is_so '[.threads[] | .frames[] | select(.symbol == "work") |
		(.file | endswith("fixtures/programs/crew.c")) and .line > 40] |
		length == 6 and all'
}

@test "each frame of each thread as gdb has it" {
	command -v gdb >/dev/null || skip 'there is no gdb'
	[ "$(gdb -nx -batch -ex 'python print(1)' 2>&1)" = 1 ] ||
		skip 'this gdb has no Python'
	victim crew
	mf snapshot -q --max-pause 10s -o "$work/core" "$victim"
	cat >"$work/frames.py" <<-'END'
	import gdb
	for thread in gdb.selected_inferior().threads():
	    thread.switch()
	    frame = gdb.newest_frame()
	    while frame:
	        if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):
	            print('frame', thread.ptid[1], hex(frame.pc()), sep='\t')
	        frame = frame.older()
	END
	gdb -nx -batch -iex 'set debuginfod enabled off' \
		-iex 'set backtrace past-main on' \
		-iex 'set backtrace past-entry on' -x "$work/frames.py" \
		"$FIXTURES/crew" "$work/core" 2>"$work/gdb" |
		sed -n 's/^frame\t//p' | sort >"$work/wanted"
	[ "$(wc -l <"$work/wanted")" -gt 50 ]
	for unwinder in all libunwind libdw; do
		mf threads --json --unwinder "$unwinder" "$work/core" \
			>"$report"
		jq -r '.threads[] | .tid as $tid | .frames[] |
			select(.inlined | not) | [$tid, .address] | @tsv' \
			"$report" | sort | diff "$work/wanted" -
	done
}

@test "threads in the same functions are shown once" {
	victim crew 9
	threads
	is_so '.folds[0] | .threads == 9 and (.tids | length) == 9 and
		([.functions[].function] | index("wait_for_work")) != null'
	is_so '([.folds[].threads] | add) == (.threads | length)'
	jq -e '[.threads[] | select(.comm | startswith("worker")) | .fold] |
		length == 9 and all(. == 0)' "$report"
	mf threads --stop brief --max-pause 10s "$victim" >"$work/text"
	tr -s ' \n' ' ' <"$work/text" | grep -q ' 9 threads: .* ← wait_for_work ← work ← begin ← '
	LC_ALL=C "$MEMFORENSICS" threads --stop brief --max-pause 10s \
		"$victim" | tr -s ' \n' ' ' |
		grep -q ' 9 threads: .* <- wait_for_work <- work <- begin <- '
}

@test "each thread by itself, a frame in a line" {
	local tid
	victim crew
	tid=$(told_of poller 2)
	mf threads --stop brief --max-pause 10s --tid "$tid" "$victim" \
		>"$work/text"
	grep -q "^THREAD $tid \"poller\", sleeping in epoll_" "$work/text"
	grep -Eq '^  #[1-9] +0x[0-9a-f]+ +poll_on\+0x[0-9a-f]+ +crew +' \
		"$work/text"
	mf threads --stop brief --max-pause 10s --all "$victim" >"$work/text"
	[ "$(grep -c '^THREAD ' "$work/text")" = 12 ]
	mf threads --stop brief --max-pause 10s --all --top 3 --frames 2 \
		"$victim" >"$work/text"
	[ "$(grep -c '^THREAD ' "$work/text")" = 3 ]
	[ "$(grep -c '^  #' "$work/text")" = 6 ]
}

# ---- of cores ---------------------------------------------------------------------

facts='[.threads[] | {tid, arena, tcache, call,
	stack: (.stack | {start, "end": .end, size, guard, used, sp}),
	frames: [.frames[]? | {address, symbol, sp}]}] | sort_by(.tid)'

@test "the same threads, however the process is looked at" {
	victim crew
	threads
	jq -S "$facts" "$report" >"$work/held"
	mf threads --json --stop snapshot --max-pause 10s "$victim" |
		jq -S "$facts" | diff "$work/held" -
	mf snapshot -q --max-pause 10s -o "$work/core" "$victim"
	mf threads --json "$work/core" >"$report"
	jq -S "$facts" "$report" | diff "$work/held" -
	is_so 'all(.threads[]; .state == "S") and
		.threads[0].comm == "burner" and .threads[0].cpu_ms > 0'
}

@test "threads that take too long to stop: how their frames are to be had" {
	victim crew
	run -2 --separate-stderr mf threads --json --max-pause 1us "$victim"
	[ "$(jq -r '.impact.stop, (.threads | map(.frames[]?) | length),
		.partial[].what' <<<"$output" | paste -sd' ')" = \
		'none 0 frames' ]
	run -0 --separate-stderr mf threads --json --stop none "$victim"
	[ "$(jq '.partial | length' <<<"$output")" -eq 0 ]
	run -0 --separate-stderr mf threads --json --max-pause 1us --no-frames \
		"$victim"
}

@test "the same threads in a core of gcore, which does not say all" {
	command -v gcore >/dev/null || skip 'there is no gcore'
	victim crew
	threads
	jq -S "$facts" "$report" >"$work/held"
	gcore -o "$work/core" "$victim" >"$work/gcore" 2>&1
	mf threads --json "$work/core.$victim" >"$report" || [ $? = 2 ]
	jq -S "$facts" "$report" | diff "$work/held" -
	is_so 'all(.threads[]; .state == null and .cpu_ms == null) and
		[.lacks[].what] == ["name", "state", "CPU time",
			"wait channel"]'
	run mf threads --no-frames "$work/core.$victim"
	[[ $output == *'not known: CPU time (this core does not say it'* ]]
}
