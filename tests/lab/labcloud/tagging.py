# SPDX-License-Identifier: BSD-2-Clause
"""CreateTags, DeleteTags, DescribeTags. The tags themselves are in moto, by resource."""
import functools

from . import roots
from .wire import Ec2Error

TYPES = {
    "snap": "snapshot", "ami": "image", "i": "instance", "vol": "volume", "subnet": "subnet",
    "sg": "security-group", "vpc": "vpc", "key": "key-pair", "eni": "network-interface",
    "replacevol": "replace-root-volume-task",
}


def _check_resources(world, params):
    look = {
        "snap": world.snapshot, "ami": world.image, "i": world.instance, "vol": world.ebs,
        "replacevol": functools.partial(roots.task_of, world),
    }
    for resource_id in params["Resources"]:
        kind = resource_id.partition("-")[0]
        if resource_id in world.bin:
            continue
        if kind in look:
            look[kind](resource_id)
        elif kind not in TYPES:
            raise Ec2Error("InvalidID", f"The ID '{resource_id}' is not valid")


def create_tags(world, params, call):
    with world.lock:
        _check_resources(world, params)
        tags = params.get("Tags", [])
        if not tags:
            raise Ec2Error("MissingParameter", "The request must contain the parameter Tag")
        world.check_tags(tags)
        call.check_dry_run()
        # A tag without a value is an empty one.
        new = {tag["Key"]: tag.get("Value", "") for tag in tags}
        for resource_id in params["Resources"]:
            if len({*world.moto.tags.get(resource_id, {}), *new}) > 50:
                raise Ec2Error(
                    "TagLimitExceeded",
                    "The maximum number of Tags for a resource has been reached.",
                )
        for resource_id in params["Resources"]:
            world.keep_shown_tags(resource_id)
            world.moto.tags[resource_id].update(new)
        return {}


def delete_tags(world, params, call):
    with world.lock:
        _check_resources(world, params)
        call.check_dry_run()
        for resource_id in params["Resources"]:
            own = world.moto.tags.get(resource_id, {})
            gone = params.get("Tags") or [{"Key": key} for key in own]
            for tag in gone:
                if "Value" not in tag or own.get(tag["Key"]) == tag["Value"]:
                    own.pop(tag["Key"], None)
        return {}


FILTERS = ["key", "resource-id", "resource-type", "value"]


def _is_hidden(world, resource_id):
    thing = world.snapshots.get(resource_id) or world.images.get(resource_id)
    if thing is None:
        thing = world.volumes.get(resource_id) or world.tasks.get(resource_id)
        return not (thing is None or thing.visible()) or not world.sees(resource_id)
    return not world.shows(thing)


def _rows(world, filters):
    for resource_id, tags in list(world.moto.tags.items()):
        kind = TYPES.get(resource_id.partition("-")[0], "")
        for key, value in tags.items():
            values = {
                "key": key, "value": value, "resource-id": resource_id, "resource-type": kind
            }
            if world.match(filters, [], values) and not _is_hidden(world, resource_id):
                yield {"ResourceId": resource_id, "ResourceType": kind, "Key": key, "Value": value}


def describe_tags(world, params, call):
    with world.lock:
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS, tags=False)
        call.check_dry_run()
        rows, token = world.page("DescribeTags", params, lambda: list(_rows(world, filters)), False)
        return {"Tags": rows, "NextToken": token}


HANDLERS = {"CreateTags": create_tags, "DeleteTags": delete_tags, "DescribeTags": describe_tags}
