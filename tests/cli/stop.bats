#!/usr/bin/env bats
# How a process is held (--stop): what is taken where, and what is said of it.
# Processes that cannot be copied, or could only with harm, are not.

bats_require_minimum_version 1.5.0

# shellcheck source=tests/cli/victims.bash
source "$BATS_TEST_DIRNAME/victims.bash"

groups=()

teardown() {
	dismiss
	local group
	for group in ${groups[@]+"${groups[@]}"}; do
		rmdir "$group"
	done
}

# memforensics's report of the victim in $report; fails unless its exit status
# is STATUS.
holds() { # STATUS OPTION...
	local wanted=$1 status=0
	shift
	mf arenas --json --max-pause 10s "$@" "$victim" >"$report" || status=$?
	[ "$status" = "$wanted" ] || {
		echo "status $status, not $wanted"
		return 1
	}
}

# Fails unless the last report says STOP, and WHY is a part of its reason.
took() { # STOP WHY
	json_holds "$report" ".impact.stop == \"$1\" and
		(.impact.why | contains(\"$2\"))"
}

# A snapshot is taken unasked, and where it was asked for.
can_be_copied() {
	holds 0 --stop auto
	took snapshot 'fits --max-pause 10'
	json_holds "$report" '.impact.consistency == "exact" and .partial == []'
	holds 0 --stop snapshot
	took snapshot '--stop snapshot'
	is_unharmed
}

# None is, because of WHY; the next best is, and says so.
cannot_be_copied() { # WHY
	holds 0 --stop auto
	took brief "no snapshot: $1"
	took brief 'fits --max-pause 10'
	json_holds "$report" '.impact.consistency == "exact" and .partial == []'
	holds 2 --stop snapshot
	took brief "no snapshot: $1"
	json_holds "$report" "[.partial[] | select(.what == \"stop\" and
		(.why | contains(\"$1\")))] | length == 1"
	is_unharmed
}

# It runs, has the memory that it had, and no child.
is_unharmed() {
	local before after
	before=$(said sum)
	tell sum
	after=$(said sum)
	[ -n "$after" ] && [ "${before:-$after}" = "$after" ]
	[ -z "$(pgrep -P "$victim")" ]
	awk '/^State:/ && $2 ~ /[TtZ]/ || /^TracerPid:/ && $2 != 0 {
		print
		bad = 1
	} END { exit bad }' "/proc/$victim/status"
}

# May this test read others' filters?
needs_filters() {
	local effective mode
	effective=$(awk '/^CapEff:/ { print $2 }' /proc/self/status)
	mode=$(awk '/^Seccomp:/ { print $2 }' /proc/self/status)
	((${mode:-0} == 0 && (0x$effective >> 21 & 1))) ||
		skip 'reading filters takes CAP_SYS_ADMIN, and none here'
}

# A victim that COMMAND, which ends in executing it, starts.
victim_by() { # COMMAND...
	start_until '^ready$' "$@"
	victim=$PID
	stats=$FIXTURE_SAID
	report=${stats%/*}/report.json
}

# $as_user runs a command as one who is not root, and has no other processes.
needs_user() { # UID
	as_user=(setpriv --reuid "$1" --clear-groups)
	"${as_user[@]}" true 2>/dev/null ||
		skip 'only root can become another user'
	chmod 755 "$BATS_TEST_TMPDIR"
	"${as_user[@]}" test -x "$MEMFORENSICS" -a -x "$FIXTURES/confined" ||
		skip 'another user cannot run what is built here'
}

# Starts a victim in the cgroup $group.
victim_in_group() { # MIB
	# shellcheck disable=SC2016 # the inner shell's
	victim_by sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' \
		sh "$group" "$FIXTURES/confined" "$1" none
}

# A new cgroup of CONTROLLER in $group, below that of this test.
make_group() { # CONTROLLER
	local path top
	path=$(awk -F: -v name="$1" '{
		count = split($2, names, ",")
		for (i = 1; i <= count; i++)
			if (names[i] == name)
				print $3
	}' /proc/self/cgroup)
	if [ -n "$path" ]; then
		top=$(awk -v name="$1" '$3 == "cgroup" &&
			("," $4 ",") ~ ("," name ",") { print $2; exit }' \
			/proc/mounts)
	else
		path=$(sed -n 's/^0:://p' /proc/self/cgroup)
		top=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
		grep -qw "$1" "$top$path/cgroup.subtree_control" ||
			path=/
	fi
	group=$top$path/mf-test-$BATS_TEST_NUMBER-$$
	mkdir "$group" 2>/dev/null ||
		skip "no cgroup of $1 can be made here"
	groups+=("$group")
	[ -e "$group/$2" ] || [ -e "$group/$3" ] ||
		skip "cgroups have no $1 here"
}

# Writes VALUE to the first of FILES that the group has.
limit_group() { # VALUE FILE...
	local value=$1 file
	shift
	for file; do
		[ -e "$group/$file" ] || continue
		echo "$value" >"$group/$file"
		return
	done
	return 1
}

@test "a process that stands in nobody's way is copied" {
	victim confined 4 none
	can_be_copied
	json_holds "$report" '.impact.stops >= 1 and .impact.pause_ms > 0'
}

@test "a pause that is too long is not taken, and both are told" {
	victim confined 4 none
	mf arenas --json --max-pause 0.01ms "$victim" >"$report" || true
	took none 'is over --max-pause 0.01 ms'
	took none 'no snapshot: '
	json_holds "$report" '.impact.consistency == "racy" and
		.impact.stops == 0 and .impact.pause_ms == 0'
	is_unharmed
}

@test "what was asked for is what is done" {
	victim confined 4 none
	holds 0 --stop none
	took none '--stop none'
	holds 0 --stop brief
	took brief '--stop brief'
	# a copy that is asked for is made whatever is predicted
	mf arenas --json --stop snapshot --max-pause 0.01ms "$victim" >"$report"
	took snapshot '--stop snapshot'
	is_unharmed
}

@test "seccomp filters that let a copy be made are no obstacle" {
	local filter
	needs_filters
	for filter in allow flags log; do
		victim confined 1 "$filter"
		can_be_copied
		dismiss
	done
}

@test "where seccomp would refuse or kill, nothing is called" {
	local filter
	needs_filters
	for filter in errno kill wait both list; do
		victim confined 1 "$filter"
		cannot_be_copied 'its seccomp filter forbids it'
		dismiss
	done
	victim confined 1 child
	cannot_be_copied 'what its seccomp filter would do depends on'
	dismiss
	victim confined 1 strict
	cannot_be_copied "seccomp's strict mode forbids it"
}

@test "a filter that cannot be read is taken for one that kills" {
	local mode
	needs_user 54321
	victim_by "${as_user[@]}" "$FIXTURES/confined" 1 allow
	for mode in auto snapshot; do
		run --separate-stderr "${as_user[@]}" "$MEMFORENSICS" \
			arenas --json --max-pause 10s --stop "$mode" "$victim"
		jq -e '.impact.stop == "brief" and (.impact.why |
			contains("its seccomp filter cannot be read"))' \
			<<<"$output"
	done
	[ "$status" = 2 ]
}

@test "a thread that waits for its vfork child" {
	victim confined 1 vfork
	mf arenas --json --stop auto --max-pause 1s "$victim" >"$report" || true
	took brief 'waits for its vfork child'
}

@test "memory that a userfaultfd watches" {
	victim confined 1 watched
	grep -q '^watched$' "$stats" ||
		skip 'no userfaultfd can be had here'
	cannot_be_copied 'a userfaultfd watches its memory'
}

@test "a process that another one traces is not stopped at all" {
	victim confined 1 traced
	holds 0 --stop auto
	took none 'it is traced already, by process'
	holds 2 --stop snapshot
	took none 'it is traced already, by process'
	json_holds "$report" '[.partial[] | select(.what == "stop")] |
		length == 1'
	tell sum
}

@test "a stopped process makes no copy, and stays stopped" {
	victim confined 1 none
	freeze "$victim"
	holds 0 --stop auto
	took brief 'no snapshot: it is stopped'
	holds 2 --stop snapshot
	took brief 'no snapshot: it is stopped'
	# it wakes up in the kernel to go back into its own stop
	until [ "$(awk '/^State:/ { print $2 }' "/proc/$victim/status")" = T ]
	do :; done
	kill -CONT "$victim"
	is_unharmed
}

@test "a cgroup with little room: none unasked, one that is asked for" {
	make_group memory memory.max memory.limit_in_bytes
	limit_group $((64 << 20)) memory.max memory.limit_in_bytes
	victim_in_group 56
	holds 0 --stop auto
	took brief 'no snapshot: a copy may take 14'
	took brief 'its cgroup has room for'
	holds 0 --stop snapshot
	took snapshot '--stop snapshot'
	# as soon as there is room, one is taken
	limit_group $((256 << 20)) memory.max memory.limit_in_bytes
	can_be_copied
}

@test "pids.max is met: no copy, and none tried" {
	make_group pids pids.max pids.max
	victim_in_group 1
	limit_group 1 pids.max
	cannot_be_copied 'pids.max of its cgroup leaves no room'
	# one is enough for who asks, but leaves the process none
	limit_group 2 pids.max
	holds 0 --stop auto
	took brief 'pids.max'
	holds 0 --stop snapshot
	took snapshot '--stop snapshot'
	limit_group 4 pids.max
	can_be_copied
}

@test "RLIMIT_NPROC of another user is met" {
	needs_user 54322
	# the limit counts for the user, who has this process alone
	victim_by "${as_user[@]}" prlimit --nproc=1:1000 \
		"$FIXTURES/confined" 1 none
	cannot_be_copied 'RLIMIT_NPROC'
	"${as_user[@]}" prlimit --pid "$victim" --nproc=1000:1000
	can_be_copied
}
