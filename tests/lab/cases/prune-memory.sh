#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# alone: yes
# `prune -n` over 10,000 sets of 4 snapshots: at most 40 MiB of the daemon, and a row for each set.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/prune.sh
. "$LIB_DIR/prune.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
sets=${SETS:-10000}
start_cloud
start_node --no-mysql
start_pruner '[retention]' 'keep_last = 10' 'keep_hourly = 48' 'keep_daily = 30' 'keep_yearly = 10'
cat >"$LAB/plant.py" <<'PYTHON'
import sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab, count = Lab(sys.argv[2]), int(sys.argv[3])
now = time.time()
for first in range(0, count, 500):
    order = {"snapshots": []}
    for number in range(first, min(first + 500, count)):
        start = now - (number + 1) * 3600
        node = number % 20
        set_id = time.strftime("sp-%Y%m%dT%H%M%SZ-", time.gmtime(start)) + f"{number:05d}"
        tags = {
            "id": set_id, "instance": f"i-{node:017x}", "node": f"kaltura-node{node}", "state": "complete",
            "consistency": "application", "asked": "application", "members": "4", "pinned": "no",
            "reason": "the hourly one of the fleet's timer", "version": "1.0.0", "policy": "keep",
            "window": "2026-11-24T08:15:31.206811Z/2026-11-24T08:15:31.507112Z/0.400ms",
            "binlog": "binlog.000007:73421 exact", "gtid": "0-1-991", "database": "mysql 10.11.19-MariaDB backup-stage",
        }
        tags = {f"stillpoint:{key}": value for key, value in tags.items()}
        order["snapshots"] += [
            {"start": start, "tags": tags, "size_gib": 20, "volume": f"vol-{node * 4 + at:017x}"} for at in range(4)
        ]
    lab.post("plant", order)
PYTHON
python3 "$LAB/plant.py" "$LIB_DIR" "$LAB" "$sets" || fail "plant"
begin=$(date +%s.%N)
rows=$(far prune -n --all-nodes --json -q | json "[d['count'], len(d['rows']), d['gone'] + d['kept']]")
end=$(date +%s.%N)
assert_eq "[$sets, $sets, $sets]" "$rows" "sets and rows"
peak=$(sed -nE 's/^VmHWM:\s+([0-9]+) kB/\1/p' "/proc/$pruner/status")
server=$(cloud_calls action=DescribeSnapshots who=pruner | json "round(sum(c['answered_mono'] - c['received_mono'] for c in d), 1)")
echo "$sets sets: peak $((peak / 1024)) MiB, $(awk "BEGIN {print $end - $begin}") s, of which the server $server s"
case $BUILD in */plain) ;; *) exit ;; esac # a sanitizer's memory is not ours
[ "$peak" -le $((40 * 1024)) ] || fail "peak of $peak KiB"
