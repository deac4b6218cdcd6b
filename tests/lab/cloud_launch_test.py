#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Instances from images in the lab's cloud: cloud_launch_test.py DIR [NAME...].

cases/cloud-launches.sh starts a cloud and runs all of them."""
import base64
import sys
import time

from cloud_test import Base, main

IMAGE = {
    "Architecture": "x86_64", "BootMode": "uefi", "TpmSupport": "v2.0", "ImdsSupport": "v2.0",
    "VirtualizationType": "hvm", "EnaSupport": True, "RootDeviceName": "/dev/sda1",
}


class Tests(Base):
    HELPERS = ("image", "run", "state", "launched", "blocks")
    number = 0

    def image(self, **changes):
        """An image of the node's volumes, available; /dev/sdg begins with `image`."""
        with open(self.node["volumes"][2]["node"], "r+b", buffering=0) as stream:
            stream.write(b"image" + bytes(4091))
        ids = self.cut()
        self.finish()
        Tests.number += 1
        fields = {**IMAGE, "BlockDeviceMappings": self.mapping(ids), **changes}
        made = self.ec2.register_image(Name=f"image {Tests.number}", **fields)["ImageId"]

        def state():
            return self.ec2.describe_images(ImageIds=[made])["Images"][0]["State"]

        self.until("available", state)
        return made

    def run(self, image, **order):
        order.setdefault("InstanceType", "m5.large")
        answer = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **order)
        return answer["Instances"][0]

    def state(self, instance_id):
        return self.instance(instance_id)["State"]["Name"]

    def launched(self, image, **order):
        made = self.run(image, **order)["InstanceId"]
        self.until("running", lambda: self.state(made))
        return made

    def blocks(self, instance_id):
        rows = self.instance(instance_id)["BlockDeviceMappings"]
        return {row["DeviceName"]: row["Ebs"] for row in rows}

    # -- what comes of it

    def an_instance_of_an_image_has_its_disks(self):
        image = self.image()
        self.lab.post("set", {"start_time_s": 60})
        tags = [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": f"copy's {kind}"}]}
                for kind in ("instance", "volume")]
        answer = self.run(image, TagSpecifications=tags)
        made = answer["InstanceId"]
        assert answer["State"]["Name"] == "pending" and answer["Tags"] == tags[0]["Tags"]
        self.comes("running", lambda: self.state(made), "pending")
        blocks = self.blocks(made)
        assert list(blocks) == ["/dev/sda1", "/dev/sdf", "/dev/sdg"]
        assert {block["Status"] for block in blocks.values()} == {"attached"}
        row = self.volume(blocks["/dev/sdg"]["VolumeId"])
        assert row["State"] == "in-use" and row["Tags"] == tags[1]["Tags"]
        device = self.lab.get("volumes")[row["VolumeId"]]["device"]
        with open(device, "rb") as stream:
            assert stream.read(5) == b"image"
        with open(self.node["volumes"][2]["node"], "rb") as stream:
            assert stream.read(5) == b"image"
        self.ec2.terminate_instances(InstanceIds=[made])

    def an_instance_shows_what_was_asked_and_what_its_image_is(self):
        subnet = next(
            one for one in self.ec2.describe_subnets()["Subnets"]
            if one["AvailabilityZone"] == "eu-west-1b"
        )
        group = self.ec2.create_security_group(
            GroupName=f"g{time.monotonic_ns()}", Description="d", VpcId=subnet["VpcId"]
        )["GroupId"]
        key = f"k{time.monotonic_ns()}"
        self.ec2.create_key_pair(KeyName=key)
        address = subnet["CidrBlock"].rsplit(".", 1)[0] + ".77"
        made = self.launched(
            self.image(), InstanceType="c5.xlarge", SubnetId=subnet["SubnetId"],
            SecurityGroupIds=[group], KeyName=key, PrivateIpAddress=address,
            IamInstanceProfile={"Name": "stillpoint-node"}, UserData="#!/bin/sh\n",
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
            Placement={"AvailabilityZone": "eu-west-1b"}, ClientToken=f"token {address}",
        )
        row = self.instance(made)
        wanted = {
            "InstanceType": "c5.xlarge", "SubnetId": subnet["SubnetId"], "KeyName": key,
            "VpcId": subnet["VpcId"], "PrivateIpAddress": address,
            "ClientToken": f"token {address}", "RootDeviceName": "/dev/sda1",
            "BootMode": "uefi", "CurrentInstanceBootMode": "uefi", "TpmSupport": "v2.0",
            "EnaSupport": True, "Architecture": "x86_64", "VirtualizationType": "hvm",
        }
        assert {name: row.get(name) for name in wanted} == wanted, row
        assert [one["GroupId"] for one in row["SecurityGroups"]] == [group]
        assert row["IamInstanceProfile"]["Arn"].endswith(":instance-profile/stillpoint-node")
        assert row["MetadataOptions"]["HttpTokens"] == "required"
        assert row["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
        assert row["Placement"]["AvailabilityZone"] == "eu-west-1b"
        data = self.ec2.describe_instance_attribute(InstanceId=made, Attribute="userData")
        assert base64.b64decode(data["UserData"]["Value"]) == b"#!/bin/sh\n"
        for block in self.blocks(made).values():
            assert self.volume(block["VolumeId"])["AvailabilityZone"] == "eu-west-1b"
        for name, value in (
            ("instance-state-name", "running"), ("private-ip-address", address),
            ("image-id", row["ImageId"]), ("subnet-id", subnet["SubnetId"]),
            ("vpc-id", subnet["VpcId"]), ("client-token", f"token {address}"),
            ("instance-type", "c5.*"), ("instance.group-id", group), ("key-name", key),
            ("availability-zone", "eu-west-1b"),
            ("iam-instance-profile.arn", "*/stillpoint-node"),
            ("block-device-mapping.device-name", "/dev/sdg"), ("root-device-name", "/dev/sda1"),
            ("network-interface.addresses.private-ip-address", address),
        ):
            rows = self.ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])
            ids = [i["InstanceId"] for r in rows["Reservations"] for i in r["Instances"]]
            assert made in ids, name
            rows = self.ec2.describe_instances(
                Filters=[{"Name": name, "Values": ["none"]}, {"Name": "vpc-id", "Values": ["*"]}]
            )
            assert not rows["Reservations"], name
        with self.refused("InvalidIPAddress.InUse"):
            self.run(
                self.image(), SubnetId=subnet["SubnetId"], PrivateIpAddress=address
            )
        self.ec2.terminate_instances(InstanceIds=[made])
        self.until("terminated", lambda: self.state(made))
        assert "PrivateIpAddress" not in self.instance(made)
        again = self.launched(
            self.image(), SubnetId=subnet["SubnetId"], PrivateIpAddress=address
        )
        assert self.instance(again)["PrivateIpAddress"] == address
        assert "IamInstanceProfile" not in self.instance(again)

    def the_mapping_can_be_overridden(self):
        made = self.launched(self.image(), BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3",
                                                "Iops": 3500, "DeleteOnTermination": False}},
            {"DeviceName": "/dev/sdf", "NoDevice": ""},
            {"DeviceName": "/dev/sdg", "Ebs": {"Encrypted": True, "KmsKeyId": "alias/lab"}},
            {"DeviceName": "/dev/sdk", "Ebs": {"VolumeSize": 2}},
        ])
        blocks = self.blocks(made)
        assert list(blocks) == ["/dev/sda1", "/dev/sdg", "/dev/sdk"]
        root = self.volume(blocks["/dev/sda1"]["VolumeId"])
        assert (root["Size"], root["VolumeType"], root["Iops"]) == (8, "gp3", 3500)
        assert blocks["/dev/sda1"]["DeleteOnTermination"] is False
        data = self.volume(blocks["/dev/sdg"]["VolumeId"])
        assert data["Encrypted"] and data["KmsKeyId"].endswith("alias/lab") and data["SnapshotId"]
        assert not self.volume(blocks["/dev/sdk"]["VolumeId"])["SnapshotId"]

    def orders_that_ec2_refuses_are_refused(self):
        image = self.image()
        zone = {"Placement": {"AvailabilityZone": "eu-west-1b"}}
        subnets = self.ec2.describe_subnets()["Subnets"]
        subnet = next(s for s in subnets if s["AvailabilityZone"] == "eu-west-1a")
        cidr = subnet["CidrBlock"].rsplit(".", 1)[0]

        def disk(device, **ebs):
            return {"BlockDeviceMappings": [{"DeviceName": device, "Ebs": ebs}]}

        for code, order in (
            ("InvalidParameterValue", {"InstanceType": "m6g.large"}),
            ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "us-east-1a"}}),
            ("InvalidParameterValue", {**zone, "SubnetId": subnet["SubnetId"]}),
            ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-" + "0" * 17}),
            ("InvalidSubnetID.Malformed", {"SubnetId": "subnet-x"}),
            ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-" + "0" * 17]}),
            ("InvalidKeyPair.NotFound", {"KeyName": "nobody's"}),
            ("InvalidParameterValue", {"IamInstanceProfile": {"Name": "nobody's"}}),
            ("InvalidParameterValue", {"UserData": "x" * 16385}),
            ("InvalidParameterValue", {"PrivateIpAddress": "10.9.8.7"}),
            ("InvalidParameterValue", {"SubnetId": subnet["SubnetId"],
                                       "PrivateIpAddress": cidr + ".2"}),
            ("InvalidParameterValue", disk("/dev/nvme0n1", VolumeSize=1)),
            ("MissingParameter", disk("/dev/sdq", VolumeType="gp3")),
            ("InvalidBlockDeviceMapping", disk("/dev/sda1", SnapshotId="snap-" + "0" * 17)),
            ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": [
                {"DeviceName": "/dev/sda1", "NoDevice": ""}]}),
        ):
            with self.refused(code):
                self.run(image, **order)
        with self.refused("DryRunOperation", 412):
            self.run(image, DryRun=True)
        with self.refused("InvalidAMIID.NotFound"):
            self.run("ami-" + "0" * 17)
        with self.refused("InvalidAMIID.Malformed"):
            self.run("ami-x")
        with self.refused("InvalidParameterCombination"):
            self.run(self.image(EnaSupport=False))
        arm = self.image(Architecture="arm64", BootMode="uefi")
        with self.refused("InvalidParameterValue"):
            self.run(arm)
        assert self.instance(self.run(arm, InstanceType="t4g.micro")["InstanceId"])[
            "Architecture"
        ] == "arm64"
        self.lab.post("set", {"image_time_s": 5})
        with self.refused("InvalidAMIID.Unavailable"):
            self.run(self.ec2.create_image(
                InstanceId=self.node["instance"], Name="slow one", NoReboot=True
            )["ImageId"])

    def the_same_token_makes_one_instance(self):
        image = self.image()
        made = self.run(image, ClientToken="one")["InstanceId"]
        self.until("running", lambda: self.state(made))
        again = self.run(image, ClientToken="one")
        assert (again["InstanceId"], again["State"]["Name"]) == (made, "running")
        with self.refused("IdempotentParameterMismatch"):
            self.run(image, ClientToken="one", InstanceType="c5.large")
        self.ec2.terminate_instances(InstanceIds=[made])
        with self.refused("IdempotentInstanceTerminated"):
            self.run(image, ClientToken="one")
        assert self.run(image, ClientToken="two")["InstanceId"] != made

    def a_launch_whose_answer_is_lost_is_found_by_its_token(self):
        image = self.image()
        self.lab.post("fault", {"action": "RunInstances", "kind": "lost", "seconds": 0.1})
        try:
            self.run(image, ClientToken="lost one")
        except Exception as error:
            assert "ClientError" not in type(error).__name__, error
        else:
            raise AssertionError("there was an answer")
        rows = self.ec2.describe_instances(
            Filters=[{"Name": "client-token", "Values": ["lost one"]}]
        )["Reservations"]
        assert [i["InstanceId"] for r in rows for i in r["Instances"]] == [
            self.run(image, ClientToken="lost one")["InstanceId"]
        ]

    def a_launch_can_be_unknown_or_end_by_itself(self):
        image = self.image()
        self.lab.post("fault", {"action": "RunInstances", "kind": "invisible", "ms": 5000})
        made = self.run(image)["InstanceId"]
        with self.refused("InvalidInstanceID.NotFound"):
            self.instance(made)
        self.lab.post("fault", {"action": "RunInstances", "kind": "partial"})
        made = self.run(image)["InstanceId"]
        disks = [block["VolumeId"] for block in self.blocks(made).values()]
        self.until("terminated", lambda: self.state(made))
        assert self.instance(made)["StateReason"]["Code"] == "Client.InternalError"
        assert not set(disks) & set(self.lab.get("volumes"))

    # -- its end

    def terminating_deletes_what_the_mapping_says(self):
        made = self.launched(self.image())
        disks = {device: block["VolumeId"] for device, block in self.blocks(made).items()}
        self.ec2.modify_instance_attribute(InstanceId=made, BlockDeviceMappings=[
            {"DeviceName": "/dev/sdg", "Ebs": {"DeleteOnTermination": False}}
        ])
        shown = self.ec2.describe_instance_attribute(
            InstanceId=made, Attribute="blockDeviceMapping"
        )["BlockDeviceMappings"]
        assert [row["Ebs"]["DeleteOnTermination"] for row in shown] == [True, True, False]
        self.ec2.modify_instance_attribute(
            InstanceId=made, DisableApiTermination={"Value": True}
        )
        with self.refused("OperationNotPermitted"):
            self.ec2.terminate_instances(InstanceIds=[made])
        assert self.ec2.describe_instance_attribute(
            InstanceId=made, Attribute="disableApiTermination"
        )["DisableApiTermination"]["Value"] is True
        self.ec2.modify_instance_attribute(
            InstanceId=made, DisableApiTermination={"Value": False}
        )
        row = self.ec2.terminate_instances(InstanceIds=[made])["TerminatingInstances"][0]
        assert (row["PreviousState"]["Name"], row["CurrentState"]["Name"]) == (
            "running", "shutting-down"
        )
        assert self.until("terminated", lambda: self.state(made)) in (["shutting-down"], [])
        left = self.lab.get("volumes")
        assert [device for device, volume in disks.items() if volume in left] == ["/dev/sdg"]
        assert self.volume(disks["/dev/sdg"])["State"] == "available"
        assert not self.blocks(made)
        with self.refused("IncorrectState"):
            self.ec2.attach_volume(
                VolumeId=disks["/dev/sdg"], InstanceId=made, Device="/dev/sdg"
            )

    def instances_stop_and_start(self):
        made = self.launched(self.image())
        root = self.blocks(made)["/dev/sda1"]["VolumeId"]
        with self.refused("IncorrectInstanceState"):
            self.ec2.modify_instance_attribute(InstanceId=made, InstanceType={"Value": "c5.large"})
        self.ec2.stop_instances(InstanceIds=[made])
        assert self.until("stopped", lambda: self.state(made)) in (["stopping"], [])
        self.ec2.modify_instance_attribute(InstanceId=made, InstanceType={"Value": "c5.large"})
        self.ec2.detach_volume(VolumeId=root)
        self.until("available", lambda: self.volume(root)["State"])
        with self.refused("InvalidInstanceAttributeValue"):
            self.ec2.start_instances(InstanceIds=[made])
        self.ec2.attach_volume(VolumeId=root, InstanceId=made, Device="/dev/sda1")
        self.until("in-use", lambda: self.volume(root)["State"])
        row = self.ec2.start_instances(InstanceIds=[made])["StartingInstances"][0]
        assert row["CurrentState"]["Name"] == "pending"
        self.until("running", lambda: self.state(made))
        assert self.instance(made)["InstanceType"] == "c5.large"


if __name__ == "__main__":
    sys.exit(main(Tests, *sys.argv[1:]))
