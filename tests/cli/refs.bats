#!/usr/bin/env bats
# What `refs` says of who points at chunks, compared with what a program says
# that has put each pointer where it is, and with what gdb finds in it.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

setup() {
	victim pointers
}

# Field 2 (the target), 3 (what the word is in) or 4 (where it is) of NAME.
told() { # NAME FIELD
	awk -v name="$1" -v at="$(($2 + 1))" \
		'$1 == "ref" && $2 == name { print $at }' "$stats"
}

# References to PLACES, in $report.
refs() { # PLACE OPTION...
	mf refs --json --stop brief --max-pause 10s "$victim" "$@" >"$report" || {
		local code=$?
		jq -c '{impact, partial}' "$report"
		return "$code"
	}
}

# References to the target of NAME.
refer() { # NAME OPTION...
	local target
	target=$(told "$1" 2)
	shift
	refs "$target" "$@"
}

# The only word that points at NAME's target is where the program says.
is_only() { # NAME KIND WHERE
	refer "$1"
	is_so ".totals.words == 1 and (.references | length == 1) and
		(.references[0] | .address == \"$(told "$1" 4)\" and
		.kind == \"$2\" and .where == \"$3\" and .exact and
		.target == \"$(told "$1" 2)\" and .value == .target and
		.confidence == \"high\")"
}

@test "variables of a module, by their symbols" {
	is_only data module pointers:in_data
	is_so '.references[0] | .module == "pointers" and
		.symbol == "in_data" and .symbol_offset == 0 and
		.class == "data"'
	is_only bss module pointers:in_bss
}

@test "words in chunks, by the chunk and the offset in it" {
	local chunk
	chunk=$(told table 2)
	is_only entry chunk "$(printf 'chunk %#x+0x38' "$chunk")"
	is_so ".references[0] | .chunk_offset == 56 and .arena == 1 and
		.chunk == \"$(printf '%#x' $((chunk - 16)))\" and
		.chunk_size == 8016"
}

@test "memory that is no heap" {
	refer map
	is_so ".totals.words == 1 and .totals.roots == 1 and
		(.references[0] | .address == \"$(told map 4)\")"
}

@test "the stack of another thread, from its stack pointer on" {
	refer stack
	is_so ".totals.words == 1 and (.references[0] | .kind == \"stack\" and
		.address == \"$(told stack 4)\" and
		(.where | test(\"^stack of thread [0-9]+ at sp[+]0x[0-9a-f]+, \" +
			\"in keep_on_stack$\")) and
		.function == \"keep_on_stack\")"
	is_so '.references[0].frame > 0'
	[ "$(jq '.references[0].tid' "$report")" -gt "$victim" ]
}

@test "a thread's own variable" {
	refer tls
	is_so ".totals.words == 1 and (.references[0] | .kind == \"tls\" and
		.address == \"$(told tls 4)\" and
		(.where | test(\"^TLS of thread [0-9]+ at tp\")))"
}

@test "a register of another thread, and nothing else" {
	refer register
	is_so ".totals.words == 1 and .totals.registers == 1 and
		(.references[0] | .kind == \"register\" and .address == null and
		.tid == $(told register 4) and .value == \"$(told register 2)\" and
		(.register | test(\"^(r12|x20)$\")))"
}

@test "a pointer inside is less than one to the beginning" {
	refer inside
	is_so ".totals.words == 1 and (.references[0] | .offset == 24 and
		(.exact | not) and .confidence == \"medium\" and
		.address == \"$(told inside 4)\")"
	refer inside --exact
	is_so '.totals.words == 0'
}

@test "tagged pointers when they are asked for" {
	refer tagged
	is_so '.totals.words == 0'
	refer tagged --tagged
	is_so ".totals.words == 1 and (.references[0] |
		.address == \"$(told tagged 4)\" and .offset == 0 and
		.confidence == \"low\" and (.exact | not))"
}

@test "free chunks point at nothing, unless they are asked" {
	refer freed
	is_so '.totals.words == 0 and .references == []'
	refer freed --free
	is_so ".totals.words == 1 and (.references[0] | .kind == \"unused\" and
		.address == \"$(told freed 4)\")"
	refer freed --free --depth 4
	is_so '.paths == []'
}

@test "what nobody points at" {
	refer nobody --depth 8
	is_so '.totals.words == 0 and .references == [] and .paths == []'
	run -0 mf refs --max-pause 10s "$victim" "$(told nobody 2)"
	[[ $output == *'No word points there.'* ]]
}

@test "all words of many, where gdb finds them" {
	command -v gdb >/dev/null || skip 'there is no gdb'
	local start end target
	refer many
	is_so '.totals.words == 100 and .totals.chunks == 100'
	target=$(told many 2)
	mf maps --json "$victim" >"$work/maps"
	read -r start end < <(jq -r '.regions[] | select(.class == "arena") |
		[.start, .end] | @tsv' "$work/maps")
	gdb -p "$victim" -batch -nx -ex "find /g $start, $end - 1, $target" \
		2>"$work/gdb" | grep -o '^0x[0-9a-f]*' >"$work/found"
	[ "$(wc -l <"$work/found")" = 100 ]
	jq -r '.references[].address' "$report" | diff "$work/found" -
}

@test "symbols as gdb has them" {
	command -v gdb >/dev/null || skip 'there is no gdb'
	local name symbol
	for name in data bss inside table first; do
		refer "$name"
		symbol=$(gdb -p "$victim" -batch -nx \
			-ex "info symbol $(told "$name" 4)" 2>"$work/gdb" |
			awk '/in section/ { print $1 }')
		[ -n "$symbol" ]
		[ "$(jq -r '.references[0].symbol' "$report")" = "$symbol" ]
	done
}

@test "a chain of chunks, from its root on" {
	refer chain --depth 8
	is_so '.paths | length == 1 and .[0].length == 5 and
		.[0].root == "module" and (.[0].steps | length == 5)'
	is_so '.paths[0].steps[0].symbol == "chain_root" and
		[.paths[0].steps[1:][].chunk_offset] == [0, 8, 16, 24]'
	# each step points at the chunk of the next, the last at the target
	# shellcheck disable=SC2016 # variables of jq
	jq -e '.targets[0].start as $last | .paths[0].steps as $steps |
		[$steps[].value] == [$steps[1:][] | .where |
		split("+")[0] | ltrimstr("chunk ")] + [$last]' "$report"
	is_so '[.levels[].chunks] == [1, 1, 1, 1, 0] and
		.levels[4].roots == 1'
}

@test "a path is as long as it may be" {
	refer chain --depth 4
	is_so '.paths == [] and (.levels | length == 4)'
	refer chain --depth 5
	is_so '.paths | length == 1'
}

@test "cycles end, and without a root there is no path" {
	refer lost --depth 64
	is_so '.totals.words == 1 and .paths == [] and
		(.levels | length < 5)'
	refer first --depth 64
	is_so '.totals.words == 2 and .paths[0].length == 1 and
		(.paths | length == 1) and (.levels | length < 8)'
}

@test "the shortest path comes first" {
	refer many --depth 8
	is_so '[.paths[].length] | . == sort'
	is_so '.paths[0].steps | length == 2 and .[0].symbol == "table"'
}

@test "ranges, symbols and regions are targets, too" {
	local target
	target=$(told data 2)
	refs "$target+0x10"
	is_so '.totals.words == 1 and .references[0].symbol == "in_data"'
	refs "$(printf '%x-%x' "$target" $((target + 1)))"
	is_so '.totals.words == 1 and .references[0].symbol == "in_data"'
	refs "$(printf '%#x-%#x' $((target + 8)) $((target + 16)))"
	is_so '.totals.words == 0'
	# both at once
	refs "$target" "$(told bss 2)"
	is_so '.totals.words == 2 and (.targets | length == 2) and
		[.references[].symbol] == ["in_data", "in_bss"]'
	refs arena:1
	is_so '.totals.words > 100 and
		([.by_region[].words] | add) + .totals.registers == .totals.words'
	refs pointers:table
	is_so '.targets[0].symbol == "table"'
}

@test "the same words, however the process is looked at" {
	local way
	mf snapshot --max-pause 10s -o "$work/core" "$victim"
	for name in chain many stack tls register; do
		refer "$name" --depth 6
		jq -S '{targets, totals, references, by_region, levels, paths}' \
			"$report" >"$work/held"
		for way in "--stop snapshot $victim" "$work/core"; do
			# shellcheck disable=SC2086 # words
			mf refs --json --depth 6 --max-pause 10s $way \
				"$(told "$name" 2)" >"$work/other"
			jq -S '{targets, totals, references, by_region,
				levels, paths}' "$work/other" |
				diff "$work/held" -
		done
	done
}

@test "the same words in a core of gcore, which has more pages" {
	command -v gcore >/dev/null || skip 'there is no gcore'
	local only='{targets, references, by_region, levels, paths,
		words: .totals.words}'
	gcore -o "$work/core" "$victim" >"$work/gcore" 2>&1
	for name in chain many stack tls register; do
		refer "$name" --depth 6
		jq -S "$only" "$report" >"$work/held"
		mf refs --json --depth 6 "$work/core.$victim" \
			"$(told "$name" 2)" >"$work/other" || [ $? = 2 ]
		jq -S "$only" "$work/other" | diff "$work/held" -
	done
}

@test "an object of Python, by any byte of it" {
	start_until '^ready ' python3 -I -c 'if True:
		import sys
		kept = [b"held by a list alone, %d" % i for i in range(3000)]
		at = id(kept[1500])
		text = at + bytes.__basicsize__ - 1
		print("ready", hex(at), hex(text), flush=True)
		sys.stdin.read()'
	read -r _ at text <"$FIXTURE_SAID"
	report=$BATS_TEST_TMPDIR/python.json
	mf refs --json "$PID" "$text" >"$report"
	is_so ".targets[0].start == \"$at\" and .targets[0].class == \"python-arena\""
	is_so "[.references[] | select(.value == \"$at\" and .kind == \"chunk\")] |
		length == 1"
}

@test "usage: what is no place, and what is not there" {
	run -64 mf refs "$victim"
	run -64 mf refs "$victim" 0x12zz
	[[ $output == *"'0x12zz' is no place"* ]]
	run -64 mf refs "$victim" no_such_symbol
	[[ $output == *"there is no symbol 'no_such_symbol'"* ]]
	run -1 mf refs "$victim" arena:77
	run -64 mf refs "$victim" 0x20-0x10
	run -64 mf refs "$victim" in_data --depth 0
	run -64 mf refs "$victim" in_data --depth 65
	run -64 mf refs "$victim" type:a type:b
}
