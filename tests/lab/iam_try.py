#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Calls of EC2 with a role's keys, where there is no command of ours for them: whether they are
allowed, by dry run.

    iam_try.py DIR node|pruner|restore|user

The node's keys come from the metadata service, as the daemon's do. Reads lines of JSON on stdin,
["allowed"|"denied", ACTION, {PARAMETERS}], and says each that is judged otherwise; exit 1 then.
With "done"|"gone" CreateVolume is called, as a dry run asks no KMS: gone is a volume that is no more
when it should be there.
"""
import json
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from labclient import OPENER, Lab


def node_keys(lab):
    base = lab.about["imds"] + "/latest/"
    request = urllib.request.Request(
        base + "api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    token = OPENER.open(request, timeout=10).read().decode()

    def get(path):
        request = urllib.request.Request(
            base + path, headers={"X-aws-ec2-metadata-token": token}
        )
        return OPENER.open(request, timeout=10).read().decode()

    path = "meta-data/iam/security-credentials/"
    found = json.loads(get(path + get(path)))
    return {"access_key": found["AccessKeyId"], "secret_key": found["SecretAccessKey"],
            "token": found["Token"]}


def client(lab, who):
    key = node_keys(lab) if who == "node" else lab.about["keys"][who]
    return boto3.client(
        "ec2", region_name=lab.about["region"], endpoint_url=lab.about["ec2"],
        verify=lab.about["ca"], aws_access_key_id=key["access_key"],
        aws_secret_access_key=key["secret_key"], aws_session_token=key.get("token"),
        config=Config(retries={"max_attempts": 0}, read_timeout=30),
    )


def judged(lab, ec2, action, parameters, dry_run):
    """"allowed" or "denied", "done" or "gone"; or what else EC2 said."""
    try:
        answer = ec2._make_api_call(action, {**parameters, "DryRun": dry_run})
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "UnauthorizedOperation" and dry_run:
            return "denied"
        return "allowed" if code == "DryRunOperation" else str(error)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            rows = lab.ec2().describe_volumes(VolumeIds=[answer["VolumeId"]])["Volumes"]
        except ClientError as error:
            return "gone" if error.response["Error"]["Code"] == "InvalidVolume.NotFound" else str(
                error
            )
        if rows[0]["State"] != "creating":
            return "done"
        time.sleep(0.05)
    return "creating for ever"


def main():
    lab = Lab(sys.argv[1])
    ec2 = client(lab, sys.argv[2])
    failed = tried = 0
    for line in sys.stdin:
        wanted, action, parameters = json.loads(line)
        got = judged(lab, ec2, action, parameters, wanted in ("allowed", "denied"))
        tried += 1
        if got != wanted:
            failed += 1
            print(f"{sys.argv[2]}: {action} {json.dumps(parameters)}: wanted {wanted}, got {got}")
    print(f"{sys.argv[2]}: {tried} calls judged")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
