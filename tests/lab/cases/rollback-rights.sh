#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 600
# Under the policy that iam-policy prints for a node with rollback, a rollback of the whole node, its
# undo and its commit work, as soon as the node's volumes are tagged as its own; without that tag it is
# refused before anything is made, and says so.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node --state-on-root --restarter
instance=$(node_get "['instance']")
sp iam-policy --role node --with rollback >"$LAB/policy.json" || fail "iam-policy ended with $?"
give_role node <"$LAB/policy.json"
arm_thaw 500 --late "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
assert_exit 0 sp backup --no-image
set=$(sp show latest --json | json "d['id']")
before=$(data_volumes) count=$(volumes_of_lab)

assert_exit 5 sp rollback "$set" --data-only --no-backup --yes
assert_match 'ec2:CreateTags is not allowed' "$OUT" "the cause"
assert_match "do:  .*stillpoint:instance=$instance: put it on vol-" "$OUT" "the remedy"
assert_eq "$before/$count/" "$(data_volumes)/$(volumes_of_lab)/$(state_tag)" "what was made"

ask_cloud "ec2.create_tags(Resources=[v['VolumeId'] for v in volumes], Tags=[{'Key': 'stillpoint:instance', 'Value': instance}]) and ''"
assert_exit 0 sp rollback "$set" --data-only --yes
assert_match 'step +done' "$OUT" "the rollback"
assert_exit 0 sp rollback --undo --yes
assert_eq "$before/$count" "$(data_volumes)/$(volumes_of_lab)" "volumes after the undo"
no_tags_left
assert_exit 0 sp rollback "$set" --data-only --no-backup --yes
assert_exit 0 sp rollback --commit --yes
no_tags_left

# The whole node; the volumes that the rollback made are the node's own, too.
sp rollback "$set" --no-backup --yes >"$LAB/out" 2>&1
assert_eq 6 $? "exit code of: $(cat "$LAB/out")"
until_rollback "r and r['step'] == 'done'"
start_part mysql
sp rollback --undo --yes >"$LAB/out" 2>&1
assert_eq 6 $? "exit code of: $(cat "$LAB/out")"
until_rollback 'r is None'
no_tags_left
assert_eq "$count" "$(volumes_of_lab)" "volumes"
disarm_thaw
