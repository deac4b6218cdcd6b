#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# SIGTERM to the daemon in the middle of a hold: everything is let go at once, the client is told, and
# what EC2 made is deleted again.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
cloud_set '{"latency_ms": {"CreateSnapshots": 7000}, "cut_at": 0.1}'
arm_thaw 60 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
sp backup --no-image >"$LAB/out.txt" 2>&1 &
client=$!
wait_cut
is_frozen "$(mount_at data)" || fail "never frozen: $(cat "$LAB/out.txt")"
kill -TERM "$(part_pid daemon)"
for _ in $(seq 20); do
    is_frozen "$(mount_at data)" || break
    sleep 0.02
done
assert_nothing_frozen
node_sql 'CREATE DATABASE sp; CREATE TABLE sp.t (a INT); INSERT INTO sp.t VALUES (1)' || fail "the server is locked"
wait "$client"
status=$?
[ "$status" = 1 ] || [ "$status" = 6 ] || fail "the client ended with $status: $(cat "$LAB/out.txt")"
assert_match 'stillpointd was told to end: .*cancelled' "$(cat "$LAB/out.txt")" "what the client was told"
for _ in $(seq 300); do
    pid=$(part_pid daemon)
    if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then
        break
    fi
    sleep 0.1
done
sleep 0.2
left=$(cloud_get snapshots | json 'len(d)')
[ "$left" = 0 ] || [ "$status" = 6 ] || fail "$left snapshots are left although it said that none is"
disarm_thaw

# And the next one, by a new daemon, succeeds.
cloud_set '{"latency_ms": {"CreateSnapshots": 100}}'
start_part daemon
assert_exit 0 sp backup --no-image
