#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# A new node from a backup's image: all volumes at the backup's instant, launched as the original was;
# the same command again is the same launch.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node
begin_refusals
admin() { # PYTHON over ec2, original, d (node.json)
    python3 - "$LAB" "$@" <<'PY'
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
ec2 = Lab(sys.argv[1]).ec2("admin")
with open(f"{sys.argv[1]}/node.json", encoding="utf-8") as stream:
    original = json.load(stream)["instance"]
def one(instance_id):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
value = eval(sys.argv[2])
print(value if isinstance(value, str) else json.dumps(value, default=str))
PY
}
original=$(node_get "['instance']")
admin 'ec2.create_tags(Resources=[original], Tags=[{"Key": "Name", "Value": "kaltura-db1"}, {"Key": "Env", "Value": "prod"}]) and ""' >/dev/null
echo before >"$(mount_at root)/mark"
sync -f "$(mount_at root)"
backs_up
echo after >"$(mount_at root)/mark"
id=$(sp show latest --json | json "d['id']")
assert_match "type=m6i.large subnet=subnet-[0-9a-f]+ sg=sg-[0-9a-f]+ imds=required" \
    "$(sp show latest --json | json "d['launch']")" "how it was launched"

# First what would be, then the thing itself.
OUT=$(sp restore instance latest --name copy -n 2>&1) || fail "the preview: exit $?: $OUT"
assert_match 'Would launch an instance from ami-' "$OUT" "the preview"
assert_eq 0 "$(count_calls RunInstances)" "launches of a preview"
sp restore instance "$id" --name copy --json >"$LAB/events.json" || fail "restore: exit $?: $(tail -n 1 "$LAB/events.json")"
tail -n 1 "$LAB/events.json" >"$LAB/restored.json"
copy=$(json "d['instance']" <"$LAB/restored.json")
assert_eq running "$(json "d['state']" <"$LAB/restored.json")" "its state"
python3 - "$LAB" "$id" "$original" <<'PY' || fail "the new node"
import json, sys
sys.path.insert(0, "tests/lab")
from labclient import Lab
lab, backup_id, original = Lab(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(f"{sys.argv[1]}/restored.json", encoding="utf-8") as stream:
    made = json.load(stream)
ec2 = lab.ec2("admin")
rows = ec2.describe_instances(InstanceIds=[original, made["instance"]])["Reservations"]
rows = {row["InstanceId"]: row for r in rows for row in r["Instances"]}
old, new = rows[original], rows[made["instance"]]
for name in ("InstanceType", "SubnetId", "SecurityGroups", "MetadataOptions"):
    assert old.get(name) == new.get(name), (name, old.get(name), new.get(name))
assert old["PrivateIpAddress"] != new["PrivateIpAddress"] == made["address"], made
tags = {tag["Key"]: tag["Value"] for tag in new["Tags"]}
assert tags["Name"] == "copy" and tags["Env"] == "prod", tags
assert tags["stillpoint:restored-from"] == backup_id, tags
volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [new["InstanceId"]]}])
found = {v["Attachments"][0]["Device"]: v["SnapshotId"] for v in volumes["Volumes"]}
snapshots = ec2.describe_snapshots(Filters=[{"Name": "tag:stillpoint:id", "Values": [backup_id]}])
wanted = {}
for snapshot in snapshots["Snapshots"]:
    own = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    wanted[own["stillpoint:device"]] = snapshot["SnapshotId"]
assert found == wanted, (found, wanted)
assert {v["id"] for v in made["volumes"]} == {v["VolumeId"] for v in volumes["Volumes"]}, made
for volume in volumes["Volumes"]:
    own = {tag["Key"]: tag["Value"] for tag in volume["Tags"]}
    assert own["stillpoint:restored-from"] == backup_id, own
PY
device=$(cloud_get volumes | json "[v['device'] for i, v in d.items() if i == '$(json "[v['id'] for v in d['volumes'] if v['device'] == '/dev/sda1'][0]" <"$LAB/restored.json")'][0]")
mkdir "$LAB/look"
mount -o ro "$device" "$LAB/look" || fail "the copy's root can't be mounted"
assert_eq before "$(cat "$LAB/look/mark")" "the mark on the copy's root"
umount "$LAB/look"

# Once more: nothing new, and it says so. Under another name it is another.
OUT=$(sp restore instance "$id" --name copy 2>&1) || fail "again: exit $?: $OUT"
assert_match "$copy is running; the same command has launched it before" "$OUT" "again"
assert_eq 1 "$(count_calls RunInstances)" "launches"
refused 5 "$original, which is running, is called \"kaltura-db1\" already" '--name' sp restore instance "$id"
refused 5 "$copy, which is running, is called \"copy\" already" '--replace' \
    sp restore instance "$id" --name copy --type m6i.xlarge

# An answer that was lost: the token finds what it made.
cloud_fault '{"action": "RunInstances", "kind": "lost", "dry_run": false}'
printf '#!/bin/sh\n: secret\n' >"$LAB/script"
OUT=$(sp restore instance "$id" --name third --wait none --user-data "$LAB/script" 2>&1) || fail "lost: exit $?: $OUT"
cloud_faults_off # that call is over, and none that wait_call takes for a later one
third=$(sed -nE 's/^(i-[0-9a-f]+) is (pending|running)$/\1/p' <<<"$OUT")
assert_eq "$(base64 <"$LAB/script")" \
    "$(admin "ec2.describe_instance_attribute(InstanceId='$third', Attribute='userData')['UserData']['Value']")" "user data"
if grep -q "$(base64 <"$LAB/script")" "$LAB"/log/*.log; then
    fail "user data in a log"
fi
assert_eq 3 "$(admin '1 + sum(t["Value"] in ("copy", "third") for r in ec2.describe_instances()["Reservations"] for i in r["Instances"] for t in i.get("Tags", []) if t["Key"] == "Name")')" "instances"

# Ctrl-C: before the launch nothing is made; at it and after it the instance stays, and that is said. A shell has
# SIGINT ignored in what it starts with '&'.
interrupt() { # EXIT NAME COMMAND...: until what is waited for is there
    local wanted=$1 name=$2
    shift 2
    env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" restore instance "$id" --name "$name" \
        >"$LAB/out.txt" 2>&1 &
    client=$!
    "$@"
    kill -INT "$client"
    wait "$client"
    assert_eq "$wanted" $? "exit code of an interrupted launch of $name: $(cat "$LAB/out.txt")"
    OUT=$(cat "$LAB/out.txt")
}
instance_called() { admin "' '.join(i['InstanceId'] for r in ec2.describe_instances()['Reservations'] for i in r['Instances'] for t in i.get('Tags', []) if t['Key'] == 'Name' and t['Value'] == '$1')"; }
called() { instance_called "$1" | wc -w; }
launched() { # NAME
    local end=$((SECONDS + 20))
    until grep -q "event=launched .*instance=$(instance_called "$1") " "$LAB/log/daemon.log"; do
        [ "$SECONDS" -lt "$end" ] || fail "no instance $1: $(cat "$LAB/out.txt")"
        sleep 0.05
    done
}
cloud_set '{"latency_ms": {"DescribeImages": 6000}}'
interrupt 1 fourth wait_call DescribeImages
assert_match 'now: nothing was launched' "$OUT" "interrupted before the launch"
assert_eq 0 "$(called fourth)" "instances of a launch that was interrupted before"
cloud_set '{"latency_ms": {"DescribeImages": 0, "RunInstances": 6000}}'
interrupt 6 fourth wait_call RunInstances
assert_match 'now: an instance may have been launched: the same command again finds it' "$OUT" "interrupted at the launch"
! grep -q 'do:' <<<"$OUT" || fail "a remedy for a cancel: $OUT"
cloud_set '{"latency_ms": {"RunInstances": 0}, "start_time_s": 60}'
interrupt 6 fifth launched fifth
fifth=$(instance_called fifth)
assert_match "now: $fifth is launched and was pending .* the same command again waits for it" "$OUT" "interrupted after the launch"
OUT=$(sp restore instance "$id" --name fifth --wait none 2>&1) || fail "fifth again: exit $?: $OUT"
OUT=$(sp restore instance "$id" --name fourth --wait none 2>&1) || fail "fourth again: exit $?: $OUT"
assert_eq '1 1' "$(called fourth) $(called fifth)" "instances after the same commands again"

# Two of one name at once: the second sees the first, though it was looking when that was not launched yet.
cloud_set '{"latency_ms": {"DescribeInstanceAttribute": 4000}}'
sp restore instance "$id" --name twin --wait none >"$LAB/twin.txt" 2>&1 &
twin=$!
wait_call DescribeInstanceAttribute # past its own look for nodes in the way
refused 5 'is called "twin" already' '--name' sp restore instance "$id" --name twin --type m6i.xlarge --wait none
wait "$twin" || fail "the first of two: exit $?: $(cat "$LAB/twin.txt")"
assert_eq 1 "$(called twin)" "instances of one name"

end_refusals
