#!/usr/bin/env bash
# How long a heartbeat takes beside connections that keep their places: idle ones, which send nothing,
# and slow ones, which send the head of a request or, with a token, its body, a byte a second. What the
# coordinator closes is opened again. Rounds with and without them take turns; medians of ROUNDS (3).
# Usage: connections.sh [FACTORIES [IDLE [SLOW [SECONDS]]]]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
factories=${1:-100} idle=${2:-5000} slow=${3:-500} seconds=${4:-30}
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -gt $((factories + idle + slow + 200)) ] ||
    { echo "each connection needs a descriptor: raise ulimit -n" >&2; exit 1; }
build
server
filled "$factories"
for _ in $(seq "${ROUNDS:-3}"); do
    for crowd in '0 0' "$idle $slow"; do
        ready
        # shellcheck disable=SC2086 # Two numbers.
        "$FLEET" beats "$(url fleet)" "$factories" 1 "$seconds" $crowd >> "$W/${crowd/ /-}"
    done
done
column() { awk -v c="$2" '{ print $c }' "$W/$1" | median; }
printf '%-6s %-6s %-11s %9s %9s %9s\n' idle slow heartbeats p50_ms p99_ms max_ms
for crowd in '0 0' "$idle $slow"; do
    name=${crowd/ /-}
    # shellcheck disable=SC2086 # Two numbers.
    printf '%-6s %-6s %-11s %9s %9s %9s\n' $crowd "$(column "$name" 1)" "$(column "$name" 2)" \
        "$(column "$name" 3)" "$(column "$name" 4)"
done
