#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A verify, `restore files` and `restore volumes --attach` at once: each has device names of its own, and where
# somebody else took one meanwhile the next free one; a name that was asked for is that one or none. A folder is that of one restore.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
make_waits
start_node "${WAITS[@]}"
cloud_set '{"snapshot_time_s": 0.2}'
mkdir -p "$(mount_at root)/srv"
echo one >"$(mount_at root)/srv/one"
back_up good --no-image
id=$(json "d['id']" <"$LAB/good.json")
instance=$(node_get "['instance']")
root=$(mount_at root)
data=$(volume_of data)

# A fourth party's, by hand, under the first name that is free: it comes between choosing and attaching.
attach_by_hand() { # NAME
    python3 - "$LIB_DIR" "$LAB" "$instance" "$1" <<'PY' || fail "attach $1 by hand"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2("admin")
instance = ec2.describe_instances(InstanceIds=[sys.argv[3]])["Reservations"][0]["Instances"][0]
volume = ec2.create_volume(AvailabilityZone=instance["Placement"]["AvailabilityZone"], Size=1)["VolumeId"]
ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
ec2.attach_volume(VolumeId=volume, InstanceId=sys.argv[3], Device=sys.argv[4])
PY
}

# Volumes are attached when no backup has the node, and this one has it for as long as we like: all have chosen by then.
hold_node
sp verify "$id" --again --json >"$LAB/verify.out" 2>&1 &
verify=$!
sp restore files "$id" "$root/srv" --to "$LAB/back" >"$LAB/files.out" 2>&1 &
files=$!
sp restore volumes "$id" --volume "$data" --attach "$instance" --json >"$LAB/volumes.out" 2>&1 &
volumes=$!
until_logged 3 'step=attach'
sp restore volumes "$id" --volume "$data" --attach "$instance" --device /dev/sdy --json >"$LAB/named.out" 2>&1 &
named=$!
until_logged 4 'step=attach'
assert_exit 5 sp restore volumes "$id" --volume "$data" --attach "$instance" --device /dev/sdy
assert_match '/dev/sdy is taken' "$OUT" "a name that another was given"
assert_exit 4 sp restore files "$id" "$root/srv" --to "$LAB/back"
assert_match 'another restore works in it.*do: .*another folder' "$OUT" "a second one into the same folder"
assert_eq .stillpoint-restore "$(ls -A "$LAB/back")" "what lies in the first one's folder"
assert_eq 0 "$(count_calls AttachVolume)" "volumes attached while the node was held"
attach_by_hand /dev/sdh
attach_by_hand /dev/sdy
let_go_of_node

wait "$verify" || fail "the verify ended with $?: $(tail -n 3 "$LAB/verify.out")"
wait "$files" || fail "restore files ended with $?: $(cat "$LAB/files.out")"
wait "$volumes" || fail "restore volumes ended with $?: $(cat "$LAB/volumes.out")"
wait "$named"
assert_eq 1 $? "exit code of a name that somebody took: $(cat "$LAB/named.out")"
assert_match 'already in use' "$(cat "$LAB/named.out")" "what was said of it"
assert_match 'choose another name' "$(cat "$LAB/named.out")" "what to do"
assert_eq 1 "$(cloud_calls action=AttachVolume who=role | json "sum(c['params']['Device'] == '/dev/sdy' for c in d)")" "tries of that name"
# EC2 refused one name of one of them, and no other.
cloud_calls action=AttachVolume who=role >"$LAB/attached.json"
assert_eq '["/dev/sdh", "/dev/sdy"]' \
    "$(json "sorted(c['params']['Device'] for c in d if c['status'] >= 400)" <"$LAB/attached.json")" "names that were refused"
assert_eq "$(echo "$root" | cut -d/ -f2)" "$(ls -A "$LAB/back")" "what lies in the folder"
assert_eq one "$(cat "$LAB/back$root/srv/one")" "the file"
sp restore volumes "$id" --volume "$data" --attach "$instance" >"$LAB/after.out" 2>&1 || fail "restore volumes afterwards: $(cat "$LAB/after.out")"
assert_match '/dev/sd[i-p]' "$(cat "$LAB/after.out")" "names that were given back"
