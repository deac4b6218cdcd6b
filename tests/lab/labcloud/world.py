# SPDX-License-Identifier: BSD-2-Clause
"""What exists in the lab's EC2: moto's backend, and beside it what moto does not keep.

Instances and every tag are moto's. Volumes, snapshots and images exist in moto too (so that tags
and look-ups there work) but what they are - states over time, mapping, attributes - is kept here.
One lock guards all of it; it is never held during a latency.
"""
import datetime
import functools
import os
import re
import secrets
import threading
import time

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
# moto may import boto3; it must never find real credentials or try to look for any.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import moto.ec2.models  # noqa: E402
import moto.ec2.models.amis  # noqa: E402
from moto.moto_server.werkzeug_app import create_backend_app  # noqa: E402
from werkzeug.test import EnvironBuilder, run_wsgi_app  # noqa: E402

from . import wire  # noqa: E402
from .clockwork import Clockwork  # noqa: E402
from .keys import Keys  # noqa: E402
from .nodes import Nodes  # noqa: E402
from .wire import Ec2Error  # noqa: E402

ID_KINDS = {
    "i": ("InvalidInstanceID.Malformed", "instance"),
    "vol": ("InvalidVolumeID.Malformed", "volume"),
    "snap": ("InvalidSnapshotID.Malformed", "snapshot"),
    "ami": ("InvalidAMIID.Malformed", "image"),
    "subnet": ("InvalidSubnetID.Malformed", "subnet"),
    "sg": ("InvalidGroupId.Malformed", "security group"),
    "replacevol": ("InvalidReplaceRootVolumeTaskID.Malformed", "root volume replacement task"),
}
FACTS = {
    # What moto's DescribeInstances lacks; POST /instance_facts changes them, null removes one.
    "Architecture": "x86_64",
    "VirtualizationType": "hvm",
    "Hypervisor": "xen",
    "EnaSupport": True,
    "SriovNetSupport": "simple",
    "BootMode": "uefi",
    "CurrentInstanceBootMode": "uefi",
    "PlatformDetails": "Linux/UNIX",
    "UsageOperation": "RunInstances",
    "TpmSupport": "v2.0",
    "IamInstanceProfile": {
        "Arn": "arn:aws:iam::123456789012:instance-profile/stillpoint-node",
        "Id": "AIPALABLABLABLABLABLA",
    },
    "ProductCodes": [],
    "UefiData": "QU1aTlVFRkkC/lab/uefi/variables/not/real/ones/AAAA=",
}


def check_id(kind, value):
    code, noun = ID_KINDS[kind]
    if not re.fullmatch(kind + r"-([0-9a-f]{8}|[0-9a-f]{17})", value or ""):
        raise Ec2Error(code, f'Invalid id: "{value}" (expecting "{kind}-..."; it names no {noun})')
    return value


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Snapshot:
    """cut: dataplane.Cut, or None for one that has no data. shared: with us, by another owner:
    None (it can't be seen), "us" or "all" (public)."""

    def __init__(self, snapshot_id, volume_id, size_gib, cut, description, made):
        self.snapshot_id, self.volume_id, self.size_gib = snapshot_id, volume_id, size_gib
        self.cut, self.description = cut, description
        self.encrypted, self.key = False, None
        self.owner, self.shared = made.account, None
        self.start_time, self.start_mono = now(), time.monotonic()
        self.visible_mono = self.start_mono + made["visible_after_ms"] / 1000.0
        self.snapshot_time_s = made["snapshot_time_s"]
        self.fails = False
        self.lock = None  # locks.Lock
        # tiers.py: the last operation, and where it is (recalled_until: back in the archive then)
        self.tiering, self.tier = None, "standard"
        self.archived_at = self.recalled_until = None

    def age(self):
        if self.snapshot_time_s <= 0:
            return 1.0
        return min(1.0, (time.monotonic() - self.start_mono) / self.snapshot_time_s)

    @property
    def state(self):
        if self.fails and self.age() >= 0.5:
            return "error"
        return "completed" if self.age() >= 1.0 else "pending"

    @property
    def progress(self):
        if self.state == "pending":
            # EC2 leaves the field empty at first.
            return f"{int(self.age() * 99)}%" if self.age() > 0.1 else ""
        return "100%" if self.state == "completed" else f"{int(self.age() * 50)}%"

    def visible(self):
        return time.monotonic() >= self.visible_mono


class Image:
    def __init__(self, image_id, name, made):
        self.image_id, self.name = image_id, name
        self.created, self.created_mono = now(), time.monotonic()
        self.owner, self.shared = made.account, None  # as of a snapshot
        self.visible_mono = self.created_mono + made["visible_after_ms"] / 1000.0
        self.image_time_s = made["image_time_s"]
        self.fields = {}  # by the names of the output shape
        self.uefi_data = None
        self.fails = False

    @property
    def state(self):
        if time.monotonic() - self.created_mono < self.image_time_s:
            return "pending"
        return "failed" if self.fails else "available"

    def snapshot_ids(self):
        return [
            entry["Ebs"]["SnapshotId"]
            for entry in self.fields.get("BlockDeviceMappings", [])
            if "Ebs" in entry and "SnapshotId" in entry["Ebs"]
        ]

    def visible(self):
        return time.monotonic() >= self.visible_mono


class World:
    def __init__(self, settings, model, dataplane):
        self.settings, self.model, self.dataplane = settings, model, dataplane
        self.lock = threading.RLock()
        self.clock, self.nodes, self.keys = Clockwork(self.lock), Nodes(self), Keys(settings)
        self.app = create_backend_app("ec2")
        self.moto = moto.ec2.models.ec2_backends[settings.account][settings.region]
        self.volumes, self.snapshots, self.images = {}, {}, {}
        self.hidden = {}  # instance id -> when it can be seen
        self.roots = {}  # instance id -> its root volumes, the present one last
        self.launches = {}  # instance id -> the snapshot that its root was launched from
        self.tasks = {}  # task id -> roots.Task
        self.gone_images = set()
        self.late_tags = {}  # resource id -> (until then what is shown, those tags)
        self.bin = {}  # id -> recycle.Kept
        self.image_users = {}  # snapshot id -> ids of the images that need it
        self.facts = {}  # instance id -> FACTS
        self.reboots = {}  # instance id -> count, by CreateImage without NoReboot
        self.last_instance = None
        self.last_cut = {}  # volume id -> monotonic time of its last snapshot
        self.pages = {}  # NextToken -> (what was asked, everything found, where the page begins)
        self.tokens = {}  # (action, ClientToken) -> (flat request, answer)

    # -- moto ----------------------------------------------------------------------------------

    def ask_moto(self, action, flat):
        """Runs one request in moto, in process; its answer as a dict by the model."""
        operation = self.model.operation(action)
        form = {"Action": action, "Version": wire.VERSION, **flat}
        host = f"ec2.{self.settings.region}.amazonaws.com"
        builder = EnvironBuilder(
            path="/",
            method="POST",
            base_url=f"https://{host}",
            data=form,
            headers={
                "Authorization": "AWS4-HMAC-SHA256 Credential=AKIALABLABLABLABLABL/20200101/"
                f"{self.settings.region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
            },
        )
        with self.lock:
            try:
                chunks, status, headers = run_wsgi_app(
                    self.app, builder.get_environ(), buffered=True
                )
                body = b"".join(chunks)
            except NotImplementedError as error:
                if "filter" in str(error).lower():
                    raise Ec2Error("InvalidParameterValue", "A filter is invalid") from None
                raise Ec2Error(
                    "InvalidAction", f"The lab's EC2 has no such thing: {error}"
                ) from None
            except Ec2Error:
                raise
            except Exception as error:  # moto's own bugs end as an answer, not as a dead connection
                raise Ec2Error(
                    "InternalError", f"moto: {type(error).__name__}: {error}", 500
                ) from error
        code = int(status.split()[0])
        if code >= 300:
            raise self._moto_error(code, body)
        return wire.parse_answer(operation, code, dict(headers), body)

    @staticmethod
    def _moto_error(status, body):
        text = body.decode("utf-8", "replace")
        code = re.search(r"<Code>(.*?)</Code>", text, re.S)
        message = re.search(r"<Message>(.*?)</Message>", text, re.S)
        code = code.group(1) if code else "InternalError"
        message = message.group(1) if message else ""
        if code == "InternalFailure" or (status >= 500 and "not been implemented" in text):
            return Ec2Error("InvalidParameterValue", message or "not implemented in the lab", 400)
        return Ec2Error(code, message or f"{code} (no message)", status)

    # -- tags ----------------------------------------------------------------------------------

    def shown_tags(self, resource_id):
        until_mono, before = self.late_tags.get(resource_id, (0, None))
        if time.monotonic() < until_mono:
            return before
        return self.moto.tags.get(resource_id, {})

    def keep_shown_tags(self, resource_id):
        """Before they change: for tags_visible_after_ms they are shown as they are."""
        late_ms = self.settings["tags_visible_after_ms"]
        if late_ms > 0:
            before = dict(self.shown_tags(resource_id))
            self.late_tags[resource_id] = (time.monotonic() + late_ms / 1000.0, before)

    def tags_of(self, resource_id):
        tags = self.shown_tags(resource_id)
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    @staticmethod
    def check_tags(tags):
        keys = [tag.get("Key", "") for tag in tags]
        for tag in tags:
            key, value = tag.get("Key", ""), tag.get("Value", "")
            if not key or len(key) > 127 + 1:
                raise Ec2Error(
                    "InvalidParameterValue", f"Tag key '{key}' must have 1 to 128 characters"
                )
            if len(value) > 256:
                raise Ec2Error(
                    "InvalidParameterValue",
                    f"Tag value exceeds the maximum length of 256 characters: {key}",
                )
            if key.lower().startswith("aws:"):
                raise Ec2Error(
                    "InvalidParameterValue",
                    f"Value ( {key} ) for parameter key is invalid. Tag keys starting with "
                    "'aws:' are reserved for internal use",
                )
        if len(set(keys)) != len(keys):
            raise Ec2Error("InvalidParameterValue", "Duplicate tag keys are not allowed")
        if len(keys) > 50:
            raise Ec2Error(
                "TagLimitExceeded", "The maximum number of Tags for a resource has been reached."
            )

    def spec_tags(self, params, allowed):
        """TagSpecifications -> {resource type: {key: value}}; a type out of place is refused."""
        result = {}
        for spec in params.get("TagSpecifications", []):
            kind = spec.get("ResourceType")
            if kind is None:
                raise Ec2Error(
                    "InvalidParameterValue", "Tag specification resource type must have a value"
                )
            if kind not in allowed:
                raise Ec2Error(
                    "InvalidParameterValue",
                    f"'{kind}' is not a valid taggable resource type for this operation.",
                )
            if kind in result:
                raise Ec2Error(
                    "InvalidParameterValue", f"TagSpecification for {kind} is given twice"
                )
            tags = spec.get("Tags", [])
            if not tags:
                raise Ec2Error(
                    "InvalidParameterValue", "Tag specification must have at least one tag"
                )
            self.check_tags(tags)
            result[kind] = {tag["Key"]: tag.get("Value", "") for tag in tags}
        return result

    # -- look-ups ------------------------------------------------------------------------------

    def snapshot(self, snapshot_id):
        check_id("snap", snapshot_id)
        snapshot = self.snapshots.get(snapshot_id)
        if snapshot is None or not self.shows(snapshot):
            raise Ec2Error(
                "InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist."
            )
        return snapshot

    def image(self, image_id):
        check_id("ami", image_id)
        image = self.images.get(image_id)
        if image_id in self.gone_images:
            raise Ec2Error(
                "InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available"
            )
        if image is None or not self.shows(image):
            raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        return image

    def is_ours(self, thing):
        return thing.owner == self.settings.account

    def check_ours(self, thing, noun, thing_id):
        """For what the owner may do only, whatever the caller's policy says."""
        if not self.is_ours(thing):
            raise Ec2Error("AuthFailure", f"Not authorized for {noun}:{thing_id}", 403)

    def shows(self, thing):
        """Whether a snapshot or an image can be seen: new, and if it is another's, shared."""
        return thing.visible() and (self.is_ours(thing) or thing.shared is not None)

    def of_owners(self, things, params):
        """Those that the call means, by its OwnerIds or Owners."""
        owners = set(params.get("OwnerIds", params.get("Owners", [])))
        if "self" in owners:
            owners.add(self.settings.account)
        return [one for one in things if not owners or one.owner in owners]

    def add_image(self, image):
        """Once its fields are whole."""
        self.images[image.image_id] = image
        for snapshot_id in image.snapshot_ids():
            self.image_users.setdefault(snapshot_id, set()).add(image.image_id)

    def drop_image(self, image):
        del self.images[image.image_id]
        self.moto.amis.pop(image.image_id, None)
        self.moto.tags.pop(image.image_id, None)
        self.gone_images.add(image.image_id)
        for snapshot_id in image.snapshot_ids():
            users = self.image_users[snapshot_id]
            users.discard(image.image_id)
            if not users:
                del self.image_users[snapshot_id]

    def all_instances(self):
        return [
            instance
            for reservation in self.moto.reservations.values()
            for instance in reservation.instances
        ]

    def find_instance(self, instance_id):
        """Whether it can be seen yet or not; None where there is none such."""
        return next((one for one in self.all_instances() if one.id == instance_id), None)

    def instance(self, instance_id):
        check_id("i", instance_id)
        instance = self.find_instance(instance_id)
        if instance is None or not self.sees(instance_id):
            raise Ec2Error(
                "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"
            )
        return instance

    def sees(self, instance_id):
        return time.monotonic() >= self.hidden.get(instance_id, 0)

    @staticmethod
    def zone_of(instance):
        zone = instance.placement.zone
        return zone if isinstance(zone, str) else zone.name

    def ebs(self, volume_id):
        """volumes.EbsVolume"""
        check_id("vol", volume_id)
        volume = self.volumes.get(volume_id)
        if volume is None or not volume.visible():
            raise Ec2Error("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        return volume

    def volume(self, volume_id):
        """Its twin in moto."""
        return self.ebs(volume_id).twin

    def facts_of(self, instance_id):
        return self.facts.setdefault(instance_id, dict(FACTS))

    @staticmethod
    def time_text(moment):
        return wire.iso_time(moment)

    # -- pages and filters ---------------------------------------------------------------------

    def page(self, action, params, find, ids_given, limits=(5, 1000)):
        """Cuts the list that FIND() gives into pages as EC2 does; the pages after the first are of
        the same list. LIMITS: of MaxResults. Returns (items of this page, NextToken or None)."""
        asked = params.get("MaxResults")
        token = params.get("NextToken")
        if asked is not None and ids_given:
            raise Ec2Error(
                "InvalidParameterCombination",
                "The parameter for ids cannot be used with the parameter maxResults",
            )
        if asked is not None and not limits[0] <= asked <= limits[1]:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Value ( {asked} ) for parameter maxResults is invalid. Expecting a value "
                f"between {limits[0]} and {limits[1]}.",
            )
        question = repr(
            sorted((k, repr(v)) for k, v in params.items() if k not in ("NextToken", "MaxResults"))
        )
        if token:
            if self.pages.get(token, (None,))[0] != (action, question):
                raise Ec2Error(
                    "InvalidPaginationToken", "The pagination token is not of this request"
                )
            items, begin = self.pages[token][1:]
        else:
            items, begin = find(), 0
        size = min(asked or limits[1], self.settings["page_size"] or limits[1])
        if len(items) <= begin + size:
            return items[begin:], None
        token = secrets.token_urlsafe(48) + "=="
        self.pages[token] = ((action, question), items, begin + size)
        return items[begin : begin + size], token

    @staticmethod
    def check_filters(filters, names, tags=True):
        for entry in filters:
            name = entry.get("Name", "")
            by_tag = tags and (name == "tag-key" or re.match(r"tag:.", name))
            if name not in names and not by_tag:
                raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
            if not entry.get("Values"):
                raise Ec2Error("InvalidParameterValue", f"The filter '{name}' has no value")
            if len(entry["Values"]) > 200:
                raise Ec2Error("FilterLimitExceeded", "A filter has at most 200 values")

    @staticmethod
    def match(filters, tags, values):
        """Whether one object passes; VALUES maps filter names to text or a list of texts."""
        own = {tag["Key"]: tag["Value"] for tag in tags}
        for entry in filters:
            name, wanted = entry["Name"], entry["Values"]
            if name.startswith("tag:"):
                have = [own[name[4:]]] if name[4:] in own else []
            elif name == "tag-key":
                have = list(own)
            else:
                have = values[name]
                have = [] if have is None else have if isinstance(have, list) else [have]
            if not any(_wild(value, pattern) for value in have for pattern in wanted):
                return False
        return True


@functools.lru_cache(100)
def _meant(pattern):
    # EC2 knows * and ? (for one character or none), and \ before what stands for itself.
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    meant = [{"*": ".*", "?": ".?"}.get(part) or re.escape(part[-1]) for part in parts]
    return re.compile("".join(meant), re.DOTALL)


def _wild(value, pattern):
    if isinstance(value, bool):
        value = "true" if value else "false"
    return _meant(pattern).fullmatch(str(value)) is not None
