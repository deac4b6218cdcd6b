#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# alone: yes
# timeout: 1800
# The fault matrix: a backup, a fault at a point of it, the invariants, the backup after it.
#
#   tests/faults/matrix.sh [--all]            every cell; the table goes to build/faults.md
#   tests/faults/matrix.sh --sample [SEED]    each fault and each point at least once; without SEED
#                                             $SEED, else the time chooses
#   tests/faults/matrix.sh CELL...            FAULT@POINT, or a pattern: 'kill-*@sent'
#   tests/faults/matrix.sh --list             what there is
#
# Needs `make POINTS=1 all`. A line a cell: ok or not ok, its name, what came of it, the longest
# freeze. $LABS (5) labs share the cells, which mostly wait. Exit 1 if one is not ok, 2 for arguments
# that make no sense, 77 if the lab can't be here.
set -uo pipefail
# shellcheck source=tests/faults/lib_arguments.sh
. "$(dirname "$0")/lib_arguments.sh"

seed=
case ${1---all} in
-h | --help)
    usage
    exit
    ;;
--all | --list) [ $# -le 1 ] || refuse "nothing stands behind $1" ;;
--sample)
    [ $# -le 2 ] || refuse "one SEED and nothing behind it, not '${*:2}'"
    seed=${2-${SEED:-$(date +%s)}}
    need_seed "$seed"
    ;;
*)
    for cell in "$@"; do
        case $cell in '' | -*) refuse "no CELL and no option is named '$cell'" ;; esac
    done
    ;;
esac

cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/lab/python.sh
. tests/lab/python.sh

BUILD=${POINTS_BUILD:-build/points}
export BUILD
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-faults.XXXXXX")
shards=()

# shellcheck disable=SC2317 # the traps call it
stop() {
    [ ${#shards[@]} = 0 ] || kill -TERM "${shards[@]}" 2>/dev/null
    wait
    rm -rf "$work"
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop 129' HUP
trap 'rm -rf "$work"' EXIT

list() { python3 tests/faults/matrix.py list "$@"; }

table=
case ${1---all} in
--list)
    list
    exit
    ;;
--all)
    list >"$work/queue" || exit
    table=build/faults.md
    ;;
--sample)
    echo "# seed $seed: again with tests/faults/matrix.sh --sample $seed"
    list --sample "$seed" >"$work/queue" || exit
    ;;
*) list "$@" >"$work/queue" || exit 2 ;;
esac

: >"$work/results"
cells=$(grep -c . "$work/queue")
echo "1..$cells"
labs=${LABS:-5}
most=$(((cells + 3) / 4))
[ "$labs" -le "$most" ] || labs=$most
for ((i = 0; i < labs; i++)); do
    bash tests/faults/shard.sh run "$work/queue" "$work/results" </dev/null &
    shards+=($!)
done
status=0
for pid in "${shards[@]}"; do
    wait "$pid"
    one=$?
    [ "$one" = 0 ] || status=$one
done
[ "$status" = 0 ] || exit "$status"
python3 tests/faults/matrix.py table "$work/results" "${table:-$work/table.md}"
