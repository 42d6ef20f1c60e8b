#!/usr/bin/env bash
# A look at a long queue, beside reading the same files with cat. Usage: status.sh [JOBS]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
N=${1:-10000} K=${K:-7}
size status "$N"

peers=$(present aq pueue hq)
for p in $peers; do "${p}_hold" && "${p}_fill" "$N"; done
# look WHAT WHO COMMAND...
look() { timed "${@:3}"; record "$1" "$2" "$MS" ms; }
for ((i = 0; i < K; i++)); do
    look status files sh -c "find '$W/aq/.state/meta' -name '*.meta' -print0 | xargs -0 cat"
    for p in $peers; do
        case $p in
            aq)
                look status aq "$AQ" --queue "$W/aq" status
                look status-json aq "$AQ" --queue "$W/aq" status --json
                look why aq "$AQ" --queue "$W/aq" why job0 ;;
            pueue)
                look status pueue pueue -c "$W/pueue.yml" status
                look status-json pueue pueue -c "$W/pueue.yml" status --json ;;
            hq)
                look status hq hq task list 1
                look status-json hq hq --output-mode json task list 1 ;;
        esac
    done
done
