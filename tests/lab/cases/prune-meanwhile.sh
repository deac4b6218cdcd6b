#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What begins to protect a set while prune runs, protects it: a pin, a rollback, an expiry, a lock. A pin is not
# told as done where the removal has begun.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql --conf '[aws]' --conf 'request_timeout = 2m'
start_pruner '[retention]' 'keep_last = 1'
begin() { # ACTION COMMAND...: it runs, and its first call of ACTION is held
    local action=$1
    shift
    cloud_post calls '{}' >/dev/null
    "$@" >"$LAB/out.txt" 2>&1 &
    client=$!
    until_called "$action" 1
}
go_on() { # EXIT
    cloud_faults_off
    wait "$client"
    assert_eq "$1" "$?" "exit of: $(cat "$LAB/out.txt")"
}
told() { assert_match "$1" "$(xargs <"$LAB/out.txt")" "what is told"; }
states() {
    cloud_get snapshots | json "' '.join(sorted({s['tags']['stillpoint:state'] for s in d
        if s['tags']['stillpoint:id'] == '$1'}))"
}
lock() { # ID
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PY' || fail "lock $1"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab = Lab(sys.argv[2])
one = [s["id"] for s in lab.get("snapshots") if s["tags"].get("stillpoint:id") == sys.argv[3]][-1]
lab.ec2().lock_snapshot(SnapshotId=one, LockMode="governance", LockDuration=1)
PY
}

# While the oldest is on its way, the others get what protects them.
plant aaaaa 9; going=$ID
plant bbbbb 8; pinned=$ID
plant ccccc 7; rollback=$ID
plant ddddd 6; expires=$ID
plant eeeee 5; locked=$ID
plant fffff 4; plain=$ID
plant zzzzz 2; newest=$ID
hold_removals
begin DeleteSnapshot far prune --all-nodes
for verb in pin unpin; do
    refused 4 "$going is being removed" 'take another' far "$verb" "$going"
    assert_match 'now: nothing was changed' "$OUT" "the state after $verb"
done
assert_exit 0 far pin "$pinned"
assert_match "$pinned is pinned" "$OUT" "a pin of one whose turn comes"
tag_set "$rollback" rollback rb-20261124T081530Z-k3f9x
tag_set "$expires" expires "$(date -u -d '+10 days' +%Y-%m-%dT%H:%M:%SZ)"
lock "$locked"
go_on 0
are_left "$pinned" "$rollback" "$expires" "$locked" "$newest"
told "$going .*gone: in no slot"
told "$pinned .*kept: pinned meanwhile"
told "$rollback .*kept: a rollback of its node needs it"
told "$expires .*kept: expires"
told "$locked .*kept: EC2 has it locked"
told "$plain .*gone: in no slot"
assert_eq complete "$(states "$pinned")" "the state of what stays"

# delete leaves out what was pinned meanwhile, and says so; with --force it does not ask for pins.
plant ggggg 3.4; first=$ID
plant hhhhh 3.3; second=$ID
hold_removals
begin DeleteSnapshot far delete "$second" "$first"
assert_exit 0 far pin "$second"
go_on 3
told "$second was not removed: kept: pinned meanwhile.*do: "
are_left "$pinned" "$rollback" "$expires" "$locked" "$second" "$newest"
assert_exit 0 far delete --force "$second" "$pinned" "$expires"
are_left "$rollback" "$locked" "$newest"

# Another machine's pin that comes between the last look and the mark: the mark goes again.
plant kkkkk 3.5; id=$ID
cloud_fault '{"action": "CreateTags", "kind": "hang", "count": -1, "dry_run": false}'
begin CreateTags far prune --all-nodes
tag_set "$id" pinned yes
go_on 0
told "$id .*kept: pinned meanwhile"
are_left "$rollback" "$locked" "$id" "$newest"
assert_eq complete "$(states "$id")" "the state of what stays"
assert_eq '' "$(ls "$LAB/pruner/state/removing")" "the records"
assert_exit 0 far delete --force "$id"

# A pin that comes too late for another machine's removal is not told as done.
plant mmmmm 3.5; id=$ID
cloud_fault '{"action": "CreateTags", "kind": "hang", "dry_run": false}'
cloud_post calls '{}' >/dev/null
sp pin "$id" >"$LAB/pin.txt" 2>&1 &
pin=$!
until_called CreateTags 1 role
hold_removals
begin DeleteSnapshot far prune --all-nodes
kill -KILL "$pruner"
wait "$client" "$pruner" 2>/dev/null
cloud_faults_off
wait "$pin"
assert_eq 4 "$?" "exit of: $(cat "$LAB/pin.txt")"
assert_match "the removal of $id was begun on another machine.*do: see whether it is there" \
    "$(xargs <"$LAB/pin.txt")" "what pin says"
tag_set "$id" pinned no
run_pruner

# Half removed by a daemon that was killed: by its own record it is no backup any more.
for verb in pin unpin; do
    refused 4 "the removal of $id was begun: it is no backup any more" 'take another' far "$verb" "$id"
done
assert_exit 0 far prune --all-nodes
are_left "$rollback" "$locked" "$newest"
