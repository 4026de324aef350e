#!/usr/bin/env bats
# `attach` on programs that nobody here wrote: it ends well, fits a screen, and
# all of its figures agree with each other.

# shellcheck disable=SC2154 # output, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report.json
}

# The report of PID in text and as data is whole, readable and consistent.
is_good() {
	local width rss
	for width in 80 100; do
		run mf --width $width "$PID"
		[ "$status" = 0 ] || [ "$status" = 2 ]
		# advice is there to be pasted, and never broken
		[ "$(sed '/^WHAT TO DO/,/^$/d' <<<"$output" | wc -L)" -le \
			$width ] || {
			echo "wider than $width:"
			echo "$output"
			return 1
		}
		[ "$width" = 80 ] || [ "${#lines[@]}" -le 40 ]
		[[ $output == *VERDICT* && $output == *'100.0%'* ]]
		[[ $output != *$'\e'* ]]
	done
	mf --json "$PID" >"$report" || [ $? = 2 ]
	rss=$(jq .rss_total "$report")
	json_holds "$report" '([.regions[].rss] | add) == .rss_total'
	json_holds "$report" '([.totals[].rss] | add) == .rss_total'
	json_holds "$report" '.rss_explained + ([.regions[] |
		select(.class == "anon").rss] | add // 0) == .rss_total'
	json_holds "$report" '.rss_explained > .rss_total * 0.9'
	json_holds "$report" '.findings | length > 0 and all(
		(.severity | IN("info", "warning", "critical")) and
		(.title | length > 0) and (.bytes | type == "number") and
		(.evidence | type == "object") and
		(.advice | type == "array"))'
	# of the stack of the thread that makes a copy, and later takes its end
	json_holds "$report" '.impact.pages_faulted_in <= 4'
	json_holds "$report" 'all(.allocators[]; select(.supported) |
		all(., .arenas[]; .system == .in_use.bytes + .tcache.bytes +
			.fastbin.bytes + .free.bytes + .top.bytes +
			.overhead.bytes))'
	[ "$rss" -gt 100000 ]
}

@test "a shell" {
	start_until ready bash -c 'echo ready; read -r'
	is_good
}

@test "Python" {
	start_until ready python3 -c 'import json, ssl, sys
kept = [{"n": i} for i in range(100000)][::10]
print("ready", flush=True); sys.stdin.read()'
	is_good
	json_holds "$report" 'any(.allocators[]; .name == "glibc" and
		.supported)'
	json_holds "$report" 'any(.regions[]; .class == "python-arena")'
}

@test "redis: jemalloc is walked, glibc is not blamed" {
	command -v redis-server >/dev/null || skip "no redis-server"
	start_until 'eady to accept' redis-server --port 0 --save '' \
		--dir "$BATS_TEST_TMPDIR" \
		--unixsocket "$BATS_TEST_TMPDIR/socket"
	is_good
	json_holds "$report" '.allocators | any(.name == "jemalloc" and
		.supported and .resident > 0)'
	json_holds "$report" '[.allocators[] | select(.name == "glibc").system]
		| add // 0 < 1000000'
	run -0 --separate-stderr mf attach --batch "$PID"
	[[ $output == *'WHAT IS IN THERE'*'jemalloc extents'* ]]
	[[ $output != *'nothing is allocated from it'* ]]
	[ "${#lines[@]}" -le 40 ]
}

@test "nginx" {
	command -v nginx >/dev/null || skip "no nginx"
	local folder=$BATS_TEST_TMPDIR what temporary=
	for what in client_body proxy fastcgi uwsgi scgi; do
		temporary+="${what}_temp_path $folder/$what; "
	done
	printf '%s\n' 'daemon off; master_process off;' "pid $folder/pid;" \
		'error_log stderr notice;' 'events {}' \
		"http { access_log off; $temporary" \
		"server { listen unix:$folder/s; } }" >"$folder/conf"
	start_until 'start worker|nginx/' nginx -e stderr -c "$folder/conf"
	is_good
}

@test "a JVM" {
	command -v javac >/dev/null || skip "no javac"
	cat >"$BATS_TEST_TMPDIR/Wait.java" <<-'JAVA'
	public class Wait {
		public static void main(String[] a) throws Exception {
			byte[][] kept = new byte[1000][10000];
			System.out.println("ready");
			System.in.read();
		}
	}
	JAVA
	javac -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/Wait.java"
	start_until ready java -Xmx256m -cp "$BATS_TEST_TMPDIR" Wait
	is_good
	json_holds "$report" 'any(.regions[]; .class == "java-heap" and
		.rss > 0)'
}

@test "node" {
	command -v node >/dev/null || skip "no node"
	start_until ready node -e 'console.log("ready"); process.stdin.resume()'
	is_good
}

@test "gdb" {
	command -v gdb >/dev/null || skip "no gdb"
	start_until ready gdb -q -nx -ex 'echo ready\n'
	is_good
}

@test "nothing at all in the way: the process ends while it is read" {
	start_until ready bash -c 'echo ready; read -r'
	kill -KILL "$PID"
	wait "$PID" || true
	run -4 mf "$PID"
}

@test "every key of all reports in one object" {
	start_fixture curve
	mf --max-pause 10s --json "$PID" >"$report"
	json_holds "$report" '(["schema", "tool", "command", "target", "impact",
		"partial", "findings", "regions", "totals", "rss_total",
		"rss_explained", "allocators"] - keys) == []'
	json_holds "$report" '.allocators[0] | (["name", "version", "module",
		"supported", "layout", "params", "system", "resident",
		"in_use", "tcache", "fastbin", "free", "top", "overhead",
		"mmapped", "trimmable", "largest_free", "fragmentation",
		"arenas"] - keys) == []'
	json_holds "$report" '.allocators[0].params | has("mmap_threshold") and
		has("tcache_count")'
	json_holds "$report" '.allocators[0].arenas | length == 3 and all(
		(["index", "address", "main", "locked", "attached_threads",
		"threads", "system", "max_system", "in_use", "free", "heaps",
		"bins", "histogram", "pinners", "corrupt"] - keys) == [] and
		(.threads | all(type == "number")) and
		(.heaps | all(has("start") and has("committed") and
			has("reserved") and has("resident") and
			has("in_use") and has("free") and
			has("trimmable"))))'
}

@test "a batch report is the same report" {
	start_fixture curve
	run -0 mf --max-pause 10s --batch "$PID"
	[[ $output == *VERDICT* ]]
}

@test "a stopped process stays stopped, a running one runs on" {
	start_fixture curve
	mf --stop brief --max-pause 5s "$PID" >/dev/null
	[[ $(awk '/^State:/ { print $2 }' "/proc/$PID/status") == [SR] ]]
	freeze "$PID"
	mf --stop brief --max-pause 5s "$PID" >/dev/null
	[ "$(awk '/^State:/ { print $2 }' "/proc/$PID/status")" = T ]
}

@test "suspicious regions are shown with reasons" {
	start_fixture wx
	run mf "$PID"
	[[ $output == *'SUSPICIOUS REGIONS'* && $output == *'WHAT TO DO'* ]]
	[ "${#lines[@]}" -le 40 ]
	mf --json "$PID" >"$report" || [ $? = 2 ]
	json_holds "$report" '[.regions[] | select(.suspicious.score > 0)] |
		length > 0 and all(.suspicious.reasons | length > 0)'
}

@test "what is in a suspicious region is told, however many arenas there are" {
	start_until ready python3 -c 'import ctypes, mmap, sys, threading
libc = ctypes.CDLL(None)
private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
noreserve = 0x4000
kept = mmap.mmap(-1, 32 << 20, flags=private)
kept.write(b"one line of a text\n" * 1000000)
void = [mmap.mmap(-1, 1 << 40, flags=private | noreserve, prot=0)
        for i in range(4)]
barrier = threading.Barrier(13)
def work():
    for i in range(200):
        libc.malloc(5000)
    barrier.wait()
    barrier.wait()
for i in range(12):
    threading.Thread(target=work, daemon=True).start()
barrier.wait()
print("ready", flush=True); sys.stdin.read()'
	run -0 --separate-stderr mf attach --batch --max-pause 10s "$PID"
	[[ $output == *'SUSPICIOUS REGIONS'*'WHAT IS IN THERE'*text* ]]
	[ "${#lines[@]}" -le 40 ]
}

@test "a screen has room for the advice of its warnings" {
	local code codes screen
	start_fixture leaky
	run -0 mf --max-pause 10s "$PID"
	screen=$output
	[ "$(wc -l <<<"$screen")" -le 40 ]
	mf --max-pause 10s --json "$PID" >"$report"
	codes=$(jq -r '.findings[] | select(.severity == "warning" and
		(.advice | length > 0)).code' "$report")
	[[ $codes == *retention* ]]
	for code in $codes; do
		grep -qx "  $code:" <<<"$screen"
	done
}

@test "another user's process: what its maps allow, and status 2" {
	[ "$(id -u)" = 0 ] || skip "needs root to become another"
	start_fixture curve
	chmod 755 "$BATS_TEST_TMPDIR"
	cp "$MEMFORENSICS" "$BATS_TEST_TMPDIR/mf"
	run --separate-stderr setpriv --reuid 65534 --regid 65534 \
		--clear-groups "$BATS_TEST_TMPDIR/mf" "$PID"
	[ "$status" = 3 ] || [ "$status" = 2 ]
	run --separate-stderr setpriv --reuid 65534 --regid 65534 \
		--clear-groups "$BATS_TEST_TMPDIR/mf" arenas "$PID"
	[ "$status" = 3 ]
	[[ ${stderr_lines[2]} == '  try: '* ]]
}
