# Sourced by the scripts here. AQ names the binary (default: the release build of this workspace).
# Peers are looked for in PATH and in PEERS_DIR/bin (default: `peers` in the target directory), where
# peers-install.sh puts them; one that is not there is left out.
# A measurement is a line of RESULTS: what, who, number, unit, with tabs; each round has a line of its own. Without
# RESULTS a script prints the medians at its end. Machines differ and are noisy: compare rows of one run.
set -u
export LC_ALL=C
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TARGET=${CARGO_TARGET_DIR:-$HERE/../../target}
AQ=$(realpath -m "${AQ:-$TARGET/release/aq}")
[ -x "$AQ" ] || { echo "no $AQ: run \`cargo build --release -p aq-cli\`, or set AQ" >&2; exit 1; }
PATH=$(realpath -m "${PEERS_DIR:-$TARGET/peers}")/bin:$PATH
# run.sh gives a ROOM for all, and clears it at the end.
W=$(mktemp -d ${ROOM:+-p "$ROOM"})
ALONE=
[ -n "${RESULTS-}" ] || { ALONE=1 RESULTS=$W/results; }
RESULTS=$(realpath -m "$RESULTS")
RUNS=${RUNS:-3}
[ -z "${AQ_EARLIER-}" ] || AQ_EARLIER=$(realpath -m "$AQ_EARLIER")
# The same small environment for everybody: some keep it with each job. And nobody's settings.
# shellcheck disable=SC2046 # they are words
export -n $(compgen -e)
export PATH LC_ALL HOME=$W/home TMPDIR=$W
mkdir "$HOME"
printf '[user]\n\tname = bench\n\temail = bench@localhost\n[init]\n\tdefaultBranch = main\n' > "$HOME/.gitconfig"
# Not in a git repository: there each job would get a worktree, which most peers do not make.
cd "$W" || exit 1

# Functions that end what was started.
ENDS=()
finish() {
    local end
    for end in ${ENDS[@]+"${ENDS[@]}"}; do "$end" > /dev/null 2>&1; done
    [ -z "$ALONE" ] || [ ! -s "$RESULTS" ] || medians
    [ -n "${ROOM-}" ] || rm -rf "$W"
}
trap finish EXIT
trap 'exit 130' INT TERM

# away PATHS...: out of the way, and not deleted: ext4 passes over each inode that was deleted in the last minutes
# when it looks for a free one, and that would be counted against whoever comes next.
away() {
    local path
    for path; do [ ! -e "$path" ] || mv "$path" "$(mktemp -d "$W/over.XXXXXX")"; done
}
have() { command -v "$1" > /dev/null; }
# present NAMES...: those whose program is here.
present() {
    local name program
    for name in "$@"; do
        program=$name
        case $name in aq) program=$AQ ;; esac
        ! have "$program" || echo "$name"
    done
}
pause() { read -rt "$1" <> <(:) || true; }
# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local until=$((SECONDS + $1)); shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $until ] || { echo "waited in vain for: $*" >&2; return 1; }
        pause "${POLL:-0.02}"
    done
}
# timed COMMAND...: its wall time in milliseconds is MS. No subshell: the command may set variables.
timed() {
    local start=${EPOCHREALTIME/./} us
    "$@" > "$W/out" 2>&1 || echo "$* ended with $?: $(head -c 300 "$W/out")" >&2
    us=$((${EPOCHREALTIME/./} - start))
    printf -v MS '%d.%03d' $((us / 1000)) $((us % 1000))
}
# size WHAT JOBS: how many a measurement is made with.
size() { printf '#\tsize\t%s\t%s\n' "$@" >> "$RESULTS"; }
record() { printf '%s\t%s\t%s\t%s\n' "$@" >> "$RESULTS"; }
# share NUMBER PARTS: of each.
share() { awk -v n="$1" -v parts="$2" 'BEGIN { printf "%.4f", n / parts }'; }
rate() { awk -v ms="$1" -v n="$2" 'BEGIN { printf "%.2f", n * 1000 / ms }'; }
medians() {
    sort -t $'\t' -k1,2 -k3,3g "$RESULTS" | awk -F '\t' '
        function out() { if (n) printf "%-16s %-12s %12.2f %s\n", what, who, n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2, unit }
        /^#/ { next }
        $1 != what || $2 != who { out(); n = 0 }
        { what = $1; who = $2; unit = $4; a[++n] = $3 }
        END { out() }'
}
