#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Removes what a lab left on the machine: frozen mounts, processes, mounts, loop devices, files.

    tests/lab/sweep.py             every lab whose owner is dead (killed tests, lost power)
    tests/lab/sweep.py --lock FD   the same, by who has the sweeps' lock (REGISTRY/lock) on that descriptor
    tests/lab/sweep.py --dir DIR   that one, whatever its state
    tests/lab/sweep.py --list      what is there: DIR, live|dead, owner

A lab is known by its record in /run/stillpoint-labs and DIR/lab.json; its processes by DIR/pids
(pid, start time, name), so that a pid used again is left alone; mounts and loop devices by
their path below DIR. Nothing else on the machine is touched. As a module: mark(), record_pid(),
start_time(), alive(), take_down(). Needs root and nothing beyond the standard library.
"""
import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time

REGISTRY = "/run/stillpoint-labs"
HOME = "/var/lib/stillpoint-lab"  # where lib.sh makes its labs
FITHAW = 0xC0045878
LOOP_CLR_FD = 0x4C01
MNT_DETACH = 2
FREEZABLE = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs")


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()


def start_time(pid):
    """The process's start in clock ticks, or None where there is no such process (or a zombie).

    A zombie of which a thread is left still has its files open: it is one that runs."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    threads = int(fields[17])
    return None if fields[0] in ("Z", "X") and threads < 2 else int(fields[19])


def alive(pid, started):
    return pid > 0 and start_time(pid) == started


def _record(directory):
    return os.path.join(REGISTRY, hashlib.sha256(directory.encode()).hexdigest()[:24] + ".json")


def mark(directory, owner=0, pool=None):
    """Makes DIRECTORY a lab: from here on a sweep may remove it once its owner is dead.

    owner   a pid, or 0: the calling process (which is the cloud)"""
    owner = owner or os.getpid()
    about = {
        "dir": directory,
        "owner": owner,
        "owner_start": start_time(owner),
        "boot": boot_id(),
        "pool": pool,
    }
    os.makedirs(REGISTRY, exist_ok=True)
    for path in (os.path.join(directory, "lab.json"), _record(directory)):
        with open(path + ".new", "w", encoding="utf-8") as stream:
            json.dump(about, stream)
        os.rename(path + ".new", path)


def record_pid(directory, pid, name):
    with open(os.path.join(directory, "pids"), "a", encoding="utf-8") as stream:
        stream.write(f"{pid} {start_time(pid)} {name}\n")


def processes(directory):
    """[(pid, start, name)] of the lab's recorded processes that still run, oldest first."""
    found = []
    with contextlib.suppress(OSError):
        with open(os.path.join(directory, "pids"), encoding="utf-8") as stream:
            for line in stream:
                pid, started, name = line.split(maxsplit=2)
                if started != "None" and alive(int(pid), int(started)):
                    found.append((int(pid), int(started), name.strip()))
    return found


def mounts_below(directory):
    """[(mount point, type)] below DIRECTORY, the latest first."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        for line in stream:
            left, _, right = line.partition(" - ")
            path = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), left.split()[4])
            if path.startswith(directory + "/"):
                found.append((path, right.split()[0]))
    return found[::-1]


def loops_below(directory):
    found = []
    for name in os.listdir("/sys/block"):
        with contextlib.suppress(OSError):
            with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8") as stream:
                path = stream.read().strip().removesuffix(" (deleted)")
            if path.startswith(directory + "/"):
                found.append((f"/dev/{name}", path))
    return found


def thaw(path):
    """Lets go of a frozen mount; one that is not frozen is left as it is. True if it was."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, FITHAW, 0)
            return True
        finally:
            os.close(descriptor)
    return False


def _stop(members, grace_s):
    """SIGTERM (and SIGCONT, for the stopped), then SIGKILL for what is left."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        left = [(pid, started) for pid, started, _ in members if alive(pid, started)]
        for pid, _ in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
        end = time.monotonic() + wait_s
        while any(alive(pid, started) for pid, started in left) and time.monotonic() < end:
            time.sleep(0.02)


def _holders(directory):
    """Processes that have a file below DIRECTORY open, ourselves apart."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{name}/fd/{descriptor}").startswith(directory + "/"):
                        found.append((int(name), start_time(int(name)), "holder"))
                        break
    return found


def _umount(path, flags=0):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.umount2(os.fsencode(path), flags) == 0


def _umount_all(directory, notes):
    for path, _ in mounts_below(directory):
        if _umount(path):
            continue
        _stop(_holders(directory), 0.5)
        if not _umount(path) and os.path.ismount(path):
            notes.append(f"{path}: still busy, unmounted lazily")
            _umount(path, MNT_DETACH)


def _detach_all(directory):
    for device, _ in loops_below(directory):
        with contextlib.suppress(OSError):
            descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, LOOP_CLR_FD)
            finally:
                os.close(descriptor)


def take_down(directory, keep_files=False, grace_s=3.0):
    """Ends a lab. The order matters: thaw first (else a process in a write never ends), then the
    node's processes, its mounts, the cloud, the pool. Returns notes on what was odd; what could not
    be removed begins with `left: `."""
    notes = []
    pool = os.path.join(directory, "pool")
    for path, kind in mounts_below(directory):
        if kind in FREEZABLE and path != pool and thaw(path):
            notes.append(f"{path} was frozen")
    # Who starts others again is ended first, and takes them along.
    _stop([member for member in processes(directory) if member[2] == "restarter"], 10.0)
    members = processes(directory)
    _stop([member for member in members if member[2] != "cloud"], grace_s)
    for path, kind in mounts_below(directory):  # frozen by one that has just ended
        if kind in FREEZABLE and path != pool and thaw(path):
            notes.append(f"{path} was frozen again")
    node = [path for path, _ in mounts_below(directory) if path != pool]
    for path in node:
        if not _umount(path):
            break
    _stop([member for member in members if member[2] == "cloud"], 10.0)
    # Loop devices over files in the pool, then the pool, then the loop device under it.
    for _ in range(3):
        if not mounts_below(directory) and not loops_below(directory):
            break
        _umount_all(directory + "/node", notes)
        _detach_all(pool)
        _umount_all(directory, notes)
        _detach_all(directory)
        time.sleep(0.05)
    for device, path in loops_below(directory):
        notes.append(f"left: {device} over {path}")
    for path, _ in mounts_below(directory):
        notes.append(f"left: {path} is mounted")
    clean = not loops_below(directory) and not mounts_below(directory)
    if clean:
        with contextlib.suppress(OSError):
            os.unlink(_record(directory))
        if keep_files:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(directory, "pids"))
        else:
            shutil.rmtree(directory, ignore_errors=True)
            with contextlib.suppress(OSError):  # others may have theirs beside it
                if os.path.dirname(directory) == HOME:
                    os.rmdir(HOME)
    return notes


def labs():
    """[(directory, live, owner)] of the labs on record."""
    found = []
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(REGISTRY)):
            if not name.endswith(".json"):
                continue
            with contextlib.suppress(OSError, ValueError, KeyError):
                with open(os.path.join(REGISTRY, name), encoding="utf-8") as stream:
                    about = json.load(stream)
                live = about["boot"] == boot_id() and alive(about["owner"], about["owner_start"])
                found.append((about["dir"], live, about["owner"]))
    return found


def sweep(lock_fd=None):
    """Removes every dead lab; two sweeps at once wait for one another."""
    os.makedirs(REGISTRY, exist_ok=True)
    notes = []
    path = os.path.join(REGISTRY, "lock") if lock_fd is None else lock_fd
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory, live, _ in labs():
            if live:
                continue
            notes.append(f"removing the lab left in {directory}")
            notes += take_down(directory, grace_s=1.0)
            with contextlib.suppress(OSError):
                os.unlink(_record(directory))
        _sweep_unmarked()
    return notes


def _sweep_unmarked():
    """Folders of labs that were killed before they had made anything: empty but for a log."""
    with contextlib.suppress(OSError):
        for name in os.listdir(HOME):
            directory = os.path.join(HOME, name)
            old = time.time() - os.stat(directory).st_mtime > 120
            if old and not os.path.exists(os.path.join(directory, "lab.json")) and not mounts_below(
                directory
            ):
                shutil.rmtree(directory, ignore_errors=True)
        os.rmdir(HOME)


def main():
    parser = argparse.ArgumentParser(description="removes what labs left behind (see the header)")
    parser.add_argument("--dir")
    parser.add_argument("--lock", type=int, help="a descriptor that has the sweeps' lock already")
    parser.add_argument("--keep-files", action="store_true", help="of --dir: logs stay")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for directory, live, owner in labs():
            print(directory, "live" if live else "dead", owner)
        return 0
    if options.dir:
        directory = os.path.realpath(options.dir)
        if not os.path.exists(os.path.join(directory, "lab.json")):
            print(f"sweep: {directory} is not a lab (no lab.json)", file=sys.stderr)
            return 2
        notes = take_down(directory, options.keep_files)
    else:
        notes = sweep(options.lock)
    for note in notes:
        print(f"sweep: {note}", file=sys.stderr)
    return 1 if any(note.startswith("left: ") for note in notes) else 0


if __name__ == "__main__":
    sys.exit(main())
