#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# Ctrl-C at a backup: before the cut all is let go and nothing is left in EC2; after it the command
# says that the backup goes on, leaves with 6, and the daemon finishes it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
arm_thaw 280 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

# A shell has SIGINT ignored in what it starts with '&'.
in_background() { # ARGUMENT...
    env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "$@" >"$LAB/out.txt" 2>&1 &
    client=$!
}
wait_for() { # REGEX in its output
    local _
    for _ in $(seq 200); do
        grep -qE "$1" "$LAB/out.txt" && return
        sleep 0.05
    done
    fail "no $1 in: $(cat "$LAB/out.txt")"
}

# Before the cut.
cloud_set '{"latency_ms": {"DescribeVolumes": 5000}}'
in_background backup --reason early
wait_for 'backup sp-[^ ]+ started'
sleep 0.3
begin=$SECONDS
kill -INT "$client"
wait "$client"
assert_eq 1 $? "exit code of a backup that was cancelled in time: $(cat "$LAB/out.txt")"
[ $((SECONDS - begin)) -lt 4 ] || fail "the cancel took $((SECONDS - begin)) s"
assert_match 'asking the daemon to cancel' "$(cat "$LAB/out.txt")" "what was said"
assert_match 'now: nothing (is|was) held' "$(cat "$LAB/out.txt")" "how the node is left"
assert_nothing_frozen
assert_eq 0 "$(cloud_get snapshots | json 'len(d)')" "snapshots"

# Within identify: a cancel is no fault of the metadata service.
cloud_set '{"imds": {"mode": "hang_put"}}'
in_background backup
wait_for 'backup sp-[^ ]+ started'
sleep 0.3
kill -INT "$client"
wait "$client"
assert_eq 1 $? "exit code of a backup that was cancelled within identify"
! grep -q 'do:' "$LAB/out.txt" || fail "a remedy for a cancel: $(cat "$LAB/out.txt")"
assert_match 'cancelled' "$(cat "$LAB/out.txt")" "what was said"
cloud_set '{"imds": {"mode": "ok"}}'

# After it.
cloud_set '{"latency_ms": {"DescribeVolumes": 5}, "snapshot_time_s": 4}'
in_background backup --reason late
wait_for 'the instant is fixed'
kill -INT "$client"
wait "$client"
assert_eq 6 $? "exit code of a backup that goes on: $(cat "$LAB/out.txt")"
assert_match 'do:  see what becomes of it: stillpoint show sp-' "$(cat "$LAB/out.txt")" "what to do"
assert_nothing_frozen
id=$(grep -oE 'sp-[0-9A-Za-z-]+' "$LAB/out.txt" | head -n 1)
for _ in $(seq 60); do
    sp show "$id" --json >"$LAB/shown.json" || fail "show $id"
    [ "$(json "d['state']" <"$LAB/shown.json")" = complete ] && break
    sleep 0.5
done
assert_eq complete "$(json "d['state']" <"$LAB/shown.json")" "state of the backup that went on"
assert_match '^ami-' "$(json "d['image']['id']" <"$LAB/shown.json")" "its image"
disarm_thaw
