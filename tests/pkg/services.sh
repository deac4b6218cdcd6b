#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the packages' scripts have done with the services, in which order; with a systemctl of the test's
# own, in a mount namespace with a /run of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
own_mounts "$@"

mount -t tmpfs run /run
work=/run/work ran=/run/stillpoint.upgrade
mkdir -p $work/bin $work/libexec
cp packaging/libexec/stillpoint-services $work/libexec/
cat >$work/libexec/stillpoint-guard <<'GUARD'
#!/bin/sh
echo "guard $*" >>/run/work/log
GUARD
cat >$work/bin/systemctl <<'SYSTEMCTL'
#!/bin/sh
echo "$*" >>/run/work/log
case $* in
*is-active*)
    if [ -e /run/work/active ]; then cat /run/work/active; else echo inactive; fi
    grep -qsx active /run/work/active
    ;;
*is-enabled*) [ ! -e /run/work/disabled ] ;;
esac
SYSTEMCTL
chmod 755 $work/bin/* $work/libexec/*
# Without Debian's deb-systemd-invoke, as on an rpm system; the lifes of the packages have it.
for tool in sh date timeout rm sleep cat grep; do ln -s "$(command -v $tool)" $work/bin/; done

run() { # VERB: the calls that it makes, one a line
    : >$work/log
    # shellcheck disable=SC2086 # a verb may have its word
    PATH=$work/bin $work/libexec/stillpoint-services $1 >$work/said 2>&1 || fail "$1: exit $?"
    cat $work/log
}

expect() { # VERB WHAT EXPECTED
    local got
    got=$(run "$1")
    [ "$got" = "$3" ] || fail "$1, $2: expected
$3
got
$got"
}

# A chroot or an image: nothing is asked of a systemd that does not run.
for verb in start let-go come-back reread stop; do expect $verb "no systemd" ''; done

mkdir -p /run/systemd/system /run/stillpoint
units='stillpoint-backup@*.timer stillpoint-prune.timer stillpoint-backup@*.service stillpoint-prune.service'
expect stop "nothing frozen" "stop $units
stop stillpointd.service
stop stillpoint-hook.socket
stop stillpoint-guard.service"

# The daemon lets go of what it holds; what the record says is thawed before and after the guard ends.
: >/run/stillpoint/guard.lease
expect stop "a record of a lease" "stop $units
stop stillpointd.service
guard --thaw
stop stillpoint-hook.socket
stop stillpoint-guard.service
guard --thaw"

echo active >$work/active
expect let-go "a daemon that runs" "is-active stillpointd.service
stop stillpointd.service
guard --thaw"
expect come-back "it ran before" "daemon-reload
try-restart stillpoint-guard.service
restart stillpointd.service"
expect come-back "a second time" "daemon-reload
try-restart stillpoint-guard.service
--no-block try-restart stillpointd.service"

# One that can't start, which the new version may mend, runs as far as its operator is concerned.
for state in activating reloading; do
    echo $state >$work/active
    run let-go >/dev/null
    [ -e $ran ] || fail "let-go: a daemon that is $state is not noted"
done
for state in deactivating failed; do
    echo $state >$work/active
    run let-go >/dev/null
    [ ! -e $ran ] || fail "let-go: a daemon that is $state is noted"
done
rm $work/active
expect let-go "a daemon that was stopped" "is-active stillpointd.service
stop stillpointd.service
guard --thaw"
expect come-back "it did not run before" "daemon-reload
try-restart stillpoint-guard.service
--no-block try-restart stillpointd.service"

# What can't be noted (a full /run) keeps nobody from letting go.
echo active >$work/active
mkdir $ran
expect let-go "no room in /run" "is-active stillpointd.service
stop stillpointd.service
guard --thaw"
rmdir $ran
rm $work/active

expect reread "" "try-restart stillpointd.service"
echo active >$work/active
expect "let-go hooks" "a daemon that runs" "is-active stillpointd.service
stop stillpointd.service
guard --thaw"
expect reread "it ran before" "restart stillpointd.service"
expect reread "a second time" "try-restart stillpointd.service"
rm $work/active

[ "$(run start | grep -c '^start ')" = 4 ] || fail "start: not each of the four was started"
touch $work/disabled
! run start | grep '^start ' || fail "start: what is disabled was started"

! PATH=$work/bin $work/libexec/stillpoint-services nonsense 2>/dev/null || fail "a verb that isn't one is taken"
