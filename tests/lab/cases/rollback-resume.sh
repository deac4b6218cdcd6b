#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 1800
# A daemon that is killed in the middle of a rollback, an undo or a commit goes on at its next start:
# back where nothing was exchanged yet, else to the end. No volume is lost or left over.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node
arm_thaw 1200 --late "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
node_sql 'CREATE TABLE lab.marks (n INT); INSERT INTO lab.marks VALUES (1)'
assert_exit 0 sp backup --no-image
set=$(sp show latest --json | json "d['id']")
node_sql 'INSERT INTO lab.marks VALUES (2)'
cells=0
before=$(data_volumes) count=$(volumes_of_lab)

marks() { node_sql 'SELECT COUNT(*) FROM lab.marks' 2>&1; }
used() { [ "$(cloud_get faults | json "sum(f['used'] for f in d)")" -gt 0 ]; }
hung() { tail -n 1 "$LAB/hook.log" | grep -q "^$1 "; }

# What is killed is a command that stops at TRIGGER: a fault's JSON, or stop and start for the hook's.
kill_at() { # TRIGGER COMMAND...
    local trigger=$1 reached
    shift
    cells=$((cells + 1))
    : >"$LAB/hook.log"
    case $trigger in
    stop | start) touch "$LAB/hang-$trigger" && reached="hung $trigger" ;;
    *) cloud_fault "$trigger" && reached=used ;;
    esac
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "$@" --yes >"$LAB/run/out" 2>&1 &
    client=$!
    for _ in {1..400}; do
        $reached && break
        kill -0 "$client" 2>/dev/null || fail "$cell: it ended: $(cat "$LAB/run/out")"
        sleep 0.05
    done
    $reached || fail "$cell: never reached: $(cat "$LAB/run/out")"
    case $cell in
    *-volume-made | stopping)
        assert_eq 2 "$(sp status --json | json "len(d['rollback']['kept'])")" "$cell: what status says is kept" ;;
    esac
    kill -KILL "$(part_pid daemon)"
    wait "$client"
    assert_eq 6 $? "$cell: exit code of: $(cat "$LAB/run/out")"
    rm -f "$LAB/hang-stop" "$LAB/hang-start"
    cloud_faults_off
    start_part daemon
}

is_before() {
    assert_eq "$before/$count" "$(data_volumes)/$(volumes_of_lab)" "$cell: volumes"
    assert_eq 2 "$(marks)" "$cell: rows"
    mounted_is "${before%% *}" data
    mounted_is "${before##* }" binlog
    no_tags_left
}
is_done() {
    local now
    now=$(data_volumes)
    assert_eq "$((count + 2))" "$(volumes_of_lab)" "$cell: volumes"
    assert_eq 1 "$(marks)" "$cell: rows"
    mounted_is "${now%% *}" data
    mounted_is "${now##* }" binlog
}
lost() { echo "{\"action\": \"$1\", \"kind\": \"lost\", \"seconds\": 60, \"dry_run\": false, \"skip\": ${2:-0}}"; }
hang() { echo "{\"action\": \"$1\", \"kind\": \"hang\", \"seconds\": 60, \"dry_run\": false, \"skip\": ${2:-0}}"; }
go() { sp rollback "$set" --data-only --no-backup --yes >"$LAB/run/out" 2>&1 || fail "$cell: $(cat "$LAB/run/out")"; }
undo() { sp rollback --undo --yes >"$LAB/run/out" 2>&1 || fail "$cell: $(cat "$LAB/run/out")"; }

# Before the first volume is detached: back.
while read -r cell trigger; do
    kill_at "$trigger" rollback "$set" --data-only --no-backup
    until_rollback 'r is None'
    is_before
    ended_as 'taken back' 'stillpointd ended .* at step (volumes|stop)'
done <<CELLS
one-volume-made $(lost CreateVolume)
other-volume-made $(lost CreateVolume 1)
stopping stop
CELLS

# From then on: to the end; and back from there by --undo.
while read -r cell trigger; do
    kill_at "$trigger" rollback "$set" --data-only --no-backup
    until_rollback "r and r['step'] == 'done'"
    is_done
    undo
    is_before
    ended_as undone None
done <<CELLS
detached $(lost DetachVolume)
not-detached-the-other $(hang DetachVolume 1)
attached $(lost AttachVolume)
starting start
CELLS

# An undo: before the exchange it stands as it was, else it goes to its end.
cell=undo-stopping
go
kill_at stop rollback --undo
until_rollback "r and r['step'] == 'done'"
is_done
undo
is_before
while read -r cell trigger; do
    go
    kill_at "$trigger" rollback --undo
    until_rollback 'r is None'
    is_before
    ended_as undone None
done <<CELLS
undo-detached $(lost DetachVolume)
undo-not-attached $(hang AttachVolume)
undo-starting start
undo-deleted $(lost DeleteVolume)
CELLS

# A commit goes to its end.
cell=commit-deleted
go
kill_at "$(lost DeleteVolume)" rollback --commit
until_rollback 'r is None'
assert_eq "$count" "$(volumes_of_lab)" "$cell: volumes"
assert_eq 1 "$(marks)" "$cell: rows"
no_tags_left
ended_as committed None
assert_exit 0 sp backup --no-image
assert_eq 13 "$cells" "how many were killed"
disarm_thaw
