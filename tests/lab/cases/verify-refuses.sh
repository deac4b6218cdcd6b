#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What can't be verified is refused with cause and remedy before anything is made; where rights are missing, or
# EC2 fails in the middle, nothing is left.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
back_up good --no-image
back_up second --no-image
id=$(json "d['id']" <"$LAB/good.json")

refused() { # EXIT REGEX ARGUMENT...: with a remedy, and nothing made
    local wanted=$1 regex=$2
    shift 2
    cloud_post calls '{}' >/dev/null
    assert_exit "$wanted" sp verify "$@"
    assert_match "$regex" "$OUT" "$*"
    assert_match 'do: ' "$OUT" "remedy of $*"
    assert_eq 0 "$(count_calls CreateVolume)" "volumes made by $*"
    assert_no_loans
}

refused 1 'no backup has the id' sp-20200101T000000Z-aaaaa
refused 1 'in eu-west-1: no backup has' sp-20200101T000000Z-aaaaa
refused 2 'several' sp-
refused 2 'needs ID'

ec2() { # CALL AS PYTHON
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PY' || fail "$1"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
eval(sys.argv[3])
PY
}
member=$(snapshot_of good data)
ec2 "ec2.create_tags(Resources=['$member'], Tags=[{'Key': 'stillpoint:state', 'Value': 'pending'}])"
refused 5 'not complete yet' "$id"
ec2 "ec2.create_tags(Resources=['$member'], Tags=[{'Key': 'stillpoint:state', 'Value': 'complete'}])"
ec2 "ec2.modify_snapshot_tier(SnapshotId='$member', StorageTier='archive')"
refused 5 'in the archive' "$id"
assert_match '72 h' "$OUT" "how long a recall takes"
ec2 "ec2.delete_snapshot(SnapshotId='$(snapshot_of good binlog)')"
refused 5 'is broken' "$id"

# In the middle: the right to a call is missing, a volume can't be made, a limit is reached.
refused_midway() { # REGEX
    assert_exit 5 sp verify latest --again
    assert_match "$1" "$OUT" "cause"
    assert_match 'no verdict was written; all volumes are gone again' "$OUT" "what is left"
    assert_no_loans
}
for action in CreateVolume AttachVolume; do
    cloud_set "{\"deny\": [\"$action\"]}"
    refused_midway "$action"
    assert_match 'do: ' "$OUT" "remedy of a missing right"
done
cloud_set '{"deny": []}'
cloud_fault '{"action": "CreateVolume", "kind": "error", "code": "VolumeLimitExceeded", "skip": 1}'
refused_midway VolumeLimitExceeded
cloud_faults_off
# An answer that was lost is asked for again: one volume, not two.
cloud_fault '{"action": "CreateVolume", "kind": "lost", "count": 1, "seconds": 1}'
verify_now 0

# One at a time.
"$BUILD/stillpoint" --config "$LAB/stillpoint.conf" verify latest --again >/dev/null 2>&1 &
first=$!
seen=$(grep -c 'job=verify .*step=make' "$LAB/log/daemon.log")
for _ in $(seq 200); do
    [ "$(grep -c 'job=verify .*step=make' "$LAB/log/daemon.log")" = "$seen" ] || break
    sleep 0.02
done
assert_exit 4 sp verify latest --again
wait "$first" || fail "the first of two verifies ended with $?"
