#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A trusted machine under `iam-policy --role restore`: it makes volumes and instances of sets, also of one whose
# image CreateImage made, and takes away what failed; without any one right the command that needs it says
# which.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
own=$(node_get "['instance']")
take_backup 0 --quiet
id=$(sp show latest --json | json "d['id']")
cloud_set '{"imds": {"document": {"billingProducts": ["bp-6fa54006"]}}}'
stop_part daemon
start_part daemon
take_backup 0 --quiet
billed=$(sp show latest --json | json "d['id']")
assert_eq create "$(sp show latest --json | json "d['image']['method']")" "how the image was made"
stop_part daemon

role=arn:aws:iam::123456789012:role/stillpoint-node
far_daemon restore
far restore iam-policy --role restore --pass-role "$role" >"$LAB/policy.json" || fail "iam-policy ended with $?"
give_role restore <"$LAB/policy.json"

# Volumes: kept, attached, and gone again where one of them fails.
assert_exit 0 far restore list
assert_exit 0 far restore restore volumes "$id" --zone eu-west-1a
assert_exit 0 far restore restore volumes "$id" --volume /dev/sdf --attach "$own"
before=$(cloud_volumes)
cloud_fault '{"action": "CreateVolume", "kind": "error", "code": "VolumeLimitExceeded", "skip": 1}'
assert_exit 1 far restore restore volumes "$id" --zone eu-west-1a
assert_match 'what was made is gone again' "$OUT" "what is said to be"
cloud_faults_off
assert_volumes "$before"

# Instances.
assert_exit 0 far restore restore instance "$id" --name copy -n
assert_exit 0 far restore restore instance "$id" --name copy
assert_exit 3 far restore restore instance "$billed" --name billed
assert_match 'the root is newer than the data' "$OUT" "of a billed node"
before=$(cloud_volumes)
cloud_fault '{"action": "RunInstances", "kind": "partial", "dry_run": false}'
assert_exit 1 far restore restore instance "$id" --name dead
assert_match 'the instance is terminated and its volumes are deleted' "$OUT" "what is said to be"
cloud_faults_off
assert_volumes "$before"

# Without any one right of these.
dies() {
    cloud_fault '{"action": "RunInstances", "kind": "partial", "dry_run": false}'
    far restore restore instance "$id" --name dead --another
    local status=$?
    cloud_faults_off
    return $status
}
fails_attached() { # the second volume can't be attached: the first is detached again
    cloud_fault '{"action": "AttachVolume", "kind": "error", "code": "AttachmentLimitExceeded", "skip": 1}'
    far restore restore volumes "$id" --attach "$own"
    local status=$?
    cloud_faults_off
    return $status
}
settled() {
    for _ in $(seq 250); do
        [ -n "$(ls "$LAB/restore/state/loans" 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    fail "loans are left: $(tail -n 5 "$LAB/log/restore.log")"
}
wanted_of() {
    case $1:$2 in
    Look:ec2:DescribeVolumes | *:ec2:CreateVolume | Volumes:*Tags)
        far restore restore volumes "$id" --zone eu-west-1a --volume /dev/sdf
        ;;
    *:ec2:AttachVolume) far restore restore volumes "$id" --volume /dev/sdf --attach "$own" ;;
    *:ec2:DetachVolume | Volumes:ec2:DeleteVolume) fails_attached ;;
    DeadLaunch:*) dies ;;
    FromImage:*) far restore restore instance "$billed" --name other -n ;;
    Look:* | *:ec2:RunInstances | *:ec2:DescribeInstanceAttribute | NewTags:* | PassRole:*)
        far restore restore instance "$id" --name other --profile stillpoint-node -n
        ;;
    *) echo "nothing shows it" ;;
    esac
}
each_is_needed_by restore "$LAB/policy.json" wanted_of settled
assert_exit 0 far restore restore volumes "$id" --zone eu-west-1a --volume /dev/sdf
