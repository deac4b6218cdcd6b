#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The database hook against real servers: the machine's MariaDB, and MySQL 9 and MariaDB 11.8 of
# Debian's unstable suite, run from trees in build/servers/. One line a case: ok, not ok, skip.
# ONLY_SERVER=mysql runs one of them, ONLY_CASE=lease one case.
#
# A hold is judged by what the server's files hold when it is killed (SIGKILL) in the middle of it:
# what a freeze would keep, the page cache, stays; what only the server had in its memory is lost.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/servers/lib.sh
. tests/servers/lib.sh

TEST=${BUILD:-build/plain}/tests/servers/test_server
failures=0
work=$(mktemp -d "${TMPDIR:-/tmp}/stillpoint-servers.XXXXXX")

# What the cases work on, set by use_server.
server='' tree='' dir='' sock='' pid=''

cleanup() {
    servers_stop_all
    [ -z "$dir" ] || rm -rf --one-file-system "${dir%/data}"
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# --- saying how it went ------------------------------------------------------------------------
why='' # of the last failure

no() {
    why=$*
    return 1
}

# run_case NAME FUNCTION ARGUMENT…
run_case() {
    local name="$server: $1" begin=$EPOCHREALTIME
    shift
    [ -z "${ONLY_CASE:-}" ] || [[ "$1 $name" == *"$ONLY_CASE"* ]] || return 0
    why=''
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name: $why"
        failures=$((failures + 1))
    fi
    hold_end # whatever is left of it
    echo "# $(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) ms"
}

# --- the server --------------------------------------------------------------------------------
sql() { timeout 60 mariadb --no-defaults --skip-column-names -B -u root -S "$sock" -e "$1" 2>&1; }
is_mysql() { [ "$server" = mysql ]; }

start_again() {
    server_start "$tree" "$dir" --log-bin=binlog --server-id=1 || return 1
    pid=$SERVER_PID
}

kill_server() {
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    forget_server "$pid"
}

forget_server() {
    local one kept=()
    for one in "${SERVER_PIDS[@]}"; do [ "$one" = "$1" ] || kept+=("$one"); done
    SERVER_PIDS=("${kept[@]}")
}

# use_server NAME TREE: a fresh server, its socket under a short name.
use_server() {
    server=$1 tree=$2
    if [ -n "$tree" ]; then dir=$tree/srv/test.$$/data; else dir=$work/$server/data; fi
    sock=$work/$server.sock
    mkdir -p "${dir%/data}"
    ln -s "$dir/s.sock" "$sock"
    server_template "$tree" "$dir" || { no "no data directory: $(tail -n 2 "$dir.log")"; return; }
    cp -r "$dir" "${dir%/data}/template"
    start_again || { no "$(tail -n 3 "$dir/s.err")"; return; }
}

# --- the hold, in a program of its own ------------------------------------------------------------
hold_pid='' hold_line=''

# hold_start ARGUMENT…: waits until it holds. False: hold_line says what failed.
hold_start() {
    coproc HOLD { exec "$TEST" hold "$sock" root "$@"; }
    hold_pid=${HOLD_PID:?}
    exec {hold_out}<&"${HOLD[0]}" {hold_in}>&"${HOLD[1]}"
    hold_line=''
    IFS= read -r -t 20 hold_line <&"$hold_out"
    [[ $hold_line == held\ * ]]
}
hold_say() { # COMMAND: its answer's first line into hold_line
    echo "$1" >&"$hold_in"
    hold_line=''
    IFS= read -r -t 20 hold_line <&"$hold_out"
}
hold_end() {
    [ -n "$hold_pid" ] || return 0
    kill -CONT "$hold_pid" 2>/dev/null
    kill "$hold_pid" 2>/dev/null
    wait "$hold_pid" 2>/dev/null
    exec {hold_out}<&- {hold_in}>&-
    hold_pid=''
}
held() { # KEY: from the line "held file=… pos=… exact=… gtid=…"
    sed -n "s/.* $1=\([^ ]*\).*/\1/p" <<<"$hold_line"
}
facts() { "$TEST" facts "$sock" root; }

# --- a statement beside it ----------------------------------------------------------------------
beside_pid=''
beside() { # SQL: in the background
    sql "$1" >"$work/beside" &
    beside_pid=$!
}
still_waits() { # it has had its time, and is not done
    sleep 0.3
    kill -0 "$beside_pid" 2>/dev/null
}
passes() { # it is done long before the hold ends by itself, however busy the machine is
    local _
    for _ in {1..50}; do
        kill -0 "$beside_pid" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}
beside_ok() { # it gets done
    wait "$beside_pid" || no "a statement beside the hold: $(cat "$work/beside")"
}
threads_in() { # STATE: how many statements are in it
    sql "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE '%$1%'" | tail -n 1
}

# --- load ---------------------------------------------------------------------------------------
load_pids=()
load_start() { # SQL for each turn, one connection each
    local one
    for one in "$@"; do
        mariadb --no-defaults -u root -S "$sock" >/dev/null 2>&1 \
            < <(exec yes "$one" 2>/dev/null) & # which ends when nobody reads it any more
        load_pids+=("$!")
    done
}
load_stop() {
    local one
    for one in "${load_pids[@]}"; do
        kill "$one" 2>/dev/null
        wait "$one" 2>/dev/null
    done
    load_pids=()
}

# --- the cases ------------------------------------------------------------------------------------

choice_is() { # what `facts` says: KEY=VALUE…
    local want got
    got=$(facts) || { no "$got"; return; }
    for want in "$@"; do
        grep -qxF -- "$want" <<<"$got" || { no "no $want in: $(tr '\n' ' ' <<<"$got")"; return; }
    done
}

choice_with() { # SQL to make it so, SQL to take it back, KEY=VALUE…
    local done=$1 undone=$2 result=0
    shift 2
    sql "$done" >/dev/null || { no "$done"; return; }
    choice_is "$@" || result=1
    sql "$undone" >/dev/null
    return $result
}

# blocks WAITING PASSING [METHOD [exact]]: which statements wait under the lock.
blocks() {
    local waiting=$1 passing=$2 one
    shift 2
    sql "DROP DATABASE IF EXISTS blocks; CREATE DATABASE blocks;
         CREATE TABLE blocks.i (n INT) ENGINE=InnoDB; CREATE TABLE blocks.m (n INT) ENGINE=MyISAM" \
        >/dev/null
    if [ "${1:-auto}" = light ]; then # no table of another engine
        sql "DROP TABLE blocks.m" >/dev/null
        set -- auto
    fi
    hold_start "${1:-auto}" 10000 "${2:-}" || { no "$hold_line"; return; }
    for one in $passing; do
        beside "$(blocks_sql "$one")"
        passes || { no "$one waits"; return; }
        beside_ok || return
    done
    for one in $waiting; do
        beside "$(blocks_sql "$one")"
        still_waits || { no "$one does not wait"; return; }
        hold_say attest
        [ "$hold_line" = proved ] || { no "$hold_line"; return; }
        hold_say release
        [ "$hold_line" = released ] || { no "$hold_line"; return; }
        beside_ok || return
        hold_end
        hold_start "${1:-auto}" 10000 "${2:-}" || { no "$hold_line"; return; }
    done
    hold_say release
    [ "$hold_line" = released ] || no "$hold_line"
}
blocks_sql() {
    case $1 in
    innodb) echo "INSERT INTO blocks.i VALUES (1)" ;;
    myisam) echo "INSERT INTO blocks.m VALUES (1)" ;;
    select) echo "SELECT COUNT(*) FROM blocks.i" ;;
    ddl) echo "CREATE TABLE blocks.made (n INT) ENGINE=InnoDB; DROP TABLE blocks.made" ;;
    esac
}

# copy FLUSH SYNC MYISAM(yes|no) EXACT(1|0) [METHOD]: what the files hold when the server is killed
# under the lock agrees with itself and with the recorded position.
copy() {
    local flush=$1 sync=$2 myisam=$3 exact=$4 method=${5:-auto} file pos gtid bytes later
    copy_tables "$flush" "$sync" "$myisam" || { load_stop; return 1; }
    # A statement of the load may be in the way on a busy machine: tried again, as the daemon does.
    for _ in 1 2 3 4; do
        hold_start "$method" && break
        [[ $hold_line == "failed hold database-lock: "* ]] || break
        hold_end
    done
    [[ $hold_line == held\ * ]] || { load_stop; no "$hold_line"; return; }
    file=$(held file) pos=$(held pos) gtid=$(held gtid)
    [ "$(held exact)" = "$exact" ] || { load_stop; no "exact is not $exact: $hold_line"; return; }
    bytes=$(stat -c %s "$dir/$file")
    if [ "$exact" = 1 ]; then
        [ "$(gtid_now)" = "$gtid" ] || { load_stop; no "GTID $gtid, not $(gtid_now)"; return; }
    fi
    for _ in {1..30}; do
        sleep 0.15
        later=$(stat -c %s "$dir/$file")
        # Where commits go on one has to come, and each waits for the disk.
        [ "$exact" = 1 ] || [ "$later" -gt "$bytes" ] || continue
        break
    done
    kill_server
    hold_end
    load_stop
    if [ "$exact" = 1 ]; then
        [ "$bytes $later" = "$pos $pos" ] || { no "$file has $bytes, later $later bytes, not $pos"; start_again; return; }
    else
        { [ "$bytes" -ge "$pos" ] && [ "$later" -gt "$bytes" ]; } ||
            { no "$file has $bytes, later $later bytes; recorded $pos"; start_again; return; }
    fi
    start_again || { no "the copy does not start: $(tail -n 3 "$dir/s.err")"; return; }
    copy_judge "$file" "$pos" "$myisam"
}

gtid_now() {
    if is_mysql; then sql "SELECT @@GLOBAL.gtid_executed"; else sql "SELECT @@GLOBAL.gtid_binlog_pos"; fi |
        tr -d '\n' | sed 's/\\n//g'
}

copy_tables() { # FLUSH SYNC MYISAM: a log file and tables of their own, and writers
    local turn="BEGIN; INSERT INTO copied.a VALUES (NULL, 1); INSERT INTO copied.b VALUES (LAST_INSERT_ID(), 1); COMMIT;"
    sql "SET GLOBAL innodb_flush_log_at_trx_commit=$1; SET GLOBAL sync_binlog=$2;
         DROP DATABASE IF EXISTS copied; DROP DATABASE IF EXISTS blocks; FLUSH BINARY LOGS;
         CREATE DATABASE copied;
         CREATE TABLE copied.a (n INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB;
         CREATE TABLE copied.b (n INT PRIMARY KEY, v INT) ENGINE=InnoDB" >/dev/null ||
        { no "making tables"; return; }
    if [ "$3" = yes ]; then
        sql "CREATE TABLE copied.m (n INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=MyISAM" >/dev/null
        load_start "INSERT INTO copied.m VALUES (NULL, 1);"
    fi
    load_start "$turn" "$turn"
    for _ in {1..200}; do # its clients take their time on a busy machine
        [ "$(sql "SELECT COUNT(*) FROM copied.a")" -gt 30 ] && return
        sleep 0.1
    done
    no "no load"
}

copy_judge() { # FILE POS MYISAM
    local file=$1 pos=$2 a b xids xids_at said
    a=$(sql "SELECT COUNT(*) FROM copied.a") b=$(sql "SELECT COUNT(*) FROM copied.b")
    sql "SHOW BINLOG EVENTS IN '$file'" >"$work/events"
    xids=$(awk -F '\t' '$3 == "Xid"' "$work/events" | wc -l)
    xids_at=$(awk -F '\t' -v pos="$pos" '$3 == "Xid" && $5 <= pos' "$work/events" | wc -l)
    [ "$a" -gt 20 ] || { no "only $a transactions (log: $xids, up to the position $xids_at): no load"; return; }
    [ "$a" = "$b" ] || { no "$a rows and $b rows: a transaction is half there"; return; }
    [ "$a" = "$xids" ] || { no "$a transactions in the tables, $xids in the binary log"; return; }
    [ "$xids_at" -le "$a" ] || { no "recorded $xids_at transactions, the copy holds $a"; return; }
    said=$(sql "CHECK TABLE copied.a, copied.b$([ "$3" = no ] || echo ", copied.m")" | cut -f 3,4 | sort -u)
    [ "$said" = $'status\tOK' ] || { no "CHECK TABLE: $said"; return; }
    # Where nothing but these two tables was written the log ends with a whole transaction.
    awk -F '\t' -v pos="$pos" '$5 == pos { found = 1 } END { exit !found }' "$work/events" ||
        no "no event ends at the recorded $pos"
}

# lease: the server lets go of a client that is stopped, not dead.
lease() {
    local begin took
    sql "CREATE DATABASE IF NOT EXISTS leased; CREATE TABLE IF NOT EXISTS leased.m (n INT) ENGINE=MyISAM" >/dev/null
    hold_start auto 2500 || { no "$hold_line"; return; }
    kill -STOP "$hold_pid"
    begin=${EPOCHREALTIME/./}
    sql "INSERT INTO leased.m VALUES (1)" >/dev/null || { no "the insert failed"; return; }
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    { [ "$took" -ge 1000 ] && [ "$took" -le 4500 ]; } || { no "the writer waited $took ms"; return; }
    kill -CONT "$hold_pid"
    hold_say attest
    [[ $hold_line == "not proved: "* ]] || no "$hold_line"
}

# long_query METHOD KIND: named, and nobody else waits; or no matter.
long_query_is_named() { # METHOD
    local begin took
    beside "SELECT SLEEP(4) FROM (SELECT 1) AS hidden7word"
    sleep 2.2
    sql "CREATE DATABASE IF NOT EXISTS leased; CREATE TABLE IF NOT EXISTS leased.i (n INT) ENGINE=InnoDB" >/dev/null
    hold_start "$1" && { no "held all the same"; beside_ok; return; }
    [[ $hold_line == "failed hold database-lock: "*"thread "*"(root"* ]] || { no "$hold_line"; return; }
    [[ $hold_line != *hidden7word* ]] || { no "shows the statement: $hold_line"; return; }
    begin=${EPOCHREALTIME/./}
    sql "INSERT INTO leased.i VALUES (1)" >/dev/null
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    # On a busy machine a client takes its time. One that had to wait for the query ends with it.
    [ "$took" -le 500 ] || still_waits || { no "a writer waited $took ms after the refusal"; return; }
    beside_ok
}
long_query_is_no_matter() {
    beside "SELECT SLEEP(4)"
    sleep 1.5
    hold_start auto || { no "$hold_line"; return; }
    still_waits || { no "the query is over already"; return; }
    hold_say release
    [ "$hold_line" = released ] || { no "$hold_line"; return; }
    beside_ok
}

killed_is_not_proved() {
    local id before
    before=$(sql "SELECT CONNECTION_ID()")
    hold_start auto || { no "$hold_line"; return; }
    # Whatever the server notes late of it, and of those that were closed.
    id=$(sql "SELECT MIN(ID) FROM information_schema.PROCESSLIST WHERE ID > $before AND ID <> CONNECTION_ID()")
    sql "KILL $id" >/dev/null
    hold_say attest
    [[ $hold_line == "not proved: "* ]] || { no "$hold_line"; return; }
    hold_say release
    [ "$hold_line" = released ] || no "$hold_line"
}

# rights RIGHT…: exactly the printed grants suffice; without each of them the message names it.
rights() {
    local said one on=ON revoke
    chmod 755 "$work" "${dir%/data}" "$dir" 2>/dev/null
    is_mysql && sql "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'" >/dev/null
    "$TEST" grants "$sock" nobody >"$work/grants.sql" || { no "no grants: $(cat "$work/grants.sql")"; return; }
    sql "$(cat "$work/grants.sql")" >"$work/said" || { no "$(cat "$work/said")"; return; }
    said=$(as_nobody) || { no "the grants do not suffice: $said"; return; }
    for one in "$@"; do
        on="*.*"
        revoke=$one
        if [ "$one" = log_status ]; then on=performance_schema.log_status revoke=SELECT; fi
        sql "REVOKE $revoke ON $on FROM nobody@localhost" >/dev/null || { no "can't revoke $one"; return; }
        said=$(as_nobody)
        sql "GRANT $revoke ON $on TO nobody@localhost" >/dev/null
        [[ $said == "failed prepare database: "*"$one"* ]] || { no "without $one: $said"; return; }
    done
    if is_mysql; then # not a failure: FTWRL is taken, and the note says why
        sql "REVOKE SHOW VIEW ON *.* FROM nobody@localhost" >/dev/null
        said=$(as_nobody facts)
        sql "GRANT SHOW VIEW ON *.* TO nobody@localhost" >/dev/null
        [[ $said == *"ftwrl=1"*"note="*"SHOW VIEW"* ]] || { no "without SHOW VIEW: $said"; return; }
    fi
    sql "DROP USER nobody@localhost" >/dev/null
}
as_nobody() { # the whole life, as another login of the machine
    setpriv --reuid=nobody --regid=nogroup --clear-groups "$TEST" "${1:-hold}" "$sock" nobody \
        2>&1 </dev/null
}

# replica METHOD POSITION_EXACT SOURCE_EXACT: the source's coordinates, under the lock on the
# replica. (MySQL 9 always has parallel appliers.)
replica() {
    local source_dir=${dir%/data}/source source_sock=$work/source.sock source_pid port result=0
    port=$((20000 + RANDOM % 10000))
    cp -r "${dir%/data}/template" "$source_dir"
    rm -f "$source_dir/auto.cnf" # a server's own id
    ln -sf "$source_dir/s.sock" "$source_sock"
    server_start "$tree" "$source_dir" --log-bin=binlog --server-id=7 --skip-networking=0 \
        --bind-address=127.0.0.1 --port=$port || { no "no source: $(tail -n 2 "$source_dir/s.err")"; return; }
    source_pid=$SERVER_PID
    replica_judge "$source_sock" "$port" "$@" || result=1
    load_stop
    hold_end # STOP REPLICA would wait for it
    sql "$(is_mysql && echo "STOP REPLICA; RESET REPLICA ALL" || echo "STOP SLAVE; RESET SLAVE ALL")" >/dev/null
    kill -KILL "$source_pid"
    wait "$source_pid" 2>/dev/null
    forget_server "$source_pid"
    rm -rf --one-file-system "$source_dir"
    return $result
}
source_sql() { timeout 60 mariadb --no-defaults --skip-column-names -B -u root -S "$1" -e "$2" 2>&1; }
replica_judge() { # SOURCE_SOCK PORT, and replica's
    local from=$1 port=$2 method=$3 exact=$4 source_exact=$5 file pos rows upto sock_was=$sock channel events
    source_sql "$from" "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'x7';
        GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'; FLUSH BINARY LOGS" >/dev/null ||
        { no "no user on the source"; return; }
    file=$(source_sql "$from" "$(is_mysql && echo "SHOW BINARY LOG STATUS" || echo "SHOW MASTER STATUS")" | cut -f 1)
    sql "DROP DATABASE IF EXISTS copied" >/dev/null
    if is_mysql; then
        sql "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=$port, SOURCE_USER='repl',
             SOURCE_PASSWORD='x7', SOURCE_LOG_FILE='$file', SOURCE_LOG_POS=4, SOURCE_AUTO_POSITION=0,
             GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
    else
        sql "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=$port, MASTER_USER='repl',
             MASTER_PASSWORD='x7', MASTER_LOG_FILE='$file', MASTER_LOG_POS=4; START SLAVE"
    fi >"$work/said" || { no "$(cat "$work/said")"; return; }
    source_sql "$from" "CREATE DATABASE copied; CREATE TABLE copied.a (n INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB" >/dev/null
    sock=$from
    load_start "INSERT INTO copied.a VALUES (NULL);"
    sock=$sock_was
    for _ in $(seq 100); do
        rows=$(sql "SELECT COUNT(*) FROM copied.a")
        [[ $rows =~ ^[0-9]+$ ]] && [ "$rows" -gt 20 ] && break
        sleep 0.1
    done
    { [[ $rows =~ ^[0-9]+$ ]] && [ "$rows" -gt 20 ]; } || { no "nothing is replicated: $rows"; return; }
    if is_mysql; then # parallel appliers note how far they are a few times a second
        for _ in $(seq 100); do
            upto=$(sql "SHOW REPLICA STATUS" | cut -f 22) # Exec_Source_Log_Pos
            [[ $upto =~ ^[0-9]{4} ]] && break
            sleep 0.05
        done
    fi
    for _ in 1 2 3; do # where its thread gets no processor in time a good one is a lower bound, too
        hold_end
        hold_start "$method" 10000 "$([ "$exact" = 0 ] || echo exact)" || { no "$hold_line"; return; }
        [ "$(held exact) $(held channels)" = "$exact 1" ] || { no "$hold_line"; return; }
        rows=$(sql "SELECT COUNT(*) FROM copied.a")
        IFS= read -r -t 5 channel <&"$hold_out"
        pos=$(sed -n 's/.* pos=\([0-9]*\)$/\1/p' <<<"$channel")
        [[ $channel != *" exact=$source_exact "* ]] || break
    done
    [[ $channel == "channel name= host=127.0.0.1 file=$file exact=$source_exact pos="* ]] || { no "$channel"; return; }
    sleep 0.2
    if [ "$exact" = 1 ]; then
        [ "$(sql "SELECT COUNT(*) FROM copied.a")" = "$rows" ] || { no "the replica goes on"; return; }
    fi
    load_stop # the source's log is read in peace
    events=$(source_sql "$from" "SHOW BINLOG EVENTS IN '$file'") || { no "the source's log: ${events:0:300}"; return; }
    upto=$(awk -F '\t' -v pos="$pos" '$3 == "Xid" && $5 <= pos' <<<"$events" | wc -l)
    if [ "$source_exact" = 1 ]; then
        [ "$upto" = "$rows" ] || { no "$rows rows here, $upto in the source's log up to $pos"; return; }
    else
        { [ "$upto" -le "$rows" ] && [ "$upto" -gt 0 ]; } || { no "$rows rows here, $upto in the source's log up to $pos"; return; }
    fi
    hold_say attest
    [ "$hold_line" = proved ] || no "$hold_line"
}

# cost: what a hold takes, told and bounded loosely (other things run beside the tests).
cost() {
    local said
    for _ in 1 2 3; do
        said=$("$TEST" time "$sock" root 40) || { no "$said"; return; }
        echo "# $server: a hold without load takes $said"
        [[ $said =~ ^median_us=([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt 20000 ] && return
    done
    no "$said"
}

# client_library: db.c on the other client library, against the server of that tree.
client_library() {
    local lib said
    lib=$(find "$tree/usr/lib" -name 'libmysqlclient.so.*' -type f | head -n 1)
    mkdir -p "$work/include"
    ln -s "$tree/usr/include/mysql" "$work/include/mysql" # and nothing else of that suite's headers
    ${CC:-cc} -std=c11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -I. -I"$work/include" \
        -I"$work/include/mysql" tests/servers/test_server.c hooks/db*.c hooks/hook_mysql.c agent/base/{buf,clock,deadline,err,parse,utf8}.c \
        -o "$tree/srv/test_server.$$" -Wl,--allow-shlib-undefined "$lib" -ljansson -lpthread \
        >"$work/said" 2>&1 || { no "$(grep -m 1 error "$work/said")"; return; }
    said=$(chroot "$tree" "/srv/test_server.$$" hold "${sock_inside:?}" root </dev/null 2>&1)
    rm -f "$tree/srv/test_server.$$"
    [[ $said == *"held file="*"released"* ]] || no "$said"
}

# --- which for which server --------------------------------------------------------------------------

mariadb_cases() {
    run_case "BACKUP STAGE is chosen" choice_is method=backup-stage ftwrl=0 commits_go_on=0 flush_engine_logs=0
    run_case "engine logs are flushed where commits don't" choice_with \
        "SET GLOBAL innodb_flush_log_at_trx_commit=2" "SET GLOBAL innodb_flush_log_at_trx_commit=1" flush_engine_logs=1
    run_case "BACKUP STAGE blocks writers and DDL, not readers" blocks "innodb myisam ddl" "select"
    run_case "FTWRL blocks writers and DDL, not readers" blocks "innodb myisam ddl" "select" ftwrl
    run_case "a copy is exact to the byte, flush 1, sync 1" copy 1 1 no 1
    run_case "a copy is exact to the byte, flush 1, sync 0, MyISAM" copy 1 0 yes 1
    run_case "a copy is exact to the byte, flush 0, sync 0" copy 0 0 no 1
    run_case "a copy is exact to the byte, flush 2, sync 0, MyISAM" copy 2 0 yes 1
    run_case "a copy is exact to the byte under FTWRL, flush 0, MyISAM" copy 0 1 yes 1 ftwrl
    run_case "a long query is no matter to the stages" long_query_is_no_matter
}

mysql_cases() {
    run_case "LOCK INSTANCE alone is chosen where all is InnoDB" choice_is method=lock-instance ftwrl=0 commits_go_on=1
    run_case "FTWRL joins where another engine has tables" choice_with \
        "CREATE DATABASE other; CREATE TABLE other.m (n INT) ENGINE=MyISAM" "DROP DATABASE other" \
        method=lock-instance ftwrl=1 commits_go_on=0 other_tables=1
    run_case "FTWRL joins where commits don't flush the log" choice_with \
        "SET GLOBAL innodb_flush_log_at_trx_commit=2" "SET GLOBAL innodb_flush_log_at_trx_commit=1" \
        ftwrl=1 commits_go_on=0 flush_engine_logs=1
    run_case "LOCK INSTANCE blocks DDL alone" blocks "ddl" "innodb select" light
    run_case "FTWRL beside it blocks writers too" blocks "innodb myisam ddl" "select" auto exact
    run_case "a copy holds at least what is recorded, flush 1, sync 1" copy 1 1 no 0
    run_case "a copy holds at least what is recorded, flush 1, sync 0" copy 1 0 no 0
    run_case "a copy is exact to the byte, flush 1, sync 0, MyISAM" copy 1 0 yes 1
    run_case "a copy is exact to the byte, flush 0, sync 0" copy 0 0 no 1
    run_case "a copy is exact to the byte, flush 2, sync 0, MyISAM" copy 2 0 yes 1
    sql "DROP DATABASE IF EXISTS copied; DROP DATABASE IF EXISTS blocks; DROP DATABASE IF EXISTS leased;
         SET GLOBAL innodb_flush_log_at_trx_commit=1" >/dev/null
    run_case "a long query is no matter to LOCK INSTANCE" long_query_is_no_matter
    run_case "a replica's source is recorded as a lower bound" replica auto 0 0
    sock_inside=${dir#"$tree"}/s.sock
    run_case "the hook runs on MySQL's own client library" client_library
}

common_cases() {
    run_case "a stopped client is dropped at the end of its lease" lease
    is_mysql || run_case "a replica's source is recorded exactly" replica auto 1 1
    if is_mysql; then
        run_case "a replica's source is a lower bound where several threads apply" replica ftwrl 1 0
    else
        run_case "a replica's source is recorded exactly under FTWRL" replica ftwrl 1 1
    fi
    run_case "a killed connection proves nothing" killed_is_not_proved
    run_case "a hold is short" cost
}

test_server() { # NAME [PACKAGES]: NAME alone is the machine's own
    local name=$1 packages=${2:-} where='' said
    [ -z "${ONLY_SERVER:-}" ] || [ "$ONLY_SERVER" = "$name" ] || return 0
    if [ -n "$packages" ]; then
        where=$SERVERS_DIR/$name
        said=$(servers_tree "$name" "$packages") || { echo "skip $name: $said"; return 0; }
    elif ! command -v mariadbd >/dev/null; then
        echo "skip $name: mariadbd is not installed"
        return 0
    fi
    if ! use_server "$name" "$where"; then
        echo "not ok $name: starts: $why"
        failures=$((failures + 1))
        return 0
    fi
    if is_mysql; then
        mysql_cases
        run_case "a long query is named before FTWRL waits for it" long_query_is_named ftwrl
        run_case "exactly the printed grants suffice" rights \
            RELOAD PROCESS "REPLICATION CLIENT" BACKUP_ADMIN log_status
    else
        mariadb_cases
        run_case "exactly the printed grants suffice" rights RELOAD PROCESS "BINLOG MONITOR" "SLAVE MONITOR"
    fi
    common_cases
    servers_stop_all
    rm -rf --one-file-system "${dir%/data}"
    dir=''
}

[ -x "$TEST" ] || { echo "not ok $TEST is not built"; exit 1; }
test_server mariadb-here
test_server mariadb mariadb-server-core
test_server mysql mysql-server-core,libmysqlclient-dev,libjansson4
[ "$failures" = 0 ]
