# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots and images that nobody made: histories of years, other accounts' things. No data.

A snapshot: {tags, volume, size_gib, start (seconds since 1970, or before now where negative), state
(completed | pending | error), description, encrypted, key, owner, shared (us | all), lock {mode,
days, cool_off_hours, since (as start)}, tier (standard | archive)}
An image: {name, tags, created (as start), disks [[device, snapshot id, or the number of a snapshot
planted with it]], owner, shared, fields (by the names of DescribeImages)}
All are optional, except an image's disks; plant() returns {"snapshots": [id], "images": [id]}.
"""
import datetime
import time

from moto.ec2.utils import random_ami_id, random_snapshot_id

from .locks import Lock
from .world import Image, Snapshot

LONG_AGO_S = 10**6


def _moment(seconds):
    if seconds <= 0:
        seconds += time.time()
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _snapshot(world, about):
    volume = about.get("volume", "vol-0ffffffffffffffff")
    snapshot = Snapshot(
        random_snapshot_id(), volume, about.get("size_gib", 1), None, about.get(
            "description", ""
        ), world.settings
    )
    state = about.get("state", "completed")
    if state not in ("completed", "pending", "error"):
        raise ValueError(f"no state {state}")
    snapshot.snapshot_time_s = LONG_AGO_S if state == "pending" else 0
    snapshot.fails = state == "error"
    snapshot.start_time = _moment(about.get("start", 0))
    snapshot.encrypted, snapshot.key = bool(about.get("encrypted")), about.get("key")
    snapshot.tier = about.get("tier", "standard")
    if snapshot.tier == "archive":
        snapshot.archived_at = snapshot.start_time
    if about.get("lock"):
        order = about["lock"]
        snapshot.lock = Lock(
            world.settings, order.get("mode", "governance"), order.get("days", 1),
            order.get("cool_off_hours"), _moment(order.get("since", 0)),
        )
    _own(world, snapshot, snapshot.snapshot_id, about)
    world.snapshots[snapshot.snapshot_id] = snapshot
    return snapshot.snapshot_id


def _image(world, about, snapshots):
    image_id = random_ami_id()
    image = Image(image_id, about.get("name", f"planted {image_id}"), world.settings)
    image.image_time_s = 0
    image.created = _moment(about.get("created", 0))
    image.fields = {
        "Architecture": "x86_64", "VirtualizationType": "hvm", "EnaSupport": True,
        "RootDeviceName": about["disks"][0][0], "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances", **about.get("fields", {}),
    }
    image.fields["BlockDeviceMappings"] = [
        {"DeviceName": device, "Ebs": _ebs(world, snapshots[one] if isinstance(one, int) else one)}
        for device, one in about["disks"]
    ]
    _own(world, image, image_id, about)
    world.add_image(image)
    return image_id


def _ebs(world, snapshot_id):
    snapshot = world.snapshots[snapshot_id]
    return {
        "SnapshotId": snapshot_id, "VolumeSize": snapshot.size_gib, "VolumeType": "gp3",
        "Encrypted": snapshot.encrypted, "DeleteOnTermination": True,
    }


def _own(world, thing, thing_id, about):
    thing.visible_mono = 0
    thing.owner = about.get("owner", world.settings.account)
    thing.shared = about.get("shared")
    if about.get("tags"):
        world.moto.tags[thing_id] = dict(about["tags"])


def plant(world, body):
    snapshots = [_snapshot(world, about) for about in body.get("snapshots", [])]
    images = [_image(world, about, snapshots) for about in body.get("images", [])]
    return {"snapshots": snapshots, "images": images}
