#!/usr/bin/env bats
# Every glibc that can be had, in every way that changes what its heaps look
# like: what `arenas` says is what the process says, and what malloc_trim then
# gives back. One test is one glibc; tests/cli/matrix says what its cells are.

# shellcheck disable=SC2154 # here: of helper.bash
bats_require_minimum_version 1.5.0

setup_file() {
	local root=$BATS_TEST_DIRNAME/../..
	"$root/contrib/glibcs/get" bullseye trixie sid experimental \
		>"$BATS_FILE_TMPDIR/glibcs" 2>&1 || true
}

load victims

setup() {
	export FIXTURES MEMFORENSICS
	O=$(realpath -m "$FIXTURES/..")
	export O
}

# Runs all cells with one glibc, and says how many there were.
runs() { # OPTION... VERSION FOLDER
	run "$here/matrix" ${JOBS:+--jobs "$JOBS"} \
		--every "${MATRIX_EVERY:-1}" "$@"
	echo "$output"
	echo "# note: ${lines[-1]}" >&3
	[ "$status" = 0 ]
}

# What a suite of Debian's archive has, or skips where it can't be had.
runs_suite() { # SUITE
	local suite version folder
	read -r suite version folder < <(grep "^$1 " "$BATS_FILE_TMPDIR/glibcs")
	[ "$version" != - ] || skip "no glibc of Debian $suite: $folder"
	runs "$version" "$folder"
}

runs_own() { # OPTION...
	local version
	version=$(getconf GNU_LIBC_VERSION) || skip "its libc is not glibc"
	runs "$@" "${version#glibc }" host
}

@test "this machine's own glibc" {
	runs_own
}

@test "glibc of Debian bullseye (2.31)" {
	runs_suite bullseye
}

@test "glibc of Debian trixie (2.41)" {
	runs_suite trixie
}

@test "glibc of Debian sid (2.43 or later)" {
	runs_suite sid
}

@test "glibc of Debian experimental (2.44 or later)" {
	runs_suite experimental
}

@test "half of the pages of free blocks are swapped out" {
	need_swap
	runs_own --swap
	while read -r _ version folder; do
		[ "$version" = - ] || runs --swap "$version" "$folder"
	done <"$BATS_FILE_TMPDIR/glibcs"
}
