# SPDX-License-Identifier: BSD-2-Clause
"""An instance with real volumes, from a plan that has been checked; and its end."""
from moto.ec2.models.instances import StateReason

from . import attachments, volumes
from .world import FACTS, now


class Plan:
    """disks: [(device, order by volumes.check_order(), snapshot or None, deleted at the end)]"""

    def __init__(self, image_id, kind, subnet, disks):
        self.image_id, self.kind, self.subnet, self.disks = image_id, kind, subnet, disks
        self.root = "/dev/sda1"
        self.groups, self.key_name, self.address, self.user_data = [], None, None, None
        self.metadata, self.tags, self.token = {}, {}, None
        self.facts = dict(FACTS)
        self.keep_running, self.at_shutdown, self.ebs_optimized = False, "stop", False
        self.fails = False


def start(world, plan, count, seconds):
    """COUNT instances, pending for so many SECONDS. Returns their ids."""
    made = world.moto.run_instances(
        plan.image_id, count, plan.user_data, [],
        instance_type=plan.kind, is_instance_type_default=False,
        placement=plan.subnet.availability_zone, region_name=world.settings.region,
        subnet_id=plan.subnet.id, key_name=plan.key_name, security_group_ids=list(plan.groups),
        nics=[], private_ip=plan.address, tags={"instance": plan.tags.get("instance", {})},
        ebs_optimized=plan.ebs_optimized, metadata_options=plan.metadata,
        client_token=plan.token or "", block_device_mappings=[],
        instance_initiated_shutdown_behavior=plan.at_shutdown,
    ).instances
    for instance in made:
        instance._state.name, instance._state.code = "pending", 0
        instance.root_device_name = plan.root
        instance.disable_api_termination = plan.keep_running
        world.facts[instance.id] = dict(plan.facts)
        _add_disks(world, plan, instance, seconds)

        def running(instance=instance):
            if instance.state != "pending":
                return
            if plan.fails:
                end(world, instance, "Client.InternalError", "Client error on launch")
            else:
                instance._state.name, instance._state.code = "running", 16

        world.clock.after(seconds, running)
    return [instance.id for instance in made]


def _add_disks(world, plan, instance, seconds):
    for device, order, snapshot, deleted in plan.disks:
        volume = volumes.make(
            world, plan.subnet.availability_zone, order, snapshot, plan.tags.get("volume")
        )
        volume.phase = "ready"
        attachments.attach(world, volume, instance, device, deleted, seconds)
        if device == plan.root:
            world.roots[instance.id] = [volume.volume_id]
            world.launches[instance.id] = snapshot.snapshot_id if snapshot is not None else None


def end(world, instance, code="Client.UserInitiatedShutdown", text="User initiated shutdown"):
    """Terminated at once: its volumes let go, those deleted that were to be, its address free."""
    for volume in list(world.volumes.values()):
        attachment = volume.attachment
        if attachment is not None and attachment.instance is instance:
            attachments.cut_off(world, volume)
            if attachment.block.delete_on_termination:
                volumes.forget(world, volume)
    for nic in instance.nics.values():
        world.moto.get_subnet(instance.subnet_id).del_subnet_ip(nic.private_ip_address)
        world.moto.enis.pop(nic.id, None)
    instance._state.name, instance._state.code = "terminated", 48
    instance._reason = f"User initiated ({now().strftime('%Y-%m-%d %H:%M:%S')} GMT)"
    if code == "Client.InternalError":
        instance._reason = f"{code}: {text}"
    instance.state_reason = StateReason(f"{code}: {text}", code)
