#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A backup that is less than asked for, since a database can't be held: required stops the upgrade, best-effort
# goes on and says both that and the way back.
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
disarm_thaw
