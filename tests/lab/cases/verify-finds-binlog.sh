#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# What is wrong with a set's binary log is found and named: one that is gone, the last that is gone, a recorded
# position that is wrong.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
node_sql "CREATE TABLE lab.one (id INT); FLUSH BINARY LOGS; INSERT INTO lab.one VALUES (1)" || fail "two logs"

without_log() { rm "$1/binlog.000001"; }
back_up logless --no-image
damage_files "$(snapshot_of logless binlog)" without_log
verify_now 1
assert_finding 'binlog mysql' 'binlog\.000001 is listed in the index, and not there'

without_last() { rm "$1/$(json "d['databases'][0]['binlog_file']" <"$LAB/lastless.json")"; }
back_up lastless --no-image
damage_files "$(snapshot_of lastless binlog)" without_last
verify_now 1
assert_finding 'server mysql' "does not start on the copy: .*binlog\\.00000[0-9]' not found"

back_up misplaced --no-image
misplace misplaced 20
verify_now 1
assert_match "recorded binlog\.0+[0-9]+:[0-9]+, the copy's ends at" "$(text_of 'binlog mysql')" "wrong position"
assert_match 'the tags say binlog' "$(text_of manifest)" "tags against manifest"
