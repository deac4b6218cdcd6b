#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A rollback of the data volumes under write load: the data is exactly that of the set, in place and
# running; --undo brings back, to the byte, what was newer; --commit removes the volumes of before.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_rollback.sh
. "$(dirname "$0")/lib_rollback.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_rollback_node
arm_thaw 280 --late "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
last_row() { node_sql 'SELECT COUNT(*) FROM lab.ledger'; }

load_on --seconds 60
sleep 1
sp backup --no-image --json >"$LAB/set.json" || fail "no backup"
set=$(json "d['data']['id'] if 'data' in d else d['id']" < <(tail -n 1 "$LAB/set.json"))
tail -n 1 "$LAB/set.json" | json "d.get('data', d)" >"$LAB/set.doc"
sums_of_set "$LAB/set.doc"
sleep 1
before=$(data_volumes) count=$(volumes_of_lab) ends=$(terminations)

# The preview says it all and does nothing.
assert_exit 0 sp rollback "$set" --data-only -n
assert_match "back to +$set" "$OUT" "the preview"
assert_match 'transactions since' "$OUT" "what is lost"
assert_match 'make new volumes in .* for /dev/sdf' "$OUT" "the steps"
assert_match "unmount .*$(mount_at data)" "$OUT" "the steps"
assert_match 'stop services by their hooks: services' "$OUT" "the steps"
assert_eq "$before/$count" "$(data_volumes)/$(volumes_of_lab)" "volumes after a dry run"
assert_eq '' "$(state_tag)$(cat "$LAB/hook.log")" "what a dry run left"

# Nobody is at a terminal.
assert_exit 2 sp rollback "$set" --data-only
assert_match 'do: +look at it with -n first, then give --yes' "$OUT" "the remedy"

assert_exit 0 sp rollback "$set" --data-only --yes
load_is_off
assert_match 'backup sp-[^ ]+ started' "$OUT" "the backup before it"
cmp "$LAB/sums.set" "$LAB/sums.start" || fail "the data is not the set's: $(diff "$LAB/sums.set" "$LAB/sums.start" | head)"
cmp -s "$LAB/sums.set" "$LAB/sums.stop" && fail "nothing was written after the set: the test would prove nothing"
cp "$LAB/sums.stop" "$LAB/sums.newer"
assert_eq 'stop - start complete' "$(xargs <"$LAB/hook.log")" "the hook's phases"
after=$(data_volumes)
[ "$after" != "$before" ] || fail "the volumes are the same: $after"
assert_eq "$ends" "$(terminations)" "delete-on-termination"
mounted_is "${after%% *}" data
mounted_is "${after##* }" binlog
assert_match '^1 rb-[^ ]+ '"$set"' data-only done sp-' "$(state_tag)" "the state"
assert_match 'step +done' "$(sp rollback)" "rollback without an id"
assert_match "kept +${before%% *} +/dev/sdf" "$(sp rollback)" "rollback without an id"
assert_match "rollback +rb-[^ ]+ to $set, step done, 2 volumes kept" "$(sp status)" "status"
node_sql 'CHECK TABLE lab.ledger' | grep -q 'OK$' || fail "the ledger is damaged"
row=$(last_row)

# What became of the backup before it is one thing, wherever status says it.
fresh=$(state_tag | grep -o 'sp-[^ ]*$')
for _ in $(seq 300); do
    sp status --json | json "[i['outcome'] for i in d['settled'] if i['id'] == '$fresh']" >"$LAB/settled"
    grep -q finished "$LAB/settled" && break
    sleep 0.1
done
assert_eq '["finished"]' "$(cat "$LAB/settled")" "the end of the backup before it"
assert_match "last backup +$fresh, complete, " "$(sp status)" "the last backup"

# It runs: a backup of it is as good as any. Another rollback has to wait.
assert_exit 0 sp backup --no-image
assert_exit 5 sp rollback "$set" --data-only --yes
assert_match 'is not over: it is at step done' "$OUT" "the cause"

# The newer state comes back, to the byte.
: >"$LAB/hook.log"
assert_match 'detach them and attach the volumes of before' "$(sp rollback --undo -n)" "the preview"
assert_exit 0 sp rollback --undo --yes
cmp "$LAB/sums.newer" "$LAB/sums.start" || fail "the newer state is not back: $(diff "$LAB/sums.newer" "$LAB/sums.start" | head)"
assert_eq 'stop - start undone' "$(xargs <"$LAB/hook.log")" "the hook's phases"
assert_eq "$before/$count" "$(data_volumes)/$(volumes_of_lab)" "volumes after the undo"
assert_eq "$ends" "$(terminations)" "delete-on-termination"
mounted_is "${before%% *}" data
[ "$(last_row)" -gt "$row" ] || fail "rows after the undo: $(last_row), before $row"
no_tags_left
assert_match 'no rollback' "$(sp rollback)" "rollback without an id"
assert_exit 5 sp rollback --undo --yes

# Once more, for good.
assert_exit 0 sp rollback "$set" --data-only --no-backup --yes
cmp "$LAB/sums.set" "$LAB/sums.start" || fail "the data is not the set's the second time"
assert_match "delete the volumes of before the rollback: ${before%% *}" "$(sp rollback --commit -n)" "the preview"
assert_exit 0 sp rollback --commit --yes
assert_match 'deleted +2 volumes' "$OUT" "what went"
assert_eq "$count" "$(volumes_of_lab)" "volumes after the commit"
[ "$(data_volumes)" != "$before" ] || fail "the volumes of before are attached"
no_tags_left
assert_eq complete "$(sp show "$set" --json | json "d['state']")" "the set"
assert_exit 0 sp backup --no-image
disarm_thaw
