#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 1800
# Sets of MySQL 9 and MariaDB 11.8 are verified as those of the machine's MariaDB are: good ones, taken while
# transactions, tables of other engines, files and DDL go on, have no finding; a flipped block of an InnoDB page
# (which ends MySQL), a truncated MyISAM file, a binary log that is gone and a wrong position are named.
#
#   verify-servers.sh [here|mysql|mariadb] [good|bad]    one of them
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_servers.sh
. "$(dirname "$0")/lib_servers.sh"

[ $# != 0 ] || each_server "$0"
need_server "$1"
if [ $# = 1 ]; then
    bash "$0" "$1" good && bash "$0" "$1" bad
    exit
fi

good_sets() {
    local count=0 options
    start_server_node --trx-commit 2 --sync-binlog 0 --layout binlog-in-data
    cloud_set '{"snapshot_time_s": 0.2}'
    start_writers
    start_statements
    for options in --deep '' '' '' --deep; do
        # shellcheck disable=SC2086 # an option or none
        good_set "set$((++count))" application $options
        assert_eq true "$(v "d['databases'][0]['tables_checked'] > 5")" "what was looked at of set $count"
        assert_statements
    done
    stop_writers >/dev/null
}

flip() { # 64 bytes in the middle of page 5, a leaf
    printf 'x%.0s' {1..64} | dd of="$1/lab/still.ibd" bs=1 seek=$((5 * 16384 + 8000)) conv=notrunc status=none
}
cut_short() { truncate -s 1000 "$1/lab/stored.MYD"; }
without_log() { rm "$1/binlog.000001"; }
without_last() { rm "$1/$(json "d['databases'][0]['binlog_file']" <"$LAB/lastless.json")"; }

binlog_pos() { json "d['databases'][0]['binlog_pos']" <"$LAB/$1.json"; }
last_event() { node_sql "SHOW BINLOG EVENTS IN '$log'" | tail -n 1; }

bad_sets() {
    start_server_node
    cloud_set '{"snapshot_time_s": 0.2}'
    # Tables that nobody writes to: their pages lie on the disk, and no redo log would make them whole again.
    node_sql "CREATE TABLE lab.still (id INT PRIMARY KEY, pad CHAR(200)) ENGINE=InnoDB;
              CREATE TABLE lab.stored (id INT PRIMARY KEY, pad CHAR(200)) ENGINE=MyISAM" || fail "tables"
    { rows lab.still 2000 && rows lab.stored 2000; } || fail "rows"
    stop_part mysql
    start_part mysql

    back_up flipped --no-image
    damage_files "$(snapshot_of flipped data)" flip
    verify_now 1 --deep
    assert_finding 'tables mysql' 'lab\.still: '
    if is_mysql; then
        assert_match 'the server ended there, so [0-9]+ of [0-9]+ tables were not reached' "$(text_of tables)" "tables"
        assert_match 'it crashed on the copy: .*page number=5' "$(text_of server)" "why it ended"
    fi

    back_up truncated --no-image
    damage_files "$(snapshot_of truncated data)" cut_short
    verify_now 1
    assert_finding 'tables mysql' 'lab\.stored: '

    back_up logless --no-image
    damage_files "$(snapshot_of logless binlog)" without_log
    verify_now 1
    assert_finding 'binlog mysql' 'binlog\.000001 is listed in the index, and not there'

    back_up lastless --no-image
    damage_files "$(snapshot_of lastless binlog)" without_last
    verify_now 1
    assert_finding 'server mysql' "does not start on the copy: .*binlog\\.00000[0-9]' not found"

    back_up misplaced --no-image
    misplace misplaced 20
    verify_now 1
    assert_match "recorded binlog\.0+[0-9]+:[0-9]+, the copy's ends at" "$(text_of 'binlog mysql')" "wrong position"

    if ! is_mysql; then
        # MariaDB notes for itself, behind the lock that the position was read under, too. The last such note
        # is 40 bytes long, as the log's name has 13.
        node_sql 'FLUSH BINARY LOGS' || fail "a new log"
        log=$(node_sql 'SHOW MASTER STATUS' | cut -f1)
        until_says "Binlog_checkpoint.*$log$" last_event
        back_up noted --no-image
        assert_eq "$log" "$(json "d['databases'][0]['binlog_file']" <"$LAB/noted.json")" "the log"
        misplace noted 40
        verify_now 1 # the manifest has the position, too
        assert_eq ok "$(check_of 'binlog mysql')" "$(text_of 'binlog mysql')"
        assert_match 'as recorded, but for a note of the server.s own behind it, binlog' "$(<"$LAB/verify.json")" "what it says"
        node_sql 'INSERT INTO lab.still VALUES (9000, 1)' || fail "a row"
        back_up written --no-image
        misplace written $(($(binlog_pos written) - $(binlog_pos noted) + 40)) # where the note begins
        verify_now 1
        assert_match "recorded binlog\.0+[0-9]+:[0-9]+, the copy's ends at" "$(text_of 'binlog mysql')" "a row behind it"
        return
    fi
    # Without tables of other engines commits go on, and the position is a lower bound.
    node_sql "DROP TABLE lab.stored; INSERT INTO lab.still VALUES (9001, 'x'), (9002, 'y')" || fail "InnoDB alone"
    back_up bound --no-image
    assert_eq false "$(json "d['databases'][0]['binlog_exact']" <"$LAB/bound.json")" "exact"
    misplace bound 20
    verify_now 1
    assert_match "recorded binlog\.0+[0-9]+:[0-9]+, where no event begins" "$(text_of 'binlog mysql')" "wrong lower bound"
}

start_cloud
"${2}_sets"
