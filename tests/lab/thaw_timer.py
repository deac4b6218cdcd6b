#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The independent thaw that every test arms before it freezes anything.

    thaw_timer.py SECONDS [--late] MOUNT [MOUNT...]

Opens the mount points, prints `armed`, and thaws them (the last named first) when SECONDS have
passed, or at once on SIGTERM or when its standard input closes: so it also thaws when the test
that started it is killed. Says on standard error what it found frozen. Its memory is locked and
it opens nothing after `armed`, so a frozen root of the lab can't hold it. Exit 0: nothing was
frozen; 3: something was, and has been thawed.

With --late the mount points are opened when they are to be thawed, so that they can be unmounted
meanwhile (by a rollback); a look-up through a frozen filesystem writes nothing.
"""
import ctypes
import fcntl
import os
import select
import signal
import sys
import time

FITHAW = 0xC0045878
EINVAL = 22


def open_all(mounts):
    return [(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) for path in mounts]


def main(seconds, *mounts):
    late = mounts[0] == "--late"
    opened = [] if late else open_all(mounts)
    ctypes.CDLL(None).mlockall(3)  # MCL_CURRENT | MCL_FUTURE
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    print("armed", flush=True)
    end = time.monotonic() + float(seconds)
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([0, read_end], [], [], left)
        if read_end in ready or (0 in ready and not os.read(0, 4096)):
            break
    if late:
        opened = open_all(mounts[1:])
    thawed = []
    for path, descriptor in reversed(opened):
        try:
            fcntl.ioctl(descriptor, FITHAW, 0)
            thawed.append(path)
        except OSError as error:
            if error.errno != EINVAL:
                print(f"thaw_timer: {path}: {error}", file=sys.stderr)
    for path in thawed:
        print(f"thaw_timer: {path} was frozen", file=sys.stderr)
    return 3 if thawed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
