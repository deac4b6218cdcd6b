#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program on a node that has other database servers installed than this machine.

    with_servers.py [--tree TREE] [--hide PATH]... -- COMMAND...

The program becomes this process, in a mount namespace of its own. With --tree the server of that
tree (tests/servers/lib.sh makes them) is installed beside the machine's own, as
/usr/local/mysql/bin/mysqld or mariadbd; at PATH is no program. The labs' disks are not mounted
there, so nothing is kept from being taken down. Needs root.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from inside import CLONE_NEWNS, MS_BIND, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC  # noqa: E402
from inside import check, leave_others, libc, mount  # noqa: E402

LOCAL = "/usr/local"
TREE = f"{LOCAL}/mysql/tree"
# The tree's own loader and libraries, since it is of another suite.
LAUNCHER = f"""#!/bin/sh
exec {TREE}/usr/lib64/ld-linux-x86-64.so.2 --library-path {TREE}/usr/lib/x86_64-linux-gnu \\
    --argv0 "$0" {TREE}/usr/sbin/%s "$@" --basedir={TREE}/usr
"""


def install(tree):
    """Below a tmpfs of root's: what others could write is not run."""
    mount("tmpfs", LOCAL, b"tmpfs", MS_NOSUID | MS_NODEV)
    os.chmod(LOCAL, 0o755)
    os.makedirs(TREE)
    os.makedirs(f"{LOCAL}/mysql/bin")
    mount(tree, TREE, None, MS_BIND)
    name = "mariadbd" if os.path.exists(f"{TREE}/usr/sbin/mariadbd") else "mysqld"
    launcher = os.open(f"{LOCAL}/mysql/bin/{name}", os.O_WRONLY | os.O_CREAT, 0o755)
    with os.fdopen(launcher, "w", encoding="ascii") as stream:
        stream.write(LAUNCHER % name)


def main():
    parser = argparse.ArgumentParser(description="with other servers (see the header)")
    parser.add_argument("--tree")
    parser.add_argument("--hide", action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    os.umask(0o022)
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    leave_others([])
    if options.tree:
        install(options.tree)
    for path in options.hide:
        mount("/dev/null", path, None, MS_BIND)
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        print(f"with_servers: {error}", file=sys.stderr)
        sys.exit(127)
