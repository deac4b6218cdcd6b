# SPDX-License-Identifier: BSD-2-Clause
"""What must be true after every cell, whatever the fault was: check_all(cell) gives what is not.

The numbers are those of the promises: 1 and 3 the freezes, 2 the database's lock, 4 EC2, 5 the
label, 6 the exit code and its words, 7 what else is to be as it was."""
import datetime
import os
import re
import time

import faults
import record
import scene as lab

LATE_US = 250_000  # of a lease: what its end may take
SLACK_US = 5_000  # of our own clock reading and of a machine with two cores
MANIFEST = ".stillpoint-manifest.json"
REMEDY_FREE = (0, 3)


def check_all(cell):
    found = []
    for check in (_freezes, _thawed, _lock, _cloud, _label, _words, _rest):
        found += [text for text in check(cell) if text]
    return found


def check_held(cell):
    """In the time of the fault: what must be free while nothing is healed yet. Before the hold only the
    guard's record is asked: the backup may go on, and to ask the kernel would get in the hold's way."""
    found = list(_freezes(cell))
    may_hold = cell.point in faults.BEFORE and not cell.client.ended()
    if not found and not may_hold and not cell.scene.watch.freezing():
        found += list(_thawed(cell))
    if not found and not may_hold and not getattr(cell.fault, "touches_mysql", False):
        found += list(_lock(cell))
    return [f"before the healing: {text}" for text in found]


# -- 1 and 3: what was frozen ----------------------------------------------------------------------


def _ms(microseconds):
    return round(microseconds / 1000)


def _freezes(cell):
    """No freeze outlasts its lease; where the fault set a time, none outlasts that."""
    due_us = cell.due_us
    for freeze in cell.scene.watch.freezes():
        name = os.path.relpath(freeze.path, cell.scene.node["root"])
        if freeze.end_us is None:
            yield f"1: {name} is frozen, {_ms(freeze.length_us())} ms after its freeze"
            continue
        late_us = freeze.end_us - freeze.deadline_us - LATE_US - SLACK_US
        if late_us > 0 and not cell.fault_excuses_deadline():
            yield f"1: {name} was thawed {_ms(late_us + LATE_US)} ms after the lease's end"
        hit = freeze.begin_us <= (cell.injected_us or 0) < freeze.end_us
        if hit and due_us and freeze.end_us > due_us + SLACK_US:
            yield (f"1: {name} was thawed {_ms(freeze.end_us - cell.injected_us)} ms after the "
                   f"fault, {_ms(freeze.end_us - due_us)} ms late")


def _thawed(cell):
    """Asked of the kernel, once nothing of ours freezes any more."""
    if cell.scene.watch.freezing():
        yield "1: a FIFREEZE was announced and never came back"
        return
    for path in cell.scene.mounts:
        if path not in cell.theirs and cell.scene.is_frozen(path):
            yield f"1: {path} is frozen"
    for path in cell.theirs:
        if not cell.scene.is_frozen(path):
            yield f"3: {path} was frozen by somebody else and is not any more"


# -- 2: the database -------------------------------------------------------------------------------


def _lock(cell):
    if not cell.scene.watch.frozen():
        why = cell.scene.writer_waits()
        if why:
            yield f"2: the database takes no write: {why}"


# -- 4: EC2 ----------------------------------------------------------------------------------------


def set_state(one):
    """complete, failed, or what it is instead; of one backup's snapshots and images."""
    members = one["snapshots"] + one["images"]
    states = {member["tags"].get("stillpoint:state", "none") for member in members}
    if states == {"failed"}:
        return "failed"
    wanted = {member["tags"].get("stillpoint:members") for member in one["snapshots"]}
    whole = wanted == {str(len(one["snapshots"]))}
    done = all(member["state"] in ("completed", "available") for member in members)
    if states == {"complete"} and whole and done:
        return "complete"
    if states == {"complete"}:
        return f"complete by its tags, but {len(one['snapshots'])} of {wanted} are there"
    return "+".join(sorted(states))


def _cloud(cell):
    for backup, one in cell.scene.sets().items():
        count = f"{len(one['snapshots'])} snapshots, {len(one['images'])} images"
        if not backup:
            yield f"4: {count} without our tags"
            continue
        state = set_state(one)
        if state in ("complete", "failed"):
            continue
        yield f"4: {count} of {backup} are left, {state}"


# -- 5: the label ----------------------------------------------------------------------------------


def _label(cell):
    limit = cell.expect.most
    told = cell.client.result().get("consistency")
    if told and not faults.at_most(told, limit):
        yield f"5: told to be {told}, at most {limit} was proved"
    for backup, one in cell.scene.sets().items():
        labels = {s["tags"].get("stillpoint:consistency") for s in one["snapshots"]}
        if backup != cell.backup_id or not labels:
            continue
        yield from _window(one)
        if len(labels) > 1:
            yield f"5: one set, labels {sorted(map(str, labels))}"
        yield from _instant(cell, one, labels)
        for label in labels:
            if label not in faults.LABELS:
                yield f"5: tagged {label}"
            elif not faults.at_most(label, limit):
                yield f"5: tagged {label}, at most {limit} was proved"


def _window(one):
    """Its two ends in order, and no longer than a hold may last."""
    for text in {s["tags"].get("stillpoint:window") for s in one["snapshots"]} - {None}:
        begin, end = (datetime.datetime.fromisoformat(part[:-1]) for part in text.split("/")[:2])
        if not 0 <= (end - begin).total_seconds() <= faults.HOLD_US / 1e6:
            yield f"5: a window that can't be: {text}"


def _instant(cell, one, labels):
    """What the label claims, judged by what the cloud knows of its own instant: from before it until
    after it every mount was frozen."""
    if not labels & {"filesystem", "application"}:
        return
    ahead_us = record.boot_us() - time.monotonic_ns() // 1000
    begin_us = min(s["cut_begin_mono"] for s in one["snapshots"]) * 1_000_000 + ahead_us
    end_us = max(s["cut_end_mono"] for s in one["snapshots"]) * 1_000_000 + ahead_us
    freezes = cell.scene.watch.freezes()
    for path in cell.scene.mounts:
        if not any(
            f.path == path and f.begin_us <= begin_us and end_us <= (f.end_us or end_us)
            for f in freezes
        ):
            yield f"5: tagged {sorted(labels)}, and {path} was not frozen at EC2's instant"


# -- 6: the exit code and its words ----------------------------------------------------------------


def _words(cell):
    code, client = cell.exit_code, cell.client
    if code is None:
        yield "6: the command did not end"
        return
    if code not in cell.expect.exits:
        yield f"6: exit {code}, right would be {cell.expect.exits}: {client.stderr().strip()[:400]}"
    if code == 0 or code < 0:
        return
    if not re.search(cell.expect.cause, client.said(), re.IGNORECASE):
        yield f"6: exit {code}, no cause /{cell.expect.cause}/ in: {client.said().strip()[:600]}"
    if code not in REMEDY_FREE and "  do: " not in client.stderr() and not cell.was_cancelled():
        yield f"6: exit {code} without a remedy: {client.stderr().strip()[:400]}"


# -- 7: what else ----------------------------------------------------------------------------------


def _rest(cell):
    scene = cell.scene
    rcu = lab.read_text(scene.node["rcu_expedited"])
    if rcu != scene.rcu:
        yield f"7: rcu_expedited is {rcu.strip()}, was {scene.rcu.strip()}"
    if os.path.exists(scene.marker):
        yield "7: what the exec hook made at hold is still there"
    for folder, kept in ((scene.node["state"], scene.kept_state), (scene.run, scene.kept_run)):
        for name in sorted(set(os.listdir(folder)) - kept - {os.path.basename(scene.marker)}):
            yield f"7: {os.path.join(folder, name)} was left"
    for path in scene.mounts:
        for name in os.listdir(path):
            if name.startswith(MANIFEST) and name != MANIFEST:
                yield f"7: {path}/{name} was left"
    if not lab.wait_for(lambda: scene.is_idle(), 3, 0.02):
        yield (f"7: the daemon has {scene.daemon_weight()} descriptors and children, "
               f"at rest it has {scene.idle}")
