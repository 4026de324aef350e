#!/usr/bin/env bats
# One process that stands still gives the same report however it is looked at:
# held, through a copy, from a core of ours, of gcore or of the kernel. What may
# differ is listed in `same`, each with its reason.

# shellcheck disable=SC2154 # output, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	work=$BATS_TEST_TMPDIR
	commands='maps arenas attach'
	# of the kernel, where the process is
	here=$(realpath "$here")
	cd "$work" || return
	ulimit -c unlimited
}

# Reports of PID by each command, held by STOP, in NAME.COMMAND.json.
look_by() { # NAME STOP
	local command
	for command in $commands; do
		mf "$command" --json --stop "$2" --max-pause 10s "$PID" \
			>"$work/$1.$command.json" || [ $? = 2 ]
		json_holds "$work/$1.$command.json" \
			".impact.stop == \"$2\" and
			.impact.consistency == \"exact\""
	done
}

look_into() { # NAME CORE
	local command
	for command in $commands; do
		mf "$command" --json "$2" >"$work/$1.$command.json" ||
			[ $? = 2 ]
		json_holds "$work/$1.$command.json" \
			'.target.kind == "core" and .impact.stops == 0'
	done
}

# The reports of NAME are those of the process that was held.
are_the_same() { # NAME [--kernel|--gcore]
	local command
	for command in $commands; do
		"$here/same" ${2+"$2"} "$work/brief.$command.json" \
			"$work/$1.$command.json" >"$work/differ" || {
			echo "$command: held | by $1"
			head -n 40 "$work/differ"
			tail -n 1 "$work/differ"
			return 1
		}
	done
}

look_by_ours() {
	look_by brief brief
	look_by copy snapshot
	mf snapshot --max-pause 10s --force -o "$work/own" "$PID"
	look_into own "$work/own"
	mf snapshot --max-pause 10s --force --compress zstd \
		-o "$work/packed" "$PID"
	look_into packed "$work/packed"
	look_by again brief
}

# Held twice, through a copy, and from its own core, plain and packed. The very
# first copy may touch a page of stack. A program that does things of its own
# is looked at until it did none meanwhile.
is_the_same_by_ours() {
	local name _
	look_by copy snapshot
	for _ in {1..10}; do
		look_by_ours
		! are_the_same again >"$work/moved" || break
		echo "# note: it moved, once more" >&3
	done
	cat "$work/moved"
	for name in again copy own packed; do
		are_the_same "$name"
	done
	json_holds "$work/copy.attach.json" '.target.kind == "snapshot"'
}

is_the_same_by_gcore() {
	command -v gcore >/dev/null || skip "no gcore"
	gcore -o "$work/gcore" "$PID" >/dev/null
	look_into gcore "$work/gcore.$PID"
	are_the_same gcore --gcore
}

# Ends it.
is_the_same_by_the_kernel() {
	[ "$(cat /proc/sys/kernel/core_pattern)" = core ] ||
		skip "cores do not go where the process is"
	kill -SYS "$PID"
	wait "$PID" || true
	look_into kernel "$(echo "$work"/core*)"
	are_the_same kernel --kernel
}

# A program, started anew for each way that may change it.
all_kinds_agree() { # START ARGUMENT...
	"$@"
	is_the_same_by_ours
	is_the_same_by_gcore
	stop_all
	"$@"
	look_by brief brief
	is_the_same_by_the_kernel
}

@test "arenas of many threads" {
	all_kinds_agree start_fixture arenas
}

@test "the main heap" {
	all_kinds_agree start_fixture mainheap
}

@test "stacks of threads" {
	all_kinds_agree start_fixture stacks 20 5
}

@test "blocks with a mapping of their own" {
	all_kinds_agree start_fixture mmapped
}

@test "a static program" {
	all_kinds_agree start_fixture static-arenas
}

@test "Python" {
	all_kinds_agree start_until ready python3 -c 'import json, ssl, sys
kept = [{"n": i} for i in range(100000)][::10]
print("ready", flush=True); sys.stdin.read()'
}

@test "redis" {
	command -v redis-server >/dev/null || skip "no redis-server"
	all_kinds_agree start_until 'eady to accept' redis-server --port 0 \
		--save '' --dir "$work" --unixsocket "$work/socket"
}

@test "a JVM" {
	command -v javac >/dev/null || skip "no javac"
	cat >"$work/Wait.java" <<-'JAVA'
	public class Wait {
		public static void main(String[] a) throws Exception {
			byte[][] kept = new byte[1000][10000];
			System.out.println("ready");
			System.in.read();
		}
	}
	JAVA
	javac -d "$work" "$work/Wait.java"
	start_until ready java -Xint -XX:+UseSerialGC -Xmx256m -cp "$work" Wait
	is_the_same_by_ours
}

# What is lost is not what the file of the program has there.
@test "a core of ours that is cut off has no damage" {
	local part
	start_fixture mainheap
	mf snapshot --max-pause 10s -o "$work/own" "$PID"
	for part in 3 2; do
		head -c $(($(stat -c %s "$work/own") / part)) "$work/own" \
			>"$work/cut"
		mf attach --json "$work/cut" >"$work/cut.json" || [ $? = 2 ]
		json_holds "$work/cut.json" '(.partial | length > 0) and
			all(.findings[]; .code != "heap-corruption")'
	done
}
