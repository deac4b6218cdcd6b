#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The database's lock is lost while the cut is under way (the connection is killed, the server dies):
# the backup is kept and labelled with less, and says why.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
cloud_set '{"latency_ms": {"CreateSnapshots": 4000}, "snapshot_time_s": 0.1}'
arm_thaw 120 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

# WHAT happens while the mounts are frozen.
backup_while() {
    sp backup --no-image --json >"$LAB/events.json" 2>"$LAB/out.txt" &
    client=$!
    wait_cut
    is_frozen "$(mount_at data)" || fail "never frozen: $(cat "$LAB/out.txt")"
    "$@"
    wait "$client"
    status=$?
    tail -n 1 "$LAB/events.json" >"$LAB/backup.json"
    assert_eq 3 "$status" "exit code ($(cat "$LAB/out.txt"))"
    assert_eq filesystem "$(json "d['consistency']" <"$LAB/backup.json")" consistency
    assert_match 'mysql.*connection that held the lock is gone' \
        "$(json "' '.join(map(str, d['shortfall']))" <"$LAB/backup.json")" shortfall
    assert_nothing_frozen
}
kill_connection() {
    local id
    id=$(node_sql "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'stillpoint'") ||
        fail "the server does not answer while held"
    node_sql "KILL $id" || fail "KILL $id"
}
kill_server() { kill -KILL "$(part_pid mysql)"; }

backup_while kill_connection
node_sql 'CREATE DATABASE sp; CREATE TABLE sp.t (a INT) ENGINE=MyISAM; INSERT INTO sp.t VALUES (1)' ||
    fail "the server is locked"
backup_while kill_server
start_part mysql
disarm_thaw
assert_exit 0 sp backup --no-image
