#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The copy of all volumes of a machine under load, taken with / frozen, boots as another instance, its NVMe
# disks in another order: systemd reaches its target, MariaDB has every order that was acknowledged before
# the hold, the agent knows that it is another, which disk is which volume now, and backs up what it is.
# timeout: 700
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_vm.sh
. "$(dirname "$0")/../lib_vm.sh"

start_vm_lab
vm_load
boot_vm vm
vm_until 240 '[ -e /run/load/ready ]'
vm_until 60 'systemctl -q is-active stillpointd.service'
before=$(vm_ok 'tail -n 1 /run/load/orders')
vm_ok -t 150 'stillpoint backup --json' | tail -n 1 >"$LAB/backup.json"
after=$(vm_ok 'tail -n 1 /run/load/orders')
assert_eq application "$(json "d['consistency']" <"$LAB/backup.json")" "consistency"
id=$(json "d['id']" <"$LAB/backup.json")

# The kernel's names, as EC2 has the volumes in order: nvme1 is /dev/sdf.
serial_of() { vm "tr -d ' ' </sys/class/block/$1n1/device/serial"; }
assert_eq "$(vm_volume /dev/sdf | tr -d -)" "$(serial_of nvme1)" "the first boot's nvme1"

copy=$(vm_ok -t 120 "stillpoint restore instance $id --name copy --json" | tail -n 1 | json "d['instance']")
[ "$copy" != "$INSTANCE" ] || fail "restored as itself"
vm_power_cut

boot_vm -i "$copy" -o 0,2,1,3 vm
vm_target
assert_eq "$(vm_volume /dev/sdg "$copy" | tr -d -)" "$(serial_of nvme1)" "the second boot's nvme1"

rows=$(vm_ok 'mariadb -N -e "SELECT COUNT(*) = MAX(id), MAX(id) FROM shop.orders; CHECK TABLE shop.orders"')
assert_match $'^1\t([0-9]+)\nshop.orders.*OK' "$rows" "orders without a gap, in a sound table"
last=${BASH_REMATCH[1]}
[ "$last" -ge "$before" ] || fail "the copy has $last orders, $before were acknowledged before"
[ "$last" -le $((after + 1)) ] || fail "the copy has $last orders, $after were acknowledged after"

# It asks who it is once it is ready.
vm_until 60 "journalctl -q -b -o cat -u stillpointd | grep -q 'event=identity_changed was=$INSTANCE now=$copy'"
vm_ok -t 120 'stillpoint backup -n --json' >"$LAB/plan.json"
plan() { json "$1" <"$LAB/plan.json"; }
assert_eq "$copy" "$(plan "d['plan']['instance']")" "whose backup"
under() { plan "' '.join([m['volumes'] for m in d['plan']['mounts'] if m['path'] == '$1'][0])"; }
assert_eq "$(vm_volume /dev/sda1 "$copy")" "$(under /)" "the volume of /"
assert_eq "$(vm_volume /dev/sda1 "$copy")" "$(under /boot/efi)" "the volume of /boot/efi"
assert_eq "$(vm_volume /dev/sdh "$copy")" "$(under /srv/media)" "the volume of /srv/media"
assert_eq "$(printf '%s\n' "$(vm_volume /dev/sdf "$copy")" "$(vm_volume /dev/sdg "$copy")" | sort | xargs)" \
    "$(under /var/lib/mysql | tr ' ' '\n' | sort | xargs)" "the volumes of /var/lib/mysql"
assert_eq "$copy" "$(vm_ok -t 150 'stillpoint backup --wait cut --no-image --json' | tail -n 1 | json "d['instance']")" \
    "the copy's own backup"
vm_assert_thawed
