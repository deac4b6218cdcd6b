# SPDX-License-Identifier: BSD-2-Clause
"""Cells that fail for a reason that is known. They stay `not ok`; the reason is printed with them.

A line goes as soon as what it names is mended: then the cell has to be ok."""
import fnmatch

TOUCHED = ("daemon: exit 5 (nothing was touched) although hooks held and the hold had begun: "
           "work_exit_code() in settle_cut()")
KNOWN = (
    ("*@hold-*", TOUCHED),
    ("*@manifest", TOUCHED),
    ("*@freeze-*", TOUCHED),
    ("*@request", TOUCHED),
    ("keys-expire@*", "daemon: keys that EC2 calls expired are kept until their told end"),
)


def reason(cell):
    """Why it is known to fail, or ""."""
    return next((why for pattern, why in KNOWN if fnmatch.fnmatch(cell, pattern)), "")
