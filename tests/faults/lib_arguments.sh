# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the fault tests' scripts make of their command line, before anything else:
#   usage            the head of the script that runs
#   refuse TEXT      says why, and the usage; exit 2 (1 is what a failed test gives)
#   need_seed SEED   refuses what is not a number
usage() { sed -n '2,/^[^#]/{/^# \(SPDX\|shellcheck\|alone:\|timeout:\)/d; s/^# \{0,1\}//p}' "$0"; }

refuse() {
    printf '%s: %s\n\n' "${0##*/}" "$*" >&2
    usage >&2
    exit 2
}

need_seed() { [[ $1 =~ ^[0-9]{1,18}$ ]] || refuse "SEED is a number, not '$1'"; }
