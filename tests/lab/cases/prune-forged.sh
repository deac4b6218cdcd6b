#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One trusted machine prunes for all nodes, and one of them forges every tag that there is: no set of
# another node's goes for it, and its own lives can only get longer.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
victim=$(node_get "['instance']")
root=$(volume_of root)
# What the forger can do: make snapshots of its own volumes, and write on those whatever it likes.
forger=$(cloud_post instance '{"volumes": [{"device": "/dev/sda1"}, {"device": "/dev/sdf"}]}')
bad=$(json "d['instance']" <<<"$forger")
mine=$(json "','.join(v['volume'] for v in d['volumes'])" <<<"$forger")
start_pruner '[retention]' 'keep_last = 2' 'keep_daily = 3'

assert_exit 5 far prune
assert_match 'no node .\[aws\] identity = none.' "$OUT" "without identity"
assert_match 'do:  stillpoint prune --all-nodes' "$OUT" "the remedy"

plant aaaaa 3@12:00; good=("$ID")
plant bbbbb 4@12:00; good+=("$ID")
plant ccccc 5@12:00; good+=("$ID")
plant ddddd 6@12:00; surplus=$ID
plant eeeee 200@12:00 instance=i-0aaaaaaaaaaaaaaaa volumes=vol-0aaaaaaaaaaaaaaaa; gone_node=$ID
take_plan far prune -n --all-nodes
assert_eq 'go policy' "$(row "$surplus")" "what goes before any forgery"

# Fresh good sets of the victim's, by the tags alone; the same in the name of a node that is gone.
for i in {1..12}; do
    plant "f00$(printf %02d "$i")" "1@$i:00" instance="$victim" volumes="$mine"
    plant "f11$(printf %02d "$i")" "2@$i:00" instance=i-0aaaaaaaaaaaaaaaa volumes="$mine"
done
# A member more in the victim's sets, as if it had failed, and one of another count.
cloud_post plant "{\"snapshots\": [
  {\"start\": -1, \"volume\": \"${mine%%,*}\", \"tags\": {\"stillpoint:id\": \"${good[0]}\", \"stillpoint:instance\":
   \"$victim\", \"stillpoint:state\": \"failed\", \"stillpoint:members\": \"3\"}},
  {\"start\": -1, \"volume\": \"${mine%%,*}\", \"tags\": {\"stillpoint:id\": \"${good[1]}\", \"stillpoint:instance\":
   \"$victim\", \"stillpoint:state\": \"complete\", \"stillpoint:members\": \"99\", \"stillpoint:expires\":
   \"1999-01-01T00:00:00Z\"}}]}" >/dev/null || fail "plant"
# Its own history: called failed, short, expired, of nobody, and stripped of its ids.
plant k0001 10@12:00 instance="$bad" volumes="$mine" state=failed
plant k0002 11@12:00 instance="$bad" volumes="$mine" members=99 expires=1999-01-01T00:00:00Z
plant k0003 12@12:00 instance= volumes="$mine" consistency=unconfirmed
plant k0004 13@12:00 instance="$bad" volumes="$mine" id= image=no
worthless() { # how many snapshots the forger's own history has, by the volumes and the ids that it began with
    cloud_get snapshots | json "len([s for s in d if s['volume'] in '$mine'
        and s['tags'].get('stillpoint:id', 'k....')[-5] == 'k'])"
}
assert_eq 8 "$(worthless)" "the forger's history"

take_plan far prune -n --all-nodes
for id in "${good[@]}" "$gone_node"; do
    assert_match '^keep ' "$(row "$id")" "the victim's $id"
done
assert_eq 'keep disputed' "$(row "${good[0]}")" "a set with a member that does not belong"
assert_exit 0 far prune --all-nodes
assert_match '2 sets with something that does not belong, never pruned: ' "$OUT" "the warning"
kept=$(cloud_get snapshots | json "sorted({s['tags'].get('stillpoint:id') for s in d if s['volume'] == '$root'})")
for id in "${good[@]}"; do
    assert_match "$id" "$kept" "the victim's sets in EC2"
done
assert_match "$gone_node" "$(cloud_get snapshots)" "the set of the node that is gone"
# Of its own it has two good days: the third slot of keep_daily is still there for a day that has nothing
# better than what it called worthless.
assert_eq 8 "$(worthless)" "what is left of the forger's history"

# What the victim's own new set pushes out goes, forgery or not.
plant zzzzz 1@13:00
take_plan far prune -n --all-nodes
assert_eq 'keep newest' "$(row "$ID")" "the victim's new set"
assert_eq 'keep slot 2 2' "$(row "${good[2]}")" "its oldest, since two are disputed"
assert_eq 'keep slot 3 3' "$(row "$surplus")" "the one before, for the same reason"
plant fffff 3@20:00 instance="$bad" volumes="$mine"
assert_exit 0 far prune --all-nodes
assert_eq 0 "$(worthless)" "the forger's worthless history, once it has three good days"
assert_match "${good[2]}" "$(cloud_get snapshots)" "the victim's sets"
