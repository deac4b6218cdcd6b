#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# thread: yes
# The control socket is not there, or not for this user; garbage, floods and silent clients come over
# it and over the guard's while a backup runs: it is not harmed.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/refusals.sh
. "$LIB_DIR/refusals.sh"

need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
start_node --conf '[aws]' --conf 'request_timeout = 60s' --conf '[backup]' --conf 'hold_deadline = 60s'
begin_refusals
control=$LAB/run/control.sock guard=$LAB/run/guard.sock
as_nobody() { # GROUP-OPTION COMMAND...
    local groups=$1
    shift
    setpriv --reuid=nobody --regid=nogroup "$groups" "$BUILD/stillpoint" --config "$LAB/stillpoint.conf" "$@"
}

# Who may ask.
refused 5 "can't be asked at $control: Permission denied" 'as root, or join the group stillpoint' \
    as_nobody --clear-groups backup
chmod 666 "$control" # the file is not what it rests on
refused 5 'user [0-9]+ may not use this daemon' 'as root, or join the group stillpoint' as_nobody --clear-groups list
chmod 660 "$control"
assert_exit 0 as_nobody --groups=stillpoint list
made_nothing

# Nobody there.
stop_part daemon
for command in backup list 'show latest' status doctor; do
    # shellcheck disable=SC2086 # words
    refused 5 "stillpointd does not run: no $control" 'systemctl start stillpointd' sp $command
done
start_part daemon
stop_part daemon KILL # whose file stays
refused 5 "stillpointd does not run: nobody listens at $control" 'systemctl start stillpointd' sp backup
start_part daemon
stop_part guard
refused 5 "connect to the guard at $guard: No such file" 'systemctl start stillpoint-guard' sp backup
assert_exit 5 sp doctor
assert_match "failed +guard .*do: start it: .systemctl start stillpoint-guard" "$OUT" "doctor"
assert_match 'guard +does not answer' "$(sp status)" "status"
start_part guard
made_nothing

# All at once, in the middle of a hold that lasts.
cloud_fault '{"action": "CreateSnapshots", "kind": "held", "dry_run": false}'
sp backup --no-image >"$LAB/run/out" 2>&1 &
backup=$!
wait_cut
python3 - "$control" "$guard" <<'EOF2' || fail "the floods: $?"
import json, os, socket, sys, time

control, guard = sys.argv[1:]

def ask(sent, reads=True, kind=socket.SOCK_STREAM, path=control):
    """All that is answered to SENT until the other end closes, at most 2 s."""
    end = socket.socket(socket.AF_UNIX, kind)
    end.settimeout(2)
    end.connect(path)
    try:
        for part in sent:
            end.sendall(part)
    except OSError:
        pass # closed in our face
    got = b""
    try:
        while reads:
            part = end.recv(65536)
            if not part:
                break
            got += part
    except OSError:
        pass
    return end, got

silent = [ask([], reads=False)[0] for _ in range(20)]
slow = ask([b'{"v":1,"cmd":"list",'], reads=False)[0]
for sent, why in (
    ([b"\x00\xff\xfe not JSON\n"], "no JSON"),
    ([b"[" * 60000 + b"\n"], "deep"),
    ([b"a" * 65536] * 64, "a line without end"),
    ([b'{"v":1,"cmd":"backup","args":{"no_such_key":1}}\n'], "an unknown key"),
    ([b'{"v":2,"cmd":"list"}\n'], "another version"),
    ([b'{"v":1,"cmd":"formatdisk"}\n'], "an unknown command"),
    ([b'{"v":1,"cmd":"list"}' + b" " * 70000 + b"\n"], "too long"),
):
    got = ask(sent)[1]
    last = json.loads(got.splitlines()[-1]) if got else None
    assert last and last["event"] == "error" and last["exit"] == 2 and last["text"], (why, got[:200])
second = json.loads(ask([b'{"v":1,"cmd":"backup"}\n'])[1].splitlines()[-1])
assert second["exit"] == 4 and "another backup has the node: sp-" in second["text"], second
unread = [ask([b'{"v":1,"cmd":"doctor"}\n{"v":1,"cmd":"cancel"}\n'], reads=False)[0] for _ in range(8)]

for number in range(12): # more than the guard has room for, too
    for sent in ([os.urandom(40)], [b"\x00" * 200000], [os.urandom(4096)] * 4, [b""]):
        try:
            ask(sent, reads=number == 0, kind=socket.SOCK_SEQPACKET, path=guard)[0].close()
        except OSError:
            pass
time.sleep(0.2)
EOF2
still=$(sp status --json | json "(d['job'] or {}).get('step')")
assert_eq hold "$still" "what the backup does after it"
cloud_faults_off # answers it
wait "$backup" || fail "the backup: $(cat "$LAB/run/out")"
assert_match 'complete: application consistent' "$(cat "$LAB/run/out")" "the backup"
node_is_free
made
backs_up --no-image
end_refusals
