#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an idle agent weighs and how often it wakes.

    footprint.py SECONDS NAME=PID [NAME=PID...]

For each NAME: the PSS of PID and of its children (the guard is two processes), and the voluntary
context switches of all their threads over SECONDS. Prints JSON {NAME: {pss_kib, processes, threads,
switches, seconds}}.
"""
import glob
import json
import sys
import time


def family(pid):
    pids = [pid]
    for one in pids:
        for path in glob.glob(f"/proc/{one}/task/*/children"):
            with open(path, encoding="ascii") as stream:
                pids += [int(word) for word in stream.read().split()]
    return pids


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
        return sum(int(line.split()[1]) for line in stream if line.startswith("Pss:"))


def switches(pids):
    found = {}
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(path, encoding="ascii", errors="replace") as stream:
                for line in stream:
                    if line.startswith("voluntary_ctxt_switches:"):
                        found[path] = int(line.split()[1])
    return found


def main():
    seconds = float(sys.argv[1])
    pids = {name: family(int(pid)) for name, pid in (word.split("=") for word in sys.argv[2:])}
    before = {name: switches(some) for name, some in pids.items()}
    time.sleep(seconds)
    result = {}
    for name, some in pids.items():
        after = switches(some)
        if set(after) != set(before[name]):
            raise SystemExit(f"footprint: {name}: its threads have changed meanwhile: it is not idle")
        result[name] = {
            "pss_kib": sum(pss_kib(pid) for pid in some),
            "processes": len(some),
            "threads": len(after),
            "switches": sum(after.values()) - sum(before[name].values()),
            "seconds": seconds,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
