# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For tests of what is done with many sets, from a machine that is no node: sourced behind lib.sh.
#
#   start_far                 a daemon without identity, with the cloud's user's keys; start_cloud first.
#                             Its pid is in $far_pid, its folder is $LAB/far
#   far ARGUMENT...           stillpoint that talks to it
#   plant_sets SETS MEMBERS NODES   many_sets.py
#   weigh ARGUMENT...         weigh.py of `far ARGUMENT...`; what it printed is in $LAB/weighed.out

start_far() {
    local access secret
    read -r access secret <<<"$(json "' '.join(d['keys']['user'][k + '_key'] for k in ('access', 'secret'))" \
        <"$LAB/cloud.json")"
    mkdir -p "$LAB/log" "$LAB/far/run" "$LAB/far/state"
    json "'[aws]\nidentity = none\nregion = %s\nendpoint_ec2 = %s\nca_bundle = %s' % (
        d['region'], d['ec2'], d['ca'])" <"$LAB/cloud.json" >"$LAB/far/stillpoint.conf"
    printf '[paths]\nrun = %s\nstate = %s\n' "$LAB/far/run" "$LAB/far/state" >>"$LAB/far/stillpoint.conf"
    "${BARE_ENV[@]}" AWS_ACCESS_KEY_ID="$access" AWS_SECRET_ACCESS_KEY="$secret" \
        "$BUILD/stillpointd" --config "$LAB/far/stillpoint.conf" 2>"$LAB/log/far.log" &
    far_pid=$!
    defer kill "$far_pid"
    for _ in $(seq 200); do
        [ ! -S "$LAB/far/run/control.sock" ] || return 0
        sleep 0.05
    done
    fail "the daemon without identity did not start: $(tail -n 5 "$LAB/log/far.log")"
}

far() { "$BUILD/stillpoint" --config "$LAB/far/stillpoint.conf" "$@"; }

plant_sets() { python3 "$LIB_DIR/many_sets.py" "$LAB" "$@" || fail "the sets can't be planted"; }

weigh() {
    python3 "$LIB_DIR/weigh.py" "$LAB" "$far_pid" "$LAB/weighed.out" \
        "$BUILD/stillpoint" --config "$LAB/far/stillpoint.conf" "$@" || fail "weigh $*"
}
