#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The cloud's own tests, against a running one: cloud_test.py DIR [NAME...].

cases/cloud-as-ec2.sh starts a cloud and runs all of them. What is here for the other files of the
cloud's tests (cloud_*_test.py): Base, main()."""
import contextlib
import datetime
import http.client
import inspect
import json
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import xml.dom.minidom

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

from labclient import Lab


class Raw:
    """EC2 requests made by hand on one connection, so that they can be wrong."""

    def __init__(self, lab, key=None):
        self.lab, self.key = lab, key or lab.about["keys"]["user"]
        url = urllib.parse.urlsplit(lab.about["ec2"])
        context = ssl.create_default_context(cafile=lab.about["ca"])
        self.connection = http.client.HTTPSConnection(
            url.hostname, url.port, context=context, timeout=20
        )

    def signed(self, flat, offset_s=0, **changes):
        body = urllib.parse.urlencode({"Version": "2016-11-15", **flat}).encode()
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
        stamp = moment.strftime("%Y%m%dT%H%M%SZ")
        request = botocore.awsrequest.AWSRequest(
            "POST", self.lab.about["ec2"] + "/", data=body,
            headers={
                "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
                "X-Amz-Date": stamp,
            },
        )
        credentials = botocore.credentials.Credentials(
            self.key["access_key"], changes.get("secret", self.key["secret_key"]), self.key.get(
                "token"
            )
        )
        if credentials.token:
            request.headers["X-Amz-Security-Token"] = credentials.token
        signer = botocore.auth.SigV4Auth(
            credentials, changes.get("service", "ec2"), changes.get("region", "eu-west-1")
        )
        request.context["timestamp"] = stamp
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        return body, dict(request.headers.items())

    def send(self, body, headers):
        self.connection.request("POST", "/", body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}

    def call(self, flat, **changes):
        status, body, headers = self.send(*self.signed(flat, **changes))
        code = None
        if b"<Code>" in body:
            code = body.split(b"<Code>")[1].split(b"</Code>")[0].decode()
        return status, code, body, headers


class Base:
    """An instance with three volumes, and what tests do with it."""

    def __init__(self, lab):
        self.lab, self.ec2 = lab, lab.ec2("user")
        self.node = lab.post(
            "instance", {"volumes": [{"device": d} for d in ("/dev/sda1", "/dev/sdf", "/dev/sdg")]}
        )
        self.volumes = [entry["volume"] for entry in self.node["volumes"]]

    def spec(self, **more):
        return {"InstanceSpecification": {"InstanceId": self.node["instance"], **more}}

    @contextlib.contextmanager
    def refused(self, code, status=400):
        try:
            yield
        except botocore.exceptions.ClientError as error:
            got = (error.response["Error"]["Code"], error.response["ResponseMetadata"][
                "HTTPStatusCode"
            ])
            assert got == (code, status), f"wanted {code} {status}, got {got}"
            return
        raise AssertionError(f"wanted {code}, but it was accepted")

    def cut(self, **more):
        return [
            s["SnapshotId"] for s in self.ec2.create_snapshots(**self.spec(), **more)["Snapshots"]
        ]

    def finish(self):
        self.lab.post("finish_snapshots")

    def mapping(self, ids):
        return [{"DeviceName": device, "Ebs": {"SnapshotId": snapshot, "DeleteOnTermination": True}}
                for device, snapshot in zip(("/dev/sda1", "/dev/sdf", "/dev/sdg"), ids)]

    def until(self, wanted, ask, seconds=5):
        """Until ASK() gives WANTED; returns what else it gave before."""
        seen, end = [], time.monotonic() + seconds
        while True:
            got = ask()
            if got == wanted:
                return seen
            if not seen or seen[-1] != got:
                seen.append(got)
            assert time.monotonic() < end, f"wanted {wanted}, saw {seen}"
            time.sleep(0.01)

    def comes(self, wanted, ask, before):
        """ASK() gives BEFORE as long as the time lasts that was set, which is now over, then WANTED."""
        assert ask() == before, ask()
        self.lab.post("hurry")
        self.until(wanted, ask)

    def volume(self, volume_id):
        return self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]

    def instance(self, instance_id):
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return answer["Reservations"][0]["Instances"][0]


class Tests(Base):
    HELPERS = ("imds", "session", "role_key")

    # -- signatures and requests

    def a_right_signature_is_accepted(self):
        status, _, body, headers = Raw(self.lab).call({"Action": "DescribeInstances"})
        assert status == 200
        request_id = body.split(b"<requestId>")[1].split(b"</requestId>")[0].decode()
        assert request_id == headers["x-amzn-requestid"]
        other = Raw(self.lab).call({"Action": "DescribeInstances"})[3]["x-amzn-requestid"]
        assert other != request_id

    def a_wrong_secret_is_refused(self):
        assert Raw(self.lab).call({"Action": "DescribeInstances"}, secret="x")[:2] == (
            403, "SignatureDoesNotMatch"
        )

    def a_body_changed_after_signing_is_refused(self):
        raw = Raw(self.lab)
        body, headers = raw.signed({"Action": "DescribeInstances"})
        status, answer, _ = raw.send(body + b"&DryRun=true", headers)
        assert status == 403 and b"SignatureDoesNotMatch" in answer

    def an_unknown_key_is_refused(self):
        raw = Raw(self.lab, {"access_key": "AKIANOBODY0000000000", "secret_key": "x"})
        assert raw.call({"Action": "DescribeInstances"})[:2] == (401, "AuthFailure")

    def a_signature_for_another_service_or_region_is_refused(self):
        for change in ({"service": "s3"}, {"region": "us-east-1"}):
            assert Raw(self.lab).call({"Action": "DescribeInstances"}, **change)[0] == 403

    def a_clock_off_by_six_minutes_is_refused_with_the_right_date(self):
        status, code, _, headers = Raw(self.lab).call(
            {"Action": "DescribeInstances"}, offset_s=-360
        )
        assert (status, code) == (400, "RequestExpired") and "date" in headers
        assert Raw(self.lab).call({"Action": "DescribeInstances"}, offset_s=360)[:2] == (
            401, "AuthFailure"
        )
        assert Raw(self.lab).call({"Action": "DescribeInstances"}, offset_s=-240)[0] == 200

    def the_clouds_clock_can_be_wrong(self):
        self.lab.post("set", {"clock_offset_s": 3600})
        status, code, _, headers = Raw(self.lab).call({"Action": "DescribeInstances"})
        assert (status, code) == (400, "RequestExpired")
        moment = datetime.datetime.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
        assert moment - datetime.datetime.utcnow() > datetime.timedelta(minutes=59)
        assert Raw(self.lab).call({"Action": "DescribeInstances"}, offset_s=3600)[0] == 200

    def unknown_actions_parameters_and_versions_are_refused(self):
        raw = Raw(self.lab)
        assert raw.call({"Action": "MakeCoffee"})[:2] == (400, "InvalidAction")
        assert raw.call({"Action": "DescribeVolumes", "Volume.1": "x"})[:2] == (
            400, "UnknownParameter"
        )
        assert raw.call({"Action": "DescribeVolumes", "Filter.1.Values.1": "x"})[:2] == (
            400, "UnknownParameter"
        )
        assert raw.call({"Action": "DescribeVolumes", "VolumeId.2": self.volumes[0]})[
            1
        ] == "InvalidParameterValue"
        assert raw.call({"Action": "DescribeVolumes", "Version": "2010-01-01"})[
            1
        ] == "NoSuchVersion"

    def missing_and_mistyped_parameters_are_refused(self):
        raw = Raw(self.lab)
        assert raw.call({"Action": "CreateSnapshots"})[:2] == (400, "MissingParameter")
        assert raw.call({"Action": "DescribeVolumes", "MaxResults": "many"})[
            1
        ] == "InvalidParameterValue"
        assert raw.call({"Action": "DescribeVolumes", "DryRun": "yes"})[
            1
        ] == "InvalidParameterValue"
        flat = {"Action": "RegisterImage", "Name": "n01", "Architecture": "sparc"}
        assert raw.call(flat)[:2] == (400, "InvalidParameterValue")

    def a_connection_serves_many_requests(self):
        raw = Raw(self.lab)
        before = time.monotonic()
        for _ in range(50):
            assert raw.call({"Action": "DescribeSnapshots", "Owner.1": "self"})[0] == 200
        each_ms = (time.monotonic() - before) * 1000 / 50
        calls = self.lab.get("calls")[-50:]
        assert len({call["connection"] for call in calls}) == 1 and calls[-1][
            "requests_before"
        ] == 49
        assert each_ms < 20, f"{each_ms:.1f} ms a request"

    def keys_and_signatures_are_not_in_the_log(self):
        self.ec2.describe_volumes()
        text = json.dumps(self.lab.get("calls"))
        assert self.lab.about["keys"]["user"]["secret_key"] not in text
        assert self.lab.about["keys"]["user"]["access_key"] not in text and "Signature" not in text

    # -- snapshots

    def snapshots_go_from_pending_to_completed(self):
        ids = self.cut()
        rows = self.ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        assert len(rows) == 3 and {row["State"] for row in rows} == {"pending"}
        time.sleep(1.05)
        rows = self.ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        assert {(row["State"], row["Progress"]) for row in rows} == {("completed", "100%")}

    def one_call_is_one_instant_within_the_call(self):
        self.lab.post("set", {"cut_at": 0.5, "latency_ms": {"CreateSnapshots": 800}})
        begin = time.monotonic()
        ids = self.cut()
        end = time.monotonic()
        rows = [row for row in self.lab.get("snapshots") if row["id"] in ids]
        assert len({(row["set"], row["cut_begin_mono"]) for row in rows}) == 1
        assert end - begin >= 0.8
        # Half of it on either side; whoever sleeps until then may wake late.
        assert begin + 0.39 < rows[0]["cut_begin_mono"] < end - 0.2

    def volumes_are_left_out_as_asked(self):
        answer = self.ec2.create_snapshots(
            **self.spec(ExcludeBootVolume=True, ExcludeDataVolumeIds=[self.volumes[1]])
        )
        assert [row["VolumeId"] for row in answer["Snapshots"]] == [self.volumes[2]]
        with self.refused("InvalidParameterValue"):
            self.ec2.create_snapshots(**self.spec(ExcludeDataVolumeIds=[self.volumes[0]]))
        with self.refused("InvalidVolumeID.Malformed"):
            self.ec2.create_snapshots(**self.spec(ExcludeDataVolumeIds=["vol-zzz"]))

    def tags_of_the_call_are_on_every_snapshot(self):
        tags = [
            {"ResourceType": "snapshot", "Tags": [{"Key": "stillpoint:id", "Value": "a b*?[é"}]}
        ]
        ids = self.cut(TagSpecifications=tags)
        found = self.ec2.describe_snapshots(
            Filters=[{"Name": "tag:stillpoint:id", "Values": ["a b*"]}]
        )["Snapshots"]
        assert {row["SnapshotId"] for row in found} == set(ids)
        rows = self.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ids[0]]}])["Tags"]
        assert [(row["Key"], row["Value"]) for row in rows] == [("stillpoint:id", "a b*?[é")]

    def tags_that_ec2_would_refuse_are_refused(self):
        ids = self.cut()
        for kind, tag, code in (
            ("volume", {"Key": "a", "Value": "b"}, "InvalidParameterValue"),
            ("snapshot", {"Key": "aws:a", "Value": "b"}, "InvalidParameterValue"),
            ("snapshot", {"Key": "a" * 129, "Value": "b"}, "InvalidParameterValue"),
            ("snapshot", {"Key": "a", "Value": "b" * 257}, "InvalidParameterValue"),
        ):
            with self.refused(code):
                self.cut(TagSpecifications=[{"ResourceType": kind, "Tags": [tag]}])
        many = [{"Key": f"k{n}", "Value": ""} for n in range(51)]
        with self.refused("TagLimitExceeded"):
            self.ec2.create_tags(Resources=[ids[0]], Tags=many)
        self.ec2.create_tags(Resources=[ids[0]], Tags=many[:50])
        with self.refused("TagLimitExceeded"):
            self.ec2.create_tags(Resources=[ids[0]], Tags=many[50:])

    def describe_answers_in_pages(self):
        for _ in range(2):
            self.cut()
        self.lab.post("set", {"page_size": 4})
        pages = list(self.ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"]))
        everything = self.lab.get("snapshots")
        assert [len(page["Snapshots"]) for page in pages][:-1] == [4] * (len(pages) - 1) and len(
            pages
        ) > 1
        assert sum(len(page["Snapshots"]) for page in pages) == len(everything)
        self.lab.post("set", {"page_size": 2})
        pages = list(self.ec2.get_paginator("describe_volumes").paginate())
        assert len(pages) > 1 and {v["VolumeId"] for p in pages for v in p["Volumes"]} >= set(
            self.volumes
        )
        with self.refused("InvalidPaginationToken"):
            self.ec2.describe_snapshots(NextToken="made-up")
        with self.refused("InvalidParameterCombination"):
            self.ec2.describe_volumes(VolumeIds=self.volumes, MaxResults=5)

    def foreign_owners_and_odd_filters(self):
        self.cut()
        assert not self.ec2.describe_snapshots(OwnerIds=["amazon"])["Snapshots"]
        assert self.ec2.describe_snapshots(
            Filters=[{"Name": "storage-tier", "Values": ["standard"]}]
        )["Snapshots"]
        assert not self.ec2.describe_snapshots(
            Filters=[{"Name": "storage-tier", "Values": ["archive"]}]
        )["Snapshots"]
        ec2 = self.ec2
        calls = [ec2.describe_snapshots, ec2.describe_images, ec2.describe_volumes]
        for call in [*calls, ec2.describe_instances, ec2.describe_tags]:
            with self.refused("InvalidParameterValue"):
                call(Filters=[{"Name": "no-such-filter", "Values": ["x"]}])

    def planted_things_are_as_old_and_as_foreign_as_ordered(self):
        made = self.lab.post("plant", {
            "snapshots": [
                {"tags": {"stillpoint:id": "old"}, "start": 1577836800, "size_gib": 7},
                {"tags": {"stillpoint:id": "old"}, "start": -3600, "state": "pending"},
                {"owner": "210987654321", "shared": "us"}, {"owner": "210987654321"},
                {"state": "error"},
            ],
            "images": [{"disks": [["/dev/sda1", 0]], "tags": {"stillpoint:id": "old"}}],
        })
        old, recent, shared, hidden, broken = made["snapshots"]
        mine = {
            row["SnapshotId"]: row
            for row in self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        }
        assert mine[old]["StartTime"].year == 2020 and mine[old]["VolumeSize"] == 7
        assert mine[recent]["State"] == "pending" and mine[broken]["State"] == "error"
        assert mine[old]["Tags"] == [{"Key": "stillpoint:id", "Value": "old"}]
        assert shared not in mine and hidden not in mine
        everyone = {row["SnapshotId"] for row in self.ec2.describe_snapshots()["Snapshots"]}
        assert {old, shared} < everyone and hidden not in everyone
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.describe_snapshots(SnapshotIds=[hidden])
        with self.refused("InvalidSnapshot.InUse"):
            self.ec2.delete_snapshot(SnapshotId=old)
        self.ec2.create_tags(Resources=[old], Tags=[{"Key": "k", "Value": "v"}])
        self.ec2.deregister_image(ImageId=made["images"][0])
        self.ec2.delete_snapshot(SnapshotId=old)

    def ids_that_are_malformed_or_unknown(self):
        with self.refused("InvalidSnapshotID.Malformed"):
            self.ec2.describe_snapshots(SnapshotIds=["snap-1"])
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.describe_snapshots(SnapshotIds=["snap-" + "0" * 17])
        with self.refused("InvalidInstanceID.NotFound"):
            self.ec2.create_snapshots(InstanceSpecification={"InstanceId": "i-" + "0" * 17})
        with self.refused("InvalidInstanceID.Malformed"):
            self.ec2.describe_instances(InstanceIds=["i-x"])
        with self.refused("InvalidVolume.NotFound"):
            self.ec2.describe_volumes(VolumeIds=["vol-" + "0" * 17])
        with self.refused("InvalidAMIID.NotFound"):
            self.ec2.describe_images(ImageIds=["ami-" + "0" * 17])

    def dry_runs_say_allowed_or_not(self):
        ids = self.cut()
        calls = {
            "CreateSnapshots": lambda: self.ec2.create_snapshots(**self.spec(), DryRun=True),
            "DescribeSnapshots": lambda: self.ec2.describe_snapshots(DryRun=True),
            "DescribeVolumes": lambda: self.ec2.describe_volumes(DryRun=True),
            "DescribeInstances": lambda: self.ec2.describe_instances(DryRun=True),
            "CreateTags": lambda: self.ec2.create_tags(
                Resources=ids, Tags=[{"Key": "k", "Value": "v"}], DryRun=True
            ),
            "DeleteSnapshot": lambda: self.ec2.delete_snapshot(SnapshotId=ids[0], DryRun=True),
            "CreateImage": lambda: self.ec2.create_image(
                InstanceId=self.node["instance"], Name="dry", DryRun=True
            ),
        }
        for name, call in calls.items():
            with self.refused("DryRunOperation", 412):
                call()
            self.lab.post("set", {"deny": [name]})
            with self.refused("UnauthorizedOperation", 403):
                call()
            self.lab.post("set", {"deny": []})
        assert len(self.lab.get("snapshots")) >= 3
        self.ec2.describe_snapshots(SnapshotIds=ids)

    def new_tags_can_be_unknown_for_a_while(self):
        ids = self.cut()
        self.lab.post("set", {"tags_visible_after_ms": 500})
        self.ec2.create_tags(Resources=ids[:1], Tags=[{"Key": "late", "Value": "1"}])
        wanted = {"Filters": [{"Name": "tag:late", "Values": ["1"]}]}
        assert self.ec2.describe_snapshots(**wanted)["Snapshots"] == []
        time.sleep(0.55)
        assert len(self.ec2.describe_snapshots(**wanted)["Snapshots"]) == 1

    def a_new_snapshot_can_be_unknown_for_a_while(self):
        self.lab.post("set", {"visible_after_ms": 500})
        ids = self.cut()
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.describe_snapshots(SnapshotIds=ids)
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.create_tags(Resources=ids, Tags=[{"Key": "k", "Value": "v"}])
        time.sleep(0.55)
        assert len(self.ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]) == 3

    def snapshots_of_one_volume_can_be_too_frequent(self):
        self.cut()
        self.lab.post("set", {"rate_limit_s": 15})
        with self.refused("SnapshotCreationPerVolumeRateExceeded"):
            self.cut()
        self.lab.post("set", {"rate_limit_s": 0, "pending_limit": 1, "snapshot_time_s": 30})
        self.finish()
        self.cut()
        with self.refused("ConcurrentSnapshotLimitExceeded"):
            self.cut()

    # -- images

    def an_image_keeps_what_it_is_given(self):
        ids = self.cut()
        given = {
            "Architecture": "x86_64", "BootMode": "uefi", "TpmSupport": "v2.0",
            "ImdsSupport": "v2.0",
            "VirtualizationType": "hvm", "EnaSupport": True, "SriovNetSupport": "simple",
            "RootDeviceName": "/dev/sda1", "Description": "d & <e>",
        }
        with self.refused("IncorrectState"):
            self.ec2.register_image(Name="kept", BlockDeviceMappings=self.mapping(ids), **given)
        self.finish()
        tags = [{"ResourceType": "image", "Tags": [{"Key": "stillpoint:id", "Value": "x"}]}]
        made = self.ec2.register_image(
            Name="kept", BlockDeviceMappings=self.mapping(
                ids
            ), UefiData="QUJD", TagSpecifications=tags, **given
        )["ImageId"]
        image = self.ec2.describe_images(ImageIds=[made])["Images"][0]
        assert {name: image.get(name) for name in given} == given, image
        assert [b["Ebs"]["SnapshotId"] for b in image["BlockDeviceMappings"]] == ids
        assert image["State"] == "pending" and image["Tags"] == tags[0]["Tags"]
        time.sleep(0.55)
        found = self.ec2.describe_images(
            Owners=["self"], Filters=[
                {"Name": "block-device-mapping.snapshot-id", "Values": [ids[1]]}
            ]
        )["Images"]
        assert [(i["ImageId"], i["State"]) for i in found] == [(made, "available")]
        assert [i["uefi_data"] for i in self.lab.get("images") if i["id"] == made] == ["QUJD"]
        with self.refused("InvalidAMIName.Duplicate"):
            self.ec2.register_image(Name="kept", BlockDeviceMappings=self.mapping(ids), **given)
        with self.refused("InvalidSnapshot.InUse"):
            self.ec2.delete_snapshot(SnapshotId=ids[2])
        self.ec2.deregister_image(ImageId=made)
        with self.refused("InvalidAMIID.Unavailable"):
            self.ec2.describe_images(ImageIds=[made])
        self.ec2.delete_snapshot(SnapshotId=ids[2])

    def an_image_of_which_nothing_is_said_is_of_no_use(self):
        ids = self.cut()
        self.finish()
        made = self.ec2.register_image(
            Name="bare", RootDeviceName="/dev/sda1", BlockDeviceMappings=self.mapping(ids)
        )["ImageId"]
        image = self.ec2.describe_images(ImageIds=[made])["Images"][0]
        assert (image["Architecture"], image["VirtualizationType"]) == ("i386", "paravirtual")

    def create_image_takes_a_snapshot_a_volume_with_tags(self):
        before = len(self.lab.get("snapshots"))
        tags = [{
            "ResourceType": kind, "Tags": [{"Key": "stillpoint:id", "Value": "ci"}]
        } for kind in ("image", "snapshot")]
        made = self.ec2.create_image(
            InstanceId=self.node["instance"], Name="created", NoReboot=True, TagSpecifications=tags
        )["ImageId"]
        image = self.ec2.describe_images(ImageIds=[made])["Images"][0]
        assert len(image["BlockDeviceMappings"]) == 3 and image["SourceInstanceId"] == self.node[
            "instance"
        ]
        rows = self.lab.get("snapshots")[before:]
        assert len(rows) == 3 and all(row["tags"] == {"stillpoint:id": "ci"} for row in rows)
        assert len({row["set"] for row in rows}) == 1
        assert self.lab.get("instances")[self.node["instance"]]["reboots"] == 0
        self.ec2.create_image(InstanceId=self.node["instance"], Name="created-2")
        assert self.lab.get("instances")[self.node["instance"]]["reboots"] == 1

    # -- instances

    def an_instance_shows_what_an_image_needs(self):
        instance = self.ec2.describe_instances(InstanceIds=[self.node["instance"]])["Reservations"][
            0
        ]["Instances"][0]
        names = (
            "EnaSupport BootMode CurrentInstanceBootMode PlatformDetails UsageOperation TpmSupport "
            "IamInstanceProfile RootDeviceName Architecture VirtualizationType"
        )
        for name in names.split():
            assert instance.get(name), name
        blocks = {b["DeviceName"]: b["Ebs"]["DeleteOnTermination"] for b in instance[
            "BlockDeviceMappings"
        ]}
        assert blocks == {"/dev/sda1": True, "/dev/sdf": False, "/dev/sdg": False}
        self.lab.post("instance_facts", {"instance_id": self.node["instance"], "facts": {
            "TpmSupport": None, "ProductCodes": [
                {"ProductCodeId": "abc", "ProductCodeType": "marketplace"}
            ]}})
        instance = self.ec2.describe_instances(InstanceIds=[self.node["instance"]])["Reservations"][
            0
        ]["Instances"][0]
        assert "TpmSupport" not in instance and instance["ProductCodes"][0][
            "ProductCodeId"
        ] == "abc"
        for name, key in (("blockDeviceMapping", "BlockDeviceMappings"), (
            "enaSupport", "EnaSupport"
        ),
                          ("sriovNetSupport", "SriovNetSupport"), ("productCodes", "ProductCodes")):
            assert self.ec2.describe_instance_attribute(
                InstanceId=self.node["instance"], Attribute=name
            )[key]
        assert self.ec2.get_instance_uefi_data(InstanceId=self.node["instance"])["UefiData"]
        volume = self.ec2.describe_volumes(VolumeIds=[self.volumes[0]])["Volumes"][0]
        assert volume["Throughput"] == 125 and volume["MultiAttachEnabled"] is False
        assert volume["Attachments"][0]["DeleteOnTermination"] is True

    # -- faults

    def an_error_on_order_comes_as_often_as_ordered(self):
        order = {"action": "DescribeSnapshots", "kind": "error", "code": "RequestLimitExceeded"}
        self.lab.post("fault", {**order, "count": 2, "skip": 1})
        self.ec2.describe_snapshots()
        for _ in range(2):
            with self.refused("RequestLimitExceeded", 503):
                self.ec2.describe_snapshots()
        self.ec2.describe_snapshots()
        self.lab.post("fault", {
            "kind": "error", "codes": ["InternalError", "Unavailable"], "status": 500, "count": 2
        })
        with self.refused("InternalError", 500):
            self.ec2.describe_volumes()
        with self.refused("Unavailable", 500):
            self.ec2.describe_images()
        self.lab.post("fault", {"kind": "error", "count": -1})
        self.lab.ec2().describe_volumes()  # the tests' own key is spared

    def connections_break_before_or_after_the_act(self):
        before = len(self.lab.get("snapshots"))
        self.lab.post("fault", {"action": "CreateSnapshots", "kind": "reset_before"})
        self._breaks(self.cut)
        assert len(self.lab.get("snapshots")) == before
        for kind, extra in (("reset_after", {}), ("lost", {"seconds": 1})):
            before = len(self.lab.get("snapshots"))
            self.lab.post("fault", {"action": "CreateSnapshots", "kind": kind, **extra})
            self._breaks(self.cut)
            assert len(self.lab.get("snapshots")) == before + 3, kind

    @staticmethod
    def _breaks(call):
        try:
            call()
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionClosedError):
            return
        raise AssertionError("the connection did not break")

    def a_hang_does_nothing_and_ends_when_faults_are_cleared(self):
        before = len(self.lab.get("snapshots"))
        self.lab.post("fault", {"action": "CreateSnapshots", "kind": "hang"})
        client = self.lab.ec2("user", read_timeout=1)
        begin = time.monotonic()
        self._breaks(lambda: client.create_snapshots(**self.spec()))
        assert time.monotonic() - begin > 0.9 and len(self.lab.get("snapshots")) == before
        self.lab.post("faults")

    def what_is_held_is_done_and_answered_when_faults_are_cleared(self):
        before = len(self.lab.get("snapshots"))
        self.lab.post("fault", {"action": "CreateSnapshots", "kind": "held"})
        answers = []
        caller = threading.Thread(target=lambda: answers.append(self.cut()))
        caller.start()
        while len(self.lab.get("snapshots")) == before:
            time.sleep(0.01)
        assert not answers
        self.lab.post("faults")
        caller.join()
        assert len(answers[0]) == 3, answers

    def one_member_of_a_set_can_fail_later(self):
        self.lab.post(
            "fault", {"action": "CreateSnapshots", "kind": "partial", "member": 2, "dry_run": False}
        )
        with self.refused("DryRunOperation", 412):
            self.ec2.create_snapshots(**self.spec(), DryRun=True)
        ids = self.cut()
        self.finish()
        states = [s["State"] for s in self.ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]]
        assert states == ["completed", "error", "completed"], states

    def hostile_bodies_come_as_ordered(self):
        raw = Raw(self.lab)
        for kind, sign in (
            ("garbage", b"not XML"),
            ("deep", b"<a><a><a>"),
            ("bomb", b"<!ENTITY e8"),
            ("empty", b""),
        ):
            self.lab.post("fault", {"kind": kind, "depth": 1000})
            status, _, body, _ = raw.call({"Action": "DescribeInstances"})
            assert status == 200 and sign in body and (body or kind == "empty"), kind
        self.lab.post("fault", {"kind": "huge", "bytes": 1 << 20})
        _, _, body, _ = raw.call({"Action": "DescribeInstances"})
        assert len(body) > 1 << 20
        xml.dom.minidom.parseString(body)
        self.lab.post("fault", {"kind": "truncated"})
        try:
            raw.call({"Action": "DescribeInstances"})
        except http.client.IncompleteRead:
            pass
        else:
            raise AssertionError("the answer was whole")

    def answers_can_be_slow_moved_or_misdated(self):
        raw = Raw(self.lab)
        self.lab.post("fault", {"kind": "slow", "ms": 300})
        begin = time.monotonic()
        assert raw.call({"Action": "DescribeInstances"})[
            0
        ] == 200 and time.monotonic() - begin > 0.3
        self.lab.post("fault", {"kind": "redirect", "location": "http://127.0.0.1:1/"})
        status, _, _, headers = raw.call({"Action": "DescribeInstances"})
        assert status == 307 and headers["location"] == "http://127.0.0.1:1/"
        self.lab.post("fault", {"kind": "wrong_date", "offset_s": 86400})
        headers = raw.call({"Action": "DescribeInstances"})[3]
        assert headers["date"][:3] != time.strftime("%a", time.gmtime())

    def the_endpoint_can_refuse_connections(self):
        self.lab.post("listen", {"server": "ec2", "on": False})
        try:
            socket.create_connection(
                ("127.0.0.1", int(self.lab.about["ec2"].rsplit(":", 1)[1])), 2
            ).close()
        except ConnectionRefusedError:
            self.lab.post("listen", {"server": "ec2", "on": True})
            self.lab.ec2().describe_volumes()
            return
        raise AssertionError("accepted")

    def a_strangers_authority_does_not_vouch_for_it(self):
        context = ssl.create_default_context(cafile=self.lab.about["other_ca"])
        port = int(self.lab.about["ec2"].rsplit(":", 1)[1])
        try:
            context.wrap_socket(
                socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
            )
        except ssl.SSLCertVerificationError:
            return
        raise AssertionError("trusted")

    # -- metadata

    def imds(self, method, path, headers=None):
        url = urllib.parse.urlsplit(self.lab.about["imds"])
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=2)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def session(self, ttl="60"):
        status, token = self.imds(
            "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": ttl}
        )
        return status, {"X-aws-ec2-metadata-token": token}

    def metadata_needs_a_session_that_ends(self):
        assert self.imds("GET", "/latest/meta-data/instance-id")[0] == 401
        assert self.session("0")[0] == 400 and self.session("21601")[0] == 400 and self.session("")[
            0
        ] == 400
        token = self.session("1")[1]
        assert self.imds("GET", "/latest/meta-data/instance-id", token) == (
            200, self.node["instance"]
        )
        time.sleep(1.1)
        assert self.imds("GET", "/latest/meta-data/instance-id", token)[0] == 401
        token = self.session()[1]
        self.lab.post("imds", {"forget_tokens": True})
        assert self.imds("GET", "/latest/meta-data/instance-id", token)[0] == 401

    def metadata_says_who_the_node_is(self):
        token = self.session()[1]
        for path, wanted in (("meta-data/placement/region", "eu-west-1"), (
            "meta-data/services/domain", "amazonaws.com"
        ),
                             ("meta-data/services/partition", "aws"),
                             ("meta-data/placement/availability-zone", "eu-west-1a"),
                             ("meta-data/iam/security-credentials/", "stillpoint-node"),
                             ("meta-data/block-device-mapping/", "ami\nebs1\nebs2\nroot")):
            assert self.imds("GET", "/latest/" + path, token) == (200, wanted), path
        assert self.imds("GET", "/latest/meta-data/spot/instance-action", token)[0] == 404
        assert self.imds("GET", "/latest/meta-data/tags/instance/", token)[0] == 404
        document = json.loads(
            self.imds("GET", "/latest/dynamic/instance-identity/document", token)[1]
        )
        assert (document["instanceId"], document["accountId"]) == (
            self.node["instance"], "123456789012"
        )
        self.lab.post("set", {"imds": {
            "document": {"billingProducts": ["bp-1"]},
            "role": None,
            "spot_action": {"action": "stop"},
        }})
        document = json.loads(
            self.imds("GET", "/latest/dynamic/instance-identity/document", token)[1]
        )
        assert document["billingProducts"] == ["bp-1"]
        assert self.imds("GET", "/latest/meta-data/iam/security-credentials/", token)[0] == 404
        assert self.imds("GET", "/latest/meta-data/spot/instance-action", token)[0] == 200

    def role_key(self):
        token = self.session()[1]
        text = self.imds(
            "GET", "/latest/meta-data/iam/security-credentials/stillpoint-node", token
        )[1]
        key = json.loads(text)
        return {
            "access_key": key["AccessKeyId"],
            "secret_key": key["SecretAccessKey"],
            "token": key["Token"],
        }

    def role_credentials_work_until_they_expire(self):
        self.lab.post("set", {"imds": {"credentials_lifetime_s": 2, "freeze_credentials": True}})
        self.lab.post("imds", {"drop_credentials": True})
        key = self.role_key()
        assert Raw(self.lab, key).call({"Action": "DescribeInstances"})[0] == 200
        assert Raw(self.lab, {**key, "token": "x"}).call({"Action": "DescribeInstances"})[0] == 401
        time.sleep(2.1)
        assert Raw(self.lab, key).call({"Action": "DescribeInstances"})[:2] == (
            400, "RequestExpired"
        )
        assert self.role_key() == key
        self.lab.post(
            "set", {"imds": {"credentials_lifetime_s": 3600, "freeze_credentials": False}}
        )
        fresh = self.role_key()
        assert fresh != key and Raw(self.lab, fresh).call({"Action": "DescribeInstances"})[0] == 200

    def metadata_can_be_off_absent_or_slow(self):
        for mode, status in (("forbidden", 403), ("missing", 404)):
            self.lab.post("set", {"imds": {"mode": mode}})
            assert self.session()[0] == status
        self.lab.post("set", {"imds": {"mode": "refuse"}})
        try:
            self.session()
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError("accepted")
        self.lab.post("set", {"imds": {"mode": "hang_put"}})
        assert self.imds("GET", "/latest/meta-data/instance-id")[0] == 401
        try:
            self.session()
        except TimeoutError:
            pass
        else:
            raise AssertionError("answered")
        self.lab.post("set", {"imds": {"mode": "ok", "slow_ms": 300}})
        begin = time.monotonic()
        assert self.session()[0] == 200 and time.monotonic() - begin > 0.3


def main(kind, directory, *wanted):
    """Runs the tests of a class: its own methods, in the order of the file."""
    lab = Lab(directory)
    tests = kind(lab)
    helpers = {*dir(Base), *getattr(kind, "HELPERS", ())}
    names = [n for n, _ in inspect.getmembers(kind, inspect.isfunction) if n[0] != "_"]
    failed = 0
    for name in sorted(
        set(names) - helpers, key=lambda n: getattr(kind, n).__code__.co_firstlineno
    ):
        if wanted and name not in wanted:
            continue
        lab.post("reset")
        lab.post("set", {"latency_ms": {"CreateSnapshots": 0}})
        try:
            getattr(tests, name)()
            print(f"ok      {name.replace('_', ' ')}")
        except Exception as error:  # a test may fail in any way
            failed += 1
            path = inspect.getsourcefile(kind)
            line = next((f.lineno for f in reversed(inspect.trace()) if f.filename == path), 0)
            print(f"FAILED  {name.replace('_', ' ')}: line {line}: {type(error).__name__}: {error}")
    lab.post("reset")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Tests, *sys.argv[1:]))
