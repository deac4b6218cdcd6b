#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A set that a rollback needs goes with --force once no instance is there that could commit it or take it back;
# the volumes of that rollback that stay are named. While a node is there that could, nothing moves it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
start_pruner '[retention]' 'keep_last = 1'
gone=i-0fedcba9876543210 lost=rb-20261124T081530Z-k3f9x
living=$(node_get "['instance']") under_way=rb-20261125T081530Z-k3f9x

volume_of_rollback() { # ID ROLE INSTANCE: prints the volume's id
    python3 - "$LIB_DIR" "$LAB" "$@" <<'PY' || fail "no volume"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
rollback, role, instance = sys.argv[3:]
tags = {"stillpoint:rollback": rollback, "stillpoint:rollback-role": f"1 {role} {instance} /dev/sdf yes"}
made = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, TagSpecifications=[
    {"ResourceType": "volume", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}])
print(made["VolumeId"])
PY
}
state_of_instance() { # INSTANCE: terminated, and EC2 still shows it
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PY'
import sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
ec2.terminate_instances(InstanceIds=[sys.argv[3]])
for _ in range(300):
    shown = ec2.describe_instances(InstanceIds=[sys.argv[3]])["Reservations"][0]["Instances"][0]["State"]["Name"]
    if shown == "terminated":
        sys.exit(0)
    time.sleep(0.1)
sys.exit(shown)
PY
}

plant aaaaa 5 instance=$gone volumes=vol-0fedcba9876543210 rollback=$lost; set=$ID
plant bbbbb 4 "rollback=$under_way"; protected=$ID
plant ccccc 3 instance=$gone volumes=vol-0fedcba9876543210 "rollback=rb-20261126T081530Z-k3f9x"; foreign=$ID
plant ddddd 2; good=$ID
plant eeeee 2 instance=$gone volumes=vol-0fedcba9876543210; other=$ID
kept=$(volume_of_rollback "$lost" kept "$gone") made=$(volume_of_rollback "$lost" made "$gone")
elsewhere=$(volume_of_rollback rb-20261126T081530Z-k3f9x kept "$living")

# Of a node that is there, whoever asks and however; nor where a volume's tags name one that is.
refused 4 "$protected is needed by the rollback $under_way of $living" 'stillpoint rollback' far delete "$protected"
refused 4 "$protected is needed by the rollback $under_way of $living, which is running" '--commit' \
    far delete --force "$protected"
refused 4 "$protected is needed by" '--commit' sp delete --force "$protected"
refused 4 "$foreign is needed by .* of $living, which is running" '--commit' far delete --force "$foreign" "$set"
refused 4 "$set is needed by the rollback $lost of $gone" 'delete --force' far delete "$set"
are_left "$set" "$protected" "$foreign" "$good" "$other"
assert_exit 0 far prune --all-nodes -n
assert_match "$set +.*kept: a rollback of its node needs it .where that node is gone: stillpoint delete --force" "$OUT" "what prune says of it"

# Of one that is gone.
for dry in -n ''; do
    assert_exit 0 far delete --force $dry "$set"
    assert_match "$set is needed by the rollback $lost of $gone, which is gone.*its volumes stay: " "$OUT" "what is said"
    assert_match "$kept \(/dev/sdf, of before it\)" "$OUT" "the volume of before"
    assert_match "$made \(/dev/sdf, made by it\)" "$OUT" "the one that was made"
    assert_match "do: .*for v in( ($kept|$made)){2}; do aws ec2 delete-volume --volume-id .v; done" "$(xargs <<<"$OUT")" "the remedy"
done
are_left "$protected" "$foreign" "$good" "$other"
assert_eq 3 "$(cloud_get volumes | json "sum(v in ('$kept', '$made', '$elsewhere') for v in d)")" "volumes that stay"

# Of one that EC2 still shows as terminated.
stop_part daemon
state_of_instance "$living" || fail "the node lives"
assert_exit 0 far delete --force "$protected"
assert_match "$under_way of $living, which is gone" "$OUT" "what is said"
are_left "$foreign" "$good" "$other"
