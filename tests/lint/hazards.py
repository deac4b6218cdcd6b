#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every test that tests/faults/hazards.md names is there, and every fault of the matrix stands in it."""
import fnmatch
import os
import re
import subprocess
import sys

TABLE = "tests/faults/hazards.md"


def missing(name, cells):
    if "@" in name:
        return None if fnmatch.filter(cells, name) else "no such cell"
    path, _, test = name.partition("::")
    if not os.path.isfile(path):
        return "no such file"
    with open(path, encoding="utf-8") as stream:
        return None if re.search(rf"\b{test}\b", stream.read()) else f"{path} has no {test}"


def main():
    listed = subprocess.run([sys.executable, "tests/faults/matrix.py", "list"],
                            capture_output=True, text=True, check=True)
    cells = listed.stdout.split()
    with open(TABLE, encoding="utf-8") as stream:
        rows = [line for line in stream if line.startswith("|")][2:]
    found = []
    named = set()
    for row in rows:
        tests = re.findall(r"`([^`]+)`", row.split("|")[2])
        if not tests:
            found.append(f"{TABLE}: no test: {row.strip()}")
        for name in tests:
            named |= {cell.partition("@")[0] for cell in fnmatch.filter(cells, name)}
            why = missing(name, cells)
            if why:
                found.append(f"{TABLE}: {name}: {why}")
    for fault in sorted({cell.partition("@")[0] for cell in cells} - named):
        found.append(f"{TABLE}: the fault {fault} stands nowhere")
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
