#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `restore volumes`: volumes of a set, of the kind that was asked for, attached where asked, tagged, and the
# operator's from then on: no later start of the daemon takes them away.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
back_up good --no-image
id=$(json "d['id']" <"$LAB/good.json")
instance=$(node_get "['instance']")
data=$(volume_of data)

# One of them, of its own kind, attached here under a name of its own.
sp restore volumes "$id" --volume "$data" --type gp3 --iops 3000 --throughput 250 --attach "$instance" --device /dev/sdk --json \
    >"$LAB/restore.events" || fail "restore volumes ended with $?: $(tail -n 1 "$LAB/restore.events")"
tail -n 1 "$LAB/restore.events" >"$LAB/restore.json"
volume=$(json "d['volumes'][0]['volume']" <"$LAB/restore.json")
assert_eq "[\"$volume\"]" "$(volumes "[v['VolumeId'] for v in d]")" "what was made"
assert_eq '["gp3", 3000, 250, "in-use", "/dev/sdk"]' \
    "$(volumes "[d[0]['VolumeType'], d[0]['Iops'], d[0]['Throughput'], d[0]['State'], d[0]['Attachments'][0]['Device']]")" "its kind"
assert_eq "$id" "$(volumes "d[0]['tags']['stillpoint:restored-from']")" "restored-from"
assert_eq false "$(volumes "'stillpoint:loan' in d[0]['tags']")" "the tag of a loan"
assert_eq false "$(volumes "'stillpoint:id' in d[0]['tags']")" "the tag of a backup's own"
assert_match 'var/lib/mysql,ext4' "$(volumes "d[0]['tags']['stillpoint:mounts']")" "mounts"
device=$(cloud_get volumes | json "d['$volume']['device']")
assert_eq ext4 "$(blkid -p -o value -s TYPE "$device")" "what is on it"

# Somebody's lifecycle rule makes snapshots of it, with its tags: they are none of the backup's.
python3 - "$LIB_DIR" "$LAB" "$volume" <<'PY' || fail "a snapshot with the volume's tags"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
tags = ec2.describe_volumes(VolumeIds=[sys.argv[3]])["Volumes"][0]["Tags"]
ec2.create_snapshot(VolumeId=sys.argv[3], TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
PY
assert_match 'complete' "$(sp show "$id" --json | json "d['state']")" "the set beside another's snapshots"

# It stays, and a backup takes it as what it is: one of the node's.
stop_part daemon KILL
start_part daemon
back_up with --no-image
assert_eq 4 "$(json "len(d['snapshots'])" <"$LAB/with.json")" "volumes of the next backup"
assert_eq 1 "$(volumes 'len(d)')" "volumes after a restart"
