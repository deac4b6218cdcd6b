#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Damaged tables are found and named: a flipped block in an InnoDB page (with --deep), a truncated MyISAM
# file.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"

start_cloud
start_node
cloud_set '{"snapshot_time_s": 0.2}'
# A table that nobody writes to: its pages lie on the disk, and no redo log would make them whole again.
node_sql "USE lab; CREATE TABLE lab.still (id INT PRIMARY KEY, pad CHAR(200)) ENGINE=InnoDB;
          INSERT INTO lab.still SELECT seq, REPEAT('s', 200) FROM seq_1_to_2000;
          CREATE TABLE lab.stored (id INT PRIMARY KEY, pad CHAR(200)) ENGINE=MyISAM;
          INSERT INTO lab.stored SELECT seq, REPEAT('w', 200) FROM seq_1_to_2000" || fail "tables"
stop_part mysql # a checkpoint: crash recovery would make new pages over the damage
start_part mysql

flip() { # 64 bytes in the middle of page 5, a leaf
    printf 'x%.0s' {1..64} | dd of="$1/lab/still.ibd" bs=1 seek=$((5 * 16384 + 8000)) conv=notrunc status=none
}
back_up flipped --no-image
damage_files "$(snapshot_of flipped data)" flip
verify_now 1 --deep
assert_finding 'tables mysql' 'lab\.still: '

cut_short() { truncate -s 1000 "$1/lab/stored.MYD"; }
back_up truncated --no-image
damage_files "$(snapshot_of truncated data)" cut_short
verify_now 1
assert_finding 'tables mysql' 'lab\.stored: '
