#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Volumes of the lab's cloud, against a running one: cloud_volumes_test.py DIR [NAME...].

cases/cloud-volumes.sh starts a cloud and runs all of them."""
import json
import os
import subprocess
import sys
import tempfile

from cloud_test import Base, main


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


class Tests(Base):
    HELPERS = ("made", "attached", "attach", "device_of", "marked_snapshots", "map")

    def made(self, **order):
        """A volume that is there."""
        order.setdefault("AvailabilityZone", "eu-west-1a")
        if "SnapshotId" not in order:
            order.setdefault("Size", 1)
        volume_id = self.ec2.create_volume(**order)["VolumeId"]
        self.until("available", lambda: self.volume(volume_id)["State"])
        return volume_id

    def attach(self, volume_id, device, instance=None):
        return self.ec2.attach_volume(
            VolumeId=volume_id, InstanceId=instance or self.node["instance"], Device=device
        )

    def attached(self, volume_id):
        rows = self.volume(volume_id)["Attachments"]
        return rows[0]["State"] if rows else None

    def device_of(self, volume_id):
        return self.lab.get("volumes")[volume_id]["device"]

    def marked_snapshots(self):
        """Completed ones of the node's volumes: `before` on the third, `after!` on its disk."""
        device = self.node["volumes"][2]["node"]
        with open(device, "r+b", buffering=0) as stream:
            stream.write(b"before" + bytes(4090))
        ids = self.cut()
        with open(device, "r+b", buffering=0) as stream:
            stream.write(b"after!" + bytes(4090))
        self.finish()
        return ids

    # -- making

    def a_volume_from_a_snapshot_has_its_bytes(self):
        ids = self.marked_snapshots()
        made = self.made(SnapshotId=ids[2])
        assert self.device_of(made) is None
        self.attach(made, "/dev/sdx")
        self.until("attached", lambda: self.attached(made))
        with open(self.device_of(made), "rb") as stream:
            assert stream.read(6) == b"before"
        restored = self.lab.post("restore", {"snapshots": ids})["devices"]
        with open(restored[ids[2]], "rb") as stream:
            assert stream.read(6) == b"before"
        self.lab.post("release", {"devices": list(restored.values())})
        self.ec2.delete_snapshot(SnapshotId=ids[2])  # in use by a volume: no matter
        self.ec2.detach_volume(VolumeId=made)
        self.until("available", lambda: self.volume(made)["State"])
        self.ec2.delete_volume(VolumeId=made)
        self.until(False, lambda: made in self.lab.get("volumes"))
        with self.refused("InvalidVolume.NotFound"):
            self.volume(made)

    def a_volume_takes_its_time_and_shows_what_was_ordered(self):
        ids = self.cut()
        with self.refused("IncorrectState"):
            self.ec2.create_volume(AvailabilityZone="eu-west-1a", SnapshotId=ids[1])
        self.finish()
        self.lab.post("set", {"volume_time_s": 60})
        order = {
            "AvailabilityZone": "eu-west-1b", "SnapshotId": ids[1], "Size": 20, "VolumeType": "gp3",
            "Iops": 4000, "Throughput": 250, "Encrypted": True, "KmsKeyId": "alias/lab",
            "VolumeInitializationRate": 200,
        }
        tags = [{"Key": "stillpoint:id", "Value": "x"}]
        answer = self.ec2.create_volume(
            **order, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
        )
        assert answer["State"] == "creating" and answer["Tags"] == tags
        volume_id = answer["VolumeId"]
        with self.refused("IncorrectState"):
            self.attach(volume_id, "/dev/sdq")
        with self.refused("IncorrectState"):
            self.ec2.delete_volume(VolumeId=volume_id)
        self.comes("available", lambda: self.volume(volume_id)["State"], "creating")
        row = self.volume(volume_id)
        order["KmsKeyId"] = "arn:aws:kms:eu-west-1:123456789012:alias/lab"
        assert {name: row.get(name) for name in order} == order, row
        assert row["Tags"] == tags

    def orders_that_ec2_refuses_are_refused(self):
        ids = self.cut()
        self.finish()
        zone = {"AvailabilityZone": "eu-west-1a"}
        for code, order in (
            ("MissingParameter", {"Size": 1}),
            ("MissingParameter", zone),
            ("InvalidZone.NotFound", {"AvailabilityZone": "eu-west-9z", "Size": 1}),
            ("InvalidParameterCombination", {**zone, "AvailabilityZoneId": "x", "Size": 1}),
            ("InvalidParameterCombination", {**zone, "Size": 1, "VolumeType": "gp2", "Iops": 300}),
            ("InvalidParameterCombination", {**zone, "Size": 4, "VolumeType": "io1"}),
            ("InvalidParameterValue", {**zone, "Size": 4, "VolumeType": "io1", "Iops": 3000}),
            ("InvalidParameterValue", {**zone, "Size": 9, "VolumeType": "gp3", "Iops": 99}),
            ("InvalidParameterCombination", {**zone, "Size": 9, "Throughput": 200}),
            ("InvalidParameterValue", {**zone, "Size": 9, "VolumeType": "gp3", "Throughput": 900}),
            ("InvalidParameterValue", {**zone, "Size": 9, "VolumeType": "st1"}),
            ("InvalidParameterDependency", {**zone, "Size": 1, "KmsKeyId": "alias/lab"}),
            ("InvalidParameterCombination", {**zone, "Size": 1, "VolumeInitializationRate": 100}),
            ("InvalidParameterValue",
             {**zone, "SnapshotId": ids[0], "VolumeInitializationRate": 1}),
            ("InvalidSnapshotID.Malformed", {**zone, "SnapshotId": "snap-1"}),
            ("InvalidSnapshot.NotFound", {**zone, "SnapshotId": "snap-" + "0" * 17}),
            ("InvalidParameterValue", {**zone, "Size": 1, "ClientToken": "t" * 65}),
        ):
            with self.refused(code):
                self.ec2.create_volume(**order)
        big = self.made(Size=2)
        snapshot = self.ec2.create_snapshot(VolumeId=big)["SnapshotId"]
        self.finish()
        with self.refused("InvalidParameterValue"):
            self.ec2.create_volume(**zone, SnapshotId=snapshot, Size=1)
        with self.refused("DryRunOperation", 412):
            self.ec2.create_volume(**zone, SnapshotId=snapshot, DryRun=True)

    def an_encrypted_snapshot_makes_encrypted_volumes(self):
        made = self.made(Encrypted=True, KmsKeyId="alias/lab")
        snapshot = self.ec2.create_snapshot(VolumeId=made)["SnapshotId"]
        self.finish()
        row = self.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        assert row["Encrypted"] and row["KmsKeyId"].endswith(":alias/lab")
        copy = self.volume(self.made(SnapshotId=snapshot))
        assert copy["Encrypted"] and copy["KmsKeyId"] == row["KmsKeyId"]
        with self.refused("InvalidParameterValue"):
            self.made(SnapshotId=snapshot, Encrypted=False)

    def the_same_token_makes_one_volume(self):
        order = {"AvailabilityZone": "eu-west-1a", "Size": 1, "ClientToken": "once"}
        made = self.ec2.create_volume(**order)["VolumeId"]
        self.until("available", lambda: self.volume(made)["State"])
        again = self.ec2.create_volume(**order)
        assert (again["VolumeId"], again["State"]) == (made, "available")
        with self.refused("IdempotentParameterMismatch"):
            self.ec2.create_volume(**{**order, "Size": 2})
        assert self.ec2.create_volume(**{**order, "ClientToken": "twice"})["VolumeId"] != made

    def a_new_volume_can_be_unknown_or_fail(self):
        self.lab.post("fault", {"action": "CreateVolume", "kind": "invisible", "ms": 5000})
        order = {"AvailabilityZone": "eu-west-1a", "Size": 1}
        made = self.ec2.create_volume(**order)["VolumeId"]
        with self.refused("InvalidVolume.NotFound"):
            self.volume(made)
        assert made not in [one["VolumeId"] for one in self.ec2.describe_volumes()["Volumes"]]
        self.lab.post("fault", {"action": "CreateVolume", "kind": "partial"})
        self.lab.post("set", {"volume_time_s": 60})
        made = self.ec2.create_volume(**order)["VolumeId"]
        self.comes("error", lambda: self.volume(made)["State"], "creating")
        self.ec2.delete_volume(VolumeId=made)

    def volumes_are_found_by_every_filter(self):
        made = self.made(
            VolumeType="gp3", TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": "stillpoint:loan", "Value": "l 1"}]}
            ]
        )
        self.attach(made, "/dev/sdt")
        self.until("attached", lambda: self.attached(made))
        for name, value in (
            ("tag:stillpoint:loan", "l*"), ("tag-key", "stillpoint:loan"), ("volume-id", made),
            ("attachment.device", "/dev/sdt"),
        ):
            rows = self.ec2.describe_volumes(Filters=[{"Name": name, "Values": [value]}])["Volumes"]
            assert [row["VolumeId"] for row in rows] == [made], name
        for name, value in (
            ("attachment.instance-id", self.node["instance"]), ("attachment.status", "attached"),
            ("attachment.delete-on-termination", "false"), ("availability-zone", "eu-west-1a"),
            ("encrypted", "false"), ("size", "1"), ("status", "in-use"), ("volume-type", "gp3"),
            ("create-time", "20*"),
        ):
            filters = [{"Name": name, "Values": [value]}, {"Name": "volume-id", "Values": [made]}]
            assert self.ec2.describe_volumes(Filters=filters)["Volumes"], name
            filters[0]["Values"] = ["none"]
            assert not self.ec2.describe_volumes(Filters=filters)["Volumes"], name
        self.ec2.detach_volume(VolumeId=made)

    # -- attaching

    def attaching_takes_time_and_the_map_follows(self):
        with tempfile.TemporaryDirectory(dir=self.lab.directory) as folder:
            self.lab.post("node", {"instance_id": self.node["instance"], "dir": folder})
            path = os.path.join(folder, "map.json")
            made = self.made()
            self.lab.post("set", {"attach_time_s": 60, "detach_time_s": 60})
            assert self.attach(made, "/dev/sdj")["State"] == "attaching"
            assert made not in self.map(path).values() and self.device_of(made) is None
            row = self.instance(self.node["instance"])["BlockDeviceMappings"][-1]
            assert (row["DeviceName"], row["Ebs"]["Status"]) == ("/dev/sdj", "attaching")
            with self.refused("IncorrectState"):
                self.ec2.detach_volume(VolumeId=made)
            self.comes("attached", lambda: self.attached(made), "attaching")
            assert self.map(path)[self.device_of(made)] == made
            assert set(self.map(path).values()) >= set(self.volumes)
            assert os.stat(path).st_mode & 0o777 == 0o644
            assert self.ec2.detach_volume(VolumeId=made)["State"] == "detaching"
            assert self.map(path)[self.device_of(made)] == made
            self.comes(None, lambda: self.attached(made), "detaching")
            assert self.volume(made)["State"] == "available"
            assert made not in self.map(path).values() and self.device_of(made) is None

    @staticmethod
    def map(path):
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)

    def attaching_is_refused_where_ec2_refuses(self):
        here, there = self.made(), self.made(AvailabilityZone="eu-west-1b")
        for device in ("sdf1x", "/dev/nvme1n1", "/dev/sdA", "/dev/loop1", "/dev/sda16"):
            with self.refused("InvalidParameterValue"):
                self.attach(here, device)
        with self.refused("InvalidParameterValue"):
            self.attach(here, "/dev/sdf")  # occupied
        with self.refused("InvalidVolume.ZoneMismatch"):
            self.attach(there, "/dev/sdk")
        with self.refused("VolumeInUse"):
            self.attach(self.volumes[1], "/dev/sdk")
        with self.refused("InvalidInstanceID.NotFound"):
            self.attach(here, "/dev/sdk", "i-" + "0" * 17)
        with self.refused("DryRunOperation", 412):
            self.ec2.attach_volume(
                VolumeId=there, InstanceId=self.node["instance"], Device="/dev/sdk", DryRun=True
            )
        used = len(self.lab.get("instances")[self.node["instance"]]["volumes"])
        self.lab.post("set", {"attachment_limit": used})
        with self.refused("AttachmentLimitExceeded"):
            self.attach(here, "/dev/sdk")
        self.lab.post("set", {"attachment_limit": used + 1})
        self.attach(here, "/dev/sdk")
        with self.refused("VolumeInUse"):
            self.ec2.delete_volume(VolumeId=here)
        self.until("attached", lambda: self.attached(here))
        with self.refused("InvalidAttachment.NotFound"):
            self.ec2.detach_volume(VolumeId=here, Device="/dev/sdl")
        self.ec2.detach_volume(
            VolumeId=here, Device="/dev/sdk", InstanceId=self.node["instance"]
        )
        self.until(None, lambda: self.attached(here))
        with self.refused("IncorrectState"):
            self.ec2.detach_volume(VolumeId=here)
        with self.refused("OperationNotPermitted"):
            self.ec2.detach_volume(VolumeId=self.volumes[0])

    def a_mounted_volume_stays_busy_until_it_is_let_go(self):
        made = self.made()
        self.attach(made, "/dev/sdm")
        self.until("attached", lambda: self.attached(made))
        device = self.device_of(made)
        run("mkfs.ext4", "-q", device)
        with tempfile.TemporaryDirectory(dir=self.lab.directory) as folder:
            run("mount", device, folder)
            try:
                self.lab.post("set", {"detach_time_s": 60})
                self.ec2.detach_volume(VolumeId=made)
                self.comes("busy", lambda: self.attached(made), "detaching")
                assert self.volume(made)["State"] == "in-use" and self.device_of(made) == device
                with self.refused("VolumeInUse"):
                    self.ec2.delete_volume(VolumeId=made)
                with open(os.path.join(folder, "still"), "w", encoding="ascii") as stream:
                    stream.write("there")
            finally:
                run("umount", folder)
            assert self.until("available", lambda: self.volume(made)["State"]) in (["in-use"], [])

    def force_takes_a_mounted_volume_away(self):
        made = self.made()
        self.attach(made, "/dev/sdn")
        self.until("attached", lambda: self.attached(made))
        device = self.device_of(made)
        run("mkfs.ext4", "-q", device)
        with tempfile.TemporaryDirectory(dir=self.lab.directory) as folder:
            run("mount", device, folder)
            try:
                self.ec2.detach_volume(VolumeId=made)
                self.until("busy", lambda: self.attached(made))
                self.ec2.detach_volume(VolumeId=made, Force=True)
                self.until("available", lambda: self.volume(made)["State"])
                try:
                    with open(os.path.join(folder, "lost"), "w", encoding="ascii") as stream:
                        stream.write("x" * 8192)
                        stream.flush()
                        os.fsync(stream.fileno())
                except OSError:
                    pass
                else:
                    raise AssertionError("it was written")
                self.ec2.delete_volume(VolumeId=made)
            finally:
                run("umount", folder)
        name = os.path.basename(device)
        self.until(False, lambda: os.path.exists(f"/sys/block/{name}/loop/backing_file"))


if __name__ == "__main__":
    sys.exit(main(Tests, *sys.argv[1:]))
