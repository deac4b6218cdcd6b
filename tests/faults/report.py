# SPDX-License-Identifier: BSD-2-Clause
"""build/faults.md: fault by point, what came of it and the longest freeze seen."""
import json

import faults

HEAD = """# The fault matrix

From a run of `tests/faults/matrix.sh --all`: {count} cells, {bad} not ok, the longest freeze
{longest} ms. The lab's hold_deadline is 3 s, an exchange with EC2 takes 60 ms. The set
is what EC2 holds of this backup once the agent has settled it.
"""


def _table(rows):
    """One for all would be too wide."""
    by_fault = {}
    for row in rows:
        by_fault.setdefault(row["fault"], {})[row["point"]] = row
    for fault, cells in sorted(by_fault.items()):
        yield f"\n## {fault}\n"
        yield "| point | exit, label, set | longest freeze |"
        yield "| --- | --- | --- |"
        for point in faults.POINTS + (faults.REHEARSAL,):
            if point in cells:
                row = cells[point]
                mark = "" if row["ok"] else "**not ok** "
                yield f"| {point} | {mark}{row['outcome']} | {row['longest_ms']:.0f} ms |"


def write(results, out):
    with open(results, encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    bad = sum(not row["ok"] for row in rows)
    longest = max((row["longest_ms"] for row in rows), default=0)
    with open(out, "w", encoding="utf-8") as stream:
        stream.write(HEAD.format(count=len(rows), bad=bad, longest=round(longest)))
        stream.write("\n".join(_table(rows)) + "\n")
    return 1 if bad or not rows else 0
