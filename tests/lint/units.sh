#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The unit files as `make install` puts them: systemd finds no fault with them, each runs programs that
# are there, none states more power than it did (systemd-analyze security, tenths of its points), and no
# day is left out by those that come once a day.
# usage: units.sh BUILD-FOLDER
set -euo pipefail

build=${1:?usage: units.sh BUILD-FOLDER}
# The hook runner is not judged: it has no sandbox, on purpose.
exposure_max='stillpoint-guard.service 40
stillpoint-guard-watch.service 40
stillpointd.service 24
stillpoint-backup@.service 10
stillpoint-prune.service 10'
# What would give the guard a mount namespace: to make it a restart would have to touch a frozen /.
namespace='^(Protect(System|Home|Proc|Kernel[A-Za-z]*|ControlGroups)|ProcSubset|Private[A-Z][A-Za-z]*|[A-Z][A-Za-z]*Paths|TemporaryFileSystem|Mount[A-Za-z]*|Root[A-Z][A-Za-z]*|DynamicUser|LogNamespace|(State|Cache|Logs|Configuration)Directory)='

root=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-units.XXXXXX")
trap 'rm -rf "$root"' EXIT
# -o all: what was built for the tests, not anew for /usr.
make -s --no-print-directory -o all B="$build" DESTDIR="$root" PREFIX=/usr install >/dev/null
units=$root/usr/lib/systemd/system
find "$units" -type f -exec sed -i "/^Exec/s,=/usr/,=$root/usr/," {} +

failed=0
for path in "$units"/*; do
    unit=${path##*/}
    case $unit in
    *@*.d) unit=${unit%.d} ;; # what a folder of drop-ins makes of its template
    *@.*) unit=${unit/@./@1.} ;;
    esac
    # Also what is only a warning (an unknown key) makes it fail: its exit code is for errors alone.
    said=$(SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no --recursive-errors=one \
        "$unit" 2>&1) || failed=1
    if [ -n "$said" ]; then
        echo "$said"
        failed=1
    fi
done
while read -r unit max; do
    [[ $unit != *@.* ]] || cp "$units/$unit" "$root/${unit/@./@1.}"
    path=$(find "$root" -name "${unit/@./@1.}")
    systemd-analyze security --no-pager --offline=true --threshold="$max" "$path" >"$root/said" || {
        grep -E '^✗|^→' "$root/said"
        echo "$unit: more exposed than $max"
        failed=1
    }
done <<<"$exposure_max"
if grep -E "$namespace" "$units"/stillpoint-guard*.service; then
    echo "the guard, or its watch: that needs a mount namespace"
    failed=1
fi
# A year and more of it, in zones whose clocks go forward at 02:00, 01:00, 03:00 and 00:00.
days() { for day in {1..380}; do echo "2026-01-01 $day days"; done | TZ=UTC date -f - +%F; }
elapses() { # TIMER ZONE: on which days
    TZ=$2 systemd-analyze calendar --base-time='2026-01-01 00:00:00' --iterations=400 \
        "$(sed -n 's/^OnCalendar=//p' "$units/$1")" |
        sed -nE 's/^ *(Next elapse|Iter[^:]*): [A-Z][a-z]+ ([-0-9]{10}) .*/\2/p' | sort -u
}
for timer in stillpoint-backup@.timer stillpoint-prune.timer; do
    for zone in Europe/Berlin America/New_York Europe/London Europe/Athens America/Santiago Africa/Cairo; do
        left_out=$(comm -23 <(days) <(elapses "$timer" $zone))
        if [ -n "$left_out" ]; then
            echo "$timer, $zone: does not elapse on ${left_out//$'\n'/ }"
            failed=1
        fi
    done
done
exit $failed
