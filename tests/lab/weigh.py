#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What one command costs, at both ends of the control socket, beside what it waited for the cloud.

    weigh.py DIR DAEMON_PID OUT COMMAND...    the command's stdout goes to OUT

Prints JSON {wall_s, server_s (requests were with the cloud), calls, daemon_cpu_s, client_cpu_s,
daemon_peak_kib, client_peak_kib, exit}. The daemon's peak is of this command alone; needs root.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

from labclient import Lab

TICKS_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def peak_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM:"))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")


def run(command, out):
    # A process has its parent's peak until it has its own: so the parent is a small one.
    with tempfile.NamedTemporaryFile("r") as notes, open(out, "wb") as stdout:
        measured = ["/usr/bin/time", "-q", "-o", notes.name, "-f", "%M %U %S %x", *command]
        begin = time.monotonic()
        subprocess.run(measured, stdout=stdout, stdin=subprocess.DEVNULL, check=False)
        wall_s = time.monotonic() - begin
        peak, user, system, status = notes.read().split()
    return {
        "wall_s": round(wall_s, 3),
        "client_cpu_s": round(float(user) + float(system), 3),
        "client_peak_kib": int(peak),
        "exit": int(status),
    }


def main():
    lab, pid, out, command = Lab(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    lab.post("calls")
    forget_peak(pid)
    before_s = cpu_s(pid)
    result = run(command, out)
    calls = lab.get("calls")
    result.update(
        daemon_cpu_s=round(cpu_s(pid) - before_s, 3),
        daemon_peak_kib=peak_kib(pid),
        calls=len(calls),
        server_s=round(sum(call["answered_mono"] - call["received_mono"] for call in calls), 3),
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
