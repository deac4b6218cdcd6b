#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# hold and release: the node stands still between the two, what is snapshotted by somebody else then
# is a consistent set to the judge, and each way in which it goes otherwise is said: less, ended
# before, nothing held, somebody else's turn.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node
start_writers
data=$(mount_at data)
arm_thaw 250 "$(mount_at root)" "$data" "$(mount_at binlog)"

# What makes no sense is refused before anything is asked.
for lease in 0 0s 1s 61s 5m -1s x; do
    assert_exit 2 sp hold --lease "$lease"
    assert_match 'do: ' "$OUT" "--lease $lease"
done
assert_exit 2 sp hold
assert_match '--lease' "$OUT" "hold without a lease"
assert_exit 2 sp hold --lease 5s --consistency crash
assert_exit 2 sp hold --lease 5s --leave-out data
assert_exit 5 sp hold --lease 5s --leave-out /not/mounted
assert_match 'nothing is mounted at /not/mounted' "$OUT" "leave-out"
assert_exit 5 sp release
assert_match 'nothing is held' "$OUT" "release of nothing"
assert_exit 0 sp hold --lease 5s -n
assert_nothing_frozen

# The daemon does not rely on its command line for that.
python3 - "$LAB/run/control.sock" <<'PY' || fail "what the daemon takes"
import json, socket, sys
for verb, args in [("hold", a) for a in (
        {}, {"lease_ms": 0}, {"lease_ms": 1999}, {"lease_ms": 60001}, {"lease_ms": -1},
        {"lease_ms": "5s"}, {"lease_ms": 2**63 - 1}, {"lease_ms": 5000, "leave_out": ["x"]},
        {"lease_ms": 5000, "leave_out": [1]}, {"lease_ms": 5000, "consistency": "crash"},
        {"lease_ms": 5000, "wait": "cut"}, {"lease_ms": 5000, "dry_run": 1})
        ] + [("release", {"id": 1}), ("release", {"force": True})]:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(sys.argv[1])
        one.sendall(json.dumps({"v": 1, "cmd": verb, "args": args}).encode() + b"\n")
        last = json.loads(one.makefile().read().splitlines()[-1])
    assert (last["event"], last["exit"]) == ("error", 2), (verb, args, last)
PY
assert_nothing_frozen

# Held, snapshotted by another tool, released: whole.
begin=$(date +%s%N)
sp hold --lease 20s --reason 'by another' --json >"$LAB/hold.events" || fail "hold ended with $?"
took=$((($(date +%s%N) - begin) / 1000000))
tail -n 1 "$LAB/hold.events" >"$LAB/hold.json"
h() { json "$1" <"$LAB/hold.json"; }
assert_eq held "$(h "d['state']")" "state of the hold"
assert_eq application "$(h "d['expected']")" "what may be claimed"
assert_eq true "$(h "all(m['frozen'] for m in d['mounts']) and len(d['mounts']) == 3")" "mounts"
assert_eq true "$(h "d['databases'][0]['binlog_pos'] > 0")" "position"
is_frozen "$data" || fail "not frozen"
[ "$took" -lt 10000 ] || fail "hold took $took ms"
assert_match "hold +$(h "d['id']"), application until" "$(sp status)" "status"
assert_exit 4 sp backup --no-image
assert_match 'a hold has the node' "$OUT" "a backup during a hold"
assert_exit 4 sp hold --lease 5s
assert_exit 5 sp release sp-19990101T000000Z-aaaaa
is_frozen "$data" || fail "let go by the release of another"
python3 "$LIB_DIR/other_tool.py" "$LAB" >"$LAB/snapshots.json" ||
    fail "the other tool's snapshots"
sp release "$(h "d['id']")" --json | tail -n 1 >"$LAB/release.json"
assert_eq 0 "${PIPESTATUS[0]}" "exit code of release: $(cat "$LAB/release.json")"
r() { json "$1" <"$LAB/release.json"; }
r "{**d, 'snapshots': $(cat "$LAB/snapshots.json")}" >"$LAB/set.json"
assert_nothing_frozen
assert_eq released "$(r "d['state']")" "state"
assert_eq application "$(r "d['consistency']")" "what was proved"
assert_eq true "$(r "d['whole']")" whole
assert_eq "$(h "d['databases']")" "$(r "d['databases']")" "the position is still the same"
assert_eq true "$(r "d['window']['begin'] < d['window']['end']")" window
assert_match "last hold +$(h "d['id']"), released, application" "$(sp status)" "status afterwards"
assert_exit 5 sp release
assert_match 'was released' "$OUT" "a second release"
assert_eq "$(h "d['id']")" "$(json "d['id']" <"$data/.stillpoint-manifest.json")" "the manifest on the disk"

# The lease ends by itself; nothing is claimed, once.
assert_exit 0 sp hold --lease 2s
lease_ends
assert_nothing_frozen
node_sql 'CREATE DATABASE sp' || fail "the server is locked"
assert_exit 1 sp release
assert_match 'had ended: its lease was over.*do: ' "$(tr '\n' ' ' <<<"$OUT")" "release after the lease"
assert_exit 5 sp release

# It ended by itself, and another holds by now: that one stays held, and it is said all the same.
ended=$(sp hold --lease 2s --json | tail -n 1 | json "d['id']")
lease_ends
assert_exit 0 sp hold --lease 20s
assert_exit 1 sp release "$ended"
assert_match "$ended had ended: its lease was over.*now: nothing was let go of" "$(tr '\n' ' ' <<<"$OUT")" \
    "release of one that had ended"
is_frozen "$data" || fail "another hold was let go of"
assert_exit 5 sp release "$ended"
assert_exit 0 sp release

# Less than asked for: a mount is left out, and the command says so.
assert_exit 3 sp hold --lease 20s --leave-out "$(mount_at root)"
assert_match "$(mount_at root) .*was not frozen: it was to be left out" "$OUT" "hold of less"
! is_frozen "$(mount_at root)" || fail "what was left out is frozen"
is_frozen "$data" || fail "the rest is not"
sp release --json >"$LAB/release.out" 2>"$LAB/release.err"
assert_eq 3 $? "release of less"
tail -n 1 "$LAB/release.out" >"$LAB/release.json"
assert_eq crash "$(r "d['consistency']")" "what was proved of less"
assert_eq true "$(r "d['whole']")" "and it was held to the end"

# All mounts left out: the server is held alone.
assert_exit 3 sp hold --lease 20s --leave-out "$(mount_at root)" --leave-out "$data" --leave-out "$(mount_at binlog)"
assert_nothing_frozen
! node_sql 'SET lock_wait_timeout = 1; CREATE DATABASE alone' 2>"$LAB/sql.err" || fail "the server is not held"
assert_exit 3 sp release
assert_match 'without a gap' "$OUT" "release of a server alone"
node_sql 'CREATE DATABASE alone' || fail "the server is still locked"

# A hold while a backup has the node; a server that dies in a hold.
cloud_fault '{"action": "CreateSnapshots", "kind": "held", "dry_run": false}'
sp backup --no-image >"$LAB/out.txt" 2>&1 &
wait_cut
assert_exit 4 sp hold --lease 5s
assert_exit 4 sp release
cloud_faults_off # answers it
wait $! || fail "the backup: $(cat "$LAB/out.txt")"

stop_writers >/dev/null
judge "$LAB/set.json" >"$LAB/verdict.json" || fail "judge: $(cat "$LAB/verdict.json")"

# Killed while it writes its dirty pages (no lock keeps it from that) it waits in the kernel, its
# connections open, until the release has thawed.
node_sql 'CREATE TABLE lab.pages (t TEXT) ENGINE=InnoDB; SET GLOBAL innodb_max_dirty_pages_pct = 0' || fail "a table"
for _ in {1..3000}; do node_sql 'INSERT INTO lab.pages VALUES (REPEAT("x", 4000))' || break; done 2>/dev/null &
assert_exit 0 sp hold --lease 20s
sleep 2
pid=$(part_pid mysql)
kill_part mysql
sleep 0.5
[ "$(part_pid mysql)" = "$pid" ] || fail "the server waited for nothing"
assert_exit 3 sp release
assert_match 'filesystem consistent, application was asked for' "$OUT" "the server died in the hold"
assert_nothing_frozen
stop_part mysql KILL
disarm_thaw
