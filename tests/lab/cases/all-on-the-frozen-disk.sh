#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# State, logs and the programs themselves lie on filesystems that are frozen, the reader of the log
# has stopped reading, and the guard dies in the midst of it: no hold lasts longer than it must.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --no-agent
root=$(mount_at root)
mkdir -p "$root/opt/stillpoint" "$root/var/lib/stillpoint" "$root/var/log/agent"
cp "$BUILD"/stillpoint "$BUILD"/stillpointd "$BUILD"/stillpoint-guard "$BUILD"/stillpoint-hook "$root/opt/stillpoint/"
chown stillpoint "$root/var/lib/stillpoint"
rmdir "$LAB/state" && ln -s "$root/var/lib/stillpoint" "$LAB/state"
cp -a "$LAB/log/." "$root/var/log/agent/"
rm -r "$LAB/log" && ln -s "$root/var/log/agent" "$LAB/log"
sed -i "s#\"build\": \"[^\"]*\"#\"build\": \"$root/opt/stillpoint\"#" "$LAB/node.json"
sp() { "$root/opt/stillpoint/stillpoint" --config "$LAB/stillpoint.conf" "$@"; }
for part in guard hook daemon; do start_part "$part"; done
begin_refusals

hold_ms() { sp show latest --json | json "round(d['timing_ms']['hold'])"; }
whole_and_short() {
    backs_up --no-image
    assert_eq '["complete", "application"]' "$(sp show latest --json | json "[d['state'], d['consistency']]")" "the backup"
    [ "$(hold_ms)" -lt 3000 ] || fail "held for $(hold_ms) ms: something of ours waited for the thaw"
}

whole_and_short
[ -s "$root/var/log/agent/daemon.log" ] || fail "the log is not on the frozen disk: the test would prove nothing"

# A guard that is killed there is started from the frozen disk again, and thaws.
cloud_fault '{"action": "CreateSnapshots", "kind": "held", "dry_run": false}'
sp backup --no-image >"$LAB/run/out" 2>&1 &
client=$!
wait_cut
stop_both_guards
kill -KILL "$keeper" "$freezer"
is_frozen "$root" || fail "nothing was frozen: the test would prove nothing"
start_part guard
assert_nothing_frozen
cloud_faults_off # answers it
wait "$client"
assert_eq 3 $? "exit code of: $(cat "$LAB/run/out")"
assert_match 'crash consistent, application was asked for' "$(cat "$LAB/run/out")" "the label"
node_is_free
made

# Nobody reads the log: what does not fit is counted, and said when there is room again.
mkfifo "$LAB/run/log-reader"
exec 7<>"$LAB/run/log-reader"
stop_part daemon
stop_part guard
for part in guard daemon; do
    rm "$root/var/log/agent/$part.log"
    ln -s "$LAB/run/log-reader" "$root/var/log/agent/$part.log"
done
start_part guard
start_part daemon
python3 - "$LAB/run/log-reader" <<'PYTHON'
import os, sys
pipe = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
try:
    while True:
        os.write(pipe, b"." * 4096)
except BlockingIOError:
    pass
PYTHON
whole_and_short
assert_eq 0 "$(sp status --json | json "len(d['unsettled'])")" "what is left"
timeout 5 head -c 60000 <&7 >/dev/null # and not a byte of what is said from here on
sp status >/dev/null
assert_match 'lost|dropped' "$(timeout 2 cat <&7 | tr -d .)" "what the log says of its gap"
exec 7<&-
rm "$root/var/log/agent/guard.log" "$root/var/log/agent/daemon.log"
end_refusals
