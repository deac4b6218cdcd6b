# SPDX-License-Identifier: BSD-2-Clause
"""What the guard has frozen, read from its record and never asked of the disk (guard_record.h).

The record survives both guard processes and costs nothing to look at, so a thread can look every
millisecond at what no probe may touch: a FIFREEZE to ask with would wait for one of the guard's."""
import ctypes
import mmap
import os
import threading
import time

ADDED, FREEZING, FROZEN, THAWING = range(4)
HELD_STATES = (FROZEN, THAWING)
MOUNTS_MAX, PATH_BYTES, VERSION = 64, 1024, 2
LOOK_S = 0.001


class Mount(ctypes.Structure):
    _fields_ = [
        ("state", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("dev_major", ctypes.c_uint32),
        ("dev_minor", ctypes.c_uint32),
        ("mnt_id", ctypes.c_uint64),
        ("freeze_begin_us", ctypes.c_int64),
        ("freeze_end_us", ctypes.c_int64),
        ("thaw_begin_us", ctypes.c_int64),
        ("thaw_end_us", ctypes.c_int64),
        ("freeze_errno", ctypes.c_int32),
        ("thaw_errno", ctypes.c_int32),
        ("path", ctypes.c_char * PATH_BYTES),
    ]


class Record(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_char * 8),
        ("version", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("boot_id", ctypes.c_char * 40),
        ("lease", ctypes.c_uint64),
        ("deadline_ms", ctypes.c_int64),
        ("rcu_old", ctypes.c_int32),
        ("rcu_was_set", ctypes.c_uint32),
        ("mount_count", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("held_boot_us", ctypes.c_int64),
        ("held_utc_us", ctypes.c_int64),
        ("thaw_begin_boot_us", ctypes.c_int64),
        ("thaw_begin_utc_us", ctypes.c_int64),
        ("mounts", Mount * MOUNTS_MAX),
    ]


def boot_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Freeze:
    """One mount's time under one FIFREEZE, in microseconds of CLOCK_BOOTTIME."""

    def __init__(self, path, begin_us, deadline_us):
        self.path, self.begin_us, self.deadline_us = path, begin_us, deadline_us
        self.end_us = None  # None: it lasts

    def length_us(self):
        return (self.end_us or boot_us()) - self.begin_us


class Watch:
    """A thread that sees every freeze of the lab's guard, whichever process of it lives."""

    def __init__(self, path):
        self._path = path
        self._maps = {}  # inode -> Record, of a guard before the last as long as it has frozen
        self._freezes = {}  # (inode, lease, path, begin) -> Freeze
        self._since_us = boot_us()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._end.set()
        self._thread.join()

    def forget(self):
        """A new cell begins; what is frozen still counts."""
        with self._lock:
            self._since_us = boot_us()
            self._freezes = {k: f for k, f in self._freezes.items() if f.end_us is None}

    def freezes(self):
        self._look()
        with self._lock:
            return list(self._freezes.values())

    def frozen(self):
        """Paths that are frozen now."""
        return [freeze.path for freeze in self.freezes() if freeze.end_us is None]

    def freezing(self):
        """Paths whose FIFREEZE was announced and has not come back: nobody may touch these."""
        self._look()
        return [
            mount.path.decode()
            for record in list(self._maps.values())
            for mount in record.mounts[: record.mount_count]
            if mount.state == FREEZING
        ]

    def is_loose(self):
        """Nothing is frozen or about to be. In this order: between the two a FIFREEZE may come back."""
        return not self.freezing() and not self.frozen()

    def path(self, index):
        """Of the newest record's mount INDEX."""
        with self._lock:
            return list(self._maps.values())[-1].mounts[index].path.decode()

    def deadline_us(self):
        """Of the newest record's lease."""
        self._look()
        with self._lock:
            records = list(self._maps.values())
        return records[-1].deadline_ms * 1000 if records else 0

    def _run(self):
        while not self._end.wait(LOOK_S):
            self._look()

    def _look(self):
        with self._lock:
            self._follow()
            for inode, record in self._maps.items():
                for mount in record.mounts[: min(record.mount_count, MOUNTS_MAX)]:
                    self._see(inode, record, mount)

    def _follow(self):
        """Maps the record that is at the path now; drops old ones that have nothing frozen."""
        try:
            inode = os.stat(self._path).st_ino
        except OSError:
            return
        if inode in self._maps:
            return
        still = {key[0] for key, freeze in self._freezes.items() if freeze.end_us is None}
        self._maps = {old: record for old, record in self._maps.items() if old in still}
        try:
            with open(self._path, "r+b") as stream:
                record = Record.from_buffer(mmap.mmap(stream.fileno(), ctypes.sizeof(Record)))
        except (OSError, ValueError):  # it is being made
            return
        if record.version == VERSION and record.bytes == ctypes.sizeof(Record):
            self._maps[inode] = record

    def _see(self, inode, record, mount):
        if mount.freeze_end_us == 0 or mount.freeze_errno != 0:
            return
        key = (inode, record.lease >> 8, mount.path, mount.freeze_end_us)
        freeze = self._freezes.get(key)
        if freeze is None:
            if mount.state <= FREEZING or mount.freeze_end_us < self._since_us:
                return
            freeze = Freeze(mount.path.decode(), mount.freeze_end_us, record.deadline_ms * 1000)
            self._freezes[key] = freeze
        if freeze.end_us is None and mount.state not in HELD_STATES:
            # a guard that thaws from another's record writes no time into it
            freeze.end_us = mount.thaw_end_us or boot_us()
