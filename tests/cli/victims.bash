# Victims: programs of fixtures/programs that tell the truth about themselves.
# A test starts one, talks to it through its standard input, and compares what
# memforensics says with what it says.

# shellcheck source=tests/cli/helper.bash
source "${BASH_SOURCE[0]%/*}/helper.bash"

# Starts a victim and waits until it is ready: $victim is its pid, $stats the
# file of what it said, $report the file of our last report of it.
victim() { # NAME ARGUMENT...
	start_fixture "$@"
	adopt
}

# Makes what was started the victim.
adopt() {
	victim=$PID
	stats=$FIXTURE_SAID
	work=${stats%/*}
	report=$work/report.json
}

# What the victim last said of KEY.
said() { # KEY
	awk -v key="$1" '$1 == key { value = $2 } END { print value }' "$stats"
}

dismiss() {
	[ -n "${victim-}" ] || return 0
	exec {FIXTURE_IN}>&- {FIXTURE_OUT}<&-
	stop_all
	victim=
}

# memforensics's report of the victim, in $report.
look() { # COMMAND OPTION...
	mf "$@" --json --stop brief --max-pause 10s "$victim" \
		>"$report" || {
		local code=$?
		jq -c '{impact, partial}' "$report"
		return "$code"
	}
}

# Fails unless FILTER is true of $report.
is_so() { # FILTER
	json_holds "$report" "$1"
}

# Compares a report of its arenas with the victim's last word on them, both
# with all symbols and by structure alone; leaves the latter in $report.
agrees() {
	local way
	for way in '' --no-symbols; do
		cat "/proc/$victim/smaps" >"$work/smaps"
		# shellcheck disable=SC2086 # no option rather than an empty one
		look arenas $way
		"$here/truth" arenas "$stats" "$report" "$work/smaps" || {
			echo "that was $*${way:+, with $way}"
			return 1
		}
	done
}

# The same for a victim that this starts and ends.
check() { # NAME ARGUMENT...
	victim "$@"
	agrees "$@"
	dismiss
}

# One value of $report; FILTER sees the first glibc allocator as $glibc.
glibc() { # FILTER
	jq -r "[.allocators[] | select(.name == \"glibc\")][0] as \$glibc |
		\$glibc | $1" "$report"
}

# Fails unless FILTER is true of $report's glibc.
holds() { # FILTER
	[ "$(glibc "$1")" = true ] || {
		echo "not so: $1"
		glibc 'del(.arenas)'
		return 1
	}
}

# Swap to work with: what there is, or a file of this test's own. One test at a
# time: when such a file goes, what others have swapped out to it comes back.
need_swap() {
	local file=$BATS_TEST_TMPDIR/swap
	if [ "$(id -u)" = 0 ]; then
		exec {swap_lock}>/tmp/memforensics-swap.lock
		flock "$swap_lock"
	fi
	[ "$(wc -l </proc/swaps)" -le 1 ] || return 0
	[ "$(id -u)" = 0 ] || skip "no swap, and only root can add some"
	fallocate -l 256M "$file"
	chmod 600 "$file"
	mkswap "$file"
	swapon "$file" || skip "no swap, and none could be added"
	swapfile=$file
}

drop_swap() {
	[ -z "${swapfile-}" ] || swapoff "$swapfile"
	[ -z "${swap_lock-}" ] || flock -u "$swap_lock"
}

# For files that have nothing more to undo.
teardown() {
	dismiss
	stop_all
	drop_swap
}
