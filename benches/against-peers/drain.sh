#!/usr/bin/env bash
# Jobs a second: N jobs of `true`, two at a time, all queued before the clock runs. Usage: drain.sh [N]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
N=${1:-1000}
size drain "$N"

# drain NAME: MS is how long OF jobs took.
drain() {
    OF=$N
    case $1 in
        ninja)
            away "$W/ninja"; mkdir "$W/ninja"
            { printf 'rule t\n  command = true\n'; seq -f 'build o%g: t' "$N"; } > "$W/ninja/build.ninja"
            timed ninja -C "$W/ninja" -j2 ;;
        xargs) timed bash -c "seq $N | xargs -P2 -n1 true" ;;
        parallel) timed bash -c "seq $N | parallel -j2 true" ;;
        # It has no way to hold jobs back from a worker, so that its clock runs from the submission.
        hq) hq_hold; hq_worker; timed hq submit --cwd "$W/hq" --array "1-$N" --wait true; hq_down ;;
        *)
            # tsp cannot hold more, pueue does 6 a second.
            case $1 in tsp) OF=$((N < TSP_MOST ? N : TSP_MOST)) ;; pueue) OF=$((N < 60 ? N : 60)) ;; esac
            "$1_hold"; "$1_fill" "$OF"
            timed "$1_release"
            "$1_down" ;;
    esac
}
# Round by round, so that noise meets all of them.
for ((r = 0; r < RUNS; r++)); do
    for p in $(present ninja xargs aq tsp nq hq parallel pueue); do
        [ "$p" != pueue ] || [ "$r" = 0 ] || continue
        drain "$p"
        record drain "$p" "$(rate "$MS" "$OF")" jobs/s
    done
done
