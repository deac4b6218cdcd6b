#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two doctors at once: the second waits for the first, and both say the same. A backup meanwhile is told that a
# doctor has the node.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
# At its start the daemon looks for volumes on loan: that call is not the doctor's.
wait_answered DescribeVolumes
cloud_set '{"latency_ms": {"DescribeVolumes": 5000}}'
sp doctor >"$LAB/first.txt" 2>&1 &
first=$!
wait_call DescribeVolumes
assert_exit 4 sp backup --no-image
assert_match 'doctor has the node.*do: .*try again' "$OUT" "a backup beside a doctor"
sp doctor >"$LAB/second.txt" 2>&1
second=$?
wait "$first"
assert_eq "$?" "$second" "exit code of the second doctor: $(cat "$LAB/second.txt")"
assert_match 'volumes .*3 attached' "$(cat "$LAB/second.txt")" "what the second says"
