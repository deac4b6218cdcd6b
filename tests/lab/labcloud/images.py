# SPDX-License-Identifier: BSD-2-Clause
"""Images that keep what they are given, which moto's do not."""
import re

import moto.ec2.models.amis
from moto.ec2.utils import random_ami_id

from . import locks, recycle, snapshots, tiers
from .wire import Ec2Error
from .world import Image

NAME = re.compile(r"^[a-zA-Z0-9()\[\] ./\-'@_]{3,128}$")


def _check_name(world, name):
    if not NAME.match(name):
        raise Ec2Error(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, "
            "numbers, '(', ')', '.', '-', '/' and '_'",
        )
    for image in world.images.values():
        if image.name == name and world.is_ours(image):
            raise Ec2Error(
                "InvalidAMIName.Duplicate",
                f"AMI name {name} is already in use by AMI {image.image_id}",
            )


def _new_image(world, name, tags):
    """Registers an image in moto (for its tags) and here; moto's invented root is thrown away."""
    image_id = random_ami_id()
    twin = moto.ec2.models.amis.Ami(
        world.moto, image_id, name=name, region_name=world.settings.region + "a"
    )
    world.moto.snapshots.pop(twin.ebs_snapshot.id, None)
    world.moto.amis[image_id] = twin
    if tags:
        twin.add_tags(dict(tags))
    return Image(image_id, name, world.settings)


def _check_mapping(world, mapping):
    names = [entry.get("DeviceName") for entry in mapping]
    if None in names:
        raise Ec2Error("MissingParameter", "The request must contain the parameter deviceName")
    if len(set(names)) != len(names):
        raise Ec2Error("InvalidBlockDeviceMapping", "A device name occurs twice in the mapping")
    for entry in mapping:
        ebs = entry.get("Ebs", {})
        if not ebs.get("SnapshotId"):
            continue
        snapshot = world.snapshot(ebs["SnapshotId"])
        if snapshot.state != "completed":
            raise Ec2Error(
                "IncorrectState",
                f"The snapshot {snapshot.snapshot_id} is {snapshot.state}, not completed",
            )
        tiers.check_usable(snapshot)
        if "Encrypted" in ebs:
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                "the encrypted flag cannot be specified with a snapshot",
            )
        if ebs.get("VolumeSize", snapshot.size_gib) < snapshot.size_gib:
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot "
                f"'{snapshot.snapshot_id}', expect size >= {snapshot.size_gib}GB",
            )


def _shown_mapping(world, mapping):
    result = []
    for entry in mapping:
        entry = dict(entry)
        if "Ebs" in entry:
            ebs = dict(entry["Ebs"])
            snapshot = world.snapshots.get(ebs.get("SnapshotId"))
            if snapshot is not None:
                ebs.setdefault("VolumeSize", snapshot.size_gib)
                ebs.setdefault("Encrypted", snapshot.encrypted)
            ebs.setdefault("DeleteOnTermination", True)
            ebs.setdefault("VolumeType", "standard")
            entry["Ebs"] = ebs
        result.append(entry)
    return result


def register_image(world, params, call):
    with world.lock:
        _check_name(world, params["Name"])
        tags = world.spec_tags(params, {"image", "snapshot"})
        # A dry run is about rights: whether the mapping makes sense comes after it.
        call.check_dry_run()
        mapping = params.get("BlockDeviceMappings", [])
        root = params.get("RootDeviceName")
        if not root:
            raise Ec2Error(
                "MissingParameter", "The request must contain the parameter rootDeviceName"
            )
        root_ebs = [e.get("Ebs", {}) for e in mapping if e.get("DeviceName") == root]
        if not root_ebs or not root_ebs[0].get("SnapshotId"):
            raise Ec2Error(
                "InvalidBlockDeviceMapping", f"The mapping has no snapshot for the root {root}"
            )
        _check_mapping(world, mapping)
        if params.get("TpmSupport") and not params.get("BootMode", "").startswith("uefi"):
            raise Ec2Error(
                "InvalidParameterCombination", "TpmSupport v2.0 needs a BootMode with UEFI"
            )
        image = _new_image(world, params["Name"], tags.get("image"))
        kept = (
            "Description Architecture KernelId RamdiskId RootDeviceName VirtualizationType "
            "SriovNetSupport EnaSupport BootMode TpmSupport ImdsSupport"
        ).split()
        image.fields = {name: params[name] for name in kept if name in params}
        # What EC2 assumes where nothing is said; seldom what the node was.
        image.fields.setdefault("Architecture", "i386")
        image.fields.setdefault("VirtualizationType", "paravirtual")
        image.fields.setdefault("EnaSupport", False)
        image.fields["BlockDeviceMappings"] = _shown_mapping(world, mapping)
        image.fields["PlatformDetails"] = "Linux/UNIX"
        image.fields["UsageOperation"] = "RunInstances"
        image.uefi_data = params.get("UefiData")
        world.add_image(image)
        call.made([image])
        return {"ImageId": image.image_id}


def create_image(world, params, call):
    with world.lock:
        _check_name(world, params["Name"])
        tags = world.spec_tags(params, {"image", "snapshot"})
        instance = world.instance(params["InstanceId"])
        call.check_dry_run()
    call.sleep_until(world.settings["cut_at"])
    with world.lock:
        _check_name(world, params["Name"])
        if not params.get("NoReboot"):
            world.reboots[instance.id] = world.reboots.get(instance.id, 0) + 1
        overrides = {e.get("DeviceName"): e for e in params.get("BlockDeviceMappings", [])}
        mapped = {
            device: entry.volume_id
            for device, entry in instance.block_device_mapping.items()
            if "NoDevice" not in overrides.get(device, {})
        }
        own = tags.get("snapshot", {})
        made = snapshots.cut_volumes(
            world,
            list(mapped.values()),
            f"Created by CreateImage({instance.id})",
            {volume_id: own for volume_id in mapped.values()},
            call.fails(),
        )
        image = _new_image(world, params["Name"], tags.get("image"))
        image.fails = any(snapshot.fails for snapshot in made)
        facts = world.facts_of(instance.id)
        taken = (
            "Architecture VirtualizationType EnaSupport SriovNetSupport BootMode TpmSupport "
            "PlatformDetails UsageOperation ProductCodes"
        ).split()
        image.fields = {name: facts[name] for name in taken if facts.get(name) is not None}
        image.fields["SourceInstanceId"] = instance.id
        image.fields["RootDeviceName"] = instance.root_device_name
        if "Description" in params:
            image.fields["Description"] = params["Description"]
        mapping = []
        for (device, volume_id), snapshot in zip(mapped.items(), made):
            ebs = dict(overrides.get(device, {}).get("Ebs", {}))
            ebs.setdefault("VolumeType", world.volume(volume_id).volume_type)
            block = instance.block_device_mapping[device]
            ebs.setdefault("DeleteOnTermination", bool(block.delete_on_termination))
            ebs["SnapshotId"] = snapshot.snapshot_id
            mapping.append({"DeviceName": device, "Ebs": ebs})
        image.fields["BlockDeviceMappings"] = _shown_mapping(world, mapping)
        world.add_image(image)
        call.made([image, *made])
        return {"ImageId": image.image_id}


def shown(world, image):
    return {
        **image.fields,
        "ImageId": image.image_id,
        "Name": image.name,
        "State": image.state,
        "OwnerId": image.owner,
        "ImageLocation": f"{image.owner}/{image.name}",
        "CreationDate": image.created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "Public": image.shared == "all",
        "ImageType": "machine",
        "RootDeviceType": "ebs",
        "Hypervisor": "xen",
        "Tags": world.tags_of(image.image_id),
        **({
            "StateReason": {"Code": "Client.InternalError", "Message": "lab"}
        } if image.state == "failed" else {}),
    }


FILTERS = (
    "architecture block-device-mapping.delete-on-termination block-device-mapping.device-name "
    "block-device-mapping.encrypted block-device-mapping.snapshot-id "
    "block-device-mapping.volume-size block-device-mapping.volume-type creation-date "
    "description ena-support hypervisor image-id "
    "image-type is-public name owner-id platform root-device-name root-device-type "
    "source-instance-id state virtualization-type"
).split()


def _filter_values(world, image):
    row = shown(world, image)
    blocks = row["BlockDeviceMappings"]
    ebs = [block["Ebs"] for block in blocks if "Ebs" in block]
    return {
        "architecture": row.get("Architecture"),
        "block-device-mapping.delete-on-termination": [e["DeleteOnTermination"] for e in ebs],
        "block-device-mapping.device-name": [block["DeviceName"] for block in blocks],
        "block-device-mapping.encrypted": [e["Encrypted"] for e in ebs if "Encrypted" in e],
        "block-device-mapping.snapshot-id": image.snapshot_ids(),
        "block-device-mapping.volume-size": [
            str(e["VolumeSize"]) for e in ebs if "VolumeSize" in e
        ],
        "block-device-mapping.volume-type": [e["VolumeType"] for e in ebs],
        "creation-date": row["CreationDate"],
        "description": row.get("Description"),
        "ena-support": row.get("EnaSupport", False),
        "hypervisor": "xen",
        "image-id": image.image_id,
        "image-type": "machine",
        "is-public": image.shared == "all",
        "name": image.name,
        "owner-id": image.owner,
        "platform": None,
        "root-device-name": row.get("RootDeviceName"),
        "root-device-type": "ebs",
        "source-instance-id": row.get("SourceInstanceId"),
        "state": image.state,
        "virtualization-type": row.get("VirtualizationType"),
    }


def describe_images(world, params, call):
    with world.lock:
        ids = params.get("ImageIds", [])
        found = [world.image(image_id) for image_id in dict.fromkeys(ids)]
        if not ids:
            found = [image for image in world.images.values() if world.shows(image)]
        call.check_dry_run()
        found = world.of_owners(found, params)
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS)

        def find():
            return [
                image
                for image in found
                if world.match(filters, world.tags_of(image.image_id), _filter_values(world, image))
            ]

        page, token = world.page("DescribeImages", params, find, bool(ids))
        return {"Images": [shown(world, image) for image in page], "NextToken": token}


def deregister_image(world, params, call):
    with world.lock:
        image = world.image(params["ImageId"])
        world.check_ours(image, "image", image.image_id)
        call.check_dry_run()
        recycle.deregister_image(world, image)
        results = []
        if params.get("DeleteAssociatedSnapshots"):
            for snapshot_id in image.snapshot_ids():
                results.append(
                    {"SnapshotId": snapshot_id, "ReturnCode": _delete_too(world, snapshot_id)}
                )
        return {"Return": True, "DeleteSnapshotResults": results}


def _delete_too(world, snapshot_id):
    snapshot = world.snapshots.get(snapshot_id)
    if snapshot is None or snapshot_id in world.image_users:
        return "skipped"
    if locks.holds(snapshot) or not world.is_ours(snapshot):
        return "client-error"
    recycle.delete_snapshot(world, snapshot)
    return "success"


HANDLERS = {
    "RegisterImage": register_image,
    "CreateImage": create_image,
    "DescribeImages": describe_images,
    "DeregisterImage": deregister_image,
}
