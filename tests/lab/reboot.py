# SPDX-License-Identifier: BSD-2-Clause
"""The node's reboot: `node.py reboot DIR [--hard] [--halt | --boot]`; the cloud runs it too (nodes.py).

halt    ends database, guard, hook listener, daemon and restarter with SIGTERM (--hard: SIGKILL),
        then whoever has a file on the node's disks open (writers; a thaw that was armed: both are
        not started again), and unmounts all below DIR/node and DIR/run, the deepest first.
        DIR/halted.json: what ran.
boot    mounts what the cloud has attached now under each mount's EC2 device name (a data disk that
        is not there is left out, as with nofail), empties DIR/run as a tmpfs is after a boot,
        brings node.json into step, and starts what ran.

It is not a reboot to the kernel: boot id and steady clock are the machine's and go on, and what was
not yet written to a disk is written when it is unmounted.
"""
import contextlib
import json
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import node as lab  # noqa: E402
import sweep  # noqa: E402
from labclient import Lab  # noqa: E402

ENDED = ("restarter", "daemon", "hook", "guard", "mysql")  # in this order
GONE_S = 20.0
HOLDERS_S = 2.0
ATTACHED_S = 10.0


# -- down ------------------------------------------------------------------------------------------


def family(pids):
    """PIDS, all members of their process groups and sessions, and all descendants of any of them."""
    parents, found = {}, set(pids)
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(name)}/stat", encoding="utf-8", errors="replace") as stream:
                fields = stream.read().rpartition(")")[2].split()
            parents[int(name)] = {int(field) for field in fields[1:4]}  # parent, group, session
    while True:
        more = {pid for pid, above in parents.items() if above & found} - found
        if not more:
            return alive({(pid, sweep.start_time(pid)) for pid in found})
        found |= more


def alive(members):
    """Those of {(pid, start time)} that run; one that had ended when it was looked up has no time."""
    return {(pid, started) for pid, started in members if started and sweep.alive(pid, started)}


def thaw_all(directory):
    for path, kind in sweep.mounts_below(os.path.join(directory, "node")):
        if kind in sweep.FREEZABLE and sweep.thaw(path):
            print(f"reboot: {path} was frozen")


def send(members, number):
    for pid, _ in alive(members):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def are_gone(members, seconds):
    end = time.monotonic() + seconds
    while alive(members):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def kill(members):
    send(members, signal.SIGKILL)
    if not are_gone(members, GONE_S):
        raise lab.NodeError("a killed process does not end")


def end_all(directory, hard):
    """Returns the names of what ran."""
    ran = [(pid, name) for pid, _, name in sweep.processes(directory) if name in ENDED]
    everyone = family([pid for pid, _ in ran])
    if not hard:
        for part in ENDED:
            with contextlib.suppress(lab.NodeError):  # killed below
                lab.stop_part(directory, part, signal.SIGTERM)
    # The restarter first, lest it starts others again.
    kill({(pid, sweep.start_time(pid)) for pid, name in ran if name == "restarter"})
    send(everyone, signal.SIGKILL)
    thaw_all(directory)  # a process in a write to a frozen disk ends then only
    kill(everyone)
    return sorted({name for _, name in ran})


def end_holders(directory):
    found = sweep._holders(os.path.join(directory, "node"))
    left = alive({(pid, started) for pid, started, _ in found})
    send(left, signal.SIGTERM)
    if not are_gone(left, HOLDERS_S):
        kill(left)


def unmount_all(directory):
    for place in ("run", "node"):
        for path, _ in sweep.mounts_below(os.path.join(directory, place)):
            for last in (False, True):
                if sweep._umount(path):
                    break
                if last:
                    raise lab.NodeError(f"{path} can't be unmounted")
                end_holders(directory)


def halted_path(directory):
    return os.path.join(directory, "halted.json")


def halt(directory, hard):
    ran = end_all(directory, hard)
    with contextlib.suppress(OSError):
        with open(halted_path(directory), encoding="utf-8") as stream:
            ran = sorted({*ran, *json.load(stream)})  # halted before, and never booted
    lab.write(halted_path(directory), json.dumps(ran) + "\n")
    end_holders(directory)
    unmount_all(directory)


# -- up --------------------------------------------------------------------------------------------


def disks(directory, node):
    """{EC2's device name: (volume, device)} of what is attached, once all of it is."""
    cloud, end = Lab(directory), time.monotonic() + ATTACHED_S
    while True:
        names = cloud.get("instances")[node["instance"]]["volumes"]
        volumes = cloud.get("volumes")
        found = {name: (volume, volumes[volume]["device"]) for name, volume in names.items()}
        if all(device for _, device in found.values()) or time.monotonic() > end:
            return {name: pair for name, pair in found.items() if pair[1]}
        time.sleep(0.05)


def remap(directory):
    """node.json in step with what is attached; returns it."""
    node = lab.load(directory)
    attached = disks(directory, node)
    for mount in node["mounts"]:
        mount["volume"], mount["device"] = attached.get(mount["ec2_device"], (None, None))
    lab.save(directory, node)
    return node


def mount_all(node):
    for mount in node["mounts"]:  # the deepest last, as they were made
        if mount["device"] is None:
            if mount["path"] == "/":
                raise lab.NodeError("there is no root volume")
            print(f"reboot: nothing is attached as {mount['ec2_device']} for {mount['path']}")
            continue
        os.makedirs(mount["at"], exist_ok=True)
        lab.run("mount", "-t", mount["fs"], mount["device"], mount["at"])


def empty_run(directory, node):
    """What the lab itself has there - its clock, its points - is not of the node."""
    kept = {lab.CLOCK, lab.POINTS}
    for entry in os.scandir(os.path.join(directory, "run")):
        if entry.name in kept:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    if os.path.basename(node["rcu_expedited"]) == lab.RCU and "/run/" in node["rcu_expedited"]:
        lab.write(node["rcu_expedited"], "0\n", 0o644)


def boot(directory):
    node = remap(directory)
    mount_all(node)
    empty_run(directory, node)
    with open(halted_path(directory), encoding="utf-8") as stream:
        ran = json.load(stream)
    failed = []
    parts = ("restarter",) if "restarter" in ran else lab.PARTS
    for part in ("mysql", *parts):
        if part not in ran:
            continue
        try:
            lab.STARTERS[part](directory, node)
        except (lab.NodeError, OSError) as error:  # a unit that fails is no reason not to boot
            failed.append(f"{part}: {error}")
    os.unlink(halted_path(directory))
    if failed:
        raise lab.NodeError("; ".join(failed))


def run(options):
    directory = os.path.realpath(options.dir)
    # The cloud's threads have these blocked, and what is started here must not.
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    sweep.record_pid(directory, os.getpid(), "reboot")
    print(f"reboot: {time.monotonic():.3f} {' '.join(sys.argv[2:])}", flush=True)
    if options.halt or not options.boot:
        halt(directory, options.hard)
    if options.boot or not options.halt:
        boot(directory)
    print(f"reboot: {time.monotonic():.3f} done", flush=True)
