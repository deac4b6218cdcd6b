#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One lab for cells of the matrix: shard.sh run QUEUE RESULTS (matrix.py).
# matrix.sh calls it; $BUILD holds programs built with POINTS=1.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lab/lib.sh"

# shellcheck disable=SC2317 # lib.sh calls it
_show_logs() { :; } # each cell that fails shows its own part of them
need_program stillpointd stillpoint-guard stillpoint-hook stillpoint
start_cloud
install -d -m 755 "$LAB/hooks.d"
cat >"$LAB/hooks.d/marker" <<'SH'
#!/bin/sh
# What it changes on the node at hold must be gone after release.
case $1 in
hold) : >"$(dirname "$0")/../run/held" ;;
release) rm -f "$(dirname "$0")/../run/held" ;;
esac
SH
chmod 755 "$LAB/hooks.d/marker"
start_node --restarter --points --daemon-env STILLPOINT_LOST_MS=2500 \
    --conf '[aws]' --conf 'request_timeout = 2s' \
    --conf '[backup]' --conf 'hold_deadline = 2s' --conf 'retry_holds = 1' \
    --conf "mounts = $LAB/node/root, $LAB/node/root/var/lib/mysql, $LAB/node/root/var/log/mysql" \
    --conf '[hook marker]' --conf "exec = $LAB/hooks.d/marker"
python3 "$TOP/tests/faults/matrix.py" "$1" "$LAB" "${@:2}" &
driver=$!
# shellcheck disable=SC2317 # at the end
end_driver() { [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null; }
defer end_driver # and with it the thaw timer, which thaws
wait "$driver"
status=$?
driver=
exit "$status"
