# Sourced by the scripts here. AQ names the binary (default: the release build of this workspace).
# Peers that are not installed are left out: Debian has nq, task-spooler, ninja-build and parallel;
# `cargo install pueue --locked` makes pueue. Machines differ and are noisy: compare rows of one run.
set -u
export LC_ALL=C
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AQ=${AQ:-${CARGO_TARGET_DIR:-$HERE/../../target}/release/aq}
[ -x "$AQ" ] || { echo "no $AQ: run \`cargo build --release -p aq-cli\`, or set AQ" >&2; exit 1; }
W=$(mktemp -d) && trap 'rm -rf "$W"' EXIT
# Not in a git repository: there each job would get a worktree, which no peer makes.
cd "$W" || exit 1
RUNS=${RUNS:-3}

have() { command -v "$1" > /dev/null; }
# Microseconds, without a process.
now() { printf %s "${EPOCHREALTIME/./}"; }
# time_ms COMMAND...: its wall time in milliseconds.
time_ms() {
    local start end
    start=$(now); "$@" > "$W/out" 2>&1; end=$(now)
    awk -v us=$((end - start)) 'BEGIN { printf "%.3f\n", us / 1000 }'
}
median() { sort -n | awk '{ a[NR] = $1 } END { print (NR % 2) ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
# row NAME NUMBER UNIT [NUMBER OF REFERENCE]: the last column is NUMBER as a multiple of the reference.
row() { awk -v n="$1" -v v="$2" -v u="$3" -v r="${4:-0}" 'BEGIN { printf "%-46s %10.2f %-8s", n, v, u; if (r > 0) printf " x%.2f", v / r; print "" }'; }
# jobs N DIR: N job files that run `true`.
jobs() {
    local i
    mkdir -p "$2"
    for ((i = 0; i < $1; i++)); do printf -- '---\nengine: shell\nlock: none\n---\ntrue\n' > "$2/job$i.md"; done
}
# queue DIR [JOB FILES...]: a new queue that knows this host already, with these jobs waiting.
queue() {
    local dir=$1; shift
    rm -rf "$dir"; "$AQ" --queue "$dir" init > /dev/null && "$AQ" --queue "$dir" caps > /dev/null
    [ $# = 0 ] || (cd "$W" && "$AQ" --queue "$dir" add "$@" > /dev/null)
}
