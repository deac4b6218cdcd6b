#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# The instance metadata service is absent, switched off, slow, lying or without a role; keys expire; the
# clock is wrong: a backup is refused before anything is held, or made, with what is to be done about it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node
begin_refusals
imds() { cloud_set "{\"imds\": $1}"; }
new_keys() { cloud_post imds '{"drop_credentials": true}' >/dev/null; }
# One that never sees a good answer: it asks EC2 for its own tags as soon as it starts.
daemon_with() {
    stop_part daemon
    cloud_post reset '{}' >/dev/null
    imds "$1"
    start_part daemon
}
nothing_done() {
    assert_match 'now: nothing (was held or frozen|is held by Stillpoint), no snapshot was made' "$OUT" "what is said to be"
    made_nothing
}

imds '{"mode": "refuse"}'
refused 5 "metadata service can't be reached: .*connect" 'this is an EC2 instance .*identity = none' sp backup
nothing_done
imds '{"mode": "forbidden"}'
refused 5 'metadata service is switched off \(403\)' '--http-endpoint enabled' sp backup
assert_exit 5 sp doctor
assert_match 'failed +identity .*switched off' "$OUT" "doctor"
assert_match 'do: .*--http-endpoint enabled' "$OUT" "doctor's remedy"
imds '{"mode": "missing"}'
refused 5 'gives no tokens \(404\)' 'endpoint_imds in \[aws\]' sp backup
imds '{"mode": "hang_put"}'
refused 5 'took the request for a token and does not answer' 'hop limit must be 2' sp backup
nothing_done

# What it says may be anything.
imds '{"mode": "ok", "document": {"instanceId": "i-;rm -rf /"}}'
refused 5 'identity document: instanceId "i-;rm -rf /" is none' 'something else answers in the place' sp backup
cloud_post reset '{}' >/dev/null
imds "{\"items\": {\"dynamic/instance-identity/document\": \"$(printf '[%.0s' {1..3000})\"}}"
refused 5 'identity document: it is not JSON.*depth' 'something else answers in the place' sp backup
imds '{"items": {"dynamic/instance-identity/document": null}}'
refused 5 'metadata service has no dynamic/instance-identity/document' 'something else answers' sp backup
nothing_done
cloud_post reset '{}' >/dev/null

# The role and its keys.
daemon_with '{"role": null}'
refused 5 'no IAM role is attached to this instance' 'associate-iam-instance-profile' sp backup
daemon_with '{"credentials_status": 500}'
refused 5 'metadata service answered 500' 'try again in a minute' sp backup
daemon_with '{"items": {"meta-data/iam/security-credentials/": "../../etc/passwd"}}'
refused 5 "names a role that can't be one" 'something else answers' sp backup
daemon_with '{"items": {"meta-data/iam/security-credentials/stillpoint-node": "{\"Code\": \"Success\", \"AccessKeyId\": \"a\\nb\"}"}}'
refused 5 'AccessKeyId is too long or not printable' 'something else answers' sp backup
stop_part daemon
cloud_post reset '{}' >/dev/null
imds '{"credentials_lifetime_s": 40, "freeze_credentials": true}'
new_keys
start_part daemon
refused 5 'credentials end in [0-9]+s, and are needed for 1m10s' 'renews .*check this node.s clock' sp backup
nothing_done
stop_part daemon
imds '{"credentials_lifetime_s": -5}'
new_keys
start_part daemon
refused 5 'credentials have expired' 'renews .*check this node.s clock' sp backup
nothing_done
assert_exit 5 sp doctor
assert_match 'failed +right .*credentials have expired' "$OUT" "doctor"
node_is_free

# What passes by itself: keys are there again, a session that ended is renewed.
cloud_post reset '{}' >/dev/null
new_keys
backs_up --no-image
cloud_post imds '{"forget_tokens": true}' >/dev/null
backs_up --no-image

# A wrong clock is corrected for in signing, and said; by EC2's Date, which has whole seconds.
cloud_set '{"clock_offset_s": 3600}'
backs_up --no-image
assert_match "warning: this node's clock is (3599|3600) s behind EC2's" "$OUT" "the warning"
assert_match 'do: +set it: chronyd' "$OUT" "its remedy"
cloud_set '{"clock_offset_s": -3600}'
backs_up --no-image
assert_match "clock is 360[01] s ahead of EC2's" "$OUT" "the warning"
assert_match '^36[0-9]{5}\.' "$(sp show latest --json | json "d['window']['clock_error_ms']")" "what the window may be off"
assert_exit 0 sp doctor
assert_match "warning +clock +360[01] s ahead of EC2's" "$OUT" "doctor"
end_refusals
