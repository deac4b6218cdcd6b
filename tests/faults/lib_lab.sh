# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The lab of the fault tests, after lib.sh:
#   start_fault_lab [OPTION...]   a cloud, and a node with an exec hook, short deadlines, points
#                                 (options of node.py up); needs programs built with POINTS=1
start_fault_lab() {
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
    local root=$LAB/node/root
    start_node --restarter --points --clock "$BUILD/tests/faults/clock_step.so" --daemon-env STILLPOINT_LOST_MS=2500 \
        --conf '[aws]' --conf 'request_timeout = 2s' \
        --conf '[backup]' --conf 'hold_deadline = 3s' --conf 'retry_holds = 1' \
        --conf "mounts = $root, $root/var/lib/mysql, $root/var/log/mysql" \
        --conf '[hook marker]' --conf "exec = $LAB/hooks.d/marker" "$@"
}

# The lab's driver, COMMAND...: its thaw timer goes with it, and thaws.
run_driver() {
    "$@" &
    driver=$!
    defer end_driver
    wait "$driver"
    local status=$?
    driver=
    return "$status"
}
# shellcheck disable=SC2317 # at the end
end_driver() { [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null; }
