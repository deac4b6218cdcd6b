#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether the daemon runs after each of the ways in which dpkg calls the scripts of our packages; that they
# go on where no account can be made, and purge where something can't be removed. With a systemctl of the test's own, in a mount namespace.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
own_mounts "$@"

# What the scripts would touch of this machine. Without /proc purge finds no mounts of others.
for place in /run /usr/libexec /var/lib /etc; do mount -t tmpfs test $place; done
bin=/run/bin scripts=$(pwd)/packaging/debian
mkdir -p $bin /run/systemd/system /run/up /usr/libexec/stillpoint
cp packaging/libexec/stillpoint-services /usr/libexec/stillpoint/
# Of units it knows which run.
cat >$bin/systemctl <<'SYSTEMCTL'
#!/bin/sh
for unit; do :; done
case $* in
*is-active*) [ ! -e "/run/up/$unit" ] || echo active ;;
stop*) rm -f "/run/up/$unit" ;;
start* | restart*) : >"/run/up/$unit" ;;
esac
SYSTEMCTL
ln -s systemctl $bin/deb-systemd-invoke
for tool in systemd-sysusers systemd-tmpfiles deb-systemd-helper; do printf '#!/bin/sh\n' >$bin/$tool; done
chmod 755 $bin/*

step() { # SCRIPT ARGUMENT...
    local script=$1
    shift
    PATH=$bin:$PATH sh "$scripts/${package:-stillpoint}.$script" "$@" >/run/said 2>&1 || fail "$script $*: exit $?: $(cat /run/said)"
}
up() { [ -e /run/up/stillpointd.service ] || fail "$1: the daemon does not run"; }
down() { [ ! -e /run/up/stillpointd.service ] || fail "$1: the daemon runs"; }

step preinst install
step postinst configure
up "installed"
step prerm upgrade 2
down "before the new files are written"
step postrm upgrade 2
step postinst configure 1
up "upgraded"
step prerm upgrade 3
step postinst abort-upgrade 3
up "an upgrade that failed"
step prerm deconfigure in-favour other 1
down "deconfigured"
step postinst configure 1
up "configured again"
step prerm deconfigure in-favour other 1
step postinst abort-deconfigure in-favour other 1
up "deconfigured after all not"
step prerm remove
down "before it is removed"
step postinst abort-remove
up "removed after all not"
step prerm remove
step postrm remove
down "removed"
step preinst install 1
step postinst configure 1
up "installed after it was removed"

# Kaltura's hooks may go in a hold: the daemon ends before, and is there again afterwards.
package=stillpoint-kaltura
step prerm remove
down "before Kaltura's hooks are removed"
step postinst abort-remove
up "they are not removed after all"
step prerm remove
step postrm remove
up "they are removed"
step postrm purge
up "they are purged"
step prerm remove
package=stillpoint step prerm upgrade 2
step postrm remove
package=stillpoint step postinst configure 1
up "they are removed in an upgrade"
package=stillpoint step prerm upgrade 2
step prerm remove
step postrm remove
down "they are removed within an upgrade"
package=stillpoint step postinst configure 1
up "they were removed within an upgrade"
step prerm remove
package=stillpoint step prerm remove
step postrm remove
down "both are removed"
unset package
step postinst configure

# Somebody has the lock of the accounts.
printf '#!/bin/sh\nexec sleep 60\n' >$bin/systemd-sysusers
echo 'stillpoint:x:990:990::/:/usr/sbin/nologin' >/etc/passwd
step prerm upgrade 2
started=$SECONDS
step postinst configure 1
up "upgraded, with the accounts locked"
[ $((SECONDS - started)) -lt 15 ] || fail "for an account that exists it waits $((SECONDS - started)) s"
! grep -q . /run/said || fail "the account exists, and it says: $(cat /run/said)"
printf '#!/bin/sh\nexit 1\n' >$bin/systemd-sysusers
: >/etc/passwd
step postinst configure 1
grep -q 'systemd-sysusers && ' /run/said || fail "no remedy where there is no account: $(cat /run/said)"
printf '#!/bin/sh\n' >$bin/systemd-sysusers

rm /run/up/stillpointd.service
step prerm upgrade 2
step postinst configure 1
down "stopped by hand, then upgraded"

# Volumes on loan, which nobody knows of afterwards.
mkdir -p /var/lib/stillpoint/loans
: >/var/lib/stillpoint/loans/sl-1.json
step prerm remove
grep -q 'Name=tag:stillpoint:loan,Values=sl-1;' /run/said || fail "removal does not name a loan: $(cat /run/said)"
rm -r /var/lib/stillpoint/loans
step prerm remove
! grep -q loan /run/said || fail "there is no loan, and removal says: $(cat /run/said)"

# The state's folder is a mount: it stays, and is empty.
mkdir -p /var/lib/stillpoint /etc/stillpoint/conf.d
mount -t tmpfs test /var/lib/stillpoint
: >/var/lib/stillpoint/identity.json
mount -t tmpfs test /proc
wants=/etc/systemd/system/timers.target.wants
mkdir -p $wants
for one in stillpoint-backup@hourly stillpoint-backup@weekly other; do ln -s "/x/$one.timer" $wants/; done
mkdir -p /run/stillpoint-upgrade
printf '# HELP stillpoint_x X.\n' >/var/lib/our.prom
printf '# HELP node_x X.\n' >/var/lib/their.prom
for name in their our; do
    printf '#!/bin/sh\nprintf "[log]\\ntextfile = /x\\n[metrics]\\n# a file\\ntextfile = /var/lib/%s.prom\\n"\n' $name >$bin/stillpoint
    chmod 755 $bin/stillpoint
    step prerm remove
done
[ -e /var/lib/their.prom ] || fail "removal takes a file of others"
[ ! -e /var/lib/our.prom ] || fail "a removed node is still scraped"
step postrm remove
step postrm purge
[ ! -e /run/stillpoint-upgrade ] || fail "purge leaves /run/stillpoint-upgrade"
[ ! -e /etc/stillpoint ] || fail "purge leaves /etc/stillpoint"
[ -z "$(ls -A /var/lib/stillpoint)" ] || fail "purge leaves the state"
[ "$(ls $wants)" = other.timer ] || fail "purge leaves enabled timers: $(ls $wants)"
