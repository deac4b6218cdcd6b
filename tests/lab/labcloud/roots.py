# SPDX-License-Identifier: BSD-2-Clause
"""Root volumes replaced while their instance stays: CreateReplaceRootVolumeTask, its Describe, and
the reboots that the lab's node goes through (reboot.py).

A task is pending while the new volume is made, in-progress while the instance goes down, the
volumes change places and it comes up again; each for as long as a setting says, or longer where a
node has to be rebooted. Fault `partial` makes it fail: {"state": "failed" (the old root stays) or
"failed-detached" (there is none), "reboot": true (failed after a reboot; else before it)}.
"""
import threading
import time
import traceback

from moto.ec2.utils import random_id

from . import attachments, volumes
from .wire import Ec2Error
from .world import check_id, now

TAGGED = "replace-root-volume-task"
UNDER_WAY = ("pending", "in-progress", "failing")


class Task:
    """fails: None, or the options of the fault that ends it. volume: the new root's id."""

    def __init__(self, world, instance_id, params):
        self.task_id = random_id("replacevol")
        self.world, self.instance_id, self.params = world, instance_id, params
        self.state, self.started, self.completed = "pending", now(), None
        self.volume, self.is_ours, self.fails = None, True, None
        self.visible_mono = time.monotonic() + world.settings["visible_after_ms"] / 1000.0

    def visible(self):
        return time.monotonic() >= self.visible_mono

    def end(self, state):
        self.state, self.completed = state, now()


def shown(world, task):
    row = {
        "ReplaceRootVolumeTaskId": task.task_id,
        "InstanceId": task.instance_id,
        "TaskState": task.state,
        "StartTime": task.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Tags": world.tags_of(task.task_id),
        "DeleteReplacedRootVolume": bool(task.params.get("DeleteReplacedRootVolume")),
    }
    for name in ("ImageId", "SnapshotId"):
        if name in task.params:
            row[name] = task.params[name]
    if task.completed is not None:
        row["CompleteTime"] = task.completed.strftime("%Y-%m-%dT%H:%M:%SZ")
    return row


# -- where the new root comes from -----------------------------------------------------------------


def _is_of(world, instance, snapshot):
    """Whether it was taken of a volume that is, or was, this instance's root."""
    return snapshot.volume_id in world.roots.get(instance.id, ())


def _of_snapshot(world, instance, params):
    snapshot = world.snapshot(params["SnapshotId"])
    if not _is_of(world, instance, snapshot):
        raise Ec2Error(
            "InvalidParameterValue",
            f"The snapshot '{snapshot.snapshot_id}' is not of the same lineage as the root volume "
            f"of instance '{instance.id}'.",
        )
    return snapshot


def _of_image(world, instance, params):
    image, facts = world.image(params["ImageId"]), world.facts_of(instance.id)
    if image.state != "available":
        raise Ec2Error(
            "InvalidAMIID.Unavailable", f"The image ID '{image.image_id}' is not available"
        )
    for name, word in (
        ("Architecture", "architecture"), ("VirtualizationType", "virtualization type"),
        ("ProductCodes", "product codes"), ("UsageOperation", "billing information"),
    ):
        if (image.fields.get(name) or None) != (facts.get(name) or None):
            raise Ec2Error(
                "InvalidParameterValue",
                f"The {word} of the image '{image.image_id}' is not that of the instance "
                f"'{instance.id}'.",
            )
    root = image.fields["RootDeviceName"]
    ebs = next(e["Ebs"] for e in image.fields["BlockDeviceMappings"] if e["DeviceName"] == root)
    return world.snapshot(ebs["SnapshotId"])


def _of_launch(world, instance):
    snapshot_id = world.launches.get(instance.id)
    if snapshot_id is None or snapshot_id not in world.snapshots:
        raise Ec2Error(
            "InvalidSnapshot.NotFound",
            f"The snapshot '{snapshot_id}' that the root volume of instance '{instance.id}' was "
            "launched from does not exist.",
        )
    return world.snapshots[snapshot_id]


def _of_volume(world, instance, params):
    volume = world.ebs(params["VolumeId"])
    if volume.state != "available":
        raise Ec2Error("IncorrectState", f"{volume.volume_id} is not 'available'.")
    if volume.zone != world.zone_of(instance):
        raise Ec2Error(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.volume_id}' is not in the same availability zone as instance "
            f"'{instance.id}'",
        )
    source = world.snapshots.get(volume.twin.snapshot_id)
    known = volume.volume_id in world.roots.get(instance.id, ())
    if not known and (source is None or not _is_of(world, instance, source)):
        raise Ec2Error(
            "InvalidParameterValue",
            f"The volume '{volume.volume_id}' is not of the same lineage as the root volume of "
            f"instance '{instance.id}'.",
        )
    return volume


def _root(world, instance):
    block = instance.block_device_mapping.get(instance.root_device_name)
    if block is None:
        raise Ec2Error(
            "IncorrectInstanceState", f"The instance '{instance.id}' has no root volume attached."
        )
    return world.volumes[block.volume_id]


def _order(world, old, params, snapshot):
    """The new root has what the old one had of type, size and speed."""
    twin = old.twin
    order = {
        "Size": max(twin.size, snapshot.size_gib), "VolumeType": twin.volume_type,
        "VolumeInitializationRate": params.get("VolumeInitializationRate"),
    }
    if twin.volume_type in volumes.IOPS:
        order["Iops"], order["Throughput"] = twin.iops, twin.throughput
    return volumes.check_order(world, order, snapshot)


def create_task(world, params, call):
    with world.lock:
        tags = world.spec_tags(params, {TAGGED}).get(TAGGED, {})
        instance = world.instance(params["InstanceId"])
        sources = [n for n in ("SnapshotId", "ImageId", "VolumeId") if n in params]
        if len(sources) > 1:
            raise Ec2Error(
                "InvalidParameterCombination", f"{' and '.join(sources)} cannot be used together"
            )
        source = sources[0] if sources else None
        volume = snapshot = None
        if source == "SnapshotId":
            world.snapshot(params["SnapshotId"])
        call.check_dry_run()
        known = call.same_token()
        if known is not None:
            return known
        if instance.state != "running":
            raise Ec2Error(
                "IncorrectInstanceState", f"The instance '{instance.id}' is not 'running'."
            )
        if any(t.instance_id == instance.id and t.state in UNDER_WAY for t in world.tasks.values()):
            raise Ec2Error(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' has a root volume replacement under way.",
            )
        old = _root(world, instance)
        if source == "VolumeId":
            if "VolumeInitializationRate" in params:
                raise Ec2Error(
                    "InvalidParameterCombination",
                    "VolumeInitializationRate can be specified with a snapshot only",
                )
            volume = _of_volume(world, instance, params)
        else:
            snapshot = {"SnapshotId": _of_snapshot, "ImageId": _of_image}.get(
                source, lambda *_: _of_launch(world, instance)
            )(world, instance, params)
            order = _order(world, old, params, snapshot)
            volumes.check_source(snapshot, order["Size"])
        task = Task(world, instance.id, params)
        task.is_ours = volume is None
        task.fails = call.fault.options if call.fails() is not None else {} if call.no_key else None
        if volume is None:
            volume = volumes.make(world, world.zone_of(instance), order, snapshot)
        task.volume = volume.volume_id
        world.tasks[task.task_id] = task
        if tags:
            world.moto.tags[task.task_id] = dict(tags)
        answer = {"ReplaceRootVolumeTask": shown(world, task)}
        call.made([task])
        call.remember_token(lambda: {"ReplaceRootVolumeTask": shown(world, task)})
        world.clock.after(world.settings["root_volume_time_s"], lambda: _begin(task))
        return answer


# -- the task's own life ---------------------------------------------------------------------------


def _begin(task):
    """Clockwork: the new volume is there. A thread of its own does the rest: it waits for the node,
    which asks the cloud for its disks."""
    world = task.world
    volume = world.volumes.get(task.volume)
    if volume is not None and volume.phase == "creating":
        volume.phase = "ready"
    task.state = "in-progress"
    threading.Thread(target=_run, args=(task,), name=task.task_id, daemon=True).start()


def _run(task):
    world = task.world
    try:
        fails = task.fails
        if fails is None or fails.get("reboot") or fails.get("state") == "failed-detached":
            world.nodes.halt(task.instance_id, hard=True)
            time.sleep(world.settings["root_swap_time_s"])
            state = "failed"
            try:
                with world.lock:
                    state = _swap(task)
            finally:
                if state != "failed-detached":
                    world.nodes.boot(task.instance_id)
        else:
            state = "failed"
        with world.lock:
            _finish(task, state)
    except Exception:
        traceback.print_exc()
        with world.lock:
            task.end("failed")


def _swap(task):
    """The volumes change places; returns how the task will end."""
    world = task.world
    instance, volume = world.find_instance(task.instance_id), world.volumes.get(task.volume)
    wanted = "succeeded" if task.fails is None else task.fails.get("state", "failed")
    if instance.state != "running" or volume is None or volume.state != "available":
        return "failed"
    if wanted == "failed":
        return wanted
    device = instance.root_device_name
    old = _root(world, instance)
    deleted = bool(old.attachment.block.delete_on_termination)
    attachments.cut_off(world, old)
    if wanted == "failed-detached":
        return wanted
    attachments.attach(world, volume, instance, device, deleted, seconds=0)
    mapping = instance.block_device_mapping
    others = {name: block for name, block in mapping.items() if name != device}
    root = mapping[device]
    mapping.clear()
    mapping.update({device: root, **others})
    history = world.roots.setdefault(instance.id, [])
    if volume.volume_id in history:
        history.remove(volume.volume_id)
    history.append(volume.volume_id)
    if "ImageId" in task.params:
        world.launches[instance.id] = volume.twin.snapshot_id
    if task.params.get("DeleteReplacedRootVolume"):
        volumes.forget(world, old)
    return wanted


def _finish(task, state):
    world = task.world
    if state == "succeeded":
        task.end(state)
        return
    task.state = "failing"
    volume = world.volumes.get(task.volume)
    if task.is_ours and volume is not None and volume.attachment is None:
        volumes.forget(world, volume)
    world.clock.after(world.settings["delete_time_s"], lambda: task.end(state))


# -- look-ups --------------------------------------------------------------------------------------


def task_of(world, task_id):
    check_id("replacevol", task_id)
    task = world.tasks.get(task_id)
    if task is None or not task.visible():
        raise Ec2Error(
            "InvalidReplaceRootVolumeTaskID.NotFound",
            f"The root volume replacement task '{task_id}' does not exist",
        )
    return task


def describe_tasks(world, params, call):
    with world.lock:
        ids = params.get("ReplaceRootVolumeTaskIds", [])
        found = [task_of(world, task_id) for task_id in dict.fromkeys(ids)]
        if not ids:
            found = [task for task in world.tasks.values() if task.visible()]
        call.check_dry_run()
        filters = params.get("Filters", [])
        world.check_filters(filters, ["instance-id"], tags=False)

        def find():
            return [
                shown(world, task) for task in found
                if world.match(filters, [], {"instance-id": task.instance_id})
            ]

        rows, token = world.page(
            "DescribeReplaceRootVolumeTasks", params, find, bool(ids), limits=(1, 50)
        )
        return {"ReplaceRootVolumeTasks": rows, "NextToken": token}


HANDLERS = {
    "CreateReplaceRootVolumeTask": create_task,
    "DescribeReplaceRootVolumeTasks": describe_tasks,
}
