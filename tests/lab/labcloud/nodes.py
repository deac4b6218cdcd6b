# SPDX-License-Identifier: BSD-2-Clause
"""The machine's side of an instance: the lab's node whose disks the volumes are."""
import json
import os


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
