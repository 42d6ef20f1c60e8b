#!/usr/bin/env bash
# Claims a second over HTTP on PostgreSQL, beside what the same server does of
# `UPDATE ... (SELECT ... FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING` under pgbench.
# Both sides make the same number of claims from the same number of jobs; medians of ROUNDS (3).
# Usage: claims.sh; QUEUED and FACTORIES are lists of what to try.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build
server
cat > "$W/claim.sql" << 'SQL'
UPDATE jobs SET holder = :client_id, epoch = epoch + 1, until = clock_timestamp() + interval '60 s'
WHERE id = (SELECT id FROM jobs WHERE holder IS NULL ORDER BY priority DESC, id FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id, epoch, manifest;
SQL
# reference QUEUED CLIENTS CLAIMS OF EACH
reference() {
    sql postgres 'DROP TABLE IF EXISTS jobs' 2> /dev/null
    sql postgres 'CREATE TABLE jobs (id bigint PRIMARY KEY, priority int NOT NULL, holder int, epoch bigint NOT NULL,
        until timestamptz, manifest text NOT NULL)'
    sql postgres "INSERT INTO jobs SELECT n, 1, NULL, 0, NULL, repeat('x', 40) FROM generate_series(1, $1) n"
    sql postgres 'CREATE INDEX ON jobs (priority DESC, id) WHERE holder IS NULL'
    sql postgres 'VACUUM ANALYZE jobs'
    local threads=$2
    [ "$threads" -le 2 ] || threads=2
    pgbench -n -f "$W/claim.sql" -c "$2" -j "$threads" -t "$3" postgres 2> /dev/null |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
# ours FACTORIES CLAIMS OF EACH
ours() {
    ready
    "$FLEET" claims "$(url fleet)" "$1" "$2"
}
printf '%-9s %-9s %12s %12s %7s\n' queued factories 'pgbench/s' 'claims/s' ratio
for queued in ${QUEUED:-1000 100000}; do
    for factories in ${FACTORIES:-1 8 64}; do
        each=$(((queued < 5000 ? queued : 5000) / factories))
        filled "$((queued + factories))"
        : > "$W/ours"; : > "$W/theirs"
        for _ in $(seq "${ROUNDS:-3}"); do
            reference "$queued" "$factories" "$each" >> "$W/theirs"
            ours "$factories" "$each" >> "$W/ours"
        done
        awk -v q="$queued" -v f="$factories" -v a="$(median < "$W/theirs")" -v b="$(median < "$W/ours")" \
            'BEGIN { printf "%-9d %-9d %12.0f %12.0f %7.2f\n", q, f, a, b, b / a }'
    done
done
