# SPDX-License-Identifier: BSD-2-Clause
"""EBS volumes: made, described, deleted, with their states over time (attachments.py has the rest).

moto keeps a twin of each, for its tags, its zone and its size; what it is doing is kept here.
"""
import time

from . import attachments, tiers
from .dataplane import GIB
from .wire import Ec2Error
from .world import check_id, now

IOPS = {"gp3": (3000, 16000), "io1": (100, 64000), "io2": (100, 256000)}
IOPS_PER_GIB = {"gp3": 500, "io1": 50, "io2": 1000}
SIZES_GIB = {
    "gp2": (1, 16384), "gp3": (1, 16384), "io1": (4, 16384), "io2": (4, 65536),
    "st1": (125, 16384), "sc1": (125, 16384), "standard": (1, 1024),
}


class EbsVolume:
    """attachment: attachments.Attachment or None; phase: creating, ready, deleting, error."""

    def __init__(self, twin, made):
        self.twin = twin
        self.volume_id, self.created = twin.id, now()
        self.rate = None  # VolumeInitializationRate
        self.attachment = None
        self.phase = "creating"
        self.visible_mono = time.monotonic() + made["visible_after_ms"] / 1000.0

    @property
    def state(self):
        if self.phase != "ready":
            return self.phase
        return "in-use" if self.attachment is not None else "available"

    @property
    def zone(self):
        return self.twin.zone.name

    def visible(self):
        return time.monotonic() >= self.visible_mono


# -- what is asked for -----------------------------------------------------------------------------


def check_speed(size_gib, kind, iops, throughput):
    """IOPS and throughput as the volume's type has them; returns what it gets of both."""
    if kind not in IOPS:
        if iops is not None:
            raise Ec2Error(
                "InvalidParameterCombination",
                f"The parameter iops is not supported for {kind} volumes.",
            )
    elif iops is None and kind != "gp3":
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The parameter iops must be specified for {kind} volumes.",
        )
    elif iops is not None:
        least, most = IOPS[kind]
        if not least <= iops <= most:
            word, limit = ("low", f"minimum is {least}") if iops < least else (
                "high", f"maximum is {most}"
            )
            raise Ec2Error(
                "InvalidParameterValue", f"Volume iops of {iops} is too {word}; {limit}."
            )
        if iops > max(least, size_gib * IOPS_PER_GIB[kind]):
            raise Ec2Error(
                "InvalidParameterValue",
                f"Iops to volume size ratio of {iops / size_gib:f} is too high; maximum is "
                f"{IOPS_PER_GIB[kind]}.",
            )
    if throughput is not None:
        if kind != "gp3":
            raise Ec2Error(
                "InvalidParameterCombination",
                f"The parameter throughput is not supported for {kind} volumes.",
            )
        if not 125 <= throughput <= 1000 or throughput > (iops or 3000) / 4:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Throughput ({throughput} MiBps) must be 125 to 1000, and at most iops / 4",
            )
    if kind == "gp3":
        return iops or 3000, throughput or 125
    if kind == "gp2":
        return min(16000, max(100, 3 * size_gib)), None
    return iops, None


def check_order(world, order, snapshot):
    """An order for a volume as CreateVolume and the mapping of RunInstances have it, {Size,
    VolumeType, Iops, Throughput, Encrypted, KmsKeyId, VolumeInitializationRate}: completed, or
    refused."""
    size_gib = order.get("Size")
    if size_gib is None:
        if snapshot is None:
            raise Ec2Error(
                "MissingParameter", "The request must contain the parameter size or snapshotId"
            )
        size_gib = snapshot.size_gib
    kind = order.get("VolumeType") or "gp2"
    least, most = SIZES_GIB[kind]
    if not least <= size_gib <= most:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Volume of {size_gib}GiB is not of a size that {kind} has ({least} to {most})",
        )
    iops, throughput = check_speed(size_gib, kind, order.get("Iops"), order.get("Throughput"))
    rate = order.get("VolumeInitializationRate")
    if rate is not None:
        if snapshot is None:
            raise Ec2Error(
                "InvalidParameterCombination",
                "VolumeInitializationRate can be specified with a snapshot only",
            )
        if not 100 <= rate <= 300:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Value ( {rate} ) for parameter VolumeInitializationRate is invalid. Expecting a "
                "value between 100 and 300.",
            )
    encrypted, key = world.keys.for_volume(order, snapshot)
    return {
        "Size": size_gib, "VolumeType": kind, "Iops": iops, "Throughput": throughput,
        "Encrypted": encrypted, "KmsKeyId": key, "VolumeInitializationRate": rate,
    }


def make(world, zone, order, snapshot=None, tags=None):
    """A volume as check_order() completed it, in phase creating; its data are there at once."""
    twin = world.moto.create_volume(
        size=order["Size"], zone_name=zone, encrypted=order["Encrypted"],
        kms_key_id=order["KmsKeyId"], volume_type=order["VolumeType"],
    )
    twin.iops, twin.throughput = order["Iops"], order["Throughput"]
    if snapshot is not None:
        twin.snapshot_id = snapshot.snapshot_id
    if tags:
        twin.add_tags(dict(tags))
    volume = EbsVolume(twin, world.settings)
    volume.rate = order["VolumeInitializationRate"]
    source = None
    if snapshot is not None and snapshot.cut is not None:
        source = (snapshot.cut, snapshot.volume_id)
    world.dataplane.add_volume(volume.volume_id, order["Size"] * GIB, source)
    world.volumes[volume.volume_id] = volume
    return volume


def forget(world, volume):
    """Its end, data included."""
    world.dataplane.delete_volume(volume.volume_id)
    world.volumes.pop(volume.volume_id)
    world.moto.volumes.pop(volume.volume_id)
    world.moto.tags.pop(volume.volume_id, None)


def zone_of(world, params):
    """AvailabilityZone or AvailabilityZoneId, checked, as a name."""
    zones = world.moto.describe_availability_zones()
    name, number = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
    if name is not None and number is not None:
        raise Ec2Error(
            "InvalidParameterCombination",
            "AvailabilityZone and AvailabilityZoneId cannot be specified together",
        )
    if name is None and number is None:
        raise Ec2Error(
            "MissingParameter", "The request must contain the parameter AvailabilityZone"
        )
    for zone in zones:
        if name in (zone.name, None) and number in (zone.zone_id, None):
            return zone.name
    raise Ec2Error("InvalidZone.NotFound", f"The zone '{name or number}' does not exist.")


# -- calls -----------------------------------------------------------------------------------------


def create_volume(world, params, call):
    with world.lock:
        tags = world.spec_tags(params, {"volume"}).get("volume")
        zone = zone_of(world, params)
        snapshot = None
        if "SnapshotId" in params:
            snapshot = world.snapshot(params["SnapshotId"])
        if params.get("MultiAttachEnabled"):
            raise Ec2Error(
                "UnsupportedOperation", "The lab's volumes go to one instance at a time"
            )
        order = check_order(world, params, snapshot)
        call.check_dry_run()
        known = call.same_token()
        if known is not None:
            return known
        check_source(snapshot, order["Size"])
        volume = make(world, zone, order, snapshot, tags)
        fails = call.fails() is not None
        # Without the key the volume is gone again, and nobody is told why.
        goes = call.no_key or (fails and call.fault.options.get("gone"))

        def created():
            if goes:
                forget(world, volume)
            elif fails:
                volume.phase = "error"
            elif volume.phase == "creating":
                volume.phase = "ready"

        world.clock.after(world.settings["volume_time_s"], created)
        call.made([volume])
        call.remember_token(lambda: _same(world, volume))
        return shown(world, volume)


def _same(world, volume):
    if volume.volume_id not in world.volumes:
        raise Ec2Error(
            "IdempotentParameterMismatch",
            f"The resource that this client token made is already deleted: {volume.volume_id}",
        )
    return shown(world, world.ebs(volume.volume_id))


def check_source(snapshot, size_gib):
    """Whether volumes can be made of it now."""
    if snapshot is None:
        return
    if snapshot.state != "completed":
        raise Ec2Error("IncorrectState", f"Snapshot is in invalid state - {snapshot.state}")
    tiers.check_usable(snapshot)
    if size_gib < snapshot.size_gib:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Volume of {size_gib}GiB is smaller than snapshot '{snapshot.snapshot_id}', expect "
            f"size >= {snapshot.size_gib}GiB",
        )


def shown(world, volume):
    twin = volume.twin
    row = {
        "VolumeId": volume.volume_id,
        "Size": twin.size,
        "SnapshotId": twin.snapshot_id or "",
        "AvailabilityZone": volume.zone,
        "AvailabilityZoneId": twin.zone.zone_id,
        "State": volume.state,
        "CreateTime": volume.created,
        "VolumeType": twin.volume_type,
        "MultiAttachEnabled": False,
        "Encrypted": bool(twin.encrypted),
        "Tags": world.tags_of(volume.volume_id),
        "Attachments": [],
        "Iops": twin.iops,
        "Throughput": twin.throughput,
        "VolumeInitializationRate": volume.rate,
    }
    if twin.encrypted:
        row["KmsKeyId"] = twin.kms_key_id
    if volume.attachment is not None:
        row["Attachments"] = [attachments.shown(volume)]
    return row


FILTERS = (
    "attachment.attach-time attachment.delete-on-termination attachment.device "
    "attachment.instance-id attachment.status availability-zone availability-zone-id create-time "
    "encrypted fast-restored multi-attach-enabled operator.managed operator.principal size "
    "snapshot-id source-volume-id status volume-id volume-type"
).split()


def _filter_values(world, row):
    values = {
        "availability-zone": row["AvailabilityZone"],
        "availability-zone-id": row["AvailabilityZoneId"],
        "create-time": world.time_text(row["CreateTime"]),
        "encrypted": row["Encrypted"],
        "fast-restored": False,
        "multi-attach-enabled": False,
        "operator.managed": False,
        "operator.principal": None,
        "size": str(row["Size"]),
        "snapshot-id": row["SnapshotId"] or None,
        "source-volume-id": None,
        "status": row["State"],
        "volume-id": row["VolumeId"],
        "volume-type": row["VolumeType"],
    }
    for name, member in (
        ("delete-on-termination", "DeleteOnTermination"), ("device", "Device"),
        ("instance-id", "InstanceId"), ("status", "State"),
    ):
        values[f"attachment.{name}"] = [one[member] for one in row["Attachments"]]
    values["attachment.attach-time"] = [
        world.time_text(one["AttachTime"]) for one in row["Attachments"]
    ]
    return values


def describe_volumes(world, params, call):
    with world.lock:
        ids = params.get("VolumeIds", [])
        for volume_id in ids:
            check_id("vol", volume_id)
        found = [world.ebs(volume_id) for volume_id in dict.fromkeys(ids)]
        if not ids:
            found = [volume for volume in world.volumes.values() if volume.visible()]
        call.check_dry_run()
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS)

        def find():
            rows = [shown(world, volume) for volume in found]
            return [r for r in rows if world.match(filters, r["Tags"], _filter_values(world, r))]

        rows, token = world.page("DescribeVolumes", params, find, bool(ids))
        return {"Volumes": rows, "NextToken": token}


def delete_volume(world, params, call):
    with world.lock:
        volume = world.ebs(params["VolumeId"])
        call.check_dry_run()
        if volume.attachment is not None:
            raise Ec2Error(
                "VolumeInUse",
                f"Volume {volume.volume_id} is currently attached to "
                f"{volume.attachment.instance.id}",
            )
        if volume.phase in ("creating", "deleting"):
            raise Ec2Error("IncorrectState", f"The volume '{volume.volume_id}' is '{volume.phase}'")
        volume.phase = "deleting"
        world.clock.after(world.settings["delete_time_s"], lambda: forget(world, volume))
        return {}


HANDLERS = {
    "CreateVolume": create_volume,
    "DescribeVolumes": describe_volumes,
    "DeleteVolume": delete_volume,
}
