# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What every shell test of the lab starts with: `. "$(dirname "$0")/../lib.sh"`.
#
#   need TOOL...              exit 77 (skipped, with the reason) where one is missing
#   need_root                 the same without root or loop devices
#   defer COMMAND...          run at exit, the last first, whatever happened
#   start_cloud [OPTION...]   sweeps dead labs, makes $LAB and a cloud in it (options of cloud.py)
#   start_node [OPTION...]    a node in $LAB (options of node.py up); start_cloud first
#   start_part, stop_part     mysql, guard, hook, daemon, restarter: node.py start and stop
#   kill_part PART            SIGKILL, without waiting: what writes to a frozen filesystem is gone when that
#                             is thawed, not before
#   part_pid PART             the pid of the part's running process, the newest
#   no_restart, wait_part PART [PID] with start_node --restarter (restarter.py): when the part ends nobody
#                             sees to it, until start_part; waits until the part has said that it is ready,
#                             another than PID: that one may not have ended yet
#   mount_at NAME             where a mount lies: root, data, binlog, data1...; volume_of NAME
#   node_get PYTHON           a value of node.json: node_get "['instance']"
#   arm_thaw SECONDS [--late] MOUNT...  the independent thaw (thaw_timer.py); must come before every
#                             freeze. disarm_thaw ends it
#                             and fails the test if it found something frozen
#   is_frozen MOUNT           by FIFREEZE, never by writing; false: it was not, and is not
#   wait_cut                  until the node's CreateSnapshots is with the cloud and not yet answered: all is
#                             held then. (Asking is_frozen again and again gets in the way of the guard)
#   wait_call ACTION          the same of another call
#   wait_answered ACTION      until there was such a call of the node's and each is answered, also one whose
#                             sender is gone
#   cloud_get PATH [K=V...], cloud_post PATH JSON   the control address (control.py's header)
#   cloud_set JSON, cloud_fault JSON, cloud_faults_off, cloud_calls [K=V...]
#   count_calls ACTION        how many such calls the node's role made, dry runs apart
#   sp ARGUMENT...            stillpoint with the lab's configuration
#   lease_ends                that of `sp hold --lease 2s`: by itself, soon after its time
#   "${BARE_ENV[@]}" [NAME=VALUE...] COMMAND...  env -i with what a program of ours needs here; what the
#                             shell has of AWS_... must not decide a test
#   json EXPRESSION           reads JSON on stdin as `d`, prints the Python expression
#   start_writers [OPTION...] the load (writer.c); stop_writers ends it and its records stay in $LAB/acks
#   judge BACKUP.json [OPTION...]  restores its snapshots and judges them (judge.py); exit 0: it holds
#   restore_copy SNAPSHOT...  devices of copies, as JSON {snapshot: device}; released at the end
#   fail TEXT, assert_eq WANT GOT [WHAT], assert_match REGEX TEXT [WHAT], assert_exit CODE COMMAND...
#
# $BUILD is where the programs are (default build/plain), $LAB the lab's folder, $LAB_KEEP=1 keeps logs.
# What a sanitizer says of any program of the lab fails the case ($LAB/sanitizer).
set -u -o pipefail

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LIB_DIR/../.." && pwd)
# shellcheck source=tests/lab/python.sh
. "$LIB_DIR/python.sh"
BUILD=${BUILD:-$TOP/build/plain}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
LAB=
TEST=$(basename "$0")
export BUILD
_deferred=()
_thaw_pid=
_writer_pid=

_at_exit() {
    local status=$? i
    trap '' INT TERM HUP
    for ((i = ${#_deferred[@]} - 1; i >= 0; i--)); do
        eval "${_deferred[i]}" || echo "$TEST: at exit: ${_deferred[i]}: status $?" >&2
    done
    if [ -n "$LAB" ]; then
        if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
            _show_logs
        fi
        # The files stay for now: what a program leaks is reported when it ends.
        python3 "$LIB_DIR/sweep.py" --dir "$LAB" --keep-files
        for _ in {1..100}; do # what `defer kill` has just told to end
            [ -n "$(jobs -rp)" ] || break
            sleep 0.05
        done
        if _show_reports; then
            echo "$TEST: a sanitizer found fault with one of the programs" >&2
            status=1
        fi
        if [ "${LAB_KEEP:-0}" = 1 ]; then
            echo "$TEST: kept $LAB" >&2
        else
            python3 "$LIB_DIR/sweep.py" --dir "$LAB"
        fi
    fi
    exit "$status"
}
trap _at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

_show_logs() {
    local log
    for log in "$LAB"/cloud.log "$LAB"/log/*; do
        if [ -s "$log" ]; then
            echo "--- $log" >&2
            tail -n 30 "$log" >&2
        fi
    done
}

# Every program of the lab, whoever starts it, leaves what a sanitizer says of it in $LAB/sanitizer: a
# client's words would be lost with its output, and what the lab stops ends when no test looks any more.
_take_reports() {
    local path="log_path=$LAB/sanitizer/report"
    mkdir -m 1777 "$LAB/sanitizer" || fail "no folder for a sanitizer's reports"
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=1:$path"
    export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}$path"
    export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}$path"
    # shellcheck disable=SC2034 # for the case
    BARE_ENV=(env -i PATH="$PATH" ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS"
        TSAN_OPTIONS="$TSAN_OPTIONS")
}

_show_reports() { # true: there was one
    local report found=1
    for report in "$LAB"/sanitizer/* $(grep -lsE 'Sanitizer: |runtime error: ' "$LAB"/log/*); do
        if [ -s "$report" ]; then
            echo "--- $report" >&2
            head -n 60 "$report" >&2
            found=0
        fi
    done
    return "$found"
}

skip() {
    echo "skipped: $*"
    exit 77
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is missing"
    done
}

need_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    [ -e /dev/loop-control ] || skip "needs loop devices"
}

need_program() {
    local name
    for name in "$@"; do
        [ -x "$BUILD/$name" ] || skip "$BUILD/$name is not built"
    done
}

defer() {
    local words
    words=$(printf '%q ' "$@")
    _deferred+=("$words")
}

fail() {
    echo "$TEST: $*" >&2
    exit 1
}

assert_eq() {
    [ "$1" = "$2" ] || fail "${3:-value}: wanted '$1', got '$2'"
}

assert_match() {
    [[ $2 =~ $1 ]] || fail "${3:-text}: wanted /$1/, got '$2'"
}

# Output of the command stays in $OUT (both streams together).
assert_exit() {
    local wanted=$1 status
    shift
    OUT=$("$@" 2>&1)
    status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: wanted exit $wanted, got $status: $OUT"
}

json() {
    python3 -c '
import json, sys
d = json.load(sys.stdin)
value = eval(sys.argv[1])
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

start_cloud() {
    local end
    need_root
    need python3 losetup mkfs.xfs mkfs.ext4 mariadbd mariadb setpriv e2fsck xfs_repair
    python3 -c 'import moto, boto3, cryptography' 2>/dev/null || skip "moto, boto3 or cryptography is missing"
    python3 "$LIB_DIR/sweep.py" || true
    # Not below /tmp: an exec hook must lie where nobody but root can write, all the way up.
    for _ in 1 2 3; do # another lab's end may remove the folder in between
        mkdir -p "${STILLPOINT_LAB_TMP:=/var/lib/stillpoint-lab}"
        LAB=$(mktemp -d "$STILLPOINT_LAB_TMP/lab.XXXXXX") && break
    done
    [ -n "$LAB" ] || fail "no folder for the lab"
    chmod 755 "$LAB"
    _take_reports
    python3 "$LIB_DIR/cloud.py" --dir "$LAB" --owner $$ "$@" >"$LAB/cloud.log" 2>&1 </dev/null &
    _cloud_pid=$!
    end=$((SECONDS + 90))
    while [ ! -e "$LAB/cloud.json" ]; do
        kill -0 "$_cloud_pid" 2>/dev/null || fail "the cloud did not start: $(tail -n 5 "$LAB/cloud.log")"
        [ "$SECONDS" -lt "$end" ] || fail "the cloud took more than 90 s"
        sleep 0.02
    done
}

start_node() {
    python3 "$LIB_DIR/node.py" up "$LAB" "$@" || fail "no node"
}

start_part() {
    python3 "$LIB_DIR/node.py" start "$LAB" "$1" || fail "$1 did not start"
}

stop_part() {
    python3 "$LIB_DIR/node.py" stop "$LAB" "$@" || fail "$1 did not stop"
}

kill_part() { kill -KILL "$(part_pid "$1")" || fail "kill $1"; }

part_pid() {
    python3 -c '
import sys
sys.path.insert(0, sys.argv[1])
import sweep
found = [pid for pid, _, name in sweep.processes(sys.argv[2]) if name == sys.argv[3]]
print(found[-1] if found else "")' "$LIB_DIR" "$LAB" "$1"
}

# Both of the guard's processes, in $keeper and $freezer, in one instant: killed one after the other
# the second may see the first one's end, and thaw.
stop_both_guards() {
    keeper=$(part_pid guard)
    freezer=$(pgrep -P "$keeper" | tail -n 1)
    kill -STOP "$keeper" "$freezer" || fail "stop the guard"
}

no_restart() { touch "$LAB/run/no-restart-$1"; }

wait_part() {
    local end=$((SECONDS + 15)) now
    until now=$(cat "$LAB/run/ready-$1" 2>/dev/null) && [ "$now" != "${2:-}" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "$1 did not come back: $(tail -n 5 "$LAB/log/restarter.log")"
        sleep 0.02
    done
}

lease_ends() {
    sleep 2
    for _ in {1..20}; do
        [ "$(sp status --json | json "d['hold']")" != null ] || return 0
        sleep 0.05
    done
    fail "it is held past its lease: $(sp status)"
}

node_get() {
    json "d$1" <"$LAB/node.json"
}

mount_at() {
    json "[m['at'] for m in d['mounts'] if m['name'] == '$1'][0]" <"$LAB/node.json"
}

volume_of() {
    json "[m['volume'] for m in d['mounts'] if m['name'] == '$1'][0]" <"$LAB/node.json"
}

node_sql() {
    mariadb --no-defaults --socket "$LAB/run/mysqld.sock" -u root -N -B -e "$1"
}

# The coprocess's input is the dead-man's switch: it closes when this shell dies.
arm_thaw() {
    local line
    [ -z "$_thaw_pid" ] || fail "a thaw is armed already"
    coproc THAW { exec python3 "$LIB_DIR/thaw_timer.py" "$@"; }
    _thaw_pid=$THAW_PID
    read -r line <&"${THAW[0]}" || fail "the thaw timer did not start"
    assert_eq armed "$line" "thaw timer"
    defer _disarm
}

_disarm() {
    [ -n "$_thaw_pid" ] || return 0
    kill -TERM "$_thaw_pid" 2>/dev/null
    wait "$_thaw_pid"
    _thaw_status=$?
    _thaw_pid=
    return 0
}

disarm_thaw() {
    _disarm
    assert_eq 0 "$_thaw_status" "thaw timer's exit (3: something was left frozen)"
}

is_frozen() {
    python3 - "$1" <<'EOF'
import errno, fcntl, os, sys
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
descriptor = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
try:
    fcntl.ioctl(descriptor, FIFREEZE, 0)
except OSError as error:
    sys.exit(0 if error.errno == errno.EBUSY else 2)
fcntl.ioctl(descriptor, FITHAW, 0)
sys.exit(1)
EOF
}

wait_call() {
    python3 - "$LIB_DIR" "$LAB" "$1" <<'EOF' || fail "the node made no $1: $(cat "$LAB/out.txt" 2>/dev/null)"
import sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab = Lab(sys.argv[2])
for _ in range(1000):
    calls = lab.get("calls", action=sys.argv[3], who="role")
    if any(not call["dry_run"] and call["answered_mono"] is None for call in calls):
        sys.exit(0)
    time.sleep(0.01)
sys.exit(1)
EOF
}
wait_cut() { wait_call CreateSnapshots; }
wait_answered() {
    local end=$((SECONDS + 20))
    until [ "$(cloud_calls "action=$1" who=role | json "d != [] and all(c['answered_mono'] for c in d)")" = true ]; do
        [ "$SECONDS" -lt "$end" ] || fail "$1 is still not answered"
        sleep 0.05
    done
}

assert_nothing_frozen() {
    local path
    for path in $(json "' '.join(m['at'] for m in d['mounts'])" <"$LAB/node.json"); do
        if is_frozen "$path"; then
            fail "$path is frozen"
        fi
    done
}

cloud_get() { python3 "$LIB_DIR/labclient.py" "$LAB" get "$@"; }
cloud_post() { python3 "$LIB_DIR/labclient.py" "$LAB" post "$@"; }
cloud_set() { cloud_post set "$1" >/dev/null || fail "cloud_set $1"; }
cloud_fault() { cloud_post fault "$1" >/dev/null || fail "cloud_fault $1"; }
cloud_faults_off() { cloud_post faults '{}' >/dev/null || fail "cloud_faults_off"; }
cloud_calls() { cloud_get calls "$@"; }
cloud_volumes() { cloud_get volumes | json 'sorted(d)'; }
# BEFORE: the cloud has just these volumes again; one that is being deleted has ten seconds for it.
assert_volumes() {
    local now
    for _ in {1..100}; do
        now=$(cloud_volumes)
        [ "$1" != "$now" ] || return 0
        sleep 0.1
    done
    fail "volumes: wanted $1, got $now"
}
count_calls() {
    cloud_calls "action=$1" who=role | json "sum(1 for c in d if not c['dry_run'])"
}

sp() { "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "$@"; }

start_writers() {
    local end=$((SECONDS + 40))
    need_program tests/lab/writer
    "$BUILD/tests/lab/writer" --lab "$LAB" "$@" >"$LAB/log/writer.json" 2>"$LAB/log/writer.log" &
    _writer_pid=$!
    echo "$_writer_pid $(python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import sweep
print(sweep.start_time(int(sys.argv[2])))' "$LIB_DIR" "$_writer_pid") writer" >>"$LAB/pids"
    while [ ! -e "$LAB/acks/ready" ]; do
        kill -0 "$_writer_pid" 2>/dev/null || fail "writer: $(cat "$LAB/log/writer.log")"
        [ "$SECONDS" -lt "$end" ] || fail "the writers took more than 40 s"
        sleep 0.02
    done
}

# Prints what the writers measured of themselves, as JSON.
stop_writers() {
    [ -n "$_writer_pid" ] || return 0
    kill -TERM "$_writer_pid" 2>/dev/null
    wait "$_writer_pid" || fail "writer: $(cat "$LAB/log/writer.log")"
    _writer_pid=
    cat "$LAB/log/writer.json"
}

judge() {
    local backup=$1
    shift
    python3 "$LIB_DIR/judge.py" --lab "$LAB" --backup "$backup" "$@"
}

restore_copy() {
    cloud_post restore "$(python3 -c 'import json, sys; print(json.dumps({"snapshots": sys.argv[1:]}))' "$@")" |
        json "d['devices']"
}
