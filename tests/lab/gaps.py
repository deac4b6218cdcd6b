#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The pause as the writers saw it: the longest gap between two finished writes.

    gaps.py ACKS [--from US] [--to US] [--clock monotonic|realtime]

Reads the writers' records (writer.c). Counts gaps that touch the stretch, for each thread: between
two of its finished writes. Prints JSON: {thread: ms}, and "longest" over all of them.
As a module: longest_gaps(acks, begin_us, end_us, clock).
"""
import argparse
import glob
import json
import os
import sys


def longest_gaps(acks, begin_us=0, end_us=None, clock="monotonic"):
    column = 3 if clock == "monotonic" else 2
    found = {}
    for path in sorted(glob.glob(os.path.join(acks, "*.ack"))):
        previous, longest = None, 0
        with open(path, encoding="ascii") as stream:
            for line in stream:
                fields = line.split()
                if len(fields) != 4:
                    continue  # the last line of a writer that was killed
                moment = int(fields[column])
                inside = previous is not None and moment > begin_us
                if inside and (end_us is None or previous < end_us):
                    longest = max(longest, moment - previous)
                previous = moment
                if end_us is not None and moment > end_us:
                    break
        found[os.path.basename(path).removesuffix(".ack")] = longest / 1000.0
    found["longest"] = max(found.values(), default=0.0)
    return found


def main():
    parser = argparse.ArgumentParser(description="the longest gaps between writes (see the header)")
    parser.add_argument("acks")
    parser.add_argument("--from", dest="begin", type=int, default=0)
    parser.add_argument("--to", dest="end", type=int)
    parser.add_argument("--clock", choices=("monotonic", "realtime"), default="monotonic")
    options = parser.parse_args()
    json.dump(
        longest_gaps(options.acks, options.begin, options.end, options.clock), sys.stdout, indent=1
    )
    print()


if __name__ == "__main__":
    main()
