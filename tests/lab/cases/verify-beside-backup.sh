#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Backups beside a verify take the node's volumes and no other, whatever is on loan just then, and are as good
# as without it; and the verify is as good as without them.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2, "visible_after_ms": 0}'
back_up first --no-image
id=$(json "d['id']" <"$LAB/first.json")
arm_thaw 240 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

# Verifies and backups run into each other at all moments.
(for _ in 1 2 3; do sp verify "$id" --again --json || exit; done >"$LAB/verifies") &
verifies=$!
count=0
while kill -0 "$verifies" 2>/dev/null; do
    count=$((count + 1))
    sp backup --json --no-image --wait cut >"$LAB/beside.events" || fail "backup $count ended with $?: $(tail -n 2 "$LAB/beside.events")"
    tail -n 1 "$LAB/beside.events" >"$LAB/beside-$count.json"
    sleep 0.7 # a verify attaches and detaches when no backup has the node
done
wait "$verifies" || fail "a verify beside backups ended with $?: $(tail -n 1 "$LAB/verifies")"
disarm_thaw
[ "$count" -ge 3 ] || fail "only $count backups ran beside three verifies"

for n in $(seq "$count"); do
    assert_eq application "$(json "d['consistency']" <"$LAB/beside-$n.json")" "backup $n"
    assert_eq 3 "$(json "len(d['snapshots'])" <"$LAB/beside-$n.json")" "volumes of backup $n"
    assert_eq '[]' "$(json "d['shortfall']" <"$LAB/beside-$n.json")" "backup $n"
done
# Where their moments never met, this one's do: the volumes are attached, and stillpoint-hook takes its time.
excluded() { cloud_calls action=CreateSnapshots who=role | json "sum('Exclude' in json.dumps(c) for c in d)"; }
before=$(excluded)
arm_thaw 240 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
hook=$(part_pid hook)
looks=$(logged 'job=verify .*step=look')
cloud_set '{"attach_time_s": 3}' # long enough for the signal
verify_until 'job=verify .*step=make'
kill -STOP "$hook"
defer bash -c "kill -CONT $hook 2>/dev/null; true"
until_logged_beyond "$looks" 'job=verify .*step=look'
sp backup --json --no-image --wait cut >"$LAB/met.events" || fail "backup beside a verify ended with $?: $(tail -n 2 "$LAB/met.events")"
kill -CONT "$hook"
disarm_thaw
[ "$(excluded)" -gt "$before" ] || fail "the backup did not leave out what was on loan: $(tail -n 1 "$LAB/met.events")"
assert_eq 3 "$(tail -n 1 "$LAB/met.events" | json "len(d['snapshots'])")" "volumes of the backup that met a loan"
wait "$client" || fail "a verify that met a backup ended with $?: $(tail -n 1 "$LAB/verify.events")"
assert_no_loans
