# SPDX-License-Identifier: BSD-2-Clause
"""Volumes attached to instances: the calls, the states over time and the devices on the machine.

A volume that is attached is a loop device from when its attachment is `attached` until it is
detached. While the machine has it mounted (or stacked upon) a detach stays `busy`, as EC2's does;
Force takes it away all the same, and then the mount's reads and writes fail.
"""
import re

from .wire import Ec2Error
from .world import now

DEVICE = re.compile(r"^(/dev/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-d]?[a-z]([1-9]|1[0-5])?)$")


class Attachment:
    """state: attaching, attached, detaching, busy. block: the entry in the instance's mapping."""

    def __init__(self, instance, device, block):
        self.instance, self.device, self.block = instance, device, block
        self.state = "attaching"
        self.time = now()


def shown(volume, state=None):
    attachment = volume.attachment
    return {
        "VolumeId": volume.volume_id,
        "InstanceId": attachment.instance.id,
        "Device": attachment.device,
        "State": state or attachment.state,
        "AttachTime": attachment.time,
        "DeleteOnTermination": bool(attachment.block.delete_on_termination),
    }


def attach(world, volume, instance, device, delete_on_termination=False, seconds=None):
    """Begins to attach; done after so many SECONDS (attach_time_s)."""
    world.moto.attach_volume(volume.volume_id, instance.id, device, delete_on_termination)
    attachment = Attachment(instance, device, instance.block_device_mapping[device])
    volume.attachment = attachment

    def attached():
        if volume.attachment is attachment and attachment.state == "attaching":
            world.dataplane.attach(volume.volume_id)
            attachment.state = "attached"
            world.nodes.write_map(instance.id)

    world.clock.after(world.settings["attach_time_s"] if seconds is None else seconds, attached)


def detach(world, volume, force=False, seconds=None):
    """Begins to detach; done after so many SECONDS (detach_time_s), and not while it is held."""
    attachment = volume.attachment
    attachment.state = "detaching"

    def detached():
        if volume.attachment is not attachment:
            return True
        if not force and not world.dataplane.detach(volume.volume_id):
            attachment.state = "busy"
            return False
        cut_off(world, volume)
        return True

    world.clock.after(
        world.settings["detach_time_s"] if seconds is None else seconds,
        lambda: world.clock.again(detached),
    )


def cut_off(world, volume):
    """The end of an attachment, whoever holds the device."""
    attachment = volume.attachment
    world.dataplane.pull(volume.volume_id)
    world.clock.again(world.dataplane.drop_starved)
    world.moto.detach_volume(volume.volume_id, attachment.instance.id, attachment.device)
    volume.attachment = None
    world.nodes.write_map(attachment.instance.id)


def check_device(device):
    if not DEVICE.match(device):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device "
            "name.",
        )


def attach_volume(world, params, call):
    with world.lock:
        volume = world.ebs(params["VolumeId"])
        instance = world.instance(params["InstanceId"])
        device = params["Device"]
        check_device(device)
        call.check_dry_run()
        if volume.attachment is not None:
            raise Ec2Error(
                "VolumeInUse", f"{volume.volume_id} is already attached to an instance"
            )
        if volume.state != "available":
            raise Ec2Error("IncorrectState", f"{volume.volume_id} is not 'available'.")
        if instance.state not in ("running", "stopped"):
            raise Ec2Error("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
        if volume.zone != world.zone_of(instance):
            raise Ec2Error(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume.volume_id}' is not in the same availability zone as instance "
                f"'{instance.id}'",
            )
        if device in instance.block_device_mapping:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in "
                "use",
            )
        if len(instance.block_device_mapping) >= world.settings["attachment_limit"]:
            raise Ec2Error(
                "AttachmentLimitExceeded",
                f"Volume attachment limit exceeded for instance {instance.id}: "
                f"{world.settings['attachment_limit']}",
            )
        attach(world, volume, instance, device)
        return shown(volume, "attaching")


def detach_volume(world, params, call):
    with world.lock:
        volume = world.ebs(params["VolumeId"])
        if "InstanceId" in params:
            world.instance(params["InstanceId"])
        call.check_dry_run()
        attachment = volume.attachment
        if attachment is None:
            raise Ec2Error(
                "IncorrectState", f"Volume '{volume.volume_id}' is in the '{volume.state}' state."
            )
        instance = attachment.instance
        if (params.get("InstanceId", instance.id), params.get("Device", attachment.device)) != (
            instance.id, attachment.device
        ):
            raise Ec2Error(
                "InvalidAttachment.NotFound",
                f"The volume '{volume.volume_id}' is not attached to instance "
                f"'{params.get('InstanceId', instance.id)}' as device "
                f"'{params.get('Device', attachment.device)}'.",
            )
        if attachment.device == instance.root_device_name and instance.state != "stopped":
            raise Ec2Error(
                "OperationNotPermitted",
                f"Unable to detach root volume '{volume.volume_id}' from instance '{instance.id}'",
            )
        force = bool(params.get("Force"))
        if attachment.state == "attaching":
            raise Ec2Error(
                "IncorrectState", f"Volume '{volume.volume_id}' is in the 'attaching' state."
            )
        row = shown(volume, "detaching")
        if force or attachment.state == "attached":
            detach(world, volume, force)
        return row


HANDLERS = {"AttachVolume": attach_volume, "DetachVolume": detach_volume}
