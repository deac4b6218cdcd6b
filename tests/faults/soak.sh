#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A random killer: backup after backup under load, in each a random process is killed (or stopped,
# or told to end) at a random moment; after each the invariants of the matrix.
#
#   tests/faults/soak.sh [--kills N | --seconds N] [SEED]     40 kills; SEED: $SEED, else the time
#
# Needs `make POINTS=1 all` (no point is used: what a lost answer waits for is shorter there). A line
# a backup, ok or not ok; ends with the first that is not. Exit 1 then, 2 for arguments that make no
# sense, 77 if the lab can't be here.
# shellcheck source=tests/faults/lib_arguments.sh disable=SC2119
. "$(dirname "$0")/lib_arguments.sh"

unit=--kills amount=40
case ${1-} in
-h | --help)
    usage
    exit
    ;;
--kills | --seconds)
    [[ ${2-} =~ ^[1-9][0-9]{0,8}$ ]] || refuse "$1 needs a number from 1 on, not '${2-}'"
    unit=$1 amount=$2
    shift 2
    ;;
-*) refuse "no option $1" ;;
esac
[ $# -le 1 ] || refuse "one SEED and nothing behind it, not '$*'"
seed=${1-${SEED:-$(date +%s)}}
need_seed "$seed"

BUILD=${POINTS_BUILD:-build/points}
export BUILD
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

# shellcheck disable=SC2317 # lib.sh calls it
_show_logs() { :; } # a backup that fails shows its own part of them
echo "# seed $seed: again with tests/faults/soak.sh $unit $amount $seed"

# shellcheck source=tests/faults/lib_lab.sh
. "$TOP/tests/faults/lib_lab.sh"
start_fault_lab
run_driver python3 "$TOP/tests/faults/soak.py" "$LAB" "$unit" "$amount" "$seed"
