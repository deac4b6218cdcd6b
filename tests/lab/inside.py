#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program where it sees other disks than the rest of the machine, at the same paths.

    inside.py [--root TREE] [--tmpfs PATH]... [--bind FROM TO]... [--user NAME] -- COMMAND...

The program becomes this process, in a mount namespace of its own which ends with it: TO shows what
lies at FROM (with all that is mounted below it), PATH an empty tmpfs, in the order given, and with
--root all of that is inside TREE, which is / for the program. What is missing of PATH and TO is
made. Without --root the mounts of labs that no bind names are unmounted there, since a namespace
that keeps another lab's mounts would keep that lab from being taken down. Needs root.
"""
import argparse
import ctypes
import os
import pwd
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sweep  # noqa: E402

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
MS_NOSUID, MS_NODEV = 2, 4
MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind, flags):
    result = libc.mount(os.fsencode(source), os.fsencode(target), kind, flags, None)
    check(result, f"mount {target}")


class Bind(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        namespace.steps.append((option_string, *values))


def make_place(source, target):
    """Somewhere to mount SOURCE on: a directory, or a file if it is one."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "x", encoding="ascii"):
            pass


def leave_others(places):
    """Lazily, the latest first: what lies over another is gone before it."""
    homes = [directory + "/" for directory, _, _ in sweep.labs()]
    for path, kind in sweep.mounts_below(""):
        of_a_lab = "/stillpoint-" in path or any(path.startswith(home) for home in homes)
        kept = any(path == place or path.startswith(place + "/") for place in places)
        if of_a_lab and kind in sweep.FREEZABLE and not kept:
            libc.umount2(os.fsencode(path), MNT_DETACH)


def main():
    parser = argparse.ArgumentParser(description="a program among other disks (see the header)")
    parser.add_argument("--root", default="")
    parser.add_argument("--tmpfs", nargs=1, action=Bind)
    parser.add_argument("--bind", nargs=2, action=Bind)
    parser.add_argument("--user")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(namespace=argparse.Namespace(steps=[]))
    user = pwd.getpwnam(options.user) if options.user else None
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    if options.root:
        mount(options.root, options.root, None, MS_BIND)
    for kind, *paths in options.steps:
        target = options.root + os.path.realpath(paths[-1])
        if kind == "--tmpfs":
            os.makedirs(target, exist_ok=True)
            mount("tmpfs", target, b"tmpfs", MS_NOSUID | MS_NODEV)
            os.chmod(target, 0o1777)
        else:
            make_place(paths[0], target)
            mount(paths[0], target, None, MS_BIND | MS_REC)
    if options.root:
        subprocess.run(["pivot_root", ".", "."], cwd=options.root, check=True)
        check(libc.umount2(b"/", MNT_DETACH), "umount the machine's root")
    else:
        leave_others([os.path.realpath(paths[-1]) for _, *paths in options.steps])
    os.chdir("/")
    if user:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    try:
        main()
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        print(f"inside: {error}", file=sys.stderr)
        sys.exit(127)
