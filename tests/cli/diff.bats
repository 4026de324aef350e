#!/usr/bin/env bats
# `diff`: what grew, by a program that grows by what it is told.

# shellcheck disable=SC2154 # output, stderr, status: of bats; PID: of helper
bats_require_minimum_version 1.5.0

load helper

setup() {
	work_apart
}

# The rows of FILE of one kind: key, before, after, delta.
rows() { # FILE KIND
	jq -r --arg what "$2" '.diff[] | select(.what == $what) |
		"\(.key): \(.before) \(.after) \(.delta)"' "$1"
}

@test "blocks, to the byte" {
	start_fixture grower
	patient snapshot "$PID" -o before
	tell 'blocks 1000 3000'
	tell 'arena 500 1000'
	patient diff before "$PID" --json >grown
	# chunks of 3008 and 1008 bytes; the class that has them, by its bounds
	json_holds grown '.diff | any(.what == "size-class" and
		.key == "2560-3056" and .delta == 1000 * 3008 and
		.after_count - .before_count == 1000)'
	json_holds grown '.diff | any(.what == "size-class" and
		.key == "896-1008" and .delta == 500 * 1008 and
		.after_count - .before_count == 500)'
	json_holds grown '[.diff[] | select(.what == "size-class")] |
		length == 2'
	json_holds grown '.diff | any(.what == "arena" and
		.key == "glibc arena 0, in use" and .delta == 1000 * 3008)'
	json_holds grown '.diff | any(.what == "arena" and
		.key == "glibc arena 1, in use" and .delta == 500 * 1008)'
	# all that RSS has grown by is of the heap and the arena
	json_holds grown '.after.rss - .before.rss ==
		([.diff[] | select(.what == "class") | .delta] | add)'
	json_holds grown '[.diff[] | select(.what == "class") | .key] |
		contains(["heap", "arena"])'
}

@test "a mapping that grew is one row, and a new one is new" {
	start_fixture grower
	tell 'map 1048576'
	patient attach "$PID" --json -o before
	tell 'extend 2097152'
	tell 'map 4194304'
	patient attach "$PID" --json -o after
	patient diff before after --json >grown
	json_holds grown '[.diff[] | select(.what == "region" and
		(.key | test(" anon")) and .delta != 0)] |
		map([.before, .after]) ==
		[[0, 4194304], [1048576, 3145728]]'
	json_holds grown '.diff | any(.what == "class" and .key == "anon" and
		.delta == 6291456)'
	run -0 patient diff before after
	[[ $output == *"RSS grew by 6."*"most of it class anon +6.0 MiB"* ]]
	# the greatest growth first
	[ "$(grep -n '+4.0 MiB' <<<"$output" | head -n 1 | cut -d: -f1)" -lt \
		"$(grep -n '+2.0 MiB' <<<"$output" | head -n 1 | cut -d: -f1)" ]
}

@test "texts, by their shape" {
	start_fixture grower
	tell 'texts 100'
	patient snapshot "$PID" -o before
	tell 'texts 5000'
	patient diff before "$PID" --json >grown
	json_holds grown '[.diff[] | select(.what == "string-shape")][0] |
		(.key | test("session")) and .before_count == 100 and
		.after_count == 5100 and
		.delta == 5000 * ("session-100000 of a customer" | length)'
}

@test "whatever they are, the rows are the same" {
	local kind
	start_fixture grower
	patient snapshot "$PID" -o core-1
	patient attach "$PID" --json -o json-1
	tell 'blocks 2000 500'
	tell 'map 1048576'
	patient snapshot "$PID" -o core-2
	patient attach "$PID" --json -o json-2
	patient diff core-1 core-2 --json >of-cores
	patient diff json-1 json-2 --json >of-reports
	patient diff json-1 core-2 --json >of-both
	patient diff core-1 "$PID" --json >of-process
	for kind in class region arena size-class; do
		rows of-cores "$kind" >a
		[ -s a ]
		rows of-reports "$kind" | diff a -
		rows of-both "$kind" | diff a -
		rows of-process "$kind" | diff a -
	done
	for kind in string-shape content; do
		diff <(rows of-cores "$kind") <(rows of-process "$kind")
	done
	run -0 patient diff json-1 json-2
	[[ $output == *"not compared: "*"string"* ]]
}

@test "backwards it shrank, and of itself nothing changed" {
	start_fixture grower
	patient snapshot "$PID" -o before
	freeze "$PID"
	run -0 patient diff "$PID" "$PID"
	[[ $output == *"RSS is the same"* ]]
	patient diff "$PID" before --json >same
	json_holds same '.diff == []'
	kill -CONT "$PID"
	tell 'map 1048576'
	run -0 patient diff "$PID" before
	[[ $output == *"RSS shrank by 1."*" anon "*"-1.0 MiB"* ]]
}

@test "two processes, where nothing has the same address" {
	local first
	start_fixture grower
	first=$PID
	start_fixture grower
	tell 'blocks 1000 3000'
	patient diff "$first" "$PID" --json >grown
	json_holds grown '.diff | any(.what == "arena" and
		.key == "glibc arena 0, in use" and .delta == 1000 * 3008)'
	# of files, what the kernel happened to map is in RSS
	json_holds grown '[.diff[] | select(.what == "region" and
		.delta > 1048576) | .key] == ["heap main arena"]'
	json_holds grown '.before.pid != .after.pid'
}

@test "types, as many as the program counts" {
	local first name count
	[ -x "$FIXTURES/objects" ] || skip "no C++ compiler built it"
	start_fixture grower
	first=$PID
	start_fixture objects
	patient diff "$first" "$PID" --json >grown || [ "$?" = 2 ]
	for name in Plain Derived Multi Diamond; do
		count=$(awk -v name="$name" '$1 == "type" && $3 == name {
			print $2 }' "$FIXTURE_SAID")
		[ "$count" -gt 0 ]
		json_holds grown ".diff | any(.what == \"type\" and
			.key == \"$name\" and .before_count == 0 and
			.after_count == $count and .delta > 0)"
	done
}

@test "a report of one command has what that has" {
	start_fixture grower
	patient arenas "$PID" --json -o arenas
	patient maps "$PID" --json -o maps
	tell 'blocks 1000 3000'
	patient diff arenas "$PID" --json >grown
	json_holds grown '[.diff[].what] | unique - ["arena", "size-class"] == []'
	run -0 patient diff maps "$PID"
	[[ $output == *CLASSES*REGIONS* ]]
	[[ $output != *"CHUNKS IN USE"* ]]
	run -1 patient diff maps arenas
	[[ $output == *"no table in common"* ]]
	cat "/proc/$PID/maps" >listing-1
	tell 'map 1048576'
	cat "/proc/$PID/maps" >listing-2
	patient diff listing-1 listing-2 --json >mapped || [ "$?" = 2 ]
	json_holds mapped '.diff | any(.what == "region" and
		.delta == 1048576)'
}

@test "what is no report is said to be none" {
	start_fixture grower
	patient attach "$PID" --json -o report
	head -c 2000 report >cut-off
	echo '{}' >empty
	printf '{"schema": 1, "tool": {"name": "x"}, "regions": [1, [], {}]}' >odd
	run -1 patient diff cut-off "$PID"
	[[ $output == *"cannot read the report cut-off"*"line"* ]]
	run -1 patient diff "$PID" empty
	[[ $output == *"no report of this program"* ]]
	run -0 patient diff odd odd
	run -64 patient diff "$PID"
	[[ $output == *OTHER* ]]
	run -64 patient diff "$PID" "$PID" "$PID"
	run -64 patient diff "$PID" nowhere
	run -4 patient diff "$PID" 999999999
	run -64 mf diff
}

@test "the rows for a spreadsheet, and what was not known" {
	start_fixture grower
	patient snapshot "$PID" -o before
	tell 'blocks 1000 3000'
	run -0 patient diff before "$PID" -f csv
	[[ $output == *"what,key,before,after,delta,"* ]]
	[[ $output == *"arena,\"glibc arena 0, in use\","* ]]
	patient diff before "$PID" -o grown --json
	[ "$(stat -c %a grown)" = 600 ]
	jq '.partial = [{"what": "heap", "why": "so it is"}]' grown >/dev/null
	patient attach "$PID" --json |
		jq '.partial = [{"what": "heap", "why": "so it is"}]' >partial
	run -2 patient diff partial "$PID"
	[[ $output == *"not known, before: heap: so it is"* ]]
}
