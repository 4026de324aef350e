#!/usr/bin/env bats
# Rust's trait objects: as many of each type as the program made and still has,
# however many pointers there are to one, and were, before their vector grew.

load helper

setup() {
	rust=$here/../../build/rust
	scan=$BATS_TEST_TMPDIR/scan.json
}

# Starts the program as it was built for NAMES, and scans it.
look_at() { # NAMES
	[ -x "$rust/shapes-$1" ] || skip 'no rustc here'
	start_until '^ready$' "$rust/shapes-$1" 100
	mf scan --json --objects --max-pause 1m "$PID" >"$scan"
}

# How types are called that have a symbol.
name_of() { # TYPE
	case $1 in
	String) echo alloc::string::String ;;
	closure) echo 'shapes::main::{{closure}}' ;;
	*) echo "shapes::$1" ;;
	esac
}

told_the_same() {
	local word type count
	while read -r word type count; do
		[ "$word" = object ] || continue
		jq -e --arg type "$(name_of "$type")" --argjson count "$count" \
			'[.objects[] | select(.language == "rust") | .type |=
				sub("{closure#.}"; "{{closure}}")] |
			map(select(.type == $type))[0].count == $count' \
			"$scan" >/dev/null || {
			echo "not $count of $type"
			jq -c '.objects[]' "$scan"
			return 1
		}
	done <"$FIXTURE_SAID"
	# and nothing else
	json_holds "$scan" '[.objects[] | select(.language == "rust") | .count]
		| add == 8500'
}

@test "legacy names" {
	look_at legacy
	told_the_same
}

@test "v0 names" {
	look_at v0
	told_the_same
}

@test "stripped: the same numbers, by vtable or source line" {
	look_at stripped
	json_holds "$scan" '[.objects[] | select(.language == "rust") | .count]
		| sort == [400, 700, 700, 700, 1000, 5000]'
	json_holds "$scan" 'any(.objects[]; .count == 400 and
		.evidence == "source" and (.type | test("shapes.rs:[0-9]+:")))'
}

@test "bytes are those of their chunks" {
	look_at v0
	# glibc gives 32 bytes for 8 and 64 for 48, and a few that were larger
	json_holds "$scan" '.objects[] | select(.type == "shapes::Circle") |
		.bytes >= 5000 * 32 and .bytes < 5000 * 32 + 1024'
	json_holds "$scan" '.objects[] | select(.type == "shapes::Polygon") |
		.bytes >= 1000 * 64 and .bytes < 1000 * 64 + 1024'
}
