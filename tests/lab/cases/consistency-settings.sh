#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What commits leave in buffers (innodb_flush_log_at_trx_commit 0 and 2, sync_binlog 0) and how
# the database's volumes nest make no difference to what a backup is: its position is exact.
# timeout: 600
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_consistency.sh
. "$(dirname "$0")/lib_consistency.sh"

settings() { # LAYOUT TRX_COMMIT SYNC_BINLOG [COUNT]
    next_node --layout "$1" --trx-commit "$2" --sync-binlog "$3"
    start_writers
    sleep 0.7
    backups "$1-trx$2-sync$3" "${4:-2}" --no-image
    stop_writers >"$LAB/writers.json"
    judge_backups "$1-trx$2-sync$3" "${4:-2}"
}

start_cloud
cloud_set '{"snapshot_time_s": 0.2}'
settings separate 0 0 3
settings separate 2 0
settings binlog-in-data 0 1
settings data-in-binlog 2 0
settings one 0 0
settings one 1 1
