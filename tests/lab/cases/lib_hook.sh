# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Something else in the place of stillpoint-hook, after lib.sh, start_node and stop_part hook:
#
#   hook_is PROGRAM [ARGUMENT...]  it is started for each connection; hook_goes ends that

hook_is() { # PROGRAM [ARGUMENT...]
    python3 "$LIB_DIR/hook_listener.py" "$LAB/run/hook.sock" stillpoint "$@" &
    listener=$!
    defer bash -c "kill $listener 2>/dev/null; true"
    python3 - "$LAB/run/hook.sock" <<'PY' || fail "nothing listens"
import socket, sys, time
for _ in range(400):
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
PY
}
hook_goes() {
    kill "$listener"
    wait "$listener"
    rm -f "$LAB/run/hook.sock"
}
