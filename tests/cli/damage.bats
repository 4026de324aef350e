#!/usr/bin/env bats
# Faults that a program commits on its own heap: `arenas` names the chunk and
# what did it, with the chunk before it, whatever else is there; and says nothing
# of heaps that are whole.

# shellcheck disable=SC2154 # victim, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# The fault is named: of that kind, at the chunk that the program says.
names() { # KIND CAUSE FAULT...
	local kind=$1 cause=$2
	shift 2
	victim damage "$@"
	look arenas || [ $? = 2 ]
	row=$(jq -c ".allocators[] | select(.name == \"glibc\") |
		.arenas[0].corrupt[0]" "$report")
	echo "$row"
	[ "$(jq -r .kind <<<"$row")" = "$kind" ]
	[ "$(jq -r .address <<<"$row")" = "$(said victim)" ]
	[[ $(jq -r .cause <<<"$row") == $cause* ]]
	holds '.arenas[0].corrupt | length == 1'
	holds '.arenas[0].in_flight | not'
}

# And the chunk before it.
follows() { # SIZE STATE
	[ "$(jq -r .previous.address <<<"$row")" = "$(said before)" ]
	[ "$(jq -r '"\(.previous.size) \(.previous.state)"' <<<"$row")" = "$*" ]
}

# What it counts is all that there is, but for what was lost.
adds_up() { # LOST
	holds "(.in_use.bytes + .tcache.bytes + .fastbin.bytes + .free.bytes +
		.top.bytes + .overhead.bytes + $1) == .system"
}

@test "a program without a fault has no damage" {
	victim damage none
	look arenas
	holds '[.arenas[].corrupt[]] | length == 0'
	adds_up 0
}

@test "a text over the end of a block" {
	local count
	for count in 1 4 9 30; do
		names size overflow overflow "$count"
		follows 160 in_use
		[ "$(jq '.lost > 0 and .lost < 1000' <<<"$row")" = true ]
		# the text ran over prev_size and into the size
		[[ $(jq -r .text <<<"$row") == OPQRSTUV* ]]
		adds_up "$(jq .lost <<<"$row")"
		dismiss
	done
}

@test "a closing zero one byte too far" {
	names prev-inuse overflow nul
	follows 272 in_use
	adds_up 0
}

@test "a text over the last block, into top" {
	names top-size overflow top
	follows 98320 in_use
	[ "$(jq -r .text <<<"$row")" = ABCDEFGHIJKLMNOP ]
	adds_up 0
}

@test "a write after free, in a tcache" {
	names tcache-link "use after free" stale-tcache
	follows 512 in_use
	[[ $(jq -r .text <<<"$row") == ABCDEFGH* ]]
	# what is behind it in the list is not known to be free
	[ "$(jq -r '.partial[].what' "$report")" = "glibc tcache" ]
}

@test "a write after free, in a fast bin" {
	names fast-link "use after free" stale-fast
	[[ $(jq -r .text <<<"$row") == ABCDEFGH* ]]
}

@test "a write after free, in a bin" {
	names fd "use after free" stale-bin
	[[ $(jq -r .text <<<"$row") == ABCDEFGH* ]]
	[ "$(jq -r '"\(.chunk.size) \(.chunk.state)"' <<<"$row")" = "512 free" ]
	adds_up 0
}

@test "a write after free, at a block's end" {
	names prev-size "use after free" stale-tail
	follows 512 free
	adds_up 0
}

@test "a block freed twice, into a tcache" {
	names double-free "double free" twice-tcache
	[ "$(jq -r .chunk.state <<<"$row")" = tcache ]
}

@test "a block freed twice, into a fast bin" {
	names double-free "double free" twice-fast
	[ "$(jq -r .chunk.state <<<"$row")" = fastbin ]
}

@test "the report tells of it, with its neighbours" {
	victim damage overflow 9
	run mf arenas --stop brief --max-pause 10s "$victim"
	[ "$status" = 0 ]
	echo "$output"
	[[ $output == *DAMAGE*"$(said victim)"*"makes no sense"* ]]
	[[ $output == *"before "*"$(said before)"*"160 B  in use"* ]]
	[[ $output == *usually*overflow* ]]
}

@test "the verdict is critical, and says what to do" {
	victim damage stale-tcache
	look attach || [ $? = 2 ]
	[ "$(jq -r '.findings[] | select(.code == "heap-corruption") |
		"\(.severity) \(.evidence.kind) \(.evidence.address)"' \
		"$report")" = "critical tcache-link $(said victim)" ]
	[ "$(jq '.findings[] | select(.code == "heap-corruption") | .advice |
		any(test("valgrind"))' "$report")" = true ]
}
