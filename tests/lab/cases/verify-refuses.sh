#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What can't be verified is refused with cause and remedy before anything is made.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
back_up good --no-image
back_up second --no-image
id=$(json "d['id']" <"$LAB/good.json")

verify_refused() { # EXIT CAUSE REMEDY ARGUMENT...: and nothing made
    cloud_post calls '{}' >/dev/null
    refused "${@:1:3}" sp verify "${@:4}"
    assert_eq 0 "$(count_calls CreateVolume)" "volumes made by $*"
    assert_no_loans
}

verify_refused 5 'no backup has the id' 'stillpoint list' sp-20200101T000000Z-aaaaa
verify_refused 5 'in eu-west-1: no backup has' 'stillpoint list' sp-20200101T000000Z-aaaaa
verify_refused 2 'several' . sp-
verify_refused 2 'needs ID' .

ec2() { # CALL AS PYTHON
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PY' || fail "$1"
import sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
eval(sys.argv[3])
PY
}
# No exec hook needs it here: for a backup nothing is missing.
stop_part hook
verify_refused 5 "$LAB/run/hook.sock: " 'systemctl start stillpoint-hook.socket' "$id"
assert_exit 0 sp doctor
assert_match 'warning +stillpoint-hook +verify, restore files and rollback can.t be done: ' "$OUT" "doctor"
start_part hook

member=$(snapshot_of good data)
ec2 "ec2.create_tags(Resources=['$member'], Tags=[{'Key': 'stillpoint:state', 'Value': 'pending'}])"
verify_refused 5 'not complete yet' . "$id"
ec2 "ec2.create_tags(Resources=['$member'], Tags=[{'Key': 'stillpoint:state', 'Value': 'complete'}])"
ec2 "ec2.modify_snapshot_tier(SnapshotId='$member', StorageTier='archive')"
ec2 "next(1 for _ in iter(lambda: time.sleep(0.05), 1) if ec2.describe_snapshots(SnapshotIds=['$member'])['Snapshots'][0].get('StorageTier') == 'archive')"
verify_refused 5 'in the archive' . "$id"
assert_match '72 h' "$OUT" "how long a recall takes"
ec2 "ec2.delete_snapshot(SnapshotId='$(snapshot_of good binlog)')"
verify_refused 5 'is broken' . "$id"
