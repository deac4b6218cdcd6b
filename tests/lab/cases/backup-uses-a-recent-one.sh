#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# backup --max-age: a good backup that is recent enough is used, and nothing is held; one that is too old,
# less consistent, still pending, without an image or being removed is not; where that can't be known, one is made.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
cloud_set '{"snapshot_time_s": 600, "latency_ms": {"CreateSnapshots": 20}}'
arm_thaw 120 "$(mount_at root)"

made() { # OPTION...: "ID reused|new STATE"
    sp backup --quiet --json "$@" >"$LAB/made.json" || fail "backup $*: exit $?"
    json "d['id'] + (' reused ' if d.get('reused') else ' new ') + d['state']" <"$LAB/made.json"
}

# Under way: good enough for who waits for the cut alone.
read -r first what state <<<"$(made --wait cut --max-age 1h)"
assert_eq "new pending" "$what $state" "the first"
assert_eq "$first reused pending" "$(made --wait cut --max-age 1h)" "until the cut"
assert_eq "true false" "$(json "d['age_s'] < 60" <"$LAB/made.json") $(json "d['pinned']" <"$LAB/made.json")" "what is told"
assert_exit 0 sp backup -n --max-age 1h
assert_match 'Volumes that one CreateSnapshots would record' "$OUT" "it is not complete"
cloud_post finish_snapshots '{}' >/dev/null
for _ in $(seq 100); do
    [ "$(sp show "$first" --json | json "d['state']")" != complete ] || break
    sleep 0.1
done

# Complete: for everybody, with the same words as one that was made.
assert_exit 0 sp backup --max-age 1h
assert_match "nothing new was taken: there is a backup as good, [0-9ms ]+ old"$'\n'"backup $first complete: .*image ami-" "$OUT" "used"
assert_exit 0 sp backup -n --max-age 1h
assert_match "nothing new would be taken: .*$first" "$OUT" "dry run"
assert_eq '1 1' "$(count_calls CreateSnapshots) $(count_calls RegisterImage)" "calls"
assert_eq 1 "$(grep -c 'event=cut ' "$LAB/log/daemon.log")" "holds"

# Not what is asked for.
cloud_set '{"snapshot_time_s": 0.1}'
sleep 1
read -r second what state <<<"$(made --max-age 1s --no-image --consistency crash)"
assert_eq "new complete" "$what $state" "too old"
assert_eq "$second reused complete" "$(made --max-age 1h --no-image --consistency crash)" "crash is enough"
assert_eq "$first reused complete" "$(made --max-age 1h --no-image)" "the newer is less consistent"
assert_eq "$first reused complete" "$(made --max-age 1h --consistency crash)" "the newer has no image"
read -r _ what state <<<"$(made --max-age 1h --pin)"
assert_eq "new complete" "$what $state" "none is pinned"

# Being removed, though EC2's lists are not that far.
read -r going what state <<<"$(made --no-image)"
assert_eq "$going reused complete" "$(made --max-age 1h --no-image)" "the newest"
cloud_set '{"tags_visible_after_ms": 60000}'
hold_removals
sp delete --force "$going" >"$LAB/out.txt" 2>&1 &
client=$!
until_called DeleteSnapshot 1 role
read -r _ what state <<<"$(made --max-age 1h --no-image --wait cut)"
assert_eq new "$what" "that one is being removed"
cloud_set '{"tags_visible_after_ms": 0}'
cloud_faults_off
wait "$client" || fail "delete: $(cat "$LAB/out.txt")"

# It can't be known: one too many is better than none.
cloud_set '{"deny": ["DescribeImages"]}'
assert_exit 0 sp backup --max-age 1h --no-image
assert_match 'whether there is a recent backup is not known: .*ec2:DescribeImages' "$OUT" "the warning"
assert_match 'backup sp-[^ ]+ complete' "$OUT" "made all the same"
disarm_thaw

assert_exit 2 sp backup --max-age soon
assert_match "'soon' is not a duration" "$OUT" "bad duration"
