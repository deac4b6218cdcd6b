#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The server is down, does not know us, gives too few rights, or somebody holds what a lock must wait
# for: required, the backup is refused; else it is labelled as what it is. Writers never wait for long.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --conf '[backup]' --conf 'lock_wait = 1s' --conf 'retry_holds = 1'
begin_refusals
required() { # yes or no
    sed -i '/^required = /d' "$LAB/stillpoint.conf"
    sed -i "s/^\[mysql\]\$/[mysql]\nrequired = $1/" "$LAB/stillpoint.conf"
    stop_part daemon && start_part daemon
}
less() { # WHY
    assert_exit 3 sp backup --no-image
    assert_match 'filesystem consistent, application was asked for' "$OUT" "the label"
    assert_match "why: mysql was not held: .*($1)" "$OUT" "the reason"
    node_is_free
    made
}
run_as_root() { mariadb --no-defaults --socket "$LAB/run/mysqld.sock" -u root -e "$1"; }

# Rights. What doctor prints is what makes it right again.
for loss in "DROP USER stillpoint@localhost" "REVOKE ALL PRIVILEGES, GRANT OPTION FROM stillpoint@localhost"; do
    required yes
    run_as_root "$loss"
    refused 5 'mysql: .*Access denied' 'stillpoint doctor. prints the .*GRANT statements' sp backup
    made_nothing
    OUT=$(sp doctor --json)
    assert_eq 5 $? "doctor's exit code"
    remedy=$(json "[c['remedy'] for c in d['checks'] if c['name'] == 'mysql' and c['result'] == 'failed'][0]" <<<"$OUT")
    assert_match 'as its administrator:' "$remedy" "doctor's remedy"
    required no
    less 'Access denied'
    assert_match 'a backup can reach filesystem' "$(sp doctor)" "doctor"
    # The user may be there: the statements then are for what it lacks.
    statements=$(sed -n '/^[A-Z].*;$/p' <<<"$remedy")
    [[ $loss == DROP* ]] || statements=$(grep -v '^CREATE USER' <<<"$statements")
    run_as_root "$statements" || fail "doctor's statements: $statements"
    backs_up --no-image
done

# Somebody holds a table, for good and for a while. The lock is let go of between the tries.
run_as_root "CREATE TABLE lab.held (n INT) ENGINE=MyISAM"
sleeps() { # SQL that holds the table while it sleeps
    run_as_root "$1" >/dev/null 2>&1 &
    holder=$!
    for _ in {1..200}; do
        [ -n "$(node_sql "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'")" ] && return
        sleep 0.05
    done
    fail "no table is held"
}
hold_table() { sleeps "LOCK TABLES lab.held WRITE; SELECT SLEEP($1)"; }
let_go() {
    local id
    for id in $(node_sql "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'"); do
        run_as_root "KILL $id" || true
    done
    wait "$holder"
}
hold_table 60
less 'Lock wait timeout exceeded'
assert_match 'warning: hold: mysql: .*; everything is let go, next try in [0-9]+ s' "$OUT" "the warning"
assert_match 'do:  .*LOCK TABLES, another backup.*lock_wait under \[backup\]' "$OUT" "its remedy"
let_go
required yes
sleeps "INSERT INTO lab.held SELECT SLEEP(60)"
refused 1 'Lock wait timeout exceeded.* running: thread [0-9]+ \(root, [0-9]+ s: ' \
    'let thread [0-9]+ end or KILL it .*or raise lock_wait' sp backup --no-image
made_nothing
let_go
hold_table 60
sp backup --no-image >"$LAB/run/out" 2>&1 &
backup=$!
for _ in {1..200}; do
    grep -q 'everything is let go, next try in' "$LAB/run/out" && break
    sleep 0.05
done
let_go
wait "$backup" || fail "the second try: $(cat "$LAB/run/out")"
assert_match 'everything is let go, next try in' "$(cat "$LAB/run/out")" "the first try"
assert_match 'complete: application consistent' "$(cat "$LAB/run/out")" "the second"
made

# It hangs: nothing of a grant.
kill -STOP "$(part_pid mysql)"
refused 5 'mysql: .*(Lost connection|no answer)' 'whether the server still answers' sp backup
kill -CONT "$(part_pid mysql)"
made

# Down, and gone.
stop_part mysql
refused 5 "mysql: .*Can't connect to local server" 'start the server, or set socket= under \[mysql\]' sp backup
assert_exit 5 sp doctor
assert_match "failed +mysql .*Can't connect" "$OUT" "doctor"
[[ $OUT != *"as its administrator"* ]] || fail "statements for a server that is down: $OUT"
required no
assert_exit 3 sp backup --no-image
assert_match "filesystem consistent, application was asked for" "$OUT" "the label"
assert_match "why: mysql was not held: .*Can't connect" "$OUT" "the reason"
made
start_part mysql
backs_up --no-image
end_refusals
