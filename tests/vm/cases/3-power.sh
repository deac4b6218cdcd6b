#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The power is cut in a backup's hold, and the machine comes up without network: nothing is frozen, the
# nightly that was missed waits for the network and then says what is missing, and once the cable is in EC2
# is settled and a backup succeeds. Then the machine is shut down in a hold: all is let go, what EC2 made is
# removed, and every filesystem is unmounted.
# timeout: 600
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_hold.sh
. "$(dirname "$0")/../lib_hold.sh"
ROOT_AT=$((64 << 20)) # base.sh

start_hold_lab
boot_vm vm
vm_target vm

echo "# $SECONDS s: the power is cut"
vm_ok 'touch -d "3 years ago" /var/lib/systemd/timers/stamp-stillpoint-backup@nightly.timer'
hold
vm_power_cut
cloud_faults_off
assert_match 'snapshots' "$(unsettled)" "what a power cut leaves"
boot_vm -c vm
vm -t 150 "until $THAWED; do sleep 0.3; done" || fail "frozen after a power cut" # they have to be mounted first

# No network at this boot: the nightly that was missed waits as long as the machine waits for it, then says
# what is missing.
nightly() { vm "systemctl show -P $1 stillpoint-backup@nightly.service"; }
vm_until 120 'systemctl show -P ExecMainExitTimestamp stillpoint-backup@nightly.service | grep -q .'
waited=$(vm 'systemctl show -P ExecMainExitTimestampMonotonic systemd-networkd-wait-online.service')
[ "$(nightly ExecMainStartTimestampMonotonic)" -gt "$waited" ] || fail "the nightly did not wait for the network"
assert_eq timer "$(nightly TriggeredBy | sed 's/.*\.//')" "who started the nightly"
assert_eq exit-code "$(nightly Result)" "the nightly without network"
said=$(vm 'journalctl -q -b -o cat -u stillpoint-backup@nightly.service')
assert_match '169\.254\.169\.254' "$said" "what the nightly says without network"
assert_match 'do: ' "$said" "what to do without network"

echo "# $SECONDS s: the network is there"
vm_network on
settled "the power was cut" 150
vm_until 60 'systemctl is-active --quiet mariadb'
free_again "the power was cut"
vm_ok -t 120 'stillpoint backup --no-image --quiet'

echo "# $SECONDS s: the machine is shut down"
hold
begin=$SECONDS
vm 'systemctl --no-block poweroff' || true
vm_off vm 120
took=$((SECONDS - begin))
cloud_faults_off
settled "shut down" 5
log=$(tr -d '\r' <"$LAB/vm/console.log" | sed 's/\x1b\[[0-9;]*[mK]//g' | tail -n 200)
for mount in srv-media var-lib-mysql; do
    assert_match "Unmounted $mount.mount" "$log" "the shutdown"
done
volume=$(vm_volume /dev/sda1)
read -r file offset < <(cloud_get volumes | json "'%s %d' % (d['$volume']['file'], d['$volume']['offset'])")
about=$(dumpe2fs -h "$file?offset=$((offset + ROOT_AT))" 2>&1)
assert_match 'Filesystem state: +clean' "$about" "/ after the shutdown"
[[ $about != *needs_recovery* ]] || fail "/ was not unmounted at the shutdown, which took $took s: $about"
OUT_FILE=$LAB/guard.txt vm_edit 'journalctl -q -D "$ROOT/var/log/journal" -o cat -u stillpoint-guard -n 20 >"$OUT_FILE"'
last=$(grep event=lease_end "$LAB/guard.txt" | tail -n 1)
assert_match 'cause=(owner_gone|told|signal)' "$last" "why the guard let go at the shutdown"
echo "# $SECONDS s"
