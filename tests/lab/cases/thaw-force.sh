#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# thaw: -n says what is held and touches nothing; --force lets go in the middle of a hold, and the
# backup that it breaks doesn't claim more than it is; without a guard its record is enough.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --conf '[backup]' --conf 'hold_deadline = 20s' --conf '[aws]' --conf 'request_timeout = 20s'
arm_thaw 250 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
data=$(mount_at data)

hold_the_node() {
    sp backup --no-image >"$LAB/out.txt" 2>&1 &
    client=$!
    wait_cut
}

# Both processes at once, and nothing starts it again.
kill_the_guard() {
    local keeper freezer
    stop_both_guards
    kill -KILL "$keeper" "$freezer"
    is_frozen "$data" || fail "not frozen without its guard: nothing to test"
}

assert_exit 0 sp thaw --force
assert_match 'nothing is held' "$OUT" "thaw of nothing"

cloud_set '{"latency_ms": {"CreateSnapshots": 9000}, "cut_at": 0.9}'
hold_the_node
assert_exit 0 sp thaw -n
assert_match "$data +frozen" "$OUT" "what is held"
is_frozen "$data" || fail "a dry run thawed"
assert_exit 0 sp thaw --force
assert_match "$data +thawed" "$OUT" "what was let go"
assert_nothing_frozen
wait "$client"
status=$?
case $status in
3) # the cut came after the thaw: no more than a crash leaves
    sp show latest --json >"$LAB/shown.json" || fail show
    label=$(json "d['consistency']" <"$LAB/shown.json")
    [ "$label" = crash ] || fail "labelled $label though it was let go before the cut"
    ;;
1) ;; # given up and cleaned up
*) fail "the backup that was broken ended with $status: $(cat "$LAB/out.txt")" ;;
esac

# The guard is killed, both processes at once, and doesn't come back: only its record is there.
sleep 16 # the next hold keeps its distance to a request that was sent
hold_the_node
kill_the_guard
assert_exit 0 sp thaw --force
assert_match "no guard" "$OUT" "that there is none"
assert_match "$data +thawed" "$OUT" "what was let go by the record"
[[ ! $OUT =~ event= ]] || fail "a line of the guard's log among the words for people: $OUT"
assert_nothing_frozen
wait "$client"
status=$?
[ "$status" = 1 ] || [ "$status" = 3 ] || fail "the backup without guard ended with $status: $(cat "$LAB/out.txt")"

# The same, and EC2 says no: the backup that failed doesn't say that the node is free.
start_part guard
sleep 16
cloud_fault '{"action": "CreateSnapshots", "kind": "error", "code": "SnapshotLimitExceeded", "dry_run": false}'
hold_the_node
kill_the_guard
wait "$client"
assert_eq 1 $? "exit of the backup without guard that EC2 refused"
assert_match 'now: what is still held, .stillpoint thaw -n. shows' "$(cat "$LAB/out.txt")" "what is said to be"
is_frozen "$data" || fail "somebody thawed: nothing was tested"
# Whatever is wrong with the configuration; but never another node's, for a wrong word.
chmod 664 "$LAB/stillpoint.conf"
assert_exit 2 "$BUILD/stillpoint" --config "$LAB/stillpoint.con" thaw --force
is_frozen "$data" || fail "a configuration that is not there was thawed by"
assert_exit 0 sp thaw --force
assert_match "others than its owner can write it" "$OUT" "what is wrong with it"
assert_match "going on with $LAB/run" "$OUT" "where it goes on"
chmod 644 "$LAB/stillpoint.conf"
assert_nothing_frozen
: >"$LAB/run/guard.lease"
assert_exit 1 sp thaw -n
assert_match "guard.lease is no whole record: what a guard may have left frozen is not known" "$OUT" "a damaged record"
disarm_thaw
