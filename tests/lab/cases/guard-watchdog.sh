#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# alone: yes
# timeout: 200
# Both of the guard's processes out of action in the middle of a hold: stopped, systemd's watchdog kills
# them soon after the deadline; killed, they are missed at once. Either way ExecStopPost= thaws, a new
# guard comes, the backup claims no more than it is, and the next one is whole.
# shellcheck source=tests/lab/lib.sh disable=SC2119
. "$(dirname "$0")/../lib.sh"

start_cloud
start_node --restarter --machine-rcu --conf '[backup]' --conf 'hold_deadline = 2s' --conf 'retry_holds = 0'
rcu=$(cat /sys/kernel/rcu_expedited)
mounts=("$(mount_at root)" "$(mount_at data)" "$(mount_at binlog)")
arm_thaw 150 "${mounts[@]}"

late=1 # second; where processes have to queue for the CPU, three
awk -v cpus="$(nproc)" '{ exit !($1 > 2 * cpus) }' /proc/loadavg && late=3

monotonic() { python3 -c 'import time; print(time.monotonic())'; }

# Writes to every mount, each in a process of its own, and prints when the last was through.
write_to_all() {
    local one pids=()
    for one in "${mounts[@]}"; do
        touch "$one/written" &
        pids+=($!)
    done
    wait "${pids[@]}"
    monotonic
}

between() { # LEAST VALUE MOST WHAT
    python3 -c 'import sys; a, b, c = map(float, sys.argv[1:]); sys.exit(not a <= b <= c)' "$1" "$2" "$3" ||
        fail "$4: $2, wanted $1 to $3: $(cat "$LAB/log/restarter.log")"
}

seconds() { python3 -c "print($1)"; }

hold_the_node() { # and stops both processes, so that neither can see to the other
    sp backup --no-image >"$LAB/out.txt" 2>&1 &
    client=$!
    wait_cut
    stop_both_guards
    stopped=$(monotonic)
    is_frozen "${mounts[1]}" || fail "never frozen: $(cat "$LAB/out.txt")"
}

assert_claims_little() {
    local status
    wait "$client"
    status=$?
    case $status in
    1) ;; # given up and cleaned up
    3 | 6)
        sp show latest --json >"$LAB/shown.json" || fail show
        assert_match '^(crash|filesystem|none|unconfirmed)$' "$(json "d['consistency']" <"$LAB/shown.json")" "its label"
        ;;
    *) fail "the backup without guard ended with $status: $(cat "$LAB/out.txt")" ;;
    esac
}

assert_new_guard() {
    wait_part guard
    [ "$(part_pid guard)" != "$keeper" ] || fail "no new guard"
    [[ $(ps -o stat= -p "$freezer") =~ ^(Z.*)?$ ]] || fail "the old freezer is still there"
    assert_nothing_frozen
}

assert_next_is_whole() {
    cloud_set '{"latency_ms": {"CreateSnapshots": 100}}'
    sleep 16 # the next hold keeps its distance to a request that was sent
    assert_exit 0 sp backup --no-image
}

# Stopped: nobody but the watchdog is left to see it. It was armed for the deadline and a second.
cloud_set '{"latency_ms": {"CreateSnapshots": 8000}, "cut_at": 0.9}'
hold_the_node
thawed=$(write_to_all)
bitten=$(sed -n 's/ guard: watchdog: .*//p' "$LAB/log/restarter.log")
[ -n "$bitten" ] || fail "no watchdog: $(cat "$LAB/log/restarter.log")"
between 1 "$(seconds "$bitten - $stopped")" "$((late + 3))" "seconds from the stop to the watchdog"
between 0 "$(seconds "$thawed - $bitten")" "$late" "seconds from the watchdog to the thaw"
assert_new_guard
assert_claims_little
assert_next_is_whole
assert_eq 1 "$(grep -c ' guard: watchdog: ' "$LAB/log/restarter.log")" "times that the watchdog bit"

# Killed: long before the deadline.
cloud_set '{"latency_ms": {"CreateSnapshots": 4000}, "cut_at": 0.9}'
hold_the_node
killed=$(monotonic)
kill -KILL "$keeper" "$freezer"
thawed=$(write_to_all)
between 0 "$(seconds "$thawed - $killed")" "$late" "seconds from the death to the thaw"
assert_new_guard
assert_claims_little
assert_next_is_whole

# And where nobody sees to it they stay as they are, until one is started.
cloud_set '{"latency_ms": {"CreateSnapshots": 4000}, "cut_at": 0.9}'
no_restart guard
hold_the_node
kill -KILL "$keeper" "$freezer"
sleep 1
is_frozen "${mounts[1]}" || fail "somebody thawed though restarts are off"
start_part guard
assert_new_guard
assert_claims_little
assert_eq "$rcu" "$(cat /sys/kernel/rcu_expedited)" "the machine's rcu_expedited"
disarm_thaw
