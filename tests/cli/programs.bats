#!/usr/bin/env bats
# Other people's programs, without debug information of their libc, and without
# any symbols: every figure equals what glibc itself says inside of them, to the
# byte. A witness that is preloaded (fixtures/preload) tells that while they are
# idle.

load helper

setup() {
	witness=$(realpath "$FIXTURES/witness.so")
	# other users write there too
	words=$(mktemp -d /tmp/witness.XXXXXX)
	chmod 777 "$words"
	mkfifo -m 666 "$words/said"
	# both ends: whoever writes never waits for us, nor we for nobody
	exec {said}<>"$words/said"
}

teardown() {
	stop_all
	exec {said}>&-
	rm -rf "$words"
}

# Starts COMMAND with the witness in it.
start_watched() { # READY COMMAND...
	local ready=$1
	shift
	start_until "$ready" env "WITNESS=$words" "LD_PRELOAD=$witness" "$@"
}

# The process that has the witness in it speaks: $words/PID.
testify() { # PID
	local line=
	grep -q witness.so "/proc/$1/maps" || {
		echo "there is no witness in $1"
		return 1
	}
	kill -s RTMIN+5 "$1"
	while [ "$line" != "$1" ]; do
		read -r line <&"$said"
	done
	cp "$words/$1" "$words/$2"
}

# Compares our report of PID with the truth, found in both ways. A program that
# did something in between, by its own word, is asked again.
agrees() { # PID
	local way tries
	for way in --no-debuginfo --no-symbols; do
		for tries in {1..50}; do
			testify "$1" before
			mf arenas --json --stop brief --max-pause 10s "$way" \
				"$1" >"$words/report"
			cat "/proc/$1/smaps" >"$words/smaps"
			testify "$1" after
			! cmp -s "$words/before" "$words/after" || break
		done
		echo "$1 $way, look $tries:"
		"$here/truth" arenas "$words/after" "$words/report" \
			"$words/smaps" || return 1
	done
}

# Fails unless the last report counts so many chunks.
has_chunks() { # COUNT
	json_holds "$words/report" '[.allocators[] |
		select(.name == "glibc")][0] |
		.in_use.count + .free.count + .tcache.count +
		.fastbin.count >= '"$1"
}

@test "python3 with 600,000 chunks" {
	needs python3
	PYTHONMALLOC=malloc start_watched '^ready$' python3 -c '
import sys
kept = [[str(i), "x" * (i % 700)] for i in range(300000)]
del kept[::3]
print("ready", flush=True)
sys.stdin.read()'
	agrees "$PID"
	has_chunks 600000
}

@test "perl" {
	needs perl
	# shellcheck disable=SC2016 # its words, not ours
	start_watched '^ready$' perl -e '$| = 1;
		$kept{$_} = [ "x" x ($_ % 300), { $_ => 1 } ] for 1 .. 60000;
		delete $kept{$_ * 2} for 1 .. 20000;
		print "ready\n"; <STDIN>'
	agrees "$PID"
	has_chunks 150000
}

@test "bash" {
	# shellcheck disable=SC2016 # its words, not ours
	start_watched '^ready$' bash -c '
		for ((i = 0; i < 40000; i++)); do kept[i]=$i.$RANDOM; done
		for ((i = 0; i < 40000; i += 3)); do unset "kept[i]"; done
		echo ready; read -r line'
	agrees "$PID"
	has_chunks 50000
}

@test "gdb, with a program's symbols" {
	needs gdb
	start_watched '^ready$' gdb -q -nx -iex 'set debuginfod enabled off' \
		-ex 'set confirm off' -ex 'info functions mf_heap' \
		-ex 'info types mf_' -ex 'echo ready\n' "$MEMFORENSICS"
	agrees "$PID"
}

@test "node: the heap of its libc" {
	needs node
	start_watched '^ready$' node -e '
		kept = [];
		for (let i = 0; i < 3000; i++)
			kept.push(Buffer.alloc(100 + i * 17 % 9000));
		kept = kept.filter((_, i) => i % 3);
		console.log("ready");
		process.stdin.resume()'
	agrees "$PID"
}

# Each process of a family, the first one too.
family() { # PID
	echo "$1"
	local child children
	read -ra children < <(cat /proc/"$1"/task/*/children | tr '\n' ' ')
	for child in ${children[@]+"${children[@]}"}; do
		family "$child"
	done
}

all_agree() {
	local pid
	for pid in $(family "$PID"); do
		grep -q witness.so "/proc/$pid/maps" || continue
		agrees "$pid"
	done
}

# Killed, the first of a family would leave the others behind.
end_family() { # SIGNAL
	kill -s "$1" "$PID"
	wait "$PID" || true
}

@test "postgres: all of its processes" {
	local bin folder user=postgres
	bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' ||
		command -v initdb || echo none)")
	[ "$bin" != . ] || skip 'no postgres here'
	[ "$(id -u)" -eq 0 ] || user=$(id -un)
	getent passwd "$user" >/dev/null || skip "no user $user here"
	folder=$(mktemp -d /tmp/postgres.XXXXXX)
	chown "$user" "$folder"
	as_user=(env)
	[ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid "$user" \
		--regid "$(id -g "$user")" --clear-groups)
	"${as_user[@]}" "$bin/initdb" -D "$folder/data" --no-sync >/dev/null
	start_watched 'ready to accept' "${as_user[@]}" "$bin/postgres" \
		-D "$folder/data" -k "$folder" -c listen_addresses= \
		-c autovacuum=off -c fsync=off
	all_agree
	end_family QUIT
	rm -rf "$folder"
}

@test "redis-server: the heap of its libc" {
	needs redis-server
	start_watched 'eady to accept' redis-server --port 0 \
		--unixsocket "$BATS_TEST_TMPDIR/redis" --save '' --hz 1
	agrees "$PID"
}

@test "nginx: master and workers" {
	needs nginx
	cat >"$BATS_TEST_TMPDIR/nginx.conf" <<-END
		daemon off;
		worker_processes 2;
		pid $BATS_TEST_TMPDIR/nginx.pid;
		error_log stderr notice;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path $BATS_TEST_TMPDIR/body;
			proxy_temp_path $BATS_TEST_TMPDIR/proxy;
			fastcgi_temp_path $BATS_TEST_TMPDIR/fastcgi;
			uwsgi_temp_path $BATS_TEST_TMPDIR/uwsgi;
			scgi_temp_path $BATS_TEST_TMPDIR/scgi;
			server { listen unix:$BATS_TEST_TMPDIR/nginx; }
		}
	END
	start_watched 'start worker process [0-9]+' nginx -c \
		"$BATS_TEST_TMPDIR/nginx.conf" -e stderr
	all_agree
	end_family TERM
}

@test "java: the arenas of its libc" {
	needs java javac
	cat >"$BATS_TEST_TMPDIR/Idle.java" <<-END
		public class Idle {
			public static void main(String[] unused)
					throws Exception {
				System.out.println("ready");
				System.in.read();
			}
		}
	END
	javac -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/Idle.java"
	start_watched '^ready$' java -Xint -XX:+UseSerialGC -Xmx64m \
		-cp "$BATS_TEST_TMPDIR" Idle
	agrees "$PID"
}

@test "sqlite3 with a table in memory" {
	needs sqlite3
	start_watched '^ready$' sqlite3 -batch -cmd 'create table t(a, b);
		with recursive n(i) as (select 1 union all
			select i + 1 from n where i < 60000)
		insert into t select i, randomblob(i % 400) from n;
		delete from t where a % 3 = 0;' -cmd '.print ready' :memory:
	agrees "$PID"
	has_chunks 3000
}

@test "vim with a long text" {
	needs vim
	start_watched '^ready' vim -n -u NONE -N -es \
		-c 'call setline(1, map(range(50000), "repeat(v:val, 5)"))' \
		-c 'g/7/d' -c 'verbose echon "ready\n"'
	agrees "$PID"
}

@test "git cat-file, waiting for a name" {
	needs git
	git init -q "$BATS_TEST_TMPDIR/repository"
	seq 20000 >"$BATS_TEST_TMPDIR/repository/file"
	git -C "$BATS_TEST_TMPDIR/repository" add file
	start_watched '^.*$' sh -c "echo; exec git \
		-C '$BATS_TEST_TMPDIR/repository' cat-file --batch-check"
	echo :file >&"$FIXTURE_IN"
	read -r _ <&"$FIXTURE_OUT"
	agrees "$PID"
}

# Writes C that keeps a compiler busy.
make_source() { # FUNCTIONS
	awk -v count="$1" 'BEGIN {
		for (i = 0; i < count; i++)
			printf "int f%d(int *a, int n)\n{\n\tint s = %d;\n" \
				"\tfor (int i = 0; i < n; i++)\n" \
				"\t\ts += a[i] * %d ^ (s >> %d);\n" \
				"\treturn s %% (n + 1);\n}\n",
				i, i, i + 3, i % 13
	}'
}

# A compiler has one thread: no lock says that it is inside malloc.
@test "gcc -O2 at work: at 40 moments all adds up, and nothing is damaged" {
	needs gcc
	local moment=0 compiler
	make_source 20000 >"$BATS_TEST_TMPDIR/big.c"
	compiler=$(gcc -print-prog-name=cc1)
	[ -x "$compiler" ] || skip 'this gcc has no cc1'
	"$compiler" -quiet -O2 -o "$BATS_TEST_TMPDIR/big.s" \
		"$BATS_TEST_TMPDIR/big.c" 3>&- &
	started+=($!)
	# it is at work once it has opened what it writes
	until [ -e "$BATS_TEST_TMPDIR/big.s" ]; do :; done
	while [ "$moment" -lt 40 ]; do
		mf arenas --json --stop brief --max-pause 10s --no-debuginfo \
			"$!" >"$words/report"
		json_holds "$words/report" '.partial == [] and
			.impact.consistency == "exact" and
			([.allocators[] | select(.name == "glibc")][0] |
			all(.arenas[]; .corrupt == [] and
				.consistency != "damaged" and
				.system == .in_use.bytes + .free.bytes +
					.fastbin.bytes + .tcache.bytes +
					.top.bytes + .overhead.bytes + .unread and
				(.consistency != "exact" or .unread == 0)))'
		moment=$((moment + 1))
	done
}

# Drivers, compilers, assemblers: each is there for a moment, forks or executes.
@test "make -j: processes that come and go are read, or said to be gone" {
	needs gcc make
	local number pid status looks=0
	for number in {1..40}; do
		make_source 150 >"$BATS_TEST_TMPDIR/$number.c"
	done
	# shellcheck disable=SC2016 # make's words, not ours
	printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\n%%.o: %%.c\n' \
		>"$BATS_TEST_TMPDIR/Makefile"
	printf '\tgcc -O1 -c -o $@ $<\n' >>"$BATS_TEST_TMPDIR/Makefile"
	make -s -j3 -C "$BATS_TEST_TMPDIR" 3>&- &
	started+=($!)
	while [ -d "/proc/$!" ] && [ "$(ps -o stat= -p $!)" != Z ]; do
		for pid in $(family $! 2>/dev/null); do
			status=0
			mf arenas --json --quiet --stop brief --max-pause 10s \
				--no-debuginfo "$pid" >"$words/report" \
				2>"$words/errors" || status=$?
			case $status in
			0 | 2)
				looks=$((looks + 1))
				json_holds "$words/report" 'all(.allocators[] |
					select(.name == "glibc") | .arenas[]?;
					.corrupt == [])'
				;;
			4) [ "$(wc -l <"$words/errors")" = 3 ] ;;
			*)
				cat "$words/errors"
				false
				;;
			esac
		done
	done
	wait "$!"
	echo "$looks looks"
	[ "$looks" -gt 0 ]
}
