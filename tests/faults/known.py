# SPDX-License-Identifier: BSD-2-Clause
"""Cells that fail for a reason that is known. They stay `not ok`; the reason is printed with them.

A line goes as soon as what it names is mended: then the cell has to be ok."""
import fnmatch

KNOWN = ()


def reason(cell):
    """Why it is known to fail, or ""."""
    return next((why for pattern, why in KNOWN if fnmatch.fnmatch(cell, pattern)), "")
