#!/usr/bin/env bats
# Who keeps how much alive, against a program that counts it: variables, what
# two of them share, cycles, containers, a thread's stack and its own variables,
# a mapping, and the objects of a type.

# shellcheck disable=SC2154 # victim, work, stats, report: of victims.bash
bats_require_minimum_version 1.5.0

load victims

setup() {
	[ -x "$FIXTURES/retained" ] || skip "no g++ to build it"
	victim retained
}

dominators() { # OPTION-OR-PLACE...
	mf refs --json --dominators --stop brief --max-pause 10s "$target" \
		"$@" >"$report" || {
		local code=$?
		jq -c '{impact, partial}' "$report"
		return "$code"
	}
}

# All that the program said of itself is in $report, and nothing is missing.
same_words() {
	local word first second third name
	local -i checked=0
	while read -r word first second third name; do
		case $word in
		retains)
			[ "$third" = several ] || is_so "[.keepers[] | select(
				.module == \"retained\" and .symbol != null and
				(.symbol | sub(\"[[].*\"; \"\")) == \"$third\") |
				.retained, .chunks] == [$first, $second]"
			[ "$third" != several ] || is_so "[.keepers[] | select(
				.kind == \"shared\" and .module == \"retained\") |
				.retained, .chunks] == [$first, $second]"
			;;
		thread)
			is_so "[.keepers[] | select(.kind == \"thread\" and
				.tid == $first) | .retained, .chunks] ==
				[$second, $third]"
			;;
		type)
			is_so "[.types[] | select(.type == \"$name\") | .count,
				.bytes, .retained] == [$first, $second, $third]"
			;;
		*) continue ;;
		esac
		checked+=1
	done <"$stats"
	[ "$checked" -eq 11 ]
	# each byte is somebody's, and only one's
	is_so '([.keepers[].retained] | add) == .totals.reached_bytes and
		([.keepers[].chunks] | add) == .totals.reached and
		.totals.reached_bytes == .totals.in_use_bytes'
}

@test "variables, threads and types retain what the program says" {
	target=$victim
	dominators
	same_words
	is_so '.partial == [] and .keepers[0].share > 0.8'
}

@test "the same of a core" {
	mf snapshot -q -o "$work/core" "$victim"
	target=$work/core
	dominators
	same_words
}

@test "what holds a chunk, and what that holds" {
	local address retained
	target=$victim
	read -r address retained < <(sed -n 's/^chunk \(.*\) bottom$/\1/p' "$stats")
	dominators "$address" g_diamond
	is_so "[.asked[] | select(.address == \"$address\")][0] |
		.retained == $retained and .chunks == 2 and .reached == 1 and
		(.kept_by | length == 2 and .[0].kind == \"chunk\" and
		.[1].what == \"g_diamond (retained)\") and
		(.keeps | map(.bytes) | add) == $retained"
	is_so "[.asked[] | select(.what == \"g_diamond (retained)\")][0] |
		.retained == $(sed -n 's/^retains \([0-9]*\) .* g_diamond$/\1/p' \
		"$stats") and (.kept_by == []) and .chunks == 5"
	read -r address retained < <(sed -n 's/^chunk \(.*\) shared$/\1/p' "$stats")
	dominators "$address"
	is_so ".asked[0] | .retained == $retained and (.kept_by | length == 1 and
		.[0].kind == \"module\" and (.[0].what | test(\"of retained: \") and
		test(\"g_shared_left\") and test(\"g_shared_right\")))"
	read -r address retained < <(sed -n 's/^chunk \(.*\) t_cache$/\1/p' "$stats")
	dominators "$address"
	is_so ".asked[0] | .retained == $retained and (.kept_by | length == 1 and
		.[0].kind == \"tls\")"
}

@test "what the objects of a type keep, and who keeps these" {
	local bytes retained
	target=$victim
	read -r _ _ bytes retained _ < <(grep '^type .* Session$' "$stats")
	dominators type:Session
	is_so ".asked == [.asked[0]] and (.asked[0] | .what == \"Session\" and
		.bytes == $bytes and .retained == $retained and
		(.kept_by | length == 1 and .[0].symbol == null and
		(.[0].what | startswith(\"g_session_cache\")) and
		.[0].bytes == $bytes) and (.keeps | map(.bytes) | add) ==
		$retained)"
}

@test "scan says of types what they retain" {
	local word count bytes retained type
	look scan --objects --retained
	while read -r word count bytes retained type; do
		[ "$word" = type ] || continue
		is_so "[.objects[] | select(.type == \"$type\") | .count,
			.bytes, .retained] == [$count, $bytes, $retained]"
	done <"$stats"
	look scan --objects
	is_so 'all(.objects[]; has("retained") | not)'
}

@test "as text and as CSV" {
	local text
	text=$(mf refs --dominators --bytes --stop brief \
		--max-pause 10s "$victim")
	[[ $text =~ g_session_cache.*retained ]]
	[[ $text == *"WHO KEEPS HOW MUCH ALIVE"* ]]
	mf refs --dominators -f csv --stop brief --max-pause 10s \
		"$victim" >"$work/csv"
	grep -q '^"\?g_ring (retained)"\?,variable,0x' "$work/csv"
}
