# SPDX-License-Identifier: BSD-2-Clause
"""Which rights EC2 wants to see for a call, and whether the caller's policy gives them.

By AWS's service authorization reference for EC2: each call is judged on every resource that it
touches, those that it is about to make included; tags in the same call want ec2:CreateTags with
ec2:CreateAction beside it. A resource that is there shows its tags (aws:ResourceTag), one that is
to be made those asked for it (aws:RequestTag), as far as the reference lists the key. Policies are
kept, and their syntax checked, by moto's IAM; a role without one may do anything.

KMS is judged where EC2 uses a key for the caller, by the caller's policy and by whom the key serves
(the setting key_users). What lacks is KeyRefused: the call itself is answered as if nothing were
amiss, and EC2 finds out later (endpoint.py).
"""
import base64
import json

from moto.iam.models import iam_backends

from .policy import MANAGED_CHARS, Policy
from .wire import Ec2Error

ROLES = ("node", "user", "pruner", "restore")
OTHER_ACTIONS = {
    "iam": {"PassRole"},
    "kms": {
        "CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom",
        "ReEncryptTo",
    },
}
KINDS = {  # by the prefix of an id; those without an account in their ARN are False
    "i": ("instance", True), "vol": ("volume", True), "snap": ("snapshot", False),
    "ami": ("image", False), "eni": ("network-interface", True), "subnet": ("subnet", True),
    "sg": ("security-group", True), "replacevol": ("replace-root-volume-task", True),
}
ID_KEYS = {"i": "ec2:instanceid", "vol": "ec2:volumeid", "snap": "ec2:snapshotid",
           "ami": "ec2:imageid"}
DENIED = (
    "You are not authorized to perform this operation. User: {who} is not authorized to perform: "
    "{action} on resource: {arn} {why}. Encoded authorization failure message: lab-{encoded}"
)


class KeyRefused(Ec2Error):
    """The right that lacks is one to a key."""


def _set_tags(context, prefix, tags):
    for key, value in tags.items():
        context[f"{prefix}/{key}".lower()] = value


class Wanted:
    """The rights that one call needs: a list of (action, ARN, context)."""

    def __init__(self, world, action, params):
        self.world, self.action, self.params = world, action, params
        self.prefix = f"arn:aws:ec2:{world.settings.region}:"
        self.specs = {
            spec.get("ResourceType"): {t.get("Key", ""): t.get("Value", "") for t in spec.get(
                "Tags", []
            )}
            for spec in params.get("TagSpecifications", [])
        }
        self.rights = []

    def arn(self, kind, with_account, name):
        account = self.world.settings.account if with_account else ""
        return f"{self.prefix}{account}:{kind}/{name}"

    def old(self, resource_id, action=None, more=None):
        """A resource that is there, or is said to be."""
        prefix = resource_id.partition("-")[0]
        kind, with_account = KINDS.get(prefix, ("unknown", True))
        context = dict(more or {})
        tags = {tag["Key"]: tag["Value"] for tag in self.world.tags_of(resource_id)}
        _set_tags(context, "aws:resourcetag", tags)
        _set_tags(context, "ec2:resourcetag", tags)
        if prefix in ID_KEYS:
            context[ID_KEYS[prefix]] = resource_id
        if prefix in ("snap", "ami"):
            context["ec2:owner"] = self.world.settings.account
        snapshot = self.world.snapshots.get(resource_id)
        if snapshot is not None:
            context["ec2:parentvolume"] = self.arn("volume", True, snapshot.volume_id)
        arn = self.arn(kind, with_account, resource_id)
        self.rights.append((action or f"ec2:{self.action}", arn, context))

    def new(self, kind, more=None):
        """One that the call makes, and its tags where it asks for some."""
        with_account = dict(KINDS.values())[kind]
        arn = self.arn(kind, with_account, "*")
        context, tags = dict(more or {}), self.specs.get(kind)
        if tags is not None:
            _set_tags(context, "aws:requesttag", tags)
            context["aws:tagkeys"] = list(tags)
        self.rights.append((f"ec2:{self.action}", arn, context))
        if tags is not None:
            context = {**context, "ec2:createaction": self.action}
            self.rights.append(("ec2:CreateTags", arn, context))

    def any(self):
        self.rights.append((f"ec2:{self.action}", "*", {}))

    def pass_role(self, profile):
        name = (profile.get("Arn") or profile.get("Name") or "").rpartition("/")[2]
        arn = f"arn:aws:iam::{self.world.settings.account}:role/{name}"
        context = {"iam:passedtoservice": "ec2.amazonaws.com"}
        self.rights.append(("iam:PassRole", arn, context))

    def key(self, source, target, names=None):
        """What EBS does with keys for a volume under TARGET from a snapshot under SOURCE (NAMES: or
        that instead, with SOURCE). The account's own aws/ebs serves everybody in it."""
        if self.params.get("DryRun"):
            return
        context = {"kms:viaservice": f"ec2.{self.world.settings.region}.amazonaws.com",
                   "kms:calleraccount": self.world.settings.account}
        target = self.world.keys.arn(target) if target else source
        wanted = [(target, name) for name in names or (
            "DescribeKey", "GenerateDataKeyWithoutPlaintext", "Decrypt", "CreateGrant")]
        if source and source != target:
            wanted += [(source, "DescribeKey"), (source, "Decrypt"), (source, "ReEncryptFrom"),
                       (target, "ReEncryptTo")]
        for arn, name in wanted:
            own = {"kms:grantisforawsresource": "true"} if name == "CreateGrant" else {}
            if arn and arn != self.world.keys.default:
                self.rights.append((f"kms:{name}", arn, {**context, **own}))


def _key_of(world, snapshot_id):
    snapshot = world.snapshots.get(snapshot_id)
    return snapshot.key if snapshot is not None else None


def _create_snapshots(wanted, params):
    from .snapshots import plan_create_snapshots

    wanted.old(params["InstanceSpecification"]["InstanceId"])
    for volume_id in plan_create_snapshots(wanted.world, params):
        wanted.old(volume_id)
        wanted.new("snapshot", {"ec2:parentvolume": wanted.arn("volume", True, volume_id)})


def _create_snapshot(wanted, params):
    wanted.old(params["VolumeId"])
    parent = wanted.arn("volume", True, params["VolumeId"])
    wanted.new("snapshot", {"ec2:parentvolume": parent})


def _create_image(wanted, params):
    wanted.old(params["InstanceId"])
    wanted.new("image")
    wanted.new("snapshot")


def _mapped(params):
    """The snapshots that a request's block device mapping names, with what it says of each."""
    blocks = [entry.get("Ebs", {}) for entry in params.get("BlockDeviceMappings", [])]
    return {ebs["SnapshotId"]: ebs for ebs in blocks if ebs.get("SnapshotId")}


def _register_image(wanted, params):
    wanted.new("image")
    for snapshot_id in _mapped(params):
        wanted.old(snapshot_id)


def _deregister_image(wanted, params):
    wanted.old(params["ImageId"])
    image = wanted.world.images.get(params["ImageId"])
    if params.get("DeleteAssociatedSnapshots") and image is not None:
        for snapshot_id in image.snapshot_ids():
            wanted.old(snapshot_id)
            wanted.old(snapshot_id, "ec2:DeleteSnapshot")


def _tags(wanted, params):
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in params.get("Tags", [])}
    context = {"aws:tagkeys": list(tags)} if tags else {}
    _set_tags(context, "aws:requesttag", tags)
    for resource_id in params["Resources"]:
        wanted.old(resource_id, more=context)


def _create_volume(wanted, params):
    wanted.new("volume")
    if params.get("SnapshotId"):
        wanted.old(params["SnapshotId"])
    wanted.key(_key_of(wanted.world, params.get("SnapshotId")), params.get("KmsKeyId"))


def _attach_or_detach(wanted, params):
    wanted.old(params["VolumeId"])
    volume = wanted.world.volumes.get(params["VolumeId"])
    instance_id = params.get("InstanceId")
    if instance_id is None and volume is not None and volume.attachment is not None:
        instance_id = volume.attachment.instance.id
    if instance_id:
        wanted.old(instance_id)
    if wanted.action == "AttachVolume" and volume is not None:
        wanted.key(volume.twin.kms_key_id, None, ("Decrypt", "CreateGrant"))


def _replace_root(wanted, params):
    wanted.old(params["InstanceId"])
    wanted.new("volume")
    wanted.new("replace-root-volume-task")
    for name in ("SnapshotId", "ImageId"):
        if params.get(name):
            wanted.old(params[name])
    wanted.key(_key_of(wanted.world, params.get("SnapshotId")), None)


def _run_instances(wanted, params):
    from .launch import merged

    image = wanted.world.images.get(params.get("ImageId"))
    wanted.old(params.get("ImageId", "ami-"))
    wanted.new("instance")
    wanted.new("volume")
    interfaces = params.get("NetworkInterfaces", [])
    for interface in interfaces or [{}]:
        if interface.get("NetworkInterfaceId"):
            wanted.old(interface["NetworkInterfaceId"])
        else:
            wanted.new("network-interface")
    subnets = [i.get("SubnetId") for i in interfaces] + [params.get("SubnetId")]
    for subnet_id in filter(None, subnets):
        wanted.old(subnet_id)
    groups = [group for i in interfaces for group in i.get("Groups", [])]
    for group_id in groups + params.get("SecurityGroupIds", []):
        wanted.old(group_id)
    if params.get("KeyName"):
        arn = wanted.arn("key-pair", True, params["KeyName"])
        wanted.rights.append(("ec2:RunInstances", arn, {}))
    if params.get("IamInstanceProfile"):
        wanted.pass_role(params["IamInstanceProfile"])
    # The reference says "snapshot" and not which: those of the image, too.
    disks = list((merged(image, params) if image is not None else _mapped(params)).values())
    for snapshot_id in filter(None, [ebs.get("SnapshotId") for ebs in disks]):
        wanted.old(snapshot_id)
    for ebs in disks:
        wanted.key(_key_of(wanted.world, ebs.get("SnapshotId")), ebs.get("KmsKeyId"))


def _by(*names):
    """Judged on the resources that these parameters name."""

    def rights(wanted, params):
        for name in names:
            value = params.get(name)
            for resource_id in value if isinstance(value, list) else [value]:
                wanted.old(resource_id or "")

    return rights


JUDGED = {
    "CreateSnapshots": _create_snapshots,
    "CreateSnapshot": _create_snapshot,
    "CreateImage": _create_image,
    "RegisterImage": _register_image,
    "DeregisterImage": _deregister_image,
    "CreateTags": _tags,
    "DeleteTags": _tags,
    "CreateVolume": _create_volume,
    "AttachVolume": _attach_or_detach,
    "DetachVolume": _attach_or_detach,
    "CreateReplaceRootVolumeTask": _replace_root,
    "RunInstances": _run_instances,
    **dict.fromkeys(("DeleteVolume", "ModifyVolume", "DescribeVolumeAttribute"), _by("VolumeId")),
    **dict.fromkeys(
        (
            "DeleteSnapshot", "ModifySnapshotAttribute", "DescribeSnapshotAttribute",
            "ModifySnapshotTier", "RestoreSnapshotTier", "LockSnapshot", "UnlockSnapshot",
            "RestoreSnapshotFromRecycleBin",
        ),
        _by("SnapshotId"),
    ),
    "EnableFastSnapshotRestores": _by("SourceSnapshotIds"),
    **dict.fromkeys(
        ("GetInstanceUefiData", "DescribeInstanceAttribute", "ModifyInstanceAttribute"),
        _by("InstanceId"),
    ),
    **dict.fromkeys(
        ("TerminateInstances", "StartInstances", "StopInstances", "RebootInstances"),
        _by("InstanceIds"),
    ),
}


class Iam:
    """The roles' policies. Its own lock is the world's."""

    def __init__(self, world):
        self.world = world
        self.policies = {}

    def is_action(self, service, name):
        if service == "ec2":
            return name in self.world.model.names
        return name in OTHER_ACTIONS[service]

    def set(self, role, document):
        """DOCUMENT (a dict) is the role's policy from now on; None: none. Answers its size."""
        if role not in ROLES:
            raise ValueError(f"no role {role}; there are {', '.join(ROLES)}")
        with self.world.lock:
            self.policies.pop(role, None)
            if document is None:
                return {}
            text = json.dumps(document)
            size = len("".join(json.dumps(document, separators=(",", ":")).split()))
            if size > MANAGED_CHARS:
                raise ValueError(f"LimitExceeded: {size} characters, {MANAGED_CHARS} are allowed")
            backend = iam_backends[self.world.settings.account]["aws"]
            arn = f"arn:aws:iam::{self.world.settings.account}:policy/lab-{role}"
            if arn in backend.managed_policies:
                backend.delete_policy(arn)
            backend.create_policy("", "/", text, f"lab-{role}", [])
            self.policies[role] = Policy(document, self.is_action)
            return {"arn": arn, "characters": size}

    def clear(self):
        with self.world.lock:
            self.policies.clear()

    def _caller(self, key):
        """(role, its ARN as messages have it, what conditions see of the caller)"""
        settings = self.world.settings
        context = {
            "aws:requestedregion": settings.region,
            "ec2:region": settings.region,
            "aws:principalaccount": settings.account,
        }
        if key.who == "role":
            name = settings.imds["role"] or "stillpoint-node"
            who = f"arn:aws:sts::{settings.account}:assumed-role/{name}/{key.instance_id}"
            context["aws:principalarn"] = f"arn:aws:iam::{settings.account}:role/{name}"
            context["aws:userid"] = f"AROALABLABLABLABLABLA:{key.instance_id}"
            context["ec2:sourceinstancearn"] = (
                f"arn:aws:ec2:{settings.region}:{settings.account}:instance/{key.instance_id}"
            )
            return "node", who, context
        who = f"arn:aws:iam::{settings.account}:user/{key.who}"
        context["aws:principalarn"], context["aws:userid"] = who, "AIDALABLABLABLABLABLA"
        return key.who, who, context

    def judge(self, key, action, params, entry):
        """Nothing, or Ec2Error: UnauthorizedOperation. ENTRY gets what was missing."""
        role, who, caller = self._caller(key)
        with self.world.lock:
            policy = self.policies.get(role)
            if policy is None and not self.world.keys.are_kept():
                return
            wanted = Wanted(self.world, action, params)
            JUDGED.get(action, lambda rights, _: rights.any())(wanted, params)
            for right, arn, context in wanted.rights:
                context = {**caller, **context}
                of_key = right.startswith("kms:")
                allowed, denied = (True, False) if policy is None else policy.allows(
                    right, arn, context
                )
                if allowed and not (of_key and not self.world.keys.serves(arn, role)):
                    continue
                entry["denied"] = [right, arn]
                encoded = base64.urlsafe_b64encode(
                    json.dumps({"action": right, "resource": arn, "context": context}).encode()
                ).decode()
                why = "with an explicit deny in an identity-based policy" if denied else (
                    f"because no identity-based policy allows the {right} action"
                )
                raise (KeyRefused if of_key else Ec2Error)(
                    "UnauthorizedOperation",
                    DENIED.format(who=who, action=right, arn=arn, why=why, encoded=encoded),
                    403,
                )
