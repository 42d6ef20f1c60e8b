#!/usr/bin/env bash
# From the start of `add` to the first command of the job, on an idle queue. Usage: latency.sh [TIMES]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
K=${1:-40}

# Each job writes the time as its first command; `$EPOCHREALTIME` needs no process of its own.
stamp="echo \$EPOCHREALTIME > $W/stamp.new; mv $W/stamp.new $W/stamp"
latency() { # WHO COMMAND...
    local who=$1 start seen; shift
    rm -f "$W/stamp"; start=${EPOCHREALTIME/./}
    "$@" > /dev/null 2>&1
    wait_for 20 [ -e "$W/stamp" ] || return
    seen=$(< "$W/stamp")
    record start "$who" "$(share "$((${seen/./} - start))" 1000)" ms
    pause 0.05 # let it end
}
peers=$(present aq nq tsp pueue hq)
for p in $peers; do
    "${p}_hold"
    case $p in
        aq)
            printf -- '---\nengine: shell\nlock: none\n---\n#!/usr/bin/env bash\n%s\n' "$stamp" > "$W/job.md"
            "$AQ" --queue "$W/aq" run --quiet & LOOP=$!
            wait_for 10 [ -s "$W/aq/.state/daemon.pid" ] ;;
        hq) hq_worker ;;
        *) "${p}_release" ;;
    esac
done
loop_down() { kill "$LOOP"; wait "$LOOP"; }
ENDS+=(loop_down)
for ((i = 0; i < K; i++)); do
    latency bash bash -c "$stamp"
    for p in $peers; do
        case $p in
            aq) latency aq "$AQ" --queue "$W/aq" add --again "$W/job.md" ;;
            nq) NQDIR=$W/nq0 latency nq nq -q bash -c "$stamp" ;;
            tsp) latency tsp tsp -n bash -c "$stamp" ;;
            pueue) latency pueue pueue -c "$W/pueue.yml" add --immediate -- "bash -c '$stamp'" ;;
            hq) latency hq hq submit --cwd "$W/hq" bash -c "$stamp" ;;
        esac
    done
done
