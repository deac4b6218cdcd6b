# SPDX-License-Identifier: BSD-2-Clause
"""Faults of what is around: other backups, other tools, mounts that go, statements, full disks."""
import errno
import fcntl
import os
import subprocess
import time

import record
import scene as lab
from faults import FREEZES, HOOKS, POINTS, Expect
from fault_cloud import Cloud


THEIR_SLEEP = ("SELECT ID FROM information_schema.PROCESSLIST "
               "WHERE INFO LIKE '%SLEEP(20)' AND ID <> CONNECTION_ID()")


def by_name(cell, name):
    return next(m for m in cell.scene.node["mounts"] if m["name"] == name)


class SecondBackup(Cloud):
    """Another backup is asked for: refused while the node is held, made beside a long finish."""

    def __init__(self):
        super().__init__("second-backup", POINTS)

    def inject(self, cell):
        free = cell.point in ("waiting", "image")
        if free:
            cell.scene.points.go(cell.point)
        second = cell.scene.backup(name="second")
        code = second.wait(15)
        if code != (0 if free else 4):
            cell.problems.append(f"6: the second backup: exit {code}: {second.stderr()[:300]}")

    def expect(self, point):
        return Expect((0,))


class FrozenByOther(Cloud):
    """Somebody else has frozen a mount, and it stays so."""

    def __init__(self):
        super().__init__("frozen-by-other", ("ready", "hold-mysql", "freeze-0"))
        self.stops = True  # until the command has ended
        self.touches_mysql = True  # no probe of it meanwhile

    def seconds(self, point):
        return 6

    def is_spent(self, cell):
        return cell.client.ended()

    def inject(self, cell):
        path = by_name(cell, "root")["at"]
        if cell.point == "freeze-0":  # the freezer waits before the first, the others may be done
            path = cell.scene.watch.path(0)
        cell.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.ioctl(cell.descriptor, lab.FIFREEZE, 0)
        cell.theirs.append(path)

    def end(self, cell):
        super().end(cell)
        if not cell.theirs:
            return
        try:
            fcntl.ioctl(cell.descriptor, lab.FITHAW, 0)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            cell.problems.append("3: what somebody else froze was thawed")
        os.close(cell.descriptor)
        cell.theirs.clear()

    def expect(self, point):
        exits = (1, 5) if point == "ready" else (1,)  # the rehearsal finds it before anything
        return Expect(exits, cause=r"frozen|froze|EBUSY|busy|filesystem|deadline")


class SlowDisk(Cloud):
    """The disks below all volumes take no write for longer than the hold may last (the pool that
    they lie in is frozen for the time): FIFREEZE and FITHAW sit in the kernel, and both processes of
    the guard with them. What was frozen must be free soon after the disks are back. What a guard
    with one slow mount of several does is tests/guard/test_guard_faults.c's."""

    LASTS_S = 4.0  # the lease is 3 s
    LET_GO_US = 1_500_000  # the watchdog may have ended the guard meanwhile: another has to start

    def __init__(self):
        super().__init__("slow-disk", ("freeze-0",))
        self.outlasts_lease = True  # judged below

    def seconds(self, point):
        return 6

    def order(self, cell):
        super().order(cell)
        cell.scene.let_restart("guard")

    def inject(self, cell):
        pool = os.path.join(cell.scene.directory, "pool")
        cell.helper = lab.ThawTimer([pool], self.LASTS_S)  # who ends it is armed before
        descriptor = os.open(pool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, lab.FIFREEZE, 0)
        os.close(descriptor)

    def end(self, cell):
        super().end(cell)
        lab.wait_for(cell.helper.ended, 2 * self.LASTS_S, 0.001)
        due_us = record.boot_us() + self.LET_GO_US
        if not cell.helper.disarm():
            cell.problems.append("the lab: the pool was not frozen, the cell proves nothing")
        watch = cell.scene.watch
        lab.wait_for(watch.is_loose, 5)
        for freeze in watch.freezes():
            if (freeze.end_us or record.boot_us()) > due_us:
                cell.problems.append(f"1: {freeze.path} was frozen until more than "
                                     f"{self.LET_GO_US // 1000} ms after the disks were back")
        cell.scene.wait_restarted("guard")

    def expect(self, point):
        return Expect((1,), cause="deadline|longer than the hold may last")


class MountGone(Cloud):
    """A data volume's mount is taken away; who has files open there keeps them."""

    def __init__(self):
        super().__init__("mount-gone", ("identify", "plan", "ready", "manifest", "freeze-1",
                                        "request", "sent", "answered", "thaw"))

    def inject(self, cell):
        lab.lab_node.run("umount", "-l", by_name(cell, "binlog")["at"])

    def end(self, cell):
        super().end(cell)
        mount = by_name(cell, "binlog")
        if not os.path.ismount(mount["at"]):
            lab.lab_node.run("mount", "-t", mount["fs"], mount["device"], mount["at"])

    def expect(self, point):
        return Expect((1, 3, 5), "filesystem", r"mount|/var/log/mysql")


class Statement(Cloud):
    """Somebody's session does something in the database all the while."""

    def __init__(self, name, sql, expect=Expect((0,))):
        super().__init__(name, ("hold-mysql",))
        self._sql, self._expect = sql, expect

    def seconds(self, point):
        return 12 if self._expect.exits != (0,) else 4

    def inject(self, cell):
        cell.session = subprocess.Popen(
            ["mariadb", "--no-defaults", "--force", "--socket", cell.scene.node["mysql"]["socket"],
             "-u", "root", "lab", "-e", self._sql],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2)

    def end(self, cell):
        super().end(cell)
        for number in cell.scene.sql(THEIR_SLEEP).split():  # it outlives its client
            cell.scene.sql(f"KILL {number}")
        cell.session.kill()
        cell.session.wait()
        cell.scene.sql("SET GLOBAL event_scheduler=OFF; DROP EVENT IF EXISTS lab.tick;"
                       "DROP TABLE IF EXISTS lab.made", 20)

    def expect(self, point):
        return self._expect


class FullState(Cloud):
    """No room in the state folder: what can't be written down is not begun."""

    def __init__(self):
        super().__init__("full-state", ("plan", "ready", "attest"))

    def inject(self, cell):
        cell.filler = os.path.join(cell.scene.node["state"], "filler")
        with open(cell.filler, "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError:
                pass  # full

    def end(self, cell):
        super().end(cell)
        os.unlink(cell.filler)

    def expect(self, point):
        if point == "attest":
            return Expect((0, 3), cause=r"journal|state|space|room")
        return Expect((1, 5), cause=r"journal|state|space|room")


class ClockStep(Cloud):
    """The node's wall clock is set, by more than AWS allows a signature to be off. Nothing that is
    held depends on it, and the service's own clock is asked."""

    def __init__(self, name, seconds):
        super().__init__(name, POINTS)
        self._seconds = seconds

    def inject(self, cell):
        cell.scene.step_clock(self._seconds)

    def end(self, cell):
        super().end(cell)
        cell.scene.step_clock(0)  # the next backup sees a step the other way

    def seconds(self, point):
        held = HOOKS + ("manifest",) + FREEZES + ("request",)
        return 20 if point in held else 3  # refused once, and held again after the distance

    def expect(self, point):
        return Expect((0,))


LOCKED = Expect((0, 1, 3), "application", r"mysql|lock")

FAULTS = [
    SecondBackup(),
    FrozenByOther(),
    SlowDisk(),
    MountGone(),
    Statement("long-select", "SELECT SLEEP(20)"),
    Statement("long-transaction", "BEGIN; INSERT INTO probe VALUES (7); SELECT SLEEP(20)"),
    Statement("long-ddl", "CREATE TABLE made SELECT SLEEP(20)", LOCKED),
    Statement("lock-tables", "LOCK TABLES probe WRITE; SELECT SLEEP(20)", LOCKED),
    Statement("event-scheduler",
              "SET GLOBAL event_scheduler=ON; CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO "
              "INSERT INTO lab.probe VALUES (9); SELECT SLEEP(20)"),
    FullState(),
    ClockStep("clock-back", -3600),
    ClockStep("clock-forward", 3600),
]
