#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# A set is verified with a server of its own kind and series, which is found among several, or with none: then
# it is neither called good nor failed, both versions are named, and another look is taken when it is asked for.
#
#   verify-other-server.sh [of_here|of_mysql]    one of the two sets
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/cases/lib_verify.sh
. "$(dirname "$0")/lib_verify.sh"
# shellcheck source=tests/lab/cases/lib_servers.sh
. "$(dirname "$0")/lib_servers.sh"

if [ $# = 0 ]; then
    for set in of_here of_mysql; do
        bash "$0" "$set" || exit
    done
    exit 0
fi
need_server mysql
mysql=$TREE
need_server mariadb
mariadb=$TREE
machines=$(mariadbd --version | grep -o '[0-9.]*-MariaDB') # as VERSION() begins

not_looked_at() { # REGEX
    verify_now 3
    assert_eq partly "$(v "d['outcome']")" "outcome of $1"
    assert_eq skipped "$(check_of server)" "server of $1"
    assert_match "$1" "$(v "[c['text'] for c in d['checks'] if c['name'] == 'server mysql'][0]")" "in words"
    assert_match '^partly 2.*: server mysql: not started' "$(v "d['verified']")" "verdict"
}

of_here() {
    need_server here
    start_server_node
    cloud_set '{"snapshot_time_s": 0.2}'
    back_up machines --no-image

    node_has "$mariadb" /usr/sbin/mariadbd
    not_looked_at "not started: the set is of MariaDB $machines.*, and installed is MariaDB 11\.8\.[0-9]+.*: verify it on a node that has MariaDB ${machines%.*}"
    node_has "$mysql" /usr/sbin/mariadbd
    not_looked_at "the set is of MariaDB .* and installed is MySQL 9\."
    node_has "" /usr/sbin/mariadbd
    not_looked_at 'server: mariadbd or mysqld is not installed: install it on the node that verifies'
    node_has "$mysql" # and the machine's
    verify_now 0
    assert_no_findings
    assert_eq /usr/sbin/mariadbd "$(v "d['databases'][0]['program']")" "the program"
}

of_mysql() {
    need_server mysql
    start_server_node # which finds the machine's first
    cloud_set '{"snapshot_time_s": 0.2}'
    back_up mysqls --no-image
    verify_now 0
    assert_no_findings
    assert_eq /usr/local/mysql/bin/mysqld "$(v "d['databases'][0]['program']")" "the program"
    node_has "$mariadb"
    sp verify latest --again --json >"$LAB/verify.events"
    assert_eq 3 $? "exit code without MySQL"
    assert_match "the set is of MySQL 9\.[^,]*, and installed is MariaDB ${machines}[^,]*, MariaDB 11\.8\..*that has MySQL 9\.[0-9]" \
        "$(tail -n 1 "$LAB/verify.events" | json "[c['text'] for c in d['checks'] if c['name'] == 'server mysql'][0]")" "in words"
}

start_cloud
"$1"
