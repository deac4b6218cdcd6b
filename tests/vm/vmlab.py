#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What lies between the lab's cloud and a machine: an instance whose volumes hold the prepared disks, and
what to boot it with.

    vmlab.py make LAB FOLDER            an instance of FOLDER's disks (root.sh); prints its id
    vmlab.py spec LAB FOLDER INSTANCE [--order N,N...]
                                        machine.py's SPEC of it, the disks in EC2's order of names or, of
                                        these, in that order: 0,2,1,3 swaps nvme1 and nvme2
    vmlab.py root LAB INSTANCE MOUNT    mounts its / on the host, while it is not running
    vmlab.py unroot LAB MOUNT

The data plane's loop devices of these volumes are not used: QEMU writes to the file behind them, and so
does `root`, through a device of its own.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lab"))

from labclient import Lab  # noqa: E402
from labcloud.dataplane import loop_attach  # noqa: E402

GIB = 1 << 30
NAMES = ["/dev/sda1", "/dev/sdf", "/dev/sdg", "/dev/sdh"]
ROOT_AT = 64 << 20  # base.sh


def run(*command):
    subprocess.run(command, check=True)


def fill(path, target, offset):
    """What PATH holds, holes left out, into TARGET at OFFSET."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    into = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    try:
        at, size = 0, os.fstat(source).st_size
        while at < size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return
            end = os.lseek(source, at, os.SEEK_HOLE)
            while at < end:
                data = os.pread(source, min(1 << 22, end - at), at)
                os.pwrite(into, data, offset + at)
                at += len(data)
    finally:
        os.close(source)
        os.close(into)


def make(lab, folder):
    disks = [os.path.join(folder, f"disk{number}") for number in range(len(NAMES))]
    made = lab.post("instance", {
        "volumes": [
            {"device": name, "size_gib": -(-os.path.getsize(path) // GIB)}
            for name, path in zip(NAMES, disks)
        ],
        "tags": {"Name": "kaltura-db1"},
    })
    volumes = lab.get("volumes")
    by_name = {entry["device"]: entry["volume"] for entry in made["volumes"]}
    for name, path in zip(NAMES, disks):
        volume = volumes[by_name[name]]
        fill(path, volume["file"], volume["offset"])
    return made["instance"]


def disks_of(lab, instance):
    """[(EC2's name, volume id)] in the order of names, the root first."""
    about = lab.get("instances")[instance]
    return sorted(about["volumes"].items(), key=lambda entry: (entry[0] != about["root"], entry[0]))


def spec(lab, folder, instance, order=None):
    volumes, found = lab.get("volumes"), disks_of(lab, instance)
    with open(os.path.join(folder, "cmdline"), encoding="utf-8") as stream:
        line = stream.read().strip()
    return {
        "kernel": os.path.join(folder, "vmlinuz"), "cmdline": line,
        "disks": [
            {"serial": volume.replace("-", ""), "path": volumes[volume]["file"],
             "offset": volumes[volume]["offset"], "size": volumes[volume]["bytes"]}
            for _, volume in (found if order is None else [found[number] for number in order])
        ],
        "forward": {
            "80": int(lab.about["imds"].rpartition(":")[2]),
            "443": int(lab.about["ec2"].rpartition(":")[2]),
        },
        "relay": os.path.join(os.environ["BUILD"], "tests", "vm", "relay"),
        "record": lab.directory,
    }


def root(lab, instance, where):
    volume = lab.get("volumes")[disks_of(lab, instance)[0][1]]
    device = loop_attach(
        volume["file"], volume["offset"] + ROOT_AT, volume["bytes"] - ROOT_AT - (1 << 20), direct=False,
        sector=512,
    )
    os.makedirs(where, exist_ok=True)
    run("mount", device, where)


def unroot(where):
    device = subprocess.run(
        ["findmnt", "-n", "-o", "SOURCE", where], check=True, capture_output=True, text=True
    ).stdout.strip()
    run("umount", where)
    run("losetup", "-d", device)


def main(arguments):
    what, lab, words = arguments[0], Lab(os.path.realpath(arguments[1])), arguments[2:]
    if what == "make":
        print(make(lab, *words))
    elif what == "spec":
        order = None
        if words[2:3] == ["--order"]:
            order = [int(number) for number in words[3].split(",")]
        print(json.dumps(spec(lab, words[0], words[1], order), indent=1))
    elif what == "root":
        root(lab, *words)
    elif what == "unroot":
        unroot(*words)
    else:
        sys.exit(f"vmlab: no command {what} (see the header)")


if __name__ == "__main__":
    main(sys.argv[1:])
