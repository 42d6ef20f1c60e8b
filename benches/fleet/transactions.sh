#!/usr/bin/env bash
# Claims a second beside a transaction that somebody leaves open for all of them: one that has written,
# in another database of the same server, and one that reads, in the fleet's own. Rounds with and
# without them take turns, each with a new copy of the jobs; medians of ROUNDS (3).
# Usage: transactions.sh [CLAIMS [FACTORIES]]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
claims=${1:-20000} factories=${2:-8}
build
server
sql postgres 'CREATE DATABASE other'
filled "$((claims + factories))"
# beside NONE|ELSEWHERE|SNAPSHOT: opens one, and lets $session hold it open.
beside() {
    local database=other begin='BEGIN; CREATE TEMP TABLE t()'
    case $1 in
        none) return ;;
        snapshot) database=fleet begin='BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs' ;;
    esac
    coproc session { psql -qAtX -d "$database"; }
    printf '%s;\n\\echo open\n' "$begin" >&"${session[1]}"
    local line=
    until [ "$line" = open ]; do read -r line <&"${session[0]}"; done
}
# no_more: ends it.
no_more() {
    local pid=${session_PID-}
    [ -n "$pid" ] || return 0
    printf 'ROLLBACK;\n\\q\n' >&"${session[1]}"
    wait "$pid" || true
}
for _ in $(seq "${ROUNDS:-3}"); do
    for what in none elsewhere snapshot; do
        ready
        beside "$what"
        "$FLEET" claims "$(url fleet)" "$factories" "$((claims / factories))" >> "$W/$what"
        no_more
    done
done
none=$(median < "$W/none")
printf '%-10s %9s %7s\n' beside claims/s ratio
for what in none elsewhere snapshot; do
    awk -v w="$what" -v a="$(median < "$W/$what")" -v b="$none" 'BEGIN { printf "%-10s %9d %7.2f\n", w, a, a / b }'
done
