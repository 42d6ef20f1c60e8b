#!/usr/bin/env bash
# aq beside its peers, in one run: everything is measured, a table is printed and a plot is written.
#   run.sh             about 20 minutes; leave the machine alone meanwhile
#   run.sh --quick     small numbers, to see that it works
#   run.sh --docs      also puts the results, the table and the plot where docs/performance.md has them
#   run.sh --again     measures nothing: the table and the plot of the last results, or of the kept ones
# Results and plot are `against-peers.tsv` and `.svg` in the target directory. AQ names another binary than the
# release build. peers-install.sh installs the peers.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$HERE/../..
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-$ROOT/target}")
QUICK='' DOCS='' AGAIN='' FAILED=''
for word in "$@"; do
    case $word in
        --quick) QUICK=1 ;;
        --docs) DOCS=1 ;;
        --again) AGAIN=1 ;;
        *) sed -n '2,9s/^# \?//p' "$0" >&2; exit 2 ;;
    esac
done
export RESULTS=$TARGET/against-peers.tsv
PLOT=$TARGET/against-peers.svg
KEPT=$HERE/results.tsv PICTURE=$ROOT/docs/pictures/against-peers.svg
[ -z "$QUICK" ] || [ -z "$DOCS" ] || { echo "small numbers are not for the docs: --quick or --docs" >&2; exit 2; }
mkdir -p "$TARGET"
[ -z "$AGAIN" ] || [ -e "$RESULTS" ] || cp "$KEPT" "$RESULTS"

(cd "$ROOT" && cargo build --locked --quiet -p aq-benches --bin against-peers)
[ -n "$AGAIN" ] || [ -n "${AQ-}" ] || (cd "$ROOT" && cargo build --locked --release --quiet -p aq-cli)
export AQ=${AQ:-$TARGET/release/aq} PEERS_DIR=${PEERS_DIR:-$TARGET/peers}
show() { "$TARGET/debug/against-peers" "$@"; }

if [ -z "$AGAIN" ]; then
    ROOM=$(mktemp -d)
    export ROOM
    trap 'rm -rf "$ROOM"' EXIT
    : > "$RESULTS"
    "$HERE/facts.sh"
    if [ -n "$QUICK" ]; then
        export RUNS=1 K=3 BULK=50
        steps=('drain 40' 'worktrees 6' 'add 200' 'latency 3' 'status 200' 'idle 1 0 200' 'counts 50 10')
    else
        steps=(drain worktrees add latency status idle counts)
    fi
    for step in "${steps[@]}"; do
        echo "== $step" >&2
        # shellcheck disable=SC2086 # a name and its arguments
        set -- $step
        code=0; "$HERE/$1.sh" "${@:2}" || code=$?
        case $code in 0) ;; 130) exit 130 ;; *) echo "$1.sh ended with $code" >&2; FAILED=1 ;; esac
    done
fi
[ -z "$FAILED" ] || DOCS=
if [ -n "$DOCS" ]; then
    cp "$RESULTS" "$KEPT"
    show plot "$KEPT" "$PICTURE"
    show page "$KEPT" "$ROOT/docs/performance.md"
fi
show plot "$RESULTS" "$PLOT"
show table "$RESULTS"
echo "results: $RESULTS, plot: $PLOT" >&2
