#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What keeps snapshots and images from going in the lab's cloud - Recycle Bin, locks, tiers, other
owners, keys - by themselves: cloud_keeping_test.py DIR [NAME...].

cases/cloud-keeping.sh starts a cloud and runs all of them."""
import datetime
import sys
import time

from cloud_test import Base, main

OTHER = "999988887777"


class Tests(Base):
    HELPERS = ("taken", "image", "tags", "lock_state", "tiering")
    number = 0

    def taken(self, **more):
        """A snapshot of a data volume."""
        made = self.ec2.create_snapshot(VolumeId=self.volumes[1], **more)["SnapshotId"]
        self.finish()
        return made

    def image(self):
        """(its id, those of its snapshots), available."""
        ids = self.cut()
        self.finish()
        Tests.number += 1
        made = self.ec2.register_image(
            Name=f"kept {Tests.number}", RootDeviceName="/dev/sda1",
            BlockDeviceMappings=self.mapping(ids), Description="of a test", EnaSupport=True,
            VirtualizationType="hvm", Architecture="x86_64",
            TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}],
        )["ImageId"]
        self.until("available", lambda: self.ec2.describe_images(ImageIds=[made])["Images"][0][
            "State"
        ])
        return made, ids

    def tags(self, resource_id):
        rows = self.ec2.describe_tags(
            Filters=[{"Name": "resource-id", "Values": [resource_id]}]
        )["Tags"]
        return {row["Key"]: row["Value"] for row in rows}

    # -- Recycle Bin

    def a_deleted_snapshot_lies_in_the_bin_and_comes_back(self):
        kept = self.taken(Description="d", TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}])
        gone = self.taken()
        self.ec2.delete_snapshot(SnapshotId=gone)
        self.lab.post("set", {"recycle_snapshots_s": 60})
        self.ec2.delete_snapshot(SnapshotId=kept)
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.describe_snapshots(SnapshotIds=[kept])
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.delete_snapshot(SnapshotId=kept)
        assert kept not in [
            row["SnapshotId"] for row in self.ec2.describe_snapshots()["Snapshots"]
        ]
        rows = self.ec2.list_snapshots_in_recycle_bin()["Snapshots"]
        assert [row["SnapshotId"] for row in rows] == [kept]
        assert (rows[0]["VolumeId"], rows[0]["Description"]) == (self.volumes[1], "d")
        lasts = rows[0]["RecycleBinExitTime"] - rows[0]["RecycleBinEnterTime"]
        assert lasts == datetime.timedelta(seconds=60)
        assert self.tags(kept) == {"a": "b", "aws:recycle-bin:resource-in-bin": "true"}
        self.ec2.create_tags(Resources=[kept], Tags=[{"Key": "c", "Value": "d"}])
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.restore_snapshot_from_recycle_bin(SnapshotId=gone)
        with self.refused("DryRunOperation", 412):
            self.ec2.restore_snapshot_from_recycle_bin(SnapshotId=kept, DryRun=True)
        back = self.ec2.restore_snapshot_from_recycle_bin(SnapshotId=kept)
        assert (back["State"], back["VolumeId"]) == ("completed", self.volumes[1])
        assert self.ec2.describe_snapshots(SnapshotIds=[kept])["Snapshots"]
        assert self.tags(kept) == {"a": "b", "c": "d"}
        assert not self.ec2.list_snapshots_in_recycle_bin()["Snapshots"]
        made = self.ec2.create_volume(SnapshotId=kept, AvailabilityZone="eu-west-1a")["VolumeId"]
        self.until("available", lambda: self.volume(made)["State"])

    def what_lies_in_the_bin_goes_when_its_time_is_up(self):
        self.lab.post("set", {"recycle_snapshots_s": 2})
        made = self.taken()
        self.ec2.delete_snapshot(SnapshotId=made)
        assert self.ec2.list_snapshots_in_recycle_bin(SnapshotIds=[made])["Snapshots"]
        self.until([], lambda: self.ec2.list_snapshots_in_recycle_bin()["Snapshots"])
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.restore_snapshot_from_recycle_bin(SnapshotId=made)
        assert not self.tags(made)

    def images_have_a_rule_of_their_own(self):
        image, ids = self.image()
        self.lab.post("set", {"recycle_images_s": 60})
        self.ec2.deregister_image(ImageId=image)
        with self.refused("InvalidAMIID.Unavailable"):
            self.ec2.describe_images(ImageIds=[image])
        row = self.ec2.list_images_in_recycle_bin()["Images"][-1]
        assert (row["ImageId"], row["Description"]) == (image, "of a test")
        self.ec2.restore_image_from_recycle_bin(ImageId=image)
        row = self.ec2.describe_images(ImageIds=[image])["Images"][0]
        assert row["State"] == "available" and row["Tags"] == [{"Key": "a", "Value": "b"}]
        with self.refused("InvalidSnapshot.InUse"):
            self.ec2.delete_snapshot(SnapshotId=ids[0])
        self.ec2.deregister_image(ImageId=image)
        self.ec2.delete_snapshot(SnapshotId=ids[0])  # the bin's image holds nothing
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.restore_image_from_recycle_bin(ImageId=image)

    def deregistering_with_the_snapshots_bins_both(self):
        image, ids = self.image()
        self.lab.post("set", {"recycle_images_s": 60, "recycle_snapshots_s": 60})
        rows = self.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
        assert [row["ReturnCode"] for row in rows["DeleteSnapshotResults"]] == ["success"] * 3
        kept = self.ec2.list_snapshots_in_recycle_bin(SnapshotIds=ids)["Snapshots"]
        assert len(kept) == 3
        answer = self.ec2.list_snapshots_in_recycle_bin(MaxResults=5)
        assert len(answer["Snapshots"]) <= 5

    # -- locks

    def lock_state(self, snapshot_id):
        rows = self.ec2.describe_locked_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        return rows[0]["LockState"] if rows else None

    def a_locked_snapshot_is_not_deleted_until_it_is_unlocked(self):
        made = self.taken()
        assert self.lock_state(made) is None
        row = self.ec2.lock_snapshot(SnapshotId=made, LockMode="governance", LockDuration=7)
        assert (row["LockState"], row["LockDuration"]) == ("governance", 7)
        assert row["LockExpiresOn"] - row["LockCreatedOn"] == datetime.timedelta(days=7)
        with self.refused("OperationNotPermitted"):
            self.ec2.delete_snapshot(SnapshotId=made)
        row = self.ec2.describe_locked_snapshots(
            Filters=[{"Name": "lock-state", "Values": ["governance"]}])["Snapshots"][0]
        assert (row["SnapshotId"], row["OwnerId"]) == (made, self.lab.about["account"])
        assert not self.ec2.describe_locked_snapshots(
            Filters=[{"Name": "lock-state", "Values": ["compliance"]}])["Snapshots"]
        self.ec2.lock_snapshot(SnapshotId=made, LockMode="governance", LockDuration=1)
        self.ec2.unlock_snapshot(SnapshotId=made)
        assert self.lock_state(made) is None
        with self.refused("IncorrectState"):
            self.ec2.unlock_snapshot(SnapshotId=made)
        self.ec2.delete_snapshot(SnapshotId=made)

    def compliance_can_be_extended_only_and_ends_by_itself(self):
        self.lab.post("set", {"lock_day_s": 4})
        made = self.taken()
        self.ec2.lock_snapshot(
            SnapshotId=made, LockMode="compliance", CoolOffPeriod=12, LockDuration=1)
        assert self.lock_state(made) == "compliance-cooloff"
        self.until("compliance", lambda: self.lock_state(made))
        for order in (
            {"LockMode": "governance", "LockDuration": 9},
            {"LockMode": "compliance", "LockDuration": 9, "CoolOffPeriod": 1},
        ):
            with self.refused("OperationNotPermitted"):
                self.ec2.lock_snapshot(SnapshotId=made, **order)
        with self.refused("OperationNotPermitted"):
            self.ec2.unlock_snapshot(SnapshotId=made)
        with self.refused("OperationNotPermitted"):
            self.ec2.delete_snapshot(SnapshotId=made)
        self.until("expired", lambda: self.lock_state(made))
        self.ec2.delete_snapshot(SnapshotId=made)

    def wrong_locks_are_refused(self):
        made = self.taken()
        soon = datetime.datetime.now(datetime.timezone.utc)
        for code, order in (
            ("InvalidParameterCombination", {}),
            ("InvalidParameterCombination", {
                "LockDuration": 1, "ExpirationDate": soon + datetime.timedelta(days=3)}),
            ("InvalidParameterCombination", {"LockDuration": 1, "CoolOffPeriod": 1}),
            ("InvalidParameterValue", {"LockDuration": 40000}),
            ("InvalidParameterValue", {"ExpirationDate": soon}),
        ):
            with self.refused(code):
                self.ec2.lock_snapshot(SnapshotId=made, LockMode="governance", **order)
        row = self.ec2.lock_snapshot(
            SnapshotId=made, LockMode="governance",
            ExpirationDate=soon + datetime.timedelta(days=3))
        assert row["LockDuration"] == 3

    def a_locked_one_stays_when_its_image_goes_with_the_rest(self):
        image, ids = self.image()
        self.ec2.lock_snapshot(SnapshotId=ids[1], LockMode="governance", LockDuration=1)
        rows = self.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
        assert [row["ReturnCode"] for row in rows["DeleteSnapshotResults"]] == [
            "success", "client-error", "success"
        ]
        assert self.ec2.describe_snapshots(SnapshotIds=[ids[1]])["Snapshots"]

    def planted_snapshots_can_be_locked(self):
        held, over = self.lab.post("plant", {"snapshots": [
            {"start": -864000, "lock": {"days": 30, "since": -864000}},
            {"start": -864000, "lock": {"mode": "compliance", "days": 3, "since": -864000}},
        ]})["snapshots"]
        assert (self.lock_state(held), self.lock_state(over)) == ("governance", "expired")
        self.ec2.delete_snapshot(SnapshotId=over)
        with self.refused("OperationNotPermitted"):
            self.ec2.delete_snapshot(SnapshotId=held)

    # -- the archive

    def tiering(self, snapshot_id):
        rows = self.ec2.describe_snapshot_tier_status(
            Filters=[{"Name": "snapshot-id", "Values": [snapshot_id]}])["SnapshotTierStatuses"]
        return rows[0]

    def _last(self, snapshot_id):
        return self.tiering(snapshot_id).get("LastTieringOperationStatus")

    def _archived(self):
        made = self.taken()
        self.ec2.modify_snapshot_tier(SnapshotId=made, StorageTier="archive")
        self.until("archival-completed", lambda: self._last(made))
        return made

    def a_snapshot_is_archived_over_time_and_then_of_no_use(self):
        self.lab.post("set", {"archive_time_s": 2})
        made, other = self.taken(), self.taken()
        order = {"SnapshotId": made, "AvailabilityZone": "eu-west-1a"}
        self.ec2.modify_snapshot_tier(SnapshotId=made, StorageTier="archive")
        row = self.tiering(made)
        assert row["LastTieringOperationStatus"] == "archival-in-progress"
        assert row["StorageTier"] == "standard" and row["LastTieringProgress"] < 100
        self.ec2.create_volume(**order)  # still
        self.until("archival-completed", lambda: self._last(made))
        row = self.tiering(made)
        assert row["StorageTier"] == "archive" and row["ArchivalCompleteTime"]
        assert row["LastTieringProgress"] == 100 and "RestoreExpiryTime" not in row
        assert "LastTieringOperationStatus" not in self.tiering(other)
        shown = self.ec2.describe_snapshots(
            Filters=[{"Name": "storage-tier", "Values": ["archive"]},
                     {"Name": "snapshot-id", "Values": [made, other]}])["Snapshots"]
        assert [(row["SnapshotId"], row["StorageTier"]) for row in shown] == [(made, "archive")]
        with self.refused("IncorrectState"):
            self.ec2.create_volume(**order)
        with self.refused("IncorrectState"):
            self.ec2.modify_snapshot_tier(SnapshotId=made, StorageTier="archive")
        with self.refused("IncorrectState"):
            self.ec2.register_image(
                Name="of the archive", RootDeviceName="/dev/sda1",
                BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": made}}])
        image, _ = self.image()
        with self.refused("IncorrectState"):
            self.ec2.run_instances(
                ImageId=image, MinCount=1, MaxCount=1, InstanceType="m5.large",
                BlockDeviceMappings=[{"DeviceName": "/dev/sdh", "Ebs": {"SnapshotId": made}}])
        self.ec2.delete_snapshot(SnapshotId=made)

    def an_archived_snapshot_is_recalled_for_good_or_for_days(self):
        self.lab.post("set", {"archive_day_s": 1.2, "recall_time_s": 1.5})
        made = self._archived()
        row = self.ec2.restore_snapshot_tier(SnapshotId=made, TemporaryRestoreDays=2)
        assert row["RestoreDuration"] == 2 and row["IsPermanentRestore"] is False
        assert self._last(made) == "temporary-restore-in-progress"
        with self.refused("IncorrectState"):
            self.ec2.create_volume(SnapshotId=made, AvailabilityZone="eu-west-1a")
        with self.refused("IncorrectState"):
            self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        self.until("temporary-restore-completed", lambda: self._last(made))
        row = self.tiering(made)
        assert row["StorageTier"] == "standard" and row["RestoreExpiryTime"]
        self.ec2.create_volume(SnapshotId=made, AvailabilityZone="eu-west-1a")
        self.until("archive", lambda: self.tiering(made)["StorageTier"])
        self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        self.until("permanent-restore-completed", lambda: self._last(made))
        time.sleep(2.5)  # more than the days of before
        assert self.tiering(made)["StorageTier"] == "standard"
        with self.refused("IncorrectState"):
            self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)

    def what_can_t_be_archived_is_refused(self):
        _, ids = self.image()
        with self.refused("InvalidSnapshot.InUse"):
            self.ec2.modify_snapshot_tier(SnapshotId=ids[0], StorageTier="archive")
        pending = self.ec2.create_snapshot(VolumeId=self.volumes[1])["SnapshotId"]
        with self.refused("IncorrectState"):
            self.ec2.modify_snapshot_tier(SnapshotId=pending, StorageTier="archive")
        foreign = self.lab.post("plant", {"snapshots": [{"owner": OTHER, "shared": "us"}]})
        with self.refused("AuthFailure", 403):
            self.ec2.modify_snapshot_tier(
                SnapshotId=foreign["snapshots"][0], StorageTier="archive")
        made = self.taken()
        with self.refused("IncorrectState"):
            self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        archived = self.lab.post("plant", {"snapshots": [{"tier": "archive", "start": -9999}]})
        archived = archived["snapshots"][0]
        assert self.tiering(archived)["StorageTier"] == "archive"
        for code, order in (
            ("InvalidParameterCombination", {}),
            ("InvalidParameterCombination", {"TemporaryRestoreDays": 1, "PermanentRestore": True}),
            ("InvalidParameterValue", {"TemporaryRestoreDays": 0}),
        ):
            with self.refused(code):
                self.ec2.restore_snapshot_tier(SnapshotId=archived, **order)
        with self.refused("DryRunOperation", 412):
            self.ec2.modify_snapshot_tier(SnapshotId=made, StorageTier="archive", DryRun=True)

    def archiving_and_recalling_can_fail(self):
        made = self.taken()
        self.lab.post("fault", {"action": "ModifySnapshotTier", "kind": "partial"})
        self.ec2.modify_snapshot_tier(SnapshotId=made, StorageTier="archive")
        self.until("archival-failed", lambda: self._last(made))
        row = self.tiering(made)
        assert row["StorageTier"] == "standard" and row["LastTieringOperationStatusDetail"]
        made = self._archived()
        self.lab.post("fault", {"action": "RestoreSnapshotTier", "kind": "partial"})
        self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        self.until("permanent-restore-failed", lambda: self._last(made))
        assert self.tiering(made)["StorageTier"] == "archive"

    # -- other owners

    def what_is_another_s_is_not_ours_to_delete(self):
        made = self.lab.post("plant", {
            "snapshots": [{"owner": OTHER, "shared": "us"}, {"owner": OTHER, "shared": "all"},
                          {"owner": OTHER}],
            "images": [{"owner": OTHER, "shared": "us", "disks": [["/dev/sda1", 0]]}],
        })
        for snapshot_id in made["snapshots"][:2]:
            assert self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
            with self.refused("AuthFailure", 403):
                self.ec2.delete_snapshot(SnapshotId=snapshot_id)
            with self.refused("AuthFailure", 403):
                self.ec2.lock_snapshot(
                    SnapshotId=snapshot_id, LockMode="governance", LockDuration=1)
        with self.refused("InvalidSnapshot.NotFound"):
            self.ec2.delete_snapshot(SnapshotId=made["snapshots"][2])
        with self.refused("AuthFailure", 403):
            self.ec2.deregister_image(ImageId=made["images"][0])

    # -- keys

    def _volumes(self, volume_id):
        rows = self.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])
        return rows["Volumes"]

    def a_volume_whose_key_does_not_serve_the_caller_goes_again(self):
        self.lab.post("set", {"key_users": {"secret": ["restore"]}})
        admin = self.lab.ec2()
        order = {"AvailabilityZone": "eu-west-1a", "Size": 1, "Encrypted": True}
        made = admin.create_volume(KmsKeyId="secret", **order)["VolumeId"]
        self.until("available", lambda: self.volume(made)["State"])
        snapshot = self.ec2.create_snapshot(VolumeId=made)["SnapshotId"]
        self.finish()
        mine = {"AvailabilityZone": "eu-west-1a", "SnapshotId": snapshot, "ClientToken": "mine"}
        row = self.ec2.create_volume(**mine)
        assert row["State"] == "creating" and row["Encrypted"]
        self.until([], lambda: self._volumes(row["VolumeId"]))
        with self.refused("InvalidVolume.NotFound"):
            self.volume(row["VolumeId"])
        with self.refused("IdempotentParameterMismatch"):
            self.ec2.create_volume(**mine)
        with self.refused("CustomerKeyHasBeenRevoked"):
            self.ec2.attach_volume(
                VolumeId=made, InstanceId=self.node["instance"], Device="/dev/sdp")
        allowed = self.lab.ec2("restore").create_volume(**{**mine, "ClientToken": "its"})
        self.until("available", lambda: self.volume(allowed["VolumeId"])["State"])
        row = self.ec2.create_volume(KmsKeyId="other", **order)  # no policy is known of this one
        self.until("available", lambda: self.volume(row["VolumeId"])["State"])

    def an_instance_whose_key_does_not_serve_the_caller_ends(self):
        image, _ = self.image()
        secret = {"DeviceName": "/dev/sdf", "Ebs": {"Encrypted": True, "KmsKeyId": "secret"}}
        order = {
            "ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "m5.large",
            "BlockDeviceMappings": [secret],
        }
        admin = self.lab.ec2()
        made = admin.run_instances(**order)["Instances"][0]["InstanceId"]
        self.until("running", lambda: self.instance(made)["State"]["Name"])
        disk = self.instance(made)["BlockDeviceMappings"][1]["Ebs"]["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=disk)["SnapshotId"]
        self.finish()
        self.lab.post("set", {"key_users": {"secret": []}})
        secret["Ebs"] = {"SnapshotId": snapshot}
        made = self.ec2.run_instances(**order)["Instances"][0]["InstanceId"]
        seen = self.until("terminated", lambda: self.instance(made)["State"]["Name"])
        assert "running" not in seen
        assert self.instance(made)["StateReason"]["Code"] == "Client.InternalError"

    def a_volume_can_be_gone_on_order(self):
        self.lab.post("fault", {"action": "CreateVolume", "kind": "partial", "gone": True})
        made = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        self.until([], lambda: self._volumes(made))


if __name__ == "__main__":
    sys.exit(main(Tests, *sys.argv[1:]))
