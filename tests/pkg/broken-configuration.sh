#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A configuration with a fault: what the units run ends with exit code 2 and the message of `stillpoint
# config`, and 2 is what no unit starts again after.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/pkg/lib.sh
. tests/pkg/lib.sh

build=${BUILD:-build/plain}
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-broken.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/conf.d"
: >"$work/stillpoint.conf"
printf '[backup]\nhold_dedline = 3s\n' >"$work/conf.d/own.conf"
conf=$work/stillpoint.conf

status=0
said=$("$build/stillpoint" config --config "$conf" 2>&1) || status=$?
[ $status = 2 ] || fail "stillpoint config: exit $status"
cause="own.conf:2: unknown key 'hold_dedline' in [backup]"
grep -qF "$cause" <<<"$said" || fail "stillpoint config does not say: $cause: $said"

unit_runs() { # UNIT: the program and its arguments
    sed -nE 's,^ExecStart=/usr/(libexec/stillpoint|s?bin)/,,p' "packaging/systemd/$1" |
        sed -E 's/ \$[A-Z_]+//; s/%i/nightly/'
}

for unit in stillpointd.service stillpoint-backup@.service stillpoint-prune.service; do
    read -ra run <<<"$(unit_runs $unit)"
    [ ${#run[@]} -gt 0 ] || fail "$unit runs nothing"
    status=0
    said=$(timeout 20 "$build/${run[0]}" "${run[@]:1}" --config "$conf" 2>&1) || status=$?
    [ $status = 2 ] || fail "$unit: ${run[*]}: exit $status: $said"
    grep -qF "$cause" <<<"$said" || fail "$unit: ${run[*]} does not say what stillpoint config says: $said"
    grep -qF "did you mean hold_deadline?" <<<"$said" || fail "$unit: no remedy: $said"
done

for unit in packaging/systemd/*.service; do
    ! grep -q '^Restart=' "$unit" || grep -q '^RestartPreventExitStatus=.*\b2\b' "$unit" ||
        fail "$unit is started again and again after exit code 2"
    # What systemd ends with where there is no such account.
    for account in Group:216 User:217; do
        ! grep -q '^Restart=' "$unit" || ! grep "^${account%:*}=" "$unit" | grep -qv '=root$' ||
            grep -q "^RestartPreventExitStatus=.*\b${account#*:}\b" "$unit" ||
            fail "$unit is started again and again where its ${account%:*}= is missing"
    done
    # A backup that is less than asked for is no success, and no reason for another one at once.
    ! grep -q '^SuccessExitStatus=' "$unit" || fail "$unit takes a failure for a success"
done
