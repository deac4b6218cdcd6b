#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The daemon is killed at each step of a set's removal, in turn: what is left of it is never shown as good,
# and the next run removes it whole, however young it is.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-mysql
start_pruner '[retention]' 'keep_last = 1'

# Young sets, so that nothing but the record of what was begun makes the rest go at once. KIND: hang (EC2
# does not act on the call) or lost (it does, and the answer never comes).
step() { # KIND ACTION NUMBER COMMAND...
    local kind=$1 action=$2 number=$3 id client
    shift 3
    plant aaaaa 3; id=$ID
    plant zzzzz 2; newest=$ID
    cloud_post calls '{}' >/dev/null
    cloud_fault "{\"action\": \"$action\", \"kind\": \"$kind\", \"skip\": $((number - 1)), \"dry_run\": false}"
    "$@" "$id" >"$LAB/out.txt" 2>&1 &
    client=$!
    until_called "$action" "$number"
    kill -KILL "$pruner"
    wait "$client" "$pruner" 2>/dev/null
    cloud_faults_off
    run_pruner
    if [ "$action$kind" != CreateTagshang ]; then
        good=$(far list --all-nodes --json | json "[b['id'] for b in d if b['state'] == 'complete']")
        assert_eq "[\"$newest\"]" "$good" "the good sets after a kill in $action $number"
    fi
    assert_exit 0 far prune --all-nodes
    are_left "$newest"
    assert_eq 1 "$(cloud_get images | json 'len(d)')" "images after a kill in $action $number"
    assert_eq '' "$(ls "$LAB/pruner/state/removing")" "the records"
    assert_exit 0 far delete --force "$newest"
    assert_eq '' "$(in_ec2)" "what is left"
}

by_policy() { far prune --all-nodes; }
step hang CreateTags 1 by_policy
step lost DeregisterImage 1 by_policy
step hang DeleteSnapshot 1 by_policy
step lost DeleteSnapshot 2 far delete
step lost DeleteSnapshot 3 by_policy
