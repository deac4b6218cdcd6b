#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What it costs to look at many sets: time that requests were with the cloud, against the CPU time of
# daemon and client, and what both weigh at most.
#
#   sets.sh OUT      JSON lines: {command, sets, …} as tests/lab/weigh.py has them
#
# SETS (10000) of four snapshots and an image each, ROUNDS_SETS (3) of each command.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
# shellcheck source=tests/lab/lib_sets.sh
. "$LIB_DIR/lib_sets.sh"

out=$1
commands=("list --all-nodes" "list --all-nodes --json")

need /usr/bin/time
start_cloud
start_far
plant_sets "${SETS:=10000}" 4 20
: >"$out"
for _ in $(seq "${ROUNDS_SETS:-3}"); do
    for command in "${commands[@]}"; do
        # shellcheck disable=SC2086 # words of a command
        weigh $command | json "{'command': '$command', 'sets': $SETS, **d}" >>"$out" || fail "$command"
        assert_eq 0 "$(tail -n 1 "$out" | json "d['exit']")" "exit of $command"
    done
done
