#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# One backup under load: labelled, tagged, an image that restores all of it, within the budget of
# calls; found again by list and show; and whole to the judge.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
# At its start the daemon looks once for volumes that an earlier one had on loan.
wait_answered DescribeVolumes
cloud_post calls '{}' >/dev/null
start_writers
arm_thaw 60 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

sp backup --json --reason 'nightly — größer' --keep 30d --tag team=video >"$LAB/events.json" ||
    fail "backup ended with $?"
disarm_thaw
tail -n 1 "$LAB/events.json" >"$LAB/backup.json"
b() { json "$1" <"$LAB/backup.json"; }

assert_eq complete "$(b "d['state']")" state
assert_eq application "$(b "d['consistency']")" consistency
assert_eq '[]' "$(b "d['shortfall']")" shortfall
assert_eq 3 "$(b "len(d['snapshots'])")" "snapshots"
assert_eq true "$(b "all(m['frozen'] for m in d['mounts'])")" "frozen mounts"
assert_eq backup-stage "$(b "d['databases'][0]['method']")" method
assert_eq true "$(b "d['databases'][0]['binlog_exact']")" binlog_exact
assert_eq true "$(b "d['window']['begin'] < d['window']['end']")" window
assert_eq true "$(b "d['timing_ms']['hold'] > d['timing_ms']['exchange'] > 250")" timing

# The budget: 8 calls and one more a volume, besides polling.
for action in DescribeInstances DescribeVolumes CreateSnapshots RegisterImage; do
    assert_eq 1 "$(count_calls $action)" "calls of $action"
done
calls=$(cloud_calls who=role | json "sum(1 for c in d if c['action'] not in ('DescribeSnapshots', 'DescribeImages'))")
[ "$calls" -le 11 ] || fail "$calls calls for three volumes"
polls=$(cloud_calls who=role | json "sum(1 for c in d if c['action'] in ('DescribeSnapshots', 'DescribeImages'))")
[ "$polls" -le 12 ] || fail "$polls polls in about two seconds: it does not back off"
# The cut went over the connection that the dry run had warmed.
assert_eq 1 "$(cloud_calls action=CreateSnapshots who=role | json "len({c['connection'] for c in d})")" \
    "connections of CreateSnapshots"

# Tags on every snapshot.
python3 - "$LAB" <<'PY' || fail "tags"
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
lab = Lab(sys.argv[1])
backup = json.load(open(f"{sys.argv[1]}/backup.json", encoding="utf-8"))
ec2 = lab.ec2("admin")
snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
assert len(snapshots) == 3, snapshots
for snapshot in snapshots:
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    want = {
        "stillpoint:id": backup["id"], "stillpoint:instance": backup["instance"],
        "stillpoint:state": "complete", "stillpoint:consistency": "application",
        "stillpoint:members": "3", "stillpoint:reason": "nightly — größer", "team": "video",
    }
    for key, value in want.items():
        assert tags.get(key) == value, (key, tags.get(key))
    for key in ("window", "binlog", "gtid", "device", "mounts", "expires", "version", "node"):
        assert tags.get(f"stillpoint:{key}"), (key, tags)
    assert tags.get("Name"), tags
    assert all(len(value) <= 256 for value in tags.values())

# The image: every volume of the set, as it was attached.
image = ec2.describe_images(Owners=["self"])["Images"]
assert len(image) == 1, image
image = image[0]
assert image["ImageId"] == backup["image"]["id"] and image["State"] == "available"
mapping = {m["DeviceName"]: m["Ebs"] for m in image["BlockDeviceMappings"]}
assert {m["SnapshotId"] for m in mapping.values()} == {s["id"] for s in backup["snapshots"]}
for snapshot in backup["snapshots"]:
    assert mapping[snapshot["device"]]["SnapshotId"] == snapshot["id"]
instance = ec2.describe_instances(InstanceIds=[backup["instance"]])["Reservations"][0]["Instances"][0]
for wire in ("Architecture", "VirtualizationType", "RootDeviceName", "EnaSupport", "BootMode"):
    assert image.get(wire) == instance.get(wire), (wire, image.get(wire), instance.get(wire))
tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
assert tags["stillpoint:id"] == backup["id"] and tags["stillpoint:state"] == "complete"
PY

# Found again from the tags alone, the same.
sp show latest --json >"$LAB/shown.json" || fail "show ended with $?"
# Where a server's files lay, and its settings, only the manifest has.
facts="[{k: v for k, v in one.items() if k not in ('datadir', 'settings')} for one in d['databases']]"
assert_eq "$(b "$facts")" "$(json "$facts" <"$LAB/shown.json")" "databases in show"
for key in id state consistency window timing_ms image expires pinned reason; do
    assert_eq "$(b "d['$key']")" "$(json "d['$key']" <"$LAB/shown.json")" "$key in show"
done
assert_match "$(b "d['id']")" "$(sp list)" "list"
assert_match 'application' "$(sp show "$(b "d['id'][:22]")")" "show by prefix"
assert_exit 5 sp show sp-19990101T000000Z-aaaaa
assert_match 'do: ' "$OUT" "show of what is not there"

stop_writers >/dev/null
judge "$LAB/backup.json" >"$LAB/verdict.json" || fail "judge: $(cat "$LAB/verdict.json")"
