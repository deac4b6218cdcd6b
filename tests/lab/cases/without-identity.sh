#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# From any machine with rights: a daemon without identity, keys from its environment, lists and shows
# what nodes have made, page by page; what needs a node exits 5.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 0.1, "latency_ms": {"CreateSnapshots": 20}}'
arm_thaw 60 "$(mount_at root)"
for _ in 1 2 3; do
    sp backup --quiet --no-image || fail "backup ended with $?"
done
disarm_thaw
stop_part daemon

mkdir "$LAB/pruner" "$LAB/pruner/run" "$LAB/pruner/state"
{
    printf '[aws]\nidentity = none\n'
    sed -n '/^region\|^endpoint_ec2\|^ca_bundle/p' "$LAB/stillpoint.conf"
    printf '[paths]\nrun = %s\nstate = %s\n' "$LAB/pruner/run" "$LAB/pruner/state"
    printf '[daemon]\ngroup = no-such-group\n'
} >"$LAB/pruner/stillpoint.conf"
cloud_set '{"page_size": 2}'
key() { json "d['keys']['user']['$1']" <"$LAB/cloud.json"; }
"${BARE_ENV[@]}" AWS_ACCESS_KEY_ID="$(key access_key)" AWS_SECRET_ACCESS_KEY="$(key secret_key)" \
    "$BUILD/stillpointd" --config "$LAB/pruner/stillpoint.conf" 2>"$LAB/log/pruner.log" &
pruner=$!
defer kill "$pruner"
for _ in $(seq 600); do [ -S "$LAB/pruner/run/control.sock" ] && break; sleep 0.05; done
far() { "$BUILD/stillpoint" --config "$LAB/pruner/stillpoint.conf" "$@"; }

assert_exit 0 far list
assert_match '3 backups' "$OUT" "list"
assert_exit 0 far show latest
assert_match 'complete' "$OUT" "show"
calls=$(cloud_calls action=DescribeSnapshots who=user | json 'len(d)')
[ "$calls" -ge 4 ] || fail "$calls calls of DescribeSnapshots for pages of two"
assert_exit 5 far backup
assert_match 'identity = none' "$OUT" "backup"
assert_exit 0 far doctor
assert_match 'warning +control socket .*there is no group no-such-group.*groupadd' "$(tr '\n' ' ' <<<"$OUT")" \
    "the doctor's word on the group"
assert_match 'event=control_group .*groupadd --system no-such-group' "$(<"$LAB/log/pruner.log")" "the log"
assert_match 'credentials +environment' "$OUT" "the doctor's keys"
assert_match 'backups +3 in EC2' "$OUT" "the doctor's look at EC2"
assert_match 'right +ec2:DeleteSnapshot is allowed: for prune' "$OUT" "the pruner's right"
cloud_set '{"deny": ["DescribeSnapshots"]}'
assert_exit 5 far doctor
assert_match 'failed +backups .*DescribeSnapshots' "$OUT" "a doctor without a right"
cloud_set '{"deny": []}'
assert_exit 0 far status
assert_match 'not reachable|unreachable|no answer|does not answer' "$OUT" "status without a guard"
if grep -q "$(key secret_key)" "$LAB/log/pruner.log"; then
    fail "a secret in the log"
fi
