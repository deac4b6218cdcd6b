# SPDX-License-Identifier: BSD-2-Clause
"""Cells that fail for a reason that is known. They stay `not ok`; the reason is printed with them.

A line goes as soon as what it names is mended: then the cell has to be ok."""
import fnmatch

TOUCHED = ("daemon: exit 5 (nothing was touched) although the hold had begun, or no remedy: "
           "work_exit_code() in settle_cut()")
GONE = "daemon: look_again() asks what was mounted meanwhile, not what was taken away"
LOCK_WAIT = "daemon: a wait for mysql that takes the whole hold is blamed on the guard"
KNOWN = (
    ("mount-gone@*", GONE),
    ("stop-mysqld@*", LOCK_WAIT),
    ("long-ddl@*", LOCK_WAIT),
    ("lock-tables@*", LOCK_WAIT),
    ("keys-expire@*", "daemon: keys that EC2 calls expired are kept until their told end"),
    ("hang@request", "daemon: no remedy where the cut met its deadline"),
    ("*@hold-*", TOUCHED),
    ("*@manifest", TOUCHED),
    ("*@freeze-*", TOUCHED),
    ("stop-*@request", TOUCHED),
)


def reason(cell):
    """Why it is known to fail, or ""."""
    return next((why for pattern, why in KNOWN if fnmatch.fnmatch(cell, pattern)), "")
