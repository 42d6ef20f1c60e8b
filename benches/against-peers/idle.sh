#!/usr/bin/env bash
# What a loop costs that has nothing to do, and a worker whose agent is silent. Linux only.
# Usage: idle.sh [SECONDS] [WAITING...]
. "$(dirname "$0")/common.sh"
S=${1:-10}; shift || true

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
wakes() { cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt/ { n += $2 } END { print n }'; }
watch() { # NAME PID
    local t w; t=$(ticks "$2"); w=$(wakes "$2"); sleep "$S"
    t=$(($(ticks "$2") - t)) w=$(($(wakes "$2") - w))
    awk -v n="$1" -v t=$t -v w=$w -v s="$S" -v r="$(awk '/VmRSS/ { print $2 }' "/proc/$2/status")" \
        -v p="$(awk '/^Pss:/ { print $2 }' "/proc/$2/smaps_rollup")" \
        'BEGIN { printf "%-34s %5.2f %% of a core  %5.2f wake-ups/s  RSS %6.1f MiB  (its own share %.1f)\n", n, t / s, w / s, r / 1024, p / 1024 }'
}
for n in "${@:-0 10000}"; do for n in $n; do
    # They wait for a dependency that never comes.
    mkdir -p "$W/jobs$n"
    for ((i = 0; i < n; i++)); do printf -- '---\nengine: shell\nlock: none\ndeps: [never]\n---\ntrue\n' > "$W/jobs$n/job$i.md"; done
    if [ "$n" = 0 ]; then queue "$W/q"; else queue "$W/q" "$W/jobs$n"; fi
    start=$(now); "$AQ" --queue "$W/q" run --quiet & loop=$!
    sleep 2; watch "aq run, $n waiting" $loop
    if [ "$n" = 0 ]; then
        printf -- '---\nengine: shell\n---\nexec sleep 1000\n' > "$W/sleep.md"
        "$AQ" --queue "$W/q" add "$W/sleep.md" > /dev/null; sleep 2
        watch 'its worker, agent silent' "$(sed -n 's/^pid=//p' "$W/q/.state/meta/sleep.meta" | tail -1)"
        "$AQ" --queue "$W/q" stop sleep > /dev/null
        sleep 1
    fi
    kill $loop; wait $loop
done; done
