#!/usr/bin/env bash
# What one `add` costs with few and with many jobs waiting, and a thousand at once. Usage: add.sh [MANY]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
TRUE=$(type -P true)
MANY=${1:-10000} K=${K:-40} BULK=${BULK:-1000}
size add-many "$MANY"; size add-bulk "$BULK"

# one_add WHAT WAITING NAMES...: one by one in turn, so that noise meets all of them.
one_add() {
    local what=$1 waiting=$2 p i; shift 2
    for p in "$@"; do "${p}_hold" && "${p}_fill" "$waiting"; done
    for ((i = 0; i < K; i++)); do
        timed "$TRUE"; record "$what" fork+exec "$MS" ms
        for p in "$@"; do timed "${p}_add"; record "$what" "$p" "$MS" ms; done
    done
    for p in "$@"; do "${p}_down"; done
}
# shellcheck disable=SC2046 # they are words
one_add add 10 $(present aq nq tsp pueue hq sloop)
# The others hold no such number: nq and tsp have a process for each job, sloop takes a commit for each.
# shellcheck disable=SC2046
one_add add-many "$MANY" $(present aq pueue hq)
for ((r = 0; r < RUNS; r++)); do
    for p in $(present aq hq); do
        "${p}_hold"
        case $p in
            aq) aq_files "$BULK"; timed "$AQ" --queue "$W/aq" add "$W/aq-jobs" ;;
            hq) timed hq_fill "$BULK" ;;
        esac
        record add-bulk "$p" "$(share "${MS/./}" "$BULK")" us
        "${p}_down"
    done
done
