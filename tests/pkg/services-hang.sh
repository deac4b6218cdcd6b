#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 200
# Whatever hangs, the packages' scripts end within a minute, with exit code 0; a daemon that hangs is
# killed, and what is frozen is thawed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh
[ "$(id -u)" = 0 ] || skip "needs root, for a mount namespace"

# One case in a namespace: CASE VERB, what is said to hang is a pattern of systemctl's arguments.
if [ "${1-}" = inside ]; then
    hangs=$2 verb=$3
    mount --make-rprivate /
    mount -t tmpfs run /run
    mkdir -p /run/work/bin /run/work/libexec /run/systemd/system /run/stillpoint
    : >/run/stillpoint/guard.lease
    cp packaging/libexec/stillpoint-services /run/work/libexec/
    cat >/run/work/libexec/stillpoint-guard <<'GUARD'
#!/bin/sh
echo "guard $*" >>/run/work/log
GUARD
    cat >/run/work/bin/systemctl <<SYSTEMCTL
#!/bin/sh
echo "\$*" >>/run/work/log
case \$* in
*kill*stillpointd*) touch /run/work/killed ;;
esac
trap '' TERM
case \$* in
$hangs) [ -e /run/work/killed ] || sleep 600 ;;
esac
SYSTEMCTL
    ln -s systemctl /run/work/bin/deb-systemd-invoke
    chmod 755 /run/work/bin/systemctl /run/work/libexec/*
    started=$SECONDS
    PATH=/run/work/bin:$PATH /run/work/libexec/stillpoint-services "$verb" 2>/run/work/said ||
        fail "$verb with $hangs hanging: exit $?"
    took=$((SECONDS - started))
    [ $took -le 60 ] || fail "$verb with $hangs hanging: $took s"
    echo "$verb, $hangs: $took s"
    case $verb in
    stop | let-go) grep -qx 'guard --thaw' /run/work/log || fail "$verb with $hangs hanging: nothing was thawed" ;;
    *) grep -q 'systemctl status' /run/work/said || fail "$verb with $hangs hanging: nothing is said of it" ;;
    esac
    if [ "$hangs" = 'stop*stillpointd*' ]; then
        grep -q 'kill --signal=KILL stillpointd.service' /run/work/log || fail "the daemon was not killed"
        ! grep -q 'did not end' /run/work/said || fail "a daemon that was killed is said to run"
    fi
    exit
fi

pids=()
one() {
    unshare --mount --pid --fork --kill-child --mount-proc bash "$0" inside "$1" "$2" &
    pids+=($!)
}
one 'stop*stillpointd*' stop
one 'stop*stillpointd*' let-go
for verb in start let-go come-back reread stop; do one '*' $verb; done
bad=0
for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
exit $bad
