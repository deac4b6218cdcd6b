#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
# The daemon is stopped (not dead) in the middle of a hold: at the end of the lease the guard thaws,
# the database server lets go by itself, and nothing that the daemon says afterwards claims more.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --conf '[backup]' --conf 'hold_deadline = 3s' --conf 'retry_holds = 0'
cloud_set '{"latency_ms": {"CreateSnapshots": 2000}, "snapshot_time_s": 0.1}'
node_sql 'CREATE DATABASE sp; CREATE TABLE sp.plain (a INT) ENGINE=MyISAM'
arm_thaw 110 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

pid=$(part_pid daemon) data=$(mount_at data)
sp backup --no-image >"$LAB/out.txt" 2>&1 &
client=$!
wait_cut
kill -STOP "$pid"
begin=$EPOCHREALTIME
is_frozen "$data" || fail "never frozen: $(cat "$LAB/out.txt")"
node_sql 'INSERT INTO sp.plain VALUES (1)' || fail "the writer failed"
waited=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
assert_nothing_frozen
kill -CONT "$pid"
{ [ "$waited" -gt 1000 ] && [ "$waited" -lt 5000 ]; } || fail "a writer waited $waited ms for a lease of 3 s"
wait "$client"
status=$?
[ "$status" != 0 ] || fail "it claims to be whole: $(cat "$LAB/out.txt")"
disarm_thaw
cloud_set '{"latency_ms": {"CreateSnapshots": 100}}'
assert_exit 0 sp backup --no-image
