#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Line coverage of a build with COVER=1, from gcov.

    cover.py BUILD      a line a source: lines, share that ran; then the unreached lines of PARTS
                        that have no reason. Exit 1 where there is one.

A reason is a comment `not reached: WHY` at the end of a line, or in the comment right above one. It
covers the unreached ones among that line, what it begins (lines that are indented deeper, a function
to its closing brace), and, on the first line of an inner block, the rest of the block. A line that
tells of memory that ran out is its own reason.
"""
import glob
import json
import os
import re
import subprocess
import sys

# Where every line that no test reaches must say why.
PARTS = re.compile(r"^(agent/guard/|hooks/|agent/daemon/(hold|cut|attest)\.)[^/]*\.?c?$")
REASON = re.compile(r"not reached: \S")
FUNCTION_DEPTH = 4  # of a function's own lines
NO_MEMORY = re.compile(r'"(out of|no) memory')


def gcov(objects):
    done = subprocess.run(
        ["gcov", "--json-format", "--stdout", *objects], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def counts(build):
    """{source: {line: times}} over all objects."""
    found = {}
    data = glob.glob(os.path.join(build, "**", "*.gcda"), recursive=True)
    for start in range(0, len(data), 40):
        for document in gcov(data[start:start + 40]):
            for entry in document["files"]:
                name = os.path.normpath(entry["file"])
                if name.startswith(("agent/", "aws/", "hooks/")):
                    lines = found.setdefault(name, {})
                    for line in entry["lines"]:
                        number = line["line_number"]
                        lines[number] = max(lines.get(number, 0), line["count"])
    return found


def indent(text):
    return len(text) - len(text.lstrip())


def excused(source, lines):
    """The numbers of the lines that a reason covers."""
    covered = {number for number, text in enumerate(source, 1) if NO_MEMORY.search(text)}
    for number, text in enumerate(source, 1):
        if not REASON.search(text):
            continue
        begin = number
        while source[begin - 1].lstrip().startswith(("/*", "*")) and begin < len(source):
            begin += 1
        covered.update(range(number, begin + 1))
        covered.update(reach(source, number, begin))
    return covered & lines


def reach(source, number, begin):
    """What else the reason on line NUMBER covers, that is about line BEGIN."""
    depth = indent(source[begin - 1])
    opens_block = depth > FUNCTION_DEPTH and source[number - 2].rstrip().endswith("{")
    for after in range(begin + 1, len(source) + 1):
        text = source[after - 1]
        if text.strip() and (indent(text) < depth or (indent(text) == depth and not (
                opens_block or (depth == 0 and text.startswith(("{", "}")))))):
            return
        yield after
        if depth == 0 and text.startswith("}"):
            return


def main():
    found = counts(sys.argv[1])
    bare, ran_all, all_lines = [], 0, 0
    for name in sorted(found):
        lines = found[name]
        missed = {number for number, times in lines.items() if times == 0}
        ran_all, all_lines = ran_all + len(lines) - len(missed), all_lines + len(lines)
        print(f"{name:45} {len(lines):5} {100 * (len(lines) - len(missed)) / len(lines):6.1f} %")
        if PARTS.match(name) and missed:
            with open(name, encoding="utf-8") as stream:
                source = stream.read().split("\n")
            for number in sorted(missed - excused(source, missed)):
                bare.append(f"{name}:{number}: {source[number - 1].strip()}")
    if not all_lines:
        print("no source was run")
        return 1
    print(f"{'all':45} {all_lines:5} {100 * ran_all / all_lines:6.1f} %")
    print(f"{len(bare)} lines that no test reaches have no reason beside them")
    print("\n".join(bare))
    return 1 if bare else 0


if __name__ == "__main__":
    sys.exit(main())
