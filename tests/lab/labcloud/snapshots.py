# SPDX-License-Identifier: BSD-2-Clause
"""CreateSnapshots and its kin: what moto lacks, with the data plane's instant."""
import time

from . import locks, recycle
from .wire import Ec2Error
from .world import Snapshot, check_id


def shown(world, snapshot, shape):
    """One snapshot as Describe ('Snapshot') or CreateSnapshots ('SnapshotInfo') shows it."""
    common = {
        "Description": snapshot.description,
        "Tags": world.tags_of(snapshot.snapshot_id),
        "Encrypted": snapshot.encrypted,
        "VolumeId": snapshot.volume_id,
        "State": snapshot.state,
        "VolumeSize": snapshot.size_gib,
        "StartTime": snapshot.start_time,
        "Progress": snapshot.progress,
        "OwnerId": snapshot.owner,
        "SnapshotId": snapshot.snapshot_id,
    }
    if shape == "Snapshot":
        common["StorageTier"] = snapshot.tier
        common["RestoreExpiryTime"] = snapshot.recalled_until
        common["KmsKeyId"] = snapshot.key
        if snapshot.state == "error":
            common["StateMessage"] = "Client.InternalError: the lab was told to fail this snapshot"
    return common


def _check_rate(world, volume_ids):
    limit_s, pending = world.settings["rate_limit_s"], world.settings["pending_limit"]
    for volume_id in volume_ids:
        last = world.last_cut.get(volume_id)
        if limit_s > 0 and last is not None and time.monotonic() - last < limit_s:
            raise Ec2Error(
                "SnapshotCreationPerVolumeRateExceeded",
                "The maximum per volume CreateSnapshot request rate has been exceeded. "
                "Use an increasing or variable sleep interval between requests.",
            )
        running = sum(
            1 for s in world.snapshots.values() if s.volume_id == volume_id and s.state == "pending"
        )
        if pending > 0 and running >= pending:
            raise Ec2Error(
                "ConcurrentSnapshotLimitExceeded",
                f"Maximum allowed in-progress snapshots for a single volume exceeded: {volume_id}",
            )


def cut_volumes(world, volume_ids, description, tags, fails=None):
    """One instant of all of VOLUME_IDS; returns the Snapshots. The world's lock is held."""
    _check_rate(world, volume_ids)
    cut = world.dataplane.cut(volume_ids)
    made = []
    for number, volume_id in enumerate(volume_ids, 1):
        volume = world.volume(volume_id)
        twin = world.moto.create_snapshot(volume_id, description)
        own = dict(tags.get(volume_id, {}))
        if own:
            twin.add_tags(own)
        snapshot = Snapshot(twin.id, volume_id, volume.size, cut, description, world.settings)
        snapshot.encrypted = bool(volume.encrypted)
        snapshot.key = volume.kms_key_id if snapshot.encrypted else None
        snapshot.fails = fails is not None and number == fails
        world.dataplane.use(cut)
        world.snapshots[twin.id] = snapshot
        world.last_cut[volume_id] = time.monotonic()
        made.append(snapshot)
    return made


def _tags_for(world, params, volume_ids):
    own = world.spec_tags(params, {"snapshot"}).get("snapshot", {})
    result = {}
    for volume_id in volume_ids:
        copied = {}
        if params.get("CopyTagsFromSource") == "volume":
            copied = {t["Key"]: t["Value"] for t in world.tags_of(volume_id)}
        result[volume_id] = {**copied, **own}
        world.check_tags([{"Key": k, "Value": v} for k, v in result[volume_id].items()])
    return result


def plan_create_snapshots(world, params):
    """The volumes that the request means, in the order of the block device mapping."""
    spec = params["InstanceSpecification"]
    instance = world.instance(spec["InstanceId"])
    if instance.state not in ("running", "stopped", "stopping", "pending"):
        raise Ec2Error("IncorrectState", f"The instance {instance.id} is {instance.state}")
    excluded = spec.get("ExcludeDataVolumeIds", [])
    mapping = {device: entry.volume_id for device, entry in instance.block_device_mapping.items()}
    root = mapping.get(instance.root_device_name)
    for volume_id in excluded:
        check_id("vol", volume_id)
        if volume_id == root:
            raise Ec2Error(
                "InvalidParameterValue", f"{volume_id} is the root volume, not a data volume"
            )
        if volume_id not in mapping.values():
            raise Ec2Error("InvalidParameterValue", f"{volume_id} is not attached to {instance.id}")
    volume_ids = [
        volume_id
        for volume_id in mapping.values()
        if volume_id not in excluded and not (volume_id == root and spec.get("ExcludeBootVolume"))
    ]
    if not volume_ids:
        raise Ec2Error("InvalidParameterValue", "No volume is left to take a snapshot of")
    return volume_ids


def create_snapshots(world, params, call):
    def plan():
        volume_ids = plan_create_snapshots(world, params)
        return volume_ids, _tags_for(world, params, volume_ids)

    with world.lock:
        plan()  # refused at once where it cannot work
        call.check_dry_run()
    call.sleep_until(world.settings["cut_at"])
    with world.lock:
        volume_ids, tags = plan()
        made = cut_volumes(world, volume_ids, params.get("Description", ""), tags, call.fails())
        call.made(made)
        return {"Snapshots": [shown(world, snapshot, "SnapshotInfo") for snapshot in made]}


def create_snapshot(world, params, call):
    with world.lock:
        world.volume(params["VolumeId"])
        tags = _tags_for(world, params, [params["VolumeId"]])
        call.check_dry_run()
    call.sleep_until(world.settings["cut_at"])
    with world.lock:
        description = params.get("Description", "")
        made = cut_volumes(world, [params["VolumeId"]], description, tags, call.fails())
        call.made(made)
        return shown(world, made[0], "Snapshot")


FILTERS = (
    "description encrypted owner-alias owner-id progress snapshot-id start-time status "
    "storage-tier transfer-type volume-id volume-size"
).split()


def _filter_values(world, snapshot):
    return {
        "description": snapshot.description,
        "encrypted": snapshot.encrypted,
        "owner-alias": None,
        "owner-id": snapshot.owner,
        "progress": snapshot.progress,
        "snapshot-id": snapshot.snapshot_id,
        "start-time": world.time_text(snapshot.start_time),
        "status": snapshot.state,
        "storage-tier": snapshot.tier,
        "transfer-type": "standard",
        "volume-id": snapshot.volume_id,
        "volume-size": str(snapshot.size_gib),
    }


def describe_snapshots(world, params, call):
    with world.lock:
        ids = params.get("SnapshotIds", [])
        found = [world.snapshot(snapshot_id) for snapshot_id in dict.fromkeys(ids)]
        if not ids:
            found = [snapshot for snapshot in world.snapshots.values() if world.shows(snapshot)]
        call.check_dry_run()
        found = world.of_owners(found, params)
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS)

        def find():
            return [
                snapshot
                for snapshot in found
                if world.match(
                    filters, world.tags_of(snapshot.snapshot_id), _filter_values(world, snapshot)
                )
            ]

        page, token = world.page("DescribeSnapshots", params, find, bool(ids))
        return {"Snapshots": [shown(world, one, "Snapshot") for one in page], "NextToken": token}


def delete_snapshot(world, params, call):
    with world.lock:
        snapshot = world.snapshot(params["SnapshotId"])
        world.check_ours(snapshot, "snapshot", snapshot.snapshot_id)
        call.check_dry_run()
        users = world.image_users.get(snapshot.snapshot_id)
        if users:
            raise Ec2Error(
                "InvalidSnapshot.InUse",
                f"The snapshot {snapshot.snapshot_id} is currently in use by {min(users)}",
            )
        locks.check_unlocked(snapshot)
        recycle.delete_snapshot(world, snapshot)
        return {}


HANDLERS = {
    "CreateSnapshots": create_snapshots,
    "CreateSnapshot": create_snapshot,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshot": delete_snapshot,
}
