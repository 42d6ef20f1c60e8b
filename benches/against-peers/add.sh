#!/usr/bin/env bash
# What one `add` costs with few and with many jobs waiting, and many at once. Usage: add.sh [MANY]
. "$(dirname "$0")/common.sh"
MANY=${1:-10000} K=40

add_one() { printf -- '---\nengine: shell\n---\ntrue\n' > "$W/one.md"; for ((i = 0; i < K; i++)); do time_ms "$AQ" --queue "$W/q" add "$W/one.md"; done | median; }

floor=$(for ((i = 0; i < K; i++)); do time_ms env true; done | median)
row 'fork and exec of `env true`' "$floor" ms "$floor"
jobs 10 "$W/few"; queue "$W/q" "$W/few"
row 'aq add, 10 waiting' "$(add_one)" ms "$floor"
jobs "$MANY" "$W/many"; queue "$W/q" "$W/many"
row "aq add, $MANY waiting" "$(add_one)" ms "$floor"
jobs 1000 "$W/bulk"; rm -rf "$W/q"; queue "$W/q"
row 'aq add of 1,000 files, each' "$(time_ms "$AQ" --queue "$W/q" add "$W/bulk" | awk '{ print $1 / 1000 }')" ms "$floor"
if have nq; then
    mkdir "$W/nq"; mkfifo "$W/go"; export NQDIR=$W/nq; nq -q sh -c "read x < $W/go"
    row 'nq' "$(for ((i = 0; i < K; i++)); do time_ms nq -q true; done | median)" ms "$floor"; echo > "$W/go"; nq -w > /dev/null 2>&1
fi
if have tsp; then
    export TS_SOCKET=$W/tsp TMPDIR=$W
    rm -f "$W/go"; mkfifo "$W/go"; tsp -n sh -c "read x < $W/go" > /dev/null
    row 'tsp' "$(for ((i = 0; i < K; i++)); do time_ms tsp -n true; done | median)" ms "$floor"; echo > "$W/go"; tsp -w; tsp -K
fi
