#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether the image that is being built has all that a node needs, and nothing of this machine. As
# root, after build.sh and whatever else the build does. EC2 is not asked for anything.
# shellcheck disable=SC2317 # check calls them
set -uo pipefail
failed=0

check() { # WHAT COMMAND...
    local what=$1 said
    shift
    if said=$("$@" 2>&1); then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s: %s\n' "$what" "$said"
        failed=1
    fi
}

enabled() { # UNIT: or somebody has decided otherwise, by a preset
    local now
    now=$(systemctl --root=/ is-enabled "$1" 2>/dev/null)
    [ "$now" = enabled ] || { echo "it is ${now:-not there}"; return 1; }
}

scheduled() { # nightly, or what was enabled in its place
    compgen -G '/etc/systemd/system/*.wants/stillpoint-backup@*.timer' >/dev/null || {
        echo "none is: systemctl enable stillpoint-backup@nightly.timer"
        return 1
    }
}

sealed() {
    local said
    said=$(stillpoint seal -n 2>&1)
    [[ ${said##*$'\n'} == sealed* && $said != *'secret access key'* ]] || {
        printf '%s\n%s\n' "$said" "end the build with: stillpoint seal"
        return 1
    }
}

for program in stillpoint stillpointd /usr/libexec/stillpoint/stillpoint-guard \
    /usr/libexec/stillpoint/stillpoint-hook; do
    check "$program runs" "$program" --version
done
check "the user stillpoint" id stillpoint
check "the configuration" stillpoint config --quiet
for unit in stillpoint-guard.service stillpoint-hook.socket stillpointd.service; do
    check "$unit is enabled" enabled "$unit"
done
check "a timer of backups is enabled" scheduled
check "nothing of this machine is kept" sealed
exit $failed
