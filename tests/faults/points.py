# SPDX-License-Identifier: BSD-2-Clause
"""Named points at which the programs of a build with POINTS=1 stop (agent/base/point.c).

The slots lie in a file on the lab's tmpfs that the programs map from $STILLPOINT_POINTS (node.py
up --points makes it). A process that reaches an armed point waits until go(), clear() or 30 s.
"""
import mmap
import struct
import time

SLOTS, SLOT_BYTES, NAME_BYTES = 16, 64, 48
STATE, PID, SKIP = NAME_BYTES, NAME_BYTES + 4, NAME_BYTES + 8
IDLE, ARMED, REACHED, GO = range(4)
POLL_S = 0.0005


class Points:
    def __init__(self, path):
        with open(path, "r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), SLOTS * SLOT_BYTES)
        self._slots = {}

    def _get(self, slot, field):
        return struct.unpack_from("=I", self._map, slot * SLOT_BYTES + field)[0]

    def _put(self, slot, field, value):
        struct.pack_into("=I", self._map, slot * SLOT_BYTES + field, value)

    def arm(self, name, skip=0):
        """The next process but SKIP that comes to NAME waits there."""
        slot = len(self._slots)
        if slot >= SLOTS or len(name) >= NAME_BYTES:
            raise ValueError(f"no room for the point {name}")
        begin = slot * SLOT_BYTES
        self._map[begin : begin + NAME_BYTES] = name.encode().ljust(NAME_BYTES, b"\0")
        self._put(slot, PID, 0)
        self._put(slot, SKIP, skip)
        self._put(slot, STATE, ARMED)  # last: from now on it counts
        self._slots[name] = slot

    def wait_reached(self, name, timeout_s, give_up=lambda: False):
        """The pid that waits at NAME; None after TIMEOUT_S, or when GIVE_UP says so."""
        slot, end = self._slots[name], time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self._get(slot, STATE) == REACHED and self._get(slot, PID) != 0:
                return self._get(slot, PID)
            if give_up():
                return None
            time.sleep(POLL_S)
        return None

    def go(self, name):
        self._put(self._slots[name], STATE, GO)

    def clear(self):
        """Forgets all; who waits goes on."""
        for slot in range(SLOTS):
            self._put(slot, STATE, IDLE)
            self._map[slot * SLOT_BYTES : slot * SLOT_BYTES + NAME_BYTES] = bytes(NAME_BYTES)
        self._slots.clear()
