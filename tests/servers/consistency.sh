#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# MySQL 9 and MariaDB 11.8, of Debian's unstable suite, are held as well as the machine's MariaDB:
# whatever commits leave in buffers, and however their volumes nest. The agent's user has exactly
# the rights that `stillpoint doctor` prints.
# timeout: 900
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lab/lib.sh"
# shellcheck source=tests/lab/cases/lib_consistency.sh
. "$LIB_DIR/cases/lib_consistency.sh"
# shellcheck source=tests/lab/cases/lib_servers.sh
. "$LIB_DIR/cases/lib_servers.sh"

server='' # under test

# hold_on LAYOUT TRX_COMMIT SYNC_BINLOG COUNT [OPTION of the writers...]
hold_on() {
    local name=$server-$1-trx$2-sync$3 count=$4
    next_node --server "$SERVERS_DIR/$server" --no-grant --layout "$1" --trx-commit "$2" \
        --sync-binlog "$3"
    shift 4
    grant_as_doctor_says
    start_writers "$@"
    sleep 0.7
    backups "$name" "$count" --no-image
    stop_writers >"$LAB/writers.json"
    judge_backups "$name" "$count"
}

# The same eyes must see a copy that nothing held still.
unheld_is_seen() {
    local found
    start_writers
    sleep 0.7
    cloud_set '{"cut_at": 0.5}'
    python3 "$LIB_DIR/plain_backup.py" --lab "$LAB" --how nothing >"$LAB/unheld.json" || fail "no backup"
    stop_writers >"$LAB/writers.json"
    judge "$LAB/unheld.json" >"$LAB/verdict.json"
    assert_eq 1 $? "judge's exit for a copy of $server that nothing held"
    found=$(json "' '.join(d['faults'])" <"$LAB/verdict.json")
    assert_match '(files|rows|check|fsck): ' "$found" "faults"
}

holds_of_mysql() {
    # All tables InnoDB: commits go on until the freeze, and the position is a lower bound.
    EXACT=false
    hold_on separate 1 1 5 --innodb-only
    hold_on binlog-in-data 1 1 1 --innodb-only
    # Commits that don't flush the log, or tables of another engine: it is exact.
    EXACT=true
    hold_on data-in-binlog 2 0 2 --innodb-only
    hold_on binlog-in-data 0 0 2
}

holds_of_mariadb() {
    hold_on separate 1 1 5
    hold_on binlog-in-data 0 0 2
    hold_on data-in-binlog 2 0 2
}

missing=''
start_cloud
cloud_set '{"snapshot_time_s": 0.2}'
for server in mysql mariadb; do
    [ "${ONLY_SERVER:-$server}" = "$server" ] || continue
    if why=$(server_tree "$server"); then
        "holds_of_$server"
        unheld_is_seen
    else
        missing+="${missing:+; }$server: $why"
    fi
done
[ -z "$missing" ] || skip "$missing"
