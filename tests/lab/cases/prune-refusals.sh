#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# What stands in prune's and delete's way: no policy, missing rights, an image of somebody else's, a lock, a
# job at work, throttling, ids that are none. Each is said with its remedy, and what is not wholly allowed
# is not begun.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
plant aaaaa 1@12:00; newest=$ID
plant bbbbb 2@12:00; middle=$ID
plant ccccc 3@12:00; oldest=$ID
before=$(in_ec2)
unchanged() { assert_eq "$before" "$(in_ec2)" "EC2 after: $*"; }
of() { # ID: its first snapshot
    cloud_get snapshots | json "[s['id'] for s in d if s['tags']['stillpoint:id'] == '$1'][0]"
}
as_admin() { # PYTHON
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PYTHON' || fail "$1"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
result = eval(sys.argv[3])
print(result.get("ImageId", "") if isinstance(result, dict) else "")
PYTHON
}

# Nothing is pruned until it is said what to keep.
refused 2 'no .retention. is configured, so nothing is pruned' 'keep_daily = 7' sp prune
refused 2 'no .retention. is configured' 'keep_daily' sp prune -n
unchanged "no policy"
printf '[retention]\nkeep_last = 1\n' >>"$LAB/stillpoint.conf"
stop_part daemon
start_part daemon

# Missing rights are an error, not an empty list; and no set is begun.
for action in DescribeSnapshots DescribeImages DescribeVolumes DescribeLockedSnapshots; do
    cloud_set "{\"deny\": [\"$action\"]}"
    refused 5 "ec2:$action is not allowed" "add ec2:$action to the policies" sp prune
    assert_match 'nothing was removed' "$OUT" "what is said to be"
done
for action in DeleteSnapshot DeregisterImage CreateTags; do
    cloud_set "{\"deny\": [\"$action\"]}"
    refused 5 "$oldest: .*ec2:$action is not allowed" "add ec2:$action to the policies" sp prune
    assert_match 'nothing was removed' "$OUT" "what is said to be"
    refused 5 "$oldest: .*ec2:$action is not allowed" "add ec2:$action" sp delete "$oldest"
done
cloud_set '{"deny": []}'
unchanged "missing rights"
cloud_set '{"deny": ["CreateTags"]}'
refused 5 'ec2:CreateTags is not allowed' 'add ec2:CreateTags' sp pin "$oldest"
cloud_set '{"deny": []}'

# An image that is not the set's own is made of one of its snapshots; EC2 has a lock on another set.
user=$(as_admin "ec2.register_image(Name='somebody', RootDeviceName='/dev/sda1', Architecture='x86_64',
    BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': '$(of "$oldest")'}}])")
as_admin "ec2.lock_snapshot(SnapshotId='$(of "$middle")', LockMode='governance', LockDuration=1)"
before=$(in_ec2)
take_plan sp prune -n
assert_eq 'keep in-use' "$(row "$oldest")" "one in use"
assert_eq 'keep locked' "$(row "$middle")" "a locked one"
assert_exit 0 sp prune -n
assert_match "$oldest .*kept: an image that is not of it is made of it: $user" "$OUT" "the table"
assert_exit 0 sp prune
assert_match '0 sets removed' "$OUT" "what prune did"
refused 5 "$oldest: image $user, which is not its own, is made of it" 'deregister that image' sp delete "$oldest"
refused 5 "$middle has a snapshot that EC2 keeps locked" 'unlock-snapshot' sp delete --force "$middle"
unchanged "images and locks"
as_admin "ec2.deregister_image(ImageId='$user')"
as_admin "ec2.unlock_snapshot(SnapshotId='$(of "$middle")')"

# EC2 throttles for a while.
cloud_fault '{"action": "DeleteSnapshot", "kind": "error", "code": "RequestLimitExceeded", "count": 2, "dry_run": false}'
cloud_fault '{"action": "DescribeSnapshots", "kind": "error", "code": "RequestLimitExceeded"}'
assert_exit 0 sp delete "$oldest"
assert_match "$oldest .*gone: it was asked for" "$OUT" "the table"
are_left "$newest" "$middle"
cloud_faults_off

# What delete refuses, and what --force is for.
refused 5 "$newest is the newest good backup of its node" 'delete --force' sp delete latest
assert_exit 0 sp pin "${middle%-bbbbb}"
assert_match "$middle is pinned$" "$OUT" "pin"
assert_exit 0 sp pin "$middle"
assert_match 'is pinned, as it was before' "$OUT" "pin again"
take_plan sp prune -n
assert_eq 'keep pinned' "$(row "$middle")" "the pinned one"
refused 5 "$middle is pinned" 'unpin it' sp delete "$middle"
assert_exit 0 sp unpin "$middle" -n
assert_match "$middle would be unpinned$" "$OUT" "what unpin would do"
refused 5 "$middle is pinned" 'unpin it' sp delete -n "$middle"
assert_exit 0 sp unpin "$middle"
assert_eq '["no", "no", "no", "no"]' "$({ cloud_get snapshots; cloud_get images; } |
    python3 -c "import json, sys; text = sys.stdin.read(); d = json.loads('[' + text.replace(']\n[', '],[') + ']')
print(json.dumps([r['tags']['stillpoint:pinned'] for l in d for r in l if r['tags'].get('stillpoint:id') == '$middle']))")" \
    "the tags of an unpinned set"
plant ddddd 10@12:00 instance=i-0fedcba9876543210 volumes=vol-0fedcba9876543210; other=$ID
plant eeeee 11@12:00 instance=i-0fedcba9876543210 volumes=vol-0fedcba9876543210; other_old=$ID
before=$(in_ec2)
refused 5 "no backup has the id '${other_old%-eeeee}'" 'list --all-nodes shows them all' sp delete "${other_old%-eeeee}"
refused 5 'no backup has the id .sp-20200101T000000Z-aaaaa.' 'list --all-nodes shows them all' sp delete "$middle" sp-20200101T000000Z-aaaaa
refused 2 'several backups begin' 'more of the id' sp delete sp-
refused 2 'delete needs ID' 'list' sp delete
refused 2 'delete: the id must not be empty' 'list' sp delete ''
refused 2 'pin: .b. is one word too many' 'pin --help' sp pin a b
refused 2 'prune: .x. is one word too many' 'prune --help' sp prune x
refused 2 'prune has no option --force' 'prune --help' sp prune --force
refused 5 "no backup has the id 'nonsense'" 'list' sp pin nonsense
refused 5 "$other is the newest good backup of its node" 'delete --force' sp delete "$other"
assert_exit 0 sp delete -n "$other_old" "$middle"
assert_match '2 sets would go \(4 snapshots, 2 images\)' "$OUT" "what delete would do"
unchanged "refused deletes"
assert_exit 0 sp delete "$other_old" "$middle" --json
assert_eq '["gone gone: it was asked for", "gone gone: it was asked for"]' \
    "$(tail -n 1 <<<"$OUT" | json "[r['action'] + ' ' + r['text'] for r in d['rows']]")" "the text of what is gone"
assert_eq '[2, 4, 2]' "$(tail -n 1 <<<"$OUT" | json "[d['gone'], d['snapshots'], d['images']]")" "what delete did"
are_left "$newest" "$other"

# A backup that is being made is nobody's to remove, and prune runs beside it.
arm_thaw 60 "$(mount_at root)" "$(mount_at data)"
cloud_set '{"snapshot_time_s": 3600, "latency_ms": {"CreateSnapshots": 50}}'
sp backup --no-image >"$LAB/out.txt" 2>&1 &
client=$!
until_status "len(d['finishing']) == 1"
id=$(sp status --json | json "d['finishing'][0]['id']")
refused 4 "$id is being worked on" 'wait for it' sp delete --force "$id"
assert_exit 0 sp prune
are_left "$newest" "$other" "$id"
cloud_post finish_snapshots '{}' >/dev/null || fail "the snapshots do not finish"
wait "$client" || fail "the backup: $(cat "$LAB/out.txt")"
disarm_thaw

# A deregistered image may count for a while; one that comes between is named, and the rest goes later.
plant fffff 5@12:00; late=$ID
cloud_fault '{"action": "DeleteSnapshot", "kind": "error", "code": "InvalidSnapshot.InUse", "dry_run": false}'
assert_exit 0 sp prune
assert_match "$late .*gone" "$OUT" "prune"
