# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For cases on other servers than the machine's, after lib.sh:
#
#   need_server NAME        the tree of mysql or mariadb (tests/servers/lib.sh), in $TREE; skipped where it
#                           can't be had. NAME here: the machine's own, $TREE is ""
#   server_tree NAME        makes the tree where it is not there; false: why on stdout
#   start_server_node [OPTION...]   start_node with that server, the agent's user with the rights that
#                           `stillpoint doctor` prints
#   node_has TREE [PATH...] from now on TREE's server ("": none) is installed on the node beside the
#                           machine's, for `verify`, and no program at PATH
#   rows TABLE COUNT        so many rows: id from 1, and 200 bytes
#   is_mysql
#   each_server SCRIPT      runs SCRIPT here, then mysql, then mariadb, and ends: the first failure ends it,
#                           and it is skipped where one was
# shellcheck source=tests/lab/lib.sh

# shellcheck source=tests/servers/lib.sh
cd "$TOP" && . tests/servers/lib.sh
TREE=
SERVER=

is_mysql() { [ "$SERVER" = mysql ]; }

# run.sh says of which packages, since another list would make it anew.
server_tree() { servers_tree "$1" "$(sed -n "s/^test_server $1 //p" tests/servers/run.sh)"; }

need_server() {
    local why
    SERVER=$1 TREE=
    [ "$1" != here ] || return 0
    why=$(server_tree "$1") || skip "$1: $why"
    TREE=$SERVERS_DIR/$1
}

grant_as_doctor_says() {
    local statements install
    sp doctor --json >"$LAB/doctor.json"
    statements=$(json "[c['remedy'] for c in d['checks'] if c['name'] == 'mysql'][0]" \
        <"$LAB/doctor.json" | sed '0,/as its administrator:$/d')
    assert_match 'CREATE USER .*GRANT ' "${statements//$'\n'/ }" "what doctor prints"
    install=$(sed -n 's/^-- where SHOW PLUGINS has no auth_socket: //p' <<<"$statements")
    if [ -n "$install" ] && ! node_sql "SHOW PLUGINS" | grep '^auth_socket' >/dev/null; then
        node_sql "$install" || fail "$install"
    fi
    node_sql "$statements" || fail "what doctor prints is refused: $statements"
}

start_server_node() {
    if [ -z "$TREE" ]; then
        start_node "$@"
    else
        start_node --server "$TREE" --no-grant "$@"
        grant_as_doctor_says
        node_sql "CREATE DATABASE lab" || fail "database"
    fi
}

node_has() {
    python3 - "$LIB_DIR" "$LAB" "$@" <<'PY' || fail "node.json"
import sys
sys.path.insert(0, sys.argv[1])
import node
lab, tree, *hide = sys.argv[2:]
about = node.load(lab)
about["servers"] = {"tree": tree or None, "hide": hide}
node.save(lab, about)
PY
    stop_part hook
    start_part hook
}

rows() {
    {
        echo "INSERT INTO $1 VALUES"
        seq "$2" | sed "s/.*/(&, REPEAT('s', 200)),/; \$s/,\$/;/"
    } | mariadb --no-defaults --socket "$LAB/run/mysqld.sock" -u root
}

each_server() {
    local server status missing=''
    for server in here mysql mariadb; do
        status=0
        bash "$1" "$server" || status=$?
        case $status in
        0) ;;
        77) missing+=" $server" ;;
        *) exit "$status" ;;
        esac
    done
    [ -z "$missing" ] || skip "not on:$missing (the reason is above); well on the others"
    exit 0
}
