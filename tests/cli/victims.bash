# Victims: programs of fixtures/programs that tell the truth about themselves.
# A test starts one, waits for a line of it (never for a time), talks to it
# through its standard input, and ends it by closing that.

here=${BASH_SOURCE[0]%/*}
: "${O:=build}"
: "${FIXTURES:=$here/../../$O/fixtures}"
: "${MEMFORENSICS:=$here/../../$O/memforensics}"

# Copies what the victim says to $stats until it says LINE.
hear() { # LINE
	local line
	while IFS= read -r line <&"$victim_out"; do
		printf '%s\n' "$line" >>"$stats"
		[ "$line" != "$1" ] || return 0
	done
	echo "the victim ended before it said $1"
	return 1
}

# Starts a victim and waits until it is ready: $victim is its pid, $stats the
# file of what it said.
victim() { # NAME ARGUMENT...
	local name=$1
	shift
	work=$(mktemp -d "$BATS_TEST_TMPDIR/$name.XXXXXX")
	stats=$work/stats
	report=$work/report.json
	mkfifo "$work/in" "$work/out"
	"$FIXTURES/$name" "$@" <"$work/in" >"$work/out" 3>&- &
	victim=$!
	exec {victim_in}>"$work/in" {victim_out}<"$work/out"
	hear ready
}

# Sends a command and waits until it is obeyed.
tell() { # COMMAND
	echo "$1" >&"$victim_in"
	hear "done"
}

# What the victim last said of KEY.
said() { # KEY
	awk -v key="$1" '$1 == key { value = $2 } END { print value }' "$stats"
}

dismiss() {
	[ -n "${victim-}" ] || return 0
	exec {victim_in}>&- {victim_out}<&-
	wait "$victim" || true
	victim=
}

# memforensics's report of the victim, in $report.
look() { # COMMAND OPTION...
	"$MEMFORENSICS" "$@" --json --stop brief --max-pause 10s "$victim" \
		>"$report"
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
