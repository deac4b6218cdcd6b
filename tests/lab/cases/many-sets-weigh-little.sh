#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# alone: yes
# 10,000 sets of four snapshots and an image: the daemon stays below 40 MiB whatever is asked of them,
# the client below what a table of them takes; and all of them are there.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/lib_sets.sh
. "$(dirname "$0")/../lib_sets.sh"

SETS=10000 DAEMON_KIB=$((40 * 1024))

need_program stillpointd stillpoint
need /usr/bin/time
case $BUILD in */plain) ;; *) skip "a sanitizer's memory is not ours" ;; esac
start_cloud
start_far
plant_sets "$SETS" 4 20

weighs() { # CLIENT_KIB ARGUMENT...
    local client_kib=$1
    shift
    weigh "$@" >"$LAB/weight.json"
    echo "$*: $(cat "$LAB/weight.json")"
    assert_eq '[0, true, true]' "$(json "[d['exit'], d['daemon_peak_kib'] <= $DAEMON_KIB,
        d['client_peak_kib'] <= $client_kib]" <"$LAB/weight.json")" \
        "$*: [exit, daemon within $DAEMON_KIB KiB, client within $client_kib KiB] of $(cat "$LAB/weight.json")"
}

weighs 4096 list --all-nodes --json
assert_eq "[$SETS, $SETS, 200, 100]" "$(json "[len(d), len({b['id'] for b in d}),
    sum(len(b['broken']) > 0 for b in d), sum(b['image'] is None for b in d)]" <"$LAB/weighed.out")" \
    "[rows, ids, broken, without image]"
weighs $((16 * 1024)) list --all-nodes
assert_match "$SETS backups: 9700 good, 200 broken, 100 unfinished" "$(tail -n 20 "$LAB/weighed.out")" "sums"
weighs 4096 list --by-node
assert_match "$SETS backups of 20 nodes" "$(cat "$LAB/weighed.out")" "by node"
