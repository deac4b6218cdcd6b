#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One node with VOLUMES volumes under write load, and the rounds of rounds.py on it.
#
#   pause.sh VOLUMES OUT [--tools NAME...]     VOLUMES: 1, or 3 and more; OUT: JSON lines are added
#
# The volumes lie in memory (/dev/shm, where that has room for them): tools are compared, not the disk
# of this machine, on which else all their fsyncs meet. POOL names another place for their image.
# The writers rest for 1 or 2 ms after each write: two cores that are full show their scheduler's
# queue. WRITER_OPTIONS (writer.c) changes that.
#
# ROUNDS (20) with an exchange of 300 ms, ROUNDS_LONG (8) with one of 2 s.
# shellcheck disable=SC2119 # their options are not ours
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

volumes=$1 out=$2
shift 2

need fsfreeze aws
pool=${POOL:-}
if [ -z "$pool" ] && [ "$(df --output=avail -B1M /dev/shm | tail -n 1)" -gt 10240 ]; then
    pool=/dev/shm/stillpoint-bench.$$.img
fi
if [ -n "$pool" ]; then
    start_cloud --pool "$pool" --pool-gib 20
else
    start_cloud
fi
if [ "$volumes" = 1 ]; then
    start_node --machine-rcu --layout one
else
    start_node --machine-rcu --volumes $((volumes - 3))
fi
# shellcheck disable=SC2086 # several options
start_writers ${WRITER_OPTIONS:---txn-pause-us 1000 --pause-us 2000}
for exchange in "300 ${ROUNDS:-20}" "2000 ${ROUNDS_LONG:-8}"; do
    read -r ms rounds <<<"$exchange"
    [ "$rounds" -gt 0 ] || continue
    python3 "$TOP/tests/bench/rounds.py" "$LAB" --out "$out" --exchange-ms "$ms" --rounds "$rounds" "$@" ||
        fail "$volumes volumes, exchange of $ms ms"
done
stop_writers >/dev/null
[ -z "$pool" ] || echo "$volumes volumes: $(du -m "$pool" | cut -f1) MiB of snapshots and volumes" >&2
