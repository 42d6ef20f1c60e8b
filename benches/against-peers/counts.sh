#!/usr/bin/env bash
# What does not depend on the machine: system calls, bytes written to files, and syncs, of one `add` to a queue in which
# WAITING jobs wait, and of a job from its add to its end; in all processes, counted by strace. Usage: counts.sh [WAITING] [JOBS]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
WAITING=${1:-1000} JOBS=${2:-50} ADDS=10
size calls-add "$WAITING"
have strace || { echo "strace is not installed" >&2; exit 1; }

# A file for each process, so that no line is cut by another's.
STRACE=(strace -ff -qq -y -s 0 -e signal=none -o "$W/trace/t")
fresh() { away "$W/trace"; mkdir "$W/trace"; }
# seen: calls, bytes written to files, syncs, until now.
seen() { cat "$W"/trace/t.* 2> /dev/null | awk -f "$HERE/counts.awk"; }
# settled: no more calls for half a second, or 10 s have passed: pueue is never still.
settled() {
    local before='' after i
    for ((i = 0; i < 20; i++)); do
        after=$(cat "$W"/trace/t.* 2> /dev/null | wc -l)
        [ "$after" != "$before" ] || return 0
        before=$after; pause 0.5
    done
}
# of WHAT WHO PARTS BEFORE: what came since then, for each of so many parts.
of() {
    local before after
    read -ra before <<< "$4"; read -ra after < <(seen)
    record "calls-$1" "$2" "$(share $((after[0] - before[0])) "$3")" calls
    record "bytes-$1" "$2" "$(share $((after[1] - before[1])) "$3")" B
    record "syncs-$1" "$2" "$(share $((after[2] - before[2])) "$3")" syncs
}
for p in $(present aq nq tsp pueue hq); do
    n=$WAITING; [ "$p" != tsp ] || n=$((n < TSP_MOST ? n : TSP_MOST))
    fresh
    TRACE=("${STRACE[@]}"); "${p}_hold"; "${p}_fill" "$n"
    settled; start=$(seen)
    for ((i = 0; i < ADDS; i++)); do "${p}_add" > /dev/null; done
    case $p in nq | tsp) settled ;; esac
    of add "$p" "$ADDS" "$start"
    # Not traced to the end: only what was added is.
    TRACE=(); "${p}_down"
done
for p in $(present aq nq tsp pueue hq); do
    n=$JOBS; [ "$p" != pueue ] || n=$((n < 20 ? n : 20))
    fresh
    TRACE=("${STRACE[@]}"); "${p}_hold"; [ "$p" != hq ] || hq_worker
    settled; start=$(seen)
    for ((i = 0; i < n; i++)); do "${p}_add" > /dev/null; done
    "${p}_release" > /dev/null
    case $p in nq | tsp | hq) settled ;; esac
    of job "$p" "$n" "$start"
    TRACE=(); "${p}_down"
done
# What has no queue: it starts and watches the same commands.
mkdir "$W/ninja"; { printf 'rule t\n  command = true\n'; seq -f 'build o%g: t' "$JOBS"; } > "$W/ninja/build.ninja"
for p in $(present ninja xargs parallel); do
    fresh
    case $p in
        ninja) "${STRACE[@]}" ninja -C "$W/ninja" -j2 ;;
        xargs) seq "$JOBS" | "${STRACE[@]}" xargs -P2 -n1 true ;;
        parallel) seq "$JOBS" | "${STRACE[@]}" parallel -j2 true ;;
    esac > /dev/null 2>&1
    of job "$p" "$JOBS" '0 0 0'
done
fresh; "${STRACE[@]}" "$(type -P true)"
of add fork+exec 1 '0 0 0'
