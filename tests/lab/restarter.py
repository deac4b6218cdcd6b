#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for systemd in the process lab: keeps guard, hook listener and daemon running as their
units in packaging/systemd say.

    restarter.py DIR    a node's folder (node.py); ends all three on SIGTERM

A part that ends is started again (daemon and hook after RESTART_S), except after exit 2. Each is a
process group of its own, where a unit has a control group:
  - when the main process has ended, the rest gets SIGTERM and SIGCONT, and SIGKILL after STOP_S;
  - then, for the guard, `stillpoint-guard --thaw` (ExecStopPost=), and what that leaves is ended;
  - WATCHDOG_USEC=N and WATCHDOG=1 of the main process arm its watchdog, 0 switches it off; where it
    bites, all processes get SIGKILL (WatchdogSignal=) and nobody waits for more than the main one.

While DIR/run/no-restart-PART is there a part that ends is left as it is: nothing is run after it,
nothing started (exit 2 makes the file). DIR/run/ready-PART has the pid of one that said READY=1.
What it does goes to log/restarter.log, with the seconds of CLOCK_MONOTONIC in front.
"""
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import node as lab  # noqa: E402

STOP_S = 5.0  # TimeoutStopSec=
START_S = 15.0
RESTART_S = {"guard": 0.0, "hook": 0.1, "daemon": 0.1}  # RestartSec=
CREDENTIALS = struct.Struct("iII")


def members(group):
    """The pids of a process group, zombies apart."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in ("Z", "X"):
            found.append(int(name))
    return found


def send(group, *numbers):
    try:
        for number in numbers:
            os.killpg(group, number)
    except ProcessLookupError:
        pass


def is_gone_within(group, seconds):
    end = time.monotonic() + seconds
    while members(group):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def clear(group):
    """Ends a group as a unit's is. What the kernel does not let go of is left."""
    send(group, signal.SIGTERM, signal.SIGCONT)
    if not is_gone_within(group, STOP_S):
        send(group, signal.SIGKILL)
        is_gone_within(group, STOP_S)


class Service:
    """One unit, and the thread that lives with it."""

    def __init__(self, directory, node, name):
        self.directory, self.node, self.name = directory, node, name
        self.ready_path = lab.ready_path(directory, name)
        self.notify_path = os.path.join(directory, "run", f"notify-{name}")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.notify.setblocking(False)
        self.notify.bind(self.notify_path)
        os.chmod(self.notify_path, 0o666)
        self.is_ending = threading.Event()
        self.wake, self.woken = os.pipe()
        self.thread = threading.Thread(target=self.live, daemon=True)

    def say(self, text):
        print(f"{time.monotonic():.3f} {self.name}: {text}", flush=True)

    def end(self):
        self.is_ending.set()
        os.write(self.woken, b"x")
        self.thread.join()
        os.unlink(self.notify_path)

    def is_off(self):
        return os.path.exists(lab.off_path(self.directory, self.name))

    def live(self):
        while not self.is_ending.is_set():
            if self.is_off():
                time.sleep(0.02)
                continue
            command, environment = lab.part_command(self.node, self.name)
            main = lab.spawn(self.directory, self.name, command, self.notify_path, environment)
            self.say(f"started {main.pid}")
            bitten = self.watch(main)
            self.say(f"{main.pid} ended with {main.returncode}")
            if main.returncode == 2:  # RestartPreventExitStatus=
                lab.switch_off(self.directory, self.name)
            self.wind_up(main.pid, bitten)
            self.is_ending.wait(RESTART_S[self.name])

    def wind_up(self, group, bitten):
        while self.is_off() and not self.is_ending.is_set():
            time.sleep(0.02)
        if not bitten:
            clear(group)
        if self.name == "guard":
            self.thaw()
        clear(group)

    def thaw(self):
        child = lab.spawn(self.directory, "guard", lab.guard_command(self.node, "--thaw"))
        code = child.wait()
        self.say(f"thawed, exit {code}")
        clear(child.pid)

    def notes(self, pid):
        """What the main process has said: NotifyAccess=main."""
        while True:
            try:
                text, control, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
            except BlockingIOError:
                return
            if CREDENTIALS.unpack(control[0][2])[0] == pid:
                yield from (line.partition("=")[::2] for line in text.decode().split("\n"))

    def watch(self, main):
        """Until the main process has ended. True: all of them were killed."""
        ended = os.pidfd_open(main.pid)
        poller = select.poll()
        for descriptor in (self.notify, ended, self.wake):
            poller.register(descriptor, select.POLLIN)
        span_s, bites, why, bitten = 0, time.monotonic() + START_S, "not ready", False
        while True:
            left = None if bites is None else max(0.0, bites - time.monotonic()) * 1000 + 1
            events = {descriptor for descriptor, _ in poller.poll(left)}
            for key, value in self.notes(main.pid):  # first: a sign of life counts
                if key == "READY":
                    bites = None
                    with open(self.ready_path + ".new", "w", encoding="ascii") as stream:
                        stream.write(f"{main.pid}\n")
                    os.rename(self.ready_path + ".new", self.ready_path)
                elif key == "WATCHDOG_USEC":
                    span_s = int(value) / 1e6
                if key in ("WATCHDOG_USEC", "WATCHDOG"):
                    bites, why = time.monotonic() + span_s if span_s > 0 else None, "watchdog"
            if ended in events:
                main.wait()
                os.close(ended)
                if os.path.exists(self.ready_path):
                    os.unlink(self.ready_path)
                return bitten
            if self.wake in events:
                poller.unregister(self.wake)
                send(main.pid, signal.SIGTERM, signal.SIGCONT)
                bites, why = time.monotonic() + STOP_S, "does not end"
            if bites is not None and time.monotonic() >= bites:
                self.say(f"{why}: SIGKILL to {members(main.pid)}")
                send(main.pid, signal.SIGKILL)
                bites, bitten = None, True


def main(directory):
    node = lab.load(directory)
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    services = [Service(directory, node, part) for part in lab.PARTS]
    for service in services:  # After=: one when the other is ready
        service.thread.start()
        lab.switch_on(directory, service.name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    told.wait()
    for service in reversed(services):
        service.end()


if __name__ == "__main__":
    main(os.path.realpath(sys.argv[1]))
