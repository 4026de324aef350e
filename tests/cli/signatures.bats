#!/usr/bin/env bats
# Signatures: what other programs made (gzip, zstd, lz4, openssl, sqlite3, jar,
# zip, gcc) and a process holds, and what servers hold under load, is named,
# counted and measured; keys are named and never shown.

bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report
	files=$BATS_TEST_TMPDIR/files
	mkdir "$files"
}

scan() { # ARGUMENT...
	mf scan --stop brief --max-pause 60s --json --signatures "$@" >"$report"
}

# One signature's FIELD; 0: it was not found.
of() { # NAME FIELD
	jq --arg name "$1" ".signatures | map(select(.name == \$name)) |
		.[0].$2 // 0" "$report"
}

found() { # NAME COUNT
	[ "$(of "$1" count)" = "$2" ] || {
		echo "not $2 of $1"
		jq -c '.signatures[]' "$report"
		return 1
	}
}

at_least() { # NAME COUNT
	[ "$(of "$1" count)" -ge "$2" ] || {
		echo "fewer than $2 of $1"
		jq -c '.signatures[]' "$report"
		return 1
	}
}

# All of FILE's copies that a process holds are found, with all their bytes, the
# first where it says.
holds() { # NAME FILE
	local size first
	start_fixture holding 50 "$2"
	scan "$PID"
	size=$(stat -c %s "$2")
	first=$(awk -v file="$2" '$3 == file { print $1 }' "$FIXTURE_SAID" |
		sort | head -n 1)
	found "$1" 50
	[ "$(of "$1" bytes)" = $((50 * size)) ]
	[ "$(of "$1" first)" = "\"$first\"" ]
	stop_all
}

text() {
	local i
	for ((i = 0; i < 2000; i++)); do
		echo "line $i of a text that has $((i * i)) in it"
	done
}

@test "gzip, zstd and lz4 streams" {
	needs gzip zstd lz4
	text >"$files/text"
	gzip -9 <"$files/text" >"$files/a.gz"
	zstd -q -19 <"$files/text" >"$files/a.zst"
	lz4 -q <"$files/text" >"$files/a.lz4"
	holds 'gzip stream' "$files/a.gz"
	holds 'zstd frame' "$files/a.zst"
	holds 'LZ4 frame' "$files/a.lz4"
}

@test "zlib streams, as python3 makes them" {
	needs python3
	text | python3 -c 'import sys, zlib
sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))' >"$files/a"
	holds 'zlib stream' "$files/a"
}

@test "archives and class files" {
	needs jar javac zip
	printf 'class T { String s = "x"; int f(int a) { return a + 1; } }' \
		>"$files/T.java"
	javac -d "$files" "$files/T.java"
	(cd "$files" && jar cf a.jar T.class && zip -q a.zip T.java)
	holds 'Java class file' "$files/T.class"
	holds 'JAR archive' "$files/a.jar"
	holds 'ZIP archive' "$files/a.zip"
}

@test "an ELF object" {
	needs gcc
	printf 'int f(void) { return 1; }' | gcc -shared -x c -o "$files/a.so" -
	holds 'ELF object' "$files/a.so"
}

@test "a database's pages, in a file and in the cache of SQLite" {
	needs sqlite3 python3
	sqlite3 "$files/a.db" 'create table t(a integer primary key, b text);
		with recursive n(i) as (select 1 union all select i + 1 from n
		where i < 5000) insert into t select i, hex(i * 7919) from n;
		delete from t where a % 7 = 0;
		update t set b = substr(b, 3) where a % 5 = 0;'
	pages=$(sqlite3 "$files/a.db" "select count(*) from dbstat")
	start_until '^ready$' python3 -c 'if 1:
		import sqlite3, sys
		base = sqlite3.connect(sys.argv[1])
		base.execute("select sum(length(b)) from t").fetchone()
		print("ready", flush=True)
		sys.stdin.read()' "$files/a.db"
	scan "$PID"
	at_least 'SQLite page' "$pages"
	[ "$(of 'SQLite page' count)" -le $((pages + 2)) ]
}

@test "certificates and keys: named, and no byte of a key is shown" {
	needs openssl
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$files/key" \
		-out "$files/pem" -subj /CN=example.org 2>/dev/null
	openssl x509 -in "$files/pem" -outform DER -out "$files/der"
	openssl pkcs8 -topk8 -nocrypt -in "$files/key" -outform DER \
		-out "$files/pkcs8"
	openssl rsa -in "$files/key" -traditional -outform DER \
		-out "$files/pkcs1" 2>/dev/null
	openssl genpkey -algorithm ed25519 -outform DER -out "$files/ed25519"
	openssl ecparam -name prime256v1 -genkey -noout -outform DER \
		-out "$files/sec1" 2>/dev/null
	start_fixture holding 3 "$files"/*
	scan "$PID"
	found 'X.509 certificate (PEM)' 3
	found 'X.509 certificate (DER)' 3
	found 'private key (PEM)' 3
	found 'private key (DER)' 12
	[ "$(of 'X.509 certificate (DER)' example)" = '"CN=example.org"' ]
	mf scan --json --stop brief --max-pause 60s "$PID" >"$report"
	while read -r line; do
		! grep -qF -- "$line" "$report"
	done < <(grep -v -- --- "$files/key")
}

@test "HTTP on nginx under load" {
	needs nginx python3
	mkdir -p "$files/www" "$files/logs"
	printf '{"some": "json", "in": [1, 2, 3]}' >"$files/www/index.html"
	cat >"$files/nginx.conf" <<-EOF
		daemon off; master_process off; pid $files/pid;
		error_log stderr; worker_processes 1;
		events { worker_connections 256; }
		http { access_log off; client_body_temp_path $files/logs;
		proxy_temp_path $files/logs; fastcgi_temp_path $files/logs;
		uwsgi_temp_path $files/logs; scgi_temp_path $files/logs;
		keepalive_timeout 600s; keepalive_requests 100000;
		server { listen unix:$files/socket; root $files/www; } }
	EOF
	nginx -e stderr -c "$files/nginx.conf" >/dev/null 2>&1 3>&- &
	server=$!
	started+=("$server")
	start_until '^ready$' python3 -c 'if 1:
		import socket, sys, time
		clients = []
		ask = b"GET /index.html?q=%d HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n"
		while len(clients) < 100:
			client = socket.socket(socket.AF_UNIX)
			try:
				client.connect(sys.argv[1])
			except OSError:
				continue
			clients.append(client)
		for n, client in enumerate(clients):
			client.sendall(ask % n + b"\r\n")
			while b"json" not in client.recv(65536):
				pass
			client.sendall(ask % n)
		print("ready", flush=True)
		sys.stdin.read()' "$files/socket"
	scan "$server"
	at_least 'HTTP request' 50
	[[ $(of 'HTTP request' example) == *'/index.html?q='* ]]
	scan "$PID"
	at_least 'HTTP request' 1
}

@test "the protocol of redis-server under load" {
	needs redis-server python3
	redis-server --port 0 --unixsocket "$files/socket" --save '' \
		--dir "$files" --daemonize no >"$files/said" 3>&- &
	server=$!
	started+=("$server")
	# shellcheck disable=SC2016 # Redis's, not the shell's
	start_until '^ready$' python3 -c 'if 1:
		import socket, sys
		ask = b"*3\r\n$3\r\nSET\r\n$9\r\nkey:%05d\r\n$100\r\n%s\r\n"
		clients = []
		while len(clients) < 50:
			client = socket.socket(socket.AF_UNIX)
			try:
				client.connect(sys.argv[1])
			except OSError:
				continue
			clients.append(client)
		for client in clients:
			for n in range(20):
				client.sendall(ask % (n, b"v" * 100))
			got = b""
			while got.count(b"+OK") < 20:
				got += client.recv(65536)
			# half a command: it stays in the buffer
			client.sendall(ask[:4] + b"$3\r\nSET\r\n$5\r\nhalf:\r\n$9999\r\n"
				+ b"w" * 2000)
		client.sendall(b"\r\n")
		print("ready", flush=True)
		sys.stdin.read()' "$files/socket"
	scan "$server"
	at_least 'Redis protocol (RESP)' 10
}

@test "what is no format is none: numbers, addresses, random bytes" {
	needs python3
	head -c 32M /dev/urandom >"$files/random"
	python3 -c 'import random, sys
for i in range(2 ** 20):
	value = random.choice((0x7f0000000000, 0x550000000000, 0, 1 << 40))
	value += random.randrange(1 << 32) & ~7
	sys.stdout.buffer.write(value.to_bytes(8, "little"))' >"$files/words"
	start_fixture holding 1 "$files/random" "$files/words"
	scan "$PID"
	[ "$(jq '.scanned_bytes' "$report")" -ge $((40 << 20)) ]
	json_holds "$report" '.signatures == []'
}

@test "the protocol of a postgres that was asked" {
	local bin user=postgres folder
	bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' ||
		command -v initdb || echo none)")
	[ "$bin" != . ] || skip 'no postgres here'
	needs python3
	[ "$(id -u)" -eq 0 ] || user=$(id -un)
	getent passwd "$user" >/dev/null || skip "no user $user here"
	folder=$(mktemp -d /tmp/postgres.XXXXXX)
	chown "$user" "$folder"
	as_user=(env)
	[ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid "$user" \
		--regid "$(id -g "$user")" --clear-groups)
	"${as_user[@]}" "$bin/initdb" -A trust -D "$folder/data" --no-sync \
		>/dev/null
	start_until 'ready to accept' "${as_user[@]}" "$bin/postgres" \
		-D "$folder/data" -k "$folder" -c listen_addresses= \
		-c autovacuum=off -c fsync=off
	server=$PID
	# By hand, as the protocol has it; then its answers stay in a buffer.
	start_until '^ready' python3 -c 'if 1:
		import socket, struct, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1] + "/.s.PGSQL.5432")
		b = b"\0\3\0\0user\0%s\0database\0postgres\0\0"
		b = b % sys.argv[2].encode()
		s.sendall(struct.pack(">I", len(b) + 4) + b)
		def until_ready():
			got = b""
			while not got.endswith(b"Z\0\0\0\5I"):
				got += s.recv(65536)
			return got
		until_ready()
		q = b"SELECT 7919 AS answer, pg_backend_pid();\0"
		q = b"Q" + struct.pack(">I", len(q) + 4) + q
		s.sendall(q)
		kept = until_ready()
		print("ready", flush=True)
		sys.stdin.read()' "$folder" "$user"
	scan "$PID"
	at_least 'PostgreSQL protocol' 4
	backend=$(pgrep -P "$server" -f 'idle' | head -n 1)
	scan "$backend" all
	at_least 'PostgreSQL protocol' 1
	# it had to look at the tables of tables to begin with
	at_least 'PostgreSQL page' 10
	[ "$(of 'PostgreSQL page' bytes)" = \
		$(($(of 'PostgreSQL page' count) * 8192)) ]
	stop_all
	rm -rf "$folder"
}
