#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Where a right is missing, or EC2 fails in the middle of a verify, nothing is left; an answer that was lost makes
# no second volume; a second verify at the same time is refused.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
back_up good --no-image

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

# What can't be given back is said, once in the log and always in `status`, and goes when it can.
cloud_set '{"deny": ["DeleteVolume"]}'
assert_exit 3 sp verify latest --again
assert_match 'DeleteVolume' "$OUT" "its warning"
for _ in $(seq 100); do
    grep -q 'event=loan_not_returned' "$LAB/log/daemon.log" && break
    sleep 0.1
done
sleep 2 # several looks
assert_eq 1 "$(grep -c 'event=loan_not_returned' "$LAB/log/daemon.log")" "lines about what is not returned"
assert_match 'unreturned +ln-.*3 volumes of sp-.* for verify, for .*DeleteVolume' "$(sp status)" "status"
assert_eq '[false, 3, "verify"]' \
    "$(sp status --json | json "[[l['in_use'], len(l['volumes']), l['purpose']] for l in d['loans']][0]")" "status in JSON"
cloud_set '{"deny": []}'
until_no_loans
assert_eq '[]' "$(sp status --json | json "d['loans']")" "loans in the end"

# One at a time.
cloud_set '{"attach_time_s": 2}' # long enough for the second
verify_until 'job=verify .*step=make'
assert_exit 4 sp verify latest --again
wait "$client" || fail "the first of two verifies ended with $?"
