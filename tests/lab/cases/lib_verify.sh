# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For verify-*.sh, after lib.sh:
#
#   back_up NAME [OPTION...]      under an armed thaw; its record is $LAB/NAME.json
#   verify_now STATUS [OPTION...] stillpoint verify latest; its last event is $LAB/verify.json
#   verify_until REGEX           the same behind us, until the daemon has logged such a line; its client is
#                                 $client, what it prints is in $LAB/verify.events
#   check_of NAME                 the result of the check whose name begins so; text_of NAME its text
#   assert_finding NAME REGEX     that check failed and says so, no other did, and the verdict is in the tags
#   assert_no_loans               no volume is there but the node's own, and no record of any;
#   assert_no_volumes             the first of it; until_no_loans: within half a minute
#   volumes PYTHON                a value of `d`, the volumes that are not the node's, as boto3 tells of them
#                                 (each with its tags as a dict): volumes 'len(d)'
#   snapshot_of NAME MOUNT        the snapshot of the volume at a mount: snapshot_of a data
#   damage SNAPSHOT COMMAND...    a copy of the snapshot on a device that COMMAND gets; what it then
#                                 has is the snapshot's
#   damage_files SNAPSHOT COMMAND...   the same with the copy mounted: COMMAND gets the folder
#   misplace NAME BYTES     the set's tags say that its binary log ended so much earlier
#   make_waits                    $LAB/waits, an exec hook for a node of the case's (WAITS: options of start_node);
#   hold_node, let_go_of_node     a backup waits in it and has the node as long, in which no volume comes or goes;
#                                 it fails then, and is over
#   good_set NAME LEVEL [OPTION...]  a backup of that consistency, in which verify finds nothing
#   logged REGEX                  how many such lines the daemon has logged; until_logged_beyond N REGEX: waits
#                                 for more than N
#   until_logged N REGEX          until the daemon has logged N such lines since hold_node
#   start_statements        tables are made, changed and dropped, and binary logs begun, from now on;
#                           assert_statements: they still are
# shellcheck source=tests/lab/lib.sh

_thaw_armed=0

back_up() {
    local name=$1
    shift
    # shellcheck disable=SC2046 # one word each
    arm_thaw 60 $(json "' '.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
    sp backup --json "$@" >"$LAB/$name.events" || fail "backup $name ended with $?: $(tail -n 3 "$LAB/$name.events")"
    disarm_thaw
    tail -n 1 "$LAB/$name.events" >"$LAB/$name.json"
}

_verify() {
    _status=0
    sp verify latest --json "$@" >"$LAB/verify.events" 2>"$LAB/verify.err" || _status=$?
    tail -n 1 "$LAB/verify.events" >"$LAB/verify.json"
}
_verify_ended() { # WANTED OPTION...
    [ "$_status" -eq "$1" ] ||
        fail "verify ${*:2}: wanted exit $1, got $_status: $(cat "$LAB/verify.json" "$LAB/verify.err")"
    assert_no_loans
}

verify_now() {
    _verify "${@:2}"
    _verify_ended "$@"
}

# MariaDB's recovery of CREATE and ALTER has faults of its own (MDEV-40728, MDEV-37192 and their kin, 2025 and
# 2026): where the log ends at certain of their records the server does not start again, after any crash; and
# without a lock, of a table that ALTER TABLE has just filled, pages are no good. A set of such an instant is
# no good one, and verify says so rightly: another is taken, twice at most in a case.
UNRECOVERED='does not start on the copy: .*InnoDB: Missing FILE_CREATE, FILE_DELETE or FILE_MODIFY'
UNRECOVERED_BULK='does not start on the copy: .*corrupted page [0-9]+ in file \./lab/[tu][0-9]+\.ibd|^lab\.[tu][0-9]+: Corrupt$'
_unrecovered=0

unrecovered() { # LEVEL
    local why
    why=$(v "' / '.join(c['text'] for c in d['checks'] if c['result'] == 'failed')")
    [[ $why =~ $UNRECOVERED ]] || { [ "$1" = crash ] && [[ $why =~ $UNRECOVERED_BULK ]]; } || return 1
    echo "$TEST: the server does not recover from that instant: $why"
}

good_set() {
    local name=$1 level=$2
    shift 2
    back_up "$name" --no-image --consistency "$level"
    assert_eq "$level" "$(json "d['consistency']" <"$LAB/$name.json")" "$name"
    _verify "$@"
    if [ "$_status" = 1 ] && unrecovered "$level" && [ "$((++_unrecovered))" -le 2 ]; then
        good_set "$name" "$level" "$@"
        return
    fi
    _verify_ended 0 "$@"
    assert_no_findings
}

logged() { grep -c "$1" "$LAB/log/daemon.log"; }
until_logged_beyond() {
    local end=$((SECONDS + 30))
    until [ "$(logged "$2")" -gt "$1" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "no $2: $(tail -n 3 "$LAB/verify.events" "$LAB/log/daemon.log" 2>&1)"
        sleep 0.01
    done
}

verify_until() {
    local seen
    seen=$(logged "$1")
    "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" verify latest --again --json \
        >"$LAB/verify.events" 2>"$LAB/verify.err" &
    # shellcheck disable=SC2034 # the case's
    client=$!
    until_logged_beyond "$seen" "$1"
}

v() { json "$1" <"$LAB/verify.json"; }
check_of() { v "([c['result'] for c in d['checks'] if c['name'].startswith('$1')] + ['none'])[0]"; }
text_of() { v "' / '.join(c['text'] for c in d['checks'] if c['name'].startswith('$1') and c['result'] == 'failed')"; }

assert_finding() {
    assert_eq failed "$(v "d['outcome']")" "outcome"
    assert_match "$2" "$(text_of "$1")" "the finding of '$1'"
    assert_match "^failed 2[0-9T:-]+Z( deep)?: $1" "$(v "d['verified']")" "verdict"
    assert_eq "$(v "d['verified']")" "$(sp show "$(v "d['id']")" --json | json "d['verified']")" "verdict in the tags"
}

assert_no_findings() {
    assert_eq ok "$(v "d['outcome']")" "outcome of $(cat "$LAB/verify.json")"
    assert_eq '[]' "$(v "[c for c in d['checks'] if c['result'] not in ('ok', 'warning')]")" "findings"
}

assert_no_loans() {
    assert_no_volumes
    assert_eq '' "$(ls "$LAB/state/loans" 2>/dev/null)" "records of loans"
}

until_no_loans() {
    for _ in $(seq 300); do
        [ "$(ls "$LAB/state/loans")" = '' ] && break
        sleep 0.1
    done
    assert_no_loans
}

volumes() {
    python3 - "$LIB_DIR" "$LAB" "$1" <<'PY'
import json, sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
with open(f"{sys.argv[2]}/node.json", encoding="utf-8") as stream:
    own = {mount["volume"] for mount in json.load(stream)["mounts"]}
d = [v for v in Lab(sys.argv[2]).ec2("admin").describe_volumes()["Volumes"]
     if v["VolumeId"] not in own and v["State"] not in ("deleting", "deleted")]
for v in d:
    v["tags"] = {tag["Key"]: tag["Value"] for tag in v.get("Tags", [])}
value = eval(sys.argv[3])
print(value if isinstance(value, str) else json.dumps(value))
PY
}

assert_no_volumes() {
    python3 - "$LIB_DIR" "$LAB" <<'PY' || fail "volumes on loan are left"
import json, sys, time
sys.path.insert(0, sys.argv[1])
from labclient import Lab
lab = Lab(sys.argv[2])
with open(f"{sys.argv[2]}/node.json", encoding="utf-8") as stream:
    own = {mount["volume"] for mount in json.load(stream)["mounts"]}
for _ in range(150):  # a deleted volume is shown for a moment, the daemon may just be at it
    volumes = lab.ec2("admin").describe_volumes()["Volumes"]
    others = [v for v in volumes if v["VolumeId"] not in own and v["State"] not in ("deleting", "deleted")]
    if not others:
        break
    time.sleep(0.1)
print(*[(v["VolumeId"], v["State"], v.get("Tags")) for v in others], sep="\n", file=sys.stderr)
sys.exit(1 if others else 0)
PY
}

snapshot_of() {
    json "[s['id'] for s in d['snapshots'] if s['volume'] == '$(volume_of "$2")'][0]" <"$LAB/$1.json"
}

_copy_device() { restore_copy "$1" | json "d['$1']"; }

damage() {
    local snapshot=$1 device
    shift
    device=$(_copy_device "$snapshot") || fail "no copy of $snapshot"
    "$@" "$device" || fail "$* $device"
    blockdev --flushbufs "$device"
    cloud_post damage "{\"snapshot\": \"$snapshot\", \"device\": \"$device\"}" >/dev/null || fail "damage $snapshot"
    cloud_post release "{\"devices\": [\"$device\"]}" >/dev/null || fail "release $device"
}

_in_folder() {
    local device=${!#} status=0 kind options=rw
    set -- "${@:1:$#-1}"
    # -p: its cache tells of what this loop device was a moment ago, for another case.
    kind=$(blkid -p -o value -s TYPE "$device")
    [ "$kind" != xfs ] || options=nouuid
    mkdir -p "$LAB/damaged"
    mount -t "$kind" -o "$options" "$device" "$LAB/damaged" || return
    "$@" "$LAB/damaged" || status=$?
    umount "$LAB/damaged" || status=$?
    return $status
}

damage_files() {
    local snapshot=$1
    shift
    damage "$snapshot" _in_folder "$@"
}

make_waits() {
    cat >"$LAB/waits" <<SH
#!/bin/bash
[ -e "$LAB/hang" ] || exit 0
touch "$LAB/hanging"
while [ -e "$LAB/hang" ]; do sleep 0.05; done
exit 1
SH
    chmod 755 "$LAB/waits"
    # shellcheck disable=SC2034 # the case's
    WAITS=(--conf '[hook waits]' --conf "exec = $LAB/waits" --conf 'phases = prepare' --conf 'prepare_timeout = 240s')
}

hold_node() {
    local end=$((SECONDS + 30))
    _held_at=$(wc -l <"$LAB/log/daemon.log")
    touch "$LAB/hang"
    sp backup --no-image >"$LAB/held.out" 2>&1 &
    _holder=$!
    until [ -e "$LAB/hanging" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "the backup does not come to its hook: $(cat "$LAB/held.out")"
        sleep 0.05
    done
}

let_go_of_node() {
    rm "$LAB/hang" "$LAB/hanging"
    wait "$_holder"
    assert_eq 5 $? "exit code of the backup that held the node: $(cat "$LAB/held.out")"
}

until_logged() {
    local end=$((SECONDS + 40))
    until [ "$(tail -n "+$((_held_at + 1))" "$LAB/log/daemon.log" | grep -c "$2")" -ge "$1" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "not $1 times $2 in: $(tail -n "+$((_held_at + 1))" "$LAB/log/daemon.log")"
        sleep 0.05
    done
}

# --force: MySQL ends DDL that waits as FTWRL comes with a deadlock.
_statements() {
    local n=100
    while n=$((n + 1)); do
        echo "CREATE TABLE lab.t$n (id INT PRIMARY KEY AUTO_INCREMENT, b BLOB) ENGINE=InnoDB;
              INSERT INTO lab.t$n (b) SELECT REPEAT('b', 3000) FROM information_schema.COLUMNS LIMIT 200;
              ALTER TABLE lab.t$n ADD COLUMN c INT DEFAULT 7, ADD KEY (c), ALGORITHM=COPY;
              CREATE TABLE lab.m$n (id INT, c INT) ENGINE=MyISAM; INSERT INTO lab.m$n SELECT id, c FROM lab.t$n;
              RENAME TABLE lab.t$n TO lab.u$n; DELETE FROM lab.u$n WHERE id % 3 = 0; TRUNCATE lab.m$n;
              DROP TABLE IF EXISTS lab.u$((n - 3)), lab.m$((n - 5));"
        [ $((n % 10)) != 0 ] || echo "FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE NOW() - INTERVAL 10 SECOND;"
    done | mariadb --no-defaults --force --socket "$LAB/run/mysqld.sock" -u root lab
}

start_statements() {
    _statements >"$LAB/log/statements.log" 2>&1 &
    statements=$!
    defer pkill -P "$statements"
}

assert_statements() { kill -0 "$statements" || fail "the statements ended: $(cat "$LAB/log/statements.log")"; }

misplace() {
    python3 - "$LIB_DIR" "$LAB" "$@" <<'PY' || fail "tags"
import json, sys
sys.path.insert(0, sys.argv[1])
from labclient import Lab
with open(f"{sys.argv[2]}/{sys.argv[3]}.json", encoding="utf-8") as stream:
    backup = json.load(stream)
database = backup["databases"][0]
exact = " exact" if database["binlog_exact"] else ""
Lab(sys.argv[2]).ec2("admin").create_tags(
    Resources=[s["id"] for s in backup["snapshots"]],
    Tags=[{"Key": "stillpoint:binlog",
           "Value": f"{database['binlog_file']}:{database['binlog_pos'] - int(sys.argv[4])}{exact}"}],
)
PY
}
