#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A table whose key the server on the copy has not makes no verdict worse than `partly`, and hides no fault of a
# table called keyring_log.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_servers.sh
. "$(dirname "$0")/lib_servers.sh"

# The node's server has a keyring; the one for the copy is the same without it.
need_server mysql
start_cloud
plain=$TREE TREE=$LAB/keyring-server
cp -a "$plain" "$TREE" || fail "no copy of $plain"
mkdir -m 777 "$LAB/keys"
echo '{"components": "file://component_keyring_file"}' >"$TREE/usr/sbin/mysqld.my"
echo "{\"path\": \"$LAB/keys/keyring\", \"read_only\": false}" >"$TREE/usr/lib/mysql/plugin/component_keyring_file.cnf"
chmod 644 "$TREE/usr/sbin/mysqld.my" "$TREE/usr/lib/mysql/plugin/component_keyring_file.cnf"
start_server_node
cloud_set '{"snapshot_time_s": 0.2}'
node_sql "CREATE TABLE lab.enc (a INT PRIMARY KEY) ENGINE=InnoDB ENCRYPTION='Y'; INSERT INTO lab.enc VALUES (1);
    CREATE TABLE lab.keyring_log (a INT PRIMARY KEY, b CHAR(200)) ENGINE=MyISAM;
    INSERT INTO lab.keyring_log VALUES (1, 'x')" || fail "tables"
stop_part mysql # what its start would recover wants the key, too
start_part mysql
back_up good --no-image
node_has "$plain"

verify_now 3 --deep
assert_eq partly "$(v "d['outcome']")" "outcome"
assert_eq ok "$(check_of tables)" "tables"
assert_match "1 that the server on the copy can't open, the first: lab.enc: Can't find master key" \
    "$(v "[c['text'] for c in d['checks'] if c['name'] == 'closed mysql'][0]")" "in words"

cut_short() { truncate -s 100 "$1/lab/keyring_log.MYD"; }
damage_files "$(snapshot_of good data)" cut_short
verify_now 1 --deep --again
assert_finding tables 'lab.keyring_log: Size of datafile is: 100'
assert_eq '' "$(text_of tables | grep -o 'lab.enc')" "the closed table among the findings"
