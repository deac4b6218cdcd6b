# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#   leave_labs   in a mount namespace of one's own: it leaves the filesystems of all labs, or its copy of a mount
#                would keep the device in use when the lab has unmounted it. Exported
leave_labs() {
    local at
    awk '$3 ~ /^(ext[234]|xfs|btrfs|f2fs)$/ && $2 ~ /\/stillpoint-/ { print $2 }' /proc/self/mounts | tac |
        while read -r at; do umount -l "$(printf '%b' "$at")" || true; done
}
export -f leave_labs
