#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two labs run side by side from their start on, and the end of one does not disturb the other.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

one_lab() { # SECONDS
    start_cloud
    start_node --no-agent
    echo "$LAB" >"$2"
    sleep "$1"
    assert_eq 1 "$(node_sql 'SELECT 1')" "the server's answer"
    arm_thaw 30 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
    python3 "$LIB_DIR/plain_backup.py" --lab "$LAB" --how right >"$LAB/backup.json" || fail "no backup"
    disarm_thaw
    judge "$LAB/backup.json" >"$LAB/verdict.json" || fail "$(cat "$LAB/verdict.json")"
    exit 0
}

if [ "${1:-}" = lab ]; then
    one_lab "$2" "$3"
fi
scratch=$(mktemp -d)
defer rm -rf "$scratch"
"$0" lab 0.2 "$scratch/a" >"$scratch/a.log" 2>&1 &
first=$!
"$0" lab 4 "$scratch/b" >"$scratch/b.log" 2>&1 &
second=$!
wait "$first" || fail "the first: $(cat "$scratch/a.log")"
wait "$second" || fail "the second: $(cat "$scratch/b.log")"
[ "$(cat "$scratch/a")" != "$(cat "$scratch/b")" ] || fail "both had the same folder"
for folder in "$(cat "$scratch/a")" "$(cat "$scratch/b")"; do
    [ ! -e "$folder" ] || fail "$folder is left"
done
