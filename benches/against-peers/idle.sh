#!/usr/bin/env bash
# What a queue costs that has nothing to do, what a waiting job costs, and what looks after a job whose program is
# silent. Linux only. Usage: idle.sh [SECONDS] [WAITING...]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
# Long enough for one of the loop's sweeps, which come every 30 s.
S=${1:-31}; shift || true
WAITING=${*:-0 10000 100000}

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
wakes() { cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt/ { n += $2 } END { print n }'; }
# of FUNCTION PIDS...: its numbers added up.
of() { local pid; for pid in "${@:2}"; do "$1" "$pid"; done | awk '{ n += $1 } END { print n + 0 }'; }
resident() { awk '/^VmRSS/ { print $2 * 1024 / 1e6 }' "/proc/$1/status"; }
# Without pages of files, which the system can drop and read again.
anonymous() { awk '/^RssAnon/ { print $2 * 1024 / 1e6 }' "/proc/$1/status"; }
# Its own share: processes of one program share most of their pages.
shares() { awk '/^Pss:/ { print $2 / 1024 }' "/proc/$1/smaps_rollup"; }
# waiting NAME N MiB: what each of N waiting jobs has of them, beyond an empty queue.
waiting() { record waiting "$1" "$(awk -v a="${empty[$1]}" -v b="$3" -v n="$2" 'BEGIN { printf "%.3f", (b - a) * 1024 / n }')" KiB; }
# still PIDS...: what they do at their start is done, or a minute has passed.
still() {
    local before='' now i
    for ((i = 0; i < 60; i++)); do
        now=$(of ticks "$@")
        [ "$now" != "$before" ] || return 0
        before=$now; pause 1
    done
}
watch() { # WHAT WHO PIDS...
    local t w; t=$(of ticks "${@:3}"); w=$(of wakes "${@:3}")
    sleep "$S"
    record "$1-cpu" "$2" "$(share "$(($(of ticks "${@:3}") - t))" "$S")" '%'
    record "$1-wakes" "$2" "$(share "$(($(of wakes "${@:3}") - w))" "$S")" /s
    record "$1-memory" "$2" "$(of resident "${@:3}")" MB
    record "$1-anonymous" "$2" "$(of anonymous "${@:3}")" MB
}
# processes NAME: of a queue with all that waits in it.
processes() {
    case $1 in
        aq) echo "$LOOP" ;;
        nq) holders nq NQDIR "$W/nq0"; holders nq NQDIR "$W/nq1" ;;
        tsp) holders tsp TS_SOCKET "$TS_SOCKET" ;;
        pueue) echo "$PUEUED" ;;
        hq) echo "$HQ_SERVER" ;; # jobs wait there
        sloop) holders sloop HOME "$HOME" ;;
    esac
}
loop_down() { [ -z "${LOOP-}" ] || { kill "$LOOP"; wait "$LOOP"; LOOP=; }; }
ENDS+=(loop_down)
declare -A empty

for n in $WAITING; do
    for p in $(present aq pueue hq tsp sloop); do
        # sloop wants a commit for each job, tsp has a process for each.
        [ "$n" = 0 ] || case $p in aq) ;; pueue | hq) [ "$n" -le 10000 ] || continue ;; *) continue ;; esac
        "${p}_hold"
        case $p in
            # They wait for a dependency that never comes.
            # A folder that has just changed is looked at once more by the first sweep.
            aq) aq_fill "$n" 'deps: [never]'; pause 3; "$AQ" --queue "$W/aq" run --quiet & LOOP=$! ;;
            *) "${p}_fill" "$n" ;;
        esac
        pause 2
        # shellcheck disable=SC2046 # they are words
        still $(processes "$p")
        # shellcheck disable=SC2046 # so are these
        case $p in tsp) watch "idle-$n" tsp "$TSP_SERVER" ;; *) watch "idle-$n" "$p" $(processes "$p") ;; esac
        if [ "$n" = 0 ]; then
            # shellcheck disable=SC2046
            empty[$p]=$(of shares $(processes "$p"))
            if [ "$p" = aq ]; then
                printf -- '---\nengine: shell\n---\nexec sleep 1000\n' > "$W/sleep.md"
                "$AQ" --queue "$W/aq" add --again "$W/sleep.md" > /dev/null
                wait_for 10 grep -q '^pid=' "$W/aq/.state/meta/sleep.meta"; pause 2
                watch running aq "$(sed -n 's/^pid=//p' "$W/aq/.state/meta/sleep.meta" | tail -n 1)"
                "$AQ" --queue "$W/aq" stop sleep > /dev/null; pause 1
            elif [ "$p" = hq ]; then
                # One for all jobs.
                hq_worker; hq submit --cwd "$W/hq" sleep 1000 > /dev/null; pause 2
                watch running hq "$HQ_WORKER"
                hq job cancel all > /dev/null 2>&1
            fi
        elif [ -n "${empty[$p]-}" ]; then
            # shellcheck disable=SC2046
            waiting "$p" "$n" "$(of shares $(processes "$p"))"
        fi
        [ "$p" != aq ] || loop_down
        "${p}_down"
    done
done
# What runs one job, and a hundred more that wait, each a process.
for p in $(present nq tsp); do
    "${p}_hold"; pause 1
    watch running "$p" "$(processes "$p" | grep -vx "${TSP_SERVER-}" | head -n 1)"
    # shellcheck disable=SC2046
    empty[$p]=$(of shares $(processes "$p"))
    "${p}_fill" 100; pause 1
    # shellcheck disable=SC2046
    waiting "$p" 100 "$(of shares $(processes "$p"))"
    "${p}_down"
done
