#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Several that ask before an upgrade at once, run --max-age among them: the others wait for the first one's backup and
# use it, also where EC2 does not show yet what is new, or what its tags say now.
#
#   upgrade-at-once.sh [late-list|late-tags]    one of them
# shellcheck source=tests/lab/lib.sh disable=SC2119,SC2120
. "$(dirname "$0")/../lib.sh"

case ${1-} in
# Long enough for the others to ask while it lasts; its instant is late in it, so that what is new still is.
late-list) lag='"visible_after_ms": 1000' ;;
late-tags) lag='"tags_visible_after_ms": 5000' ;;
*)
    bash "$0" late-list && bash "$0" late-tags
    exit
    ;;
esac

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
# shellcheck source=tests/lab/cases/lib_upgrade.sh
. "$(dirname "$0")/lib_upgrade.sh"
start_node --no-mysql
cloud_set "{\"snapshot_time_s\": 600, \"latency_ms\": {\"CreateSnapshots\": 2500}, \"cut_at\": 0.9, $lag}"
sp_program
arm_thaw 60 "$(mount_at root)"
ask() { on_node bash -c "printf 'VERSION 2\n\nkaltura-base 1 < 2 /a\n' | $LAB/bin/stillpoint pre-upgrade --apt $*"; }

ask >"$LAB/first.txt" 2>&1 &
first=$!
wait_cut
sp run --max-age 1h true >"$LAB/run.txt" 2>&1 &
run=$!
assert_exit 0 ask
assert_match "another backup has the node.*waiting until that is done.*there is a backup as good.*stillpoint rollback sp-" "$OUT" "the second"
wait "$run" || fail "run: $(cat "$LAB/run.txt")"
assert_match "another backup has the node.*waiting until that is done.*stillpoint rollback sp-" "$(<"$LAB/run.txt")" "run"
wait "$first" || fail "the first: $(cat "$LAB/first.txt")"
assert_exit 0 ask -q
assert_eq "" "$OUT" "quiet"
assert_eq 1 "$(count_calls CreateSnapshots)" "backups"
disarm_thaw
