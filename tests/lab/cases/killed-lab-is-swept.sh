#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A lab whose test was killed with a filesystem frozen, a writer stuck in it and a copy attached leaves
# nothing behind once the next sweep has run; a live lab beside it is not touched.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

if [ "${1:-}" = victim ]; then
    start_cloud
    start_node --no-agent
    arm_thaw 120 "$(mount_at data)"
    snapshots=$(python3 "$LIB_DIR/plain_backup.py" --lab "$LAB" --how nothing | json "' '.join(s['id'] for s in d['snapshots'])")
    # shellcheck disable=SC2086
    restore_copy $snapshots >/dev/null
    # The thaw timer dies with us here: a plain one would thaw, and nothing would be left to sweep.
    kill -KILL "$_thaw_pid"
    fsfreeze --freeze "$(mount_at data)"
    touch "$(mount_at data)/stuck" &
    mkfifo "$LAB/never"
    echo "$LAB" >"$2.new" && mv "$2.new" "$2"
    read -r -t 60 <>"$LAB/never" # until it is killed
    fail "nobody killed it"
fi

start_cloud
bystander=$LAB
told=$LAB/victim
"$0" victim "$told" 2>/dev/null &
victim_pid=$!
until [ -e "$told" ]; do
    kill -0 "$victim_pid" 2>/dev/null || fail "the victim ended before it was killed"
    sleep 0.05
done
# Each lab that starts beside this one sweeps first: till we have, it waits.
exec 9>/run/stillpoint-labs/lock
flock 9 || fail "no lock"
kill -KILL "$victim_pid"
wait "$victim_pid"
assert_eq 137 $? "the victim's exit"
victim=$(cat "$told")
[ -d "$victim" ] || fail "the victim left nothing to sweep"
losetup --list --noheadings --output BACK-FILE | grep "^$victim/" >/dev/null || fail "no loop device was left"
is_frozen "$victim/node/root/var/lib/mysql" || fail "the victim's volume is not frozen"

python3 "$LIB_DIR/sweep.py" --lock 9 2>"$LAB/sweep.log"
assert_eq 0 $? "exit of the sweep ($(cat "$LAB/sweep.log"))"
exec 9>&-
grep -q "var/lib/mysql was frozen" "$LAB/sweep.log" || fail "the sweep did not say what was frozen"

[ ! -e "$victim" ] || fail "$victim is still there"
! grep -q " $victim/" /proc/self/mountinfo || fail "mounts are left"
! losetup --list --noheadings --output BACK-FILE | grep "^$victim/" >/dev/null || fail "loop devices are left"
# shellcheck disable=SC2009 # by the folder in its arguments, which no other process has
! ps -eo args | grep -v grep | grep -F "$victim" >/dev/null || fail "processes are left"
assert_eq "$bystander" "$LAB" "our own lab"
assert_exit 0 cloud_get settings
