#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 1500
# Twenty good sets, none of which has a finding: of each consistency, with the data and the binary log laid out
# in four ways and as many kinds of durability, taken and verified while transactions, tables of other engines,
# files, and statements that make, change and drop tables and begin new binary logs go on.
#
#   verify-20-good.sh [LAYOUT]    five of them
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

if [ $# = 0 ]; then
    for layout in separate binlog-in-data data-in-binlog one; do
        bash "$0" "$layout" || exit
    done
    exit 0
fi

case $1 in
separate) options=() ;;
binlog-in-data) options=(--trx-commit 2 --sync-binlog 0) ;;
data-in-binlog) options=(--trx-commit 0 --sync-binlog 0 --mysql-option innodb_file_per_table=OFF) ;;
one) options=(--volumes 2 --mysql-option binlog_format=ROW --mysql-option innodb_flush_method=fsync) ;;
*) fail "no layout $1" ;;
esac

start_cloud
start_node --layout "$1" "${options[@]}"
cloud_set '{"snapshot_time_s": 0.2}'
start_writers
start_statements
for level in application filesystem crash application application; do
    count=$((${count:-0} + 1))
    # shellcheck disable=SC2046 # an option or none
    good_set "set$count" "$level" $([ "$count" != 5 ] || echo --deep)
    assert_eq true "$(v "len(d['databases']) == 1 and d['databases'][0]['tables_checked'] > 5")" "what was looked at of set $count"
    assert_statements
done
stop_writers >/dev/null
