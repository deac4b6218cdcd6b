#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The daemon runs as its own user with every capability set empty and can gain none.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook
start_cloud
start_node

status=/proc/$(part_pid daemon)/status
assert_eq stillpointd "$(sed -n 's/^Name:\t//p' "$status")" "the process"
user=$(id -u stillpoint)
assert_eq "$user $user $user $user" "$(sed -n 's/^Uid:\t//p' "$status" | tr '\t' ' ')" "user ids"
group=$(id -g stillpoint)
assert_eq "$group $group $group $group" "$(sed -n 's/^Gid:\t//p' "$status" | tr '\t' ' ')" "group ids"
assert_eq "" "$(sed -n 's/^Groups:\t//p' "$status" | tr -d ' ')" "other groups"
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    assert_eq 0000000000000000 "$(sed -n "s/^$set:\t//p" "$status")" "$set"
done
assert_eq 1 "$(sed -n 's/^NoNewPrivs:\t//p' "$status")" "NoNewPrivs"
