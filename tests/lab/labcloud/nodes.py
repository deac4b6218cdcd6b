# SPDX-License-Identifier: BSD-2-Clause
"""The machine's side of an instance: the lab's node whose disks the volumes are."""
import json
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REBOOT_S = 120
REBOOT_AFTER_S = 0.2


class Nodes:
    def __init__(self, world):
        self._world = world
        self.folders = {}  # instance id -> the node's DIR

    def write_map(self, instance_id):
        """DIR/map.json, {device: volume id}: what NVMe serials say on a real node. Replaced in one
        rename."""
        folder = self.folders.get(instance_id)
        if folder is None or not os.path.isdir(folder):
            return
        found = {}
        for volume in self._world.volumes.values():
            attachment = volume.attachment
            if attachment is not None and attachment.instance.id == instance_id:
                device = self._world.dataplane.volumes[volume.volume_id].device
                if device is not None:
                    found[device] = volume.volume_id
        path = os.path.join(folder, "map.json")
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o644)
            json.dump(found, stream, indent=1)
            stream.write("\n")
        os.rename(path + ".new", path)

    # -- reboots: the caller does not have the world's lock, for the node asks for its disks -------

    def halt(self, instance_id, hard=False):
        """Everything of the node's is ended (HARD: killed) and unmounted. Nothing where there is no
        node; a node that can't be is said so in the cloud's log, and treated as one that could."""
        self._node_py(instance_id, "--halt", *(["--hard"] if hard else []))

    def boot(self, instance_id):
        self._node_py(instance_id, "--boot")

    def reboot(self, instance_id):
        """Both, after the answer, in a thread: this one may be called with the lock."""
        timer = threading.Timer(REBOOT_AFTER_S, self._node_py, (instance_id,))
        timer.daemon = True
        timer.start()

    def _node_py(self, instance_id, *options):
        folder = self.folders.get(instance_id)
        if folder is None or not os.path.exists(os.path.join(folder, "node.json")):
            return
        command = [sys.executable, os.path.join(HERE, "node.py"), "reboot", folder, *options]
        with open(os.path.join(folder, "log", "reboot.log"), "ab") as log:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                    timeout=REBOOT_S,
                )
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = "no end"
        if code != 0:
            print(f"cloud: {' '.join(command)}: {code}", file=sys.stderr, flush=True)
