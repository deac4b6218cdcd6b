#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# PID 1 itself waits for the frozen / (a persistent timer's stamp, which it writes itself) when both services
# are killed with all their processes: nobody restarts the guard. What stillpoint-guard(8) says ends that.
# timeout: 600
# asked: yes (a few runs alone have passed; none beside others)
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_hold.sh
. "$(dirname "$0")/../lib_hold.sh"
KILL_BOTH='cd /sys/fs/cgroup/system.slice
    echo 1 >stillpoint-guard.service/cgroup.kill
    echo 1 >stillpointd.service/cgroup.kill'

start_hold_lab
vm_edit 'units=$ROOT/etc/systemd/system
    printf "[Timer]\nOnCalendar=*-01-01 00:00\nPersistent=yes\n" >"$units/tick.timer"
    printf "[Service]\nType=oneshot\nExecStart=/bin/true\n" >"$units/tick.service"'
boot_vm vm
vm_target vm

hold
vm '(systemctl --no-block start tick.timer &) >/dev/null 2>&1'
vm_until "$SOON" 'grep -q mnt_want_write /proc/1/stack'
vm_ok "$KILL_BOTH"
vm_ok 'sleep 1; /usr/libexec/stillpoint/stillpoint-guard --thaw'
free_again "PID 1 waited"
vm_ok 'systemctl stop tick.timer'
cloud_faults_off
both_run
settled "PID 1 waited"
