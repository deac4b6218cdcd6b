#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# thread: yes
# What can't become a new node is refused with its cause and its remedy, and nothing is left behind.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
begin_refusals
backs_up --no-image
bare=$(sp show latest --json | json "d['id']")
backs_up
id=$(sp show latest --json | json "d['id']")
before=$(cloud_volumes)
again() { sp restore instance "$id" --name copy "$@"; }

# Ids.
refused 5 "no backup has the id 'sp-20260101T000000Z-abcde'" 'another region or account' \
    sp restore instance sp-20260101T000000Z-abcde
refused 5 "no backup has the id 'snap-0123456789abcdef0'" 'not what it is made of' \
    sp restore instance snap-0123456789abcdef0
refused 2 "several backups begin with 'sp-2'" 'write more of the id' sp restore instance sp-2
refused 5 "backup $bare: it has no image" "stillpoint restore volumes $bare" sp restore instance "$bare"

# Options that make no sense, and those that EC2 knows better.
refused 2 "restore: 'instanse' is not known" 'did you mean instance' sp restore instanse "$id"
refused 2 "--subnet: 'sg-1' is none" 'subnet-0123456789abcdef0' again --subnet sg-1
refused 2 '--zone eu-west-1b: .* is in eu-west-1a' '--subnet' again --zone eu-west-1b
refused 2 '--user-data: .*/nowhere' 'that you can read' again --user-data /nowhere
refused 2 '--tag: keys that begin with .stillpoint:' 'another key' again --tag stillpoint:id=x
refused 5 "does not match the architecture 'x86_64'" '--type' again --type m7g.large
refused 5 'InvalidSubnetID.NotFound' '--subnet' again --subnet subnet-0123456789abcdef0
refused 5 'InvalidGroup.NotFound' '--security-group' again --security-group sg-0123456789abcdef0
refused 5 'InvalidKeyPair.NotFound' '--key' again --key none-such
refused 5 'iamInstanceProfile' '--profile' again --profile none-such
refused 5 "subnet's address range" '--private-ip' again --private-ip 192.0.2.1
address=$(sp show "$id" --json | json "dict(i.split('=', 1) for i in d['launch'].split())['ip']")
refused 5 "$address is the address of $(node_get "['instance']"), which is running" 'leave --private-ip out' \
    again --private-ip "$address"

# Each right that it needs is missing in turn.
for action in DescribeSnapshots DescribeImages DescribeInstances DescribeInstanceAttribute RunInstances; do
    cloud_set "{\"deny\": [\"$action\"]}"
    refused 5 "ec2:$action is not allowed: .*UnauthorizedOperation" "allow it: add ec2:$action to the policies" again
    assert_match 'now: nothing was launched' "$OUT" "what is said to be"
done
cloud_set '{"deny": []}'
assert_eq "[\"$(node_get "['instance']")\"]" "$(cloud_get instances | json 'list(d)')" "instances"

# One that dies at its start goes with its volumes, also those that would stay.
cloud_fault '{"action": "RunInstances", "kind": "partial", "dry_run": false}'
refused 1 'i-[0-9a-f]+ is (terminated|shutting-down) and has never run: .*Client error on launch' 'KMS key .*iam-policy --kms-key' again
assert_match 'now: the instance is terminated and its volumes are deleted' "$OUT" "what is said to be"
assert_volumes "$before"

# The same command finds that one, and does not launch it again by itself.
refused 5 'IdempotentInstanceTerminated|has launched i-[0-9a-f]+ before, which is terminated' '--another' again

# Broken and pending sets.
cloud_set '{"snapshot_time_s": 60}'
sp backup --wait cut --quiet || fail "backup: $?"
refused 5 'it is not complete yet: 0 of 3' 'wait until' sp restore instance latest
cloud_set '{"snapshot_time_s": 0.1}'
python3 - "$LAB" "$bare" <<'PY' || fail "no snapshot deleted"
import sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
ec2 = Lab(sys.argv[1]).ec2("admin")
rows = ec2.describe_snapshots(Filters=[{"Name": "tag:stillpoint:id", "Values": [sys.argv[2]]}])
ec2.delete_snapshot(SnapshotId=rows["Snapshots"][0]["SnapshotId"])
PY
refused 5 "backup $bare: it is broken: .*2 of 3" 'stillpoint list' sp restore instance "$bare"
end_refusals
