#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A daemon that is killed in the middle of a verify, at each of its steps, leaves nothing: the next one's start
# detaches and deletes what was on loan. Cancelling does the same at once.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2, "detach_time_s": 1}'
back_up good --no-image

for line in 'job=verify .*step=make' 'event=lent' 'job=verify .*step=look' 'job=verify .*step=server' \
    'job=verify .*step=remove'; do
    daemon=$(part_pid daemon)
    verify_until "$line"
    kill -KILL "$daemon"
    status=0
    wait "$client" || status=$?
    assert_eq 6 "$status" "exit code of a verify whose daemon was killed at '$line'"
    start_part daemon
    assert_no_volumes
done
# What EC2 may have made without the daemon hearing of it is looked for some minutes longer; nothing else is.
[ "$(find "$LAB/state/loans" -name '*.json' | wc -l)" -le 1 ] || fail "records: $(ls "$LAB/state/loans")"
assert_exit 0 sp verify latest --again
assert_no_volumes

verify_until 'job=verify .*step=server'
kill -TERM "$client"
status=0
wait "$client" || status=$?
assert_eq 5 "$status" "exit code of a verify that was cancelled"
assert_match cancel "$(tail -n 1 "$LAB/verify.events" | json "d['text']")" "its last word"
assert_no_volumes
assert_exit 0 sp verify latest
