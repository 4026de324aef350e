#!/usr/bin/env bats
# A sample of what `make soak` does a thousand times: processes under load that
# check themselves are looked at, and notice nothing. `cli/soak --list` says what
# each part is.

load helper

rounds=${SOAK_ROUNDS:-12}

soak() { # PART...
	"$BATS_TEST_DIRNAME/soak" --rounds "$rounds" "$@"
}

@test "looked at: signals, waits, timers, files, memory" {
	soak calls
}

@test "looked at: registers, restartable sequences, stacks that end soon" {
	soak registers sequences stacks
}

@test "looked at: threads and children that come and go" {
	soak threads children
}

@test "looked at: it executes itself, it ends" {
	soak execs exits
}

@test "memforensics killed" {
	soak kill-main kill-exec
}

@test "its holder killed" {
	soak kill-holder kill-large
}

@test "its holder killed: stacks that end soon, restartable sequences" {
	soak kill-stacks kill-sequences
}

@test "the copy killed" {
	soak kill-copy
}

@test "killed while children come and go" {
	soak kill-children
}

@test "a Java program: looked at, killed meanwhile" {
	command -v javac >/dev/null || skip "javac is not installed"
	soak java
}

@test "a Go program: looked at, killed meanwhile" {
	command -v go >/dev/null || skip "go is not installed"
	soak go
}
