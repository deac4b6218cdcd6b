#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A backup whose verify failed is good to no command: list does not count it, doctor warns, --max-age makes
# another, and whoever restores from it or goes back to it is told before and after; it is done all the same.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
arm_thaw 120 "$(mount_at root)"
backup() { sp backup --quiet --json | json "d['id']" || fail "no backup"; }
found() { # ID VERDICT: as verify writes it
    python3 - "$LIB_DIR" "$LAB" "$1" "$2" <<'PY' || fail "no verdict"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
of_set = [{"Name": "tag:stillpoint:id", "Values": [sys.argv[3]]}]
ids = [s["SnapshotId"] for s in ec2.describe_snapshots(Filters=of_set)["Snapshots"]]
ec2.create_tags(Resources=ids, Tags=[{"Key": "stillpoint:verified", "Value": sys.argv[4]}])
PY
}

good=$(backup)
bad=$(backup)
disarm_thaw
assert_match '2 backups: 2 good' "$(sp list)" "before the verdict"
found "$good" 'ok 2026-11-29T08:15:31Z'
found "$bad" 'failed 2026-11-29T09:15:31Z: filesystem /: ext4 needs fsck'

text=$(sp list)
assert_match '2 backups: 1 good, 1 complete, but failed by verify' "$text" "list"
assert_match 'the good one is ' "$text" "list's ages"
text=$(sp list --by-node)
assert_match 'FAILED VERIFY' "$text" "list --by-node"
assert_match '2 backups of 1 node: 1 good, 1 complete, but failed by verify' "$text" "list --by-node"
assert_match "warning +last backup +$bad, the newest that is complete, does not restore .verify: failed .*needs fsck.; the newest good one is $good, " \
    "$(sp doctor)" "doctor"
assert_eq "$good" "$(sp backup --quiet --json --max-age 1h | json "d['id']")" "what --max-age uses"

told="warning: $bad does not restore as it claims: its verify failed .failed 2026-11-29T09:15:31Z: filesystem /: ext4 needs fsck.*do: +take another"
for what in "rollback ID --data-only" "restore instance ID --name other" "restore volumes ID" "restore files ID /etc --to $LAB/new"; do
    read -ra words <<<"${what//ID/$bad}"
    assert_exit 0 sp "${words[@]}" -n
    assert_match "$told" "${OUT//$'\n'/ }" "$what -n"
    read -ra words <<<"${what//ID/$good}"
    assert_exit 0 sp "${words[@]}" -n
    [[ $OUT != *'verify failed'* ]] || fail "$what, a good one: $OUT"
done
assert_exit 0 sp restore volumes "$bad"
assert_match "$told" "${OUT//$'\n'/ }" "restore volumes, done"
