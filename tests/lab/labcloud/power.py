# SPDX-License-Identifier: BSD-2-Clause
"""Instances stopped, started, rebooted, terminated and changed."""
import copy

from . import launch_core
from .wire import Ec2Error

CODES = {
    "pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64,
    "stopped": 80,
}


def set_state(instance, name):
    instance._state.name, instance._state.code = name, CODES[name]


def _change(world, instance, to, then=None, seconds=0, act=None):
    """From the state that it is in TO the next, and THEN, so many seconds later, to the last."""
    before = copy.copy(instance._state)
    set_state(instance, to)

    def later():
        if instance.state == to:
            if act is not None:
                act()
            else:
                set_state(instance, then)

    row = {
        "InstanceId": instance.id,
        "PreviousState": {"Name": before.name, "Code": before.code},
        "CurrentState": {"Name": to, "Code": CODES[to]},
    }
    if then is not None:
        world.clock.after(seconds, later)
    return row


def _unchanged(instance):
    state = {"Name": instance.state, "Code": instance.state_code}
    return {"InstanceId": instance.id, "PreviousState": state, "CurrentState": state}


def _named(world, params, call):
    found = [world.instance(instance_id) for instance_id in dict.fromkeys(params["InstanceIds"])]
    call.check_dry_run()
    return found


def _refuse_unless(instance, states):
    if instance.state not in states:
        raise Ec2Error(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in a state from which that can be done: it is "
            f"{instance.state}.",
        )


def terminate_instances(world, params, call):
    with world.lock:
        found = _named(world, params, call)
        for instance in found:
            if instance.disable_api_termination:
                raise Ec2Error(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be terminated. Modify its "
                    "'disableApiTermination' instance attribute and try again.",
                )
        rows = []
        for instance in found:
            if instance.state in ("shutting-down", "terminated"):
                rows.append(_unchanged(instance))
                continue

            def act(instance=instance):
                launch_core.end(world, instance)

            seconds = world.settings["stop_time_s"]
            rows.append(_change(world, instance, "shutting-down", "terminated", seconds, act))
        return {"TerminatingInstances": rows}


def stop_instances(world, params, call):
    with world.lock:
        found = _named(world, params, call)
        for instance in found:
            _refuse_unless(instance, ("running", "stopping", "stopped"))
        return {
            "StoppingInstances": [
                _change(world, one, "stopping", "stopped", world.settings["stop_time_s"])
                if one.state == "running" else _unchanged(one) for one in found
            ]
        }


def start_instances(world, params, call):
    with world.lock:
        found = _named(world, params, call)
        for instance in found:
            _refuse_unless(instance, ("stopped", "running", "pending"))
            if instance.root_device_name not in instance.block_device_mapping:
                raise Ec2Error(
                    "InvalidInstanceAttributeValue",
                    f"Invalid value '{instance.id}' for instanceId. Instance does not have a "
                    f"volume attached at root ({instance.root_device_name})",
                )
        return {
            "StartingInstances": [
                _change(world, one, "pending", "running", world.settings["start_time_s"])
                if one.state == "stopped" else _unchanged(one) for one in found
            ]
        }


def reboot_instances(world, params, call):
    with world.lock:
        for instance in _named(world, params, call):
            _refuse_unless(instance, ("running",))
            world.reboots[instance.id] = world.reboots.get(instance.id, 0) + 1
            world.nodes.reboot(instance.id)
        return {}


# -- attributes ------------------------------------------------------------------------------------


def _set_blocks(instance, entries):
    blocks = []
    for entry in entries:
        block = instance.block_device_mapping.get(entry.get("DeviceName"))
        ebs = entry.get("Ebs", {})
        if block is None or ebs.get("VolumeId", block.volume_id) != block.volume_id:
            raise Ec2Error(
                "InvalidInstanceAttributeValue",
                f"No device is currently mapped at {entry.get('DeviceName')}",
            )
        blocks.append((block, ebs))
    for block, ebs in blocks:
        if "DeleteOnTermination" in ebs:
            block.delete_on_termination = ebs["DeleteOnTermination"]


def modify_instance_attribute(world, params, call):
    with world.lock:
        instance = world.instance(params["InstanceId"])
        call.check_dry_run()
        own = {"BlockDeviceMappings", "DisableApiTermination", "UserData", "InstanceType"}
        asked = set(params) - {"InstanceId", "DryRun"}
        if len(asked) != 1:
            raise Ec2Error(
                "InvalidParameterCombination", "Fields for multiple attribute types specified"
            )
        if not asked & own:
            world.ask_moto("ModifyInstanceAttribute", call.flat)
            return {}
        if "BlockDeviceMappings" in params:
            _set_blocks(instance, params["BlockDeviceMappings"])
        elif "DisableApiTermination" in params:
            instance.disable_api_termination = params["DisableApiTermination"].get("Value", False)
        else:
            if instance.state != "stopped":
                raise Ec2Error(
                    "IncorrectInstanceState",
                    f"The instance '{instance.id}' is not in the 'stopped' state.",
                )
            if "UserData" in params:
                instance.user_data = call.flat.get("UserData.Value", "")
            else:
                instance.instance_type = params["InstanceType"]["Value"]
        return {}


HANDLERS = {
    "TerminateInstances": terminate_instances,
    "StopInstances": stop_instances,
    "StartInstances": start_instances,
    "RebootInstances": reboot_instances,
    "ModifyInstanceAttribute": modify_instance_attribute,
}
