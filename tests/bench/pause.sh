#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One node with VOLUMES volumes under write load, and the rounds of rounds.py on it.
#
#   pause.sh VOLUMES OUT [--tools NAME...]     VOLUMES: 1, or 3 and more; OUT: JSON lines are added
#
# WRITER_OPTIONS are writer.c's. ROUNDS (20) with an exchange of 300 ms, ROUNDS_LONG (8) with one of 2 s.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

volumes=$1 out=$2
shift 2

need fsfreeze aws
start_cloud
if [ "$volumes" = 1 ]; then
    start_node --layout one
else
    start_node --volumes $((volumes - 3))
fi
# shellcheck disable=SC2086 # several options
start_writers ${WRITER_OPTIONS:-}
for exchange in "300 ${ROUNDS:-20}" "2000 ${ROUNDS_LONG:-8}"; do
    read -r ms rounds <<<"$exchange"
    [ "$rounds" -gt 0 ] || continue
    python3 "$TOP/tests/bench/rounds.py" "$LAB" --out "$out" --exchange-ms "$ms" --rounds "$rounds" "$@" ||
        fail "$volumes volumes, exchange of $ms ms"
done
stop_writers >/dev/null
