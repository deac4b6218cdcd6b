# SPDX-License-Identifier: BSD-2-Clause
"""Instances described: moto's answers, completed."""
from . import attachments
from .wire import Ec2Error
from .world import check_id


def _complete_instance(world, instance):
    facts = world.facts_of(instance["InstanceId"])
    for name, value in facts.items():
        if name == "UefiData":
            continue
        if value is None:
            instance.pop(name, None)
        else:
            instance[name] = value
    own = world.find_instance(instance["InstanceId"])
    instance["BlockDeviceMappings"] = [
        {"DeviceName": device, "Ebs": _block(world.volumes[block.volume_id])}
        for device, block in own.block_device_mapping.items()
    ]
    if own.state == "terminated":
        for name in ("PrivateIpAddress", "PublicIpAddress", "SubnetId", "VpcId"):
            instance.pop(name, None)
        instance["NetworkInterfaces"], instance["SecurityGroups"] = [], []
        instance["PrivateDnsName"] = instance["PublicDnsName"] = ""
    if own.state in ("terminated", "stopped"):
        reason = own.state_reason
        instance["StateReason"] = {"Code": reason.code, "Message": reason.message}


def _block(volume):
    row = attachments.shown(volume)
    return {
        "VolumeId": row["VolumeId"],
        # An instance's mapping has no word for busy.
        "Status": "detaching" if row["State"] == "busy" else row["State"],
        "AttachTime": row["AttachTime"],
        "DeleteOnTermination": row["DeleteOnTermination"],
    }


def rows_of(world, ids):
    """Reservations with these instances, as moto has them, completed."""
    if not ids:
        return []
    flat = {f"InstanceId.{number}": instance_id for number, instance_id in enumerate(ids, 1)}
    rows = world.ask_moto("DescribeInstances", flat).get("Reservations", [])
    for reservation in rows:
        for instance in reservation["Instances"]:
            _complete_instance(world, instance)
    return rows


def reservation_of(world, ids):
    """What RunInstances answers."""
    return rows_of(world, ids)[0]


FILTERS = (
    "architecture availability-zone block-device-mapping.attach-time "
    "block-device-mapping.delete-on-termination block-device-mapping.device-name "
    "block-device-mapping.status block-device-mapping.volume-id boot-mode client-token "
    "current-instance-boot-mode dns-name hypervisor iam-instance-profile.arn "
    "iam-instance-profile.id image-id instance-id instance-state-code instance-state-name "
    "instance-type instance.group-id instance.group-name ip-address key-name launch-index "
    "launch-time metadata-options.http-endpoint metadata-options.http-tokens "
    "network-interface.addresses.private-ip-address network-interface.subnet-id "
    "network-interface.vpc-id owner-id placement-group-name platform platform-details "
    "private-dns-name private-ip-address product-code reservation-id root-device-name "
    "root-device-type source-dest-check state-reason-code subnet-id tenancy tpm-support "
    "usage-operation virtualization-type vpc-id"
).split()
# Filters that are one member of the row.
PLAIN = {
    "architecture": "Architecture", "boot-mode": "BootMode", "client-token": "ClientToken",
    "current-instance-boot-mode": "CurrentInstanceBootMode", "dns-name": "PublicDnsName",
    "hypervisor": "Hypervisor", "image-id": "ImageId", "instance-id": "InstanceId",
    "instance-type": "InstanceType", "ip-address": "PublicIpAddress", "key-name": "KeyName",
    "launch-index": "AmiLaunchIndex", "platform": "Platform",
    "platform-details": "PlatformDetails", "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress", "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType", "source-dest-check": "SourceDestCheck",
    "subnet-id": "SubnetId", "tpm-support": "TpmSupport", "usage-operation": "UsageOperation",
    "virtualization-type": "VirtualizationType", "vpc-id": "VpcId",
}


def _filter_values(world, reservation, row):
    blocks = row["BlockDeviceMappings"]
    groups = row.get("SecurityGroups", [])
    nets = row.get("NetworkInterfaces", [])
    placement, profile = row.get("Placement", {}), row.get("IamInstanceProfile", {})
    options = row.get("MetadataOptions", {})
    return {
        **{name: row.get(member) for name, member in PLAIN.items()},
        "availability-zone": placement.get("AvailabilityZone"),
        "placement-group-name": placement.get("GroupName"),
        "tenancy": placement.get("Tenancy", "default"),
        "block-device-mapping.attach-time": [
            world.time_text(block["Ebs"]["AttachTime"]) for block in blocks
        ],
        "block-device-mapping.delete-on-termination": [
            block["Ebs"]["DeleteOnTermination"] for block in blocks
        ],
        "block-device-mapping.device-name": [block["DeviceName"] for block in blocks],
        "block-device-mapping.status": [block["Ebs"]["Status"] for block in blocks],
        "block-device-mapping.volume-id": [block["Ebs"]["VolumeId"] for block in blocks],
        "iam-instance-profile.arn": profile.get("Arn"),
        "iam-instance-profile.id": profile.get("Id"),
        # The high byte is the service's own: 272 would be running all the same.
        "instance-state-code": str(row["State"]["Code"]),
        "instance-state-name": row["State"]["Name"],
        "instance.group-id": [group["GroupId"] for group in groups],
        "instance.group-name": [group["GroupName"] for group in groups],
        "launch-time": world.time_text(row["LaunchTime"]),
        "metadata-options.http-endpoint": options.get("HttpEndpoint"),
        "metadata-options.http-tokens": options.get("HttpTokens"),
        "network-interface.addresses.private-ip-address": [
            one["PrivateIpAddress"] for net in nets for one in net.get("PrivateIpAddresses", [])
        ],
        "network-interface.subnet-id": [net.get("SubnetId") for net in nets],
        "network-interface.vpc-id": [net.get("VpcId") for net in nets],
        "owner-id": reservation.get("OwnerId"),
        "product-code": [one["ProductCodeId"] for one in row.get("ProductCodes", [])],
        "reservation-id": reservation["ReservationId"],
        "state-reason-code": row.get("StateReason", {}).get("Code"),
    }


def _matching(world, filters, reservations):
    for reservation in reservations:
        found = [
            row for row in reservation["Instances"]
            if world.match(filters, row.get("Tags", []), _filter_values(world, reservation, row))
        ]
        if found:
            yield {**reservation, "Instances": found}


def _visible(world):
    return [instance.id for instance in world.all_instances() if world.sees(instance.id)]


def describe_instances(world, params, call):
    ids = list(dict.fromkeys(params.get("InstanceIds", [])))
    for instance_id in ids:
        check_id("i", instance_id)
    with world.lock:
        for instance_id in ids:
            world.instance(instance_id)
        call.check_dry_run()
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS)

        def find():
            return list(_matching(world, filters, rows_of(world, ids or _visible(world))))

        rows, token = world.page("DescribeInstances", params, find, bool(ids))
        return {"Reservations": rows, "NextToken": token}


def describe_instance_attribute(world, params, call):
    with world.lock:
        instance = world.instance(params["InstanceId"])
        call.check_dry_run()
        facts = world.facts_of(instance.id)
        name = params["Attribute"]
        described = rows_of(world, [instance.id])[0]["Instances"][0]

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


HANDLERS = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceAttribute": describe_instance_attribute,
    "GetInstanceUefiData": get_instance_uefi_data,
}
