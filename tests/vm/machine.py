#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""One machine of the machine lab: a QEMU without KVM, and a channel into it.

    machine.py boot DIR SPEC.json        starts it; DIR is its own folder (made). SPEC:
        kernel, cmdline, memory_mib
        disks: [{serial, path, offset, size}]    NVMe, in this order: the first is nvme0
        forward: {GUEST_PORT: PORT}              169.254.169.254:GUEST_PORT is 127.0.0.1:PORT of ours
        relay                                    the program for that (relay.c)
        record                                   a lab's folder: on record there, so that a sweep ends it
    machine.py run DIR [-t SECONDS] SCRIPT   `bash -c SCRIPT` as root in it; its output, its exit code.
                 124: out of time (60). 125: the machine did not answer. SCRIPT of "-": stdin
    machine.py wait DIR [SECONDS]        until the channel answers (90)
    machine.py end DIR [SECONDS]         until it has ended by itself (30); exit 1: it has not
    machine.py cut DIR                   power cut: SIGKILL
    machine.py qmp DIR COMMAND [JSON]    one command of QEMU's own

DIR: console.log, qemu.log, pid, qmp, port.0 to port.3 (the channel; a command each at a time).
The channel needs no network and no disk of the machine (runner.c), so it works while / is frozen.
A disk is the range of a file, in the host's page cache: a reflink of that file has all that the machine
has written, at one instant; and a machine that is killed leaves what it wrote.
"""
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))

import sweep  # noqa: E402

PORTS = 4
METADATA = "169.254.169.254"
UNANSWERED, LATE = 125, 124


class MachineError(Exception):
    pass


# -- QEMU ------------------------------------------------------------------------------------------


def quoted(text):
    return text.replace(",", ",,")


def disk_options(number, disk):
    drive = {
        "driver": "raw", "node-name": f"disk{number}", "offset": disk.get("offset", 0),
        "size": disk["size"], "discard": "unmap",
        "file": {"driver": "file", "filename": disk["path"], "locking": "off",
                 "discard": "unmap", "cache": {"direct": False, "no-flush": False}},
    }
    device = {
        "driver": "nvme", "serial": disk["serial"], "drive": f"disk{number}", "id": f"nvme{number}",
        "bus": "pcie.0", "addr": hex(0x10 + number),
    }
    return ["-blockdev", json.dumps(drive), "-device", json.dumps(device)]


def network_options(spec):
    forwards = "".join(
        f",guestfwd=tcp:{METADATA}:{guest}-cmd:{quoted(spec['relay'])} {port}"
        for guest, port in spec.get("forward", {}).items()
    )
    return [
        "-netdev",
        "user,id=net0,restrict=on,ipv6=off,net=169.254.169.0/24,host=169.254.169.1,"
        f"dns=169.254.169.2,dhcpstart=169.254.169.10{forwards}",
        "-device", "virtio-net-pci,netdev=net0,id=nic0,romfile=",
    ]


def qemu_command(directory, spec):
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-machine", "q35",
        "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "2",
        "-m", str(spec.get("memory_mib", 768)), "-display", "none", "-rtc", "base=utc",
        "-kernel", spec["kernel"], "-append", spec["cmdline"],
        "-chardev", f"file,id=console,path={quoted(directory)}/console.log,append=on",
        "-serial", "chardev:console",
        "-qmp", f"unix:{quoted(directory)}/qmp,server=on,wait=off",
        "-object", "rng-random,id=rng0,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng0",
        "-device", "virtio-serial-pci,id=serial0",
    ]
    for number in range(PORTS):
        command += [
            "-chardev", f"socket,id=port{number},path={quoted(directory)}/port.{number},"
            "server=on,wait=off",
            "-device", f"virtserialport,chardev=port{number},name=lab.{number}",
        ]
    command += network_options(spec)
    for number, disk in enumerate(spec["disks"]):
        command += disk_options(number, disk)
    return command


def boot(directory, spec):
    os.makedirs(directory, exist_ok=True)
    for name in ["qmp", "pid", "port.first"] + [f"port.{number}" for number in range(PORTS)]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    with open(os.path.join(directory, "qemu.log"), "ab") as log:
        child = subprocess.Popen(
            qemu_command(directory, spec), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, cwd="/",
        )
    if "record" in spec:
        sweep.record_pid(spec["record"], child.pid, "machine")
    with open(os.path.join(directory, "pid"), "w", encoding="ascii") as stream:
        stream.write(f"{child.pid} {sweep.start_time(child.pid)}\n")
    end = time.monotonic() + 60  # its program may have to come from a busy disk
    while not os.path.exists(os.path.join(directory, f"port.{PORTS - 1}")):
        if child.poll() is not None or time.monotonic() > end:
            with open(os.path.join(directory, "qemu.log"), encoding="utf-8") as stream:
                raise MachineError(f"QEMU did not start: {stream.read()[-2000:]}")
        time.sleep(0.01)


def running(directory):
    """The pid of its QEMU, or None."""
    try:
        with open(os.path.join(directory, "pid"), encoding="ascii") as stream:
            pid, started = stream.read().split()
    except FileNotFoundError:
        return None
    return int(pid) if started != "None" and sweep.alive(int(pid), int(started)) else None


def ended(directory, seconds):
    end = time.monotonic() + seconds
    while running(directory) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def cut(directory):
    pid = running(directory)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        if not ended(directory, 20):
            raise MachineError(f"QEMU ({pid}) does not end")


def qmp(directory, command, arguments=None):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(os.path.join(directory, "qmp"))
        stream = sock.makefile("rw", encoding="utf-8")
        for order in ({"execute": "qmp_capabilities"},
                      {"execute": command, "arguments": arguments or {}}):
            stream.write(json.dumps(order) + "\n")
            stream.flush()
            answer = {}
            while not {"return", "error"} & set(answer):
                line = stream.readline()
                if not line:
                    raise MachineError(f"QEMU has gone during {command}")
                answer = json.loads(line)
            if "error" in answer:
                raise MachineError(f"{command}: {answer['error'].get('desc')}")
    return answer["return"]


# -- the channel -----------------------------------------------------------------------------------


def answering_port(directory):
    with contextlib.suppress(FileNotFoundError):
        with open(os.path.join(directory, "port.first"), encoding="ascii") as stream:
            return int(stream.read())
    return 0


class Channel:
    """One of the machine's ports, ours alone as long as we have it."""

    def __init__(self, directory, first=None):
        self.directory = directory
        self.buffer = b""
        self.lock = self.sock = None
        end = time.monotonic() + 30
        if first is None:
            first = answering_port(directory)
        while self.lock is None:
            for number in range(first, first + PORTS):
                if self._take(number % PORTS):
                    return
            if time.monotonic() > end:
                raise MachineError("every port of the channel is taken")
            time.sleep(0.05)

    def _take(self, number):
        path = os.path.join(self.directory, f"port.{number}")
        lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self.lock, self.sock = lock, socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        return True

    def close(self):
        self.sock.close()
        os.close(self.lock)

    def _fill(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        self.sock.settimeout(left)
        data = self.sock.recv(65536)
        if not data:
            raise MachineError("the machine has ended")
        self.buffer += data

    def line(self, end):
        while b"\n" not in self.buffer:
            self._fill(end)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode("utf-8", "replace")

    def exactly(self, size, end):
        while len(self.buffer) < size:
            self._fill(end)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


def begin(channel, script, seconds, wait):
    """Sends the order; returns its id when it is begun, or None: nobody answered within WAIT."""
    name, body = secrets.token_hex(8), script.encode()
    channel.sock.settimeout(10)
    channel.sock.sendall(f"\nRUN {name} {seconds} {len(body)}\n".encode() + body + name.encode())
    end = time.monotonic() + wait
    with contextlib.suppress(socket.timeout):
        while not channel.line(end).endswith(f"BEGIN {name}"):
            pass  # what an earlier command left
        return name
    return None


def run(directory, script, seconds=60, wait=60, first=None):
    """Exit code of SCRIPT in the machine; what it says is passed on."""
    streams = {"OUT": sys.stdout.buffer, "ERR": sys.stderr.buffer}
    channel = Channel(directory, first)
    try:
        name = begin(channel, script, seconds, wait)
        if name is None:
            return UNANSWERED
        end = time.monotonic() + seconds + 10
        while True:
            word, _, rest = channel.line(end).partition(" ")
            which, _, number = rest.partition(" ")
            if which != name:
                raise MachineError(f"the channel is out of step: {word} {rest}")
            if word == "END":
                return int(number)
            streams[word].write(channel.exactly(int(number), end))
            streams[word].flush()
    except socket.timeout:
        return UNANSWERED
    except (MachineError, OSError) as error:
        print(f"machine: {error}", file=sys.stderr)
        return UNANSWERED
    finally:
        channel.close()


def wait_for(directory, seconds):
    """One port after the other, each time for longer: what is sent before the runner has opened it
    is lost, and a busy host may take a while. The one that answers is taken first from then on."""
    end, tries = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if running(directory) is None:
            raise MachineError("QEMU has ended")
        port = tries // 2 % PORTS
        if run(directory, "true", 10, min(1 + tries / 4, 8), port) == 0:
            with open(os.path.join(directory, "port.first"), "w", encoding="ascii") as stream:
                stream.write(str(port))
            return
        tries += 1
    raise MachineError(f"no answer within {seconds:.0f} s, in {tries} tries")


# -- the command line ------------------------------------------------------------------------------


def run_arguments(directory, words):
    seconds = 60
    if words[:1] == ["-t"]:
        seconds, words = int(words[1]), words[2:]
    if len(words) != 1:
        raise MachineError("run DIR [-t SECONDS] SCRIPT")
    return run(directory, sys.stdin.read() if words[0] == "-" else words[0], seconds)


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    what, directory, words = arguments[0], os.path.realpath(arguments[1]), arguments[2:]
    if what == "boot":
        with open(words[0], encoding="utf-8") as stream:
            boot(directory, json.load(stream))
    elif what == "run":
        return run_arguments(directory, words)
    elif what == "wait":
        wait_for(directory, float(words[0]) if words else 90)
    elif what == "end":
        return 0 if ended(directory, float(words[0]) if words else 30) else 1
    elif what == "cut":
        cut(directory)
    elif what == "qmp":
        print(json.dumps(qmp(directory, words[0], json.loads(words[1]) if words[1:] else None)))
    else:
        raise MachineError(f"no command {what} (see the header)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (MachineError, OSError, KeyError, ValueError) as error:
        print(f"machine: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
