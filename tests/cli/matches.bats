#!/usr/bin/env bats
# Patterns: as many matches as python3 or grep find in the same bytes, at the
# addresses where they are.

bats_require_minimum_version 1.5.0

load helper

setup() {
	report=$BATS_TEST_TMPDIR/report
	file=$BATS_TEST_TMPDIR/file
}

scan() { # ARGUMENT...
	mf scan --stop brief --max-pause 60s --json "$PID" "$@" >"$report"
}

# A file of 3 MiB with needles at random places, held by a process at $base.
hold() {
	needs python3
	python3 -c 'import random, sys
random.seed(5)
data = bytearray(random.randbytes(3 << 20))
for i in range(3000):
	at = random.randrange(len(data) - 40)
	data[at:at + 25] = b"user:%08d;needle\xde\xad%c\xef" % (i, i & 255)
open(sys.argv[1], "wb").write(data)' "$file"
	start_fixture holding 1 "$file"
	base=$(awk -v file="$file" '$3 == file { print $1 }' "$FIXTURE_SAID")
}

counted() { # COUNT
	json_holds "$report" ".match_counts | map(.count) == [$1]"
}

# Offsets in the file, of all that was shown.
offsets() {
	jq -r '.matches[].address' "$report" | while read -r address; do
		printf '%d\n' $((address - base))
	done
}

@test "text: as many as grep finds, and just there" {
	hold
	scan --find needle --all
	grep -obUaF needle "$file" | cut -d: -f1 >"$BATS_TEST_TMPDIR/there"
	counted "$(wc -l <"$BATS_TEST_TMPDIR/there")"
	offsets | cmp - "$BATS_TEST_TMPDIR/there"
}

@test "bytes with wildcards, of digits too" {
	hold
	scan --hex 'de ad ?? ef' --all
	counted "$(python3 -c 'import re, sys
print(len(re.findall(rb"(?s)(?=\xde\xad.\xef)", open(sys.argv[1], "rb").read())))' "$file")"
	scan --hex 'dead?1ef'
	counted "$(python3 -c 'import re, sys
print(len(re.findall(rb"(?s)(?=\xde\xad[\x01\x11\x21\x31\x41\x51\x61\x71\x81\x91\xa1\xb1\xc1\xd1\xe1\xf1]\xef)", open(sys.argv[1], "rb").read())))' "$file")"
}

@test "regular expressions: as python3 finds them" {
	hold
	scan --regex 'user:[0-9]+;n' --all
	python3 -c 'import re, sys
for m in re.finditer(rb"user:[0-9]+;n", open(sys.argv[1], "rb").read()):
	print(m.start())' "$file" >"$BATS_TEST_TMPDIR/there"
	counted "$(wc -l <"$BATS_TEST_TMPDIR/there")"
	offsets | cmp - "$BATS_TEST_TMPDIR/there"
}

@test "several patterns in one pass; a thousand of each are shown, all counted" {
	hold
	scan --find needle --find user: --find 'nowhere at all'
	there=$(grep -obUaF needle "$file" | wc -l)
	json_holds "$report" ".match_counts | map(.count) ==
		[$there, $(grep -obUaF user: "$file" | wc -l), 0]"
	json_holds "$report" '.match_counts | map(.shown) == [1000, 1000, 0]'
	json_holds "$report" '.matches | length == 2000'
	json_holds "$report" '.strings == null and .content == null'
	run -0 --separate-stderr mf scan --top 1 --find needle --find user: \
		"$PID"
	[[ $output == *'000 of '*' matches are listed; --all lists more.'* ]]
}

@test "words that point into a region" {
	needs python3
	start_fixture holding 1 /dev/null
	base=$(awk '$3 == "/dev/null" { print $1 }' "$FIXTURE_SAID")
	python3 -c 'import sys
base = int(sys.argv[1], 0)
words = [base, base + 4, base - (1 << 32), 7, base + 8] * 100
open(sys.argv[2], "wb").write(b"".join(w.to_bytes(8, "little")
	for w in words))' "$base" "$file"
	stop_all
	# Another process, with other addresses: what points there is known.
	start_fixture holding 1 "$file"
	scan --pointer-to heap all
	json_holds "$report" '.match_counts[0].kind == "pointer" and
		.match_counts[0].count > 0'
	heap=$(awk '/\[heap\]/ { print $1 }' "/proc/$PID/maps")
	json_holds "$report" "(.matches | length) ==
		([.match_counts[0].count, 1000] | min)"
	start=$((0x${heap%-*})) end=$((0x${heap#*-}))
	jq -r '.matches[].context' "$report" | while read -r target; do
		((target >= start && target < end))
	done
}

@test "YARA rules: as yara finds them in the same bytes" {
	needs yara
	mf scan --yara /nonexistent $$ 2>&1 | grep -q 'no libyara' &&
		skip 'this build has no libyara'
	hold
	cat >"$BATS_TEST_TMPDIR/rules" <<-'EOF'
		rule needles {
			strings:
				$text = "needle"
				$bytes = { de ad ?? ef }
			condition:
				#text > 100 and $bytes
		}
		rule others { strings: $a = "not to be found" condition: $a }
	EOF
	scan --yara "$BATS_TEST_TMPDIR/rules" --all
	for string in text bytes; do
		there=$(yara -s "$BATS_TEST_TMPDIR/rules" "$file" |
			grep -c ":\$$string:")
		json_holds "$report" ".match_counts[] | select(.pattern ==
			\"needles:\$$string\") | .count == $there"
	done
	json_holds "$report" '.match_counts | all(.pattern |
		startswith("others") | not)'
}

@test "a key that a match is in the midst of is masked" {
	needs openssl
	openssl genrsa -out "$file" 2048 2>/dev/null
	line=$(sed -n 9p "$file")
	start_fixture holding 1 "$file"
	scan --find "${line:10:12}"
	counted 1
	for ((i = 0; i < 40; i += 8)); do
		[ "$i" = 8 ] || ! jq -r '.matches[].context' "$report" |
			grep -qF -- "${line:i:8}"
	done
}

@test "what is no pattern is refused" {
	start_fixture holding 1 /dev/null
	for wrong in '--hex zz' '--hex d' '--hex ??' '--regex (a'; do
		# shellcheck disable=SC2086 # two words
		run -64 mf scan "$PID" $wrong
	done
	run -64 mf scan "$PID" --find ''
	# shellcheck disable=SC2046 # two words each
	run -64 mf scan "$PID" $(printf -- '--find %d ' {1..65})
	[[ $output == *'64 at once'* ]]
	run -64 mf scan "$PID" --pointer-to nothing:known
	# shellcheck disable=SC2016 # YARA's, not the shell's
	printf 'rule x { condition: $a }' >"$file"
	run mf scan "$PID" --yara "$file"
	[ "$status" = 64 ] || [ "$status" = 5 ]
	[[ $output == *'line 1'* || $output == *libyara* ]]
	run mf scan "$PID" --yara "$BATS_TEST_TMPDIR"
	[[ $output == *'Is a directory'* || $output == *libyara* ]]
}
