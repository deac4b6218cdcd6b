# SPDX-License-Identifier: BSD-2-Clause
"""The table of faults: what each does, how it is healed, where it makes sense, what it allows.

A fault is an object with
    name, points, options (of the backup), stops (something is stopped until heal)
    order(cell)         before the backup starts (most: nothing)
    inject(cell)        while the process waits at the point
    thaw_due_us(cell)   when the last mount must be thawed, CLOCK_BOOTTIME; None: no other than ever
    heal(cell)          what was stopped goes on; what is dead is started without it, later
    end(cell)           the command has ended: nothing of the fault is left
    expect(point)       an Expect
    seconds(point)      about how long the cell takes
"""
import dataclasses

BEFORE = ("identify", "plan", "ready")
HOOKS = ("hold-marker", "hold-mysql")
FREEZES = ("freeze-0", "freeze-1", "freeze-2")
FROZEN = ("request", "sent", "answered", "thaw")
RELEASES = ("release-mysql", "release-marker")
AFTER = ("attest", "tagging", "waiting", "image")
POINTS = BEFORE + HOOKS + ("manifest",) + FREEZES + FROZEN + RELEASES + AFTER
REHEARSAL = "rehearsal"  # of the first freeze; for faults of the guard alone
# What is held at a point, and so what can be lost there.
LEASE_RUNS = (REHEARSAL,) + FREEZES + FROZEN + ("held",)  # that one of lent.py
LOCKED = ("manifest",) + LEASE_RUNS + ("release-mysql",)

FREE = BEFORE + AFTER  # nothing is held: who waits there holds nobody up
HOLD_US = 3_000_000  # hold_deadline of the lab's configuration

LABELS = ("unconfirmed", "crash", "filesystem", "application")
DONE = (0, 3)  # a set is kept; else there is none, or it is not known


@dataclasses.dataclass
class Expect:
    exits: tuple  # exit codes that are right
    most: str = "application"  # the highest label that was proved
    cause: str = "."  # the message of an exit code other than 0 matches this


def slot_of(point):
    """(the name that the programs know it by, how many pass it first): each freeze is rehearsed once
    before the hold."""
    if point == REHEARSAL:
        return FREEZES[0], 0
    return point, 1 if point in FREEZES else 0


def at_most(label, limit):
    return LABELS.index(label) <= LABELS.index(limit)
