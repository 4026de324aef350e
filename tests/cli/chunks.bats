#!/usr/bin/env bats
# What `chunks` lists and counts: compared with programs that know their blocks
# (malloc_usable_size), with what `arenas` says, and with itself.

bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report
	programs=$here/../../fixtures/programs
}

chunks() { # OPTION...
	mf chunks "$PID" --stop brief --max-pause 10s --json "$@" >"$report"
}

@test "every block of a program, with its place and its usable size" {
	start_fixture blocks 20000
	chunks
	awk '$1 == "block" { print $2, $3 }' "$FIXTURE_SAID" |
		sort >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" -gt 13000 ]
	# 16 bytes of header come before what malloc gives out
	jq -r '.chunks[] | select(.state == "in_use" or .state == "mmapped") |
		"\(.address) \(.usable)"' "$report" |
		while read -r address usable; do
			printf '0x%x %d\n' $((address + 16)) "$usable"
		done | sort >"$BATS_TEST_TMPDIR/listed"
	[ -z "$(comm -23 "$BATS_TEST_TMPDIR/known" \
		"$BATS_TEST_TMPDIR/listed")" ]
	# libc's own: tables, buffers, the array itself
	[ "$(comm -13 "$BATS_TEST_TMPDIR/known" \
		"$BATS_TEST_TMPDIR/listed" | wc -l)" -lt 20 ]
}

@test "the totals are those of arenas" {
	start_fixture blocks 30000 quiet
	freeze "$PID"
	chunks
	mf arenas "$PID" --json >"$report.arenas"
	local state
	for state in in_use tcache free top; do
		[ "$(jq ".totals[] | select(.state == \"$state\").bytes" \
			"$report")" -eq "$(jq \
			".allocators[0].$state.bytes" "$report.arenas")" ]
	done
	for state in in_use tcache free mmapped; do
		[ "$(jq ".totals[] | select(.state == \"$state\").count" \
			"$report")" -eq "$(jq \
			".allocators[0].$state.count" "$report.arenas")" ]
	done
	# and of the list, and of the sizes
	json_holds "$report" '(.chunks | length) == (.totals | map(.count) | add)
		and (.chunks | map(.size) | add) == (.totals | map(.bytes) | add)'
	json_holds "$report" '(.sizes | map(.in_use_bytes + .free_bytes) | add)
		== (.totals | map(select(.state != "overhead").bytes) | add)'
	json_holds "$report" '.sizes | [.[] | .in_use_bytes + .free_bytes] |
		. == (sort | reverse)'
}

@test "by address they ascend and have no gaps within a heap" {
	start_fixture blocks 5000 quiet
	chunks heap
	json_holds "$report" '[.chunks[] | select(.arena == 0)] | length > 1000'
	jq -r '.chunks[] | "\(.address) \(.size)"' "$report" | {
		local address size end=0
		while read -r address size; do
			((address >= end))
			[ "$end" -eq 0 ] || ((address == end))
			end=$((address + size))
		done
	}
}

@test "states and sizes choose" {
	start_fixture blocks 20000 quiet
	freeze "$PID"
	chunks
	local all=$report.all
	cp "$report" "$all"
	chunks --state free,tcache
	[ "$(jq -c '[.chunks[].address]' "$report")" = "$(jq -c '[.chunks[] |
		select(.state == "free" or .state == "tcache").address]' \
		"$all")" ]
	json_holds "$report" '.chunks | length > 100'
	chunks --state mmapped --state top
	[ "$(jq -c '[.chunks[].address]' "$report")" = "$(jq -c '[.chunks[] |
		select(.state == "mmapped" or .state == "top").address]' \
		"$all")" ]
	chunks --min-size 0x100 --max-size 300 --state in-use
	[ "$(jq -c '[.chunks[].address]' "$report")" = "$(jq -c '[.chunks[] |
		select(.state == "in_use" and .size >= 256 and .size <= 300)
		.address]' "$all")" ]
	json_holds "$report" '.chunks | length > 100'
}

@test "regions choose: an arena, a range of addresses, a mapping" {
	start_fixture blocks 20000 quiet
	freeze "$PID"
	chunks arena:1
	json_holds "$report" '(.chunks | length) > 1000 and
		all(.chunks[]; .arena == 1)'
	local address
	address=$(jq -r '.chunks[700].address' "$report")
	local around
	around=$(jq -c '[.chunks[700:703][].address]' "$report")
	local end
	end=$(printf '0x%x' $(($(jq -r '.chunks[703].address' "$report"))))
	chunks "$(printf '%x-%x' $((address + 20)) "$end")"
	[ "$(jq -c '[.chunks[].address]' "$report")" = "$around" ]
	run -64 mf chunks "$PID" arena:99x
	run -64 mf chunks "$PID" --state lost
	run -64 mf chunks "$PID" --min-size 2K --max-size 1K
	[[ $output == *"larger than --max-size"* ]]
}

@test "a type chooses: objects of C++, as many as the program counts" {
	[ -x "$FIXTURES/objects" ] || skip "no g++ to build it"
	start_fixture objects
	freeze "$PID"
	local type count checked=0
	while read -r count type; do
		chunks --type "$type"
		[ "$(jq '.chunks | length' "$report")" -eq "$count" ]
		json_holds "$report" "all(.chunks[]; .type == \"$type\" and
			.state == \"in_use\") and
			(.totals | map(.count) | add) == $count"
		checked=$((checked + 1))
	done < <(sed -n 's/^type \([0-9]* \(Box<int>\|Box<Derived\*>\|Diamond\)\)$/\1/p' \
		"$FIXTURE_SAID")
	[ "$checked" -eq 3 ]
	chunks --type 'Box<*' --sort size
	json_holds "$report" '[.chunks[].type] | unique ==
		["Box<Derived*>", "Box<int>"]'
	chunks --type NoSuchType
	json_holds "$report" '.chunks == []'
}

@test "largest first, of more than are put in order at once" {
	start_fixture blocks 900000 quiet
	freeze "$PID"
	mf chunks "$PID" -f csv --state in-use --stop brief --max-pause 10s \
		>"$report.address"
	mf chunks "$PID" -f csv --state in-use --stop brief --max-pause 10s \
		--sort size >"$report.size"
	[ "$(grep -c '^0x.*in_use' "$report.address")" -gt 550000 ]
	# sizes descend, addresses of one size ascend, nothing is lost or twice
	cmp <(grep '^0x.*in_use' "$report.size") \
		<(grep '^0x.*in_use' "$report.address" |
			LC_ALL=C sort -s -t, -k2,2nr)
	mf chunks "$PID" -f csv --state in-use --sort size --top 1000 |
		grep '^0x.*in_use' >"$report.top"
	cmp "$report.top" <(grep '^0x.*in_use' "$report.size" | head -n 1000)
}

@test "a histogram has every size and class, and no list" {
	start_fixture blocks 20000 quiet
	freeze "$PID"
	chunks
	cp "$report" "$report.all"
	chunks --histogram
	json_holds "$report" 'has("chunks") | not'
	[ "$(jq -c .sizes "$report")" = "$(jq -c .sizes "$report.all")" ]
	json_holds "$report" '(.classes | map(.in_use_bytes) | add) ==
		(.sizes | map(.in_use_bytes) | add)'
	[ "$(jq -c '[.sizes[] | select(.size == 64)][0].in_use_count' \
		"$report")" -eq "$(jq '[.chunks[] | select(.size == 64 and
		.state == "in_use")] | length' "$report.all")" ]
}

@test "text says how many more there are" {
	start_fixture blocks 20000 quiet
	run -0 mf chunks "$PID" --state in-use --top 7
	[[ $output == *"7 of "*" chunks: --top N, or --top all"* ]]
	[ "$(grep -c '^  0x' <<<"$output")" -eq 7 ]
	run -0 mf chunks "$PID" --state in-use --top all
	[ "$(grep -c '^ *0x' <<<"$output")" -gt 10000 ]
	[[ $output != *"--top N"* ]]
}

@test "a listing has no chunks" {
	start_fixture blocks 10
	cat "/proc/$PID/maps" >"$BATS_TEST_TMPDIR/listing"
	run -5 mf chunks "$BATS_TEST_TMPDIR/listing"
}

# ---- jemalloc ---------------------------------------------------------------

# What redis says of its own memory, as KEY of INFO.
redis_says() { # KEY
	redis-cli -s "$BATS_TEST_TMPDIR/redis" info memory | tr -d '\r' |
		awk -F: -v key="$1" '$1 == key { print $2 }'
}

@test "redis: every byte that jemalloc says is allocated" {
	local socket=$BATS_TEST_TMPDIR/redis before after
	needs redis-server redis-cli
	start_until 'eady to accept connections' redis-server --port 0 \
		--unixsocket "$socket" --save '' --appendonly no
	redis-cli -s "$socket" eval "for i = 1, 150000 do
			redis.call('set', 'key:' .. i,
				string.rep('x', 100 + i % 50)) end
		for i = 1, 150000, 3 do redis.call('del', 'key:' .. i) end
		redis.call('set', 'large', string.rep('y', 3000000))" 0
	[[ $(redis_says mem_allocator) = jemalloc* ]] ||
		skip "redis is not built with jemalloc"
	# redis allocates a little on its own, ten times a second
	local try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		before=$(redis_says allocator_allocated)
		chunks --histogram
		after=$(redis_says allocator_allocated)
		[ "$before" != "$after" ] || break
	done
	echo "try $try: $before, then $after"
	# jemalloc counts what its threads keep as allocated
	local bytes
	bytes=$(jq '[.totals[] | select(.state == "in_use" or
		.state == "tcache").bytes] | add' "$report")
	if [ "$before" = "$after" ]; then
		[ "$bytes" -eq "$before" ]
	else
		((bytes > before - (64 << 10) && bytes < after + (64 << 10)))
	fi
	# the regions of each size, as its own statistics count them
	redis-cli -s "$socket" memory malloc-stats | tr -d '\r' |
		awk '/^bins:/ { bins = 1 } bins && /^large:/ { exit }
			bins && $1 ~ /^[0-9]+$/ && $11 > 1000 {
				print $1, $11 }' >"$BATS_TEST_TMPDIR/bins"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/bins")" -ge 4 ]
	local size regions ours
	while read -r size regions; do
		chunks --state in-use,tcache --top 1 \
			--min-size "$size" --max-size "$size"
		ours=$(jq '.totals | map(.count) | add' "$report")
		echo "of $size bytes: $regions, and $ours here"
		((ours >= regions - 64 && ours <= regions + 64))
	done <"$BATS_TEST_TMPDIR/bins"
	mf arenas "$PID" --json --stop brief --max-pause 10s >"$report"
	json_holds "$report" '.allocators[0] | .name == "jemalloc" and
		.supported and .consistency == "exact" and
		(.system == .in_use.bytes + .tcache.bytes +
			.free.bytes + .overhead.bytes) and
		(.arenas | map(.in_use.bytes) | add) == .in_use.bytes and
		(.params.active + .params.dirty + .params.muzzy) == .system'
	chunks --min-size 1M --state in-use
	json_holds "$report" '.chunks | any(.size >= 3000000 and
		.size <= 3670016 and .allocator == "jemalloc")'
}

@test "jemalloc preloaded: every block, with its place and its usable size" {
	local library
	library=$(ldconfig -p |
		awk '$1 == "libjemalloc.so.2" { print $NF; exit }')
	[ -n "$library" ] || skip "libjemalloc.so.2 is not installed"
	start_until '^ready$' env LD_PRELOAD="$library" \
		"$FIXTURES/blocks" 20000
	chunks
	awk '$1 == "block" { print $2, $3 }' "$FIXTURE_SAID" |
		sort >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" -gt 13000 ]
	jq -r '.chunks[] | select(.state == "in_use") |
		"\(.address) \(.usable)"' "$report" |
		sort >"$BATS_TEST_TMPDIR/listed"
	[ -z "$(comm -23 "$BATS_TEST_TMPDIR/known" \
		"$BATS_TEST_TMPDIR/listed")" ]
	# what it freed is in its caches, or free: nothing much else is in use
	[ "$(comm -13 "$BATS_TEST_TMPDIR/known" \
		"$BATS_TEST_TMPDIR/listed" | wc -l)" -lt 20 ]
	json_holds "$report" '.totals | any(.state == "tcache" and .count > 0)'
}

# ---- known by their sizes ---------------------------------------------------

streams() { # COUNT [end]
	needs java javac
	[ -e "$BATS_FILE_TMPDIR/Streams.class" ] ||
		javac -d "$BATS_FILE_TMPDIR" "$programs/Streams.java"
	start_until '^ready$' java -Xmx256m -cp "$BATS_FILE_TMPDIR" Streams "$@"
}

@test "java: Inflaters that were never ended are named and counted" {
	streams 1000
	chunks --top 10
	# the VM may have streams of its own
	json_holds "$report" '.patterns | length == 1 and
		(.[0] | .code == "zlib-inflate" and .count >= 1000 and
		.count <= 1010)'
	mf attach "$PID" --json --stop brief --max-pause 10s >"$report"
	json_holds "$report" '[.findings[] | select(.code == "zlib-streams")] |
		length == 1 and (.[0] | .evidence.streams >= 1000 and
		.evidence.streams <= 1010 and .evidence.kind == "zlib-inflate"
		and (.advice | length) > 0)'
}

@test "java: Inflaters that were ended give no finding" {
	streams 1000 end
	chunks --top 10
	json_holds "$report" '.patterns == []'
	mf attach "$PID" --json --stop brief --max-pause 10s >"$report"
	json_holds "$report" '[.findings[] | select(.code == "zlib-streams")] |
		length == 0'
}

@test "python: streams both ways, each counted" {
	needs python3
	start_until ready python3 -c '
import sys, zlib
packed = zlib.compress(bytes(range(256)) * 400)
kept = []
for i in range(300):
    one = zlib.decompressobj()
    one.decompress(packed[:200], 10)
    kept.append(one)
for i in range(70):
    one = zlib.compressobj()
    one.compress(b"x" * 100)
    kept.append(one)
print("ready", flush=True)
sys.stdin.read()'
	chunks --top 10
	json_holds "$report" '.patterns | length == 2'
	json_holds "$report" '.patterns[] | select(.code == "zlib-inflate") |
		.count == 300'
	json_holds "$report" '.patterns[] | select(.code == "zlib-deflate") |
		.count == 70'
}
