#!/usr/bin/env bats
# What malloc_trim(0) would give back, page by page (`arenas --ranges`), against
# the pages that go when the program then calls it; and what chunks in use pin,
# against what comes when the program frees them.

# shellcheck disable=SC2154 # here, victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# Pages of the victim that are in RAM, to FILE.
save_pages() { # FILE
	local code=0
	"$here/pages" save "$victim" "$1" || code=$?
	[ "$code" != 77 ] || skip "this kernel does not scan page maps"
	return "$code"
}

# Predicts, lets the victim trim, compares page by page and in sum.
foresees() { # OPTION...
	run look arenas --ranges "$@"
	[ "$status" = 0 ] || [ "$status" = 2 ]
	save_pages "$work/before"
	tell trim
	save_pages "$work/after"
	"$here/pages" compare "$work/before" "$work/after" "$report"
	"$here/truth" trim "$stats" "$report"
}

# Both before and after: the second time there is next to nothing.
foretells() { # NAME ARGUMENT...
	victim "$@"
	foresees
	foresees
	dismiss
}

# Fails unless FILTER of $report's glibc is more than LEAST.
exceeds() { # FILTER LEAST
	[ "$(glibc "$1")" -gt "$2" ] || {
		echo "$1 is $(glibc "$1")"
		return 1
	}
}

@test "holes of whole pages, and a top" {
	foretells trimming plain
}

@test "free chunks that begin and end everywhere in a page" {
	victim trimming edges
	foresees
	exceeds .retained.headers 4095
}

@test "fast bins merge with free chunks, and with the top" {
	foretells trimming consolidated
}

@test "used again after a trim" {
	foretells trimming again
}

@test "half of the pages never written, some of them read" {
	victim trimming untouched
	foresees
	exceeds .unused.absent 5000000
}

@test "half of the pages in swap" {
	need_swap
	victim trimming plain
	tell half
	[ "$(said paged-swap)" -gt 5000000 ] ||
		skip "the kernel swapped nothing out"
	foresees
	exceeds .unused.swapped 4000000
}

@test "swapped pages that are read come in, and go" {
	need_swap
	victim trimming plain
	tell stripes
	[ "$(said paged-swap)" -gt 5000000 ] ||
		skip "the kernel swapped nothing out"
	foresees --read-swapped
	exceeds .trimmable.bytes 5000000
}

@test "madvise ends at the first locked page of a hole" {
	victim trimming locked
	foresees
	exceeds .retained.locked 1000000
}

@test "the break shrinks over locked pages" {
	foretells trimming locked-top
}

@test "huge pages that holes cut up" {
	victim trimming huge
	foresees
	exceeds .trimmable.bytes 1000000
}

@test "pages shared with a child" {
	foretells trimming forked
}

@test "others have memory from sbrk behind the top" {
	victim trimming beyond
	foresees
	exceeds .retained.main_top 50000
}

@test "a mapping of others that touches the break" {
	victim trimming abutting
	foresees
	[ "$(glibc .retained.main_top)" -lt 8192 ]
}

@test "tops of other arenas stay" {
	victim trimming tops 3
	foresees
	exceeds .retained.tops 150000
}

@test "so do fast bins before them" {
	foretells trimming fast-tops 3
}

@test "random work in several threads" {
	foretells bins random 11 4
}

@test "main arenas in pieces" {
	local mode
	for mode in foreign behind never both; do
		foretells mainheap "$mode"
	done
}

@test "a top that goes by huge pages" {
	export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
	victim trimming plain
	foresees
	exceeds .retained.main_top 50000
}

@test "ranges only when they are asked for" {
	victim trimming plain
	look arenas
	holds '.arenas[0].trimmable | has("ranges") | not'
	mf arenas --ranges -f csv --stop brief "$victim" |
		grep -A1 '^# allocators.arenas.trimmable.ranges' |
		grep -q ',start,end'
	mf arenas --ranges --stop brief "$victim" |
		grep -q 'WHAT malloc_trim(0) WOULD GIVE BACK'
}

# ---- who pins it -------------------------------------------------------------

anonymous() {
	awk '$1 == "Anonymous:" { print $2 * 1024 }' \
		"/proc/$victim/smaps_rollup"
}

# Frees what PINNER (a filter) names; afterwards malloc_trim must have given
# back what the report said.
evicts() { # PINNER
	local address count bytes before after
	read -r address count bytes <<<"$(glibc \
		"$1 | \"\\(.address) \\(.count) \\(.evicted_bytes)\"")"
	before=$(anonymous)
	tell "evict $address $count"
	tell trim
	after=$(said after-anonymous)
	[ $((before - after)) = "$bytes" ] || {
		echo "$1: $count chunks at $address: said $bytes," \
			"was $((before - after))"
		return 1
	}
}

@test "what pinners hold is what comes when they are freed" {
	local mode
	export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
	for mode in plain consolidated edges locked huge again; do
		victim trimming "$mode"
		tell trim
		look arenas
		holds '.arenas[0].pinners | length >= 2 and
			all(.pinned_bytes == .evicted_bytes - .size)'
		evicts '.arenas[0].pinners[0]'
		evicts '.arenas[0].pinners[1]'
		dismiss
	done
}

@test "pinners in each heap of several arenas" {
	export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
	victim trimming tops 3
	tell trim
	look arenas
	holds '[.arenas[].heaps[] | .pinners | length > 0] | all'
	evicts '.arenas[0].heaps[0].pinners[0]'
	evicts '.arenas[1].heaps[0].pinners[0]'
	evicts '.arenas[3].heaps[0].pinners[1]'
	dismiss
	victim trimming held 2
	tell trim
	look arenas
	evicts '.arenas[1].heaps[] | select(.newest).pinners[0]'
	evicts '.arenas[2].heaps[] | select(.newest).pinners[1]'
}

@test "what pinners are: a symbol of the program, a tcache" {
	victim trimming typed
	look arenas
	holds '[.arenas[0].pinners[].type] | index("shape_table") != null'
	holds '.arenas[0].top_pinners | all(.type == "shape_table")'
	holds '.arenas[0].top_pinners | [.[].break_bytes] | . == sort'
	patient arenas --stop brief "$victim" >"$work/text"
	grep -q '^WHAT PINS FREE MEMORY' "$work/text"
	grep -q ' shape_table$' "$work/text"
}

@test "a pinner that is a thread's own" {
	victim trimming started
	look arenas
	holds '[.arenas[0].top_pinners[0] | .type, .count] == ["dtv_t", 1]'
	holds '.arenas[0].top_pinners[0].break_bytes > 5000000'
}

@test "few small blocks hold a heap" {
	victim trimming held 2
	mf attach --json --stop brief --max-pause 10s "$victim" >"$report"
	json_holds "$report" '.findings[] | select(.code == "held-heaps") |
		.evidence.heaps == 2 and .evidence.chunks == 8'
}

heap_end() {
	awk '$6 == "[heap]" { split($1, span, "-"); print span[2] }' \
		"/proc/$victim/maps"
}

@test "what the break shrinks by when the highest chunks are freed" {
	local before i address count bytes
	export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
	victim trimming plain
	tell trim
	look arenas
	before=$((16#$(heap_end)))
	for i in 0 1 2 3; do
		read -r address count bytes <<<"$(glibc \
			".arenas[0].top_pinners[$i] |
			\"\\(.address) \\(.count) \\(.break_bytes)\"")"
		tell "evict $address $count"
		tell trim
		[ $((before - 16#$(heap_end))) = "$bytes" ]
	done
}
