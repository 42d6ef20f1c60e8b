# Sourced by the scripts here: a private PostgreSQL on a socket in a temporary directory, and the
# program that measures. PGBIN names the directory of initdb and postgres (default: the newest in
# /usr/lib/postgresql). Nothing is left behind.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PGBIN=${PGBIN:-$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -1 || true)}
[ -x "$PGBIN/initdb" ] || { echo "no PostgreSQL server: apt-get install postgresql, or set PGBIN" >&2; exit 1; }
command -v pgbench > /dev/null || PATH=$PGBIN:$PATH
W=$(mktemp -d)
chmod 755 "$W"
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd "$W" && runuser -u postgres -- "$@"); else "$@"; fi; }
SERVER=
finish() {
    [ -z "$SERVER" ] || as_postgres "$PGBIN/pg_ctl" -D "$W/data" -m immediate stop > /dev/null 2>&1 || true
    rm -rf "$W"
}
trap finish EXIT
# server: PostgreSQL with its own defaults, so with synchronous commit.
server() {
    [ "$(id -u)" != 0 ] || chown postgres "$W"
    as_postgres "$PGBIN/initdb" -D "$W/data" -A trust -U postgres --no-sync > "$W/initdb.log"
    as_postgres "$PGBIN/pg_ctl" -D "$W/data" -w -l "$W/log" -o "-c listen_addresses= -k $W" start > /dev/null
    SERVER=1
    export PGHOST=$W PGUSER=postgres
}
url() { printf 'postgres://postgres@%s/%s' "${W//\//%2F}" "$1"; }
sql() { psql -qAtX -d "$1" -c "$2"; }
build() {
    FLEET=$(cd "$HERE" && cargo bench --locked -p aq-benches --bench fleet --no-run --message-format=json 2> "$W/build.log" |
        sed -n '/"name":"fleet"/s/.*"executable":"\([^"]*\)".*/\1/p') || { cat "$W/build.log" >&2; exit 1; }
}
# median: of the numbers in the lines of the input.
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
# filled JOBS: a database of this many jobs, copied for each round. One job is submitted, the others are
# rows like it.
filled() {
    sql postgres 'DROP DATABASE IF EXISTS filled' 2> /dev/null
    sql postgres 'CREATE DATABASE filled'
    "$FLEET" fill "$(url filled)" 1 > /dev/null
    sql filled "INSERT INTO jobs SELECT copy.* FROM generate_series(2, $1) AS n, jobs, jsonb_populate_record(jobs,
        jsonb_build_object('seq', n, 'id', md5(n::text), 'key', md5(n::text))) AS copy"
    sql filled "SELECT setval('jobs_seq', $1)" > /dev/null
    sql filled 'INSERT INTO manifests SELECT id, (SELECT manifest FROM manifests) FROM jobs ON CONFLICT DO NOTHING'
    sql filled 'VACUUM ANALYZE'
}
# ready: a copy of it that nobody has worked on.
ready() {
    sql postgres 'DROP DATABASE IF EXISTS fleet' 2> /dev/null
    sql postgres 'CREATE DATABASE fleet TEMPLATE filled'
    # Made, and not restored: else nothing is granted until hosts have said what they ended.
    sql fleet 'UPDATE service SET place = NULL'
}
