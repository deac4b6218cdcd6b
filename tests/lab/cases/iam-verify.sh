#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A node under `iam-policy --role node --with verify`: it backs up, verifies, copies files out and makes
# volumes; without any one right the command that needs it says which, and leaves nothing.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_iam.sh
. "$(dirname "$0")/lib_iam.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
own=$(node_get "['instance']")
sp iam-policy --role node --with verify >"$LAB/policy.json" || fail "iam-policy ended with $?"
give_role node <"$LAB/policy.json"

assert_exit 0 sp doctor
back_up good
assert_exit 0 sp list
assert_exit 0 sp show latest
assert_exit 0 sp doctor
assert_match 'ok +right +ec2:CreateVolume is allowed: for verify' "$OUT" "doctor"
[[ ! $OUT =~ (warning|failed)\ +right ]] || fail "a right is missing: $OUT"
verify_now 0
assert_no_findings
assert_exit 0 sp restore files latest "$(mount_at binlog)/binlog.000001" --to "$LAB/files"
[ -s "$LAB/files$(mount_at binlog)/binlog.000001" ] || fail "no file"
assert_no_loans
assert_exit 0 sp restore volumes latest --volume "$(volume_of data)" --attach "$own" --device /dev/sdk --json
volume=$(tail -n 1 <<<"$OUT" | json "d['volumes'][0]['volume']")

# It is the operator's now, and no more the node's to take away.
tries node <<EOF
["denied", "DetachVolume", {"VolumeId": "$volume", "InstanceId": "$own"}]
["denied", "DeleteVolume", {"VolumeId": "$volume"}]
["denied", "CreateTags", {"Resources": ["$volume"], $(tag stillpoint:loan ln-1)}]
EOF

# Without any one right of these.
settled() { # what could not be given back or over is, once the right is there
    stop_part daemon
    start_part daemon
    for _ in $(seq 300); do
        [ -n "$(ls "$LAB/state/loans" 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    fail "loans are left: $(tail -n 5 "$LAB/log/daemon.log")"
}
wanted_of() {
    case $1:$2 in
    Look:* | OwnTags:* | *:ec2:DetachVolume | *:ec2:AttachVolume | *:ec2:DeleteVolume)
        sp verify latest --again
        ;;
    *:ec2:CreateVolume | NewVolumeTags:* | OwnVolumes:*)
        sp restore volumes latest --volume "$(volume_of data)"
        ;;
    *) return 77 ;; # a backup's: iam-node.sh
    esac
}
each_is_needed_by node "$LAB/policy.json" wanted_of settled
