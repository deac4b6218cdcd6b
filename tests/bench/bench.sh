#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The pause and the footprint, measured beside the floor and two peers in one run, what many sets cost
# to look at, and how long a verify takes: about 30 minutes.
# `make bench` calls it when everything is built. Prints a table and whether each claim holds;
# everything measured is in build/bench.json. Exit 1 where a claim does not hold.
#
#   VOLUMES="1 4 8" ROUNDS=20 ROUNDS_LONG=8 IDLE_SECONDS=60 SETS=10000 ROUNDS_SETS=3 \
#   DATA_MIB=1024 ROUNDS_VERIFY=5 bench.sh
#
# The machine should have nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lab/python.sh
. tests/lab/python.sh

for program in stillpoint stillpointd stillpoint-guard tests/bench/floor tests/lab/writer; do
    [ -x "${BUILD:=build/plain}/$program" ] || { echo "bench: $BUILD/$program is not built: make bench" >&2; exit 1; }
done
export BUILD
read -r load _ </proc/loadavg
case $load in
0.*) ;;
*) echo "bench: the machine is busy (load average $load): what else runs is in every figure" >&2 ;;
esac
child=''
trap '[ -z "$child" ] || kill -TERM -- "-$child"; wait; exit 130' INT TERM HUP
part() { # a part of it, as a process group: it takes its lab down when we are told to end
    set -m
    bash "$@" </dev/null &
    set +m
    child=$!
    wait "$child"
    child=''
}

work=build/bench
mkdir -p "$work"
rm -f "$work"/*
for volumes in ${VOLUMES:-1 4 8}; do
    echo "bench: $volumes volumes" >&2
    part tests/bench/pause.sh "$volumes" "$PWD/$work/pauses.jsonl"
done
echo "bench: footprint" >&2
part tests/bench/footprint.sh "$PWD/$work/footprint.json"
echo "bench: ${SETS:-10000} sets" >&2
part tests/bench/sets.sh "$PWD/$work/sets.jsonl"
echo "bench: verify" >&2
part tests/bench/verify.sh "$PWD/$work/verify.jsonl"
python3 tests/bench/report.py "$work"/{pauses.jsonl,footprint.json,sets.jsonl,verify.jsonl} build/bench.json
