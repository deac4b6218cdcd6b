#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
# A daemon that looks for what an earlier one left ends at once when it is told to, also where EC2 takes
# connections and says nothing: an upgrade or a removal of the package waits for it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook
start_cloud
start_node --no-mysql
stop_part daemon
cloud_fault '{"action": "*", "kind": "hang", "count": 1000}'
start_part daemon
daemon=$(part_pid daemon)
for _ in {1..100}; do # both looks are under way: for a backup's and for a rollback's leavings
    [ "$(cloud_calls who=role | json 'sum(1 for c in d if c["answered_mono"] is None)')" -lt 2 ] || break
    sleep 0.1
done
begin=$SECONDS
kill -TERM "$daemon"
while kill -0 "$daemon" 2>/dev/null && [ $((SECONDS - begin)) -lt 45 ]; do sleep 0.05; done
took=$((SECONDS - begin))
[ "$took" -le 4 ] || fail "told to end, it took $took s"
