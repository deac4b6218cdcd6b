#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Packages on a node with systemd. apt upgrades kaltura-base: one backup before it. Where EC2 can't be
# reached, the upgrade is stopped (required) or goes on (best-effort) within the wait, and removing works.
# Our own package is upgraded in the middle of a hold, downgraded, removed, installed again and purged: services
# come back as they were, configuration stays, and of a purge nothing is left but the locked account.
# timeout: 600
# shellcheck disable=SC2016,SC2119 # what the machine's shell expands
# shellcheck source=tests/vm/lib_vm.sh
. "$(dirname "$0")/../lib_vm.sh"
WAIT=8   # [upgrade] wait
SLACK=25 # of an emulated machine on a busy host: without a limit it would be minutes

# --- the packages -------------------------------------------------------------------------------

build_deb() { # TREE: into the machine's own repository
    dpkg-deb --root-owner-group -Znone --build "$1" "$LAB/debs" >/dev/null || fail "dpkg-deb $1"
    rm -rf "$1"
}

kaltura() { # NAME VERSION
    local tree=$LAB/tree
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/kaltura"
    echo "$2" >"$tree/usr/share/kaltura/$1"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: lab\n' \
        "$1" "$2" >"$tree/DEBIAN/control"
    build_deb "$tree"
}

# The machine's own build under a newer version; it notes what is frozen when dpkg comes to write. Prints the
# version that the machine has.
newer() {
    local tree=$LAB/tree version
    vm_edit 'cp "$ROOT"/srv/packages/stillpoint_*.deb "$LAB/ours.deb"'
    dpkg-deb -R "$LAB/ours.deb" "$tree" || fail "no package of ours"
    version=$(dpkg-deb -f "$LAB/ours.deb" Version)
    sed -i "s/^Version: .*/Version: $version+newer/" "$tree/DEBIAN/control"
    sed -i '1r /dev/stdin' "$tree/DEBIAN/preinst" <<'END'
for mount in /var/lib/mysql /srv/media; do
    frozen=0
    /usr/local/sbin/stillpoint-lab-runner --frozen $mount || frozen=$?
    echo "$mount $frozen" >>/run/at-unpack
done
END
    build_deb "$tree"
    echo "$version"
}

# --- in the machine -----------------------------------------------------------------------------

apt_get() { # CODE ARGUMENTS...: its output in OUT
    local wanted=$1 code
    shift
    OUT=$(vm -t 150 "rm -f /run/hook.*; ${SKIP:+STILLPOINT_SKIP_BACKUP=1} DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends --allow-downgrades $* 2>&1
        code=\$?; [ -e /run/hook.end ] || cat /proc/uptime >/run/hook.end; exit \$code")
    code=$?
    [ "$code" -eq "$wanted" ] || fail "apt-get $*: wanted exit $wanted, got $code: $OUT"
}

within_wait() { # WHAT: what the hook of the last apt-get took
    local took
    took=$(vm_ok 'cut -d. -f1 /run/hook.begin /run/hook.end | paste -sd" " | awk "{print \$2 - \$1}"')
    echo "$1: the hook took $took s of $WAIT s"
    [ "$took" -le $((WAIT + SLACK)) ] || fail "$1: the hook took $took s"
}

upgrade_conf() { # LINE...
    vm_ok "printf '%s\n' '[upgrade]' $(printf '%q ' "$@") >/etc/stillpoint/conf.d/upgrade.conf"
}

version_of() { vm "dpkg-query -W -f '\${Version}' $1"; }
# A word for each of OURS, then the services' processes.
look() {
    read -r STATES GUARD DAEMON <<<"$(vm "systemctl is-active $OURS | paste -sd,
        systemctl show -P MainPID stillpoint-guard stillpointd" | paste -sd' ')"
}
# What runs, has failed or has a file of our units, beside the lab's own. (After removal their links stay, as
# all configuration does, so that systemd knows the names.)
units() {
    vm "systemctl list-units --plain --no-legend 'stillpoint*' | cut -d' ' -f1 | grep -v '^stillpoint-lab'
        systemctl list-unit-files --no-legend 'stillpoint*' | cut -d' ' -f1 | grep -v '^stillpoint-lab'; true"
}

OURS='stillpoint-guard.service stillpoint-hook.socket stillpointd.service stillpoint-backup@nightly.timer stillpoint-guard-watch.service'

start_vm_lab
mkdir -p "$LAB/debs"
for version in 1.0 1.1 1.2; do kaltura kaltura-base $version; done
kaltura kaltura-front 1.0
export LAB # for vm_edit
VERSION=$(newer) || exit 1
DEBS=$LAB/debs VM=$_vm_folder vm_edit 'cp "$VM/before" "$ROOT/srv/before"
    cp "$DEBS"/*.deb "$ROOT/srv/packages"
    (cd "$ROOT/srv/packages" && dpkg-scanpackages -m . 2>/dev/null >Packages)
    chroot "$ROOT" apt-get -qq update
    chroot "$ROOT" sh -c "dpkg -i /srv/packages/kaltura-*_1.0_*.deb >/dev/null"
    echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/lab" # an emulated disk is slow
    hooks=$ROOT/etc/apt/apt.conf.d
    echo "DPkg::Pre-Install-Pkgs { \"cat >/dev/null; cat /proc/uptime >/run/hook.begin\"; };" >"$hooks/79lab"
    echo "DPkg::Pre-Install-Pkgs { \"cat >/dev/null; cat /proc/uptime >/run/hook.end\"; };" >"$hooks/81lab"'
boot_vm vm
vm_target vm 150
# No backup but those of the upgrades, whatever the time is.
vm_ok 'systemctl stop stillpoint-backup@nightly.timer'

# --- before an upgrade --------------------------------------------------------------------------

apt_get 0 install kaltura-base=1.1
assert_eq 1 "$(count_calls CreateSnapshots)" "backups before an upgrade"
vm_ok 'stillpoint list --json' >"$LAB/list.json"
id=$(json "d[0]['id']" <"$LAB/list.json")
assert_eq '["before upgrade: kaltura-base 1.0 to 1.1"]' "$(json "[b['reason'] for b in d]" <"$LAB/list.json")" "the reason"
assert_eq application "$(json "d[0]['consistency']" <"$LAB/list.json")" "consistency"
assert_match "to go back to before the upgrade: stillpoint rollback $id.*Setting up kaltura-base \(1\.1\).*to go back to before the upgrade: stillpoint rollback $id"$'\n'"[^"$'\n'"]*"$'\n?$' "$OUT" "the way back, at the end"
assert_eq 1.1 "$(version_of kaltura-base)" "kaltura-base"
vm_assert_thawed

# --- our own package, in a hold -----------------------------------------------------------------

upgrade_conf 'policy = required' "wait = ${WAIT}s" 'max_age = 0'
vm_ok 'systemctl start stillpoint-backup@nightly.timer
    systemctl show -P ActiveEnterTimestampMonotonic stillpoint-backup@nightly.timer >/run/timer'
look
guard=$GUARD daemon=$DAEMON
# dpkg writes to /: where that is frozen, dpkg waits before it has asked anybody.
assert_exit 3 vm 'stillpoint hold --lease 60s --leave-out /'
vm_frozen /var/lib/mysql || fail "nothing is held: $OUT"
OUT=$(vm -t 150 "dpkg -i /srv/packages/stillpoint_*+newer_*.deb 2>&1") || fail "dpkg in a hold: $OUT"
assert_eq $'/var/lib/mysql 1\n/srv/media 1' "$(vm 'cat /run/at-unpack')" "what was frozen (0) when dpkg came to write"
assert_match 'told to end' "$(vm 'journalctl -q -b -o cat -u stillpointd | grep event=lent')" "how the hold ended"
assert_eq "$VERSION+newer" "$(version_of stillpoint)" "the upgrade"
look
assert_eq active,active,active,active,active "$STATES" "$OURS"
[ "$GUARD" != "$guard" ] || fail "the guard is still the old one"
[ "$DAEMON" != "$daemon" ] || fail "the daemon is still the old one"
vm_ok '[ "$(systemctl show -P ActiveEnterTimestampMonotonic stillpoint-backup@nightly.timer)" = "$(cat /run/timer)" ] ||
    { echo "the timer was started anew"; exit 1; }
    stillpoint config | grep -qx "policy = required" || { echo "the configuration was not kept"; exit 1; }'
vm_assert_thawed

# Back to the former build; what was stopped on purpose stays stopped.
vm_ok 'systemctl stop stillpointd'
guard=$GUARD
apt_get 0 install "stillpoint=$VERSION"
assert_eq "$VERSION" "$(version_of stillpoint)" "the downgrade"
look
assert_eq active,active,inactive,active,active "$STATES" "$OURS"
[ "$GUARD" != "$guard" ] || fail "the guard is still the newer one"
vm_ok 'systemctl start stillpointd'

# --- EC2 can't be reached, a backup is required -------------------------------------------------

cloud_fault '{"action": "*", "kind": "hang", "count": 100000}'
apt_get 100 install kaltura-base=1.2
within_wait required
assert_match 'the upgrade is stopped: .*nothing of it was done.*STILLPOINT_SKIP_BACKUP=1' "$OUT" "required"
assert_eq 1.1 "$(version_of kaltura-base)" "required"
SKIP=yes apt_get 0 purge kaltura-front
assert_match 'no backup: STILLPOINT_SKIP_BACKUP is set' "$OUT" "past it"

apt_get 0 remove stillpoint
within_wait "removing ours"
vm_ok '[ ! -e /usr/bin/stillpoint ] && ! pgrep -f "^/usr/(sbin/stillpointd|libexec/stillpoint/)"'
assert_eq '' "$(units)" "units after removal"
vm_ok 'grep -qx "policy = required" /etc/stillpoint/conf.d/upgrade.conf && [ -d /var/lib/stillpoint ]'

apt_get 0 install "stillpoint=$VERSION"
look
assert_eq active,active,active,active,active "$STATES" "$OURS"
vm_ok 'stillpoint config | grep -qx "policy = required"'

# --- the network is out, a backup is wanted -----------------------------------------------------

cloud_faults_off
vm_network off
upgrade_conf 'policy = best-effort' "wait = ${WAIT}s" 'max_age = 0'
apt_get 0 install kaltura-base=1.2
within_wait best-effort
assert_match 'WARNING: the upgrade goes on with no backup.*Setting up kaltura-base \(1\.2\).*no way back to before the upgrade' "$OUT" "best-effort"
assert_eq 1.2 "$(version_of kaltura-base)" "best-effort"
apt_get 0 purge kaltura-base
within_wait "removing, best-effort"
assert_match 'WARNING: the upgrade goes on with no backup.*Removing kaltura-base' "$OUT" "best-effort"
assert_eq 1 "$(count_calls CreateSnapshots)" "backups at the end"

apt_get 0 purge stillpoint
within_wait "purging ours"
assert_eq '' "$(units)" "units after the purge"
assert_eq '' "$(vm 'find / /run /var/lib/mysql /srv/media /boot/efi -xdev -name "*stillpoint*" | grep -vE \
    "^/(srv/packages|var/(log|cache)|var/lib/(dpkg|apt))/|stillpoint-lab|/stillpoint\.list$"')" "what has our name"
assert_eq '' "$(vm 'cd / && find . -xdev -printf "%P\n" | LC_ALL=C sort | comm -13 /srv/before - | grep -vE \
    "^(srv|root|tmp|var/(log|tmp|cache)|var/lib/(dpkg|apt))/|^var/lib/systemd/timers$|^etc/apt/sources.list.d/stillpoint.list$|lab(\.crt)?$"')" \
    "what was not there before" # the folder is systemd's, for timers of anybody's
assert_match '^stillpoint:[!*]' "$(vm 'getent shadow stillpoint')" "the account, which stays and is locked"
vm_assert_thawed
assert_eq running "$(vm 'systemctl is-system-running')" "systemd"
