#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# A node prunes its own sets: each stays or goes for the reason that -n gives, a set goes with its image
# and all its snapshots, and nothing of another node's is touched.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql --conf '[retention]' --conf 'keep_daily = 2'
cloud_set '{"page_size": 7}'

plant aaaaa 1@12:00; newest=$ID
plant bbbbb 2@12:00; yesterday=$ID
plant ccccc 2@11:00; same_day=$ID
plant ddddd 5@12:00; old=$ID
plant eeeee 6@12:00 pinned=yes; pinned=$ID
plant fffff 7@12:00 expires=2999-12-31T00:00:00Z; far=$ID
plant ggggg 8@12:00 expires=2020-01-01T00:00:00Z; expired=$ID
plant jjjjj 2@10:00 there=1 image=no; broken=$ID
plant kkkkk 3 there=1 image=no; young=$ID
plant mmmmm 2@09:00 ec2=error image=no; failed=$ID
plant nnnnn 1 ec2=pending state=cut consistency=unconfirmed image=no; pending=$ID
plant ppppp 30@12:00 instance=i-0fedcba9876543210 volumes=vol-0fedcba9876543210; other=$ID

# An operator's own, which took over the tags of a volume that was restored; and one that lost its id.
cloud_post plant "{\"snapshots\": [{\"start\": -999999, \"volume\": \"vol-0123456789abcdef0\", \"tags\":
  {\"stillpoint:restored-from\": \"$old\", \"stillpoint:instance\": \"$(node_get "['instance']")\"}}]}" >/dev/null
plant qqqqq 5@13:00 id= image=no volumes="$(volume_of root)"

before=$(in_ec2)
assert_exit 0 sp prune -n
assert_match "$failed .* broken .*goes: broken and older" "$OUT" "a broken set"
assert_match "$old .*goes: in no slot of the policy" "$OUT" "the table"
assert_match "$yesterday .*kept: daily 2 of 2" "$OUT" "the table"
assert_match 'sets? to be kept for longer than --keep can say: '"$far" "$OUT" "the warning"
assert_match '5 sets and 1 orphan would go \(14 snapshots, 3 images\), 6 stay' "$OUT" "the sums"
[[ $OUT != *$other* ]] || fail "another node's set is in the table: $OUT"
take_plan sp prune -n
assert_eq 'keep newest' "$(row "$newest")" newest
assert_eq 'go policy' "$(row "$same_day")" "one of the same day"
assert_eq 'keep pinned' "$(row "$pinned")" pinned
assert_eq 'keep expires' "$(row "$far")" "one that expires late"
assert_eq 'go policy' "$(row "$expired")" "one that has expired"
assert_eq 'keep slot 2 2' "$(row "$yesterday")" "the newest of the day before"
assert_eq 'go broken' "$(row "$broken")" "a broken one"
assert_eq 'keep young' "$(row "$young")" "a broken one of today"
assert_eq 'go broken' "$(row "$failed")" "one that EC2 failed"
assert_eq 'keep unfinished' "$(row "$pending")" "one that EC2 works on"
assert_eq "$before" "$(in_ec2)" "EC2 after a dry run"
assert_eq '[]' "$(cloud_calls who=role | json "sorted({c['action'] for c in d if c['action'] in
    ('CreateTags', 'DeleteSnapshot', 'DeregisterImage')})")" "the calls of a dry run"

assert_exit 0 sp prune
assert_match "$old .*gone: in no slot of the policy" "$OUT" "the table"
assert_match '5 sets and 1 orphan removed \(14 snapshots, 3 images\), 6 stay' "$OUT" "the sums"
are_left "$newest" "$yesterday" "$pinned" "$far" "$young" "$pending" "$other"
assert_eq 5 "$(cloud_get images | json 'len(d)')" "images"
assert_eq '[]' "$(cloud_calls who=role | json "[c['code'] for c in d if c['code'] == 'InvalidSnapshot.InUse']")" \
    "snapshots whose image was still there"
assert_eq '' "$(ls "$LAB/state/removing")" "records of what was begun"

assert_match restored-from "$(cloud_get snapshots)" "somebody else's snapshot"

# What verify failed has the slot that it would have had and takes none; what it found good stays.
plant rrrrr 4@12:00 verified='ok 2026-11-01T00:00:00Z'; proved=$ID
plant sssss 2@13:00 verified='failed 2026-11-02T00:00:00Z: x'; bad=$ID
assert_exit 0 sp prune -n
assert_match "$bad .*kept: daily 2 of 2 .its verify failed: it takes no one's place." "$OUT" "the failed one"
assert_match "$proved .*kept: newest that verify found good" "$OUT" "the one that verify found good"
take_plan sp prune -n
assert_eq 'keep slot 2 2' "$(row "$yesterday")" "the good one of its day"
assert_eq 'keep verified' "$(row "$proved")" "why, for programs"
assert_exit 5 sp delete "$proved"
assert_match 'is the newest backup that verify found good' "$OUT" "why it is not deleted"
assert_exit 0 sp delete --force "$proved" "$bad"

# Again: there is nothing more to do.
left=$(in_ec2)
assert_exit 0 sp prune
assert_match '0 sets removed \(0 snapshots, 0 images\), 6 stay' "$OUT" "the second time"
assert_eq "$left" "$(in_ec2)" "EC2 after the second time"
