#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A node whose image carries billing product codes gets a policy for CreateImage, and works under it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20},
    "imds": {"document": {"billingProducts": ["bp-6fa54006"]}}}'
other_node
sp iam-policy --role node >"$LAB/policy.json" || fail "iam-policy ended with $?"
assert_match 'ec2:CreateImage' "$(cat "$LAB/policy.json")" "the policy"
[[ ! $(cat "$LAB/policy.json") =~ RegisterImage\"|GetInstanceUefiData ]] || fail "what such a node never calls"
give_role node <"$LAB/policy.json"

assert_exit 0 sp doctor
take_backup 0
assert_match 'image ami-[0-9a-f]+ available' "$OUT" "backup"
assert_exit 0 sp doctor
[[ ! $OUT =~ (warning|failed)\ +right ]] || fail "a right is missing: $OUT"
own=$(node_get "['instance']")
image=$(sp show latest --json | json "d['image']['id']")
tries node <<EOF
["denied", "DeregisterImage", {"ImageId": "$image"}]
["denied", "CreateImage", {"InstanceId": "$other_instance", "Name": "theirs", $(spec image "$own")}]
["denied", "CreateImage", {"InstanceId": "$own", "Name": "untagged"}]
["denied", "CreateImage", {"InstanceId": "$own", "Name": "forged", $(spec image "$other_instance")}]
EOF
each_is_needed "$LAB/policy.json" sp doctor

# Without a daemon it has to be said.
cloud_post iam '{"role": "node", "policy": null}' >/dev/null
stop_part daemon
assert_exit 0 sp iam-policy --role node
assert_match 'account and billing are not known.*--billed' "$OUT" "what is said"
assert_match '"ec2:RegisterImage"' "$OUT" "the policy"
assert_match '\$\{aws:PrincipalAccount\}' "$OUT" "the policy"
assert_exit 0 sp iam-policy --role node --billed
assert_match '"ec2:CreateImage"' "$OUT" "the policy"
assert_eq "$(sp iam-policy --role node)" "$(sp iam-policy --role node --quiet)" "with --quiet: it is what was asked for"

assert_exit 2 sp iam-policy
assert_match 'iam-policy needs --role' "$OUT" "the message"
assert_exit 2 sp iam-policy --role prune
assert_match "did you mean pruner" "$OUT" "the message"
assert_exit 2 sp iam-policy --role pruner --with verify
assert_match 'with is for the role node, not for pruner' "$OUT" "the message"
assert_exit 2 sp iam-policy --role restore --kms-key alias/aws/ebs
assert_match "is no key's ARN" "$OUT" "the message"
