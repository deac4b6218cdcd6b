#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A server that is killed in the midst of its work, for test_copy_server.c.
#
#   copy_original.sh DATADIR FOLDER    FOLDER/binlog is for its binary logs
set -euo pipefail
data=$1 folder=$2
work=$(mktemp -d)
chown mysql "$work"
chown -R mysql:mysql "$data" "$folder/binlog"
mariadbd --no-defaults --user=mysql --datadir="$data" --socket="$work/s" --pid-file="$work/pid" \
    --skip-networking --log-bin="$folder/binlog/binlog" --server-id=7 --innodb-log-file-size=16M \
    --innodb-flush-log-at-trx-commit=1 --tmpdir="$work" >"$work/log" 2>&1 &
server=$!
trap 'kill -KILL $server 2>/dev/null || true; wait; rm -rf "$work"' EXIT
sql() { mariadb --no-defaults -u root -S "$work/s" "$@"; }
for _ in {1..300}; do
    sql -e 'SELECT 1' >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
{
    echo "CREATE DATABASE lab; USE lab; CREATE TABLE t (id INT PRIMARY KEY, x VARCHAR(100)) ENGINE=InnoDB;"
    echo "CREATE TABLE m (id INT PRIMARY KEY, x VARCHAR(100)) ENGINE=MyISAM;"
    for i in {1..500}; do
        echo "INSERT INTO t VALUES ($i, REPEAT('x', 90)); INSERT INTO m VALUES ($i, REPEAT('y', 90));"
    done
    # What MyISAM keeps in its cache and only a crash would lose is not what is tested here.
    echo "FLUSH TABLES m;"
    echo "UPDATE t SET x = REPEAT('z', 80);"
} | sql
