#!/usr/bin/env bats
# The frames of threads: what gdb and eu-stack find in the same core, address by
# address, by all that we have and by each unwinder alone.

bats_require_minimum_version 1.5.0

load helper

setup() {
	core=$BATS_TEST_TMPDIR/core
	frames=$(realpath "${O:-build}")/tests/drivers/frames
}

# The core of PID, and in files what others find in it.
freeze_core() { # PID
	local exe
	exe=$(readlink "/proc/$1/exe")
	mf snapshot --force "$1" -o "$core" >/dev/null || [ $? -eq 2 ]
	# some of the threads spin: not while debuggers work
	kill -STOP "$1"
	gdb -nx -batch -iex 'set debuginfod enabled off' \
		-iex 'set auto-load off' -ex "core $core" \
		-x "$here/frames.gdb" "$exe" 2>/dev/null |
		grep -E '^[0-9]+ 0x' | sort -s -n -k 1,1 >"$core.gdb"
	# one that began nowhere it calls an error
	DEBUGINFOD_URLS='' eu-stack -n 200 --core "$core" --executable "$exe" \
		2>/dev/null >"$core.all" || true
	awk '/^TID/ { tid = $2 + 0 }
		/^#/ {
			pc = $2
			sub(/^0x0*/, "0x", pc)
			print tid, pc
		}' "$core.all" | sort -s -n -k 1,1 >"$core.eu-stack"
	[ -s "$core.gdb" ] && [ -s "$core.eu-stack" ]
}

# What we find, by UNWINDER: as the others', up to 200 frames, in $core.own; all of it, in
# $core.said.
unwind() { # UNWINDER
	"$frames" "$core" "$1" >"$core.said"
	awk '$1 == "thread" { tid = $2; count = 0 }
		$1 == "frame" && count++ < 200 { print tid, $2 }' "$core.said" |
		sort -s -n -k 1,1 >"$core.own"
}

# The same as WHO's, but for the threads TID...
same_as() { # WHO TID...
	local who=$1 tids
	shift
	tids=" $* "
	for side in "$who" own; do
		awk -v tids="$tids" '!index(tids, " " $1 " ")' \
			"$core.$side" >"$core.$side.compared"
	done
	[ -s "$core.own.compared" ]
	diff "$core.$who.compared" "$core.own.compared" | head -40
	cmp -s "$core.$who.compared" "$core.own.compared"
}

# The threads of $PID that are called NAME...
tids() { # NAME...
	local name file
	for name; do
		for file in "/proc/$PID"/task/*/comm; do
			[ "$(cat "$file")" != "$name" ] ||
				basename "$(dirname "$file")"
		done
	done
}

# The stack of NAME's thread: how it ends, and its functions.
stack_of() { # NAME
	awk -v tid="$(tids "$1")" '$1 == "thread" { on = $2 == tid
			sub(/^thread [0-9]+ /, "") }
		on { print }' "$core.said"
}

# NAME's stack is complete, or as END says, and has FUNCTION.
reaches() { # NAME FUNCTION END
	stack_of "$1" >"$core.stack"
	if [ "$(head -n 1 "$core.stack")" != "${3-complete}" ] ||
		! grep -q " $2+" "$core.stack"; then
		head -30 "$core.stack"
		return 1
	fi
}

# Hard cases that others do not unwind: what gdb makes of a coroutine's end is
# no frame, nor is where eu-stack finds it; it gives up at a call of NULL, and
# where the frame's address is in a register that only calls keep.
hard_cases_agree() {
	mapfile -t coroutine < <(tids coroutine)
	mapfile -t lost < <(tids coroutine null rules)
	freeze_core "$PID"
	unwind all
	same_as gdb "${coroutine[@]}" "$@"
	same_as eu-stack "${lost[@]}"
}

@test "hard cases: the frames of gdb and eu-stack" {
	local name
	needs gdb eu-stack
	start_fixture frames
	hard_cases_agree
	for name in frameless tailcall noreturn leaf inlined alloca realigned \
		deep signal nested altstack altnested null fault callback once \
		destructor cleanup clock; do
		reaches "$name" start_thread
	done
	reaches deeper descend 'more frames than are shown'
	reaches coroutine coroutine
	[ "$(grep -c ^frame "$core.stack")" -eq 4 ]
}

@test "hard cases: what is inlined, what a signal struck, what is a guess" {
	local name
	start_fixture frames
	mf snapshot "$PID" -o "$core" >/dev/null
	kill -STOP "$PID"
	unwind all
	stack_of inlined >"$core.stack"
	[ "$(awk '/^inlined/ { print $5 }' "$core.stack" | paste -sd' ')" = \
		'third+0 second+0' ]
	grep -q '^inlined.*frames.c:[1-9]' "$core.stack"
	for name in signal altstack null fault; do
		[ "$(stack_of "$name" | grep -c 'signal$')" -eq 1 ]
	done
	for name in nested altnested; do
		[ "$(stack_of "$name" | grep -c 'signal$')" -eq 2 ]
	done
	stack_of deep >"$core.stack"
	run ! grep -Eq 'frame-pointer|return-address' "$core.stack"
	[ "$(uname -m)" = x86_64 ] || return 0
	stack_of norules | grep -q 'frame-pointer frames case_norules+'
	stack_of norulesleaf | grep -q 'frame-pointer frames case_norulesleaf+'
	stack_of null | grep -q 'return-address frames call_nothing+'
}

@test "hard cases: each unwinder alone" {
	local without
	needs gdb
	start_fixture frames
	mapfile -t without < <(tids coroutine null norules norulesleaf)
	freeze_core "$PID"
	unwind libunwind
	run ! grep -q ' libdw \| frame-pointer \| return-address ' "$core.said"
	same_as gdb "${without[@]}"
	unwind libdw
	run ! grep -q ' libunwind \| frame-pointer \| return-address ' "$core.said"
	same_as gdb "${without[@]}" "$(tids rules)"
}

@test "hard cases: without a dynamic linker, and without symbols" {
	local name
	needs gdb eu-stack
	for name in static-pie-frames stripped-frames; do
		[ -e "$FIXTURES/$name" ] || skip 'there is no libc to link with'
		start_fixture "$name"
		mapfile -t guessed < <(tids norules norulesleaf)
		hard_cases_agree "${guessed[@]}"
		stop_all
	done
}

# Others end here: a division that the processor refuses, an object that is not
# there, a jump without end, room for a hundred million registers.
@test "rules that are made to end an unwinder" {
	local unwinder
	[ "$(uname -m)" = x86_64 ] || skip 'its rules are for x86-64'
	start_fixture frames hostile
	mf snapshot "$PID" -o "$core" >/dev/null
	for unwinder in all libunwind libdw; do
		unwind "$unwinder"
		[ "$(grep -c ^thread "$core.said")" -eq 5 ]
		run ! grep -q ' frame-pointer .*case_divides' "$core.said"
		[ "$unwinder" = libdw ] || reaches part start_thread
	done
}

@test "all of it in a constructor" {
	needs gdb eu-stack
	start_fixture frames constructor
	hard_cases_agree
}

@test "redis-server, python3 and node" {
	needs gdb eu-stack
	local unwinder
	if command -v redis-server >/dev/null; then
		start_until 'eady to accept' redis-server --port 0 \
			--unixsocket "$BATS_TEST_TMPDIR/redis" --save ''
		freeze_core "$PID"
		for unwinder in all libunwind libdw; do
			unwind "$unwinder"
			same_as gdb
			same_as eu-stack
		done
	fi
	start_until '^ready$' python3 -c 'import sys, threading
for i in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
sorted([2, 1], key=lambda x: sys.stdin.read())'
	freeze_core "$PID"
	for unwinder in all libunwind libdw; do
		unwind "$unwinder"
		same_as gdb
		same_as eu-stack
	done
	command -v node >/dev/null || return 0
	start_until '^ready$' node -e 'setInterval(() => {}, 1e9)
console.log("ready")'
	freeze_core "$PID"
	unwind all
	same_as gdb
	same_as eu-stack
}

# Code that a JIT compiler made has frame pointers, at best: gdb does not see.
@test "java: native code, and what was compiled" {
	needs gdb eu-stack java javac
	cat >"$BATS_TEST_TMPDIR/Waits.java" <<-END
		public class Waits {
			static synchronized void hold() throws Exception {
				System.out.println("ready");
				Waits.class.wait();
			}
			public static void main(String[] words) throws Exception {
				hold();
			}
		}
	END
	javac -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/Waits.java"
	start_until '^ready$' java -Xint -XX:+UseSerialGC -Xmx64m \
		-cp "$BATS_TEST_TMPDIR" Waits
	freeze_core "$PID"
	unwind all
	same_as eu-stack
	mapfile -t interpreted < <(awk '$1 == "thread" { tid = $2 }
		/^frame.* frame-pointer / { print tid }' "$core.said" | sort -u)
	[ ${#interpreted[@]} -gt 0 ]
	unwind tables
	same_as gdb "${interpreted[@]}"
}

@test "a Go program: .debug_frame alone" {
	needs gdb eu-stack go
	cat >"$BATS_TEST_TMPDIR/waits.go" <<-END
		package main

		import "os"

		func hold(depth int) {
			if depth > 0 {
				hold(depth - 1)
			}
			os.Stdin.Read(make([]byte, 1))
		}

		func main() {
			os.Stdout.WriteString("ready\n")
			hold(10)
		}
	END
	GOCACHE=$BATS_TEST_TMPDIR/cache GOFLAGS=-p=1 go build \
		-o "$BATS_TEST_TMPDIR/waits" "$BATS_TEST_TMPDIR/waits.go"
	start_until '^ready$' "$BATS_TEST_TMPDIR/waits"
	freeze_core "$PID"
	for unwinder in all libunwind libdw; do
		unwind "$unwinder"
		same_as gdb
		same_as eu-stack
	done
}

@test "postgres: a server's backends" {
	local bin as_user=()
	needs gdb eu-stack
	bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' ||
		command -v initdb || true)")
	[ "$bin" != . ] || skip 'no postgres here'
	folder=$(mktemp -d /tmp/frames.XXXXXX)
	if [ "$(id -u)" = 0 ]; then
		chown postgres "$folder"
		as_user=(setpriv --reuid postgres --regid postgres --clear-groups)
	fi
	"${as_user[@]}" "$bin/initdb" -D "$folder/data" -A trust \
		--no-sync >/dev/null
	start_until 'ready to accept' "${as_user[@]}" "$bin/postgres" \
		-D "$folder/data" -k "$folder" -h '' -F
	for pid in "$PID" $(pgrep -P "$PID" | head -n 2); do
		freeze_core "$pid"
		unwind all
		same_as gdb
		same_as eu-stack
		kill -CONT "$pid"
	done
	kill -INT "$PID"
	wait "$PID" || true
	rm -rf "$folder"
}
