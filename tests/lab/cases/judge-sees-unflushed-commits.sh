#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# With innodb_flush_log_at_trx_commit = 0 a lock and a freeze alone leave commits behind in the log
# buffer, and the judge says so; with 2 they are on the disk.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

if [ "${1:-}" = one ]; then
    start_cloud
    # The server writes its buffer once a second as a rule: between lock and freeze where these take long.
    start_node --no-agent --sync-binlog 0 --trx-commit "$2" --mysql-option innodb_flush_log_at_timeout=60
    start_writers
    sleep 1
    arm_thaw 30 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"
    python3 "$LIB_DIR/plain_backup.py" --lab "$LAB" --how right >"$LAB/backup.json" || fail "no backup"
    disarm_thaw
    judge "$LAB/backup.json" >"$LAB/verdict.json"
    assert_eq "$3" $? "judge's exit with trx_commit $2: $(cat "$LAB/verdict.json")"
    exit 0
fi
# A log that happens to be flushed just before the lock, for pages that are written, leaves nothing behind:
# three tries.
for try in 1 2 3; do
    "$0" one 0 1 && break
    [ "$try" != 3 ] || fail "the buffered commits were not missed"
done
"$0" one 2 0 || fail "the written commits were not found"
