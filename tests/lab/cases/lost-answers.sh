#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# EC2's answer to the one call is lost, late or a refusal, or the operator presses Ctrl-C around it: the
# node is free at once, and what was made is found by its tag and adopted or deleted, never forgotten.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --conf '[aws]' --conf 'request_timeout = 5s'
begin_refusals
cut_fault() { cloud_fault "{\"action\": \"CreateSnapshots\", \"dry_run\": false, $1}"; }
adopted() {
    assert_exit 3 sp backup --no-image
    assert_match "warning: EC2's answer was lost: cut: CreateSnapshots: .*($1)" "$OUT" "the warning"
    assert_match 'every snapshot was found by its tag and is kept' "$OUT" "what became of it"
    assert_match 'crash consistent, application was asked for' "$OUT" "the label"
    assert_match "why: EC2's answer was lost: the instant can't be placed inside the hold" "$OUT" "the reason"
    assert_eq '["complete", "crash"]' "$(sp show latest --json | json "[d['state'], d['consistency']]")" "the tags"
    node_is_free
    made
}
in_background() { # Ctrl-C reaches what a shell started in the background only if it is let through
    env --default-signal=INT "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" backup "$@" >"$LAB/run/out" 2>&1 &
    client=$!
}
ends_with() {
    wait "$client"
    assert_eq "$1" $? "exit code of: $(cat "$LAB/run/out")"
    OUT=$(cat "$LAB/run/out")
}

cut_fault '"kind": "reset_after"'
adopted 'connection broke after the request was sent'
cut_fault '"kind": "lost", "seconds": 30'
adopted 'deadline'
cloud_faults_off

# Wanted whole or not at all.
cut_fault '"kind": "reset_after"'
sed -i 's/^\[devices\]$/[backup]\non_shortfall = discard\n[devices]/' "$LAB/stillpoint.conf"
stop_part daemon && start_part daemon
assert_exit 1 sp backup --no-image
assert_match 'now: nothing is held by Stillpoint, the 3 snapshots were deleted' "$OUT" "what is said to be"
node_is_free
made_nothing

# A clear no: nothing was made, nothing is looked for.
cut_fault '"kind": "error", "code": "SnapshotLimitExceeded"'
refused 1 'cut: CreateSnapshots: SnapshotLimitExceeded' 'delete snapshots, or have' sp backup
assert_match 'now: nothing is held by Stillpoint, no snapshot was made' "$OUT" "what is said to be"
node_is_free
made_nothing

# Throttled: let go of, and held again after the time that EC2 wants between snapshots of a volume.
cut_fault '"kind": "error", "code": "RequestLimitExceeded"'
since=$(cloud_calls | json "max(c['number'] for c in d)")
in_background --no-image
until_status "d['job'] is not None and d['job']['step'] == 'hold'"
for _ in {1..100}; do
    grep -q 'next try in' "$LAB/run/out" && break
    sleep 0.05
done
node_is_free # in between
ends_with 0
assert_match 'warning: cut: .*RequestLimitExceeded.*; everything is let go, next try in (1[5-9]|2[01]) s' "$OUT" "the warning"
assert_match 'do:  .*try later' "$OUT" "its remedy"
gap=$(cloud_calls action=CreateSnapshots since="$since" | json "(lambda t: round(t[1] - t[0]))(
    [c['received_mono'] for c in d if not c['dry_run']])")
[ "$gap" -ge 15 ] || fail "held again after $gap s"
assert_match 'complete: application consistent' "$OUT" "the second hold"
made

# Ctrl-C in the midst of the exchange: undone. After it: too late, and said so.
cloud_set '{"latency_ms": {"CreateSnapshots": 3000}}'
in_background --no-image
wait_cut
kill -INT "$client"
ends_with 1
assert_match 'cancelling: letting go of whatever is held' "$OUT" "the answer"
assert_match 'now: nothing is held by Stillpoint, (the 3 snapshots were deleted|no snapshot was made)' "$OUT" "what is said to be"
node_is_free
made_nothing
cloud_set '{"latency_ms": {"CreateSnapshots": 60}, "snapshot_time_s": 600}'
in_background --no-image
until_status "d['job'] is None and [f['step'] for f in d['finishing']] == ['finish']"
assert_match 'finishing +sp-[^ ]+, step finish' "$(sp status)" "status"
kill -INT "$client"
ends_with 6
assert_match 'the cut was made before the cancel: backup (sp-[0-9A-Za-z-]+) goes on' "$OUT" "the answer"
id=${BASH_REMATCH[1]}
assert_match "do:  see what becomes of it: stillpoint show $id" "$OUT" "the remedy"
assert_match 'now: the node is free, and the backup goes on in stillpointd' "$OUT" "what is said to be"
node_is_free
cloud_post finish_snapshots '{}' >/dev/null
until_status "(d['last'] or {}).get('id') == '$id' and d['last']['state'] == 'complete'"
assert_eq complete "$(sp show "$id" --json | json "d['state']")" "its end"
made

assert_eq '' "$(sp show "$id" 2>&1 >/dev/null)" "what is said of a set that is complete"

# The daemon ends while EC2 copies: the set stands, and whoever waits is told how to look at it.
cloud_set '{"snapshot_time_s": 600}'
in_background
until_status "d['job'] is None and (d['last'] or {}).get('state') == 'pending' and d['last']['id'] != '$id'"
stop_part daemon
ends_with 6
assert_match 'stillpoint: stillpointd was told to end: EC2 still copies the set' "$OUT" "the answer"
assert_match 'do:  nothing: EC2 goes on by itself, and stillpointd, once it runs again, with the rest' "$OUT" "the remedy"
assert_match 'now: nothing is held by Stillpoint; the set is in EC2: .stillpoint show (sp-[0-9A-Za-z-]+).' "$OUT" "what is said to be"
id=${BASH_REMATCH[1]}
start_part daemon
assert_match 'warning: it is being settled: see .unsettled. in .stillpoint status.' \
    "$(sp show "$id" 2>&1 >"$LAB/shown.txt")" "what show says of it"
assert_match "$id" "$(cat "$LAB/shown.txt")" "what it shows"
until_says "unsettled +$id, for [^:]+: [012] of 3 snapshots completed" sp status # once it has looked
cloud_post finish_snapshots '{}' >/dev/null
until_status "d['unsettled'] == []"
until_says "settled +$id, finished: complete, application consistent, with image ami-" sp status # noted a moment later
assert_eq '["complete", "application", "available"]' \
    "$(sp show "$id" --json | json "[d['state'], d['consistency'], d['image']['state']]")" "the tags"
cloud_set '{"snapshot_time_s": 0.1}'
made

# Nothing was made, and nobody can know: Ctrl-C ends the looking, and the code says unknown.
cut_fault '"kind": "reset_before"'
in_background --no-image
until_says 'warning: .*everything is let go, looking in EC2 for what it made' cat "$LAB/run/out"
node_is_free
until_says 'step release' sp status
kill -INT "$client"
ends_with 6
assert_match 'now: nothing is held by Stillpoint; whether EC2 made snapshots is not known: .*stillpoint:id=sp-' "$OUT" \
    "what is said to be"
assert_match 'do:  nothing: stillpointd looks on' "$OUT" "the remedy"
until_says 'unsettled +sp-.*: no snapshot of it shows in EC2 so far' sp status
made_nothing
backs_up --no-image
end_refusals
