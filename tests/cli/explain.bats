#!/usr/bin/env bats
# What `explain` says of addresses, compared with what the program says that
# owns them, with gdb, addr2line and the source, and with its page map.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

setup() {
	source=$here/../../fixtures/programs/pointers.c
}

# Field 2 (the target), 3 (what the word is in) or 4 (where it is) of NAME.
told() { # NAME FIELD
	awk -v name="$1" -v at="$(($2 + 1))" \
		'$1 == "ref" && $2 == name { print $at }' "$stats"
}

# What is said of ADDRESSES, in $report.
explain() { # ADDRESS OPTION...
	mf explain --json --stop brief --max-pause 10s "$victim" "$@" \
		>"$report"
}

is_so() { # FILTER
	json_holds "$report" ".addresses[0] | $1"
}

@test "a chunk, its bounds and what lies beside it" {
	victim pointers
	local target
	target=$(told data 2)
	explain "$(printf '%#x' $((target + 24)))"
	is_so ".kind == \"chunk\" and .chunk.user == \"$target\" and
		.chunk.usable == 200 and .chunk.size == 208 and
		.chunk.offset == 24 and .chunk.state == \"in_use\" and
		.chunk.arena == 1 and .chunk.allocator == \"glibc\" and
		.chunk.address == \"$(printf '%#x' $((target - 16)))\""
	# the next target was allocated next
	is_so ".next.address == \"$(printf '%#x' $((target + 192)))\" and
		.next.state == \"in_use\" and .next.size == 208"
	is_so '.region.class == "arena" and .region.owner == "glibc" and
		.region.certainty == "structure" and .mapping.perms == "rw-p"'
	is_so ".reference_count == 1 and (.references | length == 1) and
		.references[0].symbol == \"in_data\" and
		.references[0].address == \"$(told data 4)\""
}

@test "a free chunk" {
	victim pointers
	explain "$(told freed 4)"
	is_so '.kind == "unused" and .chunk.state == "free" and
		.previous.state == "in_use" and .next.state == "in_use"'
	is_so ".word.value == \"$(told freed 2)\" and
		.word.points_to == \"chunk $(told freed 2)\""
}

@test "the header of a chunk is none of its bytes" {
	victim pointers
	local target
	target=$(told bss 2)
	explain "$(printf '%#x' $((target - 8)))"
	is_so ".chunk.offset == null and (.where | endswith(\"(header)\")) and
		.chunk.user == \"$target\""
	# but its first word is the last of the chunk before it
	explain "$(printf '%#x' $((target - 16)))"
	is_so '.chunk.offset == 192 and .chunk.usable == 200'
}

@test "malloc's own table, the first chunk of the heap" {
	victim pointers
	local heap
	heap=$(awk '/\[heap\]/ { split($1, at, "-"); print "0x" at[1] }' \
		"/proc/$victim/maps")
	explain "$(printf '%#x' $((heap + 24)))"
	is_so ".kind == \"allocator\" and .chunk.state == \"in_use\" and
		.where == \"glibc's tcache table+0x8 of thread $victim\""
	mf explain --stop brief --max-pause 10s "$victim" "$heap" >"$report"
	grep -q '^  chunk      in use, ' "$report"
	run ! grep -E 'unused|in_use' "$report"
}

@test "a variable, by its symbol and the line that declares it" {
	victim pointers
	local line
	line=$(grep -n '^void \*in_data' "$source" | cut -d: -f1)
	explain in_data
	is_so ".address == \"$(told data 4)\" and .kind == \"module\" and
		.where == \"pointers:in_data\" and .region.class == \"data\" and
		.symbol.name == \"in_data\" and .symbol.offset == 0 and
		.symbol.size == 8 and .symbol.line == $line and
		(.symbol.file | endswith(\"pointers.c\"))"
	is_so ".word.value == \"$(told data 2)\""
	explain pointers:table+8 && return 1
	explain "$(printf '%#x' $(($(told table 4) + 3)))"
	is_so '.symbol.name == "table" and .symbol.offset == 3 and
		.word == null'
}

@test "code, by its function and line, as addr2line has them" {
	command -v addr2line >/dev/null || skip 'there is no addr2line'
	victim pointers
	local bias at
	explain tell_all
	at=$(jq -r '.addresses[0].address' "$report")
	bias=$(awk '/pointers$/ { split($1, at, "-"); print "0x" at[1]; exit }' \
		"/proc/$victim/maps")
	explain "$(printf '%#x' $((at + 40)))"
	is_so '.symbol.name == "tell_all" and .symbol.offset == 40 and
		.region.class == "text"'
	[ "$(jq -r '.addresses[0].symbol.line' "$report")" = "$(addr2line \
		-e "/proc/$victim/exe" "$(printf '%x' $((at + 40 - bias)))" |
		sed 's/.*:\([0-9]*\).*/\1/')" ]
}

@test "symbols as gdb has them" {
	command -v gdb >/dev/null || skip 'there is no gdb'
	victim pointers
	local at
	for at in in_data in_bss main tell_all table; do
		explain "$at"
		at=$(jq -r '.addresses[0].address' "$report")
		gdb -p "$victim" -batch -nx -ex "info symbol $at" \
			2>"$work/gdb" >"$work/symbol"
		grep -q "^$(jq -r '.addresses[0].symbol.name' "$report") in" \
			"$work/symbol" || {
			cat "$work/symbol"
			jq '.addresses[0].symbol' "$report"
			return 1
		}
	done
}

@test "a stack and a TLS, and whose they are" {
	victim pointers
	explain "$(told stack 4)" "$(told tls 4)"
	is_so '.kind == "stack" and .region.class == "thread-stack" and
		.thread.from == "sp" and .thread.distance > 0 and
		.thread.comm == "pointers" and
		.region.owner == "tid \(.thread.tid)"'
	is_so ".word.value == \"$(told stack 2)\""
	json_holds "$report" '.addresses[1] | .kind == "tls" and
		.thread.from == "tp" and .thread.distance < 0 and
		.region.owner == "tid \(.thread.tid)"'
	[ -d "/proc/$victim/task/$(jq .addresses[0].thread.tid "$report")" ]
}

@test "text, and key material that is masked" {
	victim pointers
	explain "$(said text)" "$(said key)"
	is_so '.content.as == "text" and .content.string_bytes == 29 and
		.content.text == "a text that stands in a chunk" and
		.content.secrets_masked == 0'
	json_holds "$report" '.addresses[1].content |
		.secrets_masked > 0 and (.text | contains("MIIB") | not)'
	[[ $(jq -r '.addresses[1].content.signature' "$report") == *key* ]]
	run -0 mf explain "$victim" "$(said key)"
	[[ $output != *MIIB* && $output != *Cnzj4p4* ]]
}

@test "the object in a chunk" {
	[ -x "$FIXTURES/objects" ] || skip 'objects was not built: no g++'
	victim objects
	local object
	mf refs --json --max-pause 10s "$victim" type:Derived >"$report"
	json_holds "$report" ".totals.objects == $(awk '$3 == "Derived" {
		print $2 }' "$stats") and ([.references[] |
		select(.symbol == \"kept\")] | length == .[0].totals.objects // 300)"
	object=$(jq -r '.references[0].value' "$report")
	explain "$object"
	is_so '.object.type == "Derived" and .object.language == "c++" and
		(.where | startswith("Derived at "))'
	# each object is in the table of those that are kept
	mf refs --json --max-pause 10s "$victim" type:Plain >"$report"
	[ "$(jq '[.references[] | select(.symbol == "kept")] | length' \
		"$report")" = "$(awk '$3 == "Plain" { print $2 }' "$stats")" ]
}

@test "pages that are there, and pages that are not" {
	victim mixed 100
	local at
	at=$(awk '$1 == "mapping" && $2 == "private" { print $3; exit }' \
		"$stats")
	explain "$at" "$(printf '%#x' $((at + 63 * 4096)))"
	is_so '.page.present and (.page.swapped | not) and
		.content.as == "text" and (.content.text | startswith("mmmm"))'
	json_holds "$report" '.addresses[1].page | (.present or .swapped) | not'
}

@test "an arena, and where nothing is" {
	victim pointers
	explain arena:0 arena:1 0x10
	is_so '.where == "libc.so.6:main_arena" and .kind == "allocator"' ||
		is_so '.kind == "allocator"'
	[ "$(jq -r '.addresses[1].address' "$report")" = "$(mf arenas --json \
		"$victim" | jq -r '.allocators[0].arenas[1].address')" ]
	json_holds "$report" '.addresses[2] | .kind == "nowhere" and
		(has("region") | not)'
}

@test "the same, however the process is looked at" {
	victim pointers
	local way places
	places="$(told data 2) in_data $(told stack 4) $(told tls 4) $(said key)"
	mf snapshot --max-pause 10s -o "$work/core" "$victim"
	# shellcheck disable=SC2086 # words
	explain $places
	jq -S .addresses "$report" >"$work/held"
	for way in "--stop snapshot $victim" "$work/core"; do
		# shellcheck disable=SC2086 # words
		mf explain --json --max-pause 10s $way $places >"$work/other"
		jq -S .addresses "$work/other" | diff "$work/held" -
	done
}

@test "without references nobody else's memory is read" {
	victim pointers
	explain in_data --no-refs
	is_so '.reference_count == null and (has("references") | not)'
	explain in_data
	is_so '.reference_count == 0'
}

@test "usage" {
	victim pointers
	run -64 mf explain "$victim"
	run -64 mf explain "$victim" type:x
	[[ $output == *'memforensics refs TARGET type:x'* ]]
	run -64 mf explain "$victim" no_such_thing
	run -64 mf explain "$victim" arena:99
	[[ $output == *'2 arenas were found'* ]]
	# shellcheck disable=SC2046 # words
	run -64 mf explain "$victim" $(seq 1000 1070)
}

@test "memory that is shared without a file is called that, everywhere" {
	start_until '^ready ' python3 -I -c 'if True:
		import ctypes, mmap, sys
		kept = mmap.mmap(-1, 1 << 20)
		kept[:] = b"x" * len(kept)
		at = ctypes.addressof(ctypes.c_char.from_buffer(kept))
		print("ready", hex(at), flush=True)
		sys.stdin.read()'
	at=$(sed -n 's/^ready //p' "$FIXTURE_SAID")
	run -0 mf explain --no-refs "$PID" "$at"
	[[ $output == *'in memory, of shared memory'* ]]
	[[ $output != *'of a file'* ]]
	run -0 mf "$PID"
	[[ $output == *'shared memory: anonymous'* ]]
}
