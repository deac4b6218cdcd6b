#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Root volumes replaced in the lab's cloud: cloud_roots_test.py DIR [NAME...].

cases/cloud-roots.sh starts a cloud and runs all of them; cases/node-reboots.sh has a node."""
import sys
import time

from cloud_test import Base, main
from labcloud import wire

ROOT = "/dev/sda1"
TAGGED = "replace-root-volume-task"


class Tests(Base):
    HELPERS = ("write", "read", "root", "replace", "task", "replaced", "taken")

    def __init__(self, lab):
        super().__init__(lab)
        # boto3's own model may be older than what is asked for here.
        wire.complete(self.ec2.meta.service_model)

    def root(self):
        rows = self.instance(self.node["instance"])["BlockDeviceMappings"]
        assert rows[0]["DeviceName"] == ROOT
        return rows[0]["Ebs"]["VolumeId"]

    def _device(self, volume):
        return self.lab.get("volumes")[volume]["device"]

    def write(self, text):
        with open(self._device(self.root()), "r+b", buffering=0) as stream:
            stream.write(text.encode().ljust(4096, b"\0"))

    def read(self):
        with open(self._device(self.root()), "rb") as stream:
            return stream.read(4096).rstrip(b"\0").decode()

    def taken(self):
        """A snapshot of the root volume."""
        made = self.ec2.create_snapshot(VolumeId=self.root())["SnapshotId"]
        self.finish()
        return made

    def replace(self, **order):
        answer = self.ec2.create_replace_root_volume_task(
            InstanceId=self.node["instance"], **order
        )
        return answer["ReplaceRootVolumeTask"]

    def task(self, task_id):
        rows = self.ec2.describe_replace_root_volume_tasks(ReplaceRootVolumeTaskIds=[task_id])
        return rows["ReplaceRootVolumeTasks"][0]

    def replaced(self, **order):
        made = self.replace(**order)["ReplaceRootVolumeTaskId"]
        self.until("succeeded", lambda: self.task(made)["TaskState"])
        return self.task(made)

    # -- what comes of it

    def a_snapshot_of_the_root_becomes_the_root(self):
        self.write("then")
        snapshot, old = self.taken(), self.root()
        self.write("since then")
        before = self.instance(self.node["instance"])
        tags = [{"Key": "why", "Value": "test"}]
        made = self.replace(
            SnapshotId=snapshot, TagSpecifications=[{"ResourceType": TAGGED, "Tags": tags}]
        )
        assert made["TaskState"] == "pending" and "CompleteTime" not in made
        assert made["SnapshotId"] == snapshot and made["Tags"] == tags
        seen = self.until("succeeded", lambda: self.task(
            made["ReplaceRootVolumeTaskId"])["TaskState"])
        assert seen in (["pending", "in-progress"], ["in-progress"], ["pending"]), seen
        new = self.root()
        assert new != old and self.read() == "then"
        row, was = self.volume(new), self.volume(old)
        assert row["SnapshotId"] == snapshot and row["State"] == "in-use"
        assert (row["VolumeType"], row["Size"]) == (was["VolumeType"], was["Size"])
        assert row["Attachments"][0]["DeleteOnTermination"] is True
        assert was["State"] == "available" and not was["Attachments"]
        after = self.instance(self.node["instance"])
        for name in ("PrivateIpAddress", "InstanceId", "State", "LaunchTime"):
            assert before[name] == after[name], name
        assert self.task(made["ReplaceRootVolumeTaskId"])["CompleteTime"]

    def the_old_root_can_come_back_and_each_snapshot_of_either_is_good(self):
        self.write("first")
        first, old = self.taken(), self.root()
        self.replaced(SnapshotId=first)
        self.write("second")
        second = self.taken()
        self.replaced(VolumeId=old)
        assert self.root() == old and self.read() == "first"
        self.replaced(SnapshotId=second)
        assert self.read() == "second"
        made = self.ec2.create_volume(SnapshotId=first, AvailabilityZone="eu-west-1a")["VolumeId"]
        self.until("available", lambda: self.volume(made)["State"])
        self.replaced(VolumeId=made)
        assert self.root() == made and self.read() == "first"

    def the_replaced_root_goes_where_asked(self):
        snapshot, old = self.taken(), self.root()
        row = self.replaced(SnapshotId=snapshot, DeleteReplacedRootVolume=True)
        assert row["DeleteReplacedRootVolume"] is True
        assert old not in self.lab.get("volumes")

    def an_image_and_the_launch_state_are_sources_too(self):
        self.write("as launched")
        ids = self.cut()
        self.finish()
        fields = {
            "Architecture": "x86_64", "BootMode": "uefi", "VirtualizationType": "hvm",
            "EnaSupport": True, "RootDeviceName": ROOT,
        }
        image = self.ec2.register_image(
            Name=f"roots {time.monotonic_ns()}", BlockDeviceMappings=self.mapping(ids), **fields
        )["ImageId"]
        self.until("available", lambda: self.ec2.describe_images(
            ImageIds=[image])["Images"][0]["State"])
        with self.refused("InvalidSnapshot.NotFound"):
            self.replace()  # this instance is of no image of ours
        self.write("changed")
        assert self.replaced(ImageId=image)["ImageId"] == image
        assert self.read() == "as launched"
        self.write("changed again")
        self.replaced()
        assert self.read() == "as launched"
        arm = self.ec2.register_image(
            Name=f"arm {time.monotonic_ns()}", BlockDeviceMappings=self.mapping(ids),
            **{**fields, "Architecture": "arm64"},
        )["ImageId"]
        self.until("available", lambda: self.ec2.describe_images(
            ImageIds=[arm])["Images"][0]["State"])
        with self.refused("InvalidParameterValue"):
            self.replace(ImageId=arm)

    # -- what is refused

    def what_ec2_refuses_is_refused(self):
        ids, other = self.cut(), self.lab.post("instance", {"volumes": [{"device": ROOT}]})
        with self.refused("IncorrectState"):
            self.replace(SnapshotId=self.ec2.create_snapshot(VolumeId=self.root())["SnapshotId"])
        self.finish()
        foreign = self.ec2.create_snapshot(VolumeId=other["volumes"][0]["volume"])["SnapshotId"]
        self.finish()
        data = self.ec2.create_volume(
            SnapshotId=ids[1], AvailabilityZone="eu-west-1a")["VolumeId"]
        far = self.ec2.create_volume(SnapshotId=ids[0], AvailabilityZone="eu-west-1b")["VolumeId"]
        for made in (data, far):
            self.until("available", lambda made=made: self.volume(made)["State"])
        for code, order in (
            ("InvalidParameterValue", {"SnapshotId": ids[1]}),  # of a data volume
            ("InvalidParameterValue", {"SnapshotId": foreign}),  # of another's root
            ("InvalidSnapshot.NotFound", {"SnapshotId": "snap-" + "0" * 17}),
            ("InvalidParameterValue", {"VolumeId": data}),
            ("InvalidVolume.ZoneMismatch", {"VolumeId": far}),
            ("IncorrectState", {"VolumeId": self.root()}),
            ("InvalidParameterCombination", {"SnapshotId": ids[0], "VolumeId": far}),
            ("InvalidAMIID.NotFound", {"ImageId": "ami-" + "0" * 17}),
            ("InvalidParameterValue", {"SnapshotId": ids[0], "TagSpecifications": [
                {"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]}),
        ):
            with self.refused(code):
                self.replace(**order)
        with self.refused("DryRunOperation", 412):
            self.replace(SnapshotId=ids[0], DryRun=True)
        with self.refused("InvalidInstanceID.NotFound"):
            self.ec2.create_replace_root_volume_task(InstanceId="i-" + "0" * 17)
        assert not self.lab.get("calls", action="DetachVolume")
        self.lab.post("set", {"root_volume_time_s": 2})
        made = self.replace(SnapshotId=ids[0])["ReplaceRootVolumeTaskId"]
        with self.refused("IncorrectInstanceState"):
            self.replace(SnapshotId=ids[0])  # one at a time
        self.until("succeeded", lambda: self.task(made)["TaskState"])
        self.ec2.stop_instances(InstanceIds=[other["instance"]])
        with self.refused("IncorrectInstanceState"):
            self.ec2.create_replace_root_volume_task(
                InstanceId=other["instance"], SnapshotId=foreign
            )

    def the_same_token_makes_one_task(self):
        snapshot = self.taken()
        order = {"SnapshotId": snapshot, "ClientToken": f"t{time.monotonic_ns()}"}
        first = self.replaced(**order)["ReplaceRootVolumeTaskId"]
        again = self.replace(**order)
        assert (again["ReplaceRootVolumeTaskId"], again["TaskState"]) == (first, "succeeded")
        with self.refused("IdempotentParameterMismatch"):
            self.replace(**{**order, "DeleteReplacedRootVolume": True})

    def tasks_are_found_by_instance_and_page_by_page(self):
        snapshot = self.taken()
        made = [self.replaced(SnapshotId=snapshot)["ReplaceRootVolumeTaskId"] for _ in range(2)]
        mine = [{"Name": "instance-id", "Values": [self.node["instance"]]}]
        found, token = [], {}
        while True:
            answer = self.ec2.describe_replace_root_volume_tasks(
                Filters=mine, MaxResults=1, **token
            )
            found += [row["ReplaceRootVolumeTaskId"] for row in answer["ReplaceRootVolumeTasks"]]
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        assert found[-2:] == made and len(set(found)) == len(found)
        with self.refused("InvalidParameterValue"):
            self.ec2.describe_replace_root_volume_tasks(
                Filters=[{"Name": "tag:why", "Values": ["x"]}]
            )
        with self.refused("InvalidParameterValue"):
            self.ec2.describe_replace_root_volume_tasks(MaxResults=51)
        with self.refused("InvalidReplaceRootVolumeTaskID.NotFound"):
            self.task("replacevol-" + "0" * 17)
        self.ec2.create_tags(Resources=made[:1], Tags=[{"Key": "later", "Value": "yes"}])
        assert self.task(made[0])["Tags"] == [{"Key": "later", "Value": "yes"}]
        rows = self.ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": [TAGGED]}])
        assert made[0] in [row["ResourceId"] for row in rows["Tags"]]

    # -- and what goes wrong

    def a_task_whose_answer_is_lost_is_found(self):
        snapshot = self.taken()
        self.lab.post("fault", {
            "action": "CreateReplaceRootVolumeTask", "kind": "lost", "seconds": 0.1})
        try:
            self.replace(SnapshotId=snapshot, ClientToken="lost")
        except Exception as error:
            assert "ClientError" not in type(error).__name__, error
        else:
            raise AssertionError("there was an answer")
        rows = self.ec2.describe_replace_root_volume_tasks(
            Filters=[{"Name": "instance-id", "Values": [self.node["instance"]]}]
        )["ReplaceRootVolumeTasks"]
        again = self.replace(SnapshotId=snapshot, ClientToken="lost")
        assert rows[-1]["ReplaceRootVolumeTaskId"] == again["ReplaceRootVolumeTaskId"]
        self.lab.post("fault", {
            "action": "CreateReplaceRootVolumeTask", "kind": "invisible", "ms": 3000})
        made = again["ReplaceRootVolumeTaskId"]
        self.until("succeeded", lambda: self.task(made)["TaskState"])
        made = self.replace(SnapshotId=snapshot)["ReplaceRootVolumeTaskId"]
        with self.refused("InvalidReplaceRootVolumeTaskID.NotFound"):
            self.task(made)
        time.sleep(3)
        self.until("succeeded", lambda: self.task(made)["TaskState"])

    def a_task_can_fail_with_the_old_root_or_without_any(self):
        self.write("mine")
        snapshot, old = self.taken(), self.root()
        self.write("still mine")
        count = len(self.lab.get("volumes"))
        for options in ({}, {"reboot": True}):
            self.lab.post("fault", {
                "action": "CreateReplaceRootVolumeTask", "kind": "partial", **options})
            made = self.replace(SnapshotId=snapshot)["ReplaceRootVolumeTaskId"]
            seen = self.until("failed", lambda made=made: self.task(made)["TaskState"])
            assert "succeeded" not in seen
            assert self.root() == old and self.read() == "still mine"
            assert len(self.lab.get("volumes")) == count
        self.lab.post("fault", {
            "action": "CreateReplaceRootVolumeTask", "kind": "partial", "state": "failed-detached"})
        made = self.replace(SnapshotId=snapshot)["ReplaceRootVolumeTaskId"]
        self.until("failed-detached", lambda: self.task(made)["TaskState"])
        rows = self.instance(self.node["instance"])["BlockDeviceMappings"]
        assert ROOT not in [row["DeviceName"] for row in rows]
        assert self.volume(old)["State"] == "available"


if __name__ == "__main__":
    sys.exit(main(Tests, *sys.argv[1:]))
