#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A filesystem that is mounted on a volume of the set between the plan and the freeze was not frozen:
# the label falls, and says so. Without that, the next backup claims what it can.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --no-mysql --volumes 1 --no-agent
cloud_set '{"snapshot_time_s": 0.1}'
late=$(mount_at data1)
device=$(json "[m['device'] for m in d['mounts'] if m['name'] == 'data1'][0]" <"$LAB/node.json")
install -d -m 755 "$LAB/hooks.d"
cat >"$LAB/hooks.d/late" <<SH
#!/bin/sh
[ "\$1" = hold ] || exit 0
[ ! -e "$LAB/mount-it" ] || mountpoint -q "$late" || mount "$device" "$late"
SH
chmod 755 "$LAB/hooks.d/late"
for part in guard hook daemon; do start_part $part; done
arm_thaw 60 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

umount "$late" || fail "umount $late"
touch "$LAB/mount-it"
assert_exit 3 sp backup --no-image
assert_match "$late was mounted meanwhile" "$(sp show latest)" "the shortfall"
assert_eq crash "$(sp show latest --json | json "d['consistency']")" "label"
rm "$LAB/mount-it"
assert_exit 0 sp backup --no-image
assert_eq application "$(sp show latest --json | json "d['consistency']")" "label of the next"
disarm_thaw
