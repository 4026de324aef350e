#!/usr/bin/env bats
# What `arenas` says of glibc's heaps, compared to the byte with what glibc says
# itself inside the process (mallinfo2, malloc_info, malloc_stats), arena by
# arena, found with symbols and without; and what it says malloc_trim would give
# back, with what that gave back.

# shellcheck disable=SC2154 # here, victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# Predicts, trims, compares; afterwards there must be nothing left to trim.
trims() { # NAME ARGUMENT...
	victim "$@"
	agrees "$@"
	tell trim
	"$here/truth" trim "$stats" "$report"
	tell stats
	agrees "$@"
	holds '.trimmable.bytes == 0'
	tell trim
	"$here/truth" trim "$stats" "$report"
	dismiss
}

@test "one arena" {
	check arenas main
}

@test "several heaps of more than 64 MiB in each of several arenas" {
	check arenas heaps 3 150
	holds '[.arenas[] | select(.main | not) | .heaps | length] |
		length == 3 and all(. >= 3)'
}

@test "each arena names the thread that uses it" {
	victim arenas heaps 3 70
	agrees
	holds '[.arenas[].attached_threads] == [1, 1, 1, 1]'
	[ "$(glibc '[.arenas[].threads[]] | sort | .[]')" = \
		"$(cd "/proc/$victim/task" && printf '%s\n' * | sort -n)" ]
}

@test "200 threads that share arenas" {
	check arenas shared 200
	holds '[.arenas[].attached_threads] | add == 201'
}

@test "arenas whose threads have ended" {
	check arenas orphans 4
	holds '[.arenas[] | select(.attached_threads == 0)] | length == 4'
}

@test "tcaches of several threads, all classes full" {
	check bins tcache 4
	holds '.tcache.count == 5 * 64 * 7'
}

@test "fast bins" {
	check bins fast
	holds '.fastbin.count > 0'
}

@test "an unsorted bin that nothing has sorted" {
	check bins unsorted
	holds '.arenas[0].bins | any(.kind == "unsorted" and .count == 250)'
}

@test "small bins" {
	check bins small
	holds '[.arenas[0].bins[] | select(.kind == "small")] | length > 50'
}

@test "large bins" {
	check bins large
	holds '[.arenas[0].bins[] | select(.kind == "large")] | length > 20'
}

@test "random work in several threads" {
	local seed
	for seed in 1 2 3; do
		check bins random $seed 3
	done
}

@test "random work in one thread" {
	check bins random 4 0
}

@test "a main heap in one piece" {
	check mainheap whole
}

@test "foreign sbrk leaves gaps in the main heap" {
	check mainheap foreign
}

@test "a gap after a top that leaves three fenceposts" {
	check mainheap remnant
}

@test "a mapping behind the heap sends the main arena to mmap" {
	check mainheap behind
}

@test "a main arena that never had brk" {
	check mainheap never
}

@test "gaps, then mmap" {
	check mainheap both
}

@test "mmapped chunks, merged by the kernel" {
	check mmapped plain
}

@test "mmapped chunks of every alignment" {
	check mmapped aligned
}

@test "mmapped chunks that were resized" {
	check mmapped resized
}

@test "an mmap threshold that grew" {
	check mmapped trained
	holds '.params.mmap_threshold == 20 * 1048576 + 4096'
	holds '.params.mmap_threshold_dynamic == 1'
	holds '.params.trim_threshold == 2 * .params.mmap_threshold'
}

@test "every kind of mmapped chunk at once" {
	check mmapped all
}

@test "parameters of an untouched process" {
	victim curve
	look arenas
	holds '.params | .mmap_threshold == 131072 and .trim_threshold == 131072
		and .top_pad == 131072'
}

@test "heaps merged with each other and with a plain mapping" {
	check merged
}

# Those that change what lies where; fixtures know nothing of them.
@test "glibc tunables" {
	local tunable
	for tunable in tcache_count=0 tcache_count=100 tcache_max=200 mxfast=0 \
		mxfast=160 arena_max=1 perturb=85 mmap_threshold=30000 \
		top_pad=10000000 hugetlb=1 hugetlb=2; do
		export GLIBC_TUNABLES=glibc.malloc.$tunable
		victim bins random 8 2
		unset GLIBC_TUNABLES
		agrees "$tunable"
		tell trim
		"$here/truth" trim "$stats" "$report"
		dismiss
	done
}

@test "forged heaps are not counted" {
	check lookalike
}

@test "with symbols and without, the answer is the same" {
	victim bins random 5 3
	look arenas
	glibc 'del(.layout, .why)' >"$work/with"
	look arenas --no-symbols
	[ "$(glibc '.layout')" != dwarf ]
	glibc 'del(.layout, .why)' >"$work/without"
	diff "$work/with" "$work/without"
}

@test "one block in 4 of 400 bytes is kept: nothing can be trimmed" {
	victim fragmentation 400 250000 4
	agrees
	holds '.trimmable.bytes == 0'
	# all of the 78 MB that are free lie on pages with blocks in use
	holds '.fragmentation.pinned_bytes > 0.99 * .free.bytes'
	tell trim
	"$here/truth" trim "$stats" "$report"
}

@test "one block in 40 is kept: most of it can be trimmed" {
	victim fragmentation 400 250000 40
	agrees
	holds '.trimmable.bytes > 0.6 * .free.bytes'
	tell trim
	"$here/truth" trim "$stats" "$report"
}

@test "what was trimmed is already returned" {
	victim fragmentation 400 250000 40
	look arenas
	before=$(glibc '.trimmable.bytes')
	tell trim
	look arenas
	holds ".free.already_returned == $before"
	holds '.trimmable.bytes == 0'
}

@test "malloc_trim gives back what was predicted: one arena" {
	trims arenas main
}

@test "malloc_trim gives back what was predicted: several heaps" {
	trims arenas heaps 3 150
}

@test "malloc_trim gives back what was predicted: 200 threads" {
	trims arenas shared 200
}

@test "malloc_trim gives back what was predicted: ended threads" {
	trims arenas orphans 4
}

@test "malloc_trim gives back what was predicted: bins" {
	local mode
	for mode in fast unsorted small large 'random 6 3' 'random 7 0'; do
		# shellcheck disable=SC2086 # a mode and its arguments
		trims bins $mode
	done
}

@test "malloc_trim gives back what was predicted: main heaps" {
	local mode
	for mode in whole foreign remnant behind never both; do
		trims mainheap $mode
	done
}

@test "malloc_trim gives back what was predicted: a grown threshold" {
	trims mmapped trained
}

swapped() {
	awk '$1 == "Swap:" { print $2 }' "/proc/$victim/smaps_rollup"
}

@test "pages in swap are counted, and stay there" {
	need_swap
	victim fragmentation 40000 2000 3
	tell pageout
	# what it touches on its way back to sleep is in memory again
	until grep -q '^State:.S' "/proc/$victim/status"; do :; done
	before=$(swapped)
	[ "$before" -gt 10000 ] || skip "the kernel swapped nothing out"
	run -2 look arenas
	echo "in swap before: $before kB, after: $(swapped) kB"
	# the kernel writes into a thread's rseq when it runs on: that page may
	# come back, no other
	[ $((before - $(swapped))) -le 4 ]
	holds '.free.swapped > 0 or .unread > 0'
	[ "$(jq '.partial | length > 0' "$report")" = true ]
}

@test "blocks with pages that the program protects" {
	local kind
	for kind in heap mmapped blocked; do
		check guarded none "$kind"
		check guarded readonly "$kind"
	done
}

@test "chunk sizes count tops and caches as unused, not as free" {
	victim bins tcache 1
	run -0 mf arenas -v "$victim"
	[[ $output =~ 'from'\ +'to  in use'\ +'bytes  unused'\ +'bytes' ]]
}
