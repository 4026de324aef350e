#!/usr/bin/env bats
# `scan` on a program that knows what it has written: how much of each kind of
# bytes there is, in chunks and in mappings, is what the program says. And on
# programs that change, end, or begin another program while they are looked at.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# The victim's report, in $report.
see() { # ARGUMENT...
	mf scan --json --stop brief --max-pause 10s "$victim" "$@" >"$report" || {
		local code=$?
		jq -c '{impact, partial}' "$report"
		return "$code"
	}
}

# What the report says of CLASS, and that it is what the victim says: runs of
# chunks begin and end inside of blocks, so that a little is taken for mixed.
close_to() { # FILTER SAID
	local got
	got=$(jq "$1" "$report")
	((got <= $2 + $2 / 50 && got >= $2 - $2 / 50)) || {
		echo "$1: $got, not about $2"
		jq '{content, groups}' "$report"
		return 1
	}
}

kinds_agree() {
	close_to '.content[] | select(.class == "zero").bytes' "$(said zero)"
	close_to '.content[] | select(.class == "text").bytes' "$(said text)"
	close_to '.content[] | select(.class == "pointers").bytes' \
		"$(said pointers)"
	close_to '.content[] | select(.class == "numbers").integers' \
		"$(said integers)"
	close_to '.content[] | select(.class == "numbers").floats' \
		"$(said floats)"
	close_to '.content[] | select(.class == "compressed").bytes' \
		"$(said noise)"
}

@test "kinds of bytes in the heap are as many as were written" {
	victim contents 48
	see heap --content
	kinds_agree
	json_holds "$report" '([.content[].bytes] | add) == .scanned_bytes and
		([.groups[].scanned_bytes] | add) == .scanned_bytes and
		.groups[0].label == "main arena" and .unread_bytes == 0'
}

@test "freed chunks count only where --free asks for them" {
	local before
	victim contents 48
	see heap --content
	before=$(jq .scanned_bytes "$report")
	tell free
	see heap --content
	kinds_agree
	json_holds "$report" ".scanned_bytes < $before * 3 / 4"
	see heap --content --free
	json_holds "$report" ".scanned_bytes > $before * 3 / 4"
}

@test "each mapping is of its kind" {
	local kind key
	victim contents 8
	see --content
	for kind in zero:zero text:text pointers:pointers integers:integers \
		floats:floats noise:compressed; do
		key=$(said "mapped-${kind%:*}")
		json_holds "$report" "[.groups[] | select(.start == \"$key\")] |
			length == 1 and (.[0] | .scanned_bytes == 2097152 and
			.${kind#*:} > .scanned_bytes * 0.999)"
	done
	json_holds "$report" '[.groups[] | select(.label == "anon" and
		.pointers > 0)] | length == 1 and
		(.[0].made_of | test("pointers into the heap"))'
}

@test "a range may begin and end anywhere" {
	local at
	victim contents 8
	at=$(said mapped-text)
	see "$((at + 100))+1000" --content
	json_holds "$report" '.scanned_bytes == 1000 and
		(.content[] | select(.class == "text").bytes) == 1000'
}

@test "attach says what is in the heap and in suspicious regions" {
	victim contents 96
	look attach --batch
	json_holds "$report" '.sampled_bytes < .sampled_of and
		(.groups[] | select(.label == "main arena") |
		.made_of | test("zeros|text|pointers"))'
	json_holds "$report" '[.groups[] | select(.made_of == "100% text")] |
		length == 1'
	# as far as a sample goes: a sixth is of each kind
	# shellcheck disable=SC2016 # names of jq's
	json_holds "$report" '.groups[] | select(.label == "main arena") |
		[.zero, .text, .pointers, .integers, .floats, .compressed] as $k |
		.scanned_bytes as $all | all($k[]; . > $all / 20 and . < $all / 3)'
}

@test "swapped pages are said not to be scanned, and are not brought in" {
	need_swap
	victim contents 32
	tell pageout
	run -2 see heap --content
	json_holds "$report" '.swapped_bytes > 0 and
		.impact.pages_faulted_in == 0 and
		(.partial | map(.why) | any(test("in swap")))'
}

@test "memory that comes and goes is no failure" {
	local code
	victim contents 4
	tell vanish
	for _ in {1..20}; do
		code=0
		mf scan --content --json --stop none "$victim" >"$report" ||
			code=$?
		[ "$code" -eq 0 ] || [ "$code" -eq 2 ]
		json_holds "$report" '.scanned_bytes > 4000000 and
			([.content[].bytes] | add) == .scanned_bytes'
	done
}

@test "a process that begins another program is read anew, or said to be gone" {
	local code=0
	victim contents 32
	mf scan --json --stop none "$victim" >"$work/out" 2>"$work/err" 3>&- &
	local scan=$!
	echo exec >&"$FIXTURE_IN"
	wait "$scan" || code=$?
	cat "$work/err"
	[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || [ "$code" -eq 4 ]
}

@test "a process that is killed while it is scanned ends it, too" {
	local code=0
	victim contents 32
	mf scan --json --stop none "$victim" >"$work/out" 2>"$work/err" 3>&- &
	local scan=$!
	kill -KILL "$victim"
	wait "$scan" || code=$?
	[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || [ "$code" -eq 4 ]
}

@test "a core says the same as the process" {
	victim contents 16
	freeze "$victim"
	see heap --content
	jq -S '[.content, .scanned_bytes]' "$report" >"$work/live"
	mf snapshot "$victim" -o "$work/core" --quiet --stop brief \
		--max-pause 10s
	mf scan "$work/core" heap --content --json |
		jq -S '[.content, .scanned_bytes]' >"$work/core.json"
	cmp "$work/live" "$work/core.json"
}

@test "tens of thousands of mappings" {
	local most
	most=$(</proc/sys/vm/max_map_count)
	[ "$most" -ge 50000 ] || skip "at most $most mappings here"
	start_until '^ready$' python3 -c '
import mmap, sys
held = []
for i in range(20000):
    piece = mmap.mmap(-1, 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    piece[:4096] = b"x" * 4096
    held.append(piece)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for piece in held:
    address = ctypes.addressof(ctypes.c_char.from_buffer(piece))
    libc.mprotect(ctypes.c_void_p(address + 4096), 4096, 0)
print("ready", flush=True)
sys.stdin.read()'
	mf scan "$PID" all --content --json --stop brief --max-pause 10s \
		>"$BATS_TEST_TMPDIR/report" || [ $? -eq 2 ]
	json_holds "$BATS_TEST_TMPDIR/report" '(.content[] |
		select(.class == "text").bytes) >= 20000 * 4096'
}
