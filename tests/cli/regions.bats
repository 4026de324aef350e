#!/usr/bin/env bats
# What `maps` calls the regions of programs that know what they are.

# shellcheck disable=SC2154 # here, victim, work, stats, report: of victims.bash
load victims

# Classes of the regions that lie in START+SIZE, one a line, without repeats.
classes_in() { # START SIZE
	jq -r --argjson s "$(($1))" --argjson e "$(($1 + $2))" '
		def n: reduce (ltrimstr("0x") | ascii_downcase | explode[]) as $c
			(0; . * 16 + if $c >= 97 then $c - 87 else $c - 48 end);
		.regions[] | select((.start | n) < $e and (.end | n) > $s) | .class
		' "$report" | sort -u
}

# The region that begins at START exactly, or nothing.
region_at() { # START
	jq -c --arg s "$(printf '0x%x' "$1")" \
		'.regions[] | select(.start == $s)' "$report"
}

@test "look-alikes of 64 MiB are not called arenas" {
	victim lookalike
	look maps
	while read -r _ start size _ kind; do
		classes=$(classes_in "$start" "$size")
		echo "$kind: $classes"
		[[ $classes != *arena* ]]
	done < <(grep ^lookalike "$stats")
	real=$(said real)
	[ "$(classes_in $((real & ~0x3ffffff)) $((64 << 20)))" = \
		$'arena\narena-reserve' ]
}

@test "mappings that the kernel merged are split" {
	victim merged
	read -r _ start _ < <(grep ^merged "$stats")
	# first that they are: one mapping holds a heap's start inside it
	awk -v at="$((start + (64 << 20)))" -F '[- ]' '
		function n(hex, i, v) { for (i = 1; i <= length(hex); i++)
			v = v * 16 + index("0123456789abcdef",
				substr(hex, i, 1)) - 1; return v }
		n($1) < at && n($2) > at { found = 1 }
		END { exit !found }' "/proc/$victim/maps"
	look maps
	[[ $(region_at "$start") == *'"class":"arena"'* ]]
	[[ $(region_at $((start + (64 << 20)))) == *'"class":"arena"'* ]]
	read -r _ plain size < <(grep ^plain "$stats")
	[ "$(classes_in "$plain" "$size")" = anon ]
	[[ $(region_at "$plain") == *'"class":"anon"'* ]]
}

@test "two threads with 100 blocks: the picture of the well-known listing" {
	victim curve
	look maps
	# two arenas, each with its reserve 65536 kB, each as resident as large
	jq -c '.regions[] | select(.class | startswith("arena")) |
		[.class, .size, .rss]' "$report" >"$work/arenas"
	cat "$work/arenas"
	[ "$(jq -r '.[0]' "$work/arenas")" = \
		$'arena\narena-reserve\narena\narena-reserve' ]
	[ "$(jq -s 'map(.[1]) | add' "$work/arenas")" = $((2 * 65536 * 1024)) ]
	jq -se 'map(select(.[0] == "arena")) |
		all(.[1] == .[2] and .[1] >= 404 * 1024 and
		    .[1] <= 412 * 1024)' "$work/arenas"
	jq -se 'map(select(.[0] == "arena-reserve")) | all(.[2] == 0)' \
		"$work/arenas"
	# two stacks of 8 MiB, each with a guard right below it
	[ "$(jq '[.regions[] | select(.class == "thread-stack")] | length' \
		"$report")" = 2 ]
	jq -e '.regions as $r | [$r[] | select(.class == "thread-stack")] |
		all(.size <= 8388608 and .start as $s |
		    $r | any(.end == $s and .class == "guard"))' "$report"
	jq -e '.regions | any(.class == "heap" and .path == "[heap]")' "$report"
	jq -e '.rss_explained == .rss_total' "$report"
}

@test "an arena and its reserve make 64 MiB, heap by heap" {
	victim arenas heaps 3 150
	look maps
	jq -e '[.regions[] | select(.class | startswith("arena")) | .size] | add
		== 9 * 67108864' "$report"
}

@test "stacks of the living, and of those who have left" {
	victim stacks 5 12 1024
	[ "$(grep -c ^live-stack "$stats")" = 5 ]
	[ "$(grep -c ^cached-stack "$stats")" = 12 ]
	look maps
	while read -r what start size; do
		echo "$what $start: $(classes_in "$start" "$size")"
		[[ $(classes_in "$start" "$size") =~ ^thread-stack ]]
		[ "$(classes_in $((start - 4096)) 4096)" = guard ]
	done < <(grep -E '^(live|cached)-stack' "$stats")
	[ "$(jq '[.regions[] | select(.class == "guard")] | length' \
		"$report")" -ge 17 ]
	# each living thread is named, and no dead one
	for tid in "/proc/$victim/task"/*; do
		tid=${tid##*/}
		[ "$tid" = "$victim" ] || jq -e --arg tid "$tid" '.regions | any(
			.class == "thread-stack" and
			(.label + .owner | contains($tid)))' "$report"
	done
	[ "$(jq '[.regions[] | select(.class == "thread-stack" and
		(.label | test("cached|ended|free"; "i")))] | length' \
		"$report")" = 12 ]
}

@test "1000 threads" {
	victim stacks 1000 0 256
	look maps
	jq -e '[.regions[] | select(.class == "thread-stack")] | length == 1000' \
		"$report"
	jq -e '.rss_explained == .rss_total' "$report"
}

@test "mmapped chunks are named, each one" {
	victim mmapped all
	look maps
	while read -r _ start size; do
		[[ $(classes_in "$start" "$size") == mmap-chunk ]]
	done < <(grep ^mmapped-chunk "$stats")
	[ "$(jq '[.regions[] | select(.class == "mmap-chunk") | .size] | add' \
		"$report")" = "$(said hblkhd)" ]
}

@test "a main arena on mmap is somebody's" {
	victim mainheap never
	look maps
	jq -e --argjson n "$(said arena)" '[.regions[] | select(.owner == "glibc"
		and (.class == "heap" or .class == "arena")) | .size] |
		add == $n' "$report"
}

# The reasons for which the region of KIND is suspicious.
reasons() { # KIND
	local start
	start=$(awk -v kind="$1" '$1 == "region" && $2 == kind { print $3; exit }' \
		"$stats")
	region_at "$start" | jq -c '.suspicious.reasons'
}

@test "suspicious regions, with reasons" {
	victim wx
	look maps
	for kind in writable-executable elf-header executable equal plain; do
		echo "$kind: $(reasons $kind)"
	done
	[[ $(reasons writable-executable) == *exec*writ* ||
		$(reasons writable-executable) == *writ*exec* ]]
	[[ $(reasons elf-header) == *ELF* ]]
	[[ $(reasons executable) == *exec* ]]
	[[ $(reasons equal) == *equal* || $(reasons equal) == *same* ]]
	[ "$(reasons plain)" = '[]' ]
}

@test "nothing is suspicious about an ordinary process" {
	victim arenas heaps 3 70
	look maps
	jq -e '.regions | all(.suspicious.score < 0.5)' "$report"
}
