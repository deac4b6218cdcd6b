#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# What a Recycle Bin rule keeps after its deletion is gone for prune: no error, nothing to do the next time, and
# a set that lost a member that way is broken.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
start_pruner '[retention]' 'keep_last = 1'
cloud_set '{"recycle_snapshots_s": 3600, "recycle_images_s": 3600}'
in_bin() {
    python3 - "$LIB_DIR" "$LAB" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
print(len(ec2.list_snapshots_in_recycle_bin()["Snapshots"]), len(ec2.list_images_in_recycle_bin()["Images"]))
PYTHON
}

plant aaaaa 3@12:00
plant bbbbb 2@12:00; half=$ID
plant ccccc 1@12:00; newest=$ID
assert_exit 0 far prune --all-nodes
assert_match '2 sets removed \(6 snapshots, 2 images\), 1 stays' "$OUT" "prune"
are_left "$newest"
assert_eq '6 2' "$(in_bin)" "what lies in the Recycle Bin"
assert_exit 0 far prune --all-nodes
assert_match '0 sets removed' "$OUT" "the second time"
assert_exit 5 far delete "$half"
assert_match 'no backup has the id' "$OUT" "deleting what lies there"

# A kill after the second snapshot went into the bin: the rest goes, the bin keeps what it has.
plant ddddd 2@12:00
cloud_post calls '{}' >/dev/null
cloud_fault '{"action": "DeleteSnapshot", "kind": "lost", "skip": 1, "dry_run": false}'
far prune --all-nodes >"$LAB/out.txt" 2>&1 &
client=$!
until_called DeleteSnapshot 2
kill -KILL "$pruner"
wait "$client" "$pruner" 2>/dev/null
cloud_faults_off
run_pruner
assert_exit 0 far prune --all-nodes
are_left "$newest"
assert_eq '9 3' "$(in_bin)" "what lies in the Recycle Bin after a kill"
