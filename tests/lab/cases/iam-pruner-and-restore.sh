#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# The trusted machines' policies: daemons without identity work under them; the pruner deletes what is
# Stillpoint's and nothing else, the restorer makes instances and volumes of it, and of nothing else.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
other_node
take_backup 0 --quiet
read -r image snapshot < <(sp show latest --json | json "d['image']['id'] + ' ' + d['snapshots'][0]['id']")
volume=$(volume_of data)
key=arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
# Somebody else's snapshot and image; and one of ours, encrypted.
read -r foreign foreign_image encrypted < <(python3 - "$LIB_DIR" "$LAB" "$volume" "$key" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
def shoot(volume, **more):
    snapshot = ec2.create_snapshot(VolumeId=volume, **more)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
    return snapshot
foreign = shoot(sys.argv[3])
image = ec2.register_image(Name="foreign", RootDeviceName="/dev/sda1", BlockDeviceMappings=[
    {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": foreign}}])["ImageId"]
volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, Encrypted=True, KmsKeyId=sys.argv[4])
ec2.get_waiter("volume_available").wait(VolumeIds=[volume["VolumeId"]], WaiterConfig={"Delay": 1})
print(foreign, image, shoot(volume["VolumeId"], TagSpecifications=[
    {"ResourceType": "snapshot", "Tags": [{"Key": "stillpoint:id", "Value": "sp-20260101T000000Z-k3f9x"}]}]))
PY
)
[ -n "$encrypted" ] || fail "no snapshots"
stop_part daemon

far_daemon pruner
far pruner iam-policy --role pruner >"$LAB/pruner.json" || fail "iam-policy ended with $?"
give_role pruner <"$LAB/pruner.json"
assert_exit 0 far pruner list
assert_match '2 backups' "$OUT" "list"
assert_exit 0 far pruner show latest
assert_exit 0 far pruner doctor
tries pruner <<EOF
["allowed", "DeleteSnapshot", {"SnapshotId": "$snapshot"}]
["allowed", "DeleteSnapshot", {"SnapshotId": "$other_snapshot"}]
["allowed", "DeregisterImage", {"ImageId": "$image"}]
["allowed", "CreateTags", {"Resources": ["$other_snapshot", "$image"], $(tag stillpoint:pinned yes)}]
["denied", "DeleteSnapshot", {"SnapshotId": "$foreign"}]
["denied", "DeregisterImage", {"ImageId": "$foreign_image"}]
["denied", "CreateTags", {"Resources": ["$foreign"], $(tag stillpoint:id sp-20260101T000000Z-k3f9x)}]
["denied", "CreateTags", {"Resources": ["$snapshot"], $(tag stillpoint:instance "$other_instance")}]
["denied", "CreateTags", {"Resources": ["$other_volume"], $(tag stillpoint:pinned yes)}]
["denied", "CreateSnapshots", {"InstanceSpecification": {"InstanceId": "$other_instance"}}]
["denied", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$snapshot"}]
["denied", "DeleteVolume", {"VolumeId": "$other_volume"}]
EOF

role=arn:aws:iam::123456789012:role/stillpoint-node
far_daemon restore
far restore iam-policy --role restore --kms-key "$key" --pass-role "$role" >"$LAB/restore.json" ||
    fail "iam-policy ended with $?"
give_role restore <"$LAB/restore.json"
assert_exit 0 far restore list
assert_exit 0 far restore show latest
loan='"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "stillpoint:loan", "Value": "ln-1"}]}]'
run='"InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1'
tries restore <<EOF
["allowed", "RunInstances", {"ImageId": "$image", $run, $(spec instance x), "IamInstanceProfile": {"Name": "stillpoint-node"}}]
["denied", "RunInstances", {"ImageId": "$image", $run, "IamInstanceProfile": {"Name": "administrator"}}]
["denied", "RunInstances", {"ImageId": "$foreign_image", $run}]
["allowed", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$other_snapshot", $loan}]
["denied", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$other_snapshot"}]
["denied", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$foreign", $loan}]
["denied", "CreateTags", {"Resources": ["$other_volume"], $(tag stillpoint:loan ln-1)}]
["denied", "DetachVolume", {"VolumeId": "$other_volume"}]
["denied", "DeleteVolume", {"VolumeId": "$other_volume"}]
["denied", "DeleteSnapshot", {"SnapshotId": "$snapshot"}]
["denied", "DeregisterImage", {"ImageId": "$image"}]
["denied", "TerminateInstances", {"InstanceIds": ["$other_instance"]}]
EOF

# A key that is named to the policy, and one that is not.
tries restore <<EOF
["done", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$encrypted", $loan}]
EOF
far restore iam-policy --role restore -q --json | give_role restore
tries restore <<EOF
["allowed", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$encrypted", $loan}]
["gone", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$encrypted", $loan}]
["done", "CreateVolume", {"AvailabilityZone": "eu-west-1a", "SnapshotId": "$snapshot", $loan}]
EOF
python3 "$LIB_DIR/iam_test.py" keys "$LAB/restore.json" "$key" || fail "the rights to the key"

# A node that may verify lends itself volumes of its own snapshots alone.
own=$(node_get "['instance']")
"$BUILD/stillpoint" --config "$LAB/stillpoint.conf" iam-policy --role node --with verify -q --json >"$LAB/verify.json"
give_role node <"$LAB/verify.json"
lend() { # VOLUME-TAGS
    echo "\"AvailabilityZone\": \"eu-west-1a\", \"TagSpecifications\": [{\"ResourceType\": \"volume\", \"Tags\": [$1]}]"
}
whose="{\"Key\": \"stillpoint:instance\", \"Value\": \"$own\"}"
tries node <<EOF
["allowed", "CreateVolume", {"SnapshotId": "$snapshot", $(lend "{\"Key\": \"stillpoint:loan\", \"Value\": \"ln-1\"}, $whose")}]
["denied", "CreateVolume", {"SnapshotId": "$other_snapshot", $(lend "{\"Key\": \"stillpoint:loan\", \"Value\": \"ln-1\"}, $whose")}]
["denied", "CreateVolume", {"SnapshotId": "$snapshot", $(lend '{"Key": "stillpoint:loan", "Value": "ln-1"}')}]
["denied", "DetachVolume", {"VolumeId": "$volume"}]
["denied", "DeleteVolume", {"VolumeId": "$other_volume"}]
["denied", "CreateTags", {"Resources": ["$other_volume"], $(tag stillpoint:loan ln-1)}]
["denied", "DeleteSnapshot", {"SnapshotId": "$snapshot"}]
EOF
