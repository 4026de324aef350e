#!/usr/bin/env bats
# Who keeps how much alive, against a program in C that counts it: words in
# every place, shapes that lead back, and what only looks as if it were shared.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

setup() {
	victim retaining
}

said_bytes() {
	awk '$1 == "kept" { print $3 }' "$stats"
}

# What g_outer has is on a stack, too: that a thread works on it is no reason
# for which the variable would not keep it.
@test "variables and stacks, to the byte" {
	local kind name count bytes checked=0
	look refs --dominators
	while read -r _ kind name count bytes; do
		case $kind:$name in
		variable:g_outer) continue ;;
		variable:*) name=".symbol == \"$name\"" ;;
		stack:*) name=".kind == \"thread\" and .comm == \"$name\"" ;;
		*) continue ;;
		esac
		is_so "[.keepers[] | select($name) | .chunks, .retained] ==
			[$count, $bytes]"
		checked=$((checked + 1))
	done < <(grep '^retains ' "$stats")
	[ "$checked" = 11 ]
	# all that the program has, and a little that is libc's
	is_so ".totals.reached_bytes >= $(said_bytes) and
		.totals.reached_bytes < $(said_bytes) + 4096"
}
