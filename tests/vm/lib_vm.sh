# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What every case of the machine lab starts with: `. "$(dirname "$0")/../lib_vm.sh"`. It is the process
# lab's lib.sh (cloud_set, cloud_fault, count_calls, json, defer, fail, assert_... and so on are its own)
# and, in place of its node, a whole machine: Debian 12 with systemd, the agent installed from its package,
# MariaDB on LVM over two EBS volumes (/var/lib/mysql, striped), XFS on a third (/srv/media), / and a vfat
# /boot/efi on the root volume. EBS volumes are NVMe disks, the metadata service and EC2 are where a real
# machine has them (169.254.169.254, ec2.eu-west-1.amazonaws.com), so nothing of ours is configured.
#
#   start_vm_lab [OPTION...]  the cloud (options of cloud.py), an instance of the prepared disks; $INSTANCE
#   vm_edit SHELL             before a boot: runs SHELL on the host with $ROOT, the machine's / without its
#                             other mounts
#   vm_load                   before a boot: load/load.sh is at work from then on (its header says what it does)
#   boot_vm [-i INSTANCE] [-o ORDER] [-c] [NAME]   boots it (default $INSTANCE, all disks in order) and waits
#                             for the channel; what it is called in $LAB is NAME (vm). The metadata service
#                             answers for that instance from now on. -o 0,2,1,3: nvme1 and nvme2 swapped.
#                             -c: its network cable is pulled
#   vm_target [NAME] [SECONDS]   until systemd has reached its default target (default 120)
#   vm [-m NAME] [-t SECONDS] SHELL   runs it as root in the machine, by bash; its output, its exit code;
#                             124: not within SECONDS (60), 125: no answer. Works while / is frozen; at most
#                             four at once. Its stdin is empty
#   vm_ok ARGUMENT...         the same, and the test fails where the exit code is not 0
#   vm_until SECONDS SHELL    again and again until it is true in the machine
#   vm_power_cut [NAME]       as if pulled out: SIGKILL of QEMU
#   vm_off [NAME] [SECONDS]   waits until the machine is off by itself (60)
#   vm_network on|off [NAME]  the network's cable
#   vm_frozen MOUNT           whether it is frozen in the machine, by FIFREEZE (and lets go again)
#   vm_assert_thawed          nothing of the machine is frozen
#   vm_volume EC2-NAME [INSTANCE]   the volume id of /dev/sda1, /dev/sdf, /dev/sdg, /dev/sdh
#
# The console is in $LAB/log/NAME-console.log and shown where a case fails, with the agent's journal. A case
# may be killed at any time: the next lab of whichever kind sweeps it (tests/lab/sweep.py). No thaw has to be
# armed: nothing but the machine waits for its disks, and it can be killed.
# shellcheck disable=SC2016 # what another shell expands
VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lab/lib.sh
. "$VM_DIR/../lab/lib.sh"

INSTANCE=
_vm_folder=

start_vm_lab() {
    need qemu-system-x86_64 mmdebstrap sfdisk
    need_program tests/vm/relay tests/vm/runner
    start_cloud "$@"
    _vm_folder=$(bash "$VM_DIR/root.sh") || fail "no disks for the machine"
    INSTANCE=$(python3 "$VM_DIR/vmlab.py" make "$LAB" "$_vm_folder") || fail "no instance"
    mkdir -p "$LAB/log"
    # As an administrator would give it to every machine; here it is a new one each time.
    CA=$LAB/ca.pem vm_edit 'mkdir -p "$ROOT/usr/local/share/ca-certificates"
        cp "$CA" "$ROOT/usr/local/share/ca-certificates/lab.crt"
        # Alone: to read all of the usual ones takes an emulated machine longer than a connection may.
        cp "$CA" "$ROOT/etc/ssl/certs/ca-certificates.crt"'
}

vm_edit() {
    python3 "$VM_DIR/vmlab.py" root "$LAB" "$INSTANCE" "$LAB/vm-root" || fail "no / to edit"
    ROOT=$LAB/vm-root bash -euc "$1" || fail "vm_edit: $1"
    python3 "$VM_DIR/vmlab.py" unroot "$LAB" "$LAB/vm-root" || fail "/ is still in use"
}

vm_load() {
    need_program tests/vm/stall
    VM_DIR=$VM_DIR vm_edit 'install -m 755 "$BUILD/tests/vm/stall" "$ROOT/usr/local/sbin/stall"
        install -m 755 "$VM_DIR/load/load.sh" "$ROOT/usr/local/sbin/load"
        install -m 644 "$VM_DIR/load/load.service" "$ROOT/etc/systemd/system/load.service"
        ln -s ../load.service "$ROOT/etc/systemd/system/multi-user.target.wants/load.service"'
}

boot_vm() {
    local instance=$INSTANCE order=() cable=on name
    while [[ ${1:-} == -* ]]; do
        case $1 in
        -c)
            cable=off
            shift
            continue
            ;;
        -i) instance=$2 ;;
        -o) order=(--order "$2") ;;
        *) fail "boot_vm: $1" ;;
        esac
        shift 2
    done
    name=${1:-vm}
    mkdir -p "$LAB/$name"
    python3 "$VM_DIR/vmlab.py" spec "$LAB" "$_vm_folder" "$instance" "${order[@]}" >"$LAB/$name/spec.json" ||
        fail "nothing to boot"
    cloud_set "{\"imds\": {\"instance_id\": \"$instance\"}}"
    python3 "$VM_DIR/machine.py" boot "$LAB/$name" "$LAB/$name/spec.json" || fail "$name does not boot"
    defer _vm_last_words "$name"
    [ "$cable" = on ] || vm_network off "$name"
    python3 "$VM_DIR/machine.py" wait "$LAB/$name" 150 || fail "$name does not come up"
}

# What the agent said, where the case fails ($status is _at_exit's).
# shellcheck disable=SC2154
_vm_last_words() {
    [ "$status" -ne 0 ] && [ "$status" -ne 77 ] || return 0
    # Without the colours, and without the line that counts how long something has been awaited.
    tr '\r' '\n' <"$LAB/$1/console.log" | sed -e 's/\x1b\(M\|\[[0-9;]*[mK]\)//g' -e '/ Job .* running (/d' \
        -e '/^$/d' >"$LAB/log/$1-console.log"
    timeout 20 python3 "$VM_DIR/machine.py" run "$LAB/$1" -t 10 \
        'journalctl -b --no-pager -n 60 -o short-monotonic -u "stillpoint*"; systemctl --failed --no-legend' \
        >"$LAB/log/$1-journal.log" 2>&1 </dev/null || true
}

vm() {
    local name=vm seconds=60
    while [[ ${1:-} == -[mt] ]]; do
        case $1 in
        -m) name=$2 ;;
        -t) seconds=$2 ;;
        esac
        shift 2
    done
    python3 "$VM_DIR/machine.py" run "$LAB/$name" -t "$seconds" "$1"
}

vm_ok() {
    vm "$@" || fail "exit $? in the machine: ${*: -1}"
}

vm_until() {
    vm -t "$1" "until $2; do sleep 0.3; done" || fail "not within $1 s (exit $?: 124 so, 125 it does not answer) in the machine: $2"
}

vm_target() {
    local state
    state=$(vm -m "${1:-vm}" -t "${2:-120}" 'systemctl is-system-running --wait')
    case $state in
    running) ;;
    *) fail "systemd is '$state': $(vm -m "${1:-vm}" 'systemctl --failed --no-legend; systemctl list-jobs')" ;;
    esac
}

vm_power_cut() { python3 "$VM_DIR/machine.py" cut "$LAB/${1:-vm}" || fail "the machine does not end"; }

vm_off() {
    python3 "$VM_DIR/machine.py" end "$LAB/${1:-vm}" "${2:-60}" || fail "the machine is not off after ${2:-60} s"
}

vm_network() {
    local up=false
    [ "$1" = off ] || up=true
    python3 "$VM_DIR/machine.py" qmp "$LAB/${2:-vm}" set_link "{\"name\": \"nic0\", \"up\": $up}" >/dev/null ||
        fail "the network's cable"
}

vm_frozen() {
    local code
    vm "/usr/local/sbin/stillpoint-lab-runner --frozen $(printf %q "$1")"
    code=$?
    [ "$code" -le 1 ] || fail "vm_frozen $1: exit $code"
    return "$code"
}

vm_assert_thawed() {
    local mount
    for mount in / /var/lib/mysql /srv/media; do
        ! vm_frozen "$mount" || fail "$mount is frozen in the machine"
    done
}

vm_volume() {
    cloud_get instances | json "d['${2:-$INSTANCE}']['volumes']['$1']"
}
