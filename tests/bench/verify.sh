#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How long a verify takes, from the command to its end with everything removed, against what starting the
# server on the copy and CHECK TABLE take by themselves (verify_floor.py): in turn, in one run, on one set.
#
#   verify.sh OUT      JSON lines: {tool, round, seconds, tables, …}
#
# DATA_MIB (1024) of InnoDB data in 8 tables, small enough that a verify without --deep takes all of them.
# ROUNDS_VERIFY (5). What EC2 takes to make, attach, detach and delete a volume is set to nothing.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

out=$1
pool=${POOL:-}
if [ -z "$pool" ] && [ "$(df --output=avail -B1M /dev/shm | tail -n 1)" -gt 16384 ]; then
    pool=/dev/shm/stillpoint-bench.$$.img
fi
if [ -n "$pool" ]; then
    start_cloud --pool "$pool" --pool-gib 24
else
    start_cloud
fi
cloud_set '{"snapshot_time_s": 0.2, "volume_time_s": 0, "attach_time_s": 0, "detach_time_s": 0, "delete_time_s": 0}'
start_node --size-gib 4 --mysql-option innodb_buffer_pool_size=256M --mysql-option innodb_log_file_size=96M
start_writers --txn-pause-us 1000 --pause-us 2000
rows=$((${DATA_MIB:=1024} * 1024 * 1000 / 8 / 280)) # with the index, and pages not quite full
for n in 1 2 3 4 5 6 7 8; do
    node_sql "SET sql_log_bin = 0; CREATE TABLE lab.bench$n (id INT PRIMARY KEY, k INT, pad CHAR(192), KEY (k)) ENGINE=InnoDB
              CHARSET=latin1; INSERT INTO lab.bench$n SELECT seq, seq * 7919 % 1000003, REPEAT(MD5(seq), 6)
              FROM lab.seq_1_to_$rows" || fail "table $n"
done
# shellcheck disable=SC2046 # one word each
arm_thaw 60 $(json "' '.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
sp backup --json --no-image >"$LAB/events" || fail "backup: $(tail -n 2 "$LAB/events")"
disarm_thaw
tail -n 1 "$LAB/events" >"$LAB/backup.json"
stop_writers >/dev/null
bytes=$(node_sql "SELECT SUM(FILE_SIZE) FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE 'lab/%'")
stop_part mysql

verify() { # TOOL [OPTION...]
    local begun=${EPOCHREALTIME/./} took
    sp verify latest --again --json "${@:2}" >"$LAB/events" || fail "$*: $(tail -n 2 "$LAB/events")"
    took=$((${EPOCHREALTIME/./} - begun))
    tail -n 1 "$LAB/events" | json "{'tool': '$1', 'round': $round, 'seconds': $took / 1e6, 'bytes': $bytes,
        'tables': d['databases'][0]['tables_checked'], 'recovery_s': d['databases'][0]['recovery_ms'] / 1000,
        'checks': {c['name']: c['took_ms'] for c in d['checks']}}" >>"$out"
}

: >"$out"
for round in $(seq "${ROUNDS_VERIFY:-5}"); do
    python3 "$TOP/tests/bench/verify_floor.py" "$LAB" "$LAB/backup.json" |
        json "{'tool': 'by itself', 'round': $round, 'bytes': $bytes, **d}" >>"$out" || fail "the floor"
    verify 'verify'
    verify 'verify --deep' --deep
done
