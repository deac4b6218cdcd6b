#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two database servers on one node: both are held for the cut, both recorded, both let go; the loss of
# one lowers the label although the other was held.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
second=$LAB/run/second.sock
start_node --conf '[mysql second]' --conf "socket = $second"
cloud_set '{"latency_ms": {"CreateSnapshots": 5000}, "snapshot_time_s": 0.1}'
data=$(mount_at data)/second
sql2() { mariadb --no-defaults --socket "$second" -u root -N -B -e "$1"; }

mkdir "$data"
mariadb-install-db --no-defaults --user=root --datadir="$data" --skip-test-db \
    --auth-root-authentication-method=normal >"$LAB/log/second-install.log" 2>&1 || fail "no second database"
mariadbd --no-defaults --user=root --datadir="$data" --socket="$second" --skip-networking \
    --log-bin=second --server-id=2 --innodb-buffer-pool-size=16M >"$LAB/log/second.log" 2>&1 &
second_pid=$!
echo "$second_pid $(python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import sweep
print(sweep.start_time(int(sys.argv[2])))' "$LIB_DIR" "$second_pid") second" >>"$LAB/pids"
disown "$second_pid" # its end is the sweep's, and no news
stop_second() {
    kill -KILL "$second_pid"
    for _ in $(seq 100); do
        kill -0 "$second_pid" 2>/dev/null || return 0
        sleep 0.05
    done
}
defer stop_second
for _ in $(seq 200); do
    sql2 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
done
chmod 777 "$second"
sql2 'CREATE DATABASE sp; CREATE TABLE sp.t (a INT) ENGINE=InnoDB' || fail "no second server"
node_sql 'CREATE DATABASE sp; CREATE TABLE sp.t (a INT) ENGINE=InnoDB'
arm_thaw 200 "$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)"

# The agent has no rights on the second one yet.
assert_exit 3 sp backup --no-image
assert_match 'second was not held.*Access denied' "$OUT" "the reason"
statements=$(sp doctor --json | json "[c['remedy'] for c in d['checks'] if 'GRANT' in (c['remedy'] or '')][0]" |
    sed -n '/^[A-Z].*;$/p')
sql2 "$statements" || fail "doctor's statements: $statements"

sp backup --no-image --json >"$LAB/events.json" 2>"$LAB/out.txt" &
client=$!
wait_cut
begin=$EPOCHREALTIME
sql2 'INSERT INTO sp.t VALUES (1)' &
first=$!
node_sql 'INSERT INTO sp.t VALUES (1)'
wait "$first" || fail "the second server took no write"
waited=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
wait "$client" || fail "backup: $(cat "$LAB/out.txt")"
tail -n 1 "$LAB/events.json" >"$LAB/backup.json"
[ "$waited" -gt 700 ] || fail "writers waited only $waited ms"
assert_eq application "$(json "d['consistency']" <"$LAB/backup.json")" consistency
assert_eq '["backup-stage", "backup-stage"]' "$(json "[b['method'] for b in d['databases']]" <"$LAB/backup.json")" methods
assert_match '^second\.[0-9]+$' "$(json "[b['binlog_file'] for b in d['databases']][1]" <"$LAB/backup.json")" "binlog of the second"
disarm_thaw
