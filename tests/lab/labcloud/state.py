# SPDX-License-Identifier: BSD-2-Clause
"""What tests turn: settings, faults on order, and the log of calls. All safe from any thread."""
import copy
import threading
import time

DEFAULTS = {
    # Milliseconds that a call takes at least; "*" for those not named.
    "latency_ms": {"CreateSnapshots": 300, "*": 0},
    "cut_at": 0.5,  # the instant of a snapshot, as a fraction of its call's latency
    "snapshot_time_s": 1.0,  # pending -> completed
    "image_time_s": 0.5,  # pending -> available
    "visible_after_ms": 0,  # a new resource is unknown to every call for so long
    "tags_visible_after_ms": 0,  # what CreateTags did is not shown for so long
    "volume_time_s": 0.2,  # creating -> available
    "attach_time_s": 0.2,  # attaching -> attached: there is the device
    "detach_time_s": 0.2,  # detaching -> available, or busy while the device is held
    "delete_time_s": 0.1,  # deleting -> gone
    "attachment_limit": 28,  # volumes of one instance
    "start_time_s": 0.3,  # pending -> running
    "stop_time_s": 0.2,  # stopping -> stopped, shutting-down -> terminated
    "root_volume_time_s": 0.2,  # a root's replacement: pending -> in-progress
    "root_swap_time_s": 0.2,  # and how long the instance is down, beside what its node takes
    "recycle_snapshots_s": 0,  # > 0: what is deleted lies in the Recycle Bin for so long
    "recycle_images_s": 0,
    "archive_time_s": 0.3,  # a snapshot's way into the archive tier
    "recall_time_s": 0.3,  # and back
    "archive_day_s": 86400,  # what a day of a temporary recall lasts
    "lock_day_s": 86400,  # what a day of a snapshot's lock lasts
    "key_users": {},  # KMS key (id, alias, ARN) -> roles that it serves; others not named serve all
    "instance_profiles": ["stillpoint-node"],  # those that IAM has
    "page_size": 0,  # > 0: Describe calls answer pages of this size, asked or not
    "rate_limit_s": 0,  # > 0: SnapshotCreationPerVolumeRateExceeded within so long
    "pending_limit": 0,  # > 0: ConcurrentSnapshotLimitExceeded from so many pending a volume
    "deny": [],  # actions that the role and the user may not call
    "clock_offset_s": 0,  # the cloud's clock minus the machine's
    "idle_timeout_s": 60,  # a connection without a request is closed after this
    "imds": {
        # ok | refuse (connection refused) | hang | hang_put (the session only, as behind a hop
        # limit of 1) | forbidden (403) | missing (404)
        "mode": "ok",
        "slow_ms": 0,
        "role": "stillpoint-node",  # None: no role attached
        "credentials_lifetime_s": 21600,
        "renew_before_s": 300,
        "freeze_credentials": False,  # never renewed, so they expire
        "credentials_status": 200,
        "tags": False,  # tags/instance switched on
        "token_ttl_max_s": 21600,
        "instance_id": None,  # which instance asks; the last one made, unless set
        "document": {},  # merged over the identity document (billingProducts ...)
        "items": {},  # path below /latest/ -> text, or None for 404
        "spot_action": None,
    },
}


class Settings:
    """DEFAULTS, changed by POST /set; unknown names are refused."""

    def __init__(self, region, account):
        self.region, self.account = region, account
        self._lock = threading.Lock()
        self._values = copy.deepcopy(DEFAULTS)

    def __getitem__(self, name):
        return self._values[name]

    @property
    def imds(self):
        return self._values["imds"]

    def latency_s(self, action):
        table = self._values["latency_ms"]
        return table.get(action, table.get("*", 0)) / 1000.0

    def change(self, changes):
        with self._lock:
            values = copy.deepcopy(self._values)
            _merge(values, changes, DEFAULTS, "")
            self._values = values
            return copy.deepcopy(values)

    def reset(self):
        with self._lock:
            self._values = copy.deepcopy(DEFAULTS)


def _merge(values, changes, known, prefix):
    free = prefix in ("latency_ms.", "imds.document.", "imds.items.", "key_users.")
    for name, value in changes.items():
        if not free and name not in known:
            raise ValueError(f"unknown setting {prefix}{name}")
        if isinstance(values.get(name), dict) and isinstance(value, dict):
            _merge(values[name], value, known.get(name, {}), f"{prefix}{name}.")
        else:
            values[name] = value


KINDS = {
    "error",  # code, status, message; or codes: one of them after the other
    "reset_before",  # connection reset, nothing done
    "reset_after",  # done, then reset without an answer
    "hang",  # nothing done, no answer (seconds, then reset)
    "lost",  # done, no answer (seconds, then reset)
    "slow",  # done, answered ms later
    "held",  # done, answered when the faults are forgotten
    "dribble",  # done, answered a few bytes every ms
    # done; member N (default 1) goes to `error` later; with CreateVolume and "gone": true the volume
    # goes altogether, as where its key can't be used
    "partial",
    "garbage", "truncated", "huge", "deep", "bomb", "empty",  # done, answered with such a body
    "redirect",  # 307 to `location`
    "wrong_date",  # done; the answer's Date is offset_s off
    "invisible",  # done; what it made is unknown for ms
}


class Fault:
    """One order: action ('*' for any), kind, count (default 1, -1 for ever), skip (let so many
    pass first), who (role+user by default, or 'any'), dry_run (None: both; true; false)."""

    def __init__(self, order):
        order = dict(order)
        self.action = order.pop("action", "*")
        self.kind = order.pop("kind")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind}")
        self.count = order.pop("count", 1)
        self.skip = order.pop("skip", 0)
        self.who = order.pop("who", None)
        self.dry_run = order.pop("dry_run", None)
        self.options = order
        self.used = 0
        self.cleared = None  # the event of Faults' when it was taken

    def wants(self, action, key, dry_run):
        if self.count == 0 or self.action not in ("*", action):
            return False
        if self.dry_run is not None and self.dry_run != dry_run:
            return False
        return self.who == "any" or key is None or key.who != "admin"


class Faults:
    def __init__(self):
        self._lock = threading.Lock()
        self._faults = []
        self.cleared = threading.Event()

    def add(self, order):
        fault = Fault(order)
        with self._lock:
            self._faults.append(fault)

    def clear(self):
        """Forgets every order, ends the hangs under way, and has what is held answered."""
        with self._lock:
            self._faults.clear()
            self.cleared.set()
            self.cleared = threading.Event()

    def take(self, action, key, dry_run):
        """The fault for this call, used up by one; None for none."""
        with self._lock:
            for fault in self._faults:
                if not fault.wants(action, key, dry_run):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.count -= fault.count > 0
                fault.used += 1
                fault.cleared = self.cleared
                return fault
        return None

    def show(self):
        with self._lock:
            return [
                {"action": f.action, "kind": f.kind, "count": f.count, "used": f.used}
                for f in self._faults
            ]


class CallLog:
    """EC2 calls as they came: no keys, tokens or signatures are kept."""

    LIMIT = 20000

    def __init__(self):
        self._lock = threading.Lock()
        self._calls = []
        self._number = 0

    def begin(self, connection, requests_before):
        entry = {
            "connection": connection,
            "requests_before": requests_before,
            "received_mono": time.monotonic(),
            "received_time": time.time(),
            "answered_mono": None,
            "action": None,
            "dry_run": False,
            "who": None,
            "params": {},
            "status": None,
            "code": None,
            "fault": None,
            "request_id": None,
        }
        with self._lock:
            self._number += 1
            entry["number"] = self._number
            self._calls.append(entry)
            del self._calls[: -self.LIMIT]
        return entry

    def show(self, since=0, action=None, who=None):
        with self._lock:
            return [
                dict(call)
                for call in self._calls
                if call["number"] > since
                and (action is None or call["action"] == action)
                and (who is None or call["who"] == who)
            ]

    def clear(self):
        with self._lock:
            self._calls.clear()
