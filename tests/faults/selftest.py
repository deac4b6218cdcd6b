# SPDX-License-Identifier: BSD-2-Clause
"""The checker checked: each invariant is broken on purpose, and has to be found broken.

What is broken is put right again by the test, or by Scene.rebuild as after any cell that failed."""
import os
import signal
import subprocess

import cell as one_cell
import fault_process
import fault_site
import faults
import scene as lab


class Nothing(fault_process.Signalled):
    """A fault that is none."""

    def __init__(self, expect=faults.Expect((0,))):
        super().__init__("nothing", 0, ("daemon",))
        self._expected = expect

    def thaw_due_us(self, cell):
        return None

    def end(self, cell):
        pass

    def expect(self, point):
        return self._expected


class Alone(fault_process.Signalled):
    """Nobody starts the guard again."""

    def order(self, cell):
        super().order(cell)
        lab.lab_node.switch_off(cell.scene.directory, "guard")


class Helpless(Alone):
    """Both guards are stopped and nobody starts another: the driver's own thaw is all that helps."""

    def __init__(self):
        super().__init__("helpless", signal.SIGSTOP, fault_process.GUARDS)


class Late(Alone):
    """A killed guard whose successor comes too late for its due time."""

    def __init__(self):
        super().__init__("late", signal.SIGKILL, fault_process.GUARDS)

    def inject(self, cell):
        super().inject(cell)
        lab.time.sleep(0.3)
        cell.scene.let_restart("guard")

    def thaw_due_us(self, cell):
        return cell.injected_us + fault_process.KILLED_US


class Spoiled(one_cell.Cell):
    def __init__(self, scene, fault, point, spoil):
        super().__init__(scene, fault, point)
        self._spoil = spoil

    def spoil(self):
        self._spoil(self)


def leave(path):
    def spoil(cell):
        with open(path(cell), "w", encoding="ascii"):
            pass
        cell.left = path(cell)

    return spoil


def lock_tables(cell):
    cell.holder = subprocess.Popen(
        ["mariadb", "--no-defaults", "--socket", cell.scene.node["mysql"]["socket"], "-u", "root",
         "-e", "LOCK TABLES lab.probe WRITE; SELECT SLEEP(20)"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not lab.wait_for(lambda: cell.scene.sql(fault_site.THEIR_SLEEP), 20, 0.1):
        raise lab.SceneError("nobody locks the table")


def untagged(cell):
    volume = cell.scene.node["mounts"][0]["volume"]
    cell.scene.ec2.create_snapshot(VolumeId=volume)


def retag(name, value):
    def spoil(cell):
        ids = [one["id"] for one in cell.scene.cloud.get("snapshots")]
        cell.scene.ec2.create_tags(Resources=ids, Tags=[{"Key": name, "Value": value}])

    return spoil


def lose_one(cell):
    one = cell.scene.cloud.get("snapshots")[0]
    cell.scene.ec2.delete_snapshot(SnapshotId=one["id"])


def claim_theirs(cell):
    cell.theirs = [cell.scene.mounts[0]]  # said to be frozen by somebody else, and is not


def set_rcu(cell):
    with open(cell.scene.node["rcu_expedited"], "w", encoding="ascii") as stream:
        stream.write("1\n")
    cell.rcu_set = True


def hold_descriptors(cell):
    cell.sockets = []
    for _ in range(3):
        one = lab.lab_node.socket.socket(lab.lab_node.socket.AF_UNIX)
        one.connect(os.path.join(cell.scene.run, "control.sock"))
        cell.sockets.append(one)


def put_right(cell):
    for number in cell.scene.sql(fault_site.THEIR_SLEEP).split():
        cell.scene.sql(f"KILL {number}")
    if getattr(cell, "left", None) and os.path.exists(cell.left):
        os.unlink(cell.left)
    if getattr(cell, "holder", None):
        cell.holder.kill()
        cell.holder.wait()
    if getattr(cell, "rcu_set", False):
        with open(cell.scene.node["rcu_expedited"], "w", encoding="ascii") as stream:
            stream.write(cell.scene.rcu)
    for one in getattr(cell, "sockets", []):
        one.close()


WRONG_WORDS = faults.Expect((3,), cause="no such words")
LOW = faults.Expect((0,), most="filesystem")
PLANS = (  # what is broken, the fault, at which point, how, what the checker has to say
    ("nobody thaws", Helpless(), "sent", None, "1: .* is frozen"),
    ("a thaw that is late", Late(), "sent", None, "1: .* ms late"),
    ("a mount of theirs is thawed", Nothing(), "attest", claim_theirs, "3: "),
    ("tables stay locked", Nothing(), "attest", lock_tables, "2: "),
    ("a snapshot without tags", Nothing(), "attest", untagged, "4: .* without our tags"),
    ("a set stays held", Nothing(), "attest", retag("stillpoint:state", "held"), "4: .* held"),
    ("a member is gone", Nothing(), "attest", lose_one, "4: .*complete by its tags"),
    ("a label above its proof", Nothing(LOW), "attest", None, "5: told to be application"),
    ("a tag above its proof", Nothing(LOW), "attest", None, "5: tagged application"),
    ("a window that ends before it begins", Nothing(), "attest",
     retag("stillpoint:window", "2026-01-01T00:00:01.000000Z/2026-01-01T00:00:00.000000Z"),
     "5: a window"),
    ("an exit code that is wrong", Nothing(faults.Expect((1,))), "attest", None, "6: exit 0"),
    ("words without the cause", fault_process.Signalled("kill-mysqld", signal.SIGKILL, ("mysql",)),
     "sent", lambda cell: setattr(cell, "expect", WRONG_WORDS), "6: .*no cause"),
    ("the hook's change stays", Nothing(), "attest", leave(lambda cell: cell.scene.marker),
     "7: what the exec hook"),
    ("a file is left", Nothing(), "attest",
     leave(lambda cell: os.path.join(cell.scene.node["state"], "x.new")), "7: .*x.new"),
    ("a manifest is half written", Nothing(), "attest",
     leave(lambda cell: os.path.join(cell.scene.mounts[0], ".stillpoint-manifest.json.x")),
     "7: .*manifest"),
    ("the kernel's switch stays", Nothing(), "attest", set_rcu, "7: rcu_expedited is 1"),
    ("descriptors stay open", Nothing(), "attest", hold_descriptors, "7: the daemon has"),
)


def run(scene):
    import re

    failed = 0
    for name, fault, point, spoil, wanted in PLANS:
        cell = Spoiled(scene, fault, point, spoil or (lambda cell: None))
        cell.run()
        put_right(cell)
        seen = any(re.match(wanted, p.removeprefix("before the healing: ")) for p in cell.problems)
        print(f"{'ok' if seen else 'not ok'} the checker sees: {name}", flush=True)
        if not seen:
            print(f"    wanted /{wanted}/ in {cell.problems}")
            failed += 1
    clean = one_cell.Cell(scene, Nothing(), "attest").run()
    print(f"{'not ok' if clean.problems else 'ok'} the checker finds nothing where nothing is broken")
    return 1 if failed or clean.problems else 0
