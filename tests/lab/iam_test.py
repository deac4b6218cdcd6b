#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The lab's own tests of how it judges policies (labcloud/policy.py): a test of a policy of ours is
worth what these are. Run by cases/iam-as-aws.sh.

    iam_test.py                    the language
    iam_test.py keys POLICY KEY    that POLICY (a file) lets EBS use the KMS key in a restore, and needs
                                   each of its kms actions
"""
import contextlib
import json
import sys
import types

from labcloud.iam import Iam
from labcloud.policy import Policy
from labcloud.wire import Ec2Error, Model

OWN = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"
CONTEXT = {
    "aws:requestedregion": "eu-west-1",
    "aws:principalaccount": "123456789012",
    "ec2:sourceinstancearn": OWN,
    "aws:resourcetag/stillpoint:instance": "i-1",
    "aws:requesttag/name": "x",
    "aws:tagkeys": ["stillpoint:state", "Name"],
    "ec2:createaction": "CreateSnapshots",
    "kms:grantisforawsresource": "true",
}
SNAPSHOT = "arn:aws:ec2:eu-west-1::snapshot/snap-1"


def is_action(service, name):
    return name in ("CreateTags", "DeleteSnapshot", "DescribeTags", "PassRole")


def policy(*statements):
    return Policy({"Version": "2012-10-17", "Statement": list(statements)}, is_action)


def statement(condition=None, effect="Allow", action="ec2:CreateTags", resource="*"):
    body = {"Effect": effect, "Action": action, "Resource": resource}
    return {**body, **({"Condition": condition} if condition else {})}


def judged(*statements, action="ec2:CreateTags", arn=SNAPSHOT, context=None):
    return policy(*statements).allows(action, arn, CONTEXT if context is None else context)[0]


HOLD = [
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"StringEquals": {"aws:RequestedRegion": ["x", "eu-west-1"]}},
    {"StringEquals": {"AWS:requestedREGION": "eu-west-1"}},
    {"StringLike": {"aws:RequestedRegion": "eu-*-?"}},
    {"StringNotEquals": {"aws:RequestedRegion": "x"}},
    {"StringNotEquals": {"aws:RequestTag/absent": "x"}},
    {"StringEqualsIfExists": {"aws:RequestTag/absent": "x"}},
    {"StringEquals": {"ec2:SourceInstanceARN": "arn:aws:ec2:${aws:RequestedRegion}:"
                      "${aws:PrincipalAccount}:instance/${aws:ResourceTag/stillpoint:instance}"}},
    {"ArnEquals": {"ec2:SourceInstanceARN": "arn:aws:ec2:*:*:instance/"
                   "${aws:ResourceTag/stillpoint:instance}"}},
    {"ArnLike": {"ec2:SourceInstanceARN": "arn:*:ec2:*:123456789012:*"}},
    {"StringEquals": {"aws:RequestTag/Name": "${aws:RequestTag/absent, 'x'}"}},
    {"Null": {"aws:RequestTag/absent": "true", "aws:RequestTag/Name": "false"}},
    {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    {"ForAllValues:StringLike": {"aws:TagKeys": ["stillpoint:*", "Name"]}},
    {"ForAnyValue:StringEquals": {"aws:TagKeys": "Name"}},
    {"StringEquals": {"ec2:CreateAction": ["CreateSnapshots", "RegisterImage"]},
     "Null": {"aws:RequestTag/Name": "false"}},
]
FAIL = [
    {"StringEquals": {"aws:RequestedRegion": "eu-*"}},
    {"StringEquals": {"aws:RequestTag/absent": "x"}},
    {"StringEquals": {"aws:RequestTag/Name": "X"}},
    {"StringNotEquals": {"aws:RequestedRegion": ["x", "eu-west-1"]}},
    {"StringEqualsIfExists": {"aws:RequestTag/Name": "y"}},
    {"StringEquals": {"ec2:SourceInstanceARN": OWN + "2"}},
    {"StringEquals": {"ec2:SourceInstanceARN": "arn:aws:ec2:eu-west-1:123456789012:instance/"
                      "${aws:RequestTag/absent}"}},
    {"StringNotEquals": {"aws:RequestTag/Name": "${aws:RequestTag/absent}"}},
    {"ArnLike": {"ec2:SourceInstanceARN": "arn:*:instance/i-1"}},
    {"Null": {"aws:RequestTag/absent": "false"}},
    {"Null": {"aws:RequestTag/absent": "true", "aws:RequestTag/Name": "true"}},
    {"Bool": {"kms:GrantIsForAWSResource": "false"}},
    {"ForAllValues:StringLike": {"aws:TagKeys": "stillpoint:*"}},
    {"ForAnyValue:StringEquals": {"aws:TagKeys": "name"}},
    {"StringEquals": {"ec2:CreateAction": "CreateSnapshots", "aws:RequestTag/Name": "y"}},
]
REFUSED = [
    statement({"StringEquals": {"aws:ResourceTags/x": "y"}}),
    statement({"StringEqual": {"aws:RequestedRegion": "x"}}),
    statement({"StringEquals": {"aws:TagKeys": "x"}}),
    statement({"ForAllValues:StringEquals": {"aws:RequestTag/x": "y"}}),
    statement({"StringEquals": {"aws:RequestTag/x": "${ec2:SourceInstanceArm}"}}),
    statement(resource="arn:aws:ec2:*:*:instance/${ec2:SourceInstanceARN}"),
    statement(resource="snap-1"),
    statement(resource="arn:aws:ec2:*/snap-1"),
    statement(action="ec2:CreateTag"),
    statement(action="s3:GetObject"),
    statement(effect="allow"),
    {**statement(), "Principal": "*"},
]


def restores(policy, source, target=None, dry_run=False):
    """Whether POLICY lets the restorer make a volume from a snapshot that is encrypted with SOURCE."""
    snapshot = types.SimpleNamespace(volume_id="vol-1", key=source)
    world = types.SimpleNamespace(
        settings=types.SimpleNamespace(region="eu-west-1", account="123456789012"),
        lock=contextlib.nullcontext(), model=Model(), snapshots={"snap-1": snapshot}, images={},
        tags_of=lambda _: [{"Key": "stillpoint:id", "Value": "sp-1"}],
        keys=types.SimpleNamespace(
            default=None, arn=str, are_kept=lambda: False, serves=lambda *_: True
        ),
    )
    iam = Iam(world)
    iam.set("restore", policy)
    params = {
        "SnapshotId": "snap-1", "DryRun": dry_run, "TagSpecifications": [
            {"ResourceType": "volume", "Tags": [{"Key": "stillpoint:loan", "Value": "ln-1"}]}
        ], **({"KmsKeyId": target} if target else {}),
    }
    try:
        iam.judge(types.SimpleNamespace(who="restore"), "CreateVolume", params, {})
    except Ec2Error as error:
        return error.message
    return None


def keys(path, key):
    with open(path, encoding="utf-8") as stream:
        whole = json.load(stream)
    other = "arn:aws:kms:eu-west-1:123456789012:key/other"
    assert restores(whole, key) is None, restores(whole, key)
    assert restores(whole, None) is None
    assert "kms:" in restores(whole, other), "another key"
    assert restores(whole, other, dry_run=True) is None  # EC2 asks KMS only when it does it
    statement = next(one for one in whole["Statement"] if one["Resource"] == key)
    second = json.loads(json.dumps(whole).replace(json.dumps(key), json.dumps([key, other])))
    assert restores(second, other, key) is None, restores(second, other, key)
    for action in statement["Action"]:
        less = json.loads(json.dumps(second).replace(json.dumps(action) + ", ", "").replace(
            ", " + json.dumps(action), ""))
        assert f"to perform: {action} on" in restores(less, other, key), action
    direct = json.loads(json.dumps(whole).replace("ec2.eu-west-1.", "ec2.us-east-1."))
    assert "kms:" in restores(direct, key), "for another region's EC2"
    return 0


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "keys":
        return keys(*sys.argv[2:])
    for condition in HOLD:
        assert judged(statement(condition)), condition
    for condition in FAIL:
        assert not judged(statement(condition)), condition
    for body in REFUSED:
        try:
            policy(body)
        except ValueError:
            continue
        raise AssertionError(f"was taken: {body}")
    for version in ("2008-10-17", None):
        try:
            Policy({"Version": version, "Statement": [statement()]}, is_action)
        except ValueError:
            continue
        raise AssertionError(f"was taken: {version}")

    assert judged(statement(action="ec2:Create*")) and judged(statement(action="ec2:*tags"))
    assert not judged(statement(action="ec2:DeleteSnapshot"))
    assert judged(statement(resource="arn:aws:ec2:*::snapshot/*"))
    assert judged(statement(resource=["arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:snapshot/*"]))
    for other in ("arn:aws:ec2:us-*::snapshot/*", "arn:aws:ec2:*::image/*"):
        assert not judged(statement(resource=other)), other
    assert not judged(statement(), statement(effect="Deny", resource="arn:aws:ec2:*::snapshot/*"))
    assert judged(statement(), statement({"Null": {"aws:RequestTag/Name": "true"}}, effect="Deny"))
    # A tag's value is no pattern, whatever it holds.
    starred = {**CONTEXT, "aws:resourcetag/stillpoint:instance": "*"}
    for operator in ("StringLike", "ArnLike", "ArnEquals"):
        assert not judged(statement({operator: {
            "ec2:SourceInstanceARN": "arn:aws:ec2:*:*:instance/${aws:ResourceTag/stillpoint:instance}"
        }}), context=starred), operator
    return 0


if __name__ == "__main__":
    sys.exit(main())
