#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Under the policy that iam-policy prints for a node everything works that a node does, and nothing of
# it deletes a backup or touches another node's; and it is the least: without any one of its actions
# the doctor finds a right missing.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
own=$(node_get "['instance']")
other_node # from before there was any policy

# The daemon is asked: region and account are the node's.
sp iam-policy --role node >"$LAB/policy.json" || fail "iam-policy ended with $?"
assert_eq '"2012-10-17"' "$(json "json.dumps(d['Version'])" <"$LAB/policy.json")" "version"
assert_match 'arn:aws:ec2:eu-west-1:123456789012:instance/\$\{ec2:InstanceID\}' "$(cat "$LAB/policy.json")" "the policy"
assert_eq "$(json "d" <"$LAB/policy.json")" "$(sp iam-policy --role node --json | json d)" "with --json"
give_role node <"$LAB/policy.json"

# Before the first backup, and with all that a backup makes.
assert_exit 0 sp doctor
take_backup 0 --reason 'under the policy' --tag Owner=ops
assert_match 'image ami-[0-9a-f]+ available' "$OUT" "backup"
assert_exit 0 sp list --all-nodes
assert_exit 0 sp show latest
assert_exit 0 sp status
assert_exit 0 sp doctor
assert_match 'ok +right +ec2:CreateTags is allowed' "$OUT" "doctor"
assert_match 'ok +right +ec2:DeleteSnapshot is not allowed, nor needed by a node' "$OUT" "doctor"
assert_match 'ok +right +ec2:DeregisterImage is not allowed, nor needed by a node' "$OUT" "doctor"
for action in CreateVolume CreateReplaceRootVolumeTask RunInstances; do
    assert_match "ok +right +ec2:$action is not allowed, nor needed by a node: .*iam-policy" "$OUT" "doctor"
done
[[ ! $OUT =~ (warning|failed)\ +right ]] || fail "a right is missing: $OUT"

# A backup that fails deletes nothing: what is left is tagged for the pruner.
cloud_fault '{"action": "CreateTags", "kind": "error", "code": "UnauthorizedOperation", "status": 403, "dry_run": false}'
take_backup 1 --no-image
assert_match 'snapshots? (is|are) left in EC2, tagged failed' "$OUT" "a failed backup"

image=$(sp show latest --json | json "d['image']['id']")
snapshot=$(sp show latest --json | json "d['snapshots'][0]['id']")
tries node <<EOF
["denied", "DeleteSnapshot", {"SnapshotId": "$snapshot"}]
["denied", "DeleteSnapshot", {"SnapshotId": "$other_snapshot"}]
["denied", "DeregisterImage", {"ImageId": "$image"}]
["denied", "DeregisterImage", {"ImageId": "$image", "DeleteAssociatedSnapshots": true}]
["denied", "DeleteTags", {"Resources": ["$snapshot"], "Tags": [{"Key": "stillpoint:pinned"}]}]
["denied", "TerminateInstances", {"InstanceIds": ["$own"]}]
["denied", "ModifySnapshotAttribute", {"SnapshotId": "$snapshot", "Attribute": "createVolumePermission", "OperationType": "add", "UserIds": ["111122223333"]}]
["denied", "ModifySnapshotTier", {"SnapshotId": "$snapshot", "StorageTier": "archive"}]
["denied", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$snapshot"}]
["denied", "DetachVolume", {"VolumeId": "$other_volume"}]
["allowed", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$own"}, $(spec snapshot "$own")}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$own"}}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$own"}, $(spec snapshot "$other_instance")}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$own"}, $(spec snapshot "*")}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$other_instance"}, $(spec snapshot "$own")}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$other_instance"}, $(spec snapshot "$other_instance")}]
["denied", "CreateSnapshot", {"VolumeId": "$other_volume", $(spec snapshot "$own")}]
["denied", "CreateImage", {"InstanceId": "$own", "Name": "nope", $(spec image "$own")}]
["allowed", "RegisterImage", {"Name": "mine", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "$snapshot"}}], $(spec image "$own")}]
["denied", "RegisterImage", {"Name": "theirs", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "$other_snapshot"}}], $(spec image "$own")}]
["denied", "RegisterImage", {"Name": "forged", "RootDeviceName": "/dev/sda1", $(spec image "$other_instance")}]
["denied", "GetInstanceUefiData", {"InstanceId": "$other_instance"}]
["allowed", "CreateTags", {"Resources": ["$snapshot", "$image"], $(tag stillpoint:verified yes)}]
["denied", "CreateTags", {"Resources": ["$snapshot", "$other_snapshot"], $(tag stillpoint:verified yes)}]
["denied", "CreateTags", {"Resources": ["$snapshot"], $(tag stillpoint:instance "$other_instance")}]
["denied", "CreateTags", {"Resources": ["$snapshot"], $(tag stillpoint:id sp-20260101T000000Z-k3f9x)}]
["denied", "CreateTags", {"Resources": ["$snapshot"], $(tag Owner me)}]
["denied", "CreateTags", {"Resources": ["$other_snapshot"], $(tag stillpoint:pinned no)}]
["denied", "CreateTags", {"Resources": ["$other_volume"], $(tag stillpoint:instance "$own")}]
["denied", "CreateTags", {"Resources": ["$own"], $(tag stillpoint:instance "$own")}]
EOF

# Without any one action something is missing, and the doctor says what.
each_is_needed "$LAB/policy.json" sp doctor
