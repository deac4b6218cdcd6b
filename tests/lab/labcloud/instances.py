# SPDX-License-Identifier: BSD-2-Clause
"""Instances, volumes and tags: moto's answers, completed; and moto's gaps round them."""
from .wire import Ec2Error
from .world import check_id


def _without_pages(flat):
    return {
        name: value for name, value in flat.items() if name not in (
            "MaxResults", "NextToken", "DryRun"
        )
    }


def _complete_instance(world, instance):
    facts = world.facts_of(instance["InstanceId"])
    for name, value in facts.items():
        if name == "UefiData":
            continue
        if value is None:
            instance.pop(name, None)
        else:
            instance[name] = value
    own = world.instance(instance["InstanceId"])
    for entry in instance.get("BlockDeviceMappings", []):
        block = own.block_device_mapping.get(entry["DeviceName"])
        if block is not None:
            entry["Ebs"]["DeleteOnTermination"] = bool(block.delete_on_termination)


def describe_instances(world, params, call):
    ids = params.get("InstanceIds", [])
    for instance_id in ids:
        check_id("i", instance_id)
    with world.lock:
        answer = world.ask_moto("DescribeInstances", _without_pages(call.flat))
        call.check_dry_run()
        rows = answer.get("Reservations", [])
        for reservation in rows:
            for instance in reservation.get("Instances", []):
                _complete_instance(world, instance)
        rows, token = world.page("DescribeInstances", params, rows, bool(ids))
        return {"Reservations": rows, "NextToken": token}


def _complete_volume(world, volume):
    own = world.moto.volumes[volume["VolumeId"]]
    volume["MultiAttachEnabled"] = bool(own.multi_attach_enabled)
    if own.volume_type == "gp3":
        volume.setdefault("Throughput", own.throughput or 125)
        volume.setdefault("Iops", own.iops or 3000)
    for attachment in volume.get("Attachments", []):
        instance = world.instance(attachment["InstanceId"])
        block = instance.block_device_mapping.get(attachment["Device"])
        attachment["DeleteOnTermination"] = bool(block is not None and block.delete_on_termination)


def describe_volumes(world, params, call):
    ids = params.get("VolumeIds", [])
    for volume_id in ids:
        check_id("vol", volume_id)
    with world.lock:
        for volume_id in ids:
            world.volume(volume_id)
        call.check_dry_run()
        answer = world.ask_moto("DescribeVolumes", _without_pages(call.flat))
        rows = answer.get("Volumes", [])
        for volume in rows:
            _complete_volume(world, volume)
        rows, token = world.page("DescribeVolumes", params, rows, bool(ids))
        return {"Volumes": rows, "NextToken": token}


def describe_instance_attribute(world, params, call):
    with world.lock:
        instance = world.instance(params["InstanceId"])
        call.check_dry_run()
        facts = world.facts_of(instance.id)
        name = params["Attribute"]
        flat = {"InstanceId.1": instance.id}
        described = world.ask_moto("DescribeInstances", flat)["Reservations"][0]["Instances"][0]
        _complete_instance(world, described)

        def value(inner):
            return {} if inner is None else {"Value": inner}

        result = {
            "instanceType": lambda: {"InstanceType": value(described["InstanceType"])},
            "kernel": lambda: {"KernelId": {}},
            "ramdisk": lambda: {"RamdiskId": {}},
            "userData": lambda: {
                "UserData": value(str(instance.user_data) if instance.user_data else None)
            },
            "disableApiTermination": lambda: {
                "DisableApiTermination": value(bool(instance.disable_api_termination))
            },
            "disableApiStop": lambda: {"DisableApiStop": value(bool(instance.disable_api_stop))},
            "instanceInitiatedShutdownBehavior": lambda: {
                "InstanceInitiatedShutdownBehavior": value(
                    instance.instance_initiated_shutdown_behavior
                )
            },
            "rootDeviceName": lambda: {"RootDeviceName": value(instance.root_device_name)},
            "blockDeviceMapping": lambda: {
                "BlockDeviceMappings": described.get("BlockDeviceMappings", [])
            },
            "productCodes": lambda: {"ProductCodes": facts.get("ProductCodes") or []},
            "sourceDestCheck": lambda: {"SourceDestCheck": value(True)},
            "groupSet": lambda: {"Groups": described.get("SecurityGroups", [])},
            "ebsOptimized": lambda: {"EbsOptimized": value(bool(instance.ebs_optimized))},
            "sriovNetSupport": lambda: {"SriovNetSupport": value(facts.get("SriovNetSupport"))},
            "enaSupport": lambda: {"EnaSupport": value(facts.get("EnaSupport"))},
            "enclaveOptions": lambda: {"EnclaveOptions": {"Enabled": False}},
        }.get(name)
        if result is None:
            raise Ec2Error("InvalidParameterValue", f"The attribute {name} is not known here")
        return {"InstanceId": instance.id, **result()}


def get_instance_uefi_data(world, params, call):
    with world.lock:
        instance = world.instance(params["InstanceId"])
        call.check_dry_run()
        facts = world.facts_of(instance.id)
        if facts.get("CurrentInstanceBootMode") != "uefi" or facts.get("UefiData") is None:
            raise Ec2Error(
                "UnsupportedOperation", f"The instance {instance.id} has no UEFI variable store"
            )
        return {"InstanceId": instance.id, "UefiData": facts["UefiData"]}


def run_instances(world, params, call):
    with world.lock:
        world.spec_tags(
            params, {"instance", "volume", "network-interface", "spot-instances-request"}
        )
        if params.get("ImageId") in world.gone_images:
            world.image(params["ImageId"])
        call.check_dry_run()
        known = call.same_token()
        if known is not None:
            return known
        flat = {name: value for name, value in call.flat.items() if name != "DryRun"}
        answer = world.ask_moto("RunInstances", flat)
        world.adopt_volumes()
        for instance in answer["Instances"]:
            world.last_instance = instance["InstanceId"]
            _complete_instance(world, instance)
        call.remember_token(answer)
        return answer


def create_volume(world, params, call):
    with world.lock:
        world.spec_tags(params, {"volume"})
        if "SnapshotId" in params:
            snapshot = world.snapshot(params["SnapshotId"])
            if snapshot.state != "completed":
                raise Ec2Error("IncorrectState", f"Snapshot is in invalid state - {snapshot.state}")
            if params.get("Size", snapshot.size_gib) < snapshot.size_gib:
                raise Ec2Error("InvalidParameterValue", "The volume is smaller than the snapshot")
        call.check_dry_run()
        known = call.same_token()
        if known is not None:
            return known
        flat = {k: v for k, v in call.flat.items() if k not in ("DryRun", "ClientToken")}
        answer = world.ask_moto("CreateVolume", flat)
        world.adopt_volumes()
        call.remember_token(answer)
        return answer


def attach_volume(world, params, call):
    with world.lock:
        volume = world.volume(params["VolumeId"])
        instance = world.instance(params["InstanceId"])
        if volume.attachment is not None:
            raise Ec2Error("VolumeInUse", f"{volume.id} is already attached to an instance")
        if params["Device"] in instance.block_device_mapping:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Invalid value '{params['Device']}' for unixDevice. "
                f"Attachment point {params['Device']} is already in use",
            )
        call.check_dry_run()
        answer = world.ask_moto("AttachVolume", call.flat)
        world.adopt_volumes()
        return answer


def detach_volume(world, params, call):
    with world.lock:
        volume = world.volume(params["VolumeId"])
        if volume.attachment is None:
            raise Ec2Error("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
        call.check_dry_run()
        flat = {"InstanceId": volume.attachment.instance.id, "Device": volume.attachment.device}
        answer = world.ask_moto("DetachVolume", {**flat, **call.flat})
        world.adopt_volumes()
        return answer


def delete_volume(world, params, call):
    with world.lock:
        world.volume(params["VolumeId"])
        call.check_dry_run()
        answer = world.ask_moto("DeleteVolume", call.flat)
        world.adopt_volumes()
        return answer


def terminate_instances(world, params, call):
    with world.lock:
        for instance_id in params["InstanceIds"]:
            world.instance(instance_id)
        call.check_dry_run()
        answer = world.ask_moto("TerminateInstances", call.flat)
        world.adopt_volumes()
        return answer


def _check_resources(world, params):
    for resource_id in params["Resources"]:
        kind = resource_id.partition("-")[0]
        look = {
            "snap": world.snapshot, "ami": world.image, "i": world.instance, "vol": world.volume
        }
        if kind in look:
            look[kind](resource_id)


def create_tags(world, params, call):
    with world.lock:
        _check_resources(world, params)
        tags = params.get("Tags", [])
        if not tags:
            raise Ec2Error("MissingParameter", "The request must contain the parameter Tag")
        world.check_tags(tags)
        call.check_dry_run()
        # A tag without a value is an empty one; moto wants it said.
        flat = dict(call.flat)
        for number, tag in enumerate(tags, 1):
            flat.setdefault(f"Tag.{number}.Value", tag.get("Value", ""))
        world.ask_moto("CreateTags", flat)
        return {}


def delete_tags(world, params, call):
    with world.lock:
        _check_resources(world, params)
        call.check_dry_run()
        world.ask_moto("DeleteTags", call.flat)
        return {}


TAG_FILTERS = ["key", "resource-id", "resource-type", "value"]


def describe_tags(world, params, call):
    with world.lock:
        world.check_filters(params.get("Filters", []), TAG_FILTERS)
        call.check_dry_run()
        answer = world.ask_moto("DescribeTags", _without_pages(call.flat))
        hidden = {s.snapshot_id for s in world.snapshots.values() if not s.visible()}
        hidden |= {i.image_id for i in world.images.values() if not i.visible()}
        rows = [row for row in answer.get("Tags", []) if row["ResourceId"] not in hidden]
        rows, token = world.page("DescribeTags", params, rows, False)
        return {"Tags": rows, "NextToken": token}


HANDLERS = {
    "DescribeInstances": describe_instances,
    "DescribeVolumes": describe_volumes,
    "DescribeInstanceAttribute": describe_instance_attribute,
    "GetInstanceUefiData": get_instance_uefi_data,
    "RunInstances": run_instances,
    "TerminateInstances": terminate_instances,
    "CreateVolume": create_volume,
    "AttachVolume": attach_volume,
    "DetachVolume": detach_volume,
    "DeleteVolume": delete_volume,
    "CreateTags": create_tags,
    "DeleteTags": delete_tags,
    "DescribeTags": describe_tags,
}
