# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the cases in which a hold of the whole machine ends otherwise than it should:
# `. "$(dirname "$0")/../lib_hold.sh"`, in place of lib_vm.sh.
#
#   start_hold_lab            start_vm_lab, with a deadline of 60 s, so that nothing here ends by it, and a
#                             nightly that runs only when one was missed
#   hold                      a backup in the machine, in the background: all is frozen, EC2 has made the
#                             snapshots, and answers when the faults are off
#   code_is REGEX WHAT        that backup's exit code, once it has ended
#   free_again WHAT           nothing is frozen, soon; MariaDB and / take writes, PID 1 answers
#   settled WHAT [SECONDS]    in EC2 every set is complete and whole, or failed (90)
#   unsettled                 prints those that are not
#   both_run                  until guard and daemon do
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_vm.sh"
SOON=30 # seconds of an emulated machine on a busy host; the deadline is 60
TIME=90 # what such a one may need for anything

made() { # calls that EC2 has done its part of, whether or not it has answered
    cloud_calls action=CreateSnapshots who=role | json "len([c for c in d if not c['dry_run'] and c['status']])"
}

# A backup in the machine, in the background: it is held, EC2 has made the snapshots and does not answer.
hold() {
    local before end mount
    before=$(made)
    cloud_fault '{"action": "CreateSnapshots", "dry_run": false, "kind": "held"}'
    vm_ok 'rm -f /run/code; { stillpoint backup --no-image >/run/out 2>&1; echo $? >/run/code; } >/dev/null 2>&1 &'
    end=$((SECONDS + TIME))
    until [ "$(made)" -gt "$before" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "no hold: $(vm 'cat /run/out')"
        sleep 0.1
    done
    for mount in / /var/lib/mysql /srv/media; do
        vm_frozen "$mount" || fail "$mount is not frozen in the hold"
    done
}

code_is() { # REGEX WHAT
    vm_until "$TIME" '[ -s /run/code ]'
    assert_match "^($1)$" "$(vm 'cat /run/code')" "$2: $(vm 'cat /run/out')"
}

THAWED='[ "$(for m in / /var/lib/mysql /srv/media; do
    /usr/local/sbin/stillpoint-lab-runner --frozen $m; echo $?; done | tr -d "\n")" = 111 ]'

free_again() { # WHAT
    vm -t "$SOON" "until $THAWED; do sleep 0.1; done" || fail "$1: still frozen after $SOON s"
    vm -t "$TIME" 'touch /var/tmp/free && mariadb -e "REPLACE INTO shop.orders VALUES (0, NOW())"' ||
        fail "$1: MariaDB or / takes no write"
    vm -t "$TIME" 'systemctl is-active --quiet dbus' || fail "$1: PID 1 does not answer"
}

# Each set by its tags: complete and whole, or failed.
UNSETTLED='
import sys, json
def unsettled(members):
    found = {}
    for one in members:
        found.setdefault(one["tags"].get("stillpoint:id", "untagged"), []).append(one["tags"])
    for name, tags in sorted(found.items()):
        states = {t.get("stillpoint:state") for t in tags}
        whole = {t.get("stillpoint:members") for t in tags} == {str(len(tags))}
        if states != {"failed"} and not (states == {"complete"} and whole):
            yield f"{name}: {len(tags)} snapshots, {sorted(map(str, states))}"
print("; ".join(unsettled(json.load(sys.stdin))))'

unsettled() { cloud_get snapshots | python3 -c "$UNSETTLED"; }

settled() { # WHAT [SECONDS]
    local end=$((SECONDS + ${2:-$TIME})) left
    until left=$(unsettled) && [ -z "$left" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "$1: EC2 is not settled: $left"
        sleep 0.3
    done
}

both_run() { # asked of both at once, systemctl is content with one
    vm_until "$TIME" 'systemctl is-active --quiet stillpoint-guard && systemctl is-active --quiet stillpointd'
}

start_hold_lab() {
    start_vm_lab
    vm_edit 'printf "[backup]\nhold_deadline = 60s\nretry_holds = 0\n[aws]\nrequest_timeout = 55s\n" \
            >"$ROOT/etc/stillpoint/conf.d/99-lab.conf"
        # Never by itself here, but for a night that was missed, and then at once.
        units=$ROOT/etc/systemd/system
        mkdir -p "$units/stillpoint-backup@nightly.timer.d" "$units/systemd-networkd-wait-online.service.d"
        printf "[Timer]\nOnCalendar=\nOnCalendar=*-01-01 00:00\nRandomizedDelaySec=0\n" \
            >"$units/stillpoint-backup@nightly.timer.d/lab.conf"
        printf "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --timeout=20\n" \
            >"$units/systemd-networkd-wait-online.service.d/lab.conf"'
}
