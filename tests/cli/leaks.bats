#!/usr/bin/env bats
# What `leaks` says of programs that know which of their blocks are leaked,
# block by block: where the words stand that hold the others, how blocks hang
# together and who made them, and however the process is looked at.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

# $report is what the program knows, but for cases that are not judged.
is_known() { # WHAT CASE...
	local what=$1
	shift
	"$here/losses" known "$stats" "$report" "$@" || {
		echo "that was $what"
		return 1
	}
}

# The guard of a stack, and the reserve of an arena beside it, may be taken for
# each other, which is said: leaks are the same.
find_leaks() { # OPTION...
	look leaks --all "$@" || {
		[ $? = 2 ]
		is_so 'all(.partial[]; .what == "classification")'
	}
}

# With all symbols, and by structure alone.
is_found() {
	find_leaks
	is_known 'with symbols'
	find_leaks --no-symbols
	is_known 'without symbols'
}

# The same of another look, which leaves $report alone.
same_by() { # TARGET OPTION...
	local only='{leaked, reachable, groups, roots}'
	mf leaks --json --all --max-pause 10s "$@" >"$work/other" ||
		[ $? = 2 ]
	jq -S "$only" "$report" >"$work/held"
	jq -S "$only" "$work/other" | diff "$work/held" - || {
		echo "that was $*"
		return 1
	}
}

# The same in a copy and in cores; those of others do not say what the kernel
# has.
is_the_same() { # CASE...
	find_leaks
	same_by "$victim" --stop snapshot
	mf snapshot --max-pause 10s -o "$work/core" "$victim" 2>"$work/words"
	mf leaks --json --all "$work/core" >"$report" || [ $? = 2 ]
	is_known 'a core'
	same_by "$work/core" --no-symbols
	command -v gcore >/dev/null || return 0
	gcore -o "$work/gcore" "$victim" >"$work/words" 2>&1
	# which has not what the kernel keeps, as one of ours has
	mf leaks --json --all "$work/gcore.$victim" >"$report" || [ $? = 2 ]
	is_known 'a core of gcore' "$@"
}

@test "words in every place that keeps memory, and in such that do not" {
	victim lost
	is_found
}

@test "blocks of every shape, way and size" {
	victim tangled
	is_found
}

@test "objects of C++ that somebody owns, and that nobody does" {
	[ -x "$FIXTURES/owners" ] || skip 'there is no compiler for C++'
	victim owners
	is_found
}

@test "the same, however the process is looked at: places" {
	victim lost
	is_the_same epoll timer
}

@test "the same, however the process is looked at: shapes" {
	victim tangled
	is_the_same
}

# One of a thousand blocks has lost its pointer; most others are freed, and full
# of old links, in every cache and list of 5 arenas.
@test "a few that are lost among many, in several arenas" {
	victim churn 48 4 2 lose
	look leaks
	is_so "[.leaked.count, .leaked.bytes] ==
		[$(awk '$1 == "lost" { print $2 "," $3 }' "$stats")]"
	is_so ".leaked.count > 90 and .leaked.count < 120"
	look leaks --no-symbols
	is_so ".leaked.count == $(said lost)"
}

@test "nothing is lost in 200 threads with full caches" {
	victim churn 24 200 3
	look leaks
	is_so '.leaked == {count: 0, bytes: 0} and .groups == []'
	is_so ".reachable.count > $(said in-use)"
	look leaks --no-symbols
	is_so '.leaked == {count: 0, bytes: 0}'
}

@test "what is lost since is told, and no more" {
	victim tangled pair
	tell 'keep 300'
	tell 'leak 7'
	tell tell
	look leaks --all
	is_known 'before'
	is_so '.leaked.count == 9'
	tell drop
	tell tell
	look leaks --all
	is_known 'after'
	is_so '.leaked.count == 309'
	# the chain's head, and what hangs on it
	is_so '[.groups[] | select(.roots and .retained_count == 300)] |
		length == 1 and .[0].retained == 300 * 64'
}

@test "two looks: what is lost in both, and what is new" {
	local err pid status=0 fd
	[ -r /proc/self/syscall ] || skip 'the kernel does not say who waits where'
	victim tangled pair
	tell 'leak 50'
	# it cannot go on between its looks until this reads what it says
	mkfifo "$work/err"
	exec {err}<>"$work/err"
	head -c 65536 /dev/zero >&"$err"
	"$MEMFORENSICS" leaks -v --json --all --twice 1ms --max-pause 10s \
		"$victim" >"$report" 2>"$work/err" &
	pid=$!
	until read -r _ fd _ <"/proc/$pid/syscall" && [ "$fd" = 0x2 ]; do
		! grep -q '^State:.Z' "/proc/$pid/status"
	done
	tell 'leak 20'
	cat <&"$err" >"$work/words" &
	started+=("$!")
	wait "$pid" || status=$?
	[ "$status" = 0 ]
	is_so '.leaked.count == 52 and .new.count == 20 and .new.bytes == 1280'
	is_so '[.new_groups[] | .count] | add == 20'
}

@test "a threshold: exit 10 when it is met" {
	victim tangled chain
	run -10 look leaks --fail-if 'leaked>1K'
	run -10 look leaks --fail-if 'leaked.count>=100'
	run -0 look leaks --fail-if 'leaked.count>100'
	run -0 look leaks --fail-if 'leaked>1M'
	run -10 look leaks --fail-if 'leaked>1M' --fail-if 'leaked.count>1'
	run -64 mf leaks "$victim" --fail-if 'leaked'
	run -64 mf leaks "$victim" --fail-if 'lost>1'
	# one look has nothing new
	run -64 mf leaks "$victim" --fail-if 'new>0'
}

@test "small ones are left out, and what is excluded with all that it has" {
	victim tangled chain tree pair huge
	look leaks --all --min-size 1K
	is_so '[.groups[].size] | length == 2 and min > 100000'
	run -0 mf leaks --max-pause 10s --min-size 1G "$victim"
	[[ $output != *'all'*'are reached.'* ]]
	[[ $output == *'but what is told of below'* ]]
	[[ $output == *' others ('*') smaller than asked for.'* ]]
	look leaks --all
	is_known 'everything'
	look leaks --all --exclude "$(awk '$2 == "lost" && $3 == "tree" {
		print $4 }' "$stats")+0x8"
	is_so ".leaked.count == $(awk '$2 ~ /lost|hanging|circle/ &&
		$3 != "tree" { n++ } END { print n }' "$stats")"
}

@test "types of what is lost, and without them" {
	[ -x "$FIXTURES/owners" ] || skip 'there is no compiler for C++'
	victim owners objects-leaked unique-leaked
	look leaks --all
	is_known 'with types'
	is_so '[.groups[] | select(.type == "Both") | .count] | add == 11'
	look leaks --all --exclude type:Both
	is_so '[.groups[] | select(.type == "Both")] == []'
	is_so ".leaked.count < $(awk '$2 == "leaked" { n++ }
		END { print n - 20 }' "$stats")"
}

@test "text: what is lost, what hangs on it, and how sure that is" {
	victim tangled chain pair self
	run -0 mf leaks --max-pause 10s "$victim"
	[[ $output == *'LEAKED, AND HELD BY NOTHING'* ]]
	[[ $output == *'LEAKED, AND HELD BY THOSE'* ]]
	dismiss
	victim tangled inside
	run -0 mf leaks --max-pause 10s "$victim"
	[[ $output != *'LEAKED, AND HELD'* ]]
}

@test "damaged heaps are looked at as far as they go" {
	local fault
	for fault in none 'overflow 30' nul top stale-tcache stale-fast \
		stale-bin stale-tail twice-tcache twice-fast; do
		# shellcheck disable=SC2086 # words
		victim damage $fault
		look leaks --all || [ $? = 2 ]
		is_so '.leaked.count >= 0 and .reachable.count >= 0'
		dismiss
	done
}

@test "a process that ends meanwhile" {
	local pid status=0
	victim churn 16 2 1
	mf leaks --json --max-pause 10s "$victim" >"$report" 2>"$work/words" &
	pid=$!
	kill -KILL "$victim"
	wait "$pid" || status=$?
	echo "it said $status: $(cat "$work/words")"
	[[ $status =~ ^(0|2|4)$ ]]
}

# Programs with the glibc in FOLDER.
runs_with() { # FOLDER NAME CASE...
	local folder=$1 loader
	shift
	loader=$(find "$folder" -name 'ld-linux*' -print -quit)
	LIBRARY=$FIXTURES/library.so start_until '^ready$' "$loader" \
		--library-path "$folder" \
		--preload 'libpthread.so.0 libdl.so.2' "$FIXTURES/$1" "${@:2}"
	adopt
	find_leaks --no-symbols
	is_known "$*"
	dismiss
}

@test "other versions of glibc" {
	local folder version none=1
	while read -r _ version folder; do
		[ "$version" != - ] || continue
		none=0
		runs_with "$folder" lost variables table library library-own \
			map map-lost libc main stack dead tls specific ended \
			unjoined register
		runs_with "$folder" tangled
	done < <("$here/../../contrib/glibcs/get" bullseye trixie sid \
		experimental 2>/dev/null || true)
	[ "$none" = 0 ] || skip 'no other glibc can be had'
}
