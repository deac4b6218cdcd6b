#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# With after_backup = yes a backup that is complete prunes, real sets with their images; what goes wrong with
# that is a warning, and the backup stays what it is.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql --conf '[retention]' --conf 'keep_last = 2' --conf 'after_backup = yes'
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 30}}'
mapfile -t mounts < <(json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
arm_thaw 90 "${mounts[@]}"
backup() { ID=$(sp backup --json -q "$@" | json "d['id']") || fail "backup $*"; }

plant aaaaa 5@12:00 there=1 image=no # broken long ago
backup
first=$ID
backup --pin
pinned=$ID
are_left "$first" "$pinned"
assert_eq 2 "$(cloud_get images | json 'len(d)')" "images of two backups"
backup
third=$ID
are_left "$pinned" "$third"
assert_eq 2 "$(cloud_get images | json 'len(d)')" "images after the third"

backup
fourth=$ID

# Without the right to delete nothing goes, and that is said; the backup is none the worse.
cloud_set '{"deny": ["DeleteSnapshot"]}'
assert_exit 0 sp backup
assert_match 'warning: after the backup: prune: .*ec2:DeleteSnapshot is not allowed' "$OUT" "the warning"
fifth=$(sp show latest --json | json "d['id']")
are_left "$pinned" "$third" "$fourth" "$fifth"
cloud_set '{"deny": []}'

# A failed backup prunes nothing; by hand the rest goes.
cloud_fault '{"action": "CreateSnapshots", "kind": "partial", "member": 2, "dry_run": false}'
sp backup --quiet >/dev/null 2>&1 && fail "a backup of which EC2 lost a snapshot succeeded"
are_left "$pinned" "$third" "$fourth" "$fifth"
disarm_thaw
assert_exit 0 sp prune
are_left "$pinned" "$fourth" "$fifth"
assert_exit 0 sp unpin "$pinned"
assert_exit 0 sp prune
are_left "$fourth" "$fifth"
