#!/usr/bin/env bats
# Every copy of glibc's malloc in a process, wherever it is and however it is
# tuned: in namespaces, in libc_malloc_debug, in a program itself, in huge
# pages; and every thread's cache. The truth is each copy's own, and what the
# threads say that they put into their caches.

# shellcheck disable=SC2154 # here, victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

teardown() {
	dismiss
	[ -z "${huge_pages-}" ] ||
		echo "$huge_pages" >/proc/sys/vm/nr_hugepages
	unset GLIBC_TUNABLES LD_PRELOAD MALLOC_CHECK_
}

# Compares with the truth about WHAT, with symbols and by structure alone.
compares() { # WHAT
	local way
	for way in '' --no-symbols; do
		# shellcheck disable=SC2086 # no option rather than an empty one
		look arenas $way
		"$here/truth" "$1" "$stats" "$report" || {
			echo "that was${way:+ with $way}"
			return 1
		}
	done
}

# A fixture with libc inside; there is not always one to link.
need_static() { # NAME
	[ -x "$FIXTURES/$1" ] || skip "there was no libc.a to link"
}

# Starts a victim with GLIBC_TUNABLES.
tuned() { # TUNABLES NAME ARGUMENT...
	export GLIBC_TUNABLES=$1
	shift
	victim "$@"
	unset GLIBC_TUNABLES
}

# libc_malloc_debug beside the libc that fixtures use, in LD_PRELOAD.
preload_debug() {
	local file
	file=$(ldd "$FIXTURES/bins" | awk '$1 == "libc.so.6" { print $3 }')
	file=${file%/*}/libc_malloc_debug.so.0
	[ -e "$file" ] || skip "no $file"
	export LD_PRELOAD=$file
}

# So many huge pages of 2 MiB that can be had, or the test is skipped.
need_huge_pages() { # COUNT
	local had=/proc/sys/vm/nr_hugepages
	[ -w "$had" ] || skip "huge pages are only root's to reserve"
	huge_pages=$(cat "$had")
	echo "$1" >"$had"
	[ "$(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)" -ge "$1" ] ||
		skip "the machine has no $1 huge pages to spare"
}

# ---- several in one process --------------------------------------------------

@test "each namespace of dlmopen has a malloc of its own" {
	victim namespaces new 3
	compares copies
	[ "$(jq '[.allocators[] | select(.name == "glibc")] | length' \
		"$report")" -eq 4 ]
	[ "$(jq '[.allocators[] | select(.owns_malloc)] | length' \
		"$report")" -eq 1 ]
}

@test "threads that allocate in every namespace" {
	victim namespaces threads 2
	compares copies
	json_holds "$report" '[.allocators[] | select(.name == "glibc") |
		.tcaches | length] == [4, 4, 4]'
}

@test "regions of the namespaces are told apart in maps" {
	victim namespaces new 2
	look maps
	json_holds "$report" '.partial == []'
	# the third has the break
	json_holds "$report" '[.regions[] | select(.class == "arena") |
		.owner] | unique | length == 2'
	json_holds "$report" '[.regions[] | select(.class == "mmap-chunk") |
		.owner] | unique | length == 3'
}

@test "libc_malloc_debug that checks nothing is idle" {
	preload_debug
	victim bins random 5 3
	unset LD_PRELOAD
	agrees bins random 5 3
	holds '.owns_malloc and (.module | test("/libc[.]so"))'
	json_holds "$report" '[.allocators[] |
		select(.module | test("malloc_debug"))] |
		length == 1 and .[0].system == 0 and
		(.[0].owns_malloc | not)'
}

@test "libc_malloc_debug that checks is the process's malloc" {
	preload_debug
	export MALLOC_CHECK_=3
	victim namespaces alone
	unset LD_PRELOAD MALLOC_CHECK_
	compares copies
	holds '.owns_malloc and (.module | test("malloc_debug"))'
	holds '.version | test("^2[.][0-9]+$")'
	json_holds "$report" '[.allocators[] |
		select(.module | test("/libc[.]so"))][0].system == 0'
}

@test "a static program that loads a libc has two" {
	need_static static-namespaces
	victim static-namespaces libc
	compares copies
	holds '.owns_malloc and (.module | test("static-namespaces"))'
}

# ---- programs with libc inside ------------------------------------------------

@test "a static program" {
	local mode
	need_static static-bins
	for mode in 'tcache 4' fast unsorted small large 'random 5 3'; do
		# shellcheck disable=SC2086 # a mode and its arguments
		check static-bins $mode
	done
	check static-arenas heaps 2 70
}

@test "a static program's main arena in pieces" {
	local mode
	need_static static-mainheap
	for mode in whole foreign remnant behind never both; do
		check static-mainheap $mode
	done
}

@test "a static program's version is what its structures leave over" {
	local real first last
	need_static stripped-bins
	victim stripped-bins random 5 3
	agrees stripped-bins random 5 3
	real=$(ldd --version | sed -n '1s/.* 2[.]//p')
	IFS=- read -r first last <<<"$(glibc .version)"
	last=${last:-$first}
	echo "2.$real in $first to $last"
	[ "${first#2.}" -le "$real" ]
	[ "$real" -le "${last#2.}" ]
	holds '.owns_malloc'
}

@test "a static program at any address" {
	need_static static-pie-bins
	check static-pie-bins tcache 4
	check static-pie-bins random 5 3
}

@test "malloc_trim gives back what was predicted: a static program" {
	need_static static-mainheap
	victim static-mainheap foreign
	agrees static-mainheap foreign
	tell trim
	"$here/truth" trim "$stats" "$report"
}

@test "each thread's tcache in a static program" {
	need_static static-cached
	victim static-cached own 10
	compares tcaches
	holds '[.arenas[].threads[]] | length == 11'
}

# ---- huge pages ----------------------------------------------------------------

@test "arenas in huge pages" {
	need_huge_pages 64
	tuned glibc.malloc.hugetlb=2 bins random 8 2
	agrees hugetlb
	holds '.params.hp_pagesize > 0'
	look maps
	json_holds "$report" '[.regions[] |
		select(.path == "/anon_hugepage")] |
		length > 0 and all(.class | test("arena|heap|mmap-chunk"))'
}

@test "mmapped chunks in huge pages" {
	need_huge_pages 64
	tuned glibc.malloc.hugetlb=2 mmapped all
	agrees hugetlb
	look maps
	json_holds "$report" '[.regions[] |
		select(.path == "/anon_hugepage").class] |
		any(. == "mmap-chunk") and all(. != "hugetlb")'
}

@test "huge pages that are reserved and not touched are not resident" {
	need_huge_pages 64
	tuned glibc.malloc.hugetlb=2 mainheap whole
	cat "/proc/$victim/smaps" >"$work/smaps"
	look arenas
	holds ".resident_hugetlb == 1024 * $(awk '
		/^(Private|Shared)_Hugetlb:/ { sum += $2 } END { print +sum }
		' "$work/smaps")"
	holds '.resident_hugetlb > 0'
}

# ---- mmapped chunks --------------------------------------------------------------

@test "5000 mmapped chunks, merged with each other and with others' pages" {
	check mmapped many
	holds '.mmapped.count == 5000 - 715'
}

@test "memory of others that looks like mmapped chunks is not counted" {
	check mmapped decoys
}

# ---- every thread's cache ----------------------------------------------------------

@test "200 threads, each with 64 classes of its cache full" {
	victim cached own 200
	agrees cached own 200
	compares tcaches
	holds '.tcache.count == 201 * 64 * 7'
}

@test "caches of chunks from another thread's arena" {
	victim cached cross 20
	agrees cached cross 20
	compares tcaches
	holds '[.tcaches[] | select(.arena != 0)] | length > 0'
}

@test "threads that ended have no cache" {
	victim cached ended 20
	look arenas
	holds "[.tcaches[].tid] == [$victim]"
	holds '.tcache.count == 64 * 7'
}

@test "a cache that is damaged counts as in use, and is said" {
	victim cached own 3
	tell smash
	run -2 look arenas
	json_holds "$report" ".partial | map(.why) |
		any(test(\"thread $victim do not hold together\"))"
	holds ".tcaches | length == 4 and ([.[] | select(.valid | not) | .tid] \
		== [$victim])"
	# one list of 7 is lost, the others are not
	holds '.tcache.count == 4 * 64 * 7 - 7'
	holds '.arenas[0].corrupt | length > 0'
	tell mend
	look arenas
	holds '.tcache.count == 4 * 64 * 7'
}

@test "caches that are off, small and large" {
	local tunable
	for tunable in tcache_count=0 tcache_count=100 tcache_max=200 \
		tcache_max=1000000 tcache_max=4194304; do
		tuned glibc.malloc.$tunable bins random 8 2
		agrees "$tunable"
		holds '([.tcaches[].bytes] | add // 0) == .tcache.bytes'
		dismiss
	done
}
