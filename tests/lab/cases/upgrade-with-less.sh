#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A backup that is less than asked for, since a database can't be held: required stops the upgrade, best-effort
# goes on and says both that and the way back, and the next call takes no other.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
# shellcheck source=tests/lab/cases/lib_upgrade.sh
. "$(dirname "$0")/lib_upgrade.sh"
mkdir -p "$LAB/conf.d"
printf '[mysql gone]\nsocket = %s\n' "$LAB/nobody.sock" >"$LAB/conf.d/gone.conf"
start_node --no-mysql
cloud_set '{"latency_ms": {"CreateSnapshots": 20}}'
sp_program
arm_thaw 60 "$(mount_at root)"
ask() { on_node bash -c "printf 'VERSION 2\n\nkaltura-base 1 < 2 /a\n' | $LAB/bin/stillpoint pre-upgrade --apt"; }

upgrade_conf 'policy = required' 'max_age = 0'
assert_exit 3 ask
assert_match "the upgrade is stopped: the backup is less than asked for" "$OUT" "required"
[[ $OUT != *"to go back"* ]] || fail "the way back from what was not done: $OUT"
upgrade_conf 'policy = best-effort' 'max_age = 0'
assert_exit 0 ask
assert_match "WARNING: the upgrade goes on with a backup that is less than asked for.*stillpoint rollback sp-.*it is filesystem consistent" "$OUT" "best-effort"

[[ $OUT != *"was there already; nothing was held"* ]] || fail "a new one: $OUT"
made=$(count_calls CreateSnapshots)
upgrade_conf 'policy = best-effort'
assert_exit 0 ask
assert_match "nothing new was taken: there is a backup, .*filesystem consistent, application was asked for.*it was there already; nothing was held for it.*WARNING: the upgrade goes on with a backup that is less than asked for.*it is filesystem consistent; it was there already" "$OUT" "a second call"
assert_eq "$made" "$(count_calls CreateSnapshots)" "backups of a second call"
upgrade_conf 'policy = required'
assert_exit 3 ask
assert_eq "$((made + 1))" "$(count_calls CreateSnapshots)" "backups of one that needs a good one"
disarm_thaw
