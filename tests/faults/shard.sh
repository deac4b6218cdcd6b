#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One lab for cells of the matrix: shard.sh run QUEUE RESULTS (matrix.py).
# matrix.sh calls it; $BUILD holds programs built with POINTS=1.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lab/lib.sh"
# shellcheck source=tests/faults/lib_lab.sh
. "$TOP/tests/faults/lib_lab.sh"

# shellcheck disable=SC2317 # lib.sh calls it
_show_logs() { :; } # each cell that fails shows its own part of them
start_fault_lab
run_driver python3 "$TOP/tests/faults/matrix.py" "$1" "$LAB" "${@:2}"
