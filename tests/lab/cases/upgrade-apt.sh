#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
# A real apt, with our hook, before an upgrade: ten calls make one backup, whose reason names the versions; none
# for what is new, put in again, or not among the packages; the way back is said before and behind it.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
# shellcheck source=tests/lab/cases/lib_upgrade.sh
. "$(dirname "$0")/lib_upgrade.sh"
start_node --no-mysql
cloud_set '{"snapshot_time_s": 600, "latency_ms": {"CreateSnapshots": 20}}'
sp_program
start_apt
arm_thaw 140 "$(mount_at root)"
for version in 1.0 1.1 1.2; do make_deb kaltura-base "$version"; done
for n in 1 2 3 4 5 6 7 8; do make_deb "kaltura-x$n" 1; make_deb "kaltura-x$n" 2; done
make_deb other 1
make_deb other 2
deb() { echo "$LAB/apt/$1.deb"; }

# Nothing is upgraded: nothing is taken, nothing is said.
assert_exit 0 apt_get install "$(deb kaltura-base_1.0)" "$(deb other_1)" "$LAB"/apt/kaltura-x?_1.deb
[[ $OUT != *stillpoint:* ]] || fail "a new package: $OUT"
assert_exit 0 apt_get install --reinstall "$(deb kaltura-base_1.0)" "$(deb other_2)"
[[ $OUT != *stillpoint:* ]] || fail "put in again: $OUT"
assert_exit 0 apt_get install -s "$(deb kaltura-base_1.1)"
assert_eq 0 "$(count_calls CreateSnapshots)" "backups so far"

# The first: its words stand before apt's and behind them.
assert_exit 0 apt_get install "$(deb kaltura-base_1.1)" "$(deb kaltura-x1_2)"
id=$(sp list --json | json "d[0]['id']")
assert_match "before upgrade: kaltura-base 1.0 to 1.1, kaltura-x1 1 to 2" "$OUT" "what is said first"
assert_match "to go back to before the upgrade: stillpoint rollback $id.*Setting up kaltura-base.*to go back to before the upgrade: stillpoint rollback $id"$'\n'"  it is application consistent"$'\n?'"$" "$OUT" "the way back, twice"
assert_eq "before upgrade: kaltura-base 1.0 to 1.1, kaltura-x1 1 to 2" "$(reasons)" "the reason"
assert_eq 1.1 "$(cat "$LAB/tree/kaltura-base")" "the upgrade"
[ ! -e "$LAB/run-upgrade" ] || fail "$LAB/run-upgrade is left"

# Nine more, one of them a downgrade, one a removal: the same backup, while EC2 still copies it.
for n in 2 3 4 5 6 7 8; do assert_exit 0 apt_get install "$(deb "kaltura-x${n}_2")"; done
assert_match "rollback $id"$'\n'"  it is application consistent; it was there already, [0-9ms ]+ old: what was done since" "$OUT" "of one that was used"
assert_exit 0 apt_get install "$(deb kaltura-base_1.0)"
assert_match "before upgrade: kaltura-base 1.1 back to 1.0" "$OUT" "a downgrade"
assert_exit 0 apt_get remove kaltura-x1
assert_match "before upgrade: kaltura-x1 2 removed" "$OUT" "a removal"
assert_eq 1 "$(count_calls CreateSnapshots)" "backups of ten calls"

# Each its own where max_age is 0; what was configured last counts, without a restart.
upgrade_conf 'max_age = 0' 'packages = oth*'
assert_exit 0 apt_get install "$(deb kaltura-base_1.1)"
[[ $OUT != *stillpoint:* ]] || fail "not among the packages: $OUT"
assert_exit 0 apt_get remove other
assert_match "before upgrade: other 2 removed" "$OUT" "another pattern"
assert_eq 2 "$(count_calls CreateSnapshots)" "backups without max_age"
upgrade_conf 'policy = off'
assert_exit 0 apt_get install "$(deb kaltura-base_1.2)"
[[ $OUT != *stillpoint:* ]] || fail "policy = off: $OUT"
disarm_thaw
