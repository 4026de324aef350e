#!/usr/bin/env bats
# A copy that lives while its process goes on writing costs memory. Where that
# runs out, it is the copy that dies. And of what ends meanwhile, nothing is
# kept.

# shellcheck source=tests/cli/victims.bash
source "$BATS_TEST_DIRNAME/victims.bash"

teardown() {
	dismiss
	stop_all
	leave_cgroup
}

# The folder of this process's own memory cgroup.
own_cgroup() {
	local mount path
	path=$(awk -F: '$2 ~ /(^|,)memory(,|$)/ { print $3 }' /proc/self/cgroup)
	if [ -n "$path" ]; then
		mount=$(awk '$(NF - 2) == "cgroup" && $NF ~ /(^|,)memory(,|$)/ {
			print $5 }' /proc/self/mountinfo)
	else
		path=$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
		mount=$(awk '$(NF - 2) == "cgroup2" { print $5 }' \
			/proc/self/mountinfo)
	fi
	[ -n "$mount" ] || return 1
	printf '%s\n' "${mount%%$'\n'*}${path%/}"
}

# A cgroup of this test's own, $cgroup, with its files $limit, $usage, $kills.
need_cgroup() {
	local parent
	parent=$(own_cgroup) || skip "memory cgroups are not mounted"
	if [ -e "$parent/cgroup.subtree_control" ]; then
		echo +memory >"$parent/cgroup.subtree_control" || true
	fi 2>/dev/null
	cgroup=$parent/memforensics-test.$$
	mkdir "$cgroup" 2>/dev/null || {
		cgroup=
		skip "no cgroup can be made in $parent"
	}
	limit=$cgroup/memory.max usage=$cgroup/memory.current
	kills=$cgroup/memory.events
	if [ -e "$cgroup/memory.limit_in_bytes" ]; then
		limit=$cgroup/memory.limit_in_bytes
		usage=$cgroup/memory.usage_in_bytes
		kills=$cgroup/memory.oom_control
	fi
	[ -w "$limit" ] || skip "memory cannot be limited in $cgroup"
}

leave_cgroup() {
	[ -n "${cgroup-}" ] || return 0
	until rmdir "$cgroup" 2>/dev/null; do :; done
	cgroup=
}

killed_in_cgroup() {
	awk '$1 == "oom_kill" { print $2 }' "$kills"
}

# Starts a victim in $cgroup, whose word is how big it is; $loaded is its pid.
limited_victim() { # MIB KIND...
	# shellcheck disable=SC2016 # its words, not ours
	start_until '^ready$' sh -c 'echo $$ >"$1/cgroup.procs" && shift &&
		exec "$@"' sh "$cgroup" "$FIXTURES/loaded" "$@"
	# shellcheck disable=SC2034 # for victims.bash
	victim=$PID stats=$FIXTURE_SAID
	loaded=$(said victim)
}

# Looks at PID through a copy, and stops with it: $copy is its pid.
look_and_pause() { # PID FILE
	local said line
	coproc "$FIXTURES/killer" pause 1 0 "$1" "$MEMFORENSICS" arenas \
		--json --stop snapshot --max-pause 10s -o "$2" "$1"
	# shellcheck disable=SC2034 # by its name
	pauser=$COPROC_PID
	started+=("$pauser")
	exec {pauser_in}>&"${COPROC[1]}" {pauser_out}<&"${COPROC[0]}"
	while read -r said line <&"$pauser_out"; do
		[ "$said" != copy ] || copy=$line
		[ "$said" != paused ] || return 0
	done
	return 1
}

# Lets it go on: $code is how it ended.
look_on() {
	local said line
	echo >&"$pauser_in"
	while read -r said line <&"$pauser_out"; do
		[ "$said" != exit ] || code=${line% *}
	done
	wait "$pauser"
}

# Gone, or its parent is yet to take its exit status.
is_dead() { # PID
	[ ! -e "/proc/$1" ] || grep -q '^State:.[ZX]' "/proc/$1/status"
} 2>/dev/null

# It gives them up soon after its birth.
has_no_files() { # PID
	local files
	while [ -e "/proc/$1" ]; do
		files=$(ls "/proc/$1/fd" 2>/dev/null || true)
		[ -n "$files" ] || return 0
	done
}

@test "near its cgroup's limit, the copy dies and the process lives" {
	local file=$BATS_TEST_TMPDIR/report.json
	need_cgroup
	limited_victim 96 memory waits
	look_and_pause "$loaded" "$file"
	echo $(($(<"$usage") + (16 << 20))) >"$limit"
	tell rewrite
	until is_dead "$copy"; do :; done
	# without the copy it has room again
	tell check
	tell check
	look_on
	[ "$(killed_in_cgroup)" = 1 ]
	echo "memforensics ended with $code"
	jq -c '.impact, .partial' "$file"
	[ "$code" = 2 ]
	json_holds "$file" '.partial | length > 0'
	[ "$(said harm)" = 0 ]
	[ ! -e "/proc/$copy" ]
	tell end
	[ "$(said ended-as)" = 77 ]
}

@test "a process that ends while its copy lives has closed its files" {
	local file=$BATS_TEST_TMPDIR/report.json
	victim loaded 16 memory waits
	loaded=$(said victim)
	look_and_pause "$loaded" "$file"
	tell end
	[ "$(said ended-as)" = 77 ]
	has_no_files "$copy"
	look_on
	[ "$code" = 0 ] || [ "$code" = 2 ] || [ "$code" = 4 ]
	is_dead "$copy"
}

@test "a process that executes another while its copy lives keeps no old files" {
	local file=$BATS_TEST_TMPDIR/report.json
	victim loaded 1 exec-once
	loaded=$(said victim)
	look_and_pause "$loaded" "$file"
	tell rewrite
	# by the next image
	until [ "$(tr '\0' ' ' <"/proc/$loaded/cmdline")" = \
		"loaded-again 1 exec-once " ]; do :; done
	has_no_files "$copy"
	look_on
	[ "$code" = 0 ] || [ "$code" = 2 ] || [ "$code" = 4 ]
	tell check
	[ "$(said harm)" = 0 ]
	[ ! -e "/proc/$copy" ]
}
