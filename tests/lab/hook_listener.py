#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for systemd's stillpoint-hook.socket (Accept=yes): one program a connection.

    hook_listener.py SOCKET USER PROGRAM [ARGUMENT...]

Listens on SOCKET (SOCK_SEQPACKET, mode 660, root and USER's group) and starts PROGRAM for each
connection with it as descriptor 3, LISTEN_FDS=1, LISTEN_PID and LISTEN_FDNAMES set, as root.
Says READY=1 on $NOTIFY_SOCKET.
"""
import os
import pwd
import signal
import socket
import sys

FIRST = 3  # SD_LISTEN_FDS_START


def serve(connection, command):
    """In the child: the connection becomes descriptor 3 and the program takes over."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if connection.fileno() == FIRST:
        os.set_inheritable(FIRST, True)
    else:
        os.dup2(connection.fileno(), FIRST, inheritable=True)
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    environment.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="connection")
    os.execve(command[0], command, environment)


def main(path, user, *command):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.path.exists(path):
        os.unlink(path)
    old = os.umask(0o117)
    listener.bind(path)
    os.umask(old)
    os.chown(path, 0, pwd.getpwnam(user).pw_gid)
    listener.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children reap themselves
    notify = os.environ.get("NOTIFY_SOCKET")
    if notify:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", notify)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            try:
                serve(connection, list(command))
            finally:
                os._exit(127)
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
