#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 600
# A rollback that can't be, says why and what to do, and leaves the node as it was: volumes, mounts,
# services, tags.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node
arm_thaw 300 --late "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
data=$(mount_at data)
assert_exit 0 sp backup --no-image
set=$(sp show latest --json | json "d['id']")
before=$(data_volumes) count=$(volumes_of_lab)
as_before() {
    assert_eq "$before/$count" "$(data_volumes)/$(volumes_of_lab)" "volumes"
    mounted_is "${before%% *}" data
    mounted_is "${before##* }" binlog
    node_sql 'SELECT 1' >/dev/null || fail "the database doesn't run"
    no_tags_left
}
back=(sp rollback "$set" --data-only --no-backup --yes)
tag_instance() { # VALUE
    ask_cloud "ec2.create_tags(Resources=[instance], Tags=[{'Key': 'stillpoint:rollback', 'Value': '$1'}]) and ''"
}
untag_instance() { ask_cloud "ec2.delete_tags(Resources=[instance], Tags=[{'Key': 'stillpoint:rollback'}]) and ''"; }
tag_of_set() { # KEY VALUE
    ask_cloud "ec2.create_tags(Resources=[s['SnapshotId'] for s in snapshots if tags(s).get('stillpoint:id') == '$set'], Tags=[{'Key': '$1', 'Value': '$2'}]) and ''"
}
# A process of ours in the way, until the test's end at the latest.
in_the_way() { # COMMAND... that becomes sleep
    "$@" &
    holder=$!
    defer bash -c "kill $holder 2>/dev/null; true"
    for _ in {1..500}; do
        grep -qsx sleep "/proc/$holder/comm" && return
        sleep 0.02
    done
    fail "nothing is in the way: $*"
}

# What makes no sense.
refused 2 'exclude each other' 'says in what state' sp rollback "$set" --undo --yes
refused 2 '--data-only needs the id' 'stillpoint list' sp rollback --data-only
refused 5 'no backup' 'list' sp rollback sp-20200101T000000Z-00000 --yes
refused 5 'no rollback to commit or undo' 'rollback ID begins' sp rollback --commit --yes

# Nobody can be asked: what stands against it comes first.
refused 5 'no backup' 'list' sp rollback sp-20200101T000000Z-00000 </dev/null
refused 5 'no rollback to commit or undo' 'rollback ID begins' sp rollback --commit </dev/null
refused 2 'nobody is at a terminal' 'give --yes' sp rollback "$set" --data-only </dev/null
assert_exit 2 sp rollback "$set" --data-only --json
assert_eq '["error", 2, "usage"]' "$(sp rollback "$set" --data-only --json 2>/dev/null | json "[d['event'], d['exit'], d['kind']]")" \
    "what a program reads of it"

# At the question a signal ends it, and nothing was done.
ends_at_the_question() { # SIGNAL
    python3 - "$1" "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" rollback latest --data-only <<'PY'
import os, pty, select, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
said, end = b"", time.monotonic() + 20
while b"to go on: " not in said and time.monotonic() < end:
    if select.select([terminal], [], [], 0.1)[0]:
        said += os.read(terminal, 4096)
os.kill(pid, getattr(signal, sys.argv[1]))
while time.monotonic() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        sys.exit(0 if os.waitstatus_to_exitcode(status) == 1 else f"status {status}")
    time.sleep(0.02)
os.kill(pid, signal.SIGKILL)
sys.exit(f"it goes on: {said[-200:]}")
PY
}
ends_at_the_question SIGINT || fail "Ctrl-C at the question"
ends_at_the_question SIGTERM || fail "SIGTERM at the question"

# Sets that are no good.
tag_of_set stillpoint:instance i-0123456789abcdef0
refused 5 "backup $set is of instance i-0123456789abcdef0, this is i-" 'restore' "${back[@]}"
tag_of_set stillpoint:instance "$(node_get "['instance']")"
cloud_set '{"snapshot_time_s": 60}'
assert_exit 0 sp backup --no-image --wait cut
refused 5 'is not complete yet' 'wait' sp rollback latest --data-only --no-backup --yes
cloud_post finish_snapshots '{}' >/dev/null
cloud_set '{"snapshot_time_s": 0.1}'
until_status "d['finishing'] == []"
read -r last member <<<"$(sp show latest --json | json "d['id'] + ' ' + d['snapshots'][-1]['id']")"
ask_cloud "ec2.modify_snapshot_tier(SnapshotId='$member', StorageTier='archive') and ''"
until [ archive = "$(ask_cloud "[s.get('StorageTier') for s in snapshots if s['SnapshotId'] == '$member']")" ]; do sleep 0.1; done
refused 5 "in the archive tier: $member" 'recall' sp rollback "$last" --data-only --no-backup --yes
ask_cloud "ec2.delete_snapshot(SnapshotId='$member') and ''"
refused 5 'is broken' 'another' sp rollback "$last" --data-only --no-backup --yes
as_before

# Rights: before anything is made, and once the volumes are there.
cloud_fault '{"action": "CreateVolume", "kind": "error", "code": "UnauthorizedOperation", "status": 403, "count": -1}'
refused 5 'CreateVolume' 'add ec2:CreateVolume' "${back[@]}"
cloud_faults_off
cloud_fault '{"action": "DetachVolume", "kind": "error", "code": "UnauthorizedOperation", "status": 403, "count": -1}'
refused 5 'DetachVolume' 'add ec2:DetachVolume' "${back[@]}"
cloud_faults_off
assert_eq '' "$(cat "$LAB/hook.log")" "a hook that was called"
ended_as 'taken back' 'DetachVolume'
as_before

# The node doesn't let go.
touch "$LAB/fail-stop"
refused 5 'services stop exited with 3' 'log' "${back[@]}"
rm "$LAB/fail-stop"
assert_eq 'stop - start failed' "$(xargs <"$LAB/hook.log")" "the hook's phases"
as_before
in_the_way bash -c "cd '$data' && exec -a holder sleep 60"
refused 5 "$data is in use by sleep \\($holder\\)" 'phases = stop, start' "${back[@]}"
assert_match 'now: the services run again, nothing was exchanged' "$OUT" "what is left"
kill "$holder"
as_before
# In a namespace of its own, where the mounts of labs beside this one are let go of.
root=$(mount_at root)
in_the_way python3 "$LIB_DIR/inside.py" --bind "$root" "$root" -- sleep 60
refused 5 "${before%% *} is in use by .*sleep \\($holder\\)" 'phases = stop, start' "${back[@]}"
kill "$holder"
as_before

# Cancelled while services are stopped; and what else is asked for meanwhile.
touch "$LAB/hang-stop"
: >"$LAB/hook.log"
env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "${back[@]:1}" >"$LAB/run/out" 2>&1 &
client=$!
for _ in {1..200}; do
    grep -q '^stop' "$LAB/hook.log" && break
    sleep 0.05
done
refused 4 'a rollback has the node: rb-.*, at step stop' 'status' sp backup --no-image
refused 4 'a rollback has the node' 'status' sp rollback --undo --yes
refused 4 "$set is needed by the rollback rb-.*, which is running" 'stillpoint rollback' sp delete --force "$set"
kill -INT "$client"
wait "$client"
assert_eq 1 $? "exit code of: $(cat "$LAB/run/out")"
assert_match 'cancelled' "$(cat "$LAB/run/out")" "the cause"
rm "$LAB/hang-stop"
ended_as 'taken back' 'cancelled'
as_before

# EC2 refuses in the middle: the old volumes come back.
cloud_fault '{"action": "AttachVolume", "kind": "error", "code": "InvalidParameterValue", "status": 400, "dry_run": false, "skip": 1}'
refused 1 'AttachVolume' 'put right what was refused' "${back[@]}"
assert_match 'now: the volumes are back in their places, the services run again' "$OUT" "what is left"
ended_as 'taken back' 'AttachVolume'
as_before

# A backup holds the node.
cloud_set '{"latency_ms": {"CreateSnapshots": 3000}}'
sp backup --no-image >"$LAB/run/out2" 2>&1 &
client=$!
wait_cut
refused 4 'another backup has the node' 'status' "${back[@]}"
wait "$client"
cloud_set '{"latency_ms": {"CreateSnapshots": 60}}'

# A later version's rollback: nothing is touched, also not by a backup, nor by the next start.
tag_instance '2 rb-20261124T081530Z-k3f9x whatever'
refused 5 'a later version of Stillpoint has begun a rollback' 'install that version' "${back[@]}"
refused 5 'a later version of Stillpoint has begun a rollback' 'install that version' sp rollback --undo --yes
refused 5 'a later version of Stillpoint has begun a rollback' 'install that version' sp backup --no-image
stop_part daemon
start_part daemon
refused 5 'a later version' 'install' sp rollback
tag_instance "1 rb-20261124T081530Z-k3f9x $set data-only swap -"
refused 5 "a rollback to $set is under way, at step swap" 'stillpoint rollback' sp backup --no-image
untag_instance
as_before
disarm_thaw
