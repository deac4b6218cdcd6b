#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The hooks of a Kaltura node, with a monit and a systemctl of the test's own: what is left unwatched or
# stopped is exactly what is taken up again, whatever order the phases come in; elsewhere they do nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
own_mounts "$@"

mount -t tmpfs run /run
mount -t tmpfs opt /opt
mount -t tmpfs lib /var/lib
log=/run/log
monit_hook=packaging/kaltura/hooks.d/kaltura-monit services_hook=packaging/kaltura/hooks.d/kaltura-services
mkdir /run/bin
cat >/run/bin/systemctl <<'SYSTEMCTL'
#!/bin/sh
echo "$*" >>/run/log
for last; do :; done
case $1 in
is-active) grep "^$last " /run/active | cut -d' ' -f2 ;;
stop) [ ! -e "/run/stuck-$last" ] ;;
esac
SYSTEMCTL
chmod 755 /run/bin/systemctl
export PATH=/run/bin:$PATH

called() { # HOOK PHASE: what it called
    : >$log
    bash -c 'exec "$@"' hook "$1" "$2" >/run/said 2>&1 || echo "exit $?" >>$log
    grep -v is-active $log || true
}
expect() { # HOOK PHASE WHAT EXPECTED
    local got
    got=$(called "$1" "$2")
    [ "$got" = "$4" ] || fail "${1##*/} $2, $3: expected
$4
got
$got
$(cat /run/said)"
}

printf '%s.service active\n' mariadb kaltura-batch ssh >/run/active
for phase in hold release release; do expect $monit_hook $phase "no monit" ''; done
for phase in stop start; do expect $services_hook $phase "no Kaltura" ''; done

mkdir -p /opt/kaltura/bin /opt/kaltura/app/configurations/monit
: >/opt/kaltura/app/configurations/monit/monit.conf
cat >/opt/kaltura/bin/monit <<'MONIT'
#!/bin/sh
shift 2
if [ "$1" = summary ]; then
    [ ! -e /run/monit-slow ] || sleep 3
    exec cat /run/summary
fi
echo "$*" >>/run/log
[ ! -e /run/monit-gone ]
MONIT
chmod 755 /opt/kaltura/bin/monit

expect $monit_hook release "without a hold" ''
cat >/run/summary <<'SUMMARY'
The Monit daemon 5.5 uptime: 3d 2h 11m

Process 'mysqld'                    Running
Process 'batch'                     Running
System 'node1'                      Running
SUMMARY
expect $monit_hook hold "all watched" "unmonitor all"
expect $monit_hook release "all watched" "monitor all"
expect $monit_hook release "a second time" ''

expect $monit_hook hold "the power goes in it" "unmonitor all"
rm -rf /run/stillpoint-kaltura
expect $monit_hook release "of what was unwatched before the boot" "monitor all"

# A node made from the snapshots: its monit has on its disk that it watches nothing, its next backup is our say.
expect $monit_hook hold "snapshots are made in it" "unmonitor all"
cp /run/summary /run/summary.all
sed -i "s/^Process \(.*\)Running/Process \1Not monitored/" /run/summary
expect $monit_hook hold "the copy's own backup" "unmonitor all"
expect $monit_hook release "the copy's own backup" "monitor all"
mv /run/summary.all /run/summary
[ ! -e /var/lib/stillpoint-kaltura ] || fail "a folder is left"

sed -i "s/^Process 'batch'.*/Process 'batch'                     Not monitored/" /run/summary
expect $monit_hook hold "one unwatched" "unmonitor mysqld"
expect $monit_hook release "one unwatched" "monitor mysqld"

cat >/run/summary <<'SUMMARY'
Monit 5.33.0 uptime: 1m
 Service Name                     Status                      Type
 node1                            OK                          System
 mysqld                           OK                          Process
 searchd                          Not monitored               Process
 web-root                         Accessible                  Directory
SUMMARY
expect $monit_hook hold "the table of newer ones" "unmonitor mysqld
unmonitor web-root"
touch /run/monit-gone
expect $monit_hook release "monit fails" "monitor mysqld
monitor web-root
exit 1"
rm /run/monit-gone
sed -i 's/^ mysqld .*/ mysqld                           Not monitored               Process/
    s/^ searchd .*/ searchd                          OK                          Process/' /run/summary
expect $monit_hook hold "after a release that failed" "unmonitor mysqld
unmonitor web-root
unmonitor searchd"
expect $monit_hook release "of both holds" "monitor mysqld
monitor web-root
monitor searchd"
touch /run/monit-slow
expect $monit_hook hold "monit is slow" "exit 1"
grep -q 'monit summary' /run/said || fail "no remedy: $(cat /run/said)"
rm /run/monit-slow
expect $monit_hook release "monit was slow" ''

expect $services_hook stop "two of ours run" "stop kaltura-batch.service
stop mariadb.service"
expect $services_hook start "those that it stopped" "start mariadb.service
start kaltura-batch.service"
expect $services_hook start "a second time" ''

touch /run/stuck-mariadb.service
expect $services_hook stop "one does not stop" "stop kaltura-batch.service
stop mariadb.service
exit 1"
grep -q 'systemctl status mariadb' /run/said || fail "no remedy: $(cat /run/said)"
expect $services_hook start "after a stop that failed" "start mariadb.service
start kaltura-batch.service"

rm /run/stuck-mariadb.service
printf '%s\n' 'mariadb.service activating' 'kaltura-batch.service failed' >/run/active
expect $services_hook stop "one is started again and again" "stop mariadb.service"
expect $services_hook start "one was started again and again" "start mariadb.service"
