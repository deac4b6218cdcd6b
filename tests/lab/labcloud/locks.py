# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots locked against deletion: LockSnapshot, UnlockSnapshot, DescribeLockedSnapshots.

A day of a lock and an hour of its cooling-off period last as long as the setting lock_day_s says.
Which code EC2 refuses to delete a locked snapshot with is not documented: LOCKED is a guess, and a
client that asks for it proves nothing.
"""
import datetime

from .wire import Ec2Error
from .world import check_id, now

LOCKED = "OperationNotPermitted"


class Lock:
    """days, cool_off_hours: as asked; begin: from when the days count."""

    def __init__(self, settings, mode, days, cool_off_hours=None, begin=None):
        self._settings = settings
        self.mode, self.days, self.cool_off_hours = mode, days, cool_off_hours
        self.created = self.begin = begin or now()

    def _later(self, days):
        return self.begin + datetime.timedelta(seconds=days * self._settings["lock_day_s"])

    @property
    def ends(self):
        return self._later(self.days)

    @property
    def cool_off_ends(self):
        return None if not self.cool_off_hours else self._later(self.cool_off_hours / 24)

    @property
    def state(self):
        if now() >= self.ends:
            return "expired"
        if self.mode == "compliance" and self.cool_off_hours and now() < self.cool_off_ends:
            return "compliance-cooloff"
        return self.mode


def shown(snapshot):
    lock = snapshot.lock
    return {
        "SnapshotId": snapshot.snapshot_id,
        "LockState": lock.state,
        "LockDuration": lock.days,
        "CoolOffPeriod": lock.cool_off_hours,
        "CoolOffPeriodExpiresOn": lock.cool_off_ends,
        "LockCreatedOn": lock.created,
        "LockDurationStartTime": lock.begin,
        "LockExpiresOn": lock.ends,
    }


def holds(snapshot):
    return snapshot.lock is not None and snapshot.lock.state != "expired"


def check_unlocked(snapshot):
    if holds(snapshot):
        raise Ec2Error(
            LOCKED, f"The snapshot '{snapshot.snapshot_id}' is locked and cannot be deleted."
        )


# -- calls -----------------------------------------------------------------------------------------


def _days(params, settings):
    until = params.get("ExpirationDate")
    if (until is None) == ("LockDuration" not in params):
        raise Ec2Error(
            "InvalidParameterCombination",
            "Exactly one of LockDuration and ExpirationDate must be specified",
        )
    if until is None:
        return params["LockDuration"]
    moment = datetime.datetime.fromisoformat(until.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    days = round((moment - now()).total_seconds() / settings["lock_day_s"])
    if days < 1:
        raise Ec2Error("InvalidParameterValue", "ExpirationDate must be at least 1 day from now")
    return days


def _check_change(old, params, days):
    """What may be changed of a lock that holds."""
    if old.state != "compliance":
        return
    if params["LockMode"] != "compliance" or "CoolOffPeriod" in params or days < old.days:
        raise Ec2Error(
            LOCKED,
            "The snapshot is locked in compliance mode and its cooling-off period is over: the "
            "lock can be extended only.",
        )


def lock_snapshot(world, params, call):
    with world.lock:
        snapshot = world.snapshot(params["SnapshotId"])
        world.check_ours(snapshot, "snapshot", snapshot.snapshot_id)
        call.check_dry_run()
        if params["LockMode"] == "governance" and "CoolOffPeriod" in params:
            raise Ec2Error(
                "InvalidParameterCombination",
                "CoolOffPeriod cannot be specified with the governance mode",
            )
        days = _days(params, world.settings)
        old = snapshot.lock if holds(snapshot) else None
        if old is not None:
            _check_change(old, params, days)
        begin = old.begin if old is not None and old.state == "compliance" else None
        snapshot.lock = Lock(
            world.settings, params["LockMode"], days, params.get("CoolOffPeriod"), begin
        )
        return shown(snapshot)


def unlock_snapshot(world, params, call):
    with world.lock:
        snapshot = world.snapshot(params["SnapshotId"])
        world.check_ours(snapshot, "snapshot", snapshot.snapshot_id)
        call.check_dry_run()
        if not holds(snapshot):
            raise Ec2Error(
                "IncorrectState", f"The snapshot '{snapshot.snapshot_id}' is not locked."
            )
        if snapshot.lock.state == "compliance":
            raise Ec2Error(
                LOCKED, "The snapshot is locked in compliance mode and cannot be unlocked."
            )
        snapshot.lock = None
        return {"SnapshotId": snapshot.snapshot_id}


def describe_locked(world, params, call):
    with world.lock:
        ids = params.get("SnapshotIds", [])
        for snapshot_id in ids:
            check_id("snap", snapshot_id)
        found = [world.snapshot(snapshot_id) for snapshot_id in dict.fromkeys(ids)]
        if not ids:
            found = [one for one in world.snapshots.values() if world.is_ours(one)]
        call.check_dry_run()
        filters = params.get("Filters", [])
        world.check_filters(filters, ["lock-state"], tags=False)

        def find():
            return [
                {"OwnerId": one.owner, **shown(one)}
                for one in found
                if one.lock is not None and one.visible()
                and world.match(filters, [], {"lock-state": one.lock.state})
            ]

        rows, token = world.page("DescribeLockedSnapshots", params, find, bool(ids))
        return {"Snapshots": rows, "NextToken": token}


HANDLERS = {
    "LockSnapshot": lock_snapshot,
    "UnlockSnapshot": unlock_snapshot,
    "DescribeLockedSnapshots": describe_locked,
}
