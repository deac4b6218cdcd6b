#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each system call of a guard's start fails once (strace's --inject), and each of --thaw's.

    syscalls_fail.py GUARD      the program; exit 1 where a rule below does not hold

A guard that can't start says why and ends with an error; else it is ready, and ends when told. Never
by a crash, and never so that the next one does not start, or --thaw has nothing to say for itself.
Nothing is frozen here: what fails during a lease is tests/guard/test_guard_faults.c's.
"""
import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ERROR = "EIO"
NOT_OURS = {"exit_group", "exit", "rt_sigreturn", "set_robust_list", "restart_syscall", "brk"}
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
READY = b"event=start"
WHY = re.compile(r"^<3>|failed=[1-9]|error while loading shared libraries", re.MULTILINE)
END_S = 10
CALL = re.compile(r"^\d+ +([a-z0-9_]+)\(")


class Guard:
    """One run of it under strace."""

    def __init__(self, program, folder, inject=None, trace="/dev/null", thaw=False):
        self.log = os.path.join(folder, "log")
        path = os.path.join(folder, "notify")
        if os.path.exists(path):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.notify.setblocking(False)
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as conf:
            conf.write(f"[paths]\nrun = {folder}/run\n")
        os.chmod(conf.name, 0o600)
        command = ["strace", "-f", "-qq", "-o", trace]
        command += [f"--inject={inject}"] if inject else []
        command += [program, "--config", conf.name, "--user", "nobody",
                    "--rcu-expedited", os.path.join(folder, "rcu")]
        # A build with COVER=1 would write its counters through the calls that fail.
        environment = dict(os.environ, NOTIFY_SOCKET=path, GCOV_PREFIX=os.path.join(folder, "gcov"),
                           ASAN_OPTIONS="detect_leaks=0")  # which needs ptrace itself
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command + (["--thaw"] if thaw else []), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=environment)

    def said(self):
        with open(self.log, "rb") as log:
            return log.read()

    def is_ready(self):
        """By its word to systemd or in the log: one of the two is what has failed."""
        try:
            return b"READY=1" in self.notify.recv(4096)
        except BlockingIOError:
            return READY in self.said()

    def wait_ready(self):
        end = time.monotonic() + END_S
        while self.process.poll() is None and time.monotonic() < end:
            if self.is_ready():
                return True
            time.sleep(0.002)
        return False

    def signal(self, number):
        """To the keeper, strace's child; the freezer sees to itself."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        try:
            with open(path, encoding="ascii") as children:
                for pid in children.read().split():
                    os.kill(int(pid), number)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended by itself

    def end(self):
        """The exit code, negative for a signal; None when it had to be killed."""
        self.notify.close()
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait(END_S)
            return None


def traced(program, folder, thaw=False):
    """[(system call, the how manieth of its process)] of a run without a fault. What comes before the
    configuration is read is the program loader's."""
    trace = os.path.join(folder, "trace")
    guard = Guard(program, folder, trace=trace, thaw=thaw)
    if not thaw:
        if not guard.wait_ready():
            sys.exit(f"no guard without a fault: {guard.said().decode()}")
        guard.signal(signal.SIGTERM)
    if guard.end() != 0:
        sys.exit(f"without a fault: {guard.said().decode()}")
    times, found, ours = collections.Counter(), set(), False
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            call = CALL.match(line)
            if not call or call.group(1) in NOT_OURS:
                continue
            times[line.split()[0], call.group(1)] += 1
            ours = ours or f'{folder}/conf"' in line
            if ours:
                found.add((call.group(1), times[line.split()[0], call.group(1)]))
    return [f"{name}:error={ERROR}:when={n}" for name, n in sorted(found)]


def judge(what, guard, code, ready):
    said = guard.said().decode(errors="replace").strip()
    if code is None:
        return f"{what}: it did not end: {said}"
    if -code in CRASHES or code - 128 in CRASHES:
        return f"{what}: it crashed ({code}): {said}"
    if not ready and (code == 0 or not WHY.search(said)):
        return f"{what}: exit {code}, and it says: {said or 'nothing'}"
    return None


def start_with(program, folder, inject):
    guard = Guard(program, folder, inject)
    ready = guard.wait_ready()
    if ready:
        guard.signal(signal.SIGTERM)
    return judge(f"start, {inject}", guard, guard.end(), ready)


def leave_record(program, folder):
    guard = Guard(program, folder)
    if not guard.wait_ready():
        sys.exit(f"no guard after what failed: {guard.said().decode()}")
    guard.signal(signal.SIGKILL)
    guard.end()


def thaw_with(program, folder, inject):
    leave_record(program, folder)
    guard = Guard(program, folder, inject, thaw=True)
    code = guard.end()
    problem = judge(f"--thaw, {inject}", guard, code, code == 0)
    plain = Guard(program, folder, thaw=True)
    if not problem and plain.end() != 0:
        problem = f"--thaw after {inject}: {plain.said().decode()}"
    return problem


def main():
    program = os.path.realpath(sys.argv[1])
    folder = tempfile.mkdtemp(prefix="stillpoint-syscalls.", dir="/run")
    try:
        starts = traced(program, folder)
        leave_record(program, folder)
        thaws = traced(program, folder, thaw=True)
        found = [start_with(program, folder, inject) for inject in starts]
        leave_record(program, folder)  # after all that, the next one starts
        found += [thaw_with(program, folder, inject) for inject in thaws]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    problems = [problem for problem in found if problem]
    print("\n".join(problems + [f"{len(found)} failures injected, {len(problems)} ended badly"]))
    return 1 if problems or len(found) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
