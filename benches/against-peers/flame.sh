#!/usr/bin/env bash
# Where the time of short jobs goes: a flame graph of a drain. Usage: flame.sh PICTURE [JOBS]
# Takes perf (Debian's linux-perf), inferno (cargo install --locked inferno), leave to look into the kernel, and
# an aq whose stacks can be followed:
#   RUSTFLAGS='-C force-frame-pointers=yes' cargo build --release -p aq-cli --target-dir target/flame
#   AQ=target/flame/release/aq benches/against-peers/flame.sh target/short-jobs.svg
# docs/pictures/short-jobs.png is one as a browser shows it.
PICTURE=$(realpath -m "${1:?where to put the picture}")
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
N=${2:-500}
for program in perf inferno-collapse-perf inferno-flamegraph; do
    have "$program" || { echo "no $program: see the head of $0" >&2; exit 1; }
done
aq_hold && aq_fill "$N"
# Workers, shells and jobs are children of the loop, so they are seen too.
TRACE=(perf record --quiet -F 1999 -g -o "$W/perf.data" --)
aq_release > /dev/null 2>&1
# Nobody can read more than so many frames of a recursion.
perf script -i "$W/perf.data" 2> /dev/null | inferno-collapse-perf 2> /dev/null |
    sed -E 's/^(([^;]*;){30})[^;]*;.* ([0-9]+)$/\1... \3/' > "$W/stacks"
inferno-flamegraph --minwidth 0.6 --countname ns --title "$N jobs of true, two at a time: loop, workers, shells" \
    < "$W/stacks" > "$PICTURE" || exit 1
awk '{ n += $NF } END { printf "%.2f s of processor time\n", n / 1e9 }' "$W/stacks" >&2
