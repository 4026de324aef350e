#!/usr/bin/env bats
# Objects of C++, by their types, against programs that count their own: in
# every way that a program can be built, and with nothing left of its symbols.

load helper

# Starts a build of fixtures/programs/objects.cc, and scans it.
scan_objects() { # BUILD WHAT-IT-NEEDS OPTION...
	local build=$1 needs=$2
	shift 2
	[ -x "$FIXTURES/$build" ] || skip "no $needs to build it"
	start_fixture "$build"
	patient scan --objects --json "$@" "$PID" >"$BATS_TEST_TMPDIR/said" || {
		jq -c '.partial, .impact' "$BATS_TEST_TMPDIR/said"
		return 1
	}
}

# Each type that the program told of has just as many objects.
same_counts() {
	local said=$BATS_TEST_TMPDIR/said word count type found
	local -i checked=0
	while read -r word count type; do
		[ "$word" = type ] || continue
		found=$(jq --arg type "$type" '[.objects[] | select(.type ==
			$type and .language == "c++") | .count] | add // 0' \
			"$said")
		[ "$found" = "$count" ] || {
			echo "$type: $found found, $count there"
			return 1
		}
		checked+=1
	done <"$FIXTURE_SAID"
	[ "$checked" -ge 20 ]
}

# None of the counts is doubted but of what lies in a vector.
nothing_doubted() { # EVIDENCE
	json_holds "$BATS_TEST_TMPDIR/said" "all(.objects[] |
		select(.count > 0); .evidence == \"$1\" and
		(.confidence == \"high\" or .type == \"Row\"))"
}

# Shared pointers: made at once, of an object, and those that lost theirs.
same_blocks() { # AT-ONCE OF-AN-OBJECT, as their types begin
	local made of expired
	read -r made of expired < <(sed -n 's/^blocks //p' "$FIXTURE_SAID")
	json_holds "$BATS_TEST_TMPDIR/said" "[.objects[] | select(.type |
		startswith(\"$1\")) | .count, .note] ==
		[$made, \"$expired expired\"]"
	json_holds "$BATS_TEST_TMPDIR/said" "[.objects[] | select(.type |
		startswith(\"$2\")) | .count] == [$of]"
}

@test "a program with all of its symbols" {
	scan_objects objects g++
	same_counts
	nothing_doubted rtti
	same_blocks 'std::_Sp_counted_ptr_inplace<Shared' \
		'std::_Sp_counted_ptr<Shared'
}

@test "a stripped one" {
	scan_objects objects-stripped g++
	same_counts
	nothing_doubted rtti
}

@test "a stripped one of fixed place" {
	scan_objects objects-fixed g++
	same_counts
	nothing_doubted rtti
}

@test "a stripped one with all libraries in it" {
	scan_objects objects-static 'static libstdc++'
	same_counts
	nothing_doubted rtti
}

@test "a stripped one with libc++" {
	scan_objects objects-libcxx 'clang++ with libc++'
	same_counts
	nothing_doubted rtti
	same_blocks 'std::__1::__shared_ptr_emplace<Shared' \
		'std::__1::__shared_ptr_pointer<Shared'
}

@test "one without type information" {
	scan_objects objects-nortti g++
	same_counts
	nothing_doubted symbol
	same_blocks 'std::_Sp_counted_ptr_inplace<Shared' \
		'std::_Sp_counted_ptr<Shared'
}

@test "one without type information and symbols: vtables without names" {
	scan_objects objects-bare g++
	json_holds "$BATS_TEST_TMPDIR/said" 'all(.objects[]; .evidence ==
		"address" and .confidence == "low" and
		(.type | test("^vtable at objects-bare\\+0x[0-9a-f]+$")))'
	# Plain, Derived, Multi, Diamond, and blocks that were made at once
	json_holds "$BATS_TEST_TMPDIR/said" '[.objects[].count] |
		contains([950, 300, 200, 77, 60])'
}

@test "bytes are those of chunks, and an example is one" {
	scan_objects objects g++
	local bytes example
	bytes=$(sed -n 's/^bytes //p' "$FIXTURE_SAID")
	json_holds "$BATS_TEST_TMPDIR/said" ".objects[] | select(.type ==
		\"Plain\") | .bytes == $bytes and .inside == 0"
	# what is in others has no bytes of its own
	json_holds "$BATS_TEST_TMPDIR/said" '.objects[] | select(.type ==
		"deep::inside::Pooled") | .bytes == 0 and .inside == .count'
	example=$(jq -r '.objects[] | select(.type == "Holder") | .example' \
		"$BATS_TEST_TMPDIR/said")
	command -v gdb >/dev/null || skip 'no gdb to ask'
	run gdb -nx -q -batch -p "$PID" -ex 'set print object on' \
		-ex "print (('Holder' *)$example)->between" \
		-ex "info symbol *(long *)$example"
	[[ $output == *'"between"'* ]]
	[[ $output == *'vtable for Holder'* ]]
}

@test "the same by a core, and in text" {
	scan_objects objects g++
	mf snapshot "$PID" -o "$BATS_TEST_TMPDIR/core"
	mf scan --objects --json "$BATS_TEST_TMPDIR/core" \
		>"$BATS_TEST_TMPDIR/said"
	same_counts
	mf scan --objects "$BATS_TEST_TMPDIR/core" >"$BATS_TEST_TMPDIR/text"
	cat "$BATS_TEST_TMPDIR/text"
	grep -Eq '^ +Plain +(c[+][+] +)?950 ' "$BATS_TEST_TMPDIR/text"
}

# Of the program's counts by shape: sums over all sizes, which may be wrong by
# FEW, since a shape is no proof.
same_shapes() {
	local said=$BATS_TEST_TMPDIR/said few=3 word count bytes kind found
	local -A counts=() sizes=()
	while read -r word count bytes kind; do
		[ "$word" = shape ] || continue
		counts[$kind]=$((${counts[$kind]:-0} + count))
		sizes[$kind]=$((${sizes[$kind]:-0} + bytes))
	done <"$FIXTURE_SAID"
	[ ${#counts[@]} = 5 ]
	for kind in "${!counts[@]}"; do
		found=$(jq --arg kind "$kind" '[.objects[] | select(.evidence ==
			"shape" and .confidence == "medium" and (.type |
			startswith($kind)))] | "\(map(.count) | add) \(map(.bytes)
			| add)"' -r "$said")
		read -r count bytes <<<"$found"
		echo "$kind: $found, is ${counts[$kind]} ${sizes[$kind]}"
		((count >= counts[$kind] - few && count <= counts[$kind] + few))
		((bytes >= sizes[$kind] * 9 / 10))
		((bytes <= sizes[$kind] * 11 / 10))
	done
}

@test "containers by their shapes" {
	scan_objects containers g++
	same_shapes
	local short
	short=$(sed -n 's/^short //p' "$FIXTURE_SAID")
	json_holds "$BATS_TEST_TMPDIR/said" ".objects[] | select(.type ==
		\"std::string, short\") | .count >= $short and
		.count <= $short + 3 and .bytes == 0"
	json_holds "$BATS_TEST_TMPDIR/said" '.objects[] | select(.type ==
		"std::deque block") | .count == 11'
}

@test "containers of libc++ by their shapes" {
	scan_objects containers-libcxx 'clang++ with libc++'
	same_shapes
}

@test "nothing of a shape is called certain, nor found where there is no C++" {
	scan_objects containers g++
	json_holds "$BATS_TEST_TMPDIR/said" 'all(.objects[]; .evidence != "shape"
		or .confidence != "high")'
	start_fixture mixed
	mf scan --objects --json "$PID" >"$BATS_TEST_TMPDIR/c"
	json_holds "$BATS_TEST_TMPDIR/c" '.objects == []'
}
