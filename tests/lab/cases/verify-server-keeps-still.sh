#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# timeout: 600
# The server on the copy does nothing that the node's would: no replication, no group replication, no event, no
# init_file, no other plugin or port, and what was prepared stays prepared; the node's settings are no obstacle
# to it. With the machine's MariaDB, and MySQL 9 and MariaDB 11.8 where they can be had.
#
#   verify-server-keeps-still.sh [here|mysql|mariadb]    one of them
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_servers.sh
. "$(dirname "$0")/lib_servers.sh"

[ $# != 0 ] || each_server "$0"
need_server "$1"

init=$(mktemp /tmp/stillpoint-init.XXXXXX)
defer rm -f "$init"
chmod 644 "$init"
common=(event_scheduler=ON max_binlog_size=1M report_host=here character_set_server=utf8mb4
    sql_mode=ANSI_QUOTES default_time_zone=+03:00 innodb_undo_directory=. explicit_defaults_for_timestamp=ON)
if is_mysql; then
    common+=(mysqlx=ON "mysqlx_socket=/tmp/x.sock" mysqlx_port=33999 mysqlx_bind_address=127.0.0.1
        admin_address=127.0.0.1 admin_port=33998 innodb_redo_log_capacity=64M replica_parallel_workers=4
        plugin_load_add=mysql_clone.so plugin_load_add=group_replication.so plugin_load_add=semisync_source.so
        loose_group_replication_group_name=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa
        loose_group_replication_start_on_boot=OFF binlog_transaction_compression=ON
        innodb_doublewrite=DETECT_AND_RECOVER)
else
    common+=(performance_schema=ON innodb_log_file_size=32M innodb_undo_tablespaces=2 slave_parallel_threads=2
        gtid_domain_id=7 aria_log_file_size=8M)
fi
options=()
for option in "${common[@]}"; do options+=(--mysql-option "$option"); done
start_cloud
# Tables lie on a volume of their own, too; only MySQL has to be told where.
far=$LAB/node/root/srv/data1
! is_mysql || options+=(--mysql-option "innodb_directories=$far")
start_server_node --volumes 1 "${options[@]}"
chown mysql "$far"
cloud_set '{"snapshot_time_s": 0.2}'

node_sql "CREATE TABLE lab.ticks (id INT PRIMARY KEY AUTO_INCREMENT, at INT) ENGINE=InnoDB;
    CREATE EVENT lab.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO lab.ticks (at) VALUES (1);
    CREATE TABLE lab.parts (a INT NOT NULL) ENGINE=InnoDB PARTITION BY HASH (a) PARTITIONS 4;
    INSERT INTO lab.parts VALUES (1), (2), (3);
    CREATE TABLE lab.words (a INT PRIMARY KEY, b TEXT, FULLTEXT KEY (b)) ENGINE=InnoDB;
    INSERT INTO lab.words VALUES (1, 'hello world');
    CREATE TABLE lab.stored (a INT PRIMARY KEY, b CHAR(200), FULLTEXT KEY (b)) ENGINE=MyISAM;
    INSERT INTO lab.stored VALUES (1, 'x'), (2, 'y');
    CREATE TABLE lab.lines (a INT NOT NULL) ENGINE=CSV; INSERT INTO lab.lines VALUES (1);
    CREATE TABLE lab.heap (a INT NOT NULL) ENGINE=MEMORY; INSERT INTO lab.heap VALUES (1);
    CREATE TABLE lab.far (a INT PRIMARY KEY) ENGINE=InnoDB DATA DIRECTORY='$far'; INSERT INTO lab.far VALUES (1);
    CREATE VIEW lab.seen AS SELECT * FROM lab.ticks;
    XA START 'x'; INSERT INTO lab.parts VALUES (77); XA END 'x'; XA PREPARE 'x'" || fail "tables"
if is_mysql; then
    node_sql "CREATE TABLE lab.archived (a INT) ENGINE=ARCHIVE; INSERT INTO lab.archived VALUES (1);
        INSTALL COMPONENT 'file://component_validate_password';
        CREATE TABLESPACE ts ADD DATAFILE '$far/ts.ibd'; CREATE TABLE lab.inside (a INT) TABLESPACE ts;
        CREATE UNDO TABLESPACE u3 ADD DATAFILE 'u3.ibu';
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='r',
            SOURCE_AUTO_POSITION=1; START REPLICA" || fail "MySQL's own"
else
    node_sql "CREATE TABLE lab.moved (a INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=1; INSERT INTO lab.moved VALUES (1);
        CREATE SEQUENCE lab.numbers;
        CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='r',
            MASTER_USE_GTID=slave_pos; START SLAVE" || fail "MariaDB's own"
fi
# What the node's server is to do at its next start, and the copy's is not.
echo "INSERT INTO lab.ticks (at) VALUES (99)" >"$init"
echo "init_file = $init" >>"$LAB/my.cnf"
[ -z "$TREE" ] || echo "loose_group_replication_start_on_boot = ON" >>"$LAB/my.cnf"
node_sql "SET GLOBAL read_only = ON$(is_mysql && echo ", GLOBAL super_read_only = ON")" || fail "read_only"
back_up still --no-image

# The daemon is stopped while the server comes up, so that it can be asked for as long as we like.
server_pid() { pgrep -f -- "--socket=/run/mysqld/mysqld.sock.* --datadir=$LAB/node/root" | tail -n 1; }
daemon=$(part_pid daemon)
sp verify latest --deep --json >"$LAB/verify.events" 2>"$LAB/verify.err" &
client=$!
for _ in $(seq 3000); do
    pid=$(server_pid)
    [ -z "$pid" ] || break
    kill -0 "$client" 2>/dev/null || fail "no server: $(tail -n 1 "$LAB/verify.events")"
    sleep 0.01
done
kill -STOP "$daemon"
defer kill -CONT "$daemon"
copy_sql() { mariadb --no-defaults --socket "/proc/$(server_pid)/root/run/mysqld/mysqld.sock" -u root -N -B -e "$1"; }
for _ in $(seq 300); do
    copy_sql "SELECT 1" >/dev/null 2>&1 && break
    sleep 0.1
done
first=$(copy_sql "SELECT COUNT(*) FROM lab.ticks") || fail "the server on the copy is not to be asked"
assert_match '^[0-9]+$' "$first" "ticks on the copy"
sleep 2.5
assert_eq "$first" "$(copy_sql "SELECT COUNT(*) FROM lab.ticks")" "ticks on the copy after some seconds"
assert_eq 0 "$(copy_sql "SELECT COUNT(*) FROM lab.ticks WHERE at = 99")" "what init_file did on the copy"
assert_match '^(OFF|DISABLED)$' "$(copy_sql "SELECT @@event_scheduler")" "event scheduler"
assert_eq 0 "$(copy_sql "SELECT COUNT(*) FROM information_schema.processlist WHERE user IN ('system user', 'event_scheduler')
    AND command IN ('Daemon', 'Connect', 'Slave_IO', 'Slave_SQL') AND state NOT LIKE 'InnoDB%'")" "threads"
replica=$(copy_sql "$(is_mysql && echo "SHOW REPLICA STATUS\G" || echo "SHOW SLAVE STATUS\G")")
assert_match $'\nNo\nNo\n' "$replica" "replication"
assert_eq 0 "$(copy_sql "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_status = 'ACTIVE'
    AND plugin_name IN ('clone', 'group_replication', 'mysqlx', 'rpl_semi_sync_source')")" "plugins"
# In its network namespace nobody listens, and neither do we reach it by one.
assert_eq '' "$(nsenter -t "$(server_pid)" -n ss -Hltn)" "ports"
assert_match $'\tx$' "$(copy_sql "XA RECOVER")" "the prepared transaction"
kill -CONT "$daemon"
wait "$client" || fail "verify ended with $?: $(tail -n 1 "$LAB/verify.events")"
tail -n 1 "$LAB/verify.events" >"$LAB/verify.json"
assert_no_findings
assert_eq true "$(v "d['databases'][0]['tables'] == d['databases'][0]['tables_checked'] > 30")" "tables"
assert_no_loans
