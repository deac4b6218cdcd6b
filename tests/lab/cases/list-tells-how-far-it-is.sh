#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# thread: yes
# While a long list is gathered the daemon tells how much of it is there; a cancel ends it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/lib_sets.sh
. "$(dirname "$0")/../lib_sets.sh"

need_program stillpointd stillpoint
start_cloud
start_far
plant_sets 400 4 2
cloud_set '{"page_size": 300}'

ask() { # CANCEL: the events, one a line
    python3 - "$LAB/far/run/control.sock" "$1" <<'EOF2'
import json, socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
peer.sendall(b'{"v":1,"cmd":"list","args":{"all_nodes":true}}\n')
for line in peer.makefile():
    print(line, end="")
    if sys.argv[2] == "yes" and json.loads(line)["event"] == "progress":
        peer.sendall(b'{"v":1,"cmd":"cancel"}\n')
EOF2
}
events() { python3 -c 'import json, sys
d = [json.loads(line) for line in sys.stdin]
print(eval(sys.argv[1]))' "$1" <"$LAB/events"; }

ask no >"$LAB/events" || fail "list: $?"
told="[(e['step'], e['done'], e['text']) for e in d if e['event'] == 'progress']"
assert_eq "[('list', 500, '500 snapshots and images so far'), ('list', 1000, '1000 snapshots and images so far'), \
('list', 1500, '1500 snapshots and images so far')]" "$(events "$told")" "progress"
rows="sum(e['event'] == 'item' for e in d)"
assert_eq "(400, 'result', 0)" "$(events "($rows, d[-1]['event'], d[-1]['exit'])")" "rows and end"

cloud_set '{"latency_ms": {"DescribeSnapshots": 2000}}'
ask yes >"$LAB/events" || fail "list, cancelled: $?"
assert_eq "(0, 'error', 1)" "$(events "($rows, d[-1]['event'], d[-1]['exit'])")" "a cancelled list"
