# SPDX-License-Identifier: BSD-2-Clause
"""Faults of EC2 and of the metadata service: what the cloud does to the call at the point."""
import time

from faults import BEFORE, Expect

CALLS = {  # what the backup asks next at a point
    "plan": {"action": "DescribeInstances"},
    "ready": {"action": "CreateSnapshots", "dry_run": True},
    "request": {"action": "CreateSnapshots", "dry_run": False},
    "tagging": {"action": "CreateTags"},
    "waiting": {"action": "DescribeSnapshots"},
    "image": {"action": "RegisterImage"},
}
CALM = {  # quick, and the same at the beginning of each cell
    "latency_ms": {"CreateSnapshots": 60},
    "snapshot_time_s": 0.1,
    "image_time_s": 0.1,
}
HANG_S = 8  # longer than a hold; then the connection is reset
LASTS_S = 4  # a fault without end, where we would wait for its end
LATE_MS = 5000  # beyond STILLPOINT_LOST_MS
NET = r"connection|reset|broke|answer|deadline|time"


class Cloud:
    """Nothing of ours is hit, so each freeze is bounded by its lease alone."""

    options = ()
    stops = False

    def __init__(self, name, points):
        self.name, self.points = name, points

    def seconds(self, point):
        return 3

    def order(self, cell):
        pass

    def inject(self, cell):
        raise NotImplementedError

    def thaw_due_us(self, cell):
        return None

    def heal(self, cell):
        pass

    def end(self, cell):
        cell.scene.cloud.post("faults", {})
        cell.scene.cloud.post("reset", {})
        cell.scene.cloud.post("set", CALM)


class Call(Cloud):
    """A fault on order for the call that comes next.

    exits   {point: exit codes}; "*" for the others
    most    {point: highest label}
    wait    {point: seconds}  so long the fault lasts when it would last for ever"""

    def __init__(self, name, order, points=tuple(CALLS), exits=None, most=None, cause=NET,
                 looked_for=(), slow=None, ends=()):
        super().__init__(name, points)
        self._order, self._exits, self._most, self._cause = order, exits or {}, most or {}, cause
        self._looked_for, self._slow, self._ends = looked_for, slow or {}, ends

    def seconds(self, point):
        return self._slow.get(point, 3)

    def inject(self, cell):
        cell.scene.cloud.post("fault", {**CALLS[cell.point], **self._order})

    def heal(self, cell):
        if cell.point in self._ends:
            _let_pass(cell, LASTS_S)
            cell.scene.cloud.post("faults", {})

    def expect(self, point):
        exits = self._exits.get(point, self._exits.get("*", (0,)))
        if point in self._looked_for:
            exits += (6,)
        return Expect(exits, self._most.get(point, "application"), self._cause)


def _let_pass(cell, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not cell.client.ended():
        time.sleep(0.02)


class Late(Call):
    """The answer is lost, and what was made is shown only after the agent has looked for it."""

    def __init__(self):
        super().__init__("lost-and-late", {"kind": "reset_after"}, ("request",),
                         {"*": (1, 3, 6)}, {"request": "crash"}, looked_for=("request",))

    def inject(self, cell):
        cell.scene.cloud.post("set", {"visible_after_ms": LATE_MS})
        super().inject(cell)

    def heal(self, cell):
        super().heal(cell)
        cell.client.wait(10)
        time.sleep(LATE_MS / 1000)

    def end(self, cell):
        super().end(cell)
        cell.scene.stop_daemon()  # the next start looks again


class NoDelete(Call):
    """A set that is to go, and the right to delete is not ours: all of it is tagged `failed`."""

    def __init__(self):
        super().__init__("no-delete", {"kind": "partial"}, ("request",), {"*": (1,)},
                         cause=r"DeleteSnapshot is not allowed|could not be deleted")

    def inject(self, cell):
        cell.scene.cloud.post("set", {"deny": ["DeleteSnapshot"]})
        super().inject(cell)


class Imds(Cloud):
    def __init__(self, name, mode):
        super().__init__(name, ("identify", "plan", "ready", "request", "tagging", "waiting", "image"))
        self._mode = mode

    def inject(self, cell):
        cell.scene.cloud.post("set", {"imds": {"mode": self._mode}})

    def expect(self, point):
        return Expect((5,) if point == "identify" else (0,), cause=r"metadata|IMDS|169\.254|identity")


class SpotNotice(Cloud):
    """EC2 says that it takes the instance away: what is not begun is not begun any more."""

    def __init__(self):
        super().__init__("spot-notice", ("identify", "plan", "ready", "hold-mysql", "sent"))

    def inject(self, cell):
        cell.scene.cloud.post("set", {"imds": {"spot_action": {
            "action": "terminate", "time": "2030-01-01T00:00:00Z"}}})

    def end(self, cell):
        super().end(cell)
        cell.scene.cloud.post("set", {"imds": {"spot_action": None}})

    def expect(self, point):
        return Expect((5,) if point in BEFORE else (0,), cause="terminate this instance")


class KeysExpire(Cloud):
    """The keys that the agent has are over before their time; it could fetch new ones."""

    def __init__(self):
        super().__init__("keys-expire", tuple(CALLS))

    def inject(self, cell):
        cell.scene.cloud.post("imds", {"expire_credentials": True})

    def expect(self, point):
        return Expect(EXPIRED[point] + (6,) * (point == "image"), cause=r"Expired|credential")


class KeysShort(Cloud):
    """Keys that would expire in the hold: refused before anything is held."""

    def __init__(self):
        super().__init__("keys-short", ("plan",))

    def inject(self, cell):
        pass

    def order(self, cell):
        cell.scene.stop_daemon()
        cell.scene.cloud.post("imds", {"drop_credentials": True})
        cell.scene.cloud.post("set", {"imds": {
            "credentials_lifetime_s": 30, "renew_before_s": 1, "freeze_credentials": True,
        }})
        cell.scene.start("daemon")

    def end(self, cell):
        super().end(cell)
        cell.scene.cloud.post("imds", {"drop_credentials": True})
        cell.scene.stop_daemon()  # which would keep its short keys

    def expect(self, point):
        return Expect((5,), cause=r"credential|expire")


def _error(code, status=400, count=1):
    return {"kind": "error", "code": code, "status": status, "count": count}


REFUSED = {"plan": (5,), "ready": (5,), "request": (1,), "tagging": (1, 6), "waiting": (6,),
           "image": (3,)}
EXPIRED = {point: exits + (0,) * (point != "request") for point, exits in REFUSED.items()}
HANG = {"kind": "hang", "seconds": HANG_S}
LOST = {"kind": "lost", "seconds": HANG_S}

FAULTS = [
    Call("reset-before", {"kind": "reset_before"}, exits={"request": (1,), "image": (0, 3)},
         looked_for=("request",), slow={"image": 65}),
    Call("reset-after", {"kind": "reset_after"}, exits={"request": (3,)},
         most={"request": "crash"}),
    Call("hang", HANG, exits={"request": (1,), "image": (0, 3)}, looked_for=("request",),
         slow={**{point: 5 for point in CALLS}, "image": 65}),
    Call("lost", LOST, exits={"request": (3,)}, most={"request": "crash"},
         slow={point: 5 for point in CALLS}),
    Late(),
    NoDelete(),
    Call("500", _error("InternalError", 500), exits={"request": (1,), "image": (0, 3)},
         cause=r"InternalError", looked_for=("request",), slow={"image": 65}),
    Call("503-once", _error("RequestLimitExceeded", 503), cause=r"RequestLimitExceeded",
         slow={"request": 22}),
    Call("503-ever", _error("RequestLimitExceeded", 503, -1),
         exits={"plan": (5,), "ready": (5,), "request": (1,), "tagging": (6,), "image": (0, 3)},
         cause=r"RequestLimitExceeded", slow={"request": 25, "tagging": 65}, ends=("waiting",
                                                                                  "image")),
    Call("partial", {"kind": "partial"}, ("request",), exits={"*": (1,)}, cause=r"snap-|error|fail"),
    Call("rate-limit", _error("SnapshotCreationPerVolumeRateExceeded"), ("request",),
         cause=r"RateExceeded", slow={"request": 22}),
    Call("redirect", {"kind": "redirect"}, exits=REFUSED, cause=r"region|redirect|307|elsewhere"),
    Call("wrong-region", _error("AuthFailure", 401, -1), exits=REFUSED,
         cause=r"AuthFailure|region|credential"),
    Call("expired", _error("RequestExpired"), exits=EXPIRED, cause=r"RequestExpired"),
    Call("token-expired", _error("ExpiredToken"), exits=EXPIRED,
         cause=r"ExpiredToken"),
    Call("invisible", {"kind": "invisible", "ms": 1500}, ("request", "image")),
    Imds("imds-gone", "refuse"),
    Imds("imds-hangs", "hang"),
    SpotNotice(),
    KeysExpire(),
    KeysShort(),
]
