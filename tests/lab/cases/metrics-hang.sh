#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# whole: yes
# The file for monitoring lies on what hangs (a network mount whose server is away; here a frozen disk of the
# lab's own): backups, status and the daemon's end go on, the doctor says it, and it is written once it can be.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
need fsfreeze
start_cloud
hung=$LAB/hung
mkdir "$hung"
truncate -s 16M "$LAB/hung.img"
mkfs.ext4 -q "$LAB/hung.img" || fail "no filesystem"
mount -o loop "$LAB/hung.img" "$hung" || fail "no mount"
let_go() {
    fsfreeze --unfreeze "$hung" 2>/dev/null
    umount "$hung" 2>/dev/null || umount -l "$hung" 2>/dev/null
    true
}
defer let_go
start_node --no-mysql --conf '[metrics]' --conf "textfile = $hung/metrics/stillpoint.prom" --conf '[backup]' --conf "exclude_mounts = $hung"
chown stillpoint "$hung"
cloud_set '{"snapshot_time_s": 0.1, "latency_ms": {"CreateSnapshots": 30}}'
mapfile -t mounts < <(json "'\n'.join(m['at'] for m in d['mounts'])" <"$LAB/node.json")
arm_thaw 120 --late "${mounts[@]}" "$hung"
assert_exit 0 sp backup --quiet --no-image
for _ in {1..100}; do [ -s "$hung/metrics/stillpoint.prom" ] && break; sleep 0.05; done
[ -s "$hung/metrics/stillpoint.prom" ] || fail "no file to begin with"

fsfreeze --freeze "$hung" || fail "no freeze"
for _ in 1 2; do
    begun=${EPOCHREALTIME/./}
    backup=$(sp backup --quiet --json --no-image) || fail "a backup waits for monitoring"
    took_ms=$(((${EPOCHREALTIME/./} - begun) / 1000))
    [ "$took_ms" -lt 15000 ] || fail "a backup took $took_ms ms"
    [ "$(json "d['timing_ms']['hold'] < 3000" <<<"$backup")" = true ] || fail "the hold waited for monitoring: $backup"
done
assert_exit 0 sp status
OUT=$(sp doctor)
assert_match "failed +metrics .*writing it does not come back" "$OUT" "doctor"
assert_match "do: see whether $hung/metrics hangs" "$OUT" "doctor's remedy"
fsfreeze --unfreeze "$hung" || fail "no thaw"
for _ in {1..100}; do
    grep -qx 'stillpoint_backup_attempts_total 3' "$hung/metrics/stillpoint.prom" && break
    sleep 0.05
done
grep -qx 'stillpoint_backup_attempts_total 3' "$hung/metrics/stillpoint.prom" || fail "it was not written afterwards"
stop_part daemon
disarm_thaw
