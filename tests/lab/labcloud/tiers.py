# SPDX-License-Identifier: BSD-2-Clause
"""The archive tier: ModifySnapshotTier, RestoreSnapshotTier, DescribeSnapshotTierStatus.

Archiving takes archive_time_s, a recall recall_time_s, and a day of a temporary one archive_day_s.
A snapshot can be used while it is being archived, and not before its recall is over. ARCHIVED, the
code for one that can't be, is not documented: a guess. Fault `partial` of either call: it fails.
"""
import time

from .wire import Ec2Error
from .world import now

ARCHIVED = "IncorrectState"


class Tiering:
    """The last operation on a snapshot. word: archival, temporary-restore, permanent-restore."""

    def __init__(self, word, seconds):
        self.word, self.seconds = word, seconds
        self.outcome = "in-progress"
        self.started, self.started_mono = now(), time.monotonic()

    @property
    def status(self):
        return f"{self.word}-{self.outcome}"

    @property
    def progress(self):
        if self.outcome == "completed":
            return 100
        past = time.monotonic() - self.started_mono
        return min(99, int(100 * past / self.seconds)) if self.seconds > 0 else 99


def check_usable(snapshot):
    if snapshot.tier == "archive":
        raise Ec2Error(
            ARCHIVED,
            f"The snapshot '{snapshot.snapshot_id}' is archived. It must be restored to the "
            "standard tier before it can be used.",
        )


def _later(moment, seconds):
    return moment.fromtimestamp(moment.timestamp() + seconds, moment.tzinfo)


def _operate(world, snapshot, word, seconds, fails, done):
    tiering = snapshot.tiering = Tiering(word, seconds)

    def over():
        if snapshot.tiering is not tiering:
            return
        tiering.outcome = "failed" if fails else "completed"
        if not fails:
            done()

    world.clock.after(seconds, over)
    return tiering


def _is_busy(snapshot):
    return snapshot.tiering is not None and snapshot.tiering.outcome == "in-progress"


def _refuse(snapshot, text):
    raise Ec2Error("IncorrectState", f"The snapshot '{snapshot.snapshot_id}' {text}.")


def _archived(snapshot):
    snapshot.tier, snapshot.archived_at, snapshot.recalled_until = "archive", now(), None


def modify_tier(world, params, call):
    with world.lock:
        snapshot = world.snapshot(params["SnapshotId"])
        world.check_ours(snapshot, "snapshot", snapshot.snapshot_id)
        call.check_dry_run()
        if params.get("StorageTier", "archive") != "archive":
            raise Ec2Error("InvalidParameterValue", "StorageTier must be archive")
        users = world.image_users.get(snapshot.snapshot_id)
        if users:
            raise Ec2Error(
                "InvalidSnapshot.InUse",
                f"The snapshot {snapshot.snapshot_id} is currently in use by {min(users)}",
            )
        if snapshot.state != "completed":
            _refuse(snapshot, f"is in the {snapshot.state} state")
        if snapshot.tier == "archive" or _is_busy(snapshot):
            _refuse(snapshot, "is archived already, or on its way from one tier to the other")
        tiering = _operate(
            world, snapshot, "archival", world.settings["archive_time_s"],
            call.fails() is not None, lambda: _archived(snapshot),
        )
        return {"SnapshotId": snapshot.snapshot_id, "TieringStartTime": tiering.started}


def restore_tier(world, params, call):
    with world.lock:
        snapshot = world.snapshot(params["SnapshotId"])
        world.check_ours(snapshot, "snapshot", snapshot.snapshot_id)
        call.check_dry_run()
        days, for_good = params.get("TemporaryRestoreDays"), bool(params.get("PermanentRestore"))
        if (days is None) != for_good:
            raise Ec2Error(
                "InvalidParameterCombination",
                "Exactly one of TemporaryRestoreDays and PermanentRestore must be specified",
            )
        if days is not None and not 1 <= days <= 180:
            raise Ec2Error("InvalidParameterValue", "TemporaryRestoreDays must be 1 to 180")
        if _is_busy(snapshot):
            _refuse(snapshot, "is on its way from one tier to the other")
        if snapshot.tier != "archive" and snapshot.recalled_until is None:
            _refuse(snapshot, "is not archived")
        word = "permanent-restore" if for_good else "temporary-restore"
        # One that was recalled for some days is here: they are changed.
        seconds = world.settings["recall_time_s"] if snapshot.tier == "archive" else 0
        tiering = _operate(
            world, snapshot, word, seconds, call.fails() is not None,
            lambda: _recalled(world, snapshot, days),
        )
        return {
            "SnapshotId": snapshot.snapshot_id, "RestoreStartTime": tiering.started,
            "RestoreDuration": days, "IsPermanentRestore": for_good,
        }


def _recalled(world, snapshot, days):
    snapshot.tier, snapshot.recalled_until = "standard", None
    if days is None:
        return
    seconds = days * world.settings["archive_day_s"]
    until = snapshot.recalled_until = _later(now(), seconds)

    def back():
        if snapshot.recalled_until is until:
            _archived(snapshot)

    world.clock.after(seconds, back)


FILTERS = ["snapshot-id", "volume-id", "last-tiering-operation"]


def _shown(world, snapshot):
    tiering = snapshot.tiering
    row = {
        "SnapshotId": snapshot.snapshot_id, "VolumeId": snapshot.volume_id,
        "Status": snapshot.state, "OwnerId": snapshot.owner, "StorageTier": snapshot.tier,
        "Tags": world.tags_of(snapshot.snapshot_id),
        "ArchivalCompleteTime": snapshot.archived_at,
        "RestoreExpiryTime": snapshot.recalled_until,
    }
    if tiering is not None:
        row["LastTieringStartTime"] = tiering.started
        row["LastTieringProgress"] = tiering.progress
        row["LastTieringOperationStatus"] = tiering.status
        if tiering.outcome == "failed":
            row["LastTieringOperationStatusDetail"] = "the lab was told to fail this"
    return row


def describe_status(world, params, call):
    with world.lock:
        call.check_dry_run()
        filters = params.get("Filters", [])
        world.check_filters(filters, FILTERS)

        def find():
            rows = []
            for snapshot in world.snapshots.values():
                if not (world.is_ours(snapshot) and snapshot.visible()):
                    continue
                last = snapshot.tiering.status if snapshot.tiering is not None else None
                values = {
                    "snapshot-id": snapshot.snapshot_id, "volume-id": snapshot.volume_id,
                    "last-tiering-operation": last,
                }
                if world.match(filters, world.tags_of(snapshot.snapshot_id), values):
                    rows.append(_shown(world, snapshot))
            return rows

        rows, token = world.page("DescribeSnapshotTierStatus", params, find, False)
        return {"SnapshotTierStatuses": rows, "NextToken": token}


HANDLERS = {
    "ModifySnapshotTier": modify_tier,
    "RestoreSnapshotTier": restore_tier,
    "DescribeSnapshotTierStatus": describe_status,
}
