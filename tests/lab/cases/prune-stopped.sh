#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# Ctrl-C stops prune between two sets, never within one; and a record of what was begun that came with another
# node's disk is nobody's order.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
start_pruner '[retention]' 'keep_last = 1' '[aws]' 'request_timeout = 2m'

# Told to end, it brings the set at hand to its end, and begins no other.
plant aaaaa 5; plant bbbbb 4; id=$ID; plant zzzzz 2; newest=$ID
cloud_post calls '{}' >/dev/null
cloud_fault '{"action": "DeleteSnapshot", "kind": "held", "dry_run": false}'
"$BUILD/stillpoint" --config "$LAB/pruner/stillpoint.conf" prune --all-nodes >"$LAB/out.txt" 2>&1 &
client=$!
until_called DeleteSnapshot 1
assert_match 'removing +prune, step prune, for ' "$(far status)" "status while it runs"
assert_eq '["prune", "prune"]' "$(far status --json | json "[d['removing'][k] for k in ('cmd', 'step')]")" "as JSON"
assert_exit 4 far delete "$id"
assert_match 'another job removes sets.*stillpoint status' "$(xargs <<<"$OUT")" "another one beside it"
kill -TERM "$client"
until grep -q 'cancelling: what is begun' "$LAB/out.txt"; do
    kill -0 "$client" 2>/dev/null || fail "it ended before its call was answered: $(cat "$LAB/out.txt")"
    sleep 0.05
done
cloud_faults_off
wait "$client"
assert_eq 1 $? "exit code of: $(cat "$LAB/out.txt")"
assert_match 'cancelled.*now: 1 removed whole; the rest is as it was' "$(xargs <"$LAB/out.txt")" "what is said"
assert_eq null "$(far status --json | json "d['removing']")" "what removes after its end"
are_left "$id" "$newest"
assert_exit 0 far delete --force "$id" "$newest"
assert_eq '' "$(in_ec2)" "what is left"

# The snapshot that EC2 made for the image of a billed node goes with the set; one whose set is gone goes alone.
plant aaaaa 3@12:00 image=created
plant bbbbb 1@12:00 image=created; newest=$ID
plant ccccc 3@12:00 image=created there=0
cloud_post plant "{\"snapshots\": [{\"start\": -400000, \"volume\": \"$(volume_of root)\", \"tags\": {
  \"stillpoint:image-of\": \"sp-20200101T000000Z-aaaaa\", \"stillpoint:instance\": \"i-0fedcba9876543210\"}}]}" >/dev/null
assert_exit 0 far prune --all-nodes
assert_eq 4 "$(cloud_get snapshots | json 'len(d)')" "the snapshots that are left"
assert_eq 1 "$(cloud_get images | json 'len(d)')" "the images that are left"
assert_exit 0 far delete --force "$newest"
assert_eq '' "$(in_ec2)" "what is left"

# A record that came with another node's disk is nobody's order.
plant aaaaa 3 state=failed
plant zzzzz 2; newest=$ID
mkdir -p "$LAB/pruner/state/removing"
printf '{"version": 1, "instance": "i-0fedcba9876543210"}\n' >"$LAB/pruner/state/removing/${newest%zzzzz}aaaaa.json"
take_plan far prune -n --all-nodes
assert_match '^keep young' "$(row "$(json "[r['id'] for r in d['rows'] if r['id'].endswith('aaaaa')][0]" <<<"$PLAN")")" \
    "a set that another instance began to remove"
