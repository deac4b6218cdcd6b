#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The judge passes a right backup three times out of three, and finds fault with four wrong ones.
# Nothing of Stillpoint runs here: it is the judge that is judged.
# timeout: 600
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --no-agent
start_writers

back_up() {
    arm_thaw 30 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
    python3 "$LIB_DIR/plain_backup.py" --lab "$LAB" --how "$1" >"$LAB/backup.json" || fail "$1: no backup"
    disarm_thaw
}

sleep 1
for round in 1 2 3; do
    back_up right
    judge "$LAB/backup.json" >"$LAB/verdict.json" || fail "right, round $round: $(cat "$LAB/verdict.json")"
done

for how in nothing no-freeze one-by-one early; do
    # The instant late in the exchange: what lets go before the answer can't hide.
    if [ "$how" = early ]; then
        cloud_set '{"cut_at": 0.9}'
    fi
    back_up "$how"
    judge "$LAB/backup.json" >"$LAB/verdict.json"
    assert_eq 1 $? "judge's exit for '$how'"
    found=$(json "len(d['faults'])" <"$LAB/verdict.json")
    [ "$found" -gt 0 ] || fail "$how: no fault in the verdict"
    # Stillness is judged by the writers' clocks; the copy itself must betray the fault as well.
    on_copy=$(json "[f for f in d['faults'] if not f.startswith('still:')]" <"$LAB/verdict.json")
    [ "$on_copy" != '[]' ] || fail "$how: the copy itself showed no fault"
    echo "$how: $found faults, on the copy: $(json 'd[0]' <<<"$on_copy")"
done
stop_writers >/dev/null
