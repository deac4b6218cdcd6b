#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A backup's hold, / frozen for real, ends in every way but its own: all processes of both services killed
# at once, also while PID 1 waits for the frozen / (a persistent timer's stamp, which it writes itself) and
# starts nothing, systemctl stop, systemctl restart. Each time everything is let go long before the deadline,
# MariaDB takes writes, and EC2 is settled. A daemon-reload in a hold is none of its business. At the end a
# configuration with a fault, which is said once, in the words of `stillpoint config`, and no account.
# timeout: 600
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_hold.sh
. "$(dirname "$0")/../lib_hold.sh"
KILL_BOTH='cd /sys/fs/cgroup/system.slice
    echo 1 >stillpoint-guard.service/cgroup.kill
    echo 1 >stillpointd.service/cgroup.kill'

# In a hold: a timer without a stamp, which PID 1 makes when it is started.
pid1_waits() {
    vm_ok 'rm -f /var/lib/systemd/timers/stamp-tick.timer'
    hold
    vm_ok '(systemctl --no-block start tick.timer &) >/dev/null 2>&1'
    vm_until "$SOON" 'grep -q mnt_want_write /proc/1/stack'
}

start_hold_lab
vm_edit 'units=$ROOT/etc/systemd/system
    printf "[Timer]\nOnCalendar=*-01-01 00:00\nPersistent=yes\n" >"$units/tick.timer"
    printf "[Service]\nType=oneshot\nExecStart=/bin/true\n" >"$units/tick.service"'
boot_vm vm
vm_target vm

echo "# $SECONDS s: every process of both services is killed"
hold
vm_ok "$KILL_BOTH"
free_again "killed"
cloud_faults_off
both_run
settled "killed"
code_is '1|6' "killed"

echo "# $SECONDS s: the same while PID 1 waits: the guard's watch is who lets go"
pid1_waits
vm_ok "$KILL_BOTH"
free_again "PID 1 waited"
vm_ok 'systemctl stop tick.timer'
cloud_faults_off
both_run
settled "PID 1 waited"
code_is '1|6' "PID 1 waited"

echo "# $SECONDS s: the same, and the watch is killed, too: what stillpoint-guard(8) says ends that"
pid1_waits
vm_ok 'echo 1 >/sys/fs/cgroup/system.slice/stillpoint-guard-watch.service/cgroup.kill'
vm_ok "$KILL_BOTH"
vm_ok 'sleep 2'
vm_frozen / || fail "somebody else let go"
vm_ok '/usr/libexec/stillpoint/stillpoint-guard --thaw'
free_again "the watch was killed"
vm_ok 'systemctl stop tick.timer'
cloud_faults_off
both_run
settled "the watch was killed"

echo "# $SECONDS s: systemctl stop"
hold
vm_ok -t 90 'systemctl stop stillpointd stillpoint-guard'
free_again "stopped"
cloud_faults_off
settled "stopped" 5 # what is stopped leaves nothing to do
code_is 1 "stopped"
assert_match 'stillpointd was told to end' "$(vm 'cat /run/out')" "stopped"
vm_ok 'systemctl start stillpoint-guard stillpointd'

echo "# $SECONDS s: systemctl restart"
hold
vm_ok -t 90 'systemctl restart stillpoint-guard stillpointd'
free_again "restarted"
cloud_faults_off
both_run
settled "restarted"
code_is '1|6' "restarted"

echo "# $SECONDS s: systemctl daemon-reload"
hold
vm_ok '{ systemctl daemon-reload; echo $? >/run/reloaded; } >/dev/null 2>&1 & sleep 1' # it may wait for the frozen /
cloud_faults_off
code_is 0 "reloaded"
vm_until "$TIME" 'grep -qx 0 /run/reloaded'
free_again "reloaded"
assert_eq '["complete", "application"]' \
    "$(vm 'stillpoint show latest --json' | json "[d['state'], d['consistency']]")" "reloaded"

echo "# $SECONDS s: a configuration with a fault"
vm_ok 'printf "[backup]\nnonsense = 1\n" >/etc/stillpoint/conf.d/zz-wrong.conf'
said=$(vm 'stillpoint config 2>&1')
assert_match "conf.d/zz-wrong.conf:2: unknown key 'nonsense' in \[backup\]" "$said" "stillpoint config"
vm_ok '! systemctl restart stillpointd 2>&1
    ! systemctl start stillpoint-backup@nightly 2>&1
    systemctl restart stillpoint-guard' # it reads only where its socket is
vm_ok 'sleep 1'
for unit in stillpointd stillpoint-backup@nightly; do
    assert_eq 'exit-code 2 0' \
        "$(vm "for p in Result ExecMainStatus NRestarts; do systemctl show -P \$p $unit; done" | xargs)" \
        "$unit with a fault in its configuration"
    assert_match "zz-wrong.conf:2: unknown key 'nonsense'" "$(vm "journalctl -q -b -o cat -u $unit")" "what $unit says"
done
vm_ok 'rm /etc/stillpoint/conf.d/zz-wrong.conf
    systemctl reset-failed; systemctl start stillpoint-guard stillpointd'

echo "# $SECONDS s: the account is missing"
vm_ok 'cp -p /etc/passwd /etc/group /run/
    sed -i "/^stillpoint:/d" /etc/passwd /etc/group
    for unit in stillpoint-guard stillpointd; do ! systemctl restart $unit 2>&1; done
    sleep 1'
for unit in stillpoint-guard:216 stillpointd:217; do
    assert_eq "exit-code ${unit#*:} 0" \
        "$(vm "for p in Result ExecMainStatus NRestarts; do systemctl show -P \$p ${unit%:*}; done" | xargs)" \
        "${unit%:*} without its account"
done
vm_ok 'cat /run/passwd >/etc/passwd; cat /run/group >/etc/group
    systemctl reset-failed; systemctl start stillpoint-guard stillpointd'
echo "# $SECONDS s"
