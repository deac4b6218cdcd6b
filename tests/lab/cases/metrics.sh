#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# node_exporter's file and the dead-man's ping: success, degraded and failed as they are, a failure never
# hidden, the last success kept; a killed daemon, a folder that can't be written, a server that hangs, refuses
# or fails; nothing in a hold, and the secret nowhere.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
promtool=$(command -v promtool || echo "$TOP/build/promtool")
need "$promtool"
start_cloud
prom=$LAB/prom/metrics/stillpoint.prom
echo ok >"$LAB/ping.mode"
end_server() { kill "$server" 2>/dev/null || true; }
python3 "$LIB_DIR/ping_server.py" "$LAB" &
server=$!
defer end_server
for _ in {1..200}; do [ -s "$LAB/ping.url" ] && break; sleep 0.02; done
start_node --no-mysql --conf '[metrics]' --conf "textfile = $prom" --conf "ping = $(cat "$LAB/ping.url")"
cloud_set '{"snapshot_time_s": 0.1, "image_time_s": 0.1, "latency_ms": {"CreateSnapshots": 30}}'
mapfile -t mounts < <(json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
arm_thaw 120 "${mounts[@]}"

value() { # SERIES
    awk -v name="$1" '$1 == name { print $2 }' "$prom" 2>/dev/null
}
wait_value() { # SERIES VALUE
    for _ in {1..150}; do
        [ "$(value "$1")" = "$2" ] && return 0
        sleep 0.1
    done
    fail "$1: wanted $2, got '$(value "$1")' in $(cat "$prom")"
}
result() { echo "stillpoint_backup_last_result{result=\"$1\"}"; }
success=stillpoint_backup_last_success_timestamp_seconds
pings() { json "' '.join(p['path'].split('3e')[1] or '.' for p in d)" < <(jq_lines); }
jq_lines() { python3 -c 'import json, sys; print(json.dumps([json.loads(l) for l in open(sys.argv[1])]))' "$LAB/pings"; }
wait_pings() { # PATHS, all since the start
    for _ in {1..150}; do
        [ "$(pings)" = "$1" ] && return 0
        sleep 0.1
    done
    fail "pings: wanted '$1', got '$(pings)'"
}

# The folder's parent is not the daemon's: no file, a backup none the worse, and the doctor says it.
[ ! -e "$prom" ] || fail "the file is there before it can be"
assert_exit 0 sp backup --quiet --no-image
assert_exit 5 sp doctor
assert_match "failed +metrics +monitoring does not see .*$prom" "$OUT" "doctor"
assert_match "metrics +$prom, not up to date" "$(sp status)" "status"
assert_eq 1 "$(grep -c event=metrics_not_written "$LAB/log/daemon.log")" "it is logged once"
wait_pings '/start .'

# It can be written: what was is in it, and the next backup with its sizes, times and sets.
mkdir "$LAB/prom" && chown stillpoint "$LAB/prom"
assert_exit 0 sp doctor
assert_match "ok +metrics +$prom can be written" "$OUT" "doctor"
backup=$(sp backup --quiet --json) || fail "no backup"
wait_value 'stillpoint_sets{state="good"}' 2
wait_value "$(result success)" 1
assert_eq 0 "$(value "$(result failed)")" "failed"
assert_eq 0 "$(value stillpoint_backup_last_exit_code)" "exit code"
assert_eq 1 "$(value 'stillpoint_backup_last_label{label="application"}')" "the label"
begin=$(json "int(__import__('datetime').datetime.fromisoformat(d['window']['begin'].replace('Z', '+00:00')).timestamp())" <<<"$backup")
good=$(value "$success")
assert_eq "$begin" "${good%.*}" "the last success is the instant of its cut"
assert_eq "$(json "'%.6f' % (d['timing_ms']['hold'] / 1000)" <<<"$backup")" "$(value stillpoint_backup_last_hold_duration_seconds)" "hold"
assert_eq "$(json "sum(s['size_gib'] for s in d['snapshots']) << 30" <<<"$backup")" "$(value stillpoint_backup_last_volumes_size_bytes)" "size"
for step in identify plan ready hold attest finish; do
    [ -n "$(value "stillpoint_backup_last_step_duration_seconds{step=\"$step\"}")" ] || fail "no duration of $step"
done
assert_eq 644 "$(stat -c %a "$prom")" "its mode"
"$promtool" check metrics <"$prom" >"$LAB/promtool" 2>&1 || fail "promtool: $(cat "$LAB/promtool" "$prom")"
[ ! -s "$LAB/promtool" ] || fail "promtool: $(cat "$LAB/promtool")"
wait_pings '/start . /start .'
assert_match "metrics +$prom, written .* ago" "$(sp status)" "status"

# A failure before anything was touched, and one after the cut: the last success stands, and is not the last.
cloud_set '{"deny": ["DescribeVolumes"]}'
sp backup --quiet >/dev/null 2>&1 && fail "a backup without the right succeeded"
wait_value "$(result failed)" 1
assert_eq 5 "$(value stillpoint_backup_last_exit_code)" "exit code"
assert_eq 0 "$(value "$(result success)")" "success"
assert_eq "$good" "$(value "$success")" "the last success"
wait_pings '/start . /start . /start /fail'
cloud_set '{"deny": []}'
cloud_fault '{"action": "CreateSnapshots", "kind": "partial", "member": 2, "dry_run": false}'
sp backup --quiet >/dev/null 2>&1 && fail "a backup of which EC2 lost a snapshot succeeded"
cloud_faults_off
wait_value stillpoint_backup_failures_total 2
assert_eq 1 "$(value "$(result failed)")" "failed"
assert_eq "$good" "$(value "$success")" "the last success"

# Not all that was asked: kept, and no success.
cloud_set '{"deny": ["DescribeImages"]}'
sp backup --quiet >/dev/null 2>&1
status=$?
cloud_set '{"deny": []}'
if [ "$status" = 3 ]; then
    wait_value "$(result degraded)" 1
    assert_eq "$good" "$(value "$success")" "the last success"
fi
for _ in {1..150}; do # none comes late, to what follows
    [ "$(grep -vc '/start"' "$LAB/pings")" != 5 ] || break
    sleep 0.1
done

# In the hold of one backup another one comes to its end: nothing is written or sent before the release.
: >"$LAB/pings"
cloud_set '{"snapshot_time_s": 2, "latency_ms": {"CreateSnapshots": 30}}'
assert_exit 0 sp backup --quiet --no-image --wait cut
cloud_set '{"snapshot_time_s": 0.1, "latency_ms": {"CreateSnapshots": 4000}}'
backup=$(sp backup --quiet --json --no-image) || fail "no backup"
wait_pings '/start /start . .'
python3 - "$LAB/pings" "$backup" <<'EOF' || fail "$(cat "$LAB/pings") in the hold of $backup"
import datetime, json, sys
window = json.loads(sys.argv[2])["window"]
begin, end = (datetime.datetime.fromisoformat(window[k].replace("Z", "+00:00")).timestamp() for k in ("begin", "end"))
assert end - begin > 3, "no long hold"
sys.exit(any(begin <= json.loads(line)["at"] <= end for line in open(sys.argv[1])))
EOF
[ "$(json "d['timing_ms']['hold'] - d['timing_ms']['exchange'] < 2000" <<<"$backup")" = true ] || fail "the hold waited for monitoring: $backup"

# A hold for somebody else is told of once it is over.
assert_exit 0 sp hold --lease 20s --quiet
assert_eq 0 "$(value stillpoint_lent_holds_total)" "holds, while it lasts"
assert_exit 0 sp release --quiet
wait_value stillpoint_lent_holds_total 1
assert_exit 3 sp hold --lease 20s --quiet --leave-out "${mounts[0]}"
assert_exit 3 sp release --quiet
wait_value stillpoint_lent_holds_total 2
assert_eq 0 "$(value stillpoint_lent_hold_failures_total)" "those that did not last"
assert_eq 1 "$(value "$(result success)")" "the last backup"

# Told to end while EC2 copies: no failure, and what becomes of it is told and counted as that.
cloud_set '{"snapshot_time_s": 3}'
failures=$(value stillpoint_backup_failures_total)
: >"$LAB/pings"
assert_exit 0 sp backup --quiet --no-image --wait cut
stop_part daemon
start_part daemon
wait_pings '/start .'
assert_match 'consistency: application' "$(tail -n 1 "$LAB/pings")" "the ping of one that was settled"
wait_value "$(result success)" 1
assert_eq "$failures" "$(value stillpoint_backup_failures_total)" "failures after a planned end"
cloud_set '{"snapshot_time_s": 0.1}'

# Killed in mid-backup: its end is a failure at once, and what becomes of it later is told as that.
cloud_set '{"latency_ms": {"CreateSnapshots": 1500}}'
: >"$LAB/pings"
daemon=$(part_pid daemon) # later there may be no time
sp backup --quiet --no-image >"$LAB/out.txt" 2>&1 &
wait_cut
kill -KILL "$daemon"
wait $!
stop_part daemon 2>/dev/null
cloud_set '{"latency_ms": {"CreateSnapshots": 30}, "deny": ["DescribeSnapshots"]}'
start_part daemon
wait_value "$(result interrupted)" 1
assert_eq 0 "$(value "$(result success)")" "success after a kill"
assert_eq '' "$(value stillpoint_backup_last_exit_code)" "exit code of a killed daemon"
wait_pings '/start /fail'
cloud_set '{"deny": []}'
wait_value "$(result interrupted)" 0
assert_eq 0 "$(value "$(result success)")" "an adopted set is less than was asked"

# A server that hangs, that fails, that is gone: no backup is late for it.
for mode in hang fail gone; do
    echo "$mode" >"$LAB/ping.mode"
    begun=$SECONDS
    assert_exit 0 sp backup --quiet --no-image
    [ $((SECONDS - begun)) -lt 8 ] || fail "a server that is $mode delays a backup"
done
kill "$server"
wait "$server" 2>/dev/null
assert_exit 0 sp backup --quiet --no-image
wait_value "$(result success)" 1
[ "$(value "$success")" != "$good" ] || fail "no new success"
begun=$SECONDS
stop_part daemon
[ $((SECONDS - begun)) -lt 10 ] || fail "the daemon waits for a ping at its end"
disarm_thaw

# The secret is in no log, message or output.
assert_exit 0 "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" config
assert_match 'ping = http://127.0.0.1:[0-9]+/.not shown' "$OUT" "config"
echo "$OUT" >"$LAB/log/config.txt"
sp config --json >>"$LAB/log/config.txt"
grep -q event=ping_failed "$LAB/log/daemon.log" || fail "no line of the failed pings"
if grep -rls SECRET "$LAB/log" "$LAB/state" "$LAB/prom"; then
    fail "the secret is out"
fi
