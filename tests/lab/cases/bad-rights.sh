#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# Each right that a backup needs is missing in turn: the message names it, nothing is left behind, and
# doctor names it too.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node
begin_refusals
deny() { cloud_set "{\"deny\": [$1]}"; }
doctor_names() { # RESULT ACTION
    local status
    OUT=$(sp doctor 2>&1)
    status=$?
    assert_match "$1 +right +ec2:$2 is not allowed: .*do: allow it: add ec2:$2 to the policies of role" "$OUT" "doctor"
    assert_eq 5 "$status" "doctor's exit code"
}

# Those that are asked for before anything is held.
for action in DescribeInstances DescribeVolumes DescribeSnapshots RegisterImage CreateSnapshots; do
    deny "\"$action\""
    refused 5 "ec2:$action is not allowed: .*UnauthorizedOperation" "allow it: add ec2:$action to the policies of role" \
        sp backup
    assert_match 'no snapshot was made' "$OUT" "what is said to be"
    made_nothing
    doctor_names failed "$action"
    assert_eq 0 "$(cloud_calls action=CreateSnapshots | json "sum(1 for c in d if not c['dry_run'])")" "cuts"
done
deny '"RegisterImage"'
backs_up --no-image # needs no such right

# EC2 lets nobody try these before there is a snapshot, and they are needed after the cut.
deny '"CreateTags"'
doctor_names failed CreateTags
refused 1 'ec2:CreateTags is not allowed' 'add ec2:CreateTags to the policies of role' sp backup
assert_match 'now: nothing is held by Stillpoint, the 3 snapshots were deleted' "$OUT" "what is said to be"
node_is_free
made_nothing

deny '"CreateTags", "DeleteSnapshot"'
assert_match 'ok +right +ec2:DeleteSnapshot is not allowed, nor needed by a node' "$(sp doctor 2>&1)" "doctor"
refused 1 'ec2:CreateTags is not allowed' 'add ec2:CreateTags' sp backup
assert_match 'warning: .*could not be deleted: snap-[0-9a-f]+: ec2:DeleteSnapshot is not allowed' "$OUT" "the warning"
assert_match 'now: .*3 snapshots are left in EC2: delete what has the tag stillpoint:id=(sp-[0-9A-Za-z-]+)' "$OUT" \
    "what is said to be"
left=$(cloud_get snapshots | json "[s['tags'].get('stillpoint:consistency') for s in d
    if s['tags'].get('stillpoint:id') == '${BASH_REMATCH[1]}']")
assert_eq '["unconfirmed", "unconfirmed", "unconfirmed"]' "$left" "the labels of what is left"
node_is_free
made

# Deleting is for cleaning up only.
deny '"DeleteSnapshot"'
backs_up --no-image

# The image can't be watched: the snapshots are all there, and it is said that this is not all.
deny '"DescribeImages"'
doctor_names failed DescribeImages
assert_exit 3 sp backup --quiet
assert_match 'as consistent as asked for, but something else is missing' "$OUT" "the message"
assert_match 'why: waiting for the image: ec2:DescribeImages is not allowed' "$OUT" "its reason"
refused 5 'ec2:DescribeImages is not allowed' 'add ec2:DescribeImages' sp list
made

# This node boots by UEFI: the image is made with its variables.
deny '"GetInstanceUefiData"'
doctor_names failed GetInstanceUefiData
assert_exit 3 sp backup --quiet
assert_match 'why: .*ec2:GetInstanceUefiData is not allowed' "$OUT" "its reason"
made

deny ''
OUT=$(sp doctor 2>&1)
assert_match 'right +ec2:GetInstanceUefiData is allowed' "$OUT" "doctor"
assert_match 'skipped +freeze +only a freeze shows whether somebody else' "$OUT" "doctor"
backs_up
assert_match 'ok +last backup +sp-[^ ]+ \(application\), ([1-9][0-9]?s|1m) old' "$(sp doctor)" "the last backup"
assert_exit 0 sp backup --no-image --consistency crash
assert_match 'warning +last backup +sp-[^ ]+ \(crash, less than configured\)' "$(sp doctor)" "a last one that is less"
made
end_refusals
