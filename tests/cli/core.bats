#!/usr/bin/env bats
# Cores as they come: cut off, copied without their holes, without the files
# that the process had mapped. Truth is what was said of the process while it
# lived; kinds.bats compares all else.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	work=$BATS_TEST_TMPDIR
	cd "$work" || return
	ulimit -c unlimited || true
}

# The kernel's core of PROGRAM, in core, and the report of it alive, in live.json.
dump() { # PROGRAM ARGUMENT...
	[ "$(cat /proc/sys/kernel/core_pattern)" = core ] ||
		skip "cores do not go where the process is"
	[ "$(ulimit -c)" = unlimited ] || skip "the size of cores is limited"
	start_until '^ready$' "$@"
	mf arenas --json --stop brief --max-pause 10s "$PID" >live.json
	kill -SEGV "$PID"
	wait "$PID" || true
	[ -e core ] || mv core.* core
}

# The heap figures of REPORT, a line each; not those of what is in RAM, which
# not every core tells.
figures() { # REPORT
	jq -c '.allocators[].arenas[] | [.address, .system, .overhead.bytes,
		(.in_use, .free, .fastbin, .tcache, .top | [.count, .bytes])]' "$1"
}

has_the_figures() { # CORE [OPTION...]
	local core=$1
	shift
	mf arenas --json "$@" "$core" >core.json || [ $? = 2 ]
	diff <(figures live.json) <(figures core.json)
}

@test "heap figures of a core are those of the process" {
	dump "$FIXTURES/arenas" heaps 2 8
	has_the_figures core
	json_holds core.json '.target.kind == "core" and .target.pid > 0 and
		.impact.stop == "none" and .impact.why == "a core file"'
	[ "$(jq '.target.threads' core.json)" = "$(jq '.target.threads' live.json)" ]
}

@test "a core that was copied without its holes" {
	dump "$FIXTURES/arenas" heaps 2 8
	cat core >filled
	has_the_figures filled
	json_holds core.json '.partial | any(.what == "residency" and
		(.why | startswith("estimated")))'
}

@test "a core that somebody packed" {
	command -v zstd >/dev/null || skip "no zstd"
	dump "$FIXTURES/arenas" heaps 2 8
	zstd -q core -o core.zst
	rm core
	has_the_figures core.zst
	json_holds core.json '.partial | any(.what == "residency" and
		(.why | startswith("estimated")))'
}

@test "a core that is cut off gives what it holds" {
	local size end
	dump "$FIXTURES/arenas" heaps 2 8
	size=$(stat -c %s core)
	for end in $((size / 2)) $((size / 7)) 70000 4096 64; do
		head -c "$end" core >half
		run -2 --separate-stderr mf attach --json half
		printf '%s\n' "$output" >half.json
		json_holds half.json '.partial | any(.what == "core file")'
	done
	# the first half still has the program, its heap and its first arena
	head -c $((size / 2)) core >half
	mf arenas --json half >half.json || [ $? = 2 ]
	json_holds half.json '.partial | any(.why | test("^it is cut off: [0-9]"))'
}

@test "a program that was built anew since is not believed" {
	mkdir old
	cp "$FIXTURES/arenas" old/program
	dump "$work/old/program" heaps 2 8
	# another build of it, under the same name
	cp "$FIXTURES/bins" old/program
	run -2 --separate-stderr mf maps --json core
	printf '%s\n' "$output" >core.json
	json_holds core.json ".partial | any(.what == \"files\" and
		(.why | contains(\"$work/old/program is another\")))"
	# its heap is malloc's, which is in libc
	has_the_figures core
}

@test "files are sought below --symfs first" {
	mkdir old root
	cp "$FIXTURES/arenas" old/program
	dump "$work/old/program" heaps 2 8
	mkdir -p "root$work/old"
	mv old/program "root$work/old/program"
	mf maps --json core >missing.json || [ $? = 2 ]
	json_holds missing.json '.partial | any(.what == "files" and
		(.why | contains("old/program is not there")))'
	has_the_figures core --symfs "$work/root"
	json_holds core.json '.partial | all(.what != "files")'
}

@test "a static program whose file is gone" {
	[ -x "$FIXTURES/static-arenas" ] || skip "no static libc to link with"
	cp "$FIXTURES/static-arenas" program
	dump "$work/program" heaps 2 8
	rm program
	has_the_figures core
}

@test "ELF files that are no cores are refused" {
	run -5 --separate-stderr mf arenas "$FIXTURES/arenas"
	[[ $stderr == *"a program or a library, not a core"* ]]
	# a 32-bit core: the class is its fifth byte
	dump "$FIXTURES/arenas" main
	cp core other
	printf '\1' | dd of=other bs=1 seek=4 conv=notrunc status=none
	run -5 --separate-stderr mf arenas other
	[[ $stderr == *"32-bit"* ]]
	cp core other
	printf '\377' | dd of=other bs=1 seek=18 conv=notrunc status=none
	run -5 --separate-stderr mf arenas other
	[[ $stderr == *"another kind of machine"* ]]
}

@test "gdb's core of threads" {
	command -v gcore >/dev/null || skip "no gcore"
	start_until '^ready$' "$FIXTURES/stacks" 20 5
	mf maps --json --stop brief --max-pause 10s "$PID" >live.json
	gcore -o g "$PID" >/dev/null
	run -2 --separate-stderr mf maps --json "g.$PID"
	printf '%s\n' "$output" >core.json
	diff <(jq -c '.regions[] | select(.class == "thread-stack") |
		[.start, .end, .label, .perms]' live.json) \
		<(jq -c '.regions[] | select(.class == "thread-stack") |
		[.start, .end, .label, .perms]' core.json)
	# guards: gdb says that they can be read
	diff <(jq -c '.regions[] | select(.class == "guard") | .start' live.json) \
		<(jq -c '.regions[] | select(.class == "guard") | .start' core.json)
}
