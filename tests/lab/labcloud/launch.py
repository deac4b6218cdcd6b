# SPDX-License-Identifier: BSD-2-Clause
"""RunInstances: what is asked for, against image, type and network (launch_core.py does it)."""
import base64
import binascii
import ipaddress
import re

from . import instances, volumes
from .launch_core import Plan, start
from .wire import Ec2Error
from .world import check_id

# Graviton's families have a g behind the generation: m6g, c7gn, t4g, im4gn.
ARM = re.compile(r"^(a1|[a-z]+\d+[a-z-]*g[a-z-]*)\.")
# Before Nitro: no ENA needed, and paravirtual images may do.
XEN = re.compile(r"^(m[1-4]|c[1-4]|t[12]|r[34]|i[23]|d2|g[23]|hs1|cr1|cc2|x1e?|p[23]|f1|h1)\.")
PARAVIRTUAL = re.compile(r"^(m[1-3]|c[13]|t1|hs1|m2)\.")
USER_DATA_BYTES = 16384
NOT_IN_THE_LAB = (
    "NetworkInterfaces LaunchTemplate ElasticGpuSpecification ElasticInferenceAccelerators "
    "InstanceMarketOptions CapacityReservationSpecification HibernationOptions "
    "LicenseSpecifications EnclaveOptions SecondaryInterfaces KernelId RamdiskId "
    "Ipv6AddressCount Ipv6Addresses Operator"
).split()


def architecture_of(kind):
    return "arm64" if ARM.match(kind) else "x86_64"


def _check_type(kind, fields):
    own, wanted = architecture_of(kind), fields.get("Architecture", "x86_64")
    if wanted == "i386" and PARAVIRTUAL.match(kind):
        wanted = own
    if own != wanted:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The architecture '{own}' of the specified instance type does not match the "
            f"architecture '{wanted}' of the specified AMI. Specify an instance type and an AMI "
            "that have matching architectures, and try again. You can use "
            "'describe-instance-types' or 'describe-images' to discover the architecture of the "
            "instance type or AMI.",
        )
    if fields.get("VirtualizationType") == "paravirtual" and not PARAVIRTUAL.match(kind):
        raise Ec2Error(
            "InvalidParameterCombination",
            f"Virtualization type 'hvm' is required for instances of type '{kind}'. Ensure that "
            "you are using an AMI with virtualization type 'hvm'.",
        )
    if not fields.get("EnaSupport") and not XEN.match(kind):
        raise Ec2Error(
            "InvalidParameterCombination",
            "Enhanced networking with the Elastic Network Adapter (ENA) is required for the "
            f"'{kind}' instance type. Ensure that you are using an AMI that is enabled for ENA.",
        )


# -- the network -----------------------------------------------------------------------------------


def _subnet(world, params):
    zone = params.get("Placement", {}).get("AvailabilityZone")
    if zone is not None and zone not in {
        one.name for one in world.moto.describe_availability_zones()
    }:
        raise Ec2Error("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    subnet_id = params.get("SubnetId")
    if subnet_id is None:
        return world.moto.get_default_subnets()[zone or world.settings.region + "a"]
    check_id("subnet", subnet_id)
    for subnet in world.moto.describe_subnets():
        if subnet.id == subnet_id:
            break
    else:
        raise Ec2Error("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    if zone not in (None, subnet.availability_zone):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Invalid availability zone: [{zone}]: {subnet_id} is in {subnet.availability_zone}",
        )
    return subnet


def _groups(world, params, subnet):
    ids, names = params.get("SecurityGroupIds", []), params.get("SecurityGroups", [])
    own = world.moto.groups[subnet.vpc_id]
    if names and "SubnetId" in params:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameter groupName cannot be used with the parameter subnet",
        )
    found = []
    for name in names or ([] if ids else ["default"]):
        group = next((one for one in own.values() if one.name == name), None)
        if group is None:
            raise Ec2Error(
                "InvalidGroup.NotFound",
                f"The security group '{name}' does not exist in VPC '{subnet.vpc_id}'",
            )
        found.append(group.id)
    for group_id in ids:
        check_id("sg", group_id)
        if world.moto.get_security_group_from_id(group_id) is None:
            raise Ec2Error(
                "InvalidGroup.NotFound", f"The security group '{group_id}' does not exist"
            )
        if group_id not in own:
            raise Ec2Error(
                "InvalidParameter",
                f"Security group {group_id} and subnet {subnet.id} belong to different networks.",
            )
        found.append(group_id)
    return list(dict.fromkeys(found))


def _check_address(subnet, address, count):
    if address is None:
        return
    if count > 1:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameter privateIpAddress cannot be used with several instances",
        )
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        raise Ec2Error("InvalidParameterValue", f"Invalid IPv4 address: {address}") from None
    network = ipaddress.ip_network(subnet.cidr_block)
    if number not in network:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Address {address} does not fall within the subnet's address range",
        )
    first = int(number) - int(network.network_address)
    if first < 4 or number == network.broadcast_address:
        raise Ec2Error(
            "InvalidParameterValue", f"Address {address} is in subnet's reserved address range"
        )
    if address in subnet._subnet_ips:
        raise Ec2Error("InvalidIPAddress.InUse", f"Address {address} is in use.")


def _profile(world, params):
    asked = params.get("IamInstanceProfile")
    if not asked:
        return None
    if len(asked) > 1:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameters iamInstanceProfile.arn and iamInstanceProfile.name cannot be used "
            "together",
        )
    prefix = f"arn:aws:iam::{world.settings.account}:instance-profile/"
    member, text = next(iter(asked.items()))
    name = text.removeprefix(prefix) if member == "Arn" else text
    if name not in world.settings["instance_profiles"]:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({text}) for parameter iamInstanceProfile.{member.lower()} is invalid. "
            f"Invalid IAM Instance Profile {'ARN' if member == 'Arn' else 'name'}",
        )
    return {"Arn": prefix + name, "Id": "AIPALABLABLABLABLABLA"}


# -- the disks -------------------------------------------------------------------------------------


def merged(image, params):
    """{device: EBS order} of the image's mapping and of what the call says over it."""
    root = image.fields["RootDeviceName"]
    found = {
        entry["DeviceName"]: dict(entry["Ebs"])
        for entry in image.fields["BlockDeviceMappings"]
        if "Ebs" in entry
    }
    seen = set()
    for entry in params.get("BlockDeviceMappings", []):
        device = entry.get("DeviceName")
        if device is None:
            raise Ec2Error("MissingParameter", "The request must contain the parameter deviceName")
        if device in seen:
            raise Ec2Error(
                "InvalidBlockDeviceMapping", f"The device '{device}' is used in more than one "
                "block-device mapping"
            )
        seen.add(device)
        if "NoDevice" in entry:
            if device == root:
                raise Ec2Error(
                    "InvalidBlockDeviceMapping", f"The root device {root} cannot be left out"
                )
            found.pop(device, None)
            continue
        if "Ebs" not in entry:
            continue  # an instance store: the lab has none
        ebs = dict(entry["Ebs"])
        base = found.get(device, {})
        if device == root and ebs.get("SnapshotId", base["SnapshotId"]) != base["SnapshotId"]:
            raise Ec2Error(
                "InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device"
            )
        if ebs.get("SnapshotId", base.get("SnapshotId")) != base.get("SnapshotId"):
            base = {k: v for k, v in base.items() if k not in ("Encrypted", "VolumeSize")}
        if "VolumeType" in ebs:  # what the image says of the other type's speed is not meant
            base = {k: v for k, v in base.items() if k not in ("Iops", "Throughput")}
        found[device] = {**base, **ebs}
    return found


def _disks(world, image, params):
    """[(device, order, snapshot, deleted on termination)]"""
    result = []
    for device, ebs in merged(image, params).items():
        volumes.attachments.check_device(device)
        snapshot = world.snapshot(ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
        size_gib = ebs.get("VolumeSize")
        if snapshot is not None and size_gib is not None and size_gib < snapshot.size_gib:
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size_gib}GB is smaller than snapshot '{snapshot.snapshot_id}', "
                f"expect size >= {snapshot.size_gib}GB",
            )
        order = volumes.check_order(world, {**ebs, "Size": size_gib}, snapshot)
        result.append((device, order, snapshot, ebs.get("DeleteOnTermination", True)))
    if len(result) > world.settings["attachment_limit"]:
        raise Ec2Error(
            "AttachmentLimitExceeded",
            f"Volume attachment limit exceeded: {world.settings['attachment_limit']}",
        )
    return result


# -- the call --------------------------------------------------------------------------------------


def _image(world, params):
    if "ImageId" not in params:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ImageId")
    return world.image(params["ImageId"])


def _check_counts(params):
    least, most = params["MinCount"], params["MaxCount"]
    if not 1 <= least <= most <= 100:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Invalid value for max/min number of instances: {least}..{most}",
        )
    return most


def _user_data(params):
    text = params.get("UserData")
    if text is None:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Ec2Error(
            "InvalidParameterValue", "Invalid BASE64 encoding of user data"
        ) from None
    if len(data) > USER_DATA_BYTES:
        raise Ec2Error("InvalidParameterValue", "User data is limited to 16384 bytes")
    return text


def _check_key(world, params):
    if "KeyName" in params and params["KeyName"] not in world.moto.key_pairs:
        raise Ec2Error(
            "InvalidKeyPair.NotFound", f"The key pair '{params['KeyName']}' does not exist"
        )


def _facts(world, image, profile):
    """What DescribeInstances shows of an instance that this image made."""
    taken = (
        "Architecture VirtualizationType EnaSupport SriovNetSupport BootMode TpmSupport "
        "PlatformDetails UsageOperation ProductCodes"
    ).split()
    fields = image.fields
    facts = {name: fields.get(name) for name in taken}
    uefi = str(fields.get("BootMode", "")).startswith("uefi") or facts["Architecture"] == "arm64"
    facts["Hypervisor"] = "xen"
    facts["CurrentInstanceBootMode"] = "uefi" if uefi else "legacy-bios"
    facts["UefiData"] = (image.uefi_data or "QU1aTlVFRkkA/fresh/AAA=") if uefi else None
    facts["IamInstanceProfile"] = profile
    return facts


def run_instances(world, params, call):
    with world.lock:
        tags = world.spec_tags(
            params, {"instance", "volume", "network-interface", "spot-instances-request"}
        )
        for name in NOT_IN_THE_LAB:
            if name in params:
                raise Ec2Error("UnsupportedOperation", f"The lab's RunInstances has no {name}")
        image = _image(world, params)
        count = _check_counts(params)
        kind = params.get("InstanceType", "m1.small")
        subnet = _subnet(world, params)
        groups = _groups(world, params, subnet)
        _check_key(world, params)
        user_data, profile = _user_data(params), _profile(world, params)
        call.check_dry_run()
        known = call.same_token()
        if known is not None:
            return known
        if image.state != "available":
            raise Ec2Error(
                "InvalidAMIID.Unavailable", f"The image ID '{image.image_id}' is not available"
            )
        _check_type(kind, image.fields)
        _check_address(subnet, params.get("PrivateIpAddress"), count)
        disks = _disks(world, image, params)
        for _, order, snapshot, _ in disks:
            volumes.check_source(snapshot, order["Size"])
        metadata = dict(params.get("MetadataOptions", {}))
        if image.fields.get("ImdsSupport") == "v2.0":
            metadata.setdefault("HttpTokens", "required")
        plan = Plan(image.image_id, kind, subnet, disks)
        plan.root = image.fields["RootDeviceName"]
        plan.groups, plan.key_name = groups, params.get("KeyName")
        plan.address, plan.user_data = params.get("PrivateIpAddress"), user_data
        plan.metadata, plan.tags = metadata, tags
        plan.token = params.get("ClientToken")
        plan.facts = _facts(world, image, profile)
        plan.keep_running = bool(params.get("DisableApiTermination"))
        plan.at_shutdown = params.get("InstanceInitiatedShutdownBehavior", "stop")
        plan.ebs_optimized = bool(params.get("EbsOptimized"))
        plan.fails = call.fails() is not None or call.no_key
        ids = start(world, plan, count, world.settings["start_time_s"])
        answer = instances.reservation_of(world, ids)
        call.hide_instances(ids)
        call.remember_token(lambda: _same(world, ids))
        return answer


def _same(world, ids):
    """The answer to the same token again: as the instances are now."""
    gone = [i for i in ids if world.find_instance(i).state in ("terminated", "shutting-down")]
    if gone:
        raise Ec2Error(
            "IdempotentInstanceTerminated",
            f"The instance that this client token made has been terminated: {', '.join(gone)}",
        )
    return instances.reservation_of(world, ids)


HANDLERS = {"RunInstances": run_instances}
