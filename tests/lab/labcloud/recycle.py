# SPDX-License-Identifier: BSD-2-Clause
"""The Recycle Bin: what is deleted under a retention rule lies there for as long as it says.

The settings recycle_snapshots_s and recycle_images_s are the rules, 0 none. What lies there is gone
for every other call but those of tags; it keeps its own tags, and has one of AWS's. It can't be
deleted by anybody: it goes when its time is up.
"""
import time

from .wire import Ec2Error
from .world import check_id, now

IN_BIN = "aws:recycle-bin:resource-in-bin"


class Kept:
    """thing: world.Snapshot or world.Image; twin: what moto had of an image."""

    def __init__(self, thing_id, thing, twin, seconds):
        self.thing_id, self.thing, self.twin = thing_id, thing, twin
        self.entered, self.ends_mono = now(), time.monotonic() + seconds
        self.seconds = seconds

    def times(self):
        return {
            "RecycleBinEnterTime": self.entered,
            "RecycleBinExitTime": self.entered.fromtimestamp(
                self.entered.timestamp() + self.seconds, self.entered.tzinfo
            ),
        }


def _keep(world, thing_id, thing, twin, seconds, forget):
    kept = Kept(thing_id, thing, twin, seconds)
    world.bin[thing_id] = kept
    world.moto.tags[thing_id][IN_BIN] = "true"

    def gone():
        if world.bin.get(thing_id) is kept:
            del world.bin[thing_id]
            forget()

    world.clock.after(seconds, gone)


def delete_snapshot(world, snapshot):
    """Its end, or its way into the bin."""
    def forget():
        world.moto.snapshots.pop(snapshot.snapshot_id, None)
        world.moto.tags.pop(snapshot.snapshot_id, None)
        if snapshot.cut is not None:
            world.dataplane.drop(snapshot.cut)

    del world.snapshots[snapshot.snapshot_id]
    seconds = world.settings["recycle_snapshots_s"]
    if seconds > 0:
        _keep(world, snapshot.snapshot_id, snapshot, None, seconds, forget)
    else:
        forget()


def deregister_image(world, image):
    seconds, tags = world.settings["recycle_images_s"], world.moto.tags.get(image.image_id, {})
    twin = world.moto.amis.get(image.image_id)
    world.drop_image(image)
    if seconds > 0:
        world.moto.tags[image.image_id] = dict(tags)
        _keep(
            world, image.image_id, image, twin, seconds,
            lambda: world.moto.tags.pop(image.image_id, None),
        )


# -- calls -----------------------------------------------------------------------------------------


def in_bin(world, thing_id, kind, code):
    check_id(kind, thing_id)
    kept = world.bin.get(thing_id)
    if kept is None:
        raise Ec2Error(code, f"The {thing_id} is not in the Recycle Bin")
    return kept


def _kept(world, params, name, kind, code):
    ids = params.get(name, [])
    if ids:
        return [in_bin(world, thing_id, kind, code) for thing_id in dict.fromkeys(ids)]
    return [kept for thing_id, kept in world.bin.items() if thing_id.startswith(kind + "-")]


def list_snapshots(world, params, call):
    with world.lock:
        kept = _kept(world, params, "SnapshotIds", "snap", "InvalidSnapshot.NotFound")
        call.check_dry_run()

        def find():
            return [
                {
                    "SnapshotId": one.thing_id, "Description": one.thing.description,
                    "VolumeId": one.thing.volume_id, **one.times(),
                }
                for one in kept
            ]

        rows, token = world.page(
            "ListSnapshotsInRecycleBin", params, find, bool(params.get("SnapshotIds"))
        )
        return {"Snapshots": rows, "NextToken": token}


def list_images(world, params, call):
    with world.lock:
        kept = _kept(world, params, "ImageIds", "ami", "InvalidAMIID.NotFound")
        call.check_dry_run()

        def find():
            return [
                {
                    "ImageId": one.thing_id, "Name": one.thing.name,
                    "Description": one.thing.fields.get("Description"), **one.times(),
                }
                for one in kept
            ]

        rows, token = world.page(
            "ListImagesInRecycleBin", params, find, bool(params.get("ImageIds")), limits=(1, 1000)
        )
        return {"Images": rows, "NextToken": token}


def _take_out(world, thing_id):
    kept = world.bin.pop(thing_id)
    world.moto.tags.get(thing_id, {}).pop(IN_BIN, None)
    return kept


def restore_snapshot(world, params, call):
    with world.lock:
        in_bin(world, params["SnapshotId"], "snap", "InvalidSnapshot.NotFound")
        call.check_dry_run()
        snapshot = _take_out(world, params["SnapshotId"]).thing
        world.snapshots[snapshot.snapshot_id] = snapshot
        return {
            "SnapshotId": snapshot.snapshot_id, "Description": snapshot.description,
            "Encrypted": snapshot.encrypted, "OwnerId": snapshot.owner,
            "Progress": snapshot.progress, "StartTime": snapshot.start_time,
            "State": snapshot.state, "VolumeId": snapshot.volume_id,
            "VolumeSize": snapshot.size_gib,
        }


def restore_image(world, params, call):
    with world.lock:
        image = in_bin(world, params["ImageId"], "ami", "InvalidAMIID.NotFound").thing
        call.check_dry_run()
        for snapshot_id in image.snapshot_ids():
            if snapshot_id not in world.snapshots:
                raise Ec2Error(
                    "InvalidSnapshot.NotFound",
                    f"The snapshot '{snapshot_id}' of the image does not exist.",
                )
        kept = _take_out(world, image.image_id)
        world.gone_images.discard(image.image_id)
        world.moto.amis[image.image_id] = kept.twin
        world.add_image(image)
        return {"Return": True}


HANDLERS = {
    "ListSnapshotsInRecycleBin": list_snapshots,
    "ListImagesInRecycleBin": list_images,
    "RestoreSnapshotFromRecycleBin": restore_snapshot,
    "RestoreImageFromRecycleBin": restore_image,
}
