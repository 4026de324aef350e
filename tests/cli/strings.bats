#!/usr/bin/env bats
# Strings: against programs that know their own, and against strings(1) on the
# bytes as gdb reads them; and secrets, which are nowhere to be seen.

bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report
}

# Stopped for as long as it takes, so that nothing is partial on a busy machine.
scan() { # ARGUMENT...
	mf scan --stop brief --max-pause 60s "$@" >"$report"
}

strings_of() { # ARGUMENT...
	scan --json --strings "$@"
}

# What the fixture said after WORD, as lines.
said() { # WORD
	sed -n "s/^$1 //p" "$FIXTURE_SAID"
}

# Every row of TABLE that the fixture told of after WORD is there, to the byte.
same_rows() { # WORD TABLE KEY
	local count bytes text found
	local -i checked=0
	while read -r count bytes text; do
		found=$(jq -r --arg text "$text" ".$2[] |
			select(.$3 == \$text) | \"\(.count) \(.bytes)\"" \
			"$report")
		[ "$found" = "$count $bytes" ] || {
			echo "$text: '$found', not $count $bytes"
			return 1
		}
		checked+=1
	done < <(said "$1")
	[ "$checked" -ge 1 ]
}

@test "texts, shapes and UTF-16 are as many as the program made" {
	start_fixture strings
	strings_of "$PID" heap
	same_rows text strings text
	same_rows shape string_shapes shape
	same_rows wide strings text
	json_holds "$report" '.strings_total.utf16le == 500 and
		.strings_total.min_length == 6 and
		([.strings[] | select(.encoding == "utf-8").count] |
			add == 1000)'
}

@test "a million distinct strings: totals and shapes are exact" {
	start_fixture strings 250000 10
	strings_of "$PID" heap
	same_rows shape string_shapes shape
	json_holds "$report" '.strings_total.texts_unseen > 0 and
		([.string_shapes[] | select(.count == 250000)] |
			length == 4 and all(.[]; .error_bytes == 0))'
}

@test "rows are ordered, and the same in each run" {
	start_fixture strings 2000 50
	strings_of "$PID" heap
	cp "$report" "$report.first"
	strings_of "$PID" heap
	diff <(jq '.strings, .string_shapes, .string_prefixes' "$report") \
		<(jq '.strings, .string_shapes, .string_prefixes' \
			"$report.first")
	json_holds "$report" '[.strings[].bytes] | . == (sort | reverse)'
}

# ASCII in the report as strings(1) writes it: "OFFSET TEXT".
ascii_of() { # START LEAST
	python3 - "$report" "$1" "$2" <<'END'
import json, re, sys
start, least = int(sys.argv[2], 0), int(sys.argv[3])
for row in json.load(open(sys.argv[1]))["strings"]:
    if row["encoding"] == "utf-16le":
        continue
    # the report writes tabs, and marks of direction, as escapes
    text = row["text"].replace("\\x09", "\t")
    text = re.sub(r"\\u20[0-6][0-9a-f]", "\u2020", text).encode()
    for run in re.finditer(rb"[\t\x20-\x7e]{%d,}" % least, text):
        at = int(row["first"], 0) - start + run.start()
        sys.stdout.buffer.write(b"%x %s\n" % (at, run.group()))
END
}

@test "--all has what strings(1) finds in what gdb dumps, at the same places" {
	local start end least
	needs strings gdb python3
	start_fixture strings 10 10
	read -r start end < <(said region)
	gdb -q -batch -p "$PID" -ex "dump memory $BATS_TEST_TMPDIR/bytes \
		$start $end" >/dev/null 2>&1
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/bytes")" -eq $((end - start)) ]
	for least in 4 6 9; do
		strings_of --all --min-length "$least" "$PID" "$start-$end"
		ascii_of "$start" "$least" >"$BATS_TEST_TMPDIR/ours"
		LC_ALL=C strings -a -t x -n "$least" "$BATS_TEST_TMPDIR/bytes" |
			sed 's/^ *//' >"$BATS_TEST_TMPDIR/theirs"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/theirs")" -ge 1000 ]
		diff "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
		json_holds "$report" '([.strings[].bytes] | add) ==
			.strings_total.bytes and
			(.strings | length) == .strings_total.count'
	done
}

@test "--min-length: what is no length is wrong usage" {
	run -64 mf scan --min-length 0 $$
	run -64 mf scan --min-length x $$
}

@test "no escape of a terminal, in any format" {
	local format
	start_fixture strings 10 10
	for format in text json csv; do
		scan --strings --all --format "$format" "$PID" heap
		grep -q "0;owned" "$report"
		LC_ALL=C run -1 grep $'[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]' "$report"
	done
}

@test "--redact hides tokens, passwords, addresses and cards, everywhere" {
	local secret format more
	start_fixture strings 10 10
	for format in text json csv; do
		for more in --strings --all; do
			scan "$more" --top 10000 --redact --format "$format" \
				"$PID" heap
			while read -r secret; do
				! grep -qF -e "$secret" "$report" || {
					echo "$format $more shows $secret"
					return 1
				}
			done < <(said secret)
			grep -qF 'user=me&password=***' "$report"
		done
	done
	# and they are there, when they are not asked to be hidden
	strings_of "$PID" heap
	grep -qF hunter2isnotgood "$report"
}

@test "a private key: found, and masked in every output" {
	local key=$BATS_TEST_TMPDIR/key line format
	needs openssl python3
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
		-out "$key" 2>/dev/null
	start_until '^ready$' python3 -c '
import sys
key = open(sys.argv[1], "rb").read()
copies = [bytearray(key) for i in range(20)]
lines = [bytearray(line) for line in key.splitlines()]
json = bytearray(b"{\"key\": \"" + key.replace(b"\n", b"\\n") + b"\"}")
print("ready", flush=True)
sys.stdin.read()' "$key"
	for format in text json csv; do
		for more in --strings --all; do
			scan "$more" --min-length 4 --top 100000 \
				--format "$format" "$PID"
			grep -q 'BEGIN PRIVATE KEY' "$report"
			while read -r line; do
				! grep -qF -e "$line" "$report" || {
					echo "$format $more shows $line"
					return 1
				}
			done < <(sed '/-----/d' "$key")
		done
	done
	strings_of "$PID"
	json_holds "$report" '[.strings[] |
		select(.text | test("^-----BEGIN PRIVATE KEY")).count] |
		add >= 20'
}

@test "redis with a million keys: their shape, and how many" {
	local socket=$BATS_TEST_TMPDIR/redis
	needs redis-server redis-cli
	start_until 'eady to accept connections' redis-server --port 0 \
		--unixsocket "$socket" --save '' --appendonly no \
		--enable-debug-command yes
	redis-cli -s "$socket" debug populate 1000000 user | grep -q OK
	strings_of "$PID"
	json_holds "$report" '[.string_shapes[] |
		select(.shape == "user:<number>").count] == [1000000]'
	json_holds "$report" '[.string_shapes[] |
		select(.shape == "value:<number>").count] == [1000000]'
}

@test "nginx with requests under way: their lines, by shape" {
	local folder=$BATS_TEST_TMPDIR/nginx nginx
	needs nginx python3
	mkdir "$folder"
	cat >"$folder/conf" <<-END
		daemon off; master_process off; pid $folder/pid;
		error_log stderr notice;
		events { worker_connections 1000; }
		http {
			access_log off;
			client_body_temp_path $folder/b;
			proxy_temp_path $folder/p;
			fastcgi_temp_path $folder/f;
			uwsgi_temp_path $folder/u;
			scgi_temp_path $folder/s;
			client_header_timeout 1h;
			server { listen unix:$folder/socket; }
		}
	END
	start_until 'nginx/' nginx -e stderr -c "$folder/conf"
	nginx=$PID
	# the last one is answered, so all others were read before it
	start_until '^ready$' python3 -c '
import socket, sys
def connect():
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    return client
waiting = []
for i in range(300):
    waiting.append(connect())
    waiting[-1].sendall(b"GET /items/%d HTTP/1.1\r\nHost: shop.example\r\n"
                        b"X-Request-Id: %032x\r\n" % (i, i << 90 | i))
last = connect()
last.sendall(b"GET / HTTP/1.0\r\n\r\n")
while last.recv(4096):
    pass
print("ready", flush=True)
sys.stdin.read()' "$folder/socket"
	strings_of "$nginx"
	json_holds "$report" '[.string_shapes[] | select(.shape ==
		"GET /items/<number> HTTP/<number>").count] == [300]'
	# where it read a name, it puts a zero in the place of the colon
	json_holds "$report" '[.strings[] | select(.text ==
		" shop.example" or .text == "X-Request-Id").count] ==
		[300, 300]'
}

# Strings of Python that are neither ASCII nor Latin are UTF-16 inside.
@test "UTF-16 of other scripts: as many as a Python program keeps" {
	needs python3
	start_until '^ready$' python3 -I -c 'if True:
		import sys
		kept = [f"Пользователь №{i}" for i in range(1000)]
		kept += [f"利用者の番号は{i}です" for i in range(500)]
		print("ready", flush=True)
		sys.stdin.read()'
	strings_of "$PID" all
	# what it compiled may be left in a page that was freed
	json_holds "$report" 'def of(shape): [.string_shapes[] |
		select(.shape == shape) | .count] | add;
		(of("Пользователь №<number>") | . >= 1000 and . <= 1010) and
		(of("利用者の番号は<number>です") | . >= 500 and . <= 510)'
}
