#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A set that is being removed is nobody's to begin with: verify, the restores and rollback refuse it. One that a
# job began to work on while prune ran, stays. And the record of a removal goes with the last of its set.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
printf '[retention]\nkeep_last = 1\n' >>"$LAB/stillpoint.conf"
stop_part daemon
start_part daemon
state=$(node_get "['state']")

plant aaaaa 5; going=$ID
plant bbbbb 4; used=$ID
plant zzzzz 2; newest=$ID
cloud_post calls '{}' >/dev/null
hold_removals
sp prune >"$LAB/out.txt" 2>&1 &
client=$!
until_called DeleteSnapshot 1 role

# What is being removed is refused; what EC2 would say comes later.
busy() { refused 4 "$going is being removed" 'take another, as stillpoint list' sp "$@"; }
busy verify "$going"
busy restore volumes "$going"
busy restore instance "$going"
busy restore files "$going" /etc/hosts --to "$LAB/there"
busy rollback "$going" --data-only --no-backup --yes
assert_eq 0 "$(cloud_calls action=CreateVolume | json 'len(d)')" "volumes made"

# A job begins on the next one: its volume takes for ever.
cloud_set '{"volume_time_s": 3600}'
sp restore volumes "$used" >"$LAB/restore.txt" 2>&1 &
restore=$!
for _ in {1..400}; do
    [ "$(count_calls CreateVolume)" != 0 ] && break
    sleep 0.05
done
cloud_faults_off
wait "$client"
assert_eq 0 "$?" "exit of: $(cat "$LAB/out.txt")"
assert_match "$going .*gone: in no slot" "$(xargs <"$LAB/out.txt")" "what prune says"
assert_match "$used .*kept: a job works on it" "$(xargs <"$LAB/out.txt")" "what prune says"
are_left "$used" "$newest"
kill -TERM "$restore"

# Whoever removed the last of a set: its record goes, also where prune is about one node's sets; that of a set
# which is there stays.
mkdir -p "$state/removing"
instance=$(node_get "['instance']")
for id in "$going" "$newest"; do
    printf '{"version": 1, "instance": "%s"}\n' "$instance" >"$state/removing/$id.json"
done
assert_exit 0 sp prune -n
assert_eq 2 "$(find "$state/removing" -type f | wc -l)" "records after a dry run"
assert_exit 0 sp prune
assert_eq "$newest.json" "$(ls "$state/removing")" "the records"
