#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The scripts of the fault tests refuse arguments that make no sense at once: exit 2, why and the
# usage. What went on with them would be minutes of another run than the one that was meant.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-arguments.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset SEED
export POINTS_BUILD=$work/none # there is no lab to come up in: what is taken skips (77)

fail() {
    echo "arguments: $*" >&2
    exit 1
}

runs() { # EXIT COMMAND...: its streams together in $OUT
    local wanted=$1 status
    shift
    OUT=$(timeout 60 "$@" 2>&1 </dev/null)
    status=$?
    [ "$status" = "$wanted" ] || fail "$*: wanted exit $wanted, got $status: $OUT"
}

says() { # REGEX: the last command
    grep -qE -- "$1" <<<"$OUT" || fail "wanted /$1/ in: $OUT"
}

refuses() { # WHY SCRIPT ARGUMENT...
    local why=$1 script=$2
    shift 2
    runs 2 "tests/faults/$script" "$@"
    says "^$script: $why"
    says "^  tests/faults/$script \["
    ! grep -q '^# seed' <<<"$OUT" || fail "$script $*: went on: $OUT"
}

for option in --kills --seconds; do
    refuses "$option needs a number from 1 on, not ''" soak.sh "$option"
    for amount in abc x 0 -1 1.5 '' 1e3 0x10; do
        refuses "$option needs a number from 1 on, not '$amount'" soak.sh "$option" "$amount"
    done
done
refuses 'no option --bogus' soak.sh --bogus
refuses "SEED is a number, not 'abc'" soak.sh abc
refuses "SEED is a number, not 'abc'" soak.sh --kills 3 abc
refuses "SEED is a number, not ''" soak.sh ''
refuses "one SEED and nothing behind it, not '1 2'" soak.sh 1 2
SEED=abc refuses "SEED is a number, not 'abc'" soak.sh
runs 77 tests/faults/soak.sh --seconds 30 7
says '^# seed 7: again with tests/faults/soak.sh --seconds 30 7$'
SEED=8 runs 77 tests/faults/soak.sh
says '^# seed 8: again with tests/faults/soak.sh --kills 40 8$'

refuses "no CELL and no option is named ''" matrix.sh ''
refuses "no CELL and no option is named ''" matrix.sh kill-daemon@plan ''
refuses "no CELL and no option is named '--bogus'" matrix.sh --bogus
refuses "nothing stands behind --list" matrix.sh --list foo
refuses "nothing stands behind --all" matrix.sh --all foo
refuses "SEED is a number, not 'abc'" matrix.sh --sample abc
refuses "one SEED and nothing behind it, not '1 2'" matrix.sh --sample 1 2
runs 2 tests/faults/matrix.sh foo@bar
says 'no cell foo@bar: FAULT@POINT, see '
runs 0 tests/faults/matrix.sh --list
cell=$(tail -n 1 <<<"$OUT")
runs 77 tests/faults/matrix.sh "$cell"
says '^1\.\.1$'
runs 77 tests/faults/sample.sh 5
says '^# seed 5: again with tests/faults/matrix.sh --sample 5$'

for script in soak.sh matrix.sh; do
    for option in -h --help; do
        runs 0 "tests/faults/$script" "$option"
        says "^  tests/faults/$script \["
    done
done
