#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A set with an encrypted volume: without rights to its key verify and restore fail late, as EC2 asks KMS late,
# say so and leave nothing; with what `iam-policy --kms-key` prints they work.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
own=$(node_get "['instance']")
key=arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
take_backup 0 --quiet --no-image
assert_exit 0 sp restore volumes latest --volume "$(volume_of data)" --kms-key "$key" --attach "$own"
take_backup 0 --quiet
id=$(sp show latest --json | json "d['id']")
assert_eq "[\"$key\"]" "$(python3 - "$LIB_DIR" "$LAB" "$id" <<'PY'
import json, sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
rows = Lab(sys.argv[2]).ec2().describe_snapshots(Filters=[{"Name": "tag:stillpoint:id", "Values": [sys.argv[3]]}])
print(json.dumps([row["KmsKeyId"] for row in rows["Snapshots"] if row["Encrypted"]]))
PY
)" "the keys of the set"

role=arn:aws:iam::123456789012:role/stillpoint-node
far_daemon restore
for way in without with; do
    [ "$way" = with ] && keys=(--kms-key "$key") || keys=()
    sp iam-policy --role node --with verify -q --json "${keys[@]}" >"$LAB/$way-node.json" || fail "iam-policy: $?"
    far restore iam-policy --role restore --pass-role "$role" -q --json "${keys[@]}" >"$LAB/$way-restore.json" || fail "iam-policy: $?"
done
before=$(cloud_volumes)

give_role node <"$LAB/without-node.json"
give_role restore <"$LAB/without-restore.json"
named='KMS key .*iam-policy --kms-key'
assert_exit 5 sp verify latest
assert_match "1 of 4 volumes are gone from EC2.*$named" "$OUT" "verify"
assert_match 'all volumes are gone again' "$OUT" "verify"
assert_exit 1 far restore restore volumes "$id" --zone eu-west-1a
assert_match "1 of 4 volumes are gone from EC2.*$named" "$OUT" "restore volumes"
assert_match 'what was made is gone again' "$OUT" "restore volumes"
assert_exit 1 far restore restore instance "$id" --name copy
assert_match "has never run: .*$named" "$OUT" "restore instance"
assert_match 'the instance is terminated and its volumes are deleted' "$OUT" "restore instance"
assert_volumes "$before"

give_role node <"$LAB/with-node.json"
give_role restore <"$LAB/with-restore.json"
sp verify latest >"$LAB/verify.txt" 2>&1
status=$?
[[ ! $(cat "$LAB/verify.txt") =~ KMS|not\ allowed ]] || fail "verify ended with $status: $(cat "$LAB/verify.txt")"
assert_exit 0 far restore restore volumes "$id" --zone eu-west-1a
assert_exit 0 far restore restore instance "$id" --name copy --another

# A key that is withdrawn between the two.
cloud_fault '{"action": "AttachVolume", "kind": "error", "code": "CustomerKeyHasBeenRevoked"}'
assert_exit 1 far restore restore volumes "$id" --attach "$own"
assert_match "CustomerKeyHasBeenRevoked: .*$named" "$OUT" "restore volumes --attach"
