#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# A hold that is interrupted lets go at once, whoever it was: the command, the daemon, the guard; and
# no release afterwards claims anything.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

start_cloud
mkdir -m 755 "$LAB/hooks.d"
# shellcheck disable=SC2016 # the hook's own
printf '#!/bin/sh\n[ "$1" != release ] || [ ! -e %q ] || sleep 30\n' "$LAB/run/hang" >"$LAB/hooks.d/slow"
chmod 755 "$LAB/hooks.d/slow"
start_node --restarter --conf '[hook slow]' --conf "exec = $LAB/hooks.d/slow" --conf 'release_timeout = 2s'
data=$(mount_at data)
arm_thaw 250 "$(mount_at root)" "$data" "$(mount_at binlog)"
# At its start the daemon looks for volumes on loan: that call is not the hold's.
wait_answered DescribeVolumes

assert_let_go() { # WHAT: soon, not at the lease's end
    local _
    for _ in $(seq 40); do
        is_frozen "$data" || break
        sleep 0.05
    done
    ! is_frozen "$data" || fail "$1: still frozen"
    assert_nothing_frozen
    node_sql 'CREATE OR REPLACE TABLE mysql.probe (a INT)' || fail "$1: the server is locked"
}
assert_ended() { # WHAT CAUSE
    assert_exit 1 sp release
    assert_match "had ended: $2" "$OUT" "$1"
    assert_exit 5 sp release
}
daemon_is_back() { # and has let go of what its hooks still held: as long as it is at that it answers nobody else
    wait_part daemon "$daemon"
    until_status "d['unsettled'] == [] and d['job'] is None"
}
in_background() { # ARGUMENT...
    env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "$@" >"$LAB/out.txt" 2>&1 &
    client=$!
}

# The command: by Ctrl-C before all is held, and killed with its word not taken.
cloud_set '{"latency_ms": {"DescribeVolumes": 4000}}'
in_background hold --lease 30s
wait_call DescribeVolumes
kill -INT "$client"
wait "$client"
assert_eq 1 $? "a hold that was cancelled: $(cat "$LAB/out.txt")"
assert_match 'now: nothing is held' "$(cat "$LAB/out.txt")" "what was said"
cloud_set '{"latency_ms": {"DescribeVolumes": 5}}'
mkfifo "$LAB/never-read"
exec {reader}<>"$LAB/never-read"
python3 -c 'import os, sys
os.set_blocking(3, False)
try:
    while True: os.write(3, bytes(4096))
except BlockingIOError: os.set_blocking(3, True)' 3>"$LAB/never-read"
"$BUILD/stillpoint" --config "$LAB/stillpoint.conf" hold --lease 30s >"$LAB/never-read" 2>"$LAB/out.txt" &
client=$!
for _ in $(seq 100); do
    [ "$(sp status --json | json "d['hold'] is not None")" = true ] && break
    sleep 0.05
done
is_frozen "$data" || fail "not held: $(cat "$LAB/out.txt")"
kill -KILL "$client"
wait "$client" 2>/dev/null
exec {reader}>&-
assert_let_go "killed before its word was taken"
assert_ended "killed before its word was taken" 'the command that asked for it was interrupted'

# The daemon is told to end, then killed.
assert_exit 0 sp hold --lease 30s
daemon=$(part_pid daemon)
kill -TERM "$daemon"
assert_let_go "the daemon was told to end"
daemon_is_back
assert_ended "the daemon was told to end" 'stillpointd was told to end'
assert_exit 0 sp hold --lease 30s
daemon=$(part_pid daemon)
kill -KILL "$daemon"
assert_let_go "the daemon was killed"
daemon_is_back
assert_ended "the daemon was killed" 'stillpointd ended while it held'

# The guard, both of its processes at once: its restart thaws.
assert_exit 0 sp hold --lease 30s
stop_both_guards
kill -KILL "$keeper" "$freezer"
assert_let_go "the guard was killed"
wait_part guard
assert_ended "the guard was killed" 'the guard was lost'

# The daemon stands still until the lease is over: it knows, whatever was asked of it meanwhile.
assert_exit 0 sp hold --lease 3s
daemon=$(part_pid daemon)
kill -STOP "$daemon"
in_background release
sleep 3.2
assert_let_go "the daemon was stopped"
kill -CONT "$daemon"
wait "$client"
assert_eq 1 $? "release asked of a daemon that was stopped past the lease: $(cat "$LAB/out.txt")"

# thaw --force in it: nothing may be claimed of the filesystems.
assert_exit 0 sp hold --lease 30s
"$BUILD/stillpoint" --config "$LAB/stillpoint.conf" thaw --force >/dev/null || fail "thaw --force"
assert_exit 3 sp release
assert_match 'crash consistent, application was asked for' "$OUT" "thaw --force"

# Two at once, and a hook that hangs: one tells, the other has nothing to tell; SIGTERM in it takes
# nothing back.
assert_exit 0 sp hold --lease 30s
touch "$LAB/run/hang"
in_background release
first=$client
for _ in $(seq 100); do
    is_frozen "$data" || break
    sleep 0.02
done
sp release >"$LAB/second.txt" 2>&1 &
second=$!
sleep 0.3
kill -TERM "$(part_pid daemon)"
wait "$first"
assert_eq 3 $? "release with a hook that hangs: $(cat "$LAB/out.txt")"
assert_match 'application consistent' "$(cat "$LAB/out.txt")" "what it proved all the same"
wait "$second"
assert_eq 5 $? "the second release: $(cat "$LAB/second.txt")"
assert_nothing_frozen
disarm_thaw
