#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 20 backups in a row under full write load, each restored: every one shows a single instant, with
# not a row, a record or a byte of the binary log too many or too few.
# timeout: 600
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_consistency.sh
. "$(dirname "$0")/lib_consistency.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
start_writers
sleep 1

backups image 1
backups row 19 --no-image
stop_writers >"$LAB/writers.json"
judge_backups image 1
judge_backups row 19
