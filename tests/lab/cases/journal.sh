#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# A daemon that dies leaves a journal: its next start, or the next backup, brings what it left to an
# end, with no better label than was proved, and lets go of what hooks hold.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
cat >"$LAB/queue-hook" <<EOF
#!/bin/sh
echo "\$1 \${STILLPOINT_OUTCOME:-}" >>"$LAB/hook.txt"
case \$1 in
prepare) : >"$LAB/queue-prepared" ;;
hold) : >"$LAB/queue-held" ;;
release) rm -f "$LAB/queue-held" ;;
finish) rm -f "$LAB/queue-prepared" ;;
esac
EOF
chmod 755 "$LAB/queue-hook"
start_node --conf '[hook queue]' --conf "exec = $LAB/queue-hook"
begin_refusals

in_background() {
    daemon=$(part_pid daemon) # later there may be no time
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" backup "$@" >"$LAB/run/out" 2>&1 &
    client=$!
}
kill_daemon() {
    kill -KILL "$daemon"
    wait "$client"
    assert_eq 6 $? "exit code of: $(cat "$LAB/run/out")"
    OUT=$(cat "$LAB/run/out")
    assert_match 'stillpointd closed the connection' "$OUT" "the cause"
    assert_match 'do:  see what becomes of it: stillpoint status' "$OUT" "the remedy"
    assert_match 'else settles it at its next start' "$OUT" "what is said to be"
    id=$(sed -nE 's/^backup (sp-[^ ]+) started$/\1/p' "$LAB/run/out")
}
until_settled() { until_status "d['unsettled'] == [] and d['job'] is None and d['finishing'] == []"; }
in_log() { until_says "$1" cat "$LAB/log/daemon.log"; } # what status tells is logged a moment later
settled_as() { # OUTCOME TEXT
    until_says "settled +$id, $1: $2" sp status
    in_log "event=settled id=$id outcome=$1"
    assert_eq '' "$(ls "$LAB/state/journal")" "the journal"
}
hook_is_free() {
    if [ -e "$LAB/queue-held" ] || [ -e "$LAB/queue-prepared" ]; then
        fail "the hook still holds: $(cat "$LAB/hook.txt")"
    fi
}

backs_up
assert_eq '' "$(ls "$LAB/state/journal")" "the journal of a backup that is over"
hook_is_free

# In the exchange: nobody knows whether the cut came within the hold.
cloud_set '{"latency_ms": {"CreateSnapshots": 2500}}'
in_background --no-image
wait_cut
kill_daemon
[ -e "$LAB/queue-held" ] || fail "the hook held nothing: the test would prove nothing"
start_part daemon
until_settled
settled_as adopted 'complete, crash consistent'
hook_is_free
assert_eq 'release failed finish failed' "$(tail -n 2 "$LAB/hook.txt" | xargs)" "what the hook was told"
assert_eq '["complete", "crash"]' "$(sp show "$id" --json | json "[d['state'], d['consistency']]")" "the tags"
assert_match 'stillpointd ended before it could prove what it held' "$(sp show "$id")" "the reason"
node_is_free
made

# While EC2 copies: the label stands, the image is made.
cloud_set '{"latency_ms": {"CreateSnapshots": 60}, "snapshot_time_s": 600}'
in_background
until_status "len(d['finishing']) == 1"
kill_daemon
assert_match 'now: nothing is held; stillpointd goes on with it' "$OUT" "what is said to be"
start_part daemon
cloud_post finish_snapshots '{}' >/dev/null
until_settled
settled_as finished 'complete, application consistent, with image ami-'
assert_eq '["complete", "application", "available"]' \
    "$(sp show "$id" --json | json "[d['state'], d['consistency'], d['image']['state']]")" "the tags"
made

# A part of a set (here: somebody deleted one) is looked at for five minutes, then removed.
cloud_set '{"latency_ms": {"CreateSnapshots": 2500}, "snapshot_time_s": 0.1}'
in_background --no-image
wait_cut
kill_daemon
wait_answered CreateSnapshots # its sender is gone
python3 - "$LIB_DIR" "$LAB" "$id" <<'PYTHON' || fail "no snapshot to delete"
import sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
ec2 = Lab(sys.argv[2]).ec2()
made = ec2.describe_snapshots(Filters=[{"Name": "tag:stillpoint:id", "Values": [sys.argv[3]]}])
ec2.delete_snapshot(SnapshotId=made["Snapshots"][0]["SnapshotId"])
PYTHON
start_part daemon
until_status "[u['why'] for u in d['unsettled']] == ['2 of its 3 snapshots show in EC2 so far']"
assert_match 'it is being settled' "$(sp show "$id" 2>&1 >/dev/null)" "show"
python3 - "$LAB/state/journal/$id.json" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8") as stream:
    entry = json.load(stream)
entry["written_boot_ms"] -= 300000
with open(sys.argv[1], "w", encoding="utf-8") as stream:
    json.dump(entry, stream)
PYTHON
sp backup --no-image >/dev/null || fail "the next backup"
until_settled
settled_as removed 'only a part of it was made: 2 snapshots deleted'
refused 5 'no backup' 'list' sp show "$id"
made

# The node has become another (an image was launched): what the disk says is somebody else's.
in_background --no-image
wait_cut
kill_daemon
wait_answered CreateSnapshots # its sender is gone
made
sed -i "s/$(node_get "['instance']")/i-0123456789abcdef0/" "$LAB/state/journal/$id.json"
: >"$LAB/hook.txt"
start_part daemon
until_settled
settled_as void 'it is of instance i-0123456789abcdef0, this is i-'
assert_eq '' "$(cat "$LAB/hook.txt")" "hooks of another node's backup"
made_nothing
rm -f "$LAB/queue-held" "$LAB/queue-prepared"

# An entry that can't be read (a disk that lost its end): said, and the set stays for a person to see.
in_background --no-image
wait_cut
kill_daemon
truncate -s 100 "$LAB/state/journal/$id.json"
start_part daemon
until_status "[(u['id'], u['step']) for u in d['unsettled']] == [('$id', None)]"
assert_match "unsettled +$id: .*$id.json: not JSON.*stillpoint show $id. says" "$(sp status)" "status"
in_log "event=unsettled id=$id why=.*not JSON"
assert_exit 5 sp doctor
assert_match "failed +earlier backup +$id is not settled: .*not JSON" "$OUT" "doctor"
made
backs_up --no-image
rm "$LAB/state/journal/$id.json"
until_settled
assert_exit 0 sp doctor
assert_match "warning +earlier backup +[0-9]+ of this node's sets .* the newest: $id" "$OUT" "doctor"
rm -f "$LAB/queue-held" "$LAB/queue-prepared"

# A hook that can't be let go of is said, and tried again.
in_background --no-image
wait_cut
kill_daemon
mv "$LAB/run/hook.sock" "$LAB/run/hook.away"
start_part daemon
until_status "['hook' in (u['why'] or '') for u in d['unsettled']] == [True]"
in_log "event=unsettled id=$id why=.*hook"
assert_exit 5 sp doctor
assert_match "failed +stillpoint-hook .*hook.sock: No such file" "$OUT" "doctor"
mv "$LAB/run/hook.away" "$LAB/run/hook.sock"
until_settled
settled_as adopted 'complete, crash consistent'
hook_is_free
made

# No room for the journal: nothing is held. The daemon still tells what there is.
cloud_set '{"latency_ms": {"CreateSnapshots": 60}}'
chmod 000 "$LAB/state/journal"
assert_match "unsettled +-: .*journal: Permission denied" "$(sp status)" "status of a journal that can't be read"
assert_exit 5 sp doctor
assert_match "failed +earlier backup .*journal: Permission denied" "$OUT" "doctor"
chmod 500 "$LAB/state/journal"
refused 5 'the journal: .*Permission denied' "must be able to write in $LAB/state" sp backup
assert_match 'nothing was held or frozen, no snapshot was made' "$OUT" "what is said to be"
made_nothing
hook_is_free
chmod 700 "$LAB/state/journal"
rmdir "$LAB/state/journal" # somebody was tidy: it is made again
backs_up --no-image
cloud_set '{"imds": {"spot_action": {"action": "terminate", "time": "2030-01-01T00:00:00Z"}}}'
refused 5 'about to terminate this instance .spot notice for 2030-01-01' 'last complete one' sp backup
assert_exit 5 sp doctor
assert_match "failed +instance +EC2 is about to terminate" "$OUT" "doctor"
end_refusals
