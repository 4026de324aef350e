#!/usr/bin/env bats
# Allocators and runtimes other than glibc, as real programs use them: each is
# named, owns its memory, and glibc is blamed for none of it. What memforensics
# says is compared with what the runtime says of itself.

load helper

programs=$BATS_TEST_DIRNAME/../../fixtures/programs

setup() {
	report=$BATS_TEST_TMPDIR/maps.json
	arenas=$BATS_TEST_TMPDIR/arenas.json
}

# Both reports on $PID; all that is resident is explained but for ANON bytes.
look() { # ANON
	mf maps --json --stop brief --max-pause 10s "$PID" >"$report"
	mf arenas --json --stop brief --max-pause 10s "$PID" >"$arenas"
	json_holds "$report" "
		.rss_total - .rss_explained <= $1 and
		.rss_total > 0 and .partial == []"
}

# RSS of all regions of the classes.
rss_of() { # CLASS...
	local IFS='|'
	jq --arg classes "^($*)\$" '[.totals[] |
		select(.class | test($classes)) | .rss] | add // 0' "$report"
}

size_of_label() { # LABEL
	jq --arg text "$1" '[.regions[] | select(.label == $text) |
		.size] | add // 0' "$report"
}

parameter() { # ALLOCATOR KEY
	jq -e --arg name "$1" --arg key "$2" \
		'.allocators[] | select(.name == $name) | .params[$key]' "$arenas"
}

# ALLOCATOR is there, and of VERSION, and as little or as much is known of it.
names() { # ALLOCATOR VERSION [walked]
	jq -e --arg name "$1" --arg version "$2" --arg walked "${3-}" \
		'.allocators |
		map(select(.name == $name)) | length == 1 and
		(.[0] | .supported == ($name == "jemalloc" or
			$walked == "walked") and
			(.why | length > 0) and
			(.version | test($version)))' "$arenas" || {
		jq .allocators "$arenas"
		return 1
	}
}

first_is() { # ALLOCATOR
	json_holds "$arenas" ".allocators[0].name == \"$1\""
}

# VALUE is between LOW and HIGH.
between() { # VALUE LOW HIGH
	if (($1 < $2 || $1 > $3)); then
		echo "$1 is not in $2..$3"
		return 1
	fi
}

# What the program said of KEY.
said() { # KEY
	awk -v key="$1" '$1 == key { print $2 }' "$FIXTURE_SAID"
}

glibc_has_nothing() {
	[ "$(rss_of heap arena mmap-chunk)" -eq 0 ]
}

preload() { # LIBRARY ALLOCATOR CLASS VERSION
	local library kept
	library=$(ldconfig -p | awk -v name="$1" '$1 == name { print $NF; exit }')
	[ -n "$library" ] || skip "$1 is not installed"
	start_until '^ready$' env "LD_PRELOAD=$library" "$FIXTURES/keeper"
	look 65536
	names "$2" "$4"
	first_is "$2"
	glibc_has_nothing
	kept=$(said kept)
	between "$(rss_of "$3")" "$kept" $((kept * 3 / 2))
}

@test "jemalloc preloaded" {
	preload libjemalloc.so.2 jemalloc jemalloc '^5\.[0-9]+\.[0-9]+$'
}

@test "gperftools' tcmalloc preloaded" {
	preload libtcmalloc.so.4 tcmalloc tcmalloc '^gperftools [0-9.]+$'
}

@test "gperftools' minimal tcmalloc preloaded" {
	preload libtcmalloc_minimal.so.4 tcmalloc tcmalloc '^gperftools'
}

@test "mimalloc preloaded" {
	preload libmimalloc.so.2 mimalloc mimalloc '^[12]\.[0-9]+\.[0-9]+$'
}

@test "of two allocators the first in link order owns malloc" {
	local jemalloc mimalloc
	jemalloc=$(ldconfig -p | awk '$1 == "libjemalloc.so.2" { print $NF; exit }')
	mimalloc=$(ldconfig -p | awk '$1 == "libmimalloc.so.2" { print $NF; exit }')
	[ -n "$jemalloc" ] && [ -n "$mimalloc" ] ||
		skip "libjemalloc.so.2 or libmimalloc.so.2 is not installed"
	start_until '^ready$' env "LD_PRELOAD=$jemalloc $mimalloc" \
		"$FIXTURES/keeper"
	look 65536
	first_is jemalloc
	names jemalloc .
	names mimalloc .
	json_holds "$arenas" '.allocators[] | select(.name == "mimalloc") |
		.resident == 0 and (.why | test("not in use"))'
	between "$(rss_of jemalloc)" "$(said kept)" $(($(said kept) * 3 / 2))
}

@test "redis: jemalloc's extents are what INFO says" {
	local socket=$BATS_TEST_TMPDIR/redis active resident
	needs redis-server redis-cli
	start_until 'eady to accept connections' redis-server --port 0 \
		--unixsocket "$socket" --save '' --appendonly no
	redis-cli -s "$socket" eval \
		"for i = 1, 200000 do redis.call('set', 'key:' .. i,
			string.rep('x', 100 + i % 50)) end" 0 >/dev/null
	redis-cli -s "$socket" info memory | tr -d '\r' |
		tr ':' ' ' >>"$FIXTURE_SAID"
	grep -q '^mem_allocator jemalloc' "$FIXTURE_SAID" ||
		skip "redis is not built with jemalloc"
	look 65536
	names jemalloc '^5\.'
	first_is jemalloc
	glibc_has_nothing
	active=$(said allocator_active)
	resident=$(said allocator_resident)
	between "$(parameter jemalloc active)" $((active - (2 << 20))) \
		$((active + (2 << 20)))
	between "$(rss_of jemalloc)" $((active * 9 / 10)) \
		$((resident + (4 << 20)))
}

@test "python: the arenas that the interpreter counts" {
	local count
	needs python3
	start_until '^ready$' python3 "$programs/keeper.py"
	count=$(sed -n 's/^# arenas allocated current *= *//p' "$FIXTURE_SAID")
	[ -n "$count" ] || skip "this python3 has no arenas"
	mf maps --json --stop brief --max-pause 10s "$PID" >"$report"
	mf arenas --json --stop brief --max-pause 10s "$PID" >"$arenas"
	names cpython '^3\.' walked
	[ "$(parameter cpython arenas)" -eq "$count" ]
	[ "$(size_of_label "python arenas")" -eq \
		$((count * $(parameter cpython arena_size))) ]
}

@test "python: the blocks that the interpreter counts, of each size" {
	needs python3
	start_until '^ready$' python3 "$programs/keeper.py"
	grep -q '^# arenas allocated current' "$FIXTURE_SAID" ||
		skip "this python3 has no arenas"
	mf chunks --json --stop brief --max-pause 10s --histogram "$PID" \
		"class:python-arena" >"$report"
	# class, size, pools, blocks in use, blocks to be had
	awk 'NF == 5 && $1 ~ /^[0-9]+$/ { print $2, $4, $5 }' "$FIXTURE_SAID" |
		sort >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" -gt 20 ]
	jq -r '.sizes[] | select(.size <= 512) |
		"\(.size) \(.in_use_count) \(.free_count)"' "$report" |
		sort >"$BATS_TEST_TMPDIR/listed"
	diff "$BATS_TEST_TMPDIR/known" "$BATS_TEST_TMPDIR/listed"
	# and all of an arena is something
	local sum
	sum=$(jq '[.totals[].bytes] | add' "$report")
	mf maps --json --stop brief --max-pause 10s "$PID" >"$report"
	[ "$sum" -eq "$(size_of_label "python arenas")" ]
}

@test "python: each thread's data stack, whatever its depth" {
	local chunks
	needs python3
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
		skip "before 3.11 frames lie in malloc's memory"
	start_until '^ready$' python3 "$programs/keeper.py" 0 0 20000
	mf maps --json --stop brief --max-pause 10s "$PID" >"$report"
	mf arenas --json --stop brief --max-pause 10s "$PID" >"$arenas"
	# of the main thread and of the other three; a frame is 80 bytes or more
	chunks=$(parameter cpython data_stack_chunks)
	[ "$chunks" -ge $((20000 * 80 / 16384)) ]
	[ "$(size_of_label "Python data stack")" -eq $((chunks * 16384)) ]
	[ "$(rss_of anon)" -eq 0 ]
}

@test "python: no arenas when its objects come from malloc" {
	needs python3
	start_until '^ready$' env PYTHONMALLOC=malloc \
		python3 "$programs/keeper.py"
	mf maps --json --stop brief --max-pause 10s "$PID" >"$report"
	mf arenas --json --stop brief --max-pause 10s "$PID" >"$arenas"
	names cpython '^3\.'
	[ "$(size_of_label "python arenas")" -eq 0 ]
}

@test "node: V8's chunks add up to total_heap_size" {
	needs node
	start_until '^ready$' node "$programs/keeper.js"
	look $((1 << 20))
	names v8 '^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$'
	[[ $(said v8) == "$(jq -r '.allocators[] |
		select(.name == "v8") | .version' "$arenas")"* ]]
	[ "$(parameter v8 chunk_bytes)" -eq "$(said total)" ]
	[ "$(rss_of v8-heap)" -gt $((16 << 20)) ]
}

java_keeper() { # OPTION...
	needs java jcmd
	java "$@" -version >/dev/null 2>&1 || skip "java has no $*"
	start_until '^ready$' java "$@" -Xmx256m "$programs/Keeper.java"
	look $((4 << 20))
	names hotspot '^[0-9]+'
	json_holds "$report" '[.totals[].class] |
		index("java-heap") and index("java-code") and
		index("java-metaspace")'
}

# The reserved range that jcmd prints, and ours of the heap itself.
java_range_agrees() {
	local range
	range=$(jcmd "$PID" GC.heap_info |
		grep -oE '0x[0-9a-f]{16}' | sort | sed -n '1p;$p' |
		sed 's/0x0*/0x/' | tr '\n' ' ')
	[ "$range" = "$(jq -r '[.regions[] |
		select(.label | startswith("java heap"))] |
		"\(.[0].start) \(.[-1].end) "' "$report")" ]
}

@test "java: G1's heap is where jcmd says" {
	java_keeper -XX:+UseG1GC
	[ "$(parameter hotspot java_heap_reserved)" -eq "$(said max)" ]
	java_range_agrees
	json_holds "$report" '[.regions[] |
		select(.label == "java G1 table")] | length > 0'
}

# An entry and two Integers have 32 and twice 16 bytes, in a heap whose references
# have half a word.
@test "java: objects are told as what they are, references of half a word too" {
	needs java
	cat >"$BATS_TEST_TMPDIR/Objects.java" <<-'JAVA'
	public class Objects {
		public static void main(String[] a) throws Exception {
			var kept = new java.util.HashMap<Integer, Integer>();
			for (int i = 1000; i < 301000; i++)
				kept.put(i, -i);
			System.out.println("ready");
			System.in.read();
			System.out.println(kept.size());
		}
	}
	JAVA
	start_until '^ready$' java -XX:+UseSerialGC -Xmx256m \
		-XX:+UseCompressedOops "$BATS_TEST_TMPDIR/Objects.java"
	mf scan --json --content --stop brief --max-pause 10s "$PID" \
		class:java-heap >"$report"
	json_holds "$report" '([.groups[] |
		select(.label | startswith("java heap")) | .java] | add) >=
		300000 * 64 * 0.95'
}

@test "java: the serial collector's heap is where jcmd says" {
	java_keeper -XX:+UseSerialGC
	[ "$(parameter hotspot MaxHeapSize)" -eq $((256 << 20)) ]
	java_range_agrees
}

@test "java: ZGC's heap is its memory file" {
	java_keeper -XX:+UseZGC
	[ "$(rss_of java-heap)" -gt $((20000000)) ]
	[ "$(rss_of memfd)" -eq 0 ]
}

build_go() { # OUTPUT OPTION...
	local output=$1
	shift
	needs go
	GOCACHE=$BATS_FILE_TMPDIR/go GO111MODULE=off \
		go build -o "$output" "$@" "$programs/keeper.go"
}

@test "go: its arenas, its tables, and nothing left over" {
	local flags
	for flags in '' '-s -w'; do
		build_go "$BATS_TEST_TMPDIR/keeper" -ldflags "$flags"
		start_until '^ready$' "$BATS_TEST_TMPDIR/keeper"
		look 0
		names go '^1\.'
		first_is go
		glibc_has_nothing
		between "$(parameter go arenas)" $(($(said sys) >> 26)) \
			$((($(said sys) >> 26) + 1))
		between "$(jq '[.regions[] | select(.label == "Go arenas") |
			.rss] | add' "$report")" $(($(said inuse) / 2)) \
			"$(said sys)"
		json_holds "$report" '.regions[] |
			select(.start == "0xc000000000") |
			.class == "go-heap" and .owner == "go"'
		stop_all
	done
}

@test "go in a shared object is not malloc" {
	needs go gcc
	cat >"$BATS_TEST_TMPDIR/host.c" <<-'END'
		#include <dlfcn.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		int main(int argc, char **argv)
		{
			void *library = dlopen(argv[argc - 1], RTLD_NOW);
			void (*fill)(void) =
				library ? dlsym(library, "Fill") : NULL;
			if (!fill)
				return 1;
			for (int i = 0; i < 5000; i++)
				memset(malloc(1000), 1, 1000);
			fill();
			puts("ready");
			fflush(stdout);
			return getchar();
		}
	END
	cat >"$BATS_TEST_TMPDIR/fill.go" <<-'END'
		package main

		import "C"

		var kept [][]byte

		//export Fill
		func Fill() {
			for i := 0; i < 100000; i++ {
				kept = append(kept, make([]byte, 16+i*37%700))
			}
		}

		func main() {}
	END
	gcc -o "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/host.c" -ldl
	GOCACHE=$BATS_FILE_TMPDIR/go GO111MODULE=off go build \
		-buildmode=c-shared -o "$BATS_TEST_TMPDIR/fill.so" \
		"$BATS_TEST_TMPDIR/fill.go"
	start_until '^ready$' "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/fill.so"
	look $((1 << 20))
	first_is glibc
	names go '^1\.'
	json_holds "$report" '.regions[] | select(.start == "0xc000000000") |
		.class == "go-heap"'
	between "$(rss_of heap)" 5000000 8000000
	between "$(rss_of go-heap)" 10000000 90000000
}

musl_keeper() { # OPTION...
	local kept
	needs musl-gcc
	musl-gcc -o "$BATS_TEST_TMPDIR/keeper" "$@" "$programs/keeper.c"
	start_until '^ready$' "$BATS_TEST_TMPDIR/keeper"
	look 0
	names musl ''
	first_is musl
	glibc_has_nothing
	kept=$(said kept)
	between "$(rss_of musl-heap)" "$kept" $((kept * 3 / 2))
	[ "$(parameter musl single_mappings)" -eq 12 ]
}

@test "musl, in its libc" {
	musl_keeper
	names musl '^1\.2\.'
}

@test "musl, static and stripped" {
	musl_keeper -static -s
}
