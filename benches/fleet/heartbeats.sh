#!/usr/bin/env bash
# How long a heartbeat takes when a whole fleet sends them to one coordinator on PostgreSQL; each host
# holds one lease. Usage: heartbeats.sh [FACTORIES [PERIOD IN S [SECONDS]]]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
factories=${1:-10000} period=${2:-10} seconds=${3:-30}
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -gt $((factories + 100)) ] || { echo "each factory needs a descriptor: raise ulimit -n" >&2; exit 1; }
build
server
sql postgres 'CREATE DATABASE fleet'
"$FLEET" fill "$(url fleet)" "$factories" > /dev/null
printf '%-10s %-9s %-11s %9s %9s %9s\n' factories period_s heartbeats p50_ms p99_ms max_ms
# shellcheck disable=SC2046,SC2183 # the last word is four numbers
printf '%-10s %-9s %-11s %9s %9s %9s\n' "$factories" "$period" \
    $("$FLEET" beats "$(url fleet)" "$factories" "$period" "$seconds" 0 0)
