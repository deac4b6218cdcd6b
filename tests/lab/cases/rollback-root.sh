#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 600
# A rollback of the whole node: root and data are the set's after the reboot, the journal is as old as
# the set, and the set stays whole; the backup before it is brought to its end; --undo, with another
# reboot, brings the newer node back, journal and all; --commit removes what was before.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node --state-on-root --restarter
root=$(mount_at root)
state=$root/var/lib/stillpoint
arm() { arm_thaw 400 --late "$root" "$(mount_at data)" "$(mount_at binlog)"; }
root_volume() { ask_cloud "[m['Ebs']['VolumeId'] for m in shown['BlockDeviceMappings'] if m['DeviceName'] == shown['RootDeviceName']]"; }
marks() { node_sql 'SELECT COUNT(*) FROM lab.marks' 2>&1; }
# The client goes with the node; the database is systemd's to start at boot.
through_reboot() { # PYTHON COMMAND...
    local wanted=$1 status
    shift
    sp "$@" --yes >"$LAB/out" 2>&1
    status=$?
    assert_eq 6 "$status" "exit code of: $(cat "$LAB/out")"
    until_rollback "$wanted"
    start_part mysql
}

arm
node_sql 'CREATE TABLE lab.marks (n INT); INSERT INTO lab.marks VALUES (1)'
echo "then" >"$root/etc/when"
assert_exit 0 sp backup --no-image
set=$(sp show latest --json | json "d['id']")
sp show "$set" --json >"$LAB/set.before"
node_sql 'INSERT INTO lab.marks VALUES (2)'
echo now >"$root/etc/when"
before=$(data_volumes) old_root=$(root_volume) count=$(volumes_of_lab)
: >"$LAB/hook.log"

assert_exit 0 sp rollback "$set" -n
assert_match "replace the root volume, /dev/sda1 .*$old_root.: EC2 reboots this node" "$OUT" "the preview"

through_reboot "r and r['step'] == 'done'" rollback "$set"
assert_match 'reboot' "$(cat "$LAB/out")" "what the client is told"
disarm_thaw
assert_eq "then" "$(cat "$root/etc/when")" "the root"
assert_eq 1 "$(marks)" "rows"
assert_eq 'stop -' "$(xargs <"$LAB/hook.log")" "the hook's phases"
now=$(data_volumes)
mounted_is "${now%% *}" data
mounted_is "${now##* }" binlog
[ "$(root_volume)" != "$old_root" ] || fail "the root volume is the one of before"
assert_eq "$((count + 3))" "$(volumes_of_lab)" "volumes"
assert_match "^1 rb-[^ ]+ $set full done sp-" "$(state_tag)" "the state"
assert_match "kept +.*$old_root +/dev/sda1" "$(sp rollback | tr '\n' ' ')" "what is kept"

# The journal came with the root: that of a node in the middle of this very backup. The set stands.
until_status "'$set' in [i['id'] for i in d['settled']]"
grep -q "event=settled id=$set" "$LAB/log/daemon.log" || fail "the journal is not as old as the set"
until_status "d['unsettled'] == [] and d['finishing'] == []"
sp show "$set" --json >"$LAB/set.after"
assert_eq "$(json "[d['state'], d['consistency'], len(d['snapshots']), d['verified']]" <"$LAB/set.before")" \
    "$(json "[d['state'], d['consistency'], len(d['snapshots']), d['verified']]" <"$LAB/set.after")" "the set"
assert_eq complete "$(json "d['state']" <"$LAB/set.after")" "the set"

# So does the backup that was taken before it, which nobody here knew of.
fresh=$(state_tag | cut -d' ' -f6)
until_status "d['unsettled'] == []"
assert_eq '["complete", "application"]' "$(sp show "$fresh" --json | json "[d['state'], d['consistency']]")" "the backup before it"
arm
assert_exit 0 sp backup --no-image

# Back to the newer node.
through_reboot 'r is None' rollback --undo
ended_as undone None
disarm_thaw
assert_eq now "$(cat "$root/etc/when")" "the root"
assert_eq 2 "$(marks)" "rows"
assert_eq "$before $old_root $count" "$(data_volumes) $(root_volume) $(volumes_of_lab)" "volumes"
mounted_is "${before%% *}" data
no_tags_left
until_status "d['unsettled'] == [] and d['finishing'] == []"
assert_eq '' "$(ls "$state/journal")" "the journal"

# Once more, and the daemon is killed before EC2 was asked for the root; for good.
cloud_fault '{"action": "CreateReplaceRootVolumeTask", "kind": "hang", "seconds": 60, "dry_run": false}'
sp rollback "$set" --no-backup --yes >"$LAB/out" 2>&1 &
client=$!
for _ in {1..400}; do
    [ "$(cloud_get faults | json "sum(f['used'] for f in d)")" = 0 ] || break
    sleep 0.1
done
kill -KILL "$(part_pid daemon)"
wait "$client"
assert_eq 6 $? "exit code of: $(cat "$LAB/out")"
cloud_faults_off
until_rollback "r and r['step'] == 'done'"
start_part mysql
assert_exit 0 sp rollback --commit --yes
ended_as committed None
assert_eq "then" "$(cat "$root/etc/when")" "the root"
assert_eq "$count" "$(volumes_of_lab)" "volumes"
no_tags_left
assert_eq complete "$(sp show "$set" --json | json "d['state']")" "the set"

# EC2 can't replace the root: data and services are as before.
node_sql 'INSERT INTO lab.marks VALUES (3)'
before=$(data_volumes) old_root=$(root_volume)
for reboot in false true; do
    cloud_fault "{\"action\": \"CreateReplaceRootVolumeTask\", \"kind\": \"partial\", \"state\": \"failed\", \"reboot\": $reboot, \"dry_run\": false}"
    sp rollback "$set" --no-backup --yes >"$LAB/out" 2>&1
    status=$?
    [ $reboot = true ] && wanted=6 || wanted=1
    assert_eq "$wanted" "$status" "exit code of: $(cat "$LAB/out")"
    until_rollback 'r is None'
    cloud_faults_off
    assert_eq "$before $old_root $count" "$(data_volumes) $(root_volume) $(volumes_of_lab)" "volumes"
    assert_eq 2 "$(marks)" "rows"
    mounted_is "${before%% *}" data
    no_tags_left
done
assert_exit 0 sp show "$set"
