#!/usr/bin/env bash
# Jobs a second: N jobs of `true`, two at a time, all queued before the clock runs. Usage: drain.sh [N]
. "$(dirname "$0")/common.sh"
N=${1:-1000}

rate() { awk -v n="$N" -v ms="$1" 'BEGIN { print n * 1000 / ms }'; }
ninja_file() {
    mkdir -p "$W/ninja"
    { printf 'rule t\n  command = true\n'; seq -f 'build o%g: t' "$N"; } > "$W/ninja/build.ninja"
}
aq() { queue "$W/q" "$W/jobs"; time_ms "$AQ" --queue "$W/q" run --once --max 2 --quiet; }
ninja_() { rm -f "$W/ninja/.ninja_log"; time_ms ninja -C "$W/ninja" -j2; }
xargs_() { time_ms bash -c "seq $N | xargs -P2 -n1 true"; }
parallel_() { time_ms bash -c "seq $N | parallel -j2 true"; }
# Two queues of half the jobs, each behind a job that waits for a FIFO.
nq_() {
    local side start
    for side in a b; do
        rm -rf "$W/nq$side"; mkdir "$W/nq$side"; rm -f "$W/go$side"; mkfifo "$W/go$side"
        NQDIR=$W/nq$side nq -q sh -c "read x < $W/go$side"
        for ((i = 0; i < N / 2; i++)); do NQDIR=$W/nq$side nq -q true; done
    done
    start=$(now); for side in a b; do echo > "$W/go$side"; done
    for side in a b; do NQDIR=$W/nq$side nq -w > /dev/null 2>&1; done
    awk -v us=$(($(now) - start)) 'BEGIN { print us / 1000 }'
}
tsp_() {
    local start
    export TS_SOCKET=$W/tsp TS_MAXFINISHED=20000 TMPDIR=$W
    rm -f "$W/go"; mkfifo "$W/go"; tsp -S 1; tsp -n sh -c "read x < $W/go" > /dev/null
    for ((i = 0; i < TSP_N; i++)); do tsp -n true > /dev/null; done
    start=$(now); tsp -S 2; echo > "$W/go"
    # The last job may end before one that was started earlier.
    tsp -w; while tsp | grep -qE 'queued|running'; do tsp -w; done
    awk -v us=$(($(now) - start)) -v n="$N" -v m="$TSP_N" 'BEGIN { print us / 1000 * n / m }'; tsp -K
}
pueue_() {
    local start
    mkdir -p "$W/pueue"
    printf 'shared:\n  pueue_directory: %s\n  runtime_directory: %s\n  use_unix_socket: true\nclient: {}\ndaemon: {}\n' \
        "$W/pueue" "$W/pueue" > "$W/pueue.yml"
    local p="pueue -c $W/pueue.yml"
    pueued -c "$W/pueue.yml" > /dev/null 2>&1 & local daemon=$!
    until $p status > /dev/null 2>&1; do read -rt 0.05 <> <(:) || true; done
    $p parallel 2 > /dev/null; $p pause --all > /dev/null
    for ((i = 0; i < PUEUE_N; i++)); do $p add -- true > /dev/null; done
    start=$(now); $p start > /dev/null; $p wait --quiet > /dev/null 2>&1
    awk -v us=$(($(now) - start)) -v n="$N" -v m="$PUEUE_N" 'BEGIN { print us / 1000 * n / m }'
    $p shutdown > /dev/null 2>&1; wait "$daemon"
}
TSP_N=$((N < 500 ? N : 500)) # it holds about 1,000, with a process for each; the row is scaled to N
PUEUE_N=60 # at 6 jobs/s; the row is scaled to N

jobs "$N" "$W/jobs"; ninja_file
declare -A got
peers=$(for p in xargs ninja aq tsp nq parallel pueue; do [ $p = aq ] || have $p && echo $p; done)
# Round by round, so that noise meets all of them.
for ((r = 0; r < RUNS; r++)); do
    for p in $peers; do
        case $p in pueue) [ $r = 0 ] || continue ;; esac
        f=$p; [ $p = aq ] || f=${p}_
        got[$p]+="$(rate "$($f)")"$'\n'
    done
done
floor=$(printf %s "${got[ninja]:-${got[xargs]}}" | median)
echo "$N jobs of \`true\`, two at a time; x: as a multiple of ninja's (else xargs') rate; median of $RUNS"
for p in $peers; do row "$p" "$(printf %s "${got[$p]}" | median)" jobs/s "$floor"; done
