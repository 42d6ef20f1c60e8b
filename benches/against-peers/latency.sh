#!/usr/bin/env bash
# From the start of `add` to the first command of the job, on an idle loop. Usage: latency.sh [TIMES]
. "$(dirname "$0")/common.sh"
K=${1:-40}

# Each job writes the time as its first command; `$EPOCHREALTIME` needs no process of its own.
stamp="echo \$EPOCHREALTIME > $W/stamp.new; mv $W/stamp.new $W/stamp"
printf -- '---\nengine: shell\nlock: none\n---\n#!/usr/bin/env bash\n%s\n' "$stamp" > "$W/job.md"
latency() {
    local start seen
    for ((i = 0; i < K; i++)); do
        rm -f "$W/stamp"; start=$(now); "$@" > /dev/null 2>&1
        until [ -e "$W/stamp" ]; do read -rt 0.002 <> <(:) || true; done
        seen=$(< "$W/stamp"); awk -v us=$((${seen/./} - start)) 'BEGIN { print us / 1000 }'
        read -rt 0.05 <> <(:) || true # let it end
    done | median
}
floor=$(latency bash -c "$stamp")
row 'bash itself' "$floor" ms "$floor"
queue "$W/q"; "$AQ" --queue "$W/q" run --quiet & loop=$!
until [ -s "$W/q/.state/daemon.pid" ]; do read -rt 0.02 <> <(:) || true; done
row 'aq add, idle loop' "$(latency "$AQ" --queue "$W/q" add "$W/job.md")" ms "$floor"
kill "$loop"; wait "$loop"
if have nq; then mkdir "$W/nq"; export NQDIR=$W/nq; row nq "$(latency nq -q bash -c "$stamp")" ms "$floor"; fi
if have tsp; then export TS_SOCKET=$W/tsp TMPDIR=$W; row tsp "$(latency tsp -n bash -c "$stamp")" ms "$floor"; tsp -K; fi
