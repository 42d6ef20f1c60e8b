#!/usr/bin/env bash
# A look at a long queue, beside reading the same files with cat. Usage: status.sh [JOBS]
. "$(dirname "$0")/common.sh"
N=${1:-10000} K=7

jobs "$N" "$W/jobs"; queue "$W/q" "$W/jobs"
each() { for ((i = 0; i < K; i++)); do time_ms "$@"; done | median; }
floor=$(each sh -c "find $W/q/.state/meta -name '*.meta' -print0 | xargs -0 cat")
echo "$N jobs waiting"
row 'find | xargs cat of the records' "$floor" ms "$floor"
row 'aq status' "$(each "$AQ" --queue "$W/q" status)" ms "$floor"
row 'aq status --json' "$(each "$AQ" --queue "$W/q" status --json)" ms "$floor"
row 'aq why JOB' "$(each "$AQ" --queue "$W/q" why job0)" ms "$floor"
