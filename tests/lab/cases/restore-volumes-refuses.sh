#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# `restore volumes` with bad input says cause and remedy and makes nothing; all of a set's volumes; one that fails
# in the middle leaves nothing.
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
id=$(json "d['id']" <"$LAB/good.json")
instance=$(node_get "['instance']")
data=$(volume_of data)

# Bad input: cause, remedy, nothing made.
assert_exit 5 sp restore volumes sp-20200101T000000Z-aaaaa
assert_match 'do:' "$OUT" "an unknown id"
assert_exit 5 sp restore volumes latest --zone us-east-1a
assert_match 'no zone of' "$OUT" "a zone elsewhere"
assert_exit 5 sp restore volumes latest --attach "$instance" --zone eu-west-1c
assert_match "can't be attached" "$OUT" "zone mismatch"
assert_exit 5 sp restore volumes latest --attach i-0123456789abcdef0
assert_exit 2 sp restore volumes latest --type gp2 --iops 4000
assert_exit 2 sp restore volumes latest --device /dev/sdk
assert_exit 2 sp restore volumes latest --attach "$instance" --device /dev/sdk
assert_match 'one device name for 3 volumes' "$OUT" "one name for several"
assert_exit 5 sp restore volumes latest --volume "$data" --attach "$instance" --device /dev/sdg
assert_match 'sdg is taken' "$OUT" "a name that is taken"
assert_exit 2 sp restore volumes latest --volume vol-0123456789abcdef0
assert_match 'is not in' "$OUT" "a volume that is not in the set"
all_refused() { # EXIT CAUSE REMEDY ARGUMENT...: so says -n, too
    refused "${@:1:3}" sp restore volumes latest -n "${@:4}"
    refused "${@:1:3}" sp restore volumes latest "${@:4}"
}
all_refused 2 "--type: EBS has no volumes of type 'gp9'" 'did you mean' --type gp9
all_refused 2 '--iops: 5 is out of range' '3000 to 80000' --iops 5
all_refused 2 '--throughput: 5 is out of range' '125 to 2000' --throughput 5
all_refused 2 '--initialize: 5 is out of range' '100 to 300' --initialize 5
all_refused 2 "--attach: 'foo' is none" 'i-0123456789abcdef0' --attach foo
all_refused 2 '--attach: given twice' 'one of the two' --attach "$instance" --attach "$instance"
all_refused 2 "--kms-key: 'foo' is no key" 'alias/NAME' --kms-key foo
all_refused 5 '--type: snap-[0-9a-f]+ has [0-9]+ GiB' 'another type' --type st1
all_refused 5 '--attach i-0123456789abcdef0: .*InvalidInstanceID.NotFound.*request id [0-9a-f-]+' '--attach' \
    --attach i-0123456789abcdef0
# What only EC2 knows: of this zone, of this region, of this account's rights.
cloud_fault '{"action": "CreateVolume", "kind": "error", "code": "MaxIOPSLimitExceeded", "count": 2}'
assert_exit 5 sp restore volumes latest -n --iops 3000
assert_match 'MaxIOPSLimitExceeded.*request id [0-9a-f-]+' "$OUT" "a limit of the account, asked with -n"
assert_match 'do: .*--iops' "$OUT" "its remedy"
assert_exit 1 sp restore volumes latest --iops 3000
assert_match 'MaxIOPSLimitExceeded.*request id [0-9a-f-]+' "$OUT" "a limit of the account"
assert_match 'do: .*--iops' "$OUT" "its remedy"
cloud_faults_off
cloud_set '{"deny": ["CreateVolume"]}'
assert_exit 5 sp restore volumes latest -n
assert_match 'ec2:CreateVolume is not allowed' "$OUT" "a missing right"
cloud_set '{"deny": []}'
assert_exit 0 sp restore volumes latest -n
assert_match 'would make volumes' "$OUT" "dry run"
assert_match 'each gp3'$'\n' "$OUT" "the kind, where none was named"
assert_exit 5 sp restore volumes latest -n --kms-key arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
assert_match 'of another region than the backup, eu-west-1' "$OUT" "a key of another region"
assert_exit 0 sp restore volumes latest -n --iops 3000 --throughput 250 --initialize 200 --encrypted
assert_match 'each gp3, 3000 IOPS, 250 MiB/s, filled beforehand at 200 MiB/s, encrypted with the account' "$OUT" "the kind"
assert_eq "['gp3', 3000, None, True]" \
    "$(sp restore volumes latest -n --iops 3000 --encrypted --json | json "str([d[k] for k in ('type', 'iops', 'throughput_mibs', 'encrypted')])")" "and as JSON"
assert_eq 0 "$(volumes 'len(d)')" "volumes made by what was refused"

# All, attached to nobody; again makes others; one that fails in the middle leaves none.
sp restore volumes "$id" >"$LAB/out.txt" || fail "restore volumes ended with $?"
assert_eq 3 "$(volumes 'len(d)')" "volumes"
assert_match 'var/log/mysql' "$(cat "$LAB/out.txt")" "what goes where"
cloud_fault '{"action": "CreateVolume", "kind": "error", "code": "VolumeLimitExceeded", "skip": 1}'
assert_exit 1 sp restore volumes "$id"
assert_match 'gone again' "$OUT" "the end of one that failed"
cloud_faults_off
for _ in $(seq 50); do [ "$(volumes 'len(d)')" = 3 ] && break; sleep 0.1; done
assert_eq 3 "$(volumes 'len(d)')" "volumes of what failed"
assert_eq '' "$(ls "$LAB/state/loans")" "records"
