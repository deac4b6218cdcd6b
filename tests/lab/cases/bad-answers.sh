#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What answers in EC2's place sends anything: no XML, half of it, too much, too deep, entities without
# end, somewhere else. Nothing is held for it, or it is let go of at once, and what may have been made is
# looked for by its tag.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --conf '[aws]' --conf 'request_timeout = 4s'
begin_refusals
before_hold() { # FAULT CAUSE COMMAND...
    local cause=$2
    cloud_fault "$1"
    shift 2
    refused 5 "$cause" 'endpoint' "$@"
    cloud_faults_off
    made_nothing
}

# Nobody there, or not who he should be.
cloud_post listen '{"server": "ec2", "on": false}' >/dev/null
refused 5 "DescribeInstances: .*Couldn't connect to server" 'check route, security groups and proxy' sp backup
refused 5 "DescribeSnapshots: .*Couldn't connect to server" 'check route' sp list
cloud_post listen '{"server": "ec2", "on": true}' >/dev/null
cp "$LAB/stillpoint.conf" "$LAB/right.conf"
for change in 's|^ca_bundle = .*|ca_bundle = /etc/ssl/certs/ca-certificates.crt|' 's|^endpoint_ec2 = https|endpoint_ec2 = http|'; do
    sed "$change" "$LAB/right.conf" >"$LAB/stillpoint.conf"
    stop_part daemon && start_part daemon
    refused 5 'SSL certificate problem|sent, but no whole answer' 'ca_bundle in \[aws\]|endpoint_ec2' sp backup
done
cp "$LAB/right.conf" "$LAB/stillpoint.conf"
stop_part daemon && start_part daemon
cloud_set '{"imds": {"document": {"instanceId": "i-0123456789abcdef0"}}}'
refused 5 "InvalidInstanceID.NotFound" "\[aws\] region is this instance's" sp backup
cloud_set '{"imds": {"document": {"instanceId": "'"$(node_get "['instance']")"'"}}}'
made_nothing

before_hold '{"action": "DescribeInstances", "kind": "garbage"}' \
    'DescribeInstances: XML: line 1: not well-formed' sp backup
assert_match 'now: nothing was held or frozen, no snapshot was made' "$OUT" "what is said to be"
before_hold '{"action": "DescribeInstances", "kind": "deep"}' \
    'DescribeInstances: XML: <a> where <DescribeInstancesResponse> was expected' sp backup
before_hold '{"action": "DescribeInstances", "kind": "redirect"}' 'DescribeInstances: Moved' sp backup
before_hold '{"action": "DescribeVolumes", "kind": "huge", "bytes": 20000000}' \
    'DescribeVolumes: .*more than 8388608 bytes' sp backup
before_hold '{"action": "DescribeVolumes", "kind": "empty"}' 'DescribeVolumes: XML: line 1: no element' sp backup
before_hold '{"action": "DescribeSnapshots", "kind": "bomb"}' \
    'DescribeSnapshots: XML: a document type is not accepted' sp list
before_hold '{"action": "CreateSnapshots", "kind": "redirect", "dry_run": true}' 'CreateSnapshots: Moved' sp backup
node_is_free

# Half an answer is asked for again.
cloud_fault '{"action": "DescribeInstances", "kind": "truncated"}'
backs_up --no-image
assert_eq 2 "$(cloud_calls action=DescribeInstances | json "len([c for c in d if c['number'] >
    max(e['number'] for e in d if e['fault'] == 'truncated') - 1])")" "calls"

# The answer to the one call makes no sense: it was made all the same.
for kind in garbage truncated huge deep; do
    cloud_fault "{\"action\": \"CreateSnapshots\", \"kind\": \"$kind\", \"dry_run\": false, \"bytes\": 20000000}"
    assert_exit 3 sp backup --no-image
    assert_match "warning: EC2's answer was lost: cut: CreateSnapshots: " "$OUT" "$kind: the warning"
    assert_match 'crash consistent, application was asked for' "$OUT" "$kind: the label"
    assert_eq '["complete", "crash"]' "$(sp show latest --json | json "[d['state'], d['consistency']]")" "$kind: the tags"
    node_is_free
    made
done

# Sent elsewhere: not made, and not looked for.
cloud_fault '{"action": "CreateSnapshots", "kind": "redirect", "dry_run": false}'
refused 1 'cut: CreateSnapshots: Moved' 'check region and endpoints' sp backup --no-image
assert_match 'now: nothing is held by Stillpoint, no snapshot was made' "$OUT" "what is said to be"
node_is_free
made_nothing

# A snapshot that fails later is no backup; an image that can't be made is less than asked for.
cloud_fault '{"action": "CreateSnapshots", "kind": "partial", "dry_run": false}'
refused 1 'snapshot snap-[0-9a-f]+ failed in EC2: ' 'start the backup again' sp backup --no-image
made_nothing
cloud_fault '{"action": "RegisterImage", "kind": "error", "code": "InvalidAMIName.Duplicate", "dry_run": false}'
assert_exit 3 sp backup
assert_match 'why: image: RegisterImage: InvalidAMIName.Duplicate' "$OUT" "the reason"
assert_match 'now: the backup is kept' "$OUT" "what is said to be"
made

# An image that EC2 made, though its answer was lost, is found.
cloud_fault '{"action": "RegisterImage", "kind": "lost", "seconds": 3, "dry_run": false}'
assert_exit 0 sp backup
assert_match "warning: EC2's answer was lost: image: RegisterImage" "$OUT" "the warning"
assert_match 'the image was found by its tag' "$OUT" "what became of it"
assert_match '; image ami-[0-9a-f]+ available' "$OUT" "the result"
made

# In drops, for longer than a hold may last.
cloud_fault '{"action": "CreateSnapshots", "kind": "dribble", "dry_run": false, "ms": 400, "bytes": 8}'
begin=$SECONDS
assert_exit 3 sp backup --no-image
[ $((SECONDS - begin)) -le 14 ] || fail "it took $((SECONDS - begin)) s"
assert_match "EC2's answer was lost" "$OUT" "the warning"
node_is_free
made
cloud_faults_off
backs_up
end_refusals
