#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# The lab's node goes through a reboot, and a replacement of its root volume, as a real one does:
# what ran is killed and runs again, the root is as old as its snapshot, and the state that lies on it
# too, the data disks stay.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --state-on-root --restarter
root=$(mount_at root)
instance=$(node_get "['instance']")
first=$(volume_of root)
client() {
    python3 - "$LIB_DIR" "$LAB" "$instance" "$@" <<'EOF' || fail "$*"
import sys, time
sys.path.insert(0, sys.argv[1])
from labcloud import wire
from labclient import Lab
lab, instance, what, *rest = Lab(sys.argv[2]), *sys.argv[3:]
ec2 = lab.ec2()
wire.complete(ec2.meta.service_model)
if what == "snapshot":
    made = ec2.create_snapshot(VolumeId=rest[0])["SnapshotId"]
    lab.post("finish_snapshots")
    print(made)
elif what == "reboot":
    ec2.reboot_instances(InstanceIds=[instance])
else:
    task = ec2.create_replace_root_volume_task(InstanceId=instance, **{rest[0]: rest[1]})
    task = task["ReplaceRootVolumeTask"]["ReplaceRootVolumeTaskId"]
    for _ in range(600):
        rows = ec2.describe_replace_root_volume_tasks(ReplaceRootVolumeTaskIds=[task])
        state = rows["ReplaceRootVolumeTasks"][0]["TaskState"]
        if state not in ("pending", "in-progress"):
            break
        time.sleep(0.05)
    assert state == "succeeded", state
EOF
}
parts() { for part in mysql guard hook daemon restarter; do part_pid "$part"; done | tr '\n' ' '; }
all_new() { # PIDS of before
    local pid
    for pid in $1; do
        [[ " $(parts)" != *" $pid "* ]] || fail "$pid runs still"
    done
    assert_eq 5 "$(parts | wc -w)" "parts that run"
    sp status >/dev/null || fail "the daemon does not answer"
}

# The journal, a file on the root and a row on a data disk, as they are now.
echo old >"$root/etc/when"
node_sql 'CREATE TABLE lab.t (n INT) ENGINE=InnoDB; INSERT INTO lab.t VALUES (1)'
touch "$root/var/lib/stillpoint/old"
sync -f "$root"
snapshot=$(client snapshot "$first")
echo new >"$root/etc/when"
touch "$root/var/lib/stillpoint/new"
node_sql 'INSERT INTO lab.t VALUES (2)'

# A plain reboot: everything is new but the disks. Somebody has a file open, and has to go.
before=$(parts)
tail -f "$root/etc/when" >/dev/null &
client reboot
wait $!
assert_eq 143 $? "who had a file open"
end=$((SECONDS + 20))
until grep -q ' done$' "$LAB/log/reboot.log"; do
    [ "$SECONDS" -lt "$end" ] || fail "no reboot: $(cat "$LAB/log/reboot.log")"
    sleep 0.05
done
all_new "$before"
assert_eq new "$(cat "$root/etc/when")" "the root after a reboot"
assert_eq 2 "$(node_sql 'SELECT COUNT(*) FROM lab.t')" "rows"

# Another root, frozen when its instance goes down.
before=$(parts)
arm_thaw 60 "$root"
fsfreeze --freeze "$root"
client replace SnapshotId "$snapshot"
disarm_thaw
all_new "$before"
assert_eq old "$(cat "$root/etc/when")" "the root of the snapshot"
[ -e "$root/var/lib/stillpoint/old" ] || fail "the state of the snapshot is gone"
[ ! -e "$root/var/lib/stillpoint/new" ] || fail "the state is not as old as the root"
assert_eq 2 "$(node_sql 'SELECT COUNT(*) FROM lab.t')" "rows, on a disk of their own"
second=$(volume_of root)
[ "$second" != "$first" ] || fail "node.json has the old root"
assert_eq "$second" "$(json "d['$(findmnt -no SOURCE "$root")']" <"$LAB/map.json")" "map.json"
sp backup --no-image || fail "no backup of the new root"

# And back.
client replace VolumeId "$first"
assert_eq "$first" "$(volume_of root)" "the root"
assert_eq new "$(cat "$root/etc/when")" "the root that came back"
