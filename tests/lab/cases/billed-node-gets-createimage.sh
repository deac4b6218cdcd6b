#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# RegisterImage loses billing product codes: a node that is billed by them gets an image by
# CreateImage, labelled as the instant of its own that it is, without touching the set.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --no-mysql
cloud_set '{"imds": {"document": {"billingProducts": ["bp-6fa54006"]}}}'
OUT=$(sp doctor 2>&1)
assert_match 'right +ec2:CreateImage is allowed' "$OUT" "doctor"
[[ ! $OUT =~ RegisterImage|GetInstanceUefiData ]] || fail "doctor tries what this node never calls: $OUT"
arm_thaw 60 "$(mount_at root)"
sp backup --json >"$LAB/events.json" || fail "backup ended with $?"
disarm_thaw
tail -n 1 "$LAB/events.json" >"$LAB/backup.json"
assert_eq create "$(json "d['image']['method']" <"$LAB/backup.json")" "method"
assert_eq available "$(json "d['image']['state']" <"$LAB/backup.json")" "state"
assert_eq 0 "$(cloud_calls action=RegisterImage | json 'len(d)')" "calls of RegisterImage, dry runs too"
python3 - "$LAB" <<'PY' || fail "image"
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
lab = Lab(sys.argv[1])
backup = json.load(open(f"{sys.argv[1]}/backup.json", encoding="utf-8"))
ec2 = lab.ec2("admin")
image = ec2.describe_images(Owners=["self"])["Images"][0]
tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
assert tags["stillpoint:consistency"] == "crash", tags
assert tags["stillpoint:id"] == backup["id"], tags
own = [m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"] if "Ebs" in m]
assert not set(own) & {s["id"] for s in backup["snapshots"]}, own
for snapshot in ec2.describe_snapshots(SnapshotIds=own)["Snapshots"]:
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert tags.get("stillpoint:image-of") == backup["id"] and "stillpoint:id" not in tags, tags
    assert tags.get("stillpoint:instance") == backup["instance"], tags
PY
sp show latest --json >"$LAB/shown.json" || fail "show ended with $?"
assert_eq complete "$(json "d['state']" <"$LAB/shown.json")" "the set"
assert_eq application "$(json "d['consistency']" <"$LAB/shown.json")" "the set's label"

# A node restored from it has the set's data, and a root that is newer, which is said.
OUT=$(sp restore instance latest --name copy 2>&1)
assert_eq 3 $? "exit code of: $OUT"
assert_match 'the root is newer than the data' "$OUT" "the warning"
copy=$(sed -nE 's/^(i-[0-9a-f]+) is running$/\1/p' <<<"$OUT")
python3 - "$LAB" "$copy" <<'PY' || fail "the copy: $OUT"
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
lab = Lab(sys.argv[1])
backup = json.load(open(f"{sys.argv[1]}/backup.json", encoding="utf-8"))
ec2 = lab.ec2("admin")
rows = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [sys.argv[2]]}])
found = {row["Attachments"][0]["Device"]: row["SnapshotId"] for row in rows["Volumes"]}
own = ec2.describe_images(Owners=["self"])["Images"][0]["BlockDeviceMappings"]
wanted = {s["device"]: s["id"] for s in backup["snapshots"]}
wanted |= {m["DeviceName"]: m["Ebs"]["SnapshotId"] for m in own if "Ebs" in m}
assert found == wanted, (found, wanted)
PY

# An image that fails in EC2 goes, and what CreateImage made for it too; the set stays.
before=$(cloud_get snapshots | json 'len(d)')
cloud_fault '{"action": "CreateImage", "kind": "partial", "dry_run": false}'
arm_thaw 60 "$(mount_at root)"
assert_exit 3 sp backup
disarm_thaw
assert_match 'why: waiting for the image: .*image ami-[0-9a-f]+ is failed' "$OUT" "the reason"
assert_eq 1 "$(cloud_get images | json 'len(d)')" "images"
assert_eq "$((2 * before - 1))" "$(cloud_get snapshots | json 'len(d)')" "snapshots: the set's, none of the image"
